"""Optimizers: turn gradients into better parameters.

- `Optimizer`: what every optimizer can do.
- `SGD`: step against the gradient, with momentum if you like.
- `RMSprop`: divide each step by the recent size of the gradient.
- `Adam`: both, and corrected for the start.
- `AdamW`: Adam, and weights that shrink by themselves.
- `clip_by_value`, `clip_by_norm`, `clip_by_global_norm`: bound gradients before a step.

In the formulas `g` is a parameter's gradient, `w` its value, `t = 1, 2, …` the number of the step;
all operations are entry by entry. Each optimizer computes what Keras computes, with the same
defaults; two details differ between textbooks and are said at the classes: where `epsilon` stands,
and whether the learning rate is inside the velocity.

Introduced in: `chapter-training`.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import TypeAlias, final

import numpy as np

from dllab.errors import ParameterError
from dllab.scratch.tensor import Array, Tensor

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Optimizer",
    "RMSprop",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
]

Rate: TypeAlias = float | Callable[[int], float]


class Optimizer(ABC):
    """Change parameters step by step, by a rule that reads their gradients.

    Args:
        parameters: the tensors to change, for example `model.parameters()`.
        learning_rate: the step size: a positive number, or a schedule, a function from the number
            of steps taken so far (0 before the first) to a rate.

    Attributes:
        parameters: the tensors, as a list.
        learning_rate: as given; may be changed between steps.
        iterations: the number of steps taken.

    Raises:
        ParameterError: there are no parameters, one is not a `Tensor`, or the rate is not
            positive.

    Introduced in: `chapter-training`.
    """

    def __init__(self, parameters: Iterable[Tensor], learning_rate: Rate) -> None:
        self.parameters = list(parameters)
        self.learning_rate = learning_rate
        self.iterations = 0
        if not self.parameters or not all(isinstance(p, Tensor) for p in self.parameters):
            kinds = sorted({type(p).__name__ for p in self.parameters})
            raise ParameterError(
                "`parameters` should be a list of tensors, but it "
                f"{'holds ' + ', '.join(kinds) if kinds else 'is empty'}. "
                "Pass model.parameters()."
            )
        if not callable(learning_rate) and not learning_rate > 0:
            raise ParameterError(
                f"`learning_rate` should be positive, but it is {learning_rate!r}. "
                "The minus sign of descent is already in the step; try 0.1."
            )

    @property
    def rate(self) -> float:
        """The learning rate of the next step: the number, or what the schedule says.

        Raises:
            ParameterError: the schedule gives something other than a finite number of at least 0.
        """
        if not callable(self.learning_rate):
            return self.learning_rate
        rate = float(self.learning_rate(self.iterations))
        if not (math.isfinite(rate) and rate >= 0):
            raise ParameterError(
                f"`learning_rate` should give a rate of at least 0, but at step {self.iterations} "
                f"it gives {rate!r}. Mend the schedule."
            )
        return rate

    def step(self) -> None:
        """Move each parameter that has a gradient by one step.

        Raises:
            ParameterError: no parameter has a gradient.
        """
        if all(parameter.grad is None for parameter in self.parameters):
            raise ParameterError(
                "`parameters` should have gradients, but none has. Call loss.backward() first."
            )
        rate = self.rate
        self.iterations += 1
        for index, parameter in enumerate(self.parameters):
            if parameter.grad is not None:
                # a new array: a graph recorded before the step keeps the values it recorded
                moved = self._moved(index, parameter.data, parameter.grad, rate)
                parameter.data = np.asarray(moved)

    def zero_grad(self) -> None:
        """Forget all gradients; without it, the next `backward` adds to the old ones."""
        for parameter in self.parameters:
            parameter.zero_grad()

    @abstractmethod
    def _moved(self, index: int, w: Array, g: Array, rate: float) -> Array:
        """Return parameter number `index` after the step; `w` and `g` have one shape."""

    def _zeros(self) -> list[Array]:
        """Return a memory of zeros for each parameter, in its shape."""
        return [np.zeros(parameter.shape) for parameter in self.parameters]


@final
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if asked for.

    Without momentum `w = w - learning_rate * g`. With momentum a velocity `v` collects the steps:

        v = momentum * v - learning_rate * g
        w = w + v                                        # nesterov: w + momentum * v - rate * g

    The learning rate is inside the velocity, as in Keras. PyTorch keeps it outside: the same as
    long as the rate stays constant.

    Args:
        parameters: the tensors to change.
        learning_rate: a positive number or a schedule.
        momentum: the share of the velocity that a step keeps, at least 0 and below 1.
        nesterov: whether to step as if the gradient had been taken where the velocity leads.

    Raises:
        ParameterError: as `Optimizer`, or `momentum` is not in its range.

    Sources: Robbins and Monro (1951), "A stochastic approximation method", The Annals of
    Mathematical Statistics 22(3); Polyak (1964), "Some methods of speeding up the convergence of
    iteration methods", USSR Computational Mathematics and Mathematical Physics 4(5); for
    `nesterov` Sutskever, Martens, Dahl and Hinton (2013), "On the importance of initialization and
    momentum in deep learning", ICML.

    Example:
        >>> w = Tensor(3.0)
        >>> optimizer = SGD([w], learning_rate=0.1, momentum=0.5)
        >>> for _ in range(2):
        ...     optimizer.zero_grad()
        ...     (w * w).backward()          # the gradient is 2 * 3, then 2 * 2.4
        ...     optimizer.step()
        ...     print(round(float(w), 6))   # 3 - 0.6, then 2.4 - 0.5 * 0.6 - 0.48
        2.4
        1.62

    Introduced in: `chapter-backpropagation`; momentum in `chapter-training`.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        learning_rate: Rate,
        momentum: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(parameters, learning_rate)
        self.momentum = _share(momentum, "momentum")
        self.nesterov = nesterov
        self.velocities = self._zeros()

    def _moved(self, index: int, w: Array, g: Array, rate: float) -> Array:
        self.velocities[index] = v = self.momentum * self.velocities[index] - rate * g
        return w + self.momentum * v - rate * g if self.nesterov else w + v


@final
class RMSprop(Optimizer):
    """Divide each step by the recent size of the gradient, so that all entries move alike.

        v = rho * v + (1 - rho) * g^2
        w = w - learning_rate * g / sqrt(v + epsilon)

    Here `epsilon` is inside the root, as in Keras; in `Adam` it is outside.

    Args:
        parameters: the tensors to change.
        learning_rate: a positive number or a schedule.
        rho: the share of the average that a step keeps, at least 0 and below 1.
        epsilon: keeps the divisor from 0; positive.

    Raises:
        ParameterError: as `Optimizer`, or `rho` or `epsilon` is not in its range.

    Source: Tieleman and Hinton (2012), "Lecture 6.5 - RMSProp", Coursera: Neural Networks for
    Machine Learning.

    Example:
        >>> w = Tensor([1.0, 1.0])
        >>> (w * [3.0, 300.0]).sum().backward()
        >>> RMSprop([w], learning_rate=0.1, rho=0.0).step()
        >>> w.data.round(6).tolist()        # both gradients step by 0.1, whatever their size
        [0.9, 0.9]

    Introduced in: `chapter-training`.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        learning_rate: Rate = 0.001,
        rho: float = 0.9,
        epsilon: float = 1e-7,
    ) -> None:
        super().__init__(parameters, learning_rate)
        self.rho = _share(rho, "rho")
        self.epsilon = _positive(epsilon, "epsilon")
        self.velocities = self._zeros()

    def _moved(self, index: int, w: Array, g: Array, rate: float) -> Array:
        self.velocities[index] = v = self.rho * self.velocities[index] + (1 - self.rho) * g**2
        return w - rate * g / np.sqrt(v + self.epsilon)


class _AdamMemory:
    """The two averages that Adam keeps of a parameter's gradients, and the step they ask for."""

    def __init__(
        self, shapes: list[tuple[int, ...]], beta_1: float, beta_2: float, epsilon: float
    ) -> None:
        self.beta_1, self.beta_2 = _share(beta_1, "beta_1"), _share(beta_2, "beta_2")
        self.epsilon = _positive(epsilon, "epsilon")
        self.momentums = [np.zeros(shape) for shape in shapes]
        self.velocities = [np.zeros(shape) for shape in shapes]

    def direction(self, index: int, g: Array, t: int) -> Array:
        """Take in the gradient of step `t` and return the step for a learning rate of 1."""
        self.momentums[index] = m = self.beta_1 * self.momentums[index] + (1 - self.beta_1) * g
        self.velocities[index] = v = self.beta_2 * self.velocities[index] + (1 - self.beta_2) * g**2
        # both averages start at 0, so early on they are too small by just these factors
        correction = math.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)
        return correction * m / (np.sqrt(v) + self.epsilon)


@final
class Adam(Optimizer):
    """Momentum and a step size for each entry, both corrected for starting at zero.

        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g^2
        w = w - learning_rate * sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon)

    `epsilon` is outside the root and is the paper's "epsilon hat", as in Keras. With the paper's
    Algorithm 1, which divides the corrected averages by each other and adds epsilon then, it is
    `epsilon / sqrt(1 - beta_2^t)`: a difference only where gradients are as small as epsilon.

    Args:
        parameters: the tensors to change.
        learning_rate: a positive number or a schedule.
        beta_1: the share of the averaged gradient that a step keeps, at least 0 and below 1.
        beta_2: the same for the averaged square.
        epsilon: keeps the divisor from 0; positive.

    Raises:
        ParameterError: as `Optimizer`, or a beta or `epsilon` is not in its range.

    Source: Kingma and Ba (2015), "Adam: a method for stochastic optimization", ICLR, section 2.

    Example:
        >>> w = Tensor([1.0, 1.0])
        >>> (w * [0.003, -300.0]).sum().backward()
        >>> Adam([w], learning_rate=0.1).step()
        >>> w.data.round(3).tolist()        # the first step has the size of the learning rate
        [0.9, 1.1]

    Introduced in: `chapter-training`.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
    ) -> None:
        super().__init__(parameters, learning_rate)
        shapes = [parameter.shape for parameter in self.parameters]
        self.memory = _AdamMemory(shapes, beta_1, beta_2, epsilon)

    def _moved(self, index: int, w: Array, g: Array, rate: float) -> Array:
        return w - rate * self.memory.direction(index, g, self.iterations)


@final
class AdamW(Optimizer):
    """Adam with decoupled weight decay: each step also shrinks the weights a little.

        w = w - learning_rate * weight_decay * w         # then Adam's step

    The decay does not pass through Adam's averages. Adding `weight_decay * w` to the gradient
    instead ("L2") gives another method: Adam then divides the decay by the gradient's size, so
    that weights with large gradients hardly decay.

    Args:
        parameters: the tensors to change; leave out those that should not decay.
        learning_rate: a positive number or a schedule; it scales the decay as well.
        weight_decay: the decay for a learning rate of 1, at least 0.
        beta_1: as in `Adam`.
        beta_2: as in `Adam`.
        epsilon: as in `Adam`.

    Raises:
        ParameterError: as `Adam`, or `weight_decay` is negative.

    Source: Loshchilov and Hutter (2019), "Decoupled weight decay regularization", ICLR. As in
    Keras and PyTorch, the decay is multiplied by the learning rate.

    Example:
        >>> w = Tensor([1.0, 10.0])
        >>> (w * 0.0).sum().backward()      # no gradient: the decay alone
        >>> AdamW([w], learning_rate=0.1, weight_decay=0.5).step()
        >>> w.data.round(6).tolist()        # each entry loses 5 %
        [0.95, 9.5]

    Introduced in: `chapter-training`.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        learning_rate: Rate = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
    ) -> None:
        super().__init__(parameters, learning_rate)
        if not weight_decay >= 0:
            raise ParameterError(
                f"`weight_decay` should be at least 0, but it is {weight_decay!r}. Try 0.004."
            )
        self.weight_decay = weight_decay
        shapes = [parameter.shape for parameter in self.parameters]
        self.memory = _AdamMemory(shapes, beta_1, beta_2, epsilon)

    def _moved(self, index: int, w: Array, g: Array, rate: float) -> Array:
        step = self.memory.direction(index, g, self.iterations)
        return w - rate * self.weight_decay * w - rate * step


def clip_by_value(parameters: Iterable[Tensor], limit: float) -> None:
    """Cut every entry of every gradient to `[-limit, limit]`; this may turn the gradient.

    Args:
        parameters: tensors, changed in their `.grad`; those without a gradient are left alone.
        limit: the largest absolute value, positive.

    Raises:
        ParameterError: `limit` is not positive.

    Example:
        >>> w = Tensor([0.0, 0.0])
        >>> w.grad = np.array([3.0, -40.0])
        >>> clip_by_value([w], 5.0)
        >>> w.grad.tolist()
        [3.0, -5.0]

    Introduced in: `chapter-training`.
    """
    limit = _positive(limit, "limit")
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad = np.clip(parameter.grad, -limit, limit)


def clip_by_norm(parameters: Iterable[Tensor], max_norm: float) -> None:
    """Scale each gradient whose norm exceeds `max_norm` down to it; each keeps its direction.

    `g = g * min(1, max_norm / |g|)` for each parameter by itself.

    Args:
        parameters: tensors, changed in their `.grad`; those without a gradient are left alone.
        max_norm: the largest norm (root of the sum of squares) of one gradient, positive.

    Raises:
        ParameterError: `max_norm` is not positive.

    Example:
        >>> w = Tensor([0.0, 0.0])
        >>> w.grad = np.array([3.0, 4.0])                   # norm 5
        >>> clip_by_norm([w], 1.0)
        >>> w.grad.round(6).tolist()
        [0.6, 0.8]

    Introduced in: `chapter-training`.
    """
    for parameter in parameters:
        clip_by_global_norm([parameter], max_norm)


def clip_by_global_norm(parameters: Iterable[Tensor], max_norm: float) -> float:
    """Scale all gradients by one factor so that together their norm is at most `max_norm`.

    `g = g * min(1, max_norm / norm)` with `norm` the root of the sum of the squares of all entries
    of all gradients. The whole step keeps its direction.

    Args:
        parameters: tensors, changed in their `.grad`; those without a gradient are left alone.
        max_norm: the largest norm, positive.

    Returns:
        The norm before clipping.

    Raises:
        ParameterError: `max_norm` is not positive.

    Source: Pascanu, Mikolov and Bengio (2013), "On the difficulty of training recurrent neural
    networks", ICML, algorithm 1.

    Example:
        >>> w, b = Tensor([0.0]), Tensor([0.0])
        >>> w.grad, b.grad = np.array([3.0]), np.array([4.0])
        >>> norm = clip_by_global_norm([w, b], 1.0)
        >>> round(norm, 6), w.grad.round(6).tolist(), b.grad.round(6).tolist()
        (5.0, [0.6], [0.8])

    Introduced in: `chapter-training`.
    """
    max_norm = _positive(max_norm, "max_norm")
    found = [(p, p.grad) for p in parameters if p.grad is not None]
    norm = math.sqrt(sum(float(np.sum(np.square(g))) for _, g in found))
    if norm > max_norm:
        for parameter, gradient in found:
            parameter.grad = np.asarray(gradient * (max_norm / norm))
    return norm


def _share(value: float, name: str) -> float:
    if not 0 <= value < 1:
        raise ParameterError(
            f"`{name}` should be at least 0 and below 1, but it is {value!r}. Try 0.9."
        )
    return value


def _positive(value: float, name: str) -> float:
    if not value > 0:
        raise ParameterError(f"`{name}` should be positive, but it is {value!r}. Raise it.")
    return value
