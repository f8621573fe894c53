# ruff: noqa: E501 (the code of students keeps to no rule)
"""Accidents, as data: what happens to right work on its way, none of which may cost a mark.

- `CASES`: all of them; each a `Case`
- `content(case)`: the bytes of its file

A case starts from the solution of a lab. `first` and `last` are code cells put behind the setup
cell and at the end; `edit` changes the list of cells; `write` turns the notebook into a file.
"""

import codecs
import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Any

from dllab.authoring import read_lab
from dllab.authoring.build import to_json
from dllab.check.loading import find_lab

LABS = Path(__file__).with_name("labs")
SMALL, KERAS = LABS / "92_accidents", LABS / "80_keras"
BACKPROPAGATION = find_lab("03_backpropagation").folder
FIRST = find_lab("00_getting_started").folder

Json = dict[str, Any]
Cells = list[Json]


@dataclass(frozen=True)
class Case:
    """One accident: what happened, and which repairs the student is told of, no others."""

    name: str
    repairs: tuple[str, ...] = ()
    first: Sequence[str] = ()
    last: Sequence[str] = ()
    edit: Callable[[Cells], Cells] = lambda cells: cells
    notebook: Callable[[Json], Json] = lambda notebook: notebook
    write: Callable[[Json], bytes] = lambda notebook: json.dumps(notebook).encode()
    lab: Path = SMALL


@cache
def _solved(lab: Path) -> str:
    return to_json(read_lab(lab).solution_notebook())


@cache
def _untouched(lab: Path) -> str:
    return to_json(read_lab(lab).student_notebook())


def content(case: Case) -> bytes:
    """Return the file that is handed in."""
    notebook = json.loads(_solved(case.lab))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    cells = notebook["cells"]
    setup = next(index for index, cell in enumerate(cells) if cell["cell_type"] == "code")
    cells[setup + 1 : setup + 1] = [code(source) for source in case.first]
    cells += [code(source) for source in case.last]
    notebook["cells"] = case.edit(cells)
    return case.write(case.notebook(notebook))


# ---------------------------------------------------------------- cells


def code(source: str) -> Json:
    """Return a code cell as an editor writes it."""
    return {
        "cell_type": "code",
        "source": dedent(source).strip("\n"),
        "metadata": {},
        "outputs": [],
        "execution_count": 1,
    }


def change(old: str, new: str) -> Callable[[Cells], Cells]:
    """Return an edit that replaces text in the cells that hold it."""

    def edit(cells: Cells) -> Cells:
        assert any(old in cell["source"] for cell in cells)
        for cell in cells:
            cell["source"] = cell["source"].replace(old, new)
        return cells

    return edit


def delete(*texts: str) -> Callable[[Cells], Cells]:
    """Return an edit that deletes the code cells which hold one of these texts."""
    return lambda cells: [
        cell
        for cell in cells
        if cell["cell_type"] != "code" or not any(text in cell["source"] for text in texts)
    ]


def at(text: str, edit: Callable[[Json], list[Json]]) -> Callable[[Cells], Cells]:
    """Return an edit that replaces the one code cell that holds a text by others."""

    def replace(cells: Cells) -> Cells:
        chosen = [c for c in cells if c["cell_type"] == "code" and text in c["source"]]
        assert len(chosen) == 1, text
        return [new for cell in cells for new in (edit(cell) if cell is chosen[0] else [cell])]

    return replace


def head(line: str, text: str) -> Callable[[Cells], Cells]:
    """Return an edit that puts lines above the code of one cell."""
    return at(text, lambda cell: [cell | {"source": f"{line}\n{cell['source']}"}])


def retype(text: str, kind: str, before: str = "", after: str = "") -> Callable[[Cells], Cells]:
    """Return an edit that turns one code cell into a text cell."""
    return at(
        text,
        lambda cell: [
            {"cell_type": kind, "metadata": {}, "source": before + cell["source"] + after}
        ],
    )


def stub_again(cells: Cells) -> Cells:
    """Add, at the end, all cells as they were handed out."""
    untouched = json.loads(_untouched(SMALL))["cells"]
    return cells + [cell for cell in untouched if cell["cell_type"] == "code"]


def without_keys(cells: Cells) -> Cells:
    """Leave of each cell only what it is and says."""
    return [{key: cell[key] for key in ("cell_type", "source")} for cell in cells]


def backwards(cells: Cells) -> Cells:
    """Put the cells into the opposite order."""
    return cells[::-1]


def setup_last(cells: Cells) -> Cells:
    """Move the setup cell to the end."""
    setup = next(cell for cell in cells if "import dllab" in cell["source"])
    return [*(cell for cell in cells if cell is not setup), setup]


def all_in_one(cells: Cells) -> Cells:
    """Put all code into one cell."""
    return [code("\n\n".join(c["source"] for c in cells if c["cell_type"] == "code"))]


# ---------------------------------------------------------------- notebooks


def metadata(value: Any) -> Callable[[Json], Json]:
    """Return a change of the metadata of the notebook and of all cells."""

    def edit(notebook: Json) -> Json:
        cells = [cell | {"metadata": value} for cell in notebook["cells"]]
        return notebook | {"metadata": value, "cells": cells}

    return edit


def version_3(notebook: Json) -> Json:
    """Return the notebook as IPython 2 wrote it."""
    cells = deepcopy(notebook["cells"])
    for cell in cells:
        if cell["cell_type"] == "code":
            cell["input"] = cell.pop("source")
            cell |= {"language": "python", "prompt_number": 1, "collapsed": False}
    return {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": ""},
        "worksheets": [{"cells": cells, "metadata": {}}],
    }


def huge_output(notebook: Json) -> Json:
    """Add 60 MB of printed text."""
    text = ["epoch 1: loss 0.123456789\n" * 1000] * 2300
    output = {"output_type": "stream", "name": "stdout", "text": text}
    for cell in notebook["cells"]:
        if "def shares" in cell["source"]:
            cell["outputs"] = [output]
    return notebook


def attachments(notebook: Json) -> Json:
    """Add a pasted picture and widget state."""
    cell = {
        "cell_type": "markdown",
        "source": "![](attachment:p.png)",
        "attachments": {"p.png": {"image/png": "iVBORw0KGgo" * 100_000}},
        "metadata": {},
    }
    notebook["cells"].insert(1, cell)
    notebook["metadata"]["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    return notebook


def same_ids(notebook: Json) -> Json:
    """Give all cells the same id and nbgrader's metadata of the same cell."""
    for cell in notebook["cells"]:
        cell["id"] = "same"
        cell["metadata"] = {"nbgrader": {"grade": True, "grade_id": "same", "points": 99}}
    return notebook


def skip_tags(notebook: Json) -> Json:
    """Tag all cells in ways that other programs obey."""
    for cell in notebook["cells"]:
        cell["metadata"] = {"tags": ["skip-execution", "remove-cell"], "trusted": False}
    return notebook


def text(encoding: str) -> Callable[[Json], bytes]:
    """Return a way to write a notebook in an encoding, readable characters kept."""
    return lambda notebook: json.dumps(notebook, ensure_ascii=False, indent=1).encode(encoding)


def script(notebook: Json) -> bytes:
    """Return what `jupyter nbconvert --to script` makes of a notebook."""
    parts = ["#!/usr/bin/env python\n# coding: utf-8\n"]
    for number, cell in enumerate(notebook["cells"], start=1):
        if cell["cell_type"] == "code":
            parts.append(f"\n# In[{number}]:\n\n\n{cell['source']}\n")
        else:
            parts.append("\n" + "\n".join(f"# {line}" for line in cell["source"].split("\n")))
    return "\n".join(parts).encode()


def lines(notebook: Json) -> bytes:
    """Write sources as lists whose line ends another program has dropped."""
    for cell in notebook["cells"]:
        cell["source"] = cell["source"].split("\n")
    return json.dumps(notebook).encode()


UMLAUTS = 'größe = "Überschrift: é"  # für später'
COLAB = """
    from google.colab import drive, files
    drive.mount("/content/drive")
    uploaded = files.upload()
    important = 1
"""
PROGRESS = r"""
    import sys, time
    for step in range(200):
        print(f"\rtraining: {step / 2:.0f}%|{'█' * (step // 10):<20}| {step}/200", end="", file=sys.stderr, flush=True)
"""
LOGGING = """
    import logging
    logging.basicConfig(level=logging.DEBUG, force=True)
    logging.getLogger().addHandler(logging.StreamHandler())
    logging.error("hello")
"""
CONFLICT = """\
def shares(counts):
<<<<<<< HEAD
    total = sum(counts)
=======
    total = 0
    for count in counts:
        total += count
>>>>>>> laptop
    return [count / total for count in counts]
"""
PADDED = "\u00a0\u00a0\u00a0\u00a0total\u00a0= sum(list(counts))"

CASES = (
    Case("nothing happened"),
    # what is printed
    Case("text on stderr", first=["import sys\nprint('careful', file=sys.stderr)"]),
    Case("progress bar", last=[PROGRESS]),
    Case("a million lines", last=["for number in range(200_000): print(number)"]),
    Case("warnings", first=["import warnings\nwarnings.warn('old')\nnp.log(np.zeros(1))"]),
    Case("warnings are errors", first=["import warnings\nwarnings.simplefilter('error')"]),
    Case("numerical errors are raised", first=["np.seterr(all='raise')"]),
    Case("print options", first=["np.set_printoptions(precision=1, threshold=2, legacy='1.13')"]),
    Case("logging", first=[LOGGING]),
    Case("print is replaced", first=["def print(*values): raise RuntimeError('no printing')"]),
    Case("output is closed", last=["import sys\nsys.stdout.close()\nsys.stderr.close()"]),
    # what cells do
    Case("a cell crashes", first=["1 / 0", "undefined_name"], last=["raise ValueError('oops')"]),
    Case("a crash above the work", edit=head("undefined_name", "def shares")),
    Case("another folder", first=["import os\nos.makedirs('x', exist_ok=True)\nos.chdir('x')"]),
    Case("a path of one's own", edit=head("data = np.load('/Users/ada/data.npy')", "def loss")),
    Case("unseeded numbers", first=["np.random.rand(3)\nimport random\nrandom.random()"]),
    Case("plots", first=["import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"]),
    Case("asks a question", first=["name = input('Your name? ')\nanswer = int(input())"]),
    Case("waits for a key in the cell with the work", edit=head("input('go on?')", "def shares")),
    Case("ends Python", last=["import sys\nsys.exit()", "exit()", "quit"]),
    Case("ends the process", last=["import os\nos._exit(3)"]),
    Case("endless cell", last=["while True:\n    pass"]),
    Case("endless cell above the work", edit=head("while True: pass", "class Weight")),
    Case("top-level await", first=["import asyncio\nawait asyncio.sleep(0)\nwaited = True"]),
    Case(
        "float32 everywhere",
        first=[
            "import keras\nkeras.config.set_floatx('float32')\nkeras.mixed_precision.set_global_policy('float32')"
        ],
        lab=KERAS,
    ),
    Case(
        "progress bars of Keras",
        last=[
            "model = train_network(np.zeros((32, 2)), np.zeros(32, int), 0)\nmodel.fit(np.zeros((64, 2)), np.zeros(64), verbose=1)"
        ],
        lab=KERAS,
    ),
    Case(
        "display",
        first=[
            "from IPython.display import display, HTML, clear_output\ndisplay(HTML('<b>x</b>'))\nclear_output()"
        ],
    ),
    Case(
        "an interactive widget that is not installed",
        first=["import no_such_widgets\nfrom tqdm.notebook import no_such"],
    ),
    # names
    Case("answer's name reused", ("overwritten-name",), last=["shares = shares([1, 2])"]),
    Case(
        "answer wrapped on purpose",
        ("overwritten-name",),
        last=["import functools\nloss = functools.partial(loss)"],
    ),
    Case(
        "Python's name reused",
        ("shadowed-builtin", "shadowed-builtin"),
        last=["list = [1, 2, 3]\nsum = 0\nfor x in list: sum += x"],
    ),
    Case(
        "given name reused",
        ("overwritten-name",),
        last=["residuals = residuals(np.ones((2, 1)), np.ones(1), np.ones(2))"],
    ),
    Case(
        "own constant called like Python's",
        edit=change("SCALE * np.mean", "abs * np.mean"),
        first=["abs = 0.5"],
    ),
    Case("Unicode names", edit=change("total", "größe")),
    # cells that were moved, lost, copied, retyped
    Case("cells in the opposite order", ("setup-cell",), edit=backwards),
    Case("setup cell last", ("setup-cell",), edit=setup_last),
    Case("setup cell deleted", ("setup-cell",), edit=delete("import dllab")),
    Case("all in one cell", edit=all_in_one),
    Case("check cells deleted", edit=delete("lab.check", "lab.progress")),
    Case(
        "check cells edited",
        edit=change('lab.check("shares")', 'print(lab.check("shares"))\nlab.check("loss")'),
    ),
    Case(
        "check cell with an assert",
        edit=change(
            'lab.check("shares")', 'result = lab.check("shares")\nassert result.points == 1e9'
        ),
    ),
    Case("given code deleted", ("given-code",), edit=delete("def residuals")),
    Case("half of the given code deleted", ("given-code",), edit=change("SCALE = 0.5", "")),
    Case("given code retyped", ("given-code",), edit=retype("def residuals", "markdown")),
    Case(
        "only the answers",
        ("given-code", "setup-cell"),
        edit=delete("import dllab", "def residuals", "lab.", "plt."),
    ),
    Case("answer in a text cell", ("retyped-cell",), edit=retype("def shares", "markdown")),
    Case(
        "answer fenced in a text cell",
        ("retyped-cell",),
        edit=retype("class Weight", "markdown", "My answer:\n```python\n", "\n```\n"),
    ),
    Case("answer in a raw cell", ("retyped-cell",), edit=retype("def loss", "raw")),
    Case(
        "cells twice",
        ("copied-cell",) * 4,
        edit=lambda cells: (
            cells
            + deepcopy([c for c in cells if "def " in c["source"] or "import numpy" in c["source"]])
            + deepcopy([c for c in cells if "def loss" in c["source"]])
        ),
        lab=SMALL,
    ),
    Case("untouched copy below", ("untouched-copy",) * 3, edit=stub_again),
    Case(
        "a draft above",
        edit=at("def shares", lambda cell: [code("def shares(counts):\n    return 0"), cell]),
    ),
    Case(
        "a draft that is not Python",
        ("syntax",),
        edit=at("def shares", lambda cell: [cell, code("def shares(counts):\n    return [")]),
    ),
    # text that is not quite Python
    Case(
        "syntax error beside the work",
        ("syntax",),
        edit=at(
            "def shares", lambda cell: [cell | {"source": f"{cell['source']}\n\nshares([1, 2]\n"}]
        ),
    ),
    Case(
        "indented cell",
        ("typography",),
        edit=at(
            "def shares",
            lambda cell: [cell | {"source": "    " + cell["source"].replace("\n", "\n    ")}],
        ),
    ),
    Case("odd spaces", ("typography",), edit=change("    total = sum(list(counts))", PADDED)),
    Case(
        "tabs and spaces",
        ("typography",),
        edit=change("    total = sum(list(counts))", "\ttotal = sum(list(counts))"),
    ),
    Case(
        "curly quotes",
        ("typography",),
        edit=change('"""Return each number\'s share of the sum."""', "“””Return the shares.”””"),
    ),
    Case(
        "merge conflict",
        ("conflict-markers",),
        edit=at("def shares", lambda cell: [cell | {"source": CONFLICT}]),
    ),
    # magics and hosted notebooks
    Case(
        "plots inline",
        ("magics",) * 3,
        first=[
            "%matplotlib inline\n%config InlineBackend.figure_format = 'retina'\nimport matplotlib.pyplot as plt",
            "%matplotlib notebook",
        ],
    ),
    Case("timed cell", edit=head("%%time", "def shares")),
    Case("repeated cell", ("magics",), edit=head("%%timeit -n 1000", "def shares")),
    Case("captured cell", edit=head("%%capture output", "class Weight"), last=["output.show()"]),
    Case(
        "unknown magics",
        ("magics",) * 3,
        edit=head("%load_ext autoreload\n%autoreload 2\n%tensorflow_version 2.x", "def loss"),
    ),
    Case(
        "shell commands",
        first=["!ls\nfiles = !ls\nprint(len(files))"],
        edit=head("!nvidia-smi", "def shares"),
    ),
    Case("other languages", ("magics",) * 2, first=["%%bash\necho hello", "%%html\n<b>hello</b>"]),
    Case("help", first=["np.mean?", "?np.sum"]),
    Case(
        "installs",
        ("install",) * 5,
        edit=head(
            "!pip install -q \\\n    numpy\n%pip install pandas\n!apt-get install -y graphviz",
            "def shares",
        ),
        first=["!wget https://example.org/data.csv", "pip install tqdm"],
    ),
    Case("Colab", ("colab",), first=[COLAB]),
    Case(
        "Colab above the work",
        ("colab",),
        edit=head("from google.colab import userdata\nkey = userdata.get('KEY')", "class Weight"),
    ),
    Case(
        "a module written by a cell",
        first=[
            "%%writefile helper.py\ndef add(values):\n    return sum(values)",
            "from helper import add",
        ],
        edit=change("sum(list(counts))", "add(counts)"),
    ),
    # the file
    Case("byte order mark", ("byte-order-mark",), write=text("utf-8-sig")),
    Case("UTF-16", ("encoding",), write=text("utf-16")),
    Case("UTF-16 without a mark", ("encoding",), write=text("utf-16-le")),
    Case("Latin-1", ("encoding",), first=[UMLAUTS], write=text("latin-1")),
    Case("Windows-1252", ("encoding",), first=[UMLAUTS + " – “”"], write=text("cp1252")),
    Case(
        "UTF-32",
        ("encoding",),
        write=lambda notebook: codecs.BOM_UTF32_LE + text("utf-32-le")(notebook),
    ),
    Case(
        "Windows line ends",
        write=lambda notebook: (
            json.dumps(notebook, indent=1).replace("\n", "\r\n").replace("\\n", "\\r\\n").encode()
        ),
    ),
    Case("line ends lost", ("lines",), write=lines),
    Case(
        "trailing text",
        ("trailing-text",),
        write=lambda notebook: json.dumps(notebook).encode() + b'\n "metadata": {}}',
    ),
    Case("format 3", ("old-format",), notebook=version_3),
    Case(
        "wrong format number",
        notebook=lambda notebook: notebook | {"nbformat": 99, "nbformat_minor": -1},
    ),
    Case("format number missing", notebook=lambda notebook: {"cells": notebook["cells"]}),
    Case("script", ("script",), write=script),
    Case("60 MB of output", notebook=huge_output),
    Case("metadata lost", notebook=metadata({})),
    Case("metadata of another kind", notebook=metadata(["a", None, 1e999])),
    Case("cells without keys", edit=without_keys),
    Case(
        "another kernel",
        notebook=lambda notebook: (
            notebook
            | {
                "metadata": {
                    "kernelspec": {"name": "ada-env", "display_name": "R", "language": "R"},
                    "language_info": {"name": "R"},
                }
            }
        ),
    ),
    Case("same ids", notebook=same_ids),
    Case("tags that skip", notebook=skip_tags),
    Case("pictures and widgets", notebook=attachments),
    # whole labs of the course
    Case("lab 03 as it is", lab=BACKPROPAGATION),
    Case(
        "lab 03, much at once",
        ("byte-order-mark", "install", "given-code"),
        first=[
            "!pip install numpy",
            "import warnings\nwarnings.simplefilter('error')\nnp.seterr(all='raise')",
        ],
        edit=delete("def forward"),
        last=["1 / 0", "X, y, parameters = 1, 2, 3"],
        write=text("utf-8-sig"),
        lab=BACKPROPAGATION,
    ),
    Case(
        "lab 00, answers only",
        ("given-code", "setup-cell"),
        edit=delete("import dllab", "def make_network", "lab.", "plot", "scale_and_break"),
        lab=FIRST,
    ),
)
