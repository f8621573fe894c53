"""Fixtures: a tiny lab, and a repository that holds one lab made from the template."""

from pathlib import Path

import pytest

from dllab.authoring import LabSource, new_lab, read_lab

HERE = Path(__file__).parent


def pytest_addoption(parser):
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write what the tests produce to tests/authoring/golden, to be read as a diff",
    )


@pytest.fixture
def tiny() -> LabSource:
    return read_lab(HERE / "fixtures" / "90_tiny")


@pytest.fixture
def repository(tmp_path) -> Path:
    """A repository with one sound lab, `91_sample`, and the page that it refers to."""
    page = tmp_path / "book" / "appendix" / "misconceptions.md"
    page.parent.mkdir(parents=True)
    page.write_text("# Misconceptions\n")
    (tmp_path / "labs" / "source").mkdir(parents=True)
    new_lab("91_sample", tmp_path)
    return tmp_path


@pytest.fixture
def golden(request):
    """Compare a text with a stored one; `--update-golden` stores it instead."""

    def compare(name: str, text: str) -> None:
        path = HERE / "golden" / name
        if request.config.getoption("--update-golden", default=False):
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), (
            "run with --update-golden and read the diff"
        )

    return compare
