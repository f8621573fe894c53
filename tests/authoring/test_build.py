"""Files made from sources: complete, reproducible, written only when they change."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dllab.authoring import AuthoringError, build
from dllab.authoring.build import lab_paths, outputs, write_if_changed
from dllab.authoring.project import find_root
from dllab.errors import UnknownLabError

ROOT = find_root()

CHAPTER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# Chapter

```{code-cell} ipython3
1 + 1
```
"""


def test_a_build_writes_three_notebooks_for_a_lab_and_one_for_a_chapter(repository):
    """A page of the book without a kernel is no notebook and is left out."""
    (repository / "book" / "start").mkdir()
    (repository / "book" / "start" / "first.md").write_text(CHAPTER)
    written = {str(path.relative_to(repository)) for path in build(root=repository)}
    assert written == {
        "labs/91_sample.ipynb",
        "build/solutions/91_sample.ipynb",
        "build/nbgrader/source/91_sample/91_sample.ipynb",
        "build/nbgrader/nbgrader_config.py",
        "build/chapters/start/first.ipynb",
    }


def test_a_second_build_writes_nothing(repository):
    build(root=repository)
    assert build(root=repository) == []


def test_a_build_of_one_lab_leaves_the_others_alone(repository):
    with pytest.raises(UnknownLabError, match="no lab '92_other'; there are 91_sample"):
        build(["92_other"], root=repository)
    assert len(build(["91_sample"], root=repository)) == 4


def test_a_build_removes_what_was_made_of_a_source_that_is_gone(repository):
    (repository / "book" / "first.md").write_text(CHAPTER)
    build(root=repository)
    (repository / "book" / "first.md").unlink()
    build(root=repository)
    assert not (repository / "build" / "chapters" / "first.ipynb").exists()


def test_a_broken_source_changes_no_file(repository):
    build(root=repository)
    broken = repository / "labs" / "source" / "92_broken"
    broken.mkdir()
    (broken / "lab.md").write_text("No title.\n")
    before = {path: path.read_bytes() for path in repository.rglob("*.ipynb")}
    with pytest.raises(AuthoringError, match="no title"):
        build(root=repository)
    assert {path: path.read_bytes() for path in repository.rglob("*.ipynb")} == before


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    """The new text replaces the old in one step or not at all."""
    path = tmp_path / "file.ipynb"
    path.write_text("old")

    def fail(self, target):
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_if_changed(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_processes_with_other_hash_seeds_make_the_same_bytes():
    """Sets and dictionaries must not decide an order anywhere."""
    program = (
        "import hashlib, pathlib\n"
        "from dllab.authoring.build import outputs\n"
        "root = pathlib.Path.cwd()\n"
        "for path, text in outputs(root).items():\n"
        "    print(path.relative_to(root), hashlib.sha256(text.encode()).hexdigest())\n"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert runs[0].count("\n") == len(outputs(ROOT))


def test_every_committed_notebook_equals_its_regeneration():
    """`dllab author build` was run after the last change of a source."""
    committed = {path: text for path, text in outputs(ROOT).items() if path.parent == ROOT / "labs"}
    for path, text in committed.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run `dllab author build`"
    assert set((ROOT / "labs").glob("*.ipynb")) == set(committed)


@pytest.mark.parametrize("folder", lab_paths(ROOT), ids=lambda folder: folder.name)
def test_a_student_notebook_has_no_outputs(folder):
    notebook = json.loads((ROOT / "labs" / f"{folder.name}.ipynb").read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
