"""From points to marks: deadlines, extensions, late penalties, adjustments.

- `apply(course, entries, extensions, adjustments)`: a `FinalMark` for each entry of a gradebook
- `settle(book, lab, course, …)`: the same, stored, with every change of a mark recorded
- `read_course(path)`, `read_extensions(path)`, `read_adjustments(path)`: what they work from

`course.toml`, all of it optional:

    [course]
    title = "Deep learning, autumn 2026"
    timezone = "Europe/Berlin"       # times without an offset are read in it; UTC unless told
    rounding = 0.5                   # marks are multiples of it, halves go up; 0.01 unless told
    bonus = false                    # whether adjustments may lift a mark above the full points
    show_misconceptions = true       # in the students' feedback

    [late]
    deadline = 2026-11-02T23:59:00   # a date alone means the end of that day
    grace = "15 min"                 # within it nothing is deducted
    penalty = "10 %"                 # of the points earned; a number means points
    per = "day"                      # or "hour"; each one begun counts, from the deadline on
    maximum = "50 %"                 # at most this much; everything unless told
    hard_stop = "7 days"             # after it nothing counts; a time works as well

    [labs."03_backpropagation"]      # any key of [late], for one lab
    deadline = 2026-11-09T23:59:00

`extensions.csv` has the columns student, lab, until, reason; `adjustments.csv` has student, lab,
change or set (points), reason, by. `*` as lab means every lab.

A mark is made in this order:

1. the points earned
2. the late penalty, at most the points earned. An extension moves the deadline and the hard stop
   of one student, and only ever to later; of several, the last one counts. A submission whose
   time is not known is never late, and is listed
3. adjustments: `set` first, then every `change`, so that the order of rows is nothing
4. limits: never below zero, and above the full points only with `bonus = true`
5. rounding

So a mark is the points earned plus the amounts of its steps, and the same files give the same
marks however often they are applied.
"""

import difflib
import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from fractions import Fraction
from typing import TypeVar

from dllab.check.loading import lab_names
from dllab.errors import CourseFileError
from dllab.grading.course import (
    EVERY_LAB,
    Adjustment,
    Course,
    Extension,
    Late,
    instant,
    plain,
    read_adjustments,
    read_course,
    read_extensions,
    same_student,
)
from dllab.grading.gradebook import Change, Entry, FinalMark, Gradebook, MarkStep

__all__ = [
    "Adjustment",
    "Course",
    "Extension",
    "Late",
    "Settlement",
    "apply",
    "read_adjustments",
    "read_course",
    "read_extensions",
    "settle",
]

_CENT = Fraction(1, 100)
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)


@dataclass(frozen=True)
class Settlement:
    """Marks that were stored, what changed, and what a person should look at."""

    marks: tuple[FinalMark, ...]
    changes: tuple[Change, ...]
    warnings: tuple[str, ...]
    untimed: tuple[str, ...]  # students whose time of submission is not known


def settle(
    book: Gradebook,
    lab: str,
    course: Course | None = None,
    extensions: Sequence[Extension] = (),
    adjustments: Sequence[Adjustment] = (),
    who: str = "dllab grade",
) -> Settlement:
    """Make the marks of a lab, store them and record each change with its reason.

    Raises:
        CourseFileError: two rows set a student's mark to different values.
    """
    course = course or Course()
    entries = book.entries(lab)
    marks = apply(course, entries, extensions, adjustments)
    changes = book.store_marks(lab, marks, who)
    due = course.late_for(lab).deadline is not None
    untimed = [entry.student for entry in entries if due and _moment(entry) is None]
    named = [*_named("extensions", extensions, lab), *_named("adjustments", adjustments, lab)]
    warnings = _unknown_students(named, [entry.student for entry in entries])
    warnings += _unknown_labs([*extensions, *adjustments], {lab, *lab_names(), *book.labs()})
    return Settlement(tuple(marks), tuple(changes), tuple(warnings), tuple(untimed))


def apply(
    course: Course,
    entries: Iterable[Entry],
    extensions: Sequence[Extension] = (),
    adjustments: Sequence[Adjustment] = (),
) -> list[FinalMark]:
    """Return the mark of each entry; the same arguments give the same marks.

    Raises:
        CourseFileError: two rows set a student's mark to different values.
    """
    return [_mark(course, entry, extensions, adjustments) for entry in entries]


def _mark(
    course: Course,
    entry: Entry,
    extensions: Sequence[Extension],
    adjustments: Sequence[Adjustment],
) -> FinalMark:
    grade = entry.grade
    earned = Fraction(grade.earned)
    late_steps = _late_steps(course, entry, _for(entry, extensions))
    late = sum((amount for _, amount, _, _ in late_steps), Fraction(0))
    own = _adjustment_steps(earned + late, _for(entry, adjustments), grade.student)
    adjustment = sum((amount for _, amount, _, _ in own), Fraction(0))
    last = _closing_steps(course, earned + late + adjustment, Fraction(grade.points))
    steps = [*late_steps, *own, *last]
    final = earned + sum((amount for _, amount, _, _ in steps), Fraction(0))
    return FinalMark(
        student=grade.student,
        lab=grade.lab,
        attempt=entry.attempt,
        status=grade.status,
        reason=grade.reason,
        earned=grade.earned,
        points=grade.points,
        final=float(final),
        late=float(late),
        adjustment=float(adjustment),
        submitted_at=entry.submitted_at,
        steps=tuple(MarkStep(kind, float(amount), why, by) for kind, amount, why, by in steps),
        attempts=entry.attempts,
    )


_Step = tuple[str, Fraction, str, str]
_Row = TypeVar("_Row", Extension, Adjustment)


# late


def _late_steps(course: Course, entry: Entry, extensions: Sequence[Extension]) -> list[_Step]:
    late = course.late_for(entry.grade.lab)
    if late.deadline is None:
        return []
    deadline, steps = late.deadline, []
    longest = max(extensions, key=lambda row: (row.until, row.reason), default=None)
    if longest is not None and longest.until > deadline:
        deadline = longest.until
        about = f"extended to {course.local(deadline)}"
        why = f"{about}: {longest.reason}" if longest.reason else about
        steps.append(("extension", Fraction(0), why, ""))
    submitted = _moment(entry)
    if submitted is None or submitted <= deadline + late.grace:
        return steps
    earned = Fraction(entry.grade.earned)
    when = f"handed in {_span(submitted - deadline)} after the deadline ({course.local(deadline)})"
    if submitted > _stop(late, deadline, course.zone):
        steps.append(("late", -earned, f"{when}, when nothing counts any more", ""))
        return steps
    begun = _begun(deadline, submitted, late.per, course.zone)
    cost = min(begun * late.penalty.of(earned), late.maximum.of(earned), earned)
    cost = math.floor(cost / _CENT) * _CENT
    if cost:
        units = f"{begun} {late.per}{'s' if begun > 1 else ''} begun, {late.penalty} each"
        steps.append(("late", -cost, f"{when}: {units}, at most {late.maximum}", ""))
    return steps


def _stop(late: Late, deadline: datetime, zone: tzinfo) -> datetime:
    if late.hard_stop is None:
        return datetime.max.replace(tzinfo=UTC)
    if isinstance(late.hard_stop, datetime):
        return max(late.hard_stop, deadline)
    return _later(deadline, late.hard_stop, zone)


def _later(moment: datetime, span: timedelta, zone: tzinfo) -> datetime:
    """Return a moment some days later by the clock on the wall, the rest by the clock's ticking."""
    wall = moment.astimezone(zone).replace(tzinfo=None)
    return instant(wall + timedelta(days=span.days), zone) + (span - timedelta(days=span.days))


def _begun(deadline: datetime, submitted: datetime, per: str, zone: tzinfo) -> int:
    """Return how many hours, or days by the clock on the wall, have begun since the deadline."""
    if per == "hour":
        return math.ceil((submitted - deadline) / _HOUR)
    # A day has 23 to 25 hours where clocks change, so this is at most one too low.
    days = max(1, (submitted - deadline) // _DAY)
    while submitted > _later(deadline, days * _DAY, zone):
        days += 1
    return days


def _moment(entry: Entry) -> datetime | None:
    try:
        moment = datetime.fromisoformat(entry.submitted_at)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _span(span: timedelta) -> str:
    """Return a time span for people.

    >>> _span(timedelta(days=1, hours=2, minutes=5)), _span(timedelta(seconds=30))
    ('1 day 2 h', '1 min')
    """
    minutes = max(1, math.ceil(span / timedelta(minutes=1)))
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} day{'s' if days > 1 else ''}" + (f" {hours} h" if hours else "")
    return " ".join(part for part in (f"{hours} h" * bool(hours), f"{minutes} min") if part)


# adjustments


def _adjustment_steps(before: Fraction, rows: Sequence[Adjustment], student: str) -> list[_Step]:
    steps = []
    told = {row.set for row in rows if row.set is not None}
    if len(told) > 1:
        values = ", ".join(sorted(map(plain, (value for value in told if value is not None))))
        raise CourseFileError(
            f"adjustments should set the mark of {student!r} once, and set it to {values}: "
            "remove all but one of the rows"
        )
    for row in sorted((row for row in rows if row.set is not None), key=_by_text)[:1]:
        assert row.set is not None
        steps.append(
            ("adjustment", row.set - before, f"set to {plain(row.set)}: {row.reason}", row.by)
        )
    for row in sorted((row for row in rows if row.set is None), key=_by_text):
        steps.append(("adjustment", row.change, row.reason, row.by))
    return steps


def _by_text(row: Adjustment) -> tuple[Fraction, str, str]:
    return row.change, row.reason, row.by


def _closing_steps(course: Course, value: Fraction, points: Fraction) -> list[_Step]:
    top = value if course.bonus else points
    kept = max(Fraction(0), min(value, top))
    steps: list[_Step] = []
    if kept != value:
        why = "a mark is never below zero" if value < 0 else f"the lab has {plain(points)} points"
        steps.append(("limit", kept - value, why, ""))
    rounded = math.floor(kept / course.rounding + Fraction(1, 2)) * course.rounding
    if not course.bonus:
        rounded = min(rounded, points)
    if rounded != kept:
        why = f"marks are multiples of {plain(course.rounding)}"
        steps.append(("rounding", rounded - kept, why, ""))
    return steps


# students


def _for(entry: Entry, rows: Sequence[_Row]) -> list[_Row]:
    student, lab = same_student(entry.student), entry.grade.lab
    return [
        row for row in rows if same_student(row.student) == student and row.lab in (lab, EVERY_LAB)
    ]


def _named(
    kind: str, rows: Sequence[Extension] | Sequence[Adjustment], lab: str
) -> Iterator[tuple[str, str]]:
    return ((same_student(row.student), kind) for row in rows if row.lab in (lab, EVERY_LAB))


def _unknown_students(named: Iterable[tuple[str, str]], students: Sequence[str]) -> list[str]:
    known = {same_student(student) for student in students}
    warnings = []
    for student, kind in sorted(set(named)):
        if student not in known:
            guess = _guess(student, known)
            warnings.append(f"{kind}: nobody called {student!r} has handed in{guess}")
    return warnings


def _unknown_labs(rows: Iterable[Extension | Adjustment], known: Collection[str]) -> list[str]:
    unknown = {row.lab for row in rows} - {*known, EVERY_LAB}
    return [
        f"there is no lab {lab!r}, which a row names{_guess(lab, known)}" for lab in sorted(unknown)
    ]


def _guess(word: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f": did you mean {close[0]!r}?" if close else ""
