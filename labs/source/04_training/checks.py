"""Checks of lab 04: laws of batches, optimizers and initial weights, and a network that learns."""

from itertools import pairwise

import numpy as np

import dllab
from dllab import scratch
from dllab.check import expect, task


def listed(value):
    """Tell whether a value has entries: a list, a tuple or an array with an axis."""
    return isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim > 0)


# --- Task 1: mini-batches --------------------------------------------------------------------


def epoch(student, n, batch_size, rng):
    """Return the learner's batches of one epoch as a list of arrays of row numbers."""
    batches = student.minibatches(n, batch_size, rng)
    expect.true(
        listed(batches) and len(batches) > 0,
        "minibatches() should return a list of arrays, one for each batch.",
    )
    return [expect.array(batch, shape=(None,), dtype=int) for batch in batches]


@task("minibatches", points=1)
def test_each_example_once(student, rng):
    """An epoch shows each example exactly once, in batches of the size asked for."""
    for n, batch_size in [(23, 5), (20, 5), (3, 8)]:
        batches = epoch(student, n, batch_size, rng)
        rows = np.concatenate(batches)
        expect.true(
            np.array_equal(np.sort(rows), np.arange(n)),
            f"With {n} examples, one epoch should hold each of the rows 0 to {n - 1} exactly once; "
            f"yours holds {len(rows)} rows, {len(np.unique(rows))} of them different.",
        )
        sizes = [len(batch) for batch in batches]
        expect.true(
            all(size == batch_size for size in sizes[:-1]) and 0 < sizes[-1] <= batch_size,
            f"{n} examples in batches of {batch_size} should give full batches and what is left; "
            f"yours have the sizes {sizes}.",
        )


@task("minibatches", points=1)
def test_chance_decides_who_shares_a_batch(student, rng):
    """No batch is a run of neighboring rows."""
    batches = epoch(student, 240, 24, rng)
    runs = sum(len(batch) > 1 and np.ptp(batch) == len(batch) - 1 for batch in batches)
    expect.true(
        runs == 0,
        f"{runs} of {len(batches)} batches hold neighboring rows only: in sorted data such a batch "
        "shows a single class. Shuffle the examples before cutting them into batches.",
    )
    rows = np.concatenate(batches)
    expect.true(
        len(np.unique(np.diff(rows))) > 24,
        "The rows follow each other in a regular pattern: let chance decide their order.",
    )


@task("minibatches", points=1)
def test_each_epoch_is_shuffled_anew(student, rng):
    """The generator decides: two epochs differ, and the same seed gives the same epoch."""
    seed = int(rng.integers(1_000_000))
    first, again = (
        np.concatenate(epoch(student, 60, 7, np.random.default_rng(seed))) for _ in range(2)
    )
    other = np.concatenate(epoch(student, 60, 7, np.random.default_rng(seed + 1)))
    expect.true(
        len(first) != len(other) or not np.array_equal(first, other),
        "Two epochs came in the same order: draw the order from `rng` each time.",
    )
    expect.true(
        np.array_equal(first, again),
        "The same seed gave two different orders: draw from `rng` and from nothing else.",
    )


# --- Tasks 2 and 3: optimizers ---------------------------------------------------------------


def walk(optimizer, w, gradients, reference=None):
    """Return where the learner's optimizer, and a reference of dllab.scratch, lead from `w`."""
    tensor = scratch.Tensor(w)
    theirs = None if reference is None else reference([tensor])
    ours = np.array(w)
    for gradient in gradients:
        ours = expect.array(optimizer.step(ours, gradient.copy()), shape=gradient.shape)
        if theirs is not None:
            tensor.grad = gradient.copy()
            theirs.step()
    return ours, tensor.data


@task("Momentum", points=1)
def test_ten_steps_with_momentum(student, rng):
    """Ten steps on random gradients lead where SGD with momentum of dllab.scratch leads."""
    w, gradients = rng.normal(size=(3, 2)), rng.normal(size=(10, 3, 2))
    rate, momentum = float(rng.uniform(0.05, 0.2)), float(rng.uniform(0.5, 0.9))
    optimizer = expect.instance(student.Momentum(rate, momentum))
    ours, theirs = walk(optimizer, w, gradients, lambda p: scratch.SGD(p, rate, momentum))
    expect.close(
        ours,
        theirs,
        "After ten steps with momentum the weights are elsewhere.",
        rtol=1e-5,
        atol=1e-6,
    )


@task("Momentum", points=1)
def test_a_constant_slope_makes_the_steps_grow(student, rng):
    """On a constant slope the steps grow toward rate / (1 - momentum), as in a geometric series."""
    rate, momentum = float(rng.uniform(0.05, 0.2)), float(rng.uniform(0.4, 0.8))
    optimizer = expect.instance(student.Momentum(rate, momentum))
    w, steps = np.zeros(2), []
    for _ in range(3):
        moved = expect.array(optimizer.step(w, np.ones(2)), shape=(2,))
        steps.append((w - moved)[0])
        w = moved
    first = "The first step has no velocity yet: it is the rate times the gradient."
    expect.close(steps[0], rate, first, rtol=1e-5)
    expect.close(
        steps[2] / steps[0],
        1 + momentum + momentum**2,
        "On a constant slope the third step should be 1 + mu + mu^2 times the first: each step "
        "keeps the share mu of the velocity.",
        rtol=1e-5,
    )


@task("AdamW", points=1)
def test_constant_gradients_give_steps_of_the_rate(student, rng):
    """With a gradient that never changes, each step has the size of the rate, from the first on."""
    rate = float(rng.uniform(0.01, 0.1))
    sizes = rng.uniform(0.1, 1.0, size=4) * np.array([1, -10, 100, -1000])
    optimizer = expect.instance(student.AdamW(rate))
    w = np.zeros(4)
    for number in ("first", "second", "third"):
        moved = expect.array(optimizer.step(w, sizes.copy()), shape=(4,))
        expect.close(
            w - moved,
            rate * np.sign(sizes),
            f"The gradient never changes, so the {number} step should be the learning rate in "
            "each entry, however large the gradient is: the correction makes both averages exact.",
            rtol=1e-4,
        )
        w = moved


@task("AdamW", points=1)
def test_ten_steps_of_adam(student, rng):
    """Ten steps on random gradients lead where Adam of dllab.scratch leads."""
    w, gradients = rng.normal(size=(3, 2)), rng.uniform(0.5, 2.0, size=(10, 3, 2))
    gradients *= rng.choice([-1, 1], size=gradients.shape)
    betas = {"beta_1": float(rng.uniform(0.6, 0.9)), "beta_2": float(rng.uniform(0.9, 0.99))}
    optimizer = expect.instance(student.AdamW(0.1, **betas))
    ours, theirs = walk(optimizer, w, gradients, lambda p: scratch.Adam(p, 0.1, **betas))
    expect.close(
        ours, theirs, "After ten steps of Adam the weights are elsewhere.", rtol=1e-4, atol=1e-5
    )


@task("AdamW", points=1)
def test_epsilon_matters_only_beside_the_root(student, rng):
    """A gradient of 1e-4 is large beside an epsilon of 1e-10, so the step is still the rate."""
    gradient = 1e-4 * rng.uniform(1, 2, size=3)
    optimizer = expect.instance(student.AdamW(0.1, epsilon=1e-10))
    moved = expect.array(optimizer.step(np.zeros(3), gradient), shape=(3,))
    expect.close(
        -moved,
        np.full(3, 0.1),
        "With epsilon = 1e-10 and gradients of 1e-4 the first step should still be the rate: "
        "epsilon stands beside the square root, where 1e-10 is nothing beside 1e-4.",
        rtol=5e-4,
    )


@task("AdamW", points=2)
def test_the_decay_ignores_the_gradient(student, rng):
    """Decay takes the same share from weights with large and with small gradients."""
    w = rng.uniform(1, 2, size=4)
    gradients = rng.uniform(0.5, 1.0, size=(3, 4)) * np.array([0.01, 1, 100, 1000])
    rate, decay = 0.05, float(rng.uniform(0.2, 0.8))
    optimizer = expect.instance(student.AdamW(rate, weight_decay=decay))
    ours, theirs = walk(optimizer, w, gradients, lambda p: scratch.AdamW(p, rate, decay))
    expect.close(
        ours,
        theirs,
        "After three steps with weight decay the weights are elsewhere: each step should take the "
        "share rate * weight_decay of each weight, whatever its gradient.",
        rtol=1e-4,
        atol=1e-5,
    )


# --- Task 4: the schedule --------------------------------------------------------------------


@task("rate_at", points=1)
def test_landmarks_of_the_schedule(student, rng):
    """Zero at the start, the peak after the warm-up, half of it midway down, zero at the end."""
    per_epoch, warmup = int(rng.integers(5, 9)) * 2, int(rng.integers(1, 4))
    epochs, peak = warmup + 4, float(rng.uniform(0.01, 0.1))
    landmarks = {
        "at step 0": (0, 0.0),
        "halfway through the warm-up": (warmup * per_epoch // 2, peak / 2),
        "right after the warm-up": (warmup * per_epoch, peak),
        "halfway down": ((warmup + 2) * per_epoch, peak / 2),
        "at the end of the last epoch": (epochs * per_epoch, 0.0),
    }
    for where, (step, wanted) in landmarks.items():
        rate = expect.number(student.rate_at(step, per_epoch, epochs, warmup, peak))
        expect.close(
            rate / peak,
            wanted / peak,
            f"With {per_epoch} steps an epoch, {epochs} epochs and {warmup} of warm-up, the rate "
            f"{where} (step {step}) should be {wanted / peak:g} times the peak.",
            rtol=1e-5,
        )


@task("rate_at", points=1)
def test_the_rate_changes_within_an_epoch(student, rng):
    """Between two neighboring steps of the fall the rate falls."""
    per_epoch, epochs = int(rng.integers(8, 15)), int(rng.integers(3, 7))
    start = per_epoch + int(rng.integers(0, per_epoch // 2))
    rates = [
        expect.number(student.rate_at(step, per_epoch, epochs, 1, 1.0))
        for step in range(start, start + 4)
    ]
    expect.true(
        all(after < before for before, after in pairwise(rates)),
        "During the fall each step should have a smaller rate than the one before: the schedule "
        "counts steps, not epochs.",
    )


@task("rate_at", points=1)
def test_the_fall_is_half_a_cosine(student, rng):
    """At any step the rate is that of cosine_decay of dllab.scratch, with a warm-up."""
    per_epoch, epochs = int(rng.integers(5, 15)), int(rng.integers(4, 9))
    for warmup in (0, 2):
        fall = (epochs - warmup) * per_epoch
        schedule = scratch.schedules.cosine_decay(
            0.3 if warmup == 0 else 0.0,
            fall,
            warmup_target=0.3 if warmup else None,
            warmup_steps=warmup * per_epoch,
        )
        for step in rng.integers(1, epochs * per_epoch, size=4).tolist():
            rate = expect.number(student.rate_at(step, per_epoch, epochs, warmup, 0.3))
            expect.close(
                rate,
                schedule(step),
                f"With {per_epoch} steps an epoch, {epochs} epochs and {warmup} of warm-up, the "
                f"rate at step {step} is not on the line and the cosine of the task.",
                rtol=1e-5,
            )


# --- Task 5: clipping ------------------------------------------------------------------------


def random_gradients(rng):
    """Return gradients of two layers, those of the first far larger."""
    shapes = {"W1": (4, 3), "b1": (3,), "W2": (3, 2), "b2": (2,)}
    scale = {"W1": 10.0, "b1": 5.0, "W2": 1.0, "b2": 0.5}
    return {name: scale[name] * rng.normal(size=shape) for name, shape in shapes.items()}


def flat(gradients):
    """Return all entries of all gradients as one vector."""
    return np.concatenate([np.ravel(gradients[name]) for name in ("W1", "b1", "W2", "b2")])


def clipped(student, gradients, max_norm):
    """Return the learner's clipped gradients as one vector."""
    given = expect.mapping(student.clip_gradients(gradients, max_norm), gradients)
    arrays = {k: expect.array(given[k], shape=v.shape) for k, v in gradients.items()}
    return flat(arrays).astype(float)


@task("clip_gradients", points=1)
def test_long_gradients_keep_their_direction(student, rng):
    """All gradients are multiplied by one number, and together they have the norm asked for."""
    gradients = random_gradients(rng)
    before, max_norm = flat(gradients), float(rng.uniform(1.5, 4.0))
    after = clipped(student, gradients, max_norm)
    cosine = after @ before / (np.linalg.norm(after) * np.linalg.norm(before) + 1e-300)
    expect.true(
        cosine > 1 - 1e-8,
        "Clipping turned the gradient: multiply all entries of all arrays by one and the same "
        f"number (the angle to where it pointed is {np.degrees(np.arccos(min(cosine, 1))):.0f} "
        "degrees).",
    )
    expect.close(
        np.linalg.norm(after),
        max_norm,
        "After clipping, the norm over all arrays together should be `max_norm`.",
        rtol=1e-5,
    )


@task("clip_gradients", points=1)
def test_short_gradients_stay(student, rng):
    """Gradients below the limit come back as they were."""
    gradients = {name: 1e-3 * g for name, g in random_gradients(rng).items()}
    norm = float(np.linalg.norm(flat(gradients)))
    for limit in (1.05 * norm, 50.0):
        expect.close(
            clipped(student, gradients, limit),
            flat(gradients),
            f"The norm of all gradients is {norm:.2g} and the limit {limit:.2g}: nothing should "
            "change.",
            rtol=1e-5,
        )


# --- Task 6: initial weights -----------------------------------------------------------------


def matrices(student, sizes, rng):
    """Return the learner's weight matrices, checked for their shapes."""
    weights = student.he_weights(sizes, rng)
    expect.true(
        listed(weights) and len(weights) == len(sizes) - 1,
        f"he_weights() should return a list of {len(sizes) - 1} matrices for {len(sizes)} layer "
        "sizes.",
    )
    pairs = zip(weights, sizes[:-1], sizes[1:], strict=True)
    return [expect.array(W, shape=(n_in, n_out)) for W, n_in, n_out in pairs]


@task("he_weights", points=1)
def test_the_variance_is_two_over_the_inputs(student, rng):
    """Each matrix has mean 0 and the variance 2 / units_in, whatever the sizes of its layers."""
    for W in matrices(student, [300, 100, 400, 50], rng):
        wanted, found = 2 / W.shape[0], float(W.var())
        expect.true(
            0.85 * wanted < found < 1.15 * wanted,
            f"The weights of a layer with {W.shape[0]} inputs and {W.shape[1]} units have the "
            f"variance {found:.2g}; it should be 2 / {W.shape[0]} = {wanted:.2g}.",
        )
        deviations = float(W.mean() * np.sqrt(W.size / wanted))
        expect.true(abs(deviations) < 6, "The weights of a layer should have mean 0.")


@task("he_weights", points=1)
def test_the_signal_survives_thirty_layers(student, rng):
    """Through thirty ReLU layers the signal neither vanishes nor explodes, and its units differ."""
    a = rng.normal(size=(20, 200))
    for W in matrices(student, [200] * 31, rng):
        a = np.maximum(a @ W, 0)
    size = float(np.sqrt(np.mean(a**2)))
    expect.true(
        0.05 < size < 20,
        f"A signal of size 1 has the size {size:.1e} after thirty layers: it should stay of the "
        "same order.",
    )
    expect.true(
        float(np.std(a.mean(axis=0))) > 0.05 * size,
        "After thirty layers all units of a layer do the same: draw each weight by itself.",
    )


# --- Task 7: training ------------------------------------------------------------------------

NAMES = ("W1", "b1", "W2", "b2")


def sorted_digits(size):
    """Return coarse training digits sorted by class, and new ones: (X, y, X_new, y_new)."""
    digits = dllab.load("mnist5k")
    order = np.argsort(digits.train.y[:size], kind="stable")

    def coarse(images):
        return images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(-1, 196)

    X, y = coarse(digits.train.x[:size])[order], digits.train.y[:size][order]
    return X, y, coarse(digits.validation.x), digits.validation.y


def trained(student, X, y, seed):
    """Return the learner's trained parameters as arrays that fit each other."""
    found = expect.mapping(student.train(X, y, seed), NAMES)
    W1 = expect.array(found["W1"], shape=(196, None))
    hidden = W1.shape[1]
    shapes = {"b1": (hidden,), "W2": (hidden, 10), "b2": (10,)}
    return {"W1": W1, **{k: expect.array(found[k], shape=s) for k, s in shapes.items()}}


@task("train", points=2, seconds=60, trains=True)
def test_it_recognizes_new_digits(student, rng):
    """Trained on digits sorted by class, the network recognizes digits it has never seen."""
    X, y, X_new, y_new = sorted_digits(1500)
    p = trained(student, X, y, int(rng.integers(1_000_000)))
    logits = np.maximum(X_new @ p["W1"] + p["b1"], 0) @ p["W2"] + p["b2"]
    accuracy = float(np.mean(logits.argmax(axis=1) == y_new))
    expect.true(
        accuracy >= 0.85,
        f"The accuracy on new digits is {accuracy:.2f}; it should reach 0.85.",
    )


@task("train", points=1, seconds=60, trains=True)
def test_the_seed_decides_the_run(student, rng):
    """The same seed gives the same weights; another seed gives others."""
    X, y, _, _ = sorted_digits(200)
    seed = int(rng.integers(1_000_000))
    first, again, other = (trained(student, X, y, s)["W1"] for s in (seed, seed, seed + 1))
    expect.close(again, first, "Two runs with the same seed should give the same weights.")
    expect.true(
        other.shape != first.shape or not np.allclose(other, first),
        "Two different seeds gave the same weights: draw them from the generator.",
    )
