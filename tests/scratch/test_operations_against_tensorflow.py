"""Every operation and loss of the engine against TensorFlow: value and gradient, same inputs."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dllab.scratch import Scalar, Tensor, activations, losses, ops

RNG = np.random.default_rng(21)
A, B, ROW = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4)), RNG.normal(size=4)
COLUMN, STACK = RNG.uniform(0.5, 2.0, (3, 1)), RNG.normal(size=(5, 3, 2))
POSITIVE, RIGHT = RNG.uniform(0.3, 2.0, (3, 4)), RNG.normal(size=(2, 4))
EXTREME = np.array([[-1000.0, -745.2, -40.0, -1e-300, 0.0, 1e-300, 40.0, 709.8, 1000.0]])
MASK = np.arange(12).reshape(3, 4) % 3 == 0
LABELS, BINARY = np.array([3, 0, 2]), np.array([[0.0, 1.0, 1.0, 0.3]] * 3)


def gather(x):
    return tf.gather(x, [0, 2, 0, 0])


def gelu(x):
    """GELU from TensorFlow's error function: tf.nn.gelu rounds sqrt(1/2) to single precision."""
    return 0.5 * x * tf.math.erfc(-x / np.sqrt(2.0))


# operation -> (ours, TensorFlow's, arrays)
CASES = {
    "elu": [(ops.elu, tf.nn.elu, A), (ops.elu, tf.nn.elu, EXTREME)],
    "exp": [(ops.exp, tf.exp, A)],
    "gelu": [(ops.gelu, gelu, A), (ops.gelu, gelu, EXTREME)],
    "leaky_relu": [
        # a slope that single precision holds exactly, since TensorFlow rounds it to that
        (lambda x: ops.leaky_relu(x, 0.25), lambda x: tf.nn.leaky_relu(x, 0.25), array)
        for array in (A, EXTREME)
    ],
    "log": [(ops.log, tf.math.log, POSITIVE)],
    "log_softmax": [
        (ops.log_softmax, tf.nn.log_softmax, A),
        (ops.log_softmax, tf.nn.log_softmax, EXTREME),
        (lambda x: ops.log_softmax(x, axis=0), lambda x: tf.nn.log_softmax(x, axis=0), A),
    ],
    "logsumexp": [
        (ops.logsumexp, lambda x: tf.reduce_logsumexp(x, axis=-1), array) for array in (A, EXTREME)
    ],
    "maximum": [(ops.maximum, tf.maximum, A, B), (ops.maximum, tf.maximum, A, ROW)],
    "relu": [(ops.relu, tf.nn.relu, A), (ops.relu, tf.nn.relu, EXTREME)],
    "sigmoid": [(ops.sigmoid, tf.nn.sigmoid, A), (ops.sigmoid, tf.nn.sigmoid, EXTREME)],
    "softmax": [
        (ops.softmax, tf.nn.softmax, A),
        (ops.softmax, tf.nn.softmax, EXTREME),
        (lambda x: ops.softmax(x, axis=0), lambda x: tf.nn.softmax(x, axis=0), A),
    ],
    "softplus": [(ops.softplus, tf.nn.softplus, A), (ops.softplus, tf.nn.softplus, EXTREME)],
    "sqrt": [(ops.sqrt, tf.sqrt, POSITIVE)],
    "tanh": [(ops.tanh, tf.tanh, A), (ops.tanh, tf.tanh, EXTREME)],
    "where": [
        (lambda x, y: ops.where(MASK, x, y), lambda x, y: tf.where(MASK, x, y), A, ROW),
    ],
    "mean_squared_error": [
        (
            lambda p: losses.mean_squared_error(p, B),
            lambda p: tf.reduce_mean(tf.math.squared_difference(p, B)),
            A,
        )
    ],
    "binary_cross_entropy": [
        (
            lambda z: losses.binary_cross_entropy(z, BINARY),
            lambda z: tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(BINARY, z)),
            array,
        )
        for array in (A, 1000.0 * np.sign(A))
    ],
    "softmax_cross_entropy": [
        (
            lambda z: losses.softmax_cross_entropy(z, LABELS),
            lambda z: tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(LABELS, z)),
            array,
        )
        for array in (A, 1000.0 * np.sign(A))
    ],
    "label_smoothing": [
        (
            lambda z: losses.softmax_cross_entropy(z, LABELS, label_smoothing=0.125),
            lambda z: tf.reduce_mean(
                keras.losses.categorical_crossentropy(
                    np.eye(4)[LABELS], z, from_logits=True, label_smoothing=0.125
                )
            ),
            A,
        ),
        (
            lambda z: losses.binary_cross_entropy(z, BINARY, label_smoothing=0.125),
            lambda z: tf.reduce_mean(
                keras.losses.binary_crossentropy(BINARY, z, from_logits=True, label_smoothing=0.125)
            ),
            A,
        ),
    ],
    "arithmetic": [
        (f, f, *arrays)
        for f, *arrays in [
            (lambda x, y: x + y, A, ROW),
            (lambda x, y: x - y, COLUMN, ROW),
            (lambda x, y: x * y, COLUMN, A),
            (lambda x, y: x / y, A, COLUMN),
            (lambda x: x**3, A),
            (lambda x: x**-1.5, POSITIVE),
            (lambda x: -x, A),
            (lambda x: 2.0 + x * 3.0 - (1.0 - x) / 2.0 + 1.0 / x, POSITIVE),
        ]
    ],
    "@": [
        (lambda x, y: x @ y, lambda x, y: x @ y, STACK[0], RIGHT),
        (lambda x, y: x @ y, tf.matmul, STACK, RIGHT),
        (lambda x, y: x @ y, tf.linalg.matvec, STACK, RIGHT[:, 0]),
        (lambda x, y: x @ y, lambda x, y: tf.tensordot(x, y, 1), RIGHT[:, 0], RIGHT[:, 1]),
    ],
    "[]": [
        (lambda x: x[1:, ::2], lambda x: x[1:, ::2], A),
        (lambda x: x[[0, 2, 0, 0]], gather, A),
        (lambda x: x[MASK], lambda x: tf.boolean_mask(x, MASK), A),
    ],
    "reshape": [(lambda x: x.reshape(2, -1), lambda x: tf.reshape(x, (2, -1)), A)],
    "T": [(lambda x: x.T, tf.transpose, STACK)],
    "sum": [
        (lambda x: x.sum(), tf.reduce_sum, A),
        (lambda x: x.sum(axis=(0, 2)), lambda x: tf.reduce_sum(x, axis=(0, 2)), STACK),
    ],
    "mean": [
        (lambda x: x.mean(), tf.reduce_mean, A),
        (
            lambda x: x.mean(axis=1, keepdims=True),
            lambda x: tf.reduce_mean(x, axis=1, keepdims=True),
            STACK,
        ),
    ],
    "max": [
        (lambda x: x.max(axis=0), lambda x: tf.reduce_max(x, axis=0), A),
        (lambda x: x.max(axis=1), lambda x: tf.reduce_max(x, axis=1), np.floor(A)),  # with ties
    ],
}


def all_cases():
    return [
        pytest.param(ours, theirs, arrays, id=f"{name}-{number}")
        for name, cases in CASES.items()
        for number, (ours, theirs, *arrays) in enumerate(cases)
    ]


def test_every_function_has_a_case():
    """An operation that is added without a TensorFlow case fails here."""
    assert {*ops.__all__, *losses.__all__} <= set(CASES)


@pytest.mark.parametrize(("ours", "theirs", "arrays"), all_cases())
def test_value_and_gradient_equal_tensorflows(ours, theirs, arrays):
    """Same inputs, same weights on the outputs: same value, same gradient for each input."""
    inputs, variables = list(map(Tensor, arrays)), [tf.Variable(array) for array in arrays]
    value = ours(*inputs)
    weights = np.cos(np.arange(value.size)).reshape(value.shape)
    value.backward(weights)
    with tf.GradientTape() as tape:
        expected = theirs(*variables)
    gradients = tape.gradient(expected, variables, output_gradients=tf.constant(weights))
    np.testing.assert_allclose(value.data, expected.numpy(), rtol=1e-12, atol=1e-14)
    for x, gradient in zip(inputs, gradients, strict=True):
        dense = tf.convert_to_tensor(gradient).numpy()  # gather gives a sparse gradient
        np.testing.assert_allclose(x.grad, dense, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("at", [-1000.0, -1.3, 0.0, 0.4, 1000.0])
@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu"])
def test_scalar_value_and_gradient_equal_tensorflows(name, at):
    """The scalar tape agrees as well, at the kink and far out included."""
    x, variable = Scalar(at), tf.Variable(at, dtype=tf.float64)
    y = getattr(x, name)()
    y.backward()
    with tf.GradientTape() as tape:
        expected = getattr(tf.nn, name)(variable)
    assert y.value == pytest.approx(float(expected), rel=1e-12)
    assert x.grad == pytest.approx(float(tape.gradient(expected, variable)), rel=1e-12)


def test_softmax_jacobian_equals_tensorflows():
    """All derivatives of all probabilities."""
    z = tf.Variable(A)
    with tf.GradientTape() as tape:
        p = tf.nn.softmax(z)
    np.testing.assert_allclose(
        activations.softmax_jacobian(A), tape.batch_jacobian(p, z).numpy(), rtol=1e-11, atol=1e-15
    )


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(ops.gelu, tf.nn.gelu), (ops.leaky_relu, lambda x: tf.nn.leaky_relu(x, alpha=0.01))],
)
def test_defaults_equal_tensorflows_to_single_precision(ours, theirs):
    """GELU is the exact one, not the tanh approximation; the leaky slope is 0.01."""
    np.testing.assert_allclose(ours(A).data, theirs(tf.constant(A)).numpy(), rtol=1e-6)
