"""Line plots: named curves, learning curves, the gradient's size by layer."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from dllab.errors import ParameterError, ShapeError
from dllab.plot.style import COLORS, LINES, MARKERS, axes_or_new, label

__all__ = ["curves", "draw_line", "gradient_norms", "learning_curves", "named_vectors"]

_FEW_POINTS = 24  # up to here every point gets its marker


def named_vectors(series: Any, parameter: str) -> dict[str, np.ndarray]:
    """Turn `{"name": numbers}` into vectors of floats.

    Raises:
        ParameterError: It is no mapping, it is empty, or a value holds no numbers.
        ShapeError: A value has more than one dimension.
    """
    if not isinstance(series, Mapping) or not series:
        raise ParameterError(
            f"`{parameter}` must be a mapping with at least one entry, such as "
            f'{{"name": [1.0, 2.0]}}, not {type(series).__name__}.'
        )
    vectors = {}
    for name, values in series.items():
        try:
            vector = np.asarray(values, dtype=float)
        except (TypeError, ValueError) as error:
            raise ParameterError(
                f"`{parameter}[{name!r}]` must be numbers; NumPy says: {error}."
            ) from None
        if vector.ndim != 1:
            raise ShapeError(
                f"`{parameter}[{name!r}]` must have shape (n,), not {vector.shape}; "
                "flatten it or pick one column."
            )
        vectors[str(name)] = vector
    return vectors


def draw_line(ax: Axes, index: int, x: np.ndarray, y: np.ndarray, name: str) -> None:
    """Draw one of several lines; color, dash pattern and marker all tell them apart."""
    ax.plot(
        x,
        y,
        color=COLORS[index % len(COLORS)],
        linestyle=LINES[index % len(LINES)],
        marker=MARKERS[index % len(MARKERS)] if len(x) <= _FEW_POINTS else None,
        label=name,
    )


def curves(
    series: Mapping[str, Sequence[float]],
    x: Sequence[float] | None = None,
    *,
    xlabel: str = "step",
    ylabel: str = "value",
    title: str = "",
    log_y: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw several named lines in one plot.

    Args:
        series: Name to values, each of shape `(n,)`.
        x: Where the values lie, shape `(n,)`; 0, 1, 2, … when left out.
        xlabel: Label of the horizontal axis, with the unit.
        ylabel: Label of the vertical axis, with the unit.
        title: Title of the plot.
        log_y: Whether the vertical axis is logarithmic.
        ax: Axes to draw on.

    Returns:
        The axes.

    Raises:
        ParameterError: `series` is not a mapping from names to numbers.
        ShapeError: A value is not a vector, or `x` has another length.
    """
    vectors = named_vectors(series, "series")
    at = None if x is None else named_vectors({"x": x}, "x")["x"]
    ax = axes_or_new(ax)
    for index, (name, y) in enumerate(vectors.items()):
        if at is not None and len(at) != len(y):
            raise ShapeError(f"`x` has {len(at)} values and `series[{name!r}]` has {len(y)}.")
        draw_line(ax, index, np.arange(len(y)) if at is None else at, y, name)
    if log_y:
        ax.set_yscale("log")
    label(ax, xlabel, ylabel, title)
    if len(vectors) > 1:
        ax.legend()
    return ax


def _recorded(history: Any) -> dict[str, np.ndarray]:
    """What a `History`, a Keras history or a mapping recorded, as vectors."""
    for attribute in ("metrics", "history"):
        if isinstance(getattr(history, attribute, None), Mapping):
            history = getattr(history, attribute)
    return named_vectors(history, "history")


def _chosen(recorded: Mapping[str, Any], metrics: Iterable[str] | None) -> list[str]:
    """The metrics to draw: those asked for, or loss and accuracy where recorded."""
    names = [name for name in recorded if not name.startswith("val_")]
    if metrics is None:
        return [name for name in ("loss", "accuracy") if name in names] or names
    wanted = [metrics] if isinstance(metrics, str) else list(metrics)
    for name in wanted:
        if name not in names:
            raise ParameterError(
                f"`metrics` asks for {name!r}; the history recorded {', '.join(names)}. "
                "Pass one of these, or name the metric in model.compile(metrics=[...])."
            )
    return wanted


def learning_curves(
    history: Any, metrics: Iterable[str] | None = None, *, axes: Any = None, title: str = ""
) -> np.ndarray:
    """Draw each metric against the epoch, one plot beside the other.

    The solid line is the training data, the dashed line the validation data.

    Args:
        history: What `dllab.train.fit` or `model.fit` returned, or a mapping such as
            `{"loss": [...], "val_loss": [...]}`.
        metrics: Names to draw; loss and accuracy (where recorded) when left out.
        axes: One axes object for each metric.
        title: Title of the figure's first plot; each plot is otherwise titled by its metric.

    Returns:
        The axes, shape `(metrics,)`.

    Raises:
        ParameterError: A metric was not recorded, or `axes` are not one for each metric.
    """
    recorded = _recorded(history)
    names = _chosen(recorded, metrics)
    if axes is None:
        _, axes = plt.subplots(1, len(names), figsize=(4.6 * len(names) + 1.0, 3.6), squeeze=False)
    axes = np.atleast_1d(np.asarray(axes, dtype=object)).ravel()
    if len(axes) != len(names):
        raise ParameterError(f"`axes` must be {len(names)}, one for each metric, not {len(axes)}.")
    for position, (ax, name) in enumerate(zip(axes, names, strict=True)):
        axes_or_new(ax)
        for index, (key, who) in enumerate(((name, "training"), (f"val_{name}", "validation"))):
            if key in recorded:
                draw_line(ax, index, np.arange(1, len(recorded[key]) + 1), recorded[key], who)
        label(ax, "epoch", name, title if title and position == 0 else name.capitalize())
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.legend()
    return axes


def gradient_norms(
    norms: Mapping[str, Sequence[float]],
    *,
    title: str = "",
    xlabel: str = "layer",
    ylabel: str = "norm of the gradient",
    ax: Axes | None = None,
) -> Axes:
    """Draw the gradient's size at each layer, on a logarithmic axis.

    A line that falls to the left shows gradients that vanish on their way back, one that
    rises shows gradients that explode.

    Args:
        norms: Name (of an activation, say) to norms, shape `(layers,)`, layer 1 first.
        title: Title of the plot.
        xlabel: Label of the horizontal axis.
        ylabel: Label of the vertical axis.
        ax: Axes to draw on.

    Returns:
        The axes.

    Raises:
        ParameterError: `norms` is not a mapping to numbers, or a norm is negative.
    """
    vectors = named_vectors(norms, "norms")
    for name, values in vectors.items():
        if (values < 0).any():
            raise ParameterError(f"`norms[{name!r}]` holds a negative number; a norm is never so.")
    ax = axes_or_new(ax)
    for index, (name, values) in enumerate(vectors.items()):
        # zero has no place on a logarithmic axis; a gap shows that the gradient died
        positive = np.where(values > 0, values, np.nan)
        draw_line(ax, index, np.arange(1, len(values) + 1), positive, name)
    if any((values > 0).any() for values in vectors.values()):
        ax.set_yscale("log")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    label(ax, xlabel, ylabel, title)
    if len(vectors) > 1:
        ax.legend()
    return ax
