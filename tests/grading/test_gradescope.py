"""The Gradescope bundle: what is in it, and what it says about submissions of every kind."""

import json
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from dllab.authoring import read_lab
from dllab.errors import ExportError
from dllab.grading.gradescope import not_graded, results, write_bundle
from dllab.grading.records import Grade, MisconceptionNote, Repair, TaskGrade, TestGrade

LAB = Path(__file__).parent / "labs" / "92_accidents"
SEED = 8_675_309_123
METADATA = {
    "id": 123456,
    "created_at": "2026-11-01T14:22:32.365935-07:00",
    "assignment": {"title": "Lab", "total_points": "20.0", "due_date": None},
    "submission_method": "upload",
    "users": [{"email": "ada@uni.example", "id": 7, "name": "Ada Lovelace"}],
    "previous_submissions": [],
}
VISIBILITY = {"visible", "hidden", "after_due_date", "after_published"}


def valid(content):
    """Assert that results have the documented form; return them.

    Source: https://gradescope-autograders.readthedocs.io/en/latest/specs/
    """
    top = {"score", "execution_time", "output", "output_format", "test_output_format"}
    top |= {"test_name_format", "visibility", "stdout_visibility", "extra_data", "tests"}
    each = {"score", "max_score", "status", "name", "number", "output", "visibility"}
    assert set(content) <= top
    assert isinstance(content["score"], int | float)
    assert isinstance(content["output"], str)
    assert content["stdout_visibility"] == "hidden"
    assert content["visibility"] in VISIBILITY
    # text is the one format that is not rendered
    assert {content[key] for key in top if key.endswith("_format")} == {"text"}
    assert isinstance(content["extra_data"], dict)
    for test in content["tests"]:
        assert set(test) <= each
        assert 0 <= test["score"] <= test["max_score"]
        assert test["status"] in ("passed", "failed")
        assert test["visibility"] in VISIBILITY
        assert isinstance(test["name"], str)
        assert isinstance(test["output"], str)
    return content


class Container:
    """What Gradescope makes of a bundle: `/autograder`, in a folder of ours."""

    def __init__(self, bundle, root):
        self.root = root
        with zipfile.ZipFile(bundle) as archive:
            archive.extractall(root / "source")
        shutil.copy(root / "source" / "run_autograder", root / "run_autograder")
        (root / "results").mkdir()
        (root / "submission_metadata.json").write_text(json.dumps(METADATA))

    def run(self, files, path="/usr/local/bin:/usr/bin:/bin", python=sys.executable):
        """Grade some files and return the results."""
        submission = self.root / "submission"
        shutil.rmtree(submission, ignore_errors=True)
        for name, content in files.items():
            (submission / name).parent.mkdir(parents=True, exist_ok=True)
            (submission / name).write_bytes(content)
        submission.mkdir(exist_ok=True)
        environment = {
            "AUTOGRADER_ROOT": str(self.root),
            "DLLAB_PYTHON": str(python),
            "PATH": str(path),
            "SECRET_TOKEN": "swordfish",
        }
        self.said = subprocess.run(
            ["/bin/bash", self.root / "run_autograder"],
            cwd=self.root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        ).stdout
        return valid(json.loads((self.root / "results" / "results.json").read_text()))


def content(notebook):
    return nbformat.writes(notebook).encode()


@pytest.fixture(scope="module")
def lab():
    return read_lab(LAB)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "bundle.zip"
    write_bundle(str(LAB), path, seed=SEED, visibility="after_due_date")
    return path


@pytest.fixture(scope="module")
def container(bundle, tmp_path_factory):
    return Container(bundle, tmp_path_factory.mktemp("autograder"))


@pytest.fixture(scope="module")
def bare_path(tmp_path_factory):
    """A PATH with what the script needs and without bubblewrap."""
    folder = tmp_path_factory.mktemp("bin")
    for name in ("mkdir", "rm", "bash"):
        (folder / name).symlink_to(shutil.which(name))
    return folder


def test_a_solution_earns_everything(container, lab):
    found = container.run({"92_accidents.ipynb": content(lab.solution_notebook())})
    assert found["score"] == sum(task.points for task in lab.tasks)
    assert sum(test["score"] for test in found["tests"]) == found["score"]
    assert {test["status"] for test in found["tests"]} == {"passed"}
    assert {test["visibility"] for test in found["tests"]} == {"after_due_date"}
    assert found["tests"][0]["number"] == "1.1"
    assert found["extra_data"]["graded"] is True
    assert found["extra_data"]["sandbox"].startswith("sandbox: bubblewrap")
    text = json.dumps(found)
    assert str(SEED) not in text
    assert "ada@uni.example" not in text
    assert str(container.root) not in text
    assert str(SEED) not in container.said


def test_no_work_earns_nothing(container, lab):
    found = container.run({"work.ipynb": content(lab.student_notebook())})
    assert found["score"] == 0
    assert found["extra_data"]["graded"] is True
    assert all(test["status"] == "failed" and test["output"] for test in found["tests"])


@pytest.mark.parametrize("files", [{}, {"a.ipynb": b"{"}, {"a.pdf": b"%PDF"}])
def test_what_nobody_can_read_needs_a_person(container, files):
    found = container.run(files)
    assert found["score"] == 0
    assert found["extra_data"]["graded"] is False
    assert found["extra_data"]["status"] == "unreadable"
    assert "Your instructor will look at it." in found["output"]


def test_a_hostile_notebook_finds_and_changes_nothing(container, lab):
    spy = (
        "import os, pathlib\n"
        "found = [os.environ.get('SECRET_TOKEN', '')]\n"
        "for folder, _, files in os.walk('/'):\n"
        "    for name in files:\n"
        "        if name in ('checks.py', 'mutants.bin', 'bundle.json', 'results.json',\n"
        "                    'submission_metadata.json'):\n"
        "            path = pathlib.Path(folder, name)\n"
        "            try:\n"
        "                found.append(f'{path} {path.read_text(errors=\"replace\")}')\n"
        "                path.write_text('{\"score\": 1000}')\n"
        "            except OSError: pass\n"
        f"pathlib.Path({str(container.root)!r}, 'results').mkdir(parents=True, exist_ok=True)\n"
        f"open({str(container.root / 'results' / 'results.json')!r}, 'w').write('{{}}')\n"
    )
    raising = "class _Told(Exception): pass\n" + "\n".join(
        f"def {name}(*a, **k): raise _Told(repr(found))" for name in names(lab)
    )
    notebook = lab.student_notebook()
    notebook.cells = [new_code_cell(spy), new_code_cell(raising)]
    before = (container.root / "source" / "bundle.json").read_bytes()
    found = container.run({"92_accidents.ipynb": content(notebook)})
    assert found["score"] == 0
    text = json.dumps(found)
    assert "swordfish" not in text
    assert str(SEED) not in text
    assert "def test_" not in text
    assert (container.root / "source" / "bundle.json").read_bytes() == before


def names(lab):
    """Return the functions that the lab's tasks ask for."""
    source = "\n".join(cell.source for cell in lab.student_notebook().cells)
    return re.findall(r"^def (\w+)", source, re.MULTILINE)


def test_without_a_sandbox_nothing_is_graded(container, lab, bare_path):
    notebook = lab.solution_notebook()
    notebook.cells.insert(0, new_code_cell(f"open({str(container.root / 'ran')!r}, 'w')"))
    found = container.run({"a.ipynb": content(notebook)}, bare_path)
    assert found["score"] == 0
    assert found["extra_data"] == {"graded": False, "status": "failed", "dllab": "0.1.0"}
    assert "tell your instructor" in found["output"]
    assert found["tests"][0]["visibility"] == "visible"
    assert "bwrap" in container.said
    assert not (container.root / "ran").exists()


def test_without_a_sandbox_the_instructor_may_allow_it(lab, bare_path, tmp_path):
    bundle = tmp_path / "bundle.zip"
    write_bundle(str(LAB), bundle, allow_unsandboxed=True)
    found = Container(bundle, tmp_path / "autograder").run(
        {"a.ipynb": content(lab.solution_notebook())}, bare_path
    )
    assert found["score"] == sum(task.points for task in lab.tasks)
    assert found["extra_data"]["sandbox"].startswith("NO SANDBOX")


def test_a_grader_that_does_not_start_says_so(container, tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    (container.root / "results" / "results.json").write_text('{"score": 20}')
    process = container.root / "results" / "results.json"
    subprocess.run(
        ["/bin/bash", container.root / "run_autograder"],
        env={"AUTOGRADER_ROOT": container.root, "DLLAB_PYTHON": broken, "PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
    )
    found = json.loads(process.read_text())
    assert found["score"] == 0
    assert "nothing was graded" in found["output"]
    assert found["extra_data"] == {"graded": False}


def test_the_bundle_has_what_gradescope_asks_for(bundle):
    with zipfile.ZipFile(bundle) as archive:
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
    for name in ("setup.sh", "run_autograder"):
        assert stat.S_IMODE(modes[name]) == 0o755
        subprocess.run(["/bin/bash", "-n", "-"], input=read(bundle, name), check=True)
    assert stat.S_IMODE(bundle.stat().st_mode) == 0o600


def read(bundle, name):
    with zipfile.ZipFile(bundle) as archive:
        return archive.read(name)


def test_the_bundle_gives_no_solution_away(bundle, lab):
    with zipfile.ZipFile(bundle) as archive:
        listed = archive.namelist()
        text = b"\n".join(archive.read(name) for name in listed)
    labs = [name for name in listed if name.startswith("dllab/labs/")]
    files = ("checks.py", "misconceptions.toml", "lab.json", "mutants.bin", "released.json")
    assert sorted(labs) == sorted(f"dllab/labs/92_accidents/{file}" for file in files)
    assert not [name for name in listed if name.endswith(("lab.md", ".pyc", "variants.py"))]
    assert str(Path(__file__).parents[2]).encode() not in text
    for task in lab.tasks:
        solution = next(c.source for c in lab.solution_notebook().cells if c.id == task.id)
        assert solution.encode() not in text


def test_the_bundle_asks_pip_for_what_is_installed_here(bundle):
    required = read(bundle, "requirements.txt").decode().split()
    pinned = read(bundle, "constraints.txt").decode().split()
    assert {"numpy", "ipython", "psutil"} <= {re.match(r"[\w-]+", line)[0] for line in required}
    assert all(re.fullmatch(r"[\w.-]+==[\w.+!-]+", line) for line in pinned)
    assert any(line.startswith("numpy==") for line in pinned)
    for name in ("setup.sh", "requirements.txt", "constraints.txt"):
        assert b"://" not in read(bundle, name)


def test_the_same_seed_makes_the_same_bundle(bundle, tmp_path):
    write_bundle(str(LAB), tmp_path / "again.zip", seed=SEED, visibility="after_due_date")
    assert (tmp_path / "again.zip").read_bytes() == bundle.read_bytes()
    fresh = [write_bundle(str(LAB), tmp_path / "fresh.zip").seed for _ in range(2)]
    assert fresh[0] != fresh[1]


def test_an_unknown_visibility_is_an_error(tmp_path):
    with pytest.raises(ExportError, match="after_published"):
        write_bundle(str(LAB), tmp_path / "x.zip", visibility="sometimes")
    assert not list(tmp_path.iterdir())


def test_outputs_say_what_was_misunderstood_and_mended():
    note = MisconceptionNote("id", "Axis", "Your columns sum to 1.", "Rows do.", "x#y", "see.here")
    tests = (
        TestGrade("a", "Rows sum to one.", 3, "passed"),
        TestGrade("b", "The axis is right.", 2, "failed", "Each row should sum to 1.", note),
    )
    repairs = (Repair("magics", "A line was left out.", 4),)
    tasks = (TaskGrade("softmax", "Softmax", tests),)
    grade = Grade("s", "d", "lab", "f", "graded", "", tasks, repairs, ("Cell 9 <b>",), seed=SEED)
    found = valid(results(grade))
    assert found["score"] == 3
    assert found["output"].splitlines() == [
        "3 of 5 points.",
        "",
        "What was mended before your notebook ran:",
        "- Cell 4: A line was left out.",
        "",
        "Cells that stopped with an error:",
        "- Cell 9 <b>",
    ]
    assert found["tests"][1]["output"].splitlines() == [
        "Each row should sum to 1.",
        "Your columns sum to 1.",
        "Rows do.",
        "Read on: see.here",
    ]
    assert str(SEED) not in json.dumps(found)
    valid(not_graded("reason"))
