"""Optimizers: turn gradients into better parameters.

- `SGD`: step against the gradient.

Introduced in: `chapter-backpropagation`.
"""

from collections.abc import Iterable
from typing import final

from dllab.errors import ParameterError
from dllab.scratch.tensor import Tensor

__all__ = ["SGD"]


@final
class SGD:
    """Stochastic gradient descent: `parameter = parameter - learning_rate * gradient`.

    Args:
        parameters: the tensors to change, for example `model.parameters()`.
        learning_rate: the step size, positive.

    Attributes:
        parameters: the tensors, as a list.
        learning_rate: may be changed between steps.

    Raises:
        ParameterError: there are no parameters, one is not a `Tensor`, or the rate is not
            positive.

    Source: Robbins and Monro (1951), "A stochastic approximation method", The Annals of
    Mathematical Statistics 22(3).

    Example:
        >>> w = Tensor(3.0)
        >>> optimizer = SGD([w], learning_rate=0.1)
        >>> (w * w).backward()              # the gradient is 2 * 3
        >>> optimizer.step()
        >>> round(float(w), 6)              # 3 - 0.1 * 6
        2.4

    Introduced in: `chapter-backpropagation`.
    """

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float) -> None:
        self.parameters = list(parameters)
        self.learning_rate = learning_rate
        if not self.parameters or not all(isinstance(p, Tensor) for p in self.parameters):
            kinds = sorted({type(p).__name__ for p in self.parameters})
            raise ParameterError(
                "`parameters` should be a list of tensors, but it "
                f"{'holds ' + ', '.join(kinds) if kinds else 'is empty'}. "
                "Pass model.parameters()."
            )
        if not learning_rate > 0:
            raise ParameterError(
                f"`learning_rate` should be positive, but it is {learning_rate!r}. "
                "The minus sign of descent is already in the step; try 0.1."
            )

    def step(self) -> None:
        """Move each parameter that has a gradient one step against it.

        Raises:
            ParameterError: no parameter has a gradient.
        """
        if all(parameter.grad is None for parameter in self.parameters):
            raise ParameterError(
                "`parameters` should have gradients, but none has. Call loss.backward() first."
            )
        for parameter in self.parameters:
            if parameter.grad is not None:
                # a new array: a graph recorded before the step keeps the values it recorded
                parameter.data = parameter.data - self.learning_rate * parameter.grad

    def zero_grad(self) -> None:
        """Forget all gradients; without it, the next `backward` adds to the old ones."""
        for parameter in self.parameters:
            parameter.zero_grad()
