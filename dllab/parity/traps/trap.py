"""What a trap is: `Trap`, `Measured`, and the decorator `trap` that makes one of a function."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from dllab.parity.comparing import relative_difference

__all__ = ["Answers", "Measured", "Trap", "as_array", "draw", "trap"]

Answers: TypeAlias = tuple[Any, Any, Any]


@dataclass(frozen=True)
class Measured:
    """How far two ways of doing it lie from what should come out.

    Attributes:
        right: the relative difference if the trap is avoided.
        wrong: the relative difference if one falls into it.
    """

    right: float
    wrong: float


@dataclass(frozen=True)
class Trap:
    """A difference between frameworks that gives wrong numbers and no error.

    Attributes:
        name: of the function, and with `test_` before it of the test.
        title: what differs, one sentence.
        advice: what to do about it.
        tolerance: how large the relative difference may be if the trap is avoided.
    """

    name: str
    title: str
    advice: str
    tolerance: float
    _answers: Callable[[], Answers] = field(repr=False)

    def measure(self) -> Measured:
        """Compute what should come out, avoid the trap, fall into it, and compare."""
        truth, right, wrong = map(as_array, self._answers())
        return Measured(_difference(right, truth), _difference(wrong, truth))


def trap(tolerance: float = 1e-5) -> Callable[[Callable[[], Answers]], Trap]:
    """Make a `Trap` of a function that returns what should come out, the right and the wrong.

    The first paragraph of its docstring is the title, the rest the advice.

    Args:
        tolerance: relative; about a hundred float32 epsilons unless there are random draws.
    """

    def decorate(function: Callable[[], Answers]) -> Trap:
        title, advice = inspect.cleandoc(function.__doc__ or "").split("\n\n")
        return Trap(function.__name__, _one_line(title), _one_line(advice), tolerance, function)

    return decorate


def as_array(value: Any) -> np.ndarray:
    """Return a tensor of any framework as an array in float64."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return np.asarray(value, dtype=float)


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    """Return normal numbers in float32."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    return relative_difference(a, b) or 0.0
