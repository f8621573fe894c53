"""Read what an author wrote: a lab's `lab.md` or a chapter, as a notebook with a meaning.

- `read_lab(path)`: a lab's source as a `LabSource`
- `LabSource`: name, title, tasks; its code and its three notebooks
- `Task`: one graded task: id, number, title, points
- `Heading`: a heading `## Task 2: Title (3 points)` and the cell it stands in
- `read_myst(path)`: any MyST notebook, as jupytext reads it
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import jupytext
from nbformat import NotebookNode

from dllab.errors import AuthoringError

__all__ = ["Heading", "LabSource", "Task", "find_headings", "has_tag", "read_lab", "read_myst"]

_TITLE = re.compile(r"^# +(.+?)\s*$", re.MULTILINE)
_TASK_HEADING = re.compile(r"^## +Task (\d+): (.+?) \((\d+) points?\)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Heading:
    """The heading of a task: cell number (from 1), task number, title and points."""

    cell: int
    number: int
    title: str
    points: int


@dataclass(frozen=True)
class Task:
    """One graded task of a lab: id, number, title and points as its heading states them."""

    id: str
    number: int
    title: str
    points: int


@dataclass(frozen=True)
class LabSource:
    """A lab as its author wrote it.

    Each `…_notebook()` returns a new notebook; each `…_code()` returns one Python program made
    of the setup, the given code and the task cells, without anything that calls the checks or
    only uses what the learner wrote.
    """

    name: str
    title: str
    tasks: tuple[Task, ...]
    path: Path
    notebook: NotebookNode = field(repr=False, compare=False)

    def points(self, task: str) -> int:
        """Return the points of a task.

        Raises:
            AuthoringError: the lab has no such task.
        """
        for candidate in self.tasks:
            if candidate.id == task:
                return candidate.points
        known = ", ".join(candidate.id for candidate in self.tasks)
        raise AuthoringError(f"{self.path}: no task {task!r}; the lab's tasks are {known}")

    def student_notebook(self) -> NotebookNode:
        """Return the notebook that a learner opens: stubs, no outputs."""
        from dllab.authoring.passes import STUDENT, run_passes

        return run_passes(STUDENT, self)

    def solution_notebook(self) -> NotebookNode:
        """Return the notebook with every task solved."""
        from dllab.authoring.passes import SOLUTION, run_passes

        return run_passes(SOLUTION, self)

    def nbgrader_notebook(self) -> NotebookNode:
        """Return the source of an nbgrader assignment; nbgrader clears the solutions itself."""
        from dllab.authoring.passes import NBGRADER, run_passes

        return run_passes(NBGRADER, self)

    def student_code(self) -> str:
        """Return the untouched student notebook's code: setup, given code and stubs."""
        return _program(self.student_notebook())

    def solution_code(self) -> str:
        """Return the solution's code: setup, given code and solved task cells."""
        return _program(self.solution_notebook())


def read_lab(path: Path | str) -> LabSource:
    """Read a lab from its folder or from its `lab.md`.

    Args:
        path: `labs/source/NN_name` or `labs/source/NN_name/lab.md`.

    Raises:
        AuthoringError: the file is missing or unreadable, has no title, or a task cell has no
            id or no heading. `lint` reports these and much more, all at once.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "lab.md"
    notebook = read_myst(path)
    title = find_title(notebook)
    if title is None:
        raise AuthoringError(f"{path}: no title; the first cell should start with `# Lab NN: …`")
    return LabSource(path.parent.name, title, tuple(_tasks(notebook, path)), path, notebook)


def read_myst(path: Path) -> NotebookNode:
    """Read a MyST Markdown notebook.

    Raises:
        AuthoringError: the file is missing, or jupytext cannot read it.
    """
    if not path.is_file():
        raise AuthoringError(f"{path}: there is no such file")
    try:
        # The bytes are decoded here, so that the platform's default encoding plays no part.
        return jupytext.reads(path.read_text(encoding="utf-8"), fmt="md:myst")
    except Exception as error:  # jupytext raises many kinds, none of them its own
        raise AuthoringError(f"{path}: not a MyST notebook: {error}") from error


def find_title(notebook: NotebookNode) -> str | None:
    """Return the text of the first level-one heading, or None."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (match := _TITLE.search(cell.source)):
            return match.group(1)
    return None


def find_headings(notebook: NotebookNode) -> list[Heading]:
    """Return the task headings of a lab, in order."""
    return [
        Heading(number, int(match.group(1)), match.group(2), int(match.group(3)))
        for number, cell in enumerate(notebook.cells, start=1)
        if cell.cell_type == "markdown"
        for match in _TASK_HEADING.finditer(cell.source)
    ]


def has_tag(cell: NotebookNode, *tags: str) -> bool:
    """Return whether the cell carries at least one of the tags."""
    return not set(tags).isdisjoint(cell.metadata.get("tags", ()))


def _tasks(notebook: NotebookNode, path: Path) -> Iterator[Task]:
    headings = find_headings(notebook)
    for number, cell in enumerate(notebook.cells, start=1):
        if not has_tag(cell, "task"):
            continue
        if "task" not in cell.metadata:
            raise AuthoringError(f"{path}: cell {number}: tag `task` without a `:task:` id")
        task = str(cell.metadata["task"])
        above = [heading for heading in headings if heading.cell < number]
        if not above:
            raise AuthoringError(
                f"{path}: cell {number}: task {task!r} has no heading "
                "`## Task 1: Title (3 points)` above it"
            )
        yield Task(task, above[-1].number, above[-1].title, above[-1].points)


def _program(notebook: NotebookNode) -> str:
    sources = [
        cell.source
        for cell in notebook.cells
        if cell.cell_type == "code" and not has_tag(cell, "check", "progress", "uses-solution")
    ]
    return "\n\n\n".join(sources) + "\n"
