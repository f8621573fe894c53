"""Nobody is shut out: keyboard, large letters, narrow screens, less motion, own colors, paper."""

import pytest

PAGES = ["book/index.html", "book/foundations/backpropagation.html", "labs/02_activations.html"]
CHAPTER = PAGES[1]

# How far the page sticks out of the window, and which elements do.
STICKS_OUT = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  const scrolls = e => e && e !== document.documentElement &&
    (getComputedStyle(e).overflowX !== 'visible' || scrolls(e.parentElement));
  return [...document.querySelectorAll('.bd-main *')]
    .filter(e => e.getBoundingClientRect().right > width + 1 && !scrolls(e))
    .slice(0, 5).map(e => e.outerHTML.slice(0, 120)).concat('scrolls');
}"""


@pytest.mark.parametrize("name", PAGES)
def test_a_narrow_window_and_large_letters_lose_nothing(tab, name):
    """At 320 px, and with letters of twice the size, the page does not scroll sideways."""
    window = tab()
    window.open(name)
    found = {}
    for width, size in ((360, 100), (320, 100), (1280, 200), (768, 200)):
        window.page.set_viewport_size({"width": width, "height": 900})
        window.page.evaluate(f"document.documentElement.style.fontSize = '{size}%'")
        found[f"{width} px, {size} %"] = window.page.evaluate(STICKS_OUT)
    assert {how: what for how, what in found.items() if what} == {}


FOCUS = """() => {
  const e = document.activeElement, style = getComputedStyle(e), box = e.getBoundingClientRect();
  return {
    name: (e.getAttribute('aria-label') || e.textContent.trim() || e.tagName).slice(0, 40),
    href: e.getAttribute('href'),
    seen: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight,
    marked: (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2)
      || style.boxShadow !== 'none',
    inMain: !!e.closest('main'),
  };
}"""


def test_the_keyboard_comes_first_to_the_skip_link_and_past_the_menus(tab):
    """The first press of Tab shows the link; behind it the keyboard is in the page's text."""
    window = tab()
    window.open(CHAPTER)
    page = window.page
    page.keyboard.press("Tab")
    first = page.evaluate(FOCUS)
    assert first["href"] == "#main-content"
    assert first["seen"]
    page.keyboard.press("Enter")
    page.wait_for_function("location.hash === '#main-content'")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUS)["inMain"]


def test_the_keyboard_s_place_is_always_seen(tab):
    """Whatever Tab reaches lies in the window and has an outline, menus and text alike."""
    window = tab()
    window.open(CHAPTER)
    page = window.page
    places = []
    for start in ("body", "article.bd-article"):
        page.evaluate(
            """start => {
              const e = document.querySelector(start);
              e.setAttribute('tabindex', '-1');
              e.focus();
            }""",
            start,
        )
        for _ in range(15):
            page.keyboard.press("Tab")
            places.append(page.evaluate(FOCUS))
    assert len({place["name"] for place in places}) > 10
    assert [place for place in places if not (place["seen"] and place["marked"])] == []


def test_icons_come_from_the_style_sheet(tab):
    """The buttons in the header show characters of the cut font, without a request for it."""
    window = tab()
    window.open("book/index.html")
    shown = window.page.evaluate(
        """() => document.fonts.ready.then(() => [...document.fonts]
          .filter(font => font.family.includes('Lab Icons') && font.status === 'loaded').length)"""
    )
    assert shown >= 1
    icon = window.page.locator(".bd-header-article i").first
    drawn = icon.evaluate("e => getComputedStyle(e, '::before').content")
    assert drawn not in {"none", "normal", '""'}
    assert icon.bounding_box()["width"] > 8
    assert window.faults == []


def test_less_motion_means_none(tab):
    """Who asks for less motion sees no animation and no smooth scrolling."""
    window = tab()
    window.open("book/index.html")
    state = window.page.evaluate(
        """() => ({
          running: document.getAnimations().length,
          scroll: getComputedStyle(document.documentElement).scrollBehavior,
        })"""
    )
    assert state == {"running": 0, "scroll": "auto"}


def test_a_page_on_paper_is_complete(tab):
    """Printed, a chapter has its title, its figures and the quiz's answers, and no menus."""
    window = tab(scheme="dark")
    window.open(CHAPTER)
    page = window.page
    page.emulate_media(media="print")
    # What the browser does when it prints; Playwright only takes on the style.
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    for menu in (".bd-sidebar-primary", ".bd-sidebar-secondary", ".prev-next-area"):
        assert not page.locator(menu).first.is_visible(), menu
    assert page.locator("h1").first.is_visible()
    verdict = page.locator(".quiz-verdict").first
    assert verdict.bounding_box()["height"] > 10
    colors = page.evaluate(
        """() => {
          const style = e => getComputedStyle(document.querySelector(e));
          return [style('.bd-article p > a').color === style('.bd-article p').color,
                  style('.bd-article p').color];
        }"""
    )
    assert colors == [True, "rgb(17, 17, 17)"]
    folded = "document.querySelectorAll('article details:not([open])').length"
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    assert page.evaluate(folded) == 0
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate(folded) > 0


def test_own_colors_keep_cards_and_buttons_apart(tab):
    """With forced colors, boxes that only a background told apart have a border."""
    window = tab(forced_colors="active")
    window.open("book/index.html")
    for box in (".chapter-card", "a.button-main"):
        width = window.page.locator(box).first.evaluate(
            "e => parseFloat(getComputedStyle(e).borderTopWidth)"
        )
        assert width >= 1, box
