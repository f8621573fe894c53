"""Compare gradients with finite differences: the referee of every derivative in this course.

- `numeric_gradient`: a gradient by central differences.
- `gradcheck`: hold it against what `backward` says.
- `GradcheckResult`: the verdict.

Introduced in: `chapter-backpropagation`.
Source: Nocedal and Wright (2006), "Numerical Optimization", 2nd ed., Springer, section 8.1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dllab.errors import ParameterError, ShapeError
from dllab.scratch.tensor import Array, Tensor

__all__ = ["GradcheckResult", "gradcheck", "numeric_gradient"]

# Below this size a gradient is compared absolutely: rounding of the loss, about 1e-16 / step,
# is then no longer small against it.
_SMALL_GRADIENT = 1e-3


@dataclass(frozen=True)
class GradcheckResult:
    """What `gradcheck` found.

    Attributes:
        ok: whether every entry agrees within the tolerance.
        max_relative_error: the largest `|a - n| / max(|a|, |n|, 0.001)` over all entries, `a` from
            `backward`, `n` from central differences; infinite if one of them is not finite.
        worst: a sentence on the entry with that error.
    """

    ok: bool
    max_relative_error: float
    worst: str

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        verdict = "agrees" if self.ok else "DISAGREES"
        return f"gradient {verdict}, relative error {self.max_relative_error:.1e}: {self.worst}"


def numeric_gradient(f: Callable[[Array], Any], x: ArrayLike, step: float = 1e-5) -> Array:
    """Return the gradient of `f` at `x` by central differences.

    For each entry `i`: `(f(x + step * e_i) - f(x - step * e_i)) / (2 * step)`. A smaller step
    follows the curve better and loses more digits to rounding; for float64 and values near 1 the
    best is about 1e-5.

    Args:
        f: takes an array of the shape of `x`, returns one number (or a `Tensor` with one entry).
        x: where to differentiate; not changed.
        step: the distance to either side, positive.

    Returns:
        An array of the shape of `x`.

    Raises:
        ParameterError: `step` is not positive.
        ShapeError: `f` returns more than one number.

    Example:
        >>> numeric_gradient(lambda x: (x**2).sum(), [1.0, 3.0]).round(6).tolist()
        [2.0, 6.0]

    Introduced in: `chapter-backpropagation`.
    """
    if not step > 0:
        raise ParameterError(f"`step` should be positive, but it is {step!r}. Try 1e-5.")
    x = np.array(x, dtype=np.float64)
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        shift = np.zeros_like(x)
        shift[index] = step
        gradient[index] = (_number(f(x + shift)) - _number(f(x - shift))) / (2 * step)
    return gradient


def gradcheck(
    f: Callable[..., Tensor], *arrays: ArrayLike, tolerance: float = 1e-6
) -> GradcheckResult:
    """Compare the gradients that `backward` finds with central differences.

    The entries of the result are first weighted with fixed unequal numbers and summed, so that
    errors in two entries cannot cancel.

    Args:
        f: takes one `Tensor` per array, returns a `Tensor` of any shape.
        arrays: where to check. Avoid kinks (ReLU at 0), where no derivative exists, and do not
            check only at 0, where a wrong rule may happen to be right.
        tolerance: the largest relative error that counts as agreement.

    Returns:
        A `GradcheckResult`. A disagreement, or an exception in the backward pass, is a result that
        is not `ok`; nothing is raised for it. What `f` itself raises is passed on.

    Raises:
        ParameterError: `f` does not return a `Tensor`.

    Example:
        >>> gradcheck(lambda x, y: x * y, [1.0, 2.0], [3.0, 4.0]).ok
        True

    Introduced in: `chapter-backpropagation`.
    """
    points = [np.array(array, dtype=np.float64) for array in arrays]
    inputs = [Tensor(point) for point in points]
    output = f(*inputs)
    if not isinstance(output, Tensor):
        raise ParameterError(
            f"`f` should return a Tensor, but it returned a {type(output).__name__}. "
            "Compute with the operations of dllab.scratch inside f, not with NumPy's."
        )
    # unequal, and none of them 1: a rule that ignores `g` would be right at 1
    weights = np.cos(np.arange(1, output.size + 1)).reshape(output.shape)
    try:
        output.backward(weights)
    except Exception as error:
        return GradcheckResult(
            False, float("inf"), f"backward raised {type(error).__name__}: {error}"
        )
    # worst so far: relative error and sentence
    worst = (0.0, "no entry differs")
    for position, point in enumerate(points):

        def loss(x: Array, position: int = position) -> float:
            moved = [*points[:position], x, *points[position + 1 :]]
            return float((f(*map(Tensor, moved)).data * weights).sum())

        analytic = inputs[position].grad
        if analytic is None:  # f does not use this input, as far as backward can see
            analytic = np.zeros_like(point)
        found = _largest_error(position, analytic, numeric_gradient(loss, point))
        worst = max(worst, found, key=lambda entry: entry[0])
    return GradcheckResult(bool(worst[0] <= tolerance), *worst)


def _largest_error(position: int, analytic: Array, numeric: Array) -> tuple[float, str]:
    if analytic.size == 0:
        return 0.0, "no entry to compare"
    scale = np.maximum(np.maximum(np.abs(analytic), np.abs(numeric)), _SMALL_GRADIENT)
    finite = np.isfinite(analytic) & np.isfinite(numeric)
    difference = np.subtract(analytic, numeric, where=finite, out=np.zeros_like(numeric))
    errors = np.where(finite, np.abs(difference) / np.where(finite, scale, 1.0), np.inf)
    index = tuple(int(i) for i in np.unravel_index(errors.argmax(), errors.shape))
    return float(errors[index]), (
        f"argument {position}, entry {index}: backward says {analytic[index]:.6g}, "
        f"central difference says {numeric[index]:.6g}"
    )


def _number(value: Any) -> float:
    if isinstance(value, Tensor):
        return float(value)
    if np.size(value) != 1:
        raise ShapeError(
            f"`f` should return one number, but it returned shape {np.shape(value)}. "
            "Sum or average the result inside f."
        )
    return float(np.asarray(value).item())
