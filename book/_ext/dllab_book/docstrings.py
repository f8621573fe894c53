"""What the package's source says about its public names, read without importing anything.

Importing would bring TensorFlow and Matplotlib into each build of the book; `ast` needs neither.

- `read(root, module)`: a `Module` with its public names, in the order of its `__all__`
- `parse(text)`: a docstring as `Part`s: text, arguments, results, errors, an example, …
"""

import ast
import inspect
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

__all__ = ["Item", "Module", "Name", "Part", "first_sentence", "parse", "read"]

HEADS = re.compile(
    r"(Args|Attributes|Returns|Raises|Example|Introduced in|Sources?|Source of [a-z ]+):(?: (.*))?$"
)
ITEM = re.compile(r"(\*{0,2}\w+(?:, \w+)*): ?(.*)")
# Signatures up to this length stay on one line.
WIDTH = 84


@dataclass(frozen=True)
class Item:
    """An argument, an attribute or an error, and what is said about it."""

    name: str
    text: str


@dataclass(frozen=True)
class Part:
    """A part of a docstring; `head` is empty for plain text."""

    head: str
    text: str = ""
    items: tuple[Item, ...] = ()


@dataclass(frozen=True)
class Name:
    """A public name: a function, a class, a method, a property or a constant."""

    name: str
    kind: str
    """`function`, `class`, `method`, `property`, `data`, or `module` for a submodule."""
    module: str
    """The module under which a reader finds it."""
    signature: str
    parts: tuple[Part, ...]
    bases: tuple[str, ...] = ()
    members: "tuple[Name, ...]" = ()

    @property
    def full(self) -> str:
        """Return the dotted name."""
        return f"{self.module}.{self.name}"


@dataclass(frozen=True)
class Module:
    """A module, its docstring's parts and its public names."""

    name: str
    parts: tuple[Part, ...]
    names: tuple[Name, ...]
    files: tuple[Path, ...]
    """Every file that was read for it."""


def first_sentence(parts: tuple[Part, ...]) -> str:
    """Return the first sentence of a docstring, as one line.

    Example:
        >>> first_sentence((Part("", "Add up, e.g. costs.\\n\\nMore. And more."),))
        'Add up, e.g. costs.'
    """
    paragraph = parts[0].text.split("\n\n")[0] if parts and not parts[0].head else ""
    line = " ".join(paragraph.split())
    return re.split(r"(?<=[.!?:]) (?=[A-Z`$])", line, maxsplit=1)[0]


def parse(text: str) -> tuple[Part, ...]:
    """Divide a docstring in Google's style into its parts, in the order in which they stand."""
    parts: list[tuple[str, list[str]]] = [("", [])]
    for line in inspect.cleandoc(text).splitlines():
        head = HEADS.match(line)
        if head:
            parts.append((head[1], [head[2] or ""]))
        elif _ends(parts[-1], line):
            parts.append(("", [line]))
        else:
            parts[-1][1].append(line)
    return tuple(_part(head, lines) for head, lines in parts if any(map(str.strip, lines)))


def _ends(part: tuple[str, list[str]], line: str) -> bool:
    """Say whether `line` is plain text after a part that has a head."""
    head, lines = part
    indented = line.startswith(" ") or not line.strip()
    return bool(head) and not indented and not (lines[0] and lines[-1].strip())


def _part(head: str, lines: list[str]) -> Part:
    if not head:
        return Part("", "\n".join(lines).strip())
    body = "\n".join([lines[0], inspect.cleandoc("\n" + "\n".join(lines[1:]))]).strip()
    if head not in {"Args", "Attributes", "Raises"}:
        return Part(head, body)
    items: list[tuple[str, list[str]]] = []
    for line in body.splitlines():
        start = ITEM.match(line)
        if start:
            items.append((start[1], [start[2]]))
        elif items:
            items[-1][1].append(line)
    found = tuple(
        Item(name, f"{text[0]}\n{inspect.cleandoc(chr(10) + chr(10).join(text[1:]))}".strip())
        for name, text in items
    )
    return Part(head, "" if found else body, found)


def read(root: Path, module: str, only: tuple[str, ...] = ()) -> Module:
    """Read a module below `root`; `only` some of its public names, if there are any in `only`.

    Raises:
        LookupError: a name is not there, or a public function has no docstring.
    """
    path = _path(root, module)
    tree = _tree(path)
    public = _public(tree)
    missing = sorted(set(only) - set(public))
    if missing:
        raise LookupError(f"{module}: `{missing[0]}` is not in __all__")
    files = [path]
    names = [_name(root, module, name, files) for name in public if not only or name in only]
    text = ast.get_docstring(tree) or ""
    return Module(module, parse(text), tuple(n for n in names if n is not None), tuple(files))


def _path(root: Path, module: str) -> Path:
    place = root.joinpath(*module.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


@lru_cache(maxsize=256)
def _parsed(path: Path, _changed: int) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _tree(path: Path) -> ast.Module:
    return _parsed(path, path.stat().st_mtime_ns)


def _public(tree: ast.Module) -> list[str]:
    """Return what `__all__` lists; it may be added to with `+=`."""
    found: list[str] = []
    for node in tree.body:
        targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
        if isinstance(node, ast.Assign | ast.AugAssign) and any(
            isinstance(target, ast.Name) and target.id == "__all__" for target in targets
        ):
            found += ast.literal_eval(node.value)
    return found


def _name(root: Path, module: str, name: str, files: list[Path]) -> Name | None:
    """Find where `name` is defined, through imports, and describe it as a name of `module`."""
    place = module
    while True:
        path = _path(root, place)
        files.append(path)
        node = _definition(_tree(path), name)
        if not isinstance(node, ast.ImportFrom):
            break
        place = str(node.module)
        if _path(root, f"{place}.{name}").exists():
            return None  # a submodule, which has a section of its own
    if isinstance(node, ast.FunctionDef):
        return _function(node, module, "function")
    if isinstance(node, ast.ClassDef):
        return _class(node, module, _tree(path))
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return Name(name, "data", module, _value(name, node), ())
    raise LookupError(f"{module}: cannot find `{name}` of __all__")


def _definition(tree: ast.Module, name: str) -> ast.stmt | None:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return node
        if isinstance(node, ast.ImportFrom) and name in [a.asname or a.name for a in node.names]:
            return node
        targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return node
    return None


def _value(name: str, node: ast.Assign | ast.AnnAssign) -> str:
    text = f"{name} = {ast.unparse(node.value)}" if node.value else name
    return text if len(text) <= WIDTH else name


def _function(node: ast.FunctionDef, module: str, kind: str, *, drop_self: bool = False) -> Name:
    text = ast.get_docstring(node)
    if not text:
        raise LookupError(f"{module}: `{node.name}` is public and has no docstring")
    if kind == "property":
        signature = node.name + (f": {_annotation(node.returns)}" if node.returns else "")
    else:
        signature = _signature(node.name, node, drop_self=drop_self)
    return Name(node.name, kind, module, signature, parse(text))


def _signature(name: str, node: ast.FunctionDef, *, drop_self: bool) -> str:
    arguments = [part for part in _arguments(node.args) if part]
    if drop_self:
        arguments = arguments[1:]
    result = f" -> {_annotation(node.returns)}" if node.returns else ""
    line = f"{name}({', '.join(arguments)}){result}"
    if len(line) <= WIDTH:
        return line
    return f"{name}(\n" + "".join(f"    {part},\n" for part in arguments) + f"){result}"


def _arguments(arguments: ast.arguments) -> list[str]:
    """Return each parameter with its annotation and default, and the marks `/` and `*`."""
    found = []
    positional = [*arguments.posonlyargs, *arguments.args]
    padding = [None] * (len(positional) - len(arguments.defaults))
    for index, (one, default) in enumerate(
        zip(positional, [*padding, *arguments.defaults], strict=True), start=1
    ):
        found.append(_argument(one, default))
        if index == len(arguments.posonlyargs):
            found.append("/")
    if arguments.vararg:
        found.append("*" + _argument(arguments.vararg, None))
    elif arguments.kwonlyargs:
        found.append("*")
    for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        found.append(_argument(one, default))
    if arguments.kwarg:
        found.append("**" + _argument(arguments.kwarg, None))
    return found


def _annotation(node: ast.expr) -> str:
    # One in quotes is a class that is defined further down: no reader needs the quotes.
    return str(node.value) if isinstance(node, ast.Constant) else ast.unparse(node)


def _argument(one: ast.arg, default: ast.expr | None) -> str:
    kind = f": {_annotation(one.annotation)}" if one.annotation else ""
    if default is None:
        return one.arg + kind
    return f"{one.arg}{kind}{' = ' if kind else '='}{ast.unparse(default)}"


def _class(node: ast.ClassDef, module: str, tree: ast.Module) -> Name:
    own = {part.name: part for part in node.body if isinstance(part, ast.FunctionDef)}
    members = [
        _function(part, f"{module}.{node.name}", _kind(part), drop_self=True)
        for name, part in own.items()
        if not name.startswith("_") and ast.get_docstring(part) and not _is_setter(part)
    ]
    bases = tuple(ast.unparse(base) for base in node.bases)
    return Name(
        node.name,
        "class",
        module,
        _constructor(node, tree),
        parse(ast.get_docstring(node) or ""),
        tuple(base for base in bases if base not in {"ABC", "object"} and base[0] != "_"),
        tuple(members),
    )


def _constructor(node: ast.ClassDef, tree: ast.Module) -> str:
    init = _init(node, tree)
    if init is not None:
        init = ast.FunctionDef(**{**vars(init), "returns": None})
        return _signature(f"class {node.name}", init, drop_self=True)
    if not any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        return f"class {node.name}"
    fields = [
        f"{ast.unparse(part.target)}: {_annotation(part.annotation)}"
        + (f" = {ast.unparse(part.value)}" if part.value else "")
        for part in node.body
        if isinstance(part, ast.AnnAssign)
    ]
    line = f"class {node.name}({', '.join(fields)})"
    if len(line) <= WIDTH:
        return line
    return f"class {node.name}(\n" + "".join(f"    {part},\n" for part in fields) + ")"


def _init(node: ast.ClassDef, tree: ast.Module) -> ast.FunctionDef | None:
    """Return the class's own `__init__`, or that of its first base in the same file."""
    found = _definition(ast.Module(node.body, []), "__init__")
    for base in node.bases if found is None else []:
        parent = _definition(tree, ast.unparse(base))
        if isinstance(parent, ast.ClassDef):
            return _init(parent, tree)
    return found if isinstance(found, ast.FunctionDef) else None


def _kind(node: ast.FunctionDef) -> str:
    names = {ast.unparse(decorator) for decorator in node.decorator_list}
    return "property" if names & {"property", "cached_property"} else "method"


def _is_setter(node: ast.FunctionDef) -> bool:
    return any(ast.unparse(one).endswith(".setter") for one in node.decorator_list)
