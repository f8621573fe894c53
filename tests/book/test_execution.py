"""The execution cache's key: it changes when a chapter's output could, and only then."""

import os

import pytest
from dllab_book import execution


@pytest.fixture
def root(tmp_path):
    """A checkout with a package of three files and a constraints file."""
    files = {
        "dllab/__init__.py": "",
        "dllab/scratch/ops.py": "x = 1",
        "dllab/data/cards.toml": "[digits]",
        "dllab/warm/server.py": "",
        "constraints.txt": "numpy==2",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_same_files_give_the_same_fingerprint(root):
    """A fingerprint depends on nothing but the files."""
    assert execution.fingerprint(root) == execution.fingerprint(root)


@pytest.mark.parametrize(
    "name", ["dllab/scratch/ops.py", "dllab/data/cards.toml", "constraints.txt", "dllab/new.py"]
)
def test_a_change_in_what_chapters_use_changes_it(root, name):
    """A changed or new file in the package, a card, or another version: run the cells again."""
    before = execution.fingerprint(root)
    (root / name).write_text("changed")
    assert execution.fingerprint(root) != before


@pytest.mark.parametrize("name", ["dllab/warm/server.py", "dllab/__pycache__/ops.pyc", "README.md"])
def test_a_change_elsewhere_leaves_it(root, name):
    """What no chapter imports costs no new run."""
    before = execution.fingerprint(root)
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text("changed")
    assert execution.fingerprint(root) == before


def test_stale_caches_are_removed(tmp_path):
    """Old caches go; the current one and one that a build used a moment ago stay."""
    now = 1e9
    for name, age in {"current": 9e9, "recent": 60, "old": 7200}.items():
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (now - age, now - age))
    removed = execution.remove_stale(tmp_path, tmp_path / "current", now)
    assert [path.name for path in removed] == ["old"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["current", "recent"]
