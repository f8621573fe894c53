"""Initializers: where the weights start.

- `zeros`: for biases; as weights they keep all units of a layer equal forever.
- `random_normal`: a fixed spread, whatever the layer's size.
- `lecun_normal`: variance `1 / fan_in`, keeps the signal through linear layers.
- `glorot_uniform`, `glorot_normal`: variance `2 / (fan_in + fan_out)`, for signal and gradient.
- `he_uniform`, `he_normal`: variance `2 / fan_in`, for ReLU, which halves the mean square.
- `fans`: how many inputs and outputs a unit has.

All are called as `initializer(shape, rng)` and have the distributions of Keras's initializers of
the same names. The normal ones are truncated, as in Keras: values beyond two standard deviations
are drawn anew, and the spread before the cut is chosen so that the variance after it is right.

Introduced in: `chapter-training`.
"""

import math
from collections.abc import Sequence

import numpy as np

from dllab.errors import ParameterError
from dllab.scratch.tensor import Array

__all__ = [
    "fans",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "random_normal",
    "zeros",
]

# Standard deviation of a standard normal variable cut at ±2:
# sqrt(1 - 4 phi(2) / (2 Phi(2) - 1)) with density phi and distribution function Phi.
_TRUNCATED = 0.8796256610342398


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """Count the inputs of one output unit, and the outputs that one input unit feeds.

    For a dense kernel `(units_in, units_out)` these are its two sizes. A convolution's kernel
    `(kernel_height, kernel_width, channels_in, filters)` has as many of each at every position of
    the window.

    Args:
        shape: the kernel's shape, two axes or more.

    Returns:
        `(fan_in, fan_out)`.

    Raises:
        ParameterError: `shape` has fewer than two axes or an axis of size 0.

    Example:
        >>> fans((784, 100)), fans((3, 3, 16, 32))
        ((784, 100), (144, 288))

    Introduced in: `chapter-training`.
    """
    sizes = tuple(shape)
    if len(sizes) < 2 or not all(size > 0 for size in sizes):
        raise ParameterError(
            "`shape` should be that of a kernel, such as (units_in, units_out), but it is "
            f"{sizes}. For biases use zeros."
        )
    window = math.prod(sizes[:-2])
    return window * sizes[-2], window * sizes[-1]


def zeros(shape: Sequence[int], rng: np.random.Generator | None = None) -> Array:
    """Return zeros: right for biases, wrong for weights.

    Args:
        shape: any shape.
        rng: not used; here so that all initializers are called alike.

    Example:
        >>> zeros((3,)).tolist()
        [0.0, 0.0, 0.0]

    Introduced in: `chapter-training`.
    """
    return np.zeros(tuple(shape))


def random_normal(shape: Sequence[int], rng: np.random.Generator, stddev: float = 0.05) -> Array:
    """Draw from a normal distribution of mean 0 and standard deviation `stddev`, not truncated.

    Args:
        shape: any shape.
        rng: the source of randomness, `np.random.default_rng(seed)`.
        stddev: the same for every layer; Keras's default.

    Raises:
        ParameterError: `rng` is not a `np.random.Generator`, or `stddev` is negative.

    Introduced in: `chapter-training`.
    """
    if not stddev >= 0:
        raise ParameterError(f"`stddev` should be at least 0, but it is {stddev!r}. Try 0.05.")
    return _checked(rng).normal(0.0, stddev, tuple(shape))


def lecun_normal(shape: Sequence[int], rng: np.random.Generator) -> Array:
    """Draw truncated normal weights of variance `1 / fan_in`.

    Args:
        shape: the kernel's shape; see `fans`.
        rng: the source of randomness.

    Raises:
        ParameterError: `rng` or `shape` is not what it should be.

    Source: LeCun, Bottou, Orr and Müller (1998), "Efficient BackProp", section 4.6.

    Introduced in: `chapter-training`.
    """
    return _truncated_normal(shape, rng, 1 / fans(shape)[0])


def glorot_normal(shape: Sequence[int], rng: np.random.Generator) -> Array:
    """Draw truncated normal weights of variance `2 / (fan_in + fan_out)`.

    Args:
        shape: the kernel's shape; see `fans`.
        rng: the source of randomness.

    Raises:
        ParameterError: `rng` or `shape` is not what it should be.

    Source: Glorot and Bengio (2010), "Understanding the difficulty of training deep feedforward
    neural networks", AISTATS.

    Introduced in: `chapter-training`.
    """
    return _truncated_normal(shape, rng, 2 / sum(fans(shape)))


def glorot_uniform(shape: Sequence[int], rng: np.random.Generator) -> Array:
    """Draw uniform weights of variance `2 / (fan_in + fan_out)`: Keras's default for layers.

    Uniform between `±limit` has the variance `limit² / 3`, so
    `limit = sqrt(6 / (fan_in + fan_out))`.

    Args:
        shape: the kernel's shape; see `fans`.
        rng: the source of randomness.

    Raises:
        ParameterError: `rng` or `shape` is not what it should be.

    Source: as `glorot_normal`.

    Example:
        >>> W = glorot_uniform((200, 100), np.random.default_rng(0))
        >>> bool(np.abs(W).max() < np.sqrt(6 / 300)), round(float(W.var() * 300), 1)
        (True, 2.0)

    Introduced in: `chapter-training`.
    """
    return _uniform(shape, rng, 2 / sum(fans(shape)))


def he_normal(shape: Sequence[int], rng: np.random.Generator) -> Array:
    """Draw truncated normal weights of variance `2 / fan_in`: for ReLU and its relatives.

    Args:
        shape: the kernel's shape; see `fans`.
        rng: the source of randomness.

    Raises:
        ParameterError: `rng` or `shape` is not what it should be.

    Source: He, Zhang, Ren and Sun (2015), "Delving deep into rectifiers", ICCV.

    Example:
        >>> W = he_normal((200, 100), np.random.default_rng(0))
        >>> round(float(W.var() * 200), 1)
        2.0

    Introduced in: `chapter-training`.
    """
    return _truncated_normal(shape, rng, 2 / fans(shape)[0])


def he_uniform(shape: Sequence[int], rng: np.random.Generator) -> Array:
    """Draw uniform weights of variance `2 / fan_in`, between `±sqrt(6 / fan_in)`.

    Args:
        shape: the kernel's shape; see `fans`.
        rng: the source of randomness.

    Raises:
        ParameterError: `rng` or `shape` is not what it should be.

    Source: as `he_normal`.

    Introduced in: `chapter-training`.
    """
    return _uniform(shape, rng, 2 / fans(shape)[0])


def _checked(rng: np.random.Generator) -> np.random.Generator:
    if not isinstance(rng, np.random.Generator):
        raise ParameterError(
            f"`rng` should be a np.random.Generator, but it is a {type(rng).__name__}. "
            "Pass np.random.default_rng(0)."
        )
    return rng


def _uniform(shape: Sequence[int], rng: np.random.Generator, variance: float) -> Array:
    limit = math.sqrt(3 * variance)
    return _checked(rng).uniform(-limit, limit, tuple(shape))


def _truncated_normal(shape: Sequence[int], rng: np.random.Generator, variance: float) -> Array:
    values = _checked(rng).normal(size=tuple(shape))
    while (outside := np.abs(values) > 2).any():
        values[outside] = rng.normal(size=int(outside.sum()))
    return values * (math.sqrt(variance) / _TRUNCATED)
