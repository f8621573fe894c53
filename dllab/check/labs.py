"""A lab in a notebook.

- `lab(name)`: open a lab, bound to the notebook that calls it
- `Lab`: `.check("task")`, `.progress()`, `.points("task")`, `.tasks`
- `QuietLab`: stands for a lab where a grader runs the notebook
"""

import os
import sys
from collections.abc import MutableMapping
from typing import Any

from dllab.check.backend import LocalBackend
from dllab.check.diagnosis import diagnose
from dllab.check.display import CheckResult, Notice, Progress, TaskScore, TestResult
from dllab.check.loading import LabFiles, find_lab
from dllab.check.registry import Replacement
from dllab.check.runner import Attempt, TestRun, fresh_seed, run_checks
from dllab.errors import DLLabError

__all__ = ["Lab", "QuietLab", "check_task", "lab"]


def lab(name: str) -> "Lab | QuietLab":
    """Open a lab for the notebook or program that calls this.

    Args:
        name: the lab's name, such as `"03_backpropagation"`.

    Raises:
        UnknownLabError: there is no such lab; the message names those that exist.
    """
    if os.environ.get("DLLAB_SANDBOX"):  # the labs' files are not there
        return QuietLab(name)
    return Lab(find_lab(name), sys._getframe(1).f_globals)


class Lab:
    """A lab and the names that its learner defined."""

    def __init__(self, files: LabFiles, namespace: MutableMapping[str, Any]) -> None:
        self._files = files
        self._namespace = namespace

    @property
    def name(self) -> str:
        """The lab's name."""
        return self._files.name

    @property
    def tasks(self) -> tuple[str, ...]:
        """The ids of the lab's tasks, in order."""
        return tuple(task.name for task in self._files.tasks)

    def check(self, task: str, *, seed: int | None = None) -> CheckResult | Notice:
        """Run the checks of one task on what you wrote.

        Args:
            task: the task's id.
            seed: repeats an earlier run's random numbers; fresh ones unless told.
        """
        try:
            return check_task(self._files, self._namespace, task, seed)
        except DLLabError as error:
            return Notice(str(error))
        except KeyboardInterrupt:
            return Notice("You stopped the checks: nothing was marked.")

    def points(self, task: str) -> int:
        """Return the points that your answer to a task earns now."""
        return self.check(task).points

    def progress(self) -> "Progress | Notice":
        """Run the checks of all tasks and add up the points."""
        try:
            return progress(self._files, self._namespace)
        except DLLabError as error:
            return Notice(str(error))
        except KeyboardInterrupt:
            return Notice("You stopped the checks: nothing was marked.")

    def __repr__(self) -> str:
        return f"Lab {self.name}: {', '.join(self.tasks)}"


class QuietLab:
    """Stands for a lab where a grader runs the notebook: it marks nothing, and says so."""

    tasks: tuple[str, ...] = ()

    def __init__(self, name: str) -> None:
        self.name = name

    def check(self, task: str = "", *, seed: int | None = None) -> Notice:
        """Say that the checks run elsewhere."""
        return Notice("The grader runs the checks itself: nothing was marked here.")

    def points(self, task: str = "") -> int:
        """Return 0."""
        return 0

    def progress(self) -> Notice:
        """Say that the checks run elsewhere."""
        return self.check()

    def __repr__(self) -> str:
        return f"Lab {self.name}, while it is graded"


def check_task(
    files: LabFiles, namespace: MutableMapping[str, Any], task: str, seed: int | None = None
) -> CheckResult:
    """Run the checks of one task on a namespace and diagnose what fails.

    Raises:
        UnknownTaskError: the lab has no such task.
        AuthoringError: the lab's checks cannot be run.
    """
    known = files.task(task)
    seed = fresh_seed() if seed is None else seed

    def answers(mutant: Replacement | None) -> LocalBackend:
        return LocalBackend(namespace, mutant.names(namespace) if mutant else None)

    runs = run_checks(files, [Attempt(lambda: answers(None), seed, (task,))])
    diagnoses = diagnose(files, task, runs, answers)
    tests = tuple(_result(run, diagnoses.get(run.test)) for run in runs)
    return CheckResult(files.name, task, known.title, tests, seed)


def progress(files: LabFiles, namespace: MutableMapping[str, Any]) -> Progress:
    """Run all checks of a lab on a namespace.

    Raises:
        AuthoringError: the lab's checks cannot be run.
    """
    runs = run_checks(files, [Attempt(lambda: LocalBackend(namespace), fresh_seed())])
    scores = []
    for task in files.tasks:
        mine = [run for run in runs if run.mark.task == task.name]
        earned = sum(run.mark.points for run in mine if run.status == "passed")
        untouched = all(run.status == "not started" for run in mine)
        scores.append(TaskScore(task.name, task.title, earned, task.points, untouched))
    return Progress(files.name, files.title, tuple(scores))


def _result(run: TestRun, diagnosis: Any) -> TestResult:
    return TestResult(
        run.test, run.law, run.status, run.mark.points, run.sentence, run.output, diagnosis
    )
