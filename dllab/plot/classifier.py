"""What a classifier of two features says about each point of the plane."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from dllab.errors import ParameterError, ShapeError
from dllab.plot.style import COLORS, MARKERS, TEXT, axes_or_new, label

__all__ = ["decision_boundary"]

_STEPS = 160  # grid points along each axis


def _checked(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(x, dtype=float), np.asarray(y)
    if x.ndim != 2 or x.shape[1] != 2 or not len(x):
        raise ShapeError(f"`x` must have shape (n, 2) with n of at least 1, not {x.shape}.")
    if y.shape == (len(x), 1):
        y = y[:, 0]
    if y.shape != (len(x),):
        raise ShapeError(
            f"`y` must have shape ({len(x)},), one class for each row of `x`, not {y.shape}."
        )
    return x, y.astype(int)


def _answers(predict: Callable[[np.ndarray], Any], points: np.ndarray) -> np.ndarray:
    """The classifier's answer at each point, `(n,)`."""
    if not callable(predict):
        raise ParameterError(
            f"`predict` must be a function of an array (n, 2), not {type(predict).__name__}; "
            "with Keras pass lambda x: model.predict(x, verbose=0)."
        )
    answers = np.asarray(predict(points))
    if answers.ndim == 2:
        # a network's last layer: one sigmoid unit, or one unit for each class
        answers = answers[:, 0] if answers.shape[1] == 1 else answers.argmax(axis=1)
    if answers.shape != (len(points),):
        raise ShapeError(
            f"`predict` must give one class or probability for each point, shape "
            f"({len(points)},); it gave {answers.shape}."
        )
    return answers.astype(float)


def decision_boundary(
    predict: Callable[[np.ndarray], Any],
    x: Any,
    y: Any,
    *,
    classes: Sequence[str] | None = None,
    xlabel: str = "$x_1$",
    ylabel: str = "$x_2$",
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Color the plane by a classifier's answer and draw the data on top.

    Where `predict` gives probabilities of class 1, the shade shows them and the line marks
    0.5; where it gives classes, each has its color.

    Args:
        predict: From points `(n, 2)` to a class or a probability `(n,)`; `(n, 1)` and
            `(n, classes)`, as a network gives them, work as well.
        x: The data, shape `(n, 2)`.
        y: Their classes, shape `(n,)`.
        classes: Name of each class, for the legend.
        xlabel: Label of the first feature.
        ylabel: Label of the second feature.
        title: Title of the plot.
        ax: Axes to draw on.

    Returns:
        The axes.

    Raises:
        ParameterError: `predict` is no function.
        ShapeError: `x`, `y` or the answer of `predict` has another shape.
    """
    x, y = _checked(x, y)
    low, high = x.min(axis=0), x.max(axis=0)
    margin = 0.1 * np.maximum(high - low, 1e-3)
    across, up = (
        np.linspace(*ends, _STEPS) for ends in zip(low - margin, high + margin, strict=True)
    )
    points = np.stack([grid.ravel() for grid in np.meshgrid(across, up)], axis=1)
    answers = _answers(predict, points.astype(np.float32)).reshape(_STEPS, _STEPS)
    ax = axes_or_new(ax, figsize=(5.4, 4.4))
    _regions(ax, across, up, answers)
    for index, kind in enumerate(np.unique(y)):
        chosen = y == kind
        ax.scatter(
            x[chosen, 0],
            x[chosen, 1],
            s=18,
            color=COLORS[kind % len(COLORS)],
            marker=MARKERS[kind % len(MARKERS)],
            edgecolors="white",
            linewidths=0.4,
            label=str(classes[kind]) if classes is not None else f"class {kind}",
            zorder=3 + index * 0.01,
        )
    ax.grid(False)
    label(ax, xlabel, ylabel, title)
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def _regions(ax: Axes, across: np.ndarray, up: np.ndarray, answers: np.ndarray) -> None:
    """Shade the plane and draw the line between the classes."""
    if np.array_equal(answers, np.round(answers)):
        kinds = np.unique(answers).astype(int)
        levels = np.concatenate([kinds - 0.5, [kinds[-1] + 0.5]])
        colors = [COLORS[kind % len(COLORS)] for kind in kinds]
        ax.contourf(across, up, answers, levels=levels, colors=colors, alpha=0.25)
        edges = [kind + 0.5 for kind in kinds[:-1]]
    else:
        shades = np.linspace(0, 1, 11)
        tints = [
            (*to_rgb(COLORS[int(p > 0.5)]), 0.1 + 0.7 * abs(p - 0.5)) for p in shades[:-1] + 0.05
        ]
        ax.contourf(across, up, np.clip(answers, 0, 1), levels=shades, colors=tints)
        edges = [0.5] if answers.min() < 0.5 < answers.max() else []
    if edges:
        ax.contour(across, up, answers, levels=edges, colors=TEXT, linewidths=1.6)
