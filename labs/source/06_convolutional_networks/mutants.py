"""Wrong solutions of lab 06, each a misconception; a learner's output is compared with theirs."""

import numpy as np

from dllab.check import mutant

# --- output_size -----------------------------------------------------------------------------


def _places(size, kernel, stride=1, padding="valid", dilation=1):
    if padding == "same":
        return -(-size // stride)
    return (size - dilation * (kernel - 1) - 1) // stride + 1


@mutant("output_size", misconception="floor-forgotten")
def rounds_up(size, kernel, stride=1, padding="valid", dilation=1):
    """You counted a last window that sticks out of the image: round down."""
    if padding == "same":
        return -(-size // stride)
    return -(-(size - dilation * (kernel - 1) - 1) // stride) + 1


@mutant("output_size", misconception="steps-for-places")
def counts_steps(size, kernel, stride=1, padding="valid", dilation=1):
    """You counted the steps of the kernel: the place before the first step is one more."""
    if padding == "same":
        return -(-size // stride)
    return (size - dilation * (kernel - 1) - 1) // stride


@mutant("output_size", misconception="same-off-by-one")
def rounds_same_down(size, kernel, stride=1, padding="valid", dilation=1):
    """With "same" you dropped the last, incomplete stride: there the size is rounded up."""
    if padding == "same":
        return size // stride
    return _places(size, kernel, stride, padding, dilation)


@mutant("output_size", misconception="same-off-by-one")
def pads_half_a_kernel(size, kernel, stride=1, padding="valid", dilation=1):
    """With "same" you padded half a kernel on each side: an even kernel needs one zero less."""
    if padding == "same":
        size += 2 * (kernel // 2)
    return (size - dilation * (kernel - 1) - 1) // stride + 1


@mutant("output_size", misconception="dilation-ignored")
def ignores_dilation(size, kernel, stride=1, padding="valid", dilation=1):
    """You left the dilation out: it spreads the kernel over more pixels."""
    return _places(size, kernel, stride, padding)


# --- audit -----------------------------------------------------------------------------------


def _audit(shape, layers, *, weights=None, field=None, pool=None, places=_places):
    """Return the audit with one thing spoiled."""
    height, width, channels = shape
    parameters, seen, jump = 0, 1, 1
    for layer in layers:
        if layer["kind"] == "conv":
            window, stride, padding = layer["kernel"], layer["stride"], layer["padding"]
        else:
            window, stride, padding = layer["size"], layer["size"], "valid"
        height, width = (places(n, window, stride, padding) for n in (height, width))
        if layer["kind"] == "conv":
            filters = layer["filters"]
            count = weights or (lambda k, c, f, h, w: (k * k * c + 1) * f)
            parameters += count(window, channels, filters, height, width)
            channels = filters
        elif pool:
            parameters += pool(window, channels)
        seen += field(window, stride, jump) if field else (window - 1) * jump
        jump *= stride
    return {"shape": (height, width, channels), "parameters": parameters, "receptive_field": seen}


@mutant("audit", misconception="receptive-field-adds")
def adds_kernels(shape, layers):
    """You added the kernels up without the strides: each stride makes later steps longer."""
    return _audit(shape, layers, field=lambda window, stride, jump: window - 1)


@mutant("audit", misconception="own-stride-counted")
def counts_own_stride(shape, layers):
    """You let a layer's own stride widen its view: it lengthens the steps of later layers only."""
    return _audit(shape, layers, field=lambda window, stride, jump: (window - 1) * jump * stride)


@mutant("audit", misconception="bias-per-pixel")
def a_bias_for_each_place(shape, layers):
    """You counted a bias for each place: all places of a feature map share one."""
    return _audit(shape, layers, weights=lambda k, c, f, h, w: k * k * c * f + h * w * f)


@mutant("audit", misconception="kernel-without-depth")
def flat_kernels(shape, layers):
    """You counted kernels without depth: each reaches through all channels of its input."""
    return _audit(shape, layers, weights=lambda k, c, f, h, w: (k * k + 1) * f)


@mutant("audit", misconception="pooling-has-weights")
def weights_in_pooling(shape, layers):
    """You counted weights for pooling: it takes a maximum and has nothing to learn."""
    return _audit(shape, layers, pool=lambda window, channels: window * window * channels)


@mutant("audit", misconception="same-off-by-one")
def same_keeps_the_size(shape, layers):
    """You took "same" to keep the size even with a stride: it divides by the stride, rounded up."""

    def places(size, window, stride, padding):
        return size if padding == "same" else _places(size, window, stride)

    return _audit(shape, layers, places=places)


# --- conv2d ----------------------------------------------------------------------------------


def _zeros(size, window, stride):
    zeros = max((_places(size, window, stride, "same") - 1) * stride + window - size, 0)
    return zeros // 2, zeros - zeros // 2


def _conv2d(x, kernel, bias, stride, padding, zeros=_zeros):
    height, width, _, filters = kernel.shape
    if padding == "same":
        sides = zeros(x.shape[1], height, stride), zeros(x.shape[2], width, stride)
        x = np.pad(x, ((0, 0), *sides, (0, 0)))
    rows = (x.shape[1] - height) // stride + 1
    columns = (x.shape[2] - width) // stride + 1
    y = np.zeros((len(x), rows, columns, filters))
    for i in range(rows):
        for j in range(columns):
            top, left = i * stride, j * stride
            patch = x[:, top : top + height, left : left + width]
            y[:, i, j] = np.tensordot(patch, kernel, axes=3) + bias
    return y


@mutant("conv2d", misconception="kernel-flipped")
def flips_the_kernel(x, kernel, bias, stride=1, padding="valid"):
    """You turned the kernel upside down and left to right: lay it on the image as it stands."""
    return _conv2d(x, kernel[::-1, ::-1], bias, stride, padding)


@mutant("conv2d", misconception="nchw-for-nhwc")
def takes_channels_first(x, kernel, bias, stride=1, padding="valid"):
    """You read the images as (batch, channels, height, width): here channels come last."""
    batch, height, width, channels = x.shape
    x = np.moveaxis(x.reshape(batch, channels, height, width), 1, -1)
    return _conv2d(x, kernel, bias, stride, padding)


@mutant("conv2d", misconception="bias-added-per-weight")
def adds_the_bias_to_each_product(x, kernel, bias, stride=1, padding="valid"):
    """You added the bias inside the sum over the window: it is added once for each output."""
    height, width, channels, _ = kernel.shape
    return _conv2d(x, kernel, bias * height * width * channels, stride, padding)


@mutant("conv2d", misconception="same-off-by-one")
def puts_the_extra_zero_first(x, kernel, bias, stride=1, padding="valid"):
    """With "same" you put the extra zero at the top and on the left: it goes to the other side."""
    return _conv2d(x, kernel, bias, stride, padding, zeros=lambda *sizes: _zeros(*sizes)[::-1])


@mutant("conv2d", misconception="same-off-by-one")
def pads_as_for_stride_one(x, kernel, bias, stride=1, padding="valid"):
    """With "same" you padded as for stride 1: a longer stride needs fewer zeros."""
    return _conv2d(
        x, kernel, bias, stride, padding, zeros=lambda size, window, _: _zeros(size, window, 1)
    )


@mutant("conv2d", misconception="stride-forgotten")
def steps_by_one(x, kernel, bias, stride=1, padding="valid"):
    """You moved the kernel by one pixel in spite of the stride: place i begins at stride * i."""
    if padding == "same":
        sides = (_zeros(x.shape[axis + 1], kernel.shape[axis], stride) for axis in (0, 1))
        x = np.pad(x, ((0, 0), *sides, (0, 0)))
    rows = (x.shape[1] - kernel.shape[0]) // stride + 1
    columns = (x.shape[2] - kernel.shape[1]) // stride + 1
    return _conv2d(x, kernel, bias, 1, "valid")[:, :rows, :columns]


@mutant("conv2d", misconception="kernel-without-depth")
def looks_at_one_channel(x, kernel, bias, stride=1, padding="valid"):
    """You used the first channel only: the sum runs over all channels."""
    return _conv2d(x[..., :1], kernel[:, :, :1], bias, stride, padding)


# --- conv2d_gradients ------------------------------------------------------------------------


def _gradients(x, kernel, y_bar, stride, *, add=True, back=None):
    height, width = kernel.shape[:2]
    x_bar, kernel_bar = np.zeros(x.shape), np.zeros(kernel.shape)
    step = stride if back is None else back
    for i in range(y_bar.shape[1]):
        for j in range(y_bar.shape[2]):
            g = y_bar[:, i, j]
            patch = x[:, i * stride : i * stride + height, j * stride : j * stride + width]
            kernel_bar += np.tensordot(patch, g, axes=(0, 0))
            rows = slice(i * step, i * step + height)
            columns = slice(j * step, j * step + width)
            share = np.tensordot(g, kernel, axes=(1, 3))
            x_bar[:, rows, columns] = share + (x_bar[:, rows, columns] if add else 0)
    return {"x": x_bar, "kernel": kernel_bar, "bias": y_bar.sum(axis=(0, 1, 2))}


@mutant("conv2d_gradients", misconception="overlap-overwritten")
def overwrites(x, kernel, y_bar, stride=1):
    """Where windows overlap, a pixel keeps only the gradient that came last: add them up."""
    return _gradients(x, kernel, y_bar, stride, add=False)


@mutant("conv2d_gradients", misconception="way-back-not-flipped")
def correlates_again(x, kernel, y_bar, stride=1):
    """For x you used the kernel turned by 180 degrees: each number goes back the way it came."""
    turned = _gradients(x, kernel[::-1, ::-1], y_bar, stride)
    return {**_gradients(x, kernel, y_bar, stride), "x": turned["x"]}


@mutant("conv2d_gradients", misconception="stride-forgotten")
def forgets_the_stride(x, kernel, y_bar, stride=1):
    """You gave the gradient of row i to the pixels from row i on: with a stride, row stride * i."""
    return _gradients(x, kernel, y_bar, stride, back=1)


@mutant("conv2d_gradients", misconception="bias-averaged-over-places")
def averages_the_biases(x, kernel, y_bar, stride=1):
    """You averaged the bias gradients over the places: each place sends a whole one, so add."""
    gradients = _gradients(x, kernel, y_bar, stride)
    return {**gradients, "bias": y_bar.mean(axis=(0, 1, 2))}


@mutant("conv2d_gradients", misconception="bias-per-pixel")
def keeps_a_bias_for_each_place(x, kernel, y_bar, stride=1):
    """Your bias gradient has an entry for each place: all places share one bias, so add them up."""
    return {**_gradients(x, kernel, y_bar, stride), "bias": y_bar.sum(axis=0)}


# --- max_pool --------------------------------------------------------------------------------


def _windows(x, size):
    rows, columns = x.shape[1] // size, x.shape[2] // size
    x = x[:, : rows * size, : columns * size].reshape(len(x), rows, size, columns, size, -1)
    return x.transpose(0, 1, 3, 5, 2, 4).reshape(len(x), rows, columns, x.shape[-1], -1)


def _back(x, shares, size):
    """Return the gradient of `x` from that of its windows."""
    n, rows, columns, channels, _ = shares.shape
    shares = shares.reshape(n, rows, columns, channels, size, size).transpose(0, 1, 4, 2, 5, 3)
    x_bar = np.zeros(x.shape)
    x_bar[:, : rows * size, : columns * size] = shares.reshape(
        n, rows * size, columns * size, channels
    )
    return x_bar


@mutant("max_pool", misconception="floor-forgotten", replaces="max_pool")
def keeps_the_border(x, size):
    """You made windows of the border that is too thin for one: leave it out."""
    missing = [(0, -n % size) for n in x.shape[1:3]]
    return _windows(np.pad(x, ((0, 0), *missing, (0, 0)), constant_values=-np.inf), size).max(-1)


@mutant("max_pool", misconception="channels-pooled-together", replaces="max_pool")
def pools_channels(x, size):
    """You took the maximum over all channels: each channel is pooled by itself."""
    y = _windows(x, size).max(axis=-1)
    return np.broadcast_to(y.max(axis=-1, keepdims=True), y.shape)


@mutant("max_pool", misconception="pooling-gradient-shared", replaces="max_pool_gradient")
def gives_all_the_gradient(x, y_bar, size):
    """You gave each pixel of a window the gradient of its maximum: only the winner moved it."""
    return _back(x, np.repeat(y_bar[..., np.newaxis], size * size, axis=-1), size)


@mutant("max_pool", misconception="pooling-gradient-shared", replaces="max_pool_gradient")
def shares_the_gradient(x, y_bar, size):
    """You divided the gradient among the pixels, as for a mean: the winner takes all of it."""
    return _back(x, np.repeat(y_bar[..., np.newaxis] / size**2, size * size, axis=-1), size)


@mutant("max_pool", misconception="ties-counted-twice", replaces="max_pool_gradient")
def pays_every_winner(x, y_bar, size):
    """In a tie you gave the whole gradient to each winner: only one of them should get it."""
    windows = _windows(x, size)
    won = windows == windows.max(axis=-1, keepdims=True)
    return _back(x, won * y_bar[..., np.newaxis], size)


# --- shift_gaps ------------------------------------------------------------------------------


def _gaps(f, x, shift, distance=lambda a, b: float(np.abs(a - b).max())):
    before, after = f(x), f(shift(x))
    return {"equivariance": distance(after, shift(before)), "invariance": distance(after, before)}


@mutant("shift_gaps", misconception="equivariance-taken-for-invariance")
def swaps_the_two(f, x, down, right):
    """You swapped the two: equivariant means that the output shifts as the input does."""
    gaps = _gaps(f, x, lambda images: np.roll(images, (down, right), axis=(1, 2)))
    return {"equivariance": gaps["invariance"], "invariance": gaps["equivariance"]}


@mutant("shift_gaps", misconception="equivariance-taken-for-invariance")
def never_shifts_the_output(f, x, down, right):
    """Both of your gaps compare f(shifted x) with f(x): for equivariance, shift f(x) as well."""
    after, before = f(np.roll(x, (down, right), axis=(1, 2))), f(x)
    gap = float(np.abs(after - before).max())
    return {"equivariance": gap, "invariance": gap}


@mutant("shift_gaps", misconception="nchw-for-nhwc")
def shifts_the_wrong_axes(f, x, down, right):
    """You shifted axes 2 and 3, as if channels came first: rows are axis 1, columns axis 2."""
    return _gaps(f, x, lambda images: np.roll(images, (down, right), axis=(2, 3)))


@mutant("shift_gaps", misconception="differences-cancel")
def lets_differences_cancel(f, x, down, right):
    """You took the mean difference, in which pluses and minuses cancel: take absolute values."""

    def shift(images):
        return np.roll(images, (down, right), axis=(1, 2))

    return _gaps(f, x, shift, lambda a, b: float(np.mean(a - b)))


@mutant("shift_gaps", misconception="differences-cancel")
def forgets_the_sign(f, x, down, right):
    """You took the largest difference without absolute values: a large negative one is as bad."""

    def shift(images):
        return np.roll(images, (down, right), axis=(1, 2))

    return _gaps(f, x, shift, lambda a, b: float((a - b).max()))


# --- train_network ---------------------------------------------------------------------------


def _small(seed):
    import keras

    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(4, 5, 4, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )


def _fit(model, x, y):
    """Train for a moment: what is wrong shows at once."""
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, steps_per_execution=8)
    model.fit(x, y, batch_size=128, epochs=1, verbose=0)
    return model


@mutant("train_network", misconception="fit-forgotten", build=True)
def untrained(student):
    """Your network is never trained: call `fit` before you return it."""
    return {"build_network": _small, "train_network": lambda x, y, seed: _small(seed)}


@mutant("train_network", misconception="images-shuffled-alone", build=True)
def shuffles_images_alone(student):
    """You shuffled the images and left the labels as they were, so there is nothing to learn."""

    def train_network(x, y, seed):
        order = np.random.default_rng(seed).permutation(len(x))
        return _fit(_small(seed), x[order], y)

    return {"build_network": _small, "train_network": train_network}


@mutant("train_network", misconception="dense-for-images", build=True)
def dense_only(student):
    """Your network has dense layers alone: each of its weights knows one pixel at one place."""
    import keras

    def build_network(seed):
        keras.utils.set_random_seed(seed)
        return keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                keras.layers.Flatten(),
                keras.layers.Dense(64, activation="relu"),
                keras.layers.Dense(10),
            ]
        )

    return {
        "build_network": build_network,
        "train_network": lambda x, y, seed: _fit(build_network(seed), x, y),
    }


@mutant("train_network", misconception="nchw-for-nhwc", build=True)
def channels_first(student):
    """Your network takes images of shape (1, 28, 28), channels first: here channels come last."""
    import keras

    def build_network(seed):
        keras.utils.set_random_seed(seed)
        return keras.Sequential(
            [
                keras.Input((1, 28, 28)),
                keras.layers.Conv2D(4, 3, 2, "same", activation="relu"),
                keras.layers.Flatten(),
                keras.layers.Dense(10),
            ]
        )

    def train_network(x, y, seed):
        return _fit(build_network(seed), np.moveaxis(x, -1, 1), y)

    return {"build_network": build_network, "train_network": train_network}
