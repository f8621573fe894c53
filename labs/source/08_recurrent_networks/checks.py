"""Checks of lab 08: cells against the engine, gradients against its tape, and real sequences."""

import numpy as np

import dllab
from dllab.check import expect, task
from dllab.scratch import GRU, LSTM, SimpleRNN, Tensor

BATCH, TIME, FEATURES, UNITS = 3, 5, 2, 4  # all different: a swapped axis shows


def weights_of(layer, rng):
    """Give a layer random weights and return them as arrays; biases are not zero."""
    for parameter in layer.parameters():
        parameter.data = rng.normal(0, 0.7, size=parameter.shape)
    return [parameter.data for parameter in layer.parameters()]


def small_rnn(rng, return_sequences=True):
    """Return a batch of sequences, a simple layer and its weights K, R, b."""
    layer = SimpleRNN(FEATURES, UNITS, rng=rng, return_sequences=return_sequences)
    return rng.normal(size=(BATCH, TIME, FEATURES)), layer, weights_of(layer, rng)


# --- Task 1: a simple recurrent layer --------------------------------------------------------


@task("rnn_forward", points=1)
def test_a_sequence_knows_nothing_of_the_others(student, rng):
    """A sequence gives the same states alone and in a batch, and starts from a state of zeros."""
    x, _, weights = small_rnn(rng)
    states = expect.array(student.rnn_forward(x, *weights), shape=(BATCH, TIME, UNITS))
    K, _, b = weights
    expect.close(
        states[:, 0],
        np.tanh(x[:, 0] @ K + b),
        "The state before the first step is zero, so the first state is tanh(x K + b).",
    )
    for row in range(BATCH):
        alone = expect.array(student.rnn_forward(x[row : row + 1], *weights), (1, TIME, UNITS))
        expect.close(
            states[row],
            alone[0],
            "A sequence got other states in a batch than alone: axis 0 counts sequences, axis 1 "
            "time, and every sequence starts from zero.",
        )


@task("rnn_forward", points=1)
def test_states_equal_the_engine_s(student, rng):
    """All states equal those of `dllab.scratch.SimpleRNN` with the same weights."""
    x, layer, weights = small_rnn(rng)
    states = expect.array(student.rnn_forward(x, *weights), shape=(BATCH, TIME, UNITS))
    expect.close(
        states[:, 1],
        layer(x).data[:, 1],
        "The second state is off: it is tanh of x K plus the first state times R plus b.",
        rtol=1e-5,
        atol=1e-6,
    )
    expect.close(states, layer(x).data, "A later state is off.", rtol=1e-5, atol=1e-6)


# --- Task 2: backpropagation through time ----------------------------------------------------


def tape_gradients(layer, x, h_bar):
    """Return the gradients of sum(states * h_bar) that the engine's tape finds."""
    x = Tensor(x)
    (layer(x) * h_bar).sum().backward()
    return {
        "x": x.grad,
        "K": layer.kernel.grad,
        "R": layer.recurrent_kernel.grad,
        "b": layer.bias.grad,
    }


def compare_gradients(student, rng, h_bar, names, message):
    x, layer, (K, R, _) = small_rnn(rng)
    h = layer(x).data
    ours = expect.mapping(student.rnn_backward(x, h, h_bar, K, R), names)
    wanted = tape_gradients(layer, x, h_bar)
    for name in names:
        expect.close(
            expect.array(ours[name], shape=wanted[name].shape),
            wanted[name],
            message.format(name),
            rtol=1e-4,
            atol=1e-6,
        )


@task("rnn_backward", points=1)
def test_one_step_back(student, rng):
    """When only the first state matters, the gradients are those of one dense layer."""
    h_bar = np.zeros((BATCH, TIME, UNITS))
    h_bar[:, 0] = rng.normal(size=(BATCH, UNITS))
    compare_gradients(
        student, rng, h_bar, ["K", "R", "b"], "With a loss at the first step only, {} is off."
    )


@task("rnn_backward", points=1)
def test_the_gradient_reaches_the_first_input(student, rng):
    """When only the last state matters, every earlier input still has a gradient."""
    h_bar = np.zeros((BATCH, TIME, UNITS))
    h_bar[:, -1] = rng.normal(size=(BATCH, UNITS))
    compare_gradients(
        student,
        rng,
        h_bar,
        ["x", "K", "R", "b"],
        "With a loss at the last step only, {} is off: hand the adjoint from state to state.",
    )


@task("rnn_backward", points=1)
def test_every_step_counts(student, rng):
    """When every state matters, a state collects its own adjoint and that of the next step."""
    compare_gradients(
        student,
        rng,
        rng.normal(size=(BATCH, TIME, UNITS)),
        ["x", "K", "R", "b"],
        "With a loss at every step, {} is off: contributions of all steps add up.",
    )


# --- Task 3: gates ---------------------------------------------------------------------------


def states(rng, count):
    return [rng.normal(size=(BATCH, UNITS)) for _ in range(count)]


@task("gates", points=1)
def test_a_cell_can_be_kept(student, rng):
    """With the forget gate open and the input gate closed, the cell stays as it is."""
    h, c = states(rng, 2)
    K, R = np.zeros((FEATURES, 4 * UNITS)), np.zeros((UNITS, 4 * UNITS))
    b = np.repeat([-50.0, 50.0, 0.5, 50.0], UNITS)
    x_t = rng.normal(size=(BATCH, FEATURES))
    new_h, new_c = pair(student.lstm_step(x_t, h, c, K, R, b))
    expect.close(
        new_c,
        c,
        "Input gate closed, forget gate open: the cell should stay. Order: i, f, g, o.",
    )
    expect.close(new_h, np.tanh(c), "With the output gate open, h is tanh of the cell.")


def pair(value):
    """Return the two states that `lstm_step` should give."""
    expect.true(
        isinstance(value, (tuple, list)) and len(value) == 2,
        "`lstm_step` should return two arrays, h and c.",
    )
    h, c = value
    return expect.array(h, (BATCH, UNITS)), expect.array(c, (BATCH, UNITS))


@task("gates", points=1)
def test_lstm_equals_the_engine_s(student, rng):
    """One step of an LSTM with random weights equals `dllab.scratch.LSTM`."""
    layer = LSTM(FEATURES, UNITS, rng=rng)
    weights = weights_of(layer, rng)
    (h, c), x_t = states(rng, 2), rng.normal(size=(BATCH, FEATURES))
    wanted_h, wanted_c = layer.step(x_t, (Tensor(h), Tensor(c)))
    new_h, new_c = pair(student.lstm_step(x_t, h, c, *weights))
    expect.close(new_c, wanted_c.data, "The new cell is off.", rtol=1e-5, atol=1e-6)
    expect.close(new_h, wanted_h.data, "The new h is off.", rtol=1e-5, atol=1e-6)


@task("gates", points=2)
def test_gru_equals_the_engine_s(student, rng):
    """One step of a GRU with random weights equals `dllab.scratch.GRU`, as in Keras."""
    layer = GRU(FEATURES, UNITS, rng=rng)
    weights = weights_of(layer, rng)
    (h,), x_t = states(rng, 1), rng.normal(size=(BATCH, FEATURES))
    (wanted,) = layer.step(x_t, (Tensor(h),))
    new = expect.array(student.gru_step(x_t, h, *weights), shape=(BATCH, UNITS))
    expect.close(new, wanted.data, "The new state of the GRU is off.", rtol=1e-5, atol=1e-6)


# --- Task 4: padding -------------------------------------------------------------------------


@task("padding", points=1)
def test_the_last_state_is_that_of_the_sequence_alone(student, rng):
    """A padded sequence ends in the state in which it ends without padding."""
    x, layer, weights = small_rnn(rng, return_sequences=False)
    lengths = np.array([5, 2, 3])
    x[np.arange(TIME) >= lengths[:, None]] = 0
    last = expect.array(student.last_state(x, lengths, *weights), shape=(BATCH, UNITS))
    for row, length in enumerate(lengths):
        expect.close(
            last[row],
            layer(x[row : row + 1, :length]).data[0],
            f"A sequence of {length} steps, padded to {TIME}, does not end in the state that it "
            "has without the padding.",
            rtol=1e-5,
            atol=1e-6,
        )


@task("padding", points=1)
def test_what_is_in_the_padding_does_not_matter(student, rng):
    """Other numbers in the padding leave the last state as it is."""
    x, _, weights = small_rnn(rng)
    lengths = np.array([1, 4, 3])
    padding = np.arange(TIME) >= lengths[:, None]
    found = []
    for filler in (0.0, 7.0):
        x[padding] = filler
        found.append(expect.array(student.last_state(x, lengths, *weights), (BATCH, UNITS)))
    expect.close(found[1], found[0], "Filling the padding with 7 in place of 0 changed a state.")


@task("padding", points=1)
def test_the_mean_is_over_real_steps(student, rng):
    """The mean of losses counts each real step once, and padding not at all."""
    losses = rng.uniform(1, 2, size=(3, 6))
    mask = np.arange(6) < np.array([[6], [1], [3]])
    mean = expect.number(student.masked_mean(losses, mask))
    real = losses[mask]
    expect.close(
        mean,
        real.sum() / real.size,
        "The mean should be the sum over all real steps, divided by how many they are.",
    )
    losses[~mask] = 1000.0
    again = expect.number(student.masked_mean(losses, mask))
    expect.close(again, mean, "Losses at padded steps changed the mean.")


# --- Task 5: a model of characters -----------------------------------------------------------


@task("characters", points=1)
def test_the_target_is_the_next_letter(student, rng):
    """Each target is the input of the step after it, and both ends are marked by 0."""
    names = rng.integers(1, 27, size=(4, 6))
    names[np.arange(6) >= np.array([[6], [2], [4], [3]])] = 0
    given = student.shifted_pairs(names)
    expect.true(
        isinstance(given, (tuple, list)) and len(given) == 2,
        "`shifted_pairs` should return two arrays, inputs and targets.",
    )
    inputs, targets = (expect.array(part, shape=(4, 7)) for part in given)
    expect.close(inputs[:, 0], np.zeros(4), "The first input is 0: nothing has been read yet.")
    expect.close(targets[:, :-1], names, "The first target is the first letter, and so on.")
    expect.close(inputs[:, 1:], targets[:, :-1], "An input is the target of the step before it.")
    expect.close(targets[:, -1], np.zeros(4), "The last target is 0: the end.")


@task("characters", points=1)
def test_temperature_one_is_softmax(student, rng):
    """At temperature 1 the probabilities are the softmax; any temperature keeps their order."""
    logits = rng.normal(0, 2, size=8)
    p = expect.array(student.temper(logits, 1.0), shape=(8,))
    expect.close(p.sum(), 1.0, "Probabilities sum to 1.")
    expect.close(p, np.exp(logits) / np.exp(logits).sum(), "At temperature 1, use softmax.")
    large = expect.array(student.temper(logits + 2000, 0.5), shape=(8,))
    expect.close(large.sum(), 1.0, "With logits near 2000 the probabilities do not sum to 1.")


def positive(value):
    """Return five probabilities, none of them zero."""
    p = expect.array(value, shape=(5,))
    expect.true(bool(np.all(p > 0)), "Every letter should have a probability above 0.")
    return p


@task("characters", points=1)
def test_low_temperature_sharpens(student, rng):
    """A ratio of probabilities at temperature t is that at temperature 1 to the power 1/t."""
    logits = rng.normal(size=5)
    base = positive(student.temper(logits, 1.0))
    for temperature in (0.5, 2.0):
        p = positive(student.temper(logits, temperature))
        expect.close(
            np.log(p[1:] / p[0]) * temperature,
            np.log(base[1:] / base[0]),
            f"At temperature {temperature:g} the choice is not as sharp as it should be: a low "
            "temperature makes likely letters likelier.",
            rtol=1e-4,
        )


# --- Task 6: a forecast ----------------------------------------------------------------------

LENGTH, HORIZON, FIRST_TEST = 6, 3, 25


def split(student, series):
    parts = student.time_split(series, LENGTH, HORIZON, FIRST_TEST)
    expect.true(
        isinstance(parts, (tuple, list)) and len(parts) == 4,
        "`time_split` should return four arrays: X_train, y_train, X_test, y_test.",
    )
    X_train, y_train, X_test, y_test = (expect.array(part) for part in parts)
    for name, X, y in (("train", X_train, y_train), ("test", X_test, y_test)):
        expect.true(
            X.ndim == 2 and X.shape[1] == LENGTH and y.shape == (len(X),),
            f"X_{name} should have shape (windows, {LENGTH}) and y_{name} (windows,); they have "
            f"{X.shape} and {y.shape}.",
        )
    return X_train, y_train, X_test, y_test


@task("forecast", points=1)
def test_targets_lie_ahead(student, rng):
    """Windows are consecutive, and each target comes `horizon` steps after its window's end."""
    series = np.arange(40.0)  # the value is its own time
    parts = split(student, series)
    for X, y in (parts[:2], parts[2:]):
        expect.close(np.diff(X, axis=1), np.ones((len(X), LENGTH - 1)), "Windows have gaps.")
        expect.close(
            y - X[:, -1],
            np.full(len(y), HORIZON),
            f"The target should come {HORIZON} steps after the last value of its window.",
        )


@task("forecast", points=1)
def test_training_ends_where_the_test_begins(student, rng):
    """No training window or target reaches the test time, and every test target lies in it."""
    series = np.arange(40.0)
    X_train, y_train, _, y_test = split(student, series)
    expect.true(
        max(X_train.max(), y_train.max()) < FIRST_TEST,
        "A training example contains values from the time that is for the test.",
    )
    expect.close(
        np.sort(y_test),
        np.arange(FIRST_TEST, 40),
        f"The test targets should be all values from number {FIRST_TEST} on.",
    )
    expect.close(
        np.sort(y_train),
        np.arange(LENGTH + HORIZON - 1, FIRST_TEST),
        "The training targets should be all values before the test that have a full window.",
    )


@task("forecast", points=1)
def test_skill_is_measured_against_the_last_value(student, rng):
    """A perfect forecast has skill 1, the last value 0, and a forecast twice as far off -3."""
    y, last = rng.normal(size=20), rng.normal(size=20)
    message = "The skill is 1 minus your mean squared error over that of the last value."
    expect.close(expect.number(student.skill(y, y, last)), 1.0, message)
    expect.close(expect.number(student.skill(y, last, last)), 0.0, message, atol=1e-7)
    expect.close(expect.number(student.skill(y, y + 2 * (last - y), last)), -3.0, message)


# --- Task 7: who speaks? ---------------------------------------------------------------------


def recognize(weights, x):
    """Return the speaker that a recurrent network names for each padded utterance."""
    K, R, b, V, c = weights
    layer = SimpleRNN(*K.shape, rng=np.random.default_rng(0))
    layer.kernel.data, layer.recurrent_kernel.data, layer.bias.data = K, R, b
    h = layer(x, mask=(x != 0).any(axis=2)).data
    return (h @ V + c).argmax(axis=1)


def trained(student, x, y, seed):
    weights = expect.mapping(student.train_speakers(x, y, seed), ["K", "R", "b", "V", "c"])
    weights = {name: expect.array(weights[name]) for name in ("K", "R", "b", "V", "c")}
    units = weights["R"].shape[0]
    shapes = {"K": (12, units), "R": (units, units), "b": (units,), "V": (units, 9), "c": (9,)}
    for name, shape in shapes.items():
        expect.true(
            weights[name].shape == shape,
            f"{name} has shape {weights[name].shape}, and it should have shape {shape}.",
        )
    return list(weights.values())


@task("train_speakers", points=1, seconds=60, trains=True)
def test_it_recognizes_speakers(student, rng):
    """The network names the speaker of most utterances that it has never heard."""
    vowels = dllab.load("japanese_vowels")
    weights = trained(student, *vowels.train, int(rng.integers(1_000_000)))
    accuracy = float(np.mean(recognize(weights, vowels.test.x) == vowels.test.y))
    expect.true(
        accuracy >= 0.8,
        f"The accuracy on new utterances is {accuracy:.2f}; it should reach 0.80. The check stops "
        "each utterance at its end.",
    )


@task("train_speakers", points=1, seconds=60, trains=True)
def test_the_seed_decides_the_run(student, rng):
    """The same seed gives the same weights; another seed gives others."""
    x, y = (part[:36] for part in dllab.load("japanese_vowels").train)
    seed = int(rng.integers(1_000_000))
    first, again, other = (trained(student, x, y, s)[0] for s in (seed, seed, seed + 1))
    expect.close(again, first, "Two runs with the same seed should give the same weights.")
    expect.true(
        np.shape(other) != np.shape(first) or not np.allclose(other, first),
        "Two different seeds gave the same weights: draw them from `rng`.",
    )
