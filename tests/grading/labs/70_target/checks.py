"""Checks of a lab that hostile notebooks are aimed at."""

import numpy as np

from dllab.check import expect, task

# canary-c4ec0001: this text stands in the source of the checks and nowhere else
HIDDEN = "canary-e4ec0002"  # a check computes with it, and no student ever sees it


@task("scale", points=1, seconds=2)
def test_numbers_are_scaled(student, rng):
    """Each number is k times what it was."""
    x, k = rng.normal(size=5), float(rng.uniform(2, 3))
    expect.close(expect.array(student.scale(x, k), shape=(5,)), k * x, "Multiply x by k.")


@task("scale", points=1, seconds=2)
def test_shape_is_kept(student, rng):
    """The result has the shape of x."""
    x = rng.normal(size=(2, 3))
    found = expect.array(student.scale(x, 2.0), shape=(2, 3))
    assert np.allclose(found, 2 * x)


@task("softmax", points=1, seconds=2)
def test_rows_are_distributions(student, rng):
    """Each row sums to one."""
    z = rng.normal(size=(4, 3))
    p = expect.array(student.softmax(z), shape=(4, 3))
    expect.close(p.sum(axis=1), np.ones(4), "Each row should sum to 1.")


@task("softmax", points=1, seconds=2)
def test_ratios_are_exponentials(student, rng):
    """The ratio of two entries is the exponential of the difference of their logits."""
    z = rng.normal(size=(4, 3))
    p = expect.array(student.softmax(z), shape=(4, 3))
    wanted = np.exp(z[:, 0] - z[:, 1])
    expect.close(p[:, 0] / p[:, 1], wanted, "Ratios should be exponentials of differences.")


@task("softmax", points=1, seconds=2)
def test_large_logits_are_fine(student, rng):
    """Logits near 1000 give numbers."""
    expect.array(student.softmax(rng.normal(size=(2, 3)) + 1000), shape=(2, 3))


@task("Meter", points=1, seconds=2)
def test_mean_of_what_was_added(student, rng):
    """The mean is that of all values."""
    values = [float(v) for v in rng.normal(size=4)]
    meter = student.Meter()
    for value in values:
        meter.add(value)
    expect.close(expect.number(meter.mean), np.mean(values), "The mean is off.")


@task("Meter", points=1, seconds=2)
def test_meters_are_apart(student, rng):
    """What one meter is told, another does not know."""
    first, second = student.Meter(), student.Meter()
    value = float(rng.normal())
    first.add(value)
    second.add(value + 1)
    expect.close(expect.number(first.mean), value, "Two meters share what they were told.")


@task("twice", points=1, seconds=2)
def test_function_is_applied_twice(student, rng):
    """The function is applied to its own result."""
    slope, x = float(rng.uniform(2, 3)), float(rng.normal())
    found = expect.number(student.twice(lambda v: slope * v + 1, x))
    expect.close(found, slope * (slope * x + 1) + 1, "Apply f to f(x).")


@task("draw", points=1, seconds=2)
def test_numbers_come_from_the_generator(student, rng):
    """Another generator of the same seed gives the same numbers."""
    seed = int(rng.integers(2**31))
    found = expect.array(student.draw(np.random.default_rng(seed), 3), shape=(3,))
    expect.close(found, np.random.default_rng(seed).normal(size=3), "Draw from rng.")
    expect.array(student.draw(rng, 4), shape=(4,))
    once_more = rng.normal(size=4)  # the student's copy went on, and the check's own did not
    assert len(once_more) == 4


@task("backwards", points=1, seconds=2)
def test_text_is_reversed(student, rng):
    """The first letter comes last."""
    text = "".join(chr(97 + int(n)) for n in rng.integers(26, size=12))
    found = student.backwards(text)
    if isinstance(found, str) and found.startswith("number "):
        float(HIDDEN + found)  # a check that breaks on a strange value, and shows its own
    assert found == text[::-1] or found == HIDDEN
