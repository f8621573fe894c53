"""What the build writes into the pages for progress, definitions, filters and the reference."""

import json
import re

import pytest
from dllab_book import quiz_source
from small_book import build_book, write_book

QUIZ = """```{quiz}
- question: 'Why?'
  answers:
    - right: 'So.'
      why: 'It is.'
    - wrong: 'Not so.'
      why: 'It is not.'
      misconception: gradient-overwritten
```
"""
PAGES = {
    "chapter.md": f"# A chapter\n\n{QUIZ}",
    "progress.md": "(your-progress)=\n# Your progress\n\n```{progress}\nScripts are off.\n```\n",
    "glossary.md": (
        "# Glossary\n\n```{glossary}\nadjoint\n  The slope $\\bar v$; see {term}`Graph`.\n\n"
        "Graph\n  Nodes and arrows.\n\nunused\n  Nobody links here.\n```\n"
    ),
    "plain.md": "# Plain\n\nThe {term}`adjoints <adjoint>`, no formula.\n",
    "functions.md": "# Functions\n\n```{function-list}\n```\n",
    "functions/demo.md": (
        "# Demo functions\n\n```{functions}\ndemo\ndemo.errors\n```\n\n"
        "(chapter-demo)=\n## A chapter\n"
    ),
    "demo/__init__.py": '''
"""A demo."""

import a_package_that_is_not_installed
from demo.errors import DemoError

__all__ = ["Thing", "add"]


def add(a: int, b: int = 1) -> int:
    """Add `a` and $b_1$.

    Args:
        a: a `Thing`.

    Raises:
        DemoError: never.

    Example:
        >>> add(1)
        2

    Introduced in: `chapter-demo`.
    """


class Thing:
    """A thing."""

    def grow(self, by: int) -> None:
        """Grow."""
''',
    "demo/errors.py": (
        '__all__ = ["DemoError"]\n\n\nclass DemoError(Exception):\n    """A slip."""\n'
    ),
}
TOC = """format: jb-book
root: page
chapters:
- file: misconceptions
- file: chapter
- file: labs/09_demo
- file: progress
- file: glossary
- file: plain
- file: functions
  sections:
  - file: functions/demo
"""


def write(folder, page: str, **changes: str) -> None:
    """Write a book that has all of the book's own pages; `changes` replace files."""
    write_book(folder, page)
    for name, text in {**PAGES, "_toc.yml": TOC, **changes}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    config = folder / "_config.yml"
    text = config.read_text(encoding="utf-8").replace(
        "nb_merge_streams: true", "nb_merge_streams: true\n    dllab_errors: demo.errors"
    )
    assert "dllab_errors" in text
    config.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory, good_page):
    """The strict build of a book with all of the book's own pages."""
    folder = tmp_path_factory.mktemp("finding")
    write(folder, good_page + "\nThe {term}`graph` of {term}`adjoint`.\n")
    return build_book(folder)


def data(site) -> dict:
    """What the build tells the progress page."""
    text = site.page("progress").split('id="progress-data">')[1].split("</script>")[0]
    return json.loads(text)


def test_it_builds_without_a_warning(site):
    """All directives build under -n -W, without importing the package they describe."""
    assert site.status == 0, site.output


def test_progress_page_lists_what_the_book_asks(site):
    """Each page with questions and each lab, with its address; the fallback is in the page."""
    (key,) = re.findall('data-question="([0-9a-f]{10})"', site.page("chapter"))
    chapter, lab = data(site)["chapters"]
    assert chapter["questions"] == [key]
    assert (chapter["title"], chapter["url"], chapter["kind"]) == (
        "A chapter",
        "chapter.html",
        "chapter",
    )
    assert (lab["page"], lab["kind"], lab["questions"]) == ("labs/09_demo", "lab", [])
    assert "Scripts are off." in site.page("progress")


def test_questions_and_answers_have_names(site):
    """The question's anchor, the answer and its misconception are in the page for the script."""
    page = site.page("chapter")
    (key,) = data(site)["chapters"][0]["questions"]
    assert f'id="quiz-{key}"' in page
    assert len(set(re.findall('data-answer="([0-9a-f]{10})"', page))) == 2
    assert page.count('data-misconception="gradient-overwritten"') == 1
    assert 'data-progress="progress.html"' in page


def test_misconceptions_come_with_where_to_read(site):
    """The entry in the index and the section that explains it."""
    (entry,) = data(site)["misconceptions"].values()
    assert entry["url"] == "misconceptions.html#misconception-gradient-overwritten"
    assert entry["section"] == "page.html#demo-section"
    assert entry["section_title"] == "A section"


def test_scripts_come_in_order_and_where_they_are_needed(site):
    """`progress.js` runs before the scripts that use it; a page without a use has none."""
    page = site.page("chapter")
    assert page.index("/progress.js") < page.index("/quiz.js")
    progress = site.page("progress")
    assert progress.index("/progress.js") < progress.index("/progress_page.js")
    assert "/progress.js" in site.page("labs/09_demo")
    assert "/progress.js" not in site.page("plain")
    assert "/finder.js" in site.page("misconceptions")
    assert "/finder.js" not in site.page("plain")


def test_a_page_holds_the_definitions_it_uses(site):
    """Not one more; links in a definition become text; no anchor is there twice."""
    page = site.page()
    assert re.findall('data-term="([^"]+)"', page) == ["term-Graph", "term-adjoint"]
    (definition,) = re.findall(r'<template[^>]+term-adjoint">(.*?)</template>', page, re.DOTALL)
    assert r"\(\bar v\)" in definition
    assert "<a " not in definition
    assert "Graph" in definition
    assert 'id="' not in definition
    assert "unused" not in page
    assert "glossary.js" not in site.page("functions/demo")


def test_a_formula_in_a_definition_brings_mathjax(site):
    """A page without formulas of its own can set those of the definitions it holds."""
    assert "tex-chtml.js" in site.page("plain")


def test_reference_of_functions(site):
    """Signature, text with formulas, arguments, errors and example, each linked."""
    page = site.page("functions/demo")
    assert 'id="demo-add"' in page
    assert 'id="demo-Thing-grow"' in page
    assert r"\(b_1\)" in page
    assert 'href="#demo-Thing"' in page
    assert 'href="#demo-errors-DemoError"' in page
    assert 'href="#chapter-demo"' in page
    assert "highlight-pycon" in page
    assert 'href="functions/demo.html#demo-add"' in site.page("functions")
    assert 'href="functions/demo.html#demo-add"' in site.page("genindex")
    index = (site.site / "searchindex.js").read_text(encoding="utf-8")
    assert "demo-add" in index


@pytest.mark.parametrize(
    ("page", "changes", "message"),
    [
        ("```{functions}\nno_module\n```\n", {}, "functions: "),
        ("```{functions}\ndemo: nothing\n```\n", {}, "`nothing` is not in __all__"),
        ("```{progress}\n```\n", {}, "Content block expected"),
    ],
    ids=["module", "name", "empty"],
)
def test_a_mistake_fails_the_build(tmp_path, page, changes, message):
    """An author's slip: no book, and the reason."""
    write(tmp_path, f"# A page\n\n(demo-section)=\n## A section\n\n{page}", **changes)
    built = build_book(tmp_path)
    assert built.status != 0
    assert message in built.output


def test_a_page_asks_a_question_once(tmp_path):
    """Two equal questions could not be told apart in a reader's progress."""
    write(tmp_path, f"# A page\n\n(demo-section)=\n## A section\n\n{QUIZ}\n{QUIZ}")
    built = build_book(tmp_path)
    assert built.status != 0
    assert "asks the same question twice" in built.output


def test_names_of_questions_survive_edits():
    """Order, line breaks and answers may change; another page or question has another name."""
    text = "- question: '{}'\n  answers:\n    - {{right: a, why: b}}\n    - {{wrong: c, why: d}}\n"
    one, two = quiz_source.parse(text.format("One two?") + text.format("Three?"))
    (again,) = quiz_source.parse(text.format("One  two?").replace("wrong: c", "wrong: e"))
    assert one.key("p") == again.key("p")
    assert len({one.key("p"), one.key("q"), two.key("p")}) == 3
    assert [answer.key for answer in one.answers] != [answer.key for answer in again.answers]
