"""One learner's code in a process that may end at any time, seen from the grader.

- `Session(order, cells)`: `.run_cells()`, then a `.backend(test)` for each test
- `RemoteBackend`: performs a test's operations there
- `OutOfTimeError`: the time for the whole submission is over

A limit is kept three times: by the learner's process itself, by an interrupt one second later,
by its end three seconds later. Then the next test gets a fresh process in which the earlier cells
have run again, except for what ended the last one: only the task that did it loses points.

There is no Jupyter kernel: IPython's shell runs under a small agent that listens on one inherited
socket. So there are no five channels in a shared folder, no signing key that a learner could
read, and no threads, and a process starts in half the time.
"""

import hashlib
import itertools
import select
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from dllab.check.protocol import Fault, Operation, Outcome, Ref, convert
from dllab.check.proxy import handle, unwrap
from dllab.check.sentences import StudentError
from dllab.errors import GradingError, WireError
from dllab.grading.records import Order
from dllab.grading.sandbox import StudentProcess
from dllab.grading.wire import (
    Inbox,
    Packer,
    Unpacker,
    clean,
    pack_operation,
    unpack_outcome,
)

__all__ = ["OutOfTimeError", "RemoteBackend", "Session"]

_INTERRUPT_AFTER = 1.0  # seconds beyond a limit that the process keeps itself
_KILL_AFTER = 3.0
_START_SECONDS = 60.0
_GLANCE = 0.1  # seconds between two looks at the process while waiting
_RESTARTS = 30


class CodeCell(Protocol):
    """A cell to run: its source, and its number as the student counts."""

    @property
    def source(self) -> str: ...

    @property
    def number(self) -> int: ...


class OutOfTimeError(GradingError):
    """The time for the whole submission is over."""


class _Ended(Exception):  # noqa: N818
    """The learner's process has ended, or was ended, and why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


_OVER = "budget"
_TIMEOUT = "timeout"
_FAULTS = {
    "memory": ("it used too much memory", "print the shapes: one array is far larger than it is"),
    "processes": ("it started too many processes", "start none of your own"),
    "disk": ("it wrote too much to files", "keep results in variables"),
    "garbage": ("what came back cannot be read", "return numbers, lists, dicts or arrays"),
    "died": ("without an error", "look for `exit`, `os._exit` or a call of itself without end"),
}


@dataclass
class Spent:
    """What all processes of a session used together."""

    cpu_seconds: float = 0.0
    peak_memory: float = 0.0


class Session:
    """Runs a submission's cells and performs its tests' operations, in a process of its own.

    Args:
        order: what is graded, and the limits.
        cells: the code cells to run, in order.
        template: a warm template to fork from.
    """

    def __init__(self, order: Order, cells: Sequence[CodeCell], template: Any = None) -> None:
        self.restarts = 0
        self.over = False
        self.spent = Spent()
        self._order = order
        self._cells = list(cells)
        self._template = template
        self._line: _Line | None = None
        self._ran = 0
        self._only_definitions: set[int] = set()
        self._left_out: set[int] = set()
        self._problems: dict[int, str] = {}
        self._numbers = itertools.count(1)
        self._deadline = time.monotonic() + order.limits.seconds * order.patience

    def __enter__(self) -> "Session":
        """Start the clock."""
        self._deadline = time.monotonic() + self._order.limits.seconds * self._order.patience
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self._close()

    def run_cells(self) -> tuple[str, ...]:
        """Run the cells and return a sentence about each one that stopped."""
        with suppress(OutOfTimeError):
            self._bring_up()
        return tuple(self._problems[index] for index in sorted(self._problems))

    def backend(self, purpose: str) -> "RemoteBackend":
        """Return a way to the learner's code for one test, which is called `purpose`.

        The learner's random numbers depend on the run's seed and the test, so that a run can be
        repeated; neither can be found from what the learner's process is told.
        """
        backend = RemoteBackend(self)
        # twice: whatever ended the process just now need not do it again
        for _ in range(2):
            try:
                self._bring_up()
                backend.number = next(self._numbers)
                seed = _derived_seed(self._order.seed, purpose)
                self._tell({"is": "begin", "id": backend.number, "seed": seed})
                self._answer("begun", backend.number, _START_SECONDS)
                backend.line = self._line
                return backend
            except _Ended as ended:
                self._lose(ended)
                backend.fault = _fault(ended.reason)
            except OutOfTimeError:
                break
        return backend

    # Cells

    def _bring_up(self) -> None:
        """Have a process in which all cells have run."""
        if self._line is not None and self._ran == len(self._cells):
            return
        starts = 0
        while True:
            try:
                if self._line is None:
                    starts += 1
                    self._start(starts)
                while self._ran < len(self._cells):
                    self._run_cell(self._ran)
                    self._ran += 1
                return
            except _Ended as ended:
                if self._line is not None and self._line.ready:
                    self._blame_cell(self._ran, ended.reason)
                self._lose(ended)

    def _start(self, attempt: int) -> None:
        if attempt > 1 and self.restarts > _RESTARTS:
            self.over = True
        self._check_time()
        self._ran = 0
        self._line = _Line(_student_process(self._order, self._template))
        seed = _derived_seed(self._order.seed, "cells")
        self._tell({"is": "start", "limits": asdict(self._order.limits), "seed": seed})
        try:
            frame = self._line.receive(self._until(_START_SECONDS), None)
            with _garbage():
                _expect(frame, "ready", "is")
        except _Ended as ended:
            if ended.reason != _OVER and attempt > 1:
                self._lose(ended)
                raise GradingError(
                    f"the learner's process did not start ({ended.reason})"
                ) from None
            raise
        self._line.begin()

    def _run_cell(self, index: int) -> None:
        if index in self._left_out:
            return
        self._check_time()
        cell, number = self._cells[index], next(self._numbers)
        seconds = self._order.limits.cell_seconds * self._order.patience
        header = {"is": "cell", "id": number, "number": cell.number, "seconds": seconds}
        definitions = index in self._only_definitions
        self._tell(header | {"source": cell.source, "definitions": definitions})
        frame = self._answer("ran", number, seconds, "problem")
        sentence = frame.text("problem", 400)
        if sentence and not definitions:
            self._problems.setdefault(index, sentence)

    def _blame_cell(self, index: int, reason: str) -> None:
        """Note that a cell ended the process; the next one gets only its definitions."""
        if index >= len(self._cells) or reason == _OVER:
            return
        if index in self._only_definitions:
            self._left_out.add(index)
        self._only_definitions.add(index)
        seconds = self._order.limits.cell_seconds * self._order.patience
        what = f"did not finish within {seconds:g} s"
        if reason != _TIMEOUT:
            what = f"ended Python itself ({_FAULTS[reason][0]})"
        number = self._cells[index].number
        self._problems[index] = f"{f'Code cell {number}' if number else 'A cell'} {what}."

    # Operations

    def perform(self, backend: "RemoteBackend", operation: Operation, seconds: float) -> Outcome:
        """Perform an operation of a test.

        Raises:
            OutOfTimeError: the time for the submission is over.
            StudentError: a function of the check met it, as in a notebook.
        """
        self._check_time()
        if backend.line is None or backend.line is not self._line:
            return Outcome(fault=backend.fault or _fault("died"))
        packer, number = Packer(backend.number_of), next(self._numbers)
        header = {"is": "perform", "id": number, "backend": backend.number, "seconds": seconds}
        data = packer.frame(header | {"operation": pack_operation(operation, packer)})
        try:
            backend.line.send(data, self._until(seconds + _KILL_AFTER))
            return self._converse(backend, operation, number, seconds)
        except _Ended as ended:
            self._lose(ended)
            backend.fault = _fault(ended.reason)
            if backend.pending is not None:
                raise backend.pending from None
            return Outcome(fault=backend.fault)
        except (StudentError, OutOfTimeError):
            raise
        except BaseException:
            self._close()  # in the middle of a conversation there is no way on
            raise

    def _converse(
        self, backend: "RemoteBackend", operation: Operation, number: int, seconds: float
    ) -> Outcome:
        """Answer what the learner's process asks until the outcome is there."""
        line = backend.line
        assert line is not None
        start = time.monotonic()
        while True:
            left = seconds - (time.monotonic() - start)
            frame = line.receive(self._until(left + _KILL_AFTER), left + _INTERRUPT_AFTER)
            with _garbage():
                if frame.number("id") != number:
                    raise WireError("a frame belongs to another operation")
                if frame.header.get("is") == "outcome":
                    outcome = _outcome(frame, operation)
                    break
                function, args, kwargs = _call(frame, backend)
            data = backend.call(function, args, kwargs)
            if line is not self._line:
                raise _Ended("died")
            line.send(data, self._until(left + _KILL_AFTER))
        if backend.pending is not None:
            pending, backend.pending = backend.pending, None
            raise pending
        return outcome

    # The process

    def _tell(self, header: Mapping[str, Any]) -> None:
        assert self._line is not None
        self._line.send(Packer().frame(header), self._until(_START_SECONDS))

    def _answer(self, kind: str, number: int, seconds: float, *fields: str) -> Unpacker:
        assert self._line is not None
        until = self._until(seconds + _KILL_AFTER)
        frame = self._line.receive(until, seconds + _INTERRUPT_AFTER)
        with _garbage():
            _expect(frame, kind, "is", "id", *fields)
            if frame.number("id") != number:
                raise WireError("a frame belongs to another order")
        return frame

    def _until(self, seconds: float) -> tuple[float, str]:
        """Return when to end the process, and for which reason."""
        own = time.monotonic() + seconds
        return (own, _TIMEOUT) if own < self._deadline else (self._deadline, _OVER)

    def _check_time(self) -> None:
        if self.over or time.monotonic() > self._deadline:
            self.over = True
            self._close()
            raise OutOfTimeError("the time for this submission is over")

    def _lose(self, ended: _Ended) -> None:
        """Let go of a process that has ended."""
        self.restarts += self._line is not None
        self._close()
        if ended.reason == _OVER:
            self.over = True
        self._check_time()

    def _close(self) -> None:
        line, self._line = self._line, None
        self._ran = 0
        if line is not None:
            cpu_seconds, memory = line.end()
            self.spent.cpu_seconds += cpu_seconds
            self.spent.peak_memory = max(self.spent.peak_memory, memory)


class RemoteBackend:
    """Performs the operations of one test in the learner's process."""

    def __init__(self, session: Session) -> None:
        self.number = 0
        self.line: _Line | None = None
        self.fault: Fault | None = None
        self.pending: BaseException | None = None
        self._session = session
        self._functions: list[Callable[..., Any]] = []

    def perform(self, operation: Operation, seconds: float) -> Outcome:
        """Do one step within `seconds` and say what became of it."""
        return self._session.perform(self, operation, seconds)

    def number_of(self, function: Callable[..., Any]) -> int:
        """Return the number under which the learner's process may call a function."""
        self._functions.append(function)
        return len(self._functions) - 1

    def function(self, number: int) -> Callable[..., Any]:
        """Return a function by its number."""
        if number >= len(self._functions):
            raise WireError("there is no such function")
        return self._functions[number]

    def call(self, function: Callable[..., Any], args: Any, kwargs: Any) -> bytes:
        """Call a function of the check and return the frame with its result."""
        try:
            packer = Packer(self.number_of)
            value = packer.value(convert(function(*args, **kwargs), unwrap))
            return packer.frame({"is": "result", "value": value})
        except (StudentError, OutOfTimeError) as error:
            self.pending = error
            return _raising(error, stop=True)
        except Exception as error:
            return _raising(error, stop=False)


def _raising(error: Exception, *, stop: bool) -> bytes:
    types = [kind.__name__ for kind in type(error).__mro__]
    message = "" if stop else clean(str(error), 300)
    return Packer().frame({"is": "raise", "stop": stop, "types": types, "message": message})


class _garbage:  # noqa: N801
    """A context in which a `WireError` means that the process sends what it may not."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, WireError):
            raise _Ended("garbage") from None


def _expect(frame: Unpacker, kind: str, *fields: str) -> None:
    frame.expect(*fields)
    if frame.header["is"] != kind:
        raise WireError("a frame says something else")
    frame.finish()


def _outcome(frame: Unpacker, operation: Operation) -> Outcome:
    """Return the outcome in a frame, if it can be one of this operation."""
    frame.expect("is", "id", "outcome")
    outcome = unpack_outcome(frame.header["outcome"], frame)
    frame.finish()
    if outcome.fault is not None:
        return Outcome(fault=outcome.fault)
    if len(outcome.args) != len(operation.args) or set(outcome.kwargs) != set(operation.kwargs):
        raise WireError("an outcome has other arguments than its operation")
    return outcome


def _call(frame: Unpacker, backend: RemoteBackend) -> tuple[Callable[..., Any], Any, Any]:
    """Return the function of the check that a frame asks for, and its arguments."""
    frame.expect("is", "id", "function", "args", "kwargs")
    if frame.header["is"] != "callback":
        raise WireError("a frame says something unknown")
    function = backend.function(frame.number("function"))
    args, kwargs = (frame.value(frame.header[key]) for key in ("args", "kwargs"))
    frame.finish()
    if type(args) is not tuple or type(kwargs) is not dict or not all(map(_is_text, kwargs)):
        raise WireError("arguments have no known form")
    return function, convert(args, _object), convert(kwargs, _object)


def _is_text(key: Any) -> bool:
    return type(key) is str


def _object(value: Any) -> Any:
    return handle(value) if isinstance(value, Ref) else value


def _fault(reason: str) -> Fault:
    if reason in (_TIMEOUT, _OVER):
        return Fault("timeout")
    if reason == "garbage":
        return Fault("unusable", message="it is neither a number, a text, a list nor an array")
    message, hint = _FAULTS[reason]
    return Fault("ended", message=message, hint=hint)


def _derived_seed(seed: int, purpose: str) -> int:
    digest = hashlib.sha256(f"{seed}\0{purpose}\0student".encode()).digest()
    return int.from_bytes(digest[:4])


# -- the line to a process -------------------------------------------------------------------


class _Line:
    """Frames to and from a process that may do anything."""

    def __init__(self, process: Any) -> None:
        self.ready = False
        self._process = process
        self._socket: socket.socket = process.sock
        self._socket.setblocking(False)
        self._inbox = Inbox()
        self._looked = 0.0

    def begin(self) -> None:
        """Note that the process is ready to run code."""
        self.ready = True
        self._process.begin()

    def send(self, data: bytes, until: tuple[float, str]) -> None:
        """Send a frame."""
        view = memoryview(data)
        while view:
            try:
                view = view[self._socket.send(view) :]
            except BlockingIOError:
                self._wait(until, reading=False)
            except OSError:
                raise self._gone() from None

    def receive(self, until: tuple[float, str], interrupt: float | None) -> Unpacker:
        """Wait for a frame; interrupt the process after so many seconds, end it at `until`."""
        alarm = None if interrupt is None else time.monotonic() + interrupt
        while True:
            with _garbage():
                if (frame := self._inbox.next()) is not None:
                    return frame
            try:
                data = self._socket.recv(1 << 20)
            except BlockingIOError:
                self._wait(until, reading=True)
                if alarm is not None and time.monotonic() > alarm:
                    self._process.interrupt()
                    alarm += 1.0
                continue
            except OSError:
                data = b""
            if not data:
                raise self._gone()
            self._inbox.feed(data)
            self._look(until)

    def _wait(self, until: tuple[float, str], *, reading: bool) -> None:
        mine = [self._socket]
        select.select(mine if reading else [], [] if reading else mine, [], _GLANCE)
        self._look(until)

    def _look(self, until: tuple[float, str]) -> None:
        now = time.monotonic()
        if now > until[0]:
            raise _Ended(until[1])
        if now - self._looked > _GLANCE:
            self._looked = now
            if reason := self._process.check():
                raise _Ended(reason if reason in _FAULTS else "died")

    def _gone(self) -> _Ended:
        reason = self._process.check()
        return _Ended(reason if reason in _FAULTS else "died")

    def end(self) -> tuple[float, float]:
        """End the process; return its seconds of CPU and megabytes of memory."""
        usage = self._process.usage()
        self._process.__exit__(None, None, None)
        return float(usage.cpu_seconds), float(usage.peak_memory)


def _student_process(order: Order, template: Any) -> Any:
    process = StudentProcess(
        order.limits, sandboxed=order.sandboxed, warm=order.warm, template=template
    )
    return process.__enter__()
