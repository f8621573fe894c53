"""Wrong solutions of lab 04, each a misconception; a learner's output is compared with theirs."""

from itertools import pairwise

import numpy as np

from dllab.check import mutant

# --- minibatches -----------------------------------------------------------------------------


def _cut(order, batch_size):
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


@mutant("minibatches", misconception="no-shuffling")
def keeps_the_order_of_the_file(n, batch_size, rng):
    """Your batches follow the order of the file: shuffle the rows before you cut them."""
    return _cut(np.arange(n), batch_size)


@mutant("minibatches", misconception="no-shuffling")
def shuffles_whole_batches(n, batch_size, rng):
    """You shuffled the batches, not the examples: the same neighbors still share a batch."""
    batches = _cut(np.arange(n), batch_size)
    full = [batches[i] for i in rng.permutation(n // batch_size)]
    return full + batches[n // batch_size :]


@mutant("minibatches", misconception="no-shuffling")
def shuffles_within_batches(n, batch_size, rng):
    """You shuffled inside each batch, where order does not matter: shuffle before you cut."""
    return [rng.permutation(batch) for batch in _cut(np.arange(n), batch_size)]


@mutant("minibatches", misconception="same-order-each-epoch")
def shuffles_with_a_seed_of_its_own(n, batch_size, rng):
    """Every epoch has the same order: you drew it from a generator of your own, not from `rng`."""
    return _cut(np.random.default_rng(0).permutation(n), batch_size)


@mutant("minibatches", misconception="drawn-with-replacement")
def draws_with_replacement(n, batch_size, rng):
    """You drew rows independently, so some come twice and some never: permute them instead."""
    return _cut(rng.integers(0, n, size=n), batch_size)


@mutant("minibatches", misconception="last-batch-dropped")
def drops_the_last_batch(n, batch_size, rng):
    """You left out the rows that do not fill a batch: the last batch may be smaller."""
    order = rng.permutation(n)
    full = max(1, n // batch_size)
    return [order[i * batch_size : (i + 1) * batch_size] for i in range(full)]


# --- Momentum --------------------------------------------------------------------------------


class _Momentum:
    def __init__(self, learning_rate, momentum):
        self.learning_rate, self.momentum, self.velocity = learning_rate, momentum, 0.0


@mutant("Momentum", misconception="velocity-averaged")
class AveragingMomentum(_Momentum):
    """You multiplied the new gradient by 1 - momentum: the velocity is a sum, not an average."""

    def step(self, w, gradient):
        mu = self.momentum
        self.velocity = mu * self.velocity - (1 - mu) * self.learning_rate * gradient
        return w + self.velocity


@mutant("Momentum", misconception="velocity-not-kept")
class ForgetfulMomentum(_Momentum):
    """Your steps forget the velocity: store it in the object, from one call to the next."""

    def step(self, w, gradient):
        return w - self.learning_rate * gradient


@mutant("Momentum", misconception="old-velocity-used")
class LateMomentum(_Momentum):
    """You moved by the old velocity and changed it afterwards: first the velocity, then w."""

    def step(self, w, gradient):
        moved = w + self.velocity
        self.velocity = self.momentum * self.velocity - self.learning_rate * gradient
        return moved + 0 * gradient


@mutant("Momentum", misconception="velocity-averaged")
class BrakedMomentum(_Momentum):
    """You multiplied the new step by the momentum too: only the old velocity is braked."""

    def step(self, w, gradient):
        self.velocity = self.momentum * (self.velocity - self.learning_rate * gradient)
        return w + self.velocity


# --- AdamW -----------------------------------------------------------------------------------


class _AdamW:
    """Right by default; each mutant overrides one part."""

    def __init__(self, learning_rate, weight_decay=0.0, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.m, self.v, self.t = 0.0, 0.0, 0

    def averages(self, gradient):
        self.t += 1
        self.m = self.beta_1 * self.m + (1 - self.beta_1) * gradient
        self.v = self.beta_2 * self.v + (1 - self.beta_2) * gradient**2
        return self.m / (1 - self.beta_1**self.t), self.v / (1 - self.beta_2**self.t)

    def step(self, w, gradient):
        m_hat, v_hat = self.averages(gradient)
        direction = m_hat / (np.sqrt(v_hat) + self.epsilon)
        return w - self.learning_rate * (self.weight_decay * w + direction)


@mutant("AdamW", misconception="no-bias-correction")
class UncorrectedAdamW(_AdamW):
    """You did not correct the averages for their start at zero: divide each by 1 - beta**t."""

    def averages(self, gradient):
        super().averages(gradient)
        return self.m, self.v


@mutant("AdamW", misconception="no-bias-correction")
class HalfCorrectedAdamW(_AdamW):
    """You corrected only the average of the gradient: that of its square starts at zero too."""

    def averages(self, gradient):
        return super().averages(gradient)[0], self.v


@mutant("AdamW", misconception="step-counted-from-zero")
class LateCountingAdamW(_AdamW):
    """You raised the number of the step after using it: the first step has t = 1."""

    def averages(self, gradient):
        super().averages(gradient)
        with np.errstate(all="ignore"):
            t = self.t - 1
            return (
                self.m / np.float64(1 - self.beta_1**t),
                self.v / np.float64(1 - self.beta_2**t),
            )


@mutant("AdamW", misconception="epsilon-inside-root")
class RootedEpsilonAdamW(_AdamW):
    """Your epsilon is inside the square root: there it outweighs the square of a small gradient."""

    def step(self, w, gradient):
        m_hat, v_hat = self.averages(gradient)
        direction = m_hat / np.sqrt(v_hat + self.epsilon)
        return w - self.learning_rate * (self.weight_decay * w + direction)


@mutant("AdamW", misconception="l2-taken-for-decoupled-decay")
class PenalizedAdamW(_AdamW):
    """You added the decay to the gradient, where Adam divides it away: subtract it from w."""

    def step(self, w, gradient):
        m_hat, v_hat = self.averages(gradient + self.weight_decay * w)
        return w - self.learning_rate * m_hat / (np.sqrt(v_hat) + self.epsilon)


@mutant("AdamW", misconception="decay-without-rate")
class UnscaledDecayAdamW(_AdamW):
    """Your decay is not multiplied by the learning rate, so it is far too strong."""

    def step(self, w, gradient):
        m_hat, v_hat = self.averages(gradient)
        direction = m_hat / (np.sqrt(v_hat) + self.epsilon)
        return w - self.weight_decay * w - self.learning_rate * direction


@mutant("AdamW", misconception="square-of-the-average")
class SquaredAverageAdamW(_AdamW):
    """You squared the averaged gradient: average the squares, or opposite gradients cancel."""

    def averages(self, gradient):
        self.t += 1
        self.m = self.beta_1 * self.m + (1 - self.beta_1) * gradient
        self.v = self.beta_2 * self.v + (1 - self.beta_2) * self.m**2
        return self.m / (1 - self.beta_1**self.t), self.v / (1 - self.beta_2**self.t)


# --- rate_at ---------------------------------------------------------------------------------


def _rate(step, warmup, total, peak, *, start=None, fall=None):
    if step < warmup:
        return peak * step / warmup
    start = warmup if start is None else start
    share = (step - start) / (total - start)
    return peak * ((1 + np.cos(np.pi * share)) / 2 if fall is None else fall(share))


@mutant("rate_at", misconception="epoch-for-step")
def changes_once_an_epoch(step, steps_per_epoch, epochs, warmup_epochs, peak):
    """Your rate changes once an epoch only: count steps, and turn the epochs into steps."""
    return _rate(step // steps_per_epoch, warmup_epochs, epochs, peak)


@mutant("rate_at", misconception="epoch-for-step")
def takes_epochs_for_steps(step, steps_per_epoch, epochs, warmup_epochs, peak):
    """You compared the step with a number of epochs: the rate is used up in the first epoch."""
    return _rate(min(step, epochs), warmup_epochs, epochs, peak)


@mutant("rate_at", misconception="line-for-cosine")
def falls_in_a_straight_line(step, steps_per_epoch, epochs, warmup_epochs, peak):
    """Your rate falls in a straight line; half a cosine stays high longer and ends more gently."""
    a, b = warmup_epochs * steps_per_epoch, epochs * steps_per_epoch
    return _rate(step, a, b, peak, fall=lambda share: 1 - share)


@mutant("rate_at", misconception="cosine-not-shifted")
def starts_the_cosine_at_zero(step, steps_per_epoch, epochs, warmup_epochs, peak):
    """Your cosine starts at step 0, so the rate jumps after the warm-up: subtract the warm-up."""
    a, b = warmup_epochs * steps_per_epoch, epochs * steps_per_epoch
    return _rate(step, a, b, peak, start=0)


@mutant("rate_at", misconception="cosine-not-halved")
def uses_the_plain_cosine(step, steps_per_epoch, epochs, warmup_epochs, peak):
    """Your rate becomes negative: the cosine runs from 1 to -1, so add 1 and halve."""
    a, b = warmup_epochs * steps_per_epoch, epochs * steps_per_epoch
    return _rate(step, a, b, peak, fall=lambda share: np.cos(np.pi * share))


# --- clip_gradients --------------------------------------------------------------------------


def _norm(gradients):
    return np.sqrt(sum(np.sum(g**2) for g in gradients.values()))


@mutant("clip_gradients", misconception="clip-by-value-for-norm")
def cuts_each_entry(gradients, max_norm):
    """You cut each entry by itself, which turns the gradient: multiply all by one number."""
    return {name: np.clip(g, -max_norm, max_norm) for name, g in gradients.items()}


@mutant("clip_gradients", misconception="clipped-array-by-array")
def clips_each_array(gradients, max_norm):
    """You clipped each array by its own norm, which turns the whole step: use one norm for all."""
    return {
        name: g * min(1.0, max_norm / (np.sqrt(np.sum(g**2)) + 1e-12))
        for name, g in gradients.items()
    }


@mutant("clip_gradients", misconception="clipping-rescales-all")
def always_scales(gradients, max_norm):
    """You stretched short gradients to the limit: clipping changes only those that are too long."""
    factor = max_norm / _norm(gradients)
    return {name: g * factor for name, g in gradients.items()}


@mutant("clip_gradients", misconception="norm-without-root")
def forgets_the_root(gradients, max_norm):
    """You divided by the sum of squares: the norm is its square root."""
    factor = min(1.0, max_norm / _norm(gradients) ** 2)
    return {name: g * factor for name, g in gradients.items()}


# --- he_weights ------------------------------------------------------------------------------


def _layers(sizes, rng, deviation):
    pairs = pairwise(sizes)
    return [rng.normal(size=(n_in, n_out)) * deviation(n_in, n_out) for n_in, n_out in pairs]


@mutant("he_weights", misconception="all-zero-weights")
def all_zero(sizes, rng):
    """All your weights are zero: no signal gets through, and all units stay equal forever."""
    return _layers(sizes, rng, lambda n_in, n_out: 0.0)


@mutant("he_weights", misconception="variance-taken-for-deviation")
def takes_variance_for_deviation(sizes, rng):
    """Your standard deviation is 2 / n: that should be the variance, so take its square root."""
    return _layers(sizes, rng, lambda n_in, n_out: 2 / n_in)


@mutant("he_weights", misconception="fan-out-for-fan-in")
def counts_the_outputs(sizes, rng):
    """You divided by the number of units: what adds up in a unit are its inputs."""
    return _layers(sizes, rng, lambda n_in, n_out: np.sqrt(2 / n_out))


@mutant("he_weights", misconception="relu-half-forgotten")
def forgets_that_relu_halves(sizes, rng):
    """Your variance is 1 / n: ReLU sets half of the signal to zero, so it has to be twice that."""
    return _layers(sizes, rng, lambda n_in, n_out: np.sqrt(1 / n_in))


@mutant("he_weights", misconception="one-spread-for-all-layers")
def one_spread_for_all(sizes, rng):
    """All your layers have the same spread: the more inputs a unit has, the smaller its weights."""
    return _layers(sizes, rng, lambda n_in, n_out: 0.05)


@mutant("he_weights", misconception="variance-taken-for-deviation")
def takes_the_limit_for_the_deviation(sizes, rng):
    """You drew uniformly between plus and minus sqrt(2 / n), whose variance is a third of that."""
    pairs = pairwise(sizes)
    return [np.sqrt(2 / n_in) * rng.uniform(-1, 1, size=(n_in, n_out)) for n_in, n_out in pairs]


# --- train -----------------------------------------------------------------------------------


def _gradients(X, y, p):
    Z1 = X @ p["W1"] + p["b1"]
    A1 = np.maximum(Z1, 0)
    P = A1 @ p["W2"] + p["b2"]
    P = np.exp(P - P.max(axis=1, keepdims=True))
    P /= P.sum(axis=1, keepdims=True)
    Z2_bar = (P - np.eye(10)[y]) / len(y)
    Z1_bar = (Z2_bar @ p["W2"].T) * (Z1 > 0)
    return {"W1": X.T @ Z1_bar, "b1": Z1_bar.sum(0), "W2": A1.T @ Z2_bar, "b2": Z2_bar.sum(0)}


def _train(X, y, rng, *, epochs=6, shuffle=True, scale=1.0, in_steps=True, peak=0.01):
    W1, W2 = (scale * W for W in _layers([X.shape[1], 32, 10], rng, lambda n, _: np.sqrt(2 / n)))
    p = {"W1": W1, "b1": np.zeros(32), "W2": W2, "b2": np.zeros(10)}
    optimizers = {name: _AdamW(peak) for name in p}
    steps = -(-len(X) // 32)
    total, step = epochs * (steps if in_steps else 1), 0
    for _ in range(epochs):
        for rows in _cut(rng.permutation(len(X)) if shuffle else np.arange(len(X)), 32):
            gradients = _gradients(X[rows], y[rows], p)
            for name, optimizer in optimizers.items():
                optimizer.learning_rate = _rate(min(step, total), 0, total, peak)
                p[name] = optimizer.step(p[name], gradients[name])
            step += 1
    return p


@mutant("train", misconception="sorted-data-in-order")
def walks_through_sorted_data(X, y, seed):
    """Your batches follow the sorted data, so the network learns the last classes only: shuffle."""
    return _train(X, y, np.random.default_rng(seed), epochs=1, shuffle=False)


@mutant("train", misconception="starts-from-zeros")
def starts_from_zeros(X, y, seed):
    """All weights started at zero, so no gradient reaches the first layer: draw them at random."""
    return _train(X, y, np.random.default_rng(seed), scale=0.0, epochs=2)


@mutant("train", misconception="schedule-used-up")
def uses_up_the_schedule(X, y, seed):
    """The rate fell to zero within the first epoch: the schedule was given epochs for steps."""
    return _train(X, y, np.random.default_rng(seed), epochs=3, in_steps=False)


@mutant("train", misconception="run-not-repeatable")
def ignores_the_seed(X, y, seed):
    """The same seed gave different weights: draw every random number from default_rng(seed)."""
    return _train(X, y, np.random.default_rng())
