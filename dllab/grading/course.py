"""What an instructor writes down: `course.toml`, extensions and adjustments.

- `read_course(path, labs)`: a `Course`; `Late` is its rules for one lab
- `read_extensions(path, course)`, `read_adjustments(path)`: rows of two CSV files, with warnings

See `policy` for what the keys and columns mean. Whatever is written wrongly is a
`CourseFileError` that names the file, the key or line, what was expected and what is there.
"""

import csv
import difflib
import io
import re
import tomllib
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from dllab.errors import CourseFileError

__all__ = [
    "EVERY_LAB",
    "Adjustment",
    "Amount",
    "Course",
    "Extension",
    "Late",
    "instant",
    "plain",
    "read_adjustments",
    "read_course",
    "read_extensions",
    "same_student",
]

EVERY_LAB = "*"
_UNITS = {"min": 60, "minute": 60, "h": 3600, "hour": 3600, "day": 86400, "week": 604800}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(min|minute|h|hour|day|week)s?\Z")
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%\Z")
_SHOWN_FAULTS = 10


@dataclass(frozen=True)
class Amount:
    """A part of the points earned, or points; `str` gives it as it is written."""

    share: Fraction = Fraction(0)
    points: Fraction = Fraction(0)

    def of(self, earned: Fraction) -> Fraction:
        """Return how many points it is."""
        return self.share * earned + self.points

    def __str__(self) -> str:
        return f"{plain(self.share * 100)} %" if self.share else f"{plain(self.points)} points"


@dataclass(frozen=True)
class Late:
    """When a lab is due and what being late costs; times know their zone."""

    deadline: datetime | None = None
    grace: timedelta = timedelta(0)
    penalty: Amount = Amount()
    per: str = "day"
    maximum: Amount = Amount(share=Fraction(1))
    hard_stop: timedelta | datetime | None = None


@dataclass(frozen=True)
class Course:
    """What `course.toml` says; without one, nothing is ever late."""

    title: str = ""
    timezone: str = "UTC"
    rounding: Fraction = Fraction(1, 100)
    bonus: bool = False
    show_misconceptions: bool = True
    late: Late = Late()
    labs: Mapping[str, Late] = field(default_factory=dict)

    @property
    def zone(self) -> tzinfo:
        """The time zone of the course."""
        return UTC if self.timezone == "UTC" else ZoneInfo(self.timezone)

    def late_for(self, lab: str) -> Late:
        """Return what holds for a lab."""
        return self.labs.get(lab, self.late)

    def local(self, moment: datetime) -> str:
        """Return a time as people of the course read it."""
        there = moment.astimezone(self.zone)
        return f"{there:%Y-%m-%d %H:%M} {there.tzname()}"


@dataclass(frozen=True)
class Extension:
    """More time for a student; `until` knows its zone."""

    student: str
    lab: str
    until: datetime
    reason: str


@dataclass(frozen=True)
class Adjustment:
    """Points that a person adds or takes (`change`), or says (`set`)."""

    student: str
    lab: str
    reason: str
    by: str = ""
    change: Fraction = Fraction(0)
    set: Fraction | None = None


def instant(local: datetime, zone: tzinfo) -> datetime:
    """Return the moment, in UTC, at which a clock in a zone shows a time.

    Where clocks go back, the time comes twice and the later one is meant; where they go forward,
    it never comes, and the later reading is meant: nobody is late by the change of clocks.
    """
    if local.tzinfo is not None:
        return local.astimezone(UTC)
    return max(local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))


def same_student(student: str) -> str:
    """Return a student's name in one form: `é` may be one character or two."""
    return unicodedata.normalize("NFC", student).strip()


def plain(number: Fraction) -> str:
    """Return a number with at most two decimals, without zeros that say nothing.

    >>> plain(Fraction(5, 2)), plain(Fraction(10)), plain(Fraction(1, 3))
    ('2.5', '10', '0.33')
    """
    text = f"{float(number):.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


# course.toml


def read_course(path: Path, labs: Collection[str] = ()) -> Course:
    """Return the course that a `course.toml` describes.

    Args:
        path: the file.
        labs: the names of all labs, to find a misspelled one; none are checked without it.

    Raises:
        CourseFileError: it cannot be read, or a key or value is wrong.
    """
    path = Path(path)
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CourseFileError(f"{path.name} should be a TOML file in UTF-8: {error}") from error
    _refuse_unknown(path, "", entries, ("course", "late", "labs"))
    general = _section(path, "course", entries.get("course", {}), _COURSE)
    course = Course(**general)
    parsers = _late_parsers(course.zone)
    late = _late(path, "late", Late(), entries.get("late", {}), parsers)
    own = entries.get("labs", {})
    _expect_table(path, "labs", own)
    if labs:
        _refuse_unknown(path, "labs", own, labs)
    each = {lab: _late(path, f'labs."{lab}"', late, rules, parsers) for lab, rules in own.items()}
    return replace(course, late=late, labs=each)


def _late(
    path: Path, name: str, base: Late, entries: Any, parsers: Mapping[str, "_Parser"]
) -> Late:
    late = replace(base, **_section(path, name, entries, parsers))
    stop = late.hard_stop
    before = (
        isinstance(stop, datetime) and late.deadline is not None and stop < late.deadline
    ) or (isinstance(stop, timedelta) and stop < late.grace)
    if before:
        raise CourseFileError(
            f"{path.name}: `{name}.hard_stop` should come after the deadline and its grace, and "
            "comes before: change one of them"
        )
    return late


_Parser = Callable[[Any], Any]


def _section(path: Path, name: str, entries: Any, parsers: Mapping[str, _Parser]) -> dict[str, Any]:
    _expect_table(path, name, entries)
    _refuse_unknown(path, name, entries, parsers)
    values = {}
    for key, value in entries.items():
        try:
            values[key] = parsers[key](value)
        except ValueError as error:
            raise CourseFileError(
                f"{path.name}: `{name}.{key}` should be {error}, and is {_shown(value)}"
            ) from None
    return values


def _expect_table(path: Path, name: str, entries: Any) -> None:
    if not isinstance(entries, dict):
        raise CourseFileError(f"{path.name}: `{name}` should be a table, and is {_shown(entries)}")


def _refuse_unknown(path: Path, name: str, entries: Mapping[str, Any], known: Any) -> None:
    for key in entries:
        if key not in known:
            full = f"{name}.{key}" if name else key
            listed = ", ".join(known)
            raise CourseFileError(
                f"{path.name}: there is no key `{full}`: {_guess(key, known)}"
                f"expected is one of {listed}"
            )


def _guess(word: str, known: Any) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}? " if close else ""


def _shown(value: Any) -> str:
    text = repr(value) if not isinstance(value, (date, time)) else value.isoformat()
    return text if len(text) <= 80 else text[:80] + " …"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _parse_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("text in quotes")
    return value


def _parse_flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _parse_zone(value: Any) -> str:
    try:
        ZoneInfo(value)
    except Exception:  # a wrong type, a wrong name or a path: each has an exception of its own
        raise ValueError('the name of a time zone, such as "Europe/Berlin"') from None
    return str(value)


def _parse_rounding(value: Any) -> Fraction:
    if not _is_number(value) or not 0.01 <= value <= 100:
        raise ValueError("a number of points from 0.01 to 100, such as 0.5")
    return Fraction(str(value))


def _parse_amount(value: Any) -> Amount:
    if _is_number(value) and 0 <= value <= 1e6:
        return Amount(points=Fraction(str(value)))
    match = _SHARE.match(value.strip()) if isinstance(value, str) else None
    if match is None or Fraction(match[1]) > 100:
        raise ValueError('a part of the points earned such as "10 %", or a number of points')
    return Amount(share=Fraction(match[1]) / 100)


def _parse_duration(value: Any) -> timedelta:
    match = _DURATION.match(value.strip()) if isinstance(value, str) else None
    if match is None or float(match[1]) > 10_000:
        raise ValueError('a number and a unit, such as "15 min", "2 hours" or "7 days"')
    return timedelta(seconds=float(match[1]) * _UNITS[match[2]])


def _parse_per(value: Any) -> str:
    if value not in ("day", "hour"):
        raise ValueError('"day" or "hour"')
    return str(value)


def _parse_moment(value: Any, zone: tzinfo) -> datetime:
    if isinstance(value, str):
        value = _from_text(value)
    try:
        if isinstance(value, datetime):
            return instant(value, zone)
        if isinstance(value, date):
            return instant(datetime.combine(value, time.max), zone)
    except OverflowError:
        pass
    raise ValueError('a date or a date and time, such as "2026-11-02 23:59"')


def _from_text(text: str) -> datetime | date | None:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        return None


_COURSE: dict[str, _Parser] = {
    "title": _parse_text,
    "timezone": _parse_zone,
    "rounding": _parse_rounding,
    "bonus": _parse_flag,
    "show_misconceptions": _parse_flag,
}


def _late_parsers(zone: tzinfo) -> dict[str, _Parser]:
    def moment(value: Any) -> datetime:
        return _parse_moment(value, zone)

    def stop(value: Any) -> datetime | timedelta:
        try:
            return _parse_duration(value)
        except ValueError:
            pass
        try:
            return moment(value)
        except ValueError:
            raise ValueError('a time after the deadline such as "7 days", or a date') from None

    parsers: dict[str, _Parser] = {
        "deadline": moment,
        "grace": _parse_duration,
        "penalty": _parse_amount,
        "per": _parse_per,
        "maximum": _parse_amount,
        "hard_stop": stop,
    }
    assert parsers.keys() == {entry.name for entry in fields(Late)}
    return parsers


# CSV files


def read_extensions(path: Path, course: Course | None = None) -> list[Extension]:
    """Return the rows of a file of extensions.

    Args:
        path: a CSV file with the columns student, lab, until, reason.
        course: whose time zone holds for times without one.

    Raises:
        CourseFileError: names each row that is wrong.
    """
    zone = (course or Course()).zone

    def parse(row: Mapping[str, str]) -> Extension:
        try:
            until = _parse_moment(row["until"], zone)
        except ValueError as error:
            raise ValueError(f"`until` should be {error}, and is {_shown(row['until'])}") from None
        return Extension(_needed(row, "student"), _needed(row, "lab"), until, row["reason"])

    return _parse_rows(path, ("student", "lab", "until", "reason"), parse)


def read_adjustments(path: Path) -> list[Adjustment]:
    """Return the rows of a file of adjustments.

    Args:
        path: a CSV file with the columns student, lab, change and set (one of them filled),
            reason, by.

    Raises:
        CourseFileError: names each row that is wrong.
    """
    columns = ("student", "lab", "change", "set", "reason", "by")
    optional = ("change", "set", "by")
    return _parse_rows(path, columns, _adjustment, optional, _refuse_second_set)


def _refuse_second_set(record: Adjustment, earlier: Mapping[Adjustment, int]) -> None:
    for other, line in earlier.items():
        alike = same_student(other.student) == same_student(record.student)
        alike &= other.lab == record.lab or EVERY_LAB in (other.lab, record.lab)
        if alike and None not in (other.set, record.set) and other.set != record.set:
            raise ValueError(f"line {line} sets the same mark to another value: remove one")


def _adjustment(row: Mapping[str, str]) -> Adjustment:
    if bool(row["change"]) == bool(row["set"]):
        both = "both are" if row["change"] else "neither is"
        raise ValueError(f"one of `change` and `set` should be filled, and {both}")
    key = "change" if row["change"] else "set"
    value = _points(key, row[key])
    student, lab, reason = (_needed(row, name) for name in ("student", "lab", "reason"))
    if key == "change":
        return Adjustment(student, lab, reason, row["by"], change=value)
    if value < 0:
        raise ValueError(f"`set` should not be below zero, and is {_shown(row[key])}")
    return Adjustment(student, lab, reason, row["by"], set=value)


def _needed(row: Mapping[str, str], name: str) -> str:
    if not row[name]:
        raise ValueError(f"`{name}` should be filled, and is empty")
    return row[name]


def _points(name: str, text: str) -> Fraction:
    # spreadsheets of half of the world write a decimal comma, some a minus sign of its own
    try:
        value = Decimal(text.replace(",", ".").replace("−", "-"))
        fine = value.is_finite() and abs(value) <= 10**6
    except InvalidOperation:
        fine = False
    if not fine:
        raise ValueError(f"`{name}` should be a number of points, and is {_shown(text)}")
    return Fraction(value)


def _parse_rows(
    path: Path,
    columns: Sequence[str],
    parse: Callable[[Mapping[str, str]], Any],
    optional: Collection[str] = (),
    refuse: Callable[[Any, Mapping[Any, int]], None] = lambda record, earlier: None,
) -> list[Any]:
    """Parse each row; report all that are wrong at once, and rows that say the same twice."""
    parsed: dict[Any, int] = {}
    faults = []
    for line, row in _rows(Path(path), columns, optional):
        try:
            record = parse(row)
            if record in parsed:
                raise ValueError(f"the row says the same as line {parsed[record]}: remove one")
            refuse(record, parsed)
        except ValueError as error:
            faults.append(f"{Path(path).name}, line {line}: {error}")
            continue
        parsed[record] = line
    if faults:
        more = len(faults) - _SHOWN_FAULTS
        rest = [f"and {more} more rows"] if more > 0 else []
        raise CourseFileError("\n".join([*faults[:_SHOWN_FAULTS], *rest]))
    return list(parsed)


def _rows(
    path: Path, columns: Sequence[str], optional: Collection[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    text = _decoded(path)
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            if header is None:
                header = _header(path, cells, columns, optional)
            elif any(cells[len(header) :]):
                raise CourseFileError(
                    f"{path.name}, line {reader.line_num}: the row has {len(cells)} cells and the "
                    f"header {len(header)}: put text that holds {delimiter!r} in double quotes"
                )
            else:
                row = dict.fromkeys(columns, "") | dict(zip(header, cells, strict=False))
                yield reader.line_num, row
    except csv.Error as error:
        raise CourseFileError(f"{path.name}, line {reader.line_num}: {error}") from error
    if header is None:
        raise CourseFileError(f"{path.name} should have a row of column names, and is empty")


def _header(
    path: Path, cells: Sequence[str], columns: Sequence[str], optional: Collection[str]
) -> list[str]:
    names = [cell.casefold() for cell in cells]
    while names and not names[-1]:
        names.pop()
    for name in names:
        if name not in columns:
            raise CourseFileError(
                f"{path.name}: there is no column {name!r}: {_guess(name, columns)}"
                f"expected are {', '.join(columns)}"
            )
    missing = [name for name in columns if name not in names and name not in optional]
    if missing or len(set(names)) < len(names):
        problem = f"lacks {', '.join(missing)}" if missing else "names one column twice"
        raise CourseFileError(
            f"{path.name}: the header should name {', '.join(columns)}, and {problem}"
        )
    return names


def _decoded(path: Path) -> str:
    """Return the text, also where a spreadsheet saved it in the encoding of its country."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CourseFileError(f"{path} cannot be read: {error.strerror}") from error
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise CourseFileError(f"{path.name} should be a CSV file: save it as CSV with encoding UTF-8")
