"""Prove that a student notebook holds nothing of the solution.

- `find_leaks(source, student)`: the solution lines that can be found in a student notebook
- `solution_lines(source)`: what to look for

The scan knows nothing of how the notebook was made: it compares text without white space, in
every string of the notebook, metadata included.
"""

import re
from collections.abc import Iterator
from typing import Any

from nbformat import NotebookNode

from dllab.authoring.regions import find_regions

__all__ = ["find_leaks", "solution_lines"]

# A shorter line, such as `return x`, says nothing and stands in any text.
_SHORTEST = 12


def solution_lines(source: NotebookNode) -> list[str]:
    """Return the telling lines of all solution regions, as written.

    A line counts if it has at least 12 characters besides white space and does not occur in the
    code that the learner is given anyway.
    """
    given = "\n".join(_squeeze(line) for line in _given_lines(source))
    return [
        line.strip()
        for line in _region_lines(source)
        if len(_squeeze(line)) >= _SHORTEST and _squeeze(line) not in given
    ]


def find_leaks(source: NotebookNode, student: NotebookNode) -> list[str]:
    """Return each solution line that occurs in the student notebook, as written.

    Args:
        source: the lab's source, with its solution regions.
        student: the notebook that learners get.
    """
    haystack = "\n".join(_squeeze(text) for text in _strings(student))
    return [line for line in solution_lines(source) if _squeeze(line) in haystack]


def _squeeze(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _region_lines(source: NotebookNode) -> Iterator[str]:
    for cell in _code_cells(source):
        lines = cell.source.split("\n")
        for region in find_regions(cell.source):
            yield from lines[region.begin + 1 : region.end]


def _given_lines(source: NotebookNode) -> Iterator[str]:
    for cell in _code_cells(source):
        hidden: set[int] = set()
        for region in find_regions(cell.source):
            hidden.update(range(region.begin, region.end + 1))
        yield from (
            line for number, line in enumerate(cell.source.split("\n")) if number not in hidden
        )


def _code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _strings(value: Any) -> Iterator[str]:
    """Yield each text inside nested dictionaries and lists, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)
