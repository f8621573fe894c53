"""Histograms of several groups of values over one another."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from dllab.errors import ParameterError
from dllab.plot.lines import named_vectors
from dllab.plot.style import COLORS, LINES, axes_or_new, label

__all__ = ["histograms"]


def histograms(
    values: Mapping[str, Any],
    bins: int = 40,
    *,
    density: bool = False,
    xlabel: str = "value",
    ylabel: str | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw the distribution of several groups of values, with shared bins.

    Args:
        values: Name to an array of any shape.
        bins: How many bins all groups share.
        density: Whether each group's area is 1; otherwise the axis counts values.
        xlabel: Label of the horizontal axis, with the unit.
        ylabel: Label of the vertical axis; "density" or "count" when left out.
        title: Title of the plot.
        ax: Axes to draw on.

    Returns:
        The axes.

    Raises:
        ParameterError: `values` is not a mapping to numbers, a group is empty or holds NaN or
            infinity, or `bins` is not a positive integer.
    """
    if isinstance(bins, bool) or not isinstance(bins, int | np.integer) or bins < 1:
        raise ParameterError(f"`bins` must be a positive integer, not {bins!r}.")
    groups = values
    if isinstance(values, Mapping):
        groups = {name: np.ravel(value) for name, value in values.items()}
    vectors = named_vectors(groups, "values")
    for name, vector in vectors.items():
        if not vector.size or not np.isfinite(vector).all():
            raise ParameterError(
                f"`values[{name!r}]` must hold at least one number, and neither NaN nor infinity."
            )
    edges = np.histogram_bin_edges(np.concatenate(list(vectors.values())), bins=bins)
    ax = axes_or_new(ax)
    for index, (name, vector) in enumerate(vectors.items()):
        color, line = COLORS[index % len(COLORS)], LINES[index % len(LINES)]
        counts, _ = np.histogram(vector, bins=edges, density=density)
        ax.stairs(counts, edges, fill=True, color=color, alpha=0.15)
        ax.stairs(counts, edges, color=color, linestyle=line, linewidth=1.8, label=name)
    label(ax, xlabel, ylabel or ("density" if density else "count"), title)
    if len(vectors) > 1:
        ax.legend()
    return ax
