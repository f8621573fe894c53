"""From a source to its notebooks."""

from copy import deepcopy

import pytest

from dllab.authoring.build import to_json
from dllab.authoring.passes import NBGRADER, SOLUTION, STUDENT
from dllab.authoring.source import has_tag


@pytest.mark.parametrize("kind", ["student", "solution", "nbgrader"])
def test_each_notebook_is_the_one_on_record(tiny, golden, kind):
    golden(f"90_tiny.{kind}.ipynb", to_json(getattr(tiny, f"{kind}_notebook")()))


@pytest.mark.parametrize("step", dict.fromkeys([*STUDENT, *SOLUTION, *NBGRADER]))
def test_a_pass_leaves_its_argument_alone(tiny, step):
    """Each pass is a pure function: a notebook in, a new notebook out."""
    before = tiny.student_notebook() if step is not STUDENT[0] else deepcopy(tiny.notebook)
    given = deepcopy(before)
    made = step(given, tiny)
    assert given == before
    assert made is not given
    shared = {id(cell) for cell in given.cells} & {id(cell) for cell in made.cells}
    assert not shared or made.cells == given.cells


def test_ids_come_from_tasks_or_content_and_are_unique(tiny):
    ids = [cell.id for cell in tiny.student_notebook().cells]
    assert {"double", "check-double", "Counter", "check-Counter", "how-to-run"} <= set(ids)
    assert len(set(ids)) == len(ids)


def test_equal_cells_get_numbered_ids(tiny):
    """Two cells with the same text differ in a suffix, which depends on nothing but order."""
    twins = [c.id for c in tiny.student_notebook().cells if c.source == "# Your experiment"]
    assert twins[1] == f"{twins[0]}-2"


def test_a_cell_has_the_same_id_in_all_three_notebooks(tiny):
    notebooks = (tiny.student_notebook(), tiny.solution_notebook(), tiny.nbgrader_notebook())
    student, *others = ([cell.id for cell in notebook.cells] for notebook in notebooks)
    assert all(ids == student for ids in others)


def test_only_cells_that_use_the_solution_may_raise(tiny):
    allowed = [c for c in tiny.student_notebook().cells if has_tag(c, "raises-exception")]
    assert [cell.source for cell in allowed] == ["print(double(21))"]
    assert not any(has_tag(cell, "raises-exception") for cell in tiny.solution_notebook().cells)


def test_metadata_names_no_version_and_no_machine(tiny):
    assert tiny.student_notebook().metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
