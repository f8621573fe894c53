"""The misconception registry: what it reads from a lab's files, and what it refuses."""

import pytest
from dllab_book import misconceptions
from small_book import MISCONCEPTIONS, MUTANTS
from sphinx.errors import ExtensionError


@pytest.fixture
def labs(tmp_path):
    """A folder of labs with one misconception."""
    lab = tmp_path / "09_demo"
    lab.mkdir()
    (lab / "misconceptions.toml").write_text(MISCONCEPTIONS)
    (lab / "mutants.py").write_text(MUTANTS)
    return tmp_path


def test_reads_entry_and_the_tasks_that_catch_it(labs):
    """The wrong solution's decorator gives the task, its docstring the sentence."""
    entry = misconceptions.load(labs)["gradient-overwritten"]
    assert entry.lab == "09_demo"
    assert entry.label == "demo-section"
    assert entry.catches == (("09_demo", "accumulate", "Your gradient holds the last path only."),)


def test_never_runs_the_wrong_solutions(labs):
    """A build of the book needs no package that only a wrong solution needs."""
    with (labs / "09_demo" / "mutants.py").open("a") as stream:
        stream.write("\nraise SystemExit('imported')\n")
    assert misconceptions.load(labs)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("right =", "true =", "needs exactly the keys"),
        ("page#demo-section", "page", "should read page#label"),
    ],
)
def test_names_file_and_id(labs, old, new, message):
    """A slip in the file is answered with lab, file and id."""
    path = labs / "09_demo" / "misconceptions.toml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ExtensionError, match=message) as caught:
        misconceptions.load(labs)
    assert "09_demo/misconceptions.toml, [gradient-overwritten]" in str(caught.value)


@pytest.fixture
def again(labs):
    """A second lab that catches the same misconception."""
    lab = labs / "10_other"
    lab.mkdir()
    (lab / "misconceptions.toml").write_text(MISCONCEPTIONS)
    (lab / "mutants.py").write_text(MUTANTS)
    return lab


def test_an_idea_that_a_later_lab_meets_again_is_one_entry(labs, again):
    """The entry stays with the first lab and names the tasks of both."""
    (entry,) = misconceptions.load(labs).values()
    assert entry.lab == "09_demo"
    assert [lab for lab, _, _ in entry.catches] == ["09_demo", "10_other"]


def test_two_labs_cannot_explain_one_id_differently(labs, again):
    path = again / "misconceptions.toml"
    path.write_text(
        MISCONCEPTIONS.replace("wrong = '", "wrong = 'Perhaps: ").replace(
            'wrong = "', 'wrong = "Perhaps: '
        )
    )
    with pytest.raises(ExtensionError, match="already used by 09_demo"):
        misconceptions.load(labs)
