"""Wrong solutions of lab 07, each a misconception; a learner's output is compared with theirs."""

import numpy as np

from dllab.check import mutant

# --- add_skip --------------------------------------------------------------------------------


@mutant("add_skip", misconception="skip-broadcast")
def broadcasts(x, branch, stride=1, P=None):
    """Shapes that differ were added by broadcasting: compare the shapes first, and refuse."""
    skip = x[:, ::stride, ::stride]
    return branch + (skip if P is None else skip @ P)


@mutant("add_skip", misconception="projection-missing")
def drops_the_skip(x, branch, stride=1, P=None):
    """Where the shapes change you left the skip out: bring it to the shape of the branch."""
    return x + branch if x.shape == branch.shape else branch


@mutant("add_skip", misconception="projection-missing")
def never_strides(x, branch, stride=1, P=None):
    """You multiply by P and leave the stride out, so at stride 2 the sizes never fit."""
    skip = x if P is None else x @ P
    if skip.shape != branch.shape:
        raise ValueError("the shapes differ")
    return skip + branch


@mutant("add_skip", misconception="skip-cropped")
def crops(x, branch, stride=1, P=None):
    """You took the top left part of the input: take every s-th pixel, so that places match."""
    skip = x[:, : branch.shape[1], : branch.shape[2]]
    skip = skip if P is None else skip @ P
    if skip.shape != branch.shape:
        raise ValueError("the shapes differ")
    return skip + branch


# --- block_gradients -------------------------------------------------------------------------


def _block(X, W1, W2, Y_bar, *, mask=True, around=1.0, through=1.0):
    """Return the gradients of the block with one thing spoiled."""
    H = np.maximum(X @ W1, 0)
    Z_bar = (Y_bar @ W2.T) * ((H > 0) if mask else 1.0)
    inputs = around * Y_bar + through * (Z_bar @ W1.T)
    return {"X": inputs, "W1": X.T @ Z_bar, "W2": H.T @ Y_bar}


@mutant("block_gradients", misconception="skip-gradient-lost")
def forgets_the_skip(X, W1, W2, Y_bar):
    """At X you kept only what came through the branch: add what goes around it."""
    return _block(X, W1, W2, Y_bar, around=0.0)


@mutant("block_gradients", misconception="branch-gradient-lost")
def forgets_the_branch(X, W1, W2, Y_bar):
    """At X you kept only what goes around the branch: add what came through it."""
    return _block(X, W1, W2, Y_bar, through=0.0)


@mutant("block_gradients", misconception="branch-slope-skipped")
def forgets_the_relu(X, W1, W2, Y_bar):
    """The gradient went through the ReLU unchanged: it passes only where X W1 is positive."""
    return _block(X, W1, W2, Y_bar, mask=False)


@mutant("block_gradients", misconception="skip-gradient-lost")
def averages_both_ways(X, W1, W2, Y_bar):
    """At X you averaged the two contributions: they add up."""
    return _block(X, W1, W2, Y_bar, around=0.5, through=0.5)


# --- separable_cost --------------------------------------------------------------------------


def _cost(height, width, stride, weights):
    places = -(-height // stride) * -(-width // stride)
    return {"weights": weights, "multiply_adds": places * weights}


@mutant("separable_cost", misconception="pointwise-forgotten")
def depthwise_only(height, width, channels, filters, kernel, stride=1):
    """You counted the kernels of the channels only: the 1 × 1 step comes on top."""
    return _cost(height, width, stride, kernel * kernel * channels)


@mutant("separable_cost", misconception="depthwise-mixes-channels")
def full_convolution(height, width, channels, filters, kernel, stride=1):
    """You counted a full convolution: in the first step each channel has a single kernel."""
    return _cost(height, width, stride, kernel * kernel * channels * filters)


@mutant("separable_cost", misconception="depthwise-mixes-channels")
def full_and_pointwise(height, width, channels, filters, kernel, stride=1):
    """Your first step mixes the channels already: it has one kernel for each channel, no more."""
    weights = kernel * kernel * channels * filters + filters * filters
    return _cost(height, width, stride, weights)


@mutant("separable_cost", misconception="stride-not-counted")
def ignores_the_stride(height, width, channels, filters, kernel, stride=1):
    """You counted the work at each pixel of the input: it is done at each place of the output."""
    return _cost(height, width, 1, kernel * kernel * channels + channels * filters)


@mutant("separable_cost", misconception="stride-rounded-down")
def rounds_down(height, width, channels, filters, kernel, stride=1):
    """At odd sizes you lose a row and a column: with "same" padding the size is rounded up."""
    weights = kernel * kernel * channels + channels * filters
    places = (height // stride) * (width // stride)
    return {"weights": weights, "multiply_adds": places * weights}


# --- grad_cam --------------------------------------------------------------------------------


@mutant("grad_cam", misconception="gradcam-after-softmax")
def after_the_softmax(maps, W, b, c):
    """You took the slopes of the probability: take those of the score, before the softmax."""
    scores = maps.mean(axis=(1, 2)) @ W + b
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    slopes = p[:, c : c + 1] * (W[:, c] - p @ W.T)  # (n, channels)
    alpha = slopes / (maps.shape[1] * maps.shape[2])
    return np.maximum(np.einsum("nhwk,nk->nhw", maps, alpha), 0)


@mutant("grad_cam", misconception="gradcam-negative-kept")
def keeps_negative_heat(maps, W, b, c):
    """Your heat has negative values: keep only what speaks for the class."""
    return maps @ (W[:, c] / (maps.shape[1] * maps.shape[2]))


@mutant("grad_cam", misconception="gradcam-mean-forgotten")
def forgets_the_mean(maps, W, b, c):
    """Your heat is h w times too large: one place moves the mean by 1 / (h w) only."""
    return np.maximum(maps @ W[:, c], 0)


@mutant("grad_cam", misconception="gradcam-unweighted")
def averages_the_maps(maps, W, b, c):
    """All maps count alike in your heat: weight each by the slope of the class's score."""
    return np.maximum(maps.mean(axis=-1), 0)


@mutant("grad_cam", misconception="gradcam-unweighted")
def drops_the_signs(maps, W, b, c):
    """Maps that speak against the class count for it in your heat: keep the slopes' signs."""
    return maps @ np.abs(W[:, c]) / (maps.shape[1] * maps.shape[2])


@mutant("grad_cam", misconception="saliency-as-cause")
def ignores_the_maps(maps, W, b, c):
    """You returned the slopes alone: a map that is 0 at a place contributes nothing there."""
    alpha = np.maximum(W[:, c], 0).sum() / (maps.shape[1] * maps.shape[2])
    return np.full(maps.shape[:3], alpha)


# --- occlusion -------------------------------------------------------------------------------


def _squares(image, patch):
    for i in range(image.shape[0] // patch):
        for j in range(image.shape[1] // patch):
            yield (i, j), np.s_[i * patch : (i + 1) * patch, j * patch : (j + 1) * patch]


def _heat(image, patch, value):
    heat = np.zeros((image.shape[0] // patch, image.shape[1] // patch))
    for place, square in _squares(image, patch):
        heat[place] = value(square)
    return heat


def _scored(score, image):
    return float(np.asarray(score(image[None]))[0])


def _covered(image, square, fill):
    changed = np.array(image, dtype=float)
    changed[square] = fill
    return changed


@mutant("occlusion", misconception="covers-pile-up")
def never_uncovers(score, image, patch, fill=0.0):
    """Squares stay covered while you go on: cover each one alone, on a fresh copy."""
    changed, before = np.array(image, dtype=float), _scored(score, image)

    def value(square):
        changed[square] = fill
        return before - _scored(score, changed)

    return _heat(image, patch, value)


@mutant("occlusion", misconception="drop-upside-down")
def wrong_sign(score, image, patch, fill=0.0):
    """Your heat has the wrong sign: it is what the score loses when the square is covered."""
    before = _scored(score, image)
    return _heat(image, patch, lambda s: _scored(score, _covered(image, s, fill)) - before)


@mutant("occlusion", misconception="drop-upside-down")
def returns_scores(score, image, patch, fill=0.0):
    """You returned the scores of the covered images: return what the score loses."""
    return _heat(image, patch, lambda s: _scored(score, _covered(image, s, fill)))


@mutant("occlusion", misconception="saliency-as-cause")
def nudges(score, image, patch, fill=0.0):
    """You nudged the squares and took slopes: paint each square, and see what the score loses."""
    before = _scored(score, image)
    step = 1e-4

    def value(square):
        return (_scored(score, _covered(image, square, image[square] + step)) - before) / step

    return _heat(image, patch, value)


@mutant("occlusion", misconception="saliency-as-cause")
def always_black(score, image, patch, fill=0.0):
    """You always paint black: what counts as covered is given by `fill`."""
    before = _scored(score, image)
    return _heat(image, patch, lambda s: before - _scored(score, _covered(image, s, 0.0)))


# --- fast_gradient_sign ----------------------------------------------------------------------


@mutant("fast_gradient_sign", misconception="adversary-downhill")
def goes_downhill(x, x_bar, epsilon):
    """Your step lowers the loss, as in training: the adversary raises it."""
    return np.clip(x - epsilon * np.sign(x_bar), 0, 1)


@mutant("fast_gradient_sign", misconception="adversary-without-sign")
def follows_the_size(x, x_bar, epsilon):
    """Pixels with small slopes hardly move: every pixel may move by epsilon, so use the sign."""
    return np.clip(x + epsilon * x_bar, 0, 1)


@mutant("fast_gradient_sign", misconception="adversary-without-sign")
def scales_to_the_largest(x, x_bar, epsilon):
    """Only the pixel with the largest slope moves by epsilon: use the sign of each slope."""
    return np.clip(x + epsilon * x_bar / np.abs(x_bar).max(), 0, 1)


@mutant("fast_gradient_sign", misconception="adversary-leaves-the-range")
def never_clips(x, x_bar, epsilon):
    """Some pixels left the range from 0 to 1: clip the result."""
    return x + epsilon * np.sign(x_bar)


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


def _place(values):
    row, column = np.unravel_index(int(np.argmax(values)), values.shape)
    return int(row), int(column)


def _unlearned(X, y, seed, row, column):
    rng = np.random.default_rng(seed)
    X = X.copy()
    X[:, row, column] = rng.integers(0, 2, size=len(X))
    return {"row": row, "column": column, **_train(X, y, rng)}


@mutant("train_without_mark", misconception="shortcut-left-in")
def keeps_the_mark(X, y, seed):
    """You found the mark and trained with it all the same: change the images before you train."""
    row, column = _place((X[y == 1] == 1).mean(axis=0) - X[y == 0].mean(axis=0))
    return {"row": row, "column": column, **_train(X, y, np.random.default_rng(seed))}


@mutant("train_without_mark", misconception="brightest-removed")
def removes_the_brightest(X, y, seed):
    """You took the pixel that is brightest on average: there the digits themselves are."""
    return _unlearned(X, y, seed, *_place(X.mean(axis=0)[:, 1:7]))


@mutant("train_without_mark", misconception="mark-place-assumed")
def assumes_a_corner(X, y, seed):
    """You took a corner without looking: average over the images of each class."""
    return _unlearned(X, y, seed, 7, 7)


@mutant("train_without_mark", misconception="shortcut-left-in")
def cleans_a_few_images(X, y, seed):
    """You broke the link in some images only: as long as the mark tells more, it is learned."""
    row, column = _place((X[y == 1] == 1).mean(axis=0) - X[y == 0].mean(axis=0))
    X = X.copy()
    X[::25, row, column] = 0.0
    return {"row": row, "column": column, **_train(X, y, np.random.default_rng(seed))}
