"""A learner's Keras model as a check sees it, rebuilt from data that anybody may have forged.

- `read_model(data)`: a `Spec` of what `dllab.check.model_data` told, after strict checks
- `Spec`, `LayerSpec`: layers from an allow-list, with allow-listed settings, and their weights
- `Model`, `LayerView`: what a check gets: layers, weights, `predict`
- `Evaluator`, `Answer`: whatever can rebuild a `Spec` and run it, and what comes of it
- `evaluated_by(evaluator)`: rebuild in another process; without it, in this one
- `ModelError`: the data are no model that can be rebuilt; the text continues "The value …"

Keras is imported by the evaluator only (`dllab.check.rebuild`), never here.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from dllab.check.layer_kinds import KINDS, MANY, ForgedError, read_settings

__all__ = [
    "Answer",
    "Evaluator",
    "LayerSpec",
    "LayerView",
    "Model",
    "ModelError",
    "Spec",
    "evaluated_by",
    "evaluator",
    "read_model",
]

MAX_LAYERS = 200
MAX_CALLS = 400
MAX_INPUTS = 8
MAX_PARAMETERS = 10_000_000
MAX_EXAMPLE = 1_000_000  # numbers in one example
MAX_BATCH = 4_000_000  # numbers in what a check predicts at once
INPUT_TYPES = ("float32", "float64", "float16", "bfloat16", "int32", "int64", "uint8", "bool")


class ModelError(AssertionError):
    """A model cannot be rebuilt or run; the learner reads the text."""


@dataclass(frozen=True)
class LayerSpec:
    """One layer: its kind, its settings, its weights (none: Keras draws initial ones)."""

    kind: str
    settings: Mapping[str, Any]
    weights: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True)
class Spec:
    """A model in plain values.

    Args:
        layers: each layer once.
        calls: which layer is called on which tensors; tensors are numbered, the inputs first.
        inputs: shape of one example and dtype, for each input; `()` while it is not built.
        outputs: the number of the tensor that is the model's output.
    """

    layers: tuple[LayerSpec, ...]
    calls: tuple[tuple[int, tuple[int, ...]], ...]
    inputs: tuple[tuple[tuple[int | None, ...], str], ...]
    output: int


@dataclass(frozen=True)
class Answer:
    """What rebuilding gave: shapes without the batch, weights, predictions, or a problem.

    Args:
        shapes: what each call gives, for one example.
        weights: the initial ones of each layer whose weights were not told.
        trainable: how many numbers `fit` would change.
        output: predictions for the batch, if there was one.
        problem: why it cannot be built or run; continues a sentence about the model.
    """

    shapes: tuple[tuple[int | None, ...], ...] = ()
    weights: tuple[tuple[np.ndarray, ...], ...] = ()
    trainable: int = 0
    output: np.ndarray | None = None
    problem: str = ""


class Evaluator(Protocol):
    """Whatever can rebuild a model and run it."""

    def evaluate(self, spec: Spec, batch: Sequence[np.ndarray] = ()) -> Answer:
        """Rebuild a model, and run it on a batch if there is one; never raise for the model."""
        ...


@dataclass(frozen=True)
class LayerView:
    """One layer of a rebuilt model, as plain data.

    Args:
        kind: Keras's name of the layer, such as `"Dense"`.
        config: its settings, such as `{"units": 10, "activation": "softmax", …}`; an initializer,
            regularizer or constraint is a dict such as `{"kind": "L2", "l2": 0.01}`.
        weights: its arrays, in Keras's order (a Dense layer: kernel, bias).
        output_shape: of one example.
    """

    kind: str
    config: Mapping[str, Any]
    weights: tuple[np.ndarray, ...] = field(repr=False)
    output_shape: tuple[int | None, ...]

    @property
    def parameters(self) -> int:
        """How many numbers its weights hold."""
        return sum(weight.size for weight in self.weights)


class Model:
    """A learner's Keras model, rebuilt from its layers and weights by code that is not theirs.

    Args:
        spec: its checked data.
        answer: what the evaluator said when it was first built.
        name: what a sentence calls it.
    """

    def __init__(self, spec: Spec, answer: Answer, name: str = "the model") -> None:
        self._spec = spec
        self._name = name
        self.input_shapes = tuple(shape for shape, _ in spec.inputs)
        self.output_shape = answer.shapes[spec.output - len(spec.inputs)]
        self.trainable_parameters = answer.trainable
        shapes = {layer: shape for (layer, _), shape in zip(spec.calls, answer.shapes, strict=True)}
        self.layers = tuple(
            LayerView(layer.kind, layer.settings, layer.weights or weights, shapes.get(number, ()))
            for number, (layer, weights) in enumerate(zip(spec.layers, answer.weights, strict=True))
        )

    @property
    def weights(self) -> tuple[np.ndarray, ...]:
        """All arrays, layer by layer."""
        return tuple(weight for layer in self.layers for weight in layer.weights)

    @property
    def parameters(self) -> int:
        """How many numbers all weights hold together."""
        return sum(layer.parameters for layer in self.layers)

    def predict(self, *inputs: Any) -> np.ndarray:
        """Return the outputs for a batch, an array of shape `(batch, …)`, with dropout off.

        Raises:
            ModelError: the model cannot be run on such a batch, or its outputs are not finite.
        """
        batch = [np.asarray(x) for x in inputs]
        if len(batch) != len(self._spec.inputs):
            raise ModelError(
                f"{self._name} takes {len(self._spec.inputs)} input(s), and it should take "
                f"{len(batch)}."
            )
        if sum(x.size for x in batch) > MAX_BATCH:
            raise ValueError(f"a check predicts at most {MAX_BATCH:,} numbers at once")
        layers = tuple(
            LayerSpec(layer.kind, layer.settings, view.weights)
            for layer, view in zip(self._spec.layers, self.layers, strict=True)
        )
        spec = Spec(layers, self._spec.calls, self._spec.inputs, self._spec.output)
        answer = evaluator().evaluate(spec, batch)
        if answer.problem or answer.output is None:
            raise ModelError(f"{self._name} {answer.problem or 'gave no output'}.")
        if not np.isfinite(answer.output).all():
            raise ModelError(f"{self._name} predicts NaN or infinity: look at its weights.")
        return answer.output

    def __repr__(self) -> str:
        return f"Model({', '.join(layer.kind for layer in self.layers)})"


_evaluator: ContextVar[Evaluator | None] = ContextVar("evaluator", default=None)


@contextmanager
def evaluated_by(other: Evaluator) -> Iterator[None]:
    """Let another evaluator rebuild the models of the checks that run in this context."""
    token = _evaluator.set(other)
    try:
        yield
    finally:
        _evaluator.reset(token)


def evaluator() -> Evaluator:
    """Return what rebuilds models now."""
    chosen = _evaluator.get()
    if chosen is not None:
        return chosen
    from dllab.check.rebuild import Rebuilder

    return Rebuilder()


def read_model(data: Any, input_shape: Sequence[int] | None = None) -> Spec:
    """Read the data of a model that the learner's process told, and believe none of them.

    Args:
        data: a plain value.
        input_shape: of one example, for a model that has not been built yet.

    Raises:
        ModelError: this is no model that can be rebuilt.
    """
    try:
        return _read(data, input_shape)
    except ForgedError as error:
        raise ModelError(str(error)) from None


def _read(data: Any, input_shape: Sequence[int] | None) -> Spec:
    _expect(type(data) is dict, "is no Keras model")
    name = data.get("class")
    name = name[:60] if type(name) is str and name.isidentifier() else "object"
    _expect(data.get("keras") is True, f"should be a Keras model, and it is a {name}")
    _expect(
        data.get("custom") is False,
        f"is a model of your own class `{name}`, which this check cannot rebuild: use "
        "`keras.Sequential` or `keras.Model(inputs, outputs)`",
    )
    layers = tuple(_layer(entry) for entry in _entries(data.get("layers"), MAX_LAYERS, "layers"))
    total = sum(weight.size for layer in layers for weight in layer.weights)
    _expect(
        total <= MAX_PARAMETERS,
        f"has {total:,} parameters, and this check takes {MAX_PARAMETERS:,} at most",
    )
    inputs = _inputs(data.get("inputs"), input_shape)
    calls = _calls(data.get("calls"), layers, len(inputs))
    outputs = _entries(data.get("outputs"), MAX_CALLS, "outputs")
    _expect(len(outputs) == 1, f"has {len(outputs)} outputs, and it should have one")
    _expect(
        type(outputs[0]) is int and len(inputs) <= outputs[0] < len(inputs) + len(calls),
        "has no layer before its output",
    )
    return Spec(layers, calls, inputs, outputs[0])


def _expect(condition: bool, reason: str) -> None:
    if not condition:
        raise ModelError(reason)


def _entries(value: Any, most: int, what: str) -> list[Any]:
    _expect(type(value) is list, f"has no readable {what}")
    _expect(len(value) <= most, f"has {len(value)} {what}, and this check takes {most} at most")
    return value


def _layer(entry: Any) -> LayerSpec:
    _expect(type(entry) is dict and type(entry.get("kind")) is str, "has a layer without a kind")
    kind = entry["kind"]
    shown = kind[:60] if kind.isidentifier() else "object"
    known = entry.get("custom") is False and kind in KINDS
    _expect(
        known,
        f"has a layer `{shown}` that this check cannot rebuild: use layers of `keras.layers` "
        "(and no Lambda)",
    )
    weights = entry.get("weights")
    _expect(type(weights) is list and len(weights) <= 20, f"has a `{kind}` without weights")
    return LayerSpec(
        kind, read_settings(kind, entry.get("settings")), tuple(_weight(kind, w) for w in weights)
    )


def _weight(kind: str, weight: Any) -> np.ndarray:
    _expect(
        type(weight) is np.ndarray and weight.dtype.kind in "iuf" and weight.dtype.itemsize <= 8,
        f"has a `{kind}` whose weights are no arrays of numbers",
    )
    _expect(bool(np.isfinite(weight).all()), f"has a `{kind}` whose weights hold NaN or infinity")
    return weight


def _inputs(
    value: Any, input_shape: Sequence[int] | None
) -> tuple[tuple[tuple[int | None, ...], str], ...]:
    if value is None:
        _expect(input_shape is not None, "has not been built: begin it with `keras.Input(shape)`")
        return ((tuple(input_shape or ()), "float32"),)
    read = []
    for entry in _entries(value, MAX_INPUTS, "inputs"):
        _expect(type(entry) is dict, "has no readable inputs")
        shape, dtype = entry.get("shape"), entry.get("dtype")
        good = type(shape) is list and len(shape) <= 6
        good = good and all(n is None or (type(n) is int and 0 < n <= MAX_EXAMPLE) for n in shape)
        good = good and math.prod(n or 1 for n in shape) <= MAX_EXAMPLE
        _expect(good, "has an input whose shape cannot be used")
        _expect(dtype in INPUT_TYPES, "has an input that does not take numbers")
        read.append((tuple(shape), dtype))
    _expect(bool(read), "has no input")
    return tuple(read)


def _calls(
    value: Any, layers: Sequence[LayerSpec], inputs: int
) -> tuple[tuple[int, tuple[int, ...]], ...]:
    read = []
    for place, entry in enumerate(_entries(value, MAX_CALLS, "calls of layers")):
        _expect(type(entry) is dict, "has layers that are not connected")
        layer, sources = entry.get("layer"), entry.get("inputs")
        good = type(layer) is int and 0 <= layer < len(layers) and type(sources) is list
        # A call sees inputs and earlier calls only, so there is no way to go round in circles.
        good = good and 1 <= len(sources) <= 20
        good = good and all(type(n) is int and 0 <= n < inputs + place for n in sources)
        _expect(good, "has layers that are not connected")
        kind = layers[layer].kind
        fits = len(sources) >= 2 if kind in MANY else len(sources) == 1
        _expect(fits, f"calls `{kind}` on {len(sources)} tensors")
        read.append((layer, tuple(sources)))
    return tuple(read)
