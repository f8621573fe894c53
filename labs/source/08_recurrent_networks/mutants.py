"""Wrong solutions of lab 08, each a misconception; a learner's output is compared with theirs."""

import numpy as np

from dllab.check import mutant
from dllab.scratch import Adam, Tensor


def _forward(x, K, R, b, h=None):
    h = np.zeros((len(x), len(R))) if h is None else h
    states = []
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ K + h @ R + b)
        states.append(h)
    return np.stack(states, axis=1)


def _sigmoid(z):
    return 0.5 * (1 + np.tanh(0.5 * z))


# --- rnn_forward -----------------------------------------------------------------------------


@mutant("rnn_forward", misconception="time-and-batch-swapped")
def walks_through_the_batch(x, K, R, b):
    """Your loop runs over axis 0, the sequences: time is axis 1."""
    return _forward(x.swapaxes(0, 1), K, R, b).swapaxes(0, 1)


@mutant("rnn_forward", misconception="state-carried-over")
def carries_the_state_on(x, K, R, b):
    """A sequence started from the last state of the one before it: start each from zeros."""
    h, states = np.zeros((1, len(R))), []
    for sequence in x:
        states.append(_forward(sequence[np.newaxis], K, R, b, h)[0])
        h = states[-1][-1:]
    return np.stack(states)


@mutant("rnn_forward", misconception="state-not-fed-back")
def forgets_the_state(x, K, R, b):
    """Each state depends on its own input only: add the state before it times R."""
    return np.tanh(x @ K + b)


@mutant("rnn_forward", misconception="state-not-squashed")
def squashes_at_the_end(x, K, R, b):
    """You fed the sum back and squashed only what you return: tanh belongs into every step."""
    h, states = np.zeros((len(x), len(R))), []
    for t in range(x.shape[1]):
        h = x[:, t] @ K + h @ R + b
        states.append(np.tanh(h))
    return np.stack(states, axis=1)


@mutant("rnn_forward", misconception="sequence-read-backward")
def reads_backward(x, K, R, b):
    """You walked from the last step to the first."""
    return _forward(x[:, ::-1], K, R, b)[:, ::-1]


# --- rnn_backward ----------------------------------------------------------------------------


def _backward(x, h, h_bar, K, R, *, hand_on=True, keep=1.0, same=False, back=None, slope=True):
    """Return the gradients; each switch spoils one thing."""
    gradients = {"x": np.zeros(x.shape), "K": 0.0, "R": 0.0, "b": 0.0}
    from_next = np.zeros(h[:, 0].shape)
    before = np.concatenate([np.zeros_like(h[:, :1]), h[:, :-1]], axis=1)
    before = h if same else before
    for t in reversed(range(x.shape[1])):
        z_bar = h_bar[:, t] + from_next * hand_on
        z_bar = z_bar * (1 - h[:, t] ** 2) if slope else z_bar
        gradients["x"][:, t] = z_bar @ K.T
        gradients["K"] = gradients["K"] * keep + x[:, t].T @ z_bar
        gradients["R"] = gradients["R"] * keep + before[:, t].T @ z_bar
        gradients["b"] = gradients["b"] * keep + z_bar.sum(axis=0)
        from_next = z_bar @ (R.T if back is None else back(R))
    return gradients


@mutant("rnn_backward", misconception="gradient-stops-at-one-step")
def stops_after_one_step(x, h, h_bar, K, R):
    """Each state got only its own entry of h_bar: add what comes back from the step after it."""
    return _backward(x, h, h_bar, K, R, hand_on=False)


@mutant("rnn_backward", misconception="one-step-counted")
def keeps_one_step(x, h, h_bar, K, R):
    """The gradients of the weights are those of the first step only: add up all steps."""
    return _backward(x, h, h_bar, K, R, keep=0.0)


@mutant("rnn_backward", misconception="state-of-the-same-step")
def takes_the_state_after(x, h, h_bar, K, R):
    """In the gradient of R you used the state after the step; R multiplies the state before it."""
    return _backward(x, h, h_bar, K, R, same=True)


@mutant("rnn_backward", misconception="recurrent-weights-not-transposed")
def forgets_to_transpose(x, h, h_bar, K, R):
    """On the way back you multiplied by R: it should be the transpose of R."""
    return _backward(x, h, h_bar, K, R, back=lambda R: R)


@mutant("rnn_backward", misconception="slope-of-tanh-left-out")
def leaves_out_the_slope(x, h, h_bar, K, R):
    """You passed the gradient through tanh unchanged: multiply by 1 - h squared."""
    return _backward(x, h, h_bar, K, R, slope=False)


# --- gates -----------------------------------------------------------------------------------


def _lstm(x_t, h, c, K, R, b, order="ifgo", show=np.tanh):
    z = dict(zip(order, np.split(x_t @ K + h @ R + b, 4, axis=1), strict=True))
    c = _sigmoid(z["f"]) * c + _sigmoid(z["i"]) * np.tanh(z["g"])
    return _sigmoid(z["o"]) * show(c), c


@mutant("gates", misconception="keras-gate-order", replaces="lstm_step")
def output_before_candidate(x_t, h, c, K, R, b):
    """You took the blocks as i, f, o, g: in Keras the candidate g comes third."""
    return _lstm(x_t, h, c, K, R, b, order="ifog")


@mutant("gates", misconception="keras-gate-order", replaces="lstm_step")
def forget_before_input(x_t, h, c, K, R, b):
    """You took the blocks as f, i, g, o: in Keras the input gate comes first."""
    return _lstm(x_t, h, c, K, R, b, order="figo")


@mutant("gates", misconception="cell-shown-raw", replaces="lstm_step")
def shows_the_cell(x_t, h, c, K, R, b):
    """The new h is the output gate times the cell itself: take tanh of the cell first."""
    return _lstm(x_t, h, c, K, R, b, show=lambda c: c)


@mutant("gates", misconception="forget-gate-is-the-rest", replaces="lstm_step")
def couples_the_gates(x_t, h, c, K, R, b):
    """You kept 1 - i of the cell: an LSTM has a forget gate of its own, block 1."""
    i, _, g, o = np.split(x_t @ K + h @ R + b, 4, axis=1)
    c = (1 - _sigmoid(i)) * c + _sigmoid(i) * np.tanh(g)
    return _sigmoid(o) * np.tanh(c), c


def _gru(x_t, h, K, R, b, order="urg", after=True, reverse=False):
    units = h.shape[1]
    p = dict(zip(order, np.split(x_t @ K + b[0], 3, axis=1), strict=True))
    q = dict(zip(order, np.split(h @ R + b[1], 3, axis=1), strict=True))
    u, r = _sigmoid(p["u"] + q["u"]), _sigmoid(p["r"] + q["r"])
    block = slice(order.index("g") * units, (order.index("g") + 1) * units)
    inner = r * q["g"] if after else (r * h) @ R[:, block] + b[1, block]
    u = 1 - u if reverse else u
    return u * h + (1 - u) * np.tanh(p["g"] + inner)


@mutant("gates", misconception="keras-gate-order", replaces="gru_step")
def reset_block_first(x_t, h, K, R, b):
    """You took the blocks as r, u, g: in Keras the update gate comes first."""
    return _gru(x_t, h, K, R, b, order="rug")


@mutant("gates", misconception="reset-before-product", replaces="gru_step")
def resets_before(x_t, h, K, R, b):
    """You reset h before the product with R: Keras resets the product."""
    return _gru(x_t, h, K, R, b, after=False)


@mutant("gates", misconception="update-gate-reversed", replaces="gru_step")
def reverses_the_update(x_t, h, K, R, b):
    """Your update gate takes the candidate where it should keep the state: u multiplies h."""
    return _gru(x_t, h, K, R, b, reverse=True)


# --- padding ---------------------------------------------------------------------------------


@mutant("padding", misconception="loss-over-padding", replaces="last_state")
def reads_the_padding(x, lengths, K, R, b):
    """You returned the state after the padding: stop each sequence at its last real step."""
    return _forward(x, K, R, b)[:, -1]


@mutant("padding", misconception="length-as-index", replaces="last_state")
def takes_one_step_more(x, lengths, K, R, b):
    """You took the state one step too late: the last real step is number length - 1."""
    states = _forward(x, K, R, b)
    return states[np.arange(len(x)), np.minimum(lengths, x.shape[1] - 1)]


@mutant("padding", misconception="state-wiped-by-padding", replaces="last_state")
def multiplies_by_the_mask(x, lengths, K, R, b):
    """You multiplied the state by the mask, which erases it: keep the state of the step before."""
    h = np.zeros((len(x), len(R)))
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ K + h @ R + b) * (t < lengths)[:, np.newaxis]
    return h


@mutant("padding", misconception="loss-over-padding", replaces="masked_mean")
def divides_by_all_steps(losses, mask):
    """You divided by the number of all steps: divide by the number of real ones."""
    return float((losses * mask).mean())


@mutant("padding", misconception="loss-over-padding", replaces="masked_mean")
def counts_padding(losses, mask):
    """Your mean includes the padded steps: leave them out."""
    return float(losses.mean())


@mutant("padding", misconception="mean-of-means", replaces="masked_mean")
def averages_sequences(losses, mask):
    """You averaged the means of the sequences: sum all real steps, then divide once."""
    return float(np.mean((losses * mask).sum(axis=1) / mask.sum(axis=1)))


# --- characters ------------------------------------------------------------------------------


def _padded(names):
    zeros = np.zeros((len(names), 1), dtype=int)
    return np.hstack([zeros, names, zeros])


@mutant("characters", misconception="predicts-the-present", replaces="shifted_pairs")
def same_step(names):
    """Your target is the letter that is also the input: shift the targets by one."""
    inputs = _padded(names)[:, :-1]
    return inputs, inputs


@mutant("characters", misconception="predicts-the-present", replaces="shifted_pairs")
def shifted_the_other_way(names):
    """Your target is the letter before the input, which has been read already."""
    full = _padded(names)
    return full[:, 1:], full[:, :-1]


@mutant("characters", misconception="no-start-symbol", replaces="shifted_pairs")
def without_ends(names):
    """You left out both ends: begin the inputs with 0, and end the targets with 0."""
    return names[:, :-1], names[:, 1:]


@mutant("characters", misconception="temperature-multiplied", replaces="temper")
def multiplies(logits, temperature):
    """You multiplied the logits by the temperature: divide them."""
    scaled = logits * temperature
    e = np.exp(scaled - scaled.max())
    return e / e.sum()


@mutant("characters", misconception="temperature-left-out", replaces="temper")
def divides_probabilities(logits, temperature):
    """You divided the probabilities and normalized again, which changes nothing."""
    e = np.exp(logits - logits.max()) / temperature
    return e / e.sum()


@mutant("characters", misconception="exp-of-large-logits", replaces="temper")
def overflows(logits, temperature):
    """The exponential overflows for large logits: subtract the largest one first."""
    e = np.exp(logits / temperature)
    return e / e.sum()


# --- forecast --------------------------------------------------------------------------------


def _windows(series, length, horizon, extra=0):
    starts = np.arange(len(series) - length - horizon - extra + 1)
    times = starts + length - 1 + horizon + extra
    return starts, series[starts[:, np.newaxis] + np.arange(length)], series[times], times


def _cut(X, y, train):
    return X[train], y[train], X[~train], y[~train]


@mutant("forecast", misconception="random-split-of-time", replaces="time_split")
def splits_at_random(series, length, horizon, first_test):
    """You split the windows at random: training must end where the test begins."""
    _, X, y, times = _windows(series, length, horizon)
    train = np.random.default_rng(0).permutation(times) < first_test
    return _cut(X, y, train)


@mutant("forecast", misconception="horizon-off-by-one", replaces="time_split")
def one_step_too_far(series, length, horizon, first_test):
    """Your targets come horizon + 1 steps after the window's last value."""
    _, X, y, times = _windows(series, length, horizon, extra=1)
    return _cut(X, y, times < first_test)


@mutant("forecast", misconception="predicts-the-present", replaces="time_split")
def target_is_the_last_input(series, length, horizon, first_test):
    """Your target is the last value of the window: it should come `horizon` steps later."""
    _, X, _, times = _windows(series, length, horizon)
    return _cut(X, X[:, -1], times < first_test)


@mutant("forecast", misconception="training-sees-the-test", replaces="time_split")
def splits_by_the_start(series, length, horizon, first_test):
    """You split by where a window begins: what decides is the time of its target."""
    starts, X, y, _ = _windows(series, length, horizon)
    return _cut(X, y, starts < first_test)


@mutant("forecast", misconception="baseline-is-the-mean", replaces="skill")
def compares_with_the_mean(y, prediction, last):
    """You compared with the mean of y: the baseline is the last known value."""
    return float(1 - np.mean((y - prediction) ** 2) / np.mean((y - np.mean(y)) ** 2))


# --- train_speakers --------------------------------------------------------------------------


def _train(x, y, seed, *, epochs=40, read_padding=False, rng=None):
    rng = np.random.default_rng(seed) if rng is None else rng
    R = np.linalg.qr(rng.normal(size=(24, 24)))[0]
    parts = [rng.normal(size=(12, 24)) / 3, R, np.zeros(24), rng.normal(size=(24, 9)) / 5]
    parameters = [Tensor(part) for part in [*parts, np.zeros(9)]]
    optimizer = Adam(parameters, 0.005)
    last = np.full(len(x), x.shape[1] - 1) if read_padding else (x != 0).any(2).sum(1) - 1
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for start in range(0, len(x), 72):
            rows = order[start : start + 72]
            n, (K, R, b, V, c) = np.arange(len(rows)), (p.data for p in parameters)
            h = _forward(x[rows], K, R, b)
            final = h[n, last[rows]]
            e = np.exp(final @ V + c)
            bar = (e / e.sum(1, keepdims=True) - np.eye(9)[y[rows]]) / len(rows)
            h_bar = np.zeros_like(h)
            h_bar[n, last[rows]] = bar @ V.T
            back = _backward(x[rows], h, h_bar, K, R)
            gradients = [back["K"], back["R"], back["b"], final.T @ bar, bar.sum(0)]
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient
            optimizer.step()
    return dict(zip("KRbVc", (p.data for p in parameters), strict=True))


@mutant("train_speakers", misconception="loss-over-padding")
def trains_on_the_padding(x, y, seed):
    """You trained on the state after the padding: use the state after the last real step."""
    return _train(x, y, seed, read_padding=True)


@mutant("train_speakers", misconception="recurrent-training-cut-short")
def stops_early(x, y, seed):
    """The network took only a few steps: train for more epochs."""
    return _train(x, y, seed, epochs=4)


@mutant("train_speakers", misconception="recurrent-run-not-repeatable")
def ignores_the_seed(x, y, seed):
    """The same seed gave different weights: draw every random number from the seed."""
    return _train(x, y, seed, rng=np.random.default_rng())
