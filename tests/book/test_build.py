"""A small book, built strictly with the real configuration: what comes out, what is refused."""

import pytest
from small_book import HEAD, build_book, write_book


def test_good_page_builds_without_a_warning(good):
    """The page that uses every directive builds under -n -W."""
    assert good.status == 0, good.output


def test_cells_ran(good):
    """The output is the kernel's, and the figure has its caption, number and alt text."""
    page = good.page()
    assert "<pre><span></span>23\n" in page
    assert 'alt="A rising line."' in page
    assert '<span class="caption-number">Figure 1 ' in page


def test_quiz_is_complete_without_javascript(good):
    """The page itself holds answers, key and reasons, with mathematics and links resolved."""
    page = good.page()
    assert page.count('<fieldset class="quiz-question"') == 2
    assert page.count('type="radio"') == 5
    assert page.count("data-right") == 2
    assert r"\(\bar v_1 + \bar v_2\)" in page
    assert '<details class="quiz-key">' in page
    assert page.count('href="misconceptions.html#misconception-gradient-overwritten"') == 2
    assert 'id="misconception-gradient-overwritten"' in good.page("misconceptions")


def test_scripts_go_only_where_they_are_needed(good):
    """`quiz.js` and MathJax are on pages with a quiz or mathematics, thebe on none."""
    assert "quiz.js" in good.page()
    assert "quiz.js" not in good.page("misconceptions")
    assert "mathjax/es5/tex-chtml.js" in good.page()
    assert "mathjax" not in good.page("labs/09_demo").lower().replace("mathjax_ignore", "")
    assert "thebe" not in good.page().lower()


def test_try_it_keeps_its_fallback(good):
    """Without a script the place of an interactive figure says what one would see."""
    page = good.page()
    assert 'data-widget="demo-figure"' in page
    assert 'aria-label="A line that you can bend."' in page
    assert "for three slopes" in page


def test_index_names_explanation_and_task(good):
    """An entry links to its section and to the lab whose check catches it."""
    page = good.page("misconceptions")
    assert 'href="page.html#demo-section"' in page
    assert 'href="labs/09_demo.html"' in page
    assert "accumulate" in page
    assert "Your gradient holds the last path only." in page


QUIZ = """
```{quiz}
- question: 'What?'
  answers:
    - right: 'This.'
      why: 'So.'
    - wrong: 'That.'
      why: 'No.'
      misconception: gradient-overwritten
```
"""


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("```{code-cell} ipython3\nraise RuntimeError('boom')\n```\n", "boom"),
        (
            "```{code-cell} ipython3\nimport warnings; warnings.warn('odd')\n```\n",
            "stderr was found",
        ),
        ("{misconception}`no-such-id`\n", "unknown misconception `no-such-id`"),
        (QUIZ.replace("gradient-", "nothing-"), "unknown id `nothing-overwritten`"),
        (
            QUIZ.replace("why: 'So.'", "reason: 'So.'"),
            "question 1, answer 1, key `why`: is missing",
        ),
        (QUIZ.replace("'That.'", "'- a list'"), "should be a single paragraph"),
        ("```{try-it} graph\nNo alt.\n```\n", "needs the option `alt`"),
        ("{ref}`nowhere`\n", "undefined label"),
    ],
    ids=["exception", "stderr", "role", "id", "key", "paragraphs", "alt", "label"],
)
def test_a_mistake_fails_the_build(book, page, message):
    """A failing cell, a warning on stderr, or an author's slip: no book, and the reason."""
    built = book(f"# A page\n\n(demo-section)=\n## A section\n\n{page}")
    assert built.status != 0
    assert message in built.output
    assert "page.md" in built.output


WAITS = """# {title}

```{{code-cell}} ipython3
import time
from pathlib import Path

Path("{mine}").touch()
until = time.monotonic() + 60
while not Path("{others}").exists():
    assert time.monotonic() < until, "the other chapter does not run at the same time"
    time.sleep(0.1)
```
"""


def test_chapters_run_side_by_side(tmp_path):
    """Each of two chapters waits for the other one: in turn, the first would wait in vain."""
    write_book(tmp_path, "(demo-section)=\n" + WAITS.format(title="A", mine="a", others="b"))
    second = HEAD + WAITS.format(title="B", mine="b", others="a")
    (tmp_path / "labs" / "09_demo.md").unlink()
    (tmp_path / "second.md").write_text(second, encoding="utf-8")
    toc = tmp_path / "_toc.yml"
    toc.write_text(toc.read_text().replace("labs/09_demo", "second"), encoding="utf-8")
    built = build_book(tmp_path)
    assert "does not run at the same time" not in built.output
    assert built.output.count("Executed notebook") == 2


def test_second_build_runs_no_cell_again(tmp_path, good_page):
    """The cache spares an unchanged page, and a change in its prose alone."""
    write_book(tmp_path, good_page)
    assert "Executed notebook" in build_book(tmp_path).output
    again = build_book(tmp_path)
    assert again.status == 0
    assert "Executed notebook" not in again.output
    write_book(tmp_path, good_page.replace("# A page", "# A better page"))
    edited = build_book(tmp_path)
    assert "A better page" in edited.page()
    assert "Executed notebook" not in edited.output
