"""Tabs of frameworks: one choice for all, kept, by mouse and keyboard, also without scripts."""

CHAPTER = "book/systems/frameworks.html"
SHOWN = """[...document.querySelectorAll('.framework-tabs')].map(set =>
  [...set.querySelectorAll(':scope > .sd-tab-content')]
    .filter(content => content.checkVisibility())
    .map(content => content.previousElementSibling.textContent.trim()))"""
WIDE_AND_UNREACHABLE = """[...document.querySelectorAll('.framework-tabs pre')]
  .filter(code => code.scrollWidth > code.clientWidth && code.tabIndex < 0).length"""


def test_one_choice_holds_everywhere_and_is_kept(tab):
    """Every set that has the framework shows it, after a reload too; each set shows one tab."""
    window = tab()
    window.open(CHAPTER)
    assert {names[0] for names in window.page.evaluate(SHOWN)} != {"PyTorch"}
    window.page.locator("label.sd-tab-label", has_text="PyTorch").first.click()
    chosen = window.page.evaluate(SHOWN)
    assert len(chosen) > 1
    assert all(names == ["PyTorch"] for names in chosen)
    window.page.reload()
    assert window.page.evaluate(SHOWN) == chosen
    assert window.faults == []


def test_a_keyboard_walks_through_the_tabs(tab):
    """The arrows choose the next tab of the set, and wide code in it can be reached."""
    window = tab(width=360)
    window.open(CHAPTER)
    first = window.page.locator(".framework-tabs").first
    first.locator("input").first.focus()
    window.page.keyboard.press("ArrowRight")
    assert window.page.evaluate(SHOWN)[0] == ["TensorFlow"]
    window.page.wait_for_function(f"{WIDE_AND_UNREACHABLE} === 0")


def test_tabs_switch_without_javascript(tab):
    """A label shows its tab: all code is in the page, and the style sheet does the rest."""
    window = tab(java_script_enabled=False)
    window.page.goto(f"{window.address}/{CHAPTER}")
    first = window.page.locator(".framework-tabs").first
    contents = first.locator(":scope > .sd-tab-content")
    assert [content.is_visible() for content in contents.all()].count(True) == 1
    first.locator("label", has_text="JAX").click()
    assert contents.nth(2).is_visible()
    assert "gradient of W1" in contents.nth(2).inner_text()


def test_paper_has_all_tabs(tab):
    """Printed, each tab stands below its label."""
    window = tab()
    window.open(CHAPTER)
    window.page.emulate_media(media="print")
    shown = window.page.evaluate(SHOWN)
    assert shown[0] == ["NumPy", "TensorFlow", "JAX", "PyTorch", "Keras"]
