"""Rebuild learners' Keras models in a process of its own, where none of their code ever runs.

The process is forked from the same template as the learners' and confined in a sandbox like
theirs: the data of a model are checked before they get here (`dllab.check.models`), and should a
shape or a setting still make Keras take all memory or time, only this process ends.

- `ProcessEvaluator(template)`: the `Evaluator` of a grader; a context manager
- `serve(channel)`: what runs in that process, started by `dllab.grading.agent`
"""

import select
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from types import TracebackType
from typing import Any, NoReturn

import numpy as np

from dllab.check.models import Answer, LayerSpec, Spec
from dllab.errors import GradingError
from dllab.grading.confine import harden
from dllab.grading.records import Limits
from dllab.grading.sandbox import StudentProcess, Template
from dllab.grading.wire import Inbox, Packer, Unpacker, WireError

__all__ = ["ProcessEvaluator", "serve"]

LIMITS = Limits(seconds=3600.0, memory=1024, disk=1, file_size=1)
_SECONDS = 60.0  # for building a model and running it once
_START_SECONDS = 180.0  # without a template, Keras is imported first
_GLANCE = 0.1  # seconds between two looks at the process
_TOO_MUCH = "takes too much memory or time: make its layers smaller"


class ProcessEvaluator:
    """Rebuilds models in another process, which starts with the first one.

    Args:
        template: what to fork it from.
        sandboxed: False leaves out the sandbox.
        warm: fork from the template instead of starting Python anew.
        patience: factor on time limits.
    """

    def __init__(
        self,
        template: Template | None = None,
        *,
        sandboxed: bool = True,
        warm: bool = True,
        patience: float = 1.0,
    ) -> None:
        self._options: dict[str, Any] = {
            "sandboxed": sandboxed,
            "warm": warm,
            "template": template,
        }
        self._patience = patience
        self._process: StudentProcess | None = None
        self._inbox = Inbox()

    def __enter__(self) -> "ProcessEvaluator":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process; the next model starts another one."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def evaluate(self, spec: Spec, batch: Sequence[np.ndarray] = ()) -> Answer:
        """Rebuild a model, and run it on a batch if there is one; never raise for the model.

        Raises:
            GradingError: the process did not start.
        """
        packer = Packer()
        try:
            request = packer.value(_spec_to_plain(spec) | {"batch": list(batch)})
            data = packer.frame({"is": "model", "request": request})
        except WireError as error:
            return Answer(problem=f"cannot be rebuilt: {error}")
        if self._process is None:
            self._start()
        try:
            self._send(data, _SECONDS)
            frame = self._receive(_SECONDS)
            return _answer(frame.value(frame.header.get("answer")))
        except (_EndedError, WireError):
            self.close()
            return Answer(problem=_TOO_MUCH)
        except BaseException:
            self.close()  # a late answer must not be taken for the next one
            raise

    def _start(self) -> None:
        self._process, self._inbox = StudentProcess(LIMITS, **self._options), Inbox()
        self._process.sock.setblocking(False)
        header = {"is": "models", "limits": asdict(LIMITS)}
        try:
            self._send(Packer().frame(header), _START_SECONDS)
            self._receive(_START_SECONDS)
        except (_EndedError, WireError):
            self.close()
            raise GradingError("the process that rebuilds models did not start") from None
        self._process.begin()

    def _send(self, data: bytes, seconds: float) -> None:
        assert self._process is not None
        until = time.monotonic() + seconds * self._patience
        view = memoryview(data)
        while view:
            try:
                view = view[self._process.sock.send(view) :]
            except BlockingIOError:
                self._wait(until, reading=False)
            except OSError:
                raise _EndedError from None

    def _receive(self, seconds: float) -> Unpacker:
        assert self._process is not None
        until = time.monotonic() + seconds * self._patience
        while (frame := self._inbox.next()) is None:
            try:
                data = self._process.sock.recv(1 << 20)
            except BlockingIOError:
                self._wait(until, reading=True)
                continue
            except OSError:
                data = b""
            if not data:
                raise _EndedError
            self._inbox.feed(data)
        return frame

    def _wait(self, until: float, *, reading: bool) -> None:
        assert self._process is not None
        mine = [self._process.sock]
        select.select(mine if reading else [], [] if reading else mine, [], _GLANCE)
        if self._process.check() or time.monotonic() > until:
            raise _EndedError


class _EndedError(Exception):
    """The process has ended, or its time is over."""


def serve(channel: Any, limits: Limits) -> NoReturn:
    """Rebuild one model after the other; the process ends when the grader hangs up.

    Args:
        channel: has `receive()` for the next frame and `send(header, packer)`.
        limits: what this process may use beyond what it has once Keras is there.
    """
    from dllab.check.rebuild import Rebuilder

    import_module("keras")
    harden(limits)
    rebuilder = Rebuilder(own_process=True)
    channel.send({"is": "ready"})
    while True:
        frame = channel.receive()
        request = frame.value(frame.header["request"])
        batch = request.pop("batch")
        packer = Packer()
        try:
            answer = rebuilder.evaluate(_spec_from_plain(request), batch)
            form = packer.value(vars(answer))
        except (WireError, MemoryError):
            packer = Packer()
            form = packer.value(vars(Answer(problem=_TOO_MUCH)))
        channel.send({"is": "answer", "answer": form}, packer)


# Both sides of this wire are ours: the forms only have to be the same.


def _spec_to_plain(spec: Spec) -> dict[str, Any]:
    layers = [
        {"kind": layer.kind, "settings": dict(layer.settings), "weights": layer.weights}
        for layer in spec.layers
    ]
    return {
        "layers": layers,
        "calls": spec.calls,
        "inputs": spec.inputs,
        "output": spec.output,
    }


def _spec_from_plain(data: Mapping[str, Any]) -> Spec:
    layers = tuple(LayerSpec(**layer) for layer in data["layers"])
    return Spec(layers, data["calls"], data["inputs"], data["output"])


def _answer(data: Any) -> Answer:
    """Return the answer, if it has the types of one."""
    kinds = {"shapes": tuple, "weights": tuple, "trainable": int, "problem": str}
    good = type(data) is dict and set(data) == {*kinds, "output"}
    good = good and all(type(data[name]) is kind for name, kind in kinds.items())
    good = good and (data["output"] is None or type(data["output"]) is np.ndarray)
    if not good:
        raise WireError("an answer has no known form")
    return Answer(**data)
