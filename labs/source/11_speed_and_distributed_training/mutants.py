"""Wrong solutions of lab 11, each a misconception; a learner's output is compared with theirs."""

from itertools import pairwise

import numpy as np

from dllab.check import mutant

# --- roofline --------------------------------------------------------------------------------


@mutant("roofline", misconception="multiply-add-as-one", replaces="dense_cost")
def counts_multiply_adds(batch, units_in, units_out, bytes_each):
    """You counted a multiplication and its addition as one: they are two operations."""
    numbers = batch * units_in + units_in * units_out + batch * units_out
    return batch * units_in * units_out, numbers * bytes_each


@mutant("roofline", misconception="only-weights-travel", replaces="dense_cost")
def counts_the_weights_only(batch, units_in, units_out, bytes_each):
    """You counted the bytes of W only: X is read and the result is written as well."""
    return 2 * batch * units_in * units_out, units_in * units_out * bytes_each


@mutant("roofline", misconception="only-weights-travel", replaces="dense_cost")
def forgets_the_output(batch, units_in, units_out, bytes_each):
    """You counted what is read and left out what is written: the result moves as well."""
    moved = (batch * units_in + units_in * units_out) * bytes_each
    return 2 * batch * units_in * units_out, moved


@mutant("roofline", misconception="weights-read-per-example", replaces="dense_cost")
def reads_the_weights_each_time(batch, units_in, units_out, bytes_each):
    """You read W once for each example: one read serves the whole batch."""
    numbers = batch * (units_in + units_in * units_out + units_out)
    return 2 * batch * units_in * units_out, numbers * bytes_each


@mutant("roofline", misconception="numbers-taken-for-bytes", replaces="dense_cost")
def counts_numbers(batch, units_in, units_out, bytes_each):
    """You counted numbers: multiply by the bytes that each of them takes."""
    numbers = batch * units_in + units_in * units_out + batch * units_out
    return 2 * batch * units_in * units_out, numbers


@mutant("roofline", misconception="higher-roof-counts", replaces="attainable")
def takes_the_higher_roof(flops, bytes_moved, peak, bandwidth):
    """You took the larger of two limits: both hold, so the smaller one counts."""
    return max(peak, bandwidth * flops / bytes_moved)


@mutant("roofline", misconception="higher-roof-counts", replaces="attainable")
def adds_the_times(flops, bytes_moved, peak, bandwidth):
    """You added the time for computing to that for memory: both run at once, the longer counts."""
    return flops / (flops / peak + bytes_moved / bandwidth)


@mutant("roofline", misconception="large-batch-always-compute-bound", replaces="crossing_batch")
def moves_only_weights(units_in, units_out, bytes_each, peak, bandwidth):
    """You left the activations out, and they grow with the batch: some layers never cross."""
    return int(np.ceil(peak / bandwidth * bytes_each / 2))


@mutant("roofline", misconception="numbers-taken-for-bytes", replaces="crossing_batch")
def crosses_in_numbers(units_in, units_out, bytes_each, peak, bandwidth):
    """You compared the ridge with FLOPs for each number: it is in FLOPs for each byte."""
    factor = peak / bandwidth / 2
    gain = units_in * units_out - factor * (units_in + units_out)
    return None if gain <= 0 else int(np.ceil(factor * units_in * units_out / gain))


# --- training_memory -------------------------------------------------------------------------


def _memory(sizes, batch, optimizer, precision, *, mixed=(6, 2, 4, 2), arrays=None, single=4):
    parameters = sum((i + 1) * o for i, o in pairwise(sizes))
    arrays = arrays or {"sgd": 0, "momentum": 1, "adam": 2}
    each = mixed if precision == "mixed" else (4, single, 4, 4)
    return {
        "weights": parameters * each[0],
        "gradients": parameters * each[1],
        "optimizer": parameters * each[2] * arrays[optimizer],
        "activations": batch * sum(sizes) * each[3],
    }


@mutant("training_memory", misconception="mixed-precision-halves-all")
def halves_everything(sizes, batch, optimizer, precision):
    """You halved everything: master weights and the optimizer's arrays stay in float32."""
    return _memory(sizes, batch, optimizer, precision, mixed=(2, 2, 2, 2))


@mutant("training_memory", misconception="mixed-precision-halves-all")
def forgets_the_master_copy(sizes, batch, optimizer, precision):
    """You left out the master weights: the float16 weights are a copy of weights in float32."""
    return _memory(sizes, batch, optimizer, precision, mixed=(2, 2, 4, 2))


@mutant("training_memory", misconception="gradients-need-no-memory")
def forgets_the_gradients(sizes, batch, optimizer, precision):
    """Your gradients take no memory: there is one number for each parameter."""
    return _memory(sizes, batch, optimizer, precision, mixed=(6, 0, 4, 2), single=0)


@mutant("training_memory", misconception="activations-free-of-batch")
def forgets_the_batch(sizes, batch, optimizer, precision):
    """Your activations are those of one example: the backward pass needs all of the batch."""
    return _memory(sizes, 1, optimizer, precision)


@mutant("training_memory", misconception="adam-keeps-one-array")
def keeps_one_array(sizes, batch, optimizer, precision):
    """You gave Adam one array: it keeps two averages, of the gradient and of its square."""
    arrays = {"sgd": 0, "momentum": 1, "adam": 1}
    return _memory(sizes, batch, optimizer, precision, arrays=arrays)


@mutant("training_memory", misconception="adam-keeps-one-array")
def forgets_the_velocity(sizes, batch, optimizer, precision):
    """You gave momentum no array: the velocity has one number for each parameter."""
    arrays = {"sgd": 0, "momentum": 0, "adam": 2}
    return _memory(sizes, batch, optimizer, precision, arrays=arrays)


# --- pipeline_time ---------------------------------------------------------------------------


def _pipeline(reads, steps, depth):
    begun, read_end, step_end = [], 0.0, 0.0
    for i, (read, step) in enumerate(zip(reads, steps, strict=True)):
        free = step_end if depth == 0 else begun[i - depth] if i >= depth else 0.0
        read_end = max(read_end, free) + read
        begun.append(max(read_end, step_end))
        step_end = begun[-1] + step
    return step_end


@mutant("pipeline_time", misconception="prefetch-adds-times")
def adds_everything(reads, steps, depth):
    """You added all times: with a buffer, the next batch is read during the step."""
    return float(np.sum(reads) + np.sum(steps))


@mutant("pipeline_time", misconception="warm-up-left-out")
def forgets_both_ends(reads, steps, depth):
    """You left out the first read: no step can start before a batch is there."""
    if depth == 0:
        return _pipeline(reads, steps, 0)
    return float(max(np.sum(reads), np.sum(steps)))


@mutant("pipeline_time", misconception="warm-up-left-out")
def starts_with_a_batch(reads, steps, depth):
    """Your first batch is there at time 0: it has to be read as well."""
    if depth == 0:
        return _pipeline(reads, steps, 0)
    return _pipeline([0.0, *reads[1:]], steps, depth)


@mutant("pipeline_time", misconception="warm-up-left-out")
def ends_with_the_last_read(reads, steps, depth):
    """You left out the last step: it begins when everything else is done."""
    return _pipeline(reads, [*steps[:-1], 0.0] if depth else steps, depth)


@mutant("pipeline_time", misconception="prefetch-splits-the-work")
def divides_by_the_depth(reads, steps, depth):
    """You divided the reading time by the depth: one reader gets no faster by working ahead."""
    return _pipeline(np.asarray(reads) / max(depth, 1), steps, depth)


@mutant("pipeline_time", misconception="buffer-without-end")
def never_stops_reading(reads, steps, depth):
    """Your reader never waits: when all places of the buffer are taken, it has to."""
    return _pipeline(reads, steps, len(reads) if depth else 0)


@mutant("pipeline_time", misconception="buffer-without-end")
def has_one_place_more(reads, steps, depth):
    """Your buffer has one place too many: the reader needs a place when it starts on a batch."""
    return _pipeline(reads, steps, depth + 1 if depth else 0)


@mutant("pipeline_time", misconception="pipeline-of-averages")
def takes_averages(reads, steps, depth):
    """You computed with average times: who waits for whom is decided batch by batch."""
    n = len(reads)
    return _pipeline([float(np.mean(reads))] * n, [float(np.mean(steps))] * n, depth)


# --- scaled_step -----------------------------------------------------------------------------


def _scaled(state, gradient_of, rate, max_norm, patience, **odd):
    w, scale, good = state["w"], state["scale"], state["good"]
    half = w.astype(np.float16)
    gradient = gradient_of(half, scale)
    bad = not np.isfinite(gradient).all()
    if bad and not odd.get("mended"):
        return {"w": w.copy(), "scale": scale / 2, "good": good if odd.get("kept") else 0}
    if bad:
        gradient = np.nan_to_num(gradient, nan=0.0, posinf=0.0, neginf=0.0)
    with np.errstate(all="ignore"):
        if odd.get("in_half"):
            gradient = (gradient / np.float16(scale)).astype(np.float32)
        else:
            gradient = gradient.astype(np.float32)
            gradient = gradient / np.float32(1 if odd.get("clip_first") else scale)
    if odd.get("forgotten"):
        gradient = gradient * np.float32(scale)
    norm = float(np.linalg.norm(gradient.astype(float)))
    if norm > max_norm:
        gradient = gradient * np.float32(max_norm / norm)
    if odd.get("clip_first"):
        gradient = gradient / np.float32(scale)
    if bad:
        scale, good = scale / 2, 0
    else:
        good += 1
        if good >= patience:
            scale, good = scale * 2, good if odd.get("kept") else 0
    moved = (half if odd.get("from_half") else w) - np.float32(rate) * gradient
    return {"w": moved.astype(np.float32), "scale": scale, "good": good}


@mutant("scaled_step", misconception="weights-kept-in-half")
def returns_half(state, gradient_of, rate, max_norm, patience):
    """Your new weights are float16, so small steps are rounded away: keep them in float32."""
    new = _scaled(state, gradient_of, rate, max_norm, patience)
    return {**new, "w": new["w"].astype(np.float16)}


@mutant("scaled_step", misconception="loss-scale-not-undone")
def uses_the_scaled_gradient(state, gradient_of, rate, max_norm, patience):
    """You used the gradient of the scaled loss: divide it by the scale first."""
    return _scaled(state, gradient_of, rate, max_norm, patience, forgotten=True)


@mutant("scaled_step", misconception="clipped-while-scaled")
def clips_first(state, gradient_of, rate, max_norm, patience):
    """You clipped the scaled gradient: divide by the scale first, then compare with the limit."""
    return _scaled(state, gradient_of, rate, max_norm, patience, clip_first=True)


@mutant("scaled_step", misconception="unscaled-in-half")
def divides_in_half(state, gradient_of, rate, max_norm, patience):
    """You divided by the scale in float16, where small gradients become zero: convert first."""
    return _scaled(state, gradient_of, rate, max_norm, patience, in_half=True)


@mutant("scaled_step", misconception="overflow-step-taken")
def mends_the_gradient(state, gradient_of, rate, max_norm, patience):
    """You set what overflowed to zero and took the step: skip it, the rest is no gradient."""
    return _scaled(state, gradient_of, rate, max_norm, patience, mended=True)


@mutant("scaled_step", misconception="overflow-step-taken")
def looks_for_infinity_only(state, gradient_of, rate, max_norm, patience):
    """You looked for infinity and not for NaN, which comes of two infinities: use isfinite."""

    def seen(w, scale):
        return np.nan_to_num(gradient_of(w, scale), nan=1.0, posinf=np.inf, neginf=-np.inf)

    return _scaled(state, seen, rate, max_norm, patience)


@mutant("scaled_step", misconception="weights-kept-in-half")
def steps_from_half(state, gradient_of, rate, max_norm, patience):
    """You stepped from the float16 copy, which rounds the weights: step from the master weights."""
    return _scaled(state, gradient_of, rate, max_norm, patience, from_half=True)


@mutant("scaled_step", misconception="good-steps-not-counted-anew")
def keeps_counting(state, gradient_of, rate, max_norm, patience):
    """Your count of good steps never goes back to 0: an overflow and a doubling both end a run."""
    return _scaled(state, gradient_of, rate, max_norm, patience, kept=True)


# --- accumulated_gradient --------------------------------------------------------------------


def _pieces(gradient_of, x, y, micro):
    starts = range(0, len(x), micro)
    return [gradient_of(x[s : s + micro], y[s : s + micro]) for s in starts]


@mutant("accumulated_gradient", misconception="micro-batches-summed")
def sums_the_pieces(gradient_of, x, y, micro):
    """You added up means over the pieces: weight each by its share of the rows."""
    return np.sum(_pieces(gradient_of, x, y, micro), axis=0)


@mutant("accumulated_gradient", misconception="micro-batches-weighted-equally")
def averages_the_pieces(gradient_of, x, y, micro):
    """You averaged the pieces: a smaller last one should count less."""
    return np.mean(_pieces(gradient_of, x, y, micro), axis=0)


@mutant("accumulated_gradient", misconception="micro-batches-weighted-equally")
def weights_by_the_room(gradient_of, x, y, micro):
    """You gave each piece the weight micro / n: the last one has fewer rows than that."""
    return np.sum(_pieces(gradient_of, x, y, micro), axis=0) * micro / len(x)


@mutant("accumulated_gradient", misconception="batch-not-split")
def takes_all_at_once(gradient_of, x, y, micro):
    """You gave the whole batch to `gradient_of`, and memory has no room for it: cut it first."""
    return gradient_of(x, y)


@mutant("accumulated_gradient", misconception="last-micro-batch-dropped")
def drops_the_rest(gradient_of, x, y, micro):
    """You left out the rows that do not fill a micro-batch: the last one may be smaller."""
    full = max(len(x) // micro, 1) * micro
    return np.mean(_pieces(gradient_of, x[:full], y[:full], micro), axis=0)


# --- ring_all_reduce -------------------------------------------------------------------------


def _ring(vectors, send, *, rounds=0, first=1, add=False, cut=None, look=False):
    p = len(vectors)
    chunks = [(cut or np.array_split)(np.array(v, dtype=float), p) for v in vectors]
    for half in range(2):
        for s in range(p - 1 - rounds):
            for r in range(p):
                to, c = (r + 1) % p, (r - s + (first if half else 0)) % p
                arrived = send(r, to, chunks[r][c])
                if look:
                    arrived = chunks[r][c]
                chunks[to][c] = arrived + chunks[to][c] if add or not half else arrived
    return [np.concatenate(own) for own in chunks]


@mutant("ring_all_reduce", misconception="all-reduce-scaled")
def returns_the_mean(vectors, send):
    """You returned the mean: an all-reduce returns the sum."""
    return [own / len(vectors) for own in _ring(vectors, send)]


@mutant("ring_all_reduce", misconception="ring-one-round-short")
def stops_early(vectors, send):
    """You stopped one round early: a chunk needs p - 1 rounds to visit all p workers."""
    return _ring(vectors, send, rounds=1)


@mutant("ring_all_reduce", misconception="ring-chunk-off-by-one")
def passes_on_the_wrong_chunk(vectors, send):
    """Your second half starts with chunk r: complete at worker r is the chunk r + 1."""
    return _ring(vectors, send, first=0)


@mutant("ring_all_reduce", misconception="ring-gather-adds")
def adds_in_both_halves(vectors, send):
    """You added in the second half too: there complete sums arrive, which replace your chunk."""
    return _ring(vectors, send, add=True)


@mutant("ring_all_reduce", misconception="ring-whole-vector-sent")
def sends_whole_vectors(vectors, send):
    """You sent whole vectors around: cut them into chunks, and each connection carries less."""
    p = len(vectors)
    totals = [np.array(v, dtype=float) for v in vectors]
    passing = [total.copy() for total in totals]
    for _ in range(p - 1):
        passing = [send((r - 1) % p, r, passing[(r - 1) % p]) for r in range(p)]
        totals = [total + arrived for total, arrived in zip(totals, passing, strict=True)]
    return totals


@mutant("ring_all_reduce", misconception="all-through-one-worker")
def collects_at_worker_0(vectors, send):
    """You sent everything to worker 0 and back: each worker may send to its neighbor only."""
    p = len(vectors)
    total = np.array(vectors[0], dtype=float)
    for r in range(1, p):
        total = total + send(r, 0, vectors[r])
    return [total] + [send(0, r, total) for r in range(1, p)]


def _floor_cut(vector, p):
    size = len(vector) // p
    chunks = [vector[c * size : (c + 1) * size] for c in range(p)]
    return chunks


@mutant("ring_all_reduce", misconception="ring-rest-left-out")
def leaves_out_the_rest(vectors, send):
    """You cut chunks of n // p numbers and left out the rest: some chunks need one more."""
    whole = len(vectors) * (len(vectors[0]) // len(vectors))
    sums = _ring(vectors, send, cut=_floor_cut)
    return [np.concatenate([s, v[whole:]]) for s, v in zip(sums, vectors, strict=True)]


@mutant("ring_all_reduce", misconception="reads-another-workers-memory")
def reads_what_was_sent(vectors, send):
    """You used the sender's array and not what arrived: take what `send` returns."""
    return _ring(vectors, send, look=True)


# --- train -----------------------------------------------------------------------------------


def _train(batches, gradient_of, all_reduce, workers, until, checkpoint, *, step_of=None, **odd):
    w = np.array(checkpoint["w"], dtype=float)
    velocity = checkpoint.get("velocity", np.zeros_like(w))
    step = int(checkpoint.get("step", 0))
    taken = step
    while taken < until:
        x, y = batches[step % len(batches)]
        shards = np.array_split(np.arange(len(x)), workers)
        if odd.get("same"):
            shards = [shards[0]] * workers
        means = [gradient_of(w, x[rows], y[rows]) for rows in shards]
        if odd.get("equal"):
            gradient = all_reduce(means)[0] / workers
        elif odd.get("summed"):
            gradient = all_reduce(means)[0]
        elif odd.get("alone"):
            gradient = means[0]
        else:
            sums = [len(rows) * mean for rows, mean in zip(shards, means, strict=True)]
            gradient = all_reduce(sums)[0] / len(x)
        velocity = 0.9 * velocity - 0.1 * gradient
        w = w + velocity
        step, taken = step + 1, taken + 1
    return {"w": w, "velocity": velocity, "step": step}


@mutant("train", misconception="same-shard-for-all")
def gives_all_the_same_shard(batches, gradient_of, all_reduce, workers, until, checkpoint):
    """All your workers read the same rows: together they should read the whole batch once."""
    return _train(batches, gradient_of, all_reduce, workers, until, checkpoint, same=True)


@mutant("train", misconception="shards-weighted-equally")
def averages_the_shards(batches, gradient_of, all_reduce, workers, until, checkpoint):
    """You averaged the workers' gradients: shards of unequal size count by their rows."""
    return _train(batches, gradient_of, all_reduce, workers, until, checkpoint, equal=True)


@mutant("train", misconception="workers-summed-for-mean")
def sums_over_workers(batches, gradient_of, all_reduce, workers, until, checkpoint):
    """You stepped with the sum of the workers' means, which is as many times too long."""
    return _train(batches, gradient_of, all_reduce, workers, until, checkpoint, summed=True)


@mutant("train", misconception="gradients-not-exchanged")
def trains_alone(batches, gradient_of, all_reduce, workers, until, checkpoint):
    """Worker 0 stepped with its own gradient: exchange the gradients in each step."""
    return _train(batches, gradient_of, all_reduce, workers, until, checkpoint, alone=True)


@mutant("train", misconception="gradients-not-exchanged")
def meets_at_the_end(batches, gradient_of, all_reduce, workers, until, checkpoint):
    """Your workers train apart and average their weights at the end: exchange in each step."""
    step = int(checkpoint.get("step", 0))
    w = np.array(checkpoint["w"], dtype=float)
    velocity = checkpoint.get("velocity", np.zeros_like(w))
    ends = []
    for rank in range(workers):
        own, v = w, velocity
        for s in range(step, until):
            x, y = (np.array_split(part, workers)[rank] for part in batches[s % len(batches)])
            v = 0.9 * v - 0.1 * gradient_of(own, x, y)
            own = own + v
        ends.append(np.concatenate([own, v]))
    w, velocity = np.split(all_reduce(ends)[0] / workers, 2)
    return {"w": w, "velocity": velocity, "step": max(step, until)}


@mutant("train", misconception="velocity-not-in-checkpoint")
def saves_no_velocity(batches, gradient_of, all_reduce, workers, until, checkpoint):
    """Your velocity starts at zero after a restart: it belongs into the checkpoint."""
    found = _train(batches, gradient_of, all_reduce, workers, until, checkpoint)
    return {"w": found["w"], "step": found["step"]}


@mutant("train", misconception="data-position-forgotten")
def reads_from_the_beginning(batches, gradient_of, all_reduce, workers, until, checkpoint):
    """After a restart you began with the first batch again: go on with the batch of your step."""
    turned = int(checkpoint.get("step", 0)) % len(batches)
    again = batches[-turned:] + batches[:-turned] if turned else batches
    return _train(again, gradient_of, all_reduce, workers, until, checkpoint)


@mutant("train", misconception="data-position-forgotten")
def counts_steps_anew(batches, gradient_of, all_reduce, workers, until, checkpoint):
    """Your checkpoint does not say how many steps were taken, so they are taken once more."""
    found = _train(batches, gradient_of, all_reduce, workers, until, checkpoint)
    return {"w": found["w"], "velocity": found["velocity"]}
