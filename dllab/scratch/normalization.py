"""Normalization: bring pre-activations or activations to mean 0 and variance 1, then rescale.

- `standardize`: subtract the mean and divide by the standard deviation, with its gradient rule.
- `BatchNormalization`: statistics of each feature over the batch; running averages at inference.
- `LayerNormalization`: statistics of each example over its features; the same at all times.

Introduced in: `chapter-regularization`.
"""

from typing import final

import numpy as np
from numpy.typing import ArrayLike

from dllab.errors import ParameterError, ShapeError
from dllab.scratch.arguments import fraction
from dllab.scratch.layers import Layer, positive_integer
from dllab.scratch.tensor import Array, Tensor, as_tensor, record

__all__ = ["BatchNormalization", "LayerNormalization", "standardize"]


def standardize(
    x: Tensor | ArrayLike, axis: int | tuple[int, ...] = 0, epsilon: float = 1e-3
) -> Tensor:
    """Return `(x - mean) / sqrt(variance + epsilon)` with statistics along `axis`.

    The variance is the mean of the squared deviations, divided by `n` and not by `n - 1`. Mean and
    variance depend on `x` as well, so with `y` the result and `s` the root the rule is
    `(g - mean(g) - y * mean(g * y)) / s`, means along `axis`.

    Args:
        x: any shape.
        axis: the axis or axes to average over.
        epsilon: keeps the root away from 0; under the root, as in Keras.

    Raises:
        ShapeError: `x` has no such axis, or nothing to average.
        ParameterError: `epsilon` is not positive.

    Source: Ioffe and Szegedy (2015), "Batch normalization: accelerating deep network training by
    reducing internal covariate shift", ICML, section 3.

    Example:
        >>> standardize([1.0, 3.0], epsilon=1e-12).data.round(6).tolist()   # mean 2, variance 1
        [-1.0, 1.0]

    Introduced in: `chapter-regularization`.
    """
    x = as_tensor(x)
    mean = x.mean(axis, keepdims=True).data
    variance = ((x.data - mean) ** 2).mean(axis, keepdims=True)
    root = np.sqrt(variance + _positive(epsilon))
    y = (x.data - mean) / root

    def rule(g: Array) -> tuple[Array]:
        g_mean = g.mean(axis, keepdims=True)
        gy_mean = (g * y).mean(axis, keepdims=True)
        return ((g - g_mean - y * gy_mean) / root,)

    return record(y, (x,), "standardize", rule)


@final
class BatchNormalization(Layer):
    """Standardize each feature over the batch, then compute `gamma * y + beta`.

    In a training step, mean and variance are those of the batch, over all axes but the last, and
    the moving averages take a step towards them:
    `moving = momentum * moving + (1 - momentum) * batch`. At inference the moving averages serve
    as mean and variance; they do not change, and an example's output does not depend on the other
    examples. As in Keras, `momentum` is the part of the old average that stays, and both
    variances divide by `n`.

    Args:
        features: the size of the last axis: units of a dense layer, channels of an image.
        momentum: the part of the moving averages kept at each step, `0 <= momentum < 1`.
        epsilon: added to the variance under the root.

    Attributes:
        gamma: the scale, a `Tensor` of shape `(features,)` that starts at 1.
        beta: the shift, a `Tensor` of shape `(features,)` that starts at 0.
        moving_mean: an array of shape `(features,)` that starts at 0; not trained.
        moving_variance: an array of shape `(features,)` that starts at 1; not trained.

    Raises:
        ParameterError: `features` is not a positive integer, or another number is outside its
            range.

    Source: Ioffe and Szegedy (2015), "Batch normalization: accelerating deep network training by
    reducing internal covariate shift", ICML.

    Example:
        >>> layer = BatchNormalization(1, momentum=0.9, epsilon=1e-12)
        >>> layer([[1.0], [3.0]], training=True).data.round(6).tolist()     # mean 2, variance 1
        [[-1.0], [1.0]]
        >>> layer.moving_mean.round(6).tolist()                             # 0.9 * 0 + 0.1 * 2
        [0.2]
        >>> layer([[1.0]]).data.round(6).tolist()                           # (1 - 0.2) / 1
        [[0.8]]

    Introduced in: `chapter-regularization`.
    """

    def __init__(self, features: int, momentum: float = 0.99, epsilon: float = 1e-3) -> None:
        self.features = positive_integer(features, "features")
        self.momentum = fraction(
            momentum,
            "momentum",
            "It is the part of the old average that stays, as in Keras: 0.9 moves it by a tenth.",
        )
        self.epsilon = _positive(epsilon)
        self.gamma = Tensor(np.ones(features), label="gamma")
        self.beta = Tensor(np.zeros(features), label="beta")
        self.moving_mean: Array = np.zeros(features)
        self.moving_variance: Array = np.ones(features)

    def __call__(self, x: Tensor | ArrayLike, training: bool = False) -> Tensor:
        """Return `gamma * (x - mean) / sqrt(variance + epsilon) + beta`.

        Args:
            x: `(batch, ..., features)`.
            training: take the statistics of the batch and move the averages; otherwise use the
                averages.

        Returns:
            The shape of `x`.

        Raises:
            ShapeError: the last axis of `x` does not have size `features`.
        """
        x = as_tensor(x)
        _check_features(x, self.features, "BatchNormalization")
        if not training:
            root = np.sqrt(self.moving_variance + self.epsilon)
            return (x - self.moving_mean) / root * self.gamma + self.beta
        axes = tuple(range(x.ndim - 1))
        y = standardize(x, axes, self.epsilon)
        self._move_averages(x.data.mean(axes), x.data.var(axes))
        return y * self.gamma + self.beta

    def _move_averages(self, mean: Array, variance: Array) -> None:
        # new arrays: who kept the old averages, keeps them
        kept, new = self.momentum, 1 - self.momentum
        self.moving_mean = kept * self.moving_mean + new * mean
        self.moving_variance = kept * self.moving_variance + new * variance

    def parameters(self) -> list[Tensor]:
        """List the scale, then the shift; the moving averages are not trained."""
        return [self.gamma, self.beta]

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Leave the shape as it is."""
        return _same_shape(input_shape, self.features, "BatchNormalization")


@final
class LayerNormalization(Layer):
    """Standardize each example over its features, then compute `gamma * y + beta`.

    An example's output never depends on the batch, so training and inference are alike.

    Args:
        features: the size of the last axis, the only one that is averaged over.
        epsilon: added to the variance under the root.

    Attributes:
        gamma: the scale, a `Tensor` of shape `(features,)` that starts at 1.
        beta: the shift, a `Tensor` of shape `(features,)` that starts at 0.

    Raises:
        ParameterError: `features` is not a positive integer, or `epsilon` not positive.

    Source: Ba, Kiros and Hinton (2016), "Layer normalization", arXiv:1607.06450.

    Example:
        >>> layer = LayerNormalization(2, epsilon=1e-12)
        >>> layer([[1.0, 3.0], [10.0, 30.0]]).data.round(6).tolist()
        [[-1.0, 1.0], [-1.0, 1.0]]

    Introduced in: `chapter-regularization`.
    """

    def __init__(self, features: int, epsilon: float = 1e-3) -> None:
        self.features = positive_integer(features, "features")
        self.epsilon = _positive(epsilon)
        self.gamma = Tensor(np.ones(features), label="gamma")
        self.beta = Tensor(np.zeros(features), label="beta")

    def __call__(self, x: Tensor | ArrayLike, training: bool = False) -> Tensor:
        """Return `gamma * (x - mean) / sqrt(variance + epsilon) + beta`.

        Args:
            x: `(batch, ..., features)`.
            training: makes no difference here.

        Returns:
            The shape of `x`.

        Raises:
            ShapeError: the last axis of `x` does not have size `features`.
        """
        x = as_tensor(x)
        _check_features(x, self.features, "LayerNormalization")
        return standardize(x, -1, self.epsilon) * self.gamma + self.beta

    def parameters(self) -> list[Tensor]:
        """List the scale, then the shift."""
        return [self.gamma, self.beta]

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Leave the shape as it is."""
        return _same_shape(input_shape, self.features, "LayerNormalization")


def _positive(epsilon: float) -> float:
    if not epsilon > 0:
        raise ParameterError(
            f"`epsilon` should be positive, but it is {epsilon!r}. A feature that is the same in "
            "all examples has variance 0; try 0.001."
        )
    return float(epsilon)


def _check_features(x: Tensor, features: int, layer: str) -> None:
    if x.ndim < 2 or x.shape[-1] != features:
        raise ShapeError(
            f"`x` should have shape (batch, ..., {features}) for this {layer}({features}), but "
            f"its shape is {x.shape}. Put examples first and features, or channels, last."
        )


def _same_shape(input_shape: tuple[int, ...], features: int, layer: str) -> tuple[int, ...]:
    if not input_shape or input_shape[-1] != features:
        raise ShapeError(
            f"`input_shape` should end with {features} for this {layer}({features}), but it is "
            f"{input_shape}. Leave the batch out; features, or channels, come last."
        )
    return input_shape
