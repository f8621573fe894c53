"""The porting traps: each test is named after one; the page of measured differences lists them.

The right way agrees with Keras within the trap's tolerance. The wrong way, which raises no error,
misses by at least 1e-4, a thousand times the rounding of float32, and by a hundred times as much as
the right way; if it does not, the trap is none, or the test does not see it.
"""

from pathlib import Path

import numpy as np
import pytest

jax = pytest.importorskip("jax")
torch = pytest.importorskip("torch")

import keras  # noqa: E402

from dllab import parity  # noqa: E402
from dllab.errors import ParameterError  # noqa: E402
from dllab.parity.traps import TRAPS, habits, layers, layouts, training  # noqa: E402


def check(trap):
    """Avoided, the trap costs rounding; fallen into, it costs a hundred times as much or more."""
    measured = trap.measure()
    assert measured.right < trap.tolerance
    assert measured.wrong > 100 * max(measured.right, 1e-6)


# layouts


def test_dense_kernel_not_transposed():
    """Keras stores a Dense kernel as (units_in, units_out), PyTorch as (units_out, units_in)."""
    check(layouts.dense_kernel_not_transposed)
    kernel = torch.tensor(np.ones((6, 3), np.float32))
    with pytest.raises(RuntimeError, match="cannot be multiplied"):  # not square: it shows
        torch.nn.functional.linear(torch.ones(5, 6), kernel)


def test_dense_kernel_reshaped():
    """A reshaped kernel has the shape of the transposed one, and other numbers in each row."""
    check(layouts.dense_kernel_reshaped)


def test_images_channels_first():
    """Keras and TensorFlow put channels last (NHWC), PyTorch and JAX's default first (NCHW)."""
    check(layouts.images_channels_first)


def test_conv_kernel_axes():
    """Kernels are (height, width, in, out) in Keras and (out, in, height, width) in PyTorch."""
    check(layouts.conv_kernel_axes)


def test_flatten_order():
    """Flattening NHWC and NCHW feature maps gives the same features in another order."""
    check(layouts.flatten_order)


def test_same_padding_at_stride_2():
    """Padding "same" at an even size and stride 2 adds one row and column, below and right."""
    check(layouts.same_padding_at_stride_2)


def test_average_over_the_padding():
    """At the border, Keras averages over the pixels, PyTorch over the pixels and the padding."""
    check(layouts.average_over_the_padding)


def test_convolution_or_cross_correlation():
    """The convolution of deep learning does not flip its kernel; NumPy's and SciPy's do."""
    check(layouts.convolution_or_cross_correlation)


# layers


def test_batch_norm_momentum():
    """Keras's momentum is the share of the old average that stays, PyTorch's that of the new."""
    check(layers.batch_norm_momentum)
    assert keras.layers.BatchNormalization().momentum == 0.99
    assert torch.nn.BatchNorm1d(3).momentum == 0.1


def test_batch_norm_epsilon():
    """Batch normalization adds 1e-3 to the variance in Keras and 1e-5 in PyTorch."""
    check(layers.batch_norm_epsilon)
    assert keras.layers.BatchNormalization().epsilon == 1e-3
    assert torch.nn.BatchNorm1d(3).eps == 1e-5


def test_batch_norm_running_variance():
    """The variance that enters the moving average is divided by n in Keras, by n - 1 in PyTorch."""
    check(layers.batch_norm_running_variance)


def test_layer_norm_epsilon():
    """Layer normalization adds 1e-3 to the variance in Keras and 1e-5 in PyTorch."""
    check(layers.layer_norm_epsilon)
    assert keras.layers.LayerNormalization().epsilon == 1e-3
    assert torch.nn.LayerNorm(3).eps == 1e-5


def test_lstm_gate_order():
    """Keras's gates i, f, c, o are PyTorch's i, f, g, o: the same order under another name."""
    check(layers.lstm_gate_order)


def test_lstm_two_biases():
    """PyTorch's recurrent layers have two biases that are added, Keras's LSTM has one."""
    check(layers.lstm_two_biases)
    names = [name for name, _ in torch.nn.LSTM(2, 4).named_parameters()]
    assert names == ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]


def test_gru_gate_order():
    """A GRU's gates are z, r, candidate in Keras and r, z, n in PyTorch."""
    check(layers.gru_gate_order)


def test_gru_reset_after():
    """The reset gate acts after the matrix product in Keras and PyTorch, before it in the paper."""
    check(layers.gru_reset_after)
    layer = keras.layers.GRU(4)
    layer.build((None, 5, 2))
    assert layer.reset_after
    assert layer.cell.bias.shape == (2, 12)


def test_gelu_approximation():
    """`jax.nn.gelu` approximates by a tanh unless told otherwise; Keras and PyTorch are exact."""
    check(layers.gelu_approximation)


def test_leaky_relu_slope():
    """The slope is 0.3 in the layer `LeakyReLU` of Keras, 0.2 in its function, 0.01 elsewhere."""
    check(layers.leaky_relu_slope)
    x = np.array([-1.0], np.float32)
    slopes = [
        keras.layers.LeakyReLU()(x),
        keras.activations.leaky_relu(x),
        jax.nn.leaky_relu(x),
        torch.nn.functional.leaky_relu(torch.tensor(x)),
    ]
    found = [float(keras.ops.convert_to_numpy(slope)[0]) for slope in slopes[:2]]
    found += [float(slope[0]) for slope in slopes[2:]]
    np.testing.assert_allclose(found, [-0.3, -0.2, -0.01, -0.01], rtol=1e-6)


def test_dropout_scaling():
    """Dropout divides what it keeps by the share it keeps, in training, in all three frameworks."""
    check(layers.dropout_scaling)


def test_training_mode_by_default():
    """A PyTorch module starts in training mode; a Keras model called on a batch does not."""
    check(layers.training_mode_by_default)
    assert torch.nn.Dropout().training


def test_initial_weights():
    """Keras's Dense starts Glorot uniform with zero biases, PyTorch's Linear starts otherwise."""
    check(layers.initial_weights)
    torch.manual_seed(0)
    layer = torch.nn.Linear(300, 300)
    assert 0.9 < float(layer.weight.detach().abs().max()) * np.sqrt(300) <= 1.0001
    assert float(layer.bias.detach().abs().max()) > 0
    ours = keras.layers.Dense(3)
    ours.build((None, 3))
    assert not ours.get_weights()[1].any()


# training


def test_softmax_twice():
    """PyTorch's cross-entropy takes logits; Keras's takes probabilities unless told otherwise."""
    check(training.softmax_twice)


def test_sum_or_mean():
    """Keras and PyTorch average a loss over the batch; a hand-written one often sums it."""
    check(training.sum_or_mean)


def test_mean_over_batch_and_time():
    """For a label at each time step, Keras and PyTorch average over the batch and over time."""
    check(training.mean_over_batch_and_time)


def test_labels_one_hot_or_numbers():
    """A formula for one-hot labels accepts class numbers by broadcasting, and answers nonsense."""
    check(training.labels_one_hot_or_numbers)


def test_class_weights():
    """With class weights, Keras divides by the batch size, PyTorch by the sum of the weights."""
    check(training.class_weights)


def test_argument_order():
    """Losses are called with (y_true, y_pred) in Keras and with (input, target) in PyTorch."""
    check(training.argument_order)


def test_adam_epsilon():
    """Adam adds 1e-7 to the raw root in Keras and 1e-8 to the corrected root in PyTorch."""
    check(training.adam_epsilon)
    assert keras.optimizers.Adam().epsilon == 1e-7
    assert torch.optim.Adam([torch.zeros(1)]).defaults["eps"] == 1e-8


def test_rmsprop_epsilon():
    """RMSprop adds epsilon inside the root in Keras, outside of it in PyTorch."""
    check(training.rmsprop_epsilon)
    ours, theirs = keras.optimizers.RMSprop(), torch.optim.RMSprop([torch.zeros(1)]).defaults
    assert (float(ours.learning_rate), ours.rho, ours.epsilon) == (pytest.approx(1e-3), 0.9, 1e-7)
    assert (theirs["lr"], theirs["alpha"], theirs["eps"]) == (1e-2, 0.99, 1e-8)


def test_momentum_when_the_rate_changes():
    """Keras keeps the learning rate inside the velocity, PyTorch multiplies by it afterwards."""
    check(training.momentum_when_the_rate_changes)


def test_decay_in_adam_or_adamw():
    """`Adam(weight_decay=…)` of PyTorch adds the decay to the gradient, which is not AdamW."""
    check(training.decay_in_adam_or_adamw)


def test_decay_by_default():
    """AdamW decays by 0.004 in Keras unless told otherwise, by 0.01 in PyTorch."""
    check(training.decay_by_default)
    assert keras.optimizers.AdamW().weight_decay == 0.004
    assert torch.optim.AdamW([torch.zeros(1)]).defaults["weight_decay"] == 0.01


# habits


def test_gradients_accumulate():
    """PyTorch adds each gradient to the last one; Keras, TensorFlow and JAX start afresh."""
    check(habits.gradients_accumulate)


def test_same_key_same_mask():
    """JAX draws the same numbers from the same key: dropout would drop the same units forever."""
    check(habits.same_key_same_mask)


def test_update_without_assignment():
    """A JAX array never changes: `x.at[0].set(1.0)` returns a new one."""
    check(habits.update_without_assignment)
    array = jax.numpy.zeros(3)
    with pytest.raises(TypeError, match="immutable"):
        array[0] = 1.0


def test_array_shared_with_torch():
    """`torch.from_numpy` shares memory: what is written to the array later changes the tensor."""
    check(habits.array_shared_with_torch)


def test_float64_becomes_float32():
    """NumPy computes in float64; Keras and JAX turn such arrays into float32 in silence."""
    check(habits.float64_becomes_float32)
    with pytest.raises(RuntimeError, match="dtype"):
        torch.nn.Linear(2, 1)(torch.tensor(np.ones((1, 2))))


def test_float64_in_jax():
    """JAX makes float32 of a float64 array, even where it is asked to keep it."""
    check(habits.float64_in_jax)


# The list itself


def test_every_trap_has_a_test_of_its_name():
    """The page names a test for each trap, and that test is here."""
    source = Path(__file__).read_text("utf-8")
    for trap in TRAPS:
        assert f"def test_{trap.name}():" in source
        assert trap.title
        assert trap.advice
    assert len({trap.name for trap in TRAPS}) == len(TRAPS)


def test_keras_runs_on_one_backend_in_a_process():
    """A way of Keras on another backend than the active one is refused, with the way out."""
    other = next(name for name in ("jax", "torch") if name != keras.backend.backend())
    with pytest.raises(ParameterError, match="KERAS_BACKEND"):
        parity.run(f"keras-{other}", parity.case("mlp"))
