"""Show how a class is graded, from submissions to Canvas: `make grade-demo`.

Makes a small class in `build/grade-demo` (right, wrong, late, broken and hostile notebooks), grades
it, grades again after somebody handed in anew, and fills a Canvas gradebook. It prints each
command, how long it took, and where to look. The same files each time; nothing outside of the
folder is touched.

Run: `make grade-demo`, or `python tools/grade_demo.py --lab 02_activations`.
"""

import argparse
import ast
import csv
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from textwrap import dedent

import nbformat
from nbformat import NotebookNode

from dllab.authoring.answers import answer_notebooks
from dllab.authoring.source import LabSource, has_tag, read_lab
from dllab.grading.gradebook import FinalMark, Gradebook

ROOT = Path(__file__).resolve().parent.parent
SEED = 7
SECRET = "the answers to the exam"
PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n"
DEADLINE = "2026-11-02T23:59:00"
ON_TIME, NEXT_DAY, TWO_DAYS = "2026-11-02T20:15", "2026-11-03T09:30", "2026-11-04T18:00"
MARKER = ".made-by-grade-demo"


@dataclass(frozen=True)
class Member:
    """A made-up student: what was handed in, when, and what must come of it.

    `earned` is told of the points earned and of all points.
    """

    student: str
    about: str
    content: bytes
    submitted: str = ON_TIME
    status: str = "graded"
    earned: Callable[[int, int], bool] = lambda earned, points: earned < points


def full(earned: int, points: int) -> bool:
    """Tell whether all points were earned."""
    return earned == points


def nothing(earned: int, points: int) -> bool:
    """Tell whether no point was earned."""
    return earned == 0


# -- the class -------------------------------------------------------------------------------


def make_class(lab: Path) -> list[Member]:
    """Return the class of a lab; the same files each time."""
    source = read_lab(lab)
    answers = dict(answer_notebooks(lab))
    solution = source.solution_notebook()
    wrong = [own_words(solution, answer) for answer in spread(answers, "mutant", 7)]
    right = [own_words(solution, answer) for answer in spread(answers, "variant", 3)]
    full_marks = written(solution)
    return [
        Member("amara.okafor", "everything right", full_marks, earned=full),
        Member("ben.lindqvist", "right in another way", written(right[0]), earned=full),
        Member("chiara.rossi", "right in another way", written(right[1]), earned=full),
        Member("daniel.kim", "one misconception", written(wrong[2])),
        Member("elif.yilmaz", "one misconception", written(wrong[1])),
        Member("farid.haddad", "one misconception", written(wrong[3])),
        Member("gabriela.santos", "two of them", written(both(solution, wrong[0], wrong[5]))),
        Member("hugo.martin", "one misconception", written(wrong[6])),
        Member("ines.ferreira", "half finished", written(half_finished(source))),
        Member("jonas.weber", "not started", written(source.student_notebook()), earned=nothing),
        Member("keiko.tanaka", "a day late", written(wrong[4]), NEXT_DAY),
        Member("liam.oconnor", "late, with an extension", written(right[2]), TWO_DAYS, earned=full),
        Member("mila.novak", "Latin-1, check cells deleted", latin_1(solution), earned=full),
        Member("noah.visser", "the file breaks off", full_marks[:700], status="unreadable"),
        Member("olu.adeyemi", "a loop without end", written(endless(source))),
        Member("robin.archer", "looks for files and a network", written(spy(wrong[1]))),
        Member("sam.porter", "awards itself marks", written(forger(source)), earned=nothing),
        Member("tara.moreno", "the same file as amara.okafor", full_marks, earned=full),
        Member("wei.chen", "a PDF by another name", PDF, status="unreadable"),
    ]


def spread(answers: Mapping[str, NotebookNode], kind: str, count: int) -> list[NotebookNode]:
    """Return answers of a kind, `count` of them, spread evenly over the lab."""
    found = [notebook for label, notebook in answers.items() if label.startswith(kind)]
    return [found[(2 * index + 1) * len(found) // (2 * count)] for index in range(count)]


def own_words(solution: NotebookNode, answer: NotebookNode) -> NotebookNode:
    """Return an answer whose function has the name that the task asks for."""
    notebook = deepcopy(answer)
    for cell, old in zip(notebook.cells, solution.cells, strict=True):
        added = cell.source.removeprefix(old.source).strip()
        if cell.cell_type != "code" or not added:
            continue
        *code, last = ast.parse(added).body
        if isinstance(last, ast.Assign) and isinstance(last.value, ast.Name):
            asked, called = ast.unparse(last.targets[0]), last.value.id
            body = re.sub(rf"\b{called}\b", asked, "\n\n\n".join(map(ast.unparse, code)))
            cell.source = f"{old.source}\n\n\n{body}"
    return notebook


def both(solution: NotebookNode, *answers: NotebookNode) -> NotebookNode:
    """Return the solution with what each of the answers changed."""
    notebook = deepcopy(solution)
    for answer in answers:
        for cell, old, new in zip(notebook.cells, solution.cells, answer.cells, strict=True):
            if new.source != old.source:
                cell.source = new.source
    return notebook


def task_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the cells in which a learner writes."""
    return [cell for cell in notebook.cells if has_tag(cell, "task")]


def half_finished(source: LabSource) -> NotebookNode:
    """Return a notebook whose second half is as it was handed out."""
    notebook, untouched = source.solution_notebook(), source.student_notebook()
    pairs = list(zip(task_cells(notebook), task_cells(untouched), strict=True))
    for cell, stub in pairs[len(pairs) // 2 :]:
        cell.source = stub.source
    return notebook


def endless(source: LabSource) -> NotebookNode:
    """Return the solution with one task that comes to no end."""
    notebook = source.solution_notebook()
    cells = task_cells(notebook)
    cell = cells[(len(cells) - 1) // 3]
    loops = [f"def {name}(*args):\n    while True:\n        pass" for name in defined(cell.source)]
    cell.source = "\n\n\n".join([cell.source, *loops])
    return notebook


def defined(code: str) -> Iterator[str]:
    """Yield the functions and classes that code defines."""
    for node in ast.parse(code).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name


def with_cell(notebook: NotebookNode, code: str) -> NotebookNode:
    """Return a notebook with one more code cell behind its first one."""
    notebook = deepcopy(notebook)
    first = next(at for at, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    notebook.cells.insert(
        first + 1, nbformat.v4.new_code_cell(dedent(code).strip(), id="one-more-cell")
    )
    return notebook


def spy(notebook: NotebookNode) -> NotebookNode:
    """Return a notebook that looks for what it should not see, and tells what it found."""
    return with_cell(
        notebook,
        """
        import os, pathlib, socket

        def attempt(act):
            try:
                return act()
            except OSError as error:
                return type(error).__name__

        found = {
            "instructor's file": attempt(lambda: pathlib.Path("@secret@").read_text()),
            "keys": attempt(lambda: os.listdir("@keys@")),
            "classmate": attempt(lambda: pathlib.Path("@classmate@").read_text()),
            "network": attempt(lambda: socket.socket()),
            "tokens": [name for name in os.environ if "TOKEN" in name],
        }
        raise RuntimeError(", ".join(f"{name}: {seen}" for name, seen in found.items()))
        """,
    )


def forger(source: LabSource) -> NotebookNode:
    """Return a notebook without answers that makes every comparison hold and reports full marks."""
    notebook = with_cell(
        source.student_notebook(),
        """
        import builtins, json, numpy.testing

        class Anything:
            def __eq__(self, other): return True
            def __sub__(self, other): return 0.0
            def __array__(self, *args, **kwargs): return np.zeros(3)
            def __getattr__(self, name): return self
            def __call__(self, *args, **kwargs): return self

        for name in dir(numpy.testing):
            if name.startswith("assert"):
                setattr(numpy.testing, name, lambda *args, **kwargs: None)
        np.allclose = np.isclose = np.array_equal = lambda *args, **kwargs: True
        builtins.AssertionError = dllab.lab = Anything()
        print(json.dumps({"score": 20, "status": "passed"}))
        """,
    )
    for cell in task_cells(notebook):
        answers = [f"def {name}(*args):\n    return Anything()" for name in defined(cell.source)]
        cell.source = "\n\n\n".join(answers)
    return notebook


def latin_1(solution: NotebookNode) -> bytes:
    """Return the solution as an old editor saves it, without the cells that check."""
    notebook = deepcopy(solution)
    notebook.cells = [cell for cell in notebook.cells if not has_tag(cell, "check", "progress")]
    notebook.cells[0].source += "\n\nHanded in by Mila Nov\u00e1k, caf\u00e9 group."
    text = nbformat.writes(notebook, ensure_ascii=False)
    return text.encode("latin-1", "xmlcharrefreplace")


def written(notebook: NotebookNode) -> bytes:
    """Return the file of a notebook."""
    return nbformat.writes(notebook).encode()


# -- the folder ------------------------------------------------------------------------------

COURSE = f"""\
[course]
title = "Deep learning, autumn"
timezone = "Europe/Berlin"
rounding = 0.5

[late]
deadline = {DEADLINE}
grace = "15 min"
penalty = "10 %"
per = "day"
maximum = "50 %"
hard_stop = "7 days"
"""
EXTENSIONS = (
    ("student", "lab", "until", "reason"),
    ("liam.oconnor", "@lab@", "2026-11-05", "ill for three days"),
)
ADJUSTMENTS = (
    ("student", "lab", "change", "set", "reason", "by"),
    ("ines.ferreira", "@lab@", "2", "", "explained tasks 4 and 5 in the tutorial", "the tutor"),
)


def prepare(folder: Path, lab: Path) -> list[Member]:
    """Fill an empty folder with the class and with what an instructor has."""
    secret = folder / "private" / "exam.txt"
    secret.parent.mkdir()
    secret.write_text(f"{SECRET}\n", encoding="utf-8")
    places = {
        "@secret@": secret,
        "@keys@": Path.home() / ".ssh",
        "@classmate@": folder / "submissions" / "amara.okafor.ipynb",
    }
    members = make_class(lab)
    for member in members:
        content = member.content
        for name, path in places.items():
            content = content.replace(name.encode(), path.as_posix().encode())
        hand_in(folder, member.student, content, member.submitted)
    (folder / "course.toml").write_text(COURSE, encoding="utf-8")
    write_rows(folder / "extensions.csv", EXTENSIONS, lab.name)
    write_rows(folder / "adjustments.csv", ADJUSTMENTS, lab.name)
    write_rows(folder / "canvas.csv", canvas(members, read_points(lab)), lab.name)
    return members


def hand_in(folder: Path, student: str, content: bytes, moment: str) -> None:
    """Write a student's file as if it had been handed in at a moment, in UTC."""
    path = folder / "submissions" / f"{student}.ipynb"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    seconds = datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()
    os.utime(path, (seconds, seconds))


def read_points(lab: Path) -> int:
    """Return how many points a lab has."""
    source = read_lab(lab)
    return sum(task.points for task in source.tasks)


def canvas(members: list[Member], points: int) -> Iterator[tuple[object, ...]]:
    """Yield the rows of a gradebook that Canvas exported; one student of it handed in nothing."""
    yield "Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Essay (301)", "@lab@ (302)"
    yield "    Points Possible", "", "", "", "", "10.00", f"{points}.00"
    students = [*(member.student for member in members), "uma.fischer"]
    for number, (student, essay) in enumerate(zip(students, cycle((9, 7.5, 8)), strict=False)):
        first, last = student.title().split(".")
        section = "Monday" if number % 2 else "Tuesday"
        yield f"{last}, {first}", 501 + number, f"S{501 + number}", student, section, essay, ""


def write_rows(path: Path, rows: object, lab: str) -> None:
    """Write a CSV file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [str(cell).replace("@lab@", lab) for cell in row]
            for row in rows  # type: ignore[attr-defined]
        )


def empty(folder: Path) -> None:
    """Make an empty folder; one that somebody else filled stays as it is."""
    if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).exists():
        sys.exit(f"{folder} holds files that are not from a demonstration: name another --folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARKER).touch()


# -- the demonstration -----------------------------------------------------------------------


@dataclass
class Demonstration:
    """Prints what it does; `seconds` has how long each part took."""

    folder: Path
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def part(self, title: str, *lines: str) -> Iterator[None]:
        """Announce a part and take its time."""
        print(f"\n{len(self.seconds) + 1}. {title}", *lines, sep="\n   ", flush=True)
        start = time.monotonic()
        yield
        self.seconds[title] = time.monotonic() - start

    def dllab(self, *arguments: str, fine: tuple[int, ...] = (0,)) -> None:
        """Show and run a command in the folder; end where it ends badly."""
        print(f"\n   $ dllab {' '.join(arguments)}\n", flush=True)
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        environment = os.environ | {"PYTHONPATH": path, "DLLAB_DEVICE": "cpu"}
        command = [sys.executable, "-m", "dllab.cli", *arguments]
        status = subprocess.run(command, cwd=self.folder, env=environment).returncode
        if status not in fine:
            sys.exit(status)

    def times(self) -> Iterator[str]:
        """Yield what took how long."""
        whole = sum(self.seconds.values())
        for title, seconds in self.seconds.items():
            yield f"{seconds:5.1f} s  {100 * seconds / whole:3.0f} %  {title}"
        yield f"{whole:5.1f} s         in all"


def demonstrate(lab: str, folder: Path, jobs: int | None) -> int:
    """Run the demonstration; 0 where everything came out as it should."""
    show = Demonstration(folder)
    grade = ["grade", lab, "submissions", "--out", "grades", "--course", "course.toml"]
    grade += ["--extensions", "extensions.csv", "--adjustments", "adjustments.csv"]
    grade += ["--seed", str(SEED), *(["--jobs", str(jobs)] if jobs else [])]
    print(f"All paths below are relative to {shown(folder)}.")
    with show.part(
        "Make a class",
        "Made-up students hand in notebooks, from right to hostile.",
    ):
        empty(folder)
        members = prepare(folder, ROOT / "labs" / "source" / lab)
        print("\n   submissions/  course.toml  extensions.csv  adjustments.csv  canvas.csv")
    with show.part(
        "Grade it", "Each notebook runs in a sandbox of its own, several at once.", OUTCOMES
    ):
        show.dllab(*grade, fine=(0, 3))
    with show.part("Somebody hands in again", "The same command grades only what is new."):
        again = next(member for member in members if member.student == "amara.okafor")
        hand_in(folder, "noah.visser", again.content + b"\n", ON_TIME)
        show.dllab(*grade, fine=(0, 3))
    with show.part("Hand the marks to Canvas", "Who cannot be paired is listed, never guessed."):
        export = ["--to", "canvas", "--template", "canvas.csv", "--output", "canvas-import.csv"]
        show.dllab("grades", "export", "grades", *export, fine=(0, 3))
    surprises = list(compare(folder, members))
    print("\nWhat was handed in, and what became of it\n")
    print(*table(folder, members), sep="\n")
    print(AFTERWARDS)
    print(*show.times(), sep="\n")
    for surprise in surprises:
        print(f"Not as expected: {surprise}", file=sys.stderr)
    return 1 if surprises else 0


OUTCOMES = (
    "A failed check or a wrong answer is an ordinary result; only what nobody can grade is listed."
)
AFTERWARDS = """
Where to look
  grades/report.html                 the class: what needs you, marks, checks, misconceptions
  grades/feedback/daniel.kim.html    what a student reads
  grades/feedback/robin.archer.html  what a notebook saw that looked for your files
  grades/grades.csv                  a row for each student
  grades/gradebook.sqlite            everything: each attempt, each change of a mark
  canvas-import.csv                  the file for Canvas

How long it took
"""


def shown(folder: Path) -> str:
    """Return a folder as it is called in the repository."""
    return str(folder.relative_to(ROOT)) if folder.is_relative_to(ROOT) else str(folder)


def marks_of(folder: Path) -> dict[str, FinalMark]:
    """Return the marks by student."""
    with Gradebook(folder / "grades" / "gradebook.sqlite", write=False) as book:
        return {mark.student: mark for mark in book.marks()}


def table(folder: Path, members: list[Member]) -> Iterator[str]:
    """Yield a line for each student: what was handed in, points earned, mark."""
    marks = marks_of(folder)
    for member in members:
        mark = marks[member.student]
        steps = ", ".join(f"{step.kind} {step.amount:+g}" for step in mark.steps if step.amount)
        row = f"  {member.student:<16} {member.about:<30} {mark.earned:>2} of {mark.points}"
        yield f"{row}  {steps and f'{steps} = {mark.final:g}'}".rstrip()


def compare(folder: Path, members: list[Member]) -> Iterator[str]:
    """Yield what did not come out as it should."""
    marks = marks_of(folder)
    for member in members:
        mark = marks[member.student]
        repaired = member.student == "noah.visser"  # handed in again
        status = "graded" if repaired else member.status
        told = full if repaired else member.earned
        if mark.status != status or not told(mark.earned, mark.points):
            yield f"{member.student} ({member.about}) has {mark.earned} and is {mark.status}"
    for path in (folder / "grades").rglob("*"):
        if path.is_file() and SECRET.encode() in path.read_bytes():
            yield f"{path.name} holds what no submission may read"


def main() -> int:
    """Read the command line and run the demonstration."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("--lab", default="03_backpropagation", help="(default: %(default)s)")
    parser.add_argument(
        "--folder",
        type=Path,
        default=ROOT / "build" / "grade-demo",
        help="is emptied first, if it is from an earlier demonstration (default: build/grade-demo)",
    )
    parser.add_argument("--jobs", type=int, help="submissions graded at once (default: one a core)")
    given = parser.parse_args()
    if not (ROOT / "labs" / "source" / given.lab / "lab.md").is_file():
        names = sorted(path.parent.name for path in (ROOT / "labs/source").glob("*/lab.md"))
        parser.error(f"--lab should be one of {', '.join(names)}")
    return demonstrate(given.lab, given.folder.resolve(), given.jobs)


if __name__ == "__main__":
    sys.exit(main())
