"""Schedules: learning rates that change from step to step.

- `exponential_decay`: multiply by a constant factor every so many steps.
- `cosine_decay`: fall along half a cosine, after a warm-up if you like.
- `with_warmup`: put a warm-up in front of any schedule.

Each of these returns a function from the number of steps taken so far (0 before the first) to the
rate. Give it to an optimizer as its `learning_rate`. Steps are counted in batches, not in epochs:
one epoch has `ceil(examples / batch)` of them.

Introduced in: `chapter-training`.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

from dllab.errors import ParameterError

__all__ = ["Schedule", "cosine_decay", "exponential_decay", "with_warmup"]

Schedule: TypeAlias = Callable[[int], float]


def exponential_decay(
    initial_learning_rate: float, decay_steps: int, decay_rate: float, staircase: bool = False
) -> Schedule:
    """Multiply the rate by `decay_rate` every `decay_steps` steps.

    `initial_learning_rate * decay_rate ** (step / decay_steps)`

    Args:
        initial_learning_rate: the rate at step 0, at least 0.
        decay_steps: after how many steps one factor is complete, positive.
        decay_rate: the factor, positive.
        staircase: whether to change only at multiples of `decay_steps`.

    Returns:
        A function from the step to the rate.

    Raises:
        ParameterError: an argument is not in its range.

    Example:
        >>> rate = exponential_decay(0.8, decay_steps=10, decay_rate=0.5)
        >>> rate(0), rate(10), rate(20)
        (0.8, 0.4, 0.2)

    Introduced in: `chapter-training`.
    """
    _check_rate(initial_learning_rate, "initial_learning_rate")
    _check_steps(decay_steps, "decay_steps")
    if not decay_rate > 0:
        raise ParameterError(f"`decay_rate` should be positive, but it is {decay_rate!r}. Try 0.5.")

    def rate(step: int) -> float:
        halvings = step // decay_steps if staircase else step / decay_steps
        return initial_learning_rate * decay_rate**halvings

    return rate


def cosine_decay(
    initial_learning_rate: float,
    decay_steps: int,
    alpha: float = 0.0,
    warmup_target: float | None = None,
    warmup_steps: int = 0,
) -> Schedule:
    """Let the rate fall along half a cosine: slowly, then fast, then slowly again.

    `peak * ((1 - alpha) * (1 + cos(pi * step / decay_steps)) / 2 + alpha)`, and `peak * alpha` from
    `decay_steps` on. With a warm-up, the rate first rises in a straight line from
    `initial_learning_rate` to `warmup_target`, which is then the peak; the cosine begins after it.

    Args:
        initial_learning_rate: the rate at step 0, at least 0.
        decay_steps: the length of the half cosine, positive; the warm-up is not counted.
        alpha: the last rate, as a share of the peak.
        warmup_target: the peak; `None` for no warm-up, then the peak is the initial rate.
        warmup_steps: the length of the warm-up.

    Returns:
        A function from the step to the rate.

    Raises:
        ParameterError: an argument is not in its range, or one of the two for the warm-up is
            missing.

    Source: Loshchilov and Hutter (2017), "SGDR: stochastic gradient descent with warm restarts",
    ICLR (without the restarts).

    Example:
        >>> rate = cosine_decay(0.4, decay_steps=100)
        >>> [round(rate(step), 6) for step in (0, 50, 100, 150)]
        [0.4, 0.2, 0.0, 0.0]
        >>> rate = cosine_decay(0.0, decay_steps=100, warmup_target=0.4, warmup_steps=10)
        >>> [round(rate(step), 6) for step in (0, 5, 10, 60, 110)]
        [0.0, 0.2, 0.4, 0.2, 0.0]

    Introduced in: `chapter-training`.
    """
    _check_rate(initial_learning_rate, "initial_learning_rate")
    _check_steps(decay_steps, "decay_steps")
    if (warmup_target is None) != (warmup_steps == 0):
        raise ParameterError(
            f"`warmup_target` and `warmup_steps` should both be given or both be left out, but "
            f"they are {warmup_target!r} and {warmup_steps!r}. Say how high and how long."
        )
    peak = initial_learning_rate if warmup_target is None else warmup_target

    def fall(step: int) -> float:
        cosine = (1 + math.cos(math.pi * min(step, decay_steps) / decay_steps)) / 2
        return peak * ((1 - alpha) * cosine + alpha)

    if warmup_target is None:
        return fall
    return with_warmup(fall, warmup_steps, initial_learning_rate)


def with_warmup(
    schedule: Schedule | float, warmup_steps: int, initial_learning_rate: float = 0.0
) -> Schedule:
    """Let the rate rise in a straight line to where a schedule begins, then follow the schedule.

    Args:
        schedule: what follows, a function of the step or a constant rate; it is shifted, so that
            its step 0 is the first one after the warm-up.
        warmup_steps: the length of the rise, positive.
        initial_learning_rate: the rate at step 0, at least 0.

    Returns:
        A function from the step to the rate.

    Raises:
        ParameterError: an argument is not in its range.

    Source: Goyal et al. (2017), "Accurate, large minibatch SGD: training ImageNet in 1 hour",
    section 2.2.

    Example:
        >>> rate = with_warmup(exponential_decay(0.8, 10, 0.5), warmup_steps=4)
        >>> [rate(step) for step in (0, 1, 4, 14)]
        [0.0, 0.2, 0.8, 0.4]

    Introduced in: `chapter-training`.
    """
    _check_steps(warmup_steps, "warmup_steps")
    _check_rate(initial_learning_rate, "initial_learning_rate")

    def follow(step: int) -> float:
        return schedule(step) if callable(schedule) else schedule

    def rate(step: int) -> float:
        if step >= warmup_steps:
            return follow(step - warmup_steps)
        return initial_learning_rate + (follow(0) - initial_learning_rate) * step / warmup_steps

    return rate


def _check_rate(value: float, name: str) -> None:
    if not value >= 0:
        raise ParameterError(f"`{name}` should be at least 0, but it is {value!r}. Try 0.001.")


def _check_steps(value: int, name: str) -> None:
    if not value > 0:
        raise ParameterError(
            f"`{name}` should be positive, but it is {value!r}. Count batches: epochs times "
            "batches in an epoch."
        )
