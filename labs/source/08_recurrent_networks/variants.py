"""Right solutions of lab 08 in other styles: each must earn full marks."""

import numpy as np

from dllab.check import variant
from dllab.scratch import SimpleRNN, Tensor, softmax_cross_entropy

# --- rnn_forward -----------------------------------------------------------------------------


@variant("rnn_forward")
def one_sequence_at_a_time(x, K, R, b):
    states = []
    for sequence in x:
        h, row = np.zeros(len(R)), []
        for x_t in sequence:
            h = np.tanh(K.T @ x_t + R.T @ h + b)
            row.append(h)
        states.append(row)
    return np.array(states)


@variant("rnn_forward")
def einsum_in_float32(x, K, R, b):
    a = np.einsum("btf,fu->tbu", x, K) + b
    states = np.zeros((x.shape[1] + 1, x.shape[0], R.shape[0]))
    for t in range(x.shape[1]):
        states[t + 1] = np.tanh(a[t] + states[t] @ R)
    return states[1:].transpose(1, 0, 2).astype("float32")


# --- rnn_backward ----------------------------------------------------------------------------


@variant("rnn_backward")
def sums_at_the_end(x, h, h_bar, K, R):
    z_bar = np.zeros_like(h)
    for t in range(x.shape[1] - 1, -1, -1):
        total = h_bar[:, t].copy()
        if t + 1 < x.shape[1]:
            total += z_bar[:, t + 1] @ R.T
        z_bar[:, t] = total - total * h[:, t] * h[:, t]
    before = np.pad(h, ((0, 0), (1, 0), (0, 0)))[:, :-1]
    return {
        "x": z_bar @ K.T,
        "K": np.einsum("btf,btu->fu", x, z_bar),
        "R": np.einsum("btv,btu->vu", before, z_bar),
        "b": z_bar.sum(axis=(0, 1)),
    }


@variant("rnn_backward")
def with_the_tape(x, h, h_bar, K, R):
    """Recover the bias from the first state, then let the engine differentiate."""
    layer = SimpleRNN(*K.shape, rng=np.random.default_rng(0), return_sequences=True)
    layer.kernel.data, layer.recurrent_kernel.data = K, R
    layer.bias.data = (np.arctanh(h[:, 0]) - x[:, 0] @ K)[0]
    x = Tensor(x)
    (layer(x) * h_bar).sum().backward()
    grads = [p.grad for p in layer.parameters()]
    return dict(zip("xKRb", [x.grad, *grads], strict=True))


# --- gates -----------------------------------------------------------------------------------


def _gate(z):
    return np.where(z >= 0, 1 / (1 + np.exp(-np.abs(z))), 1 - 1 / (1 + np.exp(-np.abs(z))))


@variant("gates", replaces="lstm_step")
def lstm_with_slices(x_t, h, c, K, R, b):
    n = c.shape[1]
    z = np.hstack([x_t, h]) @ np.vstack([K, R]) + b
    cell = _gate(z[:, :n]) * np.tanh(z[:, 2 * n : 3 * n]) + c * _gate(z[:, n : 2 * n])
    return [np.tanh(cell) * _gate(z[:, 3 * n :]), cell]


@variant("gates", replaces="lstm_step")
def lstm_in_float32(x_t, h, c, K, R, b):
    z = (x_t @ K + h @ R + b).astype("float32").reshape(len(h), 4, -1)
    c = _gate(z[:, 1]) * c.astype("float32") + _gate(z[:, 0]) * np.tanh(z[:, 2])
    return (_gate(z[:, 3]) * np.tanh(c)).astype("float32"), c.astype("float32")


@variant("gates", replaces="gru_step")
def gru_with_slices(x_t, h, K, R, b):
    n = h.shape[1]
    p, q = x_t @ K + b[0], h @ R + b[1]
    gates = _gate(p[:, : 2 * n] + q[:, : 2 * n])
    new = np.tanh(p[:, 2 * n :] + gates[:, n:] * q[:, 2 * n :])
    return new + gates[:, :n] * (h - new)


@variant("gates", replaces="gru_step")
def gru_block_by_block(x_t, h, K, R, b):
    k, r, two = (np.array_split(a, 3, axis=1) for a in (K, R, b))
    update = _gate(x_t @ k[0] + h @ r[0] + two[0].sum(axis=0))
    reset = _gate(x_t @ k[1] + h @ r[1] + two[1].sum(axis=0))
    new = np.tanh(x_t @ k[2] + two[2][0] + reset * (h @ r[2] + two[2][1]))
    return (1 - update) * new + update * h


# --- padding ---------------------------------------------------------------------------------


def _states(x, K, R, b):
    h, states = np.zeros((len(x), len(R))), []
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ K + h @ R + b)
        states.append(h)
    return np.stack(states, axis=1)


@variant("padding", replaces="last_state")
def picks_by_index(x, lengths, K, R, b):
    return _states(x, K, R, b)[np.arange(len(x)), lengths - 1]


@variant("padding", replaces="last_state")
def cuts_each_sequence(x, lengths, K, R, b):
    return [_states(row[None, :n], K, R, b)[0, -1] for row, n in zip(x, lengths, strict=True)]


@variant("padding", replaces="masked_mean")
def with_where(losses, mask):
    return np.where(mask, losses, 0).sum() / mask.sum()


@variant("padding", replaces="masked_mean")
def with_average(losses, mask):
    return np.average(losses, weights=mask)


# --- characters ------------------------------------------------------------------------------


@variant("characters", replaces="shifted_pairs")
def with_pad(names):
    full = np.pad(names, ((0, 0), (1, 1)))
    return full[:, :-1], full[:, 1:]


@variant("characters", replaces="shifted_pairs")
def as_lists(names):
    rows = [list(map(int, name)) for name in names]
    return [[0, *row] for row in rows], [[*row, 0] for row in rows]


@variant("characters", replaces="temper")
def powers_of_probabilities(logits, temperature):
    log_p = logits - logits.max()
    log_p = log_p - np.log(np.exp(log_p).sum())
    p = np.exp(log_p) ** (1 / temperature)
    return p / p.sum()


@variant("characters", replaces="temper")
def in_logarithms(logits, temperature):
    z = np.asarray(logits) / temperature
    return np.exp(z - np.logaddexp.reduce(z))


# --- forecast --------------------------------------------------------------------------------


@variant("forecast", replaces="time_split")
def with_a_loop(series, length, horizon, first_test):
    parts = [], [], [], []
    for time in range(length + horizon - 1, len(series)):
        end = time - horizon + 1
        X, y = parts[:2] if time < first_test else parts[2:]
        X.append(series[end - length : end])
        y.append(series[time])
    return [np.array(part) for part in parts]


@variant("forecast", replaces="time_split")
def with_a_sliding_view(series, length, horizon, first_test):
    windows = np.lib.stride_tricks.sliding_window_view(series, length)[:-horizon]
    targets = series[length + horizon - 1 :]
    border = first_test - (length + horizon - 1)
    return windows[:border], targets[:border], windows[border:], targets[border:]


@variant("forecast", replaces="skill")
def ratio_of_sums(y, prediction, last):
    ours, theirs = ((np.array(y) - other) @ (np.array(y) - other) for other in (prediction, last))
    return (theirs - ours) / theirs


# --- train_speakers --------------------------------------------------------------------------


@variant("train_speakers")
def with_the_engine(x, y, seed):
    """The engine's layer with its mask, and its tape."""
    from dllab.scratch import Adam, Dense

    rng = np.random.default_rng(seed)
    layer, top = SimpleRNN(12, 32, rng=rng), Dense(32, 9, rng=rng)
    optimizer = Adam([*layer.parameters(), *top.parameters()], 0.008)
    mask = (x != 0).any(axis=2)
    for _ in range(22):
        order = rng.permutation(len(x))
        for start in range(0, len(x), 72):
            rows = order[start : start + 72]
            loss = softmax_cross_entropy(top(layer(x[rows], mask=mask[rows])), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    found = [*layer.parameters(), *top.parameters()]
    return {name: p.data for name, p in zip("KRbVc", found, strict=True)}


@variant("train_speakers")
def with_momentum(x, y, seed):
    """Plain gradient descent with momentum and clipping, states turned around in time."""
    rng = np.random.default_rng(seed)
    W = [
        rng.normal(size=(12, 40)) * 0.25,
        np.linalg.qr(rng.normal(size=(40, 40)))[0],
        np.zeros(40),
        rng.normal(size=(40, 9)) * 0.15,
        np.zeros(9),
    ]
    speed = [np.zeros_like(w) for w in W]
    last = (x != 0).any(axis=2).sum(axis=1) - 1
    for _ in range(60):
        order = rng.permutation(len(x))
        for rows in np.array_split(order, max(len(x) // 54, 1)):
            K, R, b, V, c = W
            n, h = np.arange(len(rows)), _states(x[rows], K, R, b)
            final = h[n, last[rows]]
            e = np.exp(final @ V + c)
            bar = (e / e.sum(axis=1, keepdims=True) - np.eye(9)[y[rows]]) / len(rows)
            h_bar = np.zeros_like(h)
            h_bar[n, last[rows]] = bar @ V.T
            back = sums_at_the_end(x[rows], h, h_bar, K, R)
            g = [back["K"], back["R"], back["b"], final.T @ bar, bar.sum(axis=0)]
            size = np.sqrt(sum((a**2).sum() for a in g))
            for i, a in enumerate(g):
                speed[i] = 0.9 * speed[i] - 0.03 * a * min(1.0, 1.0 / size)
                W[i] = W[i] + speed[i]
    return dict(zip("KRbVc", W, strict=True))
