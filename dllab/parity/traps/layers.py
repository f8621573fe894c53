"""Traps inside layers: defaults, gates and modes that differ."""

from typing import Any

import jax
import keras
import numpy as np
import torch
import torch.nn.functional as F

from dllab.parity.traps.trap import Answers, as_array, draw, trap

__all__ = [
    "batch_norm_epsilon",
    "batch_norm_momentum",
    "batch_norm_running_variance",
    "dropout_scaling",
    "gelu_approximation",
    "gru_gate_order",
    "gru_reset_after",
    "initial_weights",
    "layer_norm_epsilon",
    "leaky_relu_slope",
    "lstm_gate_order",
    "lstm_two_biases",
    "training_mode_by_default",
]


@trap()
def batch_norm_momentum() -> Answers:
    """Keras's momentum is the share of the old average that stays, PyTorch's that of the new.

    Keras's 0.99 is PyTorch's 0.01. With 0.99 in PyTorch the averages forget all batches but the
    last one.
    """
    x = draw(8, 3) + 2
    layer = keras.layers.BatchNormalization(momentum=0.99)
    layer(x, training=True)
    right, wrong = torch.nn.BatchNorm1d(3, momentum=0.01), torch.nn.BatchNorm1d(3, momentum=0.99)
    right(torch.tensor(x)), wrong(torch.tensor(x))
    return as_array(layer.moving_mean), right.running_mean, wrong.running_mean


@trap()
def batch_norm_epsilon() -> Answers:
    """Batch normalization adds 1e-3 to the variance in Keras and 1e-5 in PyTorch.

    Pass the same epsilon. It matters where a feature varies little.
    """
    x = 0.03 * draw(8, 3)
    given = torch.tensor(x)
    truth = keras.layers.BatchNormalization()(x, training=True)
    right, wrong = torch.nn.BatchNorm1d(3, eps=1e-3), torch.nn.BatchNorm1d(3)
    return as_array(truth), right(given), wrong(given)


@trap()
def batch_norm_running_variance() -> Answers:
    """The variance that enters the moving average is divided by n in Keras, by n - 1 in PyTorch.

    With large batches it hardly matters; with 4 examples it is a third. To port a training loop
    exactly, move the averages yourself.
    """
    x = 3 * draw(4, 3)
    layer = keras.layers.BatchNormalization(momentum=0.5)
    layer(x, training=True)
    module = torch.nn.BatchNorm1d(3, momentum=0.5)
    module(torch.tensor(x))
    by_hand = 0.5 * torch.ones(3) + 0.5 * torch.tensor(x).var(0, correction=0)
    return as_array(layer.moving_variance), by_hand, module.running_var


@trap()
def layer_norm_epsilon() -> Answers:
    """Layer normalization adds 1e-3 to the variance in Keras and 1e-5 in PyTorch.

    Pass the same epsilon, for example `F.layer_norm(x, shape, eps=1e-3)`.
    """
    x = 0.03 * draw(5, 8)
    truth, given = keras.layers.LayerNormalization()(x), torch.tensor(x)
    return as_array(truth), F.layer_norm(given, (8,), eps=1e-3), F.layer_norm(given, (8,))


@trap()
def lstm_gate_order() -> Answers:
    """Keras's gates i, f, c, o are PyTorch's i, f, g, o: the same order under another name.

    Change nothing. Other formats do differ: ONNX has i, o, f, c, and a port that goes through it,
    or through old notes, exchanges gates without an error.
    """
    x, weights = draw(3, 5, 2), recurrent_weights(4)
    i, f, c, o = range(4)
    reordered = [_blocks(w, (i, o, f, c)) for w in weights]
    return keras_lstm(x, weights), torch_lstm(x, weights), torch_lstm(x, reordered)


@trap()
def lstm_two_biases() -> Answers:
    """PyTorch's recurrent layers have two biases that are added, Keras's LSTM has one.

    Copy the bias once and set the other to zero.
    """
    x, weights = draw(3, 5, 2), recurrent_weights(4)
    bias = weights[2]
    return (
        keras_lstm(x, weights),
        torch_lstm(x, weights, np.zeros_like(bias)),
        torch_lstm(x, weights, bias),
    )


@trap()
def gru_gate_order() -> Answers:
    """A GRU's gates are z, r, candidate in Keras and r, z, n in PyTorch.

    Exchange the first two blocks of columns of both kernels and both biases.
    """
    x, weights = draw(3, 5, 2), recurrent_weights(3)
    weights[2] = np.stack([weights[2], -0.5 * weights[2]])  # one bias for each product
    swapped = [_blocks(w, (1, 0, 2)) for w in weights]
    return keras_gru(x, weights, True), torch_gru(x, swapped), torch_gru(x, weights)


@trap()
def gru_reset_after() -> Answers:
    """The reset gate acts after the matrix product in Keras and PyTorch, before it in the paper.

    Weights trained with Keras's `reset_after=False` fit no PyTorch GRU; write the step yourself.
    Keras's bias has two rows with `reset_after` and one without, which tells them apart.
    """
    x, (kernel, recurrent_kernel, bias) = draw(3, 5, 2), recurrent_weights(3)
    h = np.zeros((3, 4), np.float32)
    for t in range(5):
        a, u = x[:, t] @ kernel + bias, recurrent_kernel
        z, r = _sigmoid(a[:, :4] + h @ u[:, :4]), _sigmoid(a[:, 4:8] + h @ u[:, 4:8])
        h = z * h + (1 - z) * np.tanh(a[:, 8:] + (r * h) @ u[:, 8:])
    both = np.stack([bias, np.zeros_like(bias)])
    swapped = [_blocks(w, (1, 0, 2)) for w in (kernel, recurrent_kernel, both)]
    truth = keras_gru(x, [kernel, recurrent_kernel, bias], False)
    return truth, h, torch_gru(x, swapped)


@trap()
def gelu_approximation() -> Answers:
    """`jax.nn.gelu` approximates by a tanh unless told otherwise; Keras and PyTorch are exact.

    Pass `approximate=False` to JAX.
    """
    x = draw(50)
    return as_array(keras.activations.gelu(x)), jax.nn.gelu(x, approximate=False), jax.nn.gelu(x)


@trap()
def leaky_relu_slope() -> Answers:
    """The slope is 0.3 in the layer `LeakyReLU` of Keras, 0.2 in its function, 0.01 elsewhere.

    Write the slope down wherever you use it.
    """
    x, given = draw(50), torch.tensor(draw(50))
    return as_array(keras.layers.LeakyReLU()(x)), F.leaky_relu(given, 0.3), F.leaky_relu(given)


@trap()
def dropout_scaling() -> Answers:
    """Dropout divides what it keeps by the share it keeps, in training, in all three frameworks.

    The paper multiplies the weights in use instead. A dropout without the division shrinks the
    signal of training.
    """
    x, rate = np.ones((1, 1000), np.float32), 0.2
    truth = as_array(keras.layers.Dropout(rate, seed=0)(x, training=True))
    torch.manual_seed(0)
    ours = F.dropout(torch.tensor(x), rate, training=True)
    kept = np.random.default_rng(0).random(x.shape) >= rate
    return np.unique(truth), torch.unique(ours), np.unique(x * kept)


@trap()
def training_mode_by_default() -> Answers:
    """A PyTorch module starts in training mode; a Keras model called on a batch does not.

    Call `.eval()` before you predict. Otherwise dropout drops and batch normalization uses, and
    changes, its averages.
    """
    x = draw(8, 3) + 2
    model = keras.Sequential([keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)])
    module = torch.nn.Sequential(torch.nn.BatchNorm1d(3, eps=1e-3), torch.nn.Dropout(0.5))
    with torch.no_grad():
        right = module.eval()(torch.tensor(x))
        wrong = module.train()(torch.tensor(x))
    return as_array(model(x)), right, wrong


@trap(tolerance=0.02)
def initial_weights() -> Answers:
    """Keras's Dense starts Glorot uniform with zero biases, PyTorch's Linear starts otherwise.

    PyTorch draws weights and biases between plus and minus 1 / sqrt(units_in). Call
    `xavier_uniform_` on the weight and `zeros_` on the bias, or better: copy the weights.
    """
    layer = keras.layers.Dense(300, kernel_initializer=keras.initializers.GlorotUniform(seed=0))
    layer.build((None, 300))
    torch.manual_seed(0)
    right, wrong = torch.nn.Linear(300, 300), torch.nn.Linear(300, 300)
    torch.nn.init.xavier_uniform_(right.weight)
    spreads = (as_array(layer.kernel).std(), right.weight.std(), wrong.weight.std())
    return spreads[0], spreads[1], spreads[2]


# Recurrent layers with given weights


def recurrent_weights(gates: int) -> list[np.ndarray]:
    """Return kernel `(2, 4 gates)`, recurrent kernel `(4, 4 gates)` and bias `(4 gates,)`."""
    return [
        draw(*shape, seed=seed)
        for seed, shape in enumerate([(2, 4 * gates), (4, 4 * gates), (4 * gates,)], 1)
    ]


def keras_lstm(x: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    layer = keras.layers.LSTM(4)
    layer.build(x.shape)
    layer.set_weights(weights)
    return as_array(layer(x))


def keras_gru(x: np.ndarray, weights: list[np.ndarray], reset_after: bool) -> np.ndarray:
    layer = keras.layers.GRU(4, reset_after=reset_after)
    layer.build(x.shape)
    layer.set_weights(weights)
    return as_array(layer(x))


def torch_lstm(x: np.ndarray, weights: list[np.ndarray], second: np.ndarray | None = None) -> Any:
    kernel, recurrent_kernel, bias = weights
    second = np.zeros_like(bias) if second is None else second
    return _by_torch(torch.nn.LSTM, x, kernel, recurrent_kernel, bias, second)


def torch_gru(x: np.ndarray, weights: list[np.ndarray]) -> Any:
    kernel, recurrent_kernel, (bias, recurrent_bias) = weights
    return _by_torch(torch.nn.GRU, x, kernel, recurrent_kernel, bias, recurrent_bias)


def _by_torch(kind: Any, x: np.ndarray, *weights: np.ndarray) -> Any:
    module = kind(2, 4, batch_first=True)
    with torch.no_grad():
        for parameter, array in zip(module.parameters(), weights, strict=True):
            parameter.copy_(torch.tensor(array.T))
        return module(torch.tensor(x))[0][:, -1]


def _blocks(array: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    blocks = np.split(array, len(order), axis=-1)
    return np.concatenate([blocks[block] for block in order], axis=-1)


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))
