"""Checks of lab 06: places counted, sums over windows, transposed maps, and a trained network."""

import numpy as np

import dllab
from dllab.check import expect, task
from dllab.scratch import Conv2D, MaxPooling2D, Sequential
from dllab.scratch import conv2d as reference

# --- Task 1: how many places? ----------------------------------------------------------------


@task("output_size", points=1)
def test_valid_places_are_those_where_the_kernel_fits(student, rng):
    """With `valid`, the outputs are as many as the places where the whole kernel fits."""
    # a stride that ends short of the border, and a dilation that matters
    cases = [(6, 3, 2, 1), (7, 3, 2, 1), (9, 3, 1, 2), (8, 4, 3, 1)]
    cases += [tuple(int(n) for n in rng.integers(1, (20, 5, 4, 4))) for _ in range(12)]
    for size, kernel, stride, dilation in cases:
        size += dilation * (kernel - 1)  # room for the kernel
        fitting = range(0, size - dilation * (kernel - 1), stride)
        found = expect.integer(student.output_size(size, kernel, stride, "valid", dilation))
        expect.true(
            found == len(fitting),
            f"For {size} pixels, kernel {kernel}, stride {stride} and dilation {dilation} you "
            f"count {found} places: list the pixels where the kernel may begin.",
            reveal=f"There are {len(fitting)}.",
        )


@task("output_size", points=1)
def test_same_places_are_one_for_each_stride(student, rng):
    """With `same`, there is one output for every stride that begins inside the image."""
    cases = [(7, 3, 2), (8, 2, 2), (10, 3, 4)]
    cases += [tuple(int(n) for n in rng.integers(1, (20, 6, 5))) for _ in range(12)]
    for size, kernel, stride in cases:
        found = expect.integer(student.output_size(size, kernel, stride, "same"))
        expect.true(
            found == len(range(0, size, stride)),
            f'For {size} pixels, kernel {kernel}, stride {stride} and "same" you count {found} '
            "places: one for every stride that begins inside the image.",
            reveal=f"There are {len(range(0, size, stride))}.",
        )


# --- Task 2: audit a network -----------------------------------------------------------------


def random_network(rng):
    """Return (shape, layers, the same network in dllab.scratch)."""
    shape = tuple(int(n) for n in (*rng.integers(28, 40, size=2), rng.integers(1, 4)))
    first, last = (int(n) for n in rng.integers(2, 5, size=2))
    layers = [
        {"kind": "conv", "filters": first, "kernel": 5, "stride": 2, "padding": "same"},
        {"kind": "conv", "filters": first + 3, "kernel": 3, "stride": 1, "padding": "valid"},
        {"kind": "pool", "size": 2},
        {"kind": "conv", "filters": last, "kernel": 2, "stride": 1, "padding": "same"},
    ]
    if rng.integers(2):
        layers.append({"kind": "pool", "size": 3})
    built, channels = [], shape[2]
    for layer in layers:
        if layer["kind"] == "pool":
            built.append(MaxPooling2D(layer["size"]))
            continue
        strides, padding = layer["stride"], layer["padding"]
        settings = {"rng": rng, "strides": strides, "padding": padding}
        built.append(Conv2D(channels, layer["filters"], layer["kernel"], **settings))
        channels = layer["filters"]
    return shape, layers, Sequential(built)


def audited(student, shape, layers):
    return expect.mapping(student.audit(shape, layers), ["shape", "parameters", "receptive_field"])


@task("audit", points=1)
def test_the_shape_comes_out(student, rng):
    """The shape is that of the result of a real network with these layers."""
    shape, layers, network = random_network(rng)
    found = expect.array(audited(student, shape, layers)["shape"], shape=(3,))
    expect.close(
        found,
        network.output_shape(shape),
        f"An image of shape {shape} does not come out with the shape {tuple(found.tolist())}: "
        "follow it layer by layer.",
    )


@task("audit", points=1)
def test_parameters_are_counted(student, rng):
    """The parameters are as many as the numbers of a real network with these layers."""
    shape, layers, network = random_network(rng)
    found = expect.integer(audited(student, shape, layers)["parameters"])
    expect.true(
        found == network.count_params(),
        f"You count {found} parameters. Each filter has one number for each pixel under the "
        "kernel and each channel, and one bias; the size of the image plays no part.",
        reveal=f"There are {network.count_params()}.",
    )


@task("audit", points=1)
def test_the_receptive_field_is_what_one_output_sees(student, rng):
    """The receptive field is the stretch of pixels that one output leads back to."""
    shape, layers, _ = random_network(rng)
    found = expect.integer(audited(student, shape, layers)["receptive_field"])
    pixels = {0}
    for layer in reversed(layers):
        window, stride = (
            (layer["size"], layer["size"])
            if layer["kind"] == "pool"
            else (layer["kernel"], layer["stride"])
        )
        pixels = {place * stride + offset for place in pixels for offset in range(window)}
    expect.true(
        found == max(pixels) - min(pixels) + 1,
        f"Your receptive field is {found} pixels wide. Walk back from one output: which places "
        "of the layer before does it see, and which pixels do these see?",
        reveal=f"It is {max(pixels) - min(pixels) + 1} pixels wide.",
    )


# --- Task 3: convolution ---------------------------------------------------------------------


def images(rng, size=(6, 7), window=(2, 4)):
    """Return (x, kernel, bias) in which no two sizes are equal unless the caller says so."""
    return rng.normal(size=(2, *size, 3)), rng.normal(size=(*window, 3, 5)), rng.normal(size=5)


@task("conv2d", points=2)
def test_each_output_is_a_sum_over_its_window(student, rng):
    """Each output is the sum of products of its window with the kernel, plus one bias."""
    x, kernel, bias = images(rng)
    y = expect.array(student.conv2d(x, kernel, bias), shape=(2, 5, 4, 5))
    for n, i, j, f in zip(*(rng.integers(0, size, size=8) for size in y.shape), strict=True):
        window = x[n, i : i + 2, j : j + 4]
        expect.close(
            y[n, i, j, f],
            np.vdot(window, kernel[..., f]) + bias[f],
            f"The output of image {n}, row {i}, column {j}, filter {f} is not the sum of products "
            "of the window that begins there with the kernel as it stands, plus the bias once.",
            rtol=1e-4,
            atol=1e-5,
        )


@task("conv2d", points=1)
def test_a_stride_skips_places(student, rng):
    """A stride of s keeps every s-th place and drops what sticks out."""
    x, kernel, bias = images(rng)
    everywhere = expect.array(student.conv2d(x, kernel, bias), shape=(2, 5, 4, 5))
    for stride in (2, 3):
        kept = everywhere[:, ::stride, ::stride]
        y = expect.array(student.conv2d(x, kernel, bias, stride), shape=kept.shape)
        expect.close(
            y,
            kept,
            f"Stride {stride} should keep every output {stride} apart.",
            rtol=1e-4,
            atol=1e-5,
        )


@task("conv2d", points=1)
def test_same_is_valid_with_zeros_around(student, rng):
    """With `same`, the extra zero goes to the bottom and to the right, at stride 2 as well."""
    for stride, shape, kernel_size in [
        (1, (6, 7), (2, 4)),
        (2, (6, 8), (3, 2)),  # fewer zeros than with stride 1; none at all
        (2, (7, 8), (4, 5)),
    ]:
        x, kernel, bias = images(rng, shape, kernel_size)
        sides = []
        for size, window in zip(shape, kernel_size, strict=True):
            zeros = max((len(range(0, size, stride)) - 1) * stride + window - size, 0)
            sides.append((zeros // 2, zeros - zeros // 2))
        around = np.pad(x, ((0, 0), *sides, (0, 0)))
        wanted = expect.array(student.conv2d(around, kernel, bias, stride, "valid"))
        y = expect.array(student.conv2d(x, kernel, bias, stride, "same"), shape=wanted.shape)
        expect.close(
            y,
            wanted,
            f'"same" with stride {stride} and a kernel of {kernel_size} on {shape} pixels: how '
            "many zeros does each axis need in all, and where does an odd one go?",
            rtol=1e-4,
            atol=1e-5,
        )


# --- Task 4: the gradients -------------------------------------------------------------------


def backward_pass(student, rng, stride):
    """Return (x, kernel, y_bar, gradients) of a convolution with this stride."""
    x, kernel, _ = images(rng)
    y_bar = rng.normal(size=reference(x, kernel, strides=stride).shape)
    gradients = student.conv2d_gradients(x, kernel, y_bar, stride)
    return x, kernel, y_bar, expect.mapping(gradients, ["x", "kernel", "bias"])


@task("conv2d_gradients", points=1)
def test_the_gradient_of_the_images(student, rng):
    """Changing the images by v changes the loss by the sum of products of v and the gradient."""
    for stride in (1, 2):
        x, kernel, y_bar, gradients = backward_pass(student, rng, stride)
        x_bar = expect.array(gradients["x"], shape=x.shape)
        v = rng.normal(size=x.shape)
        expect.close(
            np.vdot(x_bar, v),
            np.vdot(y_bar, reference(v, kernel, strides=stride).data),
            f"With stride {stride}, the gradient of x is off: every place where a pixel lay under "
            "the kernel sends a contribution, and they add up.",
            rtol=1e-3,
            atol=1e-3,
        )


@task("conv2d_gradients", points=1)
def test_the_gradient_of_the_kernel(student, rng):
    """Changing the kernel by v changes the loss by the sum of products of v and the gradient."""
    for stride in (1, 2):
        x, kernel, y_bar, gradients = backward_pass(student, rng, stride)
        kernel_bar = expect.array(gradients["kernel"], shape=kernel.shape)
        v = rng.normal(size=kernel.shape)
        expect.close(
            np.vdot(kernel_bar, v),
            np.vdot(y_bar, reference(x, v, strides=stride).data),
            f"With stride {stride}, the gradient of the kernel is off: each of its numbers met "
            "one pixel at every place of every image.",
            rtol=1e-3,
            atol=1e-3,
        )


@task("conv2d_gradients", points=1)
def test_the_gradient_of_the_biases(student, rng):
    """A bias was added at every place of every image."""
    _, _, y_bar, gradients = backward_pass(student, rng, 1)
    expect.close(
        expect.array(gradients["bias"], shape=(5,)),
        y_bar.sum(axis=(0, 1, 2)),
        "A bias was added at every place of every image: add up what comes back from all of them.",
        rtol=1e-4,
        atol=1e-5,
    )


# --- Task 5: max pooling ---------------------------------------------------------------------


def windows(x, size):
    """Return `(batch, rows, columns, channels, size * size)`: the windows that fit."""
    rows, columns = x.shape[1] // size, x.shape[2] // size
    x = x[:, : rows * size, : columns * size].reshape(len(x), rows, size, columns, size, -1)
    return x.transpose(0, 1, 3, 5, 2, 4).reshape(len(x), rows, columns, x.shape[-1], -1)


@task("max_pool", points=1)
def test_each_window_gives_its_largest_number(student, rng):
    """Each output is the largest number of its window; a thin border is left out."""
    for size in (2, 3):
        x = rng.normal(size=(2, 7, 8, 3)) - 3.0  # mostly negative: 0 is no neutral start
        wanted = windows(x, size).max(axis=-1)
        y = expect.array(student.max_pool(x, size), shape=wanted.shape)
        expect.close(
            y,
            wanted,
            "An output should be the largest number of its window and channel.",
            rtol=1e-5,
        )


def pooled_back(student, rng, x, size):
    """Return the windows of the learner's gradient, and the gradient that came in."""
    y_bar = rng.uniform(0.5, 1.5, size=windows(x, size).shape[:-1])
    x_bar = expect.array(student.max_pool_gradient(x, y_bar, size), shape=x.shape)
    rows, columns = (size * (n // size) for n in x.shape[1:3])
    outside = np.concatenate([x_bar[:, rows:].ravel(), x_bar[:, :, columns:].ravel()])
    expect.close(outside, np.zeros(outside.size), "Pixels that lie in no window moved no output.")
    return windows(x_bar, size), y_bar


@task("max_pool", points=1)
def test_the_winner_takes_the_gradient(student, rng):
    """The largest number of a window gets the gradient, and all others get zero."""
    for size in (2, 3):
        x = rng.permutation(2 * 7 * 8 * 3).reshape(2, 7, 8, 3) / 10.0  # no two are equal
        back, y_bar = pooled_back(student, rng, x, size)
        pooled = windows(x, size)
        won = pooled == pooled.max(axis=-1, keepdims=True)
        expect.close(back[~won], np.zeros((~won).sum()), "Only the winner moved the output.")
        expect.close(
            back[won], y_bar.ravel(), "The winner of a window gets its whole gradient.", rtol=1e-5
        )


@task("max_pool", points=1)
def test_a_tie_has_one_winner(student, rng):
    """Of several largest numbers, one gets the whole gradient."""
    x = rng.integers(0, 2, size=(2, 6, 6, 3)).astype(float)
    x[0] = 0.0  # whole windows of equal numbers, as on empty paper
    back, y_bar = pooled_back(student, rng, x, 2)
    message = "In a window of equal numbers, one of them should get the gradient, all of it."
    expect.close(back.sum(axis=-1), y_bar, message, rtol=1e-5)
    expect.close((back != 0).sum(axis=-1), np.ones(y_bar.shape), message)


# --- Task 6: the shift test ------------------------------------------------------------------


def gaps(student, f, x, down, right):
    found = expect.mapping(student.shift_gaps(f, x, down, right), ["equivariance", "invariance"])
    return expect.number(found["equivariance"]), expect.number(found["invariance"])


def largest(difference):
    return float(np.abs(difference).max())


@task("shift_gaps", points=1)
def test_a_blur_is_equivariant_and_not_invariant(student, rng):
    """A blur that wraps around moves with the image, so it is equivariant and not invariant."""

    def blur(images):
        return images + 0.5 * np.roll(images, 1, axis=1) - 2.0 * np.roll(images, 1, axis=2)

    x = rng.uniform(-3, 1, size=(2, 6, 7, 3))
    down, right = int(rng.integers(1, 5)), int(rng.integers(1, 6))
    moves, stays = gaps(student, blur, x, down, right)
    expect.close(moves, 0.0, "A blur shifts with the image: its gap should be 0.", atol=1e-5)
    difference = blur(np.roll(x, (down, right), axis=(1, 2))) - blur(x)
    expect.close(
        stays,
        largest(difference),
        "The invariance gap of a blur is off: take the largest absolute difference between f of "
        "the shifted images and f of the images.",
        rtol=1e-4,
    )


@task("shift_gaps", points=1)
def test_weights_by_place_are_neither(student, rng):
    """A mean is invariant; weights that depend on the place are neither."""

    def mean(images):
        return np.broadcast_to(images.mean(axis=(1, 2), keepdims=True), images.shape)

    for _ in range(5):  # signs differ from draw to draw, and so do the largest differences
        x, weights = rng.normal(size=(2, 6, 7, 3)), rng.normal(size=(6, 7, 1))
        down, right = int(rng.integers(1, 5)), int(rng.integers(1, 6))

        def weigh(images, weights=weights):
            return images * weights

        _, stays = gaps(student, mean, x, down, right)
        expect.close(stays, 0.0, "A mean over the image does not see a shift.", atol=1e-5)
        moved = np.roll(x, (down, right), axis=(1, 2))
        moves, stays = gaps(student, weigh, x, down, right)
        expect.close(
            moves,
            largest(weigh(moved) - np.roll(weigh(x), (down, right), axis=(1, 2))),
            "The equivariance gap of weights by place is off: compare f of the shifted images "
            "with the shifted f of the images.",
            rtol=1e-4,
        )
        expect.close(
            stays,
            largest(weigh(moved) - weigh(x)),
            "The invariance gap of weights by place is off: compare f of the shifted images with "
            "f of the images.",
            rtol=1e-4,
        )


# --- Task 7: read digits ---------------------------------------------------------------------

MOST_PARAMETERS, ENOUGH = 60_000, 0.96


def checked(model):
    """Return the learner's network, rebuilt, once its size and its kind are right."""
    model = expect.model(model, input_shape=(28, 28, 1), output_shape=(10,))
    expect.true(
        any(layer.kind == "Conv2D" for layer in model.layers),
        "There is no `Conv2D` layer in the network: this task is about convolution.",
    )
    expect.true(
        model.parameters <= MOST_PARAMETERS,
        f"The network has {model.parameters:,} parameters, and it may have {MOST_PARAMETERS:,}: "
        "pool or stride more before the dense layer.",
    )
    return model


@task("train_network", points=1, seconds=60)
def test_the_network_is_convolutional_and_small(student, rng):
    """The untrained network has convolutions, ten outputs and few parameters."""
    checked(student.build_network(int(rng.integers(1_000_000))))


@task("train_network", points=2, seconds=120, trains=True)
def test_it_reads_new_digits(student, rng):
    """The trained network classifies digits that it has never seen."""
    digits = dllab.load("mnist5k")
    x, new = digits.train.x[..., np.newaxis], digits.test.x[..., np.newaxis]
    model = checked(student.train_network(x, digits.train.y, int(rng.integers(1_000_000))))
    accuracy = float(np.mean(model.predict(new).argmax(axis=1) == digits.test.y))
    expect.true(
        accuracy >= ENOUGH,
        f"Of the new digits, {100 * accuracy:.1f} % are right; it should reach "
        f"{100 * ENOUGH:.0f} %.",
    )
