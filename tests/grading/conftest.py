"""A temporary nbgrader course around one lab."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from dllab.authoring import build, new_lab, read_lab
from dllab.authoring.build import outputs, write_if_changed
from dllab.authoring.project import find_root

ROOT = find_root(Path(__file__).parent)
sys.path.insert(0, str(Path(__file__).parent))  # test modules share helpers such as `samples`


@dataclass(frozen=True)
class Course:
    """An nbgrader course in a folder of its own, with one assignment."""

    folder: Path
    lab: str
    package: Path  # the folder that holds the `dllab` which kernels import

    def nbgrader(self, *arguments: str) -> str:
        """Run an nbgrader command in the course and return what it logged."""
        path = os.pathsep.join([str(self.package), os.environ.get("PYTHONPATH", "")])
        # nbgrader starts `alembic` by name, so the environment's programs must be on the PATH
        programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        environment = os.environ | {"PYTHONPATH": path, "PATH": programs, "DLLAB_DEVICE": "cpu"}
        result = subprocess.run(
            [sys.executable, "-m", "nbgrader", *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stderr
        return result.stderr

    def released(self) -> NotebookNode:
        """Return the notebook that nbgrader hands out."""
        return nbformat.read(self.folder / "release" / self.lab / f"{self.lab}.ipynb", 4)

    def submit(self, student: str, notebook: NotebookNode) -> None:
        """Store a student's submission where nbgrader collects it."""
        path = self.folder / "submitted" / student / self.lab / f"{self.lab}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)

    def scores(self, student: str) -> dict[str, float]:
        """Return a student's points by check cell, as nbgrader's gradebook has them."""
        from nbgrader.api import Gradebook

        with Gradebook(f"sqlite:///{self.folder / 'gradebook.db'}") as gradebook:
            grades = gradebook.find_submission_notebook(self.lab, self.lab, student).grades
            return {grade.name: grade.score for grade in grades}


@pytest.fixture(scope="session")
def sample(tmp_path_factory):
    """A repository with the package and one lab from the template, and its course."""
    root = tmp_path_factory.mktemp("repository")
    # A package looks for labs beside itself; the sample's checks need no data and no framework.
    ignored = shutil.ignore_patterns("__pycache__", "files")
    shutil.copytree(ROOT / "dllab", root / "dllab", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", root)
    (root / "labs" / "source").mkdir(parents=True)
    folder = new_lab("91_sample", root)
    checks = folder / "checks.py"
    # Two tests, so that a task can be half right.
    checks.write_text(
        checks.read_text().replace('@task("total", points=5)', '@task("total", points=3)')
        + '\n\n@task("total", points=2)\n'
        "def test_the_sum_of_ones_is_their_number(student, rng):\n"
        '    """Ones add up to how many they are."""\n'
        '    expect.close(expect.number(student.total(np.ones(4))), 4, "Four ones make 4.")\n'
    )
    build(["91_sample"], root)
    course = Course(root / "build" / "nbgrader", "91_sample", root)
    course.nbgrader("generate_assignment", course.lab)
    return course, read_lab(folder)


@pytest.fixture(scope="session")
def first_lab(tmp_path_factory):
    """The course's own first lab, whose last task trains a network, in a course of its own."""
    name = "00_getting_started"
    folder = tmp_path_factory.mktemp("course")
    generated = ROOT / "build" / "nbgrader"
    for path, text in outputs(ROOT, [name]).items():
        if path.is_relative_to(generated):
            write_if_changed(folder / path.relative_to(generated), text)
    course = Course(folder, name, ROOT)
    course.nbgrader("generate_assignment", name)
    return course, read_lab(ROOT / "labs" / "source" / name)


@pytest.fixture(scope="session")
def still_package(tmp_path_factory):
    """A folder with a copy of `dllab`, which nobody edits while a long test runs from it."""
    folder = tmp_path_factory.mktemp("package")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "dllab", folder / "dllab", ignore=ignored)
    return folder
