"""What must hold of a lab's source.

- `lint_lab(folder)`: every problem of one lab
- `RULES`: the rules that look at `lab.md` alone

Each rule yields `(cell number or None, task or None, sentence)`.
"""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from nbformat import NotebookNode

from dllab.authoring.backends import BACKENDS, find_backend_mistakes
from dllab.authoring.leaks import find_leaks
from dllab.authoring.lint_cells import (
    LAB_WIDTH,
    code_cells,
    installs,
    markdown_cells,
    parse,
    too_long,
    too_wide,
)
from dllab.authoring.problems import Problem
from dllab.authoring.regions import drop_markers, find_regions, strip_regions
from dllab.authoring.source import (
    find_headings,
    find_title,
    has_tag,
    read_lab,
    read_myst,
)
from dllab.errors import AuthoringError

__all__ = ["LAB_POINTS", "RULES", "Finding", "lint_lab", "lint_source"]

Finding = tuple[int | None, str | None, str]
Rule = Callable[[NotebookNode, str], Iterator[Finding]]

LAB_POINTS = 20
FEWEST_TASKS, MOST_TASKS = 4, 7
SOLUTION_LINES = 40

# What a cell is for; a cell has at most one of these.
_ROLES = ("setup", "task", "check", "uses-solution", "progress")
# Tags that Jupyter Book reads on the lab's page.
_DISPLAY = ("hide-input", "hide-output", "remove-output", "raises-exception")
# A cell about one framework's own API.
_BACKEND = tuple(f"only-{backend}" for backend in BACKENDS)

# The id becomes a cell id and usually is the name of the function or class to write.
_TASK_ID = re.compile(r"[A-Za-z][A-Za-z0-9]*([_-][A-Za-z0-9]+)*")
_LOOSE_TASK_HEADING = re.compile(r"^#+ *task\b.*$", re.MULTILINE | re.IGNORECASE)
_OPEN_TASK = re.compile(r"^## .*\bopen task\b", re.MULTILINE | re.IGNORECASE)
_MYST = (
    (re.compile(r"^\s*(`{3,}|~{3,}|:{3,})\{[\w:-]+\}", re.MULTILINE), "directive"),
    (re.compile(r"\{[a-zA-Z][\w:+-]*\}`[^`]+`"), "role"),
    (re.compile(r"^\([\w:-]+\)=\s*$", re.MULTILINE), "label"),
)


def lint_lab(folder: Path) -> list[Problem]:
    """Return every problem of the lab in `folder`, in the order of its cells."""
    path = folder / "lab.md"
    try:
        notebook = read_myst(path)
    except AuthoringError as error:
        return [Problem(path, None, None, str(error))]
    return lint_source(notebook, path, folder.name)


def lint_source(notebook: NotebookNode, path: Path, name: str) -> list[Problem]:
    """Return the problems of a lab's notebook that can be seen without its other files."""
    findings = [finding for rule in RULES for finding in rule(notebook, name)]
    if not findings:
        # Only a sound source can be turned into a student notebook.
        findings = list(_leaks(notebook, path))
    findings.sort(key=lambda finding: finding[0] or 0)
    return [Problem(path, *finding) for finding in findings]


def _has_title(notebook: NotebookNode, name: str) -> Iterator[Finding]:
    first = notebook.cells[0] if notebook.cells else None
    if first is None or first.cell_type != "markdown" or not first.source.startswith("# "):
        yield 1, None, "the first cell should start with the title, `# Lab NN: …`"
    elif find_title(notebook) is None:
        yield 1, None, "the title is empty"


def _has_known_tags(notebook: NotebookNode, name: str) -> Iterator[Finding]:
    for number, cell in code_cells(notebook):
        task = cell.metadata.get("task")
        for tag in cell.metadata.get("tags", ()):
            if tag.startswith("only-"):
                continue  # judged below, in labs and chapters alike
            if tag not in _ROLES + _DISPLAY:
                known = ", ".join(_ROLES + _DISPLAY + _BACKEND)
                yield number, task, f"unknown tag `{tag}`; the tags are {known}"
        roles = [tag for tag in cell.metadata.get("tags", ()) if tag in _ROLES]
        if len(roles) > 1:
            yield number, task, f"tags {' and '.join(roles)}: a cell has one purpose, so keep one"


def _starts_with_setup(notebook: NotebookNode, name: str) -> Iterator[Finding]:
    cells = list(code_cells(notebook))
    if not cells or not has_tag(cells[0][1], "setup"):
        yield cells[0][0] if cells else None, None, "the first code cell should have tag `setup`"
        return
    opening = f'lab = dllab.lab("{name}")'
    if opening not in cells[0][1].source.split("\n"):
        yield cells[0][0], None, f"the setup cell should hold the line `{opening}`"
    for number, cell in cells[1:]:
        if has_tag(cell, "setup"):
            yield number, None, "a second cell with tag `setup`; put all of the setup into one"


def _ends_with_progress(notebook: NotebookNode, name: str) -> Iterator[Finding]:
    cells = list(code_cells(notebook))
    if cells and not (
        has_tag(cells[-1][1], "progress") and cells[-1][1].source == "lab.progress()"
    ):
        yield cells[-1][0], None, "the last code cell should be `lab.progress()`, tag `progress`"


def _has_open_task(notebook: NotebookNode, name: str) -> Iterator[Finding]:
    if not any(_OPEN_TASK.search(cell.source) for _, cell in markdown_cells(notebook)):
        yield None, None, "no open task; add `## Open task: Title` with a nearly empty cell"


def _names_each_task_once(notebook: NotebookNode, name: str) -> Iterator[Finding]:
    seen: set[str] = set()
    for number, task in _cells_of_kind(notebook, "task"):
        if task is None:
            yield number, None, "tag `task` without an id; add `:task: name` below the tags"
        elif not _TASK_ID.fullmatch(task):
            yield number, task, "a task id is letters and digits, joined by `_` or `-`"
        elif task in seen:
            yield number, task, "a second cell for this task; put all of its functions into one"
        seen.add(task or "")


def _checks_each_task(notebook: NotebookNode, name: str) -> Iterator[Finding]:
    tasks = {task: number for number, task in _cells_of_kind(notebook, "task") if task}
    checked: set[str] = set()
    for number, task in _cells_of_kind(notebook, "check"):
        wanted = f'lab.check("{task}")'
        if task is None:
            yield number, None, "check cell without a task; add `:task: name` below the tags"
        elif task not in tasks:
            yield number, task, "check cell of a task that has no task cell"
        elif number < tasks[task]:
            yield number, task, "the check cell should come after the task's own cell"
        elif task in checked:
            yield number, task, "a second check cell for this task"
        elif notebook.cells[number - 1].source != wanted:
            yield number, task, f"the check cell should be exactly `{wanted}`"
        checked.add(task or "")
    for task, number in tasks.items():
        if task not in checked:
            yield number, task, "no check cell; add one with tag `check` below the task"


def _has_sound_regions(notebook: NotebookNode, name: str) -> Iterator[Finding]:
    for number, cell in code_cells(notebook):
        task = cell.metadata.get("task")
        try:
            regions = find_regions(cell.source)
        except AuthoringError as error:
            yield number, task, str(error)
            continue
        if regions and not has_tag(cell, "task"):
            yield number, task, "a solution region outside a task cell; add tag `task` and an id"
        if not regions and has_tag(cell, "task"):
            yield number, task, "no solution region; mark what the learner writes"
        if cell.source.count("SOLUTION") != 2 * len(regions):
            yield (
                number,
                task,
                "a marker is misspelled; write `### BEGIN SOLUTION` and `### END SOLUTION`",
            )


def _asks_for_functions(notebook: NotebookNode, name: str) -> Iterator[Finding]:
    """A stub outside a function would stop an untouched notebook at this cell."""
    for number, cell in code_cells(notebook):
        task = cell.metadata.get("task")
        if not has_tag(cell, "task") or not task or _is_unbalanced(cell.source):
            continue
        tree = parse(strip_regions(cell.source, task))
        if isinstance(tree, str):
            yield number, task, f"with its stub, {tree}"
        elif _stubs(tree, task) != _stubs_in_functions(tree, task):
            yield (
                number,
                task,
                "a solution region outside a function; ask for a function or a class's method, "
                "so that an untouched notebook still runs",
            )


def _is_python(notebook: NotebookNode, name: str) -> Iterator[Finding]:
    for number, cell in code_cells(notebook):
        task = cell.metadata.get("task")
        tree = parse(cell.source)
        if isinstance(tree, str):
            yield number, task, tree
        elif not cell.source.strip():
            yield number, task, "empty code cell"


def _heads_each_task(notebook: NotebookNode, name: str) -> Iterator[Finding]:
    headings = find_headings(notebook)
    for number, cell in markdown_cells(notebook):
        well_formed = sum(heading.cell == number for heading in headings)
        if len(_LOOSE_TASK_HEADING.findall(cell.source)) != well_formed:
            yield number, None, "write a task's heading as `## Task 2: Title (3 points)`"
    for position, heading in enumerate(headings, start=1):
        if heading.number != position:
            yield heading.cell, None, f"this is task {position}, its heading says {heading.number}"
    # Each heading owns the cells down to the next one.
    ends = [*(heading.cell for heading in headings[1:]), len(notebook.cells) + 1]
    tasks = [number for number, _ in _cells_of_kind(notebook, "task")]
    for heading, end in zip(headings, ends, strict=False):
        cells = [number for number in tasks if heading.cell < number < end]
        if len(cells) != 1:
            yield heading.cell, None, f"{len(cells)} task cells below this heading; there is one"
    for number, task in _cells_of_kind(notebook, "task"):
        if not headings or number < headings[0].cell:
            yield number, task, "no heading `## Task 1: Title (3 points)` above this task"


def _adds_up(notebook: NotebookNode, name: str) -> Iterator[Finding]:
    headings = find_headings(notebook)
    total = sum(heading.points for heading in headings)
    if total != LAB_POINTS:
        yield None, None, f"the tasks are worth {total} points in all; a lab has {LAB_POINTS}"
    if not FEWEST_TASKS <= len(headings) <= MOST_TASKS:
        yield None, None, f"{len(headings)} tasks; a lab has {FEWEST_TASKS} to {MOST_TASKS}"


def _reads_well_anywhere(notebook: NotebookNode, name: str) -> Iterator[Finding]:
    for number, cell in markdown_cells(notebook):
        for pattern, kind in _MYST:
            if match := pattern.search(cell.source):
                found = match.group().strip()
                yield number, None, f"MyST {kind} `{found}`: JupyterLab and Colab show it raw"


def _keeps_cells_small(notebook: NotebookNode, name: str) -> Iterator[Finding]:
    for number, cell in code_cells(notebook):
        task = cell.metadata.get("task")
        if has_tag(cell, "task") and not _is_unbalanced(cell.source):
            # The markers are not part of what anyone reads.
            long = too_long(drop_markers(cell.source), SOLUTION_LINES)
        else:
            long = too_long(cell.source)
        for message in (*long, *too_wide(cell.source, LAB_WIDTH), *installs(cell.source)):
            yield number, task, message


def _runs_on_each_backend(notebook: NotebookNode, name: str) -> Iterator[Finding]:
    for number, sentence in find_backend_mistakes(notebook):
        yield number, notebook.cells[number - 1].metadata.get("task"), sentence


RULES: tuple[Rule, ...] = (
    _has_title,
    _has_known_tags,
    _starts_with_setup,
    _ends_with_progress,
    _has_open_task,
    _names_each_task_once,
    _checks_each_task,
    _has_sound_regions,
    _asks_for_functions,
    _is_python,
    _heads_each_task,
    _adds_up,
    _reads_well_anywhere,
    _keeps_cells_small,
    _runs_on_each_backend,
)


def _leaks(notebook: NotebookNode, path: Path) -> Iterator[Finding]:
    for line in find_leaks(notebook, read_lab(path).student_notebook()):
        yield None, None, f"the student notebook shows a line of the solution: `{line}`"


def _cells_of_kind(notebook: NotebookNode, tag: str) -> list[tuple[int, str | None]]:
    return [
        (number, cell.metadata.get("task"))
        for number, cell in code_cells(notebook)
        if has_tag(cell, tag)
    ]


def _is_unbalanced(source: str) -> bool:
    try:
        find_regions(source)
    except AuthoringError:
        return True
    return False


def _stubs(tree: ast.AST, task: str) -> int:
    """Count the stubs of a task below a node of the syntax tree."""
    return sum(
        isinstance(node, ast.Raise) and f"{task}: replace this line" in ast.unparse(node)
        for node in ast.walk(tree)
    )


def _stubs_in_functions(tree: ast.AST, task: str) -> int:
    """Count the stubs that run only when a function is called."""
    if isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef):
        return sum(_stubs(statement, task) for statement in tree.body)
    return sum(_stubs_in_functions(child, task) for child in ast.iter_child_nodes(tree))
