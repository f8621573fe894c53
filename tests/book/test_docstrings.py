"""What the package's source says about its names is read without importing it."""

from pathlib import Path

import pytest
from dllab_book import docstrings

ROOT = Path(__file__).parents[2]

PACKAGE = {
    "__init__.py": '''
"""A package.

- `add`: sums
"""

from demo import later
from demo.sums import Base, Pair, Sum, add, LIMIT

__all__ = ["LIMIT", "Base", "Pair", "Sum", "add"]
__all__ += ["later"]
''',
    "later.py": '"""A submodule."""\n\n__all__ = []\n',
    "sums.py": '''
"""Sums."""

import a_package_that_is_not_installed
from dataclasses import dataclass

LIMIT = 3


def add(a: int, b: "Sum" = None, *rest: int, big: bool = False) -> int:
    """Add up. Then stop.

    A formula, $a + b$:

        a + b

    Args:
        a: the first, of shape
            `(n,)`.
        *rest: more.

    Raises:
        ValueError: there is nothing: no number.

    Returns:
        The sum.

    Source: A. Author (1900), "On sums",
    Journal 1.

    More text.

    Example:
        >>> add(1)
        1

    Introduced in: `chapter-sums`.
    """


class Base:
    """A base."""

    def __init__(self, first: int) -> None:
        self.first = first


class Sum(Base):
    """A sum."""

    @property
    def total(self) -> int:
        """The total."""

    def grow(self, by: int = 1) -> None:
        """Grow."""

    def _hidden(self):
        """Hidden."""

    def bare(self):
        pass


@dataclass
class Pair:
    """Two."""

    left: int
    right: int = 0
''',
}


@pytest.fixture
def demo(tmp_path):
    """A folder with a package that cannot be imported."""
    folder = tmp_path / "demo"
    folder.mkdir()
    for name, text in PACKAGE.items():
        (folder / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_a_docstring_is_divided_into_its_parts():
    """Each part keeps its lines, items their continuation; text after a part is text again."""
    text = PACKAGE["sums.py"].split('"""')[3]
    parts = docstrings.parse(text)
    heads = ["", "Args", "Raises", "Returns", "Source", "", "Example", "Introduced in"]
    assert [part.head for part in parts] == heads
    assert parts[0].text.endswith("\n\n    a + b")
    first, rest = parts[1].items
    assert first == docstrings.Item("a", "the first, of shape\n`(n,)`.")
    assert rest.name == "*rest"
    assert parts[2].items == (docstrings.Item("ValueError", "there is nothing: no number."),)
    assert parts[3].text == "The sum."
    assert parts[4].text == 'A. Author (1900), "On sums",\nJournal 1.'
    assert parts[5].text == "More text."
    assert parts[6].text == ">>> add(1)\n1"
    assert docstrings.first_sentence(parts) == "Add up."


def test_names_are_found_through_imports(demo):
    """The order is that of `__all__`; a submodule is no name of its own; nothing is imported."""
    module = docstrings.read(demo, "demo")
    assert [(name.full, name.kind) for name in module.names] == [
        ("demo.LIMIT", "data"),
        ("demo.Base", "class"),
        ("demo.Pair", "class"),
        ("demo.Sum", "class"),
        ("demo.add", "function"),
    ]
    assert demo / "demo" / "sums.py" in module.files


def test_signatures_say_what_a_caller_writes(demo):
    """Annotations and defaults as written, `self` left out, an inherited constructor included."""
    limit, base, pair, total, add = docstrings.read(demo, "demo").names
    assert limit.signature == "LIMIT = 3"
    assert base.signature == "class Base(first: int)"
    assert pair.signature == "class Pair(left: int, right: int = 0)"
    assert total.signature == "class Sum(first: int)"
    assert total.bases == ("Base",)
    assert [member.signature for member in total.members] == [
        "total: int",
        "grow(by: int = 1) -> None",
    ]
    assert add.signature == "add(a: int, b: Sum = None, *rest: int, big: bool = False) -> int"


def test_only_some_names(demo):
    """A page may leave names out, but not ask for one that is not public."""
    assert [name.name for name in docstrings.read(demo, "demo", ("add",)).names] == ["add"]
    with pytest.raises(LookupError, match="`subtract` is not in __all__"):
        docstrings.read(demo, "demo", ("subtract",))


def test_a_name_that_is_nowhere_is_named(demo):
    """`__all__` cannot promise what the module does not have."""
    with (demo / "demo" / "__init__.py").open("a") as stream:
        stream.write('\n__all__ += ["nothing"]\n')
    with pytest.raises(LookupError, match="cannot find `nothing`"):
        docstrings.read(demo, "demo")


def test_a_public_function_without_a_docstring_is_named(demo):
    """The reference has no empty entries."""
    path = demo / "demo" / "later.py"
    path.write_text('__all__ = ["bare"]\n\n\ndef bare():\n    pass\n', encoding="utf-8")
    with pytest.raises(LookupError, match="`bare` is public and has no docstring"):
        docstrings.read(demo, "demo.later")


@pytest.mark.parametrize("module", ["dllab.scratch", "dllab.data", "dllab.metrics", "dllab.plot"])
def test_the_package_can_be_read(module):
    """Every name of a real module has a kind and, unless it is a constant, a first sentence."""
    names = docstrings.read(ROOT, module).names
    assert names
    for name in names:
        assert name.kind == "data" or docstrings.first_sentence(name.parts).endswith((".", ":"))
