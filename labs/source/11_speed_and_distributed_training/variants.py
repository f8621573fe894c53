"""Right solutions of lab 11 in other styles: each must earn full marks."""

import math
from itertools import accumulate, pairwise

import numpy as np

from dllab.check import variant

# --- roofline --------------------------------------------------------------------------------


@variant("roofline", replaces="dense_cost")
def from_arrays(batch, units_in, units_out, bytes_each):
    shapes = [(batch, units_in), (units_in, units_out), (batch, units_out)]
    moved = bytes_each * np.prod(shapes, axis=1).sum()
    return np.array([2.0 * math.prod((batch, units_in, units_out)), moved]).tolist()


@variant("roofline", replaces="attainable")
def from_times(flops, bytes_moved, peak, bandwidth):
    return np.float64(flops) / np.maximum(flops / peak, bytes_moved / bandwidth)


@variant("roofline", replaces="crossing_batch")
def by_doubling_and_halving(units_in, units_out, bytes_each, peak, bandwidth):
    def bound(n):
        flops = 2 * n * units_in * units_out
        numbers = n * units_in + units_in * units_out + n * units_out
        return flops / (numbers * bytes_each) >= peak / bandwidth

    high = 1
    while not bound(high):
        high *= 2
        if high > 2**60:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if bound(middle) else (middle, high)
    return high


@variant("roofline", build=True)
def all_with_numpy(student):
    def dense_cost(n, i, o, each):
        return np.int64(2 * n * i * o), np.float64(each * (n * (i + o) + i * o))

    def attainable(flops, moved, peak, bandwidth):
        return np.where(flops / moved < peak / bandwidth, bandwidth * flops / moved, peak)

    def crossing_batch(i, o, each, peak, bandwidth):
        # bytes / FLOPs of a batch of n: each (1 / n + 1 / i + 1 / o) / 2
        left = 2 * bandwidth / (each * peak) - 1 / i - 1 / o
        return None if left <= 0 else math.ceil(1 / left)

    return {
        "dense_cost": dense_cost,
        "attainable": attainable,
        "crossing_batch": crossing_batch,
    }


# --- training_memory -------------------------------------------------------------------------


@variant("training_memory")
def by_layers(sizes, batch, optimizer, precision):
    found = dict.fromkeys(("optimizer", "activations", "gradients", "weights"), 0.0)
    work = 2 if precision == "mixed" else 4
    found["activations"] += work * batch * sizes[0]
    for a, b in pairwise(sizes):
        numbers = a * b + b
        found["weights"] += numbers * 4 + (numbers * 2 if work == 2 else 0)
        found["gradients"] += numbers * work
        found["optimizer"] += 4 * numbers * ["sgd", "momentum", "adam"].index(optimizer)
        found["activations"] += work * batch * b
    return found


@variant("training_memory")
def from_arrays_of_numpy(sizes, batch, optimizer, precision):
    low = np.float16 if precision == "mixed" else np.float32
    masters = [np.zeros((a + 1, b), np.float32) for a, b in pairwise(sizes)]
    copies = [m.astype(low) for m in masters]
    weights = sum(m.nbytes for m in masters)
    extra = sum(c.nbytes for c in copies)
    return {
        "weights": weights + (extra if low is np.float16 else 0),
        "gradients": extra,
        "optimizer": {"sgd": 0, "momentum": weights, "adam": 2 * weights}[optimizer],
        "activations": sum(np.zeros((batch, n), low).nbytes for n in sizes),
    }


# --- pipeline_time ---------------------------------------------------------------------------


@variant("pipeline_time")
def with_arrays_of_times(reads, steps, depth):
    n = len(reads)
    read_end, begin, step_end = np.zeros((3, n + 1))
    for i in range(1, n + 1):
        if depth:
            start = max(read_end[i - 1], begin[i - depth] if i > depth else 0)
        else:
            start = step_end[i - 1]
        read_end[i] = start + reads[i - 1]
        begin[i] = max(read_end[i], step_end[i - 1])
        step_end[i] = begin[i] + steps[i - 1]
    return step_end[n]


@variant("pipeline_time")
def with_events(reads, steps, depth):
    """A queue of moments at which a place becomes free."""
    if depth == 0:
        return math.fsum(reads) + math.fsum(steps)
    places = [0.0] * depth
    reader = trainer = 0.0
    for read, step in zip(list(reads), list(steps), strict=True):
        reader = max(reader, places.pop(0)) + read
        trainer = max(trainer, reader)
        places.append(trainer)
        trainer += step
    return np.float64(trainer)


@variant("pipeline_time")
def recursively(reads, steps, depth):
    def begun(i):
        if i < 0:
            return 0.0
        if (i, "begun") not in known:
            known[i, "begun"] = max(read(i), begun(i - 1) + (steps[i - 1] if i else 0.0))
        return known[i, "begun"]

    def read(i):
        if i < 0:
            return 0.0
        if (i, "read") not in known:
            free = begun(i - depth) if depth else begun(i - 1) + (steps[i - 1] if i else 0.0)
            known[i, "read"] = max(read(i - 1), free) + reads[i]
        return known[i, "read"]

    known = {}
    last = len(reads) - 1
    return begun(last) + steps[last]


# --- scaled_step -----------------------------------------------------------------------------


@variant("scaled_step")
def in_double_precision(state, gradient_of, rate, max_norm, patience):
    new = dict(state)
    scaled = gradient_of(np.float16(state["w"]), state["scale"])
    if np.isnan(scaled).any() or np.isinf(scaled).any():
        new.update(scale=state["scale"] * 0.5, good=0)
        return new
    gradient = scaled.astype(float) / state["scale"]
    gradient *= min(1.0, max_norm / max(np.sqrt((gradient**2).sum()), 1e-300))
    new["w"] = (state["w"] - rate * gradient).astype("float32")
    grown = state["good"] + 1 == patience
    new["good"] = 0 if grown else state["good"] + 1
    new["scale"] = state["scale"] * (2 if grown else 1)
    return new


@variant("scaled_step")
def with_the_inverse_scale(state, gradient_of, rate, max_norm, patience):
    scaled = np.asarray(gradient_of(state["w"].astype("half"), state["scale"]), dtype=np.float32)
    if not np.isfinite(scaled.sum()):
        return {"good": 0, "scale": np.float32(state["scale"] / 2), "w": state["w"] + 0}
    gradient = scaled * np.float32(1 / state["scale"])
    if (norm := float(np.linalg.norm(gradient))) > max_norm:
        gradient = max_norm * gradient / norm
    good, grow = divmod(state["good"] + 1, patience)[::-1]
    w = np.subtract(state["w"], rate * gradient, dtype=np.float32)
    return {"w": w, "scale": state["scale"] * 2.0**grow, "good": good}


# --- accumulated_gradient --------------------------------------------------------------------


@variant("accumulated_gradient")
def with_average(gradient_of, x, y, micro):
    cuts = range(micro, len(x), micro)
    xs, ys = np.split(x, cuts), np.split(y, cuts)
    means = [gradient_of(a, b) for a, b in zip(xs, ys, strict=True)]
    return np.average(means, axis=0, weights=[len(a) for a in xs])


@variant("accumulated_gradient")
def running_mean(gradient_of, x, y, micro):
    mean, seen, start = 0, 0, 0
    while start < len(x):
        end = min(start + micro, len(x))
        seen += end - start
        mean += (gradient_of(x[start:end], y[start:end]) - mean) * ((end - start) / seen)
        start = end
    return mean.astype("float32")


@variant("accumulated_gradient")
def one_row_at_a_time(gradient_of, x, y, micro):
    return sum(gradient_of(x[i : i + 1], y[i : i + 1]) for i in range(len(x))) / len(x)


# --- ring_all_reduce -------------------------------------------------------------------------


@variant("ring_all_reduce")
def rounds_at_once(vectors, send):
    """All messages of a round leave before any arrives; chunks of ceil(n / p) numbers."""
    p, n = len(vectors), len(vectors[0])
    size = -(-n // p)
    own = [np.array(vector) for vector in vectors]
    cuts = [slice(min(c * size, n), min((c + 1) * size, n)) for c in range(p)]
    for round_ in range(2 * (p - 1)):
        gather = round_ >= p - 1
        outgoing = [(r, cuts[(r - round_) % p]) for r in range(p)]
        arriving = [send(r, (r + 1) % p, own[r][cut]) for r, cut in outgoing]
        for (r, cut), message in zip(outgoing, arriving, strict=True):
            target = own[(r + 1) % p]
            target[cut] = message if gather else target[cut] + message
    return own


@variant("ring_all_reduce")
def chunk_by_chunk(vectors, send):
    """Follow one chunk after the other around the ring, in single precision."""
    p, n = len(vectors), len(vectors[0])
    ends = list(accumulate([n // p + (c < n % p) for c in range(p)]))
    result = np.zeros((p, n), dtype=np.float32)
    for c, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        message = vectors[c][start:end].astype(np.float32)
        for hop in range(p - 1):
            message = send((c + hop) % p, (c + hop + 1) % p, message)
            message = message + vectors[(c + hop + 1) % p][start:end].astype(np.float32)
        last = (c + p - 1) % p
        result[last, start:end] = message
        for hop in range(p - 1):
            message = send((last + hop) % p, (last + hop + 1) % p, message)
            result[(last + hop + 1) % p, start:end] = message
    return list(result)


# --- train -----------------------------------------------------------------------------------


@variant("train")
def shards_in_turn(batches, gradient_of, all_reduce, workers, until, checkpoint):
    """Every p-th row; shares instead of sums; other names."""
    w, v = np.array(checkpoint["w"]), np.array(checkpoint.get("v", 0 * checkpoint["w"]))
    for t in range(checkpoint.get("t", 0), until):
        x, y = batches[t % len(batches)]
        shares = []
        for rank in range(workers):
            mine = slice(rank, None, workers)
            shares.append(gradient_of(w, x[mine], y[mine]) * (len(x[mine]) / len(x)))
        v = 0.9 * v - 0.1 * all_reduce(shares)[-1]
        w = w + v
    return {"t": max(until, checkpoint.get("t", 0)), "w": w, "v": v}


@variant("train")
def a_copy_for_each_worker(batches, gradient_of, all_reduce, workers, until, checkpoint):
    """Each worker keeps weights and velocity of its own; a buffer without the rate inside."""
    state = {"buffer": np.zeros(len(checkpoint["w"])), "position": 0, **checkpoint}
    copies = [state["w"].copy() for _ in range(workers)]
    buffers = [state["buffer"].copy() for _ in range(workers)]
    position = int(state["position"])
    while position < until:
        x, y = batches[position % len(batches)]
        xs, ys = np.array_split(x, workers), np.array_split(y, workers)
        local = [gradient_of(w, a, b) * len(a) for w, a, b in zip(copies, xs, ys, strict=True)]
        sums = all_reduce(local)
        buffers = [0.9 * m + g / len(y) for m, g in zip(buffers, sums, strict=True)]
        copies = [w - 0.1 * m for w, m in zip(copies, buffers, strict=True)]
        position += 1
    return {"w": copies[0], "buffer": buffers[0], "position": position}
