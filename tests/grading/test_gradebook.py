"""The gradebook loses nothing, grades nothing twice and mixes nothing, whatever happens to it."""

import json
import os
import random
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import samples
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import FINGERPRINT, LAB, SEED, a_class, a_grade, a_submission

from dllab.errors import GradebookError, GradebookLockedError
from dllab.grading import files, gradebook
from dllab.grading.gradebook import FinalMark, Gradebook, MarkStep
from dllab.grading.records import to_json


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out" / "gradebook.sqlite"


@pytest.fixture
def book(path):
    with Gradebook(path) as book:
        yield book


def _mark(student="ada", final=20.0, **changes):
    mark = FinalMark(student, LAB, 1, "graded", "", 20, 20, final)
    return replace(mark, **changes)


# schema


def test_the_documented_schema_is_the_real_one(book):
    """The table in the module's docstring names each table and each of its columns in order."""
    rows = re.findall(r"^\| (\w+) \| [^|]+ \| (.+) \|$", gradebook.__doc__, re.MULTILINE)
    told = {table: _columns(columns) for table, columns in rows if table != "table"}
    connection = sqlite3.connect(book.path)
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE sql > ''")]
    real = {
        table: [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        for table in tables
    }
    assert connection.execute("PRAGMA user_version").fetchone()[0] == gradebook.VERSION
    connection.close()
    assert told == real


def _columns(text):
    text = re.sub(r"\([^)]*\)", "", text).split(";")[0].split(":")[0]
    return [re.match(r"\w+", column.strip())[0] for column in text.split(",")]


def test_only_its_owner_may_read_it(book):
    """Marks are private: file, lock and journal are for their owner alone."""
    book.add(a_grade())
    for file in book.path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_every_result_is_synced(book):
    """`add` returns only when the disk has the result: synchronous is FULL."""
    assert book._connection.execute("PRAGMA synchronous").fetchone()[0] == 2


# attempts


def test_a_class_is_kept_as_it_is(tmp_path):
    """What comes out of the gradebook equals what went in, for every student."""
    with samples.filled(tmp_path) as book:
        graded = {grade.student: grade for _, grade in a_class()}
        assert {grade.student: grade for grade in book.latest(LAB)} == graded
        entry = next(entry for entry in book.entries() if entry.student == "ada")
        assert (entry.submitted_at, entry.origin, entry.attempts) == (
            "2026-11-01T20:10:00Z",
            "ada/lab.ipynb",
            1,
        )


def test_each_check_has_a_row(book):
    """The table of checks adds up to the grade, so that queries need not read JSON."""
    grade = a_grade("grace", 1.1)
    book.add(grade)
    rows = book._rows("SELECT * FROM tests ORDER BY position")
    tests = [test for task in grade.tasks for test in task.tests]
    assert [row["test"] for row in rows] == [test.test for test in tests]
    assert sum(row["earned"] for row in rows) == grade.earned
    stored = json.loads(book._rows("SELECT grade FROM attempts")[0]["grade"])
    assert stored == json.loads(to_json(grade))


@settings(max_examples=40)
@given(st.text(max_size=40), st.text(max_size=40))
def test_any_name_and_any_text_comes_back(tmp_path_factory, student, text):
    """Unicode of any kind survives, names of files that are not UTF-8 included."""
    path = tmp_path_factory.mktemp("names") / "gradebook.sqlite"
    odd = student + os.fsdecode(b"\xff\xfe")
    with Gradebook(path) as book:
        for name in {student, odd}:
            grade = a_grade(name, reason=text, problems=(text + "\udc80",))
            assert book.add(grade, a_submission(name))
            assert book.graded(name, grade.digest, FINGERPRINT, SEED)
            [entry] = book.attempts(name)
            assert entry.grade == grade
            book.store_marks(LAB, [_mark(name, attempt=entry.attempt)])
        assert {mark.student for mark in book.marks(LAB)} == {student, odd}
        assert {grade.student for grade in book.latest()} == {student, odd}


def test_nothing_is_graded_twice(book):
    """The same student, content, lab and seed is one attempt, unless its number says otherwise."""
    grade = a_grade()
    assert book.add(grade)
    assert not book.add(replace(grade, seconds=99.0))
    assert book.add(grade, regrade=1)
    assert not book.add(grade, regrade=1)
    assert [entry.regrade for entry in book.attempts("ada")] == [0, 1]
    assert book.attempts("ada")[0].grade.seconds == grade.seconds
    assert book.last_regrade(LAB, FINGERPRINT, SEED) == 1


@pytest.mark.parametrize("change", ["student", "digest", "fingerprint", "seed"])
def test_what_differs_in_anything_is_to_be_graded(book, change):
    """Another student, content, version or seed is another attempt."""
    grade = a_grade()
    book.add(grade)
    other = replace(grade, **{change: 7 if change == "seed" else "other"})
    key = ("student", "digest", "fingerprint", "seed")
    assert book.graded(*(getattr(grade, name) for name in key), lab=LAB)
    assert not book.graded(*(getattr(other, name) for name in key))
    assert book.add(other)


def test_a_student_may_go_back_to_an_earlier_file(book):
    """What was handed in last counts, also where its grade is older than another one's."""
    first, second = a_grade("ada", 2.0), a_grade("ada", 0.8)
    book.add(first, a_submission(digest=first.digest))
    book.add(second, a_submission(digest=second.digest))
    assert book.latest(LAB) == [second]
    again = a_submission(digest=first.digest, submitted_at="2026-11-05T00:00:00Z")
    assert book.keep(LAB, again, FINGERPRINT, SEED)
    [entry] = book.entries(LAB)
    assert (entry.grade, entry.submitted_at, entry.attempts) == (first, again.submitted_at, 2)
    assert not book.keep(LAB, a_submission(digest="unknown"), FINGERPRINT, SEED)
    assert [entry.grade for entry in book.attempts("ada")] == [first, second]


def test_labs_do_not_meet(book):
    """One gradebook may hold several labs."""
    book.add(a_grade())
    book.add(a_grade(lab="04_other"))
    assert [grade.lab for grade in book.latest()] == [LAB, "04_other"]
    assert len(book.latest("04_other")) == 1


# runs


def test_a_run_is_told_whole(book):
    """Start, end, options, versions, seed and sandbox of each run are there; and its grades."""
    run = book.start_run(
        LAB, fingerprint=FINGERPRINT, seed=SEED, options={"jobs": 4}, sandbox="all of it"
    )
    book.add(a_grade())
    book.end_run("finished")
    [kept] = book.runs(LAB)
    assert (kept.options, kept.sandbox, kept.outcome) == ({"jobs": 4}, "all of it", "finished")
    assert kept.started <= kept.ended
    assert book.entries()[0].run == run.id


def test_a_run_goes_on_with_the_seed_of_the_last(book):
    """The seed of the last run on the same version of a lab is found, and no other's."""
    assert book.seed_of_last_run(LAB, FINGERPRINT) is None
    for seed in (1, 2):
        book.start_run(LAB, fingerprint=FINGERPRINT, seed=seed)
    book.start_run(LAB, fingerprint="another", seed=3)
    assert book.seed_of_last_run(LAB, FINGERPRINT) == 2
    assert book.runs()[-1].ended == ""


# marks


def test_the_same_marks_again_change_nothing(book):
    """Storing marks is idempotent; each real change is recorded once, with old, new and why."""
    book.add(a_grade())
    late = MarkStep("late", -2.0, "two days")
    steps = [(), (late,), (late, MarkStep("adjustment", 1.0, "a talk", "prof")), ()]
    finals = [20.0, 18.0, 19.0, 20.0]
    for final, own in zip(finals, steps, strict=True):
        mark = _mark(final=final, steps=own)
        assert len(book.store_marks(LAB, [mark], "me")) == 1
        assert book.store_marks(LAB, [mark], "me") == []
        assert book.marks(LAB) == [mark]
    changes = book.changes(LAB, "ada")
    assert [(change.old, change.new) for change in changes] == [
        (None, 20.0),
        (20.0, 18.0),
        (18.0, 19.0),
        (19.0, 20.0),
    ]
    assert changes[2].reason == "adjustment +1: a talk (prof)"
    assert (
        changes[3].reason == "no longer: late -2: two days; no longer: adjustment +1: a talk (prof)"
    )
    assert {change.who for change in changes} == {"me"}


def test_a_new_submission_and_a_regrade_are_told_apart(book):
    """A change says whether another file counts or the same file was graded again."""
    grade = a_grade()
    book.add(grade)
    book.store_marks(LAB, [_mark()])
    book.add(grade, regrade=1)
    [change] = book.store_marks(LAB, [_mark(attempt=2, final=19.0)])
    assert change.reason == "graded again"
    book.add(replace(grade, digest="new"))
    [change] = book.store_marks(LAB, [_mark(attempt=3, final=18.0)])
    assert change.reason == "another submission counts"


def test_a_change_from_elsewhere_is_kept(book):
    """Whoever changes a mark elsewhere can say so."""
    book.record_change(LAB, "ada", 3.0, None, "left the course", "office")
    [change] = book.changes()
    assert (change.old, change.new, change.who) == (3.0, None, "office")


def test_half_a_class_of_marks_is_never_stored(book):
    """Marks are stored together: where one cannot be, none is."""
    book.add(a_grade())
    with pytest.raises(sqlite3.Error):
        book.store_marks(LAB, [_mark(), _mark("nobody", attempt=99)])
    assert book.marks(LAB) == []
    assert book.changes() == []


# who may open it


def test_a_second_writer_is_told_who_is_there(book):
    """Two runs never mix: the second ends with an error that names the first and the way on."""
    with pytest.raises(GradebookLockedError, match=rf"process {os.getpid()} on .*--out"):
        Gradebook(book.path)
    book.close()
    Gradebook(book.path).close()


def test_the_lock_is_not_handed_down(book):
    """A worker that outlives a run does not keep the folder."""
    left = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        book.close()
        Gradebook(book.path).close()
    finally:
        left.kill()
        left.wait()


def test_readers_see_whole_results_while_a_run_writes(book):
    """A reader beside the writer sees the state before or after a result, and changes nothing."""
    book.add(a_grade())
    with Gradebook(book.path, write=False) as reader:
        with book._transaction() as connection:
            connection.execute("DELETE FROM tests")
            assert len(reader._rows("SELECT * FROM tests")) == 9
        assert reader.latest() == book.latest()
        with pytest.raises(sqlite3.OperationalError):
            reader.add(a_grade("alan"))


def test_threads_may_share_it(book):
    """Results that arrive in several threads are all stored."""

    def add(number):
        for index in range(10):
            book.add(a_grade(f"{number}-{index}"))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(book.latest()) == 40


def _text_file(path):
    path.write_text("student,points\nada,20\n" * 100)


def _other_database(path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE grade (id)")
    connection.commit()
    connection.close()


def _newer(path):
    Gradebook(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_text_file, "SQLite cannot read it"),
        (_other_database, "another program's database"),
        (_newer, "schema 99, and this dllab knows schema 1"),
    ],
)
@pytest.mark.parametrize("write", [True, False])
def test_what_is_no_gradebook_is_refused_and_left_alone(tmp_path, make, words, write):
    """A foreign or newer file is an error that says so; the file stays as it was, the lock free."""
    path = tmp_path / "gradebook.sqlite"
    make(path)
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(GradebookError, match=words) as caught:
            Gradebook(path, write=write)
        assert not isinstance(caught.value, GradebookLockedError)
        assert "--out" in str(caught.value)
    assert path.read_bytes() == before


def test_reading_needs_a_gradebook(tmp_path):
    """Reading makes no file."""
    with pytest.raises(GradebookError, match="there is no gradebook"):
        Gradebook(tmp_path / "gradebook.sqlite", write=False)
    assert not any(tmp_path.iterdir())


# crashes

_WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
from samples import FINGERPRINT, LAB, SEED, a_grade
from dllab.grading.gradebook import FinalMark, Gradebook

with Gradebook(sys.argv[1]) as book:
    book.start_run(LAB, fingerprint=FINGERPRINT, seed=SEED)
    for number in range(60):
        grade = a_grade(f"student {number}")
        if not book.graded(grade.student, grade.digest, FINGERPRINT, SEED):
            book.add(grade)
        print(number, flush=True)
    marks = [
        FinalMark(entry.student, LAB, entry.attempt, "graded", "", entry.grade.earned, 20, 1.0)
        for entry in book.entries()
    ]
    book.store_marks(LAB, marks)
    book.end_run()
"""


def _write(path, stop_after=None):
    """Run the writer; end it without warning a moment after it said a number; return the last."""
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", _WRITER, str(path), here]
    environment = os.environ | {"PYTHONPATH": str(samples.ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        last = -1
        for line in process.stdout:
            last = int(line)
            if stop_after is not None and last >= stop_after:
                process.send_signal(signal.SIGKILL)
    assert process.returncode == (0 if stop_after is None else -signal.SIGKILL)
    return last


def _content(path):
    with Gradebook(path, write=False) as book:
        return (
            sorted((entry.student, to_json(entry.grade)) for entry in book.entries()),
            [(mark.student, mark.final) for mark in book.marks()],
            [(change.student, change.old, change.new, change.reason) for change in book.changes()],
            [tuple(row) for row in book._rows("SELECT * FROM tests ORDER BY 1, 2")],
        )


def test_killed_at_any_moment_and_resumed_it_is_as_if_undisturbed(tmp_path):
    """kill -9 while results are stored loses none that was reported, and doubles none."""
    undisturbed, disturbed = tmp_path / "a.sqlite", tmp_path / "b.sqlite"
    _write(undisturbed)
    draw = random.Random(7)
    for start in (0, 6, 12, 18, 24, 30, 36, 42):
        told = _write(disturbed, stop_after=start + draw.randrange(5))
        with Gradebook(disturbed) as book:  # a lock that died with its holder is free
            names = [entry.student for entry in book.entries()]
            assert len(names) == len(set(names)) >= told + 1
            assert book._rows("PRAGMA integrity_check")[0][0] == "ok"
    _write(disturbed)
    assert _content(disturbed) == _content(undisturbed)


# files


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    """What fails on the way leaves the old content, and nothing else, behind."""
    path = files.write_atomically(tmp_path / "new" / "grades.csv", "old")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def fail(*_):
        raise OSError("disk full")

    for step in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, step, fail)
            with pytest.raises(OSError, match="disk full"):
                files.write_atomically(path, "new")
        assert [file.name for file in path.parent.iterdir()] == ["grades.csv"]
        assert path.read_text() == "old"
    files.write_atomically(path, "neu \udcff ü")
    assert path.read_bytes() == "neu ? ü".encode()
