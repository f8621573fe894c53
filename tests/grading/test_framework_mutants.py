"""Mutants that use Keras name the mistake, and the grader stays without TensorFlow."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dllab.check.loading import read_lab_folder
from dllab.grading.framework_mutants import needs_framework

HERE = Path(__file__).parent
KERAS, TINY = HERE / "labs" / "80_keras", HERE / "labs" / "91_tiny"
TRANSFER = HERE.parents[1] / "labs" / "source" / "09_transfer_learning"
# In a process of its own, as a worker is: the tests' own may have imported anything.
GRADE = """
import hashlib, json, sys
from pathlib import Path
import nbformat
from dllab.authoring.answers import answer_notebooks
from dllab.grading.grader import grade
from dllab.grading.records import Order, Submission
from dllab.grading.sandbox import Template

folder = Path(sys.argv[1])
answers = dict(answer_notebooks(folder))
found = {}
with Template() as template:
    for label in sys.argv[2:]:
        content = nbformat.writes(answers[label]).encode()
        digest = hashlib.sha256(content).hexdigest()
        order = Order(str(folder), "f", Submission("s", "s.ipynb", digest, content), seed=1)
        own = [task for task in grade(order, template).tasks if f" {task.task}:" in label]
        tests = [test for task in own for test in task.tests]
        notes = [test.misconception for test in tests if test.misconception]
        found[label] = sorted({note.id for note in notes})
print(json.dumps([found, sorted({"keras", "tensorflow"} & set(sys.modules))]))
"""


@pytest.mark.parametrize(
    ("folder", "tasks"),
    [(KERAS, ("build_network", "train_network")), (TRANSFER, ("transfer_model", "unfreeze"))],
    ids=["own network", "network that the lab hands out"],
)
def test_keras_mutants_are_named_without_keras_in_the_grader(folder, tasks):
    """Two wrong networks are recognized; nothing has imported the framework here."""
    lab = read_lab_folder(folder)
    wanted = {
        f"mutant {mutant.task}: {mutant.label}": [mutant.misconception]
        for mutant in lab.mutants
        if mutant.task in tasks
    }
    chosen = dict(list(wanted.items())[::3])
    done = subprocess.run(
        [sys.executable, "-c", GRADE, str(folder), *chosen],
        capture_output=True,
        text=True,
        check=True,
        cwd=HERE.parents[1],
    )
    found, imported = json.loads(done.stdout.splitlines()[-1])
    assert len(chosen) == 2
    assert found == chosen
    assert imported == []


def test_which_labs_need_a_framework():
    """Only mutants that import one are run elsewhere; the others are quicker where they are."""
    assert needs_framework(read_lab_folder(KERAS))
    assert not needs_framework(read_lab_folder(TINY))
