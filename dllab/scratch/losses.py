"""Losses: one number that says how wrong a batch of predictions is, averaged over the batch.

- `mean_squared_error`: for numbers.
- `binary_cross_entropy`: for yes or no, from logits.
- `softmax_cross_entropy`: for one class out of several, from logits.

"Logits" are the last layer's pre-activations: do not apply sigmoid or softmax before. Targets are
plain arrays and receive no gradient. All losses are finite for logits of ±1000. The two
cross-entropies take a `label_smoothing`, introduced in `chapter-regularization`.

Introduced in: `chapter-backpropagation`.
Source: Goodfellow, Bengio and Courville (2016), "Deep Learning", MIT Press, section 6.2.
"""

import numpy as np
from numpy.typing import ArrayLike

from dllab.errors import ParameterError, ShapeError
from dllab.scratch import activations
from dllab.scratch.arguments import fraction
from dllab.scratch.tensor import Array, Tensor, as_tensor, record

__all__ = ["binary_cross_entropy", "mean_squared_error", "softmax_cross_entropy"]


def mean_squared_error(prediction: Tensor | ArrayLike, target: ArrayLike) -> Tensor:
    """Return the mean of `(prediction - target)**2` over all entries.

    The gradient is `2 * (prediction - target) / n` for `n` entries.

    Args:
        prediction: `(batch,)` or `(batch, outputs)`.
        target: numbers of the same shape.

    Returns:
        A tensor with one entry.

    Raises:
        ShapeError: the shapes differ or are empty. They are not broadcast: `(n,)` against
            `(n, 1)` would compare every prediction with every target.

    Example:
        >>> prediction = Tensor([1.0, 5.0])
        >>> loss = mean_squared_error(prediction, [2.0, 2.0])
        >>> loss.backward()
        >>> float(loss), prediction.grad.tolist()       # ((-1)**2 + 3**2) / 2
        (5.0, [-1.0, 3.0])
    """
    prediction = as_tensor(prediction)
    error = prediction.data - _target_like(prediction, target, "prediction")

    def rule(g: Array) -> tuple[Array]:
        return (g * 2 * error / error.size,)

    return record(np.mean(error**2), (prediction,), "mean_squared_error", rule)


def binary_cross_entropy(
    logits: Tensor | ArrayLike, target: ArrayLike, label_smoothing: float = 0.0
) -> Tensor:
    """Return the mean of `-y * log(p) - (1 - y) * log(1 - p)` with `p = sigmoid(logits)`.

    Computed as `y * softplus(-z) + (1 - y) * softplus(z)`, which never takes the log of 0.
    The gradient is `(p - y) / n` for `n` entries.

    Args:
        logits: `(batch,)` or `(batch, outputs)`.
        target: numbers from 0 to 1 of the same shape.
        label_smoothing: `s` with `0 <= s < 1` moves the target `y` to `(1 - s) * y + s / 2`.

    Returns:
        A tensor with one entry.

    Raises:
        ShapeError: the shapes differ or are empty.
        ParameterError: a target lies outside 0 to 1, or `label_smoothing` outside its range.

    Example:
        >>> logits = Tensor([1000.0, 1000.0])
        >>> loss = binary_cross_entropy(logits, [1, 0])
        >>> loss.backward()
        >>> float(loss), logits.grad.tolist()           # (0 + 1000) / 2
        (500.0, [0.0, 0.5])
    """
    logits = as_tensor(logits)
    z, y = logits.data, _target_like(logits, target, "logits")
    if y.min() < 0 or y.max() > 1:
        raise ParameterError(
            f"`target` should lie between 0 and 1, but it reaches from {y.min():g} to "
            f"{y.max():g}. For class numbers, use softmax_cross_entropy."
        )
    s = _smoothing(label_smoothing)
    y = (1 - s) * y + s / 2
    losses = y * activations.softplus(-z) + (1 - y) * activations.softplus(z)

    def rule(g: Array) -> tuple[Array]:
        return (g * (activations.sigmoid(z) - y) / y.size,)

    return record(losses.mean(), (logits,), "binary_cross_entropy", rule)


def softmax_cross_entropy(
    logits: Tensor | ArrayLike, labels: ArrayLike, label_smoothing: float = 0.0
) -> Tensor:
    """Return the mean of `-log(p[label])` over the batch with `p = softmax(logits)`.

    Computed as `logsumexp(z) - z[label]`, which never takes the log of 0.
    The gradient is `(p - one_hot(label)) / n` for a batch of `n`. With label smoothing `s` the
    target is no longer `one_hot(label)` but `t = (1 - s) * one_hot(label) + s / classes`; the loss
    is the mean of `-sum(t * log(p))` and the gradient `(p - t) / n`.

    Args:
        logits: `(batch, classes)`.
        labels: class numbers, integers of shape `(batch,)`.
        label_smoothing: the part `0 <= s < 1` of the target that all classes share, as in Keras.

    Returns:
        A tensor with one entry.

    Raises:
        ShapeError: `logits` or `labels` has another shape, or the batch is empty.
        ParameterError: a label is not an integer, or not a class, or `label_smoothing` is outside
            its range.

    Source of label smoothing: Szegedy, Vanhoucke, Ioffe, Shlens and Wojna (2016), "Rethinking the
    Inception architecture for computer vision", CVPR, section 7.

    Example:
        >>> logits = Tensor([[1000.0, 1000.0], [0.0, -1000.0]])
        >>> loss = softmax_cross_entropy(logits, [0, 1])
        >>> loss.backward()
        >>> logits.grad.tolist()
        [[-0.25, 0.25], [0.5, -0.5]]
        >>> round(float(loss), 3)                       # (log 2 + 1000) / 2
        500.347
        >>> logits = Tensor([[0.0, 0.0]])               # p is (0.5, 0.5), the target (0.9, 0.1)
        >>> softmax_cross_entropy(logits, [0], label_smoothing=0.2).backward()
        >>> logits.grad.round(6).tolist()
        [[-0.4, 0.4]]
    """
    logits = as_tensor(logits)
    target = _one_hot(logits, _class_numbers(logits, labels))  # (batch, classes)
    s = _smoothing(label_smoothing)
    target = (1 - s) * target + s / target.shape[1]
    losses = -(target * activations.log_softmax(logits.data)).sum(axis=1)  # (batch,)

    def rule(g: Array) -> tuple[Array]:
        return (g * (activations.softmax(logits.data) - target) / len(target),)

    return record(losses.mean(), (logits,), "softmax_cross_entropy", rule)


def _one_hot(logits: Tensor, labels: Array) -> Array:
    """Return rows with a 1 at the label: `(batch, classes)`."""
    rows = np.zeros(logits.shape)
    rows[np.arange(len(labels)), labels] = 1.0
    return rows


def _smoothing(label_smoothing: float) -> float:
    hint = "0 takes the labels as they are; 0.1 is usual."
    return fraction(label_smoothing, "label_smoothing", hint)


def _target_like(prediction: Tensor, target: ArrayLike, name: str) -> Array:
    """Return `target` as an array; refuse a shape other than that of the prediction."""
    target = as_tensor(target).data
    if target.shape != prediction.shape:
        raise ShapeError(
            f"`target` should have the shape of `{name}`, {prediction.shape}, but its shape is "
            f"{target.shape}. Reshape one of them, for example with target.reshape(-1, 1)."
        )
    if target.size == 0:
        raise ShapeError(
            f"`{name}` should have at least one entry, but its shape is {prediction.shape}. "
            "Check that the batch is not empty."
        )
    return target


def _class_numbers(logits: Tensor, labels: ArrayLike) -> Array:
    """Return `labels` as an array; refuse what does not number the classes of `logits`."""
    if logits.ndim != 2 or 0 in logits.shape:
        raise ShapeError(
            f"`logits` should have shape (batch, classes), but their shape is {logits.shape}. "
            "Give one row of scores for each example."
        )
    labels = np.asarray(labels)
    batch, classes = logits.shape
    if labels.shape != (batch,):
        raise ShapeError(
            f"`labels` should have shape ({batch},), one class number for each row of `logits`, "
            f"but their shape is {labels.shape}. For one-hot rows, pass labels.argmax(axis=1); "
            "for a single column, labels[:, 0]."
        )
    if labels.dtype.kind not in "iu":
        raise ParameterError(
            f"`labels` should be integers, but their dtype is {labels.dtype}. "
            "Convert class numbers with labels.astype(int)."
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise ParameterError(
            f"`labels` should lie between 0 and {classes - 1} for {classes} classes, but they "
            f"reach from {labels.min()} to {labels.max()}. Number the classes from 0."
        )
    return labels
