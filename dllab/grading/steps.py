"""What is mended in a submission before it runs: each step's name and the sentence a student reads.

- `SENTENCES`: the step's name, and what it tells the student
- `repaired(step, cell, …)`: the record of one mend

A step never lowers a score, and nothing of a submission is run to find out what to mend.
"""

from dllab.grading.records import Repair

__all__ = ["SENTENCES", "repaired"]

SENTENCES: dict[str, str] = {
    # finding the file
    "chosen-file": "You handed in {count} files; `{name}` was graded, which holds the most work.",
    "renamed-file": "Your file is called `{name}`; it was graded under the name of the lab.",
    "latest-attempt": "You handed in {count} attempts; the latest, `{name}`, was graded.",
    # reading the file
    "byte-order-mark": "The file begins with a byte order mark, which was skipped.",
    "encoding": "The file is not in UTF-8; it was read as {encoding}.",
    "trailing-text": "The file goes on after the end of the notebook; the rest was ignored.",
    "old-format": "The notebook has the format of older Jupyter versions; it was converted.",
    "script": "The file is a Python script; it was run as a notebook of {count} code cells.",
    "damaged-cells": "{count} entries of the notebook are not cells and were ignored.",
    "lines": "The line ends of some cells were lost; they were put back.",
    # mending the cells
    "conflict-markers": "The cell holds merge conflict markers; {side} of the two versions ran.",
    "typography": "The cell could not be read as Python until {what} became plain characters.",
    "install": "A line that installs or downloads was left out: everything needed is installed.",
    "magics": "A line for the notebook's display or tools was left out: `{line}`.",
    "colab": "Lines that need Google Colab were left out.",
    "retyped-cell": "A text cell holds your code for `{name}`; it was run as code.",
    "syntax": "Line {line} of the cell is not valid Python ({message}); the rest of it ran.",
    "untouched-copy": "An untouched copy of `{name}` came after your work and was left out.",
    "copied-cell": "The cell repeats cell {first} and was run once.",
    "overwritten-name": "A later cell reuses `{name}`: unless for a function, yours was kept.",
    "shadowed-builtin": "A cell gives Python's `{name}` another meaning; it was put back.",
    "given-code": "Code that the lab gives was missing and was put back: {names}.",
    "setup-cell": "The setup cell was missing or not first; it was run first.",
}


def repaired(step: str, cell: int | None = None, **values: object) -> Repair:
    """Return the record of one mend, with the sentence's gaps filled.

    >>> repaired("copied-cell", 7, first=5).sentence
    'The cell repeats cell 5 and was run once.'
    """
    shown = {key: _short(value) for key, value in values.items()}
    return Repair(step, SENTENCES[step].format(**shown), cell or None)


def _short(value: object, longest: int = 80) -> str:
    """Return a value as one short line: part of it may have been written by the student."""
    text = "".join(c if c.isprintable() and c != "`" else " " for c in str(value))
    return text if len(text) <= longest else text[: longest - 1] + "…"
