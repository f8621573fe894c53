"""Wrong solutions of lab 05, each a misconception; a learner's output is compared with theirs."""

import numpy as np

from dllab.check import mutant

# --- auc -------------------------------------------------------------------------------------


def _pairs(labels, scores, tie=0.5):
    gaps = scores[labels == 1][:, None] - scores[labels == 0][None, :]
    return float(np.mean((gaps > 0) + tie * (gaps == 0)))


@mutant("auc", misconception="auc-of-hard-labels")
def cuts_scores_first(labels, scores):
    """You cut the scores to 0 and 1 at 0.5 before you compared them: rank the scores themselves."""
    return _pairs(labels, (scores >= 0.5).astype(int))


@mutant("auc", misconception="ties-not-halved")
def ties_count_fully(labels, scores):
    """A tie counted as a right pair: it counts one half."""
    return _pairs(labels, scores, tie=1)


@mutant("auc", misconception="ties-not-halved")
def ties_do_not_count(labels, scores):
    """A tie counted as a wrong pair: it counts one half."""
    return _pairs(labels, scores, tie=0)


@mutant("auc", misconception="accuracy-for-auc")
def best_accuracy(labels, scores):
    """You returned an accuracy: AUC compares pairs and needs no threshold."""
    thresholds = np.append(np.unique(scores), np.inf)
    return float(max(np.mean((scores >= t) == labels) for t in thresholds))


# --- choose_and_report -----------------------------------------------------------------------


def _matrix(labels, scores, threshold):
    called = (scores >= threshold).astype(int)
    return np.array(
        [[np.sum((labels == true) & (called == said)) for said in (0, 1)] for true in (0, 1)]
    )


def _cost(matrix, miss_cost, alarm_cost):
    return float((miss_cost * matrix[1, 0] + alarm_cost * matrix[0, 1]) / matrix.sum())


def _cheapest(labels, scores, miss_cost, alarm_cost):
    candidates = np.append(np.unique(scores), 2.0)
    costs = [_cost(_matrix(labels, scores, c), miss_cost, alarm_cost) for c in candidates]
    return float(candidates[np.argmin(costs)])


def _report(threshold, customers, costs):
    matrix = _matrix(*customers, threshold)
    return {"threshold": threshold, "matrix": matrix, "cost": _cost(matrix, *costs)}


@mutant("choose_and_report", misconception="accuracy-under-imbalance")
def most_accurate(validation, test, miss_cost, alarm_cost):
    """You chose the threshold with the highest accuracy: choose the one with the lowest cost."""
    threshold = _cheapest(*validation, 1, 1)
    return _report(threshold, test, (miss_cost, alarm_cost))


@mutant("choose_and_report", misconception="half-is-the-threshold")
def always_half(validation, test, miss_cost, alarm_cost):
    """Your threshold is always 0.5: try every score, and compare the costs."""
    return _report(0.5, test, (miss_cost, alarm_cost))


@mutant("choose_and_report", misconception="tuned-on-test-set")
def chooses_on_test(validation, test, miss_cost, alarm_cost):
    """You chose the threshold on the test customers: choose on the validation customers."""
    costs = miss_cost, alarm_cost
    return _report(_cheapest(*test, *costs), test, costs)


@mutant("choose_and_report", misconception="costs-swapped")
def swaps_the_costs(validation, test, miss_cost, alarm_cost):
    """You charged false alarms with the cost of misses: a miss is a positive called negative."""
    costs = alarm_cost, miss_cost
    return _report(_cheapest(*validation, *costs), test, costs)


@mutant("choose_and_report", misconception="confusion-matrix-transposed")
def transposes_the_matrix(validation, test, miss_cost, alarm_cost):
    """Your confusion matrix is transposed: rows are true classes, columns are predictions."""
    costs = miss_cost, alarm_cost
    report = _report(_cheapest(*validation, *costs), test, costs)
    return {**report, "matrix": report["matrix"].T}


@mutant("choose_and_report", misconception="tuning-score-reported")
def reports_the_cost_it_chose_by(validation, test, miss_cost, alarm_cost):
    """You reported the cost of the validation customers, who chose the threshold."""
    costs = miss_cost, alarm_cost
    threshold = _cheapest(*validation, *costs)
    cost = _report(threshold, validation, costs)["cost"]
    return {**_report(threshold, test, costs), "cost": cost}


# --- honest_pipeline -------------------------------------------------------------------------


def _pipeline(x, y, time, n_test, k, *, order=None, chosen_on=None, scaled_by=None, own=False):
    """Return the pipeline with one mistake; `chosen_on` and `scaled_by` are slices of rows."""
    order = np.argsort(time) if order is None else order(time)
    x, y = x[order], y[order]
    train = slice(None, len(x) - n_test)
    rows = train if chosen_on is None else chosen_on
    correlation = [abs(np.corrcoef(column[rows], y[rows])[0, 1]) for column in x.T]
    features = np.sort(np.argsort(correlation)[-k:])
    x = x[:, features]
    base = x[train if scaled_by is None else scaled_by]
    x_train, x_test = ((part - base.mean(0)) / base.std(0) for part in (x[:-n_test], x[-n_test:]))
    if own:
        x_test = (x_test - x_test.mean(axis=0)) / x_test.std(axis=0)
    return {
        "features": features,
        "x_train": x_train,
        "y_train": y[:-n_test],
        "x_test": x_test,
        "y_test": y[-n_test:],
    }


@mutant("honest_pipeline", misconception="time-split-at-random")
def shuffles(x, y, time, n_test, k):
    """You shuffled the rows: the model is tested on rows older than some it learned from."""
    return _pipeline(
        x, y, time, n_test, k, order=lambda t: np.random.default_rng(0).permutation(len(t))
    )


@mutant("honest_pipeline", misconception="row-order-taken-for-time")
def cuts_the_file(x, y, time, n_test, k):
    """You cut the rows as they stand: sort them by `time` first."""
    return _pipeline(x, y, time, n_test, k, order=lambda t: np.arange(len(t)))


@mutant("honest_pipeline", misconception="features-chosen-on-all")
def chooses_on_all_rows(x, y, time, n_test, k):
    """You chose the columns on all rows: the test labels had a say in it."""
    return _pipeline(x, y, time, n_test, k, chosen_on=slice(None))


@mutant("honest_pipeline", misconception="scaler-fitted-on-all")
def scales_with_all_rows(x, y, time, n_test, k):
    """You took mean and standard deviation over all rows: take them over the training rows."""
    return _pipeline(x, y, time, n_test, k, scaled_by=slice(None))


@mutant("honest_pipeline", misconception="test-scaled-by-itself")
def scales_each_part_by_itself(x, y, time, n_test, k):
    """You scaled the test rows by themselves: use mean and deviation of the training rows."""
    return _pipeline(x, y, time, n_test, k, own=True)


# --- difference_interval ---------------------------------------------------------------------


def _interval(old, new, draws, seed, draw):
    rng = np.random.default_rng(seed)
    differences = [draw(rng, old, new) for _ in range(draws)]
    low, high = np.quantile(differences, [0.025, 0.975])
    return float(low), float(high)


def _again(rng, count):
    return rng.integers(count, size=count)


@mutant("difference_interval", misconception="single-seed-compared")
def one_seed_each(old, new, draws, seed):
    """You used the first seed of each model only: another seed would give another score."""

    def draw(rng, old, new):
        rows = _again(rng, old.shape[1])
        return new[0, rows].mean() - old[0, rows].mean()

    return _interval(old, new, draws, seed, draw)


@mutant("difference_interval", misconception="single-seed-compared")
def keeps_the_seeds(old, new, draws, seed):
    """You drew rows again but kept the seeds: the interval leaves out that seeds differ."""

    def draw(rng, old, new):
        rows = _again(rng, old.shape[1])
        return new[:, rows].mean() - old[:, rows].mean()

    return _interval(old, new, draws, seed, draw)


@mutant("difference_interval", misconception="unpaired-comparison")
def draws_rows_twice(old, new, draws, seed):
    """You drew rows for each model apart: draw them once, so that hard rows are hard for both."""

    def draw(rng, old, new):
        means = []
        for runs in (old, new):
            rows, seeds = _again(rng, runs.shape[1]), _again(rng, len(runs))
            means.append(runs[seeds][:, rows].mean())
        return means[1] - means[0]

    return _interval(old, new, draws, seed, draw)


@mutant("difference_interval", misconception="seeds-drawn-together")
def shares_the_seeds(old, new, draws, seed):
    """You drew seeds once for both models: their seeds have nothing to do with each other."""

    def draw(rng, old, new):
        rows = _again(rng, old.shape[1])
        seeds = _again(rng, min(len(old), len(new)))
        return new[seeds][:, rows].mean() - old[seeds][:, rows].mean()

    return _interval(old, new, draws, seed, draw)


@mutant("difference_interval", misconception="drawn-without-replacement")
def only_reorders(old, new, draws, seed):
    """You drew without replacement, so every draw is the same rows in another order."""

    def draw(rng, old, new):
        rows = rng.permutation(old.shape[1])
        return new[:, rows].mean() - old[:, rows].mean()

    return _interval(old, new, draws, seed, draw)


@mutant("difference_interval", misconception="cells-drawn-as-independent")
def draws_single_answers(old, new, draws, seed):
    """You drew single answers: those of one seed or of one row belong together."""

    def draw(rng, old, new):
        means = [runs.ravel()[_again(rng, runs.size)].mean() for runs in (old, new)]
        return means[1] - means[0]

    return _interval(old, new, draws, seed, draw)


# --- dropout ---------------------------------------------------------------------------------


class _Dropout:
    """What the mutants share; each spoils one thing."""

    def __init__(self, rate, seed):
        self.rate, self.rng = rate, np.random.default_rng(seed)

    def draw(self, shape):
        return (self.rng.random(shape) >= self.rate) / (1 - self.rate)

    def forward(self, x, training):
        if not training:
            return x
        self.mask = self.draw(x.shape)
        return x * self.mask

    def backward(self, gradient):
        return gradient * self.mask


@mutant("dropout", misconception="dropout-not-rescaled", replaces="Dropout")
class WithoutRescaling(_Dropout):
    """What stays keeps its size, so the sum shrinks in training: divide by 1 - rate."""

    def draw(self, shape):
        return (self.rng.random(shape) >= self.rate).astype(float)


@mutant("dropout", misconception="dropout-not-rescaled", replaces="Dropout")
class RescalesInUse(_Dropout):
    """You shrink in use instead of scaling up in training: in use the input goes out unchanged."""

    def draw(self, shape):
        return (self.rng.random(shape) >= self.rate).astype(float)

    def forward(self, x, training):
        return super().forward(x, training) * (1 if training else 1 - self.rate)


@mutant("dropout", misconception="dropout-at-inference", replaces="Dropout")
class AlwaysOn(_Dropout):
    """You drop units in use as well: with training=False the input goes out unchanged."""

    def forward(self, x, training):
        return super().forward(x, True)


@mutant("dropout", misconception="one-mask-for-the-batch", replaces="Dropout")
class OneMask(_Dropout):
    """You drop the same units for the whole batch: every example draws its own."""

    def draw(self, shape):
        return super().draw((1, *shape[1:])) * np.ones(shape)


@mutant("dropout", misconception="new-mask-on-the-way-back", replaces="Dropout")
class NewMaskBack(_Dropout):
    """Your backward pass drops units of its own: keep the mask of the forward pass."""

    def backward(self, gradient):
        return gradient * self.draw(gradient.shape)


# --- batch_normalization ---------------------------------------------------------------------


class _Norm:
    """What the mutants share; each spoils one thing."""

    def __init__(self, features, momentum=0.99, epsilon=1e-3):
        self.momentum, self.epsilon = momentum, epsilon
        self.gamma, self.beta = np.ones(features), np.zeros(features)
        self.moving_mean, self.moving_variance = np.zeros(features), np.ones(features)

    def move(self, mean, variance, m):
        self.moving_mean = m * self.moving_mean + (1 - m) * mean
        self.moving_variance = m * self.moving_variance + (1 - m) * variance

    def scale(self, x, mean, variance):
        return self.gamma * (x - mean) / np.sqrt(variance + self.epsilon) + self.beta

    def forward(self, x, training):
        if not training:
            return self.scale(x, self.moving_mean, self.moving_variance)
        self.move(x.mean(axis=0), x.var(axis=0), self.momentum)
        return self.scale(x, x.mean(axis=0), x.var(axis=0))


@mutant(
    "batch_normalization",
    misconception="batch-statistics-at-test-time",
    replaces="BatchNormalization",
)
class BatchInUse(_Norm):
    """You normalize with the batch in use as well: take the moving averages there."""

    def forward(self, x, training):
        if training:
            return super().forward(x, training)
        return self.scale(x, x.mean(axis=0), x.var(axis=0))


@mutant(
    "batch_normalization", misconception="momentum-on-the-new-value", replaces="BatchNormalization"
)
class MomentumSwapped(_Norm):
    """You weigh the new batch with the momentum: momentum is the share of the old value."""

    def move(self, mean, variance, m):
        super().move(mean, variance, 1 - m)


@mutant(
    "batch_normalization", misconception="statistics-updated-in-use", replaces="BatchNormalization"
)
class MovesInUse(_Norm):
    """Your averages move in use as well: they belong to training."""

    def forward(self, x, training):
        if not training:
            self.move(x.mean(axis=0), x.var(axis=0), self.momentum)
        return super().forward(x, training)


@mutant(
    "batch_normalization", misconception="normalized-over-features", replaces="BatchNormalization"
)
class OverFeatures(_Norm):
    """You took the mean of each row over its features: take it of each feature over the batch."""

    def forward(self, x, training):
        if not training:
            return self.scale(x, self.moving_mean, self.moving_variance)
        self.move(x.mean(axis=0), x.var(axis=0), self.momentum)
        return self.scale(x, x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True))


# --- train_digits ----------------------------------------------------------------------------

# Each mutant gives all three functions, so that it agrees with no one else's mistake in the two
# that it does not spoil.


def _moved(images, rng, move):
    moves = rng.integers(-1, 2, size=(len(images), 2))
    return np.stack([move(image, *pair) for image, pair in zip(images, moves, strict=True)])


def _shifted(image, down, right):
    height, width = image.shape
    return np.pad(image, 1)[1 - down : 1 - down + height, 1 - right : 1 - right + width]


def _shift_images(images, seed):
    return _moved(images, np.random.default_rng(seed), _shifted)


def _fit(weights, step, loss, train, validation, augment, patience, epochs, **wrong):
    """Return the training loop with one thing spoiled."""
    best, best_epoch, losses, smallest = weights, 0, [], np.inf
    for epoch in range(1, epochs + 1):
        images = train[0] if wrong.get("plain") else augment(train[0], epoch)
        weights = step(weights, images, train[1])
        watched = validation
        if wrong.get("augmented"):
            watched = augment(validation[0], epoch), validation[1]
        if wrong.get("training"):
            watched = train
        losses.append(loss(weights, *watched))
        if losses[-1] < smallest:
            best, best_epoch, smallest = weights, epoch, losses[-1]
        if epoch - best_epoch >= (1 if wrong.get("hasty") else patience):
            break
    return {"weights": weights if wrong.get("last") else best, "losses": losses}


def _answers(student, shift_images=_shift_images, **wrong):
    def fit(*arguments):
        return _fit(*arguments, **wrong)

    def train_digits(train, validation, seed):
        same = (student.step, student.loss, train, validation, lambda x, e: x, 15, 100)
        return fit(student.start(seed), *same)["weights"]

    return {"shift_images": shift_images, "fit": fit, "train_digits": train_digits}


@mutant("train_digits", misconception="shift-wraps-around", build=True)
def rolls(student):
    """What leaves your images comes back on the other side: fill with 0 instead."""

    def shift_images(images, seed):
        rng = np.random.default_rng(seed)
        return _moved(images, rng, lambda image, *move: np.roll(image, move, (0, 1)))

    return _answers(student, shift_images)


@mutant("train_digits", misconception="augmentation-breaks-labels", build=True)
def turns_upside_down(student):
    """You turned images upside down: a 6 becomes a 9, and its label is wrong."""

    def shift_images(images, seed):
        rng = np.random.default_rng(seed)
        turn = rng.random(len(images))[:, None, None] < 0.5
        return _moved(np.where(turn, images[:, ::-1, ::-1], images), rng, _shifted)

    return _answers(student, shift_images)


@mutant("train_digits", misconception="augmentation-breaks-labels", build=True)
def mirrors(student):
    """You mirrored images: a mirrored 2 or 7 is no digit, and its label is wrong."""

    def shift_images(images, seed):
        turn = np.random.default_rng(seed).random(len(images))[:, None, None] < 0.5
        return np.where(turn, images[:, :, ::-1], images)

    return _answers(student, shift_images)


@mutant("train_digits", misconception="augmentation-left-out", build=True)
def moves_all_alike(student):
    """All your images move the same way: each draws a move of its own."""

    def shift_images(images, seed):
        move = np.random.default_rng(seed).integers(-1, 2, size=2)
        return np.stack([_shifted(image, *move) for image in images])

    return _answers(student, shift_images)


@mutant("train_digits", misconception="last-weights-for-best", build=True)
def returns_the_last_weights(student):
    """You returned the last weights: go back to those of the smallest validation loss."""
    return _answers(student, last=True)


@mutant("train_digits", misconception="augmented-validation", build=True)
def augments_validation(student):
    """You changed the validation images too: they stand for images of use and stay as they are."""
    return _answers(student, augmented=True)


@mutant("train_digits", misconception="stopped-at-first-rise", build=True)
def stops_at_the_first_rise(student):
    """You stopped at the first rise of the validation loss: wait for `patience` epochs in a row."""
    return _answers(student, hasty=True)


@mutant("train_digits", misconception="training-loss-watched", build=True)
def watches_the_training_loss(student):
    """You watched the loss on the training images: it falls also while noise is learned."""
    return _answers(student, training=True)


@mutant("train_digits", misconception="augmentation-left-out", build=True)
def trains_on_the_same_images(student):
    """You never called `augment`: every epoch should train on newly changed images."""
    return _answers(student, plain=True)


@mutant("train_digits", misconception="last-weights-for-best", build=True)
def trains_to_the_end(student):
    """Your network trained so long that it learned the wrong labels: return its best weights."""

    def train_digits(train, validation, seed):
        weights = student.start(seed)
        for _ in range(80):
            weights = student.step(weights, *train, rate=0.6)
        return weights

    return {**_answers(student), "train_digits": train_digits}
