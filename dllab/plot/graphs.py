"""The computational graph behind a scratch `Scalar` or `Tensor`."""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from dllab.errors import ParameterError
from dllab.plot.layout import Layout, layered
from dllab.plot.style import COLORS, TEXT, axes_or_new

__all__ = ["graph"]

_MOST_NODES = 60

# All lengths are inches at full size, where the text has `_POINTS` points.
_POINTS = 9.0
_BOX_HEIGHT, _ROW, _GAP, _MARGIN = 0.52, 0.72, 0.42, 0.12
_CHARACTER = 0.078  # width of a character
_LEAF, _INNER, _OPERATION = COLORS[0], TEXT, COLORS[1]


@dataclass(frozen=True)
class _Node:
    """What is drawn of one node: lines of text in a box, an operation before it."""

    lines: tuple[str, ...]
    operation: str

    @property
    def box_width(self) -> float:
        return max(0.62, _CHARACTER * max(map(len, self.lines)) + 0.12)

    @property
    def operation_width(self) -> float:
        return max(0.3, _CHARACTER * len(self.operation) + 0.14) if self.operation else 0.0

    @property
    def width(self) -> float:
        return self.box_width + (self.operation_width + 0.1 if self.operation else 0.0)


def _number(value: Any) -> str:
    """Three significant digits, or the shape of an array."""
    if value is None:
        return "–"
    array = np.asarray(value, dtype=float)
    if array.size == 1:
        return f"{array.item():.3g}".replace("-", "−")
    return str(array.shape)


def _describe(node: Any) -> _Node:
    value = node.value if hasattr(node, "value") else node.data
    label = str(getattr(node, "label", "") or "")
    lines = ([label] if label else []) + [_number(value), f"grad {_number(node.grad)}"]
    return _Node(tuple(lines), str(getattr(node, "op", "") or ""))


def _collect(node: Any) -> list[Any]:
    """The node and all it was computed from, parents before children."""
    found: list[Any] = []
    seen: set[int] = set()
    stack = [(node, False)]
    while stack:
        current, ready = stack.pop()
        if ready:
            found.append(current)
        elif id(current) not in seen:
            seen.add(id(current))
            stack.append((current, True))
            stack.extend((parent, False) for parent in reversed(list(current.parents)))
    return found


def graph(node: Any, *, title: str = "", ax: Axes | None = None) -> Axes:
    """Draw the computational graph of a scratch `Scalar` or `Tensor`, from left to right.

    Each box shows a node's label, its value and its gradient with three significant digits;
    arrays with more than one number show their shape instead. Before the box of a computed
    node stands the operation that made it. Blue boxes are the inputs.

    Args:
        node: The last node, usually the loss; call `node.backward()` before, or the
            gradients are those of a graph that nothing has flowed back through.
        title: Title of the plot.
        ax: Axes to draw on; without them the figure is as large as the graph needs.

    Returns:
        The axes.

    Raises:
        ParameterError: `node` is no scratch node, or the graph has more than 60 nodes.
    """
    if not (hasattr(node, "parents") and hasattr(node, "grad")):
        raise ParameterError(
            f"`node` must be a Scalar or Tensor of dllab.scratch, not {type(node).__name__}; "
            "pass the result of your computation, such as the loss."
        )
    nodes = _collect(node)
    if len(nodes) > _MOST_NODES:
        raise ParameterError(
            f"`node` has a graph of {len(nodes)} nodes, and at most {_MOST_NODES} are readable; "
            "draw a smaller computation, such as one example and one layer."
        )
    number = {id(item): at for at, item in enumerate(nodes)}
    parents = [[number[id(parent)] for parent in item.parents] for item in nodes]
    boxes = [_describe(item) for item in nodes]
    return _draw(boxes, parents, layered(parents), title, ax)


def _draw(
    boxes: list[_Node], parents: list[list[int]], placed: Layout, title: str, ax: Axes | None
) -> Axes:
    widths = [0.0] * (max(placed.column) + 1)
    for box, column in zip(boxes, placed.column, strict=True):
        widths[column] = max(widths[column], box.width)
    rights = np.cumsum(np.array(widths) + _GAP) - _GAP
    # the first parent at the top: Matplotlib's heights grow upward
    heights = [-_ROW * height for height in placed.height]
    routes = [[-_ROW * height for _, height in route] for route in placed.routes]
    low = min([*heights, *(y for route in routes for y in route)]) - _BOX_HEIGHT / 2 - _MARGIN
    high = max([*heights, *(y for route in routes for y in route)]) + _BOX_HEIGHT / 2 + _MARGIN
    size = (float(rights[-1]) + 2 * _MARGIN, high - low)
    ax = _canvas(ax, size, title)
    ax.set(xlim=(-_MARGIN, size[0] - _MARGIN), ylim=(low, high))
    scale = _scale(ax, size)

    edge = 0
    for child, sources in enumerate(parents):
        for position, source in enumerate(sources):
            stops = [
                point
                for (column, _), y in zip(placed.routes[edge], routes[edge], strict=True)
                for point in ((rights[column] - widths[column], y), (rights[column], y))
            ]
            spread = 0.12 * (position - (len(sources) - 1) / 2)
            # the operand that lies higher ends higher, so that edges do not cross at the end
            order = sorted(sources, key=lambda other: heights[other])
            if len(set(sources)) == len(sources):
                spread = 0.12 * (order.index(source) - (len(sources) - 1) / 2)
            start = (rights[placed.column[source]], heights[source])
            twice = sources.count(source) > 1
            start = (start[0], start[1] + (2 * spread if twice else 0.0))
            end = (rights[placed.column[child]] - boxes[child].width, heights[child] + spread)
            _arrow(ax, [start, *stops, end], scale)
            edge += 1
    for box, column, y in zip(boxes, placed.column, heights, strict=True):
        _node(ax, box, float(rights[column]), y, scale)
    return ax


def _canvas(ax: Axes | None, size: tuple[float, float], title: str) -> Axes:
    """Axes without frame, in a figure of the graph's size unless there are axes already."""
    if ax is None:
        figure = plt.figure(figsize=(size[0], size[1] + (0.35 if title else 0.0)))
        figure.set_layout_engine("none")
        ax = figure.add_axes((0, 0, 1, size[1] / figure.get_figheight()))
    ax = axes_or_new(ax)
    ax.set_axis_off()
    ax.set_aspect("equal")
    if title:
        ax.set_title(title)
    return ax


def _scale(ax: Axes, size: tuple[float, float]) -> float:
    """How much smaller than full size the graph is drawn in these axes."""
    box = ax.get_window_extent()
    inches = box.width / ax.figure.dpi, box.height / ax.figure.dpi
    return min(1.2, inches[0] / size[0], inches[1] / size[1])


def _arrow(ax: Axes, points: list[tuple[float, float]], scale: float) -> None:
    """Draw a smooth arrow that runs level through each point."""
    vertices, codes = [points[0]], [Path.MOVETO]
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        middle = (x0 + x1) / 2
        vertices += [(middle, y0), (middle, y1), (x1, y1)]
        codes += [Path.CURVE4] * 3
    ax.add_patch(
        FancyArrowPatch(
            path=Path(vertices, codes),
            arrowstyle="-|>",
            mutation_scale=9 * scale,
            linewidth=1.1 * scale,
            color=TEXT,
            shrinkA=0,
            shrinkB=0,
        )
    )


def _node(ax: Axes, box: _Node, right: float, y: float, scale: float) -> None:
    """Draw a node's box and, before it, its operation."""
    left = right - box.box_width
    color = _INNER if box.operation else _LEAF
    _rounded(ax, left, y, box.box_width, _BOX_HEIGHT, color, 0.06, scale)
    step = 0.155
    for index, line in enumerate(box.lines):
        named = len(box.lines) == 3 and index == 0
        ax.text(
            left + box.box_width / 2,
            y + step * ((len(box.lines) - 1) / 2 - index),
            line,
            fontsize=_POINTS * scale,
            fontweight="bold" if named else "normal",
            ha="center",
            va="center_baseline",
        )
    if box.operation:
        width = box.operation_width
        ax.plot([left - 0.1, left], [y, y], color=TEXT, linestyle="-", linewidth=1.1 * scale)
        _rounded(ax, left - 0.1 - width, y, width, 0.3, _OPERATION, 0.15, scale)
        ax.text(
            left - 0.1 - width / 2,
            y,
            box.operation,
            fontsize=_POINTS * scale,
            fontweight="bold",
            color=_OPERATION,
            ha="center",
            va="center_baseline",
        )


def _rounded(
    ax: Axes,
    left: float,
    y: float,
    width: float,
    height: float,
    color: str,
    radius: float,
    scale: float,
) -> None:
    """Draw a rounded rectangle, its middle at height `y`, tinted with its color."""
    ax.add_patch(
        FancyBboxPatch(
            (left, y - height / 2),
            width,
            height,
            boxstyle=f"round,pad=0,rounding_size={radius}",
            linewidth=1.2 * scale,
            edgecolor=color,
            facecolor=(color, 0.07),
        )
    )
