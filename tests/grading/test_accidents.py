"""Right work earns its marks, whatever happened to it: full marks, and the repairs are named."""

import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from accidents import CASES, SMALL, Case, content

from dllab.check.loading import read_lab_folder
from dllab.grading.grader import grade
from dllab.grading.notebook import RawCell, read
from dllab.grading.records import Grade, Limits, Order, Submission
from dllab.grading.released import released
from dllab.grading.repair import mend
from dllab.grading.sandbox import Template

LIMITS = Limits(cell_seconds=1)


@pytest.fixture(scope="module")
def template() -> Iterator[Template]:
    """Give the one template from which all cases are forked."""
    with Template() as warm:
        yield warm


def graded(case: Case, template: Template) -> Grade:
    data = content(case)
    submission = Submission("ada", "ada.ipynb", sha256(data).hexdigest(), data)
    limits = LIMITS if case.lab == SMALL else Limits()
    return grade(Order(str(case.lab), "test", submission, 7, limits), template)


def by_name(case: Case) -> str:
    return case.name.replace(" ", "-")


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_right_work_earns_its_marks(case, template):
    """Every accident: status graded, full marks, no other repairs than those that were made."""
    found = graded(case, template)
    failed = [t for task in found.tasks for t in task.tests if t.status != "passed"]
    assert found.status == "graded", found.reason
    assert not failed, (failed, found.problems)
    assert found.earned == found.points > 0
    assert sorted(repair.step for repair in found.repairs) == sorted(case.repairs)


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_mending_what_is_mended_changes_nothing(case):
    """Repairs are made once: a mended notebook needs none."""
    handed_out = released(read_lab_folder(case.lab))
    raw, _ = read(content(case))
    cells, _ = mend(raw, handed_out)
    _, repairs = mend([RawCell("code", cell.source, cell.number) for cell in cells], handed_out)
    # a name that is reused stays reused
    assert {repair.step for repair in repairs} <= {"overwritten-name", "shadowed-builtin"}
