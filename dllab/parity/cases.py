"""The cases: small models with their weights, one batch, and the steps to take.

- `Case`: everything a way needs to know, as NumPy arrays in Keras's layout.
- `Outcome`: everything a way answers, as NumPy arrays in the same layout.
- `CASES`: the names; `case(name)`: one of them.
- `QUANTITIES`: the parts of an outcome that are compared.

The numbers are random, not trained, and every value fits into float32, so that all ways start from
exactly the same ones. That holds for the optimizers' settings too: Keras turns 0.999 into float32
on its way to TensorFlow, even where it trains in float64.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from dllab.errors import ParameterError

__all__ = ["CASES", "QUANTITIES", "Case", "Outcome", "case"]

Array: TypeAlias = np.ndarray
Arrays: TypeAlias = dict[str, Array]

QUANTITIES = (
    "outputs",
    "loss",
    "input_gradient",
    "weight_gradients",
    "weights",
    "predictions",
)


@dataclass(frozen=True)
class Case:
    """A model with its weights, a batch, and the optimizer to take three steps with.

    Attributes:
        name: of the case, and of the function that computes the model in each way's module.
        weights: the trained weights by name, in Keras's order and layout.
        state: the moving averages of batch normalization by name; empty for all other models.
        x: the inputs, examples along the first axis; images as `(batch, height, width, channels)`.
        labels: class numbers `(batch,)`.
        mask: booleans `(batch, time)`, false where a sequence is padded at its end, or `None`.
        optimizer: `"sgd"`, `"rmsprop"`, `"adam"` or `"adamw"`.
        settings: the optimizer's arguments by Keras's names.
        steps: how many steps to take on this batch.
    """

    name: str
    weights: Arrays
    x: Array
    labels: Array
    optimizer: str
    settings: dict[str, float]
    state: Arrays
    mask: Array | None = None
    steps: int = 3

    def cast(self, dtype: str) -> "Case":
        """Return the case with all real numbers in `dtype`, `"float32"` or `"float64"`."""

        def real(array: Array) -> Array:
            return array.astype(dtype) if array.dtype.kind == "f" else array

        return replace(
            self,
            weights={name: real(array) for name, array in self.weights.items()},
            state={name: real(array) for name, array in self.state.items()},
            x=real(self.x),
        )


@dataclass(frozen=True)
class Outcome:
    """What one way computes for a case.

    Attributes:
        outputs: the logits of the batch in training mode, `(batch, classes)`.
        loss: their mean cross-entropy, one number.
        input_gradient: of the loss, in the shape of `x`; `None` if the inputs are whole numbers.
        weight_gradients: of the loss, by name, in the shapes of the weights.
        weights: after the steps, by name; the moving averages are among them.
        predictions: the logits of the batch after the steps, in inference mode.
    """

    outputs: Array
    loss: Array
    input_gradient: Array | None
    weight_gradients: Arrays
    weights: Arrays
    predictions: Array


def case(name: str) -> Case:
    """Return one of `CASES`, in float32.

    Raises:
        ParameterError: there is no such case.

    Example:
        >>> case("mlp").weights["hidden.kernel"].shape       # (units_in, units_out)
        (6, 5)
    """
    if name not in _MAKERS:
        raise ParameterError(
            f"`name` should be one of {', '.join(CASES)}, but it is {name!r}. Choose one of them."
        )
    made = _MAKERS[name](np.random.default_rng(CASES.index(name)))
    settings = {key: float(np.float32(value)) for key, value in made.settings.items()}
    return replace(made, settings=settings).cast("float32")


def _mlp(rng: np.random.Generator) -> Case:
    return Case(
        "mlp",
        weights=_dense(rng, "hidden", 6, 5) | _dense(rng, "logits", 5, 3),
        x=rng.normal(size=(8, 6)),
        labels=rng.integers(3, size=8),
        optimizer="adam",
        settings={"learning_rate": 0.01, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7},
        state={},
    )


def _cnn(rng: np.random.Generator) -> Case:
    # No bias before batch normalization: it would be subtracted again, so its gradient is zero
    # but for rounding, and a relative difference of rounding errors says nothing.
    return Case(
        "cnn",
        weights={"conv.kernel": rng.normal(size=(3, 3, 2, 4)) / 4}
        | {"norm.gamma": rng.uniform(0.5, 1.5, 4), "norm.beta": rng.normal(size=4) / 4}
        | _dense(rng, "logits", 16, 3),
        x=rng.normal(size=(4, 8, 8, 2)),
        labels=rng.integers(3, size=4),
        optimizer="sgd",
        settings={"learning_rate": 0.1, "momentum": 0.9},
        state={
            "norm.moving_mean": rng.normal(size=4),
            "norm.moving_variance": rng.uniform(1, 2, 4),
        },
    )


def _lstm(rng: np.random.Generator) -> Case:
    return Case(
        "lstm",
        weights={
            "lstm.kernel": rng.normal(size=(3, 16)) / 2,
            "lstm.recurrent_kernel": rng.normal(size=(4, 16)) / 2,
            "lstm.bias": rng.normal(size=16) / 2,
        }
        | _dense(rng, "logits", 4, 3),
        x=rng.normal(size=(4, 4, 3)),
        labels=rng.integers(3, size=4),
        mask=np.arange(4) < np.array([[4], [1], [3], [2]]),
        optimizer="rmsprop",
        settings={"learning_rate": 0.01, "rho": 0.9, "epsilon": 1e-7},
        state={},
    )


def _gru(rng: np.random.Generator) -> Case:
    return Case(
        "gru",
        weights={
            "gru.kernel": rng.normal(size=(3, 12)) / 2,
            "gru.recurrent_kernel": rng.normal(size=(4, 12)) / 2,
            "gru.bias": rng.normal(size=(2, 12)) / 2,
        }
        | _dense(rng, "logits", 4, 3),
        x=rng.normal(size=(4, 4, 3)),
        labels=rng.integers(3, size=4),
        optimizer="adamw",
        settings={"learning_rate": 0.01, "weight_decay": 0.1}
        | {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7},
        state={},
    )


def _text(rng: np.random.Generator) -> Case:
    return Case(
        "text",
        weights={
            "embedding.embeddings": rng.normal(size=(7, 4)),
            "norm.gamma": rng.uniform(0.5, 1.5, 4),
            "norm.beta": rng.normal(size=4) / 4,
        }
        | _dense(rng, "logits", 4, 3),
        x=rng.integers(6, size=(4, 5)),  # the last of the seven letters never comes up
        labels=rng.integers(3, size=4),
        optimizer="adam",
        settings={"learning_rate": 0.01, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7},
        state={},
    )


def _dense(rng: np.random.Generator, name: str, units_in: int, units_out: int) -> Arrays:
    return {
        f"{name}.kernel": rng.normal(size=(units_in, units_out)) / np.sqrt(units_in),
        f"{name}.bias": rng.normal(size=units_out) / 4,
    }


_MAKERS: dict[str, Callable[[np.random.Generator], Case]] = {
    "mlp": _mlp,
    "cnn": _cnn,
    "lstm": _lstm,
    "gru": _gru,
    "text": _text,
}
CASES = tuple(_MAKERS)
