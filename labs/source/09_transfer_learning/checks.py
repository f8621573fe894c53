"""Checks of lab 09: inputs as in pretraining, frozen layers, heads on features, two stages."""

import functools
import itertools

import numpy as np

import dllab
from dllab.check import expect, task
from dllab.scratch import SGD, Dense, Sequential, softmax_cross_entropy

# --- Task 1: prepare the images --------------------------------------------------------------


def gray_level(value):
    """Return what the network was trained to see for a pixel from 0 to 1."""
    return (255 * value - 127) / 128


@task("prepare", points=1)
def test_color_images_get_the_scale_of_pretraining(student, rng):
    """Black becomes -127/128, white becomes 1, and what lies between lies between."""
    images = rng.uniform(size=(2, 4, 5, 3)).astype(np.float32)
    images[0, 0, 0], images[0, 0, 1] = 0, 1
    found = expect.array(student.prepare(images), shape=(2, 4, 5, 3))
    corners = [found[0, 0, 0, 0], found[0, 0, 1, 0]]
    expect.close(corners, [-127 / 128, 1], "Black should become -127/128, and white 1.", atol=1e-5)
    expect.close(found, gray_level(images), "The scale is not that of pretraining.", atol=1e-5)


@task("prepare", points=1)
def test_one_image_does_not_depend_on_its_neighbors(student, rng):
    """An image alone gives what it gives in a batch."""
    images = rng.uniform(0.3, 0.6, size=(4, 3, 3, 3))
    together = expect.array(student.prepare(images), shape=(4, 3, 3, 3))
    alone = expect.array(student.prepare(images[:1]), shape=(1, 3, 3, 3))
    expect.close(alone, together[:1], "An image gave other numbers when it came alone.", atol=1e-5)
    expect.close(alone, gray_level(images[:1]), "The scale is not that of pretraining.", atol=1e-5)


@task("prepare", points=1)
def test_gray_images_get_three_equal_channels(student, rng):
    """A gray image becomes a color image without color."""
    images = rng.uniform(size=(3, 4, 6))
    found = expect.array(student.prepare(images), shape=(3, 4, 6, 3))
    wanted = np.repeat(gray_level(images)[..., None], 3, axis=-1)
    expect.close(found, wanted, "All three channels should hold the gray image.", atol=1e-5)


# --- Task 2: a head on features --------------------------------------------------------------


def points_with_labels(rng, n=24, features=4, classes=3):
    labels = np.arange(n) % classes
    centers = rng.normal(size=(classes, features))
    return centers[labels] + rng.normal(size=(n, features)), labels


def gradient_of_head(W, b, x, labels, decay):
    """Return the gradient of the head's loss with respect to W and b."""
    z = x @ W + b
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(x)), labels] -= 1
    return x.T @ p / len(x) + decay * W, p.mean(axis=0)


def fitted_head(student, x, labels, classes, decay):
    head = student.fit_head(x, labels, classes, decay)
    expect.true(isinstance(head, (tuple, list)) and len(head) == 2, "Return the pair `(W, b)`.")
    W = expect.array(head[0], shape=(x.shape[1], classes))
    return W, expect.array(head[1], shape=(classes,))


@task("fit_head", points=2)
def test_the_head_lies_at_the_minimum(student, rng):
    """The gradient of loss and penalty is nearly zero in W and in b."""
    x, labels = points_with_labels(rng)
    for decay in (0.1, 0.5):
        W, b = fitted_head(student, x, labels, 3, decay)
        W_bar, b_bar = gradient_of_head(W, b, x, labels, decay)
        expect.true(
            abs(b_bar).max() < 5e-3,
            f"At your head, the loss still falls along b, with a slope of {abs(b_bar).max():.2g}.",
        )
        expect.true(
            abs(W_bar).max() < 5e-3,
            f"At your head, the loss with its penalty still falls along W: its slope reaches "
            f"{abs(W_bar).max():.2g}.",
        )


@task("fit_head", points=1)
def test_a_strong_penalty_leaves_the_frequencies(student, rng):
    """With weights held near zero, the bias alone predicts how frequent each class is."""
    labels = np.repeat([0, 1, 2], [12, 6, 2])
    x = rng.normal(size=(20, 3))
    W, b = fitted_head(student, x, labels, 3, 8.0)
    expect.true(abs(W).max() < 0.2, "A strong penalty should leave small weights.")
    z = x @ W + b
    p = np.exp(z - z.max(axis=1, keepdims=True))
    share = (p / p.sum(axis=1, keepdims=True)).mean(axis=0)
    message = "The mean predicted probabilities should be the frequencies of the classes."
    expect.close(share, [0.6, 0.3, 0.1], message, atol=0.02)


# --- Task 3: labels against accuracy ---------------------------------------------------------


class Recorder:
    """A learning algorithm that notes what it is given and answers with a fixed class."""

    def __init__(self):
        self.seen = []

    def __call__(self, x, y):
        self.seen.append((np.array(x), np.array(y)))
        answer = int(np.bincount(np.asarray(y)).argmax())
        return lambda rows: np.full(len(rows), answer)


def labeled_numbers(rng, n=60, classes=3):
    """Return x whose first column numbers the rows, and unbalanced labels."""
    labels = np.sort(rng.permutation(np.r_[np.arange(n - 24) % 2, np.full(24, 2)])) % classes
    return np.column_stack([np.arange(n), rng.normal(size=n)]), labels


@task("learning_curve", points=1)
def test_each_class_gives_the_same_number_of_labels(student, rng):
    """A model learns from `count` rows of each class, none of them twice."""
    x, y = labeled_numbers(rng)
    fit = Recorder()
    counts, seeds = [1, 4, 9], [0, 1]
    curve = student.learning_curve(fit, (x, y), (x[:5] + 100, y[:5]), counts, seeds)
    expect.array(curve, shape=(2, 3))
    expect.true(len(fit.seen) == 6, f"`fit` should run 6 times here; it ran {len(fit.seen)} times.")
    sizes = sorted(len(rows) for rows, _ in fit.seen)
    expect.true(sizes == [3, 3, 12, 12, 27, 27], "A model should see `count` rows of each class.")
    for rows, labels in fit.seen:
        drawn = rows[:, 0].astype(int)
        expect.true(len(set(drawn)) == len(drawn), "A row was drawn twice for the same model.")
        expect.true(np.array_equal(labels, y[drawn]), "Labels came apart from their rows.")
        each = np.bincount(labels, minlength=3)
        expect.true(set(each) == {len(rows) // 3}, "Draw the same number of rows of each class.")


@task("learning_curve", points=1)
def test_each_seed_draws_anew_and_repeats_itself(student, rng):
    """Another seed draws other rows; the same seed draws the same."""
    x, y = labeled_numbers(rng)
    fit = Recorder()
    student.learning_curve(fit, (x, y), (x[:5], y[:5]), [6], [3, 8, 3])
    calls = len(fit.seen)
    expect.true(calls == 3, f"For one count and three seeds, call `fit` 3 times, not {calls}.")
    first, other, again = (sorted(rows[:, 0]) for rows, _ in fit.seen)
    expect.true(first != other, "Two seeds drew the same rows.")
    expect.true(first == again, "The same seed drew different rows.")


@task("learning_curve", points=1)
def test_scores_are_shares_of_the_test_rows(student, rng):
    """Each entry is the accuracy on the test rows, seeds in rows and counts in columns."""
    x, y = labeled_numbers(rng)
    x_test, y_test = rng.normal(size=(8, 2)) + 500, np.array([0, 0, 0, 1, 1, 2, 2, 2])

    def fit(rows, labels):
        # as many right answers as there are training rows of each class
        right = len(rows) // 3

        def predict(asked):
            answers = (y_test + 1) % 3
            answers[:right] = y_test[:right]
            return answers if np.array_equal(asked, x_test) else np.full(len(asked), -1)

        return predict

    curve = student.learning_curve(fit, (x, y), (x_test, y_test), [1, 2, 6], [5, 6])
    wanted = np.array([[1, 2, 6]] * 2) / 8
    found = expect.array(curve, shape=(2, 3))
    expect.close(found, wanted, "An entry should be the share of test rows that are right.")


# --- Task 4: a frozen trunk and a new head ---------------------------------------------------


def trunk_and_model(student, rng, classes):
    """Return a pretrained trunk of the learner's notebook, its weights, and the model on it."""
    trunk = student.small_trunk(int(rng.integers(1000)))
    before = expect.model(trunk, input_shape=(6,), output_shape=(5,)).weights
    return trunk, before, student.transfer_model(trunk, classes)


def unchanged(before, after):
    return all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def small_batch(rng, classes, n=16):
    return rng.normal(2, 3, size=(n, 6)).astype(np.float32), (np.arange(n) % classes)


@task("transfer_model", points=2, seconds=60, trains=True)
def test_the_head_fits_the_new_task_and_only_it_is_trainable(student, rng):
    """One logit for each new class; what is trainable is one dense layer."""
    classes = int(rng.integers(2, 5))
    trunk, before, made = trunk_and_model(student, rng, classes)
    open_layers = sum(bool(layer.trainable) for layer in trunk.layers)
    model = expect.model(made, input_shape=(6,), output_shape=(classes,))
    expect.true(
        model.trainable_parameters == 5 * classes + classes,
        f"{model.trainable_parameters} numbers are trainable, and {open_layers} layers of the "
        f"trunk: only a dense head of 5 inputs and {classes} outputs should be.",
    )
    kept = [w for layer in model.layers for w in layer.weights][: len(before)]
    expect.true(unchanged(before, kept), "The trunk should keep its pretrained weights.")
    scores = model.predict(*small_batch(rng, classes)[:1])
    expect.true(
        abs(scores.sum(axis=1) - 1).max() > 1e-3,
        "The rows of the output sum to 1: return logits, since the loss applies the softmax.",
    )


@task("transfer_model", points=1, seconds=60, trains=True)
def test_training_leaves_the_trunk_unchanged(student, rng):
    """After a fit the head has changed, and the trunk has not, to the last bit."""
    trunk, before, made = trunk_and_model(student, rng, 3)
    x, y = small_batch(rng, 3)
    head = expect.model(made, input_shape=(6,)).weights[-2]
    made.fit(x, y, batch_size=8, epochs=1, verbose=0)
    after = expect.model(trunk, input_shape=(6,)).weights
    expect.true(unchanged(before, after), "After `fit`, weights of the frozen trunk have changed.")
    learned = expect.model(made, input_shape=(6,)).weights[-2]
    expect.true(not np.array_equal(head, learned), "After `fit`, the head is still the same.")


# --- Task 5: unfreeze ------------------------------------------------------------------------


@task("unfreeze", points=4, seconds=60, trains=True)
def test_a_trained_model_goes_on_with_its_trunk(student, rng):
    """After `unfreeze` a fit changes the trunk gently, and not its batch normalization."""
    trunk, before, made = trunk_and_model(student, rng, 3)
    x, y = small_batch(rng, 3)
    made.fit(x, y, batch_size=8, epochs=1, verbose=0)
    student.unfreeze(made, trunk, 1e-3)
    made.fit(x, y, batch_size=8, epochs=1, verbose=0)
    after = expect.model(trunk, input_shape=(6,))
    pairs = list(zip(before, after.weights, strict=True))
    dense, normalization, last = pairs[:1], pairs[1:5], pairs[5:]
    moved = max(float(abs(a - b).max()) for a, b in dense + last)
    expect.true(moved > 0, "After `unfreeze`, a `fit` still leaves the trunk's kernels unchanged.")
    expect.true(
        unchanged(*zip(*normalization[2:], strict=True)),
        "After `unfreeze`, a `fit` moved the averages of the batch normalization.",
    )
    expect.true(
        unchanged(*zip(*normalization[:2], strict=True)),
        "After `unfreeze`, a `fit` changed gamma or beta of the batch normalization.",
    )
    expect.true(
        moved < 0.01,
        f"Two steps at the rate 0.001 moved a weight by {moved:.2g}: is the rate passed on?",
    )


# --- Task 6: train a part --------------------------------------------------------------------


def random_network(rng, sizes):
    """Return [(W, b), …] with weights that keep the scale of the ReLU."""
    pairs = itertools.pairwise(sizes)
    return [(rng.normal(0, np.sqrt(2 / i), (i, o)), rng.normal(0, 0.1, o)) for i, o in pairs]


def reference(network, trainable, x, labels, rate, steps):
    """Train a part of the network with `dllab.scratch`, which knows nothing of the learner."""
    rng = np.random.default_rng(0)
    last = len(network) - 1
    layers = [
        Dense(*W.shape, None if number == last else "relu", rng=rng)
        for number, (W, _) in enumerate(network)
    ]
    for layer, (W, b) in zip(layers, network, strict=True):
        layer.W.data[...], layer.b.data[...] = W, b
    model = Sequential(layers)
    chosen = [
        p for layer, on in zip(layers, trainable, strict=True) if on for p in (layer.W, layer.b)
    ]
    optimizer = SGD(chosen, learning_rate=rate)
    for _ in range(steps):
        loss = softmax_cross_entropy(model(x), labels)
        for parameter in model.parameters():
            parameter.zero_grad()
        loss.backward()
        optimizer.step()
    return [(layer.W.data, layer.b.data) for layer in layers]


def trained_part(student, network, trainable, x, labels, rate, steps):
    found = student.train_part(network, trainable, x, labels, rate, steps)
    expect.true(
        isinstance(found, (tuple, list))
        and len(found) == len(network)
        and all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in found),
        "Return a list with one pair `(W, b)` for each layer.",
    )
    return [
        (expect.array(W, shape=W_old.shape), expect.array(b, shape=b_old.shape))
        for (W, b), (W_old, b_old) in zip(found, network, strict=True)
    ]


@task("train_part", points=1)
def test_frozen_layers_stay_the_same(student, rng):
    """A frozen layer keeps its weights and its bias, the others change."""
    network = random_network(rng, (4, 6, 5, 3))
    x, labels = rng.normal(size=(12, 4)), np.arange(12) % 3
    trainable = [False, False, True]
    found = trained_part(student, network, trainable, x, labels, 0.1, 2)
    for number, ((W, b), (W_old, b_old)) in enumerate(zip(found, network, strict=True)):
        same = np.array_equal(W, W_old) and np.array_equal(b, b_old)
        if trainable[number]:
            expect.true(not same, f"Layer {number} is trainable and did not change.")
        else:
            expect.true(same, f"Layer {number} is frozen, and it changed.")


@task("train_part", points=2)
def test_each_part_takes_the_steps_of_gradient_descent(student, rng):
    """Also a layer below a frozen one learns as it should."""
    network = random_network(rng, (4, 6, 5, 3))
    x, labels = rng.normal(size=(12, 4)), np.arange(12) % 3
    for trainable in ([True, True, True], [True, False, True], [True, False, False]):
        wanted = reference(network, trainable, x, labels, 0.2, 3)
        found = trained_part(student, network, trainable, x, labels, 0.2, 3)
        for number in range(3):
            for new, right, name in zip(found[number], wanted[number], "Wb", strict=True):
                expect.close(
                    new,
                    right,
                    f"With trainable = {trainable}, {name} of layer {number} is not where three "
                    "steps of gradient descent lead.",
                    rtol=1e-4,
                    atol=1e-6,
                )


@functools.cache
def digits_task():
    """Return a network that reads the digits 0 to 4, and data of the digits 5 to 9."""
    digits = dllab.load("digits")
    x, y = digits.train.x.reshape(-1, 64), digits.train.y
    old = y < 5
    network = random_network(np.random.default_rng(0), (64, 32, 5))
    network = reference(network, [True, True], x[old], y[old], 0.5, 200)
    few = np.concatenate([np.flatnonzero(y == c)[:10] for c in range(5, 10)])
    test = digits.test.y >= 5
    new = digits.test.x[test].reshape(-1, 64), digits.test.y[test] - 5
    return network, (x[few], y[few] - 5), new


@task("train_part", points=1, seconds=60, trains=True)
def test_two_stages_read_new_digits(student, rng):
    """First the head, then everything: fifty labels are enough for five new digits."""
    network, (x, labels), (x_test, y_test) = digits_task()
    start = [network[0], (np.zeros((32, 5)), np.zeros(5))]
    head = trained_part(student, start, [False, True], x, labels, 0.5, 100)
    both = trained_part(student, head, [True, True], x, labels, 0.1, 100)
    scores = np.maximum(x_test @ both[0][0] + both[0][1], 0) @ both[1][0] + both[1][1]
    accuracy = float(np.mean(scores.argmax(axis=1) == y_test))
    expect.true(accuracy > 0.8, f"{100 * accuracy:.0f} % of new digits are right; reach 80 %.")
