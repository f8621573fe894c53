"""A reader's progress: kept in the browser, shown on its page, moved as a file, never lost."""

import json
import re
from pathlib import Path

import pytest

SITE = Path(__file__).parents[2] / "build" / "book" / "_build" / "html"
CHAPTER = "book/foundations/backpropagation.html"
PAGE = "book/appendix/progress.html"
KEY = "dllab.progress.v1"
STORED = f"JSON.parse(localStorage.getItem('{KEY}'))"
REFUSED = """Object.defineProperty(window, 'localStorage', {
  get() { throw new DOMException('The operation is insecure.', 'SecurityError'); } })"""


def named(page, number: int = 0):
    """The question, by its number, among those with an answer that stands for a misconception."""
    return page.locator(".quiz-question:has(input[data-misconception])").nth(number)


def answer(window, number: int = 0, *, right: bool) -> None:
    """Choose an answer: the right one, or one that stands for a misconception."""
    kind = "[data-right]" if right else "[data-misconception]"
    named(window.page, number).locator(f"input{kind}").first.check()


def row(page, words: str):
    """The cells of a row of the page's tables, as text."""
    return page.locator("tr", has_text=words).locator("td").all_inner_texts()


def status(page):
    """What the page said last."""
    return page.locator(".progress-status")


def give(page, text: str, name: str = "progress.json") -> None:
    """Import a file with this text, and wait until the page says what became of it."""
    status(page).evaluate("line => { line.textContent = ''; }")
    page.locator(".progress-file").set_input_files(
        {"name": name, "mimeType": "application/json", "buffer": text.encode()}
    )
    page.wait_for_function("document.querySelector('.progress-status').textContent !== ''")


def export(page) -> str:
    """What the Export button saves."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    assert download.value.suggested_filename.endswith(".json")
    return Path(download.value.path()).read_text(encoding="utf-8")


def test_a_reload_restores_answers_with_their_reasons(tab):
    """What was chosen is chosen again, the reason is there, its formulas are set."""
    window = tab()
    window.open(CHAPTER)
    for number in range(3):
        answer(window, number, right=False)
    before = window.page.locator(".quiz-feedback").all_inner_texts()
    window.open(CHAPTER)
    page = window.page
    page.wait_for_function(
        "!document.querySelector('.quiz-feedback .math:not(:has(mjx-container))')"
    )
    assert page.locator(".quiz-feedback").all_inner_texts() == before
    assert page.locator(".quiz-choice input:checked").count() == 3
    assert page.locator(".chosen-wrong").count() == 3
    assert window.faults == []


def test_first_and_later_answers_are_both_remembered(tab):
    """A wrong first answer stays the first try; a later right one counts as right for good."""
    window = tab()
    window.open(CHAPTER)
    answer(window, right=False)
    answer(window, right=True)
    answer(window, 1, right=True)
    answer(window, 1, right=False)
    tally = window.page.locator(".quiz-tally")
    assert tally.inner_text() == "2 of 8 right, 1 of them at the first try."
    window.open(PAGE)
    assert row(window.page, "Backpropagation")[:3] == ["2 of 8", "2 of 8", "1 of 8"]


def test_a_question_is_known_by_what_it_says(tab):
    """Progress finds its questions again when they stand in another order."""
    window = tab()
    window.open(CHAPTER)
    answer(window, right=True)
    key = named(window.page).get_attribute("data-question")
    html = (SITE / CHAPTER).read_text(encoding="utf-8")
    moved = "{ const all = document.querySelectorAll('.quiz-question'); all[0].before(all[5]); }"
    html = html.replace("</article>", f"<script>{moved}</script></article>", 1)
    assert moved in html
    window.page.route(f"**/{CHAPTER}", lambda r: r.fulfill(body=html, content_type="text/html"))
    window.open(CHAPTER)
    chosen = window.page.locator(".quiz-question:has(input:checked)")
    assert [one.get_attribute("data-question") for one in chosen.all()] == [key]


def test_misconceptions_met_lead_to_what_to_read(tab):
    """A wrong answer with a name is listed with its explanation until it is answered right."""
    window = tab()
    window.open(CHAPTER)
    answer(window, right=False)
    window.open(PAGE)
    page = window.page
    item = page.locator(".progress-live li")
    assert page.get_by_role("heading", name="Worth reading again").is_visible()
    targets = [link.get_attribute("href") for link in item.locator("a").all()]
    assert "misconceptions.html#misconception-" in targets[0]
    assert len(targets) == 3
    for target in targets:
        window.page.goto(f"{window.address}/book/appendix/{target}")
        assert window.page.evaluate("document.querySelector(':target') !== null"), target
    answer(window, right=True)
    window.open(PAGE)
    assert page.get_by_role("heading", name="answered right since").is_visible()
    assert page.get_by_role("heading", name="Worth reading again").count() == 0


def test_ticks_are_the_same_in_the_chapter_and_on_the_page(tab):
    """What is ticked at a chapter's or a lab's end is ticked on the page, and the reverse."""
    window = tab()
    window.open(CHAPTER)
    window.page.get_by_label("I read this chapter").check()
    window.open("labs/03_backpropagation.html")
    window.page.get_by_label("I finished this lab").check()
    window.open(PAGE)
    page = window.page
    assert page.get_by_label("I read this chapter: 6. Backpropagation").is_checked()
    box = page.get_by_label("I finished this lab: Lab 03")
    box.focus()
    page.keyboard.press("Space")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("I fin")
    said = page.locator(".progress-live").inner_text()
    assert re.search(r"1 of \d+ chapters read, 0 of \d+ labs finished", said)
    assert window.faults == []


def test_export_reset_import_gives_the_same(tab):
    """The file holds everything; after a reset it brings everything back."""
    window = tab(accept_downloads=True)
    window.open(CHAPTER)
    answer(window, right=False)
    answer(window, 1, right=True)
    window.page.get_by_label("I read this chapter").check()
    window.open(PAGE)
    page = window.page
    before, shown = page.evaluate(STORED), page.locator(".progress-live").inner_text()
    text = export(page)
    assert json.loads(text) == before
    page.get_by_role("button", name="Reset").click()
    page.get_by_role("button", name="Remove everything").click()
    assert page.evaluate(STORED)["questions"] == {}
    give(page, text)
    assert page.evaluate(STORED) == before
    assert page.locator(".progress-live").inner_text() == shown
    assert "Imported 2 answers and 1 tick" in status(page).inner_text()
    assert window.faults == []


def test_reset_asks_first_and_can_be_undone(tab):
    """The question can be answered with no, and a yes taken back; focus is never lost."""
    window = tab()
    window.open(CHAPTER)
    answer(window, right=True)
    window.open(PAGE)
    page = window.page
    before = page.evaluate(STORED)
    undo = page.get_by_role("button", name="Undo the reset")
    page.get_by_role("button", name="Reset").click()
    assert page.evaluate("document.activeElement.textContent") == "Keep it"
    page.keyboard.press("Escape")
    assert page.evaluate(STORED) == before
    assert not undo.is_visible()
    page.get_by_role("button", name="Reset").click()
    page.get_by_role("button", name="Remove everything").click()
    assert page.evaluate(STORED)["questions"] == {}
    undo.click()
    assert page.evaluate(STORED) == before
    assert page.evaluate("document.activeElement.textContent") == "Reset"


ONE = {"first": True, "right": True, "answer": "abcdef0123", "met": []}
GOOD = {"format": "dllab-progress", "version": 1, "questions": {"0123456789": ONE}}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"format": "dllab-progr', "not all of it is there"),
        ("[]", "was not written by this book"),
        ("{}", "was not written by this book"),
        (json.dumps({**GOOD, "version": 2}), "version 2 of the format"),
        (json.dumps({**GOOD, "questions": []}), "list of answers is missing"),
        (json.dumps({**GOOD, "questions": {"x": 1}}), "the answer “x” is not"),
        (
            json.dumps({**GOOD, "questions": {"0123456789": {**ONE, "right": "yes"}}}),
            "does not say whether it was right",
        ),
        (
            json.dumps({**GOOD, "questions": {"0123456789": {**ONE, "answer": "<b>"}}}),
            "does not say what was chosen",
        ),
        (json.dumps({**GOOD, "read": {"javascript:x": True}}), "“read” holds something other"),
        (json.dumps({**GOOD, "finished": {"labs/x": 1}}), "“finished” holds something other"),
    ],
)
def test_a_damaged_file_is_refused(tab, text, reason):
    """The page says which file, and what is wrong with it; nothing is changed."""
    window = tab()
    window.open(CHAPTER)
    answer(window, right=True)
    window.open(PAGE)
    before = window.page.evaluate(STORED)
    give(window.page, text, "damaged.json")
    said = status(window.page).inner_text()
    assert said.startswith("Not imported: the file “damaged.json”")
    assert reason in said
    assert said.endswith("Nothing was changed.")
    assert window.page.evaluate(STORED) == before
    assert window.faults == []


def test_an_import_is_merged(tab):
    """What was here stays, what is new comes, and a right answer on either side is right."""
    window = tab()
    window.open(CHAPTER)
    answer(window, right=False)
    key = named(window.page).get_attribute("data-question")
    mine = window.page.evaluate(STORED)["questions"][key]
    window.open(PAGE)
    other = {**GOOD, "questions": {**GOOD["questions"], key: ONE}, "read": {"book/x": True}}
    give(window.page, json.dumps(other))
    merged = window.page.evaluate(STORED)
    assert merged["questions"][key] == {**mine, "right": True}
    assert merged["questions"]["0123456789"] == ONE
    assert merged["read"] == {"book/x": True}
    assert "this edition does not ask" in window.page.locator(".progress-live").inner_text()


def test_two_tabs_know_the_same(tab):
    """An answer in one tab appears in the other."""
    window = tab()
    window.open(PAGE)
    second = window.page.context.new_page()
    second.goto(f"{window.address}/{CHAPTER}")
    named(second).locator("input[data-right]").check()
    window.page.locator("td", has_text="1 of 8").first.wait_for()
    window.page.get_by_role("button", name="Reset").click()
    window.page.get_by_role("button", name="Remove everything").click()
    second.wait_for_function("!document.querySelector('.quiz input:checked')")
    assert second.locator(".quiz-tally").inner_text() == "0 of 8 right."


def test_a_browser_that_refuses_to_store(tab):
    """Questions work all the same, and both pages say in plain words that nothing is kept."""
    window = tab()
    window.page.add_init_script(REFUSED)
    stacks = []
    window.page.on("pageerror", lambda error: stacks.append(error.stack or ""))
    window.open(CHAPTER)
    answer(window, right=True)
    assert window.page.locator(".quiz-tally").inner_text() == "1 of 8 right, at the first try."
    assert "refuses to store" in window.page.locator(".quiz .progress-note").inner_text()
    window.open(PAGE)
    page = window.page
    assert "This browser refuses to store" in page.locator(".progress-page").inner_text()
    give(page, json.dumps({**GOOD, "read": {"book/foundations/backpropagation": True}}))
    assert page.get_by_label("I read this chapter: 6. Backpropagation").is_checked()
    # The theme's own scripts ask without catching, and miss the scheme; the book's own do not.
    theirs = ("The operation is insecure", "Got invalid theme mode")
    assert [fault for fault in window.faults if not any(text in fault for text in theirs)] == []
    own = [fault for fault in stacks if "/progress" in fault or "/quiz.js" in fault]
    assert own == []


def test_what_is_stored_damaged_is_set_aside(tab):
    """Another program's text under the key stops nothing and is not overwritten."""
    window = tab()
    window.open(CHAPTER)
    window.page.evaluate(f"localStorage.setItem('{KEY}', '{{broken')")
    window.open(CHAPTER)
    answer(window, right=True)
    assert len(window.page.evaluate(STORED)["questions"]) == 1
    assert window.page.evaluate(f"localStorage.getItem('{KEY}.damaged')") == "{broken"
    assert window.faults == []


def test_progress_works_from_a_file(tab):
    """Opened from the disk, a chapter restores its answers and the page draws its tables."""
    window = tab()
    window.page.unroute("**/*")
    for _ in range(2):
        window.page.goto((SITE / CHAPTER).as_uri(), wait_until="load")
        named(window.page).locator("input[data-right]").check()
    assert window.page.locator(".quiz-tally").inner_text() == "1 of 8 right, at the first try."
    window.page.goto((SITE / PAGE).as_uri(), wait_until="load")
    assert row(window.page, "Backpropagation")
    assert "You opened the book from a file" in window.page.locator(".progress-page").inner_text()
    assert [fault for fault in window.faults if fault.startswith("page error")] == []


def test_without_javascript_the_page_says_what_it_would_show(tab):
    """The sentence for readers without scripts is there without scripts, and only then."""
    window = tab(java_script_enabled=False)
    window.page.goto(f"{window.address}/{PAGE}")
    assert window.page.get_by_text("JavaScript is off here").is_visible()
    window = tab()
    window.open(PAGE)
    assert not window.page.get_by_text("JavaScript is off here").is_visible()


def test_every_chapter_and_lab_is_listed():
    """The list comes from the build: each page with questions, each question, each lab."""
    text = (SITE / PAGE).read_text(encoding="utf-8")
    data = json.loads(text.split('id="progress-data">')[1].split("</script>")[0])
    listed = {chapter["page"]: chapter["questions"] for chapter in data["chapters"]}
    for path in [*(SITE / "book").rglob("*.html"), *(SITE / "labs").glob("*.html")]:
        page = path.relative_to(SITE).with_suffix("").as_posix()
        parts = path.read_text(encoding="utf-8").split('data-question="')[1:]
        questions = [part.split('"')[0] for part in parts]
        if questions or page.startswith("labs/"):
            assert listed[page] == questions, page
    everything = [key for questions in listed.values() for key in questions]
    assert len(set(everything)) == len(everything) > 90
