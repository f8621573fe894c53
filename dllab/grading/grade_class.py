"""Grade a class: find the submissions, have each graded, keep and show what came of it.

- `grade_class(lab, submissions, out, ...)`: a `ClassResult`
- `ClassResult`: who was graded, who needs a person and why, the exit status
- `Watcher`: what is told on the way; a display derives from it

A result is stored before the next one is begun with, so a run that was cut off, however that
came about, goes on where it stopped: the same command, the same seed, nothing graded twice.
"""

import os
import platform
import shutil
import signal
import sqlite3
import statistics
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any

from dllab import __version__
from dllab.check.loading import LabFiles
from dllab.check.runner import fresh_seed
from dllab.errors import GradingError, ParameterError
from dllab.grading.course import Course, read_adjustments, read_course, read_extensions
from dllab.grading.feedback import safe_name, write_feedback
from dllab.grading.fingerprint import fingerprint, is_path, open_lab, versions
from dllab.grading.gradebook import Entry, FinalMark, Gradebook, Run
from dllab.grading.policy import Settlement, apply, settle
from dllab.grading.pool import Pool, WorkerSettings
from dllab.grading.records import NEEDS_PERSON, Grade, Limits, Order, Submission
from dllab.grading.report import write_csv, write_report

__all__ = ["ClassResult", "NeedsPerson", "Watcher", "grade_class"]

_SPOOL = ".spool"


@dataclass(frozen=True)
class NeedsPerson:
    """A student whose submission a person should look at, and why."""

    student: str
    status: str
    reason: str


@dataclass(frozen=True)
class ClassResult:
    """What came of a run.

    Args:
        lab: the lab's name.
        title: the lab's title.
        out: the folder with everything that was written.
        graded: submissions graded in this run.
        unchanged: submissions that had their grade already.
        students: how many the gradebook has now.
        left: submissions that this run did not come to.
        mean: of the final marks of all who are graded, None where nobody is.
        points: that can be earned.
        needs_person: whose grade is not simply a grade, of all students in the gradebook.
        warnings: what a person should know about extensions, adjustments and times.
        changes: how many marks changed.
        sandbox: the level of confinement, one line.
        seconds: wall time.
        interrupted: whether somebody stopped it.
    """

    lab: str
    title: str
    out: Path
    graded: int
    unchanged: int
    students: int
    left: int
    mean: float | None
    points: int
    needs_person: tuple[NeedsPerson, ...]
    warnings: tuple[str, ...]
    changes: int
    sandbox: str
    seconds: float
    interrupted: bool

    @property
    def status(self) -> int:
        """0: everything is graded; 3: some need a person; 130: interrupted."""
        if self.interrupted:
            return 130
        return 3 if self.needs_person else 0


class Watcher:
    """Is told what happens; the base class keeps silent."""

    def begin(self, title: str, count: int, unchanged: int, jobs: int, sandbox: str) -> None:
        """`count` submissions are to be graded now."""

    def started(self, student: str) -> None:
        """Somebody began with a submission."""

    def graded(self, grade: Grade, mark: FinalMark) -> None:
        """A submission's grade is stored."""

    def stopping(self) -> None:
        """The run was interrupted and is about to end."""

    def end(self) -> None:
        """Nothing more is told."""


def grade_class(
    lab: str,
    submissions: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    jobs: int | None = None,
    time_limit: float | None = None,
    memory: int | None = None,
    seed: int | None = None,
    only: Sequence[str] = (),
    regrade: bool = False,
    dask: str = "",
    course: str | os.PathLike[str] | None = None,
    extensions: str | os.PathLike[str] | None = None,
    adjustments: str | os.PathLike[str] | None = None,
    sandboxed: bool = True,
    warm: bool = True,
    progress: Watcher | None = None,
    settings: WorkerSettings | None = None,
) -> ClassResult:
    """Grade every submission that has no grade yet, and write gradebook, feedback and report.

    Args:
        lab: the lab's name, or the path of its source folder.
        submissions: a folder or a zip file, in any layout that `submissions.find` knows.
        out: the folder for the results; an earlier run there goes on.
        jobs: how many submissions are graded at once; one for each core unless told.
        time_limit: seconds for one submission.
        memory: MB for one submission, beyond what its libraries take.
        seed: of the checks' numbers; unless told, that of the last run in `out`, or a fresh one.
        only: students to grade; all unless told. `*` and `?` stand for any letters.
        regrade: grade again what has a grade, with a fresh seed unless `seed` or `only` is given.
        dask: the address of a Dask scheduler that has the submissions graded.
        course: a `course.toml` with deadlines and penalties.
        extensions: a CSV file of extensions.
        adjustments: a CSV file of manual adjustments.
        sandboxed: False runs students' code without confinement.
        warm: fork students' processes from one that has imported the libraries.
        progress: is told what happens.
        settings: of the worker processes.

    Raises:
        DLLabError: nothing can be graded; the message says why and what to do.
    """
    begun = time.monotonic()
    watcher = progress or Watcher()
    files = open_lab(lab)
    rules = _Rules.read(files, course, extensions, adjustments)
    limits = _limits(time_limit, memory)
    jobs = _jobs(jobs)
    level = _level(sandboxed, dask)
    handed_in = _find(Path(submissions), files, only)
    with _open_gradebook(Path(out)) as book, ExitStack() as opened:
        plan = _plan(book, files, handed_in, _spool(book), seed, bool(only), regrade)
        opened.callback(shutil.rmtree, _spool(book), ignore_errors=True)
        book.start_run(
            files.name,
            fingerprint=plan.fingerprint,
            seed=plan.seed,
            options={"regrade": plan.regrade, "only": list(only), "jobs": jobs, "dask": dask},
            versions={"dllab": __version__, "system": platform.platform(), **versions()},
            sandbox=level,
            title=files.title,
            points=files.points,
        )
        stop = opened.enter_context(_interruptible(watcher))
        orders = _orders(plan, _address(lab, files), limits, sandboxed, warm)
        desk = _Desk(book, files, rules, plan, watcher)
        watcher.begin(files.title, len(plan.todo), plan.unchanged, jobs, level)
        opened.callback(watcher.end)
        try:
            desk.restore()
            for order, grade in _graded(orders, dask, jobs, warm, settings, watcher, stop):
                desk.take(order.submission, grade)
        finally:
            settlement = desk.close(stop.is_set())
        return _result(desk, settlement, level, time.monotonic() - begun, stop.is_set())


# -- what is asked for ------------------------------------------------------------------------


@dataclass(frozen=True)
class _Rules:
    """How points become marks."""

    course: Course
    extensions: Sequence[Any]
    adjustments: Sequence[Any]

    @classmethod
    def read(cls, lab: LabFiles, course: Any, extensions: Any, adjustments: Any) -> "_Rules":
        read = read_course(Path(course)) if course else Course()
        more_time = read_extensions(Path(extensions), read) if extensions else []
        changed = read_adjustments(Path(adjustments)) if adjustments else []
        return cls(read, more_time, changed)


def _limits(time_limit: float | None, memory: int | None) -> Limits:
    limits = Limits()
    if time_limit is not None:
        if not 1 <= time_limit <= 24 * 3600:
            raise ParameterError(
                f"`time_limit` should be seconds from 1 to 86400, got {time_limit:g}"
            )
        cell = min(limits.cell_seconds, time_limit)
        limits = replace(limits, seconds=float(time_limit), cell_seconds=cell)
    if memory is not None:
        if not 64 <= memory <= 2**20:
            raise ParameterError(f"`memory` should be MB from 64 to 1048576, got {memory}")
        limits = replace(limits, memory=memory)
    return limits


def _jobs(jobs: int | None) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if jobs is not None and not 1 <= jobs <= 1024:
        raise ParameterError(f"`jobs` should be from 1 to 1024, got {jobs}")
    return jobs or cores or 1


def _level(sandboxed: bool, dask: str) -> str:
    if dask:
        return "on the machines of the Dask cluster"
    from dllab.grading.sandbox import level

    return level(sandboxed)


def _address(lab: str, files: LabFiles) -> str:
    """Return how a worker, which runs elsewhere in the file system, finds the lab."""
    return str(files.folder) if is_path(lab) else files.name


# -- the folder of results --------------------------------------------------------------------


def _open_gradebook(out: Path) -> Gradebook:
    try:
        book = Gradebook(out / "gradebook.sqlite")
    except (OSError, sqlite3.OperationalError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise GradingError(
            f"`--out` should be a folder that can be written to, and {out} is not ({reason}): "
            "give another one"
        ) from None
    for left in (*out.glob(".*.part"), *(out / "feedback").glob(".*.part")):
        left.unlink(missing_ok=True)  # of a run that was killed while it wrote
    return book


def _spool(book: Gradebook) -> Path:
    return book.path.parent / _SPOOL


def _find(folder: Path, lab: LabFiles, only: Sequence[str]) -> Iterable[Submission]:
    from dllab.grading.submissions import find_each

    return find_each(folder, lab, only)


def _spooled(submission: Submission, spool: Path) -> Submission:
    """Return the submission without its content, which goes into a file of our own."""
    if submission.content and not submission.path:
        path = spool / submission.digest
        if not path.exists():
            spool.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(submission.content)
        submission = replace(submission, path=str(path.absolute()))
    return replace(submission, content=b"")


# -- who is to be graded ----------------------------------------------------------------------


@dataclass(frozen=True)
class _Plan:
    """Which submissions are graded now, and under which number an attempt is kept.

    `regrade` is what every student's attempt should have at least; `todo` pairs a submission
    with the number of its attempt.
    """

    fingerprint: str
    seed: int
    regrade: int
    todo: tuple[tuple[Submission, int], ...]
    kept: tuple[Submission, ...]

    @property
    def unchanged(self) -> int:
        return len(self.kept)


def _plan(
    book: Gradebook,
    lab: LabFiles,
    found: Iterable[Submission],
    spool: Path,
    seed: int | None,
    some: bool,
    regrade: bool,
) -> _Plan:
    mark = fingerprint(lab)
    runs = [run for run in book.runs(lab.name) if run.fingerprint == mark]
    last = runs[-1] if runs else None
    chosen = _choose_seed(last, seed, some, regrade)
    # what an interrupted `--regrade` with a known seed has begun, the next run goes on with
    least = max(
        (int(run.options.get("regrade", 0)) for run in runs if run.seed == chosen), default=0
    )
    if regrade and not some and any(run.seed == chosen for run in runs):
        least = book.last_regrade(lab.name, mark, chosen) + 1
    shutil.rmtree(spool, ignore_errors=True)
    todo, kept = [], []
    for submission in found:
        number = _number(book, lab, submission, mark, chosen, least, some and regrade)
        if number is None:
            kept.append(replace(submission, content=b""))
        else:
            todo.append((_spooled(submission, spool), number))
    return _Plan(mark, chosen, least, tuple(todo), tuple(kept))


def _choose_seed(last: Run | None, seed: int | None, some: bool, regrade: bool) -> int:
    """Return the seed: everybody's checks draw the same numbers, whenever they are run."""
    if seed is not None:
        if not 0 <= seed < 2**63:
            raise ParameterError(f"`seed` should be from 0 to 2**63 - 1, got {seed}")
        return seed
    if last is None or (regrade and not some):
        return fresh_seed()
    return last.seed


def _number(
    book: Gradebook,
    lab: LabFiles,
    submission: Submission,
    mark: str,
    seed: int,
    least: int,
    again: bool,
) -> int | None:
    """Return the number for a submission's next attempt, None where it has its grade."""
    key = (submission.digest, mark, seed)
    mine = [
        entry
        for entry in book.attempts(submission.student, lab.name)
        if (entry.grade.digest, entry.grade.fingerprint, entry.grade.seed) == key
    ]
    newest = max(mine, key=lambda entry: entry.regrade, default=None)
    if newest is None:
        return least
    # where the grader itself failed, another run is another chance
    if again or newest.regrade < least or newest.grade.status == "failed":
        return max(least, newest.regrade + 1)
    return None


def _orders(plan: _Plan, lab: str, limits: Limits, sandboxed: bool, warm: bool) -> Iterator[Order]:
    for submission, _ in plan.todo:
        yield Order(lab, plan.fingerprint, submission, plan.seed, limits, sandboxed, warm)


# -- having them graded -----------------------------------------------------------------------


def _graded(
    orders: Iterator[Order],
    dask: str,
    jobs: int,
    warm: bool,
    settings: WorkerSettings | None,
    watcher: Watcher,
    stop: threading.Event,
) -> Iterator[tuple[Order, Grade]]:
    """Yield each order with its grade, as they finish, until all have one or `stop` is set."""
    first = next(orders, None)
    if first is None:
        return
    orders = _with(first, orders)

    def started(order: Order) -> None:
        watcher.started(order.submission.student)

    if dask:
        from dllab.grading.cluster import run_on_cluster

        yield from run_on_cluster(dask, orders, settings, started, stop.is_set)
        return
    with ExitStack() as opened:
        settings = settings or _with_template(warm, opened)
        pool = opened.enter_context(Pool(settings, jobs, started, stop.is_set))
        yield from pool.run(orders)


def _with(first: Order, rest: Iterator[Order]) -> Iterator[Order]:
    yield first
    yield from rest


def _with_template(warm: bool, opened: ExitStack) -> WorkerSettings:
    if not warm:
        return WorkerSettings()
    from dllab.grading.sandbox import Template

    template = opened.enter_context(Template())
    return WorkerSettings(template=template.address)


@contextmanager
def _interruptible(watcher: Watcher) -> Iterator[threading.Event]:
    """Let the first Ctrl-C end the run cleanly and the second at once."""
    stop = threading.Event()

    def interrupted(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            # everything that is stored is stored; workers end with this process
            os._exit(130)
        stop.set()
        watcher.stopping()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupted) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# -- keeping what came of it ------------------------------------------------------------------


@dataclass
class _Desk:
    """Where grades arrive: each is stored and its feedback written before the next."""

    book: Gradebook
    lab: LabFiles
    rules: _Rules
    plan: _Plan
    watcher: Watcher
    graded: int = 0
    numbers: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.numbers = {submission.student: number for submission, number in self.plan.todo}

    @property
    def out(self) -> Path:
        return self.book.path.parent

    def restore(self) -> None:
        """Let the grades of unchanged submissions count, and write feedback that is missing."""
        for submission in self.plan.kept:
            self.book.keep(self.lab.name, submission, self.plan.fingerprint, self.plan.seed)
        for entry in self.book.entries(self.lab.name):
            path = self.out / "feedback" / f"{safe_name(entry.student)}.html"
            if not path.exists():
                self._tell(entry)

    def take(self, submission: Submission, grade: Grade) -> None:
        self.book.add(grade, submission, regrade=self.numbers[submission.student])
        self.graded += 1
        entry = self._entry(submission.student)
        self.watcher.graded(grade, self._tell(entry))

    def _entry(self, student: str) -> Entry:
        return self.book.attempts(student, self.lab.name)[-1]

    def _tell(self, entry: Entry) -> FinalMark:
        """Write a student's feedback and return the mark in it."""
        rules = self.rules
        [mark] = apply(rules.course, [entry], rules.extensions, rules.adjustments)
        write_feedback(self.out, entry.grade, mark, rules.course, title=self.lab.title)
        return mark

    def close(self, interrupted: bool) -> Settlement:
        """Settle the marks and write what is about the whole class."""
        rules = self.rules
        before = {mark.student: mark for mark in self.book.marks(self.lab.name)}
        settlement = settle(
            self.book, self.lab.name, rules.course, rules.extensions, rules.adjustments
        )
        # a deadline or an adjustment may have changed marks of submissions that did not change
        graded = self.numbers
        for entry, mark in zip(self.book.entries(self.lab.name), settlement.marks, strict=True):
            if mark != before.get(mark.student) and mark.student not in graded:
                write_feedback(self.out, entry.grade, mark, rules.course, title=self.lab.title)
        write_csv(self.out, settlement.marks)
        write_report(self.out, self.book, self.lab.name, settlement, rules.course)
        self.book.end_run("interrupted" if interrupted else "finished")
        return settlement


def _result(
    desk: _Desk, settlement: Settlement, level: str, seconds: float, interrupted: bool
) -> ClassResult:
    marks = settlement.marks
    finals = [mark.final for mark in marks if mark.status == "graded"]
    return ClassResult(
        lab=desk.lab.name,
        title=desk.lab.title,
        out=desk.out,
        graded=desk.graded,
        unchanged=desk.plan.unchanged,
        students=len(marks),
        left=len(desk.plan.todo) - desk.graded,
        mean=statistics.fmean(finals) if finals else None,
        points=desk.lab.points,
        needs_person=tuple(
            NeedsPerson(mark.student, mark.status, mark.reason)
            for mark in marks
            if mark.status in NEEDS_PERSON
        ),
        warnings=settlement.warnings,
        changes=len(settlement.changes),
        sandbox=level,
        seconds=seconds,
        interrupted=interrupted,
    )
