"""The optimizers, written with operators alone: the same lines serve arrays of every framework.

- `sgd`, `rmsprop`, `adam`, `adamw`: one step for one weight, as Keras defines it.
- `STEPS`: the four by name.

Each takes the weight `w`, its gradient `g`, the memory of the last step (`None` before the first)
and the number of the step `t = 1, 2, …`, and returns the new weight and the new memory. No
framework's own optimizers agree on every line, which is why the plain ways use these:

- `sgd`: Keras puts the learning rate inside the velocity, PyTorch outside.
- `rmsprop`: Keras adds epsilon inside the root, PyTorch outside, so 1e-7 in Keras acts like 3e-4
  in PyTorch where gradients are small.
- `adam`: Keras's epsilon, 1e-7, stands beside the uncorrected root. PyTorch's, 1e-8, stands beside
  the corrected one: the two steps are equal if PyTorch is given `epsilon / sqrt(1 - beta_2**t)`.
- `adamw`: Keras and PyTorch both multiply the decay by the learning rate, as here.
"""

from collections.abc import Callable
from typing import Any

__all__ = ["STEPS", "adam", "adamw", "rmsprop", "sgd"]


def sgd(w: Any, g: Any, memory: Any, t: int, learning_rate: float, momentum: float) -> Any:
    """Step by a velocity that remembers `momentum` of itself."""
    v = 0.0 if memory is None else memory
    v = momentum * v - learning_rate * g
    return w + v, v


def rmsprop(
    w: Any, g: Any, memory: Any, t: int, learning_rate: float, rho: float, epsilon: float
) -> Any:
    """Divide the gradient by the root of its mean square, epsilon inside the root."""
    v = 0.0 if memory is None else memory
    v = rho * v + (1 - rho) * g**2
    return w - learning_rate * g / (v + epsilon) ** 0.5, v


def adam(
    w: Any,
    g: Any,
    memory: Any,
    t: int,
    learning_rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> Any:
    """Average the gradient and its square; epsilon beside the uncorrected root."""
    m, v = (0.0, 0.0) if memory is None else memory
    m = beta_1 * m + (1 - beta_1) * g
    v = beta_2 * v + (1 - beta_2) * g**2
    rate = learning_rate * (1 - beta_2**t) ** 0.5 / (1 - beta_1**t)
    return w - rate * m / (v**0.5 + epsilon), (m, v)


def adamw(
    w: Any, g: Any, memory: Any, t: int, learning_rate: float, weight_decay: float, **betas: float
) -> Any:
    """Shrink the weight by `learning_rate * weight_decay` of itself, then step as Adam does."""
    return adam(w - learning_rate * weight_decay * w, g, memory, t, learning_rate, **betas)


STEPS: dict[str, Callable[..., Any]] = {
    "sgd": sgd,
    "rmsprop": rmsprop,
    "adam": adam,
    "adamw": adamw,
}
