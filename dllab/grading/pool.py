"""Grade orders in several processes at once, whatever becomes of one of them.

- `Pool(settings, jobs)`: `.run(orders)` yields each order with its grade, as they finish
- `WorkerSettings`: how a worker is started
- `WorkerProcess`: one worker, seen from the process that started it
- `settle(worker, order)`: have one order graded and wait for it

A worker that dies, overruns or answers with nonsense is killed and replaced. Its submission
gets one more try in a fresh worker; after that it is recorded as `failed`.
"""

import json
import os
import select
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dllab.errors import FingerprintError, GradingError, SandboxMissingError, WorkerError
from dllab.grading.records import Grade, Order, grade_from_json, order_to_json

__all__ = [
    "TRIES",
    "Pool",
    "WorkerProcess",
    "WorkerSettings",
    "failed",
    "grade_of",
    "reason_for",
    "refusal",
    "settle",
    "worker_environment",
]

TRIES = 2  # of a submission whose worker comes up with nothing
_LONGEST_ANSWER = 16 * 2**20
_LOOK_AROUND = 0.2  # seconds between two looks at the clock
_STARTS = 3
_NONSENSE = "the process that graded it answered with nonsense"
# What a worker gets of its parent's environment; the rest may hold secrets.
_KEPT = (
    "HOME",
    "LANG",
    "LD_LIBRARY_PATH",
    "LOGNAME",
    "PATH",
    "TMPDIR",
    "TZ",
    "USER",
    "VIRTUAL_ENV",
    "XDG_RUNTIME_DIR",
)
_KEPT_FAMILIES = ("COVERAGE_", "DLLAB_", "KERAS_", "LC_", "TF_")
_SAME_EVERYWHERE = {
    "DLLAB_DEVICE": "cpu",
    "MALLOC_ARENA_MAX": "2",
    "MPLBACKEND": "Agg",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONSAFEPATH": "1",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
}


@dataclass(frozen=True)
class WorkerSettings:
    """How a worker is started, and when it is replaced.

    Args:
        grader: `module:function` that turns an order into a grade.
        template: the folder of the warm template that all workers fork from, or ''.
        memory: MB that a worker may take beyond what it starts with.
        submissions: after so many, a fresh worker goes on.
        growth: MB by which a worker may have grown before a fresh one goes on.
        grace: seconds beyond an order's own limit until the worker counts as stuck.
        start_seconds: how long a worker may take to begin.
        follow_thread: whether workers end with the thread that started them.
    """

    grader: str = "dllab.grading.grader:grade"
    template: str = ""
    memory: int = 1024
    submissions: int = 50
    growth: float = 200.0
    grace: float = 90.0
    start_seconds: float = 120.0
    follow_thread: bool = True


def worker_environment() -> dict[str, str]:
    """Return a worker's environment: what Python needs, and what makes results the same."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT or name.startswith(_KEPT_FAMILIES)
    }
    paths = [str(Path(__file__).resolve().parents[2])]  # a checkout need not be installed
    paths += [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    kept["PYTHONPATH"] = os.pathsep.join(os.path.abspath(path) for path in paths)
    return kept | _SAME_EVERYWHERE


class WorkerProcess:
    """One worker: send it an order, collect its answer, kill it."""

    def __init__(self, settings: WorkerSettings) -> None:
        self.settings = settings
        self.ready = False
        self.served = 0
        self.memory: tuple[float, float] | None = None  # MB after the first order, and now
        self.deadline = 0.0
        self._allowed = 0.0
        self._noise = tempfile.TemporaryFile()  # noqa: SIM115  closed by `close`
        self._answers = bytearray()
        # A session of its own: Ctrl-C in the terminal reaches only the parent, which decides.
        self.process = subprocess.Popen(
            self._command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._noise,
            env=worker_environment(),
            cwd="/",  # nothing that lies around is imported
            start_new_session=True,
        )
        os.set_blocking(self.fileno(), False)

    def _command(self) -> list[str]:
        given = self.settings
        command = [sys.executable, "-P", "-m", "dllab.grading.worker", "--grader", given.grader]
        command += ["--memory", str(given.memory)]
        if given.template:
            command += ["--template", given.template]
        if given.follow_thread:
            command += ["--parent", str(os.getpid())]
        return command

    def fileno(self) -> int:
        """Return the descriptor on which answers arrive."""
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def send(self, order: Order) -> None:
        """Begin with an order; its answer is due before `deadline`.

        Raises:
            OSError: the worker has ended.
        """
        assert self.process.stdin is not None
        self._allowed = order.limits.seconds * order.patience + self.settings.grace
        start = 0.0 if self.ready else self.settings.start_seconds
        self.deadline = time.monotonic() + self._allowed + start
        self.served += 1
        self.process.stdin.write(order_to_json(order).encode() + b"\n")
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any] | None:
        """Return the next answer if it is complete.

        Raises:
            EOFError: the worker has ended.
            ValueError: what it answered is not an answer.
        """
        end = self._answers.find(b"\n")
        while end < 0:
            try:
                piece = os.read(self.fileno(), 2**20)
            except BlockingIOError:
                return None
            if not piece:
                raise EOFError
            self._answers += piece
            if len(self._answers) > _LONGEST_ANSWER:
                raise ValueError(_NONSENSE)
            end = self._answers.find(b"\n")
        line = bytes(self._answers[:end])
        del self._answers[: end + 1]
        return self._understood(line)

    def _understood(self, line: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise ValueError(_NONSENSE)
        if not self.ready:
            self.ready = True
            self.deadline = time.monotonic() + self._allowed
        if "memory" in answer:
            now = float(answer["memory"])
            self.memory = (self.memory[0] if self.memory else now, now)
        return answer

    def worn(self) -> bool:
        """Tell whether a fresh worker should go on in its place."""
        first, now = self.memory or (0.0, 0.0)
        return self.served >= self.settings.submissions or now - first > self.settings.growth

    def kill(self) -> None:
        """End the worker and all that it started; return when it is gone."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.close()

    def dismiss(self) -> None:
        """Let an idle worker end by itself."""
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()
        self.close()

    def close(self) -> None:
        """Let go of the descriptors."""
        for stream in (self.process.stdin, self.process.stdout, self._noise):
            with suppress(OSError):
                stream.close()  # type: ignore[union-attr]

    def ending(self) -> str:
        """Return how the worker ended, for a person; call it before `kill`."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(2)
        code = self.process.returncode
        if code is None:
            return "the process that graded it stopped answering"
        how = f"status {code}"
        if code < 0:
            with suppress(ValueError):
                how = signal.Signals(-code).name
        last = self._last_line()
        return f"the process that graded it ended ({how}{': ' + last if last else ''})"

    def _last_line(self) -> str:
        with suppress(OSError, ValueError):
            size = self._noise.seek(0, os.SEEK_END)
            self._noise.seek(max(0, size - 2000))
            lines = self._noise.read().decode(errors="replace").strip().splitlines()
            return lines[-1][:300] if lines else ""
        return ""


# -- what an answer means ---------------------------------------------------------------------


_STOPS_THE_CLASS = {
    "FingerprintError": FingerprintError,
    "SandboxMissingError": SandboxMissingError,
}


def refusal(kind: str, message: str) -> GradingError:
    """Return the error for a machine that can grade no submission at all."""
    return _STOPS_THE_CLASS.get(kind, GradingError)(message)


def grade_of(answer: Mapping[str, Any], order: Order) -> Grade:
    """Return the grade in an answer.

    Raises:
        GradingError: the answer says why no submission can be graded here.
        ValueError: there is no grade for this order in it; the message is for a person.
    """
    kind = str(answer.get("kind", ""))
    if kind in _STOPS_THE_CLASS:
        raise refusal(kind, str(answer.get("error")))
    if "grade" not in answer:
        raise ValueError(str(answer.get("error") or "the process that graded it told nothing"))
    try:
        grade = grade_from_json(json.dumps(answer["grade"]))
    except (TypeError, KeyError, AttributeError, ValueError):
        raise ValueError(_NONSENSE) from None
    expected = (order.submission.student, order.submission.digest, order.seed)
    if (grade.student, grade.digest, grade.seed) != expected:
        raise ValueError("the process that graded it answered for another submission")
    if grade.status == "failed":
        raise ValueError(grade.reason.rstrip("."))
    return grade


def failed(order: Order, reasons: list[str]) -> Grade:
    """Return the record of a submission that the grader could not grade."""
    from dllab.grading.grader import ungraded

    reason = "; then ".join(dict.fromkeys(reasons))
    sentence = f"The grader failed {len(reasons)} times: {reason.rstrip('.')}."
    return ungraded(order, "failed", sentence)


# -- many workers -----------------------------------------------------------------------------


@dataclass
class _Job:
    """An order on its way, and why earlier tries failed."""

    order: Order
    reasons: list[str] = field(default_factory=list)


class Pool:
    """Several workers and the orders that they have. Use it as a context manager.

    Args:
        settings: how workers are started.
        jobs: how many there are at most.
        started: called with each order when a worker gets it.
        stop: asked often; when it answers True, what is running is given up.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        jobs: int,
        started: Callable[[Order], None] = lambda order: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._started = started
        self._stop = stop
        self._selector = selectors.DefaultSelector()
        self._idle: list[WorkerProcess] = []
        self._busy: dict[WorkerProcess, _Job] = {}
        self._again: deque[_Job] = deque()
        self._false_starts = 0

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._idle:
            worker.dismiss()
        for worker in self._busy:
            worker.kill()
        self._selector.close()

    def processes(self) -> list[int]:
        """Return the process ids of the workers."""
        return [worker.process.pid for worker in [*self._busy, *self._idle]]

    def run(self, orders: Iterable[Order]) -> Iterator[tuple[Order, Grade]]:
        """Yield each order with its grade, as they finish; read orders only when there is room.

        Raises:
            WorkerError: workers end before they begin.
            FingerprintError: the lab changed during the run.
        """
        waiting = iter(orders)
        while not self._stop():
            self._hand_out(waiting)
            if not self._busy:
                return
            for worker in self._look_around():
                job = self._busy[worker]
                grade = self._collect(worker, job)
                if grade is not None:
                    yield job.order, grade

    def _hand_out(self, waiting: Iterator[Order]) -> None:
        while len(self._busy) < self._jobs:
            if self._again:
                job = self._again.popleft()
            elif (order := next(waiting, None)) is not None:
                job = _Job(order)
            else:
                return
            worker = self._worker(fresh=bool(job.reasons))
            self._busy[worker] = job
            self._started(job.order)
            # one that ended in the meantime is noticed where its answer is read
            with suppress(OSError):
                worker.send(job.order)

    def _worker(self, fresh: bool) -> WorkerProcess:
        """Return an idle worker, or a new one where none is fit."""
        while self._idle:
            worker = self._idle.pop()
            if not (fresh or worker.worn()):
                return worker
            self._selector.unregister(worker)
            worker.dismiss()
        worker = WorkerProcess(self._settings)
        self._selector.register(worker, selectors.EVENT_READ)
        return worker

    def _look_around(self) -> list[WorkerProcess]:
        """Return the workers that have something to say or have said nothing for too long."""
        ready = {key.fileobj for key, _ in self._selector.select(_LOOK_AROUND)}
        now = time.monotonic()
        return [w for w in self._busy if w in ready or w.deadline < now]

    def _collect(self, worker: WorkerProcess, job: _Job) -> Grade | None:
        """Return the job's grade if the worker has one, or if there will never be one."""
        try:
            answer = worker.receive()
            if answer is None and time.monotonic() < worker.deadline:
                return None
            if answer is None:
                raise TimeoutError
            if "ready" in answer:
                self._false_starts = 0
                return self._collect(worker, job)
            grade = grade_of(answer, job.order)
        except (EOFError, TimeoutError, ValueError) as error:
            return self._try_again(worker, job, error)
        del self._busy[worker]
        self._idle.append(worker)
        return grade

    def _try_again(self, worker: WorkerProcess, job: _Job, error: Exception) -> Grade | None:
        """Replace the worker and queue its job, or give the job up."""
        reason = reason_for(worker, error)
        del self._busy[worker]
        self._selector.unregister(worker)
        worker.kill()
        if not worker.ready:
            self._false_starts += 1
            if self._false_starts >= _STARTS:
                raise WorkerError(f"no process that grades can be started: {reason}")
            self._again.append(job)
            return None
        job.reasons.append(reason)
        if len(job.reasons) < TRIES:
            self._again.append(job)
            return None
        return failed(job.order, job.reasons)


def reason_for(worker: WorkerProcess, error: Exception) -> str:
    """Return why a worker has no grade, for a person; call it before `kill`."""
    if isinstance(error, TimeoutError):
        return "the process that graded it did not come to an end"
    return worker.ending() if isinstance(error, EOFError) else str(error)


def settle(worker: WorkerProcess, order: Order) -> Grade:
    """Have a worker grade one order and wait for it.

    Raises:
        ValueError, EOFError, TimeoutError: there is no grade; `worker` is of no more use.
        GradingError: no submission can be graded on this machine.
    """
    with suppress(OSError):
        worker.send(order)
    while True:
        select.select([worker], [], [], _LOOK_AROUND)
        answer = worker.receive()
        if answer is not None and "ready" not in answer:
            return grade_of(answer, order)
        if time.monotonic() > worker.deadline:
            raise TimeoutError("the process that graded it did not come to an end")
