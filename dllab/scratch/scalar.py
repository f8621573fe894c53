"""Reverse-mode differentiation of single numbers: the idea of backpropagation at its smallest.

- `Scalar`: a number that remembers how it was computed and can find its gradients.
- `topological_order`: the nodes of a graph, each after everything it was computed from.

Introduced in: `chapter-backpropagation`.
Source: Rumelhart, Hinton and Williams (1986), "Learning representations by back-propagating
errors", Nature 323; Griewank and Walther (2008), "Evaluating Derivatives", 2nd ed., SIAM.
"""

import math
from collections.abc import Sequence
from typing import Any, final

from dllab.errors import ParameterError

__all__ = ["Scalar", "topological_order"]


def topological_order(root: Any) -> list[Any]:
    """List every node that `root` depends on, parents before children, `root` last.

    The walk keeps its own stack, so a graph may be far deeper than Python's recursion limit.

    Args:
        root: a `Scalar`, a `Tensor`, or anything else with a tuple `.parents`.

    Returns:
        Each node once. Reversed, it is an order in which a node's gradient is complete
        before the node hands it on to its parents.

    Example:
        >>> x = Scalar(3.0, label="x")
        >>> [node.label or node.op for node in topological_order(x * x + x)]
        ['x', '*', '+']
    """
    order: list[Any] = []
    seen: set[int] = set()
    stack = [(root, False)]
    while stack:
        node, parents_are_listed = stack.pop()
        if parents_are_listed:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            # reversed, so that the first parent is taken from the stack first
            stack.extend((parent, False) for parent in reversed(node.parents))
    return order


@final
class Scalar:
    """Hold one number, the numbers it was computed from, and its gradient.

    Each operation stores its value and, for each parent, the local derivative of the result
    with respect to that parent. `backward` multiplies along the edges and adds over them.

    Args:
        value: the number.
        parents: the `Scalar`s that it was computed from; empty for an input.
        local_derivatives: one number per parent, the derivative of `value` by that parent.
        op: the name of the operation, empty for an input.
        label: a name of your choice, shown in drawings of the graph.

    Attributes:
        value: the number.
        grad: the derivative of the `Scalar` whose `backward` was called by this one.
        parents, local_derivatives, op, label: as above.

    Raises:
        ParameterError: `value` is not a real number.

    Example:
        >>> x, y = Scalar(3.0), Scalar(2.0)
        >>> z = x * y + x
        >>> z.backward()
        >>> z.value, x.grad, y.grad
        (9.0, 3.0, 3.0)

    Introduced in: `chapter-backpropagation`.
    """

    __slots__ = ("grad", "label", "local_derivatives", "op", "parents", "value")

    def __init__(
        self,
        value: float,
        parents: Sequence["Scalar"] = (),
        local_derivatives: Sequence[float] = (),
        op: str = "",
        label: str = "",
    ) -> None:
        try:
            self.value = float(value)
        except (TypeError, ValueError) as error:
            raise ParameterError(
                f"`value` should be one real number, but it is {value!r}. "
                "For an array, use dllab.scratch.Tensor."
            ) from error
        self.grad = 0.0
        self.parents = tuple(parents)
        self.local_derivatives = tuple(local_derivatives)
        self.op = op
        self.label = label

    def backward(self) -> None:
        """Add the derivative of this number by every input to that input's `.grad`.

        Chain rule: `parent.grad = sum over children of child.grad * local derivative`.
        Inputs keep what their `.grad` held before; call `zero_grad` on them to start afresh.
        """
        order = topological_order(self)
        for node in order:
            if node.parents:  # a computed node belongs to this pass alone; an input accumulates
                node.grad = 0.0
        self.grad += 1.0
        for node in reversed(order):
            for parent, local in zip(node.parents, node.local_derivatives, strict=True):
                parent.grad += node.grad * local

    def zero_grad(self) -> None:
        """Set `.grad` back to zero."""
        self.grad = 0.0

    # Below: value, parents, local derivatives. Each rule fits on the line of its value.

    def __add__(self, other: "Scalar | float") -> "Scalar":
        other = _as_scalar(other)
        return Scalar(self.value + other.value, (self, other), (1.0, 1.0), "+")

    def __sub__(self, other: "Scalar | float") -> "Scalar":
        other = _as_scalar(other)
        return Scalar(self.value - other.value, (self, other), (1.0, -1.0), "-")

    def __mul__(self, other: "Scalar | float") -> "Scalar":
        other = _as_scalar(other)
        return Scalar(self.value * other.value, (self, other), (other.value, self.value), "*")

    def __truediv__(self, other: "Scalar | float") -> "Scalar":
        other = _as_scalar(other)
        if other.value == 0.0:
            raise ParameterError(
                "The divisor should not be 0, but it is. Add a small constant to it."
            )
        quotient = self.value / other.value
        return Scalar(quotient, (self, other), (1 / other.value, -quotient / other.value), "/")

    def __pow__(self, exponent: float) -> "Scalar":
        if isinstance(exponent, bool) or not isinstance(exponent, int | float):
            raise ParameterError(
                f"`exponent` should be a constant number, but it is {exponent!r}. "
                "For a variable exponent, write (y * x.log()).exp()."
            )
        if exponent == 0:
            return Scalar(1.0, (self,), (0.0,), "**0")
        if (self.value < 0 and exponent != int(exponent)) or (self.value == 0 and exponent < 1):
            raise ParameterError(
                f"`exponent` {exponent!r} should have a real power with a finite derivative, but "
                f"the base is {self.value:g}. Use a positive base, or a larger exponent."
            )
        derivative = exponent * self.value ** (exponent - 1)
        return Scalar(self.value**exponent, (self,), (derivative,), f"**{exponent:g}")

    def __neg__(self) -> "Scalar":
        return Scalar(-self.value, (self,), (-1.0,), "neg")

    def __radd__(self, other: float) -> "Scalar":
        return _as_scalar(other) + self

    def __rsub__(self, other: float) -> "Scalar":
        return _as_scalar(other) - self

    def __rmul__(self, other: float) -> "Scalar":
        return _as_scalar(other) * self

    def __rtruediv__(self, other: float) -> "Scalar":
        return _as_scalar(other) / self

    def exp(self) -> "Scalar":
        """Return `e**x`; its derivative is the value itself.

        Raises:
            ParameterError: the value is beyond about 709.7, where `e**x` overflows.
        """
        try:
            value = math.exp(self.value)
        except OverflowError as error:
            raise ParameterError(
                f"`exp` should get a number below 709.7, but it got {self.value!r}. "
                "Rewrite the formula so that the largest exponent is 0."
            ) from error
        return Scalar(value, (self,), (value,), "exp")

    def log(self) -> "Scalar":
        """Return the natural logarithm; its derivative is `1 / x`.

        Raises:
            ParameterError: the value is not positive.
        """
        if self.value <= 0.0:
            raise ParameterError(
                f"`log` should get a positive number, but it got {self.value!r}. "
                "Check the values before it, or compute the loss from logits."
            )
        return Scalar(math.log(self.value), (self,), (1 / self.value,), "log")

    def tanh(self) -> "Scalar":
        """Return the hyperbolic tangent; its derivative is `1 - tanh(x)**2`."""
        value = math.tanh(self.value)
        return Scalar(value, (self,), (1 - value**2,), "tanh")

    def relu(self) -> "Scalar":
        """Return `max(x, 0)`; its derivative is 1 for `x > 0` and 0 elsewhere."""
        return Scalar(max(self.value, 0.0), (self,), (float(self.value > 0),), "relu")

    def sigmoid(self) -> "Scalar":
        """Return `1 / (1 + e**-x)`; its derivative is `sigmoid(x) * sigmoid(-x)`."""
        small = math.exp(-abs(self.value))  # never above 1, so no overflow
        value = (1.0 if self.value >= 0 else small) / (1.0 + small)
        return Scalar(value, (self,), (small / (1.0 + small) ** 2,), "sigmoid")

    def __float__(self) -> float:
        return self.value

    def __repr__(self) -> str:
        name = f", label={self.label!r}" if self.label else ""
        op = f", op={self.op!r}" if self.op else ""
        return f"Scalar({self.value:g}, grad={self.grad:g}{op}{name})"


def _as_scalar(value: "Scalar | float") -> Scalar:
    return value if isinstance(value, Scalar) else Scalar(value)
