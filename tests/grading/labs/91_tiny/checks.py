"""Checks of a lab so small that a class of it is graded in seconds."""

import numpy as np

from dllab.check import expect, task


@task("total", points=2)
def test_the_sum_is_that_of_numpy(student, rng):
    """The total agrees with NumPy's sum."""
    x = rng.normal(size=7)
    expect.close(expect.number(student.total(x)), x.sum(), "The total is not the sum of `x`.")


@task("total", points=1)
def test_nothing_adds_up_to_zero(student):
    """The total of no numbers is 0."""
    expect.close(expect.number(student.total(np.zeros(0))), 0.0, "Nothing adds up to 0.")


@task("center", points=2)
def test_centering_moves_the_mean_to_zero(student, rng):
    """The centered elements have mean zero."""
    centered = expect.array(student.center(rng.normal(loc=3, size=7)), shape=(7,))
    expect.close(centered.mean(), 0, "The centered elements should have mean 0.")
