"""Train a compiled Keras model.

- `fit(model, train, validation)`: train with progress, early stopping and clear errors
"""

from typing import Any, Literal

import numpy as np

from dllab.errors import ParameterError, ShapeError, TrainingDivergedError
from dllab.seed import set_seed
from dllab.train.batches import batches, plain_arrays
from dllab.train.history import History
from dllab.train.progress import Quiet
from dllab.train.progress import choose as choose_display
from dllab.train.settings import PLAIN, Settings, applied, choose

__all__ = ["fit"]


def fit(
    model: Any,
    train: Any,
    validation: Any = None,
    *,
    epochs: int = 10,
    batch_size: int = 64,
    patience: int | None = None,
    seed: int | None = 0,
    progress: bool = True,
    settings: Literal["auto", "plain"] | Settings = "auto",
) -> History:
    """Train a compiled Keras model.

    A small model runs several steps in one call and gets its batches cut in advance, which
    changes how long training takes and no result (`dllab.train.settings`). The model is left
    as it was compiled.

    Args:
        model: A Keras model; call `model.compile(...)` first.
        train: A `Split` of `dllab.load(...)`, or a pair `(x, y)` of arrays `(examples, …)`.
        validation: The same, for data that the model does not learn from.
        epochs: How often to go through the training data, at most.
        batch_size: Examples in a batch.
        patience: Stop when the validation loss has not improved for so many epochs, and give
            the model back the weights of its best epoch. None trains to the end and leaves
            the last epoch's weights.
        seed: Seeds Python, NumPy and Keras (`dllab.set_seed`) before the first batch, so that
            the data is shuffled alike on each call. None leaves the generators as they are.
        progress: Whether to show progress and a summary.
        settings: "auto" chooses the fastest way that leaves the results as they are; "plain"
            runs exactly `model.fit(x, y, …)`; or `Settings` of your own.

    Returns:
        The run's `History`; its `settings` says what was chosen, and why.

    Raises:
        ParameterError: The model is not a compiled Keras model, the data is empty, or an
            option has no sensible value.
        ShapeError: `x` and `y` differ in length.
        TrainingDivergedError: The loss became NaN or infinite.
    """
    _check_options(epochs, batch_size, patience, validation)
    _check_settings(settings)
    _check_model(model)
    x, y = _pair(train, "train")
    held_out = None if validation is None else _pair(validation, "validation")
    if seed is not None:
        set_seed(seed)
    if not isinstance(settings, Settings):
        auto = settings == "auto"
        settings = _chosen(model, x, y, batch_size, epochs) if auto else PLAIN
    with choose_display(epochs) if progress else Quiet(epochs) as display:
        report, *others = callbacks = _callbacks(display, patience)
        data = _data(x, y, held_out, batch_size, settings.cut_in_advance)
        with applied(model, settings):
            model.fit(**data, epochs=epochs, verbose=0, callbacks=callbacks)
        if report.diverged:
            metric, epoch = report.diverged
            display.finish(f"stopped after epoch {epoch}")
            raise TrainingDivergedError(_divergence(metric, epoch, x, y))
        ran = len(report.metrics["loss"])
        numbers = list(range(1, ran + 1))
        history = History(numbers, report.metrics, restored=bool(others), settings=settings)
        display.finish(str(history))
    return history


def _chosen(model: Any, x: np.ndarray, y: np.ndarray, batch_size: int, epochs: int) -> Settings:
    """Choose the settings for this model on the active backend and device."""
    import keras

    backend = keras.backend.backend()
    if not plain_arrays(x, y):
        return Settings(None, False, "the data holds something other than numbers")
    values = (x.size + y.size) // len(x)
    return choose(
        model, len(x), batch_size, backend, _device(backend), epochs=epochs, values=values
    )


def _device(backend: str) -> str:
    """What computes: "cpu" or "gpu"; `dllab.device()` would set it up as well."""
    if backend == "jax":
        import jax

        return str(jax.default_backend())
    if backend == "tensorflow":
        import tensorflow as tf

        return "gpu" if tf.config.get_visible_devices("GPU") else "cpu"
    return "cpu"


def _data(x: Any, y: Any, held_out: Any, batch_size: int, cut: bool) -> dict[str, Any]:
    """The data as `model.fit` takes it: arrays, or pipelines of batches in the same order."""
    if not cut:
        return {"x": x, "y": y, "batch_size": batch_size, "validation_data": held_out}
    shuffled = batches(x, y, batch_size, shuffle=True)
    data = {"x": shuffled, "shuffle": False, "validation_data": held_out}
    if held_out is None:
        return data
    held_x, held_y = held_out
    if not plain_arrays(held_x, held_y):
        return {**data, "validation_batch_size": batch_size}
    return {**data, "validation_data": batches(held_x, held_y, batch_size, shuffle=False)}


def _callbacks(display: Quiet, patience: int | None) -> list[Any]:
    """The report, and early stopping where it is asked for."""
    import keras

    from dllab.train.callbacks import LiveReport, Report

    callbacks = [LiveReport(display) if display.live else Report(display)]
    if patience is not None:
        callbacks.append(
            keras.callbacks.EarlyStopping(
                monitor="val_loss", mode="min", patience=patience, restore_best_weights=True
            )
        )
    return callbacks


def _check_options(epochs: Any, batch_size: Any, patience: Any, validation: Any) -> None:
    options = {"epochs": epochs, "batch_size": batch_size}
    if patience is not None:
        options["patience"] = patience
    for name, value in options.items():
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not whole or value < 1:
            raise ParameterError(f"`{name}` must be an integer of at least 1, not {value!r}.")
    if patience is not None and validation is None:
        raise ParameterError(
            "`patience` watches the validation loss, and there is no `validation` data; "
            "pass it, or leave `patience` out."
        )


def _check_settings(settings: Any) -> None:
    if not isinstance(settings, Settings) and settings not in ("auto", "plain"):
        raise ParameterError(
            f'`settings` must be "auto", "plain" or a `Settings`, not {settings!r}.'
        )


def _check_model(model: Any) -> None:
    import keras

    if not isinstance(model, keras.Model):
        raise ParameterError(
            f"`model` must be a Keras model, not {type(model).__name__}; "
            "build one with keras.Sequential([...])."
        )
    if not model.compiled:
        raise ParameterError(
            "`model` is not compiled, so it has no loss to reduce; call "
            'model.compile(optimizer="adam", loss=...) first.'
        )


def _pair(data: Any, parameter: str) -> tuple[np.ndarray, np.ndarray]:
    """The arrays `x` and `y` of a split or a pair."""
    if isinstance(data, np.ndarray) or not hasattr(data, "__iter__"):
        raise ParameterError(
            f"`{parameter}` must be a Split or a pair (x, y), not {type(data).__name__}; "
            f"pass data.{parameter}, or put the two arrays in parentheses."
        )
    parts = tuple(data)
    if len(parts) != 2:
        raise ParameterError(f"`{parameter}` must be a pair (x, y), not {len(parts)} values.")
    x, y = (np.asarray(part) for part in parts)
    if x.ndim == 0 or y.ndim == 0 or not len(x):
        raise ParameterError(f"`{parameter}` is empty; pass at least one example.")
    if len(x) != len(y):
        raise ShapeError(
            f"`{parameter}` has {len(x)} examples and {len(y)} targets; "
            "cut both from the same data, so that row i of `y` belongs to row i of `x`."
        )
    return x, y


def _divergence(metric: str, epoch: int, x: np.ndarray, y: np.ndarray) -> str:
    """Say that the loss diverged, and what to try."""
    for name, array in (("x", x), ("y", y)):
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            count = int((~np.isfinite(array)).sum())
            return (
                f"The {metric} is not a finite number after epoch {epoch}, because the "
                f"training data is not: {count} of the values of `{name}` are NaN or infinite. "
                "Fill them in or drop their rows."
            )
    return (
        f"The {metric} is not a finite number after epoch {epoch}, so training stopped; "
        "the model's weights are of no more use. Build the model anew and try a learning rate "
        "ten times smaller. If that does not help, scale the inputs to about -1 to 1, clip the "
        "gradients (clipnorm=1.0 in the optimizer), and make sure that a loss on logits has "
        "from_logits=True."
    )
