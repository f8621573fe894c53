"""What a student reads about a submission: one HTML page, without anything that is not theirs.

- `write_feedback(out, grade, mark)`: write `feedback/<student>.html`, return its path
- `feedback_page(grade, mark)`: the page
- `safe_name(student)`: a file name for a student

The page holds no expected value, seed, check source, path of the grading machine or other
student's name: it is made from a grade's sentences only. Whatever a student wrote is escaped,
capped and without characters that act; there is no script and nothing is loaded.
"""

import hashlib
import re
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import dllab
from dllab.grading.course import Course
from dllab.grading.files import write_atomically
from dllab.grading.gradebook import FinalMark
from dllab.grading.pages import number, render
from dllab.grading.records import Grade, MisconceptionNote, TestGrade

__all__ = ["feedback_page", "safe_name", "write_feedback"]

_PROBLEMS, _REPAIRS = 20, 30
_LONGEST = 10_000  # characters of any text, more than a page shows
_VERDICTS = {
    "passed": ("✓", "Passed", "right"),
    "failed": ("✗", "Not yet", "wrong"),
    "not started": ("○", "Not started", "open"),
    "not run": ("○", "Not run", "open"),
}
_STEPS = {
    "extension": "Extension:",
    "late": "Late:",
    "adjustment": "Adjustment:",
    "limit": "Limit:",
    "rounding": "Rounding:",
}
_ADVICE = {
    "graded": (),
    "partly graded": (
        "Restart your notebook and run all cells: everything together should end well within "
        "the time that your course gives.",
        "Look for a cell that trains or computes outside of the tasks, and make it shorter.",
        "Tasks that were checked keep their points.",
    ),
    "unreadable": (
        "Open your notebook in Jupyter and see that it is the one you mean.",
        "Save it, download it again as an `.ipynb` file, and hand in that file, not a link, a "
        "PDF or a web page.",
        "Ask your instructor if it still cannot be read: nothing of your work was judged.",
    ),
    "failed": (
        "Something went wrong on our side, and your instructor has been told.",
        "You need not do anything: your submission is kept, and will be graded.",
    ),
}
_HEADLINES = {
    "partly graded": "Not every check could be run.",
    "unreadable": "Your submission could not be read.",
    "failed": "Your submission has not been graded yet.",
}


@dataclass(frozen=True)
class _Test:
    law: str
    earned: int
    points: int
    sign: str
    word: str
    tone: str
    sentence: str
    note: MisconceptionNote | None


@dataclass(frozen=True)
class _Task:
    title: str
    earned: int
    points: int
    tests: tuple[_Test, ...]


def write_feedback(
    out: Path,
    grade: Grade,
    mark: FinalMark | None = None,
    course: Course | None = None,
    *,
    title: str = "",
) -> Path:
    """Write `feedback/<student>.html` in a folder, in one step, and return its path.

    Args:
        out: the folder of the grading run.
        grade: what came of the submission.
        mark: penalty and adjustments; the points earned count without it.
        course: its title, time zone and what students are shown.
        title: the lab's title; its name unless told.
    """
    path = Path(out) / "feedback" / f"{safe_name(grade.student)}.html"
    return write_atomically(path, feedback_page(grade, mark, course, title=title))


def feedback_page(
    grade: Grade,
    mark: FinalMark | None = None,
    course: Course | None = None,
    *,
    title: str = "",
) -> str:
    """Return a student's page; see `write_feedback`."""
    course = course or Course()
    grade = _without_paths(grade)
    final = grade.earned if mark is None else mark.final
    judged = grade.status in ("graded", "partly graded")
    percent = 100 * final / grade.points if grade.points else 0
    return render(
        "feedback.html",
        course=course,
        title=title or grade.lab,
        grade=grade,
        final=final,
        percent=round(max(0.0, min(percent, 100.0))),
        tone="full" if judged and final >= grade.points else "part",
        headline=_headline(grade),
        reason="" if grade.status in ("graded", "failed") else grade.reason,
        advice=_ADVICE[grade.status],
        steps=_steps(mark),
        tasks=[_task(task, course) for task in grade.tasks] if judged else [],
        problems=grade.problems[:_PROBLEMS],
        more_problems=max(0, len(grade.problems) - _PROBLEMS),
        repairs=grade.repairs[:_REPAIRS],
        more_repairs=max(0, len(grade.repairs) - _REPAIRS),
        submitted=_time(mark, course),
    )


def _headline(grade: Grade) -> str:
    if grade.status in _HEADLINES:
        return _HEADLINES[grade.status]
    tests = [test for task in grade.tasks for test in task.tests]
    passed = sum(test.status == "passed" for test in tests)
    if tests and passed == len(tests):
        return "Every check passed. Well done."
    if all(test.status == "not started" for test in tests):
        return "You have not started on the tasks in the notebook that you handed in."
    return f"{passed} of {len(tests)} checks passed. What is missing is explained below."


def _steps(mark: FinalMark | None) -> list[dict[str, str]]:
    return [
        {
            "name": _STEPS.get(step.kind, step.kind),
            "reason": step.reason,
            "by": step.by,
            "amount": ("+" if step.amount > 0 else "") + number(step.amount),
        }
        for step in (mark.steps if mark else ())
    ]


def _task(task: Any, course: Course) -> _Task:
    shown: set[str] = set()
    tests = tuple(_test(test, shown, course) for test in task.tests)
    return _Task(task.title, task.earned, task.points, tests)


def _test(test: TestGrade, shown: set[str], course: Course) -> _Test:
    """Return a test as it is shown; a misconception is explained once in each task."""
    note = test.misconception if course.show_misconceptions else None
    if note is not None and note.id in shown:
        note = None
    elif note is not None:
        shown.add(note.id)
    sentence = test.sentence if test.status != "passed" else ""
    return _Test(
        test.law or test.test, test.earned, test.points, *_VERDICTS[test.status], sentence, note
    )


def _time(mark: FinalMark | None, course: Course) -> str:
    try:
        moment = datetime.fromisoformat(mark.submitted_at if mark else "")
    except ValueError:
        return ""
    return course.local(moment)


def safe_name(student: str) -> str:
    """Return a file name for a student: readable, portable, and never that of another.

    A name that had to be changed gets a part of its hash, so that no two become one.

    >>> safe_name("ada"), safe_name("../Zoë O'Neil")
    ('ada', 'Zoë_O_Neil-99db2d4f')
    """
    plain = unicodedata.normalize("NFC", student[:200])
    name = re.sub(r"[^\w.-]+", "_", plain, flags=re.UNICODE).strip("._-")[:60]
    # Windows keeps some names for itself; others look like one that has a hash
    reserved = re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?|.*-[0-9a-f]{8}", name)
    if name and name == student == name.casefold() and not reserved:
        return name
    digest = hashlib.sha256(student.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{name.strip('._-') or 'student'}-{digest}"


def _without_paths(grade: Grade) -> Grade:
    """Return a grade whose texts name no folder of this machine.

    Sentences should hold none; this is the second lock on the same door.
    """

    def hide(text: str) -> str:
        return _OURS.sub("…", text[:_LONGEST])

    tasks = tuple(
        replace(
            task,
            tests=tuple(
                replace(
                    test,
                    sentence=hide(test.sentence),
                    misconception=test.misconception
                    and replace(test.misconception, sentence=hide(test.misconception.sentence)),
                )
                for test in task.tests
            ),
        )
        for task in grade.tasks
    )
    return replace(
        grade,
        reason=hide(grade.reason),
        tasks=tasks,
        problems=tuple(map(hide, grade.problems)),
        repairs=tuple(replace(repair, sentence=hide(repair.sentence)) for repair in grade.repairs),
    )


def _own_folders() -> Sequence[str]:
    package = Path(dllab.__file__).parent
    folders = [package, package.parent, Path.home(), Path.cwd()]
    # "/" and "/usr" are on every machine and tell nothing
    named = {*map(str, folders), sys.prefix, sys.base_prefix} - {"/", "/usr", "/usr/local"}
    return sorted(named, key=len, reverse=True)


_OURS = re.compile("|".join(rf"{re.escape(folder)}(?![\w.-])" for folder in _own_folders()))
