"""Marks into the gradebooks of Canvas and Moodle, by filling the file that each hands out.

- `export(out, to, template, output, …)`: read a grading folder, fill a template, write a file
- `fill_canvas(template, marks, …)`, `fill_moodle(template, marks, …)`: the same on bytes
- `Mark`: one student's points and comment; `marks_of(out, lab)`: those of a grading folder
- `shown(out, lab, student)`: rows of a table for people
- `Filled`: the new file, and everyone who is not in it and why

Canvas: *Grades → Export → Export Entire Gradebook* gives the template, *Import* takes the result.
Columns: `Student, ID, SIS User ID, SIS Login ID, Section`, then one `Name (id)` per assignment,
and a row `Points Possible`. Moodle: the assignment's *Download grading worksheet* and *Upload
grading worksheet*; both need the feedback type "Offline grading worksheet". Columns:
`Identifier` ("Participant 123"), `Full name`, `Grade`, `Maximum Grade`,
`Last modified (grade)`, `Feedback comments` and others, which stay as they are.

    dllab grades export grades/ --to canvas --template Export.csv --output Import.csv
    dllab grades export grades/ --to moodle --template Grades.csv --output Upload.csv

Nobody is guessed: a student whom no row fits, or more than one, is listed and left out, and so is
who needs a person first. Cells that the platform reads back stay as they were; a name or text of
a student's that a spreadsheet would run as a formula gets an apostrophe in front.

Sources: Canvas LMS, `lib/gradebook_importer.rb` and `lib/gradebook_exporter.rb`; Moodle,
`mod/assign/gradingtable.php` and `mod/assign/feedback/offline/`.
"""

import difflib
import html
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from dllab.errors import ExportError
from dllab.grading.files import write_atomically
from dllab.grading.gradebook import FinalMark, Gradebook
from dllab.grading.records import NEEDS_PERSON, Grade, TaskGrade, TestGrade
from dllab.grading.roster import Pairing, Person, pair, tidy
from dllab.grading.spreadsheet import (
    Sheet,
    decimal_mark,
    defuse,
    number,
    read_sheet,
    written,
)

__all__ = [
    "Filled",
    "Mark",
    "export",
    "fill_canvas",
    "fill_moodle",
    "mark_of",
    "marks_of",
    "only_lab",
]

Platform = Literal["canvas", "moodle"]

_CANVAS_NAMES = frozenset(("student", "lastname", "firstname"))
_CANVAS_IDS = ("id", "sis user id", "sis login id", "integration id")
_CANVAS_PERSON = _CANVAS_NAMES | {*_CANVAS_IDS, "root account", "section"}
_ASSIGNMENT = re.compile(r"(?P<title>.*\S)\s+\((?P<id>\d+)\)\s*\Z")
# Moodle reads these back; all other columns are for people.
_MOODLE_READS = frozenset(("identifier", "grade", "last modified (grade)", "feedback comments"))
_OURS = "Automatic grading: "
_LONGEST_COMMENT = 4000


@dataclass(frozen=True)
class Mark:
    """What one student gets: points after all penalties, out of how many, and why.

    `problem` is why no mark can be handed out yet, or ''.
    """

    student: str
    points: float
    possible: float
    comment: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Filled:
    """A filled template.

    Args:
        content: the file to upload.
        column: the name of the column that was filled.
        written: student → points as written.
        changed: students who had another score there before.
        unmatched: students whom no row fits.
        ambiguous: student → the rows that fit equally well.
        left: student → why the row was left as it was.
        without: labels of rows that nothing was handed in for.
    """

    content: bytes
    column: str
    written: dict[str, str] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()
    ambiguous: dict[str, tuple[str, ...]] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every student of the run is in the file."""
        return not (self.unmatched or self.ambiguous or self.left)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterable[str]:
        yield f"{len(self.written)} marks written into column {self.column!r}"
        if self.changed:
            yield f"{len(self.changed)} of them replace another score: {_listed(self.changed)}"
        if self.without:
            yield f"{len(self.without)} rows have no submission: {_listed(self.without)}"
        for student in self.unmatched:
            yield f"not written: {student}: no row fits"
        for student, rows in self.ambiguous.items():
            yield f"not written: {student}: ambiguous, see {_listed(rows)}"
        for student, reason in self.left.items():
            yield f"not written: {student}: {reason}"


def export(
    out: Path,
    to: str,
    template: Path,
    output: Path,
    *,
    lab: str = "",
    column: str = "",
    scale: bool = False,
    only_changes: bool = False,
) -> Filled:
    """Fill a platform's own file with the marks of a grading folder.

    Args:
        out: the folder that `dllab grade` wrote.
        to: the platform, `canvas` or `moodle`.
        template: the file that the platform handed out; it is never changed.
        output: the file to upload.
        lab: which lab, where the folder has several.
        column: the assignment's column, by name or number, where it is not called like the lab.
        scale: convert points where the platform's maximum is another one.
        only_changes: for Canvas, write only who a row belongs to, this column and these students.

    Raises:
        ExportError: the template is not what the platform hands out, or does not fit the lab.
    """
    if to not in get_args(Platform):
        raise ExportError(f"`to` should be one of {', '.join(get_args(Platform))}, got {to!r}")
    if output.exists() and template.samefile(output):
        raise ExportError("`output` should be another file than `template`, which stays as it is")
    marks, name, title = marks_of(out, lab)
    content = _template(template)
    if to == "canvas":
        names = (column,) if column else (name, title)
        filled = fill_canvas(content, marks, names, scale=scale, only_changes=only_changes)
    else:
        filled = fill_moodle(content, marks, column or "Grade", scale=scale)
    write_atomically(output, filled.content)
    return filled


def _template(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ExportError(f"`template` {path.name!r} cannot be read: {error.strerror}") from error


def fill_canvas(
    template: bytes,
    marks: Sequence[Mark],
    column: Sequence[str],
    *,
    scale: bool = False,
    only_changes: bool = False,
) -> Filled:
    """Return a Canvas gradebook with one assignment's scores filled in.

    Args:
        template: the gradebook as Canvas exported it.
        marks: the students' marks.
        column: what the assignment may be called: title, number or "Title (number)".
        scale: convert points where Canvas has another maximum.
        only_changes: leave out other assignments and students without a mark, so that nothing
            that was graded since the export is set back.

    Raises:
        ExportError: it is no Canvas gradebook, or has no such assignment.
    """
    sheet = read_sheet(template)
    header = [tidy(name) for name in sheet.header]
    if "id" not in header or not _CANVAS_NAMES & set(header):
        raise ExportError(
            "`template` should be a gradebook that Canvas exported, with the columns "
            f"Student and ID; this one has {', '.join(sheet.header[:6])}"
        )
    target = _assignment(sheet, header, column)
    possible = next((row for row in sheet.rows if "points possible" in tidy(row[0])), None)
    people = [
        _canvas_person(place, row, header)
        for place, row in enumerate(sheet.rows)
        if place and row is not possible and any(row[at] for at in _columns(header, {"id"}))
    ]
    maximum = number(possible[target]) if possible else None
    filling = _Filling(sheet, marks, people, target, scale)
    filling.fill(lambda row: maximum, _canvas_refuses)
    filling.defuse(_columns(header, _CANVAS_NAMES))
    if only_changes:
        kept = [*_columns(header, _CANVAS_PERSON), target]
        filling.keep(kept, lambda place: place == 0 or sheet.rows[place] is possible)
    return filling.done()


def _canvas_refuses(cell: str) -> str:
    if cell.strip().upper() == "EX":
        return "excused in Canvas"
    return "not assigned in Canvas" if cell.strip().upper() == "N/A" else ""


def _canvas_person(place: int, row: Sequence[str], header: Sequence[str]) -> Person:
    cells = dict(zip(header, row, strict=True))
    ids = [cells.get(key, "") for key in _CANVAS_IDS]
    name = cells.get("student") or f"{cells.get('lastname', '')}, {cells.get('firstname', '')}"
    return Person.of(place, ids, [name], f"{name} ({cells['id']})")


def _assignment(sheet: Sheet, header: Sequence[str], wanted: Sequence[str]) -> int:
    """Return the place of the one assignment that has one of the wanted names."""
    found, titles = set(), []
    for place, name in enumerate(sheet.header):
        parts = _ASSIGNMENT.match(name)
        if header[place] in _CANVAS_PERSON or not parts:
            continue
        titles.append(name)
        forms = {header[place], tidy(parts["title"]), parts["id"]}
        if not forms.isdisjoint(map(tidy, wanted)):
            found.add(place)
    if len(found) != 1:
        raise ExportError(
            f"`column` should name one assignment, and {wanted[0]!r} fits {len(found)} of them; "
            f"the gradebook has {', '.join(map(repr, titles)) or 'none'}"
        )
    return found.pop()


def fill_moodle(
    template: bytes, marks: Sequence[Mark], column: str = "Grade", *, scale: bool = False
) -> Filled:
    """Return a Moodle grading worksheet with grades and, where there is a column, comments.

    Args:
        template: the worksheet as Moodle handed it out.
        marks: the students' marks.
        column: what the grade's column is called, where Moodle's language is not English.
        scale: convert points where Moodle has another maximum.

    Raises:
        ExportError: it is no grading worksheet.
    """
    sheet = read_sheet(template)
    header = [tidy(name) for name in sheet.header]
    if tidy(column) not in header or not _identifies(sheet):
        raise ExportError(
            "`template` should be a grading worksheet that Moodle handed out, with the columns "
            f"Identifier and {column}; this one has {', '.join(sheet.header[:6])}. "
            "Where Moodle speaks another language, name the grade's column with `column`"
        )
    people = [_moodle_person(place, row, header) for place, row in enumerate(sheet.rows) if place]
    filling = _Filling(sheet, marks, people, header.index(tidy(column)), scale)
    filling.fill(lambda row: _moodle_maximum(row, header), _accepts, _moodle_locked(header))
    for place in _columns(header, {"feedback comments"}):
        filling.comment(place)
    read_back = _MOODLE_READS | {tidy(column), header[0]}
    filling.defuse([place for place, name in enumerate(header) if name not in read_back])
    return filling.done()


def _accepts(cell: str) -> str:
    return ""


def _identifies(sheet: Sheet) -> bool:
    """Whether the first column is Moodle's: a word in some language and a number."""
    return all(re.fullmatch(r"\D+\d+", row[0].strip()) for row in sheet.rows[1:])


def _moodle_person(place: int, row: Sequence[str], header: Sequence[str]) -> Person:
    cells = dict(zip(header, row, strict=True))
    participant = row[0].strip()
    numbers = re.findall(r"\d+\Z", participant)
    name = cells.get("full name", row[1])
    login = [cells.get(key, "") for key in ("username", "id number", "email address")]
    # files are named "Full name_123_…", or "Participant_123_…" where marking is anonymous
    return Person.of(
        place,
        [participant, participant.replace(" ", "_"), *numbers, *login],
        [name, participant.rstrip("0123456789 ")],
        f"{name} ({participant})",
    )


def _moodle_maximum(row: Sequence[str], header: Sequence[str]) -> float | None:
    places = _columns(header, {"maximum grade"})
    return number(row[places[0]]) if places else None


def _moodle_locked(header: Sequence[str]) -> Callable[[Sequence[str]], str]:
    places = _columns(header, {"grade can be changed"})

    def reason(row: Sequence[str]) -> str:
        return "locked in Moodle" if places and tidy(row[places[0]]) == "no" else ""

    return reason


def _columns(header: Sequence[str], names: Iterable[str]) -> list[int]:
    wanted = set(names)
    return [place for place, name in enumerate(header) if name in wanted]


class _Filling:
    """A template on its way to a `Filled`."""

    def __init__(
        self,
        sheet: Sheet,
        marks: Sequence[Mark],
        people: Sequence[Person],
        target: int,
        scale: bool,
    ) -> None:
        self.sheet = sheet
        self.rows = [list(row) for row in sheet.rows]
        self.target = target
        self.people = people
        self.marks = {mark.student: mark for mark in marks}
        self.pairing: Pairing = pair(list(self.marks), people)
        self.decimal = decimal_mark(cell for row in sheet.rows[1:] for cell in row)
        self.scale = scale
        self.written: dict[str, str] = {}
        self.changed: list[str] = []
        self.left: dict[str, str] = {}

    def fill(
        self,
        maximum: Callable[[Sequence[str]], float | None],
        refuses: Callable[[str], str],
        locked: Callable[[Sequence[str]], str] = lambda row: "",
    ) -> None:
        """Write each paired student's points, except where there is a reason not to."""
        for student, place in self.pairing.rows.items():
            mark, row = self.marks[student], self.rows[place]
            reason = mark.problem or refuses(row[self.target]) or locked(row)
            if reason:
                self.left[student] = reason
                continue
            points = written(self._points(mark, maximum(row)), self.decimal)
            before = number(row[self.target])
            if before is not None and before != number(points):
                self.changed.append(student)
            row[self.target] = self.written[student] = points

    def _points(self, mark: Mark, maximum: float | None) -> float:
        if maximum is None or maximum == mark.possible:
            return mark.points
        if not self.scale:
            raise ExportError(
                f"`template` has a maximum of {maximum:g} points and the lab has "
                f"{mark.possible:g}; change it there, or convert the points with --scale"
            )
        return mark.points * maximum / mark.possible if mark.possible else 0.0

    def comment(self, place: int) -> None:
        """Write comments, which the platform shows as HTML, where no person wrote one."""
        for student in self.written:
            row = self.rows[self.pairing.rows[student]]
            if not row[place].strip() or row[place].startswith(_OURS):
                text = (_OURS + self.marks[student].comment)[:_LONGEST_COMMENT]
                row[place] = "<br>".join(html.escape(text).splitlines())

    def defuse(self, places: Iterable[int]) -> None:
        """Make sure that no cell of these columns is a formula."""
        for place in places:
            for row in self.rows[1:]:
                row[place] = defuse(row[place])

    def keep(self, places: Sequence[int], always: Callable[[int], bool]) -> None:
        """Drop other columns, and rows of nobody who gets a mark."""
        filled = {self.pairing.rows[student] for student in self.written}
        self.rows = [
            [row[place] for place in places]
            for at, row in enumerate(self.rows)
            if at in filled or always(at)
        ]

    def done(self) -> Filled:
        """Return the outcome."""
        fits = set(self.pairing.rows.values())
        return Filled(
            self.sheet.content(self.rows),
            self.sheet.header[self.target],
            self.written,
            tuple(self.changed),
            self.pairing.unmatched,
            self.pairing.ambiguous,
            self.left,
            tuple(person.label for person in self.people if person.row not in fits),
        )


def marks_of(out: Path, lab: str = "") -> tuple[list[Mark], str, str]:
    """Return the marks of a grading folder with the lab's name and title.

    Raises:
        ExportError: the folder has several labs and none was named, or not the named one.
        GradebookError: the folder holds no gradebook.
    """
    with Gradebook(out / "gradebook.sqlite", write=False) as book:
        labs = book.labs()
        name = only_lab(labs, lab)
        finals = {mark.student: mark for mark in book.marks(name)}
        grades = book.latest(name)
    marks = [mark_of(grade, finals.get(grade.student)) for grade in grades]
    return marks, name, labs[name] or name


def shown(out: Path, lab: str = "", student: str = "") -> list[dict[str, Any]]:
    """Return the rows of a table: the class, or one student's checks.

    Raises:
        ExportError: nobody of that name was graded.
        GradebookError: the folder holds no gradebook.
    """
    with Gradebook(out / "gradebook.sqlite", write=False) as book:
        name = only_lab(book.labs(), lab)
        finals = {mark.student: mark for mark in book.marks(name)}
        grades = {grade.student: grade for grade in book.latest(name)}
    if not student:
        return [_class_row(grade, finals.get(grade.student)) for grade in grades.values()]
    if student not in grades:
        close = difflib.get_close_matches(student, list(grades), n=1, cutoff=0.5)
        guess = f"; did you mean {close[0]!r}?" if close else ""
        raise ExportError(f"`student`: nobody called {student!r} was graded{guess}")
    tasks = grades[student].tasks
    return [_test_row(task, test) for task in tasks for test in task.tests]


def _class_row(grade: Grade, final: FinalMark | None) -> dict[str, Any]:
    points = final.final if final else float(grade.earned)
    return {
        "student": _printable(grade.student),
        "mark": written(points),
        "of": grade.points,
        "checks": grade.earned,
        "late": written(final.late if final else 0),
        "status": grade.status,
        "reason": _printable(grade.reason),
    }


def _test_row(task: TaskGrade, test: TestGrade) -> dict[str, Any]:
    return {
        "task": task.title,
        "check": test.law,
        "points": f"{test.earned} of {test.points}",
        "status": test.status,
        "said": _printable(test.sentence),
    }


def _printable(text: str) -> str:
    """Return text of a student's without anything that a terminal would act on."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def only_lab(labs: Collection[str], wanted: str = "") -> str:
    """Return the one lab of a grading folder, or the one that is wanted.

    Raises:
        ExportError: it has several and none is wanted, or not the wanted one.
    """
    name = wanted or (next(iter(labs)) if len(labs) == 1 else "")
    if name not in labs:
        listed = ", ".join(labs) or "none"
        raise ExportError(f"`lab` should be a lab of this folder, got {wanted!r}: it has {listed}")
    return name


def mark_of(grade: Grade, final: FinalMark | None = None) -> Mark:
    """Return what a platform gets to know of a grade.

    Args:
        grade: the grade.
        final: the mark after lateness and adjustments; what the checks gave unless told.
    """
    steps = final.steps if final else ()
    decided = any(step.kind == "adjustment" for step in steps)
    problem = f"needs a person: {grade.status}" if grade.status in NEEDS_PERSON else ""
    points = float(final.final if final else grade.earned)
    lines = [f"{written(points)} of {grade.points} points."]
    if steps:
        lines.append(f"The checks gave {grade.earned}.")
        lines += [f"{step.kind.capitalize()} {step.amount:+g}: {step.reason}" for step in steps]
    lines += [_task_line(task) for task in grade.tasks]
    possible = float(grade.points)
    return Mark(grade.student, points, possible, "\n".join(lines), "" if decided else problem)


def _task_line(task: TaskGrade) -> str:
    text = f"{task.title}: {task.earned} of {task.points}."
    failed = next((test for test in task.tests if test.status == "failed"), None)
    if failed is None:
        return text
    note = failed.misconception
    return f"{text} {note.sentence} {note.right}" if note else f"{text} {failed.sentence}"


def _listed(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
