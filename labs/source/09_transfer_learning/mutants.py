"""Wrong answers of lab 09."""

import numpy as np

from dllab.check import mutant

# --- prepare ---------------------------------------------------------------------------------


def _three(images):
    images = np.asarray(images, dtype=np.float32)
    return np.repeat(images[..., None], 3, axis=-1) if images.ndim == 3 else images


@mutant("prepare", misconception="preprocessing-differs")
def left_as_they_are(images):
    """You leave the pixels from 0 to 1; the network was trained on pixels from about -1 to 1."""
    return _three(images)


@mutant("prepare", misconception="preprocessing-differs")
def bytes_kept(images):
    """You return pixels from 0 to 255; the network was trained on pixels from about -1 to 1."""
    return 255 * _three(images)


@mutant("prepare", misconception="preprocessing-differs")
def not_stretched(images):
    """You subtract 127 from pixels that lie between 0 and 1: stretch them to 255 first."""
    return (_three(images) - 127) / 128


@mutant("prepare", misconception="preprocessing-differs")
def of_another_network(images):
    """You use the mean and deviation of each color, which other networks were trained with."""
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    return (_three(images) - mean) / deviation


@mutant("prepare", misconception="statistics-of-the-new-data")
def by_their_own_mean(images):
    """You scale by the mean and deviation of the images at hand: use the network's constants."""
    images = _three(images)
    return (images - images.mean()) / (images.std() + 1e-7)


# --- fit_head --------------------------------------------------------------------------------


def _head(x, labels, classes, decay, steps=800, on_bias=0.0, scale=1.0):
    x, labels = np.asarray(x, dtype=float), np.asarray(labels)
    W, b = np.zeros((x.shape[1], classes)), np.zeros(classes)
    rate = 1 / (scale * (x**2).sum(axis=1).mean() / 2 + 1 + decay + on_bias)
    Y = np.eye(classes)[labels]
    for _ in range(steps):
        z = x @ W + b
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        z_bar = scale * (p - Y) / len(x)
        W, b = W - rate * (x.T @ z_bar + decay * W), b - rate * (z_bar.sum(0) + on_bias * b)
    return W, b


@mutant("fit_head", misconception="head-penalty-left-out")
def without_penalty(features, labels, classes, decay):
    """You leave the penalty out: add `decay * W` to the gradient of W."""
    return _head(features, labels, classes, 0.0)


@mutant("fit_head", misconception="penalty-on-the-bias")
def bias_penalized(features, labels, classes, decay):
    """You let the penalty pull the bias as well: it belongs on W only."""
    return _head(features, labels, classes, decay, on_bias=decay)


@mutant("fit_head", misconception="head-not-converged")
def five_steps(features, labels, classes, decay):
    """You stop after a few steps, long before the minimum."""
    return _head(features, labels, classes, decay, steps=3)


@mutant("fit_head", misconception="head-penalty-left-out")
def sum_of_losses(features, labels, classes, decay):
    """You add the losses of the examples: with their mean the penalty has its right weight."""
    return _head(features, labels, classes, decay, scale=float(len(features)))


# --- learning_curve --------------------------------------------------------------------------


def _curve(fit, train, test, counts, seeds, draw, score=None):
    x, y = map(np.asarray, train)
    x_test, y_test = map(np.asarray, test)
    table = np.zeros((len(seeds), len(counts)))
    for i, seed in enumerate(seeds):
        for j, count in enumerate(counts):
            rows = draw(y, count, seed)
            predict = fit(x[rows], y[rows])
            if score == "train":
                table[i, j] = np.mean(np.asarray(predict(x[rows])) == y[rows])
            elif score == "error":
                table[i, j] = np.mean(np.asarray(predict(x_test)) != y_test)
            else:
                table[i, j] = np.mean(np.asarray(predict(x_test)) == y_test)
    return table


def _each(y, count, seed):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.permutation(np.flatnonzero(y == c))[:count] for c in np.unique(y)])


@mutant("learning_curve", misconception="few-labels-unbalanced")
def at_random(fit, train, test, counts, seeds):
    """You draw rows at random from all classes together: draw `count` of each class."""

    def draw(y, count, seed):
        return np.random.default_rng(seed).permutation(len(y))[: count * len(np.unique(y))]

    return _curve(fit, train, test, counts, seeds, draw)


@mutant("learning_curve", misconception="one-draw-for-all-seeds")
def same_rows(fit, train, test, counts, seeds):
    """You draw the same rows for every seed."""
    return _curve(fit, train, test, counts, seeds, lambda y, count, seed: _each(y, count, 0))


@mutant("learning_curve", misconception="one-draw-for-all-seeds")
def first_rows(fit, train, test, counts, seeds):
    """You take the first rows of each class, whatever the seed."""

    def draw(y, count, seed):
        return np.concatenate([np.flatnonzero(y == c)[:count] for c in np.unique(y)])

    return _curve(fit, train, test, counts, seeds, draw)


@mutant("learning_curve", misconception="scored-on-training-labels")
def training_accuracy(fit, train, test, counts, seeds):
    """You score each model on the rows it has learned from: use the test rows."""
    return _curve(fit, train, test, counts, seeds, _each, score="train")


@mutant("learning_curve", misconception="few-labels-unbalanced")
def count_in_all(fit, train, test, counts, seeds):
    """You draw `count` rows in all; it should be `count` rows of each class."""

    def draw(y, count, seed):
        return np.random.default_rng(seed).permutation(_each(y, count, seed))[:count]

    return _curve(fit, train, test, counts, seeds, draw)


# --- transfer_model --------------------------------------------------------------------------


def _model(trunk, outputs, activation=None, compiled=True):
    import keras

    model = keras.Sequential(
        [keras.Input((6,)), trunk, keras.layers.Dense(outputs, activation=activation)]
    )
    if compiled:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(0.01), loss)
    return model


@mutant("transfer_model", misconception="trunk-not-frozen")
def nothing_frozen(trunk, classes):
    """Your trunk is not frozen: it learns along with the head."""
    trunk.trainable = True
    return _model(trunk, classes)


@mutant("transfer_model", misconception="old-head-kept")
def ten_classes(trunk, classes):
    """Your head has 10 outputs, as the old task had: the new task has `classes`."""
    trunk.trainable = False
    return _model(trunk, 10)


@mutant("transfer_model", misconception="head-frozen-too")
def everything_frozen(trunk, classes):
    """You froze the whole model, head included: nothing is left to learn."""
    model = _model(trunk, classes)
    model.trainable = False
    return model


# --- unfreeze --------------------------------------------------------------------------------


def _compile(model, rate):
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss)


def _thaw(trunk, normalization=False):
    trunk.trainable = True
    for layer in trunk.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.trainable = normalization


@mutant("unfreeze", misconception="trainable-without-compile")
def not_compiled_again(model, trunk, rate):
    """You set `trainable` and do not compile the model again, so it goes on as before."""
    _thaw(trunk)


@mutant("unfreeze", misconception="batchnorm-not-frozen")
def normalization_thawed(model, trunk, rate):
    """You unfreeze the batch normalization too: its averages move toward a few small batches."""
    _thaw(trunk, normalization=True)
    _compile(model, rate)


@mutant("unfreeze", misconception="large-rate-at-unfreeze")
def rate_of_the_head(model, trunk, rate):
    """You go on with a learning rate made for a new head: use the small `rate`."""
    _thaw(trunk)
    _compile(model, 0.05)


# --- train_part ------------------------------------------------------------------------------


def _part(network, x, labels, rate, steps, updated, blocked=()):
    """Gradient descent on the layers in `updated`; no gradient passes those in `blocked`."""
    network = [(np.array(W, dtype=float), np.array(b, dtype=float)) for W, b in network]
    x, labels = np.asarray(x, dtype=float), np.asarray(labels)
    for _ in range(steps):
        a = [x]
        for number, (W, b) in enumerate(network):
            z = a[-1] @ W + b
            a.append(z if number == len(network) - 1 else np.maximum(z, 0))
        p = np.exp(a[-1] - a[-1].max(axis=1, keepdims=True))
        z_bar = (p / p.sum(axis=1, keepdims=True) - np.eye(p.shape[1])[labels]) / len(x)
        gradients = [None] * len(network)
        for number in reversed(range(len(network))):
            gradients[number] = a[number].T @ z_bar, z_bar.sum(axis=0)
            if number in blocked:
                z_bar = 0 * z_bar
            z_bar = (z_bar @ network[number][0].T) * (a[number] > 0)
        network = [
            (W - rate * updated[number][0] * W_bar, b - rate * updated[number][1] * b_bar)
            for number, ((W, b), (W_bar, b_bar)) in enumerate(zip(network, gradients, strict=True))
        ]
    return network


@mutant("train_part", misconception="frozen-out-of-the-graph")
def gradient_stops(network, trainable, x, labels, rate, steps):
    """You let no gradient through a frozen layer, so the layers below it learn nothing."""
    blocked = [number for number, on in enumerate(trainable) if not on]
    return _part(network, x, labels, rate, steps, [(on, on) for on in trainable], blocked)


@mutant("train_part", misconception="frozen-layer-updated")
def biases_learn(network, trainable, x, labels, rate, steps):
    """You freeze the weights of a layer and let its bias go on learning."""
    return _part(network, x, labels, rate, steps, [(on, True) for on in trainable])


@mutant("train_part", misconception="frozen-layer-updated")
def all_learn(network, trainable, x, labels, rate, steps):
    """You update every layer and do not look at `trainable`."""
    return _part(network, x, labels, rate, steps, [(True, True)] * len(network))


@mutant("train_part", misconception="head-frozen-too")
def turned_round(network, trainable, x, labels, rate, steps):
    """You update the frozen layers and freeze the trainable ones."""
    return _part(network, x, labels, rate, steps, [(not on, not on) for on in trainable])


@mutant("train_part", misconception="head-not-converged")
def one_step(network, trainable, x, labels, rate, steps):
    """You take one step, however many are asked for."""
    return _part(network, x, labels, rate, 1, [(on, on) for on in trainable])
