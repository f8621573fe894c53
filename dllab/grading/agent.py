"""What runs in a learner's process: it runs cells and performs operations, as it is told.

`main()` speaks with the grader over the socket that it inherits as descriptor 0 (see `wire`). No
check, no expected value and no score is ever here, so there is nothing to find or to change.

- `main()`: serve until the grader hangs up
"""

import builtins
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from dllab.check.backend import LocalBackend
from dllab.check.protocol import Fault, Operation, Outcome, convert
from dllab.errors import WireError
from dllab.grading.confine import harden
from dllab.grading.records import Limits
from dllab.grading.shell import NotebookShell
from dllab.grading.wire import (
    Inbox,
    Packer,
    Unpacker,
    pack_outcome,
    unpack_operation,
)

__all__ = ["main"]

_KEPT = 4  # tests whose objects are kept
_HIGH = 1000  # for a descriptor that learners' code will not meet by accident


def main() -> None:
    """Serve the grader at the other end of descriptor 0 until it hangs up."""
    os.environ["DLLAB_SANDBOX"] = "1"
    channel = _Channel(_take_socket())
    frame = channel.receive()
    if frame.header["is"] == "models":  # a process of the grader's own, see `evaluator`
        frame.expect("is", "limits")
        from dllab.grading.evaluator import serve

        serve(channel, Limits(**frame.header["limits"]))
    frame.expect("is", "limits", "seed")
    harden(Limits(**frame.header["limits"]))
    agent = Agent(channel, NotebookShell())
    _seed(frame.number("seed"))
    channel.send({"is": "ready"})
    agent.serve()


def _take_socket() -> socket.socket:
    import fcntl
    import resource

    highest = min(_HIGH, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 1)
    with suppress(OSError):
        number = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, highest)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.close(null)
        return socket.socket(fileno=number)
    return socket.socket(fileno=os.dup(0))


def _seed(seed: int) -> None:
    """Make random numbers repeat, of Keras too where it has been imported."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    keras = sys.modules.get("keras")
    if keras is not None:
        with suppress(Exception):
            keras.utils.set_random_seed(seed % 2**32)


class _Channel:
    """Frames to and from the grader."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._inbox = Inbox()
        self._pid = os.getpid()

    def receive(self) -> Unpacker:
        """Wait for the next frame; end the process if there will be none."""
        while (frame := self._inbox.next()) is None:
            data = self._socket.recv(1 << 20)
            if not data:
                os._exit(0)
            self._inbox.feed(data)
        return frame

    def send(self, header: dict[str, Any], packer: Packer | None = None) -> None:
        """Send a frame."""
        self.send_bytes((packer or Packer()).frame(header))

    def send_bytes(self, data: bytes) -> None:
        """Send a frame, whole: a time limit that is over waits until it is sent."""
        if os.getpid() != self._pid:
            os._exit(0)  # a copy that learners' code has forked
        waiting = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGALRM, signal.SIGINT))
        try:
            self._socket.sendall(data)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, waiting)


class Agent:
    """Does what the grader says, one thing at a time."""

    def __init__(self, channel: _Channel, shell: NotebookShell) -> None:
        self._channel = channel
        self._shell = shell
        self._backends: dict[int, _Backend] = {}
        self._running: list[int] = []

    def serve(self) -> None:
        """Follow orders until the grader hangs up."""
        while True:
            # an interrupt that comes late concerns what has ended already
            with suppress(KeyboardInterrupt):
                self._follow(self._channel.receive())

    def _follow(self, frame: Unpacker) -> None:
        order = frame.header["is"]
        if order == "cell":
            self._run_cell(frame)
        elif order == "begin":
            self._begin(frame.number("id"), frame.number("seed"))
        elif order == "perform":
            self._perform(frame)

    def _run_cell(self, frame: Unpacker) -> None:
        header = frame.header
        run = self._shell.define if header["definitions"] else self._shell.run
        found = run(header["number"], header["source"], header["seconds"])
        self._answer({"is": "ran", "id": header["id"], "problem": found})

    def _begin(self, number: int, seed: int) -> None:
        """Start a test: with objects of its own, and random numbers that repeat."""
        self._backends[number] = _Backend(self._shell.names, self._call_back)
        for old in list(self._backends)[:-_KEPT]:
            del self._backends[old]
        _seed(seed)
        self._answer({"is": "begun", "id": number})

    def _perform(self, frame: Unpacker) -> None:
        number, seconds = frame.number("id"), float(frame.header["seconds"])
        backend = self._backends[frame.number("backend")]
        frame.function = _Function
        operation = unpack_operation(frame.header["operation"], frame)
        self._running.append(number)
        try:
            outcome = _outcome(backend, operation, seconds)
        finally:
            self._running.pop()
        self._report(number, outcome)

    def _report(self, number: int, outcome: Outcome) -> None:
        packer = Packer()
        try:
            form = pack_outcome(outcome, packer)
            data = packer.frame({"is": "outcome", "id": number, "outcome": form})
        except (WireError, MemoryError) as error:
            packer = Packer()
            reason = str(error) if isinstance(error, WireError) else "it is far too large"
            form = pack_outcome(Outcome(fault=Fault("unusable", message=reason)), packer)
            data = packer.frame({"is": "outcome", "id": number, "outcome": form})
        self._channel.send_bytes(data)

    def _answer(self, header: dict[str, Any]) -> None:
        self._channel.send(header)

    def _call_back(self, function: int, args: Any, kwargs: Any) -> Any:
        """Let the grader call a function of the check, and meanwhile do what it asks for."""
        if not self._running:
            raise RuntimeError("this function belongs to a test that is over")
        number = self._running[-1]
        packer = Packer()
        header = {"is": "callback", "id": number, "function": function}
        header |= {"args": packer.value(args), "kwargs": packer.value(kwargs)}
        self._channel.send(header, packer)
        while True:
            frame = self._channel.receive()
            if frame.header["is"] == "result":
                frame.function = _Function
                return frame.value(frame.header["value"])
            if frame.header["is"] == "raise":
                raise _exception(frame.header)
            self._follow(frame)


class _Function:
    """A function of the check, which stays with the grader."""

    def __init__(self, number: int) -> None:
        self.number = number


class _Backend(LocalBackend):
    """Performs operations on the notebook's names, with functions that the grader calls."""

    def __init__(self, names: dict[str, Any], call: Callable[[int, Any, Any], Any]) -> None:
        super().__init__(names)
        self._call_grader = call

    def _enter(self, value: Any) -> Any:
        if not isinstance(value, _Function):
            return super()._enter(value)
        number = value.number

        def function(*args: Any, **kwargs: Any) -> Any:
            sent = self._leave(args), self._leave(kwargs)
            return convert(self._call_grader(number, *sent), self._enter)

        return function


class _CheckStopped(BaseException):
    """The check ended in one of its functions: the learner's code has nothing left to do."""


def _outcome(backend: LocalBackend, operation: Operation, seconds: float) -> Outcome:
    """Perform an operation; whatever is raised ends in the outcome."""
    start = time.monotonic()
    try:
        return backend.perform(operation, seconds)
    except BaseException as error:
        # what a notebook would let through: an interrupt, or an exception that mimics ours
        if isinstance(error, KeyboardInterrupt) and time.monotonic() - start >= seconds:
            return Outcome(fault=Fault("timeout"))
        types = tuple(base.__name__ for base in type(error).__mro__)[:-1]
        return Outcome(fault=Fault("raised", types))


def _exception(header: dict[str, Any]) -> BaseException:
    """Return the exception that a function of the check raised, or its nearest built-in base."""
    if header["stop"]:
        return _CheckStopped()
    for name in header["types"]:
        kind = getattr(builtins, name, None)
        if isinstance(kind, type) and issubclass(kind, Exception):
            with suppress(Exception):
                return kind(header["message"])
    return Exception(header["message"])


if __name__ == "__main__":
    main()
