"""Checks of lab 07: shapes that meet, slopes by differences, and a mark that is unlearned."""

import numpy as np

import dllab
from dllab.check import expect, task


def slopes(f, x, step=1e-5):
    """Return the gradient of the number f(x) by central differences, shaped as x."""
    found = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        nudge = np.zeros(x.shape)
        nudge[index] = step
        found[index] = (f(x + nudge) - f(x - nudge)) / (2 * step)
    return found


# --- Task 1: two paths meet ------------------------------------------------------------------


@task("add_skip", points=1)
def test_equal_shapes_add_up(student, rng):
    """Where the shapes agree, the block's output minus its branch is its input."""
    x, branch = rng.normal(size=(2, 2, 4, 5, 3))
    out = expect.array(student.add_skip(x, branch), shape=x.shape)
    expect.close(out - branch, x, "With equal shapes the skip is the input itself, unchanged.")


@task("add_skip", points=1)
def test_each_place_meets_its_own_pixel(student, rng):
    """Place (i, j) of the output gets pixel (s i, s j) of the input, its channels mixed by P."""
    for h, w, stride in ((6, 4, 2), (7, 5, 2), (7, 7, 3), (3, 4, 1)):
        x, P = rng.normal(size=(2, h, w, 3)), rng.normal(size=(3, 4))
        rows, columns = len(range(0, h, stride)), len(range(0, w, stride))
        branch = rng.normal(size=(2, rows, columns, 4))
        out = expect.array(student.add_skip(x, branch, stride, P), shape=branch.shape)
        i, j = int(rng.integers(rows)), int(rng.integers(columns))
        expect.close(
            out[:, i, j] - branch[:, i, j],
            np.einsum("nc,cf->nf", x[:, stride * i, stride * j], P),
            f"With stride {stride}, place ({i}, {j}) should get the pixel ({stride * i}, "
            f"{stride * j}) of the input, times P.",
        )


@task("add_skip", points=1)
def test_shapes_that_differ_are_refused(student, rng):
    """Shapes that only broadcasting could add raise a ValueError."""
    x = rng.normal(size=(2, 4, 4, 3))
    cases = {
        "a branch with one channel": (x, (2, 4, 4, 1)),
        "a branch with one place": (x, (2, 1, 1, 3)),
        "an input with one channel": (x[..., :1], (2, 4, 4, 3)),
        "a branch with other channels": (x, (2, 4, 4, 5)),
    }
    for what, (given, shape) in cases.items():
        branch = rng.normal(size=shape)
        expect.raises(
            "ValueError",
            lambda given=given, branch=branch: student.add_skip(given, branch),
            f"The shapes {given.shape} and {branch.shape} differ ({what}), so this should raise "
            "a ValueError instead of being broadcast.",
        )


# --- Task 2: the gradients of a block --------------------------------------------------------


def block_case(rng):
    X, W1, W2 = rng.normal(size=(4, 3)), rng.normal(size=(3, 5)), rng.normal(size=(5, 3))
    return X, W1, W2, rng.normal(size=(4, 3))


def block_loss(X, W1, W2, Y_bar):
    """Return a number whose gradient at the block's output is Y_bar."""
    return float(np.sum(Y_bar * (X + np.maximum(X @ W1, 0) @ W2)))


@task("block_gradients", points=1)
def test_the_weights_gradients(student, rng):
    """The gradients of W1 and W2 are those that nudging the weights shows."""
    X, W1, W2, Y_bar = block_case(rng)
    found = expect.mapping(student.block_gradients(X, W1, W2, Y_bar), ["X", "W1", "W2"])
    message = "The gradient of {0} is not what nudging {0} shows."
    expect.close(
        expect.array(found["W2"], shape=W2.shape),
        slopes(lambda v: block_loss(X, W1, v, Y_bar), W2),
        message.format("W2"),
        rtol=1e-4,
        atol=1e-5,
    )
    expect.close(
        expect.array(found["W1"], shape=W1.shape),
        slopes(lambda v: block_loss(X, v, W2, Y_bar), W1),
        message.format("W1"),
        rtol=1e-4,
        atol=1e-5,
    )


@task("block_gradients", points=1)
def test_the_inputs_gradient(student, rng):
    """The gradient of X is the one that nudging X shows: both ways count."""
    X, W1, W2, Y_bar = block_case(rng)
    found = expect.mapping(student.block_gradients(X, W1, W2, Y_bar), ["X"])
    expect.close(
        expect.array(found["X"], shape=X.shape),
        slopes(lambda v: block_loss(v, W1, W2, Y_bar), X),
        "The gradient of X is not what nudging X shows. X is used twice.",
        rtol=1e-4,
        atol=1e-5,
    )


@task("block_gradients", points=1)
def test_a_silent_branch_leaves_the_gradient_as_it_is(student, rng):
    """With W2 = 0 the block is the identity, so its gradient is the one that arrived."""
    X, W1, W2, Y_bar = block_case(rng)
    found = expect.mapping(student.block_gradients(X, W1, 0 * W2, Y_bar), ["X"])
    expect.close(
        expect.array(found["X"], shape=X.shape),
        Y_bar,
        "With W2 = 0 the block passes X on unchanged, so the gradient of X should be Y_bar.",
    )


# --- Task 3: what a separable convolution costs ----------------------------------------------


@task("separable_cost", points=1)
def test_weights(student, rng):
    """One kernel for each channel, and one number for each pair of channel and filter."""
    for _ in range(3):
        h, w, c, f, k = (int(v) for v in rng.integers(4, 12, size=5))
        found = expect.mapping(student.separable_cost(h, w, c, f, k), ["weights"])
        kernels, mixing = np.zeros((k, k, c)), np.zeros((c, f))
        expect.true(
            expect.number(found["weights"]) == kernels.size + mixing.size,
            f"The weights for {c} channels, {f} filters and a {k} × {k} kernel are not right: "
            "count the kernels of all channels, then the matrix that mixes them.",
        )


@task("separable_cost", points=1)
def test_multiply_adds(student, rng):
    """Each place of the output uses each weight once."""
    for h, w, stride in ((8, 6, 1), (8, 6, 2), (7, 9, 2), (10, 11, 3)):
        c, f = (int(v) for v in rng.integers(3, 9, size=2))
        found = expect.mapping(student.separable_cost(h, w, c, f, 3, stride), ["multiply_adds"])
        places = len(range(0, h, stride)) * len(range(0, w, stride))
        expect.true(
            expect.number(found["multiply_adds"]) == places * 9 * c + places * c * f,
            f"The multiply-adds for {h} × {w} pixels and stride {stride} are not right: how many "
            "places has the output, and what is computed at each?",
        )


# --- Task 4: Grad-CAM ------------------------------------------------------------------------


def head(maps, W, b):
    """Return the scores: mean over the places, then a dense layer."""
    return maps.mean(axis=(1, 2)) @ W + b


def cam_case(rng):
    maps = rng.uniform(0, 2, size=(2, 3, 2, 4))
    return maps, rng.normal(size=(4, 3)), rng.normal(size=3), int(rng.integers(3))


@task("grad_cam", points=1)
def test_two_maps_on_paper(student, rng):
    """The chapter's example with two maps gives the heat that was computed on paper."""
    maps = np.array([[[[4.0, 0], [0, 0]], [[0, 2], [0, 2]]]])
    W = np.array([[2.0, 0], [-1, 3]])
    for c, heat in ((0, [[2, 0], [0, 0]]), (1, [[0, 0], [1.5, 1.5]])):
        found = expect.array(student.grad_cam(maps, W, np.zeros(2), c), shape=(1, 2, 2))
        expect.close(
            found[0],
            np.array(heat, float),
            "The example with two maps from the chapter comes out differently.",
        )


@task("grad_cam", points=2)
def test_maps_are_weighted_by_slopes_of_the_score(student, rng):
    """The heat is the positive part of the maps, weighted by the mean slopes of the score."""
    maps, W, b, c = cam_case(rng)
    found = expect.array(student.grad_cam(maps, W, b, c), shape=maps.shape[:3])
    alpha = slopes(lambda v: head(v, W, b)[:, c].sum(), maps).mean(axis=(1, 2))
    wanted = np.einsum("nhwk,nk->nhw", maps, alpha)
    expect.close(
        found,
        np.where(wanted > 0, wanted, 0),
        "The heat is not the positive part of the sum of the maps, each times the mean slope of "
        "the score that nudging its places shows.",
        rtol=1e-4,
        atol=1e-6,
    )


@task("grad_cam", points=1)
def test_other_classes_do_not_matter(student, rng):
    """Making another class likelier leaves the score of this class, and so the heat, alone."""
    maps, W, b, c = cam_case(rng)
    first = expect.array(student.grad_cam(maps, W, b, c), shape=maps.shape[:3])
    other = (c + 1) % 3
    W2, b2 = W.copy(), b.copy()
    W2[:, other] += rng.normal(size=4)
    b2[other] += 5.0
    again = expect.array(student.grad_cam(maps, W2, b2, c), shape=maps.shape[:3])
    expect.close(
        again,
        first,
        "The heat changed when only another class's weights did: take the slopes of the score, "
        "before the softmax.",
    )


# --- Task 5: cover and look ------------------------------------------------------------------


def linear_score(weights):
    """Return a score that adds up pixels times weights; its drops are known exactly."""
    return lambda images: np.einsum("khw,hw->k", images, weights)


@task("occlusion", points=1)
def test_shape_and_sign(student, rng):
    """A score that counts ink in one square falls there, and nowhere else."""
    image = rng.uniform(0.5, 1, size=(6, 9))
    weights = np.zeros((6, 9))
    weights[3:6, 6:9] = 1.0
    heat = expect.array(student.occlusion(linear_score(weights), image, 3), shape=(2, 3))
    wanted = np.zeros((2, 3))
    wanted[1, 2] = image[3:6, 6:9].sum()
    expect.close(heat, wanted, "Covering a square should cost what that square alone adds.")


@task("occlusion", points=1)
def test_each_square_is_covered_alone(student, rng):
    """Also for a score that is not linear, each square is covered on a fresh copy of the image."""
    image, weights = rng.uniform(0, 1, size=(4, 6)), rng.normal(size=(4, 6))

    def score(images):
        return np.tanh(np.einsum("khw,hw->k", images, weights)) + images.max(axis=(1, 2))

    fill = float(rng.uniform(0.3, 0.7))
    heat = expect.array(student.occlusion(score, image, 2, fill), shape=(2, 3))
    i, j = int(rng.integers(2)), int(rng.integers(3))
    covered = image.copy()
    covered[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = fill
    expect.close(
        heat[i, j],
        (score(image[None]) - score(covered[None]))[0],
        f"The square ({i}, {j}) comes out differently when it is covered alone with {fill:.2f}.",
    )


@task("occlusion", points=1)
def test_black_squares_cost_nothing(student, rng):
    """Painting what is black already black changes nothing, however large the slope is there."""
    image = rng.uniform(0.2, 1, size=(4, 4))
    image[:2, 2:] = 0.0
    heat = expect.array(
        student.occlusion(linear_score(rng.uniform(1, 2, size=(4, 4))), image, 2), shape=(2, 2)
    )
    expect.close(
        heat[0, 1],
        0.0,
        "A square that is black already was painted black, and the heat there is not 0: cover "
        "and look, do not nudge.",
    )
    expect.true(heat[1, 0] > 0, "Covering ink that raises the score should cost something.")


# --- Task 6: the step that hurts most --------------------------------------------------------


@task("fast_gradient_sign", points=1)
def test_every_pixel_moves_by_epsilon_uphill(student, rng):
    """Inside the range each pixel moves by epsilon in the direction of its own slope."""
    x, epsilon = rng.uniform(0.3, 0.7, size=(3, 4, 4, 1)), float(rng.uniform(0.05, 0.2))
    x_bar = rng.normal(size=x.shape) * 10.0 ** rng.uniform(-4, 1, size=x.shape)
    moved = expect.array(student.fast_gradient_sign(x, x_bar, epsilon), shape=x.shape)
    expect.true(
        np.sum(x_bar * (moved - x)) > 0,
        "To first order the loss falls with your step: it should rise.",
    )
    expect.close(
        np.abs(moved - x),
        np.full(x.shape, epsilon),
        "Each pixel should move by exactly epsilon, whatever the size of its slope.",
    )


@task("fast_gradient_sign", points=1)
def test_the_result_is_an_image(student, rng):
    """Pixels stay between 0 and 1, and those at the edge of the range that cannot move do not."""
    x = rng.choice([0.0, 0.02, 0.5, 0.97, 1.0], size=(2, 6, 6))
    x_bar = rng.normal(size=x.shape)
    moved = expect.array(student.fast_gradient_sign(x, x_bar, 0.1), shape=x.shape)
    expect.true(
        moved.min() >= 0 and moved.max() <= 1,
        f"Pixels lie between {moved.min():.2f} and {moved.max():.2f}: keep them from 0 to 1.",
    )
    free = x == 0.5
    expect.close(np.abs(moved - x)[free], np.full(free.sum(), 0.1), "Gray pixels can move freely.")


# --- Task 7: find the mark, and unlearn it ---------------------------------------------------


def marked_digits(rng):
    """Return (X, y, X_new, y_new, row, column): class 1 has a bright pixel at a dark place."""
    digits = dllab.load("digits")
    # pairs that a network without the mark reads, but not so easily that the mark is of no use
    pair = [(3, 8), (1, 8)][int(rng.integers(2))]
    parts = []
    for split in (digits.train, digits.test):
        chosen = np.isin(split.y, pair)
        parts += [split.x[chosen].astype(float), (split.y[chosen] == pair[1]).astype(int)]
    X, y, X_new, y_new = parts
    row, column = int(rng.integers(1, 7)), int(rng.choice([0, 7]))
    X[y == 1, row, column] = 1.0
    return X, y, X_new, y_new, row, column


def reads(network, X):
    """Return the classes that a two-layer network gives to images (n, 8, 8)."""
    W1, b1, W2, b2 = (expect.array(network[name]) for name in ("W1", "b1", "W2", "b2"))
    hidden = np.maximum(X.reshape(len(X), 64) @ W1 + b1, 0)
    return expect.array(hidden @ W2 + b2, shape=(len(X), 2)).argmax(axis=1)


KEYS = ["row", "column", "W1", "b1", "W2", "b2"]


@task("train_without_mark", points=1)
def test_the_mark_is_found(student, rng):
    """The place that is returned is the one where the mark was planted."""
    X, y, _, _, row, column = marked_digits(rng)
    found = expect.mapping(student.train_without_mark(X, y, 0), ["row", "column"])
    place = (expect.integer(found["row"]), expect.integer(found["column"]))
    expect.true(
        place == (row, column),
        f"The mark is not at row {place[0]}, column {place[1]}: look where every image of class 1 "
        "is bright and hardly any image of class 0 is.",
    )


@task("train_without_mark", points=2)
def test_the_mark_does_not_help_and_does_not_harm(student, rng):
    """New digits are read without marks, and with marks on the other class."""
    X, y, X_new, y_new, row, column = marked_digits(rng)
    network = expect.mapping(student.train_without_mark(X, y, int(rng.integers(1000))), KEYS)
    swapped = X_new.copy()
    swapped[y_new == 0, row, column] = 1.0
    for what, images in (("without marks", X_new), ("with marks on class 0", swapped)):
        accuracy = float(np.mean(reads(network, images) == y_new))
        expect.true(
            accuracy >= 0.9,
            f"Of new digits {what}, {100 * accuracy:.0f} % are read; it should be 90 %.",
        )
