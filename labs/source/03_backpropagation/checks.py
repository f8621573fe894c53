"""Checks of lab 03: gradients against central differences, and a network that must learn."""

import numpy as np

import dllab
from dllab.check import expect, task

STEP = 1e-6


def central_difference(f, x, step=STEP):
    """Return the gradient of the scalar function `f` at the array `x`, shaped as `x`."""
    x = np.array(x, dtype=float)
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        gradient[index] = (f(up) - f(down)) / (2 * step)
    return gradient


# --- Task 1: a graph by pencil ---------------------------------------------------------------


def pencil_loss(x, w, b, y):
    """Return (tanh(x w + b) - y)^2."""
    return (np.tanh(x * w + b) - y) ** 2


@task("pencil_gradients", points=1)
def test_every_node_has_an_adjoint(student, rng):
    """The loss changes one for one with itself, and along the chain each factor multiplies."""
    x, w, b, y = (float(v) for v in rng.uniform(0.3, 1.2, size=4))
    adjoint = expect.mapping(student.pencil_gradients(x, w, b, y), ["e", "a", "z", "u", "w", "b"])
    error = np.tanh(x * w + b) - y
    expect.close(adjoint["e"], 2 * error, "At e: the loss is e squared, so its slope there is 2e.")
    expect.close(adjoint["a"], adjoint["e"], "At a: e = a - y, so e moves as much as a does.")
    expect.close(adjoint["u"], adjoint["z"], "At u: z = u + b, and a sum passes a gradient on.")
    expect.close(adjoint["b"], adjoint["z"], "At b: z = u + b, and a sum passes a gradient on.")


@task("pencil_gradients", points=1)
def test_weights_agree_with_central_differences(student, rng):
    """The gradients at w and b are those that nudging w and b shows."""
    x, w, b, y = (float(v) for v in rng.uniform(0.3, 1.2, size=4))
    # signs that keep x w and b from canceling: near z = 0 a wrong slope of tanh would look right
    flip_x, flip_z = (int(s) for s in rng.choice([-1, 1], size=2))
    x, w, b = flip_x * x, flip_x * flip_z * w, flip_z * b
    adjoint = expect.mapping(student.pencil_gradients(x, w, b, y), ["w", "b", "z"])
    slope_w = central_difference(lambda v: pencil_loss(x, v, b, y), w)
    slope_b = central_difference(lambda v: pencil_loss(x, w, v, y), b)
    message = (
        "Nudging {0} by a tiny amount changes the loss at another rate than your gradient says."
    )
    expect.close(adjoint["b"], slope_b, message.format("b"), rtol=1e-5, atol=1e-7)
    expect.close(adjoint["w"], slope_w, message.format("w"), rtol=1e-5, atol=1e-7)


# --- Task 2: a general backward pass over a graph --------------------------------------------


def random_graph(rng, size=8):
    """Return (order, edges): a graph in which some nodes are used more than once."""
    order = [f"v{i}" for i in range(size)]
    edges = {"v0": [], "v1": []}
    for i in range(2, size):
        # the node just before keeps the graph connected; the other one makes fan-out
        parents = (i - 1, int(rng.integers(0, i - 1)))
        edges[f"v{i}"] = [(f"v{p}", float(rng.uniform(0.5, 2.0))) for p in parents]
    return order, edges


def sum_over_paths(edges, source, target):
    """Return the sum, over all paths from `source` to `target`, of the products of slopes."""
    if source == target:
        return 1.0
    return sum(slope * sum_over_paths(edges, source, parent) for parent, slope in edges[target])


@task("backward", points=1)
def test_a_chain_multiplies(student, rng):
    """Along a chain without branches the slopes multiply, and the output's own adjoint is one."""
    first, second = (float(v) for v in rng.uniform(0.5, 2.0, size=2))
    edges = {"x": [], "u": [("x", first)], "L": [("u", second)]}
    adjoint = expect.mapping(student.backward(["x", "u", "L"], edges), ["x", "u", "L"])
    expect.close(adjoint["L"], 1.0, "The output changes one for one with itself: its adjoint is 1.")
    expect.close(adjoint["u"], second, "The adjoint of u is the slope of the edge from u to L.")
    expect.close(adjoint["x"], first * second, "Along a chain the slopes multiply.")


@task("backward", points=2)
def test_all_paths_count(student, rng):
    """The adjoint of a node is the sum over all paths from it to the output."""
    order, edges = random_graph(rng)
    adjoint = expect.mapping(student.backward(order, edges), order)
    for node in order:
        expect.close(
            adjoint[node],
            sum_over_paths(edges, node, order[-1]),
            "A node that is used twice gets a gradient from each use, and they add up.",
        )


# --- Task 3: undo broadcasting ---------------------------------------------------------------


@task("unbroadcast", points=1)
def test_shape_is_restored(student, rng):
    """The result has the shape of the operand, whatever broadcasting had made of it."""
    for small, big in [((3,), (4, 3)), ((4, 1), (4, 3)), ((1, 3), (4, 3)), ((), (4, 3))]:
        expect.array(student.unbroadcast(rng.normal(size=big), small), shape=small)


@task("unbroadcast", points=2)
def test_it_is_the_adjoint_of_broadcasting(student, rng):
    """The result does to any v what the gradient does to the broadcast v: same sum of products."""
    cases = [
        ((3,), (4, 3)),
        ((4, 1), (4, 3)),
        ((2, 1, 3), (2, 4, 3)),
        ((1,), (5, 2)),
        ((2, 3), (2, 3)),
    ]
    for small, big in cases:
        gradient, v = rng.normal(size=big), rng.normal(size=small)
        back = expect.array(student.unbroadcast(gradient, small), shape=small)
        expect.close(
            (back * v).sum(),
            (gradient * np.broadcast_to(v, big)).sum(),
            "Each copy that broadcasting made sends its gradient back: sum over the copies.",
        )


# --- Task 4: the two-layer network -----------------------------------------------------------

NAMES = ("W1", "b1", "W2", "b2")


def small_network(rng, n=6, d=4, hidden=5, classes=3):
    """Return (X, y, parameters) of a random two-layer network, all layers of different width."""
    parameters = {
        "W1": rng.normal(size=(d, hidden)),
        "b1": rng.normal(size=hidden),
        "W2": rng.normal(size=(hidden, classes)),
        "b2": rng.normal(size=classes),
    }
    return rng.normal(size=(n, d)), rng.integers(0, classes, size=n), parameters


def network_loss(X, y, parameters):
    """Return the mean cross-entropy of the two-layer ReLU network."""
    hidden = np.maximum(X @ parameters["W1"] + parameters["b1"], 0)
    logits = hidden @ parameters["W2"] + parameters["b2"]
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_normalizer = np.log(np.exp(shifted).sum(axis=1))
    return float(np.mean(log_normalizer - shifted[np.arange(len(y)), y]))


def compare_with_differences(student, rng, names):
    X, y, parameters = small_network(rng)
    gradients = expect.mapping(student.network_gradients(X, y, parameters), NAMES)
    for name in names:
        ours = expect.array(gradients[name], shape=parameters[name].shape)
        theirs = central_difference(
            lambda v, name=name: network_loss(X, y, {**parameters, name: v}), parameters[name]
        )
        expect.close(
            ours,
            theirs,
            f"The gradient of {name} is not what nudging {name} shows.",
            rtol=1e-3,
            atol=1e-6,
        )


@task("network_gradients", points=2)
def test_output_layer(student, rng):
    """The gradients of W2 and b2 agree with central differences."""
    compare_with_differences(student, rng, ("W2", "b2"))


@task("network_gradients", points=1)
def test_hidden_layer(student, rng):
    """The gradients of W1 and b1 agree with central differences."""
    compare_with_differences(student, rng, ("W1", "b1"))


@task("network_gradients", points=1)
def test_the_mean_does_not_depend_on_the_batch_size(student, rng):
    """Showing each example twice leaves the gradient of a mean as it is."""
    X, y, parameters = small_network(rng)
    once = expect.mapping(student.network_gradients(X, y, parameters), NAMES)
    twice = expect.mapping(
        student.network_gradients(np.vstack([X, X]), np.concatenate([y, y]), parameters), NAMES
    )
    for name in NAMES:
        expect.close(
            twice[name],
            once[name],
            "The loss is a mean over the batch: showing each example twice must not change it.",
        )


# --- Task 5: the referee ---------------------------------------------------------------------


@task("gradient_error", points=1)
def test_right_rules_pass(student, rng):
    """A correct gradient gets an error near zero, also where x is large."""
    for scale in (1.0, 30.0):
        x = rng.uniform(0.5, 1.5, size=(2, 3)) * scale
        error = expect.number(student.gradient_error(lambda v: (v**3).sum(), lambda v: 3 * v**2, x))
        expect.true(
            0 <= error < 1e-6,
            f"A correct gradient of x cubed, at x near {scale:g}, got the error {error:.2g}.",
        )


@task("gradient_error", points=1)
def test_planted_bugs_are_found(student, rng):
    """Four wrong gradients each get an error of at least one percent."""
    bugs = {
        "a sign is wrong": (lambda v: np.cos(v).sum(), np.sin),
        "a factor 2 is missing": (lambda v: (v**2).sum(), lambda v: v),
        "the wrong element is scaled": (
            lambda v: (v * np.arange(1, 5)).sum(),
            lambda v: np.arange(4, 0, -1.0),
        ),
        "only the last element is wrong": (
            lambda v: np.exp(v).sum(),
            lambda v: np.exp(v) * np.array([1, 1, 1, 1.1]),
        ),
    }
    x = rng.uniform(0.5, 1.5, size=4)
    for what, (f, wrong) in bugs.items():
        error = expect.number(student.gradient_error(f, wrong, x))
        expect.true(error > 0.01, f"A planted bug got through ({what}): error {error:.2g}.")


@task("gradient_error", points=1)
def test_the_error_is_relative(student, rng):
    """Multiplying the function by a constant leaves the error as it is."""
    x = rng.uniform(0.5, 1.5, size=3)
    errors = [
        expect.number(
            student.gradient_error(lambda v, c=c: c * (v**2).sum(), lambda v, c=c: c * 2.2 * v, x)
        )
        for c in (1.0, 1000.0)
    ]
    expect.close(
        errors[1],
        errors[0],
        "The same mistake got another error when the function was 1000 times larger: divide by "
        "the size of the gradients.",
        rtol=1e-3,
    )


# --- Task 6: a small automatic differentiation class -----------------------------------------


def nodes(student, *values):
    """Return an object of the learner's class for each value."""
    return [expect.instance(student.Node(value)) for value in values]


@task("Node", points=1)
def test_values_and_simple_gradients(student, rng):
    """Sums, products and tanh carry the right value and the right gradient."""
    p, q = (float(v) for v in rng.uniform(-1, 1, size=2))
    x, w = nodes(student, p, q)
    out = expect.instance(expect.instance(x * w + w, "x * w + w").tanh(), "tanh()")
    expect.close(out.value, np.tanh(p * q + q), "The value of tanh(x w + w) is off.")
    out.backward()
    slope = 1 - np.tanh(p * q + q) ** 2
    expect.close(out.grad, 1.0, "The output's own gradient is 1.")
    expect.close(x.grad, slope * q, "The gradient at x of tanh(x w + w) is off.")


@task("Node", points=1)
def test_fan_out_adds_up(student, rng):
    """A node used several times, also by nodes in the middle of the graph, gets every share."""
    p = float(rng.uniform(0.2, 0.8))
    (x,) = nodes(student, p)
    square = expect.instance(x * x, "x * x")
    out = expect.instance(square * square + x, "(x * x) * (x * x) + x")
    out.backward()
    expect.close(
        x.grad,
        4 * p**3 + 1,
        "The gradient of x^4 + x, written as (x x)(x x) + x, should be 4 x^3 + 1.",
    )


@task("Node", points=1)
def test_backward_passes_add_up(student, rng):
    """Each backward pass adds its own gradients to those that are there, and nothing else."""
    p, q = (float(v) for v in rng.uniform(0.2, 0.8, size=2))
    x, w = nodes(student, p, q)
    product = expect.instance(x * w, "x * w")
    first = expect.instance(product.tanh(), "tanh()")
    second = expect.instance(product * w, "(x * w) * w")
    first.backward()
    second.backward()
    slope = 1 - np.tanh(p * q) ** 2
    expect.close(
        w.grad,
        slope * p + 2 * p * q,
        "After two losses, .grad should hold the sum of the two gradients: add to what is there, "
        "but pass on only what arrived in this pass.",
    )


# --- Task 7: train on digits -----------------------------------------------------------------


@task("train_digits", points=1)
def test_it_recognizes_new_digits(student, rng):
    """The trained network classifies digits that it has never seen."""
    digits = dllab.load("digits")
    X_train, y_train = digits.train.x.reshape(-1, 64), digits.train.y
    X_test, y_test = digits.test.x.reshape(-1, 64), digits.test.y
    seed = int(rng.integers(1_000_000))
    trained = expect.mapping(student.train_digits(X_train, y_train, seed), NAMES)
    parameters = {name: expect.array(trained[name]) for name in NAMES}
    hidden = np.maximum(X_test @ parameters["W1"] + parameters["b1"], 0)
    logits = hidden @ parameters["W2"] + parameters["b2"]
    accuracy = float(np.mean(logits.argmax(axis=1) == y_test))
    expect.true(
        accuracy >= 0.9,
        f"The accuracy on new digits is {accuracy:.2f}; it should reach 0.90.",
    )


@task("train_digits", points=1)
def test_the_seed_decides_the_run(student, rng):
    """The same seed gives the same weights; another seed gives others."""
    digits = dllab.load("digits")
    X, y = digits.train.x.reshape(-1, 64)[:200], digits.train.y[:200]
    seed = int(rng.integers(1_000_000))
    first, again, other = (
        expect.mapping(student.train_digits(X, y, s), NAMES)["W1"] for s in (seed, seed, seed + 1)
    )
    expect.close(again, first, "Two runs with the same seed should give the same weights.")
    expect.true(
        np.shape(other) == np.shape(first) and not np.allclose(other, first),
        "Two different seeds gave the same weights: draw them from `rng`, not as zeros.",
    )
