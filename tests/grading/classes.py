"""Small classes to grade, and what must be true of a gradebook.

- `TINY`: a lab that is graded in a moment; `ANSWERS`: submissions for it, by student
- `hand_in(folder, answers)`: write notebooks; `fake_settings(...)`: workers with `fake_grader`
- `settled(out)`: everything that counts in a gradebook, ready to be compared
"""

import os
from collections.abc import Mapping
from pathlib import Path

from fake_grader import notebook

from dllab.grading.gradebook import Gradebook
from dllab.grading.pool import WorkerSettings
from dllab.grading.records import Grade

HERE = Path(__file__).parent
TINY = str(HERE / "labs" / "91_tiny")

_RIGHT = "import numpy as np\n\ndef total(x):\n    return float(np.sum(x))"
_CENTER = "def center(x):\n    return x - x.mean()"
ANSWERS: dict[str, bytes] = {
    "right": notebook(_RIGHT, _CENTER),
    "half": notebook(_RIGHT, "def center(x):\n    return x"),
    "mean": notebook("def total(x):\n    return float(x.mean()) if len(x) else 0.0", _CENTER),
    "empty": notebook("pass"),
    "raises": notebook(_RIGHT, "def center(x):\n    raise RuntimeError('no')"),
    "broken": b"{",
}


def hand_in(folder: Path, answers: Mapping[str, bytes]) -> Path:
    """Write a file for each student and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for student, content in answers.items():
        (folder / f"{student}.ipynb").write_bytes(content)
    return folder


def fake_settings(**options: object) -> WorkerSettings:
    """Return settings for workers that do what a submission says."""
    path = os.environ.get("PYTHONPATH", "")
    if str(HERE) not in path.split(os.pathsep):
        raise RuntimeError("PYTHONPATH should name the folder of fake_grader")
    return WorkerSettings(grader="fake_grader:grade", **{"grace": 3.0, **options})


def settled(out: Path) -> dict[str, Grade]:
    """Return what counts of each student; raise if anything was graded twice."""
    with Gradebook(out / "gradebook.sqlite", write=False) as book:
        grades = {grade.student: grade.settled() for grade in book.latest()}
        for student in grades:
            keys = [
                (e.grade.digest, e.grade.fingerprint, e.grade.seed, e.regrade)
                for e in book.attempts(student)
            ]
            assert len(keys) == len(set(keys)), f"{student} was graded twice"
    return grades
