"""What the site says of itself: descriptions, cards, addresses, and the files around the pages."""

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest
from dllab_book import project, publishing
from docutils import nodes
from docutils.core import publish_doctree
from PIL import Image
from small_book import ROOT, SITE, build_book, write_book

BASE = project.addresses(ROOT)["Documentation"].rstrip("/") + "/"


class Head(HTMLParser):
    """Collects the meta tags, the canonical link and the structured data of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.meta: dict[str, str] = {}
        self.canonical = ""
        self.data: list[str] = []
        self._in_data = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == "meta" and "content" in values:
            self.meta[values.get("name") or values.get("property") or ""] = values["content"]
        if tag == "link" and values.get("rel") == "canonical":
            self.canonical = values["href"]
        self._in_data = tag == "script" and values.get("type") == "application/ld+json"

    def handle_data(self, data):
        if self._in_data:
            self.data.append(data)

    def handle_endtag(self, _tag):
        self._in_data = False


@pytest.fixture(scope="module")
def pages() -> dict[str, Head]:
    """Each content page of the built book by its address in the site."""
    if not (SITE / "sitemap.xml").exists():
        pytest.fail("there is no built book: run `make book`")
    found = [*(SITE / "book").rglob("*.html"), *(SITE / "labs").rglob("*.html")]
    return {
        path.relative_to(SITE).as_posix(): Head(text)
        for path in found
        if 'http-equiv="refresh"' not in (text := path.read_text(encoding="utf-8"))
    }


def test_sitemap_lists_every_page_and_only_pages_that_exist(pages):
    """A search engine learns of each page, and of nothing else."""
    tree = ET.parse(SITE / "sitemap.xml")
    listed = [place.text for place in tree.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")]
    assert sorted(listed) == sorted(BASE + name for name in pages)


def test_robots_txt_names_the_sitemap():
    """Nothing is forbidden, and the list of pages is where it says."""
    lines = (SITE / "robots.txt").read_text(encoding="utf-8").splitlines()
    assert lines == ["User-agent: *", "Allow: /", f"Sitemap: {BASE}sitemap.xml"]


def test_each_page_has_a_description_of_its_own(pages):
    """Plain text of 160 characters at most, another one on each page."""
    told = {name: head.meta.get("description", "") for name, head in pages.items()}
    bad = {
        name: text
        for name, text in told.items()
        if not 25 <= len(text) <= 160 or re.search(r"[\\$`{}]|\s\s", text)
    }
    assert bad == {}
    assert len(set(told.values())) == len(told)


def test_each_page_names_its_one_address(pages):
    """The canonical address is the page's own, and cards carry the same."""
    wrong = {
        name: head.canonical
        for name, head in pages.items()
        if not head.canonical == head.meta.get("og:url") == BASE + name
    }
    assert wrong == {}


def test_each_page_has_a_card_with_a_picture_of_its_own(pages):
    """Title, text and a picture of 1200 by 630 pixels that is in the site."""
    pictures = set()
    for name, head in pages.items():
        assert head.meta["og:title"], name
        assert head.meta["og:description"] == head.meta["description"], name
        assert head.meta["twitter:card"] == "summary_large_image", name
        picture = SITE / head.meta["og:image"].removeprefix(BASE)
        with Image.open(picture) as image:
            assert image.size == (1200, 630), name
            assert head.meta["og:title"] in image.text["Description"], name
        assert picture.stat().st_size < 60_000, name
        pictures.add(picture)
    assert len(pictures) == len(pages)


def test_structured_data_is_json_about_the_page(pages):
    """What search engines read is valid, and says what the page says."""
    for name, head in pages.items():
        data = json.loads("".join(head.data))
        assert data["url"] == BASE + name
        assert data["description"] == head.meta["description"]


def test_no_published_address_vanishes():
    """Each address in `book/addresses.txt` is in the site: as a page or as a way to its new place.

    If this fails because a page has moved, write `old address -> new address` in that file.
    """
    listed = publishing.published(ROOT / publishing.ADDRESSES)
    assert listed
    assert [name for name in listed if not (SITE / name).exists()] == []
    for old, new in listed.items():
        if new:
            assert listed.get(new) == "", f"{old} leads to {new}, which is no page of the list"
            assert f'href="{"../" * old.count("/")}{new}"' in (SITE / old).read_text("utf-8")


def test_each_page_is_in_the_list_of_addresses(pages):
    """A new page's address is written down when it is first published.

    If this fails because there is a new page, add its address to `book/addresses.txt`.
    """
    listed = publishing.published(ROOT / publishing.ADDRESSES)
    assert sorted(set(pages) - {name for name, new in listed.items() if not new}) == []


def test_page_for_lost_readers_needs_no_other_file():
    """A host shows it at any depth, so it fetches nothing, and its links are full addresses."""
    text = (SITE / "404.html").read_text(encoding="utf-8")
    assert not re.search(r"<script|<img|src=|rel=\"stylesheet\"|url\(|@import|\{\{", text)
    links = re.findall(r'<a href="([^"]*)"', text)
    assert f"{BASE}book/index.html" in links
    for link in links:
        assert (SITE / link.removeprefix(BASE)).exists(), link


def test_a_moved_page_leaves_a_way_to_its_new_address(tmp_path):
    """A build writes a page at each old address, as deep as it was."""
    write_book(tmp_path, "(demo-section)=\n# A page\n\nText.\n")
    moved = "page.html\nold.html -> page.html\nparts/deep/old.html -> labs/09_demo.html # merged\n"
    (tmp_path / publishing.ADDRESSES).write_text(moved, encoding="utf-8")
    built = build_book(tmp_path)
    assert built.status == 0, built.output
    assert 'content="0; url=page.html"' in built.page("old")
    assert 'href="../../labs/09_demo.html"' in built.page("parts/deep/old")
    assert "moved" not in built.page()
    assert '<a href="page.html">' in built.page("index")
    assert "<title>Deep Learning Lab</title>" in built.page("index")


def test_a_description_is_cut_where_it_can_be_read():
    """At the end of a sentence or clause if one is far enough, else after a word."""
    assert publishing.shorten("Short  text.") == "Short text."
    sentence = (
        "A sentence of some length that ends here after ninety characters, more or less, say. "
    )
    assert publishing.shorten(sentence * 3) == sentence.strip()
    words = publishing.shorten("word " * 100)
    assert words.endswith("word…")
    assert len(words) <= 160


def test_a_description_is_the_first_plain_paragraph():
    """A paragraph with a formula that is no word is passed over, and so is a very short one."""
    doctree = publish_doctree(
        "Title\n=====\n\nShort.\n\n"
        "This paragraph is long enough, and has :math:`\\frac{1}{2}` in it.\n\n"
        "This one is long enough as well, and *says* what the page is about.\n\nOther\n-----\n"
    )
    section = nodes.section("", *doctree.children)
    doctree.children = []
    doctree += section
    expected = "This one is long enough as well, and says what the page is about."
    assert publishing.description(doctree, "Book") == expected


def test_a_card_is_drawn_once_for_each_title(tmp_path):
    """A picture that shows what it should is left alone; a new title is drawn again."""
    path = tmp_path / "cards" / "page.png"
    assert publishing.draw_card(path, "A title with $ and _ in it", "Part", "Book")
    first = path.read_bytes()
    assert not publishing.draw_card(path, "A title with $ and _ in it", "Part", "Book")
    assert publishing.draw_card(path, "Another title", "Part", "Book")
    assert path.read_bytes() != first
    assert publishing.draw_card(path, "A title with $ and _ in it", "Part", "Book")
    assert path.read_bytes() == first


def test_addresses_are_read_with_comments_and_moves(tmp_path):
    """A line is an address, or an old and a new one; what follows # is for people."""
    path = Path(tmp_path, "addresses.txt")
    path.write_text("# pages\n\na.html\nb.html -> a.html  # merged\n", encoding="utf-8")
    assert publishing.published(path) == {"a.html": "", "b.html": "a.html"}
    assert publishing.published(tmp_path / "none.txt") == {}
