"""Checks of lab 02: values by hand, slopes by nudging, products of slopes, dead units, digits."""

from itertools import pairwise

import numpy as np

import dllab
from dllab.check import expect, task
from dllab.scratch import activations

STEP = 1e-5
NAMES = ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu")


def value_of(name, z):
    """Return the activation `name` at `z`."""
    return getattr(activations, name)(z)


def slope_by_nudging(name, z):
    """Return the slope of an activation, entry by entry, as a central difference."""
    return (value_of(name, z + STEP) - value_of(name, z - STEP)) / (2 * STEP)


def away_from_zero(rng, size, low=0.4, high=2.5):
    """Return random numbers of both signs, none near the kink at 0."""
    signs = np.where(np.arange(np.prod(size)) % 2, 1.0, -1.0).reshape(size)
    return signs * rng.uniform(low, high, size=size)


# --- Task 1: the sigmoid and its logarithm ---------------------------------------------------


@task("sigmoid", points=1)
def test_the_values_on_paper(student, rng):
    """At -ln 3, 0 and ln 3 the sigmoid is 1/4, 1/2 and 3/4; it has the shape of its argument."""
    z = np.log(3) * np.array([-1.0, 0.0, 1.0])
    s = expect.array(student.sigmoid(z), shape=(3,))
    for point, found, wanted in zip(("-ln 3", "0", "ln 3"), s, (0.25, 0.5, 0.75), strict=True):
        expect.close(
            found, wanted, f"At z = {point} the sigmoid should be {wanted:g}, and yours is not."
        )
    z = rng.uniform(-3, 3, size=(2, 4))
    s = expect.array(student.sigmoid(z), shape=(2, 4))
    expect.close(
        np.log(s / (1 - s)),
        z,
        "The odds s / (1 - s) of your sigmoid should be e to the power z.",
        rtol=1e-4,
        atol=1e-5,
    )


@task("sigmoid", points=1)
def test_the_sigmoid_survives_a_thousand(student, rng):
    """The sigmoid is 0 and 1 far out, and keeps its digits where it is tiny."""
    z = np.array([-1000.0, 1000.0, -40.0, 0.0])
    s = expect.array(student.sigmoid(z), shape=(4,))
    expect.close(s[:2], [0.0, 1.0], "At -1000 and 1000 the sigmoid should be 0 and 1.")
    expect.true(
        abs(s[2] / np.exp(-40.0) - 1) < 1e-6,
        "At z = -40 the sigmoid is tiny, about e to the power -40, and yours lost its digits.",
    )


@task("sigmoid", points=1)
def test_the_logarithm_survives_a_thousand(student, rng):
    """The logarithm of the sigmoid is z far to the left and 0 far to the right."""
    z = rng.normal(0, 3, size=6)
    expect.close(
        expect.array(student.log_sigmoid(z), shape=(6,)),
        np.log(activations.sigmoid(z)),
        "log_sigmoid should be the natural logarithm of the sigmoid.",
    )
    far = float(rng.uniform(800, 1200))
    z = np.array([-far, far])
    found = expect.array(student.log_sigmoid(z), shape=(2,))
    expect.close(
        found,
        [-far, 0.0],
        "Far to the left the logarithm of the sigmoid is z itself, and far to the right it is 0: "
        "rewrite it so that no intermediate result is 0 or infinite.",
        reveal=f"At z = -{far:.0f} it should be -{far:.0f}.",
    )


# --- Task 2: the softmax ---------------------------------------------------------------------


@task("softmax", points=1)
def test_rows_are_distributions(student, rng):
    """Each row is positive, sums to 1 and keeps the ratios e to the difference of two scores."""
    for shape in ((4, 3), (3, 3)):
        z = rng.normal(size=shape)
        p = expect.array(student.softmax(z), shape=shape)
        expect.close(p.sum(axis=1), np.ones(shape[0]), "Each row should sum to 1.")
        expect.true(np.all(p > 0), "Each probability should be positive.")
        expect.close(
            p[:, 0] / p[:, 1],
            np.exp(z[:, 0] - z[:, 1]),
            "Two probabilities of a row should have the ratio e to the difference of their scores.",
        )


@task("softmax", points=1)
def test_rows_do_not_see_each_other(student, rng):
    """What stands in the other rows of the batch changes nothing, however large it is."""
    z = rng.normal(size=(3, 4))
    alone = expect.array(student.softmax(z[:1]), shape=(1, 4))
    beside = np.vstack([z[:1], z[1:] + 900.0])
    together = expect.array(student.softmax(beside), shape=(3, 4))
    expect.close(
        together[0],
        alone[0],
        "A row got other probabilities because its neighbors in the batch changed.",
    )


@task("softmax", points=1)
def test_only_differences_count(student, rng):
    """Adding the same number to all scores of a row, even 1000, changes nothing."""
    z = rng.normal(size=(2, 5))
    here = expect.array(student.softmax(z), shape=(2, 5))
    for shift in (1000.0, -1000.0):
        there = expect.array(student.softmax(z + shift), shape=(2, 5))
        expect.close(
            there, here, f"Adding {shift:g} to all scores changed the probabilities.", atol=1e-7
        )


# --- Task 3: each slope ----------------------------------------------------------------------


def compare_slopes(student, z, names):
    for name in names:
        ours = expect.array(student.derivative(name, z), shape=z.shape)
        expect.close(
            ours,
            slope_by_nudging(name, z),
            f'Nudging z shows another slope of "{name}" than yours.',
            rtol=1e-4,
            atol=1e-6,
        )


@task("derivative", points=1)
def test_the_slopes_of_the_squashing_functions(student, rng):
    """The slopes of sigmoid and tanh are those that nudging the pre-activation shows."""
    compare_slopes(student, away_from_zero(rng, (2, 4)), ("sigmoid", "tanh"))


@task("derivative", points=1)
def test_the_slopes_of_the_rectifiers(student, rng):
    """The slopes of ReLU, leaky ReLU and ELU are right on both sides of the kink."""
    compare_slopes(student, away_from_zero(rng, (2, 4)), ("relu", "leaky_relu", "elu"))


@task("derivative", points=1)
def test_the_slope_of_gelu(student, rng):
    """The slope of GELU has a term for each of its two factors."""
    compare_slopes(student, away_from_zero(rng, (2, 4)), ("gelu",))


@task("derivative", points=1)
def test_slopes_survive_a_thousand(student, rng):
    """Far to the left and far to the right every slope is a finite number, and the right one."""
    z = np.array([-1000.0, 1000.0])
    ends = {"sigmoid": (0, 0), "tanh": (0, 0), "relu": (0, 1)}
    ends |= {"leaky_relu": (0.01, 1), "elu": (0, 1), "gelu": (0, 1)}
    for name, wanted in ends.items():
        found = expect.array(student.derivative(name, z), shape=(2,))
        expect.close(
            found,
            np.array(wanted, dtype=float),
            f'The slopes of "{name}" at -1000 and 1000 should be {wanted[0]:g} and {wanted[1]:g}.',
            atol=1e-7,
        )


# --- Task 4: slopes through many layers ------------------------------------------------------


def random_weights(rng, widths):
    """Return weight matrices that fit together, all entries well away from zero."""
    return [away_from_zero(rng, (k, m), 0.3, 0.9)[rng.permutation(k)] for k, m in pairwise(widths)]


def total_after_nudge(weights, name, X, layer=0, nudge=0.0):
    """Return the sum of the last activations when `nudge` is added to one layer's Z."""
    A = X
    for number, W in enumerate(weights, start=1):
        Z = A @ W + (nudge if number == layer else 0.0)
        A = value_of(name, Z)
    return A.sum()


def norms_by_nudging(weights, name, X):
    """Return the norm of the slopes of the sum at each layer, by central differences."""
    norms = []
    for layer, W in enumerate(weights, start=1):
        slopes = []
        for index in np.ndindex(len(X), W.shape[1]):
            nudge = np.zeros((len(X), W.shape[1]))
            nudge[index] = STEP
            up = total_after_nudge(weights, name, X, layer, nudge)
            slopes.append((up - total_after_nudge(weights, name, X, layer, -nudge)) / (2 * STEP))
        norms.append(np.linalg.norm(slopes))
    return np.array(norms)


@task("gradient_norms", points=1)
def test_one_unit_after_another(student, rng):
    """In a chain of single units the norms are products of slopes and weights."""
    weights = [rng.uniform(1.2, 2.0, size=(1, 1)) for _ in range(3)]
    X = rng.uniform(0.4, 0.8, size=(1, 1))
    found = expect.array(student.gradient_norms(weights, "tanh", X), shape=(3,))
    wanted = norms_by_nudging(weights, "tanh", X)
    for layer in (3, 2, 1):
        expect.close(
            found[layer - 1],
            wanted[layer - 1],
            f"In a chain of three single units, the number of layer {layer} is off.",
            rtol=1e-4,
        )


@task("gradient_norms", points=2)
def test_norms_agree_with_nudging(student, rng):
    """The norm at each layer is the one that nudging each pre-activation shows."""
    for name, widths in (("sigmoid", [3, 4, 4, 4]), ("elu", [2, 5, 3, 4])):
        weights, X = random_weights(rng, widths), rng.normal(size=(2, widths[0]))
        found = expect.array(student.gradient_norms(weights, name, X), shape=(3,))
        expect.close(
            found,
            norms_by_nudging(weights, name, X),
            f'For layers of {widths[1:]} units with "{name}", nudging each pre-activation shows '
            "other norms.",
            rtol=1e-3,
        )


# --- Task 5: dead units ----------------------------------------------------------------------


@task("dead_units", points=1)
def test_a_known_number_of_units_is_dead(student, rng):
    """Units with a very negative bias are dead; units that fire for one example are not."""
    dead, batch = int(rng.integers(2, 5)), 12
    X, W = rng.normal(size=(batch, 6)), rng.normal(size=(6, 9))
    b = np.where(np.arange(9) < dead, -50.0, 0.0)
    X[-1] = 20 * W[:, dead:].sum(axis=1)  # one example for which many units fire
    alive = int(np.any(X @ W + b > 0, axis=0).sum())
    found = expect.integer(student.dead_units(X, W, b))
    expect.true(
        found == 9 - alive,
        f"You counted {found} dead units of 9: count those that give 0 for all {batch} examples.",
        reveal=f"Here {9 - alive} do.",
    )


@task("dead_units", points=1)
def test_one_example_is_enough_to_live(student, rng):
    """A unit that fires for a single example is alive, and one that only reaches 0 is dead."""
    X = np.eye(5)
    W = -rng.uniform(1, 2, size=(5, 3))
    b = np.zeros(3)
    W[2, 0] = 1.0  # unit 0 fires for example 2 only
    W[:, 1] = 0.0  # unit 1 has z = 0 for all examples
    found = expect.integer(student.dead_units(X, W, b))
    expect.true(
        found == 2,
        "One unit fires for one example, one unit has z = 0 everywhere, one has z < 0 everywhere: "
        f"two of them are dead, and you counted {found}.",
    )


# --- Task 6: choose the output layer ---------------------------------------------------------

ACTIVATIONS = ("identity", "sigmoid", "tanh", "relu", "softplus", "softmax")


def chosen(student, problem):
    """Return (units, activation) that the learner chose, after checking its form."""
    answer = student.output_layer(problem)
    expect.true(
        isinstance(answer, (list, tuple)) and len(answer) == 2,
        f'For "{problem}", `output_layer` should return a pair: how many units, which activation.',
    )
    return expect.integer(answer[0]), expect.text(answer[1], choices=ACTIVATIONS)


@task("output_layer", points=1)
def test_every_possible_answer_can_be_given(student, rng):
    """The range of the activation holds all possible targets, and nothing else."""
    right = {
        "temperature": (
            ("identity",),
            "it must be able to give -15 as well as 35, and no bound is natural",
        ),
        "waiting time": (
            ("softplus", "relu"),
            "it must never be negative, and may be as long as you like",
        ),
        "steering": (("tanh",), "it must reach from -1 to 1, and no farther"),
    }
    for problem, (names, why) in right.items():
        units, name = chosen(student, problem)
        expect.true(
            name in names,
            f'"{name}" does not fit "{problem}": {why}.',
        )
        expect.true(units == 1, f'"{problem}" asks for one number, so for one unit.')


@task("output_layer", points=1)
def test_one_class_or_several(student, rng):
    """Classes that exclude each other share one probability; tags each have their own."""
    units, name = chosen(student, "digit")
    expect.true(
        (units, name) == (10, "softmax"),
        'For "digit", exactly one of ten classes is right: the ten outputs should be '
        "probabilities that sum to 1.",
    )
    units, name = chosen(student, "tags")
    expect.true(
        (units, name) == (20, "sigmoid"),
        'For "tags", several of the twenty tags may be right at once: each should get a '
        "probability of its own.",
    )


@task("output_layer", points=1)
def test_yes_or_no(student, rng):
    """Yes or no needs one probability, or two that exclude each other."""
    units, name = chosen(student, "spam")
    expect.true(
        (units, name) in ((1, "sigmoid"), (2, "softmax")),
        f'For "spam", {units} unit(s) with "{name}" cannot give every probability of yes.',
    )


# --- Task 7: several activations on real digits ----------------------------------------------


def digits(n):
    """Return `n` training images and all validation images, as rows of 64 numbers."""
    data = dllab.load("digits")
    return (
        data.train.x.reshape(-1, 64)[:n],
        data.train.y[:n],
        data.validation.x.reshape(-1, 64),
        data.validation.y,
    )


@task("compare", points=1, trains=True)
def test_the_networks_learn(student, rng):
    """With ReLU and with tanh the network reads at least 85 % of new digits."""
    data = digits(500)
    seed = int(rng.integers(1_000_000))
    found = expect.mapping(student.compare(["relu", "tanh"], *data, seed), ["relu", "tanh"])
    for name in ("relu", "tanh"):
        accuracy = expect.number(found[name])
        expect.true(
            0.85 <= accuracy <= 1,
            f"With {name} the accuracy on new digits should lie between 0.85 and 1; yours is "
            f"{accuracy:.2f}.",
        )


@task("compare", points=1, trains=True)
def test_the_comparison_is_fair(student, rng):
    """An activation's score depends on the seed and the new digits, not on who ran before it."""
    x, y, x_new, y_new = digits(120)
    seed = int(rng.integers(1_000_000))
    names = ["tanh", "relu"]
    first = expect.mapping(student.compare(names, x, y, x_new, y_new, seed), names)
    second = expect.mapping(student.compare(names[::-1], x, y, x_new, y_new, seed), names)
    for name in names:
        expect.close(
            expect.number(second[name]),
            expect.number(first[name]),
            f"With the same seed, {name} got another accuracy when it stood at another place of "
            "the list: give each network the same start.",
        )
    shifted = expect.mapping(
        student.compare(["tanh"], x, y, x_new, (y_new + 1) % 10, seed), ["tanh"]
    )
    expect.true(
        expect.number(shifted["tanh"]) < 0.5,
        "With wrong labels for the new digits the accuracy stayed high: it should be measured on "
        "the new digits.",
    )
