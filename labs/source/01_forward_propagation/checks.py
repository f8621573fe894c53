"""Checks of lab 01: numbers found by hand, laws of layers, a network that must read digits."""

from itertools import pairwise

import numpy as np

import dllab
from dllab.check import expect, task
from dllab.scratch import Dense, Sequential

# --- Task 1: five numbers by pencil ----------------------------------------------------------

PENCIL = ("z1", "z2", "a1", "a2", "y")


@task("pencil_forward", points=1)
def test_the_numbers_on_paper(student, rng):
    """Three inputs whose numbers were computed on paper."""
    by_hand = {  # (x1, x2): z1, z2, a1, a2, y
        (1.0, 2.0): (6.0, 0.5, 6.0, 0.5, 12.0),
        (2.0, -1.0): (-2.0, -4.5, 0.0, 0.0, 0.5),
        (-1.0, 0.0): (-2.0, 2.5, 0.0, 2.5, -2.0),
    }
    for inputs, numbers in by_hand.items():
        ours = expect.mapping(student.pencil_forward(*inputs), PENCIL)
        for name, number in zip(PENCIL, numbers, strict=True):
            found = expect.number(ours[name])
            expect.close(
                found,
                number,
                f"For the input {inputs} you get {name} = {found:g}; go through the sum for {name} "
                "once more with the pencil.",
            )


@task("pencil_forward", points=1)
def test_each_number_follows_from_those_before(student, rng):
    """A hidden unit moves with its own weights; the output follows from the two activations."""
    x1, x2 = (float(v) for v in rng.uniform(-3, 3, size=2))
    here, right, up = (
        expect.mapping(student.pencil_forward(*point), PENCIL)
        for point in ((x1, x2), (x1 + 1, x2), (x1, x2 + 1))
    )
    moved = "When {0} grows by 1, {1} should change by {2}: by the weight from {0} to {1}'s unit."
    for name, other, start, end, weight in [
        ("x1", "z1", here, right, 1.0),
        ("x2", "z1", here, up, 3.0),
        ("x1", "z2", here, right, -2.0),
        ("x2", "z2", here, up, 1.0),
    ]:
        change = end[other] - start[other]
        expect.close(change, weight, moved.format(name, other, f"{weight:g}"))
    for z, a in (("z1", "a1"), ("z2", "a2")):
        expect.close(here[a], max(here[z], 0.0), f"{a} should be the ReLU of {z}.")
    expect.close(
        here["y"],
        2 * here["a1"] - here["a2"] + 0.5,
        "y should be 2 a1 - a2 + 0.5, without an activation.",
    )


# --- Task 2: a dense layer -------------------------------------------------------------------


def random_layer(rng, units_in, units_out, activation=None):
    """Return (W, b, activation) with biases large enough to be noticed."""
    return rng.normal(size=(units_in, units_out)), 1 + rng.uniform(size=units_out), activation


def sums_by_units(X, W, b):
    """Return the pre-activations, one example and one unit at a time."""
    return np.array([[np.dot(x, W[:, j]) + b[j] for j in range(W.shape[1])] for x in X])


@task("dense", points=1)
def test_each_unit_sums_its_column(student, rng):
    """Without activation, unit j sums the inputs by column j of W and adds its bias."""
    for batch, units_in, units_out in [(5, 3, 4), (4, 3, 3)]:
        W, b, _ = random_layer(rng, units_in, units_out)
        X = rng.normal(size=(batch, units_in))
        Z = expect.array(student.dense(X, W, b), shape=(batch, units_out))
        expect.close(
            Z,
            sums_by_units(X, W, b),
            f"For {batch} examples and W of shape {W.shape}, without activation, the sums "
            "are wrong: unit j should take the weights of column j and the bias b[j].",
        )


@task("dense", points=1)
def test_a_bias_belongs_to_its_unit(student, rng):
    """Examples of zeros give the biases in every row, also when batch and units are equal."""
    for batch in (4, 1, 6):
        W, b, _ = random_layer(rng, 3, 4)
        Z = expect.array(student.dense(np.zeros((batch, 3)), W, b), shape=(batch, 4))
        for row in Z:
            expect.close(
                row, b, "For an example of zeros, the units should give their biases, in order."
            )


@task("dense", points=1)
def test_the_activation_comes_last(student, rng):
    """The layer with an activation is that activation applied to the layer without."""
    W, b, _ = random_layer(rng, 3, 5)
    X = rng.normal(size=(8, 3)) - 0.5
    Z = sums_by_units(X, W, b)
    for name, g in (("relu", lambda z: z * (z > 0)), ("tanh", np.tanh)):
        A = expect.array(student.dense(X, W, b, name), shape=Z.shape)
        expect.close(
            A,
            g(Z),
            f'With activation="{name}", the result should be {name} of the sum with its bias.',
        )


# --- Task 3: layers one after another --------------------------------------------------------


def random_network(rng, sizes, activations):
    """Return a list of random layers with these sizes and activations."""
    pairs = zip(sizes[:-1], sizes[1:], activations, strict=True)
    return [random_layer(rng, *triple) for triple in pairs]


def apply_layer(A, layer):
    """Return what one layer makes of its input."""
    W, b, activation = layer
    Z = np.einsum("ni,ij->nj", A, W) + b
    return {"relu": lambda z: z * (z > 0), "tanh": np.tanh, None: lambda z: z}[activation](Z)


def expect_activations(value, shapes):
    """Return the list of arrays, after checking how many there are and their shapes."""
    expect.true(
        isinstance(value, (list, tuple)),
        "`forward` should return a list of arrays: the batch, then the output of each layer.",
    )
    expect.true(
        len(value) == len(shapes),
        f"A network of {len(shapes) - 1} layers has {len(shapes)} arrays, from A0 to "
        f"A{len(shapes) - 1}; your list has {len(value)}.",
    )
    return [expect.array(A, shape=shape) for A, shape in zip(value, shapes, strict=True)]


@task("forward", points=1)
def test_the_list_begins_with_the_batch(student, rng):
    """There is one array more than layers; the first is the batch, each has its layer's width."""
    X = rng.normal(size=(6, 3))
    layers = random_network(rng, [3, 5, 4, 2], ["relu", "tanh", None])
    activations = expect_activations(student.forward(X, layers), [(6, 3), (6, 5), (6, 4), (6, 2)])
    expect.close(activations[0], X, "The first entry, A0, should be the batch X itself.")


@task("forward", points=1)
def test_each_layer_takes_the_output_before_it(student, rng):
    """Each entry is its layer applied to the entry before, also where all widths are equal."""
    for sizes in ([3, 5, 4, 2], [3, 3, 3, 3]):
        X = rng.normal(size=(6, sizes[0]))
        layers = random_network(rng, sizes, ["relu", "tanh", None])
        layers[-1] = (layers[-1][0], layers[-1][1] - 3, None)  # outputs of both signs
        activations = expect_activations(student.forward(X, layers), [(6, s) for s in sizes])
        for number, layer in enumerate(layers, start=1):
            expect.close(
                activations[number],
                apply_layer(activations[number - 1], layer),
                f"A{number} is not layer {number} applied to A{number - 1} "
                f"(its activation is {layer[2]!r}).",
            )


@task("forward", points=1)
def test_examples_do_not_meet(student, rng):
    """An example gives the same output alone and in a batch; a network may have a single layer."""
    layers = random_network(rng, [4, 6, 3], ["tanh", "relu"])
    X = rng.normal(size=(5, 4))
    together = expect_activations(student.forward(X, layers), [(5, 4), (5, 6), (5, 3)])[-1]
    alone = expect_activations(student.forward(X[2:3], layers), [(1, 4), (1, 6), (1, 3)])[-1]
    expect.close(
        together[2:3], alone, "An example should give the same output alone and in a batch."
    )
    expect.close(
        alone,
        apply_layer(apply_layer(X[2:3], layers[0]), layers[1]),
        "The output of two layers should be the second layer applied to the output of the first.",
    )
    one = expect_activations(student.forward(X, layers[:1]), [(5, 4), (5, 6)])[-1]
    expect.close(one, apply_layer(X, layers[0]), "A network of one layer should be that layer.")


# --- Task 4: what a network costs ------------------------------------------------------------


def cost_of(student, sizes, batch):
    """Return (parameters, flops) as the learner counts them."""
    cost = expect.mapping(student.count(list(sizes), batch), ["parameters", "flops"])
    return expect.integer(cost["parameters"]), expect.integer(cost["flops"])


def random_sizes(rng):
    """Return the sizes of a network with two or three layers."""
    return [int(size) for size in rng.integers(2, 40, size=rng.integers(3, 5))]


@task("count", points=1)
def test_parameters_of_a_built_network(student, rng):
    """The count is that of a network which was really built."""
    for sizes in ([3, 2], random_sizes(rng)):
        built = Sequential([Dense(a, b, rng=rng) for a, b in pairwise(sizes)])
        found, _ = cost_of(student, sizes, int(rng.integers(2, 10)))
        wanted = sum(parameter.data.size for parameter in built.parameters())
        expect.true(
            found == wanted,
            f"For a network with sizes {sizes} you count {found} weights and biases, which is not "
            "what such a network has.",
            reveal=f"It has {wanted}.",
        )


@task("count", points=1)
def test_flops_of_a_product(student, rng):
    """A multiplication and an addition for each weight and example."""
    a, b, batch = (int(v) for v in rng.integers(3, 9, size=3))
    _, flops = cost_of(student, [a, b], batch)
    terms = np.ones((batch, a, b)).size  # each example meets each weight once
    expect.true(
        flops == 2 * terms,
        f"For {batch} examples through a layer of shape ({a}, {b}) you count {flops}: each weight "
        "takes a multiplication and an addition for each example.",
        reveal=f"Here these are {terms} multiplications and as many additions, {2 * terms} in all.",
    )
    first, second = cost_of(student, [a, b], batch)[1], cost_of(student, [b, a, b], batch)[1]
    expect.true(second == 2 * first, "The FLOPs of a network are the sum over its layers.")


@task("count", points=1)
def test_what_the_batch_changes(student, rng):
    """Twice the examples: twice the FLOPs, and not one parameter more."""
    sizes, batch = random_sizes(rng), int(rng.integers(2, 20))
    once, twice = cost_of(student, sizes, batch), cost_of(student, sizes, 2 * batch)
    expect.true(once[0] == twice[0], "A larger batch should not change the number of parameters.")
    expect.true(2 * once[1] == twice[1], "Twice as many examples should take twice the FLOPs.")


# --- Task 5: exclusive or --------------------------------------------------------------------

XOR_SHAPES = {"W1": (2, 2), "b1": (2,), "W2": (2, 1), "b2": (1,)}
CORNERS = {(0, 0): 0, (0, 1): 1, (1, 0): 1, (1, 1): 0}


def xor_outputs(student, X):
    """Return the outputs of the learner's network, `(batch,)`."""
    p = expect.mapping(student.solve_xor(), XOR_SHAPES)
    W1, b1, W2, b2 = (expect.array(p[name], shape=shape) for name, shape in XOR_SHAPES.items())
    return (np.maximum(X @ W1 + b1, 0) @ W2 + b2)[:, 0]


@task("solve_xor", points=1)
def test_four_corners(student, rng):
    """The output is positive at two corners of the square and negative at the others."""
    corners = list(CORNERS)
    for corner, output in zip(corners, xor_outputs(student, np.array(corners)), strict=True):
        wanted = "positive" if CORNERS[corner] else "negative"
        expect.true(
            (output > 0) if CORNERS[corner] else (output < 0),
            f"At {corner}, class {CORNERS[corner]}, your network gives {output:.3g}; it should be "
            f"{wanted}.",
        )


@task("solve_xor", points=1)
def test_there_is_room(student, rng):
    """Points up to 0.1 away from a corner are classified as the corner is."""
    corners = np.array(list(CORNERS)).repeat(50, axis=0)
    labels = np.array(list(CORNERS.values())).repeat(50)
    edges = 0.1 * rng.choice([-1.0, 1.0], size=corners.shape)
    right = (xor_outputs(student, corners + edges) > 0) == labels
    expect.true(
        right.all(),
        f"{(~right).sum()} of {right.size} points that are 0.1 away from a corner fall on the "
        "wrong side: move the boundary to the middle between the classes.",
    )


# --- Task 6: is it worth a single layer? -----------------------------------------------------


def as_function(layers):
    """Return the network as a black box."""

    def network(X):
        A = np.asarray(X)
        for layer in layers:
            A = apply_layer(A, layer)
        return A

    return network


def scaled_network(rng, sizes, activations, bias=1.0):
    """Return a random network whose outputs stay near 1."""
    pairs = zip(sizes[:-1], sizes[1:], activations, strict=True)
    return [
        (rng.normal(size=(a, b)) / np.sqrt(a), bias * rng.normal(size=b), g) for a, b, g in pairs
    ]


def expect_verdict(student, f, features, wanted, message):
    verdict = student.is_affine(f, features)
    expect.true(isinstance(verdict, (bool, np.bool_)), "`is_affine` should return True or False.")
    expect.true(bool(verdict) == wanted, message)


@task("is_affine", points=1)
def test_stacks_without_activations(student, rng):
    """Deep or wide, with biases, or constant: a network without activations is affine."""
    for sizes in ([4, 3], [3, 30, 30, 2], [5, 2, 6, 4], [1, 7, 1]):
        layers = scaled_network(rng, sizes, [None] * (len(sizes) - 1))
        expect_verdict(
            student,
            as_function(layers),
            sizes[0],
            True,
            f"A network with sizes {sizes} and no activations is affine, biases included; you say "
            "that it is not.",
        )


@task("is_affine", points=1)
def test_networks_that_bend(student, rng):
    """One layer with an activation is enough to bend, with or without biases."""
    for g in ("relu", "tanh"):
        for bias in (1.0, 0.0):
            layers = scaled_network(rng, [4, 30, 10, 3], [g, None, None], bias)
            expect_verdict(
                student,
                as_function(layers),
                4,
                False,
                f"A network with a {g} layer {'with' if bias else 'without'} biases is not affine; "
                "you say that it is.",
            )


@task("is_affine", points=1)
def test_one_output_that_bends(student, rng):
    """All outputs but one are affine: the whole function is not."""
    straight = as_function(scaled_network(rng, [5, 4], [None]))
    bent = as_function(scaled_network(rng, [5, 20, 1], ["relu", None]))
    for order in ((straight, bent), (bent, straight)):

        def f(X, order=order):
            return np.column_stack([part(X) for part in order])

        expect_verdict(
            student,
            f,
            5,
            False,
            "If one output bends, the function is not affine: test all outputs.",
        )


# --- Task 7: a reader of digits --------------------------------------------------------------


def expect_layers(value, features):
    """Return the learner's layers, after checking that they fit together."""
    expect.true(
        isinstance(value, (list, tuple)) and len(value) >= 2,
        "`train_reader` should return a list with at least two layers.",
    )
    layers = []
    for layer in value:
        expect.true(
            isinstance(layer, (list, tuple)) and len(layer) == 3,
            "Each layer should be a triple (W, b, activation).",
        )
        expect.true(
            isinstance(layer[0], np.ndarray) and isinstance(layer[1], np.ndarray),
            "W and b should be NumPy arrays: take `.data` of the engine's tensors.",
        )
        W = expect.array(layer[0], shape=(features, None))
        features = W.shape[1]
        activation = layer[2] if layer[2] is None else expect.text(layer[2], ["relu", "tanh"])
        layers.append((W, expect.array(layer[1], shape=(features,)), activation))
    expect.true(
        all(activation is not None for *_, activation in layers[:-1]),
        "A layer before the last one has no activation: hand on the one it was trained with.",
    )
    expect.true(features == 10, f"The last layer should have 10 units, and it has {features}.")
    return layers


@task("read_digits", points=2)
def test_it_reads_new_digits(student, rng):
    """The layers, run by code that is not the learner's, classify digits they have never seen."""
    digits = dllab.load("digits")
    X, y = digits.train.x.reshape(-1, 64), digits.train.y
    layers = expect_layers(student.train_reader(X, y, int(rng.integers(1_000_000))), 64)
    A = digits.test.x.reshape(-1, 64)
    for layer in layers:
        A = apply_layer(A, layer)
    accuracy = float(np.mean(A.argmax(axis=1) == digits.test.y))
    expect.true(
        accuracy >= 0.9,
        f"Run forward, your layers read {100 * accuracy:.0f} % of new digits; they should reach "
        "90 %. Are these the weights after training, with the activations used in training?",
    )


@task("read_digits", points=1)
def test_the_largest_output_wins(student, rng):
    """The answer is the position of each row's largest output, also if all outputs are negative."""
    for batch, shift in ((7, 0.0), (10, -20.0)):
        layers = scaled_network(rng, [6, 8, 10], ["relu", None])
        layers[-1] = (layers[-1][0], layers[-1][1] + shift, None)
        X = rng.normal(size=(batch, 6))
        outputs = apply_layer(apply_layer(X, layers[0]), layers[1])
        found = expect.array(student.read_digits(X, layers), shape=(batch,))
        rows = "rows whose outputs are all negative" if shift else "rows"
        expect.true(
            np.array_equal(found, [list(row).index(max(row)) for row in outputs]),
            f"For {batch} {rows}, the digits are not the positions of the largest outputs.",
        )


@task("read_digits", points=1)
def test_the_seed_decides_the_run(student, rng):
    """The same seed gives the same weights; another seed gives others."""
    digits = dllab.load("digits")
    X, y = digits.train.x.reshape(-1, 64)[:100], digits.train.y[:100]
    seed = int(rng.integers(1_000_000))
    first, again, other = (
        expect_layers(student.train_reader(X, y, s), 64)[0][0] for s in (seed, seed, seed + 1)
    )
    expect.close(again, first, "Two runs with the same seed should give the same weights.")
    expect.true(
        first.shape == other.shape and not np.allclose(first, other),
        "Two different seeds gave the same weights: draw them from default_rng(seed).",
    )
