"""Finding things: definitions at hand, filters, the reference of functions, the search."""

from pathlib import Path

import pytest

SITE = Path(__file__).parents[2] / "build" / "book" / "_build" / "html"
AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
CHAPTER = "book/foundations/backpropagation.html"
TERM = "a.reference[href*='#term-']"


@pytest.fixture
def reading(tab):
    """A chapter on a phone, with the focus just before its first term."""
    window = tab(width=360)
    window.open(CHAPTER)
    window.page.locator(f".bd-article {TERM}").first.focus()
    window.page.keyboard.press("Shift+Tab")
    return window


def popup(page):
    """The definition that is shown, if any."""
    return page.locator(".glossary-popup:not([hidden])")


def test_focus_shows_a_definition_and_escape_hides_it(reading):
    """Tab to a term describes it; Escape hides that and leaves the focus where it is."""
    page = reading.page
    page.keyboard.press("Tab")
    shown = popup(page)
    shown.wait_for()
    described = page.evaluate("document.activeElement.getAttribute('aria-describedby')")
    assert described == shown.get_attribute("id")
    assert shown.get_attribute("role") == "tooltip"
    assert len(shown.inner_text()) > 30
    assert shown.locator("a, button, [tabindex]").count() == 0
    page.keyboard.press("Escape")
    assert popup(page).count() == 0
    assert page.evaluate("document.activeElement.hash").startswith("#term-")
    assert page.evaluate("document.activeElement.hasAttribute('aria-describedby')") is False
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    shown.wait_for()
    page.keyboard.press("Shift+Tab")
    assert popup(page).count() == 0
    assert reading.faults == []


def test_every_definition_fits_a_phone(reading):
    """At 360 px no definition is wider than the window, none covers its term, TeX is set."""
    page = reading.page
    for link in page.locator(f".bd-article {TERM}").all():
        if not link.is_visible():
            continue  # in a folded answer
        link.focus()
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Tab")
        popup(page).wait_for()
        page.wait_for_function("!document.querySelector('.glossary-popup .math:not(:has(*))')")
        box, own = popup(page).bounding_box(), link.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
        above = box["y"] + box["height"] <= own["y"] + 1
        below = box["y"] >= own["y"] + own["height"] - 1
        assert above or below
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_hover_shows_a_definition_that_can_be_entered(tab):
    """The pointer may move from the term onto its definition, and it goes when both are left."""
    window = tab()
    window.open(CHAPTER)
    page = window.page
    link = page.locator(f".bd-article {TERM}").first
    link.scroll_into_view_if_needed()
    link.hover()
    popup(page).wait_for()
    box = popup(page).bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + box["height"] / 2, steps=8)
    assert page.evaluate("document.querySelector('.glossary-popup').matches(':hover')")
    # Longer than the pointer may stay away: two of the browser's own timers of that length.
    page.evaluate("new Promise(done => setTimeout(() => setTimeout(done, 300), 300))")
    assert popup(page).count() == 1
    page.mouse.move(5, 5)
    page.locator(".glossary-popup[hidden]").wait_for(state="attached")
    assert window.faults == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_definition_is_accessible(tab, scheme):
    """axe-core finds nothing in the definition, in either color scheme."""
    window = tab(scheme=scheme)
    window.open("book/appendix/glossary.html")
    page = window.page
    page.locator(f".bd-article {TERM}").first.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    popup(page).wait_for()
    page.evaluate(AXE)
    found = page.evaluate("axe.run('.glossary-popup', {resultTypes: ['violations']})")
    assert [rule["id"] for rule in found["violations"] if rule["id"] != "region"] == []


def test_formulas_in_definitions_are_set(tab):
    """Every definition with a formula shows it as MathJax sets it."""
    window = tab()
    window.open("book/appendix/glossary.html")
    page = window.page
    terms = page.evaluate(
        """[...document.querySelectorAll('template.glossary-definition')]
        .filter(one => one.content.querySelector('.math')).map(one => one.dataset.term)"""
    )
    assert len(terms) > 3
    for term in terms[:4]:
        page.locator(f".bd-article a.reference[href$='#{term}']").first.focus()
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Tab")
        page.locator(".glossary-popup mjx-container").first.wait_for()
        assert page.locator(".glossary-popup mjx-merror").count() == 0


def test_without_javascript_the_link_to_the_glossary_stays(tab):
    """The term is a link to an anchor that is there, and no definition lies about in the page."""
    window = tab(java_script_enabled=False)
    window.page.goto(f"{window.address}/{CHAPTER}")
    link = window.page.locator(f".bd-article {TERM}").first
    anchor = link.get_attribute("href").split("#")[1]
    assert f'id="{anchor}"' in (SITE / "book/appendix/glossary.html").read_text(encoding="utf-8")
    assert not window.page.locator(".glossary-term").first.is_visible()


def test_pages_carry_only_the_definitions_they_use():
    """Each definition in a page is of a term that the page links to, and none is missing."""
    for path in (SITE / "book").rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        embedded = {part.split('"')[0] for part in text.split('data-term="')[1:]}
        linked = {
            part.split('"')[0]
            for part in text.split("#")[1:]
            if part.startswith("term-") and 'std std-term">' in part[:200]
        }
        assert embedded == linked, path


def test_filter_narrows_the_misconceptions(tab):
    """Words leave only the entries that hold them all; Escape brings everything back."""
    window = tab()
    window.open("book/appendix/misconceptions.html")
    page = window.page
    every = page.locator(".misconception").count()
    count = page.locator(".finder-count")
    assert count.inner_text() == f"{every} misconceptions."
    box = page.get_by_label("Filter by words")
    place = box.bounding_box()
    box.focus()
    page.keyboard.type("gradient Overwritten")
    shown = page.locator(".misconception:visible")
    texts = shown.all_inner_texts()
    assert 0 < len(texts) < every
    assert all("gradient" in t.lower() and "overwritten" in t.lower() for t in texts)
    assert count.inner_text() == f"{len(texts)} of {every} misconceptions."
    assert page.locator(".finder-group:visible").count() <= len(texts)
    assert box.bounding_box() == place
    box.fill("xyzzy")
    assert count.inner_text() == "No misconception holds these words."
    page.keyboard.press("Escape")
    assert page.locator(".misconception:visible").count() == every
    assert window.faults == []


def test_a_link_to_a_filtered_entry_shows_it(tab):
    """Following a link to an entry that the filter hides clears the filter."""
    window = tab()
    window.open("book/appendix/misconceptions.html")
    page = window.page
    page.get_by_label("Filter by words").fill("xyzzy")
    page.locator(".jump-list a").last.click()
    page.locator(".misconception:visible").first.wait_for()
    assert page.evaluate("document.querySelector(':target').hidden") is False


def test_without_javascript_every_entry_is_there(tab):
    """Entries and the links to the labs need no script; the box is not there."""
    window = tab(java_script_enabled=False)
    window.page.goto(f"{window.address}/book/appendix/misconceptions.html")
    assert window.page.locator(".misconception").last.is_visible()
    labs = list(Path(__file__).parents[2].glob("labs/source/*/misconceptions.toml"))
    assert window.page.locator(".jump-list a").count() == len(labs)
    assert window.page.locator(".finder input").count() == 0


def test_functions_lead_to_their_entry(tab):
    """From the list of names, narrowed by a word, to the signature and the chapter."""
    window = tab()
    window.open("book/appendix/functions.html")
    page = window.page
    page.get_by_label("Filter by words").fill("unbroadcast")
    link = page.locator(".function-entry:visible a").first
    assert link.inner_text() == "unbroadcast"
    link.click()
    entry = page.locator("section#dllab-scratch-unbroadcast")
    assert "unbroadcast(gradient: ArrayLike" in entry.inner_text()
    assert entry.locator("a[href*='backpropagation.html']").count() == 1
    assert window.faults == []


FINDS = [
    ("unbroadcast", "functions/scratch.html#dllab"),
    ("early stopping", "book/appendix/glossary.html"),
    ("overwritten accumulated", "book/appendix/misconceptions.html"),
    ("forget gate vowels", "book/architectures/recurrent_networks.html"),
]


@pytest.mark.parametrize(("words", "place"), FINDS)
def test_search_finds(tab, words, place):
    """A function, a glossary term, a misconception and a word of a chapter are found."""
    window = tab()
    window.open(f"search.html?q={words.replace(' ', '+')}")
    hit = window.page.locator(f"#search-results li a[href*='{place}']")
    hit.first.wait_for()
    assert window.faults == []


def test_search_works_from_a_file(tab):
    """Opened from the disk, the index is a script, so the results come all the same."""
    window = tab()
    window.page.unroute("**/*")
    window.page.goto((SITE / "search.html").as_uri() + "?q=unbroadcast")
    window.page.locator("#search-results li a[href*='functions/scratch']").first.wait_for()


def test_index_lists_functions_and_data_sets():
    """The general index leads to both."""
    text = (SITE / "genindex.html").read_text(encoding="utf-8")
    assert 'href="book/appendix/functions/scratch.html#dllab-scratch-unbroadcast"' in text
    assert 'href="book/appendix/data_cards.html#data-digits"' in text
