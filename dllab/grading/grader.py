"""Grade one submission: the learner's code over there, checks and marks here.

- `grade(order)`: a `Grade`, whatever the submission holds
- `ungraded(order, status, reason)`: the record of one that could not be graded
- `feedback_sentence(run)`: what a student may read about a check that failed
"""

import inspect
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from dllab.check.backend import LocalBackend
from dllab.check.diagnosis import Diagnosis, diagnose
from dllab.check.expect import UnexpectedError
from dllab.check.limits import TimeUp
from dllab.check.loading import LabFiles, find_lab, lab_names, read_lab_folder
from dllab.check.models import ModelError, evaluated_by
from dllab.check.protocol import Backend, Operation, Ref, convert
from dllab.check.proxy import unwrap
from dllab.check.registry import Replacement, TestMark, mark_of
from dllab.check.runner import Attempt, TestRun, run_checks
from dllab.check.sentences import StudentError
from dllab.errors import UnreadableError
from dllab.grading.evaluator import ProcessEvaluator
from dllab.grading.framework_mutants import FrameworkMutants, needs_framework
from dllab.grading.notebook import read
from dllab.grading.records import (
    Grade,
    MisconceptionNote,
    Order,
    Repair,
    Status,
    TaskGrade,
    TestGrade,
)
from dllab.grading.released import released
from dllab.grading.repair import mend
from dllab.grading.replays import RememberingBackend
from dllab.grading.sandbox import level
from dllab.grading.session import CodeCell, OutOfTimeError, Session
from dllab.grading.wire import clean

__all__ = ["feedback_sentence", "grade", "ungraded"]

_SENTENCE = 600  # characters that a student reads about one check
_DIAGNOSES = 60.0  # seconds for all diagnoses of one submission
_NEUTRAL = (
    "The check could not use what your code returned: compare it with the signature in the task."
)
_ENDLESS = (
    "The check came to no end with what your code returned: compare it with the task's signature."
)


@dataclass(frozen=True)
class _Test:
    """A check of a lab, known without running it."""

    name: str
    law: str
    mark: TestMark


def grade(order: Order, template: Any = None) -> Grade:
    """Grade one submission; nothing that a student did makes this raise.

    Args:
        order: the submission, the lab and the limits.
        template: the warm template to fork learners' processes from.

    Raises:
        KeyboardInterrupt: the person at the keyboard stopped the run.
    """
    job = _Job(order, time.monotonic())
    try:
        job.sandbox = level(order.sandboxed)
        job.files = _lab(order.lab)
        job.tests = _tests(job.files.checks)
        return _grade(job, template)
    except UnreadableError as error:
        return job.grade("unreadable", clean(str(error), _SENTENCE))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        reason = f"{type(error).__name__}: {_presentable(str(error))}"
        return job.grade("failed", f"The grader could not do its work ({reason}).")


def ungraded(order: Order, status: Status, reason: str) -> Grade:
    """Return the record of a submission that somebody else failed to have graded."""
    job = _Job(order, time.monotonic())
    with suppress(Exception):
        job.sandbox = level(order.sandboxed)
        job.files = _lab(order.lab)
        job.tests = _tests(job.files.checks)
    return job.grade(status, reason)


class _Job:
    """What is known about a submission so far."""

    def __init__(self, order: Order, start: float) -> None:
        self.order = order
        self.start = start
        self.files: LabFiles | None = None
        self.tests: Sequence[_Test] = ()
        self.repairs: tuple[Repair, ...] = order.submission.repairs
        self.problems: tuple[str, ...] = ()
        self.results: dict[str, TestGrade] = {}
        self.session: Session | None = None
        self.sandbox = ""

    def grade(self, status: Status, reason: str = "") -> Grade:
        """Return the grade; a test without a result was not run."""
        session, order = self.session, self.order
        return Grade(
            student=order.submission.student,
            digest=order.submission.digest,
            lab=self.files.name if self.files else Path(order.lab).name,
            fingerprint=order.fingerprint,
            status=status,
            reason=reason,
            tasks=tuple(self._tasks()),
            repairs=self.repairs,
            problems=self.problems,
            seed=order.seed,
            sandbox=self.sandbox,
            seconds=time.monotonic() - self.start,
            cpu_seconds=session.spent.cpu_seconds if session else 0.0,
            peak_memory=session.spent.peak_memory if session else 0.0,
            restarts=session.restarts if session else 0,
        )

    def _tasks(self) -> Iterator[TaskGrade]:
        for task in self.files.tasks if self.files else ():
            mine = [test for test in self.tests if test.mark.task == task.name]
            results = tuple(self.results.get(test.name) or _not_run(test) for test in mine)
            yield TaskGrade(task.name, task.title, results)


def _grade(job: _Job, template: Any) -> Grade:
    files, order = job.files, job.order
    assert files is not None
    cells, repairs = _cells(order, files)
    job.repairs += repairs
    models = ProcessEvaluator(
        template, sandboxed=order.sandboxed, warm=order.warm, patience=order.patience
    )
    with models, evaluated_by(models), Session(order, cells, template) as session:
        job.session = session
        job.problems = tuple(_presentable(problem) for problem in session.run_cells())
        runs = run_checks(files, [_attempt(order, session)])
        diagnoses = _diagnoses(job, runs, session, template)
    job.results = {run.test: _result(run, diagnoses.get(run.test)) for run in runs}
    if any(result.status == "not run" for result in job.results.values()):
        seconds = order.limits.seconds * order.patience
        return job.grade("partly graded", f"It was not done within {seconds:g} s.")
    return job.grade("graded")


def _attempt(order: Order, session: Session) -> Attempt:
    def backend() -> Backend:
        return session.backend(_running_test())

    return Attempt(backend, order.seed, patience=order.patience, bounded=True)


def _running_test() -> str:
    """Return the name of the running test, which pytest tells in this variable."""
    current = os.environ.get("PYTEST_CURRENT_TEST", "")
    return current.rpartition("::")[2].partition("[")[0]


# -- the lab and the submission --------------------------------------------------------------


def _lab(name: str) -> LabFiles:
    return find_lab(name) if name in lab_names() else read_lab_folder(name)


def _tests(checks: Path) -> Sequence[_Test]:
    return _tests_of(checks, checks.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _tests_of(checks: Path, _changed: int) -> Sequence[_Test]:
    """Return a lab's tests in their order, also for a submission on which none can be run."""
    names: dict[str, Any] = {"__name__": f"dllab_outline_{checks.parent.name}"}
    exec(compile(checks.read_text(encoding="utf-8"), str(checks), "exec"), names)
    tests = []
    for name, value in names.items():
        mark = mark_of(value)
        if mark is not None and name.startswith("test"):
            law = " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split())
            tests.append(_Test(name, law, mark))
    return tests


def _cells(order: Order, files: LabFiles) -> tuple[Sequence[CodeCell], tuple[Repair, ...]]:
    """Return the submission's code cells, and what had to be mended.

    Raises:
        UnreadableError: there is no notebook in it.
    """
    submission = order.submission
    if submission.problem:
        raise UnreadableError(submission.problem)
    raw, repairs = read(submission.content)
    cells, more = mend(raw, released(files))
    return cells, (*repairs, *more)


# -- results ---------------------------------------------------------------------------------


def _not_run(test: _Test) -> TestGrade:
    return TestGrade(test.name, test.law, test.mark.points, "not run")


def _result(run: TestRun, diagnosis: Diagnosis | None) -> TestGrade:
    if isinstance(run.error, OutOfTimeError):
        return TestGrade(run.test, run.law, run.mark.points, "not run")
    note = _note(diagnosis) if diagnosis and run.status == "failed" else None
    sentence = "" if run.status == "passed" else feedback_sentence(run)
    return TestGrade(run.test, run.law, run.mark.points, run.status, sentence, note)


def _note(diagnosis: Diagnosis) -> MisconceptionNote:
    about = diagnosis.misconception
    return MisconceptionNote(
        about.id, about.title, diagnosis.sentence, about.right, about.section, about.link
    )


def feedback_sentence(run: TestRun) -> str:
    """Return what a student may read about a check that failed.

    Sentences that an author wrote, and what the student's own code said, pass. What Python or
    pytest says about the check's own values does not: it may hold an expected value.
    """
    error = run.error
    if isinstance(error, (StudentError, UnexpectedError, ModelError)):
        return _presentable(getattr(error, "public", str(error)))
    if isinstance(error, TimeUp):
        return _ENDLESS
    if isinstance(error, AssertionError):
        message = _own_message(error)
        return _presentable(message) if message else f"This does not hold yet: {run.law}"
    return _NEUTRAL


def _own_message(error: AssertionError) -> str:
    """Return the message of an `assert` in a check, or '' where something else raised it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or not trace.tb_frame.f_code.co_filename.endswith("checks.py"):
        return ""
    first = str(error).strip().partition("\n")[0].strip()
    return "" if first.startswith("assert ") else first


_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{4,}")
_PATH = re.compile(r"(?<![\w./])/(?:[\w.+@-]+/)+([\w.+@-]*)")
_STUDENTS_OWN = ("/home/student/", "/tmp/")
# Where this machine keeps Python and the package, which may lie below `/tmp` as well.
_OURS = sorted({sys.prefix, sys.base_prefix, str(Path(__file__).parents[2])}, key=len, reverse=True)


def _presentable(text: str) -> str:
    """Return text without addresses, which differ from run to run, and without paths from here."""
    shown = _ADDRESS.sub("0x…", clean(text, 2 * _SENTENCE))
    for place in _OURS:
        shown = shown.replace(f"{place}/", "/").replace(place, "…")
    return _PATH.sub(_short_path, shown)[:_SENTENCE]


def _short_path(match: re.Match[str]) -> str:
    whole = match.group(0)
    return whole if whole.startswith(_STUDENTS_OWN) else f"…/{match.group(1)}"


# -- diagnosis -------------------------------------------------------------------------------


def _diagnoses(
    job: _Job, runs: Sequence[TestRun], session: Session, template: Any
) -> Mapping[str, Diagnosis]:
    """Return the misconceptions behind failed tests: hints, which never change a mark."""
    files = job.files
    assert files is not None
    if not any(run.status == "failed" for run in runs):
        return {}  # most of a good class: its mutants are not even read
    with FrameworkMutants(job.order, files, template) as elsewhere:
        return _find_diagnoses(job, files, runs, session, elsewhere)


def _find_diagnoses(
    job: _Job,
    files: LabFiles,
    runs: Sequence[TestRun],
    session: Session,
    elsewhere: FrameworkMutants,
) -> Mapping[str, Diagnosis]:
    names = _Names(session)
    places = {id(mutant): place for place, mutant in enumerate(files.mutants)}
    framework = needs_framework(files)

    def answers(mutant: Replacement | None) -> Backend:
        if mutant is None:
            return session.backend("diagnosis")
        place = places.get(id(mutant))
        if place is None:  # none of the lab's: diagnosis leaves a name out to see what needs it
            return _mutant(mutant, names)
        known = f"{files.folder}\0{job.order.fingerprint}\0{place}"
        if framework and not mutant.build:
            return RememberingBackend(elsewhere.backend(place), known, lambda: 0)
        return RememberingBackend(_mutant(mutant, names), known, lambda: names.asked)

    found: dict[str, Diagnosis] = {}
    deadline = time.monotonic() + _DIAGNOSES
    for task in files.tasks:
        mine = [run for run in runs if run.mark.task == task.name]
        known = [run for run in mine if not isinstance(run.error, OutOfTimeError)]
        if session.over or time.monotonic() > deadline or all(r.status == "passed" for r in known):
            continue
        # what a mutant does with hostile values is its own affair
        with suppress(Exception, TimeUp):
            found |= diagnose(files, task.name, known, answers)
    return found


def _mutant(mutant: Replacement, names: "_Names") -> LocalBackend:
    if mutant.build:
        return LocalBackend(names, dict(mutant.definition(_Student(names))))
    return LocalBackend(names, {mutant.replaces: mutant.definition})


class _Names(dict[str, Any]):
    """The learner's names, fetched when a mutant needs one."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.asked = 0  # how often the learner's code took part
        self._session = session
        self._backend: Backend | None = None

    def __contains__(self, name: object) -> bool:
        try:
            self[str(name)]
        except LookupError:
            return False
        return True

    def __missing__(self, name: str) -> Any:
        return self.perform(Operation("get", None, name))

    def perform(self, operation: Operation) -> Any:
        """Perform an operation on the learner's code and return its value."""
        self.asked += 1
        if self._backend is None:
            self._backend = self._session.backend("diagnosis")
        outcome = self._backend.perform(operation, 10.0)
        if outcome.fault is not None:
            raise LookupError(operation.name)
        return convert(outcome.value, lambda ref: _Object(self, ref))


class _Student:
    """The learner's names as attributes."""

    def __init__(self, names: _Names) -> None:
        self._names = names

    def __getattr__(self, name: str) -> Any:
        try:
            return self._names[name]
        except LookupError:
            raise AttributeError(name) from None


class _Object:
    """An object of the learner's, for a mutant that builds on it."""

    def __init__(self, names: _Names, ref: Ref) -> None:
        self._names = names
        self._ref = ref

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        operation = Operation("call", self._ref, "", _sent(args), _sent(kwargs))
        return self._names.perform(operation)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self._names.perform(Operation("get", self._ref, name))
        except LookupError:
            raise AttributeError(name) from None


def _sent(value: Any) -> Any:
    return convert(value, lambda leaf: leaf._ref if isinstance(leaf, _Object) else unwrap(leaf))
