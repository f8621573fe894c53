"""How a classifier's answers compare with the truth: confusion matrix and reliability."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from dllab.errors import ParameterError, ShapeError
from dllab.metrics import calibration
from dllab.plot.style import COLORS, LINES, MARKERS, TEXT, axes_or_new, contrast, label

__all__ = ["confusion_matrix", "reliability"]

# Opaque cells carry their own background, so the numbers read in light and in dark mode.
_CELLS = LinearSegmentedColormap.from_list("cells", ["#f2f7fb", "#0072b2", "#003b5c"])


def _readable_on(shade: Any) -> str:
    """Black or white, whichever has more contrast; it is 4.5 at least on every shade."""
    return max(("#000000", "#ffffff"), key=lambda color: contrast(color, shade))


def confusion_matrix(
    matrix: Any,
    classes: Sequence[str] | None = None,
    *,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw a confusion matrix, true classes down, predicted classes across.

    Each cell shows its count; its color shows the share of its row, so that a rare class is as
    visible as a frequent one.

    Args:
        matrix: Counts of shape `(classes, classes)`, as `dllab.metrics.confusion_matrix` gives.
        classes: Name of each class; its number when left out.
        title: Title of the plot.
        ax: Axes to draw on.

    Returns:
        The axes.

    Raises:
        ShapeError: `matrix` is not square, or `classes` are not one name for each row.
        ParameterError: `matrix` holds something else than counts.
    """
    counts = np.asarray(matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not len(counts):
        raise ShapeError(f"`matrix` must have shape (classes, classes), not {counts.shape}.")
    if counts.dtype.kind not in "iuf" or not np.isfinite(counts).all() or (counts < 0).any():
        raise ParameterError("`matrix` must hold counts: numbers of 0 or more.")
    names = [str(name) for name in (range(len(counts)) if classes is None else classes)]
    if len(names) != len(counts):
        raise ShapeError(f"`classes` must be {len(counts)} names, one a row, not {len(names)}.")
    size = 1.6 + 0.55 * len(counts)
    ax = axes_or_new(ax, figsize=(max(size, 3.4), max(size - 0.4, 2.9)))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(shares, cmap=_CELLS, vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        ax.text(
            column,
            row,
            f"{count:,.6g}" if counts.dtype.kind == "f" else f"{count:,}",
            ha="center",
            va="center",
            color=_readable_on(_CELLS(shares[row, column])),
        )
    ax.set_xticks(range(len(names)), names)
    ax.set_yticks(range(len(names)), names)
    ax.grid(False)
    label(ax, "predicted class", "true class", title)
    return ax


def reliability(
    labels: Any,
    probabilities: Any,
    *,
    bins: int = 10,
    least: int = 1,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw what came true against what was promised; honest probabilities lie on the diagonal.

    Each point is one bin of promised probabilities. Its bar is one standard error of the
    observed share each way, which is wide where the bin holds few examples.

    Args:
        labels: 1 for positives and 0 for negatives, shape `(n,)`.
        probabilities: Of the positive class, shape `(n,)`; or a mapping from a model's name to
            its probabilities.
        bins: Number of bins of equal width between 0 and 1.
        least: Bins with fewer examples are left out.
        title: Title of the plot.
        ax: Axes to draw on.

    Returns:
        The axes.

    Raises:
        ShapeError: A vector has another length than `labels`.
        ParameterError: The labels are not 0 and 1, or a probability lies outside 0 to 1.
    """
    named = probabilities if isinstance(probabilities, Mapping) else {"model": probabilities}
    found = {str(name): calibration(labels, p, bins) for name, p in named.items()}
    ax = axes_or_new(ax, figsize=(5.4, 4.4))
    ax.plot([0, 1], [0, 1], color=TEXT, linestyle=":", linewidth=1.2, label="what was promised")
    for index, (name, bin_) in enumerate(found.items()):
        drawn = bin_.counts >= least
        promised, observed, counts = (
            values[drawn] for values in (bin_.promised, bin_.observed, bin_.counts)
        )
        # one pseudo-example of each kind keeps the error of a bin of one example above zero
        share = (observed * counts + 1) / (counts + 2)
        ax.errorbar(
            promised,
            observed,
            yerr=np.sqrt(share * (1 - share) / counts),
            color=COLORS[index % len(COLORS)],
            linestyle=LINES[index % len(LINES)],
            marker=MARKERS[index % len(MARKERS)],
            capsize=2,
            label=name,
        )
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    label(ax, "promised probability", "share that came true", title)
    ax.legend()
    return ax
