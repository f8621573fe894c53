"""Checks of a lab to which accidents happen."""

import numpy as np

from dllab.check import expect, task


@task("shares", points=2)
def test_shares_of_the_sum(student, rng):
    """Each share is the number divided by the sum."""
    counts = [int(count) for count in rng.integers(1, 9, size=4)]
    found = expect.array(student.shares(counts), shape=(4,))
    expect.close(found, np.array(counts) / sum(counts), "Divide by the sum.")


@task("loss", points=3)
def test_half_the_mean_square(student, rng):
    """The loss is half the mean of the squared residuals."""
    x, w, y = rng.normal(size=(5, 2)), rng.normal(size=2), rng.normal(size=5)
    found = expect.number(student.loss(x, w, y))
    expect.close(found, ((x @ w - y) ** 2).mean() / 2, "Take half the mean of the squares.")


@task("Weight", points=3)
def test_step_goes_down(student, rng):
    """A step moves against the gradient."""
    value, gradient = (float(number) for number in rng.normal(size=2))
    weight = student.Weight(value)
    weight.step(gradient, 0.1)
    expect.close(expect.number(weight.value), value - 0.1 * gradient, "Move against the gradient.")
