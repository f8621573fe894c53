"""A lab's mutants and variants as notebooks that somebody could have handed in.

- `answer_notebooks(folder)`: the label and the notebook of each mutant and variant
"""

import ast
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

from nbformat import NotebookNode

from dllab.authoring.source import LabSource, has_tag, read_lab
from dllab.check.loading import read_lab_folder
from dllab.check.registry import Replacement

__all__ = ["answer_notebooks"]

_FILES = {"mutant": "mutants.py", "variant": "variants.py"}
_BUILT = """\
from types import SimpleNamespace

globals().update({name}(SimpleNamespace(**globals())))
"""


def answer_notebooks(folder: Path) -> Iterator[tuple[str, NotebookNode]]:
    """Yield `("mutant softmax: normalizes_columns", notebook)` for each declared answer.

    Each is the solution notebook with one task answered in another way.

    Args:
        folder: the lab's source folder.
    """
    source, lab = read_lab(folder), read_lab_folder(folder)
    for kind, file in _FILES.items():
        answers = lab.mutants if kind == "mutant" else lab.variants
        module = ast.parse((folder / file).read_text(encoding="utf-8"))
        marked = [node for node in module.body if _is_marked(node)]
        shared = [node for node in module.body if not _is_marked(node) and not _is_ours(node)]
        for answer, node in zip(answers, marked, strict=True):
            code = _code(shared, node, answer)
            yield f"{kind} {answer.task}: {answer.label}", _with_answer(source, answer.task, code)


def _is_marked(node: ast.stmt) -> bool:
    return any(map(_is_mark, getattr(node, "decorator_list", ())))


def _is_mark(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") in _FILES


def _is_ours(node: ast.stmt) -> bool:
    """Tell whether it is the docstring or an import of the decorators."""
    imported = getattr(node, "module", None) == "dllab.check"
    return imported or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _code(shared: list[ast.stmt], node: ast.stmt, answer: Replacement) -> str:
    """Return the code of an answer that stands alone, and makes it the learner's."""
    bare = deepcopy(node)
    assert isinstance(bare, ast.FunctionDef | ast.ClassDef)
    bare.decorator_list = [mark for mark in bare.decorator_list if not _is_mark(mark)]
    program = ast.unparse(ast.Module([*shared, bare], type_ignores=[]))
    if answer.build:
        return f"{program}\n\n{_BUILT.format(name=bare.name)}"
    alias = "" if bare.name == answer.replaces else f"\n\n{answer.replaces} = {bare.name}"
    return program + alias


def _with_answer(source: LabSource, task: str, code: str) -> NotebookNode:
    """Return the solution notebook with the answer in the task's cell.

    The solution stays above it: an answer may build on the rest of the cell.
    """
    notebook = source.solution_notebook()
    cells = [c for c in notebook.cells if has_tag(c, "task") and c.metadata.get("task") == task]
    cells[-1].source = f"{cells[-1].source}\n\n\n{code.strip()}"
    return notebook
