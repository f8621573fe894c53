"""Place the nodes of a directed acyclic graph in columns, from left to right.

- `layered(parents)`: a column and a height for each node, and the route of each edge

The method is that of Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of
Hierarchical System Structures", IEEE Transactions on Systems, Man, and Cybernetics 11 (1981):
a column by the longest path, an invisible stop wherever an edge crosses a column, an order
that saves crossings, and at last the heights.
"""

import itertools
from dataclasses import dataclass

import numpy as np

__all__ = ["Layout", "layered"]

_SWEEPS = 12
_ROOM, _ROOM_STOP = 0.5, 0.12  # half of the height that a node, a stop keeps free


@dataclass(frozen=True)
class Layout:
    """Where the nodes lie.

    Attributes:
        column: Column of each node, 0 at the left.
        height: Vertical position of each node; neighbors in a column are at least 1 apart.
        routes: For each edge, in the order of `parents`: the stops `(column, height)` between
            its parent and its child.
    """

    column: list[int]
    height: list[float]
    routes: list[list[tuple[int, float]]]


def layered(parents: list[list[int]]) -> Layout:
    """Lay out a graph.

    Args:
        parents: For each node the numbers of its parents, all smaller than its own.

    Returns:
        The layout.

    Example:
        Two leaves and their sum: the leaves share a column, the sum lies between them.

        >>> placed = layered([[], [], [0, 1]])
        >>> placed.column
        [0, 0, 1]
        >>> placed.height[2] == sum(placed.height[:2]) / 2
        True
    """
    column = _columns(parents)
    count = len(parents)
    column_of, routes = list(column), []
    neighbors: list[set[int]] = [set() for _ in parents]
    for child, sources in enumerate(parents):
        for source in sources:
            stops: list[int] = []
            for between in range(column[source] + 1, column[child]):
                stops.append(len(column_of))
                column_of.append(between)
                neighbors.append(set())
            chain = [source, *stops, child]
            for left, right in itertools.pairwise(chain):
                neighbors[left].add(right)
                neighbors[right].add(left)
            routes.append(stops)
    rows = [
        [node for node, at in enumerate(column_of) if at == where]
        for where in range(max(column_of) + 1)
    ]
    room = [_ROOM if node < count else _ROOM_STOP for node in range(len(column_of))]
    _order(rows, column_of, neighbors)
    height = _heights(rows, neighbors, room)
    points = [[(column_of[stop], height[stop]) for stop in route] for route in routes]
    return Layout(column, height[:count], points)


def _columns(parents: list[list[int]]) -> list[int]:
    """Column by the longest path; a leaf moves right until it stands before its first use."""
    column = [0] * len(parents)
    for child, sources in enumerate(parents):
        column[child] = max((column[source] + 1 for source in sources), default=0)
    for node, sources in enumerate(parents):
        uses = [column[child] for child, of in enumerate(parents) if node in of]
        if not sources and uses:
            column[node] = min(uses) - 1
    return column


def _crossings(rows: list[list[int]], column_of: list[int], neighbors: list[set[int]]) -> int:
    """How many pairs of edges cross."""
    total = 0
    for row, following in itertools.pairwise(rows):
        place = {node: at for at, node in enumerate(following)}
        ends = [
            (at, place[other])
            for at, node in enumerate(row)
            for other in neighbors[node]
            if column_of[other] > column_of[node]
        ]
        total += sum((a - c) * (b - d) < 0 for i, (a, b) in enumerate(ends) for c, d in ends[:i])
    return total


def _order(rows: list[list[int]], column_of: list[int], neighbors: list[set[int]]) -> None:
    """Sort each column by the mean position of its neighbors; keep the order that crosses least."""
    best, fewest = [list(row) for row in rows], _crossings(rows, column_of, neighbors)
    for sweep in range(_SWEEPS):
        direction = 1 if sweep % 2 == 0 else -1
        for here in range(len(rows))[::direction]:
            before = here - direction
            if not 0 <= before < len(rows):
                continue
            place = {node: at for at, node in enumerate(rows[before])}
            means = {}
            for at, node in enumerate(rows[here]):
                known = [place[other] for other in neighbors[node] if other in place]
                means[node] = float(np.mean(known)) if known else float(at)
            rows[here].sort(key=means.__getitem__)
        crossings = _crossings(rows, column_of, neighbors)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    rows[:] = best


def _heights(rows: list[list[int]], neighbors: list[set[int]], room: list[float]) -> list[float]:
    """Move each node toward its neighbors' mean as far as its column's order and room allow."""
    height = [0.0] * len(room)
    offsets = []
    for row in rows:
        gaps = [room[a] + room[b] for a, b in itertools.pairwise(row)]
        offsets.append(np.concatenate([[0.0], np.cumsum(gaps)]))
        for node, at in zip(row, offsets[-1] - offsets[-1][-1] / 2, strict=True):
            height[node] = float(at)
    for sweep in range(2 * _SWEEPS):
        for here in range(len(rows))[:: 1 if sweep % 2 == 0 else -1]:
            row, offset = rows[here], offsets[here]
            wish = [
                np.mean([height[other] for other in neighbors[node]]) if neighbors[node] else 0.0
                for node in row
            ]
            for node, at in zip(row, _rising(np.array(wish) - offset) + offset, strict=True):
                height[node] = float(at)
    return height


def _rising(values: np.ndarray) -> np.ndarray:
    """The nondecreasing sequence nearest to `values` (least squares, pool adjacent violators)."""
    pools: list[list[float]] = []
    for value in values:
        pools.append([float(value), 1.0])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            mean, size = pools.pop()
            total = pools[-1][1] + size
            pools[-1] = [(pools[-1][0] * pools[-1][1] + mean * size) / total, total]
    return np.concatenate([np.full(int(size), mean) for mean, size in pools])
