"""Right solutions of lab 03 in other styles: each must earn full marks."""

import numpy as np

from dllab.check import variant

# --- pencil_gradients ------------------------------------------------------------------------


@variant("pencil_gradients")
def one_formula_each(x, w, b, y):
    a = np.tanh(x * w + b)
    e, slope = 2 * (a - y), 1 / np.cosh(x * w + b) ** 2
    return {"e": e, "a": e, "z": e * slope, "u": e * slope, "w": e * slope * x, "b": e * slope}


@variant("pencil_gradients")
def numpy_scalars_and_more(x, w, b, y):
    x, w, b, y = (np.array(v) for v in (x, w, b, y))
    a = np.tanh(x * w + b)
    e = np.float64(2) * (a - y)
    z = e - e * a * a
    return {"L": 1.0, "e": e, "a": e, "z": z, "u": z, "x": z * w, "w": z * x, "b": z}


# --- backward --------------------------------------------------------------------------------


@variant("backward")
def recursive(order, edges):
    """Ask the children instead of walking back: the same sum over paths."""

    def gradient(node):
        if node == order[-1]:
            return 1.0
        return sum(
            gradient(child) * slope
            for child in order
            for parent, slope in edges[child]
            if parent == node
        )

    return {node: gradient(node) for node in order}


@variant("backward")
def with_a_matrix(order, edges):
    """Solve (I - S) g = e: the slopes as a matrix."""
    index = {node: i for i, node in enumerate(order)}
    slopes = np.zeros((len(order), len(order)))
    for child, parents in edges.items():
        for parent, slope in parents:
            slopes[index[parent], index[child]] += slope
    seed = np.zeros(len(order))
    seed[-1] = 1.0
    gradient = np.linalg.solve(np.eye(len(order)) - slopes, seed)
    return {node: float(gradient[index[node]]) for node in order}


# --- unbroadcast -----------------------------------------------------------------------------


@variant("unbroadcast")
def padded_shape(gradient, shape):
    padded = (1,) * (gradient.ndim - len(shape)) + tuple(shape)
    axes = tuple(i for i, length in enumerate(padded) if length == 1)
    return gradient.sum(axis=axes, keepdims=True).reshape(shape)


@variant("unbroadcast")
def element_by_element(gradient, shape):
    result = np.zeros(shape)
    source = np.broadcast_to(np.arange(result.size).reshape(shape), gradient.shape)
    np.add.at(result.reshape(-1), source.reshape(-1), gradient.reshape(-1))
    return result


@variant("unbroadcast")
def while_loops(gradient, shape):
    while gradient.ndim > len(shape):
        gradient = gradient.sum(0)
    for axis in range(len(shape)):
        if shape[axis] < gradient.shape[axis]:
            gradient = np.expand_dims(gradient.sum(axis), axis)
    return gradient


# --- network_gradients -----------------------------------------------------------------------


@variant("network_gradients")
def einsum(X, y, parameters):
    Z1 = np.einsum("nd,dh->nh", X, parameters["W1"]) + parameters["b1"]
    A1 = np.where(Z1 > 0, Z1, 0)
    Z2 = np.einsum("nh,hc->nc", A1, parameters["W2"]) + parameters["b2"]
    P = np.exp(Z2 - Z2.max(1, keepdims=True))
    P /= P.sum(1, keepdims=True)
    Z2_bar = (P - np.eye(Z2.shape[1])[y]) / len(X)
    Z1_bar = np.einsum("nc,hc->nh", Z2_bar, parameters["W2"]) * np.heaviside(Z1, 0)
    return {
        "W1": np.einsum("nd,nh->dh", X, Z1_bar),
        "b1": np.einsum("nh->h", Z1_bar),
        "W2": np.einsum("nh,nc->hc", A1, Z2_bar),
        "b2": np.einsum("nc->c", Z2_bar),
    }


@variant("network_gradients")
def one_example_at_a_time(X, y, parameters):
    total = {name: np.zeros(value.shape) for name, value in parameters.items()}
    for x, label in zip(X, y, strict=True):
        z1 = x @ parameters["W1"] + parameters["b1"]
        a1 = np.maximum(z1, 0)
        z2 = a1 @ parameters["W2"] + parameters["b2"]
        p = np.exp(z2 - z2.max())
        p /= p.sum()
        p[label] -= 1
        z1_bar = (parameters["W2"] @ p) * (z1 > 0)
        for name, share in zip(
            total, (np.outer(x, z1_bar), z1_bar, np.outer(a1, p), p), strict=True
        ):
            total[name] += share / len(X)
    return total


@variant("network_gradients")
def keras_and_float32(X, y, parameters):
    import tensorflow as tf

    variables = {k: tf.Variable(v, dtype=tf.float32) for k, v in parameters.items()}
    with tf.GradientTape() as tape:
        hidden = tf.nn.relu(tf.cast(X, tf.float32) @ variables["W1"] + variables["b1"])
        logits = hidden @ variables["W2"] + variables["b2"]
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
        )
    return {name: g.numpy() for name, g in tape.gradient(loss, variables).items()}


# --- gradient_error --------------------------------------------------------------------------


@variant("gradient_error")
def in_place_and_restored(f, gradient, x, step=1e-5):
    x = np.array(x, dtype=float)
    exact, numeric = np.array(gradient(x)), np.empty(x.size)
    flat = x.reshape(-1)
    for i in range(x.size):
        kept = flat[i]
        flat[i] = kept + step
        up = f(x)
        flat[i] = kept - step
        numeric[i] = (up - f(x)) / (2 * step)
        flat[i] = kept
    exact = exact.reshape(-1)
    return np.sqrt(((exact - numeric) ** 2).sum()) / (
        np.sqrt((exact**2).sum()) + np.sqrt((numeric**2).sum()) + 1e-12
    )


@variant("gradient_error")
def with_basis_vectors(f, gradient, x, step=1e-5):
    basis = np.eye(x.size).reshape(x.size, *x.shape)
    numeric = np.array([(f(x + step * e) - f(x - step * e)) / (2 * step) for e in basis])
    exact = np.asarray(gradient(x)).ravel()
    scale = np.linalg.norm(exact) + np.linalg.norm(numeric) + 1e-12
    return np.linalg.norm(exact - numeric) / scale


# --- Node ------------------------------------------------------------------------------------


@variant("Node")
class NodeWithCounts:
    """Count the uses of each node first; hand a gradient on when all its shares are there."""

    def __init__(self, value, edges=()):
        self.value, self.grad, self.edges = float(value), 0.0, tuple(edges)

    def __add__(self, other):
        return NodeWithCounts(self.value + other.value, ((self, 1), (other, 1)))

    def __mul__(self, other):
        return NodeWithCounts(self.value * other.value, ((self, other.value), (other, self.value)))

    def tanh(self):
        value = np.tanh(self.value)
        return NodeWithCounts(value, ((self, 1 - value * value),))

    def backward(self):
        uses, stack, seen = {}, [self], {id(self)}
        while stack:
            for parent, _ in stack.pop().edges:
                uses[id(parent)] = uses.get(id(parent), 0) + 1
                if id(parent) not in seen:
                    seen.add(id(parent))
                    stack.append(parent)
        share, ready = {id(self): 1.0}, [self]
        while ready:
            node = ready.pop()
            node.grad += share[id(node)]
            for parent, slope in node.edges:
                share[id(parent)] = share.get(id(parent), 0.0) + share[id(node)] * slope
                uses[id(parent)] -= 1
                if uses[id(parent)] == 0:
                    ready.append(parent)


@variant("Node")
class NodeOverAllPaths:
    """Walk every path and add its product: slow, and right."""

    def __init__(self, value, edges=()):
        self.value, self.grad, self.edges = value, 0, edges

    def __add__(self, other):
        return NodeOverAllPaths(self.value + other.value, [(self, 1), (other, 1)])

    def __mul__(self, other):
        edges = [(self, other.value), (other, self.value)]
        return NodeOverAllPaths(self.value * other.value, edges)

    def tanh(self):
        return NodeOverAllPaths(np.tanh(self.value), [(self, np.cosh(self.value) ** -2)])

    def backward(self, product=1.0):
        self.grad += product
        for parent, slope in self.edges:
            parent.backward(product * slope)


# --- train_digits ----------------------------------------------------------------------------


def _gradients(X, y, parameters):
    Z1 = X @ parameters["W1"] + parameters["b1"]
    A1 = np.maximum(Z1, 0)
    Z2 = A1 @ parameters["W2"] + parameters["b2"]
    P = np.exp(Z2 - Z2.max(1, keepdims=True))
    P /= P.sum(1, keepdims=True)
    P[np.arange(len(X)), y] -= 1
    Z2_bar = P / len(X)
    Z1_bar = (Z2_bar @ parameters["W2"].T) * (Z1 > 0)
    return {"W1": X.T @ Z1_bar, "b1": Z1_bar.sum(0), "W2": A1.T @ Z2_bar, "b2": Z2_bar.sum(0)}


@variant("train_digits")
def full_batch_with_momentum(X, y, seed):
    rng = np.random.default_rng(seed)
    parameters = {
        "W1": rng.normal(size=(X.shape[1], 24)) * 0.15,
        "b1": np.zeros(24),
        "W2": rng.normal(size=(24, 10)) * 0.2,
        "b2": np.zeros(10),
    }
    velocity = dict.fromkeys(parameters, 0.0)
    for _ in range(150):
        for name, gradient in _gradients(X, y, parameters).items():
            velocity[name] = 0.9 * velocity[name] - 0.2 * gradient
            parameters[name] = parameters[name] + velocity[name]
    return parameters


@variant("train_digits")
def uniform_weights_in_float32(X, y, seed):
    rng = np.random.default_rng(seed)
    limit = np.sqrt(6 / (X.shape[1] + 40))
    parameters = {
        "W1": rng.uniform(-limit, limit, size=(X.shape[1], 40)).astype("float32"),
        "b1": np.zeros(40, dtype="float32"),
        "W2": rng.uniform(-0.3, 0.3, size=(40, 10)).astype("float32"),
        "b2": np.zeros(10, dtype="float32"),
    }
    for _ in range(600):
        rows = rng.choice(len(X), size=32)
        for name, gradient in _gradients(X[rows], y[rows], parameters).items():
            parameters[name] -= (0.3 * gradient).astype("float32")
    return parameters
