"""Mend a notebook's cells so that right work earns its marks, whatever surrounds it.

- `mend(raw, released)`: the cells to run, and what was mended
- `STEPS`: the steps in their order, each a pure function of its own
- `written(cells, released)`: the answers that the cells hold

A step is a function of the cells and of what the lab hands out. It recognizes cells by what they
hold, never by metadata, and parses code without running it. A cell's lines keep their numbers.
"""

import ast
import builtins
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from dllab.grading.names import (
    CELL_MAGIC,
    LONGEST,
    bound,
    definitions,
    is_stub,
    parse,
    plain,
    syntax_error,
    used,
)
from dllab.grading.notebook import Cell, RawCell
from dllab.grading.records import Repair
from dllab.grading.released import Released, ReleasedCell, tidy
from dllab.grading.steps import repaired

__all__ = ["STEPS", "mend", "written"]

Cells = list[RawCell]
Mended = tuple[Cells, list[Repair]]
Step = Callable[[Cells, Released], Mended]


def mend(raw: Sequence[RawCell], released: Released) -> tuple[tuple[Cell, ...], tuple[Repair, ...]]:
    """Return the code to run, in order, and what was mended.

    Args:
        raw: the cells as `dllab.grading.notebook.read` returns them.
        released: what the lab hands out.
    """
    cells = list(raw)
    repairs: list[Repair] = []
    for step in STEPS:
        cells, more = step(cells, released)
        repairs += more
    code = (cell for cell in cells if cell.kind == "code" and cell.source.strip())
    return tuple(Cell(cell.source, cell.number) for cell in code), tuple(repairs)


# ---------------------------------------------------------------- steps on single cells


def leave_out_checks(cells: Cells, released: Released) -> Mended:
    """Leave out cells that only check or show progress: the grader checks by itself."""
    labs = {"lab"} | {name for cell in _code(cells) for name in _lab_names(cell.source)}
    return [cell for cell in cells if not _is_check(cell, labs)], []


def resolve_conflicts(cells: Cells, released: Released) -> Mended:
    """Choose one side of a merge conflict: the own one if it is Python, else the other one."""

    def choose(cell: RawCell) -> tuple[str, list[Repair]]:
        if "<<<<<<<" not in cell.source or parse(cell.source) is not None:
            return cell.source, []
        for side, which in (("ours", "the first"), ("theirs", "the second")):
            source = _one_side(cell.source, side)
            if parse(source) is not None:
                return source, [repaired("conflict-markers", cell.number, side=which)]
        return cell.source, []

    return _each(cells, choose)


def straighten_typography(cells: Cells, released: Released) -> Mended:
    """Make curly quotes, odd spaces and mixed tabs plain, where only they break the code."""

    def straighten(cell: RawCell) -> tuple[str, list[Repair]]:
        if parse(cell.source) is not None or len(cell.source) > LONGEST:
            return cell.source, []
        source = cell.source
        what: list[str] = []
        for name, change in _TYPOGRAPHY:
            changed = change(source)
            if changed != source:
                source, what = changed, [*what, name]
            if what and parse(source) is not None:
                return source, [repaired("typography", cell.number, what=", ".join(what))]
        return cell.source, []

    return _each(cells, straighten)


def leave_out_magics(cells: Cells, released: Released) -> Mended:
    """Leave out lines for IPython that would download, wait or stop the cell."""
    return _each(cells, _without_magics)


def leave_out_colab(cells: Cells, released: Released) -> Mended:
    """Leave out imports from Google Colab, and the top-level statements that use them."""

    def leave_out(cell: RawCell) -> tuple[str, list[Repair]]:
        if "google" not in cell.source and not names:
            return cell.source, []
        tree = parse(cell.source)
        nodes = [node for node in tree.body if _needs_colab(node, names)] if tree else []
        source = _without(cell.source, nodes)
        return source, [repaired("colab", cell.number)] if source != cell.source else []

    names = {name for cell in _code(cells) for name in _colab_names(cell.source)}
    return _each(cells, leave_out)


def keep_what_parses(cells: Cells, released: Released) -> Mended:
    """Of a cell with a syntax error, keep the statements that no other cell makes."""
    elsewhere = _bound_by(cell for cell in _code(cells) if parse(cell.source) is not None)

    def keep(cell: RawCell) -> tuple[str, list[Repair]]:
        error = None if len(cell.source) > LONGEST else syntax_error(cell.source)
        if error is None:
            return cell.source, []
        source = _good_part(cell.source, elsewhere)
        line, message = error
        return source, [repaired("syntax", cell.number, line=line, message=message)]

    return _each(cells, keep)


# ---------------------------------------------------------------- steps on all cells together


def revive_retyped(cells: Cells, released: Released) -> Mended:
    """Run a text cell that holds an answer which no code cell holds."""
    done = written(cells, released)
    mended, repairs = [], []
    for cell in cells:
        found = None if cell.kind == "code" else _code_in_text(cell.source, released, done)
        if found:
            source, names = found
            done |= names
            cell = RawCell("code", source)
            repairs.append(repaired("retyped-cell", name="`, `".join(sorted(names))))
        mended.append(cell)
    return mended, repairs


def forget_untouched_copies(cells: Cells, released: Released) -> Mended:
    """Leave out a stub that comes after the work it would replace."""
    done: set[str] = set()

    def forget(cell: RawCell) -> tuple[str, list[Repair]]:
        stale: list[ast.stmt] = []
        tree = parse(cell.source)
        for node in tree.body if tree else []:
            names = bound(ast.Module([node], [])) & released.asked
            stub = _is_released_stub(node, released)
            stale += [node] if stub and names <= done else []
            done.update(() if stub else names)
        if not stale:
            return cell.source, []
        shown = "`, `".join(sorted(definitions(ast.Module(stale, []))))
        return _without(cell.source, stale), [repaired("untouched-copy", cell.number, name=shown)]

    return _each(cells, forget)


def run_copies_once(cells: Cells, released: Released) -> Mended:
    """Leave out an exact copy of a cell of definitions, if nothing between redefines them."""
    last: dict[str, RawCell] = {}  # name -> the cell that bound it last
    mended, repairs = [], []
    for cell in cells:
        tree = parse(cell.source) if cell.kind == "code" else None
        names = bound(tree)
        first = last.get(next(iter(names), ""))
        same = first is not None and all(last.get(name) is first for name in names)
        if same and first and tidy(first.source) == tidy(cell.source) and _only_defines(tree):
            repairs.append(repaired("copied-cell", cell.number, first=first.number))
            continue
        last |= dict.fromkeys(names, cell)
        mended.append(cell)
    return mended, repairs


def keep_overwritten(cells: Cells, released: Released) -> Mended:
    """Keep an answer's function, and Python's own, when a later cell reuses the name for a value.

    Whether it was a plain value shows only when the code runs, so the step adds cells: one after
    the definition that remembers it, one at the end that puts it back if need be.
    """
    mended, closing, repairs = [], [], []
    risky = _overwritten(cells)
    for cell in cells:
        mended.append(cell)
        for name in sorted(definitions(_tree(cell)).keys() & risky.keys()):
            memory = f"_dllab_kept_{name}"
            source = f"{memory} = globals().get({name!r})"
            mended.append(RawCell("code", source, cell.number))
            closing.append(_RESTORE.format(name=name, memory=memory))
    repairs += [repaired("overwritten-name", risky[name], name=name) for name in sorted(risky)]
    for name, number in _shadowed(cells).items():
        closing.append(_UNSHADOW.format(name=name))
        repairs.append(repaired("shadowed-builtin", number, name=name))
    return [*mended, *(RawCell("code", source) for source in dict.fromkeys(closing))], repairs


def restore_given(cells: Cells, released: Released) -> Mended:
    """Put back code of the lab that is missing, at its place."""
    present = _bound_by(_code(cells))
    mended = list(cells)
    names: set[str] = set()
    for index, given in enumerate(released.cells):
        if given.kind == "given" and not given.names <= present:
            place = _place(mended, given, released.cells[:index])
            mended.insert(place, RawCell("code", given.source))
            names |= given.names - present
    shown = ", ".join(sorted(names))
    return mended, [repaired("given-code", names=shown)] if names else []


def restore_setup(cells: Cells, released: Released) -> Mended:
    """Run the setup cell first, if it is missing or stands behind what needs it."""
    setup = [cell for cell in released.cells if cell.kind == "setup"]
    names = {name for cell in setup for name in cell.names}
    defined: set[str] = set()
    for cell in _code(cells):
        tree = parse(cell.source)
        if names <= defined:
            return cells, []
        if (used(cell.source) - bound(tree)) & (names - defined):
            break
        defined |= bound(tree)
    if names <= defined:
        return cells, []
    return [*(RawCell("code", cell.source) for cell in setup), *cells], [repaired("setup-cell")]


def leave_out_experiments(cells: Cells, released: Released) -> Mended:
    """Leave out the lab's own plots and experiments, unless something else needs their names."""
    sources = {tidy(cell.source) for cell in released.cells if cell.kind == "uses-solution"}
    waiting = [cell for cell in cells if cell.kind == "code" and tidy(cell.source) in sources]
    kept = [cell for cell in _code(cells) if cell not in waiting]
    while needed := [cell for cell in waiting if _needed(cell, kept)]:
        kept += needed
        waiting = [cell for cell in waiting if cell not in needed]
    return [cell for cell in cells if cell not in waiting], []


STEPS: tuple[Step, ...] = (
    leave_out_checks,
    # first what makes a cell readable, since later steps look at the names it defines
    resolve_conflicts,
    straighten_typography,
    leave_out_magics,
    leave_out_colab,
    # before broken cells are cut: a text cell may hold the whole of what one holds in part
    revive_retyped,
    keep_what_parses,
    forget_untouched_copies,
    run_copies_once,
    keep_overwritten,
    restore_given,
    restore_setup,
    # last, when it is settled which names are needed
    leave_out_experiments,
)


# ---------------------------------------------------------------- helpers


def _code(cells: Sequence[RawCell]) -> Iterator[RawCell]:
    return (cell for cell in cells if cell.kind == "code")


def _tree(cell: RawCell) -> ast.Module | None:
    return parse(cell.source) if cell.kind == "code" else None


def _each(cells: Cells, change: Callable[[RawCell], tuple[str, list[Repair]]]) -> Mended:
    """Return the cells with the source of each code cell changed."""
    mended, repairs = [], []
    for cell in cells:
        if cell.kind == "code":
            source, more = change(cell)
            cell = replace(cell, source=source)
            repairs += more
        mended.append(cell)
    return mended, repairs


def _bound_by(cells: Iterator[RawCell]) -> set[str]:
    return {name for cell in cells for name in bound(parse(cell.source))}


def _without(source: str, nodes: Sequence[ast.stmt]) -> str:
    """Return a source with some of its statements replaced by `pass`, other lines in place."""
    lines = [line.encode() for line in source.split("\n")]
    for node in sorted(nodes, key=lambda node: -node.lineno):
        decorators = getattr(node, "decorator_list", ())
        first = min([node.lineno, *(decorator.lineno for decorator in decorators)]) - 1
        start = 0 if decorators else node.col_offset
        last, end = (node.end_lineno or node.lineno) - 1, node.end_col_offset
        tail = lines[last][end:] if end is not None else b""
        lines[first : last + 1] = [lines[first][:start] + b"pass" + tail] + [b""] * (last - first)
    text = b"\n".join(lines).decode("utf-8", errors="replace")
    return text if parse(text) is not None else source


def written(cells: Cells, released: Released) -> set[str]:
    """Return the asked names for which some code cell holds more than the stub."""
    names: set[str] = set()
    for cell in _code(cells):
        tree = parse(cell.source)
        stubs = {
            name for name, node in definitions(tree).items() if _is_released_stub(node, released)
        }
        names |= (bound(tree) & released.asked) - stubs
    return names


def _is_released_stub(node: ast.stmt, released: Released) -> bool:
    name = getattr(node, "name", None)
    return name in released.asked and is_stub(node, released.stubs.get(name))


# checks


def _lab_names(source: str) -> Iterator[str]:
    if "lab(" not in source:
        return
    for found in re.finditer(r"^(\w+)\s*=\s*(?:dllab\.)?lab\(", source, re.MULTILINE):
        yield found[1]


_HARMLESS = {"print", "display", "str", "repr"}


def _is_check(cell: RawCell, labs: set[str]) -> bool:
    if cell.kind != "code" or not any(word in cell.source for word in (".check(", ".progress(")):
        return False
    tree = parse(cell.source)
    if tree is None or any(not name.startswith("_") for name in bound(tree)):
        return False
    if not all(isinstance(node, ast.Expr | ast.Assign) for node in tree.body):
        return False
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    checks = [call for call in calls if _is_lab_method(call, labs)]
    others = [call for call in calls if call not in checks]
    return bool(checks) and all(isinstance(f, ast.Name) and f.id in _HARMLESS for f in others)


def _is_lab_method(call: ast.expr, labs: set[str]) -> bool:
    return (
        isinstance(call, ast.Attribute)
        and call.attr in ("check", "progress")
        and isinstance(call.value, ast.Name)
        and call.value.id in labs
    )


# conflicts and typography


def _one_side(source: str, side: str) -> str:
    lines, now = [], "both"
    for line in source.split("\n"):
        mark = line[:7]
        if mark == "<" * 7:
            now = "ours"
        elif now != "both" and mark == "|" * 7:
            now = "base"
        elif now != "both" and mark == "=" * 7:
            now = "theirs"
        elif mark == ">" * 7:
            now = "both"
        else:
            lines.append(line if now in ("both", side) else "")
            continue
        lines.append("")
    return "\n".join(lines)


_QUOTES = str.maketrans({**dict.fromkeys("“”„‟″«»", '"'), **dict.fromkeys("‘’‚‛′`´", "'")})
_SPACES = str.maketrans(
    {
        **dict.fromkeys("\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007", " "),
        **dict.fromkeys("\u2008\u2009\u200a\u202f\u205f\u3000", " "),
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f", None),
        "\u2028": "\n",
        "\u2029": "\n",
    }
)
_SIGNS = str.maketrans({"−": "-", "–": "-", "—": "-", "×": "*", "（": "(", "）": ")", "，": ","})
_TYPOGRAPHY: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("odd spaces", lambda source: source.translate(_SPACES)),
    ("tabs", lambda source: source.expandtabs(4)),
    ("curly quotes", lambda source: source.translate(_QUOTES)),
    ("typographic signs", lambda source: source.translate(_SIGNS)),
    ("indented lines", lambda source: _dedent(source)),
)


def _dedent(source: str) -> str:
    """Return a cell whose first line is indented, as copied from inside something, moved left."""
    lines = source.split("\n")
    first = next((line for line in lines if line.strip()), "")
    margin = first[: len(first) - len(first.lstrip())]
    return "\n".join(line.removeprefix(margin) for line in lines)


# magics

_INSTALL = re.compile(
    r"^\s*(?:[!%]+\s*)?(?:sudo\s+)?(?:python3?\s+-m\s+)?"
    r"(?:pip3?|conda|mamba|uv|apt|apt-get|brew|npm|npx|git|wget|curl|gdown|kaggle)\s"
)
_BARE_INSTALL = re.compile(r"^\s*(?:pip3?|conda)\s+install\b")
# Line magics that change what later code sees. All others configure a display or a tool that is
# not there while grading, and an unknown one would stop its cell.
_KEPT_LINES = {"time", "env", "set_env", "cd", "mkdir", "precision", "capture", "system", "sx"}
_KEPT_CELLS = {"time", "capture", "writefile", "file"}
_ONCE = {"timeit", "prun", "memit", "mprun", "snakeviz", "heat"}
_PYLAB = (
    "import numpy, matplotlib; from matplotlib import pyplot; np, plt = numpy, pyplot; "
    "from pylab import *"
)


def _without_magics(cell: RawCell) -> tuple[str, list[Repair]]:
    head = CELL_MAGIC.match(cell.source)
    if head and head[1] in _ONCE:
        # running the body once defines what it defines, and takes less time
        body = cell.source[head.end() :]
        source, repairs = _without_line_magics(replace(cell, source=f"pass{body}"))
        return source, [repaired("magics", cell.number, line=head[0].strip()), *repairs]
    if head and head[1] not in _KEPT_CELLS:
        return "", [repaired("magics", cell.number, line=head[0].strip())]
    if head:
        return cell.source, []
    return _without_line_magics(cell)


def _without_line_magics(cell: RawCell) -> tuple[str, list[Repair]]:
    lines, repairs = [], []
    readable = plain(cell.source)
    pieces = zip(cell.source.split("\n"), readable.split("\n"), strict=True)
    skipping = False
    for line, python in pieces:
        skipping = skipping and python == "#"  # the rest of a magic on several lines
        step = "" if skipping else _unwanted(line, python)
        if step:
            repairs.append(repaired(step, cell.number, line=line.strip()))
        skipping = skipping or bool(step)
        lines.append(_instead(line, python) if skipping else line)
    return "\n".join(lines), repairs


def _unwanted(line: str, python: str) -> str:
    """Return the step that leaves a line out, or ''."""
    if line == python and not _BARE_INSTALL.match(line):
        return ""
    if _INSTALL.match(line) or _BARE_INSTALL.match(line):
        return "install"
    magic = re.match(r"\s*%(\w+)", line)
    return "magics" if magic and magic[1] not in _KEPT_LINES else ""


def _instead(line: str, python: str) -> str:
    if line == python:
        return "pass"
    return _PYLAB if re.match(r"%pylab\b", line) else python


# Colab


def _colab_names(source: str) -> Iterator[str]:
    if "google" not in source:
        return
    tree = parse(source)
    for node in tree.body if tree else []:
        if _imports_colab(node):
            yield from bound(ast.Module([node], [])) - {"google"}


def _imports_colab(node: ast.stmt) -> bool:
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").startswith("google.colab") or (
            node.module == "google" and any(alias.name == "colab" for alias in node.names)
        )
    return isinstance(node, ast.Import) and any(
        alias.name.startswith("google.colab") for alias in node.names
    )


def _needs_colab(node: ast.stmt, names: set[str]) -> bool:
    if _imports_colab(node):
        return True
    if not isinstance(node, ast.Expr | ast.Assign):
        return False
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and part.id in names and isinstance(part.ctx, ast.Load):
            return True
        if isinstance(part, ast.Attribute) and part.attr == "colab":
            return True
    return False


# text cells

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[^\n]*\n(.*?)^ {0,3}\1", re.MULTILINE | re.DOTALL)


def _code_in_text(
    text: str, released: Released, done: set[str]
) -> tuple[str, frozenset[str]] | None:
    """Return code of a text cell and the unwritten answers in it, or None."""
    if not any(name in text for name in released.asked - done) or len(text) > LONGEST:
        return None
    fenced = "\n\n".join(block for _, block in _FENCE.findall(text))
    for source in filter(None, (text, fenced)):
        cell = RawCell("code", source)
        names = frozenset(written([cell], released) - done)
        if names:
            return source, names
    return None


# broken cells

_CONTINUES = re.compile(r"(?:else|elif|except|finally|case)\b|[)\]}]")


def _good_part(source: str, elsewhere: set[str]) -> str:
    """Return the statements that are Python and bind no name that is bound elsewhere."""
    lines, text = source.split("\n"), plain(source).split("\n")
    starts = [i for i, line in enumerate(text) if _starts_statement(line)][:400]
    edges = [*starts, len(lines)]
    kept = [""] * len(lines)
    at = 0
    while at < len(starts):
        until = _statement_end(text, edges, at)
        if until is None:
            at += 1
            continue
        begin, end = edges[at], edges[until]
        tree = parse("\n".join(text[begin:end]))
        if not bound(tree) & elsewhere:
            kept[begin:end] = lines[begin:end]
        at = until
    return "\n".join(kept)


def _starts_statement(line: str) -> bool:
    return bool(line) and not line[0].isspace() and line[0] != "#" and not _CONTINUES.match(line)


def _statement_end(text: list[str], edges: list[int], at: int) -> int | None:
    for until in range(at + 1, min(at + 40, len(edges))):
        if parse("\n".join(text[edges[at] : edges[until]])) is not None:
            return until
    return None


# copies


def _only_defines(tree: ast.Module | None) -> bool:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    return bool(tree and tree.body) and all(
        isinstance(node, kinds) or _is_text(node) for node in (tree.body if tree else ())
    )


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


# overwritten names

_RESTORE = """\
if not __import__("builtins").callable(globals().get({name!r})):
    {name} = {memory}"""
_UNSHADOW = 'globals().pop({name!r}, None) if "{name}" in globals() else None'


def _overwritten(cells: Cells) -> dict[str, int | None]:
    """Return names that are defined, then bound to something else, and that cell's number."""
    defined: set[str] = set()
    found: dict[str, int | None] = {}
    for cell in _code(cells):
        tree = parse(cell.source)
        for node in tree.body if tree else []:
            names = bound(ast.Module([node], []))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                defined |= names
                found.pop(node.name, None)
            elif not isinstance(node, ast.Import | ast.ImportFrom):
                found |= dict.fromkeys(names & defined, cell.number)
    return found


def _shadowed(cells: Cells) -> dict[str, int | None]:
    """Return Python's own functions that a cell gives a value and that functions only call."""
    assigned: dict[str, int | None] = {}
    called: set[str] = set()
    read: set[str] = set()
    for cell in _code(cells):
        tree = parse(cell.source)
        if tree is None:
            continue
        defined = definitions(tree)
        assigned |= dict.fromkeys(_own_names(tree) - defined.keys(), cell.number)
        for node in defined.values():
            more_called, more_read = _calls_and_reads(node)
            called, read = called | more_called, read | more_read
    return {name: number for name, number in assigned.items() if name in called - read}


def _own_names(tree: ast.Module) -> set[str]:
    imports: list[ast.stmt] = [
        node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    names = {name for name in bound(tree) if callable(getattr(builtins, name, None))}
    return names - bound(ast.Module(imports, []))


def _calls_and_reads(node: ast.stmt) -> tuple[set[str], set[str]]:
    called: set[str] = set()
    others: set[str] = set()
    functions = {id(part.func) for part in ast.walk(node) if isinstance(part, ast.Call)}
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
            (called if id(part) in functions else others).add(part.id)
    return called, others


# missing code


def _place(cells: Cells, given: ReleasedCell, before: Sequence[ReleasedCell]) -> int:
    """Return where a given cell belongs: behind the released cells that come before it."""
    place = 0
    for index, cell in enumerate(cells):
        names = bound(_tree(cell))
        if names & given.names:
            return min(place, index) if place else index
        if cell.kind == "code" and any(names & earlier.names for earlier in before):
            place = index + 1
    return place


# experiments


def _needed(cell: RawCell, kept: Sequence[RawCell]) -> bool:
    names = bound(parse(cell.source))
    return any(names & used(other.source) for other in kept)
