"""Every notebook of the course runs from top to bottom, some of them on both kinds of kernel.

A student notebook runs as it is handed out: its stubs raise only where a cell uses them, and
those cells carry the tag `raises-exception`.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from dllab.authoring import build
from dllab.authoring.build import outputs
from dllab.authoring.project import find_root

ROOT = find_root(Path(__file__).parent)
NOTEBOOKS = [
    path.relative_to(ROOT)
    for path in outputs(ROOT)
    if path.suffix == ".ipynb" and "nbgrader" not in path.parts
]


@pytest.fixture(scope="module", autouse=True)
def _built():
    build(root=ROOT)


# One chapter and one lab with Keras, one of each without: what differs between the kernels would
# show in these, and an ordinary one imports TensorFlow for seconds.
ON_BOTH_KERNELS = {
    "what_is_deep_learning",
    "backpropagation",
    "00_getting_started",
    "03_backpropagation",
}
ON_BOTH = [notebook for notebook in NOTEBOOKS if notebook.stem in ON_BOTH_KERNELS]
ON_WARM = [notebook for notebook in NOTEBOOKS if notebook.stem not in ON_BOTH_KERNELS]


def name(notebook: Path) -> str:
    return notebook.with_suffix("").as_posix()


def test_the_kernels_are_compared_on_chapters_solutions_and_student_notebooks():
    """The names above are those of notebooks: two chapters, and two labs as two notebooks each."""
    assert len(ON_BOTH) == 6


@pytest.mark.parametrize("notebook", ON_WARM, ids=name)
def test_the_notebook_runs(nbval, notebook):
    """Each cell runs, from top to bottom."""
    run = nbval(ROOT / notebook, on_warm=True)
    assert run.returncode == 0, run.stdout
    assert run.is_warm


@pytest.mark.parametrize("notebook", ON_BOTH, ids=name)
def test_the_notebook_runs_with_the_same_outputs_on_both_kernels(nbval, notebook):
    """Text, numbers, images and errors are the same."""
    with ThreadPoolExecutor(2) as pool:
        ordinary, warm = pool.map(partial(nbval, ROOT / notebook), (False, True))
    assert ordinary.returncode == 0, ordinary.stdout
    assert warm.returncode == 0, warm.stdout
    assert (ordinary.is_warm, warm.is_warm) == (False, True)
    assert warm.outputs == ordinary.outputs
