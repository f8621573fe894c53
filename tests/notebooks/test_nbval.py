"""nbval reports what fails and nothing else: without this, a green run would prove nothing."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

PASSED, FAILED = 0, 1


@pytest.fixture
def write(tmp_path):
    """Write a notebook from (source, tags) pairs; a lone text is a Markdown cell."""

    def write(*cells):
        made = [
            new_markdown_cell(cell)
            if isinstance(cell, str)
            else new_code_cell(cell[0], metadata={"tags": cell[1]})
            for cell in cells
        ]
        kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
        path = tmp_path / "notebook.ipynb"
        nbformat.write(new_notebook(cells=made, metadata={"kernelspec": kernel}), path)
        return path

    return write


def test_a_notebook_that_raises_fails_and_the_cell_is_named(nbval, write):
    result = nbval(write(("x = 1", []), ("1 / 0", []), ("x", [])))
    assert result.returncode == FAILED
    assert "Cell 1: Cell execution caused an exception" in result.stdout
    assert "ZeroDivisionError" in result.stdout


def test_a_notebook_that_cannot_be_read_fails(nbval, tmp_path):
    path = tmp_path / "broken.ipynb"
    path.write_text("{")
    assert nbval(path).returncode not in (PASSED, 5)  # 5: nothing was collected


def test_an_expected_exception_and_book_markup_do_not_matter(nbval, write):
    """A run goes on behind a cell tagged `raises-exception`; directives are only text."""
    result = nbval(
        write(
            "```{quiz}\n- question: 'Why?'\n```\n\n{glue:text}`value:.2f`",
            ("1 / 0", ["raises-exception"]),
            ("x = 1", []),
            ("assert x == 1", []),
        )
    )
    assert result.returncode == PASSED, result.stdout
    assert "3 passed" in result.stdout


def test_an_exception_behind_an_expected_one_still_fails(nbval, write):
    result = nbval(write(("1 / 0", ["raises-exception"]), ("assert False, 'seen'", [])))
    assert result.returncode == FAILED
    assert "AssertionError" in result.stdout
