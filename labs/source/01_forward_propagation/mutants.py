"""Wrong solutions of lab 01, each a misconception; a learner's output is compared with theirs."""

from itertools import pairwise

import numpy as np

from dllab.check import mutant
from dllab.scratch import SGD, Dense, Sequential, softmax_cross_entropy

_G = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh, None: lambda z: z}

# --- pencil_forward --------------------------------------------------------------------------


def _pencil(z1, z2, hidden=_G["relu"], output=_G[None], b2=0.5):
    a1, a2 = hidden(z1), hidden(z2)
    return {"z1": z1, "z2": z2, "a1": a1, "a2": a2, "y": output(2 * a1 - a2 + b2)}


@mutant("pencil_forward", misconception="weights-transposed")
def reads_rows(x1, x2):
    """You took each unit's weights from a row of W1: unit 1 has the first column, 1 and 3."""
    return _pencil(x1 - 2 * x2 - 1, 3 * x1 + x2 + 0.5)


@mutant("pencil_forward", misconception="bias-forgotten")
def drops_the_biases(x1, x2):
    """You left out the biases: each unit adds its own to the sum."""
    return _pencil(x1 + 3 * x2, -2 * x1 + x2, b2=0.0)


@mutant("pencil_forward", misconception="activation-missing-between-layers")
def skips_the_relu(x1, x2):
    """You passed the sums of the hidden units on as they are: a = max(z, 0) comes in between."""
    return _pencil(x1 + 3 * x2 - 1, -2 * x1 + x2 + 0.5, hidden=_G[None])


@mutant("pencil_forward", misconception="activation-on-output")
def clips_the_output(x1, x2):
    """You applied the ReLU to the output as well: it has no activation and may be negative."""
    return _pencil(x1 + 3 * x2 - 1, -2 * x1 + x2 + 0.5, output=_G["relu"])


# --- dense -----------------------------------------------------------------------------------


@mutant("dense", misconception="weights-transposed")
def transposes_the_weights(X, W, b, activation=None):
    """You transposed the weights: W has shape (units_in, units_out), so the product is X @ W."""
    return _G[activation](X @ W.T + b)


@mutant("dense", misconception="weights-transposed")
def reads_weights_row_by_row(X, W, b, activation=None):
    """You reshaped W to make the shapes fit, which mixes up its weights: X @ W fits as it is."""
    return _G[activation](X @ W.reshape(W.shape[1], W.shape[0]).T + b)


@mutant("dense", misconception="bias-wrong-axis")
def adds_the_bias_down_the_rows(X, W, b, activation=None):
    """You gave each example a bias: b has one entry for each unit, so it goes along the columns."""
    return _G[activation](X @ W + b[:, None])


@mutant("dense", misconception="bias-wrong-axis")
def adds_the_bias_by_the_batch(X, W, b, activation=None):
    """Where batch and units are equal in number, your bias runs along the batch, not the units."""
    Z = X @ W
    return _G[activation]((Z.T + b).T if len(Z) == len(b) else Z + b)


@mutant("dense", misconception="bias-forgotten")
def forgets_the_bias(X, W, b, activation=None):
    """You left out the bias: each unit adds its own to the weighted sum."""
    return _G[activation](X @ W)


@mutant("dense", misconception="bias-after-activation")
def adds_the_bias_last(X, W, b, activation=None):
    """You added the bias after the activation: it belongs into the sum, g(XW + b)."""
    return _G[activation](X @ W) + b


@mutant("dense", misconception="activation-before-sum")
def activates_the_inputs(X, W, b, activation=None):
    """You applied the activation to the inputs: first the weighted sum, then the activation."""
    return _G[activation](X) @ W + b


@mutant("dense", misconception="activation-missing-between-layers")
def ignores_the_activation(X, W, b, activation=None):
    """You never applied the activation: return g(Z), not Z."""
    return X @ W + b


# --- forward ---------------------------------------------------------------------------------


def _forward(X, layers, feed=lambda activations: activations[-1]):
    activations = [X]
    for W, b, g in layers:
        activations.append(_G[g](feed(activations) @ W + b))
    return activations


@mutant("forward", misconception="layer-fed-input")
def feeds_the_batch_to_each_layer(X, layers):
    """You gave the batch X to every layer: each layer takes the output of the one before it."""
    return _forward(X, layers, feed=lambda activations: activations[0])


@mutant("forward", misconception="activation-missing-between-layers")
def only_multiplies(X, layers):
    """You left out the activations: without them the layers are worth a single one."""
    return _forward(X, [(W, b, None) for W, b, _ in layers])


@mutant("forward", misconception="activation-on-output")
def activates_the_output_too(X, layers):
    """You applied an activation to a layer that has none: use the one in each layer's triple."""
    return _forward(X, [(W, b, g or "relu") for W, b, g in layers])


@mutant("forward", misconception="layer-zero-forgotten")
def leaves_out_the_batch(X, layers):
    """Your list lacks the batch itself: A0 = X comes first."""
    return _forward(X, layers)[1:]


@mutant("forward", misconception="bias-forgotten")
def only_uses_weights(X, layers):
    """You left out the biases of the layers: each unit adds its own."""
    return _forward(X, [(W, 0 * b, g) for W, b, g in layers])


@mutant("forward", misconception="batch-counted-as-feature")
def centers_each_layer(X, layers):
    """Your examples influence one another: each row should go through the layers by itself."""
    return _forward(
        X, layers, feed=lambda activations: activations[-1] - activations[-1].mean(axis=0)
    )


# --- count -----------------------------------------------------------------------------------


def _count(sizes, batch, *, biases=lambda a, b: b, per_term=2):
    pairs = list(pairwise(sizes))
    return {
        "parameters": sum(a * b + biases(a, b) for a, b in pairs),
        "flops": sum(per_term * batch * a * b for a, b in pairs),
    }


@mutant("count", misconception="parameters-without-bias")
def counts_weights_only(sizes, batch):
    """You counted the weights and left out the biases: each unit has one more parameter."""
    return _count(sizes, batch, biases=lambda a, b: 0)


@mutant("count", misconception="one-bias-per-layer")
def one_bias_a_layer(sizes, batch):
    """You counted one bias for each layer: each unit has one of its own."""
    return _count(sizes, batch, biases=lambda a, b: 1)


@mutant("count", misconception="parameters-without-bias")
def bias_for_each_input(sizes, batch):
    """You counted a bias for each input of a layer: the biases belong to its units."""
    return _count(sizes, batch, biases=lambda a, b: a)


@mutant("count", misconception="input-layer-counted")
def counts_input_biases(sizes, batch):
    """You gave the input biases as well: it computes nothing and has no parameters."""
    cost = _count(sizes, batch)
    return {**cost, "parameters": cost["parameters"] + sizes[0]}


@mutant("count", misconception="batch-counted-as-feature")
def parameters_for_each_example(sizes, batch):
    """You multiplied the parameters by the batch: all examples share the same weights."""
    cost = _count(sizes, batch)
    return {**cost, "parameters": batch * cost["parameters"]}


@mutant("count", misconception="multiply-add-as-one")
def counts_pairs(sizes, batch):
    """Your FLOPs are half of what they should be: count the multiplication and the addition."""
    return _count(sizes, batch, per_term=1)


@mutant("count", misconception="one-example-counted")
def flops_of_one_example(sizes, batch):
    """You counted the FLOPs of one example: multiply by the number of examples in the batch."""
    return {**_count(sizes, batch), "flops": _count(sizes, 1)["flops"]}


# --- solve_xor -------------------------------------------------------------------------------


def _xor(W1, b1, W2, b2):
    W1, b1, W2, b2 = (np.array(value, dtype=float) for value in (W1, b1, W2, b2))
    return {"W1": W1, "b1": b1, "W2": W2.reshape(2, 1), "b2": b2.reshape(1)}


@mutant("solve_xor", misconception="one-line-for-xor")
def computes_or():
    """Your network computes OR: at (1, 1) it has to come down again."""
    return _xor([[1, 0], [1, 0]], [0, 0], [1, 0], -0.5)


@mutant("solve_xor", misconception="one-line-for-xor")
def takes_one_difference():
    """Your network sees only x1 - x2 and not x2 - x1: each of the two points needs its unit."""
    return _xor([[1, 0], [-1, 0]], [0, 0], [1, 0], -0.5)


@mutant("solve_xor", misconception="sides-swapped")
def computes_the_opposite():
    """Your boundary is right and the sides are swapped: class 1 is where the output is positive."""
    return _xor([[1, 1], [1, 1]], [0, -1], [-1, 2], 0.5)


@mutant("solve_xor", misconception="bias-forgotten")
def has_no_biases():
    """Without biases the network gives 0 at (0, 0): shift the output to get a sign."""
    return _xor([[1, -1], [-1, 1]], [0, 0], [1, 1], 0)


@mutant("solve_xor", misconception="bias-forgotten")
def leaves_no_room():
    """All four corners are right, but the boundary lies too close to two of them: shift it."""
    return _xor([[1, -1], [-1, 1]], [0, 0], [1, 1], -0.02)


# --- is_affine -------------------------------------------------------------------------------


def _points(features, batch):
    return 3 * np.random.default_rng(0).normal(size=(batch, features))


def _known(X):
    return np.column_stack([X, np.ones(len(X))])


def _same_rank(known, outputs):
    both = np.column_stack([known, outputs])
    ranks = [np.linalg.matrix_rank(M, rtol=1e-8) for M in (known, both)]
    return bool(ranks[0] == ranks[1])


@mutant("is_affine", misconception="too-few-points")
def asks_too_few_points(f, features):
    """You asked about too few points: with features + 1 rows every function looks affine."""
    X = _points(features, features + 1)
    return _same_rank(_known(X), f(X))


@mutant("is_affine", misconception="affine-through-zero")
def forgets_the_ones(f, features):
    """You left out the column of ones, so a bias looks like a bend: an affine map may have one."""
    X = _points(features, 10 * features + 50)
    return _same_rank(X, f(X))


@mutant("is_affine", misconception="affine-through-zero")
def looks_at_zero(f, features):
    """You required f(0) = 0: that fails for every network with biases."""
    return bool(np.allclose(f(np.zeros((1, features))), 0))


@mutant("is_affine", misconception="scaling-taken-for-linear")
def only_doubles(f, features):
    """You only doubled the input: a ReLU network without biases passes that, and bends."""
    X = _points(features, 10 * features + 50)
    zero = f(np.zeros((1, features)))
    return bool(np.allclose(f(2 * X) - zero, 2 * (f(X) - zero)))


@mutant("is_affine", misconception="too-few-points")
def looks_at_the_first_output(f, features):
    """You tested the first output only: the function is affine if all of them are."""
    X = _points(features, 10 * features + 50)
    return _same_rank(_known(X), f(X)[:, :1])


@mutant("is_affine", misconception="too-few-points")
def counts_the_outputs(f, features):
    """You looked at the rank of the outputs alone: put X and a column of ones beside them."""
    outputs = f(_points(features, 10 * features + 50))
    return bool(np.linalg.matrix_rank(outputs, rtol=1e-8) <= features + 1)


# --- read_digits -----------------------------------------------------------------------------


def _reader(X, y, rng, *, epochs=15, hidden="relu", sees="relu"):
    layers = [Dense(X.shape[1], 32, hidden, rng=rng), Dense(32, 10, rng=rng)]
    model = Sequential(layers)
    optimizer = SGD(model.parameters(), 0.3)
    for _ in range(epochs):
        for rows in np.array_split(rng.permutation(len(X)), len(X) // 32 + 1):
            loss = softmax_cross_entropy(model(X[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    (W1, b1), (W2, b2) = ((layer.W.data, layer.b.data) for layer in layers)
    return [(W1, b1, sees), (W2, b2, None)]


def _train(X, y, seed):
    return _reader(X, y, np.random.default_rng(seed))


def _read(X, layers):
    return _forward(X, layers)[-1].argmax(axis=1)


# The task has two functions. Each mutant defines both, so that it never shares the learner's other
# one and agrees with tests that do not concern it.


@mutant("read_digits", misconception="weights-before-training", build=True)
def takes_the_first_weights(student):
    """You took the weights out before training: copy them when training is done."""

    def train_reader(X, y, seed):
        return _reader(X, y, np.random.default_rng(seed), epochs=0)

    return {"train_reader": train_reader, "read_digits": _read}


@mutant("read_digits", misconception="activation-missing-between-layers", build=True)
def loses_the_activation(student):
    """Trained with ReLU, handed on without: the activation is part of the network, copy it too."""

    def train_reader(X, y, seed):
        return _reader(X, y, np.random.default_rng(seed), sees=None)

    return {"train_reader": train_reader, "read_digits": _read}


@mutant("read_digits", misconception="weights-transposed", build=True)
def hands_on_transposed_weights(student):
    """You handed on the weights transposed: W has shape (units_in, units_out), as in `layer.W`."""

    def train_reader(X, y, seed):
        return [(W.T, b, g) for W, b, g in _train(X, y, seed)]

    return {"train_reader": train_reader, "read_digits": _read}


@mutant("read_digits", misconception="seed-not-passed-on", build=True)
def draws_without_the_seed(student):
    """The same seed gave different weights: draw every random number from default_rng(seed)."""

    def train_reader(X, y, seed):
        return _reader(X, y, np.random.default_rng())

    return {"train_reader": train_reader, "read_digits": _read}


@mutant("read_digits", misconception="argmax-over-batch", build=True)
def largest_in_each_column(student):
    """You looked for the largest output down each column: the digit is the largest in each row."""

    def read_digits(X, layers):
        return _forward(X, layers)[-1].argmax(axis=0)

    return {"train_reader": _train, "read_digits": read_digits}


@mutant("read_digits", misconception="scores-for-labels", build=True)
def returns_the_outputs(student):
    """You returned the ten outputs: the digit is the position of the largest one."""

    def read_digits(X, layers):
        return _forward(X, layers)[-1]

    return {"train_reader": _train, "read_digits": read_digits}


@mutant("read_digits", misconception="scores-for-labels", build=True)
def returns_the_largest_output(student):
    """You returned how large the largest output is, not where it stands: use argmax."""

    def read_digits(X, layers):
        return _forward(X, layers)[-1].max(axis=1)

    return {"train_reader": _train, "read_digits": read_digits}


@mutant("read_digits", misconception="activation-on-output", build=True)
def clips_before_choosing(student):
    """A ReLU on the outputs makes all negative ones equal: choose among the outputs as they are."""

    def read_digits(X, layers):
        return np.maximum(_forward(X, layers)[-1], 0).argmax(axis=1)

    return {"train_reader": _train, "read_digits": read_digits}
