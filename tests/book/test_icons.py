"""The theme's icons: a page gets those it shows, and every one of them."""

import base64
import io
import re

import pytest
from bs4 import BeautifulSoup
from dllab_book import icons
from fontTools import ttLib
from small_book import SITE

PAGE = '<i class="fa-solid fa-sun fa-lg"></i><span class="fas  fa-file-pdf"></span><p>fa-moon</p>'
SHEET = (
    '@charset "UTF-8";\n:root{--pst-icon-bell:"\uf0f3"}.x{font-family:Font Awesome\\ 6 Free}'
    "@font-face{font-family:Font Awesome\\ 6 Free;src:url(a.woff2)}"
    '.fa-file-pdf:before{content:"\\f1c1"}.fa-moon:before{content:"\\f186"}'
    '.fa-house:before,.fa-home:before{content:"\\f015"}.fa-3:before{content:"\\33 "}'
    '.onthispage:after{content:"\\f107"}/*# sourceMappingURL=a.map*/'
)


def test_icons_are_found_in_classes_alone():
    """Sizes and styles are no icons, and neither is a word in the text."""
    assert icons.icons_in([PAGE, '<p class="quiz">fa-star</p>']) == {"fa-sun", "fa-file-pdf"}


def test_known_icons_have_their_character_under_each_name():
    """Names that share a rule share the character; a digit is a digit."""
    known = icons.known_icons(SHEET)
    assert known["fa-home"] == known["fa-house"] == "\uf015"
    assert known["fa-3"] == "3"


def test_characters_of_other_rules_are_kept():
    """Admonitions and menus name characters, not icons: written out, or escaped."""
    assert icons.characters_in(SHEET) == {"\uf0f3", "\uf107"}


def test_the_cut_sheet_has_the_used_icons_only():
    """Other rules stay as they are; the font's reserved name and the source map go."""
    cut = icons.cut_sheet(SHEET, {"fa-home"}, "@font-face{}")
    assert '.fa-home:before{content:"\\f015";content:"\\f015"/""}' in cut
    assert "fa-moon" not in cut
    assert "fa-house" not in cut
    assert "--pst-icon-bell" in cut
    assert '.x{font-family:"Lab Icons"}' in cut
    assert "url(" not in cut
    assert "sourceMapping" not in cut
    assert cut.startswith('@charset "UTF-8";\n/*! Icons cut from Font Awesome')


def test_the_cut_font_is_small_and_the_same_each_time():
    """It holds the characters asked for, and keeps the license but not the reserved name."""
    path = icons.THEME / "vendor" / "fontawesome" / "webfonts" / "fa-solid-900.ttf"
    data = icons.cut_font(path, ["\uf185", "\uf186"], "Lab Icons")
    assert data == icons.cut_font(path, ["\uf185", "\uf186"], "Lab Icons")
    font = ttLib.TTFont(io.BytesIO(data))
    assert set(font.getBestCmap()) == {0xF185, 0xF186}
    assert font["name"].getDebugName(1) == "Lab Icons"
    assert len(data) < 3000


@pytest.fixture(scope="module")
def site():
    """The built book's pages, style sheet and icon font."""
    if not (SITE / "index.html").exists():
        pytest.fail("there is no built book: run `make book`")
    pages = [
        path.read_text(encoding="utf-8")
        for path in SITE.rglob("*.html")
        if "_static" not in path.parts
    ]
    return pages, (SITE / "_static" / icons.SHEET).read_text(encoding="utf-8")


def test_every_icon_of_every_page_can_be_drawn(site):
    """Its rule is in the style sheet, and its character in the font that comes with it."""
    pages, sheet = site
    known = dict(re.findall(r'\.(fa-[a-z0-9-]+):before\{content:"([^"]+)";', sheet))
    names = icons.icons_in(pages)
    assert {"fa-sun", "fa-magnifying-glass"} <= names
    assert names - set(known) == set()
    drawn: set[int] = set()
    for data in re.findall(r"data:font/woff;base64,([A-Za-z0-9+/=]+)", sheet):
        drawn |= set(ttLib.TTFont(io.BytesIO(base64.b64decode(data))).getBestCmap())
    codes = {ord(icons._character(known[name])) for name in names}
    assert codes - drawn == set()


def test_the_whole_icon_set_is_gone(site):
    """No page loads it, and the site does not carry it or any source map along."""
    pages, _ = site
    assert not [page for page in pages if "fontawesome" in page]
    for pattern in ("**/*.map", "**/fontawesome*", "sphinx-thebe*"):
        assert list((SITE / "_static").glob(pattern)) == []
    for path in [*(SITE / "_static").glob("*.js"), *(SITE / "_static" / "scripts").glob("*.js")]:
        assert "sourceMappingURL" not in path.read_text(encoding="utf-8"), path


def test_an_arrow_of_the_menu_has_a_name():
    """It folds the pages below the link before it, and says so."""
    menu = '<a href="a.html">Functions</a><details open="open"><summary><span></span></summary>'
    soup = BeautifulSoup(menu, "html.parser")
    icons.name_toggles(soup)
    assert '<summary aria-label="Pages in: Functions"><span>' in str(soup)


def test_an_unknown_icon_stops_the_build(tmp_path, monkeypatch):
    """The message names the page and the icon."""
    (tmp_path / "page.html").write_text('<i class="fas fa-no-such"></i>', encoding="utf-8")
    (tmp_path / "_static" / "scripts").mkdir(parents=True)

    class App:
        outdir = tmp_path

        class builder:  # noqa: N801 (as Sphinx names it)
            format = "html"

    with pytest.raises(icons.IconError, match=r"page\.html: the theme has no icon `fa-no-such`"):
        icons._cut(App, None)
