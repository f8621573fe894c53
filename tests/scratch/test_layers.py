"""Layers and the optimizer: shapes, counts, initialization, messages."""

import numpy as np
import pytest

from dllab.errors import ParameterError, ShapeError
from dllab.scratch import (
    SGD,
    Activation,
    Dense,
    Flatten,
    Layer,
    Sequential,
    Tensor,
    gradcheck,
    mean_squared_error,
    softmax_cross_entropy,
)


def generator(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def model():
    """Images of 2 by 3 pixels, 4 hidden units, 3 classes."""
    rng = generator()
    return Sequential([Flatten(), Dense(6, 4, "relu", rng=rng), Dense(4, 3, rng=rng)])


def test_dense_computes_the_affine_map_by_hand():
    """[1, 2] @ [[1, 0, -1], [2, 1, 0]] + [0, 1, 0] = [5, 3, -1]."""
    layer = Dense(2, 3, rng=generator())
    layer.W.data = np.array([[1.0, 0.0, -1.0], [2.0, 1.0, 0.0]])
    layer.b.data = np.array([0.0, 1.0, 0.0])
    assert layer([[1.0, 2.0]]).data.tolist() == [[5.0, 3.0, -1.0]]


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("activation", [None, "tanh", "softmax"])
def test_dense_gradients_are_central_differences(activation, use_bias):
    """The gradients of input, weights and biases are slopes of the output."""
    layer = Dense(3, 2, activation, rng=generator(1), use_bias=use_bias)
    x, w, b = generator(2).normal(size=(4, 3)), layer.W.data, np.array([0.3, -0.2])

    def f(x, w, b):
        layer.W, layer.b = w, b if use_bias else None
        return layer(x)

    assert gradcheck(f, x, w, b).ok


def test_a_whole_network_passes_the_gradient_check(model):
    """The gradient of the loss by all parameters is its slope."""
    x, labels = generator(3).normal(size=(5, 2, 3)), np.array([0, 1, 2, 1, 0])
    first, second = model.layers[1], model.layers[2]

    def f(w1, b1, w2, b2):
        first.W, first.b, second.W, second.b = w1, b1, w2, b2
        return softmax_cross_entropy(model(x), labels)

    assert gradcheck(f, *(p.data for p in model.parameters())).ok


def test_dense_accepts_several_leading_axes():
    """Every row is mapped alike, whatever the axes before the last."""
    layer = Dense(3, 2, "relu", rng=generator())
    x = generator(1).normal(size=(4, 5, 3))
    np.testing.assert_allclose(
        layer(x).data, layer(x.reshape(20, 3)).data.reshape(4, 5, 2), rtol=1e-12
    )


def test_parameters_come_first_layer_first(model):
    """Weights before biases, first layer before second."""
    assert [p.shape for p in model.parameters()] == [(6, 4), (4,), (4, 3), (3,)]
    assert model.parameters()[0] is model.layers[1].W


def test_counts_by_hand(model):
    """6 * 4 + 4 + 4 * 3 + 3 parameters; 2 * (6 * 4 + 4 * 3) operations for each example."""
    assert model.count_params() == 43
    assert model.flops() == 72
    assert model.flops(batch=10) == 720
    assert Dense(6, 4, rng=generator(), use_bias=False).count_params() == 24


def test_summary_names_shapes_parameters_and_operations(model):
    """The table follows the shape of one example through the layers."""
    lines = model.summary((2, 3)).splitlines()
    assert [line.split() for line in lines if not line.startswith("-")] == [
        ["layer", "output", "shape", "parameters", "FLOPs"],
        ["Input", "(batch,", "2,", "3)", "0", "0"],
        ["Flatten", "(batch,", "6)", "0", "0"],
        ["Dense(relu)", "(batch,", "4)", "28", "48"],
        ["Dense", "(batch,", "3)", "15", "24"],
        ["total", "43", "72"],
    ]
    assert len(set(map(len, lines))) == 1


def test_summary_takes_a_number_for_flat_examples():
    """64 stands for (64,)."""
    model = Sequential([Dense(64, 2, rng=generator()), Activation("softmax")])
    assert model.summary(64) == model.summary((64,))
    assert "Activation(softmax)" in model.summary(64)


def test_forward_all_starts_with_the_input(model):
    """Entry l is the activation of layer l, entry 0 the input, the last the output."""
    x = generator(1).normal(size=(5, 2, 3))
    outputs = model.forward_all(x)
    assert [a.shape for a in outputs] == [(5, 2, 3), (5, 6), (5, 4), (5, 3)]
    np.testing.assert_array_equal(outputs[0].data, x)
    np.testing.assert_array_equal(outputs[-1].data, model(x).data)


def test_output_shapes_are_those_of_the_outputs(model):
    """What `output_shape` foretells is what a call returns."""
    assert (7, *model.output_shape((2, 3))) == model(np.zeros((7, 2, 3))).shape


def test_layers_can_be_nested():
    """A Sequential is a layer, so it can stand inside another."""
    inner = Sequential([Dense(2, 3, "tanh", rng=generator())])
    outer = Sequential([inner, Dense(3, 1, rng=generator())])
    assert outer.count_params() == 13
    assert outer.flops(2) == 2 * 2 * (6 + 3)


def test_training_reaches_every_layer():
    """A Sequential hands `training` on, also to a Sequential inside; at inference it is False."""
    told = []

    class Spy(Layer):
        def __call__(self, x, training=False):
            told.append(training)
            return Flatten()(x)

    model = Sequential([Spy(), Sequential([Spy()])])
    model(np.ones((1, 2)))
    model(np.ones((1, 2)), training=True)
    model.forward_all(np.ones((1, 2)), training=True)
    assert told == [False, False, True, True, True, True]


def test_training_makes_no_difference_to_plain_layers(model):
    """Dense, Activation and Flatten compute the same either way."""
    x = generator(1).normal(size=(5, 2, 3))
    np.testing.assert_array_equal(model(x, training=True).data, model(x).data)


def test_layer_is_abstract():
    """A layer without a call cannot be made."""
    with pytest.raises(TypeError, match="abstract"):
        Layer()


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "elu", "gelu", "softplus"])
def test_he_initialization_for_activations_that_halve_the_signal(activation):
    """Mean 0, standard deviation sqrt(2 / units_in), some weights beyond three of them."""
    w = Dense(200, 300, activation, rng=generator()).W.data
    assert w.std() == pytest.approx(np.sqrt(2 / 200), rel=0.02)
    assert abs(w.mean()) < 1e-3
    assert np.abs(w).max() > 3 * np.sqrt(2 / 200)


@pytest.mark.parametrize("activation", [None, "tanh", "sigmoid", "softmax"])
def test_glorot_initialization_for_the_others(activation):
    """Uniform up to sqrt(6 / (units_in + units_out)), and no further."""
    w = Dense(200, 300, activation, rng=generator()).W.data
    limit = np.sqrt(6 / 500)
    assert 0.99 * limit < np.abs(w).max() <= limit
    assert w.std() == pytest.approx(limit / np.sqrt(3), rel=0.02)


def test_biases_start_at_zero():
    """And weights do not."""
    layer = Dense(3, 4, rng=generator())
    assert layer.b.data.tolist() == [0.0] * 4
    assert layer.W.data.all()


def test_the_seed_decides_the_weights():
    """Same seed, same weights; the global generator plays no part."""
    first, second, other = (Dense(3, 4, rng=generator(s)).W.data for s in (0, 0, 1))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_two_layers_from_one_generator_differ():
    """A generator moves on, so layers of equal shape do not start equal."""
    rng = generator()
    assert not np.array_equal(Dense(3, 4, rng=rng).W.data, Dense(3, 4, rng=rng).W.data)


def test_hidden_units_can_be_permuted():
    """Reordering hidden units with their weights leaves the output unchanged."""
    rng = generator()
    first, second = Dense(3, 5, "relu", rng=rng), Dense(5, 2, rng=rng)
    x, order = rng.normal(size=(4, 3)), [4, 2, 0, 1, 3]
    before = second(first(x)).data
    first.W.data, first.b.data = first.W.data[:, order], first.b.data[order]
    second.W.data = second.W.data[order]
    np.testing.assert_allclose(second(first(x)).data, before, rtol=1e-12)


# The optimizer


def test_sgd_step_by_hand():
    """w = 3, gradient 6, rate 0.5: w becomes 0."""
    w = Tensor(3.0)
    (w * w).backward()
    SGD([w], learning_rate=0.5).step()
    assert float(w) == 0.0


def test_sgd_forgets_gradients_on_request():
    """Without zero_grad gradients add up; with it they start afresh."""
    w = Tensor(3.0)
    optimizer = SGD([w], 0.1)
    for expected in (1.0, 2.0):
        (w * 1.0).backward()
        assert float(w.grad) == expected
    optimizer.zero_grad()
    assert w.grad is None


def test_sgd_replaces_the_array():
    """A graph recorded before the step still differentiates what it computed."""
    w, x = Tensor([2.0]), Tensor([3.0])
    loss = (w * x).sum()
    loss.backward()
    SGD([w], 0.1).step()
    x.zero_grad()
    loss.backward()
    assert x.grad.tolist() == [2.0]


def test_sgd_leaves_a_parameter_without_gradient_alone():
    """A parameter that the loss does not use stays where it is."""
    used, unused = Tensor(1.0), Tensor(1.0)
    (used * 2.0).backward()
    SGD([used, unused], 0.1).step()
    assert (float(used), float(unused)) == (0.8, 1.0)


def test_training_fits_xor():
    """Two layers learn what one cannot; fixed seed."""
    rng = generator(0)
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = np.array([[0.0], [1.0], [1.0], [0.0]])
    model = Sequential([Dense(2, 8, "tanh", rng=rng), Dense(8, 1, rng=rng)])
    optimizer = SGD(model.parameters(), learning_rate=0.1)
    for _ in range(1000):
        loss = mean_squared_error(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert np.abs(model(x).data - y).max() < 0.1


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: Dense(3, 2, rng=generator())(np.ones((5, 4))), ShapeError, "(batch, 3)"),
        (lambda: Dense(3, 2, rng=generator())(np.ones((5, 4))), ShapeError, "(5, 4)"),
        (lambda: Dense(3, 2, rng=generator())(np.ones(3)), ShapeError, "`x`"),
        (lambda: Dense(3, 2, "rleu", rng=generator()), ParameterError, "'rleu'"),
        (lambda: Dense(3, 2, rng=0), ParameterError, "default_rng"),
        (lambda: Dense(0, 2, rng=generator()), ParameterError, "`units_in`"),
        (lambda: Dense(3, 2.0, rng=generator()), ParameterError, "`units_out`"),
        (lambda: Activation("linear"), ParameterError, "'linear'"),
        (lambda: Flatten()(1.0), ShapeError, "`x`"),
        (lambda: Sequential([]), ParameterError, "`layers`"),
        (lambda: Sequential([np.tanh]), ParameterError, "entry 0"),
        (lambda: Dense(3, 2, rng=generator()).flops(0), ParameterError, "`batch`"),
        (
            lambda: Sequential([Dense(3, 2, rng=generator())]).summary((None, 3)),
            ParameterError,
            "`input_shape`",
        ),
        (
            lambda: Sequential([Dense(3, 2, rng=generator())]).summary((8, 8)),
            ShapeError,
            "end with 3",
        ),
        (lambda: SGD([], 0.1), ParameterError, "empty"),
        (lambda: SGD([np.ones(2)], 0.1), ParameterError, "ndarray"),
        (lambda: SGD([Tensor(1.0)], 0.0), ParameterError, "`learning_rate`"),
        (lambda: SGD([Tensor(1.0)], 0.1).step(), ParameterError, "backward"),
    ],
)
def test_misuse_is_named(call, error, says):
    """The error is typed and its message names what is wrong."""
    with pytest.raises(error) as caught:
        call()
    assert says in str(caught.value)
