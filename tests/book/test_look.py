"""The built pages' structure, text alternatives and weight; what the front page claims is true."""

import gzip
import importlib
import itertools
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from small_book import ROOT, SITE

STATIC = ROOT / "book" / "_static"
# All that one page loads but figures and MathJax; DESIGN.md sets the budget.
BUDGET = 500_000
SHORTEST_ALT = 20
# Pictures on buttons, beside a word that says the same.
BUTTONS = ("logo__image", "logo_colab", "logo_binder", "logo_jupyterhub")


class Outline(HTMLParser):
    """Collects a page's headings, landmarks, images and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.language = None
        self.headings: list[int] = []
        self.landmarks: set[str] = set()
        self.links: list[str] = []
        self.images: list[tuple[str, str]] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == "html":
            self.language = values.get("lang")
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag in {"main", "nav", "footer", "header"}:
            self.landmarks.add(tag)
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag == "img" and not any(name in str(attrs) for name in BUTTONS):
            self.images.append((values.get("src") or "", values.get("alt") or ""))
        if tag == "script" and values.get("src"):
            self.loaded.append(values["src"])
        if tag == "link" and values.get("rel") == "stylesheet":
            self.loaded.append(values["href"])


@pytest.fixture(scope="module")
def site() -> dict[Path, Outline]:
    """Every page of the built book, parsed; the root's page only leads on."""
    if not (SITE / "index.html").exists():
        pytest.fail("there is no built book: run `make book`")
    return {
        path: Outline(path.read_text(encoding="utf-8"))
        for path in SITE.rglob("*.html")
        if "_static" not in path.parts and path != SITE / "index.html"
    }


def test_each_page_has_one_title_and_headings_without_jumps(site):
    """A screen reader's list of headings is the page's outline."""
    wrong = {}
    for path, page in site.items():
        levels = page.headings
        jumps = [(a, b) for a, b in itertools.pairwise(levels) if b > a + 1]
        if levels.count(1) != 1 or jumps:
            wrong[path.relative_to(SITE).as_posix()] = (levels.count(1), jumps)
    assert wrong == {}


def test_each_page_has_a_language_landmarks_and_a_skip_link(site):
    """The first link of a page leads past the menus."""
    for path, page in site.items():
        assert page.language == "en", path
        landmarks = {"main"} if path.name == "404.html" else {"main", "nav", "footer"}
        assert landmarks <= page.landmarks, path
        assert "#main-content" in page.links[:1] or path.name == "404.html", path


def test_each_figure_says_what_it_shows(site):
    """A text alternative is a sentence, not a file's name and not a word."""
    poor = [
        (path.relative_to(SITE).as_posix(), source, alt)
        for path, page in site.items()
        for source, alt in page.images
        if len(alt) < SHORTEST_ALT or alt == Path(source).stem or alt.endswith((".png", ".svg"))
    ]
    assert poor == []


def compressed(path: Path) -> int:
    """The bytes that a server sends for a file."""
    return len(gzip.compress(path.read_bytes(), compresslevel=6))


def test_a_page_with_all_it_loads_stays_in_the_budget(site):
    """HTML, style sheets and scripts of each page, compressed, without figures and MathJax."""
    sizes: dict[Path, int] = {}
    heavy = {}
    for path, page in site.items():
        files = {path}
        for source in page.loaded:
            target = (path.parent / unquote(urlsplit(source).path)).resolve()
            if "mathjax" not in target.parts:
                files.add(target)
        for file in files - set(sizes):
            sizes[file] = compressed(file)
        weight = sum(sizes[file] for file in files)
        if weight > BUDGET:
            heavy[path.relative_to(SITE).as_posix()] = weight
    assert heavy == {}


def test_own_pictures_are_small_and_load_nothing():
    """Logo, favicon and the front page's picture are plain SVG without scripts or links."""
    for name in ("logo.svg", "logo-dark.svg", "favicon.svg", "cover.svg"):
        text = (STATIC / name).read_text(encoding="utf-8")
        assert ElementTree.fromstring(text).get("viewBox"), name
        assert "script" not in text, name
        assert "href" not in text, name
        assert len(gzip.compress(text.encode())) < 50_000, name


def test_the_cover_picture_shows_what_it_says(monkeypatch):
    """The network of the picture puts each of its points on the right side."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    cover_picture = importlib.import_module("cover_picture")

    picture, right = cover_picture.draw()
    assert right == 2 * cover_picture.POINTS
    # Not compared byte by byte: another processor may round another way.
    committed = (STATIC / "cover.svg").read_text(encoding="utf-8")
    for shape in ("<circle", "<rect", "<path"):
        assert committed.count(shape) == picture.count(shape)


def test_the_front_page_quotes_a_real_check():
    """What it shows that `lab.check` says is what `lab.check` says of that code."""
    text = (ROOT / "book" / "index.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)\nlab\.check", text, re.DOTALL)[1]
    said = re.search(r"```text\n(.*?)```", text, re.DOTALL)[1]
    program = f"import numpy as np, dllab\nlab = dllab.lab('02_activations')\n{code}\n"
    command = [sys.executable, "-c", f"{program}print(lab.check('softmax'))"]
    result = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for line in said.splitlines():
        assert line in result
