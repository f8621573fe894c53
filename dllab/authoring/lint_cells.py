"""What holds for every code cell of the course, in labs and chapters alike.

- `code_cells(notebook)`: the code cells with their numbers, counted over all cells from 1
- `too_long(source, most)`, `too_wide(source, most)`, `installs(source)`: one rule each
- `parse(source)`: the syntax tree, or the sentence that says what is wrong
"""

import ast
import re
from collections.abc import Iterator

from nbformat import NotebookNode

__all__ = [
    "CHAPTER_WIDTH",
    "LAB_WIDTH",
    "code_cells",
    "installs",
    "markdown_cells",
    "parse",
    "too_long",
    "too_wide",
]

CELL_LINES = 20
LAB_WIDTH = 88
CHAPTER_WIDTH = 100

_INSTALL = re.compile(r"\b(pip3?|conda|mamba|apt|apt-get|uv)\s+(pip\s+)?install\b")


def code_cells(notebook: NotebookNode) -> Iterator[tuple[int, NotebookNode]]:
    """Yield (number, cell) of each code cell."""
    return _cells(notebook, "code")


def markdown_cells(notebook: NotebookNode) -> Iterator[tuple[int, NotebookNode]]:
    """Yield (number, cell) of each Markdown cell."""
    return _cells(notebook, "markdown")


def too_long(source: str, most: int = CELL_LINES) -> Iterator[str]:
    """Yield a sentence if the cell has more lines than fit on a screen."""
    lines = source.count("\n") + 1
    if lines > most:
        yield f"the cell has {lines} lines; at most {most} are allowed, so split it"


def too_wide(source: str, most: int) -> Iterator[str]:
    """Yield a sentence for each line that is wider than a page shows."""
    for number, line in enumerate(source.split("\n"), start=1):
        if len(line) > most:
            yield (
                f"line {number} of the cell has {len(line)} characters; at most {most} are allowed"
            )


def installs(source: str) -> Iterator[str]:
    """Yield a sentence if the cell installs software."""
    if match := _INSTALL.search(source):
        yield f"`{match.group()}`: no cell installs software; the environment does"


def parse(source: str) -> ast.Module | str:
    """Return the cell's syntax tree, or a sentence that says where it is not Python."""
    try:
        return ast.parse(source)
    except SyntaxError as error:
        return f"line {error.lineno} of the cell is not Python: {error.msg}"


def _cells(notebook: NotebookNode, kind: str) -> Iterator[tuple[int, NotebookNode]]:
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == kind:
            yield number, cell
