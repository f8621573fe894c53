"""Every page: complete, silent, readable on a phone, accessible in light and dark."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SITE = ROOT / "build" / "book" / "_build" / "html"
AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")

# The theme itself causes these two; anything else is the book's own.
BASELINE = {"label-content-name-mismatch", "region"}

PAGES = sorted(
    path.relative_to(SITE).as_posix()
    for folder in ("book", "labs")
    for path in (SITE / folder).rglob("*.html")
)


def test_pages_were_found():
    """The list of pages is not empty by mistake."""
    assert "book/index.html" in PAGES
    assert any(page.startswith("labs/") for page in PAGES)


@pytest.mark.parametrize("name", [*PAGES, "search.html", "genindex.html"])
def test_page_is_complete_and_silent(tab, name):
    """No outside request, no lost file, no script error, no TeX left over, no broken image."""
    window = tab()
    window.open(name)
    page = window.page
    page.wait_for_load_state("networkidle")
    assert window.faults == []
    assert page.locator("mjx-merror, .math:has-text('\\\\(')").count() == 0
    broken = "images => images.filter(i => i.complete && i.naturalWidth === 0).map(i => i.src)"
    assert page.eval_on_selector_all("img", broken) == []


@pytest.mark.parametrize("name", PAGES)
def test_narrow_page_does_not_scroll_sideways(tab, name):
    """At 360 px wide tables, code and formulas scroll on their own, not the page."""
    window = tab(width=360)
    window.open(name)
    assert window.page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_accessible(tab, name, scheme):
    """axe-core finds nothing but the theme's two known faults."""
    window = tab(scheme=scheme)
    window.open(name)
    page = window.page
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    own = [
        (rule["id"], node["target"], node["failureSummary"])
        for rule in found
        for node in rule["nodes"]
        if rule["id"] not in BASELINE and not _is_formula_as_header(page, rule, node)
    ]
    assert own == []


def _is_formula_as_header(page, rule, node) -> bool:
    # MathJax gives a screen reader MathML, which axe-core does not count as a header's text.
    if rule["id"] != "empty-table-header":
        return False
    return page.locator(node["target"][0]).locator("mjx-assistive-mml").count() > 0


def test_the_address_alone_leads_to_the_front_page(tab):
    """Who opens the site's root sees the front page."""
    window = tab()
    window.page.goto(window.address)
    window.page.wait_for_url("**/book/index.html")
    assert window.faults == []


def test_formulas_are_set(tab):
    """The notation page's formulas become MathJax's elements, from local fonts."""
    window = tab()
    window.open("book/appendix/notation.html")
    formulas = window.page.locator("span.math, div.math").count()
    assert formulas > 20
    assert window.page.locator("mjx-container").count() == formulas


def test_search_finds_a_word(tab):
    """Search works without a server: from the page's form to a result."""
    window = tab()
    window.open("search.html?q=unbroadcasting")
    hits = window.page.locator("#search-results li a")
    hits.first.wait_for()
    assert any("glossary" in (hit.get_attribute("href") or "") for hit in hits.all())
    assert window.faults == []


def test_page_works_from_a_file(tab):
    """Opened from the disk, a page still sets its formulas and has no script error."""
    window = tab()
    window.page.unroute("**/*")
    window.page.goto((SITE / "book" / "appendix" / "notation.html").as_uri(), wait_until="load")
    window.page.evaluate("MathJax.startup.promise.then(() => true)")
    assert window.page.locator("mjx-container").count() > 20
    assert [fault for fault in window.faults if fault.startswith("page error")] == []
