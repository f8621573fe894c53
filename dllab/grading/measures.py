"""What a class's results say about the class and about the checks.

- `share(passed)`: the part of students who passed a check
- `discrimination(passed, scores)`: whether those who pass it do better elsewhere
- `histogram(values, top, bins)`: how many values lie in each of equal intervals
"""

import statistics
from collections.abc import Sequence

__all__ = ["discrimination", "histogram", "share"]


def share(passed: Sequence[bool]) -> float | None:
    """Return the part of students who passed, None where there are none.

    >>> share([True, True, False, True])
    0.75
    """
    return sum(passed) / len(passed) if passed else None


def discrimination(passed: Sequence[bool], rest: Sequence[float]) -> float | None:
    """Return the point-biserial correlation of a check with the points of all other checks.

    Near 0 or below, the check tells little about the rest, or is unclear. It is undefined, None,
    where everybody or nobody passed, or where the other points do not differ.

    Args:
        passed: whether each student passed the check.
        rest: each student's points in all other checks, in the same order.

    Source: Lord and Novick, Statistical Theories of Mental Test Scores, 1968, section 15.3; without
    the check itself in the score, after Guilford, Psychometric Methods, 1954.

    >>> discrimination([False, False, True, True], [0, 0, 4, 4])
    1.0
    >>> discrimination([True, True], [1, 2]) is None
    True
    """
    if len(set(passed)) < 2 or len(set(rest)) < 2:
        return None
    return round(statistics.correlation([float(value) for value in passed], rest), 10)


def histogram(values: Sequence[float], top: float, bins: int) -> list[int]:
    """Return how many values lie in each of equal intervals from 0 to `top`.

    Each interval has its left end, the last one both; what lies outside counts at the end.

    >>> histogram([0, 1, 2, 9, 10], top=10, bins=5)
    [2, 1, 0, 0, 2]
    """
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, max(0, int(value * bins / top)))] += 1
    return counts
