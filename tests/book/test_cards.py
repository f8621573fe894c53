"""Chapter cards: read from the chapters' sources, complete, and on the front page as they are."""

import posixpath
import re

import pytest
import yaml
from dllab_book.cards import CardError, Chapter, chapters, read_card
from small_book import ROOT, SITE, build_book, write_book

CHAPTER = """# A title

:::{admonition} What you will be able to do
:class: objectives

| id | after this chapter you can |
| --- | --- |
| DM-1 | add two numbers |
| DM-2 | say why $1 + 1 = 2$ |

**You build** an adding machine.

**You need** {doc}`first`, {doc}`the second <../other/second>`, and
[a section](some-label).

**Reading** takes about 12 minutes, **running** all
cells about 3 seconds.

**The lab**: {doc}`/labs/09_demo`.
:::

```{quiz}
- question: 'What?'
  answers:
    - {right: 'This.', why: 'So.'}
    - {wrong: 'That.', why: 'No.'}
- question: 'And?'
  answers:
    - {right: 'This.', why: 'So.'}
    - {wrong: 'That.', why: 'No.'}
```
"""
BOOK = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))


def test_a_card_has_what_its_chapter_says():
    """Each field comes from the source, and its links lead the same way from any other page."""
    card = read_card(CHAPTER, "book/part/demo")
    assert card.title == "A title"
    assert [(goal.id, goal.text) for goal in card.objectives] == [
        ("DM-1", "add two numbers"),
        ("DM-2", "say why $1 + 1 = 2$"),
    ]
    assert card.builds == "an adding machine."
    assert card.needs == (
        "{doc}`/book/part/first`",
        "{doc}`the second </book/other/second>`",
        "[a section](some-label)",
    )
    assert card.labs == ("{doc}`/labs/09_demo`",)
    assert (card.minutes, card.seconds, card.questions) == (12, 3, 2)


@pytest.mark.parametrize(
    ("lost", "named"),
    [
        ("# A title", "a title"),
        (":class: objectives", "the admonition of class `objectives`"),
        ("| DM-1 | add two numbers |\n| DM-2 | say why $1 + 1 = 2$ |\n", "no objectives"),
        ("**You build**", "`**You build** …`"),
        ("**You need**", "`**You need** …`"),
        ("takes about 12 minutes", "`**Reading** takes about N minutes`"),
        ("about 3 seconds", "`**running** all cells about N seconds`"),
        ("**The lab**", "`**The lab** …`"),
    ],
)
def test_a_missing_field_is_named(lost, named):
    """Who forgets a field reads which one, and in which chapter."""
    assert lost in CHAPTER
    with pytest.raises(CardError, match="book/part/demo") as error:
        read_card(CHAPTER.replace(lost, ""), "book/part/demo")
    assert named in str(error.value)


def test_chapters_are_numbered_through_all_numbered_parts():
    """Labs and appendices have no number, and a part does not begin at 1 again."""
    toc = {
        "parts": [
            {"caption": "A", "numbered": True, "chapters": [{"file": "a"}, {"file": "b"}]},
            {"caption": "Labs", "chapters": [{"file": "lab"}]},
            {"caption": "C", "numbered": True, "chapters": [{"file": "c"}]},
        ]
    }
    assert chapters(toc) == [Chapter("a", "A", 1), Chapter("b", "A", 2), Chapter("c", "C", 3)]


@pytest.mark.parametrize("chapter", chapters(BOOK), ids=lambda chapter: chapter.docname)
def test_every_chapter_has_a_card(chapter):
    """Each has a lab to go to, goals with one prefix in order, and links to existing pages."""
    source = ROOT / f"{chapter.docname}.md"
    card = read_card(source.read_text(encoding="utf-8"), chapter.docname)
    prefixes = {goal.id.rsplit("-", 1)[0] for goal in card.objectives}
    numbers = [int(goal.id.rsplit("-", 1)[1]) for goal in card.objectives]
    assert len(prefixes) == 1
    assert numbers == list(range(1, len(numbers) + 1))
    assert card.labs
    assert card.questions >= 5
    assert not card.builds.startswith("you ")
    for link in (*card.needs, *card.labs):
        for page in re.findall(r"\{doc\}`[^`]*?(/[^`>]+)>?`", link):
            path = ROOT / page.lstrip("/")
            assert any(path.with_suffix(end).exists() for end in (".md", ".ipynb")), link


def test_a_chapter_without_a_field_fails_the_build(tmp_path):
    """The front page is not built with a card that lacks something."""
    write_book(tmp_path, "(demo-section)=\n# Front\n\n```{chapter-cards}\n```\n")
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: page\nparts:\n- caption: Start\n  numbered: true\n"
        "  chapters:\n  - file: demo\n- caption: Rest\n  chapters:\n  - file: misconceptions\n"
        "  - file: labs/09_demo\n",
        encoding="utf-8",
    )
    chapter = tmp_path / "demo.md"
    plain = CHAPTER.replace("{doc}`first`, {doc}`the second <../other/second>`, ", "")
    plain = plain.replace(" and\n[a section](some-label)", " patience")
    chapter.write_text(plain.replace("**You build** an adding machine.", ""), encoding="utf-8")
    built = build_book(tmp_path)
    assert built.status != 0
    assert "chapter-cards: demo: the chapter's card lacks the field `**You build** …`" in (
        built.output
    )
    chapter.write_text(plain, encoding="utf-8")
    built = build_book(tmp_path)
    assert built.status == 0, built.output
    page = built.page()
    assert 'data-chapter="demo"' in page
    assert '<a class="reference internal" href="demo.html">' in page
    assert "12 minutes to read, 3 seconds to run" in page
    assert "2 things you will be able to do" in page
    own = built.page("demo").partition("<article")[2]
    assert '<span class="objective-id">DM-1</span>' in own
    assert "<dt>Build" not in own
    assert own.index("You build") < own.index("12 minutes to read") < own.index("Lab 09")


def test_the_front_page_shows_each_chapter_under_its_number():
    """A card's number is the one in the chapter's own title."""
    if not (SITE / "book" / "index.html").exists():
        pytest.fail("there is no built book: run `make book`")
    front = (SITE / "book" / "index.html").read_text(encoding="utf-8")
    cards = re.findall(r'data-chapter="([^"]+)".*?chapter-card-number">(\d+)<', front, re.DOTALL)
    assert cards == [(chapter.docname, str(chapter.number)) for chapter in chapters(BOOK)]
    for docname, number in cards:
        page = (SITE / f"{docname}.html").read_text(encoding="utf-8")
        assert f'<h1><span class="section-number">{number}. </span>' in page
        assert f'href="{posixpath.relpath(docname, "book")}.html"' in front
