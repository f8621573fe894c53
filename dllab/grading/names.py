"""What a cell's code defines and uses, found without running it.

- `parse(source)`: the syntax tree, or None where the code is not Python, magics aside
- `plain(source)`: the code with IPython's own lines replaced, line by line
- `bound(tree)`: the names that the top level binds; `definitions(tree)`: functions and classes
- `used(source)`: the global names that the code reads
- `is_stub(node)`: whether a function or class is still as the lab hands it out
"""

import ast
import re
import symtable
import warnings
from collections.abc import Iterator
from functools import lru_cache

__all__ = [
    "CELL_MAGIC",
    "LONGEST",
    "bound",
    "definitions",
    "is_stub",
    "parse",
    "plain",
    "syntax_error",
    "used",
]

LONGEST = 500_000
"""Characters of a cell beyond which it is not analyzed: the parser needs 100 times as much."""

_NESTED_MAGICS = 5
CELL_MAGIC = re.compile(r"\A\s*%%(\w+)(.*)")
_LINE_MAGIC = re.compile(r"^(\s*)[%!?](?!=)")
_HELP = re.compile(r"^(\s*)[\w.]+\?{1,2}\s*$")
_ASSIGNED = re.compile(r"^(\s*)([A-Za-z_][\w.]*)\s*=\s*[%!](?!=)")
# Magics whose body is Python that runs in the notebook's own namespace.
PYTHON_MAGICS = {"time", "timeit", "capture", "prun", "memit", "mprun", "snakeviz", "heat"}

# What the parser raises for text that is no program, hostile text included.
_NOT_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)


def parse(source: str) -> ast.Module | None:
    """Return the syntax tree of a cell, magics replaced, or None where it is not Python."""
    return _parse(plain(source))


def syntax_error(source: str) -> tuple[int, str] | None:
    """Return line and reason for which a cell is not Python, or None where it is."""
    text = plain(source)
    if _parse(text) is not None:
        return None
    try:
        _tree(text)
    except SyntaxError as error:
        return error.lineno or 1, error.msg.split(" (", 1)[0]
    except _NOT_PYTHON:
        return 1, "too deeply nested"
    return 1, "too long"


@lru_cache(maxsize=1024)
def _parse(text: str) -> ast.Module | None:
    if len(text) > LONGEST:
        return None
    try:
        tree = _tree(text)
    except _NOT_PYTHON:
        return None
    return tree


def _tree(text: str) -> ast.Module:
    # `ast.parse` builds a tree and compiles nothing; its warnings are the learner's business
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


@lru_cache(maxsize=1024)
def plain(source: str, depth: int = 0) -> str:
    """Return Python with as many lines as the cell has, IPython's own lines replaced.

    >>> plain("%matplotlib inline\\nx = 1")
    'pass\\nx = 1'
    >>> plain("files = !ls")
    'files = None'
    """
    # magics nest, but a cell of nothing else would be copied once for each of its lines
    if depth < _NESTED_MAGICS and (magic := CELL_MAGIC.match(source)):
        _, newline, body = source[magic.start() :].lstrip().partition("\n")
        skipped = "#" + "\n#" * (source.count("\n") - body.count("\n") - bool(newline))
        if magic[1] not in PYTHON_MAGICS:
            return "#" + "\n#" * source.count("\n")
        return skipped + newline + plain(body, depth + 1)
    if _parse(source) is not None or len(source) > LONGEST:
        return source
    # a line such as `    % 3` may also continue an expression: try without indented ones first
    shallow = _without_magics(source, indented=False)
    return shallow if _parse(shallow) is not None else _without_magics(source, indented=True)


def _without_magics(source: str, indented: bool) -> str:
    lines, continued = [], False
    for line in source.split("\n"):
        lines.append("#" if continued else _plain_line(line, indented))
        continued = (continued or lines[-1] != line) and line.endswith("\\")
    return "\n".join(lines)


def _plain_line(line: str, indented: bool) -> str:
    if not indented and line[:1].isspace():
        return line
    if found := _LINE_MAGIC.match(line) or _HELP.match(line):
        return f"{found[1]}pass"
    if found := _ASSIGNED.match(line):
        return f"{found[1]}{found[2]} = None"
    return line


def definitions(tree: ast.Module | None) -> dict[str, ast.stmt]:
    """Return the functions and classes of the top level by name, the last of each."""
    found: dict[str, ast.stmt] = {}
    for node in _top_level(tree.body if tree else []):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[node.name] = node
    return found


def bound(tree: ast.Module | None) -> set[str]:
    """Return the names that the top level binds: definitions, imports, assignments, loops.

    >>> sorted(bound(parse("import numpy as np\\nfor i in range(3):\\n    a, b = i, i")))
    ['a', 'b', 'i', 'np']
    """
    return {name for node in _top_level(tree.body if tree else []) for name in binds(node)}


def binds(node: ast.stmt) -> set[str]:
    """Return the names that one statement itself binds, without those of statements inside."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import):
        return {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        return {alias.asname or alias.name for alias in node.names}
    names: set[str] = set()
    for child in _expressions(node):
        parts = (part for part in _walk(child) if isinstance(part, ast.Name))
        names |= {part.id for part in parts if isinstance(part.ctx, ast.Store)}
    return names


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run at the top level, those inside `if`, `for`, `try` as well."""
    waiting = list(reversed(body))
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        inner: list[ast.stmt] = []
        for field in ("body", "orelse", "handlers", "finalbody", "cases"):
            for child in getattr(node, field, ()):
                inner += [child] if isinstance(child, ast.stmt) else child.body
        waiting += reversed(inner)


def _expressions(node: ast.stmt) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield child


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """Like `ast.walk`, without what has a scope of its own."""
    waiting = [node]
    scopes = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    while waiting:
        part = waiting.pop()
        yield part
        if not isinstance(part, scopes):
            waiting += ast.iter_child_nodes(part)


@lru_cache(maxsize=1024)
def used(source: str) -> frozenset[str]:
    """Return the names that the code takes from the notebook's namespace.

    >>> sorted(used("def f(x):\\n    return g(x) + h"))
    ['g', 'h']
    """
    text = plain(source)
    if _parse(text) is None:
        return frozenset()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = symtable.symtable(text, "<cell>", "exec")
    except _NOT_PYTHON:
        return frozenset()
    return frozenset(_global_reads(table))


def _global_reads(table: symtable.SymbolTable) -> Iterator[str]:
    waiting = [table]
    while waiting:
        scope = waiting.pop()
        outer = scope.get_type() == "module"
        for symbol in scope.get_symbols():
            if symbol.is_referenced() and (outer or symbol.is_global()):
                yield symbol.get_name()
        waiting += scope.get_children()


def is_stub(node: ast.stmt, released: ast.stmt | None) -> bool:
    """Return whether a definition is as the lab hands it out, comments and text aside.

    >>> node = definitions(parse("def f(x):\\n    'Text.'\\n    raise NotImplementedError('f')"))
    >>> is_stub(node["f"], None)
    True
    """
    if released is not None and _shape(node) == _shape(released):
        return True
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    body = node.body[ast.get_docstring(node) is not None :]
    return len(body) == 1 and _is_not_implemented(body[0])


def _is_not_implemented(node: ast.stmt) -> bool:
    if not isinstance(node, ast.Raise) or node.exc is None:
        return False
    what = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    return isinstance(what, ast.Name) and what.id == "NotImplementedError"


def _shape(node: ast.stmt) -> str:
    try:
        return ast.dump(node)
    except RecursionError:
        return f"{id(node)}"
