"""Scores for classifiers, and how uncertain they are, as the chapter on evaluation derives them.

- `confusion_matrix(labels, predictions)`: how often each class was taken for each
- `roc_curve(labels, scores)`: hits against false alarms at each threshold
- `auc(labels, scores)`: how well scores rank positives above negatives
- `calibration(labels, probabilities)`: what share comes true where the model says 0.7
- `bootstrap_interval(statistic, *arrays)`: an interval for any score, by drawing rows again

NumPy is all they need. Introduced in: `chapter-generalization`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dllab.errors import ParameterError, ShapeError

__all__ = ["Calibration", "auc", "bootstrap_interval", "calibration", "confusion_matrix"]
__all__ += ["roc_curve"]


def _vector(values: Any, name: str) -> np.ndarray:
    """`values` as a vector of numbers that is not empty."""
    vector = np.asarray(values)
    if vector.ndim != 1 or not len(vector) or vector.dtype.kind not in "bifu":
        raise ShapeError(
            f"`{name}` must be numbers of shape (n,) with n of at least 1, not {vector.shape} "
            f"of type {vector.dtype}; flatten it or pick one column."
        )
    return vector


def _pair(first: Any, second: Any, names: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
    vectors = _vector(first, names[0]), _vector(second, names[1])
    if len(vectors[0]) != len(vectors[1]):
        raise ShapeError(
            f"`{names[0]}` has {len(vectors[0])} values and `{names[1]}` has {len(vectors[1])}; "
            "both need one for each example."
        )
    return vectors


def _classes(values: np.ndarray, name: str) -> np.ndarray:
    if (values < 0).any() or (values != values.astype(int)).any():
        raise ParameterError(
            f"`{name}` must be class numbers 0, 1, 2, …; turn probabilities into classes first, "
            "with argmax or a threshold."
        )
    return values.astype(int)


def confusion_matrix(labels: Any, predictions: Any, classes: int | None = None) -> np.ndarray:
    """Count how often each true class (row) was predicted as each class (column).

    $c_{ij} = \\#\\{k : y_k = i, \\hat y_k = j\\}$.

    Args:
        labels: True class numbers, shape `(n,)`.
        predictions: Predicted class numbers, shape `(n,)`.
        classes: How many classes there are; one more than the largest number when left out.

    Returns:
        Counts of shape `(classes, classes)`.

    Raises:
        ShapeError: The two are not vectors of one length.
        ParameterError: They are no class numbers, or one is not below `classes`.

    Example:
        >>> confusion_matrix([0, 0, 1, 1], [0, 1, 1, 1])
        array([[1, 1],
               [0, 2]])
    """
    y, predicted = _pair(labels, predictions, ("labels", "predictions"))
    y, predicted = _classes(y, "labels"), _classes(predicted, "predictions")
    largest = int(max(y.max(), predicted.max()))
    count = largest + 1 if classes is None else classes
    if count <= largest:
        raise ParameterError(
            f"`classes` must be above every class number, but is {classes} and there is a class "
            f"{largest}. Leave it out, or pass {largest + 1}."
        )
    return np.bincount(y * count + predicted, minlength=count**2).reshape(count, count)


def _binary(labels: Any, scores: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    y, values = _pair(labels, scores, ("labels", name))
    if not np.isin(y, (0, 1)).all() or len(np.unique(y)) < 2:
        raise ParameterError(
            f"`labels` must be 0 and 1, with at least one of each; it holds {np.unique(y)[:5]}."
        )
    if not np.isfinite(values.astype(float)).all():
        raise ParameterError(f"`{name}` holds NaN or infinity; find out where it came from.")
    return y.astype(bool), values.astype(float)


def roc_curve(labels: Any, scores: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the share of false alarms and of hits for every threshold.

    An example is called positive where its score is at least the threshold.

    Args:
        labels: 1 for positives and 0 for negatives, shape `(n,)`.
        scores: Larger for what is more likely positive, shape `(n,)`.

    Returns:
        `(false_alarms, hits, thresholds)`, each of shape `(points,)`: from threshold infinity,
        where nothing is called positive, to the smallest score, where everything is.

    Raises:
        ShapeError: The two are not vectors of one length.
        ParameterError: The labels are not 0 and 1 with one of each, or a score is not finite.

    Source: T. Fawcett (2006), An introduction to ROC analysis, Pattern Recognition Letters 27.

    Example:
        >>> false_alarms, hits, thresholds = roc_curve([0, 1, 0, 1], [0.1, 0.4, 0.6, 0.8])
        >>> hits.tolist(), false_alarms.tolist()
        ([0.0, 0.5, 0.5, 1.0, 1.0], [0.0, 0.0, 0.5, 0.5, 1.0])
    """
    y, values = _binary(labels, scores, "scores")
    order = np.argsort(-values, kind="stable")
    y, values = y[order], values[order]
    # equal scores fall on the same side of every threshold: one point for all of them
    last = np.append(np.flatnonzero(np.diff(values)), len(values) - 1)
    hits = np.append(0, np.cumsum(y)[last]) / y.sum()
    false_alarms = np.append(0, np.cumsum(~y)[last]) / (~y).sum()
    return false_alarms, hits, np.append(np.inf, values[last])


def auc(labels: Any, scores: Any) -> float:
    """Compute the area under the ROC curve.

    It is the share of pairs of a positive and a negative in which the positive has the higher
    score; a tie counts one half.

    Args:
        labels: 1 for positives and 0 for negatives, shape `(n,)`.
        scores: Larger for what is more likely positive, shape `(n,)`.

    Returns:
        A number between 0 and 1; 0.5 for scores that say nothing.

    Raises:
        ShapeError: The two are not vectors of one length.
        ParameterError: The labels are not 0 and 1 with one of each, or a score is not finite.

    Source: J. Hanley and B. McNeil (1982), The meaning and use of the area under a receiver
    operating characteristic (ROC) curve, Radiology 143.

    Example:
        >>> auc([0, 1, 0, 1], [0.1, 0.4, 0.6, 0.8])
        0.75
    """
    false_alarms, hits, _ = roc_curve(labels, scores)
    return float(np.sum(np.diff(false_alarms) * (hits[1:] + hits[:-1]) / 2))


@dataclass(frozen=True, eq=False)
class Calibration:
    """What a model promised and what came true, in bins of the promised probability.

    Attributes:
        promised: Mean probability in each bin that is not empty, shape `(bins,)`.
        observed: Share of positives in it, shape `(bins,)`.
        counts: Number of examples in it, shape `(bins,)`.
        error: The expected calibration error.
    """

    promised: np.ndarray
    observed: np.ndarray
    counts: np.ndarray

    @property
    def error(self) -> float:
        """Mean distance of promised and observed, weighted by the counts."""
        return float(np.average(np.abs(self.promised - self.observed), weights=self.counts))


def calibration(labels: Any, probabilities: Any, bins: int = 10) -> Calibration:
    """Compare probabilities with what came true, in bins of equal width.

    Args:
        labels: 1 for positives and 0 for negatives, shape `(n,)`.
        probabilities: Of the positive class, shape `(n,)`.
        bins: Number of bins between 0 and 1; empty ones are left out.

    Raises:
        ShapeError: The two are not vectors of one length.
        ParameterError: The labels are not 0 and 1, or a probability lies outside 0 to 1.

    Source: C. Guo et al. (2017), On calibration of modern neural networks, ICML.

    Example:
        >>> found = calibration([0, 1, 1, 1], [0.2, 0.2, 0.9, 0.9], bins=2)
        >>> found.observed.tolist(), round(found.error, 6)
        ([0.5, 1.0], 0.2)
    """
    y, p = _binary(labels, probabilities, "probabilities")
    if p.min() < 0 or p.max() > 1:
        raise ParameterError(
            f"`probabilities` must lie between 0 and 1, not between {p.min():g} and {p.max():g}; "
            "apply a sigmoid to logits first."
        )
    if not isinstance(bins, int | np.integer) or bins < 1:
        raise ParameterError(f"`bins` must be an integer of at least 1, not {bins!r}.")
    index = np.minimum((p * bins).astype(int), bins - 1)
    counts = np.bincount(index, minlength=bins)
    filled = counts > 0
    sums = (np.bincount(index, weights=values, minlength=bins)[filled] for values in (p, y))
    promised, observed = (total / counts[filled] for total in sums)
    return Calibration(promised, observed, counts[filled])


def bootstrap_interval(
    statistic: Callable[..., float],
    *arrays: Any,
    rng: np.random.Generator,
    draws: int = 1000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Compute a percentile interval for a statistic by drawing the examples again.

    Each draw takes `n` rows with replacement, the same rows from every array, and computes the
    statistic of them; the interval holds the middle `level` of the results.

    Args:
        statistic: From arrays of `n` rows to a number.
        *arrays: One or more arrays `(n, …)` whose rows belong together.
        rng: The source of the random draws.
        draws: How often to draw.
        level: Share of the results that lies inside.

    Returns:
        `(low, high)`.

    Raises:
        ShapeError: There is no array, or they differ in their number of rows.
        ParameterError: `draws` or `level` has no sensible value.

    Source: B. Efron and R. Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.

    Example:
        >>> bootstrap_interval(np.mean, np.ones(5), rng=np.random.default_rng(0))
        (1.0, 1.0)
    """
    columns = [np.asarray(array) for array in arrays]
    sizes = {len(column) if column.ndim else 0 for column in columns}
    if len(sizes) != 1 or 0 in sizes:
        raise ShapeError(
            "`arrays` must be at least one array, all with the same number of rows; received "
            f"the shapes {[column.shape for column in columns]}."
        )
    if not isinstance(draws, int | np.integer) or draws < 1:
        raise ParameterError(f"`draws` must be an integer of at least 1, not {draws!r}.")
    if not 0 < level < 1:
        raise ParameterError(f"`level` must be a share between 0 and 1, not {level!r}.")
    n = sizes.pop()
    values = np.empty(draws)
    for draw in range(draws):
        rows = rng.integers(n, size=n)
        values[draw] = statistic(*(column[rows] for column in columns))
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
