"""What an author marks in a lab's files: tests of a task, wrong answers, right variants.

- `task(name, points=1)`: this test belongs to that task and is worth so many points
- `mutant(task, misconception=…)`: this function or class is a wrong answer that people give
- `variant(task)`: this function or class is a right answer in another style
- `TestMark`, `Replacement`: what the decorators record
- `mutants_of(module)`, `variants_of(module)`: what a module declared, in its order
"""

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from dllab.errors import AuthoringError

__all__ = [
    "Replacement",
    "TestMark",
    "mark_of",
    "mutant",
    "mutants_of",
    "task",
    "variant",
    "variants_of",
]

DEFAULT_SECONDS = 10.0
_MUTANTS = "__dllab_mutants__"
_VARIANTS = "__dllab_variants__"


@dataclass(frozen=True)
class TestMark:
    """The task that a test belongs to, its points, its time limit for one call, in seconds, and
    whether it makes the learner's code train a model for seconds."""

    __test__ = False  # the name starts with Test, and it is not one

    task: str
    points: int
    seconds: float = DEFAULT_SECONDS
    trains: bool = False


@dataclass(frozen=True)
class Replacement:
    """An answer to one task: a mutant (with the id of its misconception) or a right variant."""

    task: str
    label: str
    sentence: str
    replaces: str
    definition: Any
    build: bool = False
    misconception: str | None = None

    def names(self, namespace: Mapping[str, Any]) -> dict[str, Any]:
        """Return the names that this answer defines, given the rest of the learner's names."""
        if not self.build:
            return {self.replaces: self.definition}
        return dict(self.definition(SimpleNamespace(**namespace)))


def task(
    name: str, points: int = 1, *, seconds: float = DEFAULT_SECONDS, trains: bool = False
) -> Callable[[Any], Any]:
    """Mark a pytest function as a test of a task.

    Args:
        name: the task's id, as in the lab's cells.
        points: whole points that the test is worth.
        seconds: how long one call of the learner's code may take.
        trains: the learner's code trains a model for seconds: the laws of labs hold such a task
            to the first of their seeds alone.

    Raises:
        AuthoringError: `points` is not a whole number from 1 up.
    """
    if type(points) is not int or points < 1:
        raise AuthoringError(f"`points` of task {name!r} should be 1, 2, …, got {points!r}")

    def decorate(function: Any) -> Any:
        function.__dllab_task__ = TestMark(name, points, seconds, trains)
        return function

    return decorate


def mark_of(function: Any) -> TestMark | None:
    """Return what `task` recorded on a test function, or None."""
    return getattr(function, "__dllab_task__", None)


def mutant(
    task: str, *, misconception: str, replaces: str | None = None, build: bool = False
) -> Callable[[Any], Any]:
    """Mark a function or class as a wrong answer to a task.

    The first line of its docstring is the sentence that a learner with this answer sees.

    Args:
        task: the task's id.
        misconception: an id in the lab's `misconceptions.toml`.
        replaces: the learner's name that it stands for; the task's id unless told.
        build: the function takes the learner's names and returns a dict of several answers.
    """

    def decorate(definition: Any) -> Any:
        _declare(_MUTANTS, definition, task, replaces or task, build, misconception)
        return definition

    return decorate


def variant(task: str, *, replaces: str | None = None, build: bool = False) -> Callable[[Any], Any]:
    """Mark a function or class as a right answer to a task, in another style than the solution.

    Args:
        task: the task's id.
        replaces: the learner's name that it stands for; the task's id unless told.
        build: the function takes the learner's names and returns a dict of several answers.
    """

    def decorate(definition: Any) -> Any:
        _declare(_VARIANTS, definition, task, replaces or task, build, None)
        return definition

    return decorate


def mutants_of(names: Mapping[str, Any]) -> tuple[Replacement, ...]:
    """Return the mutants that a module's names declare, in the order of the file."""
    return tuple(names.get(_MUTANTS, ()))


def variants_of(names: Mapping[str, Any]) -> tuple[Replacement, ...]:
    """Return the right variants that a module's names declare, in the order of the file."""
    return tuple(names.get(_VARIANTS, ()))


def _declare(
    kind: str, definition: Any, task: str, replaces: str, build: bool, misconception: str | None
) -> None:
    sentence = (inspect.getdoc(definition) or "").strip().split("\n\n")[0].replace("\n", " ")
    if misconception is not None and not sentence:
        raise AuthoringError(
            f"mutant `{definition.__name__}` of task {task!r} needs a docstring: "
            "its first line is what the learner reads"
        )
    entry = Replacement(
        task, definition.__name__, sentence, replaces, definition, build, misconception
    )
    # A list in the module itself: two answers may well have the same name there.
    sys._getframe(2).f_globals.setdefault(kind, []).append(entry)
