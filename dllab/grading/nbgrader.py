"""Our runner inside an nbgrader course, by configuration alone.

- `configure(c)`: all that `nbgrader_config.py` needs
- `GradeSubmission`, `RestoreCells`, `SaveScores`, `SubmissionExporter`: what it puts into place
- `write_scores(out, course_dir, …)`: scores of a `dllab grade` run into an nbgrader course

In the course's `nbgrader_config.py`:

    from dllab.grading.nbgrader import configure

    c = get_config()
    configure(c)

Then `nbgrader autograde 03_backpropagation`, and the button of formgrader, grade in the sandbox.
The same in single lines, for a course that sets some of them otherwise:

    from nbgrader.preprocessors import AssignLatePenalties, CheckCellMetadata, OverwriteKernelspec
    from dllab.grading.nbgrader import (
        GradeSubmission, RestoreCells, SaveScores, SubmissionExporter
    )

    c.Autograde.exporter_class = SubmissionExporter
    c.Autograde.sanitize_preprocessors = [RestoreCells, OverwriteKernelspec, CheckCellMetadata]
    c.Autograde.autograde_preprocessors = [
        GradeSubmission, SaveScores, AssignLatePenalties, CheckCellMetadata
    ]

Options, all with a default that works:

    c.GradeSubmission.labs = {"homework-3": "03_backpropagation"}  # if not called like the lab
    c.GradeSubmission.seconds = 180      # for one submission
    c.GradeSubmission.memory = 2048      # MB beyond the libraries
    c.GradeSubmission.seed = 7           # of the checks; unless told, a secret that is made once
                                         # and kept in the course's folder, in `.dllab-seed`
    c.GradeSubmission.warm = True        # fork from a template that has imported the libraries

What changes: a submission is read however it is damaged, and is graded as `dllab grade` grades
it, from the file as it was handed in. Points of each check cell `check-<task>` go into nbgrader's
database, sentences into the comments of the answers. What no check can grade (an answer in words,
a test cell of your own, a file that nobody can read) is marked as needing a person. Scores and
comments that a person gave stay. The notebook under `autograded/` is made for looking at: no
output, tag or script of the student's is in it.

nbgrader itself copies other files of a submission, follows links there, and decides what a late
submission costs; that stays as it was.
"""

import atexit
import hashlib
import json
import os
import secrets
import stat
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    NbGraderPreprocessor,
    OverwriteKernelspec,
)
from traitlets import Bool, Dict, Float, Integer
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from dllab.check.loading import LabFiles
from dllab.errors import ExportError, UnknownLabError, UnreadableError
from dllab.grading import gradebook as ours
from dllab.grading.autograded import MISSING, Frame, Shown, compose, harmless, notes, show, task_of
from dllab.grading.exports import only_lab
from dllab.grading.files import write_atomically
from dllab.grading.fingerprint import fingerprint, open_lab
from dllab.grading.names import bound, parse
from dllab.grading.notebook import read
from dllab.grading.records import NEEDS_PERSON, Grade, Limits, Order, Submission, TaskGrade

__all__ = [
    "GradeSubmission",
    "RestoreCells",
    "SaveScores",
    "SubmissionExporter",
    "Written",
    "configure",
    "write_scores",
]

_LARGEST = 200_000_000  # bytes of a submitted file; saved outputs may be long
_SEED_FILE = ".dllab-seed"
_KEEP_WARM = 60.0  # seconds without a submission after which a template is ended


def configure(c: Any) -> None:
    """Let nbgrader grade with `dllab`: call it in `nbgrader_config.py` with `get_config()`."""
    c.Autograde.exporter_class = SubmissionExporter
    c.Autograde.sanitize_preprocessors = [RestoreCells, OverwriteKernelspec, CheckCellMetadata]
    c.Autograde.autograde_preprocessors = [
        GradeSubmission,
        SaveScores,
        AssignLatePenalties,
        CheckCellMetadata,
    ]


class SubmissionExporter(NotebookExporter):
    """Reads a submission whatever is wrong with it, so that nbgrader goes on with the class."""

    def from_filename(  # type: ignore[override]  # nbconvert annotates its base class only
        self, filename: str, resources: dict[str, Any] | None = None, **kw: Any
    ) -> tuple[str, dict[str, Any]]:
        """Convert a file; one that nobody can read becomes a notebook that says so."""
        if not any(isinstance(step, RestoreCells) for step in self._preprocessors):
            return super().from_filename(filename, resources, **kw)  # type: ignore[return-value]
        path = Path(filename)
        resources = {} if resources is None else resources
        resources["metadata"] = {"name": path.stem, "path": str(path.parent)}
        return self.from_notebook_node(_opened(path), resources, **kw)


def _opened(path: Path) -> NotebookNode:
    """Return a submitted file's cells, with nothing but the ids that nbgrader gave them."""
    cells, problem = _shown(*_content(path))
    if problem:
        cells = [Shown("markdown", f"**This file could not be read.** {problem}")]
    make = {"code": new_code_cell, "markdown": new_markdown_cell, "raw": new_raw_cell}
    made = [
        make[cell.kind](cell.source, metadata={"nbgrader": {"grade_id": cell.claim}})
        for cell in cells
    ]
    return new_notebook(cells=made)


def _content(path: Path) -> tuple[bytes, str]:
    """Return a submitted file's bytes, or why they are not taken."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return b"", "The file is a link." if path.is_symlink() else f"{error.strerror}."
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            return b"", "It is no ordinary file."
        if found.st_size > _LARGEST:
            return b"", f"The file has more than {_LARGEST // 1_000_000} MB."
        return file.read(_LARGEST), ""


def _shown(content: bytes, problem: str) -> tuple[list[Shown], str]:
    if problem:
        return [], problem
    try:
        cells, _ = read(content)
    except UnreadableError as error:
        return [], str(error)
    claims = _claims(content, len(cells))
    return [Shown(cell.kind, cell.source, claims[at]) for at, cell in enumerate(cells)], ""


def _claims(content: bytes, count: int) -> list[str]:
    """Return the ids that the cells' metadata claims: they place answers, and decide no point."""
    with suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
        entries = [cell for cell in json.loads(content)["cells"] if isinstance(cell, dict)]
        if len(entries) == count:
            return [_claim(entry) for entry in entries]
    return [""] * count


def _claim(cell: Mapping[str, Any]) -> str:
    for key in ("metadata", "nbgrader"):
        found = cell.get(key)
        cell = found if isinstance(found, Mapping) else {}
    claim = cell.get("grade_id")
    return claim if isinstance(claim, str) else ""


class RestoreCells(NbGraderPreprocessor):
    """Puts nbgrader's own cells back, each once, and keeps nothing else of the student's but text.

    It stands for `ClearOutput`, `DeduplicateIds` and `OverwriteCells`, which stop at what they do
    not expect.
    """

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Return the notebook that is kept under `autograded/`, still without scores."""
        where = resources["nbgrader"]
        cells = [Shown(cell.cell_type, cell.source, _claim(cell)) for cell in nb.cells]
        with Gradebook(where["db_url"]) as book:
            frame = _frame(book, where["notebook"], where["assignment"])
        return compose(cells, frame, _asked(frame)), resources


def _frame(book: Gradebook, notebook: str, assignment: str) -> list[Frame]:
    found = book.find_notebook(notebook, assignment)
    points = {cell.name: cell.max_score for cell in found.grade_cells}
    tasks = {cell.name: cell.max_score for cell in found.task_cells}
    solutions = {cell.name for cell in found.solution_cells}
    return [
        Frame(
            cell.name,
            cell.cell_type,
            cell.source or "",
            cell.checksum,
            cell.locked,
            cell.name in points,
            cell.name in solutions,
            cell.name in tasks,
            points.get(cell.name, tasks.get(cell.name)),
        )
        for cell in found.source_cells
    ]


def _asked(frame: Iterable[Frame]) -> dict[str, frozenset[str]]:
    """Return what each answer's cell defines, as it was handed out."""
    trees = {cell.name: parse(cell.source) for cell in frame if cell.solution and not cell.grade}
    return {name: frozenset(bound(tree)) for name, tree in trees.items() if tree is not None}


class GradeSubmission(NbGraderPreprocessor):
    """Grades a submission in the sandbox, in the place of nbgrader's `Execute`."""

    labs = Dict(help="Names of labs, by notebook or assignment; not needed if they agree.").tag(
        config=True
    )
    seconds = Float(Limits().seconds, help="Wall time for one submission.").tag(config=True)
    memory = Integer(Limits().memory, help="MB for one submission, beyond the libraries.").tag(
        config=True
    )
    seed = Integer(None, allow_none=True, help="Of the checks; a secret of the course's.").tag(
        config=True
    )
    warm = Bool(True, help="Fork from a process that has imported the libraries.").tag(config=True)

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Grade the file as it was handed in and write below each check cell what was found.

        Raises:
            UnknownLabError: neither the notebook nor the assignment is called like a lab.
        """
        where = resources["nbgrader"]
        coursedir = self.parent.parent.coursedir
        lab = _lab(self.labs, where["notebook"], where["assignment"])
        path = _submitted(coursedir, where["student"], where["assignment"], where["notebook"])
        grade = self._grade(lab, _submission(where["student"], path), Path(coursedir.root))
        self.log.info("%s: %s of %s, %s", grade.student, grade.earned, grade.points, grade.status)
        resources["dllab"] = grade
        with Gradebook(where["db_url"], coursedir.course_id) as book:
            frame = _frame(book, where["notebook"], where["assignment"])
        show(nb, grade, _points(frame, grade))
        return nb, resources

    def _grade(self, lab: LabFiles, submission: Submission, root: Path) -> Grade:
        seed = _secret(root) if self.seed is None else self.seed
        limits = Limits(seconds=self.seconds, memory=self.memory)
        name = _order_name(lab)
        order = Order(name, fingerprint(lab), submission, seed, limits, warm=self.warm)
        return _WARM.grade(order)


def _order_name(lab: LabFiles) -> str:
    """Return a lab's name, or the path of one that this installation does not know by name."""
    with suppress(UnknownLabError):
        if open_lab(lab.name).folder == lab.folder:
            return lab.name
    return str(lab.folder)


def _lab(labs: Mapping[str, str], notebook: str, assignment: str) -> LabFiles:
    names = [labs[key] for key in (notebook, assignment) if key in labs]
    for name in names or (notebook, assignment):
        with suppress(UnknownLabError):
            return open_lab(name)
    raise UnknownLabError(
        f"neither notebook {notebook!r} nor assignment {assignment!r} is a lab of dllab; "
        f'name it: c.GradeSubmission.labs = {{"{assignment}": "03_backpropagation"}}'
    )


def _submitted(coursedir: CourseDirectory, student: str, assignment: str, notebook: str) -> Path:
    folder = coursedir.format_path(coursedir.submitted_directory, student, assignment)
    return Path(folder, f"{notebook}.ipynb")


def _submission(student: str, path: Path) -> Submission:
    content, problem = _content(path)
    digest = hashlib.sha256(content).hexdigest()
    return Submission(student, path.name, digest, content, problem=problem)


def _secret(root: Path) -> int:
    """Return the course's own seed, made once: students must not know the checks' numbers."""
    path = root / _SEED_FILE
    if not path.exists():
        write_atomically(path, f"{secrets.randbits(63)}\n")
    return int(path.read_text())


class _Warm:
    """One template for the submissions of a class, ended a while after the last one."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._template: Any = None
        self._timer: threading.Timer | None = None

    def grade(self, order: Order) -> Grade:
        """Grade a submission, from the template if the order says so."""
        # late, so that reading and writing scores needs none of it
        from dllab.grading import grader
        from dllab.grading.sandbox import Template

        if not order.warm:
            return grader.grade(order)
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            if self._template is None:
                self._template = Template()
                self._template.__enter__()
            try:
                return grader.grade(order, self._template)
            finally:
                self._timer = threading.Timer(_KEEP_WARM, self.close)
                self._timer.daemon = True
                self._timer.start()

    def close(self) -> None:
        """End the template."""
        with self._lock:
            template, self._template = self._template, None
            if template is not None:
                template.__exit__(None, None, None)


_WARM = _Warm()
atexit.register(_WARM.close)


class SaveScores(NbGraderPreprocessor):
    """Writes what was found into nbgrader's database, in the place of `SaveAutoGrades`."""

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Store points and comments; what a person stored stays."""
        where = resources["nbgrader"]
        answers = {_claim(cell): cell for cell in nb.cells if _claim(cell)}
        with Gradebook(where["db_url"]) as book:
            target = _Target(book, where["notebook"], where["assignment"], where["student"])
            target.save(resources["dllab"], answers)
        return nb, resources


@dataclass(frozen=True)
class _Target:
    """One student's notebook in nbgrader's database."""

    book: Gradebook
    notebook: str
    assignment: str
    student: str

    def save(self, grade: Grade, answers: Mapping[str, NotebookNode] | None = None) -> None:
        """Store a grade in one transaction.

        Args:
            grade: what the checks found.
            answers: the cells of the submitted notebook, by nbgrader's id; without them, what a
                person has to grade stays as it is.
        """
        frame = _frame(self.book, self.notebook, self.assignment)
        points = _points(frame, grade)
        for cell in frame:
            if cell.grade or cell.task:
                task = task_of(cell.name, grade)
                if task is not None:
                    self._score(cell, grade, task, points.get(cell.name))
                elif answers is not None:
                    answer = None if _unread(grade) else answers.get(cell.name)
                    self._score_by_hand(cell, answer)
            if cell.solution or cell.task:
                self._comment(cell, grade, None if answers is None else answers.get(cell.name))
        self.book.db.commit()

    def _score(self, cell: Frame, grade: Grade, task: TaskGrade, points: float | None) -> None:
        stored = self._find_grade(cell)
        unfinished = any(test.status == "not run" for test in task.tests)
        stored.auto_score = points
        stored.needs_manual_grade = (
            points is None
            or stored.manual_score is not None
            or (grade.status in NEEDS_PERSON and unfinished)
        )

    def _score_by_hand(self, cell: Frame, answer: NotebookNode | None) -> None:
        """Leave to a person what no check of ours grades; an untouched answer earns nothing."""
        stored = self._find_grade(cell)
        untouched = cell.solution and _untouched(cell, answer)
        stored.auto_score = 0.0 if untouched else None
        stored.needs_manual_grade = stored.manual_score is not None or not untouched

    def _comment(self, cell: Frame, grade: Grade, answer: NotebookNode | None) -> None:
        task = next((task for task in grade.tasks if task.task == cell.name), None)
        if grade.reason and grade.status in NEEDS_PERSON:
            text: str | None = harmless(grade.reason)
        elif task is not None:
            text = notes(task)
        else:
            text = "No response." if _untouched(cell, answer) else None
        where = (self.notebook, self.assignment, self.student)
        self.book.find_comment(cell.name, *where).auto_comment = text

    def _find_grade(self, cell: Frame) -> Any:
        return self.book.find_grade(cell.name, self.notebook, self.assignment, self.student)


def _unread(grade: Grade) -> bool:
    """Whether no check has seen the submission."""
    return grade.status in ("unreadable", "failed")


def _untouched(frame: Frame, answer: NotebookNode | None) -> bool:
    """Whether a cell for an answer is there as it was handed out."""
    if answer is None or frame.task or answer.metadata.get("dllab") == MISSING:
        return False
    before = frame.source if frame.kind == "code" else harmless(frame.source)
    return answer.source == before


def _points(frame: Iterable[Frame], grade: Grade) -> dict[str, float]:
    """Return the points of each check cell, none where a person has to look at everything.

    An instructor may count a task higher or lower than the lab does: points follow.
    """
    if _unread(grade):
        return {}
    points = {}
    for cell in frame:
        task = task_of(cell.name, grade)
        if task is not None and task.points and cell.points is not None:
            points[cell.name] = task.earned * cell.points / task.points
    return points


@dataclass(frozen=True)
class Written:
    """What `write_scores` did: students with scores, and those that nbgrader does not know."""

    students: tuple[str, ...]
    unknown: tuple[str, ...]
    shown: tuple[str, ...]  # whose notebooks formgrader shows, too

    def __str__(self) -> str:
        lines = [f"{len(self.students)} students have scores in nbgrader's database"]
        lines.append(f"{len(self.shown)} of them have a notebook that formgrader shows")
        lines += [
            f"not written: {student}: nbgrader knows nobody of that name, add the student "
            "there or use --create"
            for student in self.unknown
        ]
        return "\n".join(lines)


def write_scores(
    out: Path,
    course_dir: Path,
    *,
    lab: str = "",
    assignment: str = "",
    notebook: str = "",
    create: bool = False,
) -> Written:
    """Write the scores of a grading folder into an nbgrader course, through its API.

    Where the same file stands in the course's `submitted/`, its notebook is written to
    `autograded/` as well, so that formgrader shows it. Points that a person gave stay, and so
    does what lateness costs in the grading folder: as a late penalty.

    Args:
        out: the folder that `dllab grade` wrote.
        course_dir: the course's folder, with `nbgrader_config.py` and `gradebook.db`.
        lab: which lab, where the folder has several.
        assignment: the assignment, if it is not called like the lab.
        notebook: its notebook, if it is not called like the lab.
        create: add students whom nbgrader does not know.

    Raises:
        ExportError: there is no such course, assignment or lab.
    """
    with ours.Gradebook(out / "gradebook.sqlite", write=False) as book:
        lab = only_lab(book.labs(), lab)
        entries, marks = book.entries(lab), {mark.student: mark for mark in book.marks(lab)}
    coursedir = _course(course_dir)
    assignment, notebook = assignment or lab, notebook or lab
    students, unknown, shown = [], [], []
    with Gradebook(coursedir.db_url, coursedir.course_id) as theirs:
        _require(theirs, notebook, assignment)
        known = {student.id for student in theirs.students}
        for entry in entries:
            if entry.student not in known and not create:
                unknown.append(entry.student)
                continue
            theirs.update_or_create_student(entry.student)
            when = {"timestamp": entry.submitted_at} if entry.submitted_at else {}
            with theirs.db.no_autoflush:  # nbgrader links the parts before it adds them
                theirs.update_or_create_submission(assignment, entry.student, **when)
            target = _Target(theirs, notebook, assignment, entry.student)
            made = _autograded(coursedir, target, entry.grade)
            target.save(entry.grade, made)
            _penalize(target, marks.get(entry.student))
            students.append(entry.student)
            shown += [entry.student] if made is not None else []
    return Written(tuple(students), tuple(unknown), tuple(shown))


def _course(folder: Path) -> CourseDirectory:
    """Return a course as its own configuration describes it."""
    config = Config()
    if (folder / "nbgrader_config.py").is_file():
        config = PyFileConfigLoader("nbgrader_config.py", path=str(folder)).load_config()
    config.CourseDirectory.root = str(folder.resolve())
    coursedir = CourseDirectory(config=config)
    database = coursedir.db_url.removeprefix("sqlite:///")
    if coursedir.db_url.startswith("sqlite:") and not Path(database).is_file():
        raise ExportError(
            f"`course_dir` should be an nbgrader course, and {folder.name!r} has no gradebook: "
            "run nbgrader generate_assignment there first"
        )
    return coursedir


def _require(book: Gradebook, notebook: str, assignment: str) -> None:
    try:
        book.find_notebook(notebook, assignment)
    except MissingEntry:
        known = [
            f"{found.name}/{each.name}" for found in book.assignments for each in found.notebooks
        ]
        raise ExportError(
            f"nbgrader has no assignment {assignment!r} with a notebook {notebook!r}; it has "
            f"{', '.join(known) or 'none'}. Run nbgrader generate_assignment, or name yours"
        ) from None


def _autograded(
    coursedir: CourseDirectory, target: _Target, grade: Grade
) -> dict[str, NotebookNode] | None:
    """Write the graded notebook if the graded file stands in the course; return its cells."""
    path = _submitted(coursedir, target.student, target.assignment, target.notebook)
    content, problem = _content(path)
    if problem or hashlib.sha256(content).hexdigest() != grade.digest:
        return None
    frame = _frame(target.book, target.notebook, target.assignment)
    nodes = _opened(path).cells
    cells = [Shown(cell.cell_type, cell.source, _claim(cell)) for cell in nodes]
    made = compose(cells, frame, _asked(frame))
    kernel = target.book.find_notebook(target.notebook, target.assignment).kernelspec
    made.metadata["kernelspec"] = json.loads(kernel or "{}")
    show(made, grade, _points(frame, grade))
    folder = Path(
        coursedir.format_path(coursedir.autograded_directory, target.student, target.assignment)
    )
    write_atomically(folder / path.name, nbformat.writes(made, version=4) + "\n", 0o444)
    with suppress(FileNotFoundError):
        write_atomically(folder / "timestamp.txt", (path.parent / "timestamp.txt").read_bytes())
    return {_claim(cell): cell for cell in made.cells if _claim(cell)}


def _penalize(target: _Target, mark: ours.FinalMark | None) -> None:
    """Let lateness cost in nbgrader what it costs here."""
    found = target.book.find_submission_notebook(target.notebook, target.assignment, target.student)
    if mark is not None:
        found.late_submission_penalty = -mark.late or None
        target.book.db.commit()
