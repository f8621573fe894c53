"""Wrong solutions of lab 03, each a misconception; a learner's output is compared with theirs."""

import numpy as np

from dllab.check import mutant


def _softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


# --- pencil_gradients ------------------------------------------------------------------------


def _pencil(x, w, b, y):
    """Return the right gradients; each mutant spoils one of them."""
    a = np.tanh(x * w + b)
    e_bar = 2 * (a - y)
    z_bar = e_bar * (1 - a**2)
    return {"e": e_bar, "a": e_bar, "z": z_bar, "u": z_bar, "w": z_bar * x, "b": z_bar}


@mutant("pencil_gradients", misconception="slope-skipped")
def skips_the_activation(x, w, b, y):
    """You passed the gradient through tanh unchanged: multiply it by the slope of tanh at z."""
    e_bar = 2 * (np.tanh(x * w + b) - y)
    return {"e": e_bar, "a": e_bar, "z": e_bar, "u": e_bar, "w": e_bar * x, "b": e_bar}


@mutant("pencil_gradients", misconception="derivative-of-output")
def takes_slope_at_output(x, w, b, y):
    """You took the slope of tanh at its output a; it belongs to its input z."""
    a = np.tanh(x * w + b)
    e_bar = 2 * (a - y)
    z_bar = e_bar * (1 - np.tanh(a) ** 2)
    return {"e": e_bar, "a": e_bar, "z": z_bar, "u": z_bar, "w": z_bar * x, "b": z_bar}


@mutant("pencil_gradients", misconception="wrong-operand")
def multiplies_by_the_weight(x, w, b, y):
    """At w you multiplied by w: in u = x w the slope with respect to w is the other factor, x."""
    gradients = _pencil(x, w, b, y)
    return {**gradients, "w": gradients["u"] * w}


@mutant("pencil_gradients", misconception="slope-skipped")
def stops_at_the_product(x, w, b, y):
    """The gradient at w equals that at u: you left out the slope of the step u = x w."""
    gradients = _pencil(x, w, b, y)
    return {**gradients, "w": gradients["u"]}


@mutant("pencil_gradients", misconception="slope-skipped")
def forgets_the_two(x, w, b, y):
    """Every gradient is half of what it should be: the slope of e squared is 2e."""
    return {name: value / 2 for name, value in _pencil(x, w, b, y).items()}


# --- backward --------------------------------------------------------------------------------


@mutant("backward", misconception="gradient-overwritten")
def overwrites(order, edges):
    """A node that is used twice keeps only the gradient that came last: add, do not assign."""
    gradient = dict.fromkeys(order, 0.0)
    gradient[order[-1]] = 1.0
    for node in reversed(order):
        for parent, slope in edges[node]:
            gradient[parent] = gradient[node] * slope
    return gradient


@mutant("backward", misconception="gradient-overwritten")
def keeps_the_first(order, edges):
    """A node that is used twice keeps only the gradient that came first: each use adds a share."""
    gradient = {order[-1]: 1.0}
    for node in reversed(order):
        for parent, slope in edges[node]:
            gradient.setdefault(parent, gradient.get(node, 0.0) * slope)
    return {node: gradient.get(node, 0.0) for node in order}


@mutant("backward", misconception="slopes-added")
def adds_slopes(order, edges):
    """Along a path you added the slopes; the chain rule multiplies them."""
    gradient = dict.fromkeys(order, 0.0)
    gradient[order[-1]] = 1.0
    for node in reversed(order):
        for parent, slope in edges[node]:
            gradient[parent] += gradient[node] + slope
    return gradient


@mutant("backward", misconception="passed-on-too-early")
def walks_forward(order, edges):
    """You walked from the inputs to the loss: a node passed on its gradient before it had any."""
    gradient = dict.fromkeys(order, 0.0)
    gradient[order[-1]] = 1.0
    for node in order:
        for parent, slope in edges[node]:
            gradient[parent] += gradient[node] * slope
    return gradient


# --- unbroadcast -----------------------------------------------------------------------------


def _unbroadcast(gradient, shape, reduce=np.sum):
    gradient = reduce(gradient, axis=tuple(range(gradient.ndim - len(shape))))
    for axis, length in enumerate(shape):
        if length == 1 and gradient.shape[axis] != 1:
            gradient = reduce(gradient, axis=axis, keepdims=True)
    return gradient


@mutant("unbroadcast", misconception="unbroadcast-forgotten")
def changes_nothing(gradient, shape):
    """You returned the gradient in its broadcast shape: sum over the copies to get back."""
    return gradient


@mutant("unbroadcast", misconception="unbroadcast-forgotten")
def undoes_new_axes_only(gradient, shape):
    """You summed the axes that broadcasting put in front, but not those stretched from length 1."""
    return gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))


@mutant("unbroadcast", misconception="mean-over-copies")
def averages(gradient, shape):
    """You averaged over the copies: each copy sends its whole gradient back, so they add up."""
    return _unbroadcast(gradient, shape, reduce=np.mean)


@mutant("unbroadcast", misconception="one-copy-kept")
def takes_the_first_copy(gradient, shape):
    """You kept the gradient of one copy and dropped the others: every copy counts."""
    gradient = gradient[(0,) * (gradient.ndim - len(shape))]
    for axis, length in enumerate(shape):
        if length == 1:
            gradient = gradient.take([0], axis=axis)
    return gradient


# --- network_gradients -----------------------------------------------------------------------


def _gradients(X, y, parameters, *, divisor=None, mask=None, W2=None):
    """Return the gradients of the network with one thing spoiled."""
    Z1 = X @ parameters["W1"] + parameters["b1"]
    A1 = np.maximum(Z1, 0)
    Z2_bar = _softmax(A1 @ parameters["W2"] + parameters["b2"])
    Z2_bar[np.arange(len(X)), y] -= 1
    Z2_bar /= len(X) if divisor is None else divisor
    W2_bar = A1.T @ Z2_bar
    back = parameters["W2"] if W2 is None else W2(parameters["W2"], W2_bar)
    Z1_bar = (Z2_bar @ back.T) * ((Z1 > 0) if mask is None else mask(Z1, A1))
    return {
        "W1": X.T @ Z1_bar,
        "b1": Z1_bar.sum(axis=0),
        "W2": W2_bar,
        "b2": Z2_bar.sum(axis=0),
    }


@mutant("network_gradients", misconception="missing-one-over-n")
def forgets_the_mean(X, y, parameters):
    """Your gradients are n times too large: the loss is a mean over the batch, so divide by n."""
    return _gradients(X, y, parameters, divisor=1)


@mutant("network_gradients", misconception="weight-gradient-transposed")
def transposes_weight_gradients(X, y, parameters):
    """The gradients of W1 and W2 are transposed: each must have the shape of its weights."""
    gradients = _gradients(X, y, parameters)
    return {**gradients, "W1": gradients["W1"].T, "W2": gradients["W2"].T}


@mutant("network_gradients", misconception="slope-skipped")
def skips_relu(X, y, parameters):
    """The gradient went through ReLU unchanged: it passes only where Z1 is positive."""
    return _gradients(X, y, parameters, mask=lambda Z1, A1: 1.0)


@mutant("network_gradients", misconception="weights-updated-during-backward")
def updates_while_walking_back(X, y, parameters):
    """You changed W2 before walking through it: first all gradients, then the step."""
    return _gradients(X, y, parameters, W2=lambda W2, W2_bar: W2 - 0.1 * W2_bar)


@mutant("network_gradients", misconception="activation-changed-in-place")
def masks_with_changed_activation(X, y, parameters):
    """You masked with an array that had been overwritten: keep Z1 for the way back."""

    def mask(Z1, A1):
        A1 -= A1.mean(axis=0)  # what an in-place normalization leaves behind
        return A1 > 0

    return _gradients(X, y, parameters, mask=mask)


@mutant("network_gradients", misconception="mean-over-copies")
def averages_bias_gradients(X, y, parameters):
    """The bias gradients are n times too small: sum over the batch; the 1/n is in Z2's already."""
    gradients = _gradients(X, y, parameters)
    return {**gradients, "b1": gradients["b1"] / len(X), "b2": gradients["b2"] / len(X)}


# --- gradient_error --------------------------------------------------------------------------


def _error(f, gradient, x, *, numeric, size=None):
    exact = gradient(x)
    difference = np.linalg.norm(exact - numeric)
    if size is None:
        size = np.linalg.norm(exact) + np.linalg.norm(numeric) + 1e-12
    return float(difference / size)


def _central(f, x, step):
    numeric = np.zeros_like(x, dtype=float)
    for index in np.ndindex(x.shape):
        nudge = np.zeros_like(x, dtype=float)
        nudge[index] = step
        numeric[index] = (f(x + nudge) - f(x - nudge)) / (2 * step)
    return numeric


@mutant("gradient_error", misconception="gradient-checked-only-at-zero")
def checks_at_zero(f, gradient, x, step=1e-5):
    """You compared at zero instead of at x: at zero many wrong gradients agree by accident."""
    origin = np.zeros_like(x)
    return _error(f, gradient, origin, numeric=_central(f, origin, step))


@mutant("gradient_error", misconception="one-element-checked")
def checks_the_first_element(f, gradient, x, step=1e-5):
    """You nudged only the first element: a mistake in any other one gets through."""
    exact, numeric = np.ravel(gradient(x))[:1], np.ravel(_central(f, x, step))[:1]
    size = np.linalg.norm(exact) + np.linalg.norm(numeric) + 1e-12
    return float(np.linalg.norm(exact - numeric) / size)


@mutant("gradient_error", misconception="one-element-checked")
def nudges_all_at_once(f, gradient, x, step=1e-5):
    """You nudged all elements at once: that gives one slope for all, not one for each."""
    numeric = np.full_like(x, (f(x + step) - f(x - step)) / (2 * step), dtype=float)
    return _error(f, gradient, x, numeric=numeric)


@mutant("gradient_error", misconception="absolute-error")
def absolute(f, gradient, x, step=1e-5):
    """You returned the difference itself: divide by the size of the gradients to compare fairly."""
    return _error(f, gradient, x, numeric=_central(f, x, step), size=1.0)


@mutant("gradient_error", misconception="smallest-step-is-best")
def tiny_step(f, gradient, x, step=1e-13):
    """Your step is so small that rounding swamps the difference: use one near 1e-5."""
    return _error(f, gradient, x, numeric=_central(f, x, step))


@mutant("gradient_error", misconception="one-sided-difference")
def forward_difference(f, gradient, x, step=1e-2):
    """You nudged in one direction only, so the error shrinks with h and not with its square."""
    numeric = np.zeros_like(x, dtype=float)
    for index in np.ndindex(x.shape):
        nudge = np.zeros_like(x, dtype=float)
        nudge[index] = step
        numeric[index] = (f(x + nudge) - f(x)) / step
    return _error(f, gradient, x, numeric=numeric)


# --- Node ------------------------------------------------------------------------------------


class _Node:
    """What the mutants share; each overrides the walk back."""

    def __init__(self, value, edges=()):
        self.value, self.grad, self.edges = value, 0.0, edges

    def __add__(self, other):
        return type(self)(self.value + other.value, [(self, 1.0), (other, 1.0)])

    def __mul__(self, other):
        edges = [(self, other.value), (other, self.value)]
        return type(self)(self.value * other.value, edges)

    def tanh(self):
        value = np.tanh(self.value)
        return type(self)(value, [(self, 1 - value**2)])

    def order(self):
        order, seen = [], set()

        def visit(node):
            if node not in seen:
                seen.add(node)
                for parent, _ in node.edges:
                    visit(parent)
                order.append(node)

        visit(self)
        return order


@mutant("Node", misconception="gradient-overwritten")
class OverwritingNode(_Node):
    """A node that is used twice keeps only one of its gradients: add with +=."""

    def backward(self):
        self.grad = 1.0
        for node in reversed(self.order()):
            for parent, slope in node.edges:
                parent.grad = node.grad * slope


@mutant("Node", misconception="passed-on-too-early")
class EagerNode(_Node):
    """A node passed its gradient on as soon as the first share arrived, and again with the next."""

    def backward(self, arriving=1.0):
        self.grad += arriving
        for parent, slope in self.edges:
            parent.backward(self.grad * slope)


@mutant("Node", misconception="gradients-not-reset")
class StaleNode(_Node):
    """A second pass handed on what the first one had left behind in .grad."""

    def backward(self):
        self.grad += 1.0
        for node in reversed(self.order()):
            for parent, slope in node.edges:
                parent.grad += node.grad * slope


@mutant("Node", misconception="gradient-overwritten")
class ForgetfulNode(_Node):
    """A second pass wiped out the gradients of the first: .backward() should add to .grad."""

    def backward(self):
        order = self.order()
        for node in order:
            node.grad = 0.0
        self.grad = 1.0
        for node in reversed(order):
            for parent, slope in node.edges:
                parent.grad += node.grad * slope


# --- train_digits ----------------------------------------------------------------------------


def _train(X, y, seed, *, steps=200, rate=0.3, scale=1.0, accumulate=False, sign=-1.0, rng=None):
    rng = np.random.default_rng(seed) if rng is None else rng
    parameters = {
        "W1": scale * rng.normal(size=(X.shape[1], 32)) * np.sqrt(2 / X.shape[1]),
        "b1": np.zeros(32),
        "W2": scale * rng.normal(size=(32, 10)) * np.sqrt(1 / 32),
        "b2": np.zeros(10),
    }
    total = {name: np.zeros_like(value) for name, value in parameters.items()}
    for _ in range(steps):
        batch = rng.integers(0, len(X), size=32)
        gradients = _gradients(X[batch], y[batch], parameters)
        for name in parameters:
            total[name] = total[name] * accumulate + gradients[name]
            parameters[name] = parameters[name] + sign * rate * total[name]
    return parameters


@mutant("train_digits", misconception="gradients-not-reset")
def never_resets(X, y, seed):
    """Your steps use the sum of all gradients so far: start each batch from zero."""
    return _train(X, y, seed, accumulate=True)


@mutant("train_digits", misconception="zero-initialization")
def starts_at_zero(X, y, seed):
    """All weights start at zero, so all hidden units stay the same: draw them at random."""
    return _train(X, y, seed, scale=0.0)


@mutant("train_digits", misconception="climbs-the-loss")
def climbs(X, y, seed):
    """You added the gradient, so the loss grew: step against it."""
    return _train(X, y, seed, sign=1.0, steps=50)


@mutant("train_digits", misconception="training-cut-short")
def stops_after_ten_steps(X, y, seed):
    """The network took only a few steps: keep going until the loss has stopped falling."""
    return _train(X, y, seed, steps=10, rate=0.1)


@mutant("train_digits", misconception="training-not-repeatable")
def ignores_the_seed(X, y, seed):
    """The same seed gave different weights: draw every random number from default_rng(seed)."""
    return _train(X, y, seed, steps=1000, rng=np.random.default_rng())
