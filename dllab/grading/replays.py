"""Remember what the known mistakes of a lab answer, since a class asks them the same things.

The checks' random numbers are the same for every student of a run, so most operations that
diagnosis repeats on a mutant were repeated on it before, for another student. Training a network
once for each wrong answer would otherwise take longer than all the rest of grading.

- `RememberingBackend(backend, mutant)`: answers from memory where that is safe
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from dllab.check.protocol import Backend, Operation, Outcome
from dllab.errors import WireError
from dllab.grading.wire import MAX_TEXT, Packer, pack_operation, pack_outcome

__all__ = ["RememberingBackend"]

_MOST = 500  # outcomes that are kept
_LARGEST = MAX_TEXT  # bytes of one


@dataclass
class _Memory:
    """An outcome, its digest, and whether a second run gave the same."""

    outcome: Outcome
    digest: bytes
    repeats: bool | None = None


_memories: OrderedDict[bytes, _Memory] = OrderedDict()


class RememberingBackend:
    """Performs operations on a mutant, or remembers how they ended.

    An outcome counts as known when the operation, after the same ones before it, has ended
    twice in the same way: a mutant that draws random numbers of its own is always run. Where
    the learner's code takes part, nothing is remembered: it is another one each time.

    Args:
        backend: runs the mutant.
        mutant: names the mutant among all of all labs.
        asked: how often the learner's code has taken part until now.
    """

    def __init__(self, backend: Backend, mutant: str, asked: Callable[[], int]) -> None:
        self._backend = backend
        self._asked = asked
        self._before = asked()
        self._history: bytes | None = mutant.encode()
        self._skipped: list[tuple[Operation, float]] = []

    def perform(self, operation: Operation, seconds: float) -> Outcome:
        """Do one step and say what became of it."""
        key = self._history = self._extend(operation)
        memory = _memories.get(key) if key is not None else None
        if memory is not None and memory.repeats:
            assert key is not None
            _memories.move_to_end(key)
            self._skipped.append((operation, seconds))
            return memory.outcome
        self._catch_up()
        outcome = self._backend.perform(operation, seconds)
        if self._asked() != self._before:
            self._history = None
        elif key is not None:
            _note(key, memory, outcome)
        return outcome

    def _extend(self, operation: Operation) -> bytes | None:
        """Return a digest of all operations so far, or None where one cannot be compared."""
        if self._history is None:
            return None
        packer = Packer()
        try:
            frame = packer.frame(pack_operation(operation, packer))
        except WireError:  # a function of the check, say
            return None
        return hashlib.sha256(self._history + b"\0" + frame).digest()

    def _catch_up(self) -> None:
        """Run what was answered from memory: what follows may need the objects it made."""
        for operation, seconds in self._skipped:
            self._backend.perform(operation, seconds)
        self._skipped.clear()


def _note(key: bytes, memory: _Memory | None, outcome: Outcome) -> None:
    if memory is not None and memory.repeats is False:
        return
    if outcome.fault is not None and outcome.fault.kind == "timeout":
        return  # on another day it may end
    packer = Packer()
    try:
        frame = packer.frame(pack_outcome(outcome, packer))
    except WireError:
        return
    if len(frame) > _LARGEST:
        return
    digest = hashlib.sha256(frame).digest()
    if memory is None:
        _memories[key] = _Memory(outcome, digest)
    else:
        memory.repeats = memory.digest == digest
    while len(_memories) > _MOST:
        _memories.popitem(last=False)
