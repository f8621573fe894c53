"""Wrong solutions of lab 10, each a misconception; a learner's output is compared with theirs."""

import numpy as np

from dllab.check import mutant

# --- dense -----------------------------------------------------------------------------------


def _transposed(w):
    return w.T


def _to_keras(state, turn=_transposed, key=int):
    numbers = sorted({name.split(".")[1] for name in state}, key=key)
    weights = []
    for number in numbers:
        weights.append(turn(state[f"layers.{number}.weight"]))
        weights.append(state[f"layers.{number}.bias"])
    return weights


def _to_torch(weights, turn=_transposed, step=2):
    state = {}
    for place in range(len(weights) // 2):
        state[f"layers.{step * place}.weight"] = turn(weights[2 * place])
        state[f"layers.{step * place}.bias"] = weights[2 * place + 1]
    return state


def _unless_square(w):
    return w if w.shape[0] == w.shape[1] else w.T


def _reshaped(w):
    return w.reshape(w.shape[::-1])


@mutant("dense", misconception="square-not-transposed", replaces="dense_to_keras")
def leaves_square_weights(state):
    """You left square weights as they are: they fit either way, and have to be transposed too."""
    return _to_keras(state, _unless_square)


@mutant("dense", misconception="reshaped-for-transposed", replaces="dense_to_keras")
def reshapes_weights(state):
    """You reshaped the weights: a reshape keeps the stored order, you need the transpose."""
    return _to_keras(state, _reshaped)


@mutant("dense", misconception="names-sorted-as-text", replaces="dense_to_keras")
def sorts_names(state):
    """You sorted the names as text, where layers.10 comes before layers.2: compare numbers."""
    return _to_keras(state, key=str)


@mutant("dense", misconception="square-not-transposed", replaces="dense_to_torch")
def leaves_square_kernels(weights):
    """You left square kernels as they are: they fit either way, and have to be transposed too."""
    return _to_torch(weights, _unless_square)


@mutant("dense", misconception="reshaped-for-transposed", replaces="dense_to_torch")
def reshapes_kernels(weights):
    """You reshaped the kernels: a reshape keeps the stored order, you need the transpose."""
    return _to_torch(weights, _reshaped)


@mutant("dense", misconception="activations-not-counted", replaces="dense_to_torch")
def counts_dense_layers_only(weights):
    """You numbered the layers 0, 1, 2: PyTorch counts the activations between them."""
    return _to_torch(weights, step=1)


# --- convolution -----------------------------------------------------------------------------


@mutant("convolution", misconception="axes-reversed", replaces="conv_to_keras")
def reverses_the_kernel(weight):
    """You reversed all axes, so height and width are exchanged: name the order of the axes."""
    return weight.T


@mutant("convolution", misconception="input-for-output-channels", replaces="conv_to_keras")
def exchanges_channels(weight):
    """Your last two axes are (out, in): Keras wants (in, out)."""
    return weight.transpose(2, 3, 0, 1)


@mutant("convolution", misconception="reshaped-for-transposed", replaces="conv_to_keras")
def reshapes_the_kernel(weight):
    """You reshaped the kernel: that keeps the stored order, you need to move axes."""
    out, inputs, height, width = weight.shape
    return weight.reshape(height, width, inputs, out)


@mutant("convolution", misconception="flatten-order-ignored", replaces="flattened_to_keras")
def transposes_only(weight, channels, height, width):
    """You only transposed the weight: its rows still stand in the order of channels first."""
    return weight.T


@mutant("convolution", misconception="flatten-order-inverted", replaces="flattened_to_keras")
def permutes_backward(weight, channels, height, width):
    """You cut the rows as (height, width, channels): in PyTorch they lie channels first."""
    places = weight.T.reshape(height, width, channels, -1)
    return places.transpose(2, 0, 1, 3).reshape(len(weight.T), -1)


@mutant("convolution", misconception="axes-reversed", replaces="flattened_to_keras")
def width_before_height(weight, channels, height, width):
    """You flattened width before height: Keras goes along a row of pixels first."""
    return weight.reshape(-1, channels, height, width).T.reshape(-1, len(weight))


@mutant("convolution", misconception="reshaped-for-transposed", replaces="flattened_to_keras")
def reshapes_the_dense_weight(weight, channels, height, width):
    """You reshaped the weight: that keeps the stored order, you need to move axes."""
    return weight.reshape(-1, len(weight))


@mutant("convolution", misconception="flatten-order-ignored", replaces="flattened_to_torch")
def transposes_only_back(kernel, channels, height, width):
    """You only transposed the kernel: its rows still stand in the order of channels last."""
    return kernel.T


@mutant("convolution", misconception="flatten-order-inverted", replaces="flattened_to_torch")
def cuts_channels_first(kernel, channels, height, width):
    """You cut the rows as (channels, height, width): in Keras they lie channels last."""
    places = kernel.reshape(channels, height, width, -1)
    return places.transpose(3, 1, 2, 0).reshape(kernel.shape[1], -1)


@mutant("convolution", misconception="axes-reversed", replaces="flattened_to_torch")
def columns_before_rows(kernel, channels, height, width):
    """You flattened width before height: in PyTorch a map goes along a row of pixels first."""
    return kernel.reshape(height, width, channels, -1).T.reshape(kernel.shape[1], -1)


# --- settings --------------------------------------------------------------------------------


def _pads(size, kernel, stride, dilation, least=0):
    missing = (-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size
    missing = max(missing, least)
    return missing // 2, missing - missing // 2


@mutant("settings", misconception="same-padding-symmetric", replaces="same_pads")
def half_of_the_kernel(size, kernel, stride, dilation):
    """You padded half of the kernel on both sides, whatever the size and the stride."""
    half = dilation * (kernel - 1) // 2
    return half, half


@mutant("settings", misconception="extra-padding-before", replaces="same_pads")
def extra_in_front(size, kernel, stride, dilation):
    """If the number of zeros is odd, you put the extra one before the data: it comes after."""
    return _pads(size, kernel, stride, dilation)[::-1]


@mutant("settings", misconception="same-ignores-stride", replaces="same_pads")
def ignores_the_stride(size, kernel, stride, dilation):
    """You padded as for stride 1: with a stride, fewer zeros are missing."""
    return _pads(size, kernel, 1, dilation)


@mutant("settings", misconception="dilation-forgotten-in-padding", replaces="same_pads")
def forgets_dilation(size, kernel, stride, dilation):
    """You left out the dilation: a dilated kernel covers dilation * (kernel - 1) + 1 places."""
    return _pads(size, kernel, stride, 1)


@mutant("settings", misconception="padding-below-zero", replaces="same_pads")
def goes_below_zero(size, kernel, stride, dilation):
    """Your padding is negative where the stride is larger than the kernel: it is at least 0."""
    return _pads(size, kernel, stride, dilation, least=-100)


def _norm(state, momentum, eps):
    names = ("weight", "bias", "running_mean", "running_var")
    return {"momentum": momentum, "epsilon": eps, "weights": [state[name] for name in names]}


@mutant("settings", misconception="momentum-not-complemented", replaces="batch_norm_to_keras")
def copies_the_momentum(state, momentum, eps):
    """You copied the momentum: Keras's is the share of the old average, 1 minus PyTorch's."""
    return _norm(state, momentum, eps)


@mutant("settings", misconception="epsilon-left-at-default", replaces="batch_norm_to_keras")
def default_epsilon(state, momentum, eps):
    """You left epsilon at Keras's default of 1e-3: take the one of the original."""
    return _norm(state, 1 - momentum, 1e-3)


@mutant("settings", misconception="root-of-running-variance", replaces="batch_norm_to_keras")
def takes_the_root(state, momentum, eps):
    """You took the root of the running variance: Keras stores the variance as well."""
    state = state | {"running_var": np.sqrt(state["running_var"])}
    return _norm(state, 1 - momentum, eps)


@mutant("settings", misconception="statistics-before-scale", replaces="batch_norm_to_keras")
def statistics_first(state, momentum, eps):
    """Your statistics come first: Keras's order is gamma, beta, mean, variance."""
    told = _norm(state, 1 - momentum, eps)
    return told | {"weights": told["weights"][2:] + told["weights"][:2]}


# --- gates -----------------------------------------------------------------------------------


def _blocks(array, order):
    parts = np.split(array, len(order))
    return np.concatenate([parts[place] for place in order])


def _lstm(state, order=(0, 1, 2, 3), turn=_transposed, ih=1, hh=1):
    bias = ih * state["bias_ih_l0"] + hh * state["bias_hh_l0"]
    kernels = [turn(_blocks(state[f"weight_{part}_l0"], order)) for part in ("ih", "hh")]
    return [*kernels, _blocks(bias, order)]


@mutant("gates", misconception="keras-gate-order", replaces="lstm_to_keras")
def candidate_last(state):
    """You reordered the gates of the LSTM: PyTorch and Keras have the same order, i, f, g, o."""
    return _lstm(state, (0, 1, 3, 2))


@mutant("gates", misconception="one-of-two-biases-dropped", replaces="lstm_to_keras")
def input_bias_only(state):
    """You dropped the bias of the state: the single bias of Keras is the sum of both."""
    return _lstm(state, hh=0)


@mutant("gates", misconception="reshaped-for-transposed", replaces="lstm_to_keras")
def reshapes_lstm(state):
    """You reshaped the weights of the LSTM: a reshape keeps the stored order, transpose them."""
    return _lstm(state, turn=_reshaped)


_ZRN = (1, 0, 2)


def _gru(state, kernel=_ZRN, recurrent=_ZRN, bias=_ZRN):
    biases = np.stack([_blocks(state[f"bias_{part}_l0"], bias) for part in ("ih", "hh")])
    ours, theirs = state["weight_ih_l0"], state["weight_hh_l0"]
    return [_blocks(ours, kernel).T, _blocks(theirs, recurrent).T, biases]


@mutant("gates", misconception="keras-gate-order", replaces="gru_to_keras")
def keeps_the_order(state):
    """You kept the order r, z, n of the GRU: Keras has z first, then r, then the candidate."""
    same = (0, 1, 2)
    return _gru(state, same, same, same)


@mutant("gates", misconception="gates-reordered-in-part", replaces="gru_to_keras")
def keeps_the_biases(state):
    """You reordered the gates of the kernels and not those of the biases."""
    return _gru(state, bias=(0, 1, 2))


@mutant("gates", misconception="gates-reordered-in-part", replaces="gru_to_keras")
def keeps_the_recurrent_kernel(state):
    """You reordered the gates of the kernel and not those of the recurrent kernel."""
    return _gru(state, recurrent=(0, 1, 2))


@mutant("gates", misconception="gru-biases-added", replaces="gru_to_keras")
def adds_the_biases(state):
    """You added both biases of the GRU: that of the state has to stay apart, in row 1."""
    kernel, recurrent, bias = _gru(state)
    return [kernel, recurrent, np.stack([bias[0] + bias[1], np.zeros_like(bias[0])])]


@mutant("gates", misconception="one-of-two-biases-dropped", replaces="gru_to_keras")
def copies_one_bias(state):
    """Both rows of your bias are the bias of the input: row 1 is that of the state."""
    kernel, recurrent, bias = _gru(state)
    return [kernel, recurrent, np.stack([bias[0], bias[0]])]


# --- functional_step -------------------------------------------------------------------------


def _momentum(params, velocity, grads, rate, share=1.0):
    velocity = {name: 0.9 * velocity[name] + share * grads[name] for name in params}
    return {name: params[name] - rate * velocity[name] for name in params}, velocity


@mutant("functional_step", misconception="rate-inside-velocity", replaces="momentum_step")
def rate_in_the_velocity(params, velocity, grads, rate):
    """Your velocity holds the rate, as in Keras: PyTorch multiplies by the rate afterwards."""
    velocity = {name: 0.9 * velocity[name] - rate * grads[name] for name in params}
    return {name: params[name] + velocity[name] for name in params}, velocity


@mutant("functional_step", misconception="rate-inside-velocity", replaces="momentum_step")
def rate_in_the_velocity_and_minus(params, velocity, grads, rate):
    """Your velocity holds the rate, as in Keras: PyTorch multiplies by the rate afterwards."""
    velocity = {name: 0.9 * velocity[name] + rate * grads[name] for name in params}
    return {name: params[name] - velocity[name] for name in params}, velocity


@mutant("functional_step", misconception="velocity-averaged", replaces="momentum_step")
def averages(params, velocity, grads, rate):
    """You averaged: PyTorch adds the whole gradient to 0.9 of the velocity."""
    return _momentum(params, velocity, grads, rate, share=0.1)


@mutant("functional_step", misconception="state-thrown-away", replaces="momentum_step")
def returns_the_old_velocity(params, velocity, grads, rate):
    """You returned the velocity that you were given: the next step needs the new one."""
    return _momentum(params, velocity, grads, rate)[0], velocity


@mutant("functional_step", misconception="state-changed-in-place", replaces="momentum_step")
def changes_in_place(params, velocity, grads, rate):
    """You changed the weights that you were given: return new arrays."""
    for name in params:
        velocity[name] *= 0.9
        velocity[name] += grads[name]
        params[name] -= rate * velocity[name]
    return params, velocity


def _as_in_torch(v, correction):
    return np.sqrt(v / correction) + 1e-8


def _adam(params, state, grads, rate, correct=True, divide=_as_in_torch):
    t, new = state["t"] + 1, {}
    m = {name: 0.9 * state["m"][name] + 0.1 * g for name, g in grads.items()}
    v = {name: 0.999 * state["v"][name] + 0.001 * g**2 for name, g in grads.items()}
    first, second = (1 - 0.9**t, 1 - 0.999**t) if correct else (1.0, 1.0)
    for name, w in params.items():
        new[name] = w - rate * m[name] / first / divide(v[name], second)
    return new, {"t": t, "m": m, "v": v}


@mutant("functional_step", misconception="no-bias-correction", replaces="adam_step")
def does_not_correct(params, state, grads, rate):
    """You did not correct the averages: divide them by 1 - beta to the power t."""
    return _adam(params, state, grads, rate, correct=False)


@mutant("functional_step", misconception="step-counted-from-zero", replaces="adam_step")
def counts_from_zero(params, state, grads, rate):
    """You corrected with the number of steps before this one: count this step as well."""
    with np.errstate(all="ignore"):
        new, after = _adam(params, state | {"t": state["t"] - 1}, grads, rate)
    return new, after | {"t": state["t"] + 1}


@mutant("functional_step", misconception="epsilon-before-correction", replaces="adam_step")
def epsilon_as_in_keras(params, state, grads, rate):
    """You added epsilon to the root before the correction, as Keras does: PyTorch adds it after."""
    return _adam(params, state, grads, rate, divide=lambda v, c: (np.sqrt(v) + 1e-8) / np.sqrt(c))


@mutant("functional_step", misconception="epsilon-inside-root", replaces="adam_step")
def epsilon_in_the_root(params, state, grads, rate):
    """Your epsilon is inside the root: add it to the root."""
    return _adam(params, state, grads, rate, divide=lambda v, c: np.sqrt(v / c + 1e-8))


@mutant("functional_step", misconception="state-thrown-away", replaces="adam_step")
def stays_at_the_first_step(params, state, grads, rate):
    """You returned the state that you were given: the next step needs the new one."""
    return _adam(params, state, grads, rate)[0], state


# --- first_difference ------------------------------------------------------------------------


def _far(found, wanted, tolerance):
    return found.shape != wanted.shape or not np.all(
        np.abs(found - wanted) <= tolerance * np.abs(wanted).max()
    )


@mutant("first_difference", misconception="nan-counts-as-equal")
def asks_whether_any_is_larger(reference, port, tolerance):
    """NaN passes your comparison: no comparison with NaN is true, so ask what is within."""
    for name, wanted in reference.items():
        if port[name].shape != wanted.shape:
            return name
        if np.any(np.abs(port[name] - wanted) > tolerance * np.abs(wanted).max()):
            return name
    return None


@mutant("first_difference", misconception="average-hides-a-difference")
def compares_averages(reference, port, tolerance):
    """You compared the mean difference, which hides a single wrong entry: take the largest."""
    for name, wanted in reference.items():
        if port[name].shape != wanted.shape:
            return name
        apart = np.abs(port[name] - wanted).mean()
        if not apart <= tolerance * np.abs(wanted).max():
            return name
    return None


@mutant("first_difference", misconception="tolerance-without-scale")
def absolute(reference, port, tolerance):
    """Your tolerance is the same for all stages: multiply it by the stage's largest value."""
    for name, wanted in reference.items():
        if port[name].shape != wanted.shape:
            return name
        if not np.all(np.abs(port[name] - wanted) <= tolerance):
            return name
    return None


@mutant("first_difference", misconception="largest-difference-blamed")
def names_the_worst(reference, port, tolerance):
    """You named the stage with the largest difference: the mistake is in the first one."""
    worst, size = None, 0.0
    for name, wanted in reference.items():
        if port[name].shape != wanted.shape or np.isnan(port[name]).any():
            return name
        apart = np.abs(port[name] - wanted).max() / np.abs(wanted).max()
        if apart > max(size, tolerance):
            worst, size = name, apart
    return worst


@mutant("first_difference", misconception="largest-difference-blamed")
def names_the_last(reference, port, tolerance):
    """You named the last stage that differs: the mistake is in the first one."""
    off = [name for name in reference if _far(port[name], reference[name], tolerance)]
    return off[-1] if off else None


# --- train_port ------------------------------------------------------------------------------


def _softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _loss_and_slope(logits, y, twice):
    """Return the loss and its gradient in the logits, times the number of examples."""
    n = np.arange(len(y))
    outputs = _softmax(logits) if twice else logits
    p = _softmax(outputs)
    bar = p - np.eye(10)[y]
    loss = -np.log(p[n, y]).mean()
    if twice:
        bar = outputs * (bar - (bar * outputs).sum(axis=1, keepdims=True))
    return loss, bar


def _train(state, x, y, x_new, seed, **slips):
    """Return losses and logits; each slip spoils one thing."""
    rng, losses = slips.get("generator", np.random.default_rng)(seed), []
    turn = slips.get("turn", _transposed)
    w = [turn(a) if a.ndim == 2 else a for a in (state[f"layers.{name}"] for name in _NAMES)]
    speed, total = [np.zeros_like(a) for a in w], [0.0] * 4
    for epoch in range(6):
        rate = 0.01 if epoch >= 4 else 0.1
        if slips.get("reuse"):
            rng = np.random.default_rng(seed)
        order = rng.permutation(len(x))
        for start in range(0, len(x), 64):
            rows = order[start : start + 64]
            z = x[rows] @ w[0] + w[1]
            keep = (rng.random(z.shape) >= 0.2) / 0.8
            h = np.maximum(z, 0) * keep
            loss, bar = _loss_and_slope(h @ w[2] + w[3], y[rows], slips.get("twice"))
            bar = bar if slips.get("total") else bar / len(rows)
            losses.append(loss)
            z_bar = bar @ w[2].T * keep * (z > 0)
            new = [x[rows].T @ z_bar, z_bar.sum(axis=0), h.T @ bar, bar.sum(axis=0)]
            total = [a + b for a, b in zip(total, new, strict=True)]
            grads = total if slips.get("kept") else new
            if slips.get("inside"):
                speed = [0.9 * v + rate * g for v, g in zip(speed, grads, strict=True)]
                w = [a - v for a, v in zip(w, speed, strict=True)]
            else:
                speed = [0.9 * v + g for v, g in zip(speed, grads, strict=True)]
                w = [a - rate * v for a, v in zip(w, speed, strict=True)]
    h = np.maximum(x_new @ w[0] + w[1], 0)
    if slips.get("noisy"):
        h = h * (rng.random(h.shape) >= 0.2) / 0.8
    return losses, h @ w[2] + w[3]


_NAMES = ("0.weight", "0.bias", "2.weight", "2.bias")


@mutant("train_port", misconception="loss-names-trusted")
def softmax_twice(state, x, y, x_new, seed):
    """You applied the softmax twice: the loss of PyTorch takes logits."""
    return _train(state, x, y, x_new, seed, twice=True)


@mutant("train_port", misconception="missing-one-over-n")
def sums_gradients(state, x, y, x_new, seed):
    """Your gradients are sums over the batch: the loss is a mean, so divide by its size."""
    return _train(state, x, y, x_new, seed, total=True)


@mutant("train_port", misconception="gradients-not-reset")
def never_resets(state, x, y, x_new, seed):
    """Your gradients add up from step to step: start each step from zero."""
    return _train(state, x, y, x_new, seed, kept=True)


@mutant("train_port", misconception="rate-inside-velocity")
def keras_momentum(state, x, y, x_new, seed):
    """Your velocity keeps the old rate after it has dropped: PyTorch's takes the new rate."""
    return _train(state, x, y, x_new, seed, inside=True)


@mutant("train_port", misconception="train-mode-left-on")
def drops_new_digits(state, x, y, x_new, seed):
    """You left dropout on for the new digits: after training, nothing is dropped."""
    return _train(state, x, y, x_new, seed, noisy=True)


@mutant("train_port", misconception="random-key-reused")
def starts_over(state, x, y, x_new, seed):
    """You made the generator anew in each epoch, so all epochs draw the same numbers."""
    return _train(state, x, y, x_new, seed, reuse=True)


@mutant("train_port", misconception="same-seed-trusted")
def another_generator(state, x, y, x_new, seed):
    """You drew from another generator: the same seed gives other numbers there."""
    return _train(state, x, y, x_new, seed, generator=np.random.RandomState)


@mutant("train_port", misconception="reshaped-for-transposed")
def reshapes_first_weights(state, x, y, x_new, seed):
    """You reshaped the weights of the state dict: transpose them."""
    return _train(state, x, y, x_new, seed, turn=_reshaped)
