"""The little lab on which the check engine is tried: a function, a class and a graph."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dllab.check.labs import Lab
from dllab.check.loading import LabFiles, read_lab_folder

FOLDER = Path(__file__).parent / "fixture_labs" / "softmax_lab"


def run(source: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, "<learner>", "exec"), names)
    return names


@pytest.fixture(scope="session")
def files() -> LabFiles:
    return read_lab_folder(FOLDER)


@pytest.fixture(scope="session")
def solution() -> str:
    return (FOLDER / "solution.py").read_text(encoding="utf-8")


@pytest.fixture
def solved(solution: str) -> dict[str, Any]:
    return run(solution)


@pytest.fixture
def open_lab(files: LabFiles) -> Callable[[str], Lab]:
    """Return a function that opens the lab for a learner with this code."""
    return lambda source: Lab(files, run(source))
