"""Layers for images `(batch, height, width, channels)`, made of the operations of `convolution`.

- `Conv2D`, `DepthwiseConv2D`: convolution, bias and activation.
- `MaxPooling2D`, `AveragePooling2D`: fewer rows and columns.
- `GlobalAveragePooling2D`: one number for each channel.

Names and defaults are those of Keras; as with `Dense`, the size of the input comes first.

Introduced in: `chapter-convolutional-networks`.
"""

from typing import final

import numpy as np
from numpy.typing import ArrayLike

from dllab.errors import ParameterError, ShapeError
from dllab.scratch.convolution import average_pool2d, conv2d, depthwise_conv2d, max_pool2d
from dllab.scratch.layers import Layer, activation_function, initial_weights, positive_integer
from dllab.scratch.tensor import Tensor, as_tensor
from dllab.scratch.windows import Grid, Pair, check_images, known_padding, pair

__all__ = [
    "AveragePooling2D",
    "Conv2D",
    "DepthwiseConv2D",
    "GlobalAveragePooling2D",
    "MaxPooling2D",
]


class _Convolution(Layer):
    """What the two convolutions share: settings, shapes and counts."""

    W: Tensor
    b: Tensor | None
    _outputs: int

    def __init__(
        self,
        kernel_size: Pair,
        activation: str | None,
        strides: Pair,
        padding: str,
        dilation_rate: Pair,
    ) -> None:
        self.kernel_size = pair(kernel_size, "kernel_size")
        self.strides, self.dilation_rate = strides, dilation_rate
        self.padding = known_padding(padding)
        self.activation = activation
        self._g = None if activation is None else activation_function(activation)

    def parameters(self) -> list[Tensor]:
        """List the weights, then the biases if there are any."""
        return [self.W] if self.b is None else [self.W, self.b]

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Tell the size of the feature maps and their number."""
        _check_channels(input_shape, self.W.shape[2], self.describe())
        settings = (self.kernel_size, self.strides, self.padding, self.dilation_rate)
        return (*_places(input_shape, *settings), self._outputs)

    def flops(self, batch: int = 1, input_shape: tuple[int, ...] | None = None) -> int:
        """Count two operations for each place, weight and example; see `Layer.flops`.

        Raises:
            ParameterError: `input_shape` is missing: the count grows with the image.
        """
        rows, columns, _ = self.output_shape(_needed(input_shape))
        return 2 * positive_integer(batch, "batch") * rows * columns * self.W.size

    def describe(self) -> str:
        """Name the layer, its kernel and its activation."""
        return _described(type(self).__name__, self.kernel_size, self.activation)


@final
class Conv2D(_Convolution):
    """Compute `g(conv2d(x, W) + b)`: every place of the image is seen through the same weights.

    Weights start random as those of `Dense` do, where an output sees
    `kernel_height * kernel_width * channels_in` numbers.

    Args:
        channels_in: the channels of an image.
        filters: the channels of the result.
        kernel_size: the size of the kernel.
        activation: the name of `g`, or `None` for the identity.
        rng: the source of randomness, `np.random.default_rng(seed)`.
        strides: how far the kernel moves.
        padding: `"valid"` or `"same"`.
        dilation_rate: distance of the kernel's entries on the image.
        use_bias: whether to add `b`.

    Attributes:
        W: the kernel, a `Tensor` of shape `(kernel_height, kernel_width, channels_in, filters)`.
        b: biases, a `Tensor` of shape `(filters,)`, or `None`.

    Raises:
        ParameterError: a size is not a positive integer, a name is unknown, or `rng` is not a
            `np.random.Generator`.

    Source: LeCun, Bottou, Bengio and Haffner (1998), "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 86(11).

    Example:
        >>> layer = Conv2D(1, 8, 3, "relu", rng=np.random.default_rng(0))
        >>> layer(np.zeros((5, 28, 28, 1))).shape, layer.count_params()     # 3 * 3 * 1 * 8 + 8
        ((5, 26, 26, 8), 80)

    Introduced in: `chapter-convolutional-networks`.
    """

    def __init__(
        self,
        channels_in: int,
        filters: int,
        kernel_size: Pair,
        activation: str | None = None,
        *,
        rng: np.random.Generator,
        strides: Pair = 1,
        padding: str = "valid",
        dilation_rate: Pair = 1,
        use_bias: bool = True,
    ) -> None:
        self.channels_in = positive_integer(channels_in, "channels_in")
        self.filters = positive_integer(filters, "filters")
        super().__init__(kernel_size, activation, strides, padding, dilation_rate)
        shape = (*self.kernel_size, self.channels_in, self.filters)
        self.W = Tensor(initial_weights(shape, activation, rng), label="W")
        self._outputs = self.filters
        self.b = Tensor(np.zeros(self._outputs), label="b") if use_bias else None

    def __call__(self, x: Tensor | ArrayLike, training: bool = False) -> Tensor:
        """Return `g(conv2d(x, W) + b)`.

        Args:
            x: `(batch, height, width, channels_in)`.
            training: makes no difference here.

        Returns:
            `(batch, places_high, places_wide, filters)`.

        Raises:
            ShapeError: `x` has another number of channels, or is smaller than the kernel.
        """
        z = conv2d(x, self.W, self.b, self.strides, self.padding, self.dilation_rate)
        return z if self._g is None else self._g(z)


@final
class DepthwiseConv2D(_Convolution):
    """Compute `g(depthwise_conv2d(x, W) + b)`: each channel has kernels of its own.

    An output sees `kernel_height * kernel_width` numbers, and the spread of the initial weights
    counts these. (Keras counts the channels as well, and starts with smaller weights.)

    Args:
        channels: the channels of an image.
        kernel_size: the size of the kernels.
        activation: the name of `g`, or `None` for the identity.
        rng: the source of randomness, `np.random.default_rng(seed)`.
        strides: how far the kernels move.
        padding: `"valid"` or `"same"`.
        dilation_rate: distance of the kernels' entries on the image.
        use_bias: whether to add `b`.
        depth_multiplier: how many kernels each channel has.

    Attributes:
        W: a `Tensor` of shape `(kernel_height, kernel_width, channels, depth_multiplier)`.
        b: biases, a `Tensor` of shape `(channels * depth_multiplier,)`, or `None`.

    Raises:
        ParameterError: as for `Conv2D`.

    Example:
        >>> layer = DepthwiseConv2D(3, 5, rng=np.random.default_rng(0), padding="same")
        >>> layer(np.zeros((2, 8, 8, 3))).shape, layer.count_params()       # 5 * 5 * 3 + 3
        ((2, 8, 8, 3), 78)

    Introduced in: `chapter-deeper-networks`.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: Pair,
        activation: str | None = None,
        *,
        rng: np.random.Generator,
        strides: Pair = 1,
        padding: str = "valid",
        dilation_rate: Pair = 1,
        use_bias: bool = True,
        depth_multiplier: int = 1,
    ) -> None:
        self.channels = positive_integer(channels, "channels")
        self.depth_multiplier = positive_integer(depth_multiplier, "depth_multiplier")
        super().__init__(kernel_size, activation, strides, padding, dilation_rate)
        one_channel = (*self.kernel_size, 1, self.depth_multiplier)
        kernels = [initial_weights(one_channel, activation, rng) for _ in range(self.channels)]
        self.W = Tensor(np.concatenate(kernels, axis=2), label="W")
        self._outputs = self.channels * self.depth_multiplier
        self.b = Tensor(np.zeros(self._outputs), label="b") if use_bias else None

    def __call__(self, x: Tensor | ArrayLike, training: bool = False) -> Tensor:
        """Return `g(depthwise_conv2d(x, W) + b)`.

        Args:
            x: `(batch, height, width, channels)`.
            training: makes no difference here.

        Raises:
            ShapeError: `x` has another number of channels, or is smaller than the kernels.
        """
        z = depthwise_conv2d(x, self.W, self.b, self.strides, self.padding, self.dilation_rate)
        return z if self._g is None else self._g(z)


class _Pooling(Layer):
    """What the two pooling layers share: settings and shapes."""

    def __init__(
        self, pool_size: Pair = 2, strides: Pair | None = None, padding: str = "valid"
    ) -> None:
        self.pool_size = pair(pool_size, "pool_size")
        self.strides = self.pool_size if strides is None else pair(strides, "strides")
        self.padding = known_padding(padding)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Tell the size of the images after pooling; channels stay."""
        _check_channels(input_shape, None, self.describe())
        places = _places(input_shape, self.pool_size, self.strides, self.padding)
        return (*places, input_shape[-1])

    def describe(self) -> str:
        """Name the layer and its window."""
        return _described(type(self).__name__, self.pool_size, None)


@final
class MaxPooling2D(_Pooling):
    """Keep the largest entry of each window; see `max_pool2d`.

    Args:
        pool_size: the size of the window.
        strides: how far it moves; its own size if left out.
        padding: `"valid"` or `"same"`.

    Raises:
        ParameterError: a size is not a positive integer, or the padding is unknown.

    Example:
        >>> MaxPooling2D()(np.zeros((5, 7, 8, 3))).shape        # the seventh row fills no window
        (5, 3, 4, 3)

    Introduced in: `chapter-convolutional-networks`.
    """

    def __call__(self, x: Tensor | ArrayLike, training: bool = False) -> Tensor:
        """Return `max_pool2d(x)` of a batch `(batch, height, width, channels)`."""
        return max_pool2d(x, self.pool_size, self.strides, self.padding)


@final
class AveragePooling2D(_Pooling):
    """Keep the mean of each window; see `average_pool2d`.

    Args:
        pool_size: the size of the window.
        strides: how far it moves; its own size if left out.
        padding: `"valid"` or `"same"`.

    Raises:
        ParameterError: a size is not a positive integer, or the padding is unknown.

    Example:
        >>> AveragePooling2D()(np.ones((1, 2, 2, 1))).data.item()
        1.0

    Introduced in: `chapter-convolutional-networks`.
    """

    def __call__(self, x: Tensor | ArrayLike, training: bool = False) -> Tensor:
        """Return `average_pool2d(x)` of a batch `(batch, height, width, channels)`."""
        return average_pool2d(x, self.pool_size, self.strides, self.padding)


@final
class GlobalAveragePooling2D(Layer):
    """Average each channel over the whole image: `(batch, height, width, channels)` to
    `(batch, channels)`.

    Source: Lin, Chen and Yan (2014), "Network in network", ICLR.

    Example:
        >>> GlobalAveragePooling2D()(np.array([[1.0, 3.0], [5.0, 7.0]]).reshape(1, 2, 2, 1)).data
        array([[4.]])

    Introduced in: `chapter-convolutional-networks`.
    """

    def __call__(self, x: Tensor | ArrayLike, training: bool = False) -> Tensor:
        """Return the means, `(batch, channels)`.

        Raises:
            ShapeError: `x` is no batch of images.
        """
        x = as_tensor(x)
        check_images(x.shape)
        return x.mean(axis=(1, 2))

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Keep the channels alone."""
        _check_channels(input_shape, None, self.describe())
        return (input_shape[-1],)


def _places(
    shape: tuple[int, ...], window: Pair, strides: Pair, padding: str, dilation_rate: Pair = 1
) -> tuple[int, int]:
    """Return how many places a window has on images of this shape."""
    grid = Grid.of((1, *shape), window, strides, padding, dilation_rate)
    return grid.high.places, grid.wide.places


def _check_channels(shape: tuple[int, ...], channels: int | None, layer: str) -> None:
    if len(shape) != 3 or channels not in (None, shape[-1]):
        wanted = "channels" if channels is None else channels
        raise ShapeError(
            f"`input_shape` should be (height, width, {wanted}) for this {layer}, but it is "
            f"{shape}. Leave the batch out; gray images have one channel."
        )


def _needed(input_shape: tuple[int, ...] | None) -> tuple[int, ...]:
    if input_shape is None:
        raise ParameterError(
            "`input_shape` should be (height, width, channels), but it is missing. A convolution "
            "does more work on a larger image."
        )
    return input_shape


def _described(name: str, size: tuple[int, int], activation: str | None) -> str:
    settings = f"{size[0]}x{size[1]}" + (f", {activation}" if activation else "")
    return f"{name}({settings})"
