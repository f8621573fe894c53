"""Checks of lab 80: two tasks in NumPy, and two that return a Keras model."""

import numpy as np

from dllab.check import expect, task

# --- Task 1: softmax -------------------------------------------------------------------------


@task("softmax", points=3)
def test_rows_are_distributions(student, rng):
    """Each row sums to 1 and keeps the ratios of the exponentials."""
    z = rng.normal(size=(4, 3))
    p = expect.array(student.softmax(z), shape=(4, 3))
    expect.close(p.sum(axis=1), np.ones(4), "Each row should sum to 1.")
    expect.close(
        p[:, 1] * np.exp(z[:, 0]),
        p[:, 0] * np.exp(z[:, 1]),
        "Two probabilities of a row should have the ratio e to the difference of their scores.",
    )


@task("softmax", points=2)
def test_large_scores(student, rng):
    """Adding 1000 to all scores of a row changes nothing."""
    z = rng.normal(size=(2, 5))
    here = expect.array(student.softmax(z), shape=(2, 5))
    there = expect.array(student.softmax(z + 1000), shape=(2, 5))
    expect.close(there, here, "Adding 1000 to all scores changed the probabilities.", atol=1e-7)


# --- Task 2: standardize ---------------------------------------------------------------------


@task("standardize", points=3)
def test_training_data_come_out_standardized(student, rng):
    """Each feature of the training data has mean 0 and standard deviation 1."""
    x = rng.normal(size=(50, 3)) * [1, 10, 0.1] + [5, -2, 0]
    scaled = expect.array(expect.instance(student.Standardizer(x)).transform(x), shape=(50, 3))
    expect.close(scaled.mean(axis=0), np.zeros(3), "Each feature should get mean 0.", atol=1e-6)
    expect.close(scaled.std(axis=0), np.ones(3), "Each feature should get standard deviation 1.")
    expect.close(
        scaled[:, 1] * x[:, 1].std(),
        x[:, 1] - x[:, 1].mean(),
        "The scaled features should rise and fall as the features do.",
        atol=1e-6,
    )


@task("standardize", points=2)
def test_new_data_are_scaled_by_the_training_data(student, rng):
    """What is learned from the training data scales all other data."""
    x = rng.normal(size=(40, 2)) + 3
    scaler = expect.instance(student.Standardizer(x))
    scaled = expect.array(scaler.transform(x[:5]), shape=(5, 2))
    whole = expect.array(scaler.transform(x), shape=(40, 2))
    expect.close(scaled, whole[:5], "The same rows got other values when they came alone.")
    expect.close(whole.mean(axis=0), np.zeros(2), "Use the mean of the training data.", atol=1e-6)
    mean = expect.array(scaler.mean, shape=(2,))
    expect.close(mean, x.mean(axis=0), "`mean` should hold the mean of each feature.")


# --- Task 3: build ---------------------------------------------------------------------------


def built(student, rng):
    """Return (model, features, units, classes) of a network that the learner built."""
    features, units, classes = (int(n) for n in rng.permutation(np.arange(3, 12))[:3])
    network = student.build_network(features, units, classes)
    model = expect.model(network, input_shape=(features,), output_shape=(classes,))
    return model, features, units, classes


@task("build_network", points=2)
def test_the_layers(student, rng):
    """There are two dense layers, the first as wide as asked."""
    model, _, units, _ = built(student, rng)
    dense = [layer for layer in model.layers if layer.kind == "Dense"]
    expect.true(
        len(dense) == 2, f"Build a hidden and an output layer; there are {len(dense)} dense layers."
    )
    expect.true(dense[0].config["units"] == units, "The hidden layer should have `units` units.")


@task("build_network", points=1)
def test_it_bends(student, rng):
    """Doubling the input does not simply double the scores: there is a ReLU."""
    model, *_ = built(student, rng)
    names = [layer.config.get("activation") for layer in model.layers]
    kinds = [layer.kind for layer in model.layers]
    expect.true("relu" in names or "ReLU" in kinds, "The hidden layer should have ReLU.")


@task("build_network", points=2)
def test_outputs_are_probabilities(student, rng):
    """Each row of the output is positive and sums to 1."""
    model, features, _, _ = built(student, rng)
    p = model.predict(3 * rng.normal(size=(6, features)))
    expect.true(np.all(p >= 0), "A probability should not be negative.")
    expect.close(p.sum(axis=1), np.ones(6), "The outputs should sum to 1.", atol=1e-5)


# --- Task 4: train ---------------------------------------------------------------------------


def points(rng, n):
    """Return points of a square away from its axes, and their classes."""
    x = rng.uniform(0.15, 1, size=(n, 2)) * rng.choice([-1.0, 1.0], size=(n, 2))
    return x, (x[:, 0] * x[:, 1] > 0).astype(int)


@task("train_network", points=3)
def test_it_classifies_new_points(student, rng):
    """The returned weights classify points that the network has never seen."""
    x, y = points(rng, 512)
    new, wanted = points(rng, 200)
    model = expect.model(student.train_network(x, y, 1), input_shape=(2,), output_shape=(2,))
    accuracy = float(np.mean(model.predict(new).argmax(axis=1) == wanted))
    expect.true(accuracy >= 0.9, f"{100 * accuracy:.0f} % of new points are right; reach 90 %.")


@task("train_network", points=2)
def test_the_seed_decides(student, rng):
    """The same seed gives the same weights."""
    x, y = points(rng, 16)
    first, again = (
        expect.model(student.train_network(x, y, 5), input_shape=(2,), output_shape=(2,))
        for _ in range(2)
    )
    same = [np.array_equal(a, b) for a, b in zip(first.weights, again.weights, strict=True)]
    expect.true(all(same), "Two runs with the same seed should give the same weights.")
