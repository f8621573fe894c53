"""Normalization, dropout and label smoothing against Keras with copied weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dllab.scratch import (
    SGD,
    BatchNormalization,
    Dense,
    Dropout,
    LayerNormalization,
    Sequential,
    Tensor,
    softmax_cross_entropy,
)

RNG = np.random.default_rng(8)
GAMMA, BETA = RNG.normal(size=3), RNG.normal(size=3)
MEAN, VARIANCE = RNG.normal(size=3), RNG.uniform(0.5, 2.0, 3)


def pair(kind, ndim=2, **options):
    """The same layer twice, with the same weights; moving averages away from their start."""
    ours = kind(3, **options)
    theirs = getattr(keras.layers, kind.__name__)(dtype="float64", **options)
    theirs.build((*[None] * (ndim - 1), 3))
    ours.gamma.data, ours.beta.data = GAMMA.copy(), BETA.copy()
    weights = [GAMMA, BETA]
    if kind is BatchNormalization:
        ours.moving_mean, ours.moving_variance = MEAN.copy(), VARIANCE.copy()
        weights += [MEAN, VARIANCE]
    theirs.set_weights(weights)
    return ours, theirs


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("shape", [(6, 3), (4, 5, 3)])
@pytest.mark.parametrize("kind", [BatchNormalization, LayerNormalization])
def test_normalization_equals_keras(kind, shape, training):
    """Same output, same gradients of input, scale and shift."""
    ours, theirs = pair(kind, len(shape))
    x = RNG.normal(2.0, 3.0, shape)
    weights = np.cos(np.arange(x.size)).reshape(shape)
    x_ours, x_theirs = Tensor(x), tf.Variable(x)
    output = ours(x_ours, training=training)
    output.backward(weights)
    options = {"training": training} if kind is BatchNormalization else {}
    with tf.GradientTape() as tape:
        expected = theirs(x_theirs, **options)
        total = tf.reduce_sum(expected * weights)
    gradients = tape.gradient(total, [x_theirs, theirs.gamma.value, theirs.beta.value])
    np.testing.assert_allclose(output.data, expected.numpy(), rtol=1e-9, atol=1e-12)
    for tensor, gradient in zip((x_ours, ours.gamma, ours.beta), gradients, strict=True):
        np.testing.assert_allclose(tensor.grad, gradient.numpy(), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("options", [{}, {"momentum": 0.9, "epsilon": 1e-5}])
def test_moving_averages_equal_keras_over_ten_steps(options):
    """Same batches, same averages after each step: momentum and variance mean the same."""
    ours, theirs = pair(BatchNormalization, **options)
    for _ in range(10):
        x = RNG.normal(2.0, 3.0, (5, 3))
        ours(x, training=True)
        theirs(x, training=True)
        *_, mean, variance = theirs.get_weights()
        np.testing.assert_allclose(ours.moving_mean, mean, rtol=1e-9)
        np.testing.assert_allclose(ours.moving_variance, variance, rtol=1e-9)
    theirs(x, training=False)
    np.testing.assert_array_equal(theirs.get_weights()[2], mean)


def test_defaults_equal_keras():
    """Momentum 0.99 and epsilon 0.001, in both layers that have them."""
    ours, theirs = BatchNormalization(3), keras.layers.BatchNormalization()
    assert (ours.momentum, ours.epsilon) == (theirs.momentum, theirs.epsilon)
    assert LayerNormalization(3).epsilon == keras.layers.LayerNormalization().epsilon


def test_dropout_scales_as_keras_does():
    """Kept entries have the same value, the same share is kept, and inference does nothing."""
    x = np.full((200, 200), 3.0)
    ours = Dropout(0.3, rng=np.random.default_rng(0))
    theirs = keras.layers.Dropout(0.3, seed=0, dtype="float64")
    a, b = ours(x, training=True).data, theirs(x, training=True).numpy()
    np.testing.assert_allclose(np.unique(a), np.unique(b), rtol=1e-6)
    assert (a == 0).mean() == pytest.approx((b == 0).mean(), abs=0.01)
    np.testing.assert_array_equal(theirs(x, training=False).numpy(), ours(x).data)


def test_training_a_network_with_both_normalizations_equals_keras():
    """Same start, same batches, smoothed labels: same weights and averages after ten steps."""
    rng = np.random.default_rng(4)
    ours = Sequential(
        [
            Dense(3, 5, "relu", rng=rng),
            BatchNormalization(5, momentum=0.9),
            Dense(5, 4, "tanh", rng=rng),
            LayerNormalization(4),
            Dense(4, 3, rng=rng),
        ]
    )
    layers = keras.layers
    theirs = keras.Sequential(
        [
            keras.Input((3,), dtype="float64"),
            layers.Dense(5, activation="relu", dtype="float64"),
            layers.BatchNormalization(momentum=0.9, dtype="float64"),
            layers.Dense(4, activation="tanh", dtype="float64"),
            layers.LayerNormalization(dtype="float64"),
            layers.Dense(3, dtype="float64"),
        ]
    )
    for mine, other in zip(ours.parameters(), theirs.trainable_weights, strict=True):
        other.assign(mine.data)
    loss = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=0.125, dtype="float64"
    )
    optimizer, reference = SGD(ours.parameters(), 0.5), keras.optimizers.SGD(0.5)
    for _ in range(10):
        x, labels = rng.normal(size=(6, 3)), rng.integers(0, 3, 6)
        optimizer.zero_grad()
        logits = ours(x, training=True)
        softmax_cross_entropy(logits, labels, label_smoothing=0.125).backward()
        optimizer.step()
        with tf.GradientTape() as tape:
            value = loss(np.eye(3)[labels], theirs(x, training=True))
        weights = [weight.value for weight in theirs.trainable_weights]
        reference.apply(tape.gradient(value, weights), theirs.trainable_weights)
    for mine, other in zip(ours.parameters(), theirs.trainable_weights, strict=True):
        np.testing.assert_allclose(mine.data, other.numpy(), rtol=1e-6, atol=1e-8)
    normalization = theirs.layers[1]
    np.testing.assert_allclose(
        ours.layers[1].moving_variance, normalization.moving_variance.numpy(), rtol=1e-6
    )
    np.testing.assert_allclose(ours(x).data, theirs(x).numpy(), rtol=1e-6, atol=1e-8)
