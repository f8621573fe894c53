"""Measure ways to train a small network on this CPU; write `build/bench/training.json` and `.md`.

Three questions, each answered by ratios measured in the same run, rounds taken in turns:

- how long the engine (`dllab.scratch`) takes against `model.fit` for the same network, and
- which options make `fit` itself faster: several steps an execution, a cached pipeline, a whole
  epoch in one `tf.function`, XLA, a larger batch; and what an eager loop costs;
- what `train.fit` makes of them: its settings, and each part of them, against plain `model.fit`
  with shuffled data and validation. This one runs on each backend: `KERAS_BACKEND=jax`.

Every way starts from the same weights and sees the batches in the same order; that it ends with
the same loss is checked before it is timed. The first call, which compiles, is timed apart.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from bench import OUT, compare, seconds

import dllab
from dllab import scratch, train

BATCH = 32
RATE = 0.05
STEPS_AT_ONCE = 16
Way = Callable[[int], Any]  # trains for a number of epochs, returns the model


@dataclass(frozen=True)
class Task:
    """A network and its data.

    Attributes:
        name: what the table calls it.
        x: examples, `(examples, ...)` of float32, a whole number of batches.
        y: class numbers, `(examples,)`.
        engine: makes the network with the engine's layers.
        layers: makes the same layers of Keras, in the same order.
        epochs: how many epochs one measurement takes.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    engine: Callable[[], scratch.Sequential]
    layers: Callable[[], list[keras.Layer]]
    epochs: int


def mlp(examples: int = 1024, epochs: int = 10) -> Task:
    """Digits of 8 by 8 pixels, two hidden layers of 64 units."""
    x, y = dllab.load("digits").train

    def engine() -> scratch.Sequential:
        rng = np.random.default_rng(0)
        return scratch.Sequential(
            [
                scratch.Flatten(),
                scratch.Dense(64, 64, "relu", rng=rng),
                scratch.Dense(64, 64, "relu", rng=rng),
                scratch.Dense(64, 10, rng=rng),
            ]
        )

    def layers() -> list[keras.Layer]:
        dense = keras.layers.Dense
        return [keras.layers.Flatten(), dense(64, "relu"), dense(64, "relu"), dense(10)]

    return Task("MLP 64-64-64-10, digits", x[:examples], y[:examples], engine, layers, epochs)


def cnn(examples: int = 2048, epochs: int = 2) -> Task:
    """Digits of 28 by 28 pixels, two convolutions with pooling."""
    x, y = dllab.load("mnist5k").train

    def engine() -> scratch.Sequential:
        rng = np.random.default_rng(0)
        return scratch.Sequential(
            [
                scratch.Conv2D(1, 8, 3, "relu", rng=rng),
                scratch.MaxPooling2D(2),
                scratch.Conv2D(8, 16, 3, "relu", rng=rng),
                scratch.MaxPooling2D(2),
                scratch.Flatten(),
                scratch.Dense(400, 10, rng=rng),
            ]
        )

    def layers() -> list[keras.Layer]:
        conv, pool = keras.layers.Conv2D, keras.layers.MaxPooling2D
        first, second = conv(8, 3, activation="relu"), conv(16, 3, activation="relu")
        return [first, pool(2), second, pool(2), keras.layers.Flatten(), keras.layers.Dense(10)]

    x = x[:examples, ..., np.newaxis]
    return Task("CNN 8-16, mnist5k", x, y[:examples], engine, layers, epochs)


@dataclass(frozen=True)
class Run:
    """A run of `train.fit`.

    Attributes:
        name: what the table calls it.
        data: the data set, with `train` and `validation`.
        layers: makes the network's layers.
        epochs: how many epochs one measurement takes.
        examples: how many of the training examples it sees; the last batch is a smaller one.
    """

    name: str
    data: Any
    layers: Callable[[], list[keras.Layer]]
    epochs: int
    examples: int


def runs(scale: int = 1) -> list[Run]:
    """A dense, a convolutional and a recurrent network; `scale` divides the examples."""
    dense, conv = keras.layers.Dense, keras.layers.Conv2D
    digits, mnist = dllab.load("digits"), dllab.load("mnist5k")

    def convolutional() -> list[keras.Layer]:
        pool = keras.layers.MaxPooling2D
        first, second = conv(8, 3, activation="relu"), conv(16, 3, activation="relu")
        image = keras.layers.Reshape((28, 28, 1))
        return [image, first, pool(2), second, pool(2), keras.layers.Flatten(), dense(10)]

    return [
        Run(
            "MLP 64-64-10 with dropout, digits",
            digits,
            lambda: [
                keras.layers.Flatten(),
                dense(64, "relu"),
                keras.layers.Dropout(0.2),
                dense(64, "relu"),
                dense(10),
            ],
            10,
            1000 // scale,
        ),
        Run("CNN 8-16, mnist5k", mnist, convolutional, 2, 2000 // scale),
        Run(
            "LSTM 32, digits row by row",
            digits,
            lambda: [keras.layers.LSTM(32), dense(10)],
            4,
            1000 // scale,
        ),
    ]


def by_train(run: Run, settings: train.Settings | str, batch: int = BATCH) -> Way:
    """Train with `train.fit`, with settings of its own choice ("auto"), "plain" or others."""
    x, y = (part[: run.examples] for part in run.data.train)
    dllab.set_seed(0)
    model = keras.Sequential([keras.Input(x.shape[1:]), *run.layers()])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    options = {"batch_size": batch, "progress": False, "settings": settings}
    return lambda epochs: train.fit(model, (x, y), run.data.validation, epochs=epochs, **options)


def train_settings() -> dict[str, train.Settings | str]:
    """Name what `train.fit` is measured with: its own choice, and what that is made of."""
    parts: dict[str, train.Settings | str] = {"`train.fit`": "auto"}
    if keras.backend.backend() != "torch":  # Keras runs one step a call there
        for count in (4, 16, 64):
            parts[f"{count} steps in one call"] = train.Settings(count, False, "measured")
    if keras.backend.backend() == "tensorflow":
        parts["batches cut in advance"] = train.Settings(None, True, "measured")
    return parts


def bench_train(run: Run, rounds: int) -> list[dict]:
    """Measure `train.fit` and the options that it chooses from against plain `model.fit`."""
    peer = by_train(run, "plain")
    plain = peer(run.epochs).metrics["loss"]
    rows = []
    for name, settings in train_settings().items():
        fit = by_train(run, settings)
        start = time.perf_counter()
        history = fit(run.epochs)
        first = time.perf_counter() - start
        check_same(name, history.metrics["loss"][-1], plain[-1])
        row = compare(
            f"{run.name} ({keras.backend.backend()}): {name} / plain `model.fit`",
            lambda fit=fit: fit(run.epochs),
            lambda: peer(run.epochs),
            rounds,
        )
        rows.append({**row, "first_call_s": first})
    return rows


def keras_model(task: Task, **options: Any) -> keras.Model:
    """Build the task's network with the engine's weights; `options` go to `compile`."""
    model = keras.Sequential([keras.Input(task.x.shape[1:]), *task.layers()])
    model.set_weights([parameter.data for parameter in task.engine().parameters()])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    options = {"jit_compile": False, **options}
    model.compile(keras.optimizers.SGD(RATE), loss, **options)
    return model


def by_fit(task: Task, *, batch: int = BATCH, pipeline: bool = False, **options: Any) -> Way:
    """Train with `model.fit`, from arrays or from a cached `tf.data` pipeline."""
    model = keras_model(task, **options)
    data: dict[str, Any] = {"x": task.x, "y": task.y, "batch_size": batch, "shuffle": False}
    if pipeline:
        batches = tf.data.Dataset.from_tensor_slices((task.x, task.y)).batch(batch)
        data = {"x": batches.cache().prefetch(tf.data.AUTOTUNE), "shuffle": False}

    def train(epochs: int) -> keras.Model:
        model.fit(**data, epochs=epochs, verbose=0)
        return model

    return train


def by_loop(task: Task, *, compiled: str | None) -> Way:
    """Train with a `GradientTape` of one's own.

    Args:
        task: the network and its data.
        compiled: `"epoch"` puts a whole epoch into one `tf.function`, `"step"` one step; None
            runs each operation by itself, eagerly.
    """
    model = keras_model(task)
    model.optimizer.build(model.trainable_variables)
    x, y = tf.constant(task.x), tf.constant(task.y)
    steps = len(task.x) // BATCH

    def step(rows_x: tf.Tensor, rows_y: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = model.loss(rows_y, model(rows_x, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        model.optimizer.apply(gradients, model.trainable_variables)

    if compiled == "step":
        step = tf.function(step)

    def epoch() -> None:
        for i in tf.range(steps) if compiled == "epoch" else range(steps):
            step(x[i * BATCH : (i + 1) * BATCH], y[i * BATCH : (i + 1) * BATCH])

    run = tf.function(epoch) if compiled == "epoch" else epoch

    def train(epochs: int) -> keras.Model:
        for _ in range(epochs):
            run()
        return model

    return train


def by_engine(task: Task) -> Way:
    """Train with the engine, in NumPy."""
    model = task.engine()
    optimizer = scratch.SGD(model.parameters(), RATE)

    def train(epochs: int) -> scratch.Sequential:
        for _ in range(epochs):
            for start in range(0, len(task.x), BATCH):
                rows = slice(start, start + BATCH)
                loss = scratch.softmax_cross_entropy(model(task.x[rows], True), task.y[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return model

    return train


def loss_of(model: Any, task: Task) -> float:
    """The mean cross-entropy of a model of either kind."""
    logits = model(task.x)
    logits = logits.data if isinstance(logits, scratch.Tensor) else np.asarray(logits)
    return float(scratch.softmax_cross_entropy(logits, task.y))


def ways(task: Task) -> dict[str, Callable[[], Way]]:
    """Name each way to train; the first is what the others are compared with."""
    return {
        "`fit` on arrays": lambda: by_fit(task),
        f"`steps_per_execution={STEPS_AT_ONCE}`": lambda: by_fit(
            task, steps_per_execution=STEPS_AT_ONCE
        ),
        "the same, cached `tf.data`": lambda: by_fit(
            task, pipeline=True, steps_per_execution=STEPS_AT_ONCE
        ),
        "a step in one `tf.function`": lambda: by_loop(task, compiled="step"),
        "an epoch in one `tf.function`": lambda: by_loop(task, compiled="epoch"),
        "`jit_compile=True`": lambda: by_fit(task, jit_compile=True),
        "batches of 128": lambda: by_fit(task, batch=4 * BATCH),
        "eager `GradientTape` loop": lambda: by_loop(task, compiled=None),
        "`dllab.scratch`": lambda: by_engine(task),
    }


def bench(task: Task, rounds: int) -> list[dict]:
    """Measure each way against plain `fit`; return one row each."""
    first, *others = ways(task).items()
    peer = first[1]()
    expected = loss_of(peer(1), task)
    rows = []
    for name, make in others:
        train = make()
        compile_s = seconds(lambda train=train: train(1))
        if name != "batches of 128":
            check_same(name, loss_of(train(0), task), expected)
        row = compare(
            f"{task.name}: {name} / {first[0]}",
            lambda train=train: train(task.epochs),
            lambda: peer(task.epochs),
            rounds,
        )
        rows.append({**row, "first_call_s": compile_s})
    return rows


def check_same(name: str, loss: float, expected: float) -> None:
    """Stop where two ways to do the same thing do not."""
    if not abs(loss - expected) < 1e-3 * expected:
        raise SystemExit(f"{name} ends at a loss of {loss:.5f}, `fit` at {expected:.5f}")


def write(rows: list[dict]) -> None:
    """Write the rows as JSON and as a table."""
    machine = {"cores": os.cpu_count(), "system": platform.platform()}
    OUT.mkdir(parents=True, exist_ok=True)
    result = {"machine": machine, "batch": BATCH, "rows": rows}
    lines = [
        "| what | ratio of times | first call (s) |",
        "| --- | --- | --- |",
        *(f"| {r['what']} | {r['ratio']:.2f} | {r['first_call_s']:.1f} |" for r in rows),
    ]
    texts = {"training.json": json.dumps(result, indent=1), "training.md": "\n".join(lines)}
    for name, text in texts.items():
        draft = OUT / f"{name}.tmp"
        draft.write_text(text + "\n", encoding="utf-8")
        draft.replace(OUT / name)
    print("\n".join(lines))


def main() -> None:
    """Measure all networks; `--rounds` sets how often."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each way")
    rounds = parser.parse_args().rounds
    tf.config.set_visible_devices([], "GPU")  # this compares ways to use a processor
    rows = [row for run in runs() for row in bench_train(run, rounds)]
    if keras.backend.backend() == "tensorflow":  # the loops are TensorFlow's own
        rows += [row for task in (mlp(), cnn()) for row in bench(task, rounds)]
    write(rows)


if __name__ == "__main__":
    main()
