"""The nbgrader assignment, end to end: generate, submit, autograde, read the gradebook."""

import json
from copy import deepcopy

import pytest

FULL = {"check-total": 5, "check-mean": 5, "check-center": 5, "check-variance": 5}


def solve(notebook, lab, *tasks, answer=None):
    """Return the notebook with the solution, or the given answer, in the cells of some tasks."""
    solved = deepcopy(notebook)
    solution = {cell.id: cell.source for cell in lab.solution_notebook().cells}
    for cell in solved.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") in tasks:
            cell.source = answer or solution[cell.metadata.nbgrader.grade_id]
    return solved


def tamper(notebook):
    """Return the notebook with each check cell replaced by one that awards everything."""
    tampered = deepcopy(notebook)
    for cell in tampered.cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.source = "5"
    return tampered


@pytest.fixture(scope="module")
def graded(sample):
    """The course after one autograding run over all submissions below."""
    course, lab = sample
    released = course.released()
    half = "def total(x):\n    return float(len(x))"
    submissions = {
        "solved": solve(released, lab, *(task.id for task in lab.tasks)),
        "solution-notebook": lab.solution_notebook(),
        "untouched": released,
        "untouched-from-the-repository": lab.student_notebook(),
        "two-tasks": solve(released, lab, "total", "mean"),
        "half-a-task": solve(released, lab, "total", answer=half),
        "tampered": tamper(released),
    }
    for student, notebook in submissions.items():
        course.submit(student, notebook)
    course.nbgrader("autograde", course.lab)
    return course


@pytest.mark.parametrize("student", ["solved", "solution-notebook"])
def test_a_solution_earns_full_marks(graded, student):
    assert graded.scores(student) == FULL


@pytest.mark.parametrize("student", ["untouched", "untouched-from-the-repository"])
def test_an_untouched_notebook_earns_nothing(graded, student):
    """Both the notebook that nbgrader hands out and the repository's own can be submitted."""
    assert graded.scores(student) == dict.fromkeys(FULL, 0)


def test_each_task_counts_for_itself(graded):
    assert graded.scores("two-tasks") == FULL | {"check-center": 0, "check-variance": 0}


def test_a_half_right_task_earns_part_of_its_points(graded):
    assert graded.scores("half-a-task") == dict.fromkeys(FULL, 0) | {"check-total": 2}


def test_a_replaced_check_cell_awards_nothing(graded):
    """nbgrader restores locked cells before it runs them."""
    assert graded.scores("tampered") == dict.fromkeys(FULL, 0)


def test_nbgrader_clears_every_solution(sample):
    course, _ = sample
    text = json.dumps(course.released())
    assert "SOLUTION" not in text
    assert "result += value" not in text
    assert text.count("raise NotImplementedError") == 4


def test_the_first_lab_of_the_course_is_graded_right(first_lab):
    """A real lab, with data and a network to train: the solution earns all, no work nothing."""
    course, lab = first_lab
    course.submit("solved", lab.solution_notebook())
    course.submit("untouched", course.released())
    course.nbgrader("autograde", course.lab)
    full = {f"check-{task.id}": task.points for task in lab.tasks}
    assert sum(full.values()) == 20
    assert course.scores("solved") == full
    assert course.scores("untouched") == dict.fromkeys(full, 0)
