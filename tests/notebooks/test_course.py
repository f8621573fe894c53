"""Every notebook of the course runs from top to bottom, on an ordinary and on a warm kernel.

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


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.with_suffix("").as_posix())
def test_the_notebook_runs_with_the_same_outputs_on_both_kernels(nbval, notebook):
    """Text, numbers, images and errors are the same."""
    with ThreadPoolExecutor(2) as pool:
        ordinary, warm = pool.map(partial(nbval, ROOT / notebook), (False, True))
    assert ordinary.returncode == 0, ordinary.stdout
    assert warm.returncode == 0, warm.stdout
    assert (ordinary.is_warm, warm.is_warm) == (False, True)
    assert warm.outputs == ordinary.outputs
