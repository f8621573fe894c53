"""Cells about one framework's own API, and what is left of a notebook without them.

Keras runs on TensorFlow, JAX or PyTorch, and a notebook of the course on each of them. A cell that
shows one framework's own API has a tag such as `only-tensorflow`, and its first line is a comment
that says so and why: the reason for which it is left out elsewhere.

- `for_backend(notebook, backend)`: the notebook without other backends' cells, and what it lacks
- `only_on(cell)`: the backends that the tags of a cell name
- `find_backend_mistakes(notebook)`: cells with such a tag that are wrong, or that should have one
"""

import ast
import builtins
import symtable
from collections.abc import Iterable, Iterator
from copy import copy, deepcopy
from dataclasses import dataclass

from nbformat import NotebookNode

from dllab.authoring.lint_cells import code_cells, parse
from dllab.authoring.source import has_tag
from dllab.errors import ParameterError

__all__ = ["BACKENDS", "LeftOut", "find_backend_mistakes", "for_backend", "only_on"]

BACKENDS = ("tensorflow", "jax", "torch")
_PREFIX = "only-"
_FEWEST_WORDS = 4  # of a reason; fewer only repeat the tag


@dataclass(frozen=True)
class LeftOut:
    """A cell that is left out: its number in the whole notebook, from 1, and why."""

    cell: int
    reason: str


def only_on(cell: NotebookNode) -> tuple[str, ...]:
    """Return the backends that a cell's `only-…` tags name; none for a cell that runs anywhere."""
    tags = cell.metadata.get("tags", ())
    return tuple(tag.removeprefix(_PREFIX) for tag in tags if tag.startswith(_PREFIX))


def for_backend(notebook: NotebookNode, backend: str) -> tuple[NotebookNode, tuple[LeftOut, ...]]:
    """Return a new notebook without the cells of other backends, and what was left out.

    Args:
        notebook: as `read_myst` or a lab's `solution_notebook()` returns it.
        backend: `"tensorflow"`, `"jax"` or `"torch"`.

    Raises:
        ParameterError: there is no such backend.

    Example:
        >>> from nbformat.v4 import new_code_cell, new_notebook
        >>> tape = new_code_cell("# TensorFlow's own API", metadata={"tags": ["only-tensorflow"]})
        >>> rest, left_out = for_backend(new_notebook(cells=[tape, new_code_cell("1")]), "jax")
        >>> len(rest.cells), left_out
        (1, (LeftOut(cell=1, reason="TensorFlow's own API"),))
    """
    if backend not in BACKENDS:
        raise ParameterError(
            f"`backend` must be one of {', '.join(BACKENDS)}, but is {backend!r}. "
            "Name one that Keras runs on."
        )
    rest = deepcopy(notebook)
    left_out = []
    for number, cell in code_cells(notebook):
        if only_on(cell) and backend not in only_on(cell):
            left_out.append(LeftOut(number, _reason(cell)))
    gone = {one.cell for one in left_out}
    rest.cells = [cell for number, cell in enumerate(rest.cells, start=1) if number not in gone]
    return rest, tuple(left_out)


def find_backend_mistakes(notebook: NotebookNode) -> Iterator[tuple[int, str]]:
    """Yield (cell number, sentence) for each mistake with the tags of backends."""
    # Where each name got its value last: the cell's number, and the backends it runs on.
    bound: dict[str, tuple[int, tuple[str, ...]]] = {}
    for number, cell in code_cells(notebook):
        mine = only_on(cell)
        yield from ((number, sentence) for sentence in (*_tag_mistakes(cell), *_untagged(cell)))
        needs, binds = _names(cell.source)
        for name in sorted(needs & bound.keys()):
            where, theirs = bound[name]
            if theirs and not set(mine or BACKENDS) <= set(theirs):
                yield (
                    number,
                    f"`{name}` comes from cell {where}, which runs only on {', '.join(theirs)}; "
                    "no cell that runs elsewhere may depend on it",
                )
        bound |= dict.fromkeys(binds, (number, mine))


def _reason(cell: NotebookNode) -> str:
    first = cell.source.strip().split("\n", 1)[0]
    return first.lstrip("# ").strip() if first.startswith("#") else ""


def _tag_mistakes(cell: NotebookNode) -> Iterator[str]:
    backends = only_on(cell)
    for backend in backends:
        if backend not in BACKENDS:
            known = ", ".join(f"`{_PREFIX}{name}`" for name in BACKENDS)
            yield f"unknown tag `{_PREFIX}{backend}`; the tags for one backend are {known}"
    if backends and len(_reason(cell).split()) < _FEWEST_WORDS:
        yield (
            f"tag `{_PREFIX}{backends[0]}` without a reason; the cell's first line should be a "
            "comment that says whose own API it shows, and why"
        )


def _untagged(cell: NotebookNode) -> Iterator[str]:
    tree = parse(cell.source)
    if only_on(cell) or isinstance(tree, str) or _compares(cell, tree):
        return
    for node in ast.walk(tree):
        if found := _tensorflow(node):
            yield (
                f"`{found}` is TensorFlow's own API: write it with Keras, so that it runs on each "
                f"backend, or give the cell the tag `{_PREFIX}tensorflow` and a reason"
            )
            return


def _compares(cell: NotebookNode, tree: ast.Module) -> bool:
    """Return whether a cell shows TensorFlow beside other frameworks, whatever Keras runs on."""
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    imported = {
        alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    return has_tag(cell, "tab-tensorflow") or bool({"jax", "jnp", "torch"} & (used | imported))


def _tensorflow(node: ast.AST) -> str:
    """Return what a node of the syntax tree uses of TensorFlow, or nothing."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [node.module or ""]
    else:
        used = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
        return used if used in ("tf", "GradientTape") else ""
    return next((f"import {name}" for name in names if name.partition(".")[0] == "tensorflow"), "")


def _names(source: str) -> tuple[set[str], set[str]]:
    """Return the names that a cell needs from elsewhere, and those that it gives a value."""
    tree = parse(source)
    needs: set[str] = set()
    binds = set(dir(builtins))
    for part in () if isinstance(tree, str) else _in_order(tree.body):
        table = symtable.symtable(ast.unparse(part), "<cell>", "exec")
        needs |= _globals(table) - binds
        binds |= {
            symbol.get_name()
            for symbol in table.get_symbols()
            if symbol.is_assigned() or symbol.is_imported()
        }
    return needs, binds - set(dir(builtins))


def _in_order(statements: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements as they run: the head of a loop or a block, then what it holds."""
    for statement in statements:
        if not isinstance(statement, ast.For | ast.While | ast.If | ast.With | ast.Try):
            yield statement
            continue
        head = copy(statement)
        inside: list[ast.stmt] = []
        for name in ("body", "handlers", "orelse", "finalbody"):
            for child in getattr(statement, name, ()):
                inside += child.body if isinstance(child, ast.ExceptHandler) else [child]
            if hasattr(head, name):
                setattr(head, name, [ast.Pass()] if name in ("body", "finalbody") else [])
        yield head
        yield from _in_order(inside)


def _globals(table: symtable.SymbolTable) -> set[str]:
    """Return the global names that a scope or one inside it reads."""
    top = table.get_type() == "module"
    found = {
        symbol.get_name()
        for symbol in table.get_symbols()
        if symbol.is_referenced() and (top or symbol.is_global())
    }
    return found.union(*(_globals(inner) for inner in table.get_children()))
