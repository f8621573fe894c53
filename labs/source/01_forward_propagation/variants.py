"""Right solutions of lab 01 in other styles: each must earn full marks."""

import numpy as np

from dllab.check import variant

# --- pencil_forward --------------------------------------------------------------------------


@variant("pencil_forward")
def with_matrices(x1, x2):
    W1, b1 = np.array([[1, -2], [3, 1]]), np.array([-1, 0.5])
    z = np.array([x1, x2]) @ W1 + b1
    a = np.maximum(z, 0)
    y = a @ np.array([2, -1]) + 0.5
    return {"z1": z[0], "z2": z[1], "a1": a[0], "a2": a[1], "y": y}


@variant("pencil_forward")
def with_conditions_and_float32(x1, x2):
    z1 = np.float32(x1 + 3 * x2 - 1)
    z2 = np.float32(x2 - 2 * x1 + 0.5)
    a1 = z1 if z1 > 0 else np.float32(0)
    a2 = z2 if z2 > 0 else np.float32(0)
    return {"y": float(2 * a1 - a2) + 0.5, "a1": a1, "a2": a2, "z1": z1, "z2": z2}


# --- dense -----------------------------------------------------------------------------------


@variant("dense")
def with_einsum(X, W, b, activation=None):
    Z = np.einsum("ni,ij->nj", X, W) + b[None, :]
    functions = {"relu": lambda z: np.where(z > 0, z, 0.0), "tanh": np.tanh, None: lambda z: z}
    return functions[activation](Z)


@variant("dense")
def with_loops(X, W, b, activation=None):
    out = np.zeros((X.shape[0], W.shape[1]))
    for n in range(X.shape[0]):
        for j in range(W.shape[1]):
            z = b[j] + sum(X[n, i] * W[i, j] for i in range(X.shape[1]))
            if activation == "relu":
                z = max(z, 0)
            elif activation == "tanh":
                z = np.tanh(z)
            out[n, j] = z
    return out


@variant("dense")
def with_bias_as_weight(X, W, b, activation=None):
    Z = np.column_stack([X, np.ones(len(X))]) @ np.vstack([W, b])
    if activation is None:
        return Z
    return (Z + abs(Z)) / 2 if activation == "relu" else 1 - 2 / (np.exp(2 * Z) + 1)


@variant("dense")
def with_keras(X, W, b, activation=None):
    import keras

    layer = keras.layers.Dense(W.shape[1], activation=activation, dtype="float64")
    layer.build(X.shape)
    layer.set_weights([W, b])
    return keras.ops.convert_to_numpy(layer(X))


# --- forward ---------------------------------------------------------------------------------


@variant("forward", build=True)
def recursive(student):
    def forward(X, layers):
        if not layers:
            return [X]
        W, b, activation = layers[0]
        return [X, *forward(student.dense(X, W, b, activation), layers[1:])]

    return {"forward": forward}


@variant("forward")
def one_example_at_a_time(X, layers):
    g = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh, None: np.array}
    activations = [np.array(X)]
    for W, b, name in layers:
        activations.append(np.array([g[name](W.T @ a + b) for a in activations[-1]]))
    return tuple(activations)


# --- count -----------------------------------------------------------------------------------


@variant("count")
def with_matrix_sizes(sizes, batch):
    shapes = [(sizes[i], sizes[i + 1]) for i in range(len(sizes) - 1)]
    parameters = sum(np.zeros(s).size + np.zeros(s[1]).size for s in shapes)
    return {"parameters": parameters, "flops": sum(2 * batch * int(np.prod(s)) for s in shapes)}


@variant("count")
def with_a_bias_input(sizes, batch):
    sizes = np.array(sizes)
    weights = sizes[:-1] @ sizes[1:]
    return {"flops": 2 * weights * batch, "parameters": ((sizes[:-1] + 1) * sizes[1:]).sum()}


# --- solve_xor -------------------------------------------------------------------------------


@variant("solve_xor")
def with_differences():
    return {
        "W1": np.array([[1, -1], [-1, 1]]),
        "b1": np.array([0, 0]),
        "W2": np.array([[2], [2]]),
        "b2": np.array([-1]),
    }


@variant("solve_xor")
def with_corners_cut_off():
    return {
        "W1": np.array([[-2.0, 2.0], [-2.0, 2.0]], dtype="float32"),
        "b1": np.array([1.0, -3.0], dtype="float32"),
        "W2": np.array([[-1.0], [-1.0]], dtype="float32"),
        "b2": np.array([0.5], dtype="float32"),
    }


# --- is_affine -------------------------------------------------------------------------------


@variant("is_affine")
def with_least_squares(f, features):
    X = np.random.default_rng(1).uniform(-10, 10, size=(200, features))
    known = np.hstack([X, np.ones((200, 1))])
    F = f(X)
    W, *_ = np.linalg.lstsq(known, F, rcond=None)
    return np.allclose(known @ W, F, atol=1e-6)


@variant("is_affine")
def with_midpoints(f, features):
    rng = np.random.default_rng()
    X, Y = 5 * rng.normal(size=(2, 500, features))
    return bool(abs(f((X + Y) / 2) - (f(X) + f(Y)) / 2).max() < 1e-8)


@variant("is_affine")
def with_centered_points(f, features):
    X = np.random.default_rng(3).normal(size=(40 + features, features))
    F = f(X)
    both = np.hstack([X - X.mean(axis=0), F - F.mean(axis=0)])
    return np.linalg.matrix_rank(both, tol=1e-7) == features


# --- read_digits -----------------------------------------------------------------------------


@variant("read_digits", replaces="train_reader", build=True)
def two_hidden_layers(student):
    def train_reader(X, y, seed):
        from dllab.scratch import Dense, Sequential

        rng = np.random.default_rng(seed)
        sizes, names = [X.shape[1], 32, 16, 10], ["relu", "relu", None]
        pairs = zip(sizes[:-1], sizes[1:], names, strict=True)
        model = Sequential([Dense(a, b, g, rng=rng) for a, b, g in pairs])
        student.train(model, X, y, rng, epochs=15)
        return [(d.W.data.copy(), d.b.data.copy(), d.activation) for d in model.layers]

    def read_digits(X, layers):
        return np.array([int(np.argmax(row)) for row in student.forward(X, layers)[-1]])

    return {"train_reader": train_reader, "read_digits": read_digits}


@variant("read_digits", replaces="train_reader")
def plain_numpy_in_float32(X, y, seed):
    rng = np.random.default_rng(seed)
    W1 = (rng.normal(size=(X.shape[1], 24)) * 0.18).astype("float32")
    W2 = (rng.normal(size=(24, 10)) * 0.2).astype("float32")
    b1, b2 = np.zeros(24, "float32"), np.zeros(10, "float32")
    for _ in range(700):
        rows = rng.choice(len(X), size=32)
        x, A = X[rows], np.maximum(X[rows] @ W1 + b1, 0)
        P = np.exp(A @ W2 + b2)
        P /= P.sum(axis=1, keepdims=True)
        D = (P - np.eye(10)[y[rows]]).astype("float32") / 32
        H = (D @ W2.T) * (A > 0)
        W2 -= 0.3 * A.T @ D
        b2 -= 0.3 * D.sum(axis=0)
        W1 -= 0.3 * x.T @ H
        b1 -= 0.3 * H.sum(axis=0)
    return [(W1, b1, "relu"), (W2, b2, None)]


@variant("read_digits")
def sorted_outputs(X, layers):
    for W, b, activation in layers:
        X = X @ W + b
        X = np.maximum(X, 0) if activation == "relu" else np.tanh(X) if activation else X
    return np.argsort(X, axis=1)[:, -1]
