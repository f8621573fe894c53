"""Convolution and pooling against Keras with copied weights: value, gradients, one update."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dllab.scratch import (
    SGD,
    AveragePooling2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    GlobalAveragePooling2D,
    MaxPooling2D,
    Sequential,
    Tensor,
    softmax_cross_entropy,
)

RNG = np.random.default_rng(31)
IMAGES = {"odd": RNG.normal(size=(3, 7, 9, 2)), "even": RNG.normal(size=(3, 6, 8, 2))}
CONVOLUTIONS = [
    {},
    {"padding": "same"},
    {"strides": 2},
    {"strides": 2, "padding": "same"},
    {"strides": 3, "padding": "same"},
    {"dilation_rate": 2},
    {"dilation_rate": 2, "padding": "same"},
    {"use_bias": False, "activation": "tanh"},
]
POOLS = [
    {"pool_size": 2},
    {"pool_size": 2, "padding": "same"},
    {"pool_size": 3, "strides": 2, "padding": "same"},
    {"pool_size": 3, "strides": 1},
    {"pool_size": (2, 3), "strides": 2, "padding": "same"},
]


def compare(ours, theirs, images):
    """Same weights, same images: same output, same gradient of images and weights."""
    if ours.parameters():
        for parameter in ours.parameters():
            parameter.data = RNG.normal(size=parameter.shape)
        theirs.build((None, *images.shape[1:]))
        theirs.set_weights([parameter.data for parameter in ours.parameters()])
    x, x_theirs = Tensor(images), tf.Variable(images)
    output = ours(x)
    weights = np.cos(np.arange(output.size)).reshape(output.shape)
    output.backward(weights)
    with tf.GradientTape() as tape:
        expected = theirs(x_theirs)
        total = tf.reduce_sum(expected * weights)
    variables = [x_theirs, *(variable.value for variable in theirs.trainable_variables)]
    gradients = tape.gradient(total, variables)
    np.testing.assert_allclose(output.data, expected.numpy(), rtol=1e-10, atol=1e-12)
    for tensor, gradient in zip([x, *ours.parameters()], gradients, strict=True):
        np.testing.assert_allclose(tensor.grad, gradient.numpy(), rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("kernel_size", [1, 2, 3, (2, 4)])
@pytest.mark.parametrize("settings", CONVOLUTIONS, ids=str)
@pytest.mark.parametrize("size", IMAGES)
def test_convolution_equals_keras(size, settings, kernel_size):
    """Odd and even images and kernels, every padding, stride and dilation that Keras allows."""
    ours = Conv2D(2, 3, kernel_size, rng=np.random.default_rng(0), **settings)
    theirs = keras.layers.Conv2D(3, kernel_size, dtype="float64", **settings)
    compare(ours, theirs, IMAGES[size])


@pytest.mark.parametrize("kernel_size", [2, 3])
@pytest.mark.parametrize("settings", CONVOLUTIONS, ids=str)
@pytest.mark.parametrize("size", IMAGES)
def test_depthwise_convolution_equals_keras(size, settings, kernel_size):
    """Two kernels for each channel, in the order of Keras."""
    ours = DepthwiseConv2D(
        2, kernel_size, rng=np.random.default_rng(0), depth_multiplier=2, **settings
    )
    theirs = keras.layers.DepthwiseConv2D(
        kernel_size, depth_multiplier=2, dtype="float64", **settings
    )
    compare(ours, theirs, IMAGES[size])


@pytest.mark.parametrize("settings", POOLS, ids=str)
@pytest.mark.parametrize("size", IMAGES)
@pytest.mark.parametrize("ours", [MaxPooling2D, AveragePooling2D])
def test_pooling_equals_keras(ours, size, settings):
    """The border included, which padding leaves half empty."""
    theirs = getattr(keras.layers, ours.__name__)(dtype="float64", **settings)
    compare(ours(**settings), theirs, IMAGES[size])


def test_ties_of_a_maximum_equal_keras():
    """Equal entries: both send the gradient to the first."""
    ours, theirs = MaxPooling2D(3, strides=1), keras.layers.MaxPooling2D(3, 1, dtype="float64")
    compare(ours, theirs, np.floor(IMAGES["odd"]))


def test_global_average_pooling_equals_keras():
    """One number for each channel."""
    theirs = keras.layers.GlobalAveragePooling2D(dtype="float64")
    compare(GlobalAveragePooling2D(), theirs, IMAGES["odd"])


@pytest.fixture
def networks():
    """The same small network twice: color images of 8 by 8 pixels, 4 classes."""
    rng = np.random.default_rng(4)
    ours = Sequential(
        [
            Conv2D(3, 4, 3, "relu", rng=rng, padding="same"),
            MaxPooling2D(),
            DepthwiseConv2D(4, 3, rng=rng),
            Conv2D(4, 5, 1, "tanh", rng=rng),
            Flatten(),
            Dense(20, 4, rng=rng),
        ]
    )
    layers = [
        keras.layers.Conv2D(4, 3, activation="relu", padding="same", dtype="float64"),
        keras.layers.MaxPooling2D(dtype="float64"),
        keras.layers.DepthwiseConv2D(3, dtype="float64"),
        keras.layers.Conv2D(5, 1, activation="tanh", dtype="float64"),
        keras.layers.Flatten(dtype="float64"),
        keras.layers.Dense(4, dtype="float64"),
    ]
    theirs = keras.Sequential([keras.Input((8, 8, 3), dtype="float64"), *layers])
    theirs.set_weights([parameter.data for parameter in ours.parameters()])
    return ours, theirs


def test_parameter_counts_and_shapes_equal_keras(networks):
    """Layer by layer."""
    ours, theirs = networks
    shape = (8, 8, 3)
    for our, their in zip(ours.layers, theirs.layers, strict=True):
        shape = our.output_shape(shape)
        assert our.count_params() == their.count_params()
        assert (None, *shape) == their.output.shape


def test_three_updates_equal_keras(networks):
    """Same start, same batches: same loss and same weights after each step."""
    ours, theirs = networks
    x, labels = RNG.normal(size=(6, 8, 8, 3)), RNG.integers(0, 4, 6)
    # a rate that single precision holds exactly, since Keras rounds it to that
    optimizer, reference = SGD(ours.parameters(), 0.125), keras.optimizers.SGD(0.125)
    for step in range(3):
        batch = slice(2 * step, 2 * step + 2)
        optimizer.zero_grad()
        loss = softmax_cross_entropy(ours(x[batch]), labels[batch])
        loss.backward()
        optimizer.step()
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels[batch], theirs(x[batch]))
            expected = tf.reduce_mean(losses)
        weights = [weight.value for weight in theirs.trainable_weights]
        reference.apply(tape.gradient(expected, weights), theirs.trainable_weights)
        assert float(loss) == pytest.approx(float(expected), rel=1e-10)
        for parameter, weight in zip(ours.parameters(), theirs.get_weights(), strict=True):
            np.testing.assert_allclose(parameter.data, weight, rtol=1e-9, atol=1e-12)
