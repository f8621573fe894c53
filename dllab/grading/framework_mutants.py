"""Run mutants that use a deep learning framework in a process of their own.

The grader never imports TensorFlow: it would take seconds and hundreds of megabytes in every
worker. Such mutants run where learners' code does, forked from the same template, in a sandbox;
nothing of a learner's is in that process, and nothing of the mutants' is in a learner's. What a lab
hands out ready-made runs there first, since checks may call it.

- `FrameworkMutants(order, files, template)`: a context manager; `.backend(place)`
- `needs_framework(files)`: whether a lab's mutants are of this kind
"""

import re
from dataclasses import dataclass
from typing import Any

from dllab.check.loading import LabFiles
from dllab.check.protocol import Backend, Operation, Outcome
from dllab.grading.records import Order
from dllab.grading.released import released
from dllab.grading.session import Session

__all__ = ["FrameworkMutants", "needs_framework"]

_FRAMEWORK = re.compile(r"^\s*(?:import|from)\s+(?:keras|tensorflow|jax|torch)\b", re.MULTILINE)
# In the mutants' own process, this makes one of them the answer to its task.
_CHOOSE = """
def _choose(place):
    mutant = __dllab_mutants__[place]
    globals()[mutant.replaces] = mutant.definition
"""


@dataclass(frozen=True)
class _Cell:
    source: str
    number: int


def needs_framework(files: LabFiles) -> bool:
    """Tell whether a lab's mutants import a framework."""
    return bool(_FRAMEWORK.search(files.mutants_source))


class FrameworkMutants:
    """The mutants of a lab in one process, which starts with the first that is asked."""

    def __init__(self, order: Order, files: LabFiles, template: Any = None) -> None:
        self._order = order
        self._template = template
        given = [cell.source for cell in released(files).cells if cell.kind in ("setup", "given")]
        sources = [*given, files.mutants_source, _CHOOSE]
        self._cells = [_Cell(source, number) for number, source in enumerate(sources, 1)]
        self._session: Session | None = None

    def __enter__(self) -> "FrameworkMutants":
        return self

    def __exit__(self, *_: object) -> None:
        if self._session is not None:
            self._session.__exit__()

    def backend(self, place: int) -> Backend:
        """Return a fresh way to a mutant, by its place in the lab's file."""
        return _Mutant(self, place)

    def start(self, place: int) -> Backend:
        """Make a mutant the answer to its task and return the way to it."""
        if self._session is None:
            self._session = Session(self._order, self._cells, self._template).__enter__()
            self._session.run_cells()
        backend = self._session.backend(f"mutant {place}")
        choose = backend.perform(Operation("get", None, "_choose"), 10.0).value
        backend.perform(Operation("call", choose, "", (place,)), 10.0)
        return backend


class _Mutant:
    """One mutant. Diagnosis asks one after the other, so that the last one chosen is meant."""

    def __init__(self, mutants: FrameworkMutants, place: int) -> None:
        self._mutants = mutants
        self._place = place
        self._backend: Backend | None = None

    def perform(self, operation: Operation, seconds: float) -> Outcome:
        """Do one step and say what became of it."""
        if self._backend is None:
            self._backend = self._mutants.start(self._place)
        return self._backend.perform(operation, seconds)
