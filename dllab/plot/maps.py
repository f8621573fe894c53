"""Points in a plane that stand for examples, and weights that connect two sequences.

- `embedding(points, labels)`: each example as a point, each class with color and marker
- `attention(weights, queries, keys)`: a table of weights, dark for 1
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from dllab.errors import ParameterError, ShapeError
from dllab.plot.style import COLORS, MARKERS, TEXT, axes_or_new, label

__all__ = ["attention", "embedding"]

_WRITTEN = 100  # at most so many weights are written as numbers


def embedding(
    points: Any,
    labels: Any = None,
    *,
    classes: Sequence[str] | None = None,
    xlabel: str = "first coordinate",
    ylabel: str = "second coordinate",
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw examples as points in the plane.

    Args:
        points: Shape `(n, 2)`.
        labels: Class of each point, integers of shape `(n,)`; one color when left out.
        classes: Name of each class, for the legend.
        xlabel: Label of the first coordinate.
        ylabel: Label of the second coordinate.
        title: Title of the plot.
        ax: Axes to draw on.

    Returns:
        The axes.

    Raises:
        ShapeError: `points` or `labels` has other dimensions.
    """
    points = np.asarray(points, dtype=float)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ShapeError(f"`points` must have shape (n, 2), n of at least 1, not {points.shape}.")
    kinds = np.zeros(len(points), dtype=int) if labels is None else np.asarray(labels)
    if kinds.shape != (len(points),):
        raise ShapeError(
            f"`labels` must have shape ({len(points)},), one for each point, not {kinds.shape}."
        )
    ax = axes_or_new(ax, figsize=(5.6, 4.4))
    for kind in np.unique(kinds).astype(int):
        chosen = points[kinds == kind]
        # classes that share a color, from the ninth on, differ in their marker
        marker = MARKERS[(kind + kind // len(COLORS)) % len(MARKERS)]
        name = str(classes[kind]) if classes is not None else f"class {kind}"
        color = COLORS[kind % len(COLORS)]
        ax.scatter(
            chosen[:, 0], chosen[:, 1], s=14, color=color, marker=marker, linewidths=0, label=name
        )
    label(ax, xlabel, ylabel, title)
    if labels is not None:
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def attention(
    weights: Any,
    queries: Sequence[Any] | None = None,
    keys: Sequence[Any] | None = None,
    *,
    xlabel: str = "key",
    ylabel: str = "query",
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw a table of weights between 0 and 1: the fuller the color, the larger the weight.

    Args:
        weights: Shape `(queries, keys)`.
        queries: What each row stands for, such as the words of a sentence.
        keys: What each column stands for.
        xlabel: Label of the columns.
        ylabel: Label of the rows.
        title: Title of the plot.
        ax: Axes to draw on.

    Returns:
        The axes.

    Raises:
        ShapeError: `weights` has other dimensions, or the names do not fit.
        ParameterError: A weight lies outside 0 to 1.
    """
    weights = np.asarray(weights, dtype=float)
    names = [("queries", queries), ("keys", keys)]
    if weights.ndim != 2 or any(
        name is not None and len(name) != size
        for (_, name), size in zip(names, weights.shape, strict=True)
    ):
        given = ", ".join(f"{len(name)} {what}" for what, name in names if name is not None)
        raise ShapeError(
            f"`weights` must have shape (queries, keys), not {weights.shape}"
            + (f", with {given}." if given else ".")
        )
    if not (np.isfinite(weights).all() and weights.min() >= 0 and weights.max() <= 1 + 1e-6):
        raise ParameterError("`weights` must lie between 0 and 1; take them after the softmax.")
    ax = axes_or_new(ax, figsize=(1.6 + 0.35 * weights.shape[1], 1.2 + 0.35 * weights.shape[0]))
    ax.imshow(np.ones_like(weights), cmap="gray", vmin=0, vmax=1)
    ax.imshow(weights, cmap="Blues", vmin=0, vmax=1, alpha=np.clip(weights, 0, 1))
    if weights.size <= _WRITTEN:
        for (row, column), weight in np.ndenumerate(weights):
            color = "white" if weight > 0.55 else TEXT
            ax.text(column, row, f"{weight:.2f}", ha="center", va="center", size=7, color=color)
    for set_ticks, name, size in zip(
        (ax.set_yticks, ax.set_xticks), (queries, keys), weights.shape, strict=True
    ):
        if name is not None:
            set_ticks(range(size), [str(entry) for entry in name])
    ax.tick_params(axis="x", rotation=90 if keys is not None else 0)
    ax.grid(False)
    label(ax, xlabel, ylabel, title)
    return ax
