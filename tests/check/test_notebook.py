"""A saved notebook is run and checked from outside, whatever is in it."""

import json

import pytest

from dllab.check.notebook import check_notebook, read_code_cells
from dllab.check.notebook_worker import run_cells, without_magics
from dllab.errors import NotebookError, UnknownLabError

SETUP = 'import numpy as np\nimport dllab\nlab = dllab.lab("00_getting_started")'
ACCURACY = (
    "def accuracy(predictions, labels):\n"
    "    return float((np.asarray(predictions) == np.asarray(labels)).mean())"
)


def write(path, cells, **extra):
    content = {
        "cells": [{"cell_type": "code", "source": cell} for cell in cells],
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {},
    }
    path.write_text(json.dumps(content), **extra)
    return path


def test_marks_a_task_and_goes_on_after_errors(tmp_path):
    """Cells that fail are reported with their number, and later ones still count."""
    cells = ["%matplotlib inline\n" + SETUP, "1 / 0", ACCURACY, 'lab.check("accuracy")']
    path = write(tmp_path / "my lab.ipynb", cells, encoding="utf-8-sig")
    result = check_notebook(path, task="accuracy")
    assert result.points == result.max_points
    assert result.problems == ("code cell 2: ZeroDivisionError: division by zero",)
    assert json.loads(json.dumps(result.to_dict()))["points"] == result.points
    assert "Total:" in str(result)


def test_misconception_comes_through(tmp_path):
    """The diagnosis of a wrong answer is part of the report."""
    wrong = "def accuracy(p, y): return np.sum(p == y)"
    result = check_notebook(write(tmp_path / "a.ipynb", [SETUP, wrong]), task="accuracy")
    assert result.tasks[0].misconceptions == ("share-not-count",)


def test_code_that_ends_python(tmp_path):
    """A cell that ends the process is named."""
    path = write(tmp_path / "a.ipynb", [SETUP, "import os\nos._exit(0)"])
    with pytest.raises(NotebookError, match="code cell 2 ended Python itself"):
        check_notebook(path)


def test_code_that_never_ends(tmp_path):
    """A cell that never ends costs its own time only."""
    path = write(tmp_path / "a.ipynb", [SETUP, "while True: pass", ACCURACY])
    result = check_notebook(path, task="accuracy", cell_seconds=3)
    assert result.points == result.max_points
    assert result.problems == ("code cell 2 did not finish within 3 s",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is not valid JSON"),
        (b"[1]", "is not a notebook"),
        (b'{"cells": 3}', "is not a notebook"),
        ('{"cells": ["é"]}'.encode("latin-1"), "is not in UTF-8"),
    ],
)
def test_broken_files(tmp_path, content, message):
    """A file that is no notebook gets one sentence."""
    path = tmp_path / "broken.ipynb"
    path.write_bytes(content)
    with pytest.raises(NotebookError, match=message):
        read_code_cells(path)


def test_missing_file(tmp_path):
    """A file that is not there gets one sentence."""
    with pytest.raises(NotebookError, match="there is no file"):
        read_code_cells(tmp_path / "nothing.ipynb")


def test_lab_is_found_by_call_or_file_name(tmp_path):
    """The setup cell names the lab; without one the file's name does; otherwise one is told."""
    named = write(tmp_path / "00_getting_started (2).ipynb", ["x = 1"])
    assert check_notebook(named, task="accuracy").lab == "00_getting_started"
    with pytest.raises(UnknownLabError, match="does not say which lab it is"):
        check_notebook(write(tmp_path / "homework.ipynb", ["x = 1"]))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("!pip install x", "pass"),
        ("x = !ls", "x = None"),
        ("len?", "pass"),
        ("%%time\nx = 1", "x = 1"),
        ("%%bash\nls", ""),
        ("x = (7\n% 4)", "x = (7\n% 4)"),
        ("if True:\n    %time f()", "if True:\n    pass"),
    ],
)
def test_magics(source, expected):
    """Lines for IPython are left out, and Python's own `%` is left alone."""
    assert without_magics(source) == expected


def test_cells_may_await():
    """A cell with `await` at top level runs as it does in a notebook."""
    names = {}
    assert run_cells(["import asyncio\nx = await asyncio.sleep(0, 5)"], names, 5) == []
    assert names["x"] == 5
