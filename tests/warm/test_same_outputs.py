"""Does a notebook give the same outputs on a warm kernel as on an ordinary one?

The notebooks are those beside this file. `tests/notebooks` asks the same of every chapter and lab.
"""

import asyncio
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from comparable import comparable
from nbclient import NotebookClient

from dllab import warm

SMALL = sorted((Path(__file__).parent / "notebooks").glob("*.ipy"))


@pytest.fixture(scope="module", autouse=True)
def full_template():
    """Preload what a user's template preloads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DLLAB_WARM_PRELOAD")
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
        patch.setenv("DLLAB_DEVICE", "cpu")
        patch.delenv("PYTEST_CURRENT_TEST", raising=False)
        yield
        warm.stop()


def test_there_are_enough_notebooks() -> None:
    """At least 15, beside all that the project has."""
    assert len(SMALL) >= 15


def read(path: Path) -> nbformat.NotebookNode:
    cells = re.split(r"^# %%\n", path.read_text(), flags=re.MULTILINE)
    return nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell.rstrip("\n")) for cell in cells]
    )


def outputs(path: Path, kernel: str, folder: Path) -> list[Any]:
    """Run a notebook and return the outputs of its cells, streams joined."""
    notebook = read(path)
    client = NotebookClient(
        notebook,
        kernel_name=kernel,
        timeout=300,
        allow_errors=True,
        resources={"metadata": {"path": str(folder)}},
    )
    with asyncio.Runner() as runner:
        runner.run(client.async_execute())
    return [comparable(cell.outputs) for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.stem)
def test_same_outputs(
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Text, numbers, images and errors are the same."""
    monkeypatch.delenv("PYTEST_CURRENT_TEST", raising=False)
    assert outputs(path, warm.KERNEL_NAME, tmp_path) == outputs(path, "python3", tmp_path)
    assert "No warm kernel" not in caplog.text, "two ordinary kernels were compared"
