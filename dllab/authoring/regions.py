"""Solution regions: the part of a code cell that a learner writes.

- `Region`: where one region lies in a cell
- `find_regions(source)`: the regions of a cell, in order
- `strip_regions(source, task)`: each region replaced by a stub
- `drop_markers(source)`: the solution without the two marker lines
- `stub_line(task)`: the line that stands for a region

The markers are nbgrader's own, so a source also works with nbgrader's `ClearSolutions`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from dllab.errors import AuthoringError

__all__ = ["BEGIN", "END", "Region", "drop_markers", "find_regions", "strip_regions", "stub_line"]

BEGIN = "### BEGIN SOLUTION"
END = "### END SOLUTION"


@dataclass(frozen=True)
class Region:
    """One solution region: indices of its two marker lines, and the indent of the first."""

    begin: int
    end: int
    indent: str


def stub_line(task: str) -> str:
    """Return the statement that a learner finds in place of a region.

    >>> stub_line("softmax")
    'raise NotImplementedError("softmax: replace this line")'
    """
    return f'raise NotImplementedError("{task}: replace this line")'


def find_regions(source: str) -> list[Region]:
    """Return the solution regions of a cell's source, in order.

    Raises:
        AuthoringError: a marker has no partner, or two regions are nested.

    >>> find_regions("def f():\\n    ### BEGIN SOLUTION\\n    return 1\\n    ### END SOLUTION")
    [Region(begin=1, end=3, indent='    ')]
    """
    regions = []
    begin = None
    lines = source.split("\n")
    for index, line in enumerate(lines):
        marker = line.strip()
        if marker == BEGIN:
            if begin is not None:
                raise AuthoringError(
                    f"line {index + 1}: `{BEGIN}` inside the region of line {begin + 1}; "
                    f"end that one first with `{END}`"
                )
            begin = index
        elif marker == END:
            if begin is None:
                raise AuthoringError(f"line {index + 1}: `{END}` without a `{BEGIN}` before it")
            indent = lines[begin][: -len(lines[begin].lstrip())]
            regions.append(Region(begin, index, indent))
            begin = None
    if begin is not None:
        raise AuthoringError(f"line {begin + 1}: `{BEGIN}` without an `{END}` after it")
    return regions


def strip_regions(source: str, task: str) -> str:
    """Replace each region by a stub at the indent of its first marker.

    >>> print(strip_regions('''def twice(x):
    ...     ### BEGIN SOLUTION
    ...     return 2 * x
    ...     ### END SOLUTION''', "twice"))
    def twice(x):
        raise NotImplementedError("twice: replace this line")
    """
    return _replace_regions(source, lambda lines, region: [region.indent + stub_line(task)])


def drop_markers(source: str) -> str:
    """Remove the marker lines and keep what lies between them.

    >>> drop_markers("### BEGIN SOLUTION\\nx = 1\\n### END SOLUTION")
    'x = 1'
    """
    return _replace_regions(source, lambda lines, region: lines[region.begin + 1 : region.end])


def _replace_regions(source: str, replacement: Callable[[list[str], Region], list[str]]) -> str:
    lines = source.split("\n")
    # From the last region to the first, so that earlier indices stay true.
    for region in reversed(find_regions(source)):
        lines[region.begin : region.end + 1] = replacement(lines, region)
    return "\n".join(lines)
