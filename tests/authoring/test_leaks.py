"""Nothing of a solution is left in a student notebook."""

import pytest

from dllab.authoring import read_lab
from dllab.authoring.build import lab_paths
from dllab.authoring.leaks import find_leaks, solution_lines
from dllab.authoring.project import find_root

ROOT = find_root()


def test_lines_that_say_something_are_looked_for(tiny):
    """Short lines, and lines that the learner is given anyway, prove nothing."""
    assert solution_lines(tiny.notebook) == [
        "twice_the_value = 2 * x",
        "return twice_the_value",
        "self.count_of_calls = 0",
        "self.count_of_calls += 1",
        "return self.count_of_calls",
    ]


def test_a_clean_notebook_has_no_leak(tiny):
    assert find_leaks(tiny.notebook, tiny.student_notebook()) == []


@pytest.mark.parametrize(
    "plant",
    [
        lambda notebook: setattr(notebook.cells[0], "source", "Use `self.count_of_calls+=1`."),
        lambda notebook: notebook.cells[3].metadata.update(old=["self.count_of_calls += 1"]),
        lambda notebook: notebook.metadata.update({"self.count_of_calls += 1": True}),
        lambda notebook: setattr(notebook.cells[-1], "source", "if 1:\n  self.count_of_calls += 1"),
    ],
    ids=["in-text", "in-cell-metadata", "in-a-key", "in-code"],
)
def test_a_planted_line_is_found_wherever_it_hides(tiny, plant):
    notebook = tiny.student_notebook()
    plant(notebook)
    assert find_leaks(tiny.notebook, notebook) == ["self.count_of_calls += 1"]


def test_the_source_itself_leaks_everything(tiny):
    """The scan does not pass because it finds nothing anywhere."""
    assert find_leaks(tiny.notebook, tiny.notebook) == solution_lines(tiny.notebook)


@pytest.mark.parametrize("folder", lab_paths(ROOT), ids=lambda folder: folder.name)
def test_no_student_notebook_of_the_course_leaks(folder):
    lab = read_lab(folder)
    assert solution_lines(lab.notebook)
    assert find_leaks(lab.notebook, lab.student_notebook()) == []
