"""Recurrent layers of the engine against Keras with copied weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dllab.scratch import GRU, LSTM, SGD, Embedding, SimpleRNN, Tensor

KINDS = {SimpleRNN: keras.layers.SimpleRNN, LSTM: keras.layers.LSTM, GRU: keras.layers.GRU}
BATCH, TIME, FEATURES, UNITS = 4, 6, 3, 5
EXACT = {"rtol": 1e-9, "atol": 1e-12}


def pair(kind, **options):
    """The same layer twice, with biases that are not zero, and a batch of sequences."""
    ours = kind(FEATURES, UNITS, rng=np.random.default_rng(1), **options)
    ours.bias.data = np.random.default_rng(2).normal(size=ours.bias.shape)
    theirs = KINDS[kind](UNITS, dtype="float64", **options)
    theirs.build((None, TIME, FEATURES))
    theirs.set_weights([parameter.data for parameter in ours.parameters()])
    return ours, theirs, np.random.default_rng(3).normal(size=(BATCH, TIME, FEATURES))


def ragged_mask():
    """Sequences of 6, 1, 4 and 3 steps."""
    return np.arange(TIME) < np.array([[6], [1], [4], [3]])


@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_output_and_all_gradients_equal_keras(kind, masked, return_sequences):
    """Same weights, same batch: same output, same gradient of input and of every weight."""
    ours, theirs, x = pair(kind, return_sequences=return_sequences)
    mask = ragged_mask() if masked else None
    x_ours, x_theirs = Tensor(x), tf.Variable(x)
    output = ours(x_ours, mask=mask)
    (output**2).sum().backward()
    with tf.GradientTape() as tape:
        expected = theirs(x_theirs, mask=None if mask is None else tf.constant(mask))
        total = tf.reduce_sum(expected**2)
    weights = [weight.value for weight in theirs.trainable_weights]
    gradients = tape.gradient(total, [x_theirs, *weights])
    np.testing.assert_allclose(output.data, expected.numpy(), **EXACT)
    for tensor, gradient in zip([x_ours, *ours.parameters()], gradients, strict=True):
        np.testing.assert_allclose(tensor.grad, gradient.numpy(), **EXACT)


@pytest.mark.parametrize("kind", KINDS)
def test_one_update_equals_keras(kind):
    """One step of SGD moves every weight alike."""
    ours, theirs, x = pair(kind)
    optimizer, reference = SGD(ours.parameters(), 0.5), keras.optimizers.SGD(0.5)
    (ours(x) ** 2).mean().backward()
    optimizer.step()
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(theirs(x) ** 2)
    weights = theirs.trainable_weights
    reference.apply(tape.gradient(loss, [weight.value for weight in weights]), weights)
    for parameter, weight in zip(ours.parameters(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(parameter.data, weight, **EXACT)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_have_keras_names_order_and_shapes(kind):
    """Can a list of weights be handed over as it is?"""
    ours, theirs, _ = pair(kind)
    assert [p.label for p in ours.parameters()] == [w.name for w in theirs.weights]
    assert [p.shape for p in ours.parameters()] == [tuple(w.shape) for w in theirs.weights]
    assert ours.count_params() == theirs.count_params()


def test_another_gate_order_is_another_function():
    """Blocks in the order i, f, o, g, as some papers write them, do not reproduce Keras."""
    ours, theirs, x = pair(LSTM)
    order = np.r_[0:UNITS, UNITS : 2 * UNITS, 3 * UNITS : 4 * UNITS, 2 * UNITS : 3 * UNITS]
    for parameter in ours.parameters():
        parameter.data = parameter.data[..., order]
    assert np.abs(ours(x).data - theirs(x).numpy()).max() > 0.05


def test_reset_before_the_product_is_another_function():
    """Keras with reset_after=False and the same weights differs, also without any bias."""
    ours, _, x = pair(GRU)
    ours.bias.data[:] = 0.0
    before = keras.layers.GRU(UNITS, reset_after=False, dtype="float64")
    before.build((None, TIME, FEATURES))
    before.set_weights([ours.kernel.data, ours.recurrent_kernel.data, np.zeros(3 * UNITS)])
    assert np.abs(ours(x).data - before(x).numpy()).max() > 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_initial_bias_equals_keras(kind):
    """Both open the forget gate of a new LSTM, and nothing else."""
    theirs = KINDS[kind](UNITS)
    theirs.build((None, TIME, FEATURES))
    ours = kind(FEATURES, UNITS, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(ours.bias.data, theirs.get_weights()[2])


def test_embedding_equals_keras():
    """Same table: same vectors, same gradient, also for repeated numbers."""
    ours = Embedding(5, 3, rng=np.random.default_rng(0))
    theirs = keras.layers.Embedding(5, 3, dtype="float64")
    theirs.build()
    theirs.set_weights([ours.embeddings.data])
    numbers = np.array([[0, 4, 4], [2, 0, 4]])
    output = ours(numbers)
    (output**2).sum().backward()
    with tf.GradientTape() as tape:
        expected = theirs(numbers)
        total = tf.reduce_sum(expected**2)
    gradient = tf.convert_to_tensor(tape.gradient(total, theirs.trainable_weights[0].value))
    np.testing.assert_allclose(output.data, expected.numpy(), **EXACT)
    np.testing.assert_allclose(ours.embeddings.grad, gradient.numpy(), **EXACT)
