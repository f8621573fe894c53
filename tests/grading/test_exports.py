"""Marks in the files of Canvas and Moodle."""

import csv
import io
import json

import pytest
from typer.testing import CliRunner

from dllab.cli import app
from dllab.errors import ExportError
from dllab.grading.exports import Mark, export, fill_canvas, fill_moodle, mark_of, shown
from dllab.grading.gradebook import FinalMark, Gradebook, MarkStep
from dllab.grading.records import Grade, MisconceptionNote, TaskGrade, TestGrade
from dllab.grading.roster import Person, pair
from dllab.grading.spreadsheet import read_sheet

LAB = "03_backpropagation"
CANVAS = f"""\
Student,ID,SIS User ID,SIS Login ID,Section,Essay (11),{LAB} (12),Final Score
,,,,,,Manual Posting,
    Points Possible,,,,,10.00,20.00,(read only)
"Lovelace, Ada",501,S1,ada,Monday,9.00,,45.0
"Turing, Alan",502,S2,alan@uni.example,Monday,8.00,12.00,40.0
"Smith, Sam",503,S3,sam1,Monday,7.00,EX,35.0
"Smith, Sam",504,S4,sam2,Tuesday,6.00,,30.0
"=HYPERLINK(""x"")",505,S5,eve,Tuesday,5.00,N/A,25.0
"Student, Test",506,,t0,Tuesday,,,
"""
MOODLE = """\
Identifier,Full name,Email address,Status,Grade,Maximum Grade,Grade can be changed,\
Last modified (submission),Online text,Last modified (grade),Feedback comments
Participant 71,Ada Lovelace,ada@uni.example,Submitted,,20.00,Yes,"Monday, 3 March","=1+1",-,
Participant 72,Alan Turing,alan@uni.example,Submitted,12.00,20.00,Yes,-,,-,- good work
Participant 73,"@cmd",eve@uni.example,Submitted,,20.00,No,-,,-,
"""


def marks(**points):
    return [Mark(student, worth, 20, f"{worth} of 20 points.") for student, worth in points.items()]


def rows(filled):
    return list(csv.reader(io.StringIO(filled.content.decode("utf-8-sig"), newline="")))


def canvas(template=CANVAS, given=None, column=(LAB,), **options):
    return fill_canvas(template.encode(), given or marks(ada=17.5), column, **options)


def test_canvas_keeps_everything_but_the_scores():
    before = list(csv.reader(io.StringIO(CANVAS)))
    after = rows(canvas(given=marks(ada=17.5, alan=20)))
    assert after[3][6] == "17.5"
    assert after[4][6] == "20"
    after[3][6], after[4][6] = before[3][6], before[4][6]
    after[7][0] = before[7][0]
    assert after == before


@pytest.mark.parametrize(
    "student",
    ["501", "S1", "ADA", "Ada Lovelace", "Lovelace, Ada", "lovelaceada", "Lovelace, Ada_501"],
)
def test_canvas_knows_a_student_by_number_login_or_name(student):
    assert rows(canvas(given=[Mark(student, 3, 20)]))[3][6] == "3"


def test_canvas_knows_a_login_that_is_an_address():
    assert canvas(given=marks(alan=3)).written == {"alan": "3"}


def test_canvas_drops_accents_from_the_names_of_files():
    template = CANVAS.replace("Lovelace, Ada", "Núñez, Zoë")
    assert canvas(template, [Mark("nezzo_501", 3, 20)]).written == {"nezzo_501": "3"}


def test_two_people_of_one_name_are_never_guessed():
    filled = canvas(given=[Mark("Sam Smith", 3, 20), Mark("nobody", 4, 20)])
    assert filled.ambiguous == {"Sam Smith": ("Smith, Sam (503)", "Smith, Sam (504)")}
    assert filled.unmatched == ("nobody",)
    assert not filled.written
    assert not filled.complete


def test_two_students_of_ours_in_one_row_are_never_guessed():
    filled = canvas(given=[*marks(ada=3), Mark("501", 4, 20)])
    assert set(filled.ambiguous) == {"ada", "501"}
    assert not filled.written


def test_an_identifier_that_is_also_another_rows_login_is_ambiguous():
    template = CANVAS.replace(",sam2,", ",501,")
    assert set(canvas(template, [Mark("501", 3, 20)]).ambiguous) == {"501"}


def test_a_name_with_the_wrong_number_is_nobody():
    assert canvas(given=[Mark("Lovelace, Ada_502", 3, 20)]).unmatched == ("Lovelace, Ada_502",)


def test_canvas_leaves_the_excused_and_the_unassigned():
    filled = canvas(given=marks(sam1=3, eve=4))
    assert filled.left == {"sam1": "excused in Canvas", "eve": "not assigned in Canvas"}
    assert [row[6] for row in rows(filled)] == [row[6] for row in csv.reader(io.StringIO(CANVAS))]


def test_who_needs_a_person_gets_no_mark():
    filled = canvas(given=[Mark("ada", 0, 20, problem="needs a person: failed")])
    assert filled.left == {"ada": "needs a person: failed"}
    assert rows(filled)[3][6] == ""


def test_a_score_that_is_replaced_is_reported():
    filled = canvas(given=marks(alan=13))
    assert filled.changed == ("alan",)
    assert "1 of them replace another score: alan" in str(filled)


def test_names_are_no_formulas():
    assert rows(canvas())[7][0] == '\'=HYPERLINK("x")'


def test_only_changes_sets_nothing_else_back():
    filled = canvas(given=marks(alan=13), only_changes=True)
    assert rows(filled) == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", f"{LAB} (12)"],
        ["    Points Possible", "", "", "", "", "20.00"],
        ["Turing, Alan", "502", "S2", "alan@uni.example", "Monday", "13"],
    ]


@pytest.mark.parametrize("column", [LAB, LAB.upper(), "12", f"{LAB} (12)"])
def test_the_column_has_a_name_or_a_number(column):
    assert canvas(column=(column,)).column == f"{LAB} (12)"


@pytest.mark.parametrize("column", ["Final Score", "ID", "unknown", ""])
def test_another_column_is_an_error(column):
    with pytest.raises(ExportError, match=r"'Essay \(11\)', '03_backpropagation \(12\)'"):
        canvas(column=(column,))


def test_two_assignments_of_one_name_are_an_error():
    template = CANVAS.replace("Essay (11)", f"{LAB} (11)")
    with pytest.raises(ExportError, match="fits 2"):
        canvas(template)
    assert canvas(template, column=("11",), scale=True).written == {"ada": "8.75"}


def test_another_maximum_is_an_error_unless_points_are_converted():
    template = CANVAS.replace("20.00", "100")
    with pytest.raises(ExportError, match="maximum of 100 points and the lab has 20"):
        canvas(template)
    assert rows(canvas(template, scale=True))[3][6] == "87.5"


@pytest.mark.parametrize("template", ["", "a", "Name,Mark\nada,3\n", MOODLE])
def test_another_file_is_no_canvas_gradebook(template):
    with pytest.raises(ExportError):
        canvas(template)


def test_canvas_first_and_last_names():
    header = "LastName,FirstName,ID,SIS Login ID,Section,Lab (1)\n"
    template = header + "Points Possible,,,,,20\nLovelace,Ada,501,x,,\n"
    given = [Mark("Ada Lovelace", 3, 20)]
    assert canvas(template, given, ("Lab",)).written == {"Ada Lovelace": "3"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_file_keeps_its_dress(encoding, newline, delimiter):
    table = [
        ["Student", "ID", "SIS Login ID", "Section", "Lab (1)"],
        ["Points Possible", "", "", "", "20,5"],
        ['Zoë "Z"; O, Ray', "1", "zoe", "", ""],
    ]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=newline).writerows(table)
    template = text.getvalue().encode(encoding)
    table[2][4] = "17,5"
    wanted = io.StringIO()
    csv.writer(wanted, delimiter=delimiter, lineterminator=newline).writerows(table)
    filled = fill_canvas(template, [Mark("zoe", 17.5, 20.5)], ("Lab",))
    assert filled.content == wanted.getvalue().encode(encoding)


def test_a_damaged_encoding_is_an_error():
    with pytest.raises(ExportError, match="utf-8"):
        read_sheet(b"\xef\xbb\xbfa,b\n\xff,1\n")


def moodle(template=MOODLE, given=None, **options):
    return fill_moodle(template.encode(), given or marks(ada=17.5), **options)


@pytest.mark.parametrize(
    "student",
    [
        "Participant 71",
        "Participant_71",
        "Ada Lovelace_71",
        "ada@uni.example",
        "ada",
        "Ada Lovelace",
        "71",
    ],
)
def test_moodle_knows_a_student(student):
    assert moodle(given=[Mark(student, 3, 20)]).written == {student: "3"}


def test_moodle_keeps_columns_and_comments_of_people():
    before = list(csv.reader(io.StringIO(MOODLE)))
    filled = moodle(given=[Mark("ada", 17.5, 20, "17.5 <b>\nand more"), *marks(alan=11)])
    after = rows(filled)
    assert after[0] == before[0]
    assert after[1][4] == "17.5"
    assert after[1][10] == "Automatic grading: 17.5 &lt;b&gt;<br>and more"
    assert after[2][10] == "- good work"
    assert after[1][5:8] == before[1][5:8]
    again = fill_moodle(filled.content, [Mark("ada", 3, 20, "3 of 20")])
    assert rows(again)[1][10] == "Automatic grading: 3 of 20"


def test_moodle_cells_of_students_are_no_formulas():
    after = rows(moodle())
    assert after[1][8] == "'=1+1"
    assert after[3][1] == "'@cmd"


def test_moodle_leaves_what_is_locked():
    assert moodle(given=[Mark("eve", 3, 20)]).left == {"eve": "locked in Moodle"}


def test_moodle_in_another_language():
    template = 'ID,Name,Bewertung,Bestwertung\nTeilnehmer/in 71,Ada Lovelace,,"20,00"\n'
    with pytest.raises(ExportError, match="`column`"):
        moodle(template)
    assert rows(moodle(template, [Mark("71", 17.5, 20)], column="Bewertung"))[1][2] == "17,5"


def test_anonymous_marking():
    template = "Identifier,Status,Grade,Maximum Grade,Last modified (grade)\n"
    template += "Participant 71,Submitted,,20.00,-\nParticipant 72,Submitted,,20.00,-\n"
    assert moodle(template, [Mark("Participant_72", 4, 20)]).written == {"Participant_72": "4"}


@pytest.mark.parametrize("template", ["", CANVAS, "Identifier,Grade\nada,3\n"])
def test_another_file_is_no_worksheet(template):
    with pytest.raises(ExportError):
        moodle(template)


def test_a_long_answer_online_is_kept():
    text = "x" * 300_000
    assert text.encode() in moodle(MOODLE.replace('"=1+1"', text)).content


def grade(student="ada", status="graded", sentence="Each row should sum to 1."):
    note = MisconceptionNote("wrong-axis", "Axis", "Your columns sum to 1.", "Rows do.", "x#y")
    tests = (
        TestGrade("test_rows", "Rows sum to one.", 3, "passed"),
        TestGrade("test_axis", "The axis is right.", 2, "failed", sentence, note),
    )
    return Grade(student, "d", LAB, "f", status, "", (TaskGrade("softmax", "Softmax", tests),))


def test_a_comment_says_what_was_misunderstood():
    assert mark_of(grade()).comment == (
        "3 of 5 points.\nSoftmax: 3 of 5. Your columns sum to 1. Rows do."
    )


def test_a_person_who_decided_makes_a_failed_grade_a_mark():
    failed = grade(status="failed")
    step = MarkStep("adjustment", 4, "read by eye", "Kim")
    final = FinalMark("ada", LAB, 1, "failed", "", 0, 5, 4, adjustment=4, steps=(step,))
    assert mark_of(failed).problem == "needs a person: failed"
    assert mark_of(failed, final).problem == ""
    assert "Adjustment +4: read by eye" in mark_of(failed, final).comment


@pytest.fixture
def graded(tmp_path):
    with Gradebook(tmp_path / "out" / "gradebook.sqlite") as book:
        book.start_run(LAB, fingerprint="f", seed=1, title="Backpropagation", points=5)
        book.add(grade())
        book.add(grade("alan", "unreadable"))
    return tmp_path / "out"


def test_export_from_a_grading_folder(graded, tmp_path):
    template = tmp_path / "template.csv"
    template.write_text(CANVAS.replace(f"{LAB} (12)", "Backpropagation (12)"))
    before = template.read_bytes()
    output = tmp_path / "import.csv"
    filled = export(graded, "canvas", template, output, scale=True)
    assert output.read_bytes() == filled.content
    assert rows(filled)[3][6] == "12"
    assert filled.left == {"alan": "needs a person: unreadable"}
    assert template.read_bytes() == before


def test_the_template_is_never_overwritten(graded, tmp_path):
    template = tmp_path / "template.csv"
    template.write_text(CANVAS)
    with pytest.raises(ExportError, match="another file"):
        export(graded, "canvas", template, template)


def test_an_output_is_written_only_when_all_is_well(graded, tmp_path):
    template = tmp_path / "template.csv"
    template.write_text(CANVAS)
    with pytest.raises(ExportError, match="maximum"):
        export(graded, "canvas", template, tmp_path / "import.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "template.csv"]


def test_the_better_rule_wins():
    """An identifier that fits decides, whatever else a name fits."""
    people = [Person.of(1, ["ada"], ["Bob"], "1"), Person.of(2, ["x"], ["Ada"], "2")]
    assert pair(["ada"], people).rows == {"ada": 1}


def run(*arguments):
    return CliRunner().invoke(app, ["grades", *map(str, arguments)])


def test_the_command_fills_a_template_and_lists_who_is_left(graded, tmp_path):
    template = tmp_path / "template.csv"
    template.write_text(CANVAS.replace(f"{LAB} (12)", "Backpropagation (12)"))
    options = ["--to", "canvas", "--template", template, "--output", tmp_path / "import.csv"]
    result = run("export", graded, *options, "--scale")
    assert result.exit_code == 3
    assert "1 marks written into column 'Backpropagation (12)'" in result.output
    assert "not written: alan: needs a person: unreadable" in result.output


def test_the_command_shows_a_class_and_a_student(graded):
    assert [row["student"] for row in shown(graded)] == ["ada", "alan"]
    listed = run("show", graded)
    assert listed.exit_code == 0
    assert "unreadable" in listed.output
    one = run("show", graded, "--student", "ada", "--json")
    assert [row["points"] for row in json.loads(one.output)] == ["3 of 3", "0 of 2"]


def test_an_unknown_student_lab_or_platform_is_an_error(graded, tmp_path):
    with pytest.raises(ExportError, match="did you mean 'alan'"):
        shown(graded, student="allan")
    with pytest.raises(ExportError, match=LAB):
        shown(graded, lab="04_training")
    with pytest.raises(ExportError, match="canvas, moodle"):
        export(graded, "blackboard", tmp_path / "a", tmp_path / "b")
    with pytest.raises(ExportError, match="cannot be read"):
        export(graded, "canvas", tmp_path / "a", tmp_path / "b")


def test_what_a_student_wrote_moves_no_cursor(tmp_path):
    with Gradebook(tmp_path / "gradebook.sqlite") as book:
        book.add(grade("[bold]eve\x1b[2J", sentence="\x1b]0;title\x07"))
    assert "\x1b" not in json.dumps(shown(tmp_path))
    assert "[bold]eve" in run("show", tmp_path).output


@pytest.mark.parametrize("command", ["export", "show", "nbgrader", "gradescope"])
def test_help_has_examples(command):
    assert "dllab grades" in run(command, "--help").output
