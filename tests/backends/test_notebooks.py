"""Every chapter and every lab that uses Keras runs on each other Keras backend.

What each asserts of its results holds there too, and a lab's solution earns every point. The few
cells about another framework's own API are left out; each test prints which, and why.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from notebooks import (
    BACKENDS,
    run,
    sources,
    uses_keras,
    with_proof_of_points,
    without_keras,
)

# The page of measured differences runs every backend itself, each in a process of its own.
SOURCES = [source for source in sources() if source.name != "measured_differences"]
WITH_KERAS = [source for source in SOURCES if uses_keras(source.notebook())]
WITHOUT = [source for source in SOURCES if source not in WITH_KERAS]


def name(source):
    return source.name


def report(source, backend, done):
    """Say what became of a run: shown by `pytest -rA`, and with a failure."""
    print(f"{source.name} on {backend}: {done.seconds:.0f} s")
    for one in done.left_out:
        print(f"  cell {one.cell} is left out: {one.reason}")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("source", WITH_KERAS, ids=name)
def test_the_notebook_runs_on_this_backend(source, backend):
    """Each cell that is not about another framework runs, and all that it asserts holds."""
    notebook = source.notebook()
    if source.is_lab:
        notebook = with_proof_of_points(notebook)
    done = run(notebook, backend, source.folder)
    report(source, backend, done)
    assert not done.failure, done.failure


@pytest.mark.parametrize("source", WITHOUT, ids=name)
def test_the_notebook_needs_no_other_run(source):
    """No cell of it imports Keras or a framework, so no backend can change it."""
    done = run(without_keras(source.notebook()), "tensorflow", source.folder)
    assert not done.failure, done.failure


def test_there_is_something_to_run():
    """Most chapters and labs use Keras, and some labs do without."""
    assert len(WITH_KERAS) >= 15
    assert any(source.is_lab for source in WITHOUT)
