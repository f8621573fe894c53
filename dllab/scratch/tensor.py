"""Reverse-mode differentiation of arrays: what a framework does, without the framework.

- `Tensor`: an array that remembers how it was computed and can find its gradients.
- `unbroadcast`: sum a gradient back to the shape that broadcasting had stretched.
- `record`: make the result of an operation from its value and its gradient rule.
- `as_tensor`: turn numbers and arrays into a `Tensor`, leave a `Tensor` as it is.
- `check_broadcast`: refuse shapes that do not broadcast.

A gradient rule takes `g`, the gradient of the loss with respect to the operation's result (same
shape as the result), and returns a tuple: the gradient with respect to each parent, in order.

Introduced in: `chapter-backpropagation`.
Source: Baydin, Pearlmutter, Radul and Siskind (2018), "Automatic differentiation in machine
learning: a survey", Journal of Machine Learning Research 18(153).
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeAlias, final

import numpy as np
from numpy.typing import ArrayLike

from dllab.errors import ParameterError, ShapeError
from dllab.scratch.scalar import topological_order

__all__ = ["Tensor", "as_tensor", "check_broadcast", "record", "unbroadcast"]

Array: TypeAlias = np.ndarray
Axis: TypeAlias = int | tuple[int, ...] | None
Rule: TypeAlias = Callable[[Array], tuple[Any, ...]]


@final
class Tensor:
    """Hold an array, the tensors it was computed from, and its gradient.

    Args:
        data: numbers; copied and stored as float64.
        label: a name of your choice, shown in drawings of the graph.

    Attributes:
        data: the array.
        grad: the gradient, an array of the same shape, or `None` before `backward`.
        parents: the tensors that this one was computed from; empty for an input.
        op: the name of the operation, empty for an input.
        rule: the gradient rule of the operation, `None` for an input.
        label: as above.

    Raises:
        ParameterError: `data` is not a rectangular array of real numbers.

    Example:
        >>> x = Tensor([[1.0, 2.0]])            # (1, 2)
        >>> W = Tensor([[3.0], [4.0]])          # (2, 1)
        >>> loss = (x @ W).sum()
        >>> loss.backward()
        >>> float(loss), W.grad.tolist(), x.grad.tolist()
        (11.0, [[1.0], [2.0]], [[3.0, 4.0]])

    Introduced in: `chapter-backpropagation`.
    """

    __slots__ = ("data", "grad", "label", "op", "parents", "rule")

    # NumPy then leaves `array * tensor` to Tensor.__rmul__
    __array_ufunc__ = None

    def __init__(self, data: ArrayLike, label: str = "") -> None:
        self.data: Array = _real_array(data)
        self.grad: Array | None = None
        self.parents: tuple[Tensor, ...] = ()
        self.op = ""
        self.rule: Rule | None = None
        self.label = label

    # The backward pass

    def backward(self, grad: ArrayLike | None = None) -> None:
        """Add the gradient of this tensor to the `.grad` of everything it was computed from.

        Chain rule: a node's gradient is the sum of what each of its children hands back.
        Inputs keep what their `.grad` held before, so gradients add up over several calls; call
        `zero_grad` to start afresh.

        Args:
            grad: the gradient to start from, same shape as this tensor. May be left out for a
                tensor with one entry; then it is 1.

        Raises:
            ShapeError: `grad` is missing for a tensor with several entries, or differs in shape;
                or a gradient rule returned another shape than its parent has.

        Example:
            >>> x = Tensor(3.0)
            >>> (x * x + x).backward()
            >>> x.grad.item()                       # 2 * 3 + 1
            7.0
        """
        seed = self._seed(grad)
        order = topological_order(self)
        for node in order:
            if node.parents:  # a computed node belongs to this pass alone; an input accumulates
                node.grad = None
        self._accumulate(seed, "backward")
        for node in reversed(order):
            if node.parents:
                for parent, gradient in zip(node.parents, node.rule(node.grad), strict=True):
                    parent._accumulate(gradient, node.op)

    def zero_grad(self) -> None:
        """Forget the gradient: set `.grad` to `None`."""
        self.grad = None

    def _seed(self, grad: ArrayLike | None) -> Array:
        if grad is None and self.size != 1:
            raise ShapeError(
                "`backward` should start from a tensor with one entry, but this one has shape "
                f"{self.shape}. Reduce it first, for example with .mean(), or pass `grad`."
            )
        seed = np.ones(self.shape) if grad is None else _real_array(grad)
        if seed.shape != self.shape:
            raise ShapeError(
                f"`grad` should have the tensor's shape {self.shape}, but its shape is "
                f"{seed.shape}. Pass one number for each entry."
            )
        return seed

    def _accumulate(self, gradient: Any, op: str) -> None:
        if np.shape(gradient) != self.shape:
            raise ShapeError(
                f"The gradient rule of `{op}` should return shape {self.shape} for this parent, "
                f"but it returned {np.shape(gradient)}. If the operation broadcasts, "
                "pass the gradient through unbroadcast."
            )
        # a new array each time: a rule may hand the same array to two parents
        self.grad = np.array(gradient) if self.grad is None else self.grad + gradient

    # Arithmetic: entry by entry, with broadcasting

    def __add__(self, other: "Tensor | ArrayLike") -> "Tensor":
        other = as_tensor(other)
        check_broadcast("+", self.shape, other.shape)

        def rule(g: Array) -> tuple[Array, Array]:
            return unbroadcast(g, self.shape), unbroadcast(g, other.shape)

        return record(self.data + other.data, (self, other), "+", rule)

    def __sub__(self, other: "Tensor | ArrayLike") -> "Tensor":
        other = as_tensor(other)
        check_broadcast("-", self.shape, other.shape)

        def rule(g: Array) -> tuple[Array, Array]:
            return unbroadcast(g, self.shape), unbroadcast(-g, other.shape)

        return record(self.data - other.data, (self, other), "-", rule)

    def __mul__(self, other: "Tensor | ArrayLike") -> "Tensor":
        other = as_tensor(other)
        check_broadcast("*", self.shape, other.shape)
        x, y = self.data, other.data

        def rule(g: Array) -> tuple[Array, Array]:
            return unbroadcast(g * y, x.shape), unbroadcast(g * x, y.shape)

        return record(x * y, (self, other), "*", rule)

    def __truediv__(self, other: "Tensor | ArrayLike") -> "Tensor":
        other = as_tensor(other)
        check_broadcast("/", self.shape, other.shape)
        x, y = self.data, other.data
        if np.any(y == 0):
            raise ParameterError(
                "The divisor should not be 0, but an entry is. Add a small constant such as 1e-8."
            )

        def rule(g: Array) -> tuple[Array, Array]:
            return unbroadcast(g / y, x.shape), unbroadcast(-g * x / y**2, y.shape)

        return record(x / y, (self, other), "/", rule)

    def __pow__(self, exponent: float) -> "Tensor":
        if isinstance(exponent, bool) or not isinstance(exponent, int | float | np.number):
            raise ParameterError(
                f"`exponent` should be a constant number, but it is a {type(exponent).__name__}. "
                "For a variable exponent, write exp(y * log(x))."
            )
        x = self.data
        _check_power(x, float(exponent))

        def rule(g: Array) -> tuple[Array]:
            if exponent == 0:  # x**0 is constant; the formula below would compute 0 * x**-1
                return (np.zeros_like(x),)
            return (g * exponent * x ** (exponent - 1),)

        return record(x**exponent, (self,), f"**{exponent:g}", rule)

    def __neg__(self) -> "Tensor":
        return record(-self.data, (self,), "neg", lambda g: (-g,))

    def __matmul__(self, other: "Tensor | ArrayLike") -> "Tensor":
        """Multiply matrices: `(..., n, m) @ (..., m, k)` is `(..., n, k)`.

        For `C = A @ B` and the gradient `g` of `C`: `g @ B.T` for `A`, `A.T @ g` for `B`.
        As in NumPy, a one-dimensional left operand is a row and a right one a column.
        """
        other = as_tensor(other)
        value = _matrix_product(self, other)
        row = self.data[np.newaxis, :] if self.ndim == 1 else self.data  # (..., n, m)
        column = other.data[:, np.newaxis] if other.ndim == 1 else other.data  # (..., m, k)
        batch = np.broadcast_shapes(row.shape[:-2], column.shape[:-2])

        def rule(g: Array) -> tuple[Array, Array]:
            g = g.reshape(*batch, row.shape[-2], column.shape[-1])  # (..., n, k)
            left = unbroadcast(g @ np.swapaxes(column, -1, -2), row.shape)
            right = unbroadcast(np.swapaxes(row, -1, -2) @ g, column.shape)
            return left.reshape(self.shape), right.reshape(other.shape)

        return record(value, (self, other), "@", rule)

    def __radd__(self, other: ArrayLike) -> "Tensor":
        return as_tensor(other) + self

    def __rsub__(self, other: ArrayLike) -> "Tensor":
        return as_tensor(other) - self

    def __rmul__(self, other: ArrayLike) -> "Tensor":
        return as_tensor(other) * self

    def __rtruediv__(self, other: ArrayLike) -> "Tensor":
        return as_tensor(other) / self

    def __rmatmul__(self, other: ArrayLike) -> "Tensor":
        return as_tensor(other) @ self

    # Shape: entries move, values stay

    def __getitem__(self, index: Any) -> "Tensor":
        """Select entries as NumPy does; an entry selected twice receives both gradients."""

        def rule(g: Array) -> tuple[Array]:
            gradient = np.zeros(self.shape)
            np.add.at(gradient, index, g)  # `gradient[index] += g` would count a repeat once
            return (gradient,)

        return record(self.data[index], (self,), "[]", rule)

    def reshape(self, *shape: int | tuple[int, ...]) -> "Tensor":
        """Return the same entries in another shape; the gradient is reshaped back.

        Args:
            shape: the new sizes, as `reshape(2, 3)` or `reshape((2, 3))`; one may be -1.

        Raises:
            ShapeError: the number of entries does not fit.

        Example:
            >>> Tensor([1.0, 2.0, 3.0, 4.0]).reshape(2, -1).data.tolist()
            [[1.0, 2.0], [3.0, 4.0]]
        """
        sizes: Any = shape[0] if len(shape) == 1 else shape
        try:
            value = self.data.reshape(sizes)
        except ValueError as error:
            raise ShapeError(
                f"`shape` should hold {self.size} entries, as the tensor's shape {self.shape} "
                f"does, but it is {sizes}. Use -1 for the size that NumPy should work out."
            ) from error
        return record(value, (self,), "reshape", lambda g: (g.reshape(self.shape),))

    @property
    def T(self) -> "Tensor":  # noqa: N802 (the name of the formulas, as in NumPy)
        """The tensor with its axes in reverse order; the gradient is reversed back."""
        return record(self.data.T, (self,), "T", lambda g: (g.T,))

    # Reductions: many entries become one

    def sum(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        """Add up entries; each of them receives the gradient of its sum unchanged.

        Args:
            axis: the axis or axes to sum over; all of them if left out.
            keepdims: keep the summed axes with size 1.

        Raises:
            ShapeError: the tensor has no such axis.

        Example:
            >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).sum(axis=0).data.tolist()
            [4.0, 6.0]
        """
        axes = _axes(self, axis)

        def rule(g: Array) -> tuple[Array]:
            return (np.broadcast_to(_restore_axes(g, axes, keepdims), self.shape),)

        return record(self.data.sum(axis=axes, keepdims=keepdims), (self,), "sum", rule)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        """Average entries; each of `n` averaged entries receives `1/n` of the gradient.

        Args:
            axis: the axis or axes to average over; all of them if left out.
            keepdims: keep the averaged axes with size 1.

        Raises:
            ShapeError: the tensor has no such axis, or there is nothing to average.

        Example:
            >>> x = Tensor([1.0, 2.0, 3.0, 6.0])
            >>> mean = x.mean()
            >>> mean.backward()
            >>> float(mean), x.grad.tolist()
            (3.0, [0.25, 0.25, 0.25, 0.25])
        """
        axes = _axes(self, axis)
        count = math.prod(self.shape[i] for i in axes)
        if count == 0:
            raise ShapeError(
                f"`mean` should have at least one entry to average, but the shape is {self.shape}."
                " Check that the batch is not empty."
            )

        def rule(g: Array) -> tuple[Array]:
            return (np.broadcast_to(_restore_axes(g, axes, keepdims) / count, self.shape),)

        return record(self.data.mean(axis=axes, keepdims=keepdims), (self,), "mean", rule)

    def max(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        """Take the largest entries; only they receive a gradient, equal entries in equal parts.

        Args:
            axis: the axis or axes to search along; all of them if left out.
            keepdims: keep the searched axes with size 1.

        Raises:
            ShapeError: the tensor has no such axis, or no entry.

        Example:
            >>> x = Tensor([1.0, 5.0, 5.0])
            >>> x.max().backward()
            >>> x.grad.tolist()
            [0.0, 0.5, 0.5]
        """
        axes = _axes(self, axis)
        if math.prod(self.shape[i] for i in axes) == 0:
            raise ShapeError(
                f"`max` should have at least one entry to search, but the shape is {self.shape}. "
                "Check that the batch is not empty."
            )
        is_largest = self.data == self.data.max(axis=axes, keepdims=True)
        share = is_largest / is_largest.sum(axis=axes, keepdims=True)

        def rule(g: Array) -> tuple[Array]:
            return (share * _restore_axes(g, axes, keepdims),)

        return record(self.data.max(axis=axes, keepdims=keepdims), (self,), "max", rule)

    # What an array also has

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the axes."""
        return self.data.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """The number of entries."""
        return self.data.size

    def __len__(self) -> int:
        return len(self.data)

    def __float__(self) -> float:
        if self.size != 1:
            raise ShapeError(
                f"`float` should get a tensor with one entry, but this one has shape {self.shape}. "
                "Reduce it first, for example with .mean()."
            )
        return float(self.data.item())

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        # without this, NumPy would copy the entries and the gradient would end there unseen
        raise ParameterError(
            "A NumPy function should get an array, but it got a Tensor. Pass tensor.data, "
            "or use the function of the same name in dllab.scratch to keep the gradient."
        )

    def __repr__(self) -> str:
        name = f", label={self.label!r}" if self.label else ""
        op = f", op={self.op!r}" if self.op else ""
        return f"Tensor({np.array2string(self.data, prefix='Tensor(')}{op}{name})"


def as_tensor(value: "Tensor | ArrayLike") -> Tensor:
    """Turn numbers or an array into a `Tensor`; return a `Tensor` as it is.

    Example:
        >>> as_tensor([1, 2]).data.tolist()
        [1.0, 2.0]
    """
    return value if isinstance(value, Tensor) else Tensor(value)


def record(value: ArrayLike, parents: Sequence[Tensor], op: str, rule: Rule) -> Tensor:
    """Make the result of an operation: its value, where it came from, its gradient rule.

    Every operation of this package ends with a call of `record`; so can one of your own.

    Args:
        value: the result's entries.
        parents: the tensors that the result was computed from.
        op: the operation's name, shown in drawings and errors.
        rule: takes `g`, the gradient of the result, and returns a tuple with one gradient for
            each parent, of that parent's shape.

    Returns:
        The result as a `Tensor`.

    Example:
        >>> x = Tensor([1.0, 2.0])
        >>> cube = record(x.data**3, (x,), "cube", lambda g: (g * 3 * x.data**2,))
        >>> cube.sum().backward()
        >>> x.grad.tolist()
        [3.0, 12.0]

    Introduced in: `chapter-backpropagation`.
    """
    result = Tensor.__new__(Tensor)  # not __init__, which would copy the entries once more
    result.data = np.asarray(value, dtype=np.float64)
    result.grad = None
    result.parents = tuple(parents)
    result.op = op
    result.rule = rule
    result.label = ""
    return result


def unbroadcast(gradient: ArrayLike, shape: tuple[int, ...]) -> Array:
    """Sum `gradient` over the axes that broadcasting from `shape` had added or stretched.

    Broadcasting copies an entry to several places; the gradient of the entry is the sum of the
    gradients at those places.

    Args:
        gradient: the gradient after broadcasting.
        shape: the shape before broadcasting.

    Returns:
        The gradient before broadcasting, of shape `shape`.

    Raises:
        ShapeError: `shape` does not broadcast to the shape of `gradient`.

    Example:
        >>> unbroadcast([[1.0, 2.0], [3.0, 4.0]], (2,)).tolist()    # a bias (2,) under a batch
        [4.0, 6.0]
        >>> unbroadcast([[1.0, 2.0], [3.0, 4.0]], (2, 1)).tolist()  # one column, stretched
        [[3.0], [7.0]]

    Introduced in: `chapter-backpropagation`.
    """
    total: Array = np.asarray(gradient, dtype=np.float64)
    added = total.ndim - len(shape)
    aligned = total.shape[max(added, 0) :]
    if added < 0 or any(size not in (1, wide) for size, wide in zip(shape, aligned, strict=True)):
        raise ShapeError(
            f"`shape` should broadcast to the gradient's shape {total.shape}, but it is "
            f"{shape}. Pass the shape of the operand before broadcasting."
        )
    total = total.sum(axis=tuple(range(added)))
    stretched = tuple(i for i, size in enumerate(shape) if size == 1 and aligned[i] != 1)
    return total.sum(axis=stretched, keepdims=True)  # shape


def check_broadcast(op: str, *shapes: tuple[int, ...]) -> None:
    """Raise a `ShapeError` that names the operation unless the shapes broadcast together.

    Example:
        >>> check_broadcast("+", (2, 3), (3,))
    """
    try:
        np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise ShapeError(
            f"`{op}` should get shapes that broadcast, but they are "
            f"{' and '.join(map(str, shapes))}. "
            "Compare from the last axis: sizes should be equal, or one of them 1."
        ) from error


def _real_array(data: ArrayLike) -> Array:
    """Copy `data` as float64."""
    try:
        array = np.asarray(data)
    except ValueError as error:
        if isinstance(error, ParameterError):  # from Tensor.__array__: it says more
            raise
        raise ParameterError(
            "`data` should be a rectangular array, but its rows differ in length. "
            "Give every row the same number of entries."
        ) from error
    if array.dtype.kind not in "biuf":
        raise ParameterError(
            f"`data` should hold real numbers, but it is a {type(data).__name__} of dtype "
            f"{array.dtype}. Convert it to numbers first."
        )
    return array.astype(np.float64)


def _check_power(x: Array, exponent: float) -> None:
    if exponent == 0:
        return
    no_real_power = exponent != int(exponent) and np.any(x < 0)
    no_finite_derivative = exponent < 1 and np.any(x == 0)
    if no_real_power or no_finite_derivative:
        raise ParameterError(
            f"`exponent` {exponent:g} should have a real power with a finite derivative, but the "
            f"smallest entry is {x.min():g}. Use positive entries, or a larger exponent."
        )


def _matrix_product(x: Tensor, y: Tensor) -> Array:
    try:
        return np.matmul(x.data, y.data)
    except ValueError as error:
        raise ShapeError(
            f"`@` should get (..., n, m) and (..., m, k), but the shapes are {x.shape} and "
            f"{y.shape}. The last axis on the left should equal the next-to-last on the right."
        ) from error


def _axes(x: Tensor, axis: Axis) -> tuple[int, ...]:
    """Write `axis` as a tuple of non-negative axis numbers."""
    if axis is None:
        return tuple(range(x.ndim))
    wanted = axis if isinstance(axis, tuple) else (axis,)
    if any(not -x.ndim <= i < x.ndim for i in wanted):
        raise ShapeError(
            f"`axis` should name an axis of shape {x.shape}, but it is {axis}. "
            "Count axes from 0, or from the end with -1."
        )
    axes = tuple(i % x.ndim for i in wanted)
    if len(set(axes)) < len(axes):
        raise ShapeError(f"`axis` should name each axis once, but it is {axis}. Drop the repeat.")
    return axes


def _restore_axes(g: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Put the axes that a reduction removed back in, with size 1."""
    return g if keepdims else np.expand_dims(g, axes)
