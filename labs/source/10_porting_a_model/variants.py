"""Right solutions of lab 10 in other styles: each must earn full marks."""

import re

import numpy as np

from dllab.check import variant

# --- dense -----------------------------------------------------------------------------------


@variant("dense", replaces="dense_to_keras")
def pairs_by_regular_expression(state):
    found = {}
    for name, array in state.items():
        number, kind = re.fullmatch(r"layers\.(\d+)\.(weight|bias)", name).groups()
        found[int(number), kind == "bias"] = array
    return [np.transpose(found[key]) for key in sorted(found)]


@variant("dense", replaces="dense_to_keras")
def as_single_precision_lists(state):
    last = max(int(name.split(".")[1]) for name in state)
    weights = []
    for number in range(0, last + 1, 2):
        weight = state[f"layers.{number}.weight"]
        weights += [[[row[i] for row in weight] for i in range(weight.shape[1])]]
        weights += [state[f"layers.{number}.bias"].tolist()]
    return tuple(weights)


@variant("dense", replaces="dense_to_torch")
def biases_first(weights):
    state, number = {}, 0
    weights = list(weights)
    while weights:
        kernel, bias, *weights = weights
        state[f"layers.{number}.bias"] = np.array(bias)
        state[f"layers.{number}.weight"] = np.einsum("io->oi", kernel)
        number += 2
    return state


# --- convolution -----------------------------------------------------------------------------


@variant("convolution", replaces="conv_to_keras")
def with_einsum(weight):
    return np.einsum("oihw->hwio", weight)


@variant("convolution", replaces="conv_to_keras")
def with_moveaxis(weight):
    return np.moveaxis(weight, (0, 1), (3, 2))


@variant("convolution", replaces="flattened_to_keras")
def by_a_permutation(weight, channels, height, width):
    order = np.arange(channels * height * width).reshape(channels, height, width)
    return weight.T[np.moveaxis(order, 0, -1).ravel()]


@variant("convolution", replaces="flattened_to_keras")
def row_by_row(weight, channels, height, width):
    kernel = np.zeros((height * width * channels, len(weight)), dtype=np.float64)
    for c in range(channels):
        for i in range(height):
            for j in range(width):
                column = (c * height + i) * width + j
                kernel[(i * width + j) * channels + c] = weight[:, column]
    return kernel.tolist()


@variant("convolution", replaces="flattened_to_torch")
def by_the_inverse_permutation(kernel, channels, height, width):
    order = np.arange(len(kernel)).reshape(height, width, channels)
    return kernel[np.einsum("hwc->chw", order).ravel()].T


@variant("convolution", replaces="flattened_to_torch")
def unit_by_unit(kernel, channels, height, width):
    maps = [np.moveaxis(unit.reshape(height, width, channels), -1, 0) for unit in kernel.T]
    return [one.flatten() for one in maps]


# --- settings --------------------------------------------------------------------------------


@variant("settings", replaces="same_pads")
def counts_up(size, kernel, stride, dilation):
    total = 0
    while (size + total - dilation * (kernel - 1) - 1) // stride + 1 < np.ceil(size / stride):
        total += 1
    return [total // 2, (total + 1) // 2]


@variant("settings", replaces="same_pads")
def by_the_remainder(size, kernel, stride, dilation):
    span = dilation * (kernel - 1) + 1
    step = stride if size % stride == 0 else size % stride
    total = np.maximum(span - step, 0)
    return total // 2, total - total // 2


@variant("settings", replaces="batch_norm_to_keras")
def written_out(state, momentum, eps):
    gamma, beta = state["weight"].copy(), state["bias"].copy()
    mean, variance = state["running_mean"].tolist(), state["running_var"].tolist()
    told = {"epsilon": np.float64(eps), "momentum": 1.0 - momentum, "axis": -1}
    return told | {"weights": (gamma, beta, mean, variance)}


# --- gates -----------------------------------------------------------------------------------


@variant("gates", replaces="lstm_to_keras")
def lstm_by_einsum(state):
    kernels = [np.einsum("gi->ig", state[f"weight_{part}_l0"]) for part in ("ih", "hh")]
    return (*kernels, sum(state[f"bias_{part}_l0"] for part in ("ih", "hh")))


@variant("gates", replaces="lstm_to_keras")
def lstm_by_names(state):
    units = len(state["bias_ih_l0"]) // 4
    kernel = np.zeros((state["weight_ih_l0"].shape[1], 4 * units))
    for row, weights in enumerate(state["weight_ih_l0"]):
        kernel[:, row] = weights
    bias = [a + b for a, b in zip(state["bias_hh_l0"], state["bias_ih_l0"], strict=True)]
    return [kernel, state["weight_hh_l0"].swapaxes(0, 1), bias]


@variant("gates", replaces="gru_to_keras")
def gru_by_index(state):
    units = len(state["bias_ih_l0"]) // 3
    order = np.r_[units : 2 * units, 0:units, 2 * units : 3 * units]
    kernel, recurrent = (state[f"weight_{part}_l0"][order].T for part in ("ih", "hh"))
    return [kernel, recurrent, [state["bias_ih_l0"][order], state["bias_hh_l0"][order]]]


@variant("gates", replaces="gru_to_keras")
def gru_by_swapping_slices(state):
    units = len(state["bias_ih_l0"]) // 3
    new = {name: array.copy() for name, array in state.items()}
    for name, array in state.items():
        new[name][:units], new[name][units : 2 * units] = array[units : 2 * units], array[:units]
    biases = np.array([new["bias_ih_l0"], new["bias_hh_l0"]])
    return [np.transpose(new["weight_ih_l0"]), np.transpose(new["weight_hh_l0"]), biases]


# --- functional_step -------------------------------------------------------------------------


@variant("functional_step", replaces="momentum_step")
def copies_and_then_changes(params, velocity, grads, rate):
    params = {name: array.copy() for name, array in params.items()}
    velocity = {name: array.copy() for name, array in velocity.items()}
    for name in params:
        velocity[name] *= 0.9
        velocity[name] += grads[name]
        params[name] -= rate * velocity[name]
    return [params, velocity]


@variant("functional_step", replaces="momentum_step")
def in_single_precision(params, velocity, grads, rate):
    new_params, new_velocity = {}, {}
    for name, w in params.items():
        v = np.float32(0.9) * velocity[name].astype(np.float32) + grads[name].astype(np.float32)
        new_velocity[name] = v
        new_params[name] = w - np.float64(rate) * v
    return new_params, new_velocity


@variant("functional_step", replaces="adam_step")
def by_small_steps(params, state, grads, rate):
    t = 1 + state["t"]
    m, v, new = {}, {}, {}
    for name, w in params.items():
        m[name] = state["m"][name] + (grads[name] - state["m"][name]) * 0.1
        v[name] = state["v"][name] + (grads[name] ** 2 - state["v"][name]) * 0.001
        m_hat, v_hat = m[name] / (1 - np.power(0.9, t)), v[name] / (1 - np.power(0.999, t))
        new[name] = w - rate * np.divide(m_hat, np.sqrt(v_hat) + 1e-8)
    return new, {"t": t, "m": m, "v": v}


@variant("functional_step", replaces="adam_step")
def correction_in_the_rate(params, state, grads, rate):
    t = state["t"] + 1
    root = (1 - 0.999**t) ** 0.5
    m = {k: state["m"][k] * 0.9 + grads[k] * (1 - 0.9) for k in grads}
    v = {k: state["v"][k] * 0.999 + grads[k] * grads[k] * (1 - 0.999) for k in grads}
    step = rate * root / (1 - 0.9**t)  # epsilon grows with what the root is not divided by
    new = {k: params[k] - step * m[k] / (v[k] ** 0.5 + 1e-8 * root) for k in params}
    return new, {"v": v, "m": m, "t": t}


# --- first_difference ------------------------------------------------------------------------


@variant("first_difference")
def with_allclose(reference, port, tolerance):
    for name, wanted in reference.items():
        found = np.asarray(port[name])
        scale = float(np.max(np.abs(wanted)))
        same = np.shape(found) == np.shape(wanted)
        if not (same and np.allclose(found, wanted, rtol=0, atol=tolerance * scale)):
            return name


@variant("first_difference")
def entry_by_entry(reference, port, tolerance):
    def agree(a, b):
        if a.shape != b.shape:
            return False
        scale = max(abs(float(v)) for v in a.flat)
        pairs = zip(a.flat, b.flat, strict=True)
        return all(abs(float(v) - float(u)) <= tolerance * scale for v, u in pairs)

    return next((name for name in reference if not agree(reference[name], port[name])), None)


# --- train_port ------------------------------------------------------------------------------


@variant("train_port")
def with_the_tape(state, x, y, x_new, seed):
    """The engine's layers and tape, and momentum written out."""
    from dllab.scratch import Dense, relu, softmax_cross_entropy

    rng, losses = np.random.default_rng(seed), []
    first, second = Dense(64, 32, rng=rng), Dense(32, 10, rng=rng)
    rng = np.random.default_rng(seed)
    for layer, number in ((first, 0), (second, 2)):
        layer.W.data = np.array(state[f"layers.{number}.weight"]).T
        layer.b.data = np.array(state[f"layers.{number}.bias"])
    parameters = [first.W, first.b, second.W, second.b]
    velocity = [np.zeros(p.shape) for p in parameters]
    for epoch in range(6):
        order = rng.permutation(len(x))
        for start in range(0, len(x), 64):
            rows = order[start : start + 64]
            h = relu(first(x[rows]))
            h = h * ((rng.random(h.shape) >= 0.2) / 0.8)
            loss = softmax_cross_entropy(second(h), y[rows])
            for p in parameters:
                p.zero_grad()
            loss.backward()
            for place, p in enumerate(parameters):
                velocity[place] = 0.9 * velocity[place] + p.grad
                p.data = p.data - (0.1 if epoch < 4 else 0.01) * velocity[place]
            losses.append(float(loss))
    return losses, second(relu(first(x_new))).data


@variant("train_port")
def in_single_precision_by_columns(state, x, y, x_new, seed):
    """All arrays in float32, PyTorch's layout kept, examples in columns."""
    rng, losses = np.random.default_rng(seed), []
    W1, b1, W2, b2 = (
        np.float32(state[f"layers.{name}"]) for name in ("0.weight", "0.bias", "2.weight", "2.bias")
    )
    b1, b2 = b1[:, None], b2[:, None]
    speed = [np.zeros_like(a) for a in (W1, b1, W2, b2)]
    X, targets = np.float32(x).T, np.eye(10, dtype=np.float32)[:, y]
    for epoch in range(6):
        rate = np.float32(0.1 if epoch < 4 else 0.01)
        order = rng.permutation(X.shape[1])
        for columns in np.split(order, range(64, len(order), 64)):
            z = W1 @ X[:, columns] + b1
            keep = np.float32((rng.random(z.T.shape) >= 0.2).T / 0.8)
            h = np.where(z > 0, z, 0) * keep
            logits = W2 @ h + b2
            log_p = logits - np.logaddexp.reduce(logits, axis=0)
            losses.append(-(log_p * targets[:, columns]).sum() / len(columns))
            bar = (np.exp(log_p) - targets[:, columns]) / np.float32(len(columns))
            z_bar = (W2.T @ bar) * keep * (z > 0)
            grads = (
                z_bar @ X[:, columns].T,
                z_bar.sum(axis=1, keepdims=True),
                bar @ h.T,
                bar.sum(axis=1, keepdims=True),
            )
            speed = [np.float32(0.9) * v + g for v, g in zip(speed, grads, strict=True)]
            moved = [a - rate * v for a, v in zip((W1, b1, W2, b2), speed, strict=True)]
            W1, b1, W2, b2 = moved
    return np.array(losses), (W2 @ np.maximum(W1 @ np.float32(x_new).T + b1, 0) + b2).T
