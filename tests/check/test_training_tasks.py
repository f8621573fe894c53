"""A test that trains is run for the first seed of the laws alone; all others for every seed."""

from collections import Counter

import pytest

from dllab.check import laws
from dllab.check.loading import read_lab_folder

CHECKS = '''
from dllab.check import expect, task

@task("double", points=10)
def test_double(student, rng):
    """The result is twice the number."""
    expect.true(student.double(3) == 6, "Return twice the number.")

@task("train", points=7, trains=True)
def test_train(student, rng):
    """It says that it is done."""
    expect.true(student.train(1) == "done", "Return 'done'.")

@task("train", points=3)
def test_train_returns_text(student, rng):
    """It returns text."""
    expect.text(student.train(0))
'''

MUTANTS = '''
from dllab.check import mutant

@mutant("double", misconception="half-done")
def once(x):
    """You return the number itself."""
    return x

@mutant("train", misconception="half-done")
def gives_up(epochs):
    """You return before the training is over."""
    return "soon" if epochs else "done"
'''

SOLUTION = """
def double(x):
    return 2 * x

def train(epochs):
    return "done"
"""

IDEA = '[half-done]\ntitle = "Half"\nwrong = "Half."\nright = "Whole."\nsection = "page#label"\n'


@pytest.fixture
def lab(tmp_path):
    files = {"checks.py": CHECKS, "mutants.py": MUTANTS, "misconceptions.toml": IDEA}
    folder = tmp_path / "97_training"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return read_lab_folder(folder)


def test_training_runs_for_one_seed(lab, monkeypatch):
    """Solution, mutants and untouched notebook: which test ran for which seeds."""
    seen = []
    original = laws.run_checks

    def watched(*args):
        seen.extend(original(*args))
        return seen

    monkeypatch.setattr(laws, "run_checks", watched)
    judgment = laws.judge(lab, SOLUTION, "pass", seeds=(5, 6, 7))
    times = Counter((run.attempt.label, run.test) for run in seen)
    assert times["solution", "test_double"] == 3
    assert times["solution", "test_train"] == 1
    assert times["solution", "test_train_returns_text"] == 3
    assert times["0", "test_double"] == 3  # the first mutant
    assert times["1", "test_train"] == times["1", "test_train_returns_text"] == 1
    assert {run.attempt.seed for run in seen if run.test == "test_train"} >= {5}
    by_task = {kill.task: (kill.lost, kill.seeds) for kill in judgment.matrix}
    assert by_task == {"double": (3, 3), "train": (1, 1)}
    assert not judgment.of("mutants")
    assert not judgment.of("solution")
