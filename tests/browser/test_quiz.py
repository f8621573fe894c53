"""Questions in the page: by keyboard, by mouse, without JavaScript, in both color schemes."""

from pathlib import Path

import pytest

SITE = Path(__file__).parents[2] / "build" / "book" / "_build" / "html"
CHAPTERS = sorted(
    path.relative_to(SITE).as_posix()
    for path in (SITE / "book").rglob("*.html")
    if 'class="quiz"' in path.read_text(encoding="utf-8")
)


@pytest.fixture
def chapter() -> str:
    """A chapter that has a quiz."""
    if not CHAPTERS:
        pytest.fail("no chapter has a quiz")
    return CHAPTERS[0]


def test_answers_by_keyboard(tab, chapter):
    """Tab reaches the choices, arrows choose, the feedback names the verdict and is announced."""
    window = tab()
    window.open(chapter)
    page = window.page
    question = page.locator(".quiz-question").first
    first = question.locator("input[type=radio]").first
    first.focus()
    page.keyboard.press("Space")
    feedback = question.locator(".quiz-feedback")
    assert feedback.get_attribute("aria-live") == "polite"
    assert "A." in feedback.inner_text()
    page.keyboard.press("ArrowDown")
    assert "B." in feedback.inner_text()
    assert page.evaluate("document.activeElement.value") == "B"
    assert window.faults == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_question_has_one_right_answer(tab, name):
    """Choosing the right answer everywhere gives full marks; each feedback says why."""
    window = tab()
    window.open(name)
    page = window.page
    questions = page.locator(".quiz-question")
    for index in range(questions.count()):
        question = questions.nth(index)
        assert question.locator("input[data-right]").count() == 1
        question.locator("input[data-right]").check()
        assert "Right" in question.locator(".quiz-feedback .quiz-word").inner_text()
        assert len(question.locator(".quiz-feedback").inner_text()) > 15
    for quiz in page.locator(".quiz").all():
        total = quiz.locator(".quiz-question").count()
        assert quiz.locator(".quiz-tally").inner_text() == (
            f"{total} of {total} right, at the first try."
        )
    assert window.faults == []


def test_wrong_answer_links_to_its_misconception(tab, chapter):
    """A distractor that stands for a misconception leads to the index."""
    window = tab()
    window.open(chapter)
    verdict = window.page.locator(".quiz-verdict:has(a[href*='misconception-'])").first
    letter = verdict.get_attribute("data-letter")
    question = window.page.locator(".quiz-question", has=verdict).first
    question.locator(f"input[value={letter}]").check()
    question.locator(".quiz-feedback a[href*='misconception-']").click()
    assert "misconceptions.html#misconception-" in window.page.url
    assert window.faults == []


def test_formula_in_feedback_is_set(tab, chapter):
    """The feedback holds no raw TeX, whichever answer is chosen."""
    window = tab()
    window.open(chapter)
    for choice in window.page.locator(".quiz-choice input").all():
        choice.check()
    window.page.wait_for_function(
        "!document.querySelector('.quiz-feedback .math:not(:has(mjx-container))')"
    )


def test_without_javascript_the_answers_unfold(tab, chapter):
    """Without scripts there is nothing to click but the folded key."""
    window = tab(java_script_enabled=False)
    window.page.goto(f"{window.address}/{chapter}")
    question = window.page.locator(".quiz-question").first
    assert not question.locator("input").first.is_visible()
    question.locator("summary").click()
    assert question.locator(".quiz-verdict.quiz-right").is_visible()
