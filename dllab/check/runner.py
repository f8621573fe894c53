"""Run a lab's checks, which are ordinary pytest tests, against one or several answers.

- `Attempt`: an answer to run the checks on, and the seed of the random numbers
- `run_checks(lab, attempts)`: run the tests; a `TestRun` for each test and attempt
- `fresh_seed()`: a seed that nobody can foresee
"""

import inspect
import os
import random
import secrets
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dllab.check.limits import time_limit
from dllab.check.loading import LabFiles
from dllab.check.protocol import Backend
from dllab.check.proxy import Session, Step, Student, current
from dllab.check.registry import TestMark, mark_of
from dllab.check.sentences import StudentError
from dllab.errors import AuthoringError

__all__ = ["Attempt", "TestRun", "fresh_seed", "run_checks"]

Status = Literal["passed", "failed", "not started"]
_SECOND_CHANCE = 2.0  # seconds for a call of code that did not end in an earlier test
_WHOLE_TEST = 60.0  # seconds for all that a test does, or
_OPERATIONS = 6  # times what one of its operations may take, if that is more
_SETTINGS = Path(__file__).with_name("runner.ini")


@dataclass(frozen=True)
class Attempt:
    """An answer that the checks run on.

    Args:
        backend: makes a fresh way to the learner's code, once for each test.
        seed: of the random numbers that the tests draw.
        tasks: only the tests of these tasks; None for all.
        label: what the report of a law calls it.
        patience: factor on the time limits; more than 1 for code that is known to end.
        bounded: limit each test as a whole, too: what the learner's code returned may make the
            check's own code endless.
        brief: leave out the tests that train.
    """

    backend: Callable[[], Backend]
    seed: int
    tasks: tuple[str, ...] | None = None
    label: str = ""
    patience: float = 1.0
    bounded: bool = False
    brief: bool = False


@dataclass(frozen=True)
class TestRun:
    """What became of one test on one attempt."""

    __test__ = False

    attempt: Attempt
    test: str
    mark: TestMark
    law: str
    status: Status
    sentence: str
    output: str
    seconds: float = 0.0
    steps: tuple[Step, ...] = field(repr=False, default=())
    error: BaseException | None = field(repr=False, default=None)


def fresh_seed() -> int:
    """Return a seed from the operating system's entropy."""
    return secrets.randbits(32)


def run_checks(lab: LabFiles, attempts: Sequence[Attempt]) -> list[TestRun]:
    """Run a lab's tests on each attempt, in one pytest session.

    Raises:
        AuthoringError: the checks themselves cannot be run.
        KeyboardInterrupt: the person at the keyboard stopped the run.
    """
    try:
        import pytest
    except ModuleNotFoundError as error:
        if error.name != "pytest":
            raise
        raise AuthoringError(
            "the checks need pytest: run `%pip install pytest` once, then check again"
        ) from None
    plugin = _plugin(pytest, attempts)
    arguments = ["-c", str(_SETTINGS), "--rootdir", str(lab.folder.parent), str(lab.checks)]
    with _undisturbed(lab.checks), np.errstate(all="ignore"):
        status = pytest.main(arguments, plugins=[plugin])
    if status == pytest.ExitCode.INTERRUPTED and not plugin.problems:
        raise KeyboardInterrupt
    if plugin.problems or status not in (
        pytest.ExitCode.OK,
        pytest.ExitCode.TESTS_FAILED,
        pytest.ExitCode.NO_TESTS_COLLECTED,
    ):
        problem = plugin.problems[0] if plugin.problems else f"pytest ended with {status!r}"
        raise AuthoringError(f"the checks of lab {lab.name!r} cannot be run: {problem}")
    return plugin.runs


@contextmanager
def _undisturbed(checks: Path) -> Iterator[None]:
    """Leave no trace of a pytest run, be it in a notebook or inside another pytest run."""
    environment = dict(os.environ)
    numpy_state, python_state = np.random.get_state(), random.getstate()
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        os.environ.pop(name, None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(environment)
        np.random.set_state(numpy_state)
        random.setstate(python_state)
        for name, module in list(sys.modules.items()):
            if getattr(module, "__file__", None) == str(checks):
                del sys.modules[name]  # an edited file is read again next time


def _plugin(pytest: Any, attempts: Sequence[Attempt]) -> Any:
    """Return the pytest plugin that gives the tests their fixtures and collects the results."""

    class Plugin:
        def __init__(self) -> None:
            self.runs: list[TestRun] = []
            self.problems: list[str] = []
            # Code that did not end once gets less time in the task's other tests.
            self.endless: set[tuple[Attempt, str]] = set()

        def pytest_generate_tests(self, metafunc: Any) -> None:
            mark = mark_of(metafunc.function)
            if mark is None:
                name = metafunc.function.__name__
                self.problems.append(f"{name} has no @task decorator")
                return
            mine = [
                attempt
                for attempt in attempts
                if (attempt.tasks is None or mark.task in attempt.tasks)
                and not (attempt.brief and mark.trains)
            ]
            parameters: list[Attempt | None] = [*mine] or [None]
            metafunc.fixturenames.append("_attempt")
            metafunc.parametrize("_attempt", parameters, indirect=True)

        def pytest_collection_modifyitems(self, items: list[Any]) -> None:
            # pytest would report a test without parameters as skipped
            items[:] = [item for item in items if item.callspec.params["_attempt"] is not None]

        @pytest.fixture
        def _attempt(self, request: Any) -> Attempt:
            return request.param

        @pytest.fixture
        def _session(self, _attempt: Attempt, request: Any) -> Session:
            # the learner's code may use these, and then a run can be repeated as well
            np.random.seed(_attempt.seed % 2**32)
            random.seed(_attempt.seed)
            mark = request.function.__dllab_task__
            again = (_attempt, mark.task) in self.endless
            seconds = min(mark.seconds, _SECOND_CHANCE) if again else mark.seconds
            return Session(_attempt.backend(), seconds * _attempt.patience)

        @pytest.fixture
        def student(self, _session: Session) -> Iterator[Student]:
            with current(_session):
                yield Student(_session)

        @pytest.fixture
        def rng(self, _attempt: Attempt, request: Any) -> np.random.Generator:
            test = zlib.crc32(request.function.__name__.encode())
            return np.random.default_rng([_attempt.seed, test])

        @pytest.hookimpl(wrapper=True)
        def pytest_pyfunc_call(self, pyfuncitem: Any) -> Any:
            attempt = pyfuncitem.callspec.params["_attempt"]
            if not attempt.bounded:
                return (yield)
            seconds = max(_WHOLE_TEST, _OPERATIONS * pyfuncitem.function.__dllab_task__.seconds)
            with time_limit(seconds * attempt.patience):
                return (yield)

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_makereport(self, item: Any, call: Any) -> Any:
            error = call.excinfo.value if call.excinfo else None
            if call.when == "call" or error is not None:
                run = _test_run(item, error, call.duration)
                self.runs.append(run)
                if isinstance(error, StudentError) and error.fault.kind == "timeout":
                    self.endless.add((run.attempt, run.mark.task))
            outcome = "passed" if error is None else "failed"
            return pytest.TestReport(
                item.nodeid, item.location, {}, outcome, None, call.when, duration=call.duration
            )

        def pytest_collectreport(self, report: Any) -> None:
            if report.failed:
                self.problems.append(str(report.longrepr).strip().splitlines()[-1])

    return Plugin()


def _test_run(item: Any, error: BaseException | None, seconds: float) -> TestRun:
    session = item.funcargs.get("_session")
    law = " ".join((inspect.getdoc(item.function) or "").split("\n\n")[0].split())
    status, sentence = _verdict(error, law)
    return TestRun(
        item.callspec.params["_attempt"],
        item.function.__name__,
        mark_of(item.function) or TestMark("", 1),
        law,
        status,
        sentence,
        session.output if session else "",
        seconds,
        tuple(session.steps) if session else (),
        error,
    )


def _verdict(error: BaseException | None, law: str) -> tuple[Status, str]:
    if error is None:
        return "passed", ""
    if isinstance(error, StudentError):
        not_started = error.fault.kind in ("missing", "unfinished")
        return "not started" if not_started else "failed", str(error)
    if isinstance(error, AssertionError):
        return "failed", _first_sentence(str(error)) or f"This does not hold yet: {law}"
    reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    return "failed", (
        f"The check could not use what your code returned ({reason[:200]}): compare it with "
        "the signature in the task."
    )


def _first_sentence(text: str) -> str:
    """Return an assertion's message without what pytest adds, or '' if it has none."""
    first = text.strip().partition("\n")[0].strip()
    generic = first.startswith(("assert ", "Not equal to tolerance", "Arrays are not"))
    return "" if generic else first
