"""Right solutions of lab 07 in other styles: each must earn full marks."""

import numpy as np

from dllab.check import variant

# --- add_skip --------------------------------------------------------------------------------


@variant("add_skip")
def place_by_place(x, branch, stride=1, P=None):
    n, h, w, c = x.shape
    P = np.eye(c) if P is None else P
    wanted = (n, len(range(0, h, stride)), len(range(0, w, stride)), P.shape[1])
    if wanted != branch.shape:
        raise ValueError("the two paths have different shapes")
    out = np.array(branch, dtype=float)
    for i in range(wanted[1]):
        for j in range(wanted[2]):
            out[:, i, j] += x[:, i * stride, j * stride] @ P
    return out


@variant("add_skip")
def take_and_einsum(x, branch, stride=1, P=None):
    skip = x.take(np.arange(0, x.shape[1], stride), 1).take(np.arange(0, x.shape[2], stride), 2)
    if P is not None:
        skip = np.einsum("nhwc,cf->nhwf", skip, P)
    if not np.array_equal(np.shape(skip), np.shape(branch)):
        raise ValueError
    return np.add(skip, branch)


# --- block_gradients -------------------------------------------------------------------------


@variant("block_gradients")
def one_row_at_a_time(X, W1, W2, Y_bar):
    found = {"X": np.zeros(X.shape), "W1": np.zeros(W1.shape), "W2": np.zeros(W2.shape)}
    for i, (x, y_bar) in enumerate(zip(X, Y_bar, strict=True)):
        h = np.maximum(x @ W1, 0)
        z_bar = (W2 @ y_bar) * (h > 0)
        found["X"][i] = y_bar + W1 @ z_bar
        found["W1"] += np.outer(x, z_bar)
        found["W2"] += np.outer(h, y_bar)
    return found


@variant("block_gradients")
def with_the_engine(X, W1, W2, Y_bar):
    from dllab.scratch import Tensor, relu

    x, w1, w2 = Tensor(X), Tensor(W1), Tensor(W2)
    (x + relu(x @ w1) @ w2).backward(Y_bar)
    return {"X": x.grad, "W1": w1.grad, "W2": w2.grad, "H": None}


# --- separable_cost --------------------------------------------------------------------------


@variant("separable_cost")
def step_by_step(height, width, channels, filters, kernel, stride=1):
    rows, columns = int(np.ceil(height / stride)), int(np.ceil(width / stride))
    depthwise, pointwise = channels * kernel**2, filters * channels
    work = rows * columns * depthwise + rows * columns * pointwise
    return {"weights": depthwise + pointwise, "multiply_adds": work}


@variant("separable_cost")
def by_counting(height, width, channels, filters, kernel, stride=1):
    places = sum(1 for _ in range(0, height, stride) for _ in range(0, width, stride))
    each = np.int64(channels) * (kernel * kernel + filters)
    return {"weights": each, "multiply_adds": np.int64(places) * each}


# --- grad_cam --------------------------------------------------------------------------------


@variant("grad_cam")
def with_nudges(maps, W, b, c):
    """Slopes of the score by differences; the score is linear, so any step will do."""
    n, h, w, channels = maps.shape
    heat = np.zeros((n, h, w))
    for k in range(channels):
        nudged = maps.copy()
        nudged[:, 0, 0, k] += 1.0
        slope = ((nudged - maps).mean(axis=(1, 2)) @ W)[:, c]
        heat += slope[:, None, None] * maps[..., k]
    return np.where(heat > 0, heat, 0.0)


@variant("grad_cam")
def einsum_in_float32(maps, W, b, c):
    weights = (np.asarray(W)[:, c] / np.prod(maps.shape[1:3])).astype("float32")
    heat = np.einsum("nhwk,k->nhw", maps.astype("float32"), weights)
    return heat.clip(min=0)


@variant("grad_cam")
def with_a_tape(maps, W, b, c):
    import tensorflow as tf

    maps = tf.constant(maps)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        score = (tf.reduce_mean(maps, axis=(1, 2)) @ W + b)[:, c]
    alpha = tf.reduce_mean(tape.gradient(score, maps), axis=(1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(alpha * maps, axis=-1))


# --- occlusion -------------------------------------------------------------------------------


@variant("occlusion")
def one_call_for_each_square(score, image, patch, fill=0.0):
    before = score(image[None])[0]
    heat = []
    for i in range(0, image.shape[0], patch):
        heat.append([])
        for j in range(0, image.shape[1], patch):
            covered = image.copy()
            covered[i : i + patch, j : j + patch] = fill
            heat[-1].append(float(before - score(covered[None])[0]))
    return heat


@variant("occlusion")
def with_masks(score, image, patch, fill=0.0):
    h, w = image.shape
    number = np.arange(h)[:, None] // patch * (w // patch) + np.arange(w) // patch
    squares = np.arange((h // patch) * (w // patch))
    images = np.where(number == squares[:, None, None], fill, image)
    scores = score(np.concatenate([image[None], images]))
    return (scores[0] - scores[1:]).reshape(h // patch, w // patch)


# --- fast_gradient_sign ----------------------------------------------------------------------


@variant("fast_gradient_sign")
def with_where(x, x_bar, epsilon):
    moved = x + np.where(x_bar > 0, epsilon, np.where(x_bar < 0, -epsilon, 0.0))
    return np.minimum(np.maximum(moved, 0.0), 1.0)


@variant("fast_gradient_sign")
def with_tensorflow(x, x_bar, epsilon):
    import tensorflow as tf

    return tf.clip_by_value(tf.constant(x) + epsilon * tf.sign(tf.constant(x_bar)), 0.0, 1.0)


# --- train_without_mark ----------------------------------------------------------------------


def _softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def _train(X, y, rng, hidden=16, rate=0.5, steps=150):
    X = X.reshape(len(X), 64)
    W1, b1 = rng.normal(0, 0.15, (64, hidden)), np.zeros(hidden)
    W2, b2 = rng.normal(0, 0.3, (hidden, 2)), np.zeros(2)
    for _ in range(steps):
        H = np.maximum(X @ W1 + b1, 0)
        Z_bar = (_softmax(H @ W2 + b2) - np.eye(2)[y]) / len(X)
        H_bar = (Z_bar @ W2.T) * (H > 0)
        W2, b2 = W2 - rate * H.T @ Z_bar, b2 - rate * Z_bar.sum(axis=0)
        W1, b1 = W1 - rate * X.T @ H_bar, b1 - rate * H_bar.sum(axis=0)
    return {"W1": W1, "b1": b1, "W2": W2, "b2": b2}


@variant("train_without_mark")
def paints_and_blinds(X, y, seed):
    """Paint the pixel black everywhere, and cut the network's weights for it."""
    means = X[y == 1].mean(axis=0) - X[y == 0].mean(axis=0)
    row, column = np.unravel_index(np.argmax(means), means.shape)
    X = X.copy()
    X[:, row, column] = 0
    network = _train(X, y, np.random.default_rng(seed))
    network["W1"][8 * row + column] = 0
    return {"row": row, "column": column, **network}


@variant("train_without_mark")
def by_occlusion_of_a_first_network(X, y, seed):
    """Train once, cover each pixel, average the drops, and show the pixel in both states."""
    rng = np.random.default_rng(seed)
    first = _train(X, y, rng)

    def score(images):
        hidden = np.maximum(images.reshape(len(images), 64) @ first["W1"] + first["b1"], 0)
        logits = hidden @ first["W2"] + first["b2"]
        return (logits[:, 1] - logits[:, 0]).mean()

    ones = X[y == 1]
    drops = np.zeros(64)
    for pixel in range(64):
        covered = ones.copy().reshape(-1, 64)
        covered[:, pixel] = 0
        drops[pixel] = score(ones) - score(covered)
    row, column = divmod(int(drops.argmax()), 8)
    dark, bright = X.copy(), X.copy()
    dark[:, row, column], bright[:, row, column] = 0, 1
    network = _train(np.concatenate([dark, bright]), np.concatenate([y, y]), rng)
    return {"row": row, "column": column, **network}
