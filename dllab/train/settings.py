"""Choose how `fit` runs a small model: several steps in one call, and batches cut in advance.

- `choose(model, …)`: the settings for a model and its data, with the reason
- `Settings`, `PLAIN`: what was chosen; what `model.fit` does by itself
- `applied(model, settings)`: a `with` block in which the model trains that way

A small model's step takes less time than the call that starts it. `steps_per_execution` puts
several steps into one call; batches that are cut from one shuffled copy of the data cost less
than batches that are gathered one by one. Neither changes a number: the same steps see the same
examples in the same order, and dropout counts its masks as before. Measured on two cores with
TensorFlow (`make bench`, table `training.md`): see `choose`.

XLA (`jit_compile`) is never switched on or off here. On TensorFlow it draws other dropout masks
from the same seed, so the results would differ, and compiling takes longer than a small run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["PLAIN", "Settings", "applied", "choose"]

_AT_ONCE = 16  # more gains nothing measurable, and progress would move in larger jumps
_FEWEST_STEPS = 500  # with fewer, a run is over before what tracing costs has come back
_SMALL_MODEL = 300_000  # parameters
_SMALL_BATCH = 250_000  # numbers in the inputs of one batch
_SMALL_DATA = 64 * 2**20  # bytes: the shuffled copy of the training data takes as much again
_OWN_LOOP = ("fit", "evaluate", "make_train_function", "make_test_function")
_KEPT = "_dllab_functions"


@dataclass(frozen=True)
class Settings:
    """How `fit` runs a model.

    Attributes:
        steps_per_execution: Steps of training in one call, or None to leave the model as it was
            compiled.
        cut_in_advance: Whether batches come from a `tf.data` pipeline that shuffles a copy of
            the data once an epoch, instead of from Keras's own, which gathers each batch.
        reason: Why, in one sentence.
    """

    steps_per_execution: int | None
    cut_in_advance: bool
    reason: str

    def __str__(self) -> str:
        steps = self.steps_per_execution
        what = "as compiled" if steps is None else f"{steps} steps in one call"
        cut = ", batches cut in advance" if self.cut_in_advance else ""
        return f"{what}{cut}: {self.reason}"


PLAIN = Settings(None, False, "plain settings were asked for")


@dataclass(frozen=True)
class _Functions:
    """What Keras traced for one way to run a model, so that the next `fit` need not."""

    compiled: Any  # `model.compile` makes a new one of these, which makes the functions stale
    key: tuple[Any, ...]
    train: Any
    test: Any


def choose(
    model: Any,
    examples: int,
    batch_size: int,
    backend: str,
    device: str = "cpu",
    *,
    epochs: int = 1,
    values: int = 1,
) -> Settings:
    """Choose the fastest settings that leave each result as it is.

    The choice rests on `tools/bench_training.py` (`make bench`), run on two cores with batches
    of 32. With TensorFlow, 16 steps in one call took about half of plain `model.fit`'s time on a
    small dense network and 0.6 to 0.8 of it on small convolutional and recurrent ones; batches
    cut in advance helped the dense one again. JAX took 0.7 to 0.9. PyTorch has no such call, and
    other devices were not measured.

    Args:
        model: A compiled Keras model.
        examples: How many examples an epoch has.
        batch_size: Examples in a batch.
        backend: "tensorflow", "jax" or "torch".
        device: "cpu", or anything else for an accelerator.
        epochs: How many epochs the run has, at most.
        values: Numbers in one example's input and target.

    Returns:
        The `Settings`. What a model was compiled with by hand (`steps_per_execution`,
        `run_eagerly`), or brings as its own training loop, is left alone.
    """
    blocked = _blocked(model, backend, device)
    if blocked:
        return Settings(None, False, blocked)
    steps = -(-examples // batch_size)
    if steps * epochs < _FEWEST_STEPS:
        few = f"{steps * epochs} steps are over before a gain repays the tracing"
        return Settings(None, False, few)
    large = _large(model, batch_size * values)
    if large:
        return Settings(None, False, large)
    cut = backend == "tensorflow" and 4 * examples * values <= _SMALL_DATA
    at_once = min(_AT_ONCE, steps)
    if model.steps_per_execution != 1:
        reason = f"the model was compiled with steps_per_execution={model.steps_per_execution}"
        return Settings(None, cut, reason)
    if _trained_before(model):
        return Settings(None, cut, "model.fit traced its step already")
    if at_once == 1:
        return Settings(None, cut, "an epoch is a single step")
    return Settings(at_once, cut, "a step of a small model is shorter than the call that starts it")


def _blocked(model: Any, backend: str, device: str) -> str:
    """Say what forbids any change, or nothing."""
    import keras

    if backend not in ("tensorflow", "jax"):
        return f"Keras on {backend} runs one step a call"
    if device != "cpu":
        return "the gain was measured on processors only"
    if model.run_eagerly:
        return "the model was compiled with run_eagerly=True"
    for name in _OWN_LOOP:
        if getattr(type(model), name) is not getattr(keras.Model, name):
            return f"the model has a `{name}` of its own"
    if _distributed(backend):
        return "each batch is spread over several devices"
    return ""


def _distributed(backend: str) -> bool:
    import keras

    if keras.distribution.distribution() is not None:
        return True
    if backend != "tensorflow":
        return False
    import tensorflow as tf

    return bool(tf.distribute.has_strategy())


def _large(model: Any, numbers: int) -> str:
    """Say what makes a step longer than the call that starts it, or nothing."""
    if numbers > _SMALL_BATCH:
        return f"a batch holds {numbers:,} numbers, which take longer than a call"
    # a model without an input shape has no weights yet; its first batch tells
    parameters = model.count_params() if model.built else 0
    if parameters > _SMALL_MODEL:
        return f"{parameters:,} parameters take longer than a call"
    return ""


def _trained_before(model: Any) -> bool:
    return model.train_function is not None


@contextmanager
def applied(model: Any, settings: Settings) -> Iterator[None]:
    """Let a model train with `settings` in the block; afterwards it is as it was compiled.

    The traced functions are kept beside the model: a second `fit` uses them again, as a second
    `model.fit` uses its own.
    """
    steps = settings.steps_per_execution
    if steps is None:
        yield
        return
    key = (steps, model.jit_compile)
    before = model.steps_per_execution, model.train_function, model.test_function
    kept = getattr(model, _KEPT, None)
    if kept is None or kept.compiled is not model._compile_config or kept.key != key:
        kept = _Functions(model._compile_config, key, None, None)
    model.steps_per_execution = steps
    model.train_function, model.test_function = kept.train, kept.test
    try:
        yield
    finally:
        kept = replace(kept, train=model.train_function, test=model.test_function)
        setattr(model, _KEPT, kept)
        model.steps_per_execution, model.train_function, model.test_function = before
