"""Every page: complete, silent, readable on a phone, accessible in light and dark."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SITE = ROOT / "build" / "book" / "_build" / "html"
AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")

# The theme itself causes these two; anything else is the book's own.
BASELINE = {"label-content-name-mismatch", "region"}
# Another color scheme can only change what these rules look at.
ABOUT_COLORS = ["color-contrast", "link-in-text-block"]

PAGES = sorted(
    path.relative_to(SITE).as_posix()
    for folder in ("book", "labs")
    for path in (SITE / folder).rglob("*.html")
)


def test_pages_were_found():
    """The list of pages is not empty by mistake."""
    assert "book/index.html" in PAGES
    assert any(page.startswith("labs/") for page in PAGES)


# Half way from one color scheme to the other, a color is neither.
TRANSITIONS_END = """Promise.allSettled(document.getAnimations()
  .filter(animation => animation instanceof CSSTransition)
  .map(animation => animation.finished))"""
NOTHING_WRONG = {
    "requests, answers and messages": [],
    "formulas left as TeX": 0,
    "broken images": [],
    "figures that are not alive": [],
    "axe, light": [],
    "axe, dark": [],
    "wider than a phone": False,
}


@pytest.mark.parametrize("name", PAGES)
def test_page(tab, name):
    """A page is complete, silent, accessible in light and dark, and fits a phone.

    One visit answers all of that: loading a chapter and setting its formulas takes longest.
    """
    window = tab()
    window.open(name)
    found = _completeness(window)
    for scheme, rules in (("light", None), ("dark", ABOUT_COLORS)):
        window.page.emulate_media(color_scheme=scheme)
        window.page.wait_for_function(
            "scheme => document.documentElement.dataset.theme === scheme", arg=scheme
        )
        window.page.evaluate(TRANSITIONS_END)
        found[f"axe, {scheme}"] = _violations(window.page, rules)
    # At 360 px wide tables, code and formulas scroll on their own, not the page.
    window.page.set_viewport_size({"width": 360, "height": 900})
    found["wider than a phone"] = window.page.evaluate("document.documentElement.scrollWidth") > 360
    assert found == NOTHING_WRONG


@pytest.mark.parametrize("name", ["search.html", "genindex.html"])
def test_page_of_the_theme_is_complete_and_silent(tab, name):
    """No outside request, no lost file, no script error, no broken image."""
    window = tab()
    window.open(name)
    found = _completeness(window)
    assert found == {law: NOTHING_WRONG[law] for law in found}


def _completeness(window) -> dict:
    page = window.page
    page.wait_for_load_state("networkidle")
    broken = "images => images.filter(i => i.complete && i.naturalWidth === 0).map(i => i.src)"
    still = "places => places.map(place => place.dataset.widget)"
    return {
        # a copy: axe-core itself will ask for style sheets at odd addresses
        "requests, answers and messages": list(window.faults),
        "formulas left as TeX": page.locator("mjx-merror, .math:has-text('\\\\(')").count(),
        "broken images": page.eval_on_selector_all("img", broken),
        "figures that are not alive": page.eval_on_selector_all(
            "[data-widget]:not(.try-it-live)", still
        ),
    }


def _violations(page, rules: list[str] | None = None) -> list:
    """Return what axe-core finds by these rules, or all, but for the theme's two known faults."""
    page.evaluate(AXE)
    options = {"resultTypes": ["violations"]} | ({"runOnly": rules} if rules else {})
    found = page.evaluate("options => axe.run(document, options)", options)["violations"]
    return [
        (rule["id"], node["target"], node["failureSummary"])
        for rule in found
        for node in rule["nodes"]
        if rule["id"] not in BASELINE and not _is_formula_as_header(page, rule, node)
    ]


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
