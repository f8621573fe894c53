"""Synthetic data sets: points in the plane, drawn from a seed with NumPy only.

Each function draws `n` points `(n, 2)` with their labels `(n,)`, classes as equal in number
as `n` allows. `noise` is the standard deviation of what is added to both coordinates.

- `moons(n, noise, rng)`: two half circles that reach into each other
- `spirals(n, noise, rng)`: two spirals, one turned by half a circle
- `blobs(n, noise, rng)`: three clouds, one around each corner of a triangle
- `xor(n, noise, rng)`: a square; the class says whether the signs of the coordinates differ
- `GENERATORS`: name -> function and its default noise
"""

from collections.abc import Callable

import numpy as np

__all__ = ["GENERATORS", "blobs", "moons", "spirals", "xor"]

Points = tuple[np.ndarray, np.ndarray]


def moons(n: int, noise: float, rng: np.random.Generator) -> Points:
    """Draw two half circles of radius 1; the second is centered at (1, 0.5) and opens upward.

    Example:
        >>> x, y = moons(4, 0.0, np.random.default_rng(0))
        >>> bool(np.allclose(np.hypot(*x[y == 0].T), 1))
        True
    """
    y = _labels(n, 2, rng)
    angle = rng.uniform(0, np.pi, n)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    lower = np.array([1.0, 0.5]) - upper
    return _jitter(np.where(y[:, None] == 0, upper, lower), noise, rng), y


def spirals(n: int, noise: float, rng: np.random.Generator) -> Points:
    """Draw two spirals whose radius grows from 0.1 to 1 over about one and a half turns."""
    y = _labels(n, 2, rng)
    # The square root spreads the points evenly along the arm, which is longer outside.
    radius = np.sqrt(rng.uniform(0.1**2, 1.0, n))
    angle = 3.5 * np.pi * radius + np.pi * y
    arms = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _jitter(arms, noise, rng), y


def blobs(n: int, noise: float, rng: np.random.Generator) -> Points:
    """Draw three normal clouds with standard deviation `noise`, centers at distance 1 from 0."""
    y = _labels(n, 3, rng)
    angle = 2 * np.pi * y / 3 + np.pi / 2
    return _jitter(np.stack([np.cos(angle), np.sin(angle)], axis=1), noise, rng), y


def xor(n: int, noise: float, rng: np.random.Generator) -> Points:
    """Draw points in the square from -1 to 1; class 1 where exactly one coordinate is positive.

    Example:
        >>> x, y = xor(100, 0.0, np.random.default_rng(0))
        >>> bool(np.all(y == (x[:, 0] * x[:, 1] < 0)))
        True
    """
    y = _labels(n, 2, rng)
    side = rng.choice([-1.0, 1.0], n)
    signs = np.stack([side, np.where(y == 1, -side, side)], axis=1)
    # 1 - U lies in (0, 1], so that no coordinate is 0 and every point has a class.
    return _jitter(signs * (1 - rng.uniform(size=(n, 2))), noise, rng), y


GENERATORS: dict[str, tuple[Callable[[int, float, np.random.Generator], Points], float]] = {
    "moons": (moons, 0.1),
    "spirals": (spirals, 0.02),
    "blobs": (blobs, 0.4),
    "xor": (xor, 0.0),
}


def _labels(n: int, classes: int, rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(np.arange(n) % classes)


def _jitter(points: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    return (points + noise * rng.normal(size=points.shape)).astype(np.float32)
