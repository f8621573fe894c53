"""Dropout: a random part of the signal is missing at each training step.

- `Dropout`: the layer.

Introduced in: `chapter-regularization`.
"""

from typing import final

import numpy as np
from numpy.typing import ArrayLike

from dllab.scratch.arguments import fraction, generator
from dllab.scratch.layers import Layer
from dllab.scratch.tensor import Tensor, as_tensor

__all__ = ["Dropout"]


@final
class Dropout(Layer):
    """Set each entry to 0 with probability `rate` while training; pass everything on otherwise.

    In a training step the output is `x * mask / (1 - rate)`: an entry of the mask is 0 with
    probability `rate`, else 1, drawn anew at each call. Dividing by the probability to be kept
    leaves the expected value of every entry as it was ("inverted dropout"), so nothing is left to
    correct at inference, where the output is `x`.

    Args:
        rate: the probability of an entry to be dropped, `0 <= rate < 1`.
        rng: the source of randomness, `np.random.default_rng(seed)`.

    Attributes:
        rate: as above.

    Raises:
        ParameterError: `rate` is outside its range, or `rng` is not a `np.random.Generator`.

    Source: Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov (2014), "Dropout: a simple
    way to prevent neural networks from overfitting", Journal of Machine Learning Research 15.

    Example:
        >>> layer = Dropout(0.5, rng=np.random.default_rng(0))
        >>> layer([[3.0, 3.0, 3.0, 3.0]], training=True).data.tolist()   # dropped, or doubled
        [[6.0, 0.0, 0.0, 0.0]]
        >>> layer([[3.0, 3.0, 3.0, 3.0]]).data.tolist()
        [[3.0, 3.0, 3.0, 3.0]]

    Introduced in: `chapter-regularization`.
    """

    def __init__(self, rate: float, *, rng: np.random.Generator) -> None:
        self.rate = fraction(
            rate, "rate", "It is the part to drop, as in Keras: 0.2 keeps 80 percent."
        )
        self._rng = generator(rng)

    def __call__(self, x: Tensor | ArrayLike, training: bool = False) -> Tensor:
        """Return `x * mask / (1 - rate)` in a training step, `x` otherwise.

        Args:
            x: any shape; each entry has its own place in the mask.
            training: whether to drop. The gradient passes through the entries that were kept.
        """
        x = as_tensor(x)
        if not training or self.rate == 0:
            return x
        keep = self._rng.random(x.shape) >= self.rate
        return x * (keep / (1 - self.rate))

    def describe(self) -> str:
        """Name the layer and its rate."""
        return f"Dropout({self.rate:g})"
