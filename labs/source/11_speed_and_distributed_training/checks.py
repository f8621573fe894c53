"""Checks of lab 11: the roofline, memory, pipelines, loss scaling, and workers that agree."""

from functools import cache
from itertools import pairwise

import numpy as np

import dllab
from dllab import scratch
from dllab.check import expect, task


def pair(value, message):
    """Return the two entries of a pair."""
    expect.true(isinstance(value, (tuple, list)) and len(value) == 2, message)
    return value


# --- Task 1: the roofline --------------------------------------------------------------------


def layer(rng):
    """Return units_in and units_out of some layer, which differ."""
    units_in = int(rng.integers(200, 500))
    return units_in, units_in + int(rng.integers(50, 300))


@task("roofline", points=1)
def test_a_product_counts_what_it_computes_and_moves(student, rng):
    """The bytes are those of three real arrays, and each term of a sum is two operations."""
    for kind in (np.float16, np.float32, np.float64):
        units_in, units_out = layer(rng)
        batch = int(rng.integers(2, 40))
        shapes = (batch, units_in), (units_in, units_out), (batch, units_out)
        X, W, product = (np.empty(shape, kind) for shape in shapes)
        cost = student.dense_cost(batch, units_in, units_out, X.itemsize)
        flops, moved = pair(cost, "dense_cost() should return the pair `(flops, bytes)`.")
        expect.close(
            expect.number(flops),
            2 * units_in * product.size,
            f"For X of shape {X.shape} and W of shape {W.shape} the FLOPs are not right: each "
            "entry of the result is a sum over the inputs, and each of its terms is a "
            "multiplication and an addition.",
        )
        expect.close(
            expect.number(moved),
            X.nbytes + W.nbytes + product.nbytes,
            f"For X of shape {X.shape} and W of shape {W.shape} with {X.itemsize} bytes a number, "
            "the bytes are not those of the three arrays X, W and X @ W, each moved once.",
        )


@task("roofline", points=1)
def test_the_lower_roof_holds(student, rng):
    """Below the ridge memory decides, above it the peak, and never anything else."""
    peak, bandwidth = float(rng.uniform(1e12, 9e12)), float(rng.uniform(1e11, 9e11))
    moved = float(rng.uniform(1e6, 1e9))
    for factor in (0.01, 0.5, 1.0, 3.0, 100.0):
        flops = factor * moved * peak / bandwidth
        rate = expect.number(student.attainable(flops, moved, peak, bandwidth))
        where = f"At {factor:g} times the intensity of the ridge"
        expect.true(
            0 < rate <= peak * (1 + 1e-9),
            f"{where}, a machine cannot be faster than its peak.",
        )
        expect.true(
            moved * rate <= flops * bandwidth * (1 + 1e-9),
            f"{where}, the bytes would have to come faster than the memory delivers them.",
        )
        expect.true(
            max(rate / peak, moved * rate / flops / bandwidth) > 1 - 1e-6,
            f"{where}, neither the processor nor the memory is busy all the time.",
        )


@task("roofline", points=1)
def test_the_crossing_batch_is_the_first(student, rng):
    """The batch found is compute-bound, one less is memory-bound, and a narrow layer never is."""

    def at_ridge(n, i, o, ridge, each):
        return 2 * n * i * o >= ridge * each * (n * i + i * o + n * o)

    for each in (2, 4):
        (i, o), bandwidth = layer(rng), float(rng.uniform(1e11, 9e11))
        highest = 2 * i * o / (each * (i + o))  # what the intensity approaches
        for share in (0.2, 0.6, 0.9):
            ridge = share * highest
            given = student.crossing_batch(i, o, each, ridge * bandwidth, bandwidth)
            say = f"For a layer of {i} inputs and {o} units with {each} bytes a number, "
            expect.true(given is not None, f"{say}there is a compute-bound batch here.")
            found = expect.integer(given)
            expect.true(
                1 <= found < 10**9 and at_ridge(found, i, o, ridge, each),
                f"{say}a batch of {found} is still below the ridge.",
            )
            expect.true(
                found == 1 or not at_ridge(found - 1, i, o, ridge, each),
                f"{say}a smaller batch than {found} is compute-bound already.",
            )
        for share in (1.1, 3.0):
            peak = share * highest * bandwidth
            found = student.crossing_batch(i, o, each, peak, bandwidth)
            expect.true(
                found is None,
                f"{say}no batch reaches this ridge, since input and output grow with the batch: "
                "return None.",
            )


# --- Task 2: memory --------------------------------------------------------------------------

PARTS = ("weights", "gradients", "optimizer", "activations")


def memory(student, sizes, batch, optimizer, precision):
    """Return the learner's four parts as numbers."""
    given = student.training_memory(sizes, batch, optimizer, precision)
    given = expect.mapping(given, PARTS)
    return {part: expect.number(given[part]) for part in PARTS}


def network(rng):
    """Return sizes of a network, its arrays in dllab.scratch, and a batch size."""
    sizes = [int(n) for n in rng.integers(5, 60, size=int(rng.integers(3, 6)))]
    layers = [scratch.Dense(a, b, rng=rng) for a, b in pairwise(sizes)]
    return sizes, scratch.Sequential(layers), int(rng.integers(2, 60))


@task("training_memory", points=1)
def test_memory_in_single_precision(student, rng):
    """Every array of a real network counts four bytes a number."""
    sizes, model, batch = network(rng)
    numbers = sum(parameter.size for parameter in model.parameters())
    kept = batch * sum(sizes)
    hints = {
        "weights": ": each layer has units_in * units_out weights and a bias for each unit",
        "activations": ": the input counts, and so does the output of each layer",
    }
    for optimizer, arrays in {"sgd": 0, "momentum": 1, "adam": 2}.items():
        found = memory(student, sizes, batch, optimizer, "float32")
        wanted = dict(zip(PARTS, (numbers, numbers, arrays * numbers, kept), strict=True))
        for part in PARTS:
            expect.close(
                found[part],
                4 * wanted[part],
                f"For the sizes {sizes}, a batch of {batch} and {optimizer} in float32, the bytes "
                f"of the {part} are not right{hints.get(part, '')}.",
            )


@task("training_memory", points=1)
def test_memory_in_mixed_precision(student, rng):
    """Half the activations, and not a byte less for all that belongs to the parameters."""
    sizes, _, batch = network(rng)
    for optimizer in ("adam", "momentum", "sgd"):
        single = memory(student, sizes, batch, optimizer, "float32")
        mixed = memory(student, sizes, batch, optimizer, "mixed")
        say = f"For the sizes {sizes}, a batch of {batch} and {optimizer}, "
        expect.close(
            [mixed["activations"], mixed["gradients"]],
            [single["activations"] / 2, single["gradients"] / 2],
            f"{say}activations and gradients in float16 should take half of what they take in "
            "float32.",
        )
        expect.close(
            mixed["weights"],
            1.5 * single["weights"],
            f"{say}the weights exist twice in mixed precision: in float32 and in float16.",
        )
        expect.close(
            mixed["optimizer"],
            single["optimizer"],
            f"{say}the optimizer's arrays stay in float32.",
        )
    larger = memory(student, sizes, 3 * batch, "adam", "mixed")
    smaller = memory(student, sizes, batch, "adam", "mixed")
    expect.true(
        larger["activations"] == 3 * smaller["activations"] > 0
        and larger["optimizer"] == smaller["optimizer"] > 0,
        "With three times the batch, the activations and nothing else should take three times "
        "the memory.",
    )


# --- Task 3: a pipeline ----------------------------------------------------------------------


def measured(student, reads, steps, depth):
    return expect.number(student.pipeline_time(reads, steps, depth))


def listed(reads, steps):
    """Return a sentence with all times."""
    told = (", ".join(f"{t:g}" for t in times) for times in (reads, steps))
    return "Here, the reads take {} and the steps {}.".format(*told)


@task("pipeline_time", points=1)
def test_batches_of_equal_times(student, rng):
    """Without a buffer times add up; with one, the longer time decides, and both ends remain."""
    n = int(rng.integers(4, 9))
    for read, step in rng.integers(1, 9, size=(4, 2)).astype(float):
        reads, steps = np.full(n, read), np.full(n, step)
        times = f"Here, {n} batches take {read:g} each to read and {step:g} to train."
        expect.close(
            measured(student, reads, steps, 0),
            n * (read + step),
            "Without a buffer all times add up, also when the batches take equal times.",
            reveal=times,
        )
        for depth in (1, 2):
            expect.close(
                measured(student, reads, steps, depth),
                read + (n - 1) * max(read, step) + step,
                f"For batches of equal times and a buffer of {depth}, the time is not right: the "
                "first read and the last step overlap with nothing, and in between the longer of "
                "both decides.",
                reveal=times,
            )


@task("pipeline_time", points=1)
def test_a_buffer_for_all_batches(student, rng):
    """With room for all batches, the time is that of the worst path through reads and steps."""
    n = int(rng.integers(5, 10))
    for _ in range(3):
        reads, steps = rng.integers(1, 20, size=(2, n)).astype(float)
        # read everything up to batch k, then train on everything from batch k on
        paths = [reads[: k + 1].sum() + steps[k:].sum() for k in range(n)]
        expect.close(
            measured(student, reads, steps, n),
            max(paths),
            f"For {n} batches and room for all of them in the buffer, the time is not right.",
            reveal=listed(reads, steps),
        )


def clock(reads, steps, depth):
    """Return the time of a pipeline by letting a clock tick, all times being whole numbers."""
    todo, waiting, begun, trained = list(reads), 0, 0, 0
    reading = training = 0
    now = 0
    while trained < len(steps):
        if training == 0 and waiting:
            waiting, training, begun = waiting - 1, steps[begun], begun + 1
        if reading == 0 and todo and waiting < depth:
            reading = todo.pop(0)
        now += 1
        if reading:
            reading -= 1
            waiting += reading == 0
        if training:
            training -= 1
            trained += training == 0
    return now


@task("pipeline_time", points=1)
def test_a_small_buffer_stops_the_reader(student, rng):
    """With few places the reader waits for a place, as on a clock that ticks."""
    n = 12
    for depth in (1, 2, 3):
        reads, steps = rng.integers(1, 6, size=(2, n))
        reads[[5, 9]] = rng.integers(25, 40, size=2)
        expect.close(
            measured(student, reads.astype(float), steps.astype(float), depth),
            clock(reads.tolist(), steps.tolist(), depth),
            f"With a buffer of {depth} and a few slow reads, the time is not right: the reader "
            "starts on a batch when its place in the buffer is free.",
            reveal=listed(reads, steps),
        )


# --- Task 4: loss scaling --------------------------------------------------------------------


def half_gradient(true, calls=None):
    """Return a function that gives a gradient times the scale, in float16."""

    def gradient_of(w, scale):
        weights = np.asarray(w)
        if weights.dtype != np.float16:
            raise TypeError(f"the passes work on float16 weights, and these are {weights.dtype}")
        if calls is not None:
            calls.append(weights)
        with np.errstate(all="ignore"):
            return (np.asarray(true, dtype=float) * float(scale)).astype(np.float16)

    return gradient_of


def stepped(student, state, gradient_of, rate, max_norm=1e9, patience=1000):
    """Return the learner's next state, checked for its types."""
    new = student.scaled_step(state, gradient_of, rate, max_norm, patience)
    new = expect.mapping(new, ("w", "scale", "good"))
    w = expect.array(new["w"], shape=np.shape(state["w"]))
    expect.true(
        w.dtype == np.float32,
        f"The master weights came back as {w.dtype}: keep them in float32.",
    )
    return {"w": w, "scale": expect.number(new["scale"]), "good": expect.integer(new["good"])}


def fresh(w, scale, good=0):
    return {"w": np.array(w, dtype=np.float32), "scale": float(scale), "good": good}


@task("scaled_step", points=1)
def test_the_scale_leaves_no_trace(student, rng):
    """Whatever the scale, the step is that of the true gradient, or of the clipped one."""
    true = rng.choice([-1, 1], size=6) * rng.integers(8, 64, size=6) / 64  # exact in float16
    w, rate = rng.normal(size=6), float(rng.uniform(0.1, 0.5))
    norm = float(np.linalg.norm(true))
    for scale in (64.0, 1024.0):
        calls = []
        state = fresh(w, scale)
        new = stepped(student, state, half_gradient(true, calls), rate, 2 * norm)
        expect.close(
            state["w"] - new["w"],
            rate * true,
            f"With a scale of {scale:g}, the step should be the rate times the true gradient, "
            "which is far below `max_norm`: divide by the scale first.",
            rtol=1e-4,
            atol=1e-5,
        )
        expect.true(len(calls) == 1, "A step should call `gradient_of` once.")
        expect.true(
            np.array_equal(calls[0], state["w"].astype(np.float16)),
            "`gradient_of` should get the master weights, rounded to float16.",
        )
        new = stepped(student, state, half_gradient(true), rate, norm / 4)
        expect.close(
            state["w"] - new["w"],
            rate * true / 4,
            f"With a scale of {scale:g} and a true gradient four times as long as `max_norm`, the "
            "step should have the length rate * max_norm, and the direction of the gradient.",
            rtol=1e-4,
            atol=1e-5,
        )


@task("scaled_step", points=1)
def test_small_numbers_survive(student, rng):
    """Gradients too small for float16 count, and steps too small for float16 add up."""
    true = rng.choice([-1, 1], size=5) * rng.uniform(1e-9, 2e-9, size=5)
    new = stepped(student, fresh(np.zeros(5), 2.0**24), half_gradient(true), 1e8)
    expect.close(
        -new["w"] / 1e8,
        true,
        "Gradients of about 1e-9 were lost: they are zero in float16 unless they are scaled, so "
        "divide by the scale in float32.",
        rtol=2e-3,
        atol=1e-13,
    )
    state = fresh(np.ones(5), 256)
    for _ in range(40):
        state = stepped(student, state, half_gradient(np.full(5, 2.0**-12)), 1.0)
    expect.close(
        state["w"],
        np.full(5, 1 - 40 * 2.0**-12),
        "After 40 small steps the weights are not where they should be: each step is too small "
        "for a float16 near 1, so add it to the float32 weights.",
        rtol=1e-5,
    )


@task("scaled_step", points=1)
def test_an_overflow_changes_the_scale_only(student, rng):
    """One infinite entry or one NaN: the weights stay and the scale is halved."""
    w, scale = rng.normal(size=4), 2.0 ** int(rng.integers(8, 14))
    for bad, name in ((np.inf, "infinite"), (-np.inf, "minus infinity"), (np.nan, "NaN")):
        true = rng.normal(size=4)
        true[int(rng.integers(4))] = bad
        state = fresh(w, scale, good=2)
        new = stepped(student, state, half_gradient(true), 0.1, max_norm=1.0)
        expect.true(
            np.array_equal(new["w"], state["w"]),
            f"One entry of the gradient is {name}, and the weights have changed: skip this step.",
        )
        expect.close(
            new["scale"],
            scale / 2,
            f"One entry of the gradient is {name}: halve the scale.",
        )
        expect.true(
            new["good"] == 0,
            f'After an overflow "good" is {new["good"]}: no good step in a row is left.',
        )


@task("scaled_step", points=1)
def test_good_steps_in_a_row_double_the_scale(student, rng):
    """The scale doubles after `patience` good steps without an overflow between them."""
    patience = int(rng.integers(3, 6))
    good = half_gradient(rng.uniform(0.5, 1, size=3))
    bad = half_gradient([1.0, np.inf, 1.0])
    state = fresh(np.zeros(3), 16)

    def go(gradient_of, times, change, message):
        nonlocal state
        for _ in range(times):
            before = state["scale"]
            state = stepped(student, state, gradient_of, 0.01, patience=patience)
            changed = before if times > 1 else before * change
            expect.close(state["scale"], changed, f"With a patience of {patience}, {message}")

    early = "the scale changed before there were that many good steps in a row."
    go(good, patience - 1, 1, early)
    go(bad, 1, 0.5, "an overflow did not halve the scale.")
    go(good, patience - 1, 1, early)
    go(good, 1, 2, "the scale did not double after that many good steps in a row.")
    go(good, patience - 1, 1, "the count did not start again after the scale had doubled.")
    go(good, 1, 2, "the scale did not double a second time.")


# --- Task 5: accumulation --------------------------------------------------------------------


class Slopes:
    """Gradients of a regression, a mean over the rows, with a memory of limited size."""

    def __init__(self, rng, n):
        self.x, self.y = rng.normal(size=(n, 3)), rng.normal(size=n)
        self.x[:, 0] = np.arange(n)  # numbers the rows
        self.w, self.seen, self.room = rng.normal(size=3) / 10, [], n

    def gradient_of(self, x, y):
        x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        if x.ndim != 2 or y.shape != x.shape[:1] or len(x) == 0:
            raise ValueError(f"x and y should be rows of the batch, not {x.shape} and {y.shape}")
        if len(x) > self.room:
            raise MemoryError(f"{len(x)} rows at once, and there is room for {self.room}")
        self.seen.append((x[:, 0].astype(int), y))
        return (np.tanh(x @ self.w) - y) @ x / len(x)


def accumulated(student, slopes, micro):
    found = student.accumulated_gradient(slopes.gradient_of, slopes.x, slopes.y, micro)
    return expect.array(found, shape=(3,))


@task("accumulated_gradient", points=1)
def test_pieces_give_the_gradient_of_the_whole(student, rng):
    """Micro-batches of equal and of unequal size give the gradient of the large batch."""
    for n, micro in ((12, 4), (13, 4), (10, 6), (5, 8)):
        slopes = Slopes(rng, n)
        whole = slopes.gradient_of(slopes.x, slopes.y)
        expect.close(
            accumulated(student, slopes, micro),
            whole,
            f"For {n} rows with room for {micro}, the gradient is not that of the mean loss over "
            "all rows.",
            rtol=1e-5,
            atol=1e-7,
        )


@task("accumulated_gradient", points=1)
def test_memory_holds_one_micro_batch(student, rng):
    """No piece is larger than the memory, and each row is in one piece, with its own label."""
    for n, micro in ((11, 3), (9, 4)):
        slopes = Slopes(rng, n)
        whole = slopes.gradient_of(slopes.x, slopes.y)
        slopes.seen.clear()
        slopes.room = micro
        found = accumulated(student, slopes, micro)
        expect.true(len(slopes.seen) > 0, "`gradient_of` was never called.")
        rows = np.concatenate([rows for rows, _ in slopes.seen])
        expect.true(
            np.array_equal(np.sort(rows), np.arange(n)),
            f"For {n} rows with room for {micro}, `gradient_of` should get each row exactly once.",
        )
        labels = np.concatenate([labels for _, labels in slopes.seen])
        expect.true(np.array_equal(labels, slopes.y[rows]), "Labels came apart from their rows.")
        message = f"For {n} rows with room for {micro}, the gradient is not right."
        expect.close(found, whole, message, rtol=1e-5, atol=1e-7)


# --- Task 6: a ring --------------------------------------------------------------------------


class Network:
    """Delivers messages; a strict one refuses what does not belong on a ring of chunks."""

    def __init__(self, workers, n, strict=False, silent=False):
        self.workers, self.largest = workers, -(-n // workers)
        self.strict, self.silent = strict, silent
        self.sent = [[] for _ in range(workers)]

    def send(self, sender, receiver, message):
        message = np.array(message)
        if message.ndim != 1 or message.dtype.kind not in "iuf":
            raise ValueError("a message should be a part of a vector")
        if sender not in range(self.workers) or receiver not in range(self.workers):
            raise ConnectionError(f"there is no connection from {sender} to {receiver}")
        if self.strict and receiver != (sender + 1) % self.workers:
            raise ConnectionError(
                f"worker {sender} of {self.workers} sent to worker {receiver}, and it is "
                "connected to the next one only"
            )
        if self.strict and len(message) > self.largest:
            raise ValueError(
                f"a message of {len(message)} numbers, and a chunk has at most {self.largest}"
            )
        self.sent[sender].append(len(message))
        return np.zeros_like(message) if self.silent else message


def reduced(student, vectors, network):
    """Return what each worker has after the learner's all-reduce."""
    found = student.ring_all_reduce(list(vectors), network.send)
    p, n = np.shape(vectors)
    expect.true(
        (isinstance(found, (list, tuple)) and len(found) == p)
        or (isinstance(found, np.ndarray) and found.shape[:1] == (p,)),
        f"ring_all_reduce() should return a list of {p} arrays, one for each worker.",
    )
    return [expect.array(own, shape=(n,)) for own in found]


@task("ring_all_reduce", points=1)
def test_every_worker_has_the_sum(student, rng):
    """After the exchange each worker holds the sum, if the chunks are of equal size."""
    for p in (2, 3, 5):
        vectors = rng.normal(1, 1, size=(p, 3 * p))
        for worker, own in enumerate(reduced(student, vectors, Network(p, 3 * p))):
            expect.close(
                own,
                vectors.sum(axis=0),
                f"With {p} workers and {3 * p} numbers, worker {worker} does not have the sum of "
                "all vectors.",
                rtol=1e-4,
                atol=1e-5,
            )


@task("ring_all_reduce", points=1)
def test_uneven_chunks_and_equal_bits(student, rng):
    """Any length will do, and all workers hold the same bits, or their weights drift apart."""
    for p, n in ((1, 4), (2, 7), (4, 4), (4, 11), (6, 20)):
        vectors = rng.normal(1, 1, size=(p, n))
        found = reduced(student, vectors, Network(p, n))
        say = f"With {p} workers and {n} numbers"
        for worker, own in enumerate(found):
            expect.close(
                own,
                vectors.sum(axis=0),
                f"{say}, worker {worker} does not have the sum of all vectors.",
                rtol=1e-4,
                atol=1e-5,
            )
            expect.true(
                np.array_equal(own, found[0]),
                f"{say}, worker {worker} has other bits than worker 0: each chunk should be "
                "summed in one place and passed on from there.",
            )


@task("ring_all_reduce", points=1)
def test_each_message_is_a_chunk_for_the_neighbor(student, rng):
    """Each worker sends 2 (p - 1) chunks to the next one, and what it knows came by message."""
    for p, n in ((3, 12), (4, 10), (5, 23)):
        vectors = rng.normal(1, 1, size=(p, n))
        network = Network(p, n, strict=True)
        total = vectors.sum(axis=0)
        for own in reduced(student, vectors, network):
            message = f"With {p} workers and {n} numbers, the sum is not right."
            expect.close(own, total, message, rtol=1e-4, atol=1e-5)
        counts = [len(sent) for sent in network.sent]
        expect.true(
            counts == [2 * (p - 1)] * p,
            f"With {p} workers each should send {2 * (p - 1)} messages, p - 1 in each half; yours "
            f"sent {counts}.",
        )
        numbers = sum(map(sum, network.sent))
        expect.true(
            numbers == 2 * (p - 1) * n,
            f"With {p} workers and {n} numbers, each number should travel 2 (p - 1) times; "
            f"{numbers} numbers were sent in all.",
        )
        for own in reduced(student, vectors, Network(p, n, strict=True, silent=True)):
            expect.true(
                not np.allclose(own, total, rtol=1e-4),
                "On a network where every message arrives as zeros, your workers still know the "
                "sum: use what `send` returns, and no other worker's data.",
            )


# --- Task 7: data-parallel training ----------------------------------------------------------


class Workers:
    """Notes which rows the workers of a step read, and sums what they hand in."""

    def __init__(self, count):
        self.count, self.shards, self.reductions = count, [], 0

    def gradient_of(self, w, x, y):
        w, x, y = (np.asarray(value, dtype=float) for value in (w, x, y))
        if x.ndim != 2 or w.shape != (x.shape[1],) or y.shape != x.shape[:1] or len(x) == 0:
            raise ValueError(f"w, x and y have the shapes {w.shape}, {x.shape} and {y.shape}")
        self.shards.append(x[:, -1].tolist())
        return (np.tanh(x @ w) - y) @ x / len(x)

    def all_reduce(self, vectors):
        vectors = [np.asarray(vector, dtype=float) for vector in vectors]
        if len(vectors) != self.count or len({vector.shape for vector in vectors}) != 1:
            raise ValueError(f"all_reduce needs {self.count} vectors of one shape")
        self.reductions += 1
        return [np.sum(vectors, axis=0)] * self.count


def problem(rng, sizes):
    """Return batches of a small regression; the last column numbers the rows of a batch."""
    batches = []
    for n in sizes:
        x = np.column_stack([rng.normal(size=(n, 3)), np.arange(n) / n])
        batches.append((x, rng.uniform(-1, 1, size=n)))
    return batches, rng.normal(size=4)


def one_device(batches, w, steps):
    """Return the weights that SGD with momentum of dllab.scratch reaches on whole batches."""
    tensor, alone = scratch.Tensor(w), Workers(1)
    optimizer = scratch.SGD([tensor], 0.1, momentum=0.9)
    for step in range(steps):
        tensor.grad = alone.gradient_of(tensor.data, *batches[step % len(batches)])
        optimizer.step()
    return tensor.data


def plain(value):
    """Tell whether a value could be written to a file: numbers, text, arrays, and these within."""
    if isinstance(value, dict):
        return all(plain(inner) for inner in value.values())
    if isinstance(value, (list, tuple)):
        return all(plain(inner) for inner in value)
    return value is None or isinstance(value, (bool, int, float, str, np.ndarray, np.generic))


def trained(student, batches, workers, until, checkpoint, shape=(4,)):
    """Return the learner's checkpoint and its weights."""
    found = student.train(
        batches, workers.gradient_of, workers.all_reduce, workers.count, until, checkpoint
    )
    found = expect.mapping(found, ("w",))
    expect.true(
        plain(found),
        "A checkpoint has to fit into a file: keep plain numbers, text and arrays in it only.",
    )
    return found, expect.array(found["w"], shape=shape)


@task("train", points=1)
def test_several_workers_are_one_device(student, rng):
    """However many workers share a batch, the weights are those of a single device."""
    batches, w = problem(rng, (12, 7, 10))
    for count in (1, 2, 3, 5):
        workers = Workers(count)
        _, found = trained(student, batches, workers, 5, {"w": w})
        say = f"After 5 steps with {count} worker{'s' if count > 1 else ''}"
        expect.close(
            found,
            one_device(batches, w, 5),
            f"{say} the weights are not those of one device on whole batches.",
            rtol=1e-4,
            atol=1e-5,
        )
        expect.true(
            workers.reductions >= 5,
            f"{say}, `all_reduce` was called {workers.reductions} times: the workers exchange "
            "their gradients in each step.",
        )
        expect.true(
            len(workers.shards) == 5 * count,
            f"{say}, `gradient_of` was called {len(workers.shards)} times: each worker calls it "
            "once in a step.",
        )
        for step in range(5):
            shards = workers.shards[step * count : (step + 1) * count]
            x = batches[step % 3][0]
            rows = sorted(row for shard in shards for row in shard)
            expect.true(
                np.array_equal(rows, x[:, -1]),
                f"With {count} workers, the shards of a batch of {len(x)} rows should hold each "
                "row once.",
            )
            sizes = [len(shard) for shard in shards]
            expect.true(
                max(sizes) - min(sizes) <= 1,
                f"With {count} workers, a batch of {len(x)} rows was cut into shards of {sizes}.",
            )


@task("train", points=1)
def test_a_restored_run_goes_on_as_if_nothing_had_happened(student, rng):
    """Stopped and restored anywhere, also with other workers, a run ends with the same weights."""
    batches, w = problem(rng, (8, 9, 6, 7))
    _, whole = trained(student, batches, Workers(2), 9, {"w": w})
    for cuts, count in (((9,), 2), ((3,), 2), ((4,), 2), ((2, 7), 3)):
        checkpoint = {"w": w}
        for until in (*cuts, 9):
            # a run of something else in between: what is not in the checkpoint is gone
            trained(student, batches, Workers(1), 2, {"w": -w})
            checkpoint, found = trained(student, batches, Workers(count), until, checkpoint)
        expect.close(
            found,
            whole,
            f"A run of 9 steps that was stopped after step {cuts[0]} and restored from your "
            "checkpoint ended with other weights than a run that was not stopped.",
            rtol=1e-4,
            atol=1e-5,
        )
    expect.close(
        whole,
        one_device(batches, w, 9),
        "After 9 steps with 2 workers the weights are not those of one device on whole batches.",
        rtol=1e-4,
        atol=1e-5,
    )


# A digit classifier whose weights lie in one vector.
SHAPES = ((64, 16), (16,), (16, 10), (10,))
ENDS = np.cumsum([np.prod(shape) for shape in SHAPES])


def unpacked(w):
    parts = np.split(np.asarray(w, dtype=float), ENDS[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, SHAPES, strict=True)]


class DigitWorkers(Workers):
    """Workers that train a classifier."""

    def gradient_of(self, w, x, y):
        W1, b1, W2, b2 = unpacked(w)
        x, y = np.asarray(x), np.asarray(y, dtype=int)
        A1 = np.maximum(x @ W1 + b1, 0)
        P = A1 @ W2 + b2
        P = np.exp(P - P.max(axis=1, keepdims=True))
        P = P / P.sum(axis=1, keepdims=True)
        P[np.arange(len(y)), y] -= 1
        P = P / len(y)
        Z1_bar = P @ W2.T * (A1 > 0)
        parts = x.T @ Z1_bar, Z1_bar.sum(axis=0), A1.T @ P, P.sum(axis=0)
        return np.concatenate([part.ravel() for part in parts])


@cache
def digit_batches():
    """Return the training digits as 12 batches of unequal size."""
    digits = dllab.load("digits")
    order = np.random.default_rng(0).permutation(len(digits.train))[:800]
    x, y = digits.train.x.reshape(-1, 64)[order].astype(float), digits.train.y[order]
    return [(x[rows], y[rows]) for rows in np.array_split(np.arange(len(x)), 12)]


@task("train", points=1, seconds=60, trains=True)
def test_digits_are_learned_in_spite_of_a_loss(student, rng):
    """Three workers, one lost on the way: the classifier reads new digits, as without the loss."""
    batches = digit_batches()
    w = 0.2 * rng.normal(size=int(ENDS[-1]))
    shape = w.shape
    saved, _ = trained(student, batches, DigitWorkers(3), 41, {"w": w}, shape)
    trained(student, batches, DigitWorkers(3), 50, saved, shape)  # lost, and never saved
    _, found = trained(student, batches, DigitWorkers(3), 80, saved, shape)
    whole = w
    velocity = np.zeros_like(w)
    for step in range(80):
        gradient = DigitWorkers(1).gradient_of(whole, *batches[step % len(batches)])
        velocity = 0.9 * velocity - 0.1 * gradient
        whole = whole + velocity
    test = dllab.load("digits").test
    W1, b1, W2, b2 = unpacked(found)
    logits = np.maximum(test.x.reshape(-1, 64) @ W1 + b1, 0) @ W2 + b2
    accuracy = float(np.mean(logits.argmax(axis=1) == test.y))
    expect.true(accuracy > 0.8, f"{100 * accuracy:.0f} % of new digits are right; reach 80 %.")
    expect.close(
        found,
        whole,
        "The classifier is not the one that a single device without a loss would have trained.",
        rtol=1e-3,
        atol=1e-3,
    )
