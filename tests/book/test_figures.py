"""Each chapter has an interactive figure, each figure has a script, a test and a static text."""

import re
from pathlib import Path

import pytest
from dllab_book.site import widget_scripts

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "book" / "_static" / "widgets"
PLACE = re.compile(r"^(`{3,}|:{3,})\{try-it\} (\S+)\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
CHAPTERS = sorted(
    path
    for part in ("start", "foundations", "training", "architectures", "systems")
    for path in (ROOT / "book" / part).glob("*.md")
)
PLACES = {
    (path.stem, match[2]): match[3]
    for path in [ROOT / "book" / "index.md", *CHAPTERS]
    for match in PLACE.finditer(path.read_text(encoding="utf-8"))
}
NAMES = sorted({name for _, name in PLACES})


@pytest.mark.parametrize("chapter", [path.stem for path in CHAPTERS])
def test_each_chapter_has_a_figure_to_play_with(chapter):
    assert [name for page, name in PLACES if page == chapter]


@pytest.mark.parametrize("name", NAMES)
def test_each_figure_has_its_scripts_and_a_test(name):
    """What a script needs is there, and a file of tests holds it to computed values."""
    scripts = widget_scripts(FOLDER, name)
    assert scripts[-1:] == [f"{name}.js"]
    assert [script for script in scripts if not (FOLDER / script).exists()] == []
    tests = ROOT / "tests" / "browser" / "widgets" / f"test_{name.replace('-', '_')}.py"
    assert tests.exists()


@pytest.mark.parametrize("place", PLACES, ids=".".join)
def test_each_figure_says_without_javascript_what_it_shows(place):
    """A sentence for who cannot see it, and a static text below."""
    alt, _, text = PLACES[place].partition("\n")
    assert re.fullmatch(r":alt: \w.{60,}", alt)
    assert len(text) > 100


def test_each_script_belongs_to_a_figure():
    """No script is left behind."""
    used = {script for name in NAMES for script in widget_scripts(FOLDER, name)}
    assert {path.name for path in FOLDER.glob("*.js")} == used


@pytest.mark.parametrize("script", sorted(FOLDER.glob("*.js")), ids=lambda path: path.name)
def test_a_script_neither_asks_the_network_nor_writes_markup(script):
    text = script.read_text(encoding="utf-8")
    for word in ("fetch(", "XMLHttpRequest", "WebSocket", "import(", "eval(", "innerHTML"):
        assert word not in text
