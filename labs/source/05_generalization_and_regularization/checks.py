"""Checks of lab 05: generalization and regularization."""

import numpy as np

import dllab
from dllab.check import expect, task

# --- Task 1: AUC -----------------------------------------------------------------------------


def pair_share(labels, scores):
    """Return the AUC by walking through all pairs."""
    points = [
        1.0 if positive > negative else 0.5 if positive == negative else 0.0
        for positive in scores[labels == 1]
        for negative in scores[labels == 0]
    ]
    return sum(points) / len(points)


def labels_with_both(rng, n, share=0.3):
    labels = (rng.random(n) < share).astype(int)
    labels[:2] = (0, 1)
    return labels


@task("auc", points=1)
def test_pairs_are_counted(student, rng):
    """The AUC is the share of pairs in the right order, whatever the scale of the scores."""
    labels = labels_with_both(rng, 60)
    logits = rng.normal(size=60) + labels
    wanted = pair_share(labels, logits)
    for scores, scale in ((logits, "any numbers"), (1 / (1 + np.exp(-logits)), "probabilities")):
        found = expect.number(student.auc(labels, scores))
        expect.close(
            found,
            wanted,
            f"With scores that are {scale}, this is not the share of pairs in which the positive "
            "has the higher score.",
            atol=1e-9,
        )


@task("auc", points=1)
def test_ties_count_half(student, rng):
    """A tie counts one half, so a constant score has an AUC of 0.5."""
    labels = labels_with_both(rng, 40)
    constant = expect.number(student.auc(labels, np.full(40, 0.7)))
    expect.close(constant, 0.5, "The same score for everybody says nothing: its AUC is 0.5.")
    scores = rng.integers(0, 4, size=40) / 4
    found = expect.number(student.auc(labels, scores))
    message = "With scores of which many are equal: each tie counts one half."
    expect.close(found, pair_share(labels, scores), message, atol=1e-9)


# --- Task 2: a threshold by cost -------------------------------------------------------------

KEYS = ("threshold", "matrix", "cost")


def customers(rng, n, drift=1.0):
    """Return labels, one in eight positive, and scores; a drift below 1 makes scores larger."""
    labels = (rng.random(n) < 0.12).astype(int)
    labels[:2] = (0, 1)
    logits = rng.normal(size=n) + 1.5 * labels - 2
    return labels, (1 / (1 + np.exp(-logits))) ** drift


def mean_cost(labels, scores, threshold, miss_cost, alarm_cost):
    called = scores >= threshold
    misses, alarms = np.sum(~called[labels == 1]), np.sum(called[labels == 0])
    return (miss_cost * misses + alarm_cost * alarms) / len(labels)


def report_of(student, validation, test, *costs):
    return expect.mapping(student.choose_and_report(validation, test, *costs), KEYS)


@task("choose_and_report", points=1)
def test_the_threshold_is_the_cheapest(student, rng):
    """No other threshold costs less on the validation customers."""
    for costs in ((8, 1), (1, 1), (1, 30)):
        validation, test = customers(rng, 200), customers(rng, 200, drift=0.4)
        threshold = expect.number(report_of(student, validation, test, *costs)["threshold"])
        candidates = np.append(validation[1], 2.0)
        cheapest = min(mean_cost(*validation, c, *costs) for c in candidates)
        found = mean_cost(*validation, threshold, *costs)
        expect.true(
            found <= cheapest + 1e-9,
            f"With costs {costs[0]} for a miss and {costs[1]} for a false alarm, your threshold "
            "is not the cheapest one on the validation customers.",
        )


@task("choose_and_report", points=1)
def test_the_matrix_counts_test_customers(student, rng):
    """Rows are true classes, columns are predictions, and every test customer is counted."""
    validation, (labels, scores) = customers(rng, 300), customers(rng, 200)
    report = report_of(student, validation, (labels, scores), 8, 1)
    threshold = expect.number(report["threshold"])
    matrix = expect.array(report["matrix"], shape=(2, 2))
    called = scores >= threshold
    truth = labels == 1
    wanted = [
        [np.sum(~truth & ~called), np.sum(~truth & called)],
        [np.sum(truth & ~called), np.sum(truth & called)],
    ]
    expect.close(
        matrix,
        wanted,
        "This is not the confusion matrix of the test customers at your threshold: rows are true "
        "classes, columns are predicted classes, class 0 first, and each cell is a count.",
    )


@task("choose_and_report", points=1)
def test_the_cost_is_that_of_the_test_customers(student, rng):
    """The mean cost is reported for customers that did not choose the threshold."""
    validation, test = customers(rng, 300), customers(rng, 200)
    report = report_of(student, validation, test, 8, 1)
    wanted = mean_cost(*test, expect.number(report["threshold"]), 8, 1)
    found = expect.number(report["cost"])
    expect.close(
        found,
        wanted,
        "This is not the mean cost of one test customer at your threshold: add up the costs of the "
        "test customers and divide by their number.",
    )


# --- Task 3: a pipeline without leaks --------------------------------------------------------

PARTS = ("features", "x_train", "y_train", "x_test", "y_test")


def drifting_rows(rng, n=60, n_test=25, columns=8):
    """Return rows in any order; what goes with the label changes when the test rows begin."""
    time = np.sort(rng.uniform(0, 100, size=n))
    y = rng.normal(size=n)
    x = 0.4 * rng.normal(size=(n, columns)) + np.linspace(0, 2, n)[:, None]
    old, new = slice(None, n - n_test), slice(n - n_test, None)
    x[old, :2] += y[old, None] * [1.5, -1.5]
    x[new, :2] += 5 * rng.normal(size=(n_test, 2))
    x[new, 2:4] += y[new, None] * 40.0
    order = rng.permutation(n)
    return x[order], y[order], time[order], n_test


def prepared(student, x, y, time, n_test, k=2):
    return expect.mapping(student.honest_pipeline(x, y, time, n_test, k), PARTS)


@task("honest_pipeline", points=1)
def test_the_newest_rows_are_for_the_test(student, rng):
    """The model is tested on rows that are newer than all rows it learns from."""
    x, y, time, n_test = drifting_rows(rng)
    data = prepared(student, x, y, time, n_test)
    ordered = y[np.argsort(time)]
    y_test = expect.array(data["y_test"], shape=(n_test,))
    expect.close(
        np.sort(y_test),
        np.sort(ordered[-n_test:]),
        f"The test labels are not those of the {n_test} newest rows.",
    )
    expect.close(y_test, ordered[-n_test:], "The test rows should stand in the order of time.")
    y_train = expect.array(data["y_train"], shape=(len(y) - n_test,))
    expect.close(y_train, ordered[:-n_test], "Training rows: all older ones, oldest first.")


@task("honest_pipeline", points=1)
def test_training_rows_choose_the_features(student, rng):
    """Columns that go with the label in the test rows only are not chosen."""
    x, y, time, n_test = drifting_rows(rng)
    shuffled = rng.permutation(x.shape[1])
    data = prepared(student, x[:, shuffled], y, time, n_test)
    features = expect.array(data["features"], shape=(2,))
    wanted = np.flatnonzero(np.isin(shuffled, [0, 1]))
    expect.close(
        np.sort(features),
        wanted,
        "These are not the columns with the largest absolute correlation in the training rows.",
    )
    expect.close(features, wanted, "The numbers of the columns should be in ascending order.")


@task("honest_pipeline", points=1)
def test_training_rows_set_the_scale(student, rng):
    """Both parts are scaled by mean and standard deviation of the training rows."""
    x, y, time, n_test = drifting_rows(rng)
    data = prepared(student, x, y, time, n_test)
    n_train = len(y) - n_test
    x_train = expect.array(data["x_train"], shape=(n_train, 2))
    x_test = expect.array(data["x_test"], shape=(n_test, 2))
    expect.close(x_train.mean(axis=0), np.zeros(2), "Training columns: mean 0.", atol=1e-5)
    expect.close(x_train.std(axis=0), np.ones(2), "Training columns: deviation 1.", rtol=1e-4)
    raw = x[np.argsort(time)][:, expect.array(data["features"], shape=(2,)).astype(int)]
    for column in range(2):  # one straight line takes the raw column to the scaled one
        slope, offset = np.polyfit(raw[:n_train, column], x_train[:, column], 1)
        expect.close(
            x_test[:, column],
            slope * raw[n_train:, column] + offset,
            "The test rows are on another scale than the training rows.",
            rtol=1e-3,
            atol=1e-3,
        )


# --- Task 4: an interval for a difference ----------------------------------------------------

DRAWS = 300  # quantiles of so few lie within a fifth of the width


def reference_interval(old, new, rng):
    """Return the interval from random weights of rows and seeds instead of drawn ones."""

    def shares(count):
        return rng.multinomial(count, np.full(count, 1 / count), size=1000) / count

    rows = shares(old.shape[1])
    means = [np.einsum("ds,sr,dr->d", shares(len(x)), x, rows, optimize=True) for x in (old, new)]
    return np.quantile(means[1] - means[0], [0.025, 0.975])


def compare_intervals(student, rng, old, new, message):
    pair = student.difference_interval(old, new, DRAWS, int(rng.integers(1_000_000)))
    low, high = expect.array(pair, shape=(2,))
    wanted_low, wanted_high = reference_interval(old, new, rng)
    width = wanted_high - wanted_low
    for found, wanted in ((low, wanted_low), (high, wanted_high)):
        expect.true(
            abs(found - wanted) <= 0.2 * width,
            f"{message} Your interval goes from {low:+.3f} to {high:+.3f}.",
        )


@task("difference_interval", points=1)
def test_what_models_share_cancels(student, rng):
    """Two models that fail on nearly the same rows differ by little, and surely."""
    one = (rng.random(300) < 0.7).astype(int)
    other = np.where(rng.random(300) < 0.06, 1 - one, one)
    old, new = np.tile(one, (4, 1)), np.tile(other, (6, 1))
    compare_intervals(
        student,
        rng,
        old,
        new,
        "For models that fail on nearly the same rows, with seeds that all agree, the interval "
        "should be that of drawing the same rows for both.",
    )


@task("difference_interval", points=1)
def test_seeds_are_drawn_too(student, rng):
    """Where seeds differ widely, the interval is wide."""
    rows = rng.permutation(np.linspace(0, 1, 400))
    levels = np.linspace(0.35, 0.75, 5), np.linspace(0.45, 0.9, 7)
    # in ascending order, so that it matters if seeds are paired by their number
    old, new = ((rows < level[:, None]).astype(int) for level in levels)
    compare_intervals(
        student,
        rng,
        old,
        new,
        "For seeds that differ widely, the interval should be that of drawing whole seeds and "
        "whole rows.",
    )


@task("difference_interval", points=1)
def test_the_seed_decides_the_draws(student, rng):
    """The same seed gives the same interval, and the interval is that of new minus old."""
    old = (rng.random((3, 80)) < 0.3).astype(int)
    new = (rng.random((3, 80)) < 0.9).astype(int)
    first, again = (
        expect.array(student.difference_interval(old, new, 100, 7), shape=(2,)) for _ in range(2)
    )
    expect.close(again, first, "Two calls with the same seed should give the same interval.")
    expect.true(
        0 < first[0] < first[1] < 1,
        "The new model is far better here, so low and high should be positive, and low below high: "
        f"they are {first[0]:+.3f} and {first[1]:+.3f}.",
    )


# --- Task 5: dropout -------------------------------------------------------------------------


@task("dropout", points=1)
def test_what_stays_is_scaled_up(student, rng):
    """In training a share `rate` is dropped, entry by entry; the rest is divided by 1 - rate."""
    for rate in (0.2, 0.6):
        layer = expect.instance(student.Dropout(rate, int(rng.integers(1_000_000))))
        x = rng.uniform(1, 2, size=(150, 80))
        first, second = (
            expect.array(layer.forward(x, training=True), shape=x.shape) for _ in range(2)
        )
        dropped = first == 0
        expect.close(
            first[~dropped],
            x[~dropped] / (1 - rate),
            f"With rate {rate}, what stays should be divided by {1 - rate:.1f}.",
            rtol=1e-4,
        )
        expect.true(
            abs(dropped.mean() - rate) < 0.03,
            f"With rate {rate}, a share of {dropped.mean():.2f} was dropped.",
        )
        expect.true(
            dropped.any(axis=0).all() and not dropped.all(axis=0).any(),
            "Each example should drop units of its own: in your output, whole units are dropped "
            "for the batch.",
        )
        expect.true(np.any(dropped != (second == 0)), "A second call should drop other units.")


@task("dropout", points=1)
def test_use_and_the_way_back(student, rng):
    """In use nothing is dropped; on the way back, what was dropped has no gradient."""
    rate = 0.5
    layer = expect.instance(student.Dropout(rate, int(rng.integers(1_000_000))))
    x = rng.uniform(1, 2, size=(40, 30))
    used = expect.array(layer.forward(x, training=False), shape=x.shape)
    expect.close(used, x, "With `training=False` the values should come out as they went in.")
    out = expect.array(layer.forward(x, training=True), shape=x.shape)
    gradient = rng.normal(size=x.shape)
    back = expect.array(layer.backward(gradient), shape=x.shape)
    expect.close(
        back,
        gradient * out / x,
        "The gradient should take the way of the activations: nothing where they were dropped, "
        "the same factor where they stayed.",
        rtol=1e-4,
    )


# --- Task 6: batch normalization -------------------------------------------------------------


def norm_and_batches(student, rng, momentum=0.8, batches=4):
    layer = expect.instance(student.BatchNormalization(5, momentum=momentum, epsilon=1e-3))
    x = rng.normal(size=(batches, 12, 5)) * rng.uniform(1, 4, size=5) + rng.uniform(1, 5, size=5)
    return layer, x


@task("batch_normalization", points=1)
def test_each_feature_is_normalized_over_the_batch(student, rng):
    """In training each feature has mean beta and nearly the standard deviation gamma."""
    layer, x = norm_and_batches(student, rng, batches=1)
    gamma, beta = rng.uniform(0.5, 2, size=5), rng.normal(size=5)
    layer.gamma, layer.beta = gamma, beta
    out = expect.array(layer.forward(x[0], training=True), shape=(12, 5))
    expect.close(out.mean(axis=0), beta, "In training each feature's mean is beta.", atol=1e-4)
    variance = x[0].var(axis=0)
    expect.close(
        out.var(axis=0),
        gamma**2 * variance / (variance + 1e-3),
        "In training each feature's variance (`np.var`) is gamma squared, less the little that "
        "epsilon takes.",
        rtol=1e-3,
    )


@task("batch_normalization", points=1)
def test_averages_move_with_training(student, rng):
    """After several batches the averages weigh the latest batch with 1 - momentum."""
    layer, batches = norm_and_batches(student, rng)
    for x in batches:
        expect.array(layer.forward(x, training=True), shape=(12, 5))
    weights = np.append(0.8**4, 0.2 * 0.8 ** np.arange(3, -1, -1))
    means = np.vstack([np.zeros(5), batches.mean(axis=1)])
    variances = np.vstack([np.ones(5), batches.var(axis=1)])
    for name, wanted in (
        ("moving_mean", weights @ means),
        ("moving_variance", weights @ variances),
    ):
        found = expect.array(getattr(layer, name), shape=(5,))
        expect.close(
            found,
            wanted,
            f"After four batches with momentum 0.8, `{name}` should be another average.",
            rtol=1e-3,
            atol=1e-4,
        )


@task("batch_normalization", points=1)
def test_in_use_neighbors_do_not_matter(student, rng):
    """In use an example comes out the same alone and in a batch, and no average moves."""
    layer, batches = norm_and_batches(student, rng, batches=2)
    for x in batches:
        layer.forward(x, training=True)
    mean = expect.array(layer.moving_mean, shape=(5,))
    variance = expect.array(layer.moving_variance, shape=(5,))
    x = rng.normal(size=(6, 5)) + 8
    together = expect.array(layer.forward(x, training=False), shape=(6, 5))
    alone = expect.array(layer.forward(x[:1], training=False), shape=(1, 5))
    expect.close(alone, together[:1], "An example came out differently when it was alone.")
    expect.close(
        together,
        (x - mean) / np.sqrt(variance + 1e-3),
        "In use the layer should normalize with its moving averages.",
        rtol=1e-3,
        atol=1e-4,
    )
    after = expect.array(layer.moving_mean, shape=(5,))
    expect.close(after, mean, "The moving averages should not move in use.")


# --- Task 7: train where labels lie ----------------------------------------------------------


@task("train_digits", points=1)
def test_images_move_and_nothing_else(student, rng):
    """Each image is moved by at most one pixel each way; what comes in is empty."""
    images = rng.uniform(0.2, 1, size=(180, 5, 6))
    shifted = expect.array(student.shift_images(images, int(rng.integers(1_000_000))), images.shape)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    moves = [padded[:, top : top + 5, left : left + 6] for top in range(3) for left in range(3)]
    fits = np.array([np.all(np.isclose(shifted, move), axis=(1, 2)) for move in moves])
    expect.true(
        fits.any(axis=0).all(),
        f"{np.sum(~fits.any(axis=0))} of 180 images are not their original moved by at most one "
        "pixel each way, with zeros where nothing was.",
    )
    counts = fits.sum(axis=1)
    expect.true(
        counts.min() >= 4,
        "Each of the nine moves should happen as often as the others, image by image; in 180 "
        f"images the rarest one happened {counts.min()} times.",
    )


# The weights of this pretended training count epochs; `x` says which images it was given, and
# each kind of images has a loss curve of its own.
VALIDATION, CHANGED_VALIDATION, TRAINING, CHANGED_TRAINING = 0.0, 1.0, 10.0, 11.0


def first_of(weight):
    return float(np.ravel(weight)[0])


def counting_step(weights, x, y):
    return [weights[0] + 1, weights[1] + (np.mean(x) >= CHANGED_TRAINING)]


def loss_by_curve(curve):
    """Return a loss that follows `curve` on validation images, and falls on training images."""

    def loss(weights, x, y):
        epoch = int(first_of(weights[0]))
        kind = float(np.mean(x))
        if kind == VALIDATION:
            return float(curve[epoch - 1])
        if kind == CHANGED_VALIDATION:
            return float(curve[::-1][epoch - 1])
        return 3.0 / epoch

    return loss


def fit_pretended(student, curve, patience, epochs):
    train = np.full((4, 2, 2), TRAINING), np.zeros(4, dtype=int)
    validation = np.full((3, 2, 2), VALIDATION), np.zeros(3, dtype=int)
    found = student.fit(
        [np.zeros(1), np.zeros(1)],
        counting_step,
        loss_by_curve(curve),
        train,
        validation,
        lambda x, epoch: x + 1,
        patience,
        epochs,
    )
    found = expect.mapping(found, ("weights", "losses"))
    weights = found["weights"]
    expect.true(
        isinstance(weights, (list, tuple)) and len(weights) == 2,
        "`weights` should be the weights of one epoch, just as `step` returned them.",
    )
    return [first_of(weight) for weight in weights], found["losses"]


def bumpy_curve(rng, epochs):
    """Return a loss curve with small rises before its lowest point, and its best epoch."""
    best = int(rng.integers(6, 9))
    falling = np.linspace(2, 1, best)
    falling[[1, 3]] = falling[[0, 2]] + 0.05
    rising = 1 + np.linspace(0.1, 1.5, epochs - best)
    return np.concatenate([falling, rising]), best


@task("train_digits", points=1)
def test_the_best_weights_come_back(student, rng):
    """`fit` returns the weights of its best epoch, and goes on through a single rise."""
    curve, best = bumpy_curve(rng, 20)
    (epoch, _), losses = fit_pretended(student, curve, patience=4, epochs=20)
    expect.true(
        epoch == best,
        f"The validation loss was smallest after epoch {best}, and the weights are those of "
        f"epoch {epoch:g}.",
    )
    losses = expect.array(losses, shape=(None,))
    expect.true(
        len(losses) == best + 4,
        f"The best epoch was {best} and the patience 4: training should end after {best + 4} "
        f"epochs, not after {len(losses)}.",
    )
    expect.close(losses, curve[: best + 4], "`losses` should hold every validation loss.")
    _, few = fit_pretended(student, curve, patience=50, epochs=best - 1)
    expect.true(len(few) == best - 1, "Training should end after `epochs` epochs at the latest.")


@task("train_digits", points=1)
def test_training_images_change_and_validation_images_do_not(student, rng):
    """`augment` changes what the network trains on, in every epoch, and nothing else."""
    curve, _ = bumpy_curve(rng, 15)
    (epoch, changed), losses = fit_pretended(student, curve, patience=15, epochs=15)
    expect.close(
        expect.array(losses, shape=(15,)),
        curve,
        "The losses are not those of the validation images as they are.",
    )
    expect.true(
        changed == epoch,
        f"Of {epoch:g} epochs, {changed:g} trained on changed images: every epoch should.",
    )


@task("train_digits", points=1, seconds=60, trains=True)
def test_it_reads_digits_in_spite_of_wrong_labels(student, rng):
    """A network trained on labels of which three in ten are wrong reads new digits."""
    digits = dllab.load("digits")

    def mislabeled(labels):
        wrong = rng.random(len(labels)) < 0.3
        return np.where(wrong, (labels + rng.integers(1, 10, size=len(labels))) % 10, labels)

    train = digits.train.x[:500], mislabeled(digits.train.y[:500])
    validation = digits.validation.x, mislabeled(digits.validation.y)
    seed = int(rng.integers(1_000_000))
    weights = student.train_digits(train, validation, seed)
    shapes = ((64, None), (None,), (None, 10), (10,))
    expect.true(
        isinstance(weights, (list, tuple)) and len(weights) == 4,
        "`train_digits` should return the four arrays W1, b1, W2, b2.",
    )
    W1, b1, W2, b2 = (expect.array(w, shape) for w, shape in zip(weights, shapes, strict=True))
    hidden = np.maximum(digits.test.x.reshape(-1, 64) @ W1 + b1, 0)
    accuracy = float(np.mean((hidden @ W2 + b2).argmax(axis=1) == digits.test.y))
    expect.true(
        accuracy >= 0.72,
        f"The accuracy on new digits is {accuracy:.2f}; it should reach 0.72.",
    )
