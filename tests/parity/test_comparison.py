"""All ways compute the same numbers from the same weights and the same batch."""

import ast
import doctest
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from dllab import parity
from dllab.errors import ParameterError, ParityError
from dllab.parity import comparing

# A rounding error is half an epsilon, and a number here goes through some fifty of them in three
# steps of training; a few hundred epsilons leave room for another order of sums on another
# machine. Every porting trap is a hundred times as large as this, and more.
FLOAT32 = 300 * np.finfo(np.float32).eps
# In double precision nothing but the formulas is left: a constant off by a millionth would show.
# Keras on JAX and PyTorch cannot take part; see `comparing.SINGLE_ALONE`.
FLOAT64 = 1e-10
TOLERANCES = {"float32": FLOAT32, "float64": FLOAT64}
HERE = [way for way in parity.WAYS if way != "scratch" and comparing.installed(way)]

RUNS = [(way, dtype) for way in HERE for dtype in TOLERANCES if comparing.computes(way, dtype)]


@pytest.fixture(scope="module")
def comparison():
    """All cases by all ways in both precisions: one process for each framework, started once."""
    return parity.compare(dtypes=("float32", "float64"))


@pytest.mark.parametrize("case", parity.CASES)
@pytest.mark.parametrize(("way", "dtype"), RUNS)
def test_a_way_agrees_with_the_reference(comparison, case, way, dtype):
    """Outputs, loss, all gradients, weights after three steps and predictions are the same."""
    (row,) = [r for r in comparison.rows if (r.case, r.way, r.dtype) == (case, way, dtype)]
    compared = {name for name, value in row.differences.items() if value is not None}
    assert compared >= set(parity.QUANTITIES) - {"input_gradient"}
    assert ("input_gradient" in compared) == (case != "text")  # letters have no gradient
    too_large = {name: row.differences[name] for name in compared}
    assert not {n: v for n, v in too_large.items() if not v < TOLERANCES[dtype]}


def test_float32_is_really_float32(comparison):
    """Single precision shows: each way's largest difference is near its epsilon, not near 1e-16."""
    for row in comparison.rows:
        if row.dtype == "float32":
            assert 0.1 < row.epsilons < 300


def test_every_way_has_a_row_for_every_case_or_is_skipped(comparison):
    rows = {(row.case, row.way, row.dtype) for row in comparison.rows}
    assert len(rows) == len(comparison.rows) == len(parity.CASES) * len(RUNS)
    assert len(comparison.skipped) == len(parity.WAYS) - 1 - len(HERE)


def test_the_tables_hold_every_row(comparison):
    """One line for each row, in text and in Markdown."""
    assert len(comparison.table().splitlines()) == len(comparison.rows) + 2
    assert len(comparison.markdown().splitlines()) == len(comparison.rows) + 2


def test_ways_of_a_missing_framework_are_skipped_with_a_sentence(monkeypatch):
    """Without JAX, its two ways are left out, each with one line, and nothing fails."""
    monkeypatch.setattr(comparing, "find_spec", lambda name: None)
    answer = parity.compare(cases=["mlp"], ways=["scratch", "keras-jax", "jax"])
    assert answer.rows == ()
    assert answer.skipped == ("keras-jax: jax is not installed.", "jax: jax is not installed.")
    assert answer.table().endswith("jax: jax is not installed.")


def test_a_process_that_fails_is_reported_with_its_last_words(monkeypatch):
    """A framework that cannot be imported is an error that says so, not an empty table."""
    monkeypatch.setattr(comparing, "_environment", lambda framework: {"PYTHONPATH": "nowhere"})
    monkeypatch.setattr(comparing.sys, "executable", "false")
    with pytest.raises(ParityError, match="exit code 1"):
        parity.compare(cases=["mlp"], ways=["jax"])


def test_outcomes_survive_the_file_between_processes(tmp_path):
    """What `load` reads is what `save` wrote, for images with a state and for letters."""
    outcomes = {
        (name, "scratch", "float64"): parity.run("scratch", parity.case(name))
        for name in ("cnn", "text")
    }
    comparing.save(tmp_path / "outcomes.npz", outcomes)
    read = comparing.load(tmp_path / "outcomes.npz")
    assert set(read) == set(outcomes)
    for key, outcome in outcomes.items():
        for name in parity.QUANTITIES:
            expected, found = getattr(outcome, name), getattr(read[key], name)
            assert parity.relative_difference(found, expected) in (0.0, None)
        assert (read[key].input_gradient is None) == (outcome.input_gradient is None)


def test_a_difference_in_one_entry_shows():
    """The measure takes the largest entry: one wrong number among many is not averaged away."""
    b = {"kernel": np.ones((100, 100)), "bias": np.ones(3)}
    a = {name: value.copy() for name, value in b.items()}
    a["bias"][1] = 1.001
    assert parity.relative_difference(a, b) == pytest.approx(1e-3)


@pytest.mark.parametrize("a", [{"kernel": np.ones(3)}, np.ones((3, 1))])
def test_answers_of_another_form_are_refused(a):
    """A missing name or another shape, which would broadcast, is no agreement."""
    b = {"kernel": np.ones(3), "bias": np.ones(3)} if isinstance(a, dict) else np.ones(3)
    with pytest.raises(ParityError):
        parity.relative_difference(a, b)


def test_unknown_names_are_refused():
    with pytest.raises(ParameterError, match="transformer"):
        parity.case("transformer")
    with pytest.raises(ParameterError, match="theano"):
        parity.compare(ways=["theano"])


def test_every_weight_gets_a_gradient_and_moves():
    """The cases are good cases: no weight is idle, so no way can hide a mistake in one."""
    for name in parity.CASES:
        case = parity.case(name)
        outcome = parity.run("scratch", case)
        for weight, gradient in outcome.weight_gradients.items():
            assert np.abs(gradient).max() > 1e-3, (name, weight)
        for weight, before in (case.weights | case.state).items():
            assert np.abs(outcome.weights[weight] - before).max() > 1e-3, (name, weight)


def test_the_ways_can_be_read_side_by_side():
    """Each way's module has the models, the loss and `run`, under the same names in one order."""
    folder = Path(parity.__file__).parent
    for way in ("scratch", "keras", "tensorflow", "jax", "torch"):
        tree = ast.parse((folder / f"in_{way}.py").read_text("utf-8"))
        names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        shared = [name for name in names if name in (*parity.CASES, "run")]
        assert shared == [*parity.CASES, "run"], way


@pytest.mark.parametrize("name", ["cases", "comparing"])
def test_examples_in_docstrings(name):
    results = doctest.testmod(import_module(f"dllab.parity.{name}"))
    assert results.attempted > 0
    assert results.failed == 0
