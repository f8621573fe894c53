"""A new lab starts sound."""

import pytest

from dllab.authoring import AuthoringError, build, lint, new_lab


def test_a_new_lab_lints_and_builds(repository):
    folder = new_lab("07_two_words", repository)
    assert (folder / "lab.md").read_text().count("# Lab 07: Two words") == 1
    assert [str(p) for p in lint(["07_two_words"], repository)] == []
    assert repository / "labs" / "07_two_words.ipynb" in build(["07_two_words"], repository)


@pytest.mark.parametrize("name", ["7_short", "07-dash", "07_Upper", "../07_out", "07_"])
def test_a_name_of_another_form_is_refused(repository, name):
    with pytest.raises(AuthoringError, match="should look like `07_convolution`"):
        new_lab(name, repository)


def test_an_existing_lab_is_never_overwritten(repository):
    with pytest.raises(AuthoringError, match="exists already"):
        new_lab("91_sample", repository)
