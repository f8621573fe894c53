"""Right answers of lab 09 in other styles."""

import numpy as np

from dllab.check import variant


@variant("prepare")
def by_the_library(images):
    from dllab import pretrained

    images = np.asarray(images, dtype=np.float32)
    if images.ndim == 3:
        images = np.stack([images] * 3, axis=-1)
    return pretrained.preprocess(images)


@variant("prepare")
def image_by_image(images):
    prepared = []
    for image in images:
        image = np.asarray(image, dtype=np.float64)
        color = image if image.ndim == 3 else np.dstack([image, image, image])
        prepared.append(color * (255 / 128) - 127 / 128)
    return prepared


@variant("fit_head")
def with_the_engine(features, labels, classes, decay):
    from dllab.scratch import Tensor, softmax_cross_entropy

    x = np.asarray(features, dtype=float)
    W, b = Tensor(np.zeros((x.shape[1], classes))), Tensor(np.zeros(classes))
    rate = 1 / ((x**2).sum(axis=1).mean() / 2 + 1 + decay)
    for _ in range(500):
        loss = softmax_cross_entropy(Tensor(x) @ W + b, labels) + (W * W).sum() * (decay / 2)
        W.zero_grad()
        b.zero_grad()
        loss.backward()
        W, b = Tensor(W.data - rate * W.grad), Tensor(b.data - rate * b.grad)
    return W.data, b.data


@variant("fit_head")
def with_momentum(features, labels, classes, decay):
    x = np.column_stack([features, np.ones(len(features))])
    mask = np.r_[np.ones(x.shape[1] - 1), 0][:, None]
    V = np.zeros((x.shape[1], classes))
    speed = np.zeros_like(V)
    rate = 0.5 / ((x**2).sum(axis=1).mean() / 2 + decay)
    for _ in range(1500):
        z = x @ V
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        p[np.arange(len(x)), labels] -= 1
        speed = 0.8 * speed - rate * (x.T @ p / len(x) + decay * mask * V)
        V = V + speed
    return [V[:-1], V[-1]]


@variant("learning_curve")
def with_choice(fit, train, test, counts, seeds):
    (x, y), (x_test, y_test) = train, test
    curve = []
    for seed in seeds:
        row = []
        for count in counts:
            rng = np.random.default_rng([seed, count])
            drawn = []
            for label in sorted(set(y.tolist())):
                drawn += rng.choice(np.where(y == label)[0], count, replace=False).tolist()
            predict = fit(x[drawn], y[drawn])
            row.append(float((np.asarray(predict(x_test)) == y_test).mean()))
        curve.append(row)
    return curve


@variant("learning_curve")
def nested_draws(fit, train, test, counts, seeds):
    (x, y), (x_test, y_test) = train, test
    curve = np.empty((len(seeds), len(counts)))
    for i, seed in enumerate(seeds):
        order = np.random.default_rng(seed).permutation(len(y))
        rank = np.array([np.sum(y[order[:k]] == y[row]) for k, row in enumerate(order)])
        for j, count in enumerate(counts):
            rows = order[rank < count]
            curve[i, j] = np.mean(fit(x[rows], y[rows])(x_test) == y_test)
    return curve


@variant("transfer_model")
def functional(trunk, classes):
    import keras

    trunk.trainable = False
    inputs = keras.Input((6,))
    outputs = keras.layers.Dense(classes)(trunk(inputs, training=False))
    model = keras.Model(inputs, outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    return model


@variant("transfer_model")
def layer_by_layer(trunk, classes):
    import keras

    model = keras.Sequential([keras.Input((6,)), *trunk.layers, keras.layers.Dense(classes)])
    for layer in trunk.layers:
        layer.trainable = False
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss)
    return model


@variant("unfreeze")
def layer_after_layer(model, trunk, rate):
    import keras

    for layer in trunk.layers:
        layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    trunk.trainable = True
    for layer in trunk.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(rate), loss)


@variant("unfreeze")
def last_layer_only(model, trunk, rate):
    import keras

    trunk.trainable = True
    for layer in trunk.layers[:-1]:
        layer.trainable = False
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(learning_rate=rate), loss)


@variant("train_part")
def by_the_engine(network, trainable, x, labels, rate, steps):
    from dllab.scratch import Tensor, relu, softmax_cross_entropy

    layers = [(Tensor(np.array(W)), Tensor(np.array(b))) for W, b in network]
    for _ in range(steps):
        a = Tensor(np.asarray(x, dtype=float))
        for number, (W, b) in enumerate(layers):
            a = a @ W + b
            if number < len(layers) - 1:
                a = relu(a)
        softmax_cross_entropy(a, labels).backward()
        layers = [
            (Tensor(W.data - rate * W.grad), Tensor(b.data - rate * b.grad))
            if on
            else (Tensor(W.data), Tensor(b.data))
            for (W, b), on in zip(layers, trainable, strict=True)
        ]
    return [(W.data, b.data) for W, b in layers]


@variant("train_part")
def with_a_loop(network, trainable, x, labels, rate, steps):
    weights = [np.array(W, dtype=float) for W, _ in network]
    biases = [np.array(b, dtype=float) for _, b in network]
    for _ in range(steps):
        outputs = [np.asarray(x, dtype=float)]
        for W, b in zip(weights[:-1], biases[:-1], strict=True):
            outputs.append(np.clip(outputs[-1] @ W + b, 0, None))
        z = outputs[-1] @ weights[-1] + biases[-1]
        p = np.exp(z - z.max(axis=1)[:, None])
        p = p / p.sum(axis=1)[:, None]
        p[range(len(p)), labels] -= 1
        delta = p / len(p)
        for number in range(len(weights) - 1, -1, -1):
            below = np.einsum("no,io->ni", delta, weights[number]) * (outputs[number] > 0)
            if trainable[number]:
                weights[number] = weights[number] - rate * np.einsum(
                    "ni,no->io", outputs[number], delta
                )
                biases[number] = biases[number] - rate * np.einsum("no->o", delta)
            delta = below
    return list(zip(weights, biases, strict=True))
