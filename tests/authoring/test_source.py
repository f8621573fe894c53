"""What `read_lab` understands of a lab's source."""

import pytest

from dllab.authoring import AuthoringError, Task, read_lab


def test_tasks_take_number_title_and_points_from_their_headings(tiny):
    assert tiny.name == "90_tiny"
    assert tiny.title == "Lab 90: Tiny"
    assert tiny.tasks == (
        Task("double", 1, "Two functions", 3),
        Task("Counter", 2, "A class", 17),
    )


def test_a_lab_is_read_from_its_folder_or_its_file(tiny):
    assert read_lab(str(tiny.path)) == read_lab(tiny.path.parent) == tiny


def _run(code, names):
    """Run a lab's program, with `dllab` replaced by something that knows no lab."""
    program = code.replace("import dllab\n", "").replace('lab = dllab.lab("90_tiny")', "")
    exec(program, names)


def test_the_solution_runs_as_one_program(tiny):
    names = {}
    _run(tiny.solution_code(), names)
    assert names["double"](3) == 6
    assert names["halve"](3) == 1.5
    counter = names["Counter"]()
    assert [counter.step(), counter.step()] == [1, 2]


def test_an_untouched_program_runs_and_raises_only_when_called(tiny):
    names = {}
    _run(tiny.student_code(), names)
    assert names["given_helper"](1) == 2
    for call in (lambda: names["double"](3), lambda: names["halve"](3), names["Counter"]):
        with pytest.raises(NotImplementedError, match="replace this line"):
            call()


def test_the_programs_call_no_checks_and_none_of_the_cells_that_use_the_solution(tiny):
    for code in (tiny.solution_code(), tiny.student_code()):
        assert "lab.check" not in code
        assert "lab.progress" not in code
        assert "print(double(21))" not in code


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "there is no such file"),
        ("No title.", "no title"),
        ("# Lab\n\n```{code-cell}\n:tags: [task]\n\nx = 1\n```", "cell 2: tag `task` without"),
        ("# Lab\n\n```{code-cell}\n:tags: [task]\n:task: a\n\nx = 1\n```", "'a' has no heading"),
        ("---\njupytext: [\n---\n", "not a MyST notebook"),
    ],
)
def test_an_unusable_source_is_an_error_that_says_what_is_missing(tmp_path, text, message):
    if text is not None:
        (tmp_path / "lab.md").write_text(text)
    with pytest.raises(AuthoringError, match=message):
        read_lab(tmp_path)


def test_points_of_an_unknown_task_are_an_error(tiny):
    with pytest.raises(AuthoringError, match="no task 'treble'; the lab's tasks are double, Count"):
        tiny.points("treble")
