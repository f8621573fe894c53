"""Marks follow from points by rules that can be checked by hand, and say how they came about."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from textwrap import dedent

import pytest
import samples
from hypothesis import given
from hypothesis import strategies as st
from samples import LAB, a_grade

from dllab.errors import CourseFileError
from dllab.grading.course import Amount, Late, instant
from dllab.grading.gradebook import Entry
from dllab.grading.policy import (
    Adjustment,
    Course,
    Extension,
    apply,
    read_adjustments,
    read_course,
    read_extensions,
    settle,
)

DEADLINE = datetime(2026, 11, 2, 23, 59, tzinfo=UTC)
LATE = Late(
    DEADLINE,
    grace=timedelta(minutes=15),
    penalty=Amount(share=Fraction(1, 10)),
    maximum=Amount(share=Fraction(1, 2)),
    hard_stop=timedelta(days=7),
)
COURSE = Course(late=LATE)


def _entry(late=timedelta(0), student="ada", skill=2.0, submitted_at=None):
    time = (DEADLINE + late).isoformat() if submitted_at is None else submitted_at
    return Entry(a_grade(student, skill), 1, 1, 0, "lab.ipynb", "", time, "")


def _final(late, course=COURSE, **options):
    [mark] = apply(course, [_entry(late)], **options)
    return mark.final


def _toml(tmp_path, text):
    path = tmp_path / "course.toml"
    path.write_text(dedent(text), encoding="utf-8")
    return path


# late


@pytest.mark.parametrize(
    ("late", "final"),
    [
        (timedelta(minutes=-1), 20),
        (timedelta(0), 20),
        (timedelta(minutes=15), 20),  # the last second of grace
        (timedelta(minutes=15, seconds=1), 18),
        (timedelta(days=1), 18),
        (timedelta(days=1, seconds=1), 16),
        (timedelta(days=4), 12),
        (timedelta(days=6), 10),  # six days are 60 %, and 50 % is the most
        (timedelta(days=7), 10),
        (timedelta(days=7, seconds=1), 0),
    ],
)
def test_each_day_begun_costs_its_part(late, final):
    """Ten percent of 20 points a day, after 15 minutes of grace, at most half, nothing after 7."""
    assert _final(late) == final


def test_hours_and_points_count_as_well():
    """A penalty may be points an hour, and is never more than was earned."""
    hourly = replace(LATE, penalty=Amount(points=Fraction(3, 2)), per="hour", hard_stop=None)
    course = Course(late=replace(hourly, maximum=Amount(points=Fraction(30))))
    assert _final(timedelta(minutes=61), course) == 17
    assert _final(timedelta(hours=100), course) == 0


@given(
    st.timedeltas(timedelta(days=-2), timedelta(days=12)),
    st.timedeltas(timedelta(0), timedelta(days=3)),
    st.fractions(0, 1),
    st.fractions(0, 1),
    st.sampled_from(["day", "hour"]),
    st.sampled_from([0.01, 0.5, 1, 3]),
    st.sampled_from([0.8, 1.1, 2.0]),
)
def test_a_mark_is_within_bounds_and_never_better_for_being_later(
    late, more, share, most, per, rounding, skill
):
    """The mark lies from zero to the points earned, falls with time, and is the sum of steps."""
    rules = replace(LATE, penalty=Amount(share=share), maximum=Amount(share=most), per=per)
    exact = Course(late=rules)
    [first] = apply(exact, [_entry(late, skill=skill)])
    [second] = apply(exact, [_entry(late + more, skill=skill)])
    assert 0 <= second.final <= first.final <= first.earned
    [rounded] = apply(replace(exact, rounding=Fraction(str(rounding))), [_entry(late, skill=skill)])
    assert 0 <= rounded.final <= rounded.points
    total = rounded.earned + sum(step.amount for step in rounded.steps)
    assert rounded.final == pytest.approx(total, abs=1e-9)
    assert abs(rounded.final - first.final) <= rounding / 2 + 1e-9 or rounded.final == 20


@pytest.mark.parametrize("time", ["", "yesterday", "2026-13-40"])
def test_without_a_time_nobody_is_late_and_somebody_is_told(tmp_path, time):
    """A submission whose time is not known keeps its points and is listed."""
    [mark] = apply(COURSE, [_entry(submitted_at=time)])
    assert (mark.final, mark.steps) == (20, ())
    with samples.filled(tmp_path) as book:
        settlement = settle(book, LAB, COURSE)
    assert settlement.untimed == ("edsger",)


def test_times_without_a_zone_are_utc():
    """What a platform writes without an offset is UTC, as the records say."""
    [mark] = apply(COURSE, [_entry(submitted_at="2026-11-03T23:58:00")])
    assert mark.final == 18


# time zones


def test_a_deadline_is_read_in_the_zone_of_the_course(tmp_path):
    """23:59 in Berlin is 22:59 UTC in winter and 21:59 UTC in summer; a date ends with its day."""
    text = """
        [course]
        timezone = "Europe/Berlin"
        [labs.winter]
        deadline = 2026-11-02T23:59:00
        [labs.summer]
        deadline = "2026-07-02 23:59"
        [labs.day]
        deadline = 2026-07-02
        [labs.offset]
        deadline = 2026-07-02T23:59:00Z
    """
    labs = read_course(_toml(tmp_path, text)).labs
    assert labs["winter"].deadline == datetime(2026, 11, 2, 22, 59, tzinfo=UTC)
    assert labs["summer"].deadline == datetime(2026, 7, 2, 21, 59, tzinfo=UTC)
    assert labs["day"].deadline == datetime(2026, 7, 2, 21, 59, 59, 999999, tzinfo=UTC)
    assert labs["offset"].deadline == datetime(2026, 7, 2, 23, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("deadline", "hours"),
    [((2026, 10, 24, 12), 25), ((2026, 3, 28, 12), 23), ((2026, 5, 1, 12), 24)],
)
def test_a_day_ends_at_the_same_time_on_the_wall(deadline, hours):
    """Where clocks change over night, a day is 25 or 23 hours: noon to noon is one day late."""
    zone = Course(timezone="Europe/Berlin").zone
    due = instant(datetime(*deadline), zone)
    course = Course(timezone="Europe/Berlin", late=replace(LATE, deadline=due))
    noon = due + timedelta(hours=hours)
    for time, final in [(noon, 18), (noon + timedelta(seconds=1), 16)]:
        assert apply(course, [_entry(submitted_at=time.isoformat())])[0].final == final
    stop = instant(datetime(*deadline) + timedelta(days=7), zone)
    for time, final in [(stop, 10), (stop + timedelta(seconds=1), 0)]:
        assert apply(course, [_entry(submitted_at=time.isoformat())])[0].final == final


def test_no_clock_change_makes_anybody_late():
    """A time that comes twice means the second; one that never comes means the later reading."""
    zone = Course(timezone="Europe/Berlin").zone
    assert instant(datetime(2026, 10, 25, 2, 30), zone) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert instant(datetime(2026, 3, 29, 2, 30), zone) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


# extensions and adjustments


def test_an_extension_moves_the_deadline_and_the_hard_stop_of_one_student():
    """More time counts for its student and lab only, in days from the new deadline on."""
    longer = Extension("ada", LAB, DEADLINE + timedelta(days=3), "Illness")
    entries = [_entry(timedelta(days=4)), _entry(timedelta(days=4), "alan")]
    ada, alan = apply(COURSE, entries, [longer])
    assert (ada.final, alan.final) == (18, 12)
    assert "extended to 2026-11-05 23:59 UTC: Illness" in ada.steps[0].reason
    assert _final(timedelta(days=9), extensions=[longer]) == 10
    assert _final(timedelta(days=4), extensions=[replace(longer, lab="other")]) == 12
    assert _final(timedelta(days=4), extensions=[replace(longer, lab="*")]) == 18
    fixed = replace(COURSE, late=replace(LATE, hard_stop=DEADLINE + timedelta(days=2)))
    assert _final(timedelta(days=3), fixed) == 0
    assert _final(timedelta(days=3), fixed, extensions=[longer]) == 20


def test_an_extension_never_takes_time_away():
    """An extension that ends before the deadline changes nothing."""
    earlier = Extension("ada", LAB, DEADLINE - timedelta(days=3), "typed wrongly")
    [mark] = apply(COURSE, [_entry()], [earlier])
    assert (mark.final, mark.steps) == (20, ())


def test_adjustments_come_after_the_penalty():
    """`set` says the mark, changes add to it, and each step names its person."""
    rows = [
        Adjustment("ada", LAB, "a talk", "prof", change=Fraction(3, 2)),
        Adjustment("ada", "*", "oral check", "tutor", set=Fraction(12)),
    ]
    [mark] = apply(COURSE, [_entry(timedelta(days=1))], (), rows)
    assert (mark.earned, mark.late, mark.adjustment, mark.final) == (20, -2, -4.5, 13.5)
    assert [(step.kind, step.amount, step.by) for step in mark.steps] == [
        ("late", -2, ""),
        ("adjustment", -6, "tutor"),
        ("adjustment", 1.5, "prof"),
    ]


def test_a_name_may_be_written_in_two_ways():
    """`é` of one character or of two is the same student."""
    row = Adjustment("Jose\u0301", LAB, "a talk", change=Fraction(-1))
    [mark] = apply(COURSE, [_entry(student="Jos\u00e9")], (), [row])
    assert mark.final == 19


@given(
    st.lists(
        st.tuples(st.sampled_from(["ada", "alan"]), st.integers(-50, 50), st.text(max_size=3)),
        max_size=6,
    ),
    st.lists(st.integers(-5, 9), max_size=4),
    st.randoms(),
)
def test_the_order_of_rows_is_nothing(changes, days, shuffle):
    """Rows in any order give the same marks, steps included, within 0 and the full points."""
    adjustments = [
        Adjustment(who, LAB, why, change=Fraction(points, 4)) for who, points, why in changes
    ]
    extensions = [Extension("ada", LAB, DEADLINE + timedelta(days=day), str(day)) for day in days]
    entries = [_entry(timedelta(days=2)), _entry(timedelta(days=2), "alan", 1.1)]
    marks = apply(COURSE, entries, extensions, adjustments)
    shuffle.shuffle(adjustments)
    shuffle.shuffle(extensions)
    assert apply(COURSE, entries, extensions, adjustments) == marks
    assert all(0 <= mark.final <= mark.points for mark in marks)


def test_a_bonus_needs_permission():
    """An adjustment lifts a mark above the full points only where the course says so."""
    row = Adjustment("ada", LAB, "found a mistake", change=Fraction(2))
    assert _final(timedelta(0), adjustments=[row]) == 20
    assert _final(timedelta(0), replace(COURSE, bonus=True), adjustments=[row]) == 22


@pytest.mark.parametrize(
    ("change", "rounding", "final"),
    [("-0.25", "0.5", 20), ("-0.26", "0.5", 19.5), ("-1.24", "0.5", 19), ("-0.5", "3", 20)],
)
def test_marks_are_rounded_halves_up(change, rounding, final):
    """Halves go up, and rounding never lifts a mark above the full points."""
    row = Adjustment("ada", LAB, "why", change=Fraction(change))
    course = replace(COURSE, rounding=Fraction(rounding))
    assert _final(timedelta(0), course, adjustments=[row]) == final


# in the gradebook


def test_settling_twice_changes_nothing_and_a_removed_row_is_recorded(tmp_path):
    """Each change of a mark is recorded once, a row that was taken back as well."""
    row = Adjustment("ada", LAB, "a talk", "prof", change=Fraction(-2))
    with samples.filled(tmp_path) as book:
        assert len(settle(book, LAB, COURSE).changes) == 30
        assert settle(book, LAB, COURSE).changes == ()
        [change] = settle(book, LAB, COURSE, adjustments=[row], who="me").changes
        assert (change.student, change.old, change.new, change.who) == ("ada", 20, 18, "me")
        assert change.reason == "adjustment -2: a talk (prof)"
        assert settle(book, LAB, COURSE, adjustments=[row]).changes == ()
        [change] = settle(book, LAB, COURSE).changes
        assert (change.old, change.new) == (18, 20)
        assert change.reason == "no longer: adjustment -2: a talk (prof)"
        assert tuple(book.marks(LAB)) == settle(book, LAB, COURSE).marks


def test_names_that_nobody_has_are_told(tmp_path):
    """A misspelled student or lab is a warning with a guess, and stops nothing."""
    rows = [Extension("Ada", LAB, DEADLINE, ""), Extension("ada", "03_backprop", DEADLINE, "")]
    with samples.filled(tmp_path) as book:
        warnings = settle(book, LAB, COURSE, rows).warnings
    assert warnings == (
        "extensions: nobody called 'Ada' has handed in: did you mean 'ada'?",
        f"there is no lab '03_backprop', which a row names: did you mean {LAB!r}?",
    )


# course.toml


def test_everything_in_course_toml_is_optional_and_labs_inherit(tmp_path):
    """An empty file is a course without deadlines; a lab's rules begin with the course's."""
    assert read_course(_toml(tmp_path, "")) == Course()
    text = """
        [course]
        title = "Deep learning"
        rounding = 0.5
        bonus = true
        show_misconceptions = false
        [late]
        deadline = 2026-11-02T23:59:00Z
        grace = "15 min"
        penalty = "10 %"
        maximum = "50 %"
        hard_stop = "7 days"
        [labs."03_backpropagation"]
        penalty = 2
        per = "hour"
    """
    course = read_course(_toml(tmp_path, text), [LAB])
    assert course.late == LATE
    assert course.late_for(LAB) == replace(LATE, penalty=Amount(points=Fraction(2)), per="hour")
    assert course.late_for("01_other") == LATE
    assert (course.title, course.bonus, course.rounding) == ("Deep learning", True, Fraction(1, 2))


def test_the_example_in_the_documentation_is_valid(tmp_path):
    """What the module's docstring shows can be used as it is."""
    import dllab.grading.policy as policy

    lines = policy.__doc__.splitlines()
    example = "\n".join(line[4:] for line in lines if line.startswith("    "))
    course = read_course(_toml(tmp_path, example), [LAB])
    assert course.late_for(LAB).deadline == datetime(2026, 11, 9, 22, 59, tzinfo=UTC)
    assert course.late.hard_stop == timedelta(days=7)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[cours]", "no key `cours`: did you mean 'course'?"),
        ("[late]\npenalti = 1", "no key `late.penalti`: did you mean 'penalty'?"),
        ("[labs.03_backprop]", "no key `labs.03_backprop`: did you mean '03_backpropagation'?"),
        ('[labs."03_backpropagation"]\ngrase="1 h"', 'no key `labs."03_backpropagation".grase`'),
        ("late = 3", "`late` should be a table, and is 3"),
        ("[late]\ndeadline = 'soon'", "`late.deadline` should be a date .*, and is 'soon'"),
        ("[late]\ngrace = 15", "`late.grace` should be a number and a unit.*, and is 15"),
        ("[late]\npenalty = '10'", "`late.penalty` should be a part of the points.*, and is '10'"),
        ("[late]\npenalty = '101 %'", "`late.penalty` should be"),
        ("[late]\npenalty = -1", "`late.penalty` should be"),
        ("[late]\npenalty = nan", "`late.penalty` should be"),
        ("[late]\npenalty = true", "`late.penalty` should be"),
        ("[late]\nper = 'week'", '`late.per` should be "day" or "hour", and is \'week\''),
        ("[course]\ntimezone = 'Mars/Base'", "`course.timezone` should be the name of a time zone"),
        ("[course]\ntimezone = '../../etc/passwd'", "`course.timezone` should be"),
        ("[course]\nrounding = 0", "`course.rounding` should be"),
        ("[course]\nbonus = 'yes'", "`course.bonus` should be true or false, and is 'yes'"),
        ("[course]\ntitle = 3", "`course.title` should be text in quotes, and is 3"),
        ("[late]\ndeadline=2026-11-02\nhard_stop=2026-11-01", "`late.hard_stop` should come after"),
        ("[late]\ngrace='2 h'\nhard_stop='1 h'", "`late.hard_stop` should come after"),
        ("[late", "should be a TOML file"),
    ],
)
def test_what_is_written_wrongly_is_named(tmp_path, text, words):
    """An error names the file, the key, what was expected and what is there."""
    with pytest.raises(CourseFileError, match=words) as caught:
        read_course(_toml(tmp_path, text), [LAB])
    assert str(caught.value).startswith("course.toml")


# CSV files


@pytest.mark.parametrize(
    "content",
    [
        f"student,lab,until,reason\nZoë,{LAB},2026-11-05 12:00,Illness\n".encode(),
        f"\ufeffstudent;lab;until;reason\r\n\r\nZoë;{LAB};2026-11-05T12:00Z;Illness\r\n".encode(),
        f"Reason\tLab\tUntil\tStudent\n\t\t\t\nIllness\t{LAB}\t2026-11-05T12:00\tZoë\n\n".encode(),
        f"student;lab;until;reason;\nZoë; {LAB} ;2026-11-05T12:00;Illness;\n".encode("cp1252"),
        f"student\tlab\tuntil\treason\nZoë\t{LAB}\t2026-11-05T12:00\tIllness\n".encode("utf-16"),
    ],
)
def test_tables_of_any_spreadsheet_are_read(tmp_path, content):
    """Delimiters, byte order marks, encodings, blank lines and the order of columns vary."""
    path = tmp_path / "extensions.csv"
    path.write_bytes(content)
    until = datetime(2026, 11, 5, 12, 0, tzinfo=UTC)
    assert read_extensions(path) == [Extension("Zoë", LAB, until, "Illness")]


def test_points_may_have_a_comma_and_reasons_too(tmp_path):
    """`1,5` is one and a half, a quoted reason may hold anything."""
    path = tmp_path / "adjustments.csv"
    path.write_text('student;lab;change;set;reason;by\nada;*;-1,5;;"a; b\nc";prof\nalan;*;;12;x;\n')
    assert read_adjustments(path) == [
        Adjustment("ada", "*", "a; b\nc", "prof", change=Fraction(-3, 2)),
        Adjustment("alan", "*", "x", "", set=Fraction(12)),
    ]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("ada,*,x,,why,me", "line 2: `change` should be a number of points, and is 'x'"),
        ("ada,*,1e9,,why,me", "line 2: `change` should be a number"),
        ("ada,*,nan,,why,me", "line 2: `change` should be a number"),
        ("ada,*,1,2,why,me", "line 2: one of `change` and `set` should be filled, and both are"),
        ("ada,*,,,why,me", "line 2: .*, and neither is"),
        ("ada,*,,-1,why,me", "line 2: `set` should not be below zero"),
        (",*,1,,why,me", "line 2: `student` should be filled"),
        ("ada,*,1,,,me", "line 2: `reason` should be filled"),
        ("\nada,*,1,,why,me\nada,*,1,,why,me", "line 4: the row says the same as line 3"),
        ("ada,*,,1,a,me\nada,03_x,,2,b,me", "line 3: line 2 sets the same mark to another value"),
        ("ada,*,1,,why,me,more", "line 2: the row has 7 cells and the header 6"),
        ("ada,*,x,,a,b\nada,*,y,,a,b", "line 2: .*\n.*line 3: "),
        ('ada,*,1,,"why', "line 2: "),
    ],
)
def test_a_wrong_row_is_named_by_its_line(tmp_path, rows, words):
    """Every wrong row is told at once, with file, line, column and content."""
    path = tmp_path / "adjustments.csv"
    path.write_text(f"student,lab,change,set,reason,by\n{rows}\n")
    with pytest.raises(CourseFileError, match=words) as caught:
        read_adjustments(path)
    assert str(caught.value).startswith("adjustments.csv")


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("", "is empty"),
        ("student,lab,untill,reason", "no column 'untill': did you mean 'until'?"),
        ("student,lab,until", "lacks reason"),
        ("student,student,lab,until,reason", "names one column twice"),
    ],
)
def test_a_wrong_header_is_named(tmp_path, header, words):
    """A table without its columns says which ones it needs."""
    path = tmp_path / "extensions.csv"
    path.write_text(header)
    with pytest.raises(CourseFileError, match=words):
        read_extensions(path)
    with pytest.raises(CourseFileError, match="cannot be read"):
        read_extensions(tmp_path / "missing.csv")
