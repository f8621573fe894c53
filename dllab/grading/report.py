"""What an instructor reads about a class: `report.html` and `grades.csv`.

- `write_report(out, book, lab, settlement)`: the page for the class
- `write_csv(out, marks)`: a row for each student
- `report_page(book, lab, settlement)`: the page as text

In `grades.csv`, text in UTF-8 that a spreadsheet would take for a formula (it begins with `=`,
`+`, `-`, `@`, a tab, or their wide forms, and is no number) has an apostrophe in front.
"""

import csv
import io
import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dllab.grading.course import Course
from dllab.grading.feedback import safe_name
from dllab.grading.files import write_atomically
from dllab.grading.gradebook import Change, Entry, FinalMark, Gradebook, Run
from dllab.grading.measures import discrimination, histogram, share
from dllab.grading.pages import one_line, render
from dllab.grading.policy import Settlement, apply
from dllab.grading.records import NEEDS_PERSON, MisconceptionNote, Repair, TestGrade
from dllab.grading.spreadsheet import defuse, written

__all__ = ["COLUMNS", "report_page", "write_csv", "write_report"]

COLUMNS = (
    "student",
    "lab",
    "status",
    "earned",
    "points",
    "late",
    "adjustment",
    "final",
    "submitted_at",
    "attempts",
    "reason",
)
_SLOW, _CHANGES, _SHARED_NAMES = 8, 200, 30
_BINS = 10
_STATUSES = ("graded", *NEEDS_PERSON)


def write_csv(out: Path, marks: Sequence[FinalMark]) -> Path:
    """Write `grades.csv` into a folder, in one step, and return its path."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for mark in marks:
        writer.writerow(
            (
                defuse(mark.student),
                defuse(mark.lab),
                mark.status,
                mark.earned,
                mark.points,
                written(mark.late),
                written(mark.adjustment),
                written(mark.final),
                mark.submitted_at,
                mark.attempts,
                defuse(one_line(mark.reason)),
            )
        )
    return write_atomically(Path(out) / "grades.csv", text.getvalue())


def write_report(
    out: Path,
    book: Gradebook,
    lab: str,
    settlement: Settlement | None = None,
    course: Course | None = None,
) -> Path:
    """Write `report.html` into a folder, in one step, and return its path.

    Args:
        out: the folder of the grading run.
        book: where the grades are.
        lab: which lab to report on.
        settlement: what `policy.settle` returned; without it no penalty is known.
        course: its title and time zone.
    """
    page = report_page(book, lab, settlement, course)
    return write_atomically(Path(out) / "report.html", page)


def report_page(
    book: Gradebook, lab: str, settlement: Settlement | None = None, course: Course | None = None
) -> str:
    """Return the page for the class; see `write_report`."""
    course = course or Course()
    entries = book.entries(lab)
    marks = settlement.marks if settlement else apply(Course(), entries)
    runs = book.runs(lab)
    judged = [entry for entry in entries if entry.grade.status in ("graded", "partly graded")]
    finals = [mark.final for mark in marks if mark.status == "graded"]
    return render(
        "report.html",
        course=course,
        title=book.labs().get(lab) or lab,
        lab=lab,
        counts=_counts(entries),
        typical=_typical(finals),
        needs=[_need(entry) for entry in entries if entry.grade.status in NEEDS_PERSON],
        warnings=settlement.warnings if settlement else (),
        untimed=settlement.untimed if settlement else (),
        chart=_chart(finals, max((mark.points for mark in marks), default=0)),
        checks=_checks(judged),
        misconceptions=_misconceptions(judged),
        same=_same(entries),
        slow=_slow(entries),
        repairs=_repairs(entries),
        changes=_changes(book.changes(lab), course),
        students=_students(entries, marks),
        run=_facts(runs[-1], course) if runs else [],
    )


# the class


def _counts(entries: Sequence[Entry]) -> list[tuple[str, int]]:
    counted = Counter(entry.grade.status for entry in entries)
    return [(status, counted[status]) for status in _STATUSES]


def _typical(finals: Sequence[float]) -> tuple[float, float] | None:
    return (statistics.fmean(finals), statistics.median(finals)) if finals else None


def _need(entry: Entry) -> dict[str, Any]:
    grade = entry.grade
    return {
        "student": grade.student,
        "page": _page(grade.student),
        "status": grade.status,
        "reason": grade.reason,
        "origin": entry.origin or entry.name,
    }


def _students(entries: Sequence[Entry], marks: Sequence[FinalMark]) -> list[dict[str, Any]]:
    seconds = {entry.student: entry.grade.seconds for entry in entries}
    return [
        {"mark": mark, "page": _page(mark.student), "seconds": seconds.get(mark.student, 0.0)}
        for mark in marks
    ]


def _page(student: str) -> str:
    return f"feedback/{quote(safe_name(student))}.html"


def _slow(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    slowest = sorted(entries, key=lambda entry: -entry.grade.seconds)[:_SLOW]
    return [
        {
            "student": entry.student,
            "seconds": entry.grade.seconds,
            "cpu": entry.grade.cpu_seconds,
            "memory": entry.grade.peak_memory,
            "restarts": entry.grade.restarts,
            "status": entry.grade.status,
        }
        for entry in slowest
        if entry.grade.seconds > 0
    ]


def _same(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return students whose files are the same, byte for byte; empty work is marked as such."""
    groups = defaultdict(list)
    for entry in entries:
        if entry.grade.digest and entry.grade.status != "unreadable":
            groups[entry.grade.digest].append(entry)
    return [
        {
            "students": [entry.student for entry in group[:_SHARED_NAMES]],
            "more": max(0, len(group) - _SHARED_NAMES),
            "earned": group[0].grade.earned,
            "points": group[0].grade.points,
        }
        for group in groups.values()
        if len(group) > 1
    ]


def _repairs(entries: Sequence[Entry]) -> list[tuple[Repair, int]]:
    """Return each kind of repair with one example and in how many submissions it was made."""
    examples: dict[str, Repair] = {}
    counted: Counter[str] = Counter()
    for entry in entries:
        steps = {repair.step: repair for repair in reversed(entry.grade.repairs)}
        counted.update(steps.keys())
        for step, repair in steps.items():
            examples.setdefault(step, repair)
    return [(examples[step], count) for step, count in _by_number(counted)]


def _by_number(counted: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))


# the checks


@dataclass(frozen=True)
class _Check:
    task: str
    law: str
    points: int
    students: int
    passed: float | None
    discrimination: float | None


def _checks(entries: Sequence[Entry]) -> list[_Check]:
    """Return each check of the lab's order; a student for whom it did not run does not count."""
    rows: dict[tuple[str, str], list[tuple[TestGrade, int]]] = defaultdict(list)
    titles = {}
    for entry in entries:
        for task in entry.grade.tasks:
            for test in task.tests:
                if test.status != "not run":
                    rest = entry.grade.earned - test.earned
                    rows[task.task, test.test].append((test, rest))
                    titles[task.task] = task.title
    return [_check(titles[task], results) for (task, _), results in rows.items()]


def _check(title: str, results: Sequence[tuple[TestGrade, int]]) -> _Check:
    test = results[0][0]
    passed = [result.status == "passed" for result, _ in results]
    rest = [float(points) for _, points in results]
    return _Check(
        title,
        test.law or test.test,
        test.points,
        len(results),
        share(passed),
        discrimination(passed, rest),
    )


def _misconceptions(entries: Sequence[Entry]) -> list[tuple[MisconceptionNote, int]]:
    notes: dict[str, MisconceptionNote] = {}
    counted: Counter[str] = Counter()
    for entry in entries:
        tests = (test for task in entry.grade.tasks for test in task.tests)
        own = {test.misconception.id: test.misconception for test in tests if test.misconception}
        counted.update(own.keys())
        notes |= own
    return [(notes[id], count) for id, count in _by_number(counted)]


# times and changes


def _changes(changes: Sequence[Change], course: Course) -> dict[str, Any]:
    """Return changes of marks, the newest first, apart from how first marks were made."""
    told = [
        replace(change, time=_local(change.time, course))
        for change in reversed(changes)
        if change.reason != "first mark"
    ]
    later = [change for change in told if change.old is not None]
    first = [change for change in told if change.old is None]
    return {"later": later[:_CHANGES], "more": max(0, len(later) - _CHANGES), "first": first}


def _facts(run: Run, course: Course) -> list[tuple[str, str]]:
    # the page is part of the run, so that the run may not have ended yet
    ended = _moment(run.ended) if run.ended else datetime.now(UTC)
    facts = [
        ("Began", _local(run.started, course)),
        ("Took", _took(ended - _moment(run.started))),
        ("Sandbox", run.sandbox or "not known"),
    ]
    facts += [(name, str(value)) for name, value in sorted(run.versions.items())]
    facts += [
        (f"--{name.replace('_', '-')}", str(value))
        for name, value in sorted(run.options.items())
        if name != "seed"  # a page that is shown around should not hold it
    ]
    return facts


def _took(span: timedelta) -> str:
    minutes, seconds = divmod(round(span.total_seconds()), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _local(text: str, course: Course) -> str:
    try:
        return course.local(_moment(text))
    except ValueError:
        return text


# the chart


def _chart(finals: Sequence[float], points: int) -> dict[str, Any] | None:
    """Return the bars of a histogram of marks, in the coordinates of a picture 640 wide."""
    if not finals or points <= 0:
        return None
    bins = min(_BINS, points)
    counts = histogram(finals, points, bins)
    edges = [points * index / bins for index in range(bins + 1)]
    left, width, top, height = 40, 590, 24, 170
    step, tallest = width / bins, max(counts)
    bars = [
        {
            "x": round(left + index * step + 2, 1),
            "y": round(top + height * (1 - count / tallest), 1),
            "width": round(step - 4, 1),
            "height": round(height * count / tallest, 1),
            "middle": round(left + (index + 0.5) * step, 1),
            "count": count,
            "label": _interval(edges[index], edges[index + 1], index == bins - 1),
        }
        for index, count in enumerate(counts)
    ]
    ticks = [
        {"x": round(left + index * step, 1), "label": written(edge)}
        for index, edge in enumerate(edges)
    ]
    best = bars[counts.index(tallest)]
    description = (
        f"{len(finals)} marks from {written(min(finals))} to {written(max(finals))} of {points} "
        f"points; most of them, {best['count']}, lie in {best['label']}."
    )
    return {"bars": bars, "ticks": ticks, "base": top + height, "description": description}


def _interval(low: float, high: float, last: bool) -> str:
    return (
        f"{written(low)} to {written(high)}" if last else f"{written(low)} to under {written(high)}"
    )
