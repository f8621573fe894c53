"""Does a notebook give the same outputs on a warm kernel as on an ordinary one?

The notebooks are those beside this file, every lab, and, with `DLLAB_WARM_ALL=1`, every chapter
of the book: each runs twice, which takes minutes.
"""

import asyncio
import os
import re
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

from dllab import warm

ROOT = Path(__file__).parents[2]
SMALL = sorted((Path(__file__).parent / "notebooks").glob("*.ipy"))
LABS = sorted((ROOT / "labs").glob("*.ipynb"))
CHAPTERS = [
    path
    for path in sorted((ROOT / "book").rglob("*.md"))
    if re.search(r"^kernelspec:", path.read_text()[:800], re.MULTILINE)
]
# Numbers that differ from run to run on any kernel.
_VARIABLE = [
    (re.compile(r"0x[0-9a-f]{6,}"), "ADDRESS"),
    (re.compile(r"(?<=ipykernel_)\d+"), "PID"),
    (re.compile(r"\b\d+(\.\d+)? ?(ns|µs|us|ms|s|min)\b(/step|/epoch)?"), "TIME"),
    (re.compile(r"^[IWE]\d{4} .*\n?", re.MULTILINE), ""),
    (re.compile(r"^WARNING: All log messages before absl.*\n?", re.MULTILINE), ""),
]


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
    """At least 15 of our own, and all that the project has."""
    assert len(SMALL) >= 15


def read(path: Path) -> nbformat.NotebookNode:
    if path.suffix == ".ipy":
        cells = re.split(r"^# %%\n", path.read_text(), flags=re.MULTILINE)
        return nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell.rstrip("\n")) for cell in cells]
        )
    return jupytext.read(path)


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
    return [_plain(cell.outputs) for cell in notebook.cells if cell.cell_type == "code"]


def _plain(found: list[Any]) -> list[Any]:
    streams = {"stdout": "", "stderr": ""}
    others = []
    for output in found:
        if output.output_type == "stream":
            streams[output.name] += output.text
        elif output.output_type == "error":
            others.append(
                [output.ename, _steady(output.evalue), _steady("\n".join(output.traceback))]
            )
        else:
            others.append({kind: _steady(str(data)) for kind, data in output.data.items()})
    return [*(_steady(text) for text in streams.values()), *others]


def _steady(text: str) -> str:
    for pattern, word in _VARIABLE:
        text = pattern.sub(word, text)
    return text


def cases() -> list[Any]:
    reason = "runs each chapter twice; set DLLAB_WARM_ALL=1"
    skip = pytest.mark.skipif(not os.environ.get("DLLAB_WARM_ALL"), reason=reason)
    chapters = [pytest.param(path, id=path.stem, marks=skip) for path in CHAPTERS]
    return [pytest.param(path, id=path.stem) for path in (*SMALL, *LABS)] + chapters


@pytest.mark.parametrize("path", cases())
def test_same_outputs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text, numbers, images and errors are the same."""
    monkeypatch.delenv("PYTEST_CURRENT_TEST", raising=False)
    folder = tmp_path if path in SMALL else path.parent
    assert outputs(path, warm.KERNEL_NAME, folder) == outputs(path, "python3", folder)
