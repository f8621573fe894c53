"""Layers, networks and SGD of the engine against Keras with copied weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dllab.scratch import SGD, Dense, Flatten, Sequential, Tensor, softmax_cross_entropy

KERAS_ACTIVATIONS = {
    None: None,
    "elu": "elu",
    # built from double-precision parts, since TensorFlow's own round a constant to single
    "gelu": lambda x: 0.5 * x * tf.math.erfc(-x / np.sqrt(2.0)),
    "leaky_relu": lambda x: tf.maximum(x, 0.01 * x),
    "relu": "relu",
    "sigmoid": "sigmoid",
    "softmax": "softmax",
    "softplus": "softplus",
    "tanh": "tanh",
}


def copy_weights(ours, theirs):
    theirs.set_weights([parameter.data for parameter in ours.parameters()])


def data(batch=6):
    rng = np.random.default_rng(5)
    return rng.normal(size=(batch, 2, 3)), rng.integers(0, 4, batch)


@pytest.fixture
def networks():
    """The same network twice: images of 2 by 3 pixels, 4 classes."""
    rng = np.random.default_rng(4)
    ours = Sequential(
        [
            Flatten(),
            Dense(6, 5, "relu", rng=rng),
            Dense(5, 7, "tanh", rng=rng, use_bias=False),
            Dense(7, 4, rng=rng),
        ]
    )
    theirs = keras.Sequential(
        [
            keras.Input((2, 3), dtype="float64"),
            keras.layers.Flatten(dtype="float64"),
            keras.layers.Dense(5, activation="relu", dtype="float64"),
            keras.layers.Dense(7, activation="tanh", use_bias=False, dtype="float64"),
            keras.layers.Dense(4, dtype="float64"),
        ]
    )
    copy_weights(ours, theirs)
    return ours, theirs


def keras_gradients(model, x, labels):
    with tf.GradientTape() as tape:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, model(x))
        loss = tf.reduce_mean(losses)
    weights = [weight.value for weight in model.trainable_weights]
    return float(loss), tape.gradient(loss, weights)


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("activation", KERAS_ACTIVATIONS)
def test_dense_equals_keras(activation, use_bias):
    """Same weights, same batch: same output, same gradient of the input."""
    ours = Dense(3, 4, activation, rng=np.random.default_rng(1), use_bias=use_bias)
    theirs = keras.layers.Dense(
        4, activation=KERAS_ACTIVATIONS[activation], use_bias=use_bias, dtype="float64"
    )
    theirs.build((None, 3))
    if use_bias:
        ours.b.data = np.array([0.3, -0.2, 0.1, 0.5])
    copy_weights(ours, theirs)
    x = np.random.default_rng(2).normal(size=(5, 3))
    x_ours, x_theirs = Tensor(x), tf.Variable(x)
    output = ours(x_ours)
    (output**2).sum().backward()
    with tf.GradientTape() as tape:
        expected = theirs(x_theirs)
        total = tf.reduce_sum(expected**2)
    np.testing.assert_allclose(output.data, expected.numpy(), rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(
        x_ours.grad, tape.gradient(total, x_theirs).numpy(), rtol=1e-11, atol=1e-14
    )


def test_network_output_loss_and_gradients_equal_keras(networks):
    """Copied weights: same logits, same loss, same gradient for every parameter."""
    ours, theirs = networks
    x, labels = data()
    np.testing.assert_allclose(ours(x).data, theirs(x).numpy(), rtol=1e-11, atol=1e-14)
    loss = softmax_cross_entropy(ours(x), labels)
    loss.backward()
    expected_loss, gradients = keras_gradients(theirs, x, labels)
    assert float(loss) == pytest.approx(expected_loss, rel=1e-12)
    for parameter, gradient in zip(ours.parameters(), gradients, strict=True):
        np.testing.assert_allclose(parameter.grad, gradient.numpy(), rtol=1e-10, atol=1e-14)


def test_parameter_counts_equal_keras(networks):
    """In total and layer by layer."""
    ours, theirs = networks
    assert ours.count_params() == theirs.count_params()
    assert [layer.count_params() for layer in ours.layers] == [
        layer.count_params() for layer in theirs.layers
    ]


def test_ten_steps_of_sgd_equal_keras(networks):
    """Same start, same batches: same weights after each of ten steps."""
    ours, theirs = networks
    x, labels = data(batch=20)
    optimizer, reference = SGD(ours.parameters(), 0.5), keras.optimizers.SGD(0.5)
    for step in range(10):
        batch = slice(2 * step, 2 * step + 2)
        optimizer.zero_grad()
        softmax_cross_entropy(ours(x[batch]), labels[batch]).backward()
        optimizer.step()
        _, gradients = keras_gradients(theirs, x[batch], labels[batch])
        reference.apply(gradients, theirs.trainable_weights)
        for parameter, weight in zip(ours.parameters(), theirs.get_weights(), strict=True):
            np.testing.assert_allclose(parameter.data, weight, rtol=1e-10, atol=1e-12)


def test_glorot_limit_equals_keras():
    """Do both draw from the same interval?"""
    ours = Dense(300, 200, rng=np.random.default_rng(0)).W.data
    theirs = np.asarray(keras.initializers.GlorotUniform(seed=0)((300, 200)))
    assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=1e-3)
    assert ours.std() == pytest.approx(theirs.std(), rel=0.02)


def test_he_spread_equals_keras():
    """Same standard deviation; Keras cuts the tails off and widens the rest to make up for it."""
    ours = Dense(300, 200, "relu", rng=np.random.default_rng(0)).W.data
    theirs = np.asarray(keras.initializers.HeNormal(seed=0)((300, 200)))
    assert ours.std() == pytest.approx(theirs.std(), rel=0.02)
