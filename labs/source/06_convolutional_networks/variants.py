"""Right solutions of lab 06 in other styles: each must earn full marks."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from dllab.check import variant

# --- output_size -----------------------------------------------------------------------------


@variant("output_size")
def counts_them(size, kernel, stride=1, padding="valid", dilation=1):
    if padding == "same":
        return len(range(0, size, stride))
    return len([p for p in range(0, size, stride) if p + dilation * (kernel - 1) < size])


@variant("output_size")
def with_numpy_numbers(size, kernel, stride=1, padding="valid", dilation=1):
    span = dilation * (kernel - 1) + 1 if padding == "valid" else 1
    return np.int64(np.floor((size - span) / stride)) + 1


# --- audit -----------------------------------------------------------------------------------


def _size(n, window, stride, padding):
    return (n - (1 if padding == "same" else window)) // stride + 1


@variant("audit")
def walks_back(shape, layers):
    """The receptive field from the last layer to the first."""
    shape, parameters, field = np.array(shape), 0, 1
    for layer in layers:
        if layer["kind"] == "pool":
            shape[:2] //= layer["size"]
            continue
        window, filters = layer["kernel"], layer["filters"]
        parameters += window * window * shape[2] * filters + filters
        settings = (window, layer["stride"], layer["padding"])
        shape = np.array([*(_size(n, *settings) for n in shape[:2]), filters])
    for layer in reversed(layers):
        window, stride = layer.get("kernel", layer.get("size")), layer.get("stride", None)
        field = (field - 1) * (stride or window) + window
    return {"shape": shape, "parameters": int(parameters), "receptive_field": field}


@variant("audit")
def asks_keras(shape, layers):
    import keras

    model = keras.Sequential([keras.Input(shape)])
    edges = np.zeros(2, dtype=int)  # first and last pixel of the view
    for layer in layers:
        if layer["kind"] == "pool":
            model.add(keras.layers.MaxPooling2D(layer["size"]))
        else:
            settings = (layer["filters"], layer["kernel"], layer["stride"], layer["padding"])
            model.add(keras.layers.Conv2D(*settings))
    for layer in layers[::-1]:
        if layer["kind"] == "pool":
            edges = edges * layer["size"] + [0, layer["size"] - 1]
        else:
            edges = edges * layer["stride"] + [0, layer["kernel"] - 1]
    return {
        "shape": list(model.output_shape[1:]),
        "parameters": model.count_params(),
        "receptive_field": edges[1] - edges[0] + 1,
    }


# --- conv2d ----------------------------------------------------------------------------------


def _padded(x, kernel, stride):
    sides = [(0, 0)]
    for size, window in zip(x.shape[1:3], kernel.shape[:2], strict=True):
        places = (size + stride - 1) // stride
        zeros = max((places - 1) * stride + window - size, 0)
        sides.append((zeros // 2, (zeros + 1) // 2))
    return np.pad(x, [*sides, (0, 0)])


@variant("conv2d")
def with_einsum(x, kernel, bias, stride=1, padding="valid"):
    x = _padded(x, kernel, stride) if padding == "same" else x
    views = sliding_window_view(x, kernel.shape[:2], axis=(1, 2))[:, ::stride, ::stride]
    return np.einsum("nijcpq,pqcf->nijf", views, kernel) + bias


@variant("conv2d")
def kernel_number_by_number(x, kernel, bias, stride=1, padding="valid"):
    """Shift the image under each number of the kernel, in single precision."""
    x = (_padded(x, kernel, stride) if padding == "same" else x).astype(np.float32)
    height, width = kernel.shape[:2]
    rows, columns = x.shape[1] - height + 1, x.shape[2] - width + 1
    y = bias.astype(np.float32)
    for p in range(height):
        for q in range(width):
            under = x[:, p : p + rows : stride, q : q + columns : stride]
            y = y + under @ kernel[p, q].astype(np.float32)
    return y


@variant("conv2d")
def with_keras(x, kernel, bias, stride=1, padding="valid"):
    import keras

    y = keras.ops.conv(x, kernel, strides=stride, padding=padding)
    return keras.ops.convert_to_numpy(y + bias)


# --- conv2d_gradients ------------------------------------------------------------------------


@variant("conv2d_gradients")
def number_by_number(x, kernel, y_bar, stride=1):
    rows, columns = (stride * (n - 1) + 1 for n in y_bar.shape[1:3])
    x_bar, kernel_bar = np.zeros(x.shape), np.zeros(kernel.shape)
    for p, q in np.ndindex(kernel.shape[:2]):
        under = (slice(None), slice(p, p + rows, stride), slice(q, q + columns, stride))
        kernel_bar[p, q] = np.einsum("nijc,nijf->cf", x[under], y_bar)
        x_bar[under] += y_bar @ kernel[p, q].T
    return {"x": x_bar, "kernel": kernel_bar, "bias": np.einsum("nijf->f", y_bar)}


@variant("conv2d_gradients")
def with_a_turned_kernel(x, kernel, y_bar, stride=1):
    """Spread the gradient by the stride, put zeros around, convolve with the turned kernel."""
    height, width = kernel.shape[:2]
    shape = (len(x), x.shape[1] - height + 1, x.shape[2] - width + 1, y_bar.shape[-1])
    spread = np.zeros(shape)
    spread[:, ::stride, ::stride][:, : y_bar.shape[1], : y_bar.shape[2]] = y_bar
    around = ((0, 0), (height - 1, height - 1), (width - 1, width - 1), (0, 0))
    views = sliding_window_view(np.pad(spread, around), (height, width), axis=(1, 2))
    x_views = sliding_window_view(x, shape[1:3], axis=(1, 2))
    return {
        "x": np.einsum("nijfpq,pqcf->nijc", views, kernel[::-1, ::-1]),
        "kernel": np.einsum("npqcij,nijf->pqcf", x_views, spread),
        "bias": y_bar.reshape(-1, y_bar.shape[-1]).sum(axis=0).astype(np.float32),
    }


@variant("conv2d_gradients")
def with_a_tape(x, kernel, y_bar, stride=1):
    import tensorflow as tf

    x, kernel = tf.Variable(x), tf.Variable(kernel)
    bias = tf.Variable(np.zeros(kernel.shape[-1]))
    with tf.GradientTape() as tape:
        y = tf.nn.conv2d(x, kernel, stride, "VALID") + bias
    gradients = tape.gradient(y, [x, kernel, bias], output_gradients=tf.constant(y_bar))
    names = ("x", "kernel", "bias")
    return {name: g.numpy() for name, g in zip(names, gradients, strict=True)}


# --- max_pool --------------------------------------------------------------------------------


@variant("max_pool", build=True)
def by_reshape(student):
    def windows(x, size):
        rows, columns = x.shape[1] // size, x.shape[2] // size
        x = x[:, : rows * size, : columns * size].reshape(len(x), rows, size, columns, size, -1)
        return x.transpose(0, 1, 3, 5, 2, 4).reshape(len(x), rows, columns, x.shape[-1], -1)

    def max_pool(x, size):
        return windows(x, size).max(axis=-1)

    def max_pool_gradient(x, y_bar, size):
        cells = windows(x, size)
        winner = cells.shape[-1] - 1 - cells[..., ::-1].argmax(axis=-1)  # the last one
        shares = np.zeros(cells.shape)
        np.put_along_axis(shares, winner[..., np.newaxis], y_bar[..., np.newaxis], axis=-1)
        n, rows, columns, channels, _ = shares.shape
        shares = shares.reshape(n, rows, columns, channels, size, size)
        whole = shares.transpose(0, 1, 4, 2, 5, 3).reshape(n, rows * size, columns * size, -1)
        rest = [(0, full - part) for full, part in zip(x.shape, whole.shape, strict=True)]
        return np.pad(whole, rest)

    return {"max_pool": max_pool, "max_pool_gradient": max_pool_gradient}


@variant("max_pool", build=True)
def with_tensorflow(student):
    import tensorflow as tf

    def max_pool(x, size):
        return tf.nn.max_pool2d(x, size, size, "VALID").numpy()

    def max_pool_gradient(x, y_bar, size):
        x = tf.Variable(x)
        with tf.GradientTape() as tape:
            y = tf.nn.max_pool2d(x, size, size, "VALID")
        return tape.gradient(y, x, output_gradients=tf.constant(y_bar)).numpy()

    return {"max_pool": max_pool, "max_pool_gradient": max_pool_gradient}


# --- shift_gaps ------------------------------------------------------------------------------


@variant("shift_gaps")
def roll_twice(f, x, down, right):
    moved = f(np.roll(np.roll(x, down, axis=1), right, axis=2))
    still = f(x)
    back = np.roll(np.roll(moved, -down, axis=1), -right, axis=2)
    return {
        "invariance": np.linalg.norm((moved - still).ravel(), np.inf),
        "equivariance": np.linalg.norm((back - still).ravel(), np.inf),
    }


@variant("shift_gaps")
def by_index(f, x, down, right):
    rows = (np.arange(x.shape[1]) - down) % x.shape[1]
    columns = (np.arange(x.shape[2]) - right) % x.shape[2]
    moved, still = f(x[:, rows][:, :, columns]), f(x)
    gaps = abs(moved - still[:, rows][:, :, columns]), abs(moved - still)
    return dict(zip(("equivariance", "invariance"), (float(g.max()) for g in gaps), strict=True))


# --- train_network ---------------------------------------------------------------------------


@variant("train_network", build=True)
def with_probabilities(student):
    """A functional model that ends in softmax."""
    import keras

    def build_network(seed):
        keras.utils.set_random_seed(seed)
        images = y = keras.Input((28, 28, 1))
        for filters in (12, 24, 48):
            y = keras.layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(y)
            y = keras.layers.BatchNormalization(momentum=0.9)(y)
            y = keras.layers.Activation("relu")(y)
        y = keras.layers.Flatten()(y)
        return keras.Model(images, keras.layers.Dense(10, activation="softmax")(y))

    def train_network(x, y, seed):
        model = build_network(seed)
        rate = keras.optimizers.schedules.CosineDecay(6e-3, 8 * -(-len(x) // 64))
        model.compile(
            keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", steps_per_execution=16
        )
        model.fit(x, y, batch_size=64, epochs=8, verbose=0)
        return model

    return {"build_network": build_network, "train_network": train_network}


@variant("train_network", build=True)
def with_pooling(student):
    """Pooling after the first convolution, no normalization."""
    import keras

    def build_network(seed):
        keras.utils.set_random_seed(seed)
        model = keras.Sequential([keras.Input((28, 28, 1))])
        model.add(keras.layers.Conv2D(8, 5, strides=2, padding="same", activation="relu"))
        for filters in (16, 32):
            model.add(keras.layers.Conv2D(filters, 3, padding="same", activation="relu"))
            model.add(keras.layers.MaxPooling2D())
        model.add(keras.layers.Flatten())
        model.add(keras.layers.Dense(10))
        return model

    def train_network(x, y, seed):
        model = build_network(seed)
        rate = keras.optimizers.schedules.CosineDecay(6e-3, 6 * -(-len(x) // 64))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(rate), loss, steps_per_execution=16)
        model.fit(x, y, batch_size=64, epochs=6, verbose=0)
        return model

    return {"build_network": build_network, "train_network": train_network}
