"""Every notebook of the course runs from top to bottom.

A student notebook runs as it is handed out: its stubs raise only where a cell uses them, and
those cells carry the tag `raises-exception`.
"""

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
def test_the_notebook_runs(nbval, notebook):
    result = nbval(ROOT / notebook)
    assert result.returncode == 0, result.stdout + result.stderr
