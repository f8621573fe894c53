"""Normalization and dropout: numbers by hand, gradients, and the traps that each has."""

import numpy as np
import pytest

from dllab.errors import ParameterError, ShapeError
from dllab.scratch import (
    BatchNormalization,
    Dense,
    Dropout,
    LayerNormalization,
    Sequential,
    Tensor,
    gradcheck,
)


def generator(seed=0):
    return np.random.default_rng(seed)


# Batch normalization


def test_batch_normalization_by_hand():
    """1, 2, 3, 6 have mean 3 and variance 3.5; with gamma 2 and beta 1 they become 1 + 2y."""
    layer = BatchNormalization(1, epsilon=1e-12)
    layer.gamma.data, layer.beta.data = np.array([2.0]), np.array([1.0])
    out = layer([[1.0], [2.0], [3.0], [6.0]], training=True).data[:, 0]
    np.testing.assert_allclose(out, 1 + 2 * np.array([-2, -1, 0, 3]) / np.sqrt(3.5))


def test_momentum_is_the_part_that_stays():
    """0.9 keeps 90 percent of the old average; where momentum means the new part, it would be 1."""
    layer = BatchNormalization(1, momentum=0.9)
    layer([[9.0], [11.0]], training=True)
    np.testing.assert_allclose(layer.moving_mean, [0.9 * 0 + 0.1 * 10])
    np.testing.assert_allclose(layer.moving_variance, [0.9 * 1 + 0.1 * 1])
    layer([[9.0], [11.0]], training=True)
    np.testing.assert_allclose(layer.moving_mean, [0.9 * 1 + 0.1 * 10])


def test_the_moving_variance_divides_by_n():
    """0 and 2 have variance 1 with n = 2 and 2 with n - 1; Keras averages the former."""
    layer = BatchNormalization(1, momentum=0.0)
    layer([[0.0], [2.0]], training=True)
    assert layer.moving_variance.tolist() == [1.0]


def test_epsilon_stands_under_the_root():
    """Variance 0.01 and epsilon 0.03: divided by sqrt(0.04) = 0.2, not by 0.1 + 0.03."""
    layer = BatchNormalization(1, epsilon=0.03)
    np.testing.assert_allclose(layer([[-0.1], [0.1]], training=True).data, [[-0.5], [0.5]])
    layer.moving_mean, layer.moving_variance = np.array([0.0]), np.array([0.01])
    np.testing.assert_allclose(layer([[0.1]]).data, [[0.5]])


def test_inference_does_not_move_the_averages():
    """Only a training step may change them."""
    layer = BatchNormalization(3)
    layer(generator().normal(5.0, 2.0, (8, 3)))
    assert layer.moving_mean.tolist() == [0.0] * 3
    assert layer.moving_variance.tolist() == [1.0] * 3


def test_inference_treats_each_example_alone():
    """At inference an example's output is the same in every batch; in training it is not."""
    layer, x = BatchNormalization(3, momentum=0.5), generator().normal(size=(8, 3))
    layer(x, training=True)
    np.testing.assert_array_equal(layer(x).data[:1], layer(x[:1]).data)
    in_batch, in_half = layer(x, training=True).data[:4], layer(x[:4], training=True).data
    assert np.abs(in_batch - in_half).max() > 0.1


def test_the_averages_reach_the_statistics_of_the_data():
    """After many steps, training and inference agree on data of the same kind."""
    layer, rng = BatchNormalization(2, momentum=0.9), generator()
    for _ in range(200):
        layer(rng.normal([3.0, -1.0], [2.0, 0.5], (256, 2)), training=True)
    np.testing.assert_allclose(layer.moving_mean, [3.0, -1.0], atol=0.1)
    np.testing.assert_allclose(layer.moving_variance, [4.0, 0.25], rtol=0.1)


def test_channels_are_averaged_over_batch_and_positions():
    """An image's channel has one mean and one variance, whatever the position."""
    x = generator().normal([1.0, -2.0], [1.0, 3.0], (4, 5, 6, 2))
    out = BatchNormalization(2, epsilon=1e-9)(x, training=True).data
    np.testing.assert_allclose(out.mean(axis=(0, 1, 2)), 0.0, atol=1e-12)
    np.testing.assert_allclose(out.std(axis=(0, 1, 2)), 1.0, rtol=1e-6)


def test_a_constant_feature_becomes_beta():
    """Variance 0 is no division by zero."""
    out = BatchNormalization(1)(np.full((4, 1), 7.0), training=True).data
    assert out.tolist() == [[0.0]] * 4


def test_the_output_ignores_shift_and_scale_of_the_input():
    """Which biases and scales before the layer matter? None: beta and gamma replace them."""
    layer, x = BatchNormalization(3, epsilon=1e-12), generator().normal(size=(8, 3))
    np.testing.assert_allclose(
        layer(5 * x + 100, training=True).data, layer(x, training=True).data, rtol=1e-6, atol=1e-9
    )


# Layer normalization


def test_layer_normalization_by_hand():
    """Each row has mean 3 and variance 3.5 of its own, whatever the rows beside it."""
    layer = LayerNormalization(4, epsilon=1e-12)
    out = layer([[1.0, 2.0, 3.0, 6.0], [10.0, 20.0, 30.0, 60.0]]).data
    np.testing.assert_allclose(out, [np.array([-2, -1, 0, 3]) / np.sqrt(3.5)] * 2)


def test_layer_normalization_is_alike_in_training():
    """It needs no batch, so it has no second mode."""
    layer, x = LayerNormalization(3), generator().normal(size=(8, 3))
    np.testing.assert_array_equal(layer(x, training=True).data, layer(x).data)
    np.testing.assert_array_equal(layer(x).data[:1], layer(x[:1]).data)


def test_layer_normalization_averages_over_the_last_axis_alone():
    """A sequence's steps do not mix."""
    x = generator().normal(size=(2, 5, 3))
    np.testing.assert_array_equal(
        LayerNormalization(3)(x).data[:, 1:2], LayerNormalization(3)(x[:, 1:2]).data
    )


# Dropout


def test_dropped_or_scaled():
    """Rate 0.2: every entry is 0 or 1 / 0.8 of what it was."""
    out = Dropout(0.2, rng=generator())(np.full((100, 50), 4.0), training=True).data
    assert set(np.unique(out)) == {0.0, 5.0}
    assert (out == 0).mean() == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_expected_value_stays(rate):
    """Without the division by 1 - rate, the mean would fall to 1 - rate."""
    out = Dropout(rate, rng=generator())(np.ones((400, 400)), training=True).data
    assert out.mean() == pytest.approx(1.0, abs=0.03)


def test_the_rate_is_the_part_dropped():
    """Keras and the 2014 paper disagree on what the number means; this is Keras's."""
    out = Dropout(0.9, rng=generator())(np.ones((100, 100)), training=True).data
    assert (out != 0).mean() == pytest.approx(0.1, abs=0.02)


def test_nothing_is_dropped_at_inference():
    """Neither dropped nor scaled, and the generator stays where it is."""
    rng = generator()
    x = generator(1).normal(size=(4, 3))
    before = rng.bit_generator.state
    np.testing.assert_array_equal(Dropout(0.5, rng=rng)(x).data, x)
    assert rng.bit_generator.state == before


def test_each_call_draws_anew():
    """Two steps with one mask would train one sub-network only."""
    layer, x = Dropout(0.5, rng=generator()), np.ones((8, 8))
    assert not np.array_equal(layer(x, training=True).data, layer(x, training=True).data)


def test_examples_have_masks_of_their_own():
    """A mask of shape (features,) would drop the same unit in the whole batch."""
    out = Dropout(0.5, rng=generator())(np.ones((8, 64)), training=True).data
    assert len(np.unique(out, axis=0)) == 8


def test_the_gradient_passes_where_the_signal_did():
    """A dropped entry has gradient 0, a kept one the scale of the output."""
    x = Tensor(np.ones((5, 5)))
    out = Dropout(0.2, rng=generator())(x, training=True)
    out.backward(np.ones((5, 5)))
    np.testing.assert_array_equal(x.grad, out.data)


# All of them


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("shape", [(6, 3), (4, 5, 3)])
@pytest.mark.parametrize("kind", [BatchNormalization, LayerNormalization])
def test_normalization_gradients_are_central_differences(kind, shape, training):
    """The gradients of input, scale and shift are slopes of the output."""
    layer = kind(3)

    def f(x, gamma, beta):
        layer.gamma, layer.beta = gamma, beta
        if kind is BatchNormalization:  # the same averages at every call
            layer.moving_mean, layer.moving_variance = np.array([0.1, 0.0, -1.0]), np.ones(3) * 2
        return layer(x, training)

    rng = generator(4)
    assert gradcheck(f, rng.normal(size=shape), rng.normal(size=3), rng.normal(size=3)).ok


def test_dropout_gradient_is_the_central_difference():
    """With the same mask at every call, the gradient is the slope."""

    def f(x):
        return Dropout(0.4, rng=generator(3))(x, training=True)

    assert gradcheck(f, generator(5).normal(size=(4, 6))).ok


def test_parameters_and_summary():
    """Scale and shift count as parameters, moving averages do not; shapes pass through."""
    rng = generator()
    layers = [Dense(4, 3, rng=rng), BatchNormalization(3), Dropout(0.25, rng=rng)]
    model = Sequential([*layers, LayerNormalization(3)])
    assert model.count_params() == 15 + 6 + 6
    assert [p.label for p in layers[1].parameters()] == ["gamma", "beta"]
    summary = model.summary(4)
    assert "BatchNormalization" in summary
    assert "Dropout(0.25)" in summary


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: Dropout(1.0, rng=generator()), ParameterError, "`rate`"),
        (lambda: Dropout(-0.1, rng=generator()), ParameterError, "`rate`"),
        (lambda: Dropout("half", rng=generator()), ParameterError, "'half'"),
        (lambda: Dropout(0.5, rng=7), ParameterError, "default_rng"),
        (lambda: BatchNormalization(0), ParameterError, "`features`"),
        (lambda: BatchNormalization(3, momentum=1.0), ParameterError, "`momentum`"),
        (lambda: BatchNormalization(3, epsilon=0.0), ParameterError, "`epsilon`"),
        (lambda: BatchNormalization(3)(np.ones((2, 4))), ShapeError, "(2, 4)"),
        (lambda: BatchNormalization(3)(np.ones(3)), ShapeError, "examples first"),
        (lambda: BatchNormalization(3)(np.ones((0, 3)), training=True), ShapeError, "empty"),
        (lambda: BatchNormalization(3).output_shape((4,)), ShapeError, "end with 3"),
        (lambda: LayerNormalization(3, epsilon=-1.0), ParameterError, "`epsilon`"),
        (lambda: LayerNormalization(3)(np.ones((2, 4))), ShapeError, "LayerNormalization(3)"),
        (lambda: LayerNormalization(3).output_shape(()), ShapeError, "end with 3"),
    ],
)
def test_misuse_is_named(call, error, says):
    """The error is typed and its message names what is wrong."""
    with pytest.raises(error) as caught:
        call()
    assert says in str(caught.value)
