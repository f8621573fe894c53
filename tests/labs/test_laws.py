"""Every lab obeys the laws for twenty seeds; `build/kill_matrix.md` shows what caught what."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from dllab.authoring import read_lab
from dllab.check.laws import LAWS, Judgment, judge, kill_matrix
from dllab.check.loading import read_lab_folder

ROOT = Path(__file__).resolve().parents[2]
LABS = sorted(path.parent for path in ROOT.glob("labs/source/*/checks.py"))
SEEDS = range(20)


@cache
def judgment_of(folder: Path) -> Judgment:
    source = read_lab(folder)
    lab = read_lab_folder(folder)
    return judge(lab, source.solution_code(), source.student_code(), SEEDS)


@pytest.fixture(scope="module")
def judgment() -> Callable[[Path], Judgment]:
    """Return a function that judges a lab, once; at the end the kill matrix is written."""
    judged = {}

    def of(folder: Path) -> Judgment:
        judged[folder] = judgment_of(folder)
        return judged[folder]

    yield of
    target = ROOT / "build" / "kill_matrix.md"
    target.parent.mkdir(exist_ok=True)
    target.write_text(kill_matrix(judged[folder] for folder in sorted(judged)), encoding="utf-8")


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("folder", LABS, ids=lambda folder: folder.name)
def test_law(folder, law, judgment):
    """A lab's checks obey the law of this name; `dllab.check.laws.LAWS` spells it out."""
    problems = judgment(folder).of(law)
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
