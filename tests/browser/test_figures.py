"""Interactive figures in their chapters: without JavaScript, from a file, by a shared address."""

import pytest
from conftest import SITE

CHAPTER = "book/foundations/backpropagation.html"
NAME = "backprop-graph"


def test_without_javascript_the_static_text_stands_there(tab):
    """Nothing is missing: the description, the tasks, and no empty frame of a figure."""
    window = tab(java_script_enabled=False)
    window.page.goto(f"{window.address}/{CHAPTER}")
    place = window.page.locator(f"#try-{NAME}")
    assert len(place.get_attribute("aria-label")) > 60
    assert place.locator(".try-it-fallback").is_visible()
    assert len(place.locator(".try-it-fallback").inner_text()) > 200
    assert place.locator(".widget").count() == 0


@pytest.mark.parametrize("page", [CHAPTER, "book/architectures/convolutional_networks.html"])
def test_figures_are_alive_in_a_page_opened_from_a_file(tab, page):
    """A download works like the site, with the trained weights that the page holds."""
    window = tab()
    window.page.unroute("**/*")
    window.page.goto((SITE / page).as_uri(), wait_until="load")
    window.page.locator(".try-it-live .widget").last.wait_for()
    assert window.page.locator("[data-widget]:not(.try-it-live)").count() == 0
    assert [fault for fault in window.faults if fault.startswith("page error")] == []


def test_a_shared_address_opens_at_its_figure_in_its_state(tab):
    """Who follows a link to a state sees the figure, not the top of the chapter."""
    window = tab()
    window.open(f"{CHAPTER}#try-{NAME}?step=11")
    text = window.page.locator(f"#try-{NAME} .widget").inner_text()
    assert "Step 11 of 15" in text, text
    window.page.wait_for_function(
        """name => {
          const box = document.getElementById("try-" + name).getBoundingClientRect();
          return box.top > -50 && box.top < window.innerHeight;
        }""",
        arg=NAME,
    )
    assert window.faults == []
