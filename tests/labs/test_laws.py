"""Every lab obeys the laws for twenty seeds; `build/kill_matrix.md` shows what caught what."""

from pathlib import Path

import pytest

from dllab.check.laws import LAWS, Judgment, judge_folders, kill_matrix
from dllab.check.loading import read_lab_folder

ROOT = Path(__file__).resolve().parents[2]
LABS = sorted(path.parent for path in ROOT.glob("labs/source/*/checks.py"))
SEEDS = range(20)


@pytest.fixture(scope="module")
def judgments() -> dict[Path, Judgment]:
    """Judge all labs side by side, once; write the kill matrix."""
    judged = judge_folders(LABS, SEEDS)
    target = ROOT / "build" / "kill_matrix.md"
    target.parent.mkdir(exist_ok=True)
    target.write_text(kill_matrix(judged), encoding="utf-8")
    return dict(zip(LABS, judged, strict=True))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("folder", LABS, ids=lambda folder: folder.name)
def test_law(folder, law, judgments):
    """A lab's checks obey the law of this name; `dllab.check.laws.LAWS` spells it out."""
    problems = judgments[folder].of(law)
    assert not problems, "\n".join([LAWS[law], *problems])


@pytest.mark.parametrize("folder", LABS, ids=lambda folder: folder.name)
def test_sections_exist(folder):
    """Each misconception points at a page of the book and a label on it."""
    for idea in read_lab_folder(folder).misconceptions.values():
        page, _, label = idea.section.partition("#")
        path = ROOT / "book" / f"{page}.md"
        assert path.is_file(), f"[{idea.id}]: there is no page {page}"
        text = path.read_text(encoding="utf-8")
        assert label, f"[{idea.id}] names no section of {page}"
        assert f"({label})=" in text, f"[{idea.id}]: no label {label} in {page}"


def test_misconceptions_are_unique_over_the_course():
    """A misconception that two labs share says the same in both."""
    known = {}
    for folder in LABS:
        for idea in read_lab_folder(folder).misconceptions.values():
            first = known.setdefault(idea.id, (folder.name, idea))
            assert first[1] == idea, f"[{idea.id}] differs in {first[0]} and {folder.name}"
