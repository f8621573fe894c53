"""Lines with a band: what several seeds gave on average, and how far they lie apart."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from dllab.errors import ParameterError, ShapeError
from dllab.plot.lines import draw_line, named_vectors
from dllab.plot.style import COLORS, axes_or_new, label

__all__ = ["spread"]


def _named_runs(series: Any) -> dict[str, np.ndarray]:
    """Turn `{"name": runs}` into float arrays `(seeds, points)`."""
    if not isinstance(series, Mapping) or not series:
        raise ParameterError(
            "`series` must be a mapping with at least one entry, such as "
            f'{{"name": [[1.0, 2.0], [1.5, 2.5]]}}, not {type(series).__name__}.'
        )
    named = {}
    for name, values in series.items():
        try:
            runs = np.asarray(values, dtype=float)
        except (TypeError, ValueError) as error:
            raise ParameterError(
                f"`series[{name!r}]` must be numbers, as many for each seed; NumPy says: {error}."
            ) from None
        if runs.ndim != 2 or not runs.shape[1]:
            raise ShapeError(
                f"`series[{name!r}]` must have shape (seeds, points), not {runs.shape}; "
                "put each seed's values in one row."
            )
        if len(runs) < 2:
            raise ShapeError(
                f"`series[{name!r}]` has {len(runs)} seed, and a spread needs at least two; "
                "run more seeds, or draw a single run with plot.curves."
            )
        named[str(name)] = runs
    return named


def _band(runs: np.ndarray, log_y: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean over the seeds and the two edges of its band, each `(points,)`."""
    mean, deviation = runs.mean(axis=0), runs.std(axis=0, ddof=1)
    low = mean - deviation
    if log_y:
        # a logarithmic axis has no place for an edge at or below zero
        low = np.where(low > 0, low, runs.min(axis=0))
    return mean, low, mean + deviation


def spread(
    series: Mapping[str, Sequence[Sequence[float]]],
    x: Sequence[float] | None = None,
    *,
    xlabel: str = "step",
    ylabel: str = "value",
    title: str = "",
    log_x: bool = False,
    log_y: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw the mean over several seeds as a line, in a band of one standard deviation each way.

    The standard deviation is the sample's, `sqrt(sum (v - mean)^2 / (seeds - 1))`. Where the
    mean minus it is not positive, a logarithmic axis cannot show it: there the band ends at the
    smallest of the seeds' values.

    Args:
        series: Name to values of shape `(seeds, points)`, one row for each seed.
        x: Where the points lie, shape `(points,)`; 0, 1, 2, … when left out.
        xlabel: Label of the horizontal axis, with the unit.
        ylabel: Label of the vertical axis, with the unit.
        title: Title of the plot.
        log_x: Whether the horizontal axis is logarithmic.
        log_y: Whether the vertical axis is logarithmic.
        ax: Axes to draw on.

    Returns:
        The axes.

    Raises:
        ParameterError: `series` is not a mapping from names to numbers.
        ShapeError: A value is not of shape `(seeds, points)` with two seeds or more, or `x` has
            another length.
    """
    named = _named_runs(series)
    at = None if x is None else named_vectors({"x": x}, "x")["x"]
    ax = axes_or_new(ax)
    for index, (name, runs) in enumerate(named.items()):
        points = np.arange(runs.shape[1]) if at is None else at
        if len(points) != runs.shape[1]:
            raise ShapeError(
                f"`x` has {len(points)} values and `series[{name!r}]` has {runs.shape[1]} points."
            )
        mean, low, high = _band(runs, log_y)
        color = COLORS[index % len(COLORS)]
        ax.fill_between(points, low, high, color=color, alpha=0.2, linewidth=0)
        draw_line(ax, index, points, mean, name)
    if log_x:
        ax.set_xscale("log")
    if log_y:
        ax.set_yscale("log")
    label(ax, xlabel, ylabel, title)
    if len(named) > 1:
        ax.legend()
    return ax
