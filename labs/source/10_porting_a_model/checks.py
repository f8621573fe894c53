"""Checks of lab 10: weights, settings and a training loop moved between frameworks.

Each one computes the same thing twice: with the formulas of PyTorch and the arrays that went in,
and with the engine of `dllab.scratch`, which follows Keras, and the arrays that came out.
"""

from functools import cache
from itertools import pairwise

import numpy as np

import dllab
from dllab.check import expect, task
from dllab.scratch import (
    GRU,
    LSTM,
    SGD,
    Adam,
    BatchNormalization,
    Dense,
    Tensor,
    conv2d,
    relu,
    softmax_cross_entropy,
)


def arrays(value, shapes, what):
    """Return the arrays of a list that should have these shapes."""
    expect.true(
        isinstance(value, (list, tuple)) and len(value) == len(shapes),
        f"`{what}` should return a list of {len(shapes)} arrays here.",
    )
    return [expect.array(part, shape) for part, shape in zip(value, shapes, strict=True)]


# --- Task 1: dense layers --------------------------------------------------------------------


def state_of_dense(rng, widths):
    """Return a state dict of dense layers with activations between them."""
    state = {}
    for place, (inputs, outputs) in enumerate(pairwise(widths)):
        state[f"layers.{2 * place}.weight"] = rng.normal(size=(outputs, inputs))
        state[f"layers.{2 * place}.bias"] = rng.normal(size=outputs)
    return state


def torch_network(state, x):
    """Return the output of a state dict's layers, by PyTorch's formula, with tanh between."""
    last = max(int(name.split(".")[1]) for name in state)
    for number in range(0, last + 1, 2):
        x = x @ state[f"layers.{number}.weight"].T + state[f"layers.{number}.bias"]
        x = x if number == last else np.tanh(x)
    return x


def keras_network(weights, x):
    """Return the output of a list of kernels and biases, by Keras's formula."""
    for place in range(0, len(weights), 2):
        x = x @ weights[place] + weights[place + 1]
        x = np.tanh(x) if place < len(weights) - 2 else x
    return x


def shapes_of_dense(widths):
    pairs = pairwise(widths)
    return [shape for inputs, outputs in pairs for shape in ((inputs, outputs), (outputs,))]


@task("dense", points=1)
def test_the_network_computes_the_same_in_keras(student, rng):
    """Networks of PyTorch and of Keras give the same output, whatever their widths."""
    square = [int(rng.integers(2, 5))] * 8
    for widths in ([4, 3, 5], square):
        state, x = state_of_dense(rng, widths), rng.normal(size=(6, widths[0]))
        names = list(rng.permutation(list(state)))
        given = student.dense_to_keras({str(name): state[str(name)] for name in names})
        found = keras_network(arrays(given, shapes_of_dense(widths), "dense_to_keras"), x)
        expect.close(
            found,
            torch_network(state, x),
            f"With layers of the widths {widths}, your weights have the right shapes, and the "
            "network gives another output than before.",
        )


@task("dense", points=1)
def test_the_network_computes_the_same_in_torch(student, rng):
    """A list of Keras's weights becomes a state dict with PyTorch's names, and back."""
    for widths in ([3, 5, 2], [4] * 8):
        state, x = state_of_dense(rng, widths), rng.normal(size=(6, widths[0]))
        weights = []
        for place in range(len(widths) - 1):
            weights.append(np.ascontiguousarray(state[f"layers.{2 * place}.weight"].T))
            weights.append(state[f"layers.{2 * place}.bias"])
        found = expect.mapping(student.dense_to_torch(weights), list(state))
        expect.true(len(found) == len(state), "Your state dict has names that no layer has.")
        ported = {name: expect.array(found[name], state[name].shape) for name in state}
        expect.close(
            torch_network(ported, x),
            torch_network(state, x),
            f"With layers of the widths {widths}, your state dict has the right shapes, and the "
            "network gives another output than before.",
        )


# --- Task 2: convolutions --------------------------------------------------------------------


def torch_convolution(x, weight):
    """Return `(batch, out, rows, columns)`: each output is a sum over its window."""
    high, wide = weight.shape[2:]
    rows, columns = x.shape[2] - high + 1, x.shape[3] - wide + 1
    y = np.zeros((len(x), len(weight), rows, columns))
    for p in range(high):
        for q in range(wide):
            window = x[:, :, p : p + rows, q : q + columns]
            y += np.einsum("bchw,oc->bohw", window, weight[:, :, p, q])
    return y


def last(x):
    """Return images with channels last."""
    return np.moveaxis(x, 1, -1)


def compare_convolution(student, rng, out, inputs, high, wide, message):
    weight = rng.normal(size=(out, inputs, high, wide))
    x = rng.normal(size=(2, inputs, 6, 5))
    kernel = expect.array(student.conv_to_keras(weight), (high, wide, inputs, out))
    found = conv2d(last(x), kernel).data
    expect.close(found, last(torch_convolution(x, weight)), message)


@task("convolution", points=1)
def test_the_kernel_slides_alike(student, rng):
    """A convolution gives the same feature maps, when all axes can be told apart and when not."""
    compare_convolution(
        student,
        rng,
        *(4, 3, 2, 5),
        "Your kernel has the right shape, and the feature maps are others than before.",
    )
    compare_convolution(
        student,
        rng,
        *(3, 3, 3, 3),
        "With a 3 x 3 kernel and three channels in and out, every order of the axes has the same "
        "shape, and yours is not the right one.",
    )


SINGLE = "With maps of a single pixel, the outputs are others than before: is it transposed?"
KERAS = "The dense layer gives other outputs after Keras's Flatten: its rows belong elsewhere."
TORCH = "The dense layer gives other outputs after PyTorch's Flatten: its columns belong elsewhere."


@task("convolution", points=1)
def test_the_dense_layer_reads_the_same_pixels(student, rng):
    """After Flatten with channels last, the dense layer gives the outputs it gave before."""
    for size, message in (((3, 1, 1), SINGLE), ((3, 2, 4), KERAS)):
        places = int(np.prod(size))
        weight, maps = rng.normal(size=(7, places)), rng.normal(size=(4, *size))
        kernel = expect.array(student.flattened_to_keras(weight, *size), (places, 7))
        found = last(maps).reshape(4, -1) @ kernel
        expect.close(found, maps.reshape(4, -1) @ weight.T, message)


@task("convolution", points=1)
def test_the_way_back_reads_the_same_pixels(student, rng):
    """After Flatten with channels first, the dense layer gives the outputs of Keras."""
    for size, message in (((3, 1, 1), SINGLE), ((2, 3, 4), TORCH)):
        places = int(np.prod(size))
        kernel, maps = rng.normal(size=(places, 5)), rng.normal(size=(4, *size))
        weight = expect.array(student.flattened_to_torch(kernel, *size), (5, places))
        found = maps.reshape(4, -1) @ weight.T
        expect.close(found, last(maps).reshape(4, -1) @ kernel, message)


# --- Task 3: padding and batch normalization -------------------------------------------------


def pads(student, *setting):
    given = student.same_pads(*setting)
    expect.true(
        isinstance(given, (tuple, list)) and len(given) == 2,
        "`same_pads` should return a pair: the zeros before and the zeros after.",
    )
    return expect.integer(given[0]), expect.integer(given[1])


def described(size, kernel, stride, dilation):
    return f"size {size}, kernel {kernel}, stride {stride}, dilation {dilation}"


@task("settings", points=1)
def test_as_few_zeros_as_it_takes(student, rng):
    """The number of outputs is the size over the stride, rounded up, with no zero to spare."""
    settings = [(6, 3, 1, 1), (9, 2, 1, 1), (7, 3, 2, 1), (8, 3, 2, 1), (9, 3, 1, 2), (9, 1, 3, 1)]
    settings += [tuple(int(n) for n in rng.integers(1, (14, 6, 5, 4))) for _ in range(12)]
    for size, kernel, stride, dilation in settings:
        before, after = pads(student, size, kernel, stride, dilation)
        told = described(size, kernel, stride, dilation)
        expect.true(before >= 0 and after >= 0, f"For {told} you pad {before} and {after}.")
        span, total = dilation * (kernel - 1) + 1, before + after
        places = -(-size // stride)
        found = (size + total - span) // stride + 1
        message = f"For {told} your zeros ({before} before, {after} after) "
        expect.true(
            found == places,
            message + "do not give as many outputs as the size over the stride, rounded up.",
        )
        fewer = (size + total - 1 - span) // stride + 1
        expect.true(total == 0 or fewer < places, message + "are more than it takes.")


@task("settings", points=1)
def test_windows_lie_where_keras_lays_them(student, rng):
    """A convolution without padding on the padded row gives what "same" gives."""
    settings = [(7, 4, 1, 1), (8, 3, 2, 1), (9, 3, 3, 2), (8, 2, 1, 3), (6, 5, 2, 1)]
    for size, kernel, stride, dilation in settings:
        before, after = pads(student, size, kernel, stride, dilation)
        told = described(size, kernel, stride, dilation)
        expect.true(min(before, after) >= 0, f"For {told} you pad {before} and {after}.")
        expect.true(max(before, after) <= 20, f"For {told} you pad {before} and {after}.")
        x, weights = rng.normal(size=(1, size, 1, 1)), rng.normal(size=(kernel, 1, 1, 1))
        options = {"strides": (stride, 1), "dilation_rate": (dilation, 1)}
        wanted = conv2d(x, weights, padding="same", **options).data
        padded = np.pad(x, [(0, 0), (before, after), (0, 0), (0, 0)])
        message = f"For {told}, {before} zeros before and {after} after"
        expect.true(
            padded.shape[1] >= dilation * (kernel - 1) + 1, f"{message} leave no room for a window."
        )
        found = conv2d(padded, weights, padding="valid", **options).data
        expect.true(found.shape == wanted.shape, f"{message} give another number of outputs.")
        expect.close(found, wanted, f"{message} lay the windows on other places than Keras does.")


@task("settings", points=1)
def test_batch_normalization_goes_on_as_before(student, rng):
    """The layer gives the same outputs, and its mean moves by the same share of a batch."""
    names = ("weight", "bias", "running_mean", "running_var")
    state = {name: rng.uniform(0.2, 3, size=5) for name in names}
    momentum, eps = float(rng.uniform(0.05, 0.4)), float(rng.uniform(0.05, 0.5))
    given = student.batch_norm_to_keras(state, momentum, eps)
    told = expect.mapping(given, ["momentum", "epsilon", "weights"])
    gamma, beta, mean, variance = arrays(told["weights"], [(5,)] * 4, "batch_norm_to_keras")
    kept, epsilon = expect.number(told["momentum"]), expect.number(told["epsilon"])
    expect.true(0 <= kept < 1, f"Your momentum is {kept:g}; it is a share from 0 to 1.")
    expect.true(epsilon > 0, f"Your epsilon is {epsilon:g}; it should be positive.")
    layer = BatchNormalization(5, kept, epsilon)
    layer.gamma.data, layer.beta.data = gamma, beta
    layer.moving_mean, layer.moving_variance = mean, np.abs(variance)
    x = rng.normal(size=(8, 5))
    root = np.sqrt(state["running_var"] + eps)
    wanted = (x - state["running_mean"]) / root * state["weight"] + state["bias"]
    expect.close(layer(x).data, wanted, "With your settings the layer gives other outputs.")
    layer(x, training=True)
    moved = (1 - momentum) * state["running_mean"] + momentum * x.mean(axis=0)
    expect.close(
        layer.moving_mean,
        moved,
        "With your settings a training step moves the mean by another share of the batch.",
    )


# --- Task 4: gates ---------------------------------------------------------------------------

BATCH, FEATURES, UNITS = 3, 4, 5


def recurrent_state(rng, gates, bias=1.0):
    return {
        "weight_ih_l0": rng.normal(size=(gates * UNITS, FEATURES)),
        "weight_hh_l0": rng.normal(size=(gates * UNITS, UNITS)),
        "bias_ih_l0": bias * rng.normal(size=gates * UNITS),
        "bias_hh_l0": bias * rng.normal(size=gates * UNITS),
    }


def torch_products(state, x_t, h, gates):
    """Return the blocks of the input's part and of the state's part, biases added."""
    ours = x_t @ state["weight_ih_l0"].T + state["bias_ih_l0"]
    theirs = h @ state["weight_hh_l0"].T + state["bias_hh_l0"]
    return np.split(ours, gates, axis=1), np.split(theirs, gates, axis=1)


def sigmoid(z):
    return 0.5 * (1 + np.tanh(0.5 * z))


def torch_lstm(state, x_t, h, c):
    p, q = torch_products(state, x_t, h, 4)
    i, f, g, o = (a + b for a, b in zip(p, q, strict=True))
    keep, write, show = (sigmoid(gate) for gate in (f, i, o))
    c_next = keep * c + write * np.tanh(g)
    return show * np.tanh(c_next), c_next


def torch_gru(state, x_t, h):
    (p_r, p_z, p_n), (q_r, q_z, q_n) = torch_products(state, x_t, h, 3)
    r, z = sigmoid(p_r + q_r), sigmoid(p_z + q_z)
    return (1 - z) * np.tanh(p_n + r * q_n) + z * h


def ported_layer(given, kind, what):
    """Return a layer of the engine with the learner's arrays."""
    layer = kind(FEATURES, UNITS, rng=np.random.default_rng(0))
    wide = layer.gates * UNITS
    bias = (2, wide) if kind is GRU else (wide,)
    found = arrays(given, [(FEATURES, wide), (UNITS, wide), bias], what)
    layer.kernel.data, layer.recurrent_kernel.data, layer.bias.data = found
    return layer


def inputs_of_a_step(rng):
    return rng.normal(size=(BATCH, FEATURES)), rng.normal(size=(2, BATCH, UNITS))


def compare_lstm(student, rng, bias, message):
    state = recurrent_state(rng, 4, bias)
    layer = ported_layer(student.lstm_to_keras(state), LSTM, "lstm_to_keras")
    x_t, (h, c) = inputs_of_a_step(rng)
    found = layer.step(x_t, (Tensor(h), Tensor(c)))
    wanted = torch_lstm(state, x_t, h, c)
    expect.close([part.data for part in found], wanted, message)


def compare_gru(student, rng, bias, message):
    state = recurrent_state(rng, 3, bias)
    layer = ported_layer(student.gru_to_keras(state), GRU, "gru_to_keras")
    x_t, (h, _) = inputs_of_a_step(rng)
    (found,) = layer.step(x_t, (Tensor(h),))
    expect.close(found.data, torch_gru(state, x_t, h), message)


@task("gates", points=1)
def test_lstm_kernels(student, rng):
    """Without biases, a step of the ported LSTM gives the states of the original."""
    compare_lstm(student, rng, 0.0, "All biases are 0 here, and the LSTM gives other states.")


@task("gates", points=1)
def test_lstm_biases(student, rng):
    """With two biases, a step of the ported LSTM gives the states of the original."""
    compare_lstm(student, rng, 1.0, "With its two biases the LSTM gives other states.")


@task("gates", points=1)
def test_gru_kernels(student, rng):
    """Without biases, a step of the ported GRU gives the state of the original."""
    compare_gru(student, rng, 0.0, "All biases are 0 here, and the GRU gives another state.")


@task("gates", points=1)
def test_gru_biases(student, rng):
    """With two biases, a step of the ported GRU gives the state of the original."""
    compare_gru(student, rng, 1.0, "With its two biases the GRU gives another state.")


# --- Task 5: a functional step ---------------------------------------------------------------

SHAPES = {"W": (3, 2), "b": (2,)}


def draw(rng, scale=1.0):
    return {name: scale * rng.normal(size=shape) for name, shape in SHAPES.items()}


def zeros():
    return {name: np.zeros(shape) for name, shape in SHAPES.items()}


def two_results(value, what):
    expect.true(
        isinstance(value, (tuple, list)) and len(value) == 2,
        f"`{what}` should return a pair: the new weights and the new memory.",
    )
    return tensors(value[0]), value[1]


def tensors(value):
    """Return a dictionary of arrays with the names and shapes that went in."""
    found = expect.mapping(value, list(SHAPES))
    return {name: expect.array(found[name], shape) for name, shape in SHAPES.items()}


def engine_step(optimizer, parameters, grads):
    for parameter, name in zip(parameters, SHAPES, strict=True):
        parameter.grad = grads[name]
    optimizer.step()
    return {name: p.data for name, p in zip(SHAPES, parameters, strict=True)}


def compare_weights(found, wanted, message):
    for name in SHAPES:
        expect.close(found[name], wanted[name], f"{name}: {message}", rtol=1e-5, atol=1e-5)


@task("functional_step", points=1)
def test_momentum_follows_a_rate_that_drops(student, rng):
    """Ten steps equal the engine's; where the rate drops, the old velocity takes the new rate."""
    params, velocity = draw(rng), zeros()
    parameters = [Tensor(params[name]) for name in SHAPES]
    engine = SGD(parameters, 0.2, momentum=0.9)
    for step in range(10):
        rate = 0.2 if step < 5 else 0.05
        if step == 5:  # the engine keeps the rate inside its velocity, as Keras does
            engine.velocities = [v * (rate / engine.learning_rate) for v in engine.velocities]
            engine.learning_rate = rate
        grads = draw(rng)
        given = student.momentum_step(params, velocity, grads, rate)
        params, velocity = two_results(given, "momentum_step")
        velocity = tensors(velocity)
        when = "at a constant rate" if step < 5 else "after the rate has dropped"
        wanted = engine_step(engine, parameters, grads)
        compare_weights(params, wanted, f"{when}, the weights leave those of PyTorch.")


def adam_state():
    return {"t": 0, "m": zeros(), "v": zeros()}


def adam(student, params, state, grads, rate):
    """Return the weights and the state after a step of the learner's Adam."""
    given = student.adam_step(params, state, grads, rate)
    params, state = two_results(given, "adam_step")
    state = expect.mapping(state, ["t", "m", "v"])
    t = expect.integer(state["t"])
    return params, {"t": t, "m": tensors(state["m"]), "v": tensors(state["v"])}


@task("functional_step", points=1)
def test_ten_steps_of_adam(student, rng):
    """With gradients far larger than epsilon, ten steps equal the engine's Adam."""
    params, state = draw(rng), adam_state()
    parameters = [Tensor(params[name]) for name in SHAPES]
    engine = Adam(parameters, 0.01, epsilon=1e-12)
    for step in range(10):
        grads = draw(rng, scale=2.0)
        params, state = adam(student, params, state, grads, 0.01)
        wanted = engine_step(engine, parameters, grads)
        when = "after the first step" if step == 0 else "after some steps"
        compare_weights(params, wanted, f"{when}, the weights leave those of Adam.")


@task("functional_step", points=1)
def test_epsilon_is_added_after_the_correction(student, rng):
    """A gradient that stays as large as epsilon moves a weight by half of the rate, each time."""
    params, state = zeros(), adam_state()
    grads = {name: np.full(shape, 1e-8) for name, shape in SHAPES.items()}
    for step in range(1, 6):
        params, state = adam(student, params, state, grads, 0.1)
        wanted = {name: np.full(shape, -0.05 * step) for name, shape in SHAPES.items()}
        compare_weights(
            params,
            wanted,
            "here every gradient is as large as epsilon, so each step should be half of the rate.",
        )


# --- Task 6: the first difference ------------------------------------------------------------

STAGES = ("input", "convolution", "normalization", "dense", "logits")


def stages_of(rng):
    """Return stages of very different sizes."""
    sizes = (1.0, 1e4, 1.0, 1e-6, 10.0)
    drawn = (rng.uniform(0.5, 1, size=(6, 5)) * rng.choice([-1, 1], size=(6, 5)) for _ in sizes)
    return {name: size * x for name, size, x in zip(STAGES, sizes, drawn, strict=True)}


def rounded(reference, rng, tolerance):
    """Return the stages with differences that are allowed."""
    return {
        name: x + 0.4 * tolerance * np.abs(x).max() * rng.uniform(-1, 1, size=x.shape)
        for name, x in reference.items()
    }


def ask(student, reference, port, tolerance):
    """Return the name that the learner's function gives, or None."""
    found = student.first_difference(reference, port, tolerance)
    return None if found is None else expect.text(found, STAGES)


@task("first_difference", points=1)
def test_the_first_of_several_is_named(student, rng):
    """Rounding is passed over at every scale; of several stages that differ, the first counts."""
    reference, tolerance = stages_of(rng), 1e-5
    port = rounded(reference, rng, tolerance)
    # a second call with another wrong entry shows that a name is not just guessed
    for place in (1, 3):
        broken = dict(port)
        for worse, name in enumerate(STAGES[place:]):
            broken[name] = port[name].copy()
            row, column = rng.integers(6), rng.integers(5)
            scale = np.abs(reference[name]).max()
            broken[name][row, column] -= 8 * 10**worse * tolerance * scale
        found = ask(student, reference, broken, tolerance)
        expect.true(
            found == STAGES[place],
            "One entry is off in a stage, and in all after it by more and more: your function "
            f"answers {found!r}.",
            reveal=f"It should answer {STAGES[place]!r}.",
        )
    found = ask(student, reference, port, tolerance)
    expect.true(
        found is None,
        f"All stages agree up to rounding, and your function answers {found!r}: the tolerance is "
        "a share of the stage's largest value.",
    )


@task("first_difference", points=1)
def test_nan_and_other_shapes_do_not_pass(student, rng):
    """NaN, or a shape that only broadcasts to the right one, is a difference."""
    reference = stages_of(rng)
    reference["normalization"][:] = reference["normalization"][:1]
    place = int(rng.integers(1, 5))
    port = dict(reference)
    port[STAGES[place]] = np.where(np.eye(6, 5) > 0, np.nan, reference[STAGES[place]])
    found = ask(student, reference, port, 1e-5)
    expect.true(
        found == STAGES[place],
        f"A stage of the port holds NaN, and your function answers {found!r}.",
    )
    port = reference | {"normalization": reference["normalization"][:1]}
    found = ask(student, reference, port, 1e-5)
    expect.true(
        found == "normalization",
        "A stage of the port has one row in place of six, all of them equal: the values would "
        f"broadcast, the shapes differ, and your function answers {found!r}.",
    )


# --- Task 7: a training loop -----------------------------------------------------------------


@cache
def reference_run(seed, count):
    """Return a state dict, and what PyTorch's training makes of it, by the engine's tape."""
    rng = np.random.default_rng(seed)
    layers = [Dense(64, 32, rng=rng), Dense(32, 10, rng=rng)]
    for layer in layers:
        layer.b.data = rng.uniform(-0.1, 0.1, size=layer.b.shape)
    state = {}
    for number, layer in zip((0, 2), layers, strict=True):
        state[f"layers.{number}.weight"] = layer.W.data.T.copy()
        state[f"layers.{number}.bias"] = layer.b.data.copy()
    return state, *engine_run(layers, *digits(count), seed)


@cache
def digits(count):
    data = dllab.load("digits")
    x, x_new = (part.x.reshape(-1, 64).astype(float) for part in (data.train, data.test))
    return x[:count], data.train.y[:count], x_new


def engine_run(layers, x, y, x_new, seed):
    """Return the losses and the final logits of the training that the task shows in PyTorch."""
    rng, losses = np.random.default_rng(seed), []
    engine = SGD([p for layer in layers for p in layer.parameters()], 0.1, momentum=0.9)
    for epoch in range(6):
        if epoch == 4:  # PyTorch keeps the rate outside the velocity
            engine.velocities = [0.1 * v for v in engine.velocities]
            engine.learning_rate = 0.01
        order = rng.permutation(len(x))
        for start in range(0, len(x), 64):
            rows = order[start : start + 64]
            keep = rng.random((len(rows), 32)) >= 0.2
            logits = layers[1](relu(layers[0](x[rows])) * (keep / 0.8))
            loss = softmax_cross_entropy(logits, y[rows])
            engine.zero_grad()
            loss.backward()
            engine.step()
            losses.append(float(loss))
    return np.array(losses), layers[1](relu(layers[0](x_new))).data


def trained(student, rng, count=None):
    """Return the learner's losses and logits, the right ones, and the labels of new examples."""
    seed = int(rng.integers(1_000_000))
    state, losses, logits = reference_run(seed, count)
    x, y, x_new = digits(count)
    given = student.train_port(state, x, y, x_new, seed)
    expect.true(
        isinstance(given, (tuple, list)) and len(given) == 2,
        "`train_port` should return a pair: the losses and the logits.",
    )
    found = expect.array(given[0], losses.shape), expect.array(given[1], logits.shape)
    return found, (losses, logits)


@task("train_port", points=1, seconds=60)
def test_the_first_steps(student, rng):
    """The first loss and the second are PyTorch's: the loss itself, then the first update."""
    (found, _), (wanted, _) = trained(student, rng, 192)
    expect.close(
        found[0],
        wanted[0],
        "The very first loss is off, before any weight has moved: look at the weights, the order "
        "of the examples, the mask and the loss.",
        rtol=1e-4,
    )
    expect.close(
        found[1],
        wanted[1],
        "The first loss is right and the second is off: look at the gradients and the first step.",
        rtol=1e-4,
    )
    message = "The first two losses are right, the third is off: look at what a step hands on."
    expect.close(found[2], wanted[2], message, rtol=1e-3)


@task("train_port", points=1, seconds=60)
def test_all_losses(student, rng):
    """The losses of all steps are PyTorch's, through every epoch and the drop of the rate."""
    (found, _), (wanted, _) = trained(student, rng)
    apart = np.abs(found - wanted) > 1e-4 + 2e-3 * wanted
    epoch = int(apart.argmax()) // (len(wanted) // 6)
    rate = "before the rate drops" if epoch < 4 else "after the rate has dropped"
    first = "in the first epoch" if epoch == 0 else f"later than the first epoch, {rate}"
    expect.true(not apart.any(), f"Your losses leave those of PyTorch {first}.")


@task("train_port", points=1, seconds=60)
def test_new_digits(student, rng):
    """The logits of new digits are PyTorch's in evaluation mode, and nearly all are right."""
    (_, found), (_, wanted) = trained(student, rng)
    expect.close(
        found,
        wanted,
        "The logits of new digits are not those of PyTorch after training, in evaluation mode.",
        rtol=1e-2,
        atol=1e-2,
    )
    right = np.mean(found.argmax(axis=1) == dllab.load("digits").test.y)
    expect.true(right > 0.88, "The logits name fewer digits rightly than the original does.")
