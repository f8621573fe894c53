"""Wrong solutions of lab 02, each a misconception; a learner's output is compared with theirs."""

from itertools import pairwise

import numpy as np

from dllab import scratch
from dllab.check import mutant
from dllab.scratch import activations

# --- sigmoid ---------------------------------------------------------------------------------


def _log_sigmoid(z):
    return -np.logaddexp(0, -z)


@mutant("sigmoid", misconception="overflow-at-extremes", build=True)
def divides_infinities(student):
    """At large z both exponentials overflow: rewrite with e^-|z|, which is at most 1."""

    def sigmoid(z):
        return np.exp(z) / (1 + np.exp(z))

    return {"sigmoid": sigmoid, "log_sigmoid": lambda z: np.log(sigmoid(z))}


@mutant("sigmoid", misconception="log-of-zero", build=True)
def takes_the_log_last(student):
    """At -1000 the sigmoid rounds to 0, and you took the log of it: simplify the log first."""
    return {"sigmoid": activations.sigmoid, "log_sigmoid": lambda z: np.log(activations.sigmoid(z))}


@mutant("sigmoid", misconception="clipped-scores", build=True)
def clips(student):
    """You cut z off before the exponential: beyond the cut all values are wrong."""

    def sigmoid(z):
        return 1 / (1 + np.exp(-np.clip(z, -30, 30)))

    return {"sigmoid": sigmoid, "log_sigmoid": lambda z: np.log(sigmoid(z))}


@mutant("sigmoid", misconception="clipped-scores", build=True)
def adds_a_tiny_number(student):
    """You added a tiny number before the log: far to the left the result stops falling."""
    return {
        "sigmoid": activations.sigmoid,
        "log_sigmoid": lambda z: np.log(activations.sigmoid(z) + 1e-12),
    }


@mutant("sigmoid", misconception="sigmoid-mirrored", build=True)
def mirrors(student):
    """Your sigmoid falls from 1 to 0: the exponent is -z, not z."""
    return {"sigmoid": lambda z: activations.sigmoid(-z), "log_sigmoid": lambda z: _log_sigmoid(-z)}


@mutant("sigmoid", misconception="tanh-for-sigmoid", build=True)
def takes_tanh(student):
    """Your function goes from -1 to 1 like tanh; the sigmoid goes from 0 to 1."""
    return {"sigmoid": np.tanh, "log_sigmoid": _log_sigmoid}


# --- softmax ---------------------------------------------------------------------------------


@mutant("softmax", misconception="softmax-wrong-axis")
def normalizes_columns(z):
    """Your columns sum to 1 and your rows do not: sum over the classes, along axis 1."""
    return activations.softmax(z, axis=0)


@mutant("softmax", misconception="softmax-wrong-axis")
def normalizes_everything(z):
    """All entries together sum to 1: give each row a sum of its own, along axis 1."""
    powers = np.exp(z - z.max())
    return powers / powers.sum()


@mutant("softmax", misconception="softmax-wrong-axis")
def sums_without_keepdims(z):
    """You divided each column by the sum of a row: keep the summed axis with keepdims=True."""
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1)


@mutant("softmax", misconception="overflow-at-extremes")
def overflows(z):
    """Scores near 1000 overflow the exponential: subtract each row's largest score first."""
    powers = np.exp(z)
    return powers / powers.sum(axis=1, keepdims=True)


@mutant("softmax", misconception="batch-maximum-subtracted")
def subtracts_the_largest_of_all(z):
    """You subtracted the largest score of the whole batch: each row needs its own maximum."""
    powers = np.exp(z - z.max())
    return powers / powers.sum(axis=1, keepdims=True)


@mutant("softmax", misconception="sigmoids-sum-to-one")
def applies_sigmoids(z):
    """You took the sigmoid of each score by itself: nothing makes these sum to 1."""
    return activations.sigmoid(z)


@mutant("softmax", misconception="scores-without-exponential")
def divides_scores(z):
    """You divided the scores by their sum: take exponentials first, so that all are positive."""
    return z / z.sum(axis=1, keepdims=True)


# --- derivative ------------------------------------------------------------------------------


def _slope(name, z, **instead):
    """Return the right slope, or what `instead` gives for this activation."""
    return instead.get(name, getattr(activations, f"{name}_derivative"))(z)


@mutant("derivative", misconception="derivative-in-output")
def feeds_the_input(name, z):
    """You put z where the formula has the output: s(1 - s) and 1 - a² want s and a, not z."""
    return _slope(name, z, sigmoid=lambda z: z * (1 - z), tanh=lambda z: 1 - z**2)


@mutant("derivative", misconception="derivative-in-output")
def applies_twice(name, z):
    """You took the slope at the output of the activation: it belongs to the input z."""
    return _slope(name, getattr(activations, name)(z))


@mutant("derivative", misconception="square-forgotten")
def forgets_the_square(name, z):
    """The slope of tanh is 1 - tanh² z: you left out the square."""
    return _slope(name, z, tanh=lambda z: 1 - np.tanh(z))


@mutant("derivative", misconception="negative-side-flat")
def flattens_the_negative_side(name, z):
    """Leaky ReLU and ELU are not flat for negative z: their slopes are 0.01 and e^z."""
    return _slope(name, z, leaky_relu=activations.relu_derivative, elu=activations.relu_derivative)


@mutant("derivative", misconception="negative-side-flat")
def flattens_elu(name, z):
    """ELU is not flat for negative z: its slope there is e^z."""
    return _slope(name, z, elu=activations.relu_derivative)


@mutant("derivative", misconception="product-rule-forgotten")
def forgets_the_second_term(name, z):
    """Both factors of GELU change with z: add z times the density."""
    return _slope(name, z, gelu=activations._normal_cdf)


@mutant("derivative", misconception="overflow-at-extremes")
def overflows_far_out(name, z):
    """At -1000 your sigmoid slope is infinity over infinity: write it with the sigmoid itself."""
    return _slope(name, z, sigmoid=lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2)


@mutant("derivative", misconception="overflow-at-extremes")
def multiplies_by_a_mask(name, z):
    """At 1000 your ELU slope multiplies infinity by 0: keep the exponent at or below 0."""
    return _slope(name, z, elu=lambda z: (z > 0) + (z <= 0) * np.exp(z))


# --- gradient_norms --------------------------------------------------------------------------


def _norms(weights, name, X, *, slope=None, back=np.transpose, shift=0):
    """Return the norms, with one step spoiled."""
    g = getattr(activations, name)
    slope = slope or (lambda Z: getattr(activations, f"{name}_derivative")(Z))
    Zs, A = [], X
    for W in weights:
        Zs.append(A @ W)
        A = g(Zs[-1])
    G = slope(Zs[-1])
    norms = [np.linalg.norm(G)]
    for layer in range(len(weights) - 2, -1, -1):
        G = G @ back(weights[layer + 1])
        G = G * slope(Zs[layer + shift])
        norms.append(np.linalg.norm(G))
    return np.array(norms[::-1])


@mutant("gradient_norms", misconception="slopes-left-out")
def multiplies_weights_only(weights, name, X):
    """You multiplied the weights and left out the slopes of the activation."""
    return _norms(weights, name, X, slope=np.ones_like)


@mutant("gradient_norms", misconception="slopes-left-out")
def uses_slopes_only_at_the_end(weights, name, X):
    """The slope of the activation belongs into every layer, not only into the last one."""
    first = [True]

    def slope(Z):
        if first.pop() if first else False:
            return getattr(activations, f"{name}_derivative")(Z)
        return np.ones_like(Z)

    return _norms(weights, name, X, slope=slope)


@mutant("gradient_norms", misconception="derivative-in-output")
def takes_slopes_at_activations(weights, name, X):
    """You took the slopes at the activations A; they belong to the pre-activations Z."""
    g, slope = getattr(activations, name), getattr(activations, f"{name}_derivative")
    return _norms(weights, name, X, slope=lambda Z: slope(g(Z)))


@mutant("gradient_norms", misconception="way-back-not-transposed")
def goes_back_with_the_same_matrix(weights, name, X):
    """You went back with W; from a unit to all it feeds, the way back is the transpose of W."""
    return _norms(weights, name, X, back=np.asarray)


@mutant("gradient_norms", misconception="layers-counted-from-the-end")
def lists_the_last_layer_first(weights, name, X):
    """Your list begins with the last layer: reverse it."""
    return _norms(weights, name, X)[::-1]


# --- dead_units ------------------------------------------------------------------------------


@mutant("dead_units", misconception="off-once-taken-for-dead")
def counts_units_that_are_ever_off(X, W, b):
    """You counted units that are off for some example; dead means off for all of them."""
    return int(np.any(X @ W + b <= 0, axis=0).sum())


@mutant("dead_units", misconception="zeros-counted-for-units")
def counts_zeros(X, W, b):
    """You counted zeros; count the columns that hold nothing but zeros."""
    return int((X @ W + b <= 0).sum())


@mutant("dead_units", misconception="zeros-counted-for-units")
def counts_examples(X, W, b):
    """You counted examples for which all units are off: look along the other axis."""
    return int(np.all(X @ W + b <= 0, axis=1).sum())


@mutant("dead_units", misconception="zero-taken-for-alive")
def wants_negative_numbers(X, W, b):
    """A unit that reaches z = 0 and no more gives 0 for every example: it is dead too."""
    return int(np.all(X @ W + b < 0, axis=0).sum())


@mutant("dead_units", misconception="off-once-taken-for-dead")
def looks_at_the_mean(X, W, b):
    """You looked at the mean of z: one example above 0 is enough for a unit to live."""
    return int((np.mean(X @ W + b, axis=0) <= 0).sum())


# --- output_layer ----------------------------------------------------------------------------

_RIGHT = {
    "temperature": (1, "identity"),
    "waiting time": (1, "softplus"),
    "steering": (1, "tanh"),
    "spam": (1, "sigmoid"),
    "digit": (10, "softmax"),
    "tags": (20, "sigmoid"),
}


@mutant("output_layer", misconception="relu-on-signed-output")
def relu_for_temperatures(problem):
    """With a ReLU at the end it never freezes: temperatures may be negative."""
    return {**_RIGHT, "temperature": (1, "relu")}[problem]


@mutant("output_layer", misconception="sigmoids-sum-to-one")
def softmax_for_tags(problem):
    """With softmax the tags share one probability: let each tag have its own yes or no."""
    return {**_RIGHT, "tags": (20, "softmax")}[problem]


@mutant("output_layer", misconception="sigmoids-sum-to-one")
def sigmoids_for_digits(problem):
    """Ten sigmoids need not sum to 1, and an image shows exactly one digit: use softmax."""
    return {**_RIGHT, "digit": (10, "sigmoid")}[problem]


@mutant("output_layer", misconception="softmax-of-one")
def softmax_for_one_unit(problem):
    """A softmax over one unit is always 1: every message would be spam."""
    return {**_RIGHT, "spam": (1, "softmax")}[problem]


@mutant("output_layer", misconception="range-ignored")
def negative_waiting_times(problem):
    """Without an activation the bus may come before now: the output should be positive."""
    return {**_RIGHT, "waiting time": (1, "identity")}[problem]


@mutant("output_layer", misconception="range-ignored")
def steers_to_the_right_only(problem):
    """A sigmoid stays above 0, so this car never turns left: the range is -1 to 1."""
    return {**_RIGHT, "steering": (1, "sigmoid")}[problem]


# --- compare ---------------------------------------------------------------------------------


def _accuracy(network, x, y):
    return float(np.mean(network(x).data.argmax(axis=1) == y))


def _network(name, rng, output=None):
    hidden = scratch.Dense(64, 32, activation=name, rng=rng)
    return scratch.Sequential([hidden, scratch.Dense(32, 10, activation=output, rng=rng)])


def _train(network, x, y, rng, epochs=10):
    optimizer = scratch.SGD(network.parameters(), learning_rate=0.3)
    for _ in range(epochs):
        order = rng.permutation(len(x))
        edges = [*range(0, len(x), 32), len(x)]
        for start, stop in pairwise(edges):
            batch = order[start:stop]
            optimizer.zero_grad()
            scratch.softmax_cross_entropy(network(x[batch]), y[batch]).backward()
            optimizer.step()


@mutant("compare", misconception="unequal-starts")
def shares_one_generator(names, x_train, y_train, x_new, y_new, seed):
    """All networks drew from one generator, so each had other weights and batches."""
    rng, found = np.random.default_rng(seed), {}
    for name in names:
        network = _network(name, rng)
        _train(network, x_train, y_train, rng)
        found[name] = _accuracy(network, x_new, y_new)
    return found


@mutant("compare", misconception="unequal-starts")
def goes_on_with_the_same_network(names, x_train, y_train, x_new, y_new, seed):
    """Each network went on with the weights that the one before had learned."""
    network, found = _network(names[0], np.random.default_rng(seed)), {}
    for name in names:
        network.layers[0] = _copy(network.layers[0], name)
        _train(network, x_train, y_train, np.random.default_rng(seed))
        found[name] = _accuracy(network, x_new, y_new)
    return found


def _copy(layer, name):
    copy = scratch.Dense(64, 32, activation=name, rng=np.random.default_rng(0))
    copy.W, copy.b = layer.W, layer.b
    return copy


@mutant("compare", misconception="logits-squashed")
def squashes_the_logits(names, x_train, y_train, x_new, y_new, seed):
    """You put a softmax on the last layer, and the loss applies it again: leave it to the loss."""
    found = {}
    for name in names:
        network = _network(name, np.random.default_rng(seed), output="softmax")
        _train(network, x_train, y_train, np.random.default_rng(seed))
        found[name] = _accuracy(network, x_new, y_new)
    return found


@mutant("compare", misconception="scored-on-training-images")
def scores_what_it_has_seen(names, x_train, y_train, x_new, y_new, seed):
    """You measured on the images the network had learned from: use the new ones."""
    found = {}
    for name in names:
        network = _network(name, np.random.default_rng(seed))
        _train(network, x_train, y_train, np.random.default_rng(seed))
        found[name] = _accuracy(network, x_train, y_train)
    return found
