"""The wheel holds the labs' checks, no solution, and works far from the repository."""

import json
import os
import subprocess
import sys
import zipfile
import zlib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from dllab.authoring import read_lab
from dllab.authoring.leaks import solution_lines
from dllab.check.loading import read_lab_folder
from dllab.grading.released import released

ROOT = Path(__file__).resolve().parents[2]
LABS = sorted(path.parent for path in ROOT.glob("labs/source/*/lab.md"))


def run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    run([*command, str(ROOT)], ROOT, dict(os.environ))
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The wheel's files and, beside them, only NumPy and pytest: no TensorFlow, no repository."""
    target = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    packages = Path(np.__file__).parents[1]
    pytest_needs = ("_pytest", "py.py", "pluggy", "iniconfig", "packaging", "pygments")
    for name in ("numpy", "numpy.libs", "pytest", *pytest_needs):
        if (packages / name).exists():
            (target / name).symlink_to(packages / name)
    return target


@pytest.fixture
def python(installed, tmp_path):
    """Return a function that runs code in an empty folder with nothing but `installed`."""

    def execute(code: str) -> str:
        # -I -S: no PYTHONPATH, no site-packages, no current folder
        head = f"import sys; sys.path.append({str(installed)!r})\n"
        script = tmp_path / "notebook.py"
        script.write_text(head + code, encoding="utf-8")
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
        return run([sys.executable, "-I", "-S", str(script)], tmp_path, environment)

    return execute


def test_no_source_of_a_lab_is_in_the_wheel(wheel):
    """Neither lab.md nor the right variants nor readable mutants leave the repository."""
    names = zipfile.ZipFile(wheel).namelist()
    inside = {Path(name).name for name in names if name.startswith("dllab/labs/")}
    assert inside == {
        "checks.py",
        "lab.json",
        "misconceptions.toml",
        "mutants.bin",
        "released.json",
    }
    assert not [name for name in names if "hatch_build" in name or name.startswith("labs/")]


@pytest.mark.parametrize("folder", LABS, ids=lambda folder: folder.name)
def test_no_solution_is_in_the_wheel(wheel, folder):
    """No two lines in a row of a solution stand in any file, not even in a compressed one.

    Single lines such as `return gradient` are nobody's property. The mutants are left out:
    they are packed because they come close to solutions.
    """
    lines = [squeeze(line.encode()) for line in solution_lines(read_lab(folder).notebook)]
    pairs = [first + b" " + second for first, second in pairwise(lines)]
    assert pairs
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith("mutants.bin"):
                continue
            for text in readings(archive.read(name)):
                squeezed = squeeze(text)
                found = [pair for pair in pairs if pair in squeezed]
                assert not found, f"{name} holds {found[0]!r}"


def squeeze(text: bytes) -> bytes:
    return b" ".join(text.split())


def readings(content: bytes) -> list[bytes]:
    """Return a file's content as it is and, if it is compressed, what is inside."""
    try:
        return [content, zlib.decompress(content)]
    except zlib.error:
        return [content]


def test_same_tasks_as_in_the_repository(wheel):
    """`lab.json` names the tasks and points that the lab's source has."""
    with zipfile.ZipFile(wheel) as archive:
        for folder in LABS:
            source = read_lab(folder)
            outline = json.loads(archive.read(f"dllab/labs/{folder.name}/lab.json"))
            written = [(task["name"], task["title"], task["points"]) for task in outline["tasks"]]
            assert outline["title"] == source.title
            assert written == [(task.id, task.title, task.points) for task in source.tasks]


@pytest.mark.parametrize("folder", LABS, ids=lambda folder: folder.name)
def test_released_cells_are_those_of_the_student_notebook(wheel, folder, tmp_path):
    """The grader learns from the wheel what it learns from a lab's source."""
    lab = read_lab_folder(folder)
    with zipfile.ZipFile(wheel) as archive:
        packed = archive.read(f"dllab/labs/{folder.name}/released.json")
    (tmp_path / "released.json").write_bytes(packed)
    assert released(replace(lab, folder=tmp_path)) == released(lab)


def test_a_lab_runs_as_in_a_hosted_notebook(python):
    """Far from the repository and without TensorFlow: data, a wrong answer, its misconception."""
    shown = python(
        "import importlib.util\n"
        "assert importlib.util.find_spec('tensorflow') is None\n"
        "import numpy as np\n"
        "import dllab\n"
        "print(len(dllab.load('digits').train))\n"
        "lab = dllab.lab('00_getting_started')\n"
        "def accuracy(predictions, labels):\n"
        "    return np.sum(predictions == labels)\n"
        "result = lab.check('accuracy')\n"
        "print(result.misconceptions, result.points)\n"
        "print(result._repr_html_().count('Read more'))\n"
        "print(lab.progress())\n"
    )
    assert "('share-not-count',)" in shown
    assert "of 20 points" in shown


@pytest.mark.parametrize("folder", LABS, ids=lambda folder: folder.name)
def test_untouched_lab_earns_nothing(python, folder):
    """Each lab's own tasks are found in the installed package."""
    shown = python(
        f"import dllab\nlab = dllab.lab({folder.name!r})\nprint(lab.tasks)\nprint(lab.progress())"
    )
    assert str(tuple(task.id for task in read_lab(folder).tasks)) in shown
    assert " 0 of 20 points" in shown


def test_unknown_lab_names_those_there_are(python):
    """A misspelled lab is answered with the closest name and all names."""
    shown = python(
        "import dllab\ntry:\n    dllab.lab('00_geting_started')\n"
        "except dllab.errors.UnknownLabError as error:\n    print(error)\n"
    )
    assert "did you mean '00_getting_started'?" in shown
