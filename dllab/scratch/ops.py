"""Operations on tensors beyond arithmetic: each with its value and its gradient rule.

Entry by entry:

- `exp`, `log`, `sqrt`: as in NumPy.
- `sigmoid`, `tanh`, `relu`, `leaky_relu`, `elu`, `gelu`, `softplus`: activation functions.
- `maximum`, `where`: choose between two tensors.

Along an axis:

- `softmax`, `log_softmax`, `logsumexp`: scores to probabilities and their logarithms.

Arguments may be tensors, arrays or numbers; results are tensors. In each rule, `g` is the
gradient of the loss with respect to the result. Values and derivatives of the activations are
those of `dllab.scratch.activations`, stable at ±1000.

Introduced in: `chapter-backpropagation`.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from dllab.errors import ParameterError
from dllab.scratch import activations
from dllab.scratch.tensor import Array, Tensor, as_tensor, check_broadcast, record, unbroadcast

__all__ = [
    "elu",
    "exp",
    "gelu",
    "leaky_relu",
    "log",
    "log_softmax",
    "logsumexp",
    "maximum",
    "relu",
    "sigmoid",
    "softmax",
    "softplus",
    "sqrt",
    "tanh",
    "where",
]

Operand: TypeAlias = Tensor | ArrayLike


def exp(x: Operand) -> Tensor:
    """Return `e**x`; the derivative is the value itself.

    Example:
        >>> exp([0.0]).data.tolist()
        [1.0]
    """
    x = as_tensor(x)
    value = np.exp(x.data)
    return record(value, (x,), "exp", lambda g: (g * value,))


def log(x: Operand) -> Tensor:
    """Return the natural logarithm; the derivative is `1 / x`.

    Raises:
        ParameterError: an entry is not positive.

    Example:
        >>> x = Tensor([1.0, 4.0])
        >>> log(x).sum().backward()
        >>> x.grad.tolist()
        [1.0, 0.25]
    """
    x = as_tensor(x)
    if np.any(x.data <= 0):
        raise ParameterError(
            f"`x` should be positive everywhere, but its smallest entry is {x.data.min():g}. "
            "Use log_softmax, or a loss that takes logits, instead of the log of a probability."
        )
    return record(np.log(x.data), (x,), "log", lambda g: (g / x.data,))


def sqrt(x: Operand) -> Tensor:
    """Return the square root; the derivative is `1 / (2 * sqrt(x))`, infinite at 0.

    Raises:
        ParameterError: an entry is not positive.

    Example:
        >>> x = Tensor([4.0])
        >>> sqrt(x).backward()
        >>> x.grad.tolist()
        [0.25]
    """
    x = as_tensor(x)
    if np.any(x.data <= 0):
        raise ParameterError(
            f"`x` should be positive everywhere, but its smallest entry is {x.data.min():g}, "
            "where the root has no finite derivative. Add a small constant such as 1e-8."
        )
    value = np.sqrt(x.data)
    return record(value, (x,), "sqrt", lambda g: (g / (2 * value),))


def sigmoid(x: Operand) -> Tensor:
    """Return `1 / (1 + e**-x)`; the derivative is `sigmoid(x) * sigmoid(-x)`.

    Example:
        >>> sigmoid([-1000.0, 0.0]).data.tolist()
        [0.0, 0.5]
    """
    x = as_tensor(x)
    slope = activations.sigmoid_derivative(x.data)
    return record(activations.sigmoid(x.data), (x,), "sigmoid", lambda g: (g * slope,))


def tanh(x: Operand) -> Tensor:
    """Return the hyperbolic tangent; the derivative is `1 - tanh(x)**2`.

    Example:
        >>> tanh([0.0]).data.tolist()
        [0.0]
    """
    x = as_tensor(x)
    slope = activations.tanh_derivative(x.data)
    return record(activations.tanh(x.data), (x,), "tanh", lambda g: (g * slope,))


def relu(x: Operand) -> Tensor:
    """Return `max(x, 0)`; the derivative is 1 where `x > 0`, else 0.

    Example:
        >>> x = Tensor([-2.0, 0.0, 3.0])
        >>> relu(x).sum().backward()
        >>> x.grad.tolist()
        [0.0, 0.0, 1.0]
    """
    x = as_tensor(x)
    slope = activations.relu_derivative(x.data)
    return record(activations.relu(x.data), (x,), "relu", lambda g: (g * slope,))


def leaky_relu(x: Operand, negative_slope: float = 0.01) -> Tensor:
    """Return `x` where `x > 0`, else `negative_slope * x`; the slopes are the derivative.

    Example:
        >>> leaky_relu([-200.0, 3.0]).data.tolist()
        [-2.0, 3.0]
    """
    x = as_tensor(x)
    slope = activations.leaky_relu_derivative(x.data, negative_slope)
    value = activations.leaky_relu(x.data, negative_slope)
    return record(value, (x,), "leaky_relu", lambda g: (g * slope,))


def elu(x: Operand, alpha: float = 1.0) -> Tensor:
    """Return `x` where `x > 0`, else `alpha * (e**x - 1)`; the derivative there is `alpha * e**x`.

    Example:
        >>> elu([-1000.0, 3.0]).data.tolist()
        [-1.0, 3.0]
    """
    x = as_tensor(x)
    slope = activations.elu_derivative(x.data, alpha)
    return record(activations.elu(x.data, alpha), (x,), "elu", lambda g: (g * slope,))


def gelu(x: Operand) -> Tensor:
    """Return `x * P(N <= x)`, `N` standard normal; the derivative is `P(N <= x) + x * density(x)`.

    Example:
        >>> gelu([0.0, 1000.0]).data.tolist()
        [0.0, 1000.0]
    """
    x = as_tensor(x)
    slope = activations.gelu_derivative(x.data)
    return record(activations.gelu(x.data), (x,), "gelu", lambda g: (g * slope,))


def softplus(x: Operand) -> Tensor:
    """Return `log(1 + e**x)`; the derivative is `sigmoid(x)`.

    Example:
        >>> softplus([-1000.0, 1000.0]).data.tolist()
        [0.0, 1000.0]
    """
    x = as_tensor(x)
    slope = activations.softplus_derivative(x.data)
    return record(activations.softplus(x.data), (x,), "softplus", lambda g: (g * slope,))


def maximum(x: Operand, y: Operand) -> Tensor:
    """Return the larger entry of `x` and `y`; only it receives a gradient, half each if equal.

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> x, y = Tensor([1.0, 5.0, 2.0]), Tensor([3.0, 4.0, 2.0])
        >>> maximum(x, y).sum().backward()
        >>> x.grad.tolist(), y.grad.tolist()
        ([0.0, 1.0, 0.5], [1.0, 0.0, 0.5])
    """
    x, y = as_tensor(x), as_tensor(y)
    check_broadcast("maximum", x.shape, y.shape)
    x_share = np.where(x.data == y.data, 0.5, x.data > y.data)

    def rule(g: Array) -> tuple[Array, Array]:
        return unbroadcast(g * x_share, x.shape), unbroadcast(g * (1 - x_share), y.shape)

    return record(np.maximum(x.data, y.data), (x, y), "maximum", rule)


def where(condition: ArrayLike, x: Operand, y: Operand) -> Tensor:
    """Return the entry of `x` where `condition` is true, of `y` elsewhere; so goes the gradient.

    Args:
        condition: an array of booleans, for example `x.data > 0`. It receives no gradient.
        x: entries to take where it is true.
        y: entries to take where it is false.

    Raises:
        ParameterError: `condition` holds something other than booleans.
        ShapeError: the shapes do not broadcast.

    Example:
        >>> where([True, False], [1.0, 2.0], 0.0).data.tolist()
        [1.0, 0.0]
    """
    x, y, condition = as_tensor(x), as_tensor(y), np.asarray(condition)
    if condition.dtype != np.bool_:
        raise ParameterError(
            f"`condition` should hold booleans, but its dtype is {condition.dtype}. "
            "Write a comparison of arrays such as x.data > 0."
        )
    check_broadcast("where", condition.shape, x.shape, y.shape)

    def rule(g: Array) -> tuple[Array, Array]:
        return (
            unbroadcast(np.where(condition, g, 0.0), x.shape),
            unbroadcast(np.where(condition, 0.0, g), y.shape),
        )

    return record(np.where(condition, x.data, y.data), (x, y), "where", rule)


def softmax(x: Operand, axis: int = -1) -> Tensor:
    """Return `p = e**x / sum(e**x)` along `axis`; the rule is `p * (g - sum(g * p))`.

    The rule is the product of `g` with the Jacobian `diag(p) - p p^T`, which is never formed.

    Args:
        x: scores, for example `(batch, classes)`.
        axis: the axis along which the result sums to one.

    Raises:
        ShapeError: `x` has no entry along `axis`.

    Example:
        >>> softmax([[1000.0, 1000.0]]).data.tolist()
        [[0.5, 0.5]]
    """
    x = as_tensor(x)
    p = activations.softmax(x.data, axis)

    def rule(g: Array) -> tuple[Array]:
        return (p * (g - (g * p).sum(axis=axis, keepdims=True)),)

    return record(p, (x,), "softmax", rule)


def log_softmax(x: Operand, axis: int = -1) -> Tensor:
    """Return `x - logsumexp(x)` along `axis`; the rule is `g - softmax(x) * sum(g)`.

    Args:
        x: scores, for example `(batch, classes)`.
        axis: the axis of the classes.

    Raises:
        ShapeError: `x` has no entry along `axis`.

    Example:
        >>> log_softmax([0.0, -1000.0]).data.tolist()
        [0.0, -1000.0]
    """
    x = as_tensor(x)
    p = activations.softmax(x.data, axis)

    def rule(g: Array) -> tuple[Array]:
        return (g - p * g.sum(axis=axis, keepdims=True),)

    return record(activations.log_softmax(x.data, axis), (x,), "log_softmax", rule)


def logsumexp(x: Operand, axis: int = -1, keepdims: bool = False) -> Tensor:
    """Return `log(sum(e**x))` along `axis`; the derivative is `softmax(x)`.

    Args:
        x: scores, for example `(batch, classes)`.
        axis: the axis to sum along.
        keepdims: keep that axis with size 1.

    Raises:
        ShapeError: `x` has no entry along `axis`.

    Example:
        >>> logsumexp([1000.0, -1000.0]).data.item()
        1000.0
    """
    x = as_tensor(x)
    p = activations.softmax(x.data, axis)

    def rule(g: Array) -> tuple[Array]:
        return (p * (g if keepdims else np.expand_dims(g, axis)),)

    return record(activations.logsumexp(x.data, axis, keepdims), (x,), "logsumexp", rule)
