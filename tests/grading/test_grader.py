"""One submission, from its bytes to its marks."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dllab.authoring import build, read_lab
from dllab.check import runner
from dllab.check.expect import UnexpectedError
from dllab.check.limits import TimeUp
from dllab.check.loading import find_lab
from dllab.check.protocol import Fault, Operation, Outcome
from dllab.check.registry import Replacement, TestMark
from dllab.check.sentences import StudentError
from dllab.grading import grader
from dllab.grading.grader import feedback_sentence, grade
from dllab.grading.records import Grade, Limits, Order, Submission, grade_from_json, to_json
from dllab.grading.replays import RememberingBackend
from dllab.grading.sandbox import Template

ROOT = Path(build.__code__.co_filename).parents[2]
FIRST, THIRD = "00_getting_started", "03_backpropagation"
SEED = 20261121
TINY = '''"""A lab of three tasks, whose checks can be as bad as answers."""
import numpy as np
from dllab.check import expect, task

@task("one", points=2)
def test_one(student, rng):
    """One is one."""
    expect.close(expect.number(student.one()), 1, "One should be 1.")

@task("two", points=3)
def test_two(student, rng):
    """Two is two."""
    n = student.two()
    assert sum(1 for _ in range(n)) == 2

@task("three", points=1)
def test_three(student, rng):
    """Three is three."""
    student.three()["secret 4711"]
'''


@pytest.fixture(scope="module")
def template() -> Iterator[Template]:
    """Give a template for all processes of this file."""
    with Template() as opened:
        yield opened


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    """Give the folder of a lab of three tasks."""
    folder = tmp_path / "99_tiny"
    folder.mkdir()
    (folder / "checks.py").write_text(TINY)
    return str(folder)


@pytest.fixture
def graded(template: Template) -> Callable[..., Grade]:
    """Give a function that grades code cells."""

    def graded(lab: str, *sources: str, **changes: object) -> Grade:
        return grade(replace(order(lab, *sources), **changes), template)

    return graded


def order(lab: str, *sources: str) -> Order:
    """Return the order to grade a notebook of these code cells."""
    cells = [{"cell_type": "code", "source": source} for source in sources]
    content = json.dumps({"nbformat": 4, "nbformat_minor": 5, "cells": cells}).encode()
    digest = hashlib.sha256(content).hexdigest()
    submission = Submission("ann", "lab.ipynb", digest, content)
    return Order(lab, "print", submission, SEED, Limits(cell_seconds=10))


def cells_of(lab: str, kind: str) -> list[str]:
    """Return the code cells of a lab's `solution` or `student` notebook."""
    notebook = getattr(read_lab(ROOT / "labs" / "source" / lab), f"{kind}_notebook")()
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def as_cell(lab: str, file: str, answer: Replacement) -> str:
    """Return a code cell in which a learner gives this answer."""
    helpers = (ROOT / "labs" / "source" / lab / file).read_text(encoding="utf-8")
    return f"{helpers}\n{answer.replaces} = {answer.label}\n"


def statuses(found: Grade) -> dict[str, str]:
    """Return what became of each check."""
    return {test.test: test.status for task in found.tasks for test in task.tests}


# -- marks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("lab", [FIRST, THIRD])
def test_the_solution_earns_all_and_the_untouched_notebook_nothing(graded, lab):
    """The reference gets all 20 points; stubs get none, and no error is called theirs."""
    solved, untouched = (graded(lab, *cells_of(lab, kind)) for kind in ("solution", "student"))
    assert (solved.status, solved.earned, solved.problems) == ("graded", 20, ())
    assert (untouched.status, untouched.earned, untouched.problems) == ("graded", 0, ())
    assert set(statuses(untouched).values()) == {"not started"}
    assert [task.task for task in solved.tasks] == [task.name for task in find_lab(lab).tasks]


@pytest.mark.parametrize(("lab", "label"), [(FIRST, "percent"), (THIRD, "overwrites")])
def test_a_known_mistake_is_named(graded, lab, label):
    """A mutant loses points in its own task only, and the student learns which idea is wrong."""
    mutant = next(mutant for mutant in find_lab(lab).mutants if mutant.label == label)
    found = graded(lab, *cells_of(lab, "solution"), as_cell(lab, "mutants.py", mutant))
    lost = [task for task in found.tasks if task.earned < task.points]
    assert [task.task for task in lost] == [mutant.task]
    notes = [test.misconception for test in lost[0].tests if test.misconception]
    assert mutant.misconception in {note.id for note in notes}
    assert all(note.sentence and note.right for note in notes)


PAIR = {
    "checks.py": '''
from dllab.check import expect, task

@task("pair")
def test_double(student, rng):
    """Twice the number."""
    x = float(rng.uniform(1, 2))
    expect.close(expect.number(student.double(x)), 2 * x, "Return twice the number.")

@task("pair")
def test_quadruple(student, rng):
    """Four times the number."""
    x = float(rng.uniform(1, 2))
    expect.close(expect.number(student.quadruple(x)), 4 * x, "Return four times the number.")
''',
    "mutants.py": '''
from dllab.check import mutant

@mutant("pair", misconception="squared", replaces="double")
def squares(x):
    """You squared the number."""
    return x * x
''',
    "misconceptions.toml": """
[squared]
title = "Squares"
wrong = "Twice is squared."
right = "Twice is times two."
section = "page#label"
""",
}


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("def double(x): return 2 * x\ndef quadruple(x): return x", {"test_quadruple": ""}),
        (
            "def double(x): return x * x\ndef quadruple(x): return double(double(x))",
            # inside the sandbox the learner's functions call one another, not a mutant
            {"test_double": "squared", "test_quadruple": ""},
        ),
    ],
)
def test_a_mistake_is_named_where_its_function_takes_part(graded, tmp_path, source, named):
    """A task of two functions: what replaces one says nothing of a test of the other alone."""
    folder = tmp_path / "98_pair"
    folder.mkdir()
    for name, text in PAIR.items():
        (folder / name).write_text(text, encoding="utf-8")
    tests = [test for task in graded(str(folder), source).tasks for test in task.tests]
    found = {test.test: test.misconception for test in tests if test.status == "failed"}
    assert {test: note.id if note else "" for test, note in found.items()} == named


def test_another_right_answer_earns_all(graded):
    """A right variant in another style gets full marks."""
    variant = find_lab(THIRD).variants[0]
    found = graded(THIRD, *cells_of(THIRD, "solution"), as_cell(THIRD, "variants.py", variant))
    assert found.earned == 20


def test_the_same_submission_gets_the_same_grade(template):
    """Grading again, cold or warm, gives an equal grade, and so does its way through JSON."""
    source = "import numpy as np\ndef accuracy(a, b): return object()\n"
    job = order(FIRST, *cells_of(FIRST, "solution"), source)
    first, again, cold = grade(job, template), grade(job, template), grade(replace(job, warm=False))
    assert first.settled() == again.settled() == cold.settled()
    assert grade_from_json(to_json(first)) == first
    assert grade(replace(job, seed=1), template).settled() != first.settled()


def test_only_the_dead_task_loses_points(graded):
    """A function that ends the process costs its own task; all others earn theirs."""
    source = "import os\ndef scale_pixels(pixels): os._exit(1)"
    found = graded(FIRST, *cells_of(FIRST, "solution"), source)
    assert {task.task for task in found.tasks if not task.earned} == {"scale_pixels", "classify"}
    assert found.status == "graded"
    assert found.restarts > 0


def test_without_a_sandbox_the_grade_says_so(graded):
    """An instructor may leave the sandbox out; the marks are the same and the grade tells it."""
    found = graded(FIRST, *cells_of(FIRST, "solution"), sandboxed=False)
    assert [test.sentence for task in found.tasks for test in task.tests if test.sentence] == []
    assert found.earned == 20
    assert "NO SANDBOX" in found.sandbox


class _Counting:
    """A backend that counts, and whose answers repeat or not."""

    def __init__(self, answers: Callable[[], float]) -> None:
        self.performed: list[str] = []
        self._answers = answers

    def perform(self, operation: Operation, seconds: float) -> Outcome:
        self.performed.append(operation.name)
        return Outcome(self._answers())


def _ask(backend: _Counting, mutant: str, *names: str, asked: Callable[[], int]) -> list[float]:
    remembering = RememberingBackend(backend, mutant, asked)
    return [remembering.perform(Operation("get", None, name), 1.0).value for name in names]


def test_a_known_mistake_is_run_twice_for_a_class():
    """What a mutant answered twice in the same way is remembered; what follows runs it all."""
    backend = _Counting(lambda: 3.0)
    for _ in range(4):
        assert _ask(backend, "m1", "a", "b", asked=lambda: 0) == [3.0, 3.0]
    assert backend.performed == ["a", "b"] * 2
    _ask(backend, "m1", "a", "c", asked=lambda: 0)
    assert backend.performed[4:] == ["a", "c"]  # "a" again, for the objects that it made
    _ask(backend, "m2", "a", asked=lambda: 0)
    assert backend.performed[6:] == ["a"]


def test_random_mistakes_and_learners_code_are_always_run():
    """Nothing is remembered that may be different the next time."""
    numbers = iter(range(100))
    random, with_learner = _Counting(lambda: next(numbers)), _Counting(lambda: 3.0)
    calls = iter(range(100))
    for _ in range(4):
        _ask(random, "m3", "a", asked=lambda: 0)
        _ask(with_learner, "m4", "a", asked=lambda: next(calls))
    assert len(random.performed) == len(with_learner.performed) == 4


# -- what is not graded ----------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7", b'{"cells": 3}', b"\xff\xfe\x00"])
def test_what_is_no_notebook_is_unreadable(content, template):
    """A file without a notebook gets no marks, a reason, and all tasks of the lab."""
    job = order(FIRST)
    found = grade(replace(job, submission=replace(job.submission, content=content)), template)
    assert (found.status, found.earned, found.points) == ("unreadable", 0, 20)
    assert found.reason
    assert set(statuses(found).values()) == {"not run"}


def test_a_problem_found_before_is_the_reason(template):
    """Where intake found no file to read, that is the reason."""
    job = order(FIRST)
    broken = replace(job.submission, problem="The archive is damaged.")
    found = grade(replace(job, submission=broken), template)
    assert (found.status, found.reason) == ("unreadable", "The archive is damaged.")


def test_what_the_grader_cannot_do_is_failed(tmp_path, template):
    """A lab that is not there, or whose checks are broken, is the grader's failure."""
    assert grade(order("no_such_lab"), template).status == "failed"
    folder = tmp_path / "98_broken"
    folder.mkdir()
    (folder / "checks.py").write_text("from nowhere import nothing\n")
    found = grade(order(str(folder)), template)
    assert found.status == "failed"
    assert str(tmp_path) not in found.reason


def test_a_bug_of_the_grader_is_no_exception(template, monkeypatch):
    """Whatever goes wrong in the grader becomes a grade that a person looks at."""
    monkeypatch.setattr(grader, "read", lambda content: 1 / 0)
    found = grade(order(FIRST, "x = 1"), template)
    assert found.status == "failed"
    assert "ZeroDivisionError" in found.reason


def test_the_person_at_the_keyboard_stops_it(template, monkeypatch):
    """Only Ctrl-C ends the grader itself."""

    def stopped(content):
        raise KeyboardInterrupt

    monkeypatch.setattr(grader, "read", stopped)
    with pytest.raises(KeyboardInterrupt):
        grade(order(FIRST, "x = 1"), template)


def test_what_there_was_no_time_for_is_not_run(graded, tiny):
    """When the time for a submission is over, the other checks are told apart from failed ones."""
    graded(tiny, "")  # the template's start must not use up the seconds below
    limits = Limits(seconds=3, cell_seconds=1)
    source = "def one(): return 1\ndef two():\n  while True: pass\ndef three(): return {}"
    found = graded(tiny, source, limits=limits)
    assert found.status == "partly graded"
    assert statuses(found) == {"test_one": "passed", "test_two": "not run", "test_three": "not run"}
    assert "3 s" in found.reason


# -- feedback --------------------------------------------------------------------------------


def test_checks_that_cannot_use_an_answer_say_so_without_values(graded, tiny):
    """Neither pytest's view of a comparison nor a check's own error reaches the student."""
    found = graded(tiny, "def one(): return 2\ndef two(): return 3\ndef three(): return {}")
    sentences = {test.test: test.sentence for task in found.tasks for test in task.tests}
    assert sentences["test_one"] == "One should be 1."
    assert sentences["test_two"] == "This does not hold yet: Two is two."
    assert "4711" not in sentences["test_three"]
    assert str(SEED) not in to_json(replace(found, seed=0))


def test_an_answer_that_makes_a_check_endless_fails(graded, tiny, monkeypatch):
    """What comes back cannot keep the grader busy for longer than a test may take."""
    monkeypatch.setattr(runner, "_WHOLE_TEST", 1.0)
    monkeypatch.setattr(runner, "_OPERATIONS", 0)
    source = "def one(): return 1\ndef two(): return 10**12\ndef three(): return {'secret 4711': 1}"
    found = graded(tiny, source)
    assert statuses(found) == {"test_one": "passed", "test_two": "failed", "test_three": "passed"}
    sentences = [test.sentence for task in found.tasks for test in task.tests]
    assert "came to no end" in sentences[1]


def test_texts_of_students_hold_nothing_of_this_machine(graded, tiny):
    """Addresses, paths and control characters of an exception's text are taken out."""
    source = (
        "import numpy\n"
        "def one(): raise ValueError(f'\\x1b[31m{object()} {numpy.__file__} /home/student/a.csv')\n"
    )
    (sentence, *_) = [test.sentence for task in graded(tiny, source).tasks for test in task.tests]
    assert "0x…" in sentence
    assert "…/__init__.py" in sentence
    assert "/home/student/a.csv" in sentence
    assert "\x1b" not in sentence
    assert str(Path(np.__file__).parent) not in sentence


def _run(error: BaseException) -> runner.TestRun:
    attempt = runner.Attempt(lambda: None, 1)
    mark = TestMark("t", 1)
    return runner.TestRun(attempt, "test", mark, "The law.", "failed", "", "", error=error)


def _raised(statement: str, name: str) -> BaseException:
    try:
        exec(compile(statement, name, "exec"), {})
    except Exception as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (StudentError("`f` raised it.", Fault("raised")), "`f` raised it."),
        (UnexpectedError("Each row should sum to 1."), "Each row should sum to 1."),
        (UnexpectedError("a\x00b " + "x" * 5000), "a b " + "x" * 596),
        (_raised("assert 1 == 2, 'They differ.'", "/lab/checks.py"), "They differ."),
        (_raised("assert 1 == 2", "/lab/checks.py"), "This does not hold yet: The law."),
        (AssertionError("assert 3 == 4711"), "This does not hold yet: The law."),
        (
            _raised("raise AssertionError('ACTUAL: 1 DESIRED: 2')", "/site/numpy/testing.py"),
            "This does not hold yet: The law.",
        ),
        (KeyError("4711"), grader._NEUTRAL),
        (TimeUp(), grader._ENDLESS),
    ],
)
def test_one_place_decides_what_a_student_reads(error, sentence):
    """Sentences of authors and of the student's own code pass; a check's own values do not."""
    assert feedback_sentence(_run(error)) == sentence
