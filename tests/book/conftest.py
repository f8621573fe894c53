"""Fixtures that build small books; the extension and `small_book` become importable."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "book" / "_ext")]

from small_book import Built, build_book, write_book  # noqa: E402


@pytest.fixture
def book(tmp_path):
    """Return a function that builds a book whose page has the given text."""

    def build(page: str) -> Built:
        write_book(tmp_path, page)
        return build_book(tmp_path)

    return build


@pytest.fixture(scope="session")
def good_page() -> str:
    """A page that uses each directive of the book's own once."""
    return (Path(__file__).parent / "good_page.md").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def good(tmp_path_factory, good_page) -> Built:
    """The strict build of `good_page.md`."""
    folder = tmp_path_factory.mktemp("good")
    write_book(folder, good_page)
    return build_book(folder)
