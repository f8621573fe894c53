"""The course's notebooks on one Keras backend: which there are, and how one is run.

A chapter is read from its source, a lab as its solved notebook. Cells of other backends are left
out, and the rest runs in a new kernel in the notebook's own folder.
"""

import ast
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from dllab.authoring.backends import LeftOut, for_backend
from dllab.authoring.build import chapter_paths, lab_paths
from dllab.authoring.lint_cells import code_cells
from dllab.authoring.project import find_root
from dllab.authoring.source import read_lab, read_myst

ROOT = find_root(Path(__file__).parent)
CELL_SECONDS = 300

# The default suite runs everything on TensorFlow already; `DLLAB_BACKENDS=tensorflow,jax,torch`
# adds it, or chooses one.
CHOSEN = os.environ.get("DLLAB_BACKENDS", "jax,torch").split(",")
BACKENDS = [name for name in CHOSEN if find_spec(name)]

FRAMEWORKS = ("keras", "tensorflow", "jax", "torch")
# What of the package brings Keras in: parts that are imported, functions that are called.
PARTS = {f"dllab.{part}" for part in ("train", "explain", "gradients", "pretrained")}
FUNCTIONS = {"device", "set_seed", "batches"}

SETTINGS = {
    "DLLAB_DEVICE": "cpu",
    "DLLAB_WARM": "0",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    **dict.fromkeys(
        (
            *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
            *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
        ),
        "1",
    ),
    # JAX has no setting for one thread; this keeps one operation on one.
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}


@dataclass(frozen=True)
class Source:
    """A chapter, or the folder of a lab."""

    path: Path

    @property
    def name(self) -> str:
        """What the test is called: the chapter's or the lab's name."""
        return self.path.stem

    @property
    def is_lab(self) -> bool:
        """Whether it is a lab, whose solution earns points."""
        return self.path.is_dir()

    @property
    def folder(self) -> Path:
        """The folder that the notebook runs in."""
        return ROOT / "labs" if self.is_lab else self.path.parent

    def notebook(self) -> NotebookNode:
        """The chapter's notebook, or the lab's with every task solved."""
        if self.is_lab:
            return read_lab(self.path).solution_notebook()
        return read_myst(self.path)


@dataclass(frozen=True)
class Run:
    """A finished run: seconds, what was left out, and the failure, if there was one."""

    seconds: float
    left_out: tuple[LeftOut, ...]
    failure: str = ""


def sources() -> list[Source]:
    """Every chapter and every lab."""
    return [Source(path) for path in (*chapter_paths(ROOT), *lab_paths(ROOT))]


def uses_keras(notebook: NotebookNode) -> bool:
    """Whether a cell imports a framework, or uses a part of the package that does."""
    return any(_brings_keras(node) for node in _nodes(notebook))


def with_proof_of_points(notebook: NotebookNode) -> NotebookNode:
    """Add a cell that fails unless the lab's checks give every point."""
    proof = "assert (score := lab.progress()).points == score.max_points, str(score)"
    notebook.cells.append(new_code_cell(proof))
    return notebook


def without_keras(notebook: NotebookNode) -> NotebookNode:
    """Add a cell that fails if anything before it has imported a framework."""
    proof = f"import sys\nassert not sys.modules.keys() & set({FRAMEWORKS!r}), 'imported after all'"
    notebook.cells.append(new_code_cell(proof))
    return notebook


def run(notebook: NotebookNode, backend: str, folder: Path) -> Run:
    """Run a notebook's cells on a backend, up to the first that fails."""
    rest, left_out = for_backend(notebook, backend)
    numbers = _numbers(notebook, left_out)
    environment = os.environ | SETTINGS | {"KERAS_BACKEND": backend}
    client = NotebookClient(
        rest,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    start, at = time.monotonic(), 0

    def note(cell: NotebookNode, cell_index: int) -> None:
        nonlocal at
        at = cell_index

    client.on_cell_execute = note
    failure = ""
    try:
        client.execute(env=environment)
    except CellExecutionError as error:
        # The notebook's own number: what was left out counts.
        failure = f"cell {numbers[at]}: {error.ename}: {error.evalue}\n{error.traceback}"
    except Exception as error:  # a kernel that died, a cell without end
        failure = f"cell {numbers[at]}: {type(error).__name__}: {error}"
    return Run(time.monotonic() - start, left_out, failure)


def _numbers(notebook: NotebookNode, left_out: tuple[LeftOut, ...]) -> list[int]:
    gone = {one.cell for one in left_out}
    return [n for n in range(1, len(notebook.cells) + 1) if n not in gone] + [0]


def _nodes(notebook: NotebookNode) -> Iterator[ast.AST]:
    for _, cell in code_cells(notebook):
        yield from ast.walk(ast.parse(cell.source))


def _brings_keras(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
    else:
        return isinstance(node, ast.Attribute) and node.attr in FUNCTIONS
    return any(
        name.split(".")[0] in FRAMEWORKS or ".".join(name.split(".")[:2]) in PARTS for name in names
    )
