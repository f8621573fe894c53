"""Cutting solutions out of a cell."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dllab.authoring.regions import BEGIN, END, drop_markers, find_regions, strip_regions
from dllab.errors import AuthoringError

SECRET = "secret_of_the_solution = 1"


@st.composite
def nested_function(draw):
    """Source of a function whose region lies below random nested blocks, and its depth."""
    blocks = draw(st.lists(st.sampled_from(["if True:", "for i in range(2):", "try:"]), max_size=4))
    width = draw(st.sampled_from([2, 4]))
    lines, tail = ["def f(x):"], []
    for depth, block in enumerate(blocks, start=1):
        lines.append(" " * width * depth + block)
        if block == "try:":
            tail.insert(0, " " * width * depth + "finally:\n" + " " * width * (depth + 1) + "pass")
    indent = " " * width * (len(blocks) + 1)
    extra = draw(st.lists(st.sampled_from(["", SECRET, "if x:\n" + indent + "  " + SECRET])))
    body = [indent + line if line else "" for line in [*extra, SECRET]]
    after = draw(st.sampled_from([[], [indent + "y = 2"]]))
    lines += [indent + BEGIN, *body, indent + END, *after, *tail]
    return "\n".join(lines), indent


@given(st.lists(nested_function(), min_size=1, max_size=3))
def test_a_stripped_cell_is_python_with_one_stub_for_each_region(functions):
    """Each region becomes one `raise` at the region's indent, and nothing of it is left."""
    source = "\n\n\n".join(text for text, _ in functions)
    stripped = strip_regions(source, "task")
    ast.parse(stripped)
    assert SECRET not in stripped
    assert "SOLUTION" not in stripped
    stubs = [line for line in stripped.split("\n") if "raise NotImplementedError" in line]
    assert [line[: -len(line.lstrip())] for line in stubs] == [indent for _, indent in functions]


@given(nested_function())
def test_lines_outside_a_region_stay_as_they_are(function):
    """Stripping keeps every given line, in order."""
    source, _ = function
    region = find_regions(source)[0]
    lines = source.split("\n")
    stripped = strip_regions(source, "task").split("\n")
    assert stripped[: region.begin] == lines[: region.begin]
    assert stripped[region.begin + 1 :] == lines[region.end + 1 :]


@given(nested_function())
def test_dropping_the_markers_keeps_the_solution(function):
    """The solved cell is the source without its two marker lines."""
    source, _ = function
    kept = [line for line in source.split("\n") if line.strip() not in (BEGIN, END)]
    assert drop_markers(source) == "\n".join(kept)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (BEGIN, "line 1: .* without an `### END SOLUTION` after it"),
        (f"x = 1\n{END}", "line 2: .* without a `### BEGIN SOLUTION` before it"),
        (f"{BEGIN}\n{BEGIN}\n{END}", "line 2: .* inside the region of line 1"),
    ],
)
def test_unbalanced_markers_are_an_error_that_names_the_line(source, message):
    with pytest.raises(AuthoringError, match=message):
        find_regions(source)
