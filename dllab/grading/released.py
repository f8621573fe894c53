"""What a lab hands out: the code cells of its student notebook, and the names they define.

- `released(lab)`: the `Released` of a lab, read once per process
- `Released`: its cells in order; `.asked`, the names that the checks ask for
- `ReleasedCell`: source, kind, task and names of one cell

A checkout has the lab's source, `lab.md`; an installed package has `released.json`, which the
wheel's build makes of the student notebook. Neither the one nor the other shows a solution.
"""

import ast
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from dllab.check.loading import LabFiles
from dllab.errors import AuthoringError
from dllab.grading.names import bound, definitions, parse

__all__ = ["KINDS", "Released", "ReleasedCell", "released"]

KINDS = ("setup", "task", "check", "uses-solution", "progress")
"""The tags that say what a released cell is for; a cell without one is `given`."""


@dataclass(frozen=True)
class ReleasedCell:
    """One code cell as students get it.

    Args:
        source: its code; in a task cell, the stubs.
        kind: one of `KINDS` or `"given"`.
        task: which task a task or check cell belongs to, or ''.
        names: what its top level binds.
    """

    source: str
    kind: str
    task: str = ""
    names: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Released:
    """The code cells of a lab's student notebook, in order, and its tasks' ids."""

    lab: str
    tasks: tuple[str, ...]
    cells: tuple[ReleasedCell, ...] = field(repr=False)

    @cached_property
    def asked(self) -> frozenset[str]:
        """The names that the checks ask for: what the stubs define, else the tasks' ids."""
        stubs = frozenset(name for name in self.stubs if not name.startswith("_"))
        defined = {cell.task for cell in self.cells if cell.kind == "task" and cell.names}
        return stubs | {task for task in self.tasks if task.isidentifier() and task not in defined}

    @cached_property
    def stubs(self) -> dict[str, ast.stmt]:
        """The functions and classes of the task cells, as they are handed out."""
        found: dict[str, ast.stmt] = {}
        for cell in self.cells:
            if cell.kind == "task":
                found |= definitions(parse(cell.source))
        return found

    @cached_property
    def sources(self) -> frozenset[str]:
        """The sources of all cells, without white space at line ends."""
        return frozenset(tidy(cell.source) for cell in self.cells)


def tidy(source: str) -> str:
    """Return a source without white space at line ends and around it, for comparison."""
    return "\n".join(line.rstrip() for line in source.strip().split("\n"))


def released(lab: LabFiles) -> Released:
    """Return what a lab hands out; a lab with neither file, such as a test's, has no cells.

    Raises:
        AuthoringError: `lab.md` cannot be read, or nothing is installed that reads it.
    """
    return _released(lab.name, str(lab.folder), tuple(task.name for task in lab.tasks))


@lru_cache(maxsize=16)
def _released(name: str, folder: str, tasks: tuple[str, ...]) -> Released:
    packed, written = Path(folder, "released.json"), Path(folder, "lab.md")
    handed_out = Path(folder).parents[1] / f"{name}.ipynb"
    if packed.is_file():
        entries = json.loads(packed.read_text(encoding="utf-8"))["cells"]
    elif Path(folder).parent.name == "source" and handed_out.is_file():
        # in a repository; reading `lab.md` would take seconds of imports
        entries = _notebook_entries(json.loads(handed_out.read_text(encoding="utf-8"))["cells"])
    elif written.is_file():
        entries = _entries(written)
    else:
        entries = []
    return Released(name, tasks, tuple(_cell(**entry) for entry in entries))


def _cell(source: str, kind: str, task: str) -> ReleasedCell:
    return ReleasedCell(source, kind, task, frozenset(bound(parse(source))))


def _entries(path: Path) -> Iterable[dict[str, Any]]:
    """Yield a lab's code cells; the wheel's build writes the same entries (`hatch_build.py`)."""
    try:
        from dllab.authoring import read_lab
    except ModuleNotFoundError as error:
        raise AuthoringError(
            f"{path}: reading a lab's source needs {error.name}: pip install 'dllab[author]', or "
            "grade with the installed package"
        ) from error
    yield from _notebook_entries(read_lab(path).student_notebook().cells)


def _notebook_entries(cells: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    for cell in cells:
        if cell["cell_type"] == "code":
            tags = cell["metadata"].get("tags", ())
            kind = next((kind for kind in KINDS if kind in tags), "given")
            source, task = "".join(cell["source"]), cell["metadata"].get("task", "")
            yield {"source": source, "kind": kind, "task": task}
