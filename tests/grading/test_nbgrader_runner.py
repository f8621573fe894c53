"""Our runner as nbgrader's executor: one course, every kind of submission, nbgrader's own tools."""

import hashlib
import html.parser
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from copy import deepcopy
from dataclasses import replace

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output, new_raw_cell
from nbgrader.api import Gradebook as Theirs

from dllab.errors import ExportError
from dllab.grading.autograded import harmless
from dllab.grading.gradebook import FinalMark, Gradebook, MarkStep
from dllab.grading.nbgrader import write_scores
from dllab.grading.records import Grade, Submission, TaskGrade, TestGrade

LAB = "91_sample"
TASKS = ("total", "mean", "center", "variance")
NOTHING = dict.fromkeys((f"check-{task}" for task in TASKS), 0.0)
FULL = dict.fromkeys(NOTHING, 5.0)
REFLECTION = {
    "grade": True,
    "grade_id": "reflection",
    "locked": False,
    "points": 3,
    "schema_version": 3,
    "solution": True,
    "task": False,
}
HTML = '<script>alert("live")</script><img src=x onerror="alert(1)">'
LINKS = (
    "[one](javascript:alert(1)) [two](&#106;avascript:alert(1)) [three][x] <javascript:alert(1)>\n"
    "$\\href{javascript:alert(1)}{four}$ <svg/onload=alert(1)> <!-- hidden -->\n\n"
    "[x]: JaVaScRiPt:alert(1)\n"
)


def cell_of(notebook, name):
    return next(cell for cell in notebook.cells if cell.id == name)


def solved(released, lab, *tasks):
    notebook = deepcopy(released)
    for task in tasks or TASKS:
        cell_of(notebook, task).source = cell_of(lab.solution_notebook(), task).source
    return notebook


def duplicated(released, lab):
    """Copied cells keep their metadata: nbgrader's own sanitizers stop at them."""
    notebook = solved(released, lab)
    for name in ("total", "check-total", "check-mean"):
        copy = deepcopy(cell_of(notebook, name))
        copy.id = f"{name}-copy"
        notebook.cells.append(copy)
    return notebook


def wrong_schema(released, lab):
    notebook = solved(released, lab)
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader.schema_version = 99
            cell.metadata.nbgrader.surprise = True
    return notebook


def lost_metadata(released, lab):
    notebook = solved(released, lab)
    for cell in notebook.cells:
        cell.metadata = {}
    return notebook


def without_checks(released, lab):
    notebook = solved(released, lab)
    notebook.cells = [cell for cell in notebook.cells if not cell.id.startswith("check-")]
    return notebook


def hostile(released, lab):
    """Checks that award everything, tests that are skipped, markup that would run in a browser."""
    notebook = deepcopy(released)
    for cell in notebook.cells:
        if cell.id.startswith("check-"):
            cell.source = "5"
            cell.outputs = [new_output("execute_result", data={"text/plain": "5"})]
            cell.metadata.nbgrader.points = 1000
    patch = (
        "import os, sys\n"
        "import dllab\n"
        "dllab.lab = lambda name: type('Lab', (), {'check': lambda *a: 5, 'progress': print})()\n"
        "print(sys.stderr)\n"
        "for name in ('gradebook.db', '.dllab-seed'):\n"
        "    for folder, _, files in os.walk('/'):\n"
        "        if name in files: open(os.path.join(folder, name), 'w').close()\n"
    )
    markup = {"text/html": HTML, "text/plain": "x"}
    notebook.cells[1:1] = [
        new_code_cell(patch),
        new_markdown_cell(HTML + LINKS, attachments={"a.svg": {"image/svg+xml": "eA=="}}),
        new_raw_cell(HTML, metadata={"raw_mimetype": "text/html"}),
        new_code_cell("1", outputs=[new_output("display_data", data=markup)]),
        new_code_cell("def total(x):\n    raise ValueError('" + HTML.replace("'", "") + "')"),
    ]
    cell_of(notebook, "reflection").source = HTML + LINKS
    return notebook


def dying(released, lab):
    notebook = solved(released, lab, "total")
    cell_of(notebook, "mean").source = "def mean(x):\n    import os\n    os._exit(1)"
    return notebook


class Runner:
    """A course with our configuration, and what was handed in."""

    def __init__(self, course, lab):
        self.course, self.lab = course, lab
        self.folder = course.folder
        self.submissions = {}

    def submit(self, student, content):
        if not isinstance(content, bytes):
            content = nbformat.writes(content).encode()
        path = self.folder / "submitted" / student / LAB / f"{LAB}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        self.submissions[student] = content

    def grades(self, student):
        with Theirs(f"sqlite:///{self.folder / 'gradebook.db'}") as book:
            found = book.find_submission_notebook(LAB, LAB, student)
            return {grade.name: grade.to_dict() for grade in found.grades}

    def comments(self, student):
        with Theirs(f"sqlite:///{self.folder / 'gradebook.db'}") as book:
            found = book.find_submission_notebook(LAB, LAB, student)
            return {comment.name: comment.auto_comment for comment in found.comments}

    def autograded(self, student):
        return nbformat.read(self.folder / "autograded" / student / LAB / f"{LAB}.ipynb", 4)

    def page(self, student):
        return (self.folder / "feedback" / student / LAB / f"{LAB}.html").read_text()

    def checks(self, student):
        return {
            name: score
            for name, score in self.course.scores(student).items()
            if name.startswith("check-")
        }


def course_like(sample, folder, configured):
    """Return a course of its own around the sample lab, with a question to answer in words."""
    course, _ = sample
    shutil.copytree(course.folder / "source", folder / "source")
    config = (course.folder / "nbgrader_config.py").read_text()
    if configured:
        config += "from dllab.grading.nbgrader import configure\nconfigure(c)\n"
        config += "c.GradeSubmission.warm = False\n"
    (folder / "nbgrader_config.py").write_text(config)
    path = folder / "source" / LAB / f"{LAB}.ipynb"
    notebook = nbformat.read(path, 4)
    question = new_markdown_cell("What did you learn?", id="reflection")
    question.metadata["nbgrader"] = REFLECTION
    notebook.cells.append(question)
    nbformat.write(notebook, path)
    made = replace(course, folder=folder)
    made.nbgrader("generate_assignment", LAB)
    return made


@pytest.fixture(scope="module")
def runner(sample, tmp_path_factory):
    """The course after one autograding run with our runner over all submissions below."""
    folder = tmp_path_factory.mktemp("course")
    lab = sample[1]
    made = Runner(course_like(sample, folder, configured=True), lab)
    released = made.course.released()
    answered = solved(released, lab)
    cell_of(answered, "reflection").source = "Sums come *before* means."
    half = deepcopy(released)
    cell_of(half, "total").source = "def total(x):\n    return float(len(x))"
    made.submit("solved", answered)
    made.submit("untouched", released)
    made.submit("half", half)
    deleted = deepcopy(released)
    deleted.cells.remove(cell_of(deleted, "reflection"))
    made.submit("deleted", deleted)
    made.submit("two-tasks", solved(released, lab, "total", "mean"))
    for case in (duplicated, wrong_schema, lost_metadata, without_checks, hostile, dying):
        made.submit(case.__name__, case(released, lab))
    text = nbformat.writes(answered)
    made.submit("mark", b"\xef\xbb\xbf" + text.encode())
    made.submit("latin", text.replace("Sums", "Sümmen").encode("latin-1"))
    made.submit("broken", text.encode()[:2000])
    made.submit("empty", b"")
    made.submit("link", b"")
    link = folder / "submitted" / "link" / LAB / f"{LAB}.ipynb"
    link.unlink()
    link.symlink_to(folder / "gradebook.db")
    made.log = made.course.nbgrader("autograde", LAB)
    return made


RIGHT = ("solved", "duplicated", "wrong_schema", "lost_metadata", "without_checks", "mark", "latin")


@pytest.mark.parametrize("student", RIGHT)
def test_right_work_earns_its_marks(runner, student):
    assert runner.checks(student) == FULL
    assert not any(
        g["needs_manual_grade"] for n, g in runner.grades(student).items() if n != "reflection"
    )


def test_other_work_earns_what_it_is_worth(runner):
    assert runner.checks("untouched") == NOTHING
    assert runner.checks("half") == NOTHING | {"check-total": 2}
    assert runner.checks("two-tasks") == FULL | {"check-center": 0, "check-variance": 0}
    assert runner.checks("dying") == NOTHING | {"check-total": 5}
    assert runner.checks("hostile") == NOTHING


@pytest.fixture(scope="module")
def own(sample, tmp_path_factory):
    """The same course with nbgrader's own executor."""
    return course_like(sample, tmp_path_factory.mktemp("own"), configured=False)


def test_nbgraders_own_executor_agrees_on_honest_work(runner, own):
    honest = ("solved", "half", "untouched")
    for student in honest:
        own.submit(student, nbformat.reads(runner.submissions[student].decode(), 4))
    own.nbgrader("autograde", LAB)
    for student in honest:
        assert own.scores(student) == runner.course.scores(student)


@pytest.mark.parametrize("student", ["broken", "empty", "link"])
def test_what_nobody_can_read_waits_for_a_person(runner, student):
    grades = runner.grades(student)
    assert all(grade["needs_manual_grade"] for grade in grades.values())
    assert all(grade["auto_score"] is None for grade in grades.values())
    assert "could not be read" in runner.autograded(student).cells[0].source
    assert runner.comments(student)["total"]


def test_an_answer_that_lost_its_metadata_is_looked_for(runner):
    """Untouched and found by its text: nothing to grade. Deleted: a person looks."""
    assert runner.grades("lost_metadata")["reflection"]["needs_manual_grade"] is False
    assert runner.grades("deleted")["reflection"]["needs_manual_grade"] is True
    assert runner.comments("deleted")["reflection"] is None


def test_an_answer_in_words_waits_for_a_person_unless_there_is_none(runner):
    answered = runner.grades("solved")["reflection"]
    assert (answered["auto_score"], answered["needs_manual_grade"]) == (None, True)
    untouched = runner.grades("untouched")["reflection"]
    assert (untouched["auto_score"], untouched["needs_manual_grade"]) == (0, False)
    assert runner.comments("untouched")["reflection"] == "No response."


def test_each_of_nbgraders_cells_is_in_the_notebook_once(runner):
    wanted = sorted([*TASKS, *NOTHING, "reflection"])
    for student in runner.submissions:
        cells = runner.autograded(student).cells
        ids = [cell.metadata.nbgrader.grade_id for cell in cells if "nbgrader" in cell.metadata]
        assert len(ids) == len(set(ids))
        assert set(ids) >= set(wanted) - set(TASKS)
        if student in RIGHT:
            assert sorted(ids) == wanted


def test_a_copied_answer_that_stands_last_is_the_one_with_the_comment(runner):
    cells = runner.autograded("duplicated").cells
    named = [i for i, c in enumerate(cells) if c.metadata.get("nbgrader", {}).get("grade_id")]
    assert cells[named[-1]].metadata.nbgrader.grade_id in ("check-mean", "check-total")


def test_comments_say_what_is_missing(runner):
    assert runner.comments("solved")["total"] is None
    assert runner.comments("untouched")["total"] == "No response."
    assert runner.comments("half")["total"].startswith("- ")


def test_check_cells_show_what_was_found(runner):
    cells = {
        c.metadata.get("nbgrader", {}).get("grade_id"): c for c in runner.autograded("half").cells
    }
    report, value = cells["check-total"].outputs
    assert value.data == {"text/plain": "2"}
    assert "✓ Ones add up to how many they are. (2 of 2)" in report.text
    assert cells["check-total"].source == cell_of(runner.course.released(), "check-total").source


def test_nothing_of_the_students_is_kept_but_text(runner):
    notebook = runner.autograded("hostile")
    assert {cell.cell_type for cell in notebook.cells} == {"code", "markdown"}
    assert not any("attachments" in cell for cell in notebook.cells)
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"nbgrader", "dllab"}
        for output in cell.get("outputs", ()):
            assert output.output_type == "stream" or set(output.data) == {"text/plain"}
    assert (runner.folder / "gradebook.db").stat().st_size > 0
    assert (runner.folder / ".dllab-seed").stat().st_mode & 0o077 == 0


class Page(html.parser.HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name.startswith("on") or re.match(r"\s*(javascript|data|vbscript):", value or ""):
                self.found.append((tag, name, value))
        if tag in ("script", "iframe", "object", "svg") and not dict(attributes).get("src"):
            self.found.append((tag, "", ""))


@pytest.fixture(scope="module")
def feedback(runner):
    runner.course.nbgrader("generate_feedback", LAB)
    return runner


def test_feedback_has_scores_and_comments(feedback):
    page = feedback.page("half")
    assert "(Score: 2.0 / 23.0)" in page
    assert "Ones add up to how many they are." in page
    assert all((feedback.folder / "feedback" / name).is_dir() for name in feedback.submissions)


def test_feedback_holds_nothing_live(feedback):
    """A page has the scripts of its template; a student's submission adds none."""
    assert Page(feedback.page("hostile")).found == Page(feedback.page("half")).found
    assert 'alert("live")</script>' not in feedback.page("hostile")
    assert "&lt;\u200bscript&gt;" in feedback.page("hostile")


@pytest.mark.parametrize(
    "text",
    [
        HTML,
        LINKS,
        "<a href=javascript:alert(1)>x</a>",
        "![x](javascript:alert(1))",
        "```\n<b>\n```",
        "`<b>`",
        "    <b>\n",
        "[a]( javascript:alert(1))",
        "[a](<javascript:alert(1)>)",
        "[a](\x01javascript:alert(1))",
        "<https://x.y><script>",
    ],
)
def test_no_markdown_becomes_live_html(text):
    from nbconvert.filters import markdown2html

    assert Page(markdown2html(harmless(text))).found == []


def test_plain_markdown_stays():
    text = "# Title\n\n1 < 2 and $x_1 < x_2$, [page](https://example.org), `f(x)`, a[0]\n\n- item"
    assert harmless(text) == text


@pytest.fixture(scope="module")
def formgrader(feedback, tmp_path_factory):
    """A Jupyter server with nbgrader's formgrader, on loopback."""
    runtime = tmp_path_factory.mktemp("runtime")
    environment = os.environ | {
        "PYTHONPATH": str(feedback.course.package),
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTER_CONFIG_DIR": str(runtime / "config"),
        "JUPYTER_DATA_DIR": str(runtime / "data"),
        "DLLAB_DEVICE": "cpu",
    }
    extensions = '{"nbgrader.server_extensions.formgrader": True}'
    command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--port=0", "--allow-root"]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={feedback.folder}"]
    command += [f"--ServerApp.jpserver_extensions={extensions}", "--IdentityProvider.token=secret"]
    with (runtime / "log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=feedback.folder, env=environment, stdout=log, stderr=log
        )
        try:
            yield _api(runtime, server)
        finally:
            server.terminate()
            server.wait()


def _api(runtime, server):
    while not (found := list(runtime.glob("jpserver-*.json"))):
        assert server.poll() is None, (runtime / "log").read_text()
        time.sleep(0.1)
    address = ""
    while not address:
        address = _address(found[0])
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(path, method="GET", **body):
        request = urllib.request.Request(
            f"{address}formgrader/{path}",
            data=json.dumps(body).encode() if body else None,
            method=method,
            headers={"Authorization": "token secret"},
        )
        with closing(opener.open(request)) as answer:
            text = answer.read().decode()
        return json.loads(text) if path.startswith("api/") else text

    return call


def _address(path):
    try:
        return json.loads(path.read_text())["url"]
    except (ValueError, KeyError):
        return ""  # being written


def test_formgrader_shows_the_scores(formgrader, feedback):
    shown = {entry["student"]: entry for entry in formgrader(f"api/submissions/{LAB}")}
    assert set(shown) == set(feedback.submissions)
    assert all(entry["autograded"] for entry in shown.values())
    assert shown["solved"]["score"] == 20
    assert shown["half"]["score"] == 2
    assert shown["half"]["max_score"] == 23
    assert shown["broken"]["needs_manual_grade"]
    assert not shown["untouched"]["needs_manual_grade"]


def test_formgrader_shows_the_notebook(formgrader):
    entries = formgrader(f"api/submitted_notebooks/{LAB}/{LAB}")
    entry = next(entry for entry in entries if entry["student"] == "hostile")
    page = formgrader(f"submissions/{entry['id']}")
    assert "check-total" in page
    assert 'alert("live")</script>' not in page


def test_a_manual_score_survives_grading_again(formgrader, feedback):
    entries = formgrader(f"api/submitted_notebooks/{LAB}/{LAB}")
    entry = next(entry for entry in entries if entry["student"] == "solved")
    grades = formgrader(f"api/grades?submission_id={entry['id']}")
    ids = {grade["name"]: grade["id"] for grade in grades}
    done = formgrader(f"api/grade/{ids['reflection']}", "PUT", manual_score=2)
    assert done["needs_manual_grade"] is False
    formgrader(f"api/grade/{ids['check-total']}", "PUT", manual_score=4)
    comments = formgrader(f"api/comments?submission_id={entry['id']}")
    noted = next(comment["id"] for comment in comments if comment["name"] == "total")
    formgrader(f"api/comment/{noted}", "PUT", manual_comment="Well done.")
    again = formgrader(f"api/submission/{LAB}/solved/autograde", "POST", force=True)
    assert again["success"], again
    after = feedback.grades("solved")
    assert after["reflection"]["manual_score"] == 2
    assert after["check-total"]["manual_score"] == 4
    assert after["check-total"]["auto_score"] == 5
    # as with nbgrader's own executor: a person looks again at what a person has decided
    assert after["check-total"]["needs_manual_grade"] is True
    assert feedback.course.scores("solved")["check-total"] == 4


def checked(student, earned, status="graded", digest="other", reason=""):
    """Return a grade of the sample lab with points in its first tasks."""
    tasks = []
    for task in TASKS:
        passed = 5 if earned >= 5 else 0
        earned -= passed
        how = ("passed" if passed else "failed") if status == "graded" else "not run"
        sentence = "" if passed else f"No {task} <b>yet</b>."
        tests = (TestGrade(f"test_{task}", f"The {task} is right.", 5, how, sentence),)
        tasks.append(TaskGrade(task, task.capitalize(), tests))
    return Grade(student, digest, LAB, "f", status, reason, tuple(tasks))


@pytest.fixture(scope="module")
def written(own, tmp_path_factory):
    """A grading folder with four students, and the course that has their scores now."""
    out = tmp_path_factory.mktemp("grades")
    released = own.released()
    own.submit("same", released)
    content = (own.folder / "submitted" / "same" / LAB / f"{LAB}.ipynb").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    late = MarkStep("late", -2, "one day late")
    with Gradebook(out / "gradebook.sqlite") as book:
        book.start_run(LAB, fingerprint="f", seed=1, points=20)
        book.add(checked("same", 10, digest=digest), Submission("same", "x", digest, b"", TIME))
        for student, status in (("elsewhere", "graded"), ("lost", "unreadable")):
            book.add(checked(student, 10, status, reason=f"It is {status}."))
        book.add(checked("stranger", 20))
        mark = FinalMark("same", LAB, 1, "graded", "", 10, 20, 8, late=-2, steps=(late,))
        book.store_marks(LAB, [mark])
    with Theirs(f"sqlite:///{own.folder / 'gradebook.db'}") as theirs:
        for student in ("same", "elsewhere", "lost"):
            theirs.update_or_create_student(student)
    return own, out, write_scores(out, own.folder)


TIME = "2026-11-02T10:00:00+00:00"


def test_scores_of_a_class_go_into_the_course(written):
    own, out, result = written
    assert result.students == ("elsewhere", "lost", "same")
    assert result.unknown == ("stranger",)
    assert result.shown == ("same",)
    assert "nobody of that name" in str(result)
    expected = NOTHING | {"check-total": 5, "check-mean": 5, "reflection": 0}
    assert own.scores("same") == own.scores("elsewhere") == expected
    with Theirs(f"sqlite:///{own.folder / 'gradebook.db'}") as theirs:
        submission = theirs.find_submission(LAB, "same")
        assert submission.notebooks[0].late_submission_penalty == 2
        assert submission.timestamp.isoformat() == "2026-11-02T10:00:00"
        lost = theirs.find_submission_notebook(LAB, LAB, "lost")
        assert all(grade.needs_manual_grade for grade in lost.grades)
        comment = theirs.find_comment("center", LAB, LAB, "same")
        assert comment.comment == "- No center <\u200bb>yet<\u200b/b>."
        theirs.find_grade("check-mean", LAB, LAB, "same").manual_score = 1
        theirs.db.commit()
    path = own.folder / "autograded" / "same" / LAB / f"{LAB}.ipynb"
    assert "✓ The total is right. (5 of 5)" in path.read_text()
    again = write_scores(out, own.folder, create=True)
    assert again.unknown == ()
    assert own.scores("same") == expected | {"check-mean": 1}
    assert sum(own.scores("stranger").values()) == 20


def test_another_course_is_an_error(written, tmp_path):
    _, out, _ = written
    with pytest.raises(ExportError, match="no gradebook"):
        write_scores(out, tmp_path)
    with pytest.raises(ExportError, match=f"it has {LAB}/{LAB}"):
        write_scores(out, written[0].folder, assignment="other")
