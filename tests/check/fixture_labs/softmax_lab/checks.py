"""A small lab to try the check engine on: a function, a class and a graph of objects."""

import numpy as np

from dllab.check import expect, task


@task("softmax", points=2)
def test_rows_are_distributions(student, rng):
    """Each row of the softmax sums to one."""
    z = rng.normal(size=(4, 3))
    p = expect.array(student.softmax(z), shape=(4, 3))
    expect.close(p.sum(axis=1), np.ones(4), "Each row should sum to 1.")


@task("softmax", points=3)
def test_large_logits(student, rng):
    """Logits near 1000 give the same softmax as the same logits near 0."""
    z = rng.normal(size=(2, 5))
    far = expect.array(student.softmax(z + 1000), shape=(2, 5))
    near = expect.array(student.softmax(z), shape=(2, 5))
    expect.close(far, near, "Adding 1000 to all logits should change nothing.", rtol=1e-4)


@task("softmax", points=1)
def test_known_values(student, rng):
    """Logits log 1, log 2 and log 3 give 1/6, 2/6 and 3/6."""
    p = student.softmax(np.log([[1.0, 2.0, 3.0]]))
    assert np.allclose(p, [[1 / 6, 2 / 6, 3 / 6]], rtol=1e-4)


@task("dense", points=4)
def test_forward(student, rng):
    """The layer computes X W + b with W of shape (units_in, units_out)."""
    layer = student.Dense(3, 2)
    W, b, x = rng.normal(size=(3, 2)), rng.normal(size=2), rng.normal(size=(5, 3))
    layer.W = W
    layer.b = b
    out = expect.array(layer.forward(x), shape=(5, 2))
    expect.close(out, x @ W + b, "The output should be X W + b.", rtol=1e-4, atol=1e-6)


@task("dense", points=3)
def test_count(student, rng):
    """The parameters are all weights and all biases."""
    units_in, units_out = (int(n) for n in rng.integers(2, 9, size=2))
    count = expect.integer(student.Dense(units_in, units_out).count_params())
    expect.true(count == units_in * units_out + units_out, "Count the weights and the biases.")


@task("node", points=4)
def test_fan_out(student, rng):
    """A node that is used twice collects both gradients."""
    value = float(rng.normal()) + 3
    a = student.Node(value)
    b = a * a + a
    expect.close(expect.number(b.value), value * value + value, "Check the value of a * a + a.")
    b.backward()
    expect.close(expect.number(a.grad), 2 * value + 1, "The gradient at a should be 2 a + 1.")


@task("node", points=3)
def test_parents(student, rng):
    """A product remembers its two parents."""
    a, b = student.Node(2.0), student.Node(3.0)
    parents = (a * b).parents
    expect.true(list(parents) == [a, b], "A product's parents should be its factors.")
