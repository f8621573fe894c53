"""Right answers of lab 80 in other styles."""

import numpy as np

from dllab.check import variant


@variant("softmax")
def row_by_row(z):
    rows = [np.exp(row - row.max()) for row in z]
    return np.stack([row / row.sum() for row in rows])


@variant("softmax")
def by_logarithms(z):
    shifted = z - z.max(axis=1, keepdims=True)
    return np.exp(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


@variant("standardize", replaces="Standardizer")
class ByNames:
    def __init__(self, x):
        self.mean = np.average(x, axis=0)
        self.std = np.sqrt(np.average((x - self.mean) ** 2, axis=0))

    def transform(self, x):
        return np.divide(np.subtract(x, self.mean), self.std)


@variant("standardize", replaces="Standardizer")
class FeatureByFeature:
    def __init__(self, x):
        self.mean = [column.mean() for column in x.T]
        self.std = [column.std() for column in x.T]

    def transform(self, x):
        pairs = zip(x.T, self.mean, self.std, strict=True)
        return np.column_stack([(column - m) / s for column, m, s in pairs])


@variant("build_network")
def functional(features, units, classes):
    import keras

    inputs = keras.Input((features,))
    hidden = keras.layers.ReLU()(keras.layers.Dense(units)(inputs))
    return keras.Model(inputs, keras.layers.Dense(classes, activation="softmax")(hidden))


@variant("build_network")
def layer_by_layer(features, units, classes):
    import keras

    model = keras.Sequential()
    model.add(keras.layers.Dense(units, activation="relu"))
    model.add(keras.layers.Dense(classes))
    model.add(keras.layers.Softmax())
    return model


@variant("train_network")
def with_tanh(x, y, seed):
    import keras

    keras.utils.set_random_seed(seed)
    inputs = keras.Input((2,))
    hidden = keras.layers.Dense(24, activation="tanh")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(hidden))
    model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=16, epochs=10, verbose=0)
    return model


@variant("train_network")
def with_logits(x, y, seed):
    import keras

    keras.utils.set_random_seed(seed)
    layers = [keras.Input((2,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(2)]
    logits = keras.Sequential(layers)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    logits.compile(keras.optimizers.Adam(0.05), loss)
    logits.fit(x, y, batch_size=16, epochs=8, verbose=0)
    return keras.Sequential([keras.Input((2,)), logits, keras.layers.Softmax()])
