"""Wrong answers of lab 80."""

import numpy as np

from dllab.check import mutant

# --- softmax ---------------------------------------------------------------------------------


@mutant("softmax", misconception="softmax-wrong-axis")
def over_columns(z):
    """Your columns sum to 1 and your rows do not: you normalized over axis 0."""
    e = np.exp(z - z.max())
    return e / e.sum(axis=0)


@mutant("softmax", misconception="softmax-overflow")
def without_shift(z):
    """Your exponentials overflow: subtract the largest score of each row first."""
    e = np.exp(z)
    return e / e.sum(axis=1, keepdims=True)


@mutant("softmax", misconception="softmax-wrong-axis")
def over_everything(z):
    """Your whole table sums to 1: each row should."""
    e = np.exp(z - z.max())
    return e / e.sum()


# --- standardize -----------------------------------------------------------------------------


@mutant("standardize", misconception="scaled-by-batch", replaces="Standardizer")
class FromEachBatch:
    """You scale each batch by its own mean: use the mean of the training data."""

    def __init__(self, x):
        self.mean, self.std = x.mean(axis=0), x.std(axis=0)

    def transform(self, x):
        return (x - x.mean(axis=0)) / x.std(axis=0)


@mutant("standardize", misconception="one-scale-for-all", replaces="Standardizer")
class OneScaleForAll:
    """You use one mean and one deviation for all features: take them over axis 0."""

    def __init__(self, x):
        self.mean, self.std = x.mean(), x.std()

    def transform(self, x):
        return (x - self.mean) / self.std


@mutant("standardize", misconception="one-scale-for-all", replaces="Standardizer")
class WithoutScale:
    """You subtract the mean and do not divide by the standard deviation."""

    def __init__(self, x):
        self.mean, self.std = x.mean(axis=0), x.std(axis=0)

    def transform(self, x):
        return x - self.mean


# --- build_network ---------------------------------------------------------------------------


@mutant("build_network", misconception="layers-without-bend")
def linear(features, units, classes):
    """Your hidden layer has no activation: two such layers are as good as one."""
    import keras

    return keras.Sequential(
        [
            keras.Input((features,)),
            keras.layers.Dense(units),
            keras.layers.Dense(classes, activation="softmax"),
        ]
    )


@mutant("build_network", misconception="sigmoid-for-classes")
def sigmoids(features, units, classes):
    """Your outputs do not sum to 1: classes that exclude each other take a softmax."""
    import keras

    return keras.Sequential(
        [
            keras.Input((features,)),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dense(classes, activation="sigmoid"),
        ]
    )


@mutant("build_network", misconception="layers-without-bend")
def one_layer(features, units, classes):
    """Your network has no hidden layer."""
    import keras

    return keras.Sequential(
        [keras.Input((features,)), keras.layers.Dense(classes, activation="softmax")]
    )


# --- train_network ---------------------------------------------------------------------------


def _network(hidden, seed):
    import keras

    keras.utils.set_random_seed(seed)
    layers = [
        keras.Input((2,)),
        keras.layers.Dense(24, hidden),
        keras.layers.Dense(2, activation="softmax"),
    ]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy")
    return model


@mutant("train_network", misconception="network-not-trained")
def untrained(x, y, seed):
    """Your network is never trained: call `fit` before you return it."""
    return _network("relu", seed)


@mutant("train_network", misconception="layers-without-bend")
def straight(x, y, seed):
    """Your network has no activation in its hidden layer, so its boundary is a straight line."""
    model = _network(None, seed)
    model.fit(x, y, batch_size=16, epochs=2, verbose=0)
    return model


@mutant("train_network", misconception="seed-ignored")
def any_start(x, y, seed):
    """Your weights differ from run to run: you do not use `seed`."""
    model = _network("relu", int(np.random.default_rng().integers(1_000_000)))
    model.fit(x, y, batch_size=16, epochs=8, verbose=0)
    return model
