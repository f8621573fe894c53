"""The printed book: a small one, from Sphinx's one page to the PDF that Chromium prints of it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from dllab_book import printing
from dllab_book.contents import Part
from pypdf import PdfReader
from small_book import ROOT, write_book

sys.path.insert(0, str(ROOT / "tools"))

from build_pdf import PrintError, browser, print_pdf


@pytest.fixture(scope="module")
def joined(tmp_path_factory, good_page) -> Path:
    """`good_page.md` and its companions as one page for paper."""
    folder = tmp_path_factory.mktemp("joined")
    write_book(folder, good_page)
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(folder)]
    options = ["--builder", "custom", "--custom-builder", "singlehtml", "-n", "-W", "--keep-going"]
    done = subprocess.run(
        [*command, *options, "--path-output", str(folder / "out")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "out" / "_build" / "singlehtml" / printing.PRINTED


@pytest.fixture(scope="module")
def pdf(joined, tmp_path_factory) -> PdfReader:
    """The PDF of that page."""
    target = tmp_path_factory.mktemp("pdf") / "book.pdf"
    try:
        browser()
    except PrintError:
        pytest.fail("Chromium is missing: run `tools/system_packages.sh chromium`")
    done = print_pdf(joined, target, lambda _line: None)
    reader = PdfReader(target)
    assert done.pages == len(reader.pages)
    assert list(target.parent.iterdir()) == [target]
    return reader


def elements(reader: PdfReader, kind: str) -> list[dict]:
    """The elements of the structure tree that have the given type."""
    root = reader.trailer["/Root"]["/StructTreeRoot"]
    found, waiting = [], [root]
    while waiting:
        element = waiting.pop()
        children = element.get("/K", [])
        children = children.get_object() if hasattr(children, "get_object") else children
        for child in children if isinstance(children, list) else [children]:
            child = child.get_object() if hasattr(child, "get_object") else child
            if isinstance(child, dict) and child is not element:
                waiting.append(child)
        if element.get("/S") == kind:
            found.append(element)
    return found


def test_pdf_is_tagged_and_has_an_outline(pdf):
    """A screen reader finds headings and their order, a viewer the list of chapters."""
    root = pdf.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    assert elements(pdf, "/H1")
    titles = [entry.title for entry in pdf.outline if not isinstance(entry, list)]
    assert titles[0] == "Contents"
    assert {"Misconceptions", "Lab 09"} <= set(titles)


def test_pdf_holds_the_key_of_a_quiz(pdf):
    """Nothing is folded on paper: the answers and their reasons are printed."""
    text = " ".join(" ".join(page.extract_text() for page in pdf.pages).split())
    assert "Question 1." in text
    assert re.search(r"[A-J]\. ?Right", text)
    assert re.search(r"[A-J]\. ?Not quite", text)
    assert "Show the answers" not in text


def test_a_formula_is_a_picture_with_its_tex(pdf):
    """Who cannot see it hears what was written, not loose letters."""
    told = [str(figure.get("/Alt", "")) for figure in elements(pdf, "/Figure")]
    assert any(r"\bar v" in text for text in told), told


def test_contents_name_the_pages_on_which_headings_stand(pdf):
    """The number beside an entry is that of the page that its link leads to."""
    contents = pdf.pages[1].extract_text()
    places = pdf.named_destinations
    page = pdf.get_destination_page_number(places["/misconceptions"]) + 1
    assert re.search(rf"Misconceptions\s*{page}\b", contents)
    assert str(page) in pdf.pages[page - 1].extract_text()


def test_interactive_places_print_what_they_say_without_a_script(joined):
    """The fallback is there; scripts, buttons and folded parts are not."""
    page = joined.read_text(encoding="utf-8")
    body = page[page.index("<body") :]
    assert "for three slopes" in body
    assert "<script" not in body
    assert "<noscript" not in body
    assert not re.search(r"<details(?![^>]*\bopen\b)", body)
    assert "headerlink" not in body


def test_every_anchor_is_there_once_and_every_link_leads_to_one(joined):
    """Documents have anchors of the same name; on one page each has a name of its own."""
    page = joined.read_text(encoding="utf-8")
    anchors = re.findall(r'\bid="([^"]+)"', page)
    assert len(anchors) == len(set(anchors))
    links = re.findall(r'href="#([^"]+)"', page)
    assert links
    assert set(links) <= set(anchors)
    local = re.findall(r'<link[^>]*href="([^"?]+)|<img[^>]*src="([^"?]+)', page)
    assert [
        name for pair in local for name in pair if name and not (joined.parent / name).exists()
    ] == []


def test_documents_are_told_apart():
    """`#id1` of two documents are two places; a link between documents keeps both names."""
    page = (
        '<head></head><body><article class="bd-article"><section id="book"><h1>Book</h1>'
        '<div class="toctree-wrapper"><span id="document-a/one"></span><section id="id1">'
        '<h2>One</h2><a href="#id1">x</a><a href="#document-b#id1">y</a>'
        '<div class="toctree-wrapper"><span id="document-b"></span><section id="id1"><h3>Two</h3>'
        '<a href="#document-a/one">z</a></section></div></section></div></section></article></body>'
    )
    text = printing.printed(page, "index", [Part("Start", ("a/one", "b"))], "Book")
    assert '<section id="a-one:id1"><h1>One</h1>' in text
    assert '<a href="#a-one:id1">x</a><a href="#b:id1">y</a>' in text
    assert '<section id="b:id1"><h1>Two</h1>' in text
    assert '<a href="#a-one">z</a>' in text
    assert text.count("<section") == text.count("</section>")


def test_missing_browser_is_named_with_the_next_step(monkeypatch):
    """Who has no Chromium learns how to get it, and how to name another one."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CHROMIUM", raising=False)
    with pytest.raises(PrintError, match=r"tools/system_packages\.sh chromium"):
        browser()


def test_a_page_that_asks_a_third_party_is_not_printed(tmp_path):
    """The PDF is made of the book's own files, or not at all; an older one stays."""
    page, target = tmp_path / "book.html", tmp_path / "book.pdf"
    page.write_text('<title>x</title><img src="https://example.org/a.png" alt="">', "utf-8")
    target.write_bytes(b"old")
    with pytest.raises(PrintError, match=r"https://example\.org/a\.png"):
        print_pdf(page, target, lambda _line: None)
    assert target.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.html", "book.pdf"]
