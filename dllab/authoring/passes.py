"""Turn a source into notebooks: small passes, and the pipelines made of them.

- `STUDENT`, `SOLUTION`, `NBGRADER`: the pipelines of a lab's three notebooks
- `run_passes(pipeline, lab)`: the lab's notebook after all passes
- `chapter_notebook(notebook)`: a chapter's downloadable notebook

A pass takes a notebook and its lab and returns a new notebook; it never changes its argument.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from copy import deepcopy

from nbformat import NotebookNode, from_dict
from nbformat.v4 import new_markdown_cell

from dllab.authoring import project
from dllab.authoring.regions import drop_markers, strip_regions
from dllab.authoring.source import LabSource, has_tag
from dllab.errors import AuthoringError

__all__ = ["NBGRADER", "SOLUTION", "STUDENT", "Pass", "chapter_notebook", "run_passes"]

Pass = Callable[[NotebookNode, LabSource], NotebookNode]


def run_passes(pipeline: Sequence[Pass], lab: LabSource) -> NotebookNode:
    """Run a pipeline over a lab's source and return the notebook it makes."""
    notebook = lab.notebook
    for step in pipeline:
        notebook = step(notebook, lab)
    return notebook


def chapter_notebook(notebook: NotebookNode) -> NotebookNode:
    """Return a chapter as a notebook to download, with stable ids and minimal metadata."""
    return _name_cells(_minimal_metadata(notebook))


def minimal_metadata(notebook: NotebookNode, lab: LabSource) -> NotebookNode:
    """Keep of the notebook's metadata only what a Jupyter client needs to open it."""
    return _minimal_metadata(notebook)


def name_cells(notebook: NotebookNode, lab: LabSource) -> NotebookNode:
    """Give each cell an id that depends on its task or its content, never on chance."""
    return _name_cells(notebook)


def add_how_to_run(notebook: NotebookNode, lab: LabSource) -> NotebookNode:
    """Add a text cell below the title that says where `dllab` comes from."""
    cell = new_markdown_cell(project.how_to_run(lab.name), id="how-to-run")
    return _with_cells(notebook, [*notebook.cells[:1], cell, *notebook.cells[1:]])


def add_nbgrader_metadata(notebook: NotebookNode, lab: LabSource) -> NotebookNode:
    """Mark task and check cells the way nbgrader does (its metadata schema, version 3)."""

    def mark(cell: NotebookNode) -> None:
        if has_tag(cell, "task"):
            cell.metadata["nbgrader"] = _nbgrader(cell.id, solution=True)
        elif has_tag(cell, "check"):
            points = lab.points(cell.metadata["task"])
            cell.metadata["nbgrader"] = _nbgrader(cell.id, grade=True, locked=True, points=points)

    return _each_code_cell(notebook, mark)


def clear_solutions(notebook: NotebookNode, lab: LabSource) -> NotebookNode:
    """Replace each solution region by a stub."""

    def clear(cell: NotebookNode) -> None:
        if has_tag(cell, "task"):
            cell.source = strip_regions(cell.source, cell.metadata["task"])

    return _each_code_cell(notebook, clear, lab)


def clear_markers(notebook: NotebookNode, lab: LabSource) -> NotebookNode:
    """Remove the lines that mark a solution region."""

    def clear(cell: NotebookNode) -> None:
        cell.source = drop_markers(cell.source)

    return _each_code_cell(notebook, clear, lab)


def go_on_after_stubs(notebook: NotebookNode, lab: LabSource) -> NotebookNode:
    """Let a run go on behind a cell that uses what the learner has not written yet."""

    def allow(cell: NotebookNode) -> None:
        if has_tag(cell, "uses-solution"):
            cell.metadata["tags"] = [*cell.metadata["tags"], "raises-exception"]

    return _each_code_cell(notebook, allow)


def report_points(notebook: NotebookNode, lab: LabSource) -> NotebookNode:
    """Let each check cell end in a number, which nbgrader takes as partial credit."""

    def report(cell: NotebookNode) -> None:
        if has_tag(cell, "check"):
            # Only a cell's last value is shown by itself, and that is the number now. One run of
            # the checks gives both: a second one would draw other numbers.
            cell.source = f"display(_result := {cell.source})\n_result.points"

    return _each_code_cell(notebook, report)


# Ids come before everything that changes a source, so that a cell has the same id in all three
# notebooks, and before nbgrader's metadata, whose `grade_id` is the cell's id.
_ALL: tuple[Pass, ...] = (minimal_metadata, name_cells, add_nbgrader_metadata, add_how_to_run)
STUDENT: tuple[Pass, ...] = (*_ALL, clear_solutions, go_on_after_stubs)
SOLUTION: tuple[Pass, ...] = (*_ALL, clear_markers)
NBGRADER: tuple[Pass, ...] = (*_ALL, report_points, go_on_after_stubs)


def _with_cells(notebook: NotebookNode, cells: list[NotebookNode]) -> NotebookNode:
    return from_dict({**notebook, "cells": deepcopy(cells)})


def _each_code_cell(
    notebook: NotebookNode, edit: Callable[[NotebookNode], None], lab: LabSource | None = None
) -> NotebookNode:
    edited = _with_cells(notebook, notebook.cells)
    for cell in edited.cells:
        if cell.cell_type != "code":
            continue
        try:
            edit(cell)
        except AuthoringError as error:
            where = f"{lab.path}: cell {cell.id}: " if lab else ""
            raise AuthoringError(f"{where}{error}") from error
    return edited


def _minimal_metadata(notebook: NotebookNode) -> NotebookNode:
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return from_dict({**deepcopy(notebook), "metadata": metadata, "nbformat_minor": 5})


def _name_cells(notebook: NotebookNode) -> NotebookNode:
    named = _with_cells(notebook, notebook.cells)
    seen: Counter[str] = Counter()
    for cell in named.cells:
        name = _cell_name(cell)
        seen[name] += 1
        cell.id = name if seen[name] == 1 else f"{name}-{seen[name]}"
    return named


def _cell_name(cell: NotebookNode) -> str:
    task = cell.metadata.get("task")
    if task and has_tag(cell, "task"):
        return task
    if task and has_tag(cell, "check"):
        return f"check-{task}"
    content = f"{cell.cell_type}\n{cell.source}".encode()
    return hashlib.sha256(content).hexdigest()[:12]


def _nbgrader(
    grade_id: str,
    *,
    grade: bool = False,
    solution: bool = False,
    locked: bool = False,
    points: int | None = None,
) -> dict[str, object]:
    metadata: dict[str, object] = {
        "grade": grade,
        "grade_id": grade_id,
        "locked": locked,
        "schema_version": 3,
        "solution": solution,
        "task": False,
    }
    if points is not None:
        metadata["points"] = points
    return metadata
