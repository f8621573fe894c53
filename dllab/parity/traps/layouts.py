"""Traps of layout: the right numbers in the wrong places. The shapes fit, so nothing complains."""

import keras
import numpy as np
import torch
import torch.nn.functional as F

from dllab.parity.traps.trap import Answers, as_array, draw, trap

__all__ = [
    "average_over_the_padding",
    "conv_kernel_axes",
    "convolution_or_cross_correlation",
    "dense_kernel_not_transposed",
    "dense_kernel_reshaped",
    "flatten_order",
    "images_channels_first",
    "same_padding_at_stride_2",
]


@trap()
def dense_kernel_not_transposed() -> Answers:
    """Keras stores a Dense kernel as (units_in, units_out), PyTorch as (units_out, units_in).

    Transpose it. A square kernel fits both ways, so only a layer that is not square proves the
    port.
    """
    x, kernel = draw(5, 4), draw(4, 4, seed=1)
    truth = dense(kernel)(x)
    given, weight = torch.tensor(x), torch.tensor(kernel)
    return as_array(truth), F.linear(given, weight.T), F.linear(given, weight)


@trap()
def dense_kernel_reshaped() -> Answers:
    """A reshaped kernel has the shape of the transposed one, and other numbers in each row.

    Use `.T`, never `.reshape`, to exchange axes.
    """
    x, kernel = draw(5, 6), draw(6, 3, seed=1)
    truth = dense(kernel)(x)
    given, weight = torch.tensor(x), torch.tensor(kernel)
    return as_array(truth), F.linear(given, weight.T), F.linear(given, weight.reshape(3, 6))


@trap()
def images_channels_first() -> Answers:
    """Keras and TensorFlow put channels last (NHWC), PyTorch and JAX's default first (NCHW).

    Move the axis with `permute(0, 3, 1, 2)`; a reshape mixes pixels and channels.
    """
    x, kernel = draw(2, 5, 5, 3), draw(3, 3, 3, 4, seed=1)
    weight = torch.tensor(kernel).permute(3, 2, 0, 1)
    right = F.conv2d(torch.tensor(x).permute(0, 3, 1, 2), weight)
    wrong = F.conv2d(torch.tensor(x).reshape(2, 3, 5, 5), weight)
    return conv(kernel, x), right.permute(0, 2, 3, 1), wrong.permute(0, 2, 3, 1)


@trap()
def conv_kernel_axes() -> Answers:
    """Kernels are (height, width, in, out) in Keras and (out, in, height, width) in PyTorch.

    Permute with (3, 2, 0, 1). Reversing all axes gives the same shape with height and width
    exchanged: every kernel is mirrored at its diagonal.
    """
    x, kernel = draw(2, 5, 5, 3), draw(3, 3, 3, 4, seed=1)
    given, weight = torch.tensor(x).permute(0, 3, 1, 2), torch.tensor(kernel)
    right = F.conv2d(given, weight.permute(3, 2, 0, 1))
    wrong = F.conv2d(given, weight.permute(3, 2, 1, 0))
    return conv(kernel, x), right.permute(0, 2, 3, 1), wrong.permute(0, 2, 3, 1)


@trap()
def flatten_order() -> Answers:
    """Flattening NHWC and NCHW feature maps gives the same features in another order.

    Before the first Dense after a convolution, go back to NHWC, or reorder the rows of its kernel.
    """
    maps, kernel = draw(2, 3, 3, 4), draw(36, 5, seed=1)
    truth = keras.layers.Flatten()(maps)
    channels_first = torch.tensor(maps).permute(0, 3, 1, 2)
    right = channels_first.permute(0, 2, 3, 1).flatten(1) @ torch.tensor(kernel)
    wrong = channels_first.flatten(1) @ torch.tensor(kernel)
    return as_array(dense(kernel)(truth)), right, wrong


@trap()
def same_padding_at_stride_2() -> Answers:
    """Padding "same" at an even size and stride 2 adds one row and column, below and right.

    PyTorch's `padding=1` adds them on all sides, so every window lies one pixel off. Pad with
    `F.pad(x, (0, 1, 0, 1))` before the convolution.
    """
    x, kernel = draw(2, 6, 6, 3), draw(3, 3, 3, 4, seed=1)
    given = torch.tensor(x).permute(0, 3, 1, 2)
    weight = torch.tensor(kernel).permute(3, 2, 0, 1)
    right = F.conv2d(F.pad(given, (0, 1, 0, 1)), weight, stride=2)
    wrong = F.conv2d(given, weight, stride=2, padding=1)
    truth = conv(kernel, x, strides=2, padding="same")
    return truth, right.permute(0, 2, 3, 1), wrong.permute(0, 2, 3, 1)


@trap()
def average_over_the_padding() -> Answers:
    """At the border, Keras averages over the pixels, PyTorch over the pixels and the padding.

    Pass `count_include_pad=False` to PyTorch's average pooling.
    """
    x = draw(2, 5, 5, 3) + 1
    given = torch.tensor(x).permute(0, 3, 1, 2)
    right = F.avg_pool2d(given, 3, 2, padding=1, count_include_pad=False)
    wrong = F.avg_pool2d(given, 3, 2, padding=1)
    truth = keras.layers.AveragePooling2D(3, 2, "same")(x)
    return as_array(truth), right.permute(0, 2, 3, 1), wrong.permute(0, 2, 3, 1)


@trap()
def convolution_or_cross_correlation() -> Answers:
    """The convolution of deep learning does not flip its kernel; NumPy's and SciPy's do.

    Flip the kernel before `np.convolve`, or call `np.correlate`.
    """
    x, kernel = draw(9), draw(4, seed=1)
    layer = keras.layers.Conv1D(1, 4, use_bias=False)
    layer.build((None, 9, 1))
    layer.set_weights([kernel.reshape(4, 1, 1)])
    truth = as_array(layer(x.reshape(1, 9, 1))).reshape(-1)
    return truth, np.convolve(x, kernel[::-1], "valid"), np.convolve(x, kernel, "valid")


def dense(kernel: np.ndarray) -> keras.Layer:
    layer = keras.layers.Dense(kernel.shape[1], use_bias=False)
    layer.build((None, kernel.shape[0]))
    layer.set_weights([kernel])
    return layer


def conv(kernel: np.ndarray, x: np.ndarray, **settings: object) -> np.ndarray:
    layer = keras.layers.Conv2D(kernel.shape[-1], 3, use_bias=False, **settings)
    layer.build(x.shape)
    layer.set_weights([kernel])
    return as_array(layer(x))
