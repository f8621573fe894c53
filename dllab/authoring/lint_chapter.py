"""What must hold of a chapter's source.

- `lint_chapter(path)`: every problem of one chapter
- `SECTIONS`: the parts of a chapter's anatomy, and how each is recognized
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode

from dllab.authoring.backends import find_backend_mistakes
from dllab.authoring.lint_cells import (
    CHAPTER_WIDTH,
    code_cells,
    installs,
    markdown_cells,
    parse,
    too_long,
    too_wide,
)
from dllab.authoring.problems import Problem
from dllab.authoring.source import find_title, has_tag, read_myst
from dllab.errors import AuthoringError

__all__ = ["SECTIONS", "lint_chapter", "lint_chapter_source"]

Finding = tuple[int | None, str]


def _heading(words: str) -> re.Pattern[str]:
    return re.compile(rf"^##+ .*\b({words})\b", re.MULTILINE | re.IGNORECASE)


def _directive(name: str) -> re.Pattern[str]:
    return re.compile(rf"^\s*(`{{3,}}|:{{3,}})\{{{name}\}}", re.MULTILINE)


SECTIONS: dict[str, re.Pattern[str]] = {
    "a card of objectives (admonition with `:class: objectives`)": re.compile(
        r"^:class:.*\bobjectives\b", re.MULTILINE
    ),
    "a puzzle with a prediction (heading)": _heading("puzzles?|predict(ion|ions)?"),
    "the smallest example by hand (heading)": _heading("by hand|on paper|by pencil"),
    "the mathematics (heading)": _heading("mathematics|math|formulas?|derivations?"),
    "from scratch (heading)": _heading("from scratch"),
    "in Keras (heading)": _heading("Keras"),
    "what goes wrong (heading)": _heading("goes wrong|go wrong"),
    "an interactive figure (`{try-it}`)": _directive("try-it"),
    "questions (`{quiz}`)": _directive("quiz"),
    "exercises (`{exercise}`)": _directive("exercise"),
    "worked solutions (`{solution}`)": _directive("solution(?:-start)?"),
    "a summary (heading)": _heading("summary"),
    "new terms (`{term}`)": re.compile(r"\{term\}`"),
    "further reading (`{cite}`)": re.compile(r"\{cite(:\w+)?\}`"),
}

# Their calls draw, apart from these few.
_PLOTTERS = ("plot", "plt")
_DRAWS_NOTHING = ("close", "publish", "rc", "show", "use_style")


def lint_chapter(path: Path) -> list[Problem]:
    """Return every problem of the chapter in `path`, in the order of its cells."""
    try:
        notebook = read_myst(path)
    except AuthoringError as error:
        return [Problem(path, None, None, str(error))]
    return lint_chapter_source(notebook, path)


def lint_chapter_source(notebook: NotebookNode, path: Path) -> list[Problem]:
    """Return the problems of a chapter's notebook."""
    findings = [
        *_structure(notebook),
        *_cells(notebook),
        *_figures(notebook),
        *find_backend_mistakes(notebook),
    ]
    findings.sort(key=lambda finding: finding[0] or 0)
    return [Problem(path, cell, None, message) for cell, message in findings]


def _structure(notebook: NotebookNode) -> Iterator[Finding]:
    if find_title(notebook) is None:
        yield None, "no title; the page should start with `# Title`"
    text = "\n".join(cell.source for _, cell in markdown_cells(notebook))
    for part, pattern in SECTIONS.items():
        if not pattern.search(text):
            yield None, f"the chapter lacks {part}"


def _cells(notebook: NotebookNode) -> Iterator[Finding]:
    for number, cell in code_cells(notebook):
        for message in (
            *too_long(cell.source),
            *too_wide(cell.source, CHAPTER_WIDTH),
            *installs(cell.source),
        ):
            yield number, message


def _figures(notebook: NotebookNode) -> Iterator[Finding]:
    for number, cell in code_cells(notebook):
        settings = cell.metadata.get("mystnb", {})
        if "figure" in settings:
            if not settings["figure"].get("caption"):
                yield number, "the figure has no caption (`mystnb: {figure: {caption: …}}`)"
            if not settings["figure"].get("name"):
                yield number, "the figure has no name to refer to (`mystnb: {figure: {name: …}}`)"
            if not settings.get("image", {}).get("alt"):
                yield number, "the figure has no alt text (`mystnb: {image: {alt: …}}`)"
        elif _draws(cell.source) and not has_tag(cell, "remove-output", "remove-cell"):
            yield number, "the cell draws a figure without name, caption and alt text (`mystnb:`)"


def _draws(source: str) -> bool:
    """Return whether running the cell itself draws; defining a function that draws does not."""
    tree = parse(source)
    return not isinstance(tree, str) and any(_is_drawing(node) for node in _run_at_once(tree))


def _run_at_once(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            yield child
            yield from _run_at_once(child)


def _is_drawing(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in _PLOTTERS
        and node.func.attr not in _DRAWS_NOTHING
    )
