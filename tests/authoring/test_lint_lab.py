"""Each mistake in a lab's source is reported, with its cell and its task."""

import re

import pytest

from dllab.authoring import lint
from dllab.authoring.lint_lab import lint_lab

CHECK_TOTAL = """```{code-cell} ipython3
:tags: [check]
:task: total

lab.check("total")
```
"""
LONG = "\n".join(f"value_{number} = {number}" for number in range(21))


def replace(old, new):
    """Return an edit of a source that replaces a text which must be there, once."""

    def edit(text):
        assert old in text
        return text.replace(old, new, 1)

    return edit


# name: (edit, cell, task, message)
MISTAKES = {
    "title-missing": (replace("# Lab 91: Sample", "Lab 91"), 1, None, "start with the title"),
    "unknown-tag": (replace("[check]", "[chek]"), 5, "total", "unknown tag `chek`"),
    "two-roles": (replace("[check]", "[check, task]"), 5, "total", "tags check and task"),
    "setup-missing": (replace("[setup]", "[]"), 2, None, "first code cell should have tag `setup`"),
    "setup-of-another-lab": (replace('dllab.lab("91', 'dllab.lab("19'), 2, None, "hold the line"),
    "second-setup": (
        replace("[uses-solution]", "[setup]"),
        16,
        None,
        "second cell with tag",
    ),
    "progress-missing": (replace("lab.progress()", "1"), 19, None, "should be `lab.progress()`"),
    "open-task-missing": (replace("## Open task", "## Your task"), None, None, "no open task"),
    "task-without-id": (replace(":task: total\n", ""), 4, None, "tag `task` without an id"),
    "odd-task-id": (replace(":task: total", ":task: to.tal"), 4, "to.tal", "letters and digits"),
    "task-twice": (replace(":task: mean", ":task: total"), 7, "total", "a second cell for this"),
    "check-without-task": (
        replace(":tags: [check]\n:task: total", ":tags: [check]"),
        5,
        None,
        "check cell without a task",
    ),
    "check-of-nothing": (
        replace(CHECK_TOTAL, CHECK_TOTAL.replace("total", "totals")),
        5,
        "totals",
        "no task cell",
    ),
    "task-without-check": (replace(CHECK_TOTAL, ""), 4, "total", "no check cell"),
    "check-twice": (replace(CHECK_TOTAL, 2 * CHECK_TOTAL), 6, "total", "a second check cell"),
    "check-too-early": (
        lambda text: text.replace(CHECK_TOTAL, "").replace(
            "## Task 1", f"{CHECK_TOTAL}\n## Task 1"
        ),
        3,
        "total",
        "should come after the task's own cell",
    ),
    "check-of-other-source": (
        replace('lab.check("total")', 'lab.check("mean")'),
        5,
        "total",
        'should be exactly `lab.check("total")`',
    ),
    "region-not-ended": (
        replace("    return result\n    ### END SOLUTION", "    return result"),
        4,
        "total",
        "without an `### END SOLUTION`",
    ),
    "region-missing": (
        lambda text: text.replace("    ### BEGIN SOLUTION\n", "", 1).replace(
            "    ### END SOLUTION\n", "", 1
        ),
        4,
        "total",
        "no solution region",
    ),
    "marker-misspelled": (
        lambda text: text.replace("### BEGIN SOLUTION", "# BEGIN SOLUTION", 1).replace(
            "### END SOLUTION", "# END SOLUTION", 1
        ),
        4,
        "total",
        "a marker is misspelled",
    ),
    "region-outside-a-task": (
        replace("# Your experiment", "### BEGIN SOLUTION\nx = 1\n### END SOLUTION"),
        18,
        None,
        "a solution region outside a task cell",
    ),
    "bare-statement": (
        replace(
            "def total(x):", "### BEGIN SOLUTION\nanswer = 42\n### END SOLUTION\n\n\ndef total(x):"
        ),
        4,
        "total",
        "a solution region outside a function",
    ),
    "whole-method": (
        replace(
            "def total(x):",
            "class A:\n    ### BEGIN SOLUTION\n    def f(self):\n        return 1\n"
            "    ### END SOLUTION\n\n\ndef total(x):",
        ),
        4,
        "total",
        "a solution region outside a function",
    ),
    "stub-not-python": (
        replace(
            "    result = 0.0\n    for value in x:\n        result += value\n    return result\n"
            "    ### END SOLUTION",
            "    if x is None:\n    ### END SOLUTION\n        return 0",
        ),
        4,
        "total",
        "with its stub, line 4 of the cell is not Python",
    ),
    "not-python": (replace("# Your experiment", "1 +"), 18, None, "line 1 of the cell is not Py"),
    "empty-cell": (replace("# Your experiment", ""), 18, None, "empty code cell"),
    "heading-without-points": (
        replace("## Task 1: Total (5 points)", "## Task 1: Total"),
        3,
        None,
        "write a task's heading as",
    ),
    "heading-out-of-order": (replace("## Task 2", "## Task 3"), 6, None, "this is task 2, its"),
    "heading-without-task": (
        replace("## Task 2", "## Task 2: Empty (1 point)\n\n+++\n\n## Task 3"),
        6,
        None,
        "0 task cells below this heading",
    ),
    "sum-not-20": (replace("Total (5 points)", "Total (6 points)"), None, None, "21 points in all"),
    "directive": (
        replace("Say in a few", ":::{note}\nNote.\n:::\n\nSay in a few"),
        1,
        None,
        "MyST directive `:::{note}`",
    ),
    "role": (replace("Say in a few", "See {eq}`eq-bp`. Say in a few"), 1, None, "MyST role `{eq}"),
    "label": (replace("## Task 1", "(a-label)=\n## Task 1"), 3, None, "MyST label `(a-label)=`"),
    "cell-too-long": (replace("# Your experiment", LONG), 18, None, "has 21 lines; at most 20"),
    "line-too-wide": (
        replace("# Your experiment", "# " + 87 * "x"),
        18,
        None,
        "line 1 of the cell has 89 characters",
    ),
    "install": (
        replace("# Your experiment", "# pip install numpy"),
        18,
        None,
        "no cell installs software",
    ),
    "solution-in-text": (
        replace("Write `total(x)`.", "Write `result += value` in `total(x)`."),
        None,
        None,
        "shows a line of the solution: `result += value`",
    ),
}


@pytest.fixture
def lab(repository):
    return repository / "labs" / "source" / "91_sample"


def test_the_template_is_sound(lab):
    assert lint_lab(lab) == []


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_reported_with_file_cell_and_task(lab, name):
    edit, cell, task, message = MISTAKES[name]
    path = lab / "lab.md"
    path.write_text(edit(path.read_text()))
    found = [(problem.file, problem.cell, problem.task) for problem in lint_lab(lab)]
    said = [problem for problem in lint_lab(lab) if message in problem.message]
    assert said, lint_lab(lab)
    assert (path, cell, task) in found
    assert {(problem.cell, problem.task) for problem in said} == {(cell, task)}


def test_a_task_too_few_is_reported(lab):
    path = lab / "lab.md"
    text = path.read_text()
    start, end = text.index("## Task 4"), text.index("Say what the next cell")
    path.write_text(text[:start] + text[end:])
    assert "3 tasks; a lab has 4 to 7" in [problem.message for problem in lint_lab(lab)]


def test_a_solution_cell_may_have_forty_lines_besides_its_markers(lab):
    path = lab / "lab.md"
    text = path.read_text()
    filler = "\n".join(f"    value_{number} = {number}" for number in range(34))
    path.write_text(text.replace("    result = 0.0", f"{filler}\n    result = 0.0"))
    assert lint_lab(lab) == []
    path.write_text(text.replace("    result = 0.0", f"{filler}\n    y = 1\n    result = 0.0"))
    assert [problem.message for problem in lint_lab(lab)] == [
        "the cell has 41 lines; at most 40 are allowed, so split it"
    ]


def test_a_file_that_is_no_notebook_is_one_problem(lab):
    (lab / "lab.md").write_text("---\njupytext: [\n---\n")
    (problem,) = lint_lab(lab)
    assert "not a MyST notebook" in problem.message


# --- the files beside lab.md -----------------------------------------------------------------

SWAPPED = {"total": '"mean"', "mean": '"total"'}
FILE_MISTAKES = {
    "points-differ": (
        "checks.py",
        replace('@task("total", points=5)', '@task("total", points=4)'),
        "checks.py: task total: the heading says 5 points, the task's tests are worth 4",
    ),
    "tests-of-no-task": (
        "checks.py",
        replace('@task("total", points=5)', '@task("totals", points=5)'),
        "checks.py: task totals: tests of a task that lab.md does not have",
    ),
    "tests-out-of-order": (
        "checks.py",
        lambda text: (
            text.replace('"total"', '"x"').replace('"mean"', '"total"').replace('"x"', '"mean"')
        ),
        "checks.py: order the tests as lab.md does: total, mean, center, variance",
    ),
    "points-computed": (
        "checks.py",
        replace("points=5", "points=2 + 3"),
        "checks.py: write ids and points in `@task(…)` as plain constants",
    ),
    "test-without-task": (
        "checks.py",
        replace('@task("total", points=5)\n', ""),
        "checks.py: test `test_the_sum_is_that_of_numpy` belongs to no task",
    ),
    "checks-do-not-run": (
        "checks.py",
        replace("import numpy as np", "import numpy as np\n\n1 / 0"),
        "checks.py: does not run: ZeroDivisionError",
    ),
    "mutant-of-no-task": (
        "mutants.py",
        replace('@mutant("total"', '@mutant("totals"'),
        "mutants.py: task totals: `keeps_the_last` answers an unknown task",
    ),
    "task-without-mutant": (
        "mutants.py",
        replace('@mutant("total"', '@mutant("totals"'),
        "mutants.py: task total: no answer to this task",
    ),
    "task-without-variant": (
        "variants.py",
        replace('@variant("total")\n', ""),
        "variants.py: task total: no answer to this task",
    ),
    "misconception-missing": (
        "misconceptions.toml",
        replace("[sample-sum-for-mean]", "[sample-other]"),
        "mutants.py: task mean: `forgets_to_divide`: misconceptions.toml has no [sample-sum-for-m",
    ),
    "field-missing": (
        "misconceptions.toml",
        replace("wrong = ", "wrongly = "),
        "misconceptions.toml: [sample-last-for-total] lacks wrong",
    ),
    "odd-id": (
        "misconceptions.toml",
        replace("[sample-sum-for-mean]", "[sample_sum]"),
        "misconceptions.toml: [sample_sum]: write ids as",
    ),
    "section-missing": (
        "misconceptions.toml",
        replace('"appendix/misconceptions"', '"appendix/misconceptions#nowhere"'),
        "has no section `appendix/misconceptions#nowhere`",
    ),
    "not-toml": (
        "misconceptions.toml",
        replace("title = ", "title "),
        "misconceptions.toml: not TOML",
    ),
}


def test_the_template_and_its_files_are_sound(repository):
    assert lint(root=repository) == []


@pytest.mark.parametrize("name", FILE_MISTAKES)
def test_a_mistake_in_a_file_beside_the_source_is_reported(repository, lab, name):
    file, edit, message = FILE_MISTAKES[name]
    path = lab / file
    path.write_text(edit(path.read_text()))
    said = [str(problem) for problem in lint(root=repository)]
    assert any(re.search(re.escape(message), problem) for problem in said), said


def test_a_missing_file_is_reported(repository, lab):
    (lab / "checks.py").unlink()
    assert [str(problem) for problem in lint(root=repository)] == [
        "labs/source/91_sample/checks.py: there is no such file"
    ]


def test_an_id_that_two_labs_explain_differently_is_reported(repository, lab):
    """An idea that a later lab meets again is fine, as long as it says the same."""
    text = (lab / "misconceptions.toml").read_text()
    other = lab.parent / "92_other"
    other.mkdir()
    for file in lab.iterdir():
        if file.is_file():
            (other / file.name).write_text(file.read_text().replace("91_sample", "92_other"))
    assert lint(root=repository) == []
    (other / "misconceptions.toml").write_text(text.replace('right = "', 'right = "Not so: '))
    said = [str(problem) for problem in lint(root=repository)]
    assert len(said) == text.count("title = ")
    assert all("is explained differently by 91_sample" in problem for problem in said)
