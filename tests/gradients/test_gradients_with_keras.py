"""Gradients agree with formulas; `make test-backends` asks the same of the other backends."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from dllab.errors import ParameterError, ShapeError
from dllab.gradients import gradient, weight_gradients

RNG = np.random.default_rng(0)
# With JAX and PyTorch, Keras multiplies matrices in single precision whatever it is given.
DOUBLE = keras.backend.backend() == "tensorflow"
KIND, DIGITS = ("float64", 1e-12) if DOUBLE else ("float32", 1e-5)


def dense():
    layer = layers.Dense(2, dtype=KIND)
    layer.build((None, 3))
    layer.set_weights([RNG.normal(size=(3, 2)), RNG.normal(size=2)])
    return layer


def test_the_gradient_of_a_polynomial():
    """d/dx sum(x^3) = 3 x^2, to the digits of x."""
    for kind, digits in (("float32", 1e-5), (KIND, DIGITS)):
        x = RNG.normal(size=(3, 4)).astype(kind)
        found = gradient(lambda v: ops.sum(v**3), x)
        np.testing.assert_allclose(found, 3 * x**2, rtol=digits)


def test_integers_are_computed_with_as_keras_does():
    """The gradient of x0^2 + 3 x1 at the integers (4, 1) is (8, 3)."""
    found = gradient(lambda v: v[0] ** 2 + 3 * v[1], [4, 1])
    assert found.dtype == keras.config.floatx()
    assert found.tolist() == [8, 3]


def test_what_does_not_matter_has_gradient_zero():
    """A value that the number does not depend on gets 0, not None."""
    assert gradient(lambda v: ops.sum(v * 0), np.ones(2)).tolist() == [0, 0]
    layer = dense()
    kernel, bias = weight_gradients(lambda: ops.sum(layer.kernel), layer)
    assert kernel.tolist() == np.ones((3, 2)).tolist()
    assert bias.tolist() == [0, 0]


def test_the_gradient_of_the_weights_of_a_layer():
    """For L = sum(S * (X W + b)): dL/dW = X^T S, dL/db = the sum of S's rows."""
    x, s, layer = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 2)), dense()
    before = layer.get_weights()
    kernel, bias = weight_gradients(lambda: ops.sum(ops.multiply(layer(x), s)), layer)
    np.testing.assert_allclose(kernel, x.T @ s, rtol=DIGITS, atol=DIGITS)
    np.testing.assert_allclose(bias, s.sum(axis=0), rtol=DIGITS, atol=DIGITS)
    assert all(np.array_equal(a, b) for a, b in zip(layer.get_weights(), before, strict=True))


def test_rows_of_an_embedding_that_were_not_looked_up_have_gradient_zero():
    """The gradient of a table of vectors is a whole array, however few rows were used."""
    table = layers.Embedding(4, 2)
    table.build()
    (found,) = weight_gradients(lambda: ops.sum(table(np.array([1, 1, 3]))), table)
    assert found.tolist() == [[0, 0], [2, 2], [0, 0], [1, 1]]


def test_a_frozen_weight_has_no_gradient():
    """Only trainable weights are listed, in the model's order."""
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4), layers.Dense(2)])
    model.layers[0].trainable = False
    found = weight_gradients(lambda: ops.sum(model(np.ones((1, 3)))), model)
    assert [slope.shape for slope in found] == [(4, 2), (2,)]


def test_a_layer_with_a_memory_can_be_asked_and_used_afterwards():
    """Batch normalization moves its averages; they stay numbers."""
    layer = layers.BatchNormalization(dtype=KIND)
    layer.build((None, 3))
    x, s = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 3))
    found = gradient(lambda v: ops.sum(ops.multiply(layer(v, training=True), s)), x)
    # The output does not change when a column is shifted, so its slopes add up to 0.
    np.testing.assert_allclose(found.sum(axis=0), 0, atol=DIGITS)
    assert all(np.isfinite(weight).all() for weight in layer.get_weights())


def test_more_than_one_number_is_refused():
    with pytest.raises(ShapeError, match=r"not \(2,\); take its sum or mean"):
        gradient(lambda v: v * 2, np.ones(2))


def test_a_model_without_weights_is_refused():
    with pytest.raises(ParameterError, match="give it an input shape"):
        weight_gradients(lambda: ops.sum(np.ones(2)), keras.Sequential([layers.Dense(2)]))
