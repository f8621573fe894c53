"""Convolution and pooling: operations on images `(batch, height, width, channels)`.

- `conv2d`: slide a kernel over the image, as one matrix product; `conv2d_loops`: the same, spelled
  out in loops on plain arrays.
- `depthwise_conv2d`: kernels of its own for each channel.
- `max_pool2d`, `average_pool2d`: summarize each window of each channel.

As in every deep learning library, "convolution" does not flip the kernel; mathematics calls this
cross-correlation. Names, defaults and padding are those of Keras. Sizes (`strides`,
`dilation_rate`, `pool_size`) are one integer for both axes, or a pair. The layers made of these
operations are in `image_layers`, the geometry is in `windows`.

Introduced in: `chapter-convolutional-networks`.
Source: LeCun, Bottou, Bengio and Haffner (1998), "Gradient-based learning applied to document
recognition", Proceedings of the IEEE 86(11).
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from dllab.errors import ShapeError
from dllab.scratch.tensor import Array, Tensor, as_tensor, record
from dllab.scratch.windows import Grid, Pair, check_images

__all__ = ["average_pool2d", "conv2d", "conv2d_loops", "depthwise_conv2d", "max_pool2d"]

Operand: TypeAlias = Tensor | ArrayLike


def conv2d(
    x: Operand,
    kernel: Operand,
    bias: Operand | None = None,
    strides: Pair = 1,
    padding: str = "valid",
    dilation_rate: Pair = 1,
) -> Tensor:
    """Slide `kernel` over `x`: each output is the sum of products under the kernel, plus a bias.

    `y[n, i, j, f] = bias[f] + sum_pqc x[n, s*i + d*p, s*j + d*q, c] * kernel[p, q, c, f]`, for
    stride `s` and dilation `d`, `x` with its padding. All windows together are one matrix of
    patches (im2col), and the sum is its product with the kernel.

    Args:
        x: images, `(batch, height, width, channels)`.
        kernel: `(kernel_height, kernel_width, channels, filters)`.
        bias: `(filters,)`, one number for a whole feature map.
        strides: how far the kernel moves.
        padding: `"valid"`: only places where the kernel fits; `"same"`: zeros around the image,
            so that stride 1 keeps its size. Where an odd number of zeros is needed, the extra
            one goes to the bottom and to the right.
        dilation_rate: distance of the kernel's entries on the image.

    Returns:
        Feature maps, `(batch, places_high, places_wide, filters)`.

    Raises:
        ShapeError: shapes do not fit, or the kernel is larger than the image.
        ParameterError: a size is not a positive integer, or the padding is unknown.

    Example:
        >>> image = np.arange(1.0, 10.0).reshape(1, 3, 3, 1)        # 1 2 3 / 4 5 6 / 7 8 9
        >>> kernel = np.array([[1.0, 0.0], [0.0, -1.0]]).reshape(2, 2, 1, 1)
        >>> conv2d(image, kernel).data[0, :, :, 0].tolist()         # 1 - 5, 2 - 6, ...
        [[-4.0, -4.0], [-4.0, -4.0]]

    Introduced in: `chapter-convolutional-networks`.
    """
    x, kernel = as_tensor(x), as_tensor(kernel)
    _check_kernel(x, kernel)
    height, width, _, filters = kernel.shape
    grid = Grid.of(x.shape, (height, width), strides, padding, dilation_rate)
    patches = grid.patches(x.data)  # (batch, rows, columns, height, width, channels)
    rows = patches.reshape(-1, height * width * x.shape[-1])  # one patch each
    weights = kernel.data.reshape(-1, filters)
    value = (rows @ weights).reshape(*patches.shape[:3], filters)

    def rule(g: Array) -> tuple[Array, Array]:
        g_rows = g.reshape(-1, filters)
        to_patches = (g_rows @ weights.T).reshape(patches.shape)
        return grid.scatter(to_patches), (rows.T @ g_rows).reshape(kernel.shape)

    return _with_bias(record(value, (x, kernel), "conv2d", rule), bias)


def conv2d_loops(
    x: ArrayLike,
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    strides: int = 1,
    padding: str = "valid",
    dilation_rate: int = 1,
) -> Array:
    """Compute what `conv2d` computes, place by place, on plain arrays: to read, not to use.

    Args:
        x: `(batch, height, width, channels)`.
        kernel: `(kernel_height, kernel_width, channels, filters)`.
        bias: `(filters,)`.
        strides: how far the kernel moves, one number.
        padding: `"valid"` or `"same"`.
        dilation_rate: distance of the kernel's entries on the image, one number.

    Raises:
        ShapeError: shapes do not fit, or the kernel is larger than the image.
        ParameterError: a size is not a positive integer, or the padding is unknown.

    Example:
        >>> conv2d_loops(np.ones((1, 3, 3, 1)), np.ones((2, 2, 1, 1)))[0, :, :, 0].tolist()
        [[4.0, 4.0], [4.0, 4.0]]

    Introduced in: `chapter-convolutional-networks`.
    """
    images, weights = as_tensor(x), as_tensor(kernel)
    _check_kernel(images, weights)
    height, width, _, filters = weights.shape
    grid = Grid.of(images.shape, (height, width), strides, padding, dilation_rate)
    padded, span_high, span_wide = grid.pad(images.data), grid.high.span, grid.wide.span
    y = np.zeros((len(padded), grid.high.places, grid.wide.places, filters))
    for i in range(grid.high.places):
        for j in range(grid.wide.places):
            top, left = i * strides, j * strides
            patch = padded[
                :,
                top : top + span_high : dilation_rate,
                left : left + span_wide : dilation_rate,
            ]  # (batch, kernel_height, kernel_width, channels)
            for f in range(filters):
                y[:, i, j, f] = (patch * weights.data[..., f]).sum(axis=(1, 2, 3))
    return y if bias is None else y + np.asarray(bias)


def depthwise_conv2d(
    x: Operand,
    kernel: Operand,
    bias: Operand | None = None,
    strides: Pair = 1,
    padding: str = "valid",
    dilation_rate: Pair = 1,
) -> Tensor:
    """Slide over each channel kernels of its own; channels are not mixed.

    Output channel `c * multiplier + m` comes from channel `c` and kernel `m` alone.

    Args:
        x: `(batch, height, width, channels)`.
        kernel: `(kernel_height, kernel_width, channels, multiplier)`.
        bias: `(channels * multiplier,)`.
        strides: how far the kernel moves.
        padding: as in `conv2d`.
        dilation_rate: distance of the kernel's entries on the image.

    Returns:
        `(batch, places_high, places_wide, channels * multiplier)`.

    Raises:
        ShapeError: shapes do not fit, or the kernel is larger than the image.
        ParameterError: a size is not a positive integer, or the padding is unknown.

    Example:
        >>> image = np.array([[[1.0, 10.0], [2.0, 20.0]]]).reshape(1, 1, 2, 2)  # 2 channels
        >>> kernel = np.array([[1.0, 3.0]]).reshape(1, 1, 2, 1)     # keep one, triple the other
        >>> depthwise_conv2d(image, kernel).data.reshape(2, 2).tolist()
        [[1.0, 30.0], [2.0, 60.0]]

    Introduced in: `chapter-deeper-networks`.
    """
    x, kernel = as_tensor(x), as_tensor(kernel)
    _check_kernel(x, kernel)
    height, width, channels, multiplier = kernel.shape
    grid = Grid.of(x.shape, (height, width), strides, padding, dilation_rate)
    patches = grid.patches(x.data)  # (batch, rows, columns, height, width, channels)
    value = np.einsum("nijpqc,pqcm->nijcm", patches, kernel.data)

    def rule(g: Array) -> tuple[Array, Array]:
        g = g.reshape(value.shape)  # (batch, rows, columns, channels, multiplier)
        to_patches = np.einsum("nijcm,pqcm->nijpqc", g, kernel.data)
        return grid.scatter(to_patches), np.einsum("nijpqc,nijcm->pqcm", patches, g)

    flat = value.reshape(*value.shape[:3], channels * multiplier)
    return _with_bias(record(flat, (x, kernel), "depthwise_conv2d", rule), bias)


def max_pool2d(
    x: Operand, pool_size: Pair = 2, strides: Pair | None = None, padding: str = "valid"
) -> Tensor:
    """Return the largest entry of each window, channel by channel; it alone receives a gradient.

    Of equal entries the first one, row by row, receives it, as in TensorFlow.

    Args:
        x: `(batch, height, width, channels)`.
        pool_size: the size of the window.
        strides: how far the window moves; its own size if left out, so that windows do not overlap.
        padding: `"valid"` drops a border that fills no window; `"same"` keeps it.

    Returns:
        `(batch, places_high, places_wide, channels)`.

    Raises:
        ShapeError: `x` is no batch of images, or the window is larger than an image.
        ParameterError: a size is not a positive integer, or the padding is unknown.

    Example:
        >>> x = Tensor(np.array([[1.0, 5.0, 0.0], [2.0, 3.0, 9.0]]).reshape(1, 2, 3, 1))
        >>> y = max_pool2d(x)                       # the third column fills no window
        >>> y.data.ravel().tolist()
        [5.0]
        >>> y.backward()
        >>> x.grad[0, :, :, 0].tolist()
        [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]

    Introduced in: `chapter-convolutional-networks`.
    """
    x = as_tensor(x)
    grid = Grid.of(x.shape, pool_size, pool_size if strides is None else strides, padding)
    patches = grid.patches(x.data, fill=-np.inf)  # padding never wins
    cells = patches.reshape(*patches.shape[:3], -1, patches.shape[-1])
    winner = cells.argmax(axis=3)[:, :, :, np.newaxis]  # (batch, rows, columns, 1, channels)
    value = np.take_along_axis(cells, winner, axis=3)[:, :, :, 0]

    def rule(g: Array) -> tuple[Array]:
        to_cells = np.zeros(cells.shape)
        np.put_along_axis(to_cells, winner, g[:, :, :, np.newaxis], axis=3)
        return (grid.scatter(to_cells.reshape(patches.shape)),)

    return record(value, (x,), "max_pool2d", rule)


def average_pool2d(
    x: Operand, pool_size: Pair = 2, strides: Pair | None = None, padding: str = "valid"
) -> Tensor:
    """Return the mean of each window, channel by channel; its entries share the gradient.

    With `"same"`, a window at the border divides by the entries that lie inside the image.

    Args:
        x: `(batch, height, width, channels)`.
        pool_size: the size of the window.
        strides: how far the window moves; its own size if left out.
        padding: `"valid"` drops a border that fills no window; `"same"` keeps it.

    Returns:
        `(batch, places_high, places_wide, channels)`.

    Raises:
        ShapeError: `x` is no batch of images, or the window is larger than an image.
        ParameterError: a size is not a positive integer, or the padding is unknown.

    Example:
        >>> average_pool2d(np.array([[1.0, 5.0], [2.0, 4.0]]).reshape(1, 2, 2, 1)).data.item()
        3.0

    Introduced in: `chapter-convolutional-networks`.
    """
    x = as_tensor(x)
    grid = Grid.of(x.shape, pool_size, pool_size if strides is None else strides, padding)
    patches = grid.patches(x.data)
    inside = grid.patches(np.ones((1, *x.shape[1:3], 1)))  # (1, rows, columns, height, width, 1)
    share = inside / inside.sum(axis=(3, 4), keepdims=True)

    def rule(g: Array) -> tuple[Array]:
        return (grid.scatter(g[:, :, :, np.newaxis, np.newaxis] * share),)

    return record((patches * share).sum(axis=(3, 4)), (x,), "average_pool2d", rule)


def _with_bias(y: Tensor, bias: Operand | None) -> Tensor:
    if bias is None:
        return y
    bias = as_tensor(bias)
    if bias.shape != y.shape[-1:]:
        raise ShapeError(
            f"`bias` should have shape {y.shape[-1:]}, one number for each feature map, but its "
            f"shape is {bias.shape}. All places of a map share one bias."
        )
    return y + bias


def _check_kernel(x: Tensor, kernel: Tensor) -> None:
    check_images(x.shape)
    if kernel.ndim != 4 or kernel.shape[2] != x.shape[3]:
        raise ShapeError(
            "`kernel` should have shape (kernel_height, kernel_width, "
            f"{x.shape[3]}, filters) for images of shape {x.shape}, but its shape is "
            f"{kernel.shape}. Channels come last in images and last but one in kernels."
        )
