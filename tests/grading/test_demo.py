"""The demonstration's class, and the guide that shows it: no submission is graded here."""

import re
import sys
from pathlib import Path
from typing import get_args

import nbformat
import pytest
from PIL import Image
from typer.main import get_command

from dllab.check.loading import find_lab, lab_names
from dllab.cli import app
from dllab.grading import gradebook
from dllab.grading.exports import Mark, fill_canvas
from dllab.grading.policy import read_adjustments, read_course, read_extensions
from dllab.grading.records import Status
from dllab.grading.submissions import find

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import grade_demo  # noqa: E402

LAB = ROOT / "labs" / "source" / "03_backpropagation"
GUIDE = ROOT / "book" / "instructors" / "grading.md"
PICTURES = GUIDE.parent / "pictures"


@pytest.fixture(scope="module")
def members():
    return grade_demo.make_class(LAB)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "grade-demo"
    grade_demo.empty(folder)
    grade_demo.prepare(folder, LAB)
    return folder


def test_the_class_is_the_same_each_time(members):
    assert [m.content for m in grade_demo.make_class(LAB)] == [m.content for m in members]


@pytest.mark.parametrize("lab", sorted(set(lab_names()) - {LAB.name}))
def test_every_lab_has_a_class(lab):
    """Other labs can be shown as well."""
    assert len(grade_demo.make_class(LAB.parent / lab)) >= 16


def test_every_answer_is_another_one(members):
    """Only who handed in the same file on purpose has the same file."""
    contents = [member.content for member in members]
    assert len(contents) - len(set(contents)) == 1


def test_submissions_are_found_with_their_times(members, folder):
    found = {entry.student: entry for entry in find(folder / "submissions", find_lab(LAB.name))}
    assert found.keys() == {member.student for member in members}
    for member in members:
        assert found[member.student].submitted_at.startswith(member.submitted)


def test_code_of_students_is_python(members):
    """A cell that is no Python would be an accident that the demonstration does not tell of."""
    for member in members:
        if member.status != "graded" or member.student == "mila.novak":
            continue
        for cell in nbformat.reads(member.content.decode(), 4).cells:
            if cell.cell_type == "code":
                compile(cell.source, member.student, "exec")


def test_course_files_say_what_they_should(folder):
    course = read_course(folder / "course.toml", [LAB.name])
    assert read_extensions(folder / "extensions.csv", course)[0].until > course.late.deadline
    assert read_adjustments(folder / "adjustments.csv")[0].change == 2


def test_canvas_knows_every_student(members, folder):
    template = (folder / "canvas.csv").read_bytes()
    marks = [Mark(member.student, 20, 20) for member in members]
    filled = fill_canvas(template, marks, (LAB.name,))
    assert filled.complete
    assert [label.partition(" (")[0] for label in filled.without] == ["Fischer, Uma"]


def test_a_folder_of_somebody_else_stays(tmp_path):
    """Only what an earlier demonstration made is emptied."""
    (tmp_path / "mine.txt").touch()
    with pytest.raises(SystemExit, match="not from a demonstration"):
        grade_demo.empty(tmp_path)
    assert (tmp_path / "mine.txt").exists()


def test_surprises_are_told(tmp_path, monkeypatch):
    """A mark that should not be, or a secret in the results, is named."""
    member = grade_demo.Member("ada", "everything right", b"", earned=grade_demo.full)
    mark = gradebook.FinalMark("ada", "lab", 1, "graded", "", earned=19, points=20, final=19)
    monkeypatch.setattr(grade_demo, "marks_of", lambda folder: {"ada": mark})
    (tmp_path / "grades").mkdir()
    (tmp_path / "grades" / "ada.html").write_text(grade_demo.SECRET)
    assert list(grade_demo.compare(tmp_path, [member])) == [
        "ada (everything right) has 19 and is graded",
        "ada.html holds what no submission may read",
    ]


# -- the guide -------------------------------------------------------------------------------


def test_the_guide_shows_the_tables_of_the_gradebook():
    """What the page includes from the module names each table and each of its columns."""
    start, end = (
        re.search(rf"^:{option}: (.+)$", GUIDE.read_text("utf-8").split("gradebook.py")[1], re.M)[1]
        for option in ("start-after", "end-before")
    )
    text = Path(gradebook.__file__).read_text("utf-8")
    included = text.split(start, 1)[1].split(end, 1)[0]
    rows = {
        cells[0]: re.sub(r"\([^)]*\)", "", cells[2])
        for cells in (re.split(r"\s*\|\s*", line.strip("| ")) for line in included.splitlines())
        if len(cells) == 3
    }
    tables = re.findall(r"CREATE TABLE (\w+) \((.*?)\n\)", gradebook._SCHEMA, re.S)
    assert tables
    for table, definition in tables:
        columns = re.findall(r"(?:^|,)\s*(\w+) (?:TEXT|INTEGER|REAL)", definition)
        assert (
            re.findall(r"\w+", rows[table].partition(";")[0].partition(": ")[0])[: len(columns)]
            == columns
        ), table


@pytest.mark.parametrize("name", ["policy.py", "nbgrader.py"])
def test_the_guide_shows_parts_of_modules_that_are_there(name):
    """Each text at which a part starts or ends stands in the module."""
    module = (Path(gradebook.__file__).parent / name).read_text("utf-8")
    for options in GUIDE.read_text("utf-8").split(f"grading/{name}\n")[1:]:
        for text in re.findall(r"^:(?:start-at|end-before): \"?(.+?)\"?$", options[:200], re.M):
            assert text in module, text


def test_pictures_are_small_and_shown():
    """Each picture of the folder is on the page, with a text, and is light enough."""
    text = GUIDE.read_text("utf-8")
    shown = re.findall(r"\{figure\} pictures/(\S+)\n:name: fig-grading-\S+\n:alt: (.+)", text)
    assert sorted(name for name, _ in shown) == sorted(p.name for p in PICTURES.iterdir())
    for name, alt in shown:
        assert len(alt) > 60
        assert (PICTURES / name).stat().st_size <= 150_000
        with Image.open(PICTURES / name) as picture:
            assert picture.width > 1000


def test_statuses_of_the_guide_are_those_of_the_records():
    section = GUIDE.read_text("utf-8").split("(grading-status)=")[1].split("\n(grading-")[0]
    rows = re.findall(r"^\| ([a-z ]+) \|", section, re.M)
    assert tuple(rows[1:]) == get_args(Status)


def test_options_of_the_guide_exist():
    """Each `--option` that the page names belongs to some command of `dllab`, or of a tool."""
    known = {"--nthreads"}
    waiting = [get_command(app)]
    while waiting:
        command = waiting.pop()
        waiting += getattr(command, "commands", {}).values()
        known.update(option for parameter in command.params for option in parameter.opts)
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", GUIDE.read_text("utf-8")))
    assert named - known == set()


def test_messages_of_the_guide_are_said():
    """Each message in the table of troubles stands, word for word, in some module that grades."""
    table = GUIDE.read_text("utf-8").split("| message | next step |")[1].split("| you see |")[0]
    modules = [*(ROOT / "dllab" / "grading").glob("*.py"), ROOT / "dllab" / "check" / "loading.py"]
    texts = " ".join(module.read_text("utf-8") for module in modules)
    said = _words(texts.replace("{kind}", "lab"))
    messages = re.findall(r"^\| ([^|]+?) \|", table, re.M)[1:]
    assert len(messages) > 5
    for message in messages:
        for part in re.split(r"…|, or ", message):
            assert _words(part) in said, message


def _words(text: str) -> str:
    return " ".join(re.findall(r"[a-z]+", re.sub(r"\{[^{}]*\}|\bf(?=\")", " ", text.lower())))
