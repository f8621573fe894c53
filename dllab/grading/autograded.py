"""The notebook that nbgrader keeps of a graded submission: to be looked at, never to be run.

- `compose(cells, frame, tasks)`: a student's cells with nbgrader's own cells put back
- `Shown`, `Frame`: a cell as the student left it; a cell as nbgrader handed it out
- `show(notebook, grade, points)`: write what the checks found below each check cell
- `harmless(text)`: Markdown that no browser takes for a page of its own

nbgrader turns this notebook into the pages of formgrader and of the feedback, and leaves HTML in
text cells as it is. So nothing of a student's gets there that a browser would act on: outputs,
attachments and metadata are left out, raw cells become text, and tags, links to scripts and
MathJax's own commands for links and styles are broken up by an invisible character.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from dllab.grading.names import bound, parse
from dllab.grading.records import Grade, TaskGrade, TestGrade
from dllab.grading.spreadsheet import written

__all__ = ["MISSING", "Frame", "Shown", "compose", "harmless", "notes", "show", "task_of"]

CHECK = "check-"
MISSING = "missing"
_GAP = "\u200b"  # zero width: nothing is seen of it, and `<` before it begins no tag
_ACTIVE = re.compile(
    r"<(?=[A-Za-z/!?])"  # a tag, a comment, an address in angle brackets
    r"|\\(?=(?:href|url|style|class|cssId|require|data|unicode|def|newcommand|let)\b)"
    r"|\](?=\((?!\s*(?:https?://|#)))"  # a link that leads neither to a page nor within this one
    r"|\](?=\s*:(?!\s*https?://))"  # the same, as a reference's definition
)


@dataclass(frozen=True)
class Shown:
    """A cell as the student left it, and nbgrader's id that its metadata claims, or ''."""

    kind: str
    source: str
    claim: str = ""


@dataclass(frozen=True)
class Frame:
    """A cell as nbgrader handed it out and keeps it in its database."""

    name: str
    kind: str
    source: str
    checksum: str | None
    locked: bool
    grade: bool
    solution: bool
    task: bool
    points: float | None = None

    def metadata(self) -> dict[str, Any]:
        """Return the cell's metadata in nbgrader's schema, version 3."""
        entries: dict[str, Any] = {
            "cell_type": self.kind,
            "grade": self.grade,
            "grade_id": self.name,
            "locked": self.locked,
            "schema_version": 3,
            "solution": self.solution,
            "task": self.task,
        }
        if self.checksum:
            entries["checksum"] = self.checksum
        if self.points is not None:
            entries["points"] = self.points
        return entries


def compose(
    cells: Sequence[Shown], frame: Sequence[Frame], asked: Mapping[str, frozenset[str]]
) -> NotebookNode:
    """Return a notebook with every cell of the student and each of nbgrader's exactly once.

    Args:
        cells: the student's cells.
        frame: nbgrader's cells, in their order.
        asked: for tasks of a lab, the names that the task's cell defines.
    """
    places = _places(cells, frame, asked)
    by_place = {place: known for known, place in places.items()}
    known = {cell.name: cell for cell in frame}
    made = [
        _cell(cell, known[by_place[place]] if place in by_place else None)
        for place, cell in enumerate(cells)
    ]
    # backwards, so that places stay right; a missing cell comes after the one before it
    after = {name: place + 1 for name, place in places.items()}
    for place, missing in reversed(_gaps(frame, after, len(made))):
        made.insert(place, _missing(missing))
    for number, cell in enumerate(made):
        cell.id = f"cell-{number}"
    return new_notebook(cells=made)


def _places(
    cells: Sequence[Shown], frame: Sequence[Frame], asked: Mapping[str, frozenset[str]]
) -> dict[str, int]:
    """Return where each of nbgrader's cells stands; of several claims, the last one counts."""
    kinds = {cell.name: cell.kind for cell in frame}
    places = {cell.claim: at for at, cell in enumerate(cells) if cell.claim in kinds}
    for task, names in asked.items():
        if task in kinds and (task not in places or not names & _bound(cells[places[task]])):
            taken = set(places.values())
            for at, cell in enumerate(cells):
                if at not in taken and names & _bound(cell):
                    places[task] = at
    for wanted in frame:  # an answer that nobody touched and that lost its metadata
        if wanted.solution and wanted.name not in places:
            taken = set(places.values())
            for at, cell in enumerate(cells):
                if at not in taken and cell.source.strip() == wanted.source.strip():
                    places[wanted.name] = at
    return places


def _bound(cell: Shown) -> frozenset[str]:
    tree = parse(cell.source) if cell.kind == "code" else None
    return frozenset(bound(tree)) if tree is not None else frozenset()


def _gaps(frame: Sequence[Frame], after: dict[str, int], end: int) -> list[tuple[int, Frame]]:
    gaps, place = [], 0 if after else end
    for cell in frame:
        if cell.name in after:
            place = max(place, after[cell.name])
        elif cell.grade or cell.task or cell.locked:
            gaps.append((min(place, end), cell))
    return gaps


def _cell(cell: Shown, frame: Frame | None) -> NotebookNode:
    metadata = {"nbgrader": frame.metadata()} if frame else {}
    kind = frame.kind if frame else cell.kind
    source = frame.source if frame and frame.locked else cell.source
    if kind == "code":
        return new_code_cell(source or "", metadata=metadata)
    return new_markdown_cell(harmless(source or ""), metadata=metadata)


def _missing(frame: Frame) -> NotebookNode:
    """Return a cell that the submission has not; what a person grades may be anywhere in it."""
    note = "(This cell is missing in what was handed in; look for the answer in other cells.)"
    source = frame.source if frame.locked or frame.task else note
    cell = _cell(Shown(frame.kind, source), frame)
    if not frame.locked:
        cell.metadata["dllab"] = MISSING
    return cell


def harmless(text: str) -> str:
    """Return Markdown that shows the same and that a browser does nothing with.

    >>> harmless("1 < 2, <b>bold</b>").replace(_GAP, "·")
    '1 < 2, <·b>bold<·/b>'
    """
    return _ACTIVE.sub(lambda match: match.group() + _GAP, text)


def task_of(name: str, grade: Grade) -> TaskGrade | None:
    """Return the task that a check cell of nbgrader's stands for, or None."""
    for task in grade.tasks:
        if name == CHECK + task.task:
            return task
    return None


def show(notebook: NotebookNode, grade: Grade, points: Mapping[str, float]) -> None:
    """Write below each check cell what the checks found, the points last.

    The form is the one in which nbgrader reads points itself: a number as the cell's value.

    Args:
        notebook: a composed notebook; it is changed.
        grade: what the checks found.
        points: by check cell, the points as nbgrader counts them.
    """
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        task = task_of(name, grade)
        if cell.cell_type == "code" and task and name in points:
            text = "\n".join(_report(task))
            value = {"text/plain": written(points[name])}
            cell.execution_count = 1
            cell.outputs = [
                new_output("stream", name="stdout", text=text + "\n"),
                new_output("execute_result", data=value, execution_count=1),
            ]


def _report(task: TaskGrade) -> Iterable[str]:
    for test in task.tests:
        sign = {"passed": "✓", "failed": "✗"}.get(test.status, "○")
        yield f"{sign} {test.law} ({test.earned} of {test.points})"
        if test.status != "passed" and _sentence(test):
            yield f"    {_sentence(test)}"


def _sentence(test: TestGrade) -> str:
    note = test.misconception
    if note is None:
        return test.sentence
    link = f" Read on: {note.link}" if note.link else ""
    return f"{note.sentence} {note.right}{link}"


def notes(task: TaskGrade) -> str | None:
    """Return what to say about an answer as Markdown, or None where nothing is to be said."""
    if all(test.status == "not started" for test in task.tests):
        return "No response."
    said = {_sentence(test): None for test in task.tests if test.status != "passed"}
    lines = [harmless(" ".join(sentence.split())) for sentence in said if sentence]
    return "\n".join(f"- {line}" for line in lines) or None
