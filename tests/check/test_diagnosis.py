"""A wrong answer that equals a mutant's is named; any other is not."""

import json
from pathlib import Path

import numpy as np
import pytest

from dllab.check.labs import Lab
from dllab.check.laws import judge, kill_matrix
from dllab.check.loading import read_lab_folder

HEAD = "import numpy as np\n"


def test_same_mistake_in_other_words(open_lab):
    """A mistake is recognized by its outputs, however it is written."""
    source = HEAD + (
        "def softmax(z):\n"
        "    columns = [np.exp(z[:, j] - z.max()) for j in range(z.shape[1])]\n"
        "    return np.stack([c / c.sum() for c in columns], axis=1)\n"
    )
    result = open_lab(source).check("softmax")
    assert result.misconceptions == ("softmax-wrong-axis",)
    assert "you normalized over axis 0" in str(result)
    assert str(result).count("you normalized over axis 0") == 1
    assert "foundations/activations.html#softmax-axis" in result._repr_html_()


def test_single_precision_is_recognized(open_lab):
    """Rounding does not hide a mistake."""
    source = HEAD + (
        "def softmax(z):\n    e = np.exp((z - z.max()).astype(np.float32))\n"
        "    return e / e.sum(axis=0)\n"
    )
    assert open_lab(source).check("softmax").misconceptions == ("softmax-wrong-axis",)


@pytest.mark.parametrize(
    "body", ["return z", "return np.ones(z.shape) / 3", "return None", "return 1 / 0"]
)
def test_other_mistakes_are_not_named(open_lab, body):
    """An answer that equals no mutant's gets its sentence and no diagnosis."""
    result = open_lab(HEAD + f"def softmax(z): {body}").check("softmax")
    assert not result.passed
    assert result.misconceptions == ()


def test_exception_is_recognized_in_a_class(open_lab):
    """Raising the same exception in the same place is the same mistake."""
    source = HEAD + (
        "class Dense:\n"
        "    def __init__(self, n, m): self.W, self.b = np.ones((n, m)), np.ones(m)\n"
        "    def forward(self, inputs):\n        y = np.matmul(inputs, self.W.T)\n"
        "        return y + self.b\n"
        "    def count_params(self): return self.W.size + self.b.size\n"
    )
    assert open_lab(source).check("dense").misconceptions == ("dense-transposed",)


def test_graph_of_objects_is_recognized(open_lab, solution):
    """A mistake inside linked objects shows in the attributes that the check reads."""
    source = solution.replace("self.grad += gradient", "self.grad = gradient")
    assert open_lab(source).check("node").misconceptions == ("gradient-overwritten",)


CHECKS = '''
import numpy as np
from dllab.check import task, expect

@task("draw", points=2)
def test_seed_decides(student, rng):
    """The same seed gives the same numbers."""
    seed = int(rng.integers(1000))
    first, second = student.draw(5, seed), student.draw(5, seed)
    expect.close(first, second, "The same seed should give the same numbers.")
'''
MUTANTS = '''
import numpy as np
from dllab.check import mutant

@mutant("draw", misconception="seed-ignored")
def ignores(n, seed):
    """Your numbers differ from run to run: you do not use `seed`."""
    return np.random.default_rng().normal(size=n)
'''
IDEA = """
[seed-ignored]
title = "The seed decides"
wrong = "Random numbers just happen."
right = "The same seed gives the same numbers."
section = "start/what_is_deep_learning#wdl-seed"
"""


@pytest.fixture
def random_lab(tmp_path):
    folder = tmp_path / "09_random"
    folder.mkdir()
    (folder / "checks.py").write_text(CHECKS)
    (folder / "mutants.py").write_text(MUTANTS)
    (folder / "misconceptions.toml").write_text(IDEA)
    return read_lab_folder(folder)


def test_answers_that_draw_their_own_numbers(random_lab):
    """An answer whose outputs never repeat is compared by the tests that it fails, and how."""
    source = "import random\ndef draw(n, seed): return [random.random() for _ in range(n)]"
    names = {}
    exec(source, names)
    assert Lab(random_lab, names).check("draw").misconceptions == ("seed-ignored",)


def test_answers_that_repeat_are_not_taken_for_random_ones(random_lab):
    """An answer that fails the same test but always repeats itself is another mistake."""
    names = {"np": np}
    exec("def draw(n, seed): return [1.0] * (n + 1) if seed else 0\ndraw_ = draw\n", names)
    exec("calls = []\ndef draw(n, seed): return np.full(n, float(len(n)))", names)
    assert Lab(random_lab, names).check("draw").misconceptions == ()


TWO_CHECKS = """
from dllab.check import task, expect

@task("pair", points=1)
def test_double(student, rng):
    x = float(rng.uniform(1, 2))
    expect.close(expect.number(student.double(x)), 2 * x, "Twice the number.")

@task("pair", points=1)
def test_quadruple(student, rng):
    x = float(rng.uniform(1, 2))
    expect.close(expect.number(student.quadruple(x)), 4 * x, "Four times the number.")
"""
TWO_MUTANTS = """
from dllab.check import mutant

@mutant("pair", misconception="seed-ignored", replaces="double")
def squares(x):
    '''You squared it.'''
    return x * x
"""


@pytest.fixture
def two_functions(tmp_path):
    folder = tmp_path / "09_two"
    folder.mkdir()
    (folder / "checks.py").write_text(TWO_CHECKS)
    (folder / "mutants.py").write_text(TWO_MUTANTS)
    (folder / "misconceptions.toml").write_text(IDEA)
    return read_lab_folder(folder)


def test_a_mutant_says_nothing_of_a_function_that_it_does_not_replace(two_functions):
    """Another function's mistake gets no name from a mutant that leaves this function alone."""
    names = {}
    exec("def double(x): return 2 * x\ndef quadruple(x): return x", names)
    assert Lab(two_functions, names).check("pair").misconceptions == ()


def test_a_mutant_is_recognized_inside_another_function(two_functions):
    """The function that a mutant replaces may be called by the one that the test calls."""
    names = {}
    exec("def double(x): return x * x\ndef quadruple(x): return double(double(x))", names)
    assert Lab(two_functions, names).check("pair").misconceptions == ("seed-ignored",)


def test_the_laws_hold_for_the_little_lab(files, solution):
    """The laws accept the little lab but for its number of tasks, and the table is complete."""
    stubs = Path(files.folder, "stubs.py").read_text(encoding="utf-8")
    judgment = judge(files, solution, stubs, range(3))
    assert judgment.problems == (("shape", "3 tasks, not 4 to 7"),)
    table = kill_matrix([judgment])
    assert table.count("✓") == len(files.mutants)


def test_the_laws_notice(files, solution):
    """A wrong solution and a solved student notebook are reported."""
    wrong = solution.replace("shifted.sum(axis=1, keepdims=True)", "shifted.sum(axis=0)")
    judgment = judge(files, wrong, solution, range(2))
    assert judgment.of("solution")
    assert judgment.of("untouched")


def test_packed_lab_is_the_same_lab(files, tmp_path, solved):
    """A lab as the wheel holds it: outline from JSON, mutants compressed."""
    import zlib

    from dllab.check.outline import read_outline

    folder = tmp_path / files.name
    folder.mkdir()
    for name in ("checks.py", "misconceptions.toml"):
        (folder / name).write_bytes((files.folder / name).read_bytes())
    (folder / "lab.json").write_text(json.dumps(read_outline(files.folder)))
    packed = zlib.compress((files.folder / "mutants.py").read_bytes())
    (folder / "mutants.bin").write_bytes(packed)
    lab = read_lab_folder(folder)
    assert lab.tasks == files.tasks
    assert [m.label for m in lab.mutants] == [m.label for m in files.mutants]
    assert lab.variants == ()
    names = solved | files.mutants[0].names(solved)
    assert Lab(lab, names).check("softmax").misconceptions == ("softmax-wrong-axis",)
