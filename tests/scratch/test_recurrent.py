"""Recurrent layers of the engine: values by hand, gradients through time, masks, messages."""

import numpy as np
import pytest

from dllab.errors import ParameterError, ShapeError
from dllab.scratch import (
    GRU,
    LSTM,
    Dense,
    Embedding,
    Sequential,
    SimpleRNN,
    Tensor,
    gradcheck,
    recurrent,
    stack,
)

KINDS = [SimpleRNN, LSTM, GRU]
BATCH, TIME, FEATURES, UNITS = 3, 4, 2, 5  # all different: a swapped axis cannot hide


def generator(seed=0):
    return np.random.default_rng(seed)


def layer_and_input(kind, **options):
    """A layer with biases that are not zero, and a batch of sequences."""
    layer = kind(FEATURES, UNITS, rng=generator(1), **options)
    layer.bias.data = generator(2).normal(size=layer.bias.shape)
    return layer, generator(3).normal(size=(BATCH, TIME, FEATURES))


def ragged_mask():
    """Sequences of 4, 2 and 3 steps."""
    return np.arange(TIME) < np.array([[4], [2], [3]])


def test_every_public_name_is_tested_here():
    """Does a new layer or operation have to bring its tests?"""
    assert set(recurrent.__all__) == {"GRU", "LSTM", "Embedding", "Recurrent", "SimpleRNN", "stack"}


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_stack_passes_the_gradient_check(axis):
    """Each tensor receives its slice of the gradient."""
    a, b = generator(1).normal(size=(2, 3)), generator(2).normal(size=(2, 3))
    assert stack([a, b], axis).data.tolist() == np.stack([a, b], axis).tolist()
    assert gradcheck(lambda x, y: stack([x, y, x], axis), a, b).ok


@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_through_time_are_central_differences(kind, masked, return_sequences):
    """The gradients of input, kernels and bias are slopes of the output, masked or not."""
    layer, x = layer_and_input(kind, return_sequences=return_sequences)
    mask = ragged_mask() if masked else None

    def f(x, kernel, recurrent_kernel, bias):
        layer.kernel, layer.recurrent_kernel, layer.bias = kernel, recurrent_kernel, bias
        return layer(x, mask=mask)

    assert gradcheck(f, x, *(p.data for p in layer.parameters())).ok


def test_embedding_passes_the_gradient_check():
    """A symbol that occurs twice collects both gradients."""
    layer = Embedding(4, 3, rng=generator())
    numbers = np.array([[0, 2, 2], [3, 0, 2]])

    def f(table):
        layer.embeddings = table
        return layer(numbers) ** 2

    assert gradcheck(f, layer.embeddings.data).ok


def test_rnn_by_hand():
    """The chapter's example: x = 1, 0, -1; weights 0.5 and 0.8."""
    layer = SimpleRNN(1, 1, rng=generator(), return_sequences=True)
    layer.kernel.data, layer.recurrent_kernel.data = np.array([[0.5]]), np.array([[0.8]])
    h1 = np.tanh(0.5)
    h2 = np.tanh(0.8 * h1)
    h3 = np.tanh(-0.5 + 0.8 * h2)
    np.testing.assert_allclose(layer([[[1.0], [0.0], [-1.0]]]).data[0, :, 0], [h1, h2, h3])


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_at_a_time_equals_the_whole_sequence(kind):
    """The layer is its step, repeated."""
    layer, x = layer_and_input(kind, return_sequences=True)
    state = layer.initial_state(BATCH)
    for t in range(TIME):
        state = layer.step(x[:, t], state)
        np.testing.assert_array_equal(state[0].data, layer(x).data[:, t])


@pytest.mark.parametrize("kind", KINDS)
def test_time_and_batch_are_not_the_same_axis(kind):
    """Sequences of a batch do not see each other; steps of a sequence do, forward only."""
    layer, x = layer_and_input(kind, return_sequences=True)
    before = layer(x).data
    other_sequence = x.copy()
    other_sequence[1] += 1.0
    np.testing.assert_array_equal(layer(other_sequence).data[[0, 2]], before[[0, 2]])
    later_step = x.copy()
    later_step[:, 2] += 1.0
    changed = np.any(layer(later_step).data != before, axis=(0, 2))
    assert changed.tolist() == [False, False, True, True]


@pytest.mark.parametrize("kind", KINDS)
def test_padding_is_harmless_with_a_mask(kind):
    """Does a padded sequence end in the state of the sequence itself, whatever the padding?"""
    layer, x = layer_and_input(kind)
    mask = ragged_mask()
    rubbish = np.where(mask[..., None], x, 1e3)
    for row, length in enumerate([4, 2, 3]):
        alone = layer(x[row : row + 1, :length]).data[0]
        np.testing.assert_allclose(layer(rubbish, mask=mask).data[row], alone, rtol=1e-13)
    assert not np.allclose(layer(rubbish).data[1], layer(x[1:2, :2]).data[0])


@pytest.mark.parametrize("kind", KINDS)
def test_padding_sends_no_gradient(kind):
    """The input's gradient is exactly zero at masked steps."""
    layer, x = layer_and_input(kind)
    x = Tensor(x)
    (layer(x, mask=ragged_mask()) ** 2).sum().backward()
    assert (np.any(x.grad != 0, axis=-1) == ragged_mask()).all()


@pytest.mark.parametrize("kind", KINDS)
def test_state_is_not_carried_from_call_to_call(kind):
    """Two calls with the same batch give the same output, unless a state is passed."""
    layer, x = layer_and_input(kind)
    first = layer(x).data
    np.testing.assert_array_equal(layer(x).data, first)
    state = layer.initial_state(BATCH)
    for t in range(2):
        state = layer.step(x[:, t], state)
    np.testing.assert_allclose(layer(x[:, 2:], initial_state=state).data, first, rtol=1e-13)


def test_lstm_gates_are_ordered_i_f_g_o():
    """With saturated gates: forget 1 and input 0 keep the cell, whatever the candidate says."""
    layer = LSTM(1, 1, rng=generator())
    layer.kernel.data[:], layer.recurrent_kernel.data[:] = 0.0, 0.0
    layer.bias.data = np.array([-1e3, 1e3, 1e3, 0.0])  # i closed, f open, candidate 1, o half
    h, c = layer.step([[0.0]], (Tensor([[0.0]]), Tensor([[0.7]])))
    assert float(c) == pytest.approx(0.7)
    assert float(h) == pytest.approx(0.5 * np.tanh(0.7))


def test_lstm_starts_with_an_open_forget_gate():
    """The second block of the bias is 1, the others 0."""
    assert LSTM(2, 3, rng=generator()).bias.data.tolist() == 3 * [0.0] + 3 * [1.0] + 6 * [0.0]


def test_gru_gates_are_ordered_z_r_candidate():
    """An open z keeps the state; a closed z takes the candidate."""
    layer = GRU(1, 1, rng=generator())
    layer.kernel.data[:], layer.recurrent_kernel.data[:] = 0.0, 0.0
    for z, expected in ((1e3, 0.7), (-1e3, np.tanh(0.2))):
        layer.bias.data = np.array([[z, 0.0, 0.2], [0.0, 0.0, 0.0]])
        (h,) = layer.step([[0.0]], (Tensor([[0.7]]),))
        assert float(h) == pytest.approx(expected)


def test_gru_resets_after_the_product():
    """The recurrent bias of the candidate is inside the reset gate: r = 0 switches it off."""
    layer = GRU(1, 1, rng=generator())
    layer.kernel.data[:], layer.recurrent_kernel.data[:] = 0.0, 1.0
    layer.bias.data = np.array([[-1e3, -1e3, 0.3], [0.0, 0.0, 5.0]])  # z = 0, r = 0
    (h,) = layer.step([[0.0]], (Tensor([[0.7]]),))
    assert float(h) == pytest.approx(np.tanh(0.3))


@pytest.mark.parametrize(("features", "units"), [(2, 5), (5, 2)])
@pytest.mark.parametrize("kind", KINDS)
def test_the_recurrent_kernel_starts_orthogonal(kind, features, units):
    """Its rows are orthonormal."""
    R = kind(features, units, rng=generator()).recurrent_kernel.data
    np.testing.assert_allclose(R @ R.T, np.eye(units), atol=1e-12)


def test_layers_work_in_a_sequential():
    """Shapes, counts and operations of a small classifier of sequences."""
    rng = generator()
    model = Sequential(
        [
            Embedding(7, 2, rng=rng),
            GRU(2, 5, rng=rng, return_sequences=True),
            LSTM(5, 3, rng=rng),
            Dense(3, 4, rng=rng),
        ]
    )
    assert model.output_shape((6,)) == (4,)
    assert model(np.array([[0, 6, 3]])).shape == (1, 4)
    assert [layer.count_params() for layer in model.layers] == [14, 135, 108, 16]
    assert model.layers[1].flops(batch=2, input_shape=(6, 2)) == 2 * 2 * 6 * 15 * (2 + 5)
    assert model.layers[1].output_shape((6, 2)) == (6, 5)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: SimpleRNN(0, 2, rng=generator()), ParameterError, "`features`"),
        (lambda: LSTM(2, 1.5, rng=generator()), ParameterError, "`units`"),
        (lambda: GRU(2, 2, rng=0), ParameterError, "`rng`"),
        (lambda: Embedding(0, 2, rng=generator()), ParameterError, "`vocabulary`"),
        (lambda: Embedding(3, 2, rng=generator())([3]), ParameterError, "from 0 to 2"),
        (lambda: Embedding(3, 2, rng=generator())([0.5]), ParameterError, "whole numbers"),
        (lambda: GRU(2, 3, rng=generator())(np.ones((4, 2))), ShapeError, "(batch, time, 2)"),
        (lambda: GRU(2, 3, rng=generator())(np.ones((4, 0, 2))), ShapeError, "time step"),
        (lambda: GRU(2, 3, rng=generator()).output_shape((2,)), ShapeError, "(time, 2)"),
        (
            lambda: GRU(2, 3, rng=generator())(np.ones((4, 5, 2)), mask=np.ones((4, 5))),
            ParameterError,
            "`mask`",
        ),
        (
            lambda: GRU(2, 3, rng=generator())(np.ones((4, 5, 2)), mask=np.ones((5, 4)) > 0),
            ShapeError,
            "(batch, time) = (4, 5)",
        ),
        (lambda: stack([]), ShapeError, "`tensors`"),
        (lambda: stack([np.ones(2), np.ones(3)]), ShapeError, "`tensors`"),
        (lambda: stack([np.ones(2)], axis=2), ShapeError, "`axis`"),
    ],
)
def test_wrong_argument_is_named(call, error, says):
    """The error is typed and its message names what is wrong."""
    with pytest.raises(error) as caught:
        call()
    assert says in str(caught.value)
