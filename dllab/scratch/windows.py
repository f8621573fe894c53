"""Where a window lies on an image: places, padding, and what it sees at each place.

Shared by convolution and pooling.

- `conv_output_size`: how many places a window has along one axis.
- `Grid`: all places on a batch of images; `patches` reads them, `scatter` is its transpose.
- `Axis`: the places along one axis.
- `check_images`, `known_padding`, `pair`: checks of what a user passes.

Introduced in: `chapter-convolutional-networks`.
Source: Dumoulin and Visin (2016), "A guide to convolution arithmetic for deep learning",
arXiv:1603.07285.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from dllab.errors import ParameterError, ShapeError
from dllab.scratch.layers import positive_integer
from dllab.scratch.tensor import Array

__all__ = ["Axis", "Grid", "Pair", "check_images", "conv_output_size", "known_padding", "pair"]

Pair: TypeAlias = int | tuple[int, int]


def conv_output_size(
    size: int, kernel_size: int, strides: int = 1, padding: str = "valid", dilation_rate: int = 1
) -> int:
    """Count the places of a window along one axis.

    With `span = dilation_rate * (kernel_size - 1) + 1`:

    - valid: `floor((size - span) / strides) + 1`, at least 0;
    - same: `ceil(size / strides)`, whatever the kernel.

    Args:
        size: numbers along the axis.
        kernel_size: numbers in the window.
        strides: how far the window moves.
        padding: `"valid"` (none) or `"same"` (zeros on both sides).
        dilation_rate: distance of neighbors inside the window.

    Raises:
        ParameterError: a number is not a positive integer, or the padding is unknown.

    Example:
        >>> conv_output_size(28, 3), conv_output_size(28, 3, padding="same")
        (26, 28)
        >>> conv_output_size(6, 3, strides=2)       # places 0 and 2; 4 would stick out
        2

    Introduced in: `chapter-convolutional-networks`.
    """
    size = positive_integer(size, "size")
    return Axis.of(size, kernel_size, strides, padding, dilation_rate).places


@dataclass(frozen=True)
class Axis:
    """The places of a window along one axis.

    Attributes:
        before, after: padding on either side.
        span: how far the window reaches, holes included.
        stride, dilation: as given.
        places: how many places there are; 0 if the window does not fit.
    """

    before: int
    after: int
    span: int
    stride: int
    dilation: int
    places: int

    @classmethod
    def of(cls, size: int, window: int, stride: int, padding: str, dilation: int) -> "Axis":
        """Find the places of a window; see `conv_output_size`."""
        window = positive_integer(window, "kernel_size")
        stride = positive_integer(stride, "strides")
        span = positive_integer(dilation, "dilation_rate") * (window - 1) + 1
        if known_padding(padding) == "valid":
            places = max((size - span) // stride + 1, 0)
            return cls(0, 0, span, stride, dilation, places)
        places = -(-size // stride)  # rounded up
        missing = max((places - 1) * stride + span - size, 0)
        return cls(missing // 2, missing - missing // 2, span, stride, dilation, places)


@dataclass(frozen=True)
class Grid:
    """All places of a window on a batch of images.

    `patches` reads the windows, and `scatter` is its transpose: it adds up what comes back.
    """

    shape: tuple[int, ...]  # of the images
    high: Axis
    wide: Axis

    @classmethod
    def of(
        cls,
        shape: tuple[int, ...],
        window: Pair,
        strides: Pair,
        padding: str,
        dilation_rate: Pair = 1,
    ) -> "Grid":
        """Find the places of a window on images of this shape, batch included.

        Raises:
            ShapeError: these are no images, or the window is larger than they are.
            ParameterError: a size is not a positive integer, or the padding is unknown.
        """
        check_images(shape)
        window, strides = pair(window, "kernel_size"), pair(strides, "strides")
        dilation = pair(dilation_rate, "dilation_rate")
        high = Axis.of(shape[1], window[0], strides[0], padding, dilation[0])
        wide = Axis.of(shape[2], window[1], strides[1], padding, dilation[1])
        if not high.places or not wide.places:
            raise ShapeError(
                f"The window should fit into the images, but it reaches over {high.span} by "
                f"{wide.span} pixels and they have {shape[1]} by {shape[2]}. Use a smaller "
                'window, or padding="same".'
            )
        return cls(shape, high, wide)

    def pad(self, x: Array, fill: float = 0.0) -> Array:
        """Return the images with their padding."""
        if not (self.high.before or self.high.after or self.wide.before or self.wide.after):
            return x
        sides = ((self.high.before, self.high.after), (self.wide.before, self.wide.after))
        return np.pad(x, ((0, 0), *sides, (0, 0)), constant_values=fill)

    def patches(self, x: Array, fill: float = 0.0) -> Array:
        """Return what each window sees, `(batch, rows, columns, height, width, channels)`."""
        high, wide = self.high, self.wide
        views = sliding_window_view(self.pad(x, fill), (high.span, wide.span), axis=(1, 2))
        views = views[:, :: high.stride, :: wide.stride, :, :: high.dilation, :: wide.dilation]
        return np.moveaxis(views, 3, -1)

    def scatter(self, g: Array) -> Array:
        """Add up what windows send back to the same pixel: the transpose of `patches`."""
        high, wide = self.high, self.wide
        batch, height, width, channels = self.shape
        padded = np.zeros(
            (
                batch,
                high.before + height + high.after,
                wide.before + width + wide.after,
                channels,
            )
        )
        # one entry of the window at a time: its places are all different pixels
        for p in range(g.shape[3]):
            for q in range(g.shape[4]):
                top, left = p * high.dilation, q * wide.dilation
                rows = slice(top, top + high.stride * (high.places - 1) + 1, high.stride)
                columns = slice(left, left + wide.stride * (wide.places - 1) + 1, wide.stride)
                padded[:, rows, columns] += g[:, :, :, p, q]
        return padded[:, high.before : high.before + height, wide.before : wide.before + width]


def pair(value: Pair, name: str) -> tuple[int, int]:
    """Write one size for both axes as a pair."""
    sizes = value if isinstance(value, tuple | list) else (value, value)
    if len(sizes) != 2:
        raise ParameterError(
            f"`{name}` should be an integer or a pair, but it is {value!r}. "
            "Give one size for height and one for width."
        )
    return positive_integer(sizes[0], name), positive_integer(sizes[1], name)


def known_padding(padding: str) -> str:
    """Return the padding; refuse a word that is neither `"valid"` nor `"same"`."""
    if padding not in ("valid", "same"):
        raise ParameterError(
            f'`padding` should be "valid" or "same", but it is {padding!r}. '
            "For other borders, pad the images yourself."
        )
    return padding


def check_images(shape: tuple[int, ...]) -> None:
    """Refuse a shape that is not `(batch, height, width, channels)`."""
    if len(shape) != 4:
        raise ShapeError(
            f"`x` should have shape (batch, height, width, channels), but its shape is {shape}. "
            "Gray images have one channel: x[..., np.newaxis]."
        )
