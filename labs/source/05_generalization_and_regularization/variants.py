"""Right solutions of lab 05 in other styles: each must earn full marks."""

import numpy as np

from dllab.check import variant

# --- auc -------------------------------------------------------------------------------------


@variant("auc")
def by_mean_ranks(labels, scores):
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    positives = int(np.sum(labels))
    negatives = len(labels) - positives
    wins = ranks[labels == 1].sum() - positives * (positives + 1) / 2
    return wins / (positives * negatives)


@variant("auc")
def by_trapezoids(labels, scores):
    labels = np.asarray(labels)
    thresholds = [np.inf, *sorted(set(np.asarray(scores).tolist()), reverse=True)]
    hits = [np.mean(scores[labels == 1] >= t) for t in thresholds]
    alarms = [np.mean(scores[labels == 0] >= t) for t in thresholds]
    return np.trapezoid(hits, alarms)


@variant("auc")
def with_loops(labels, scores):
    wins = pairs = 0.0
    for i in range(len(labels)):
        for j in range(len(labels)):
            if labels[i] == 1 and labels[j] == 0:
                pairs += 1
                wins += 1.0 if scores[i] > scores[j] else 0.5 * (scores[i] == scores[j])
    return np.float32(wins / pairs) if pairs > 1e9 else wins / pairs


# --- choose_and_report -----------------------------------------------------------------------


@variant("choose_and_report")
def by_sorting(validation, test, miss_cost, alarm_cost):
    labels, scores = validation
    order = np.argsort(-scores)
    labels, scores = labels[order], scores[order]
    # after k customers, in descending order of score: those before are called positive
    misses = labels.sum() - np.append(0, np.cumsum(labels))
    alarms = np.append(0, np.cumsum(1 - labels))
    k = int(np.argmin(miss_cost * misses + alarm_cost * alarms))
    threshold = 1.5 if k == 0 else scores[k - 1]
    truth, called = test[0] == 1, test[1] >= threshold
    matrix = [
        [int((~truth & ~called).sum()), int((~truth & called).sum())],
        [int((truth & ~called).sum()), int((truth & called).sum())],
    ]
    cost = (miss_cost * matrix[1][0] + alarm_cost * matrix[0][1]) / len(truth)
    return {"threshold": threshold, "matrix": matrix, "cost": cost}


@variant("choose_and_report")
def with_midpoints(validation, test, miss_cost, alarm_cost):
    values = np.sort(validation[1])
    candidates = np.concatenate([[0.0], (values[1:] + values[:-1]) / 2, [1.01]])

    def count(labels, scores, threshold):
        return np.bincount(2 * labels + (scores >= threshold), minlength=4).reshape(2, 2)

    prices = np.array([[0.0, alarm_cost], [miss_cost, 0.0]])
    totals = [(count(*validation, c) * prices).sum() for c in candidates]
    # the last of equals, to show that any of them will do
    threshold = candidates[len(totals) - 1 - int(np.argmin(totals[::-1]))]
    matrix = count(*test, threshold).astype(float)
    return {
        "matrix": matrix,
        "threshold": threshold,
        "cost": (matrix * prices).sum() / len(test[0]),
    }


# --- honest_pipeline -------------------------------------------------------------------------


@variant("honest_pipeline")
def by_matrix_products(x, y, time, n_test, k):
    newest = np.argsort(time)[-n_test:]
    oldest = np.argsort(time)[:-n_test]
    centered = x[oldest] - x[oldest].mean(axis=0)
    label = y[oldest] - y[oldest].mean()
    correlation = label @ centered / np.sqrt((centered**2).sum(axis=0) * (label**2).sum())
    features = sorted(np.argsort(-np.abs(correlation))[:k].tolist())
    mean, deviation = x[oldest].mean(axis=0), x[oldest].std(axis=0)
    scaled = ((x - mean) / deviation)[:, features]
    return {
        "features": features,
        "x_train": scaled[oldest],
        "x_test": scaled[newest],
        "y_train": y[oldest],
        "y_test": y[newest],
    }


@variant("honest_pipeline")
def with_loops_in_float32(x, y, time, n_test, k):
    rows = sorted(range(len(time)), key=lambda row: time[row])
    x, y = np.stack([x[row] for row in rows]), np.array([y[row] for row in rows])
    cut = len(x) - n_test
    ranked = sorted(range(x.shape[1]), key=lambda j: -abs(np.corrcoef(x[:cut, j], y[:cut])[0, 1]))
    features = np.array(sorted(ranked[:k]))
    columns = []
    for j in features:
        column = x[:, j]
        columns.append((column - np.mean(column[:cut])) / np.std(column[:cut]))
    scaled = np.array(columns, dtype="float32").T
    return {
        "features": features,
        "x_train": scaled[:cut],
        "y_train": y[:cut],
        "x_test": scaled[cut:],
        "y_test": y[cut:],
    }


# --- difference_interval ---------------------------------------------------------------------


@variant("difference_interval")
def by_weights(old, new, draws, seed):
    rng = np.random.default_rng(seed)

    def shares(count):
        return rng.multinomial(count, [1 / count] * count, size=draws) / count

    rows = shares(old.shape[1])
    gain = np.sum((shares(len(new)) @ new) * rows, axis=1)
    gain -= np.sum((shares(len(old)) @ old) * rows, axis=1)
    return np.percentile(gain, 2.5), np.percentile(gain, 97.5)


@variant("difference_interval")
def by_sorted_draws(old, new, draws, seed):
    rng = np.random.RandomState(seed)
    found = []
    for _ in range(draws):
        rows = rng.choice(old.shape[1], old.shape[1], replace=True)
        a = old[np.ix_(rng.choice(len(old), len(old)), rows)]
        b = new[np.ix_(rng.choice(len(new), len(new)), rows)]
        found.append(np.mean(b) - np.mean(a))
    found.sort()
    return [found[int(0.025 * draws)], found[int(0.975 * draws)]]


# --- dropout ---------------------------------------------------------------------------------


@variant("dropout", replaces="Dropout")
class WithWhere:
    def __init__(self, rate, seed):
        self.keep = 1 - rate
        self.generator = np.random.default_rng(seed)

    def forward(self, x, training):
        self.kept = self.generator.uniform(size=x.shape) < self.keep
        return np.where(self.kept, x / self.keep, 0) if training else x.copy()

    def backward(self, gradient):
        return np.where(self.kept, gradient / self.keep, 0)


@variant("dropout", replaces="Dropout")
class WithBinomialInFloat32:
    def __init__(self, rate, seed):
        self.rate, self.state = rate, np.random.RandomState(seed)

    def forward(self, x, training):
        if training:
            self.factor = self.state.binomial(1, 1 - self.rate, x.shape).astype("float32")
            self.factor /= np.float32(1 - self.rate)
            x = x * self.factor
        return x

    def backward(self, gradient):
        return (gradient * self.factor).astype("float32")


# --- batch_normalization ---------------------------------------------------------------------


@variant("batch_normalization", replaces="BatchNormalization")
class InPlaceAverages:
    def __init__(self, features, momentum=0.99, epsilon=1e-3):
        self.momentum, self.epsilon = momentum, epsilon
        self.gamma, self.beta = np.ones((features,)), np.zeros((features,))
        self.moving_mean, self.moving_variance = np.zeros((features,)), np.ones((features,))

    def forward(self, x, training):
        if training:
            mean = np.add.reduce(x) / len(x)
            variance = np.mean(np.square(x), axis=0) - mean**2
            self.moving_mean += (1 - self.momentum) * (mean - self.moving_mean)
            self.moving_variance += (1 - self.momentum) * (variance - self.moving_variance)
        else:
            mean, variance = self.moving_mean, self.moving_variance
        slope = self.gamma / np.sqrt(variance + self.epsilon)
        return x * slope + (self.beta - mean * slope)


@variant("batch_normalization", replaces="BatchNormalization")
class InFloat32:
    def __init__(self, features, momentum=0.99, epsilon=1e-3):
        self.momentum, self.epsilon = momentum, epsilon
        self.gamma = np.ones(features, dtype="float32")
        self.beta = np.zeros(features, dtype="float32")
        self.moving_mean = np.zeros(features, dtype="float32")
        self.moving_variance = np.ones(features, dtype="float32")

    def forward(self, x, training):
        x = np.asarray(x, dtype="float32")
        if not training:
            scaled = (x - self.moving_mean) / np.sqrt(self.moving_variance + self.epsilon)
            return scaled * self.gamma + self.beta
        mean, variance = np.mean(x, 0), np.var(x, 0)
        old, fresh = self.momentum, 1 - self.momentum
        self.moving_mean = (old * self.moving_mean + fresh * mean).astype("float32")
        self.moving_variance = (old * self.moving_variance + fresh * variance).astype("float32")
        return (x - mean) / np.sqrt(variance + self.epsilon) * self.gamma + self.beta


# --- train_digits ----------------------------------------------------------------------------


@variant("train_digits", build=True)
def with_shifted_images(student):
    def shift_images(images, seed):
        rng = np.random.RandomState(seed)
        shifted = np.zeros_like(images)
        n, height, width = images.shape
        for i in range(n):
            down, right = rng.randint(-1, 2), rng.randint(-1, 2)
            for row in range(height):
                for column in range(width):
                    a, b = row - down, column - right
                    if 0 <= a < height and 0 <= b < width:
                        shifted[i, row, column] = images[i, a, b]
        return shifted

    def fit(weights, step, loss, train, validation, augment, patience, epochs):
        history, losses, waited = [], [], 0
        while len(losses) < epochs and waited < patience:
            weights = step(weights, augment(train[0], len(losses) + 1), train[1])
            history.append(weights)
            losses.append(loss(weights, validation[0], validation[1]))
            waited = 0 if losses[-1] == min(losses) else waited + 1
        return {"weights": history[int(np.argmin(losses))], "losses": np.array(losses)}

    def shifted_fast(images, epoch):
        padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
        top, left = np.random.default_rng(epoch).integers(0, 3, size=2)
        return padded[:, top : top + 8, left : left + 8]

    def train_digits(train, validation, seed):
        found = fit(
            student.start(seed), student.step, student.loss, train, validation, shifted_fast, 12, 60
        )
        return tuple(found["weights"])

    return {"shift_images": shift_images, "fit": fit, "train_digits": train_digits}


@variant("train_digits", build=True)
def with_a_smaller_network(student):
    def shift_images(images, seed):
        rng = np.random.default_rng(seed)
        down, right = rng.integers(-1, 2, size=(2, len(images)))
        padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
        rows = np.arange(images.shape[1])[None, :] + 1 - down[:, None]
        columns = np.arange(images.shape[2])[None, :] + 1 - right[:, None]
        return padded[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]]

    def fit(weights, step, loss, train, validation, augment, patience, epochs):
        best = {"weights": weights, "loss": float("inf"), "epoch": 0}
        losses = []
        for epoch in range(epochs):
            weights = step(weights, augment(train[0], epoch + 1), train[1])
            current = loss(weights, *validation)
            losses += [current]
            if current < best["loss"]:
                best = {"weights": weights, "loss": current, "epoch": epoch}
            elif epoch - best["epoch"] == patience:
                break
        return {"weights": best["weights"], "losses": losses}

    def train_digits(train, validation, seed):
        rng = np.random.default_rng(seed)
        weights = [
            rng.normal(0, 0.17, (64, 32)),
            np.zeros(32),
            rng.normal(0, 0.17, (32, 10)),
            np.zeros(10),
        ]
        found = fit(weights, student.step, student.loss, train, validation, lambda x, e: x, 12, 80)
        return [weight.astype("float32") for weight in found["weights"]]

    return {"shift_images": shift_images, "fit": fit, "train_digits": train_digits}
