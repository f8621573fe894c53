"""Right solutions of lab 04 in other styles: each must earn full marks."""

from itertools import pairwise

import numpy as np

from dllab.check import variant

# --- minibatches -----------------------------------------------------------------------------


@variant("minibatches")
def with_array_split(n, batch_size, rng):
    rows = np.arange(n)
    rng.shuffle(rows)
    return np.split(rows, np.arange(batch_size, n, batch_size))


@variant("minibatches")
def lists_by_random_keys(n, batch_size, rng):
    order = sorted(range(n), key=dict(enumerate(rng.random(n))).get)
    return [order[i : i + batch_size] for i in range(0, n, batch_size)]


@variant("minibatches")
def small_integers(n, batch_size, rng):
    order, batches = rng.choice(n, size=n, replace=False).astype(np.int32), []
    while len(order):
        batches.append(order[:batch_size])
        order = order[batch_size:]
    return tuple(batches)


# --- Momentum --------------------------------------------------------------------------------


@variant("Momentum")
class RateOutside:
    """PyTorch's form: for a constant rate the same."""

    def __init__(self, learning_rate, momentum):
        self.learning_rate, self.momentum = learning_rate, momentum
        self.buffer = None

    def step(self, w, gradient):
        if self.buffer is None:
            self.buffer = np.array(gradient, dtype=float)
        else:
            self.buffer = self.momentum * self.buffer + gradient
        return w - self.learning_rate * self.buffer


@variant("Momentum")
class AllGradients:
    """Sum the geometric series anew at each step, in single precision."""

    def __init__(self, learning_rate, momentum):
        self.learning_rate, self.momentum, self.seen = learning_rate, momentum, []

    def step(self, w, gradient):
        self.seen.append(np.asarray(gradient, dtype="float32"))
        shares = self.momentum ** np.arange(len(self.seen))[::-1]
        return w - self.learning_rate * np.tensordot(shares.astype("float32"), self.seen, axes=1)


# --- AdamW -----------------------------------------------------------------------------------


@variant("AdamW")
class KerasForm:
    """Epsilon beside the uncorrected root, one factor for both corrections, decay first."""

    def __init__(self, learning_rate, weight_decay=0.0, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.betas, self.epsilon, self.steps = (beta_1, beta_2), epsilon, 0

    def step(self, w, gradient):
        if self.steps == 0:
            self.m, self.v = np.zeros_like(gradient), np.zeros_like(gradient)
        self.steps += 1
        one, two = self.betas
        self.m += (gradient - self.m) * (1 - one)
        self.v += (np.square(gradient) - self.v) * (1 - two)
        rate = self.learning_rate * np.sqrt(1 - two**self.steps) / (1 - one**self.steps)
        w = w * (1 - self.learning_rate * self.weight_decay)
        return w - rate * self.m / (np.sqrt(self.v) + self.epsilon)


@variant("AdamW")
class PowersKept:
    """Keep the powers of beta instead of counting steps."""

    def __init__(self, learning_rate, weight_decay=0.0, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
        self.__dict__.update(
            learning_rate=learning_rate, weight_decay=weight_decay, b1=beta_1, b2=beta_2,
            epsilon=epsilon, m=0, v=0, p1=1.0, p2=1.0,
        )  # fmt: skip

    def step(self, w, gradient):
        self.p1, self.p2 = self.p1 * self.b1, self.p2 * self.b2
        self.m = self.b1 * self.m + (1 - self.b1) * gradient
        self.v = self.b2 * self.v + (1 - self.b2) * gradient * gradient
        root = (self.v / (1 - self.p2)) ** 0.5 + self.epsilon
        step = self.m / (1 - self.p1) / root + self.weight_decay * w
        return w - self.learning_rate * step


# --- rate_at ---------------------------------------------------------------------------------


@variant("rate_at")
def with_numpy(step, steps_per_epoch, epochs, warmup_epochs, peak):
    warmup, total = warmup_epochs * steps_per_epoch, epochs * steps_per_epoch
    rise = step / max(warmup, 1)
    fall = np.cos(np.pi / 2 * np.clip((step - warmup) / (total - warmup), 0, 1)) ** 2
    return np.where(step < warmup, rise, fall) * peak


@variant("rate_at")
def in_fractions_of_epochs(step, steps_per_epoch, epochs, warmup_epochs, peak):
    import math

    time = step / steps_per_epoch
    if time < warmup_epochs:
        return peak * time / warmup_epochs
    return peak * 0.5 * (1 + math.cos(math.pi * (time - warmup_epochs) / (epochs - warmup_epochs)))


# --- clip_gradients --------------------------------------------------------------------------


@variant("clip_gradients")
def only_if_needed(gradients, max_norm):
    together = np.concatenate([g.reshape(-1) for g in gradients.values()])
    norm = np.linalg.norm(together)
    if norm <= max_norm:
        return {name: g.copy() for name, g in gradients.items()}
    return {name: g * max_norm / norm for name, g in gradients.items()}


@variant("clip_gradients")
def single_precision(gradients, max_norm):
    squares = [float((g.astype("float32") ** 2).sum()) for g in gradients.values()]
    factor = max_norm / max(sum(squares) ** 0.5, max_norm)
    return {name: (g * factor).astype("float32") for name, g in gradients.items()}


# --- he_weights ------------------------------------------------------------------------------


@variant("he_weights")
def uniform(sizes, rng):
    return [
        rng.uniform(-((6 / a) ** 0.5), (6 / a) ** 0.5, size=(a, b)).astype("float32")
        for a, b in pairwise(sizes)
    ]


@variant("he_weights")
def with_a_loop(sizes, rng):
    weights = []
    for layer in range(len(sizes) - 1):
        W = rng.standard_normal((sizes[layer], sizes[layer + 1]))
        weights.append(W / np.sqrt(0.5 * sizes[layer]))
    return weights


# --- train -----------------------------------------------------------------------------------


def _gradients(X, y, W1, b1, W2, b2):
    A1 = np.maximum(X @ W1 + b1, 0)
    P = np.exp(A1 @ W2 + b2)
    P /= P.sum(1, keepdims=True)
    P[np.arange(len(y)), y] -= 1
    P /= len(y)
    Z1_bar = P @ W2.T * (A1 > 0)
    return X.T @ Z1_bar, Z1_bar.sum(0), A1.T @ P, P.sum(0)


@variant("train")
def with_momentum_in_single_precision(X, y, seed):
    rng = np.random.default_rng(seed)
    X = X.astype("float32")
    p = [rng.normal(size=(196, 24)) / 10, np.zeros(24), rng.normal(size=(24, 10)) / 5, np.zeros(10)]
    p = [value.astype("float32") for value in p]
    v = [np.zeros_like(value) for value in p]
    for _ in range(8):
        order = rng.permutation(len(X))
        for start in range(0, len(X), 25):
            rows = order[start : start + 25]
            for i, gradient in enumerate(_gradients(X[rows], y[rows], *p)):
                v[i] = 0.9 * v[i] - 0.05 * gradient
                p[i] = p[i] + v[i]
    return dict(zip(("W1", "b1", "W2", "b2"), p, strict=True))


@variant("train")
def plain_descent(X, y, seed):
    rng = np.random.default_rng(seed)
    p = [rng.normal(size=(196, 32)) / 10, np.zeros(32), rng.normal(size=(32, 10)) / 5, np.zeros(10)]
    for step in range(500):
        rows = rng.choice(len(X), size=32, replace=False)
        rate = 0.4 * (1 - step / 500)
        p = [w - rate * g for w, g in zip(p, _gradients(X[rows], y[rows], *p), strict=True)]
    return dict(zip(("W1", "b1", "W2", "b2"), p, strict=True))
