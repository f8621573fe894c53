"""The built book: every link leads somewhere, nothing is fetched from a third party."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from small_book import SITE


@pytest.fixture(scope="module", autouse=True)
def _book():
    """Say what is missing and how to get it."""
    if not (SITE / "index.html").exists():
        pytest.fail("there is no built book: run `make book`")


FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}
# `canonical` names the page's own address; a browser does not fetch it.
NOT_FETCHED = {"canonical", "license", "search", "index", "next", "prev", "author"}


class Page(HTMLParser):
    """Collects what a page fetches, its links and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.images_without_alt: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.anchors |= {values[key] for key in ("id", "name") if values.get(key)}
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        if values.get(FETCHED.get(tag)):
            self.fetched.append(values[FETCHED[tag]])
        if tag == "link" and not set((values.get("rel") or "").split()) & NOT_FETCHED:
            self.fetched.append(values.get("href") or "")
        if tag == "img" and "alt" not in values:
            self.images_without_alt.append(values.get("src") or "")


@pytest.fixture(scope="module")
def site() -> dict[Path, Page]:
    """Every page of the built book, parsed."""
    return {
        path: Page(path.read_text(encoding="utf-8"))
        for path in SITE.rglob("*.html")
        if "_static" not in path.relative_to(SITE).parts
    }


def test_nothing_is_fetched_from_elsewhere(site):
    """Scripts, style sheets, images and fonts are files of the site."""
    foreign = [
        (path.relative_to(SITE), source)
        for path, page in site.items()
        for source in page.fetched
        if urlsplit(source).netloc
    ]
    assert foreign == []


def test_style_sheets_fetch_nothing_from_elsewhere():
    """No `url()` or `@import` in a style sheet names a host."""
    sheets = {path: path.read_text(encoding="utf-8") for path in SITE.rglob("*.css")}
    assert sheets
    for path, text in sheets.items():
        for start in (
            "url(http",
            "url('http",
            'url("http',
            "url(//",
            "@import 'http",
            '@import "http',
        ):
            assert start not in text, path


def test_every_fetched_file_is_there(site):
    """What a page asks for exists."""
    lost = [
        (path.relative_to(SITE), source)
        for path, page in site.items()
        for source in page.fetched
        if not _target(path, source).exists()
    ]
    assert lost == []


def test_every_internal_link_resolves(site):
    """Each link within the site leads to a file, and its fragment to an anchor there."""
    broken = [
        (str(path.relative_to(SITE)), link)
        for path, page in site.items()
        for link in page.links
        if not urlsplit(link).scheme and not _resolves(site, path, link)
    ]
    assert broken == []


def _target(path: Path, link: str) -> Path:
    name = unquote(urlsplit(link).path)
    return (path.parent / name).resolve() if name else path


def _resolves(site: dict[Path, Page], path: Path, link: str) -> bool:
    target = _target(path, link)
    fragment = unquote(urlsplit(link).fragment)
    if not fragment or target not in site:
        return target.exists()
    return fragment in site[target].anchors


def test_every_image_has_a_text_alternative(site):
    """An image without `alt` says nothing to who cannot see it."""
    missing = {p.relative_to(SITE): q.images_without_alt for p, q in site.items()}
    assert {path: images for path, images in missing.items() if images} == {}


def test_no_start_up_lines_in_the_outputs():
    """TensorFlow's and the kernel's own log lines are no part of a chapter."""
    for path in (SITE / "book").rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        for line in ("oneDNN custom operations", "computation_placer", "cuInit", "absl::Init"):
            assert line not in text, path


def test_chapters_and_labs_can_be_downloaded():
    """Each chapter and each lab has its notebook beside the page."""
    sources = SITE / "_sources"
    for page in [*(SITE / "book" / "foundations").glob("*.html"), *(SITE / "labs").glob("*.html")]:
        notebook = sources / page.relative_to(SITE).with_suffix(".ipynb")
        assert notebook.exists(), notebook


def test_page_weight():
    """A page's own HTML, without figures and shared files, stays below 500 kB."""
    heavy = {path.name: path.stat().st_size for path in SITE.rglob("*.html")}
    assert {name: size for name, size in heavy.items() if size > 500_000} == {}
