"""A whole class: nobody stops it, nothing is lost, and running it again goes on."""

import io
import os
import re
import shutil
import signal
import subprocess
import sys
import zlib
from collections.abc import Callable

import pytest
from classes import ANSWERS, HERE, TINY, fake_settings, hand_in, settled
from fake_grader import notebook

from dllab.check.loading import find_lab, read_lab_folder
from dllab.errors import DLLabError, GradebookLockedError, GradingError, ParameterError
from dllab.grading.console import summary, watcher
from dllab.grading.fingerprint import _package_digest, fingerprint
from dllab.grading.grade_class import ClassResult, grade_class
from dllab.grading.gradebook import FinalMark, Gradebook
from dllab.grading.records import Grade

Run = Callable[..., ClassResult]


@pytest.fixture
def run(tmp_path, monkeypatch) -> Run:
    """Grade the class in `in/` into `out/`; the submissions say what becomes of them."""
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    _package_digest.cache_clear()  # somebody may edit the package while this suite runs

    def run(answers: dict[str, str] | None = None, **options: object) -> ClassResult:
        folder = tmp_path / "in"
        if answers is not None:
            shutil.rmtree(folder, ignore_errors=True)
            hand_in(folder, {name: notebook(what) for name, what in answers.items()})
        options = {"settings": fake_settings(), "sandboxed": False, "warm": False} | options
        return grade_class(TINY, folder, tmp_path / "out", **options)

    return run


def command(*arguments: object, **options: object) -> subprocess.Popen[str]:
    """Start `dllab grade`."""
    return subprocess.Popen(
        [sys.executable, "-m", "dllab.cli", "grade", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=HERE.parents[1],
        env=os.environ | {"PYTHONPATH": ""},
        **options,
    )


# -- one student harms no other ----------------------------------------------------------------


def test_who_ends_the_worker_harms_nobody_else(run, tmp_path):
    """A submission that the grader cannot grade is recorded; all others get their points."""
    bad = {
        "dies": ("die", "ended (status 7: a last word)"),
        "hangs": ("hang", "did not come to an end"),
        "lies": ("garbage", "nonsense"),
        "raises": ("raise", "RuntimeError: a defect"),
        "swallows": ("swallow", "more memory"),
    }
    good = {f"s{n}": f"score {n % 5}" for n in range(12)} | {"floods": "flood"}
    asked = {student: what for student, (what, _) in bad.items()} | good
    result = run(asked, jobs=3, time_limit=1, settings=fake_settings(grace=15.0))
    grades = settled(tmp_path / "out")
    for student, (_, reason) in bad.items():
        assert grades[student].status == "failed"
        assert reason in grades[student].reason
        assert "2 times" in grades[student].reason
        assert [task.task for task in grades[student].tasks] == ["total", "center"]
    assert {s: grades[s].earned for s in good} == {
        s: int(what.split()[1]) if "score" in what else 1 for s, what in good.items()
    }
    assert result.status == 3
    assert {need.student for need in result.needs_person} == set(bad)
    assert all(need.reason in summary(result) for need in result.needs_person)


def test_a_worker_that_dies_once_costs_nothing(run, tmp_path):
    """The second try, in a fresh worker, counts."""
    result = run({"unlucky": f"die-once {tmp_path / 'marker'}", "other": "score 2"})
    assert (result.status, result.graded) == (0, 2)


def test_workers_are_replaced_before_they_are_worn(run, tmp_path):
    """After some submissions a fresh worker goes on, and nobody notices."""
    answers = {f"s{n}": "score 1" for n in range(7)}
    result = run(answers, jobs=1, settings=fake_settings(submissions=3))
    assert result.graded == 7


def test_workers_know_no_secret(run, monkeypatch):
    """What stands in the instructor's environment does not reach a worker."""
    monkeypatch.setenv("COURSE_TOKEN", "secret")
    assert run({"spy": "environment COURSE_TOKEN"}).status == 0


# -- running it again --------------------------------------------------------------------------


def test_nothing_unchanged_is_graded_twice(run, tmp_path):
    """A second run grades what is new or changed, and keeps the grades of who vanished."""
    first = run({"ada": "score 1", "ben": "score 2", "cyd": "score 3"})
    assert (first.graded, first.unchanged, first.students) == (3, 0, 3)
    again = run({"ada": "score 1", "ben": "score 4", "dee": "score 0"})
    assert (again.graded, again.unchanged, again.students) == (2, 1, 4)
    grades = settled(tmp_path / "out")
    assert {s: g.earned for s, g in grades.items()} == {"ada": 1, "ben": 4, "cyd": 3, "dee": 0}
    assert len({grade.seed for grade in grades.values()}) == 1
    with Gradebook(tmp_path / "out" / "gradebook.sqlite", write=False) as book:
        assert [entry.grade.earned for entry in book.attempts("ben")] == [2, 4]
    assert "1 unchanged" in summary(again)


def test_a_student_may_go_back_to_an_earlier_file(run, tmp_path):
    """The grade of the file that is there now counts, without grading it again."""
    run({"ada": "score 1"})
    run({"ada": "score 4"})
    result = run({"ada": "score 1"})
    assert result.graded == 0
    assert settled(tmp_path / "out")["ada"].earned == 1


def test_regrading_keeps_every_attempt(run, tmp_path):
    """Each `regrade` is another attempt, with a fresh seed unless one is given."""
    run({"ada": "score 1", "ben": "score 2"}, seed=5)
    fresh = run(regrade=True)
    assert fresh.graded == 2
    same = run(regrade=True, seed=5)
    assert same.graded == 2
    assert run().graded == 0
    with Gradebook(tmp_path / "out" / "gradebook.sqlite", write=False) as book:
        kept = [(entry.grade.seed, entry.regrade) for entry in book.attempts("ada")]
    assert kept[0] == (5, 0)
    assert kept[1][0] != 5
    assert kept[2] == (5, 1)


def test_regrading_some_keeps_the_seed_of_the_class(run, tmp_path):
    """Everybody's checks draw the same numbers, whoever is graded again."""
    run({"ada": "score 1", "ben": "score 2", "bob": "score 3"})
    before = settled(tmp_path / "out")
    assert run(regrade=True, only=["b*"]).graded == 2
    assert settled(tmp_path / "out") == before
    assert run().graded == 0


def test_what_the_grader_failed_on_is_tried_again(run, tmp_path):
    """A failure of ours is no grade: the next run tries again, and only there."""
    marker = tmp_path / "marker"
    run({"ada": "score 1", "ben": f"die-twice {marker}"})
    assert run({"ada": "score 1", "ben": "die"}).status == 3
    result = run()
    assert (result.graded, result.unchanged) == (1, 1)


def test_a_lost_page_is_written_again(run, tmp_path):
    """Feedback that a crash kept from being written appears with the next run."""
    run({"ada": "score 1"})
    page = tmp_path / "out" / "feedback" / "ada.html"
    before = page.read_text()
    page.unlink()
    (tmp_path / "out" / ".half.part").write_text("half")
    run()
    assert page.read_text() == before
    assert not list((tmp_path / "out").rglob("*.part"))


def test_the_seed_is_fresh_and_stays_in_the_gradebook(run, tmp_path):
    """Nobody can foresee the checks' numbers, and no file but the gradebook tells the seed."""
    run({"ada": "score 1"})
    seed = settled(tmp_path / "out")["ada"].seed
    run(regrade=True)
    assert settled(tmp_path / "out")["ada"].seed != seed
    seeds = {str(seed), str(settled(tmp_path / "out")["ada"].seed)}
    for path in (tmp_path / "out").rglob("*"):
        if path.suffix in (".html", ".csv"):
            assert not any(seed in path.read_text() for seed in seeds), path


def test_a_changed_deadline_changes_marks_and_pages(run, tmp_path):
    """Rules apply to everybody at the end, also to those who are not graded again."""
    run({"ada": "score 4"})
    page = tmp_path / "out" / "feedback" / "ada.html"
    before = page.read_text()
    rows = "student,lab,change,set,reason,by\nada,91_tiny,-1,,copied the plot,T. A.\n"
    (tmp_path / "adjustments.csv").write_text(rows)
    result = run(adjustments=tmp_path / "adjustments.csv")
    assert (result.graded, result.changes, result.mean) == (0, 1, 3.0)
    assert page.read_text() != before
    assert "copied the plot" in page.read_text()


# -- what cannot begin -------------------------------------------------------------------------


def test_mistakes_are_named_before_anything_is_graded(run, tmp_path):
    """No such lab, folder, number: one typed error each, and no run in the gradebook."""
    hand_in(tmp_path / "in", {"ada": notebook("score 1")})
    with pytest.raises(DLLabError, match="has no lab"):
        grade_class("no_such_lab", tmp_path / "in", tmp_path / "out")
    with pytest.raises(DLLabError, match="nowhere"):
        grade_class(TINY, tmp_path / "nowhere", tmp_path / "out", sandboxed=False)
    with pytest.raises(DLLabError, match="bob"):
        run(only=["bob"])
    for options in ({"jobs": 0}, {"time_limit": 0}, {"memory": 1}, {"seed": -1}):
        with pytest.raises(ParameterError, match=next(iter(options))):
            run(**options)
    (tmp_path / "out" / "file").write_text("")
    with pytest.raises(GradingError, match="written"):
        grade_class(TINY, tmp_path / "in", tmp_path / "out" / "file", sandboxed=False)


def test_two_runs_do_not_share_a_folder(run, tmp_path):
    """The second says who is there instead of grading everything twice."""
    run({"ada": "score 1"})
    with (
        Gradebook(tmp_path / "out" / "gradebook.sqlite"),
        pytest.raises(GradebookLockedError, match="in use"),
    ):
        run()


def test_workers_that_do_not_start_end_the_run(run):
    """A broken installation is one error and not a class of failed submissions."""
    with pytest.raises(GradingError, match="no_such_module"):
        run({"ada": "score 1"}, settings=fake_settings().__class__(grader="no_such_module:grade"))


# -- the same everywhere -----------------------------------------------------------------------


def test_the_fingerprint_is_of_content(tmp_path):
    """A lab packed as in a wheel has the fingerprint of its sources; a changed check has not."""
    source, packed = tmp_path / "a" / "91_tiny", tmp_path / "b" / "91_tiny"
    for folder in (source, packed):
        shutil.copytree(TINY, folder)
    mutants = (packed / "mutants.py").read_bytes()
    (packed / "mutants.bin").write_bytes(zlib.compress(mutants))
    (packed / "mutants.py").unlink()
    assert fingerprint(read_lab_folder(source)) == fingerprint(read_lab_folder(packed))
    checks = source / "checks.py"
    checks.write_text(checks.read_text().replace("total of no", "sum of no"))
    assert fingerprint(read_lab_folder(source)) != fingerprint(read_lab_folder(packed))
    assert re.fullmatch("[0-9a-f]{64}", fingerprint(find_lab("03_backpropagation")))


# -- what a person sees ------------------------------------------------------------------------


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("kind", [io.StringIO, Screen])
def test_no_name_acts_on_the_terminal(kind):
    """Escape sequences and markup in names and reasons are shown, not obeyed."""
    stream = kind()
    display = watcher(stream)
    name = "[bold]a[/bold]\x1b[2J\x1b]0;title\x07\nb"
    grade = Grade(name, "d", "lab", "f", "unreadable", "\x1b[31mred\x9b2J", ())
    display.begin("Lab", 1, 0, 1, "none")
    display.started(name)
    display.graded(grade, FinalMark(name, "lab", 1, "unreadable", "", 0, 20, 0.0))
    display.stopping()
    display.end()
    shown = stream.getvalue()
    assert "[bold]a[/bold]" in shown
    assert not any(act in shown for act in ("\x1b[2J", "\x1b]0", "\x07", "\x1b[31mred", "\x9b"))


def test_help_explains_itself():
    """The help has an example and says what each exit status means."""
    process = command("--help")
    text, _ = process.communicate()
    assert process.returncode == 0
    for words in ("Examples", "--out grades/", "Exit status", "0 every", "3 some", "130"):
        assert words in " ".join(text.split())


def test_the_command_from_end_to_end(tmp_path):
    """A class of six in the sandbox: scores, misconception, files, exit status, second run."""
    folder, out = hand_in(tmp_path / "in", ANSWERS), tmp_path / "out"
    process = command(TINY, folder, "--out", out, "--jobs", 2)
    text, lines = process.communicate()
    assert process.returncode == 3, lines
    grades = settled(out)
    assert {s: g.earned for s, g in grades.items()} == {
        "right": 5, "half": 3, "mean": 3, "empty": 0, "raises": 3, "broken": 0,
    }  # fmt: skip
    assert grades["broken"].status == "unreadable"
    assert "broken (unreadable)" in text
    assert lines.count(" left]") == 6
    assert "tiny-mean-for-total" in str(grades["mean"])
    assert sorted(path.name for path in (out / "feedback").iterdir()) == sorted(
        f"{student}.html" for student in ANSWERS
    )
    assert {path.name for path in out.iterdir()} >= {"report.html", "grades.csv"}
    process = command(TINY, folder, "--out", out)
    text, _ = process.communicate()
    assert process.returncode == 3
    assert "0 graded now, 6 unchanged" in text


def test_ctrl_c_keeps_what_is_graded(tmp_path):
    """The first Ctrl-C ends cleanly and says how to go on; then the same command goes on."""
    folder, out = hand_in(tmp_path / "in", ANSWERS), tmp_path / "out"
    process = command(TINY, folder, "--out", out, "--jobs", 1, start_new_session=True)
    assert process.stderr is not None
    while "[1/6" not in process.stderr.readline():
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    text, lines = process.communicate()
    assert process.returncode == 130
    assert "same command again" in text
    assert "Stopping" in lines
    assert (out / "report.html").exists()
    graded = settled(out)
    assert 1 <= len(graded) < 6
    process = command(TINY, folder, "--out", out, "--json")
    text, _ = process.communicate()
    assert process.returncode == 3
    assert f'"graded": {6 - len(graded)}' in text
    assert settled(out) | graded == settled(out)
