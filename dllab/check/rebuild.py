"""Rebuild a model from checked data and run it, with the Keras of this process.

- `Rebuilder`: the `Evaluator` of a notebook, and of the process that a grader keeps for it

Keras is imported when the first model is rebuilt. Only layers of `keras.layers` are made, by name,
with settings that `dllab.check.layer_kinds` let through; Keras's own loading of configurations,
which can be made to import modules, is not used.
"""

import math
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from dllab.check.layer_kinds import MANY
from dllab.check.models import MAX_PARAMETERS, Answer, LayerSpec, Spec

__all__ = ["Rebuilder"]

_MAX_ACTIVATIONS = 4_000_000  # numbers in one layer's output, for one example or one batch
_OBJECTS = ("initializer", "regularizer", "constraint")


class _RefusedError(Exception):
    """A model cannot be built or run; the text continues a sentence about it."""


class Rebuilder:
    """Rebuilds models in this process.

    Args:
        own_process: this process does nothing else, so that Keras may forget each model, and
            initial weights are the same in each run.
    """

    def __init__(self, own_process: bool = False) -> None:
        self._own_process = own_process

    def evaluate(self, spec: Spec, batch: Sequence[np.ndarray] = ()) -> Answer:
        """Rebuild a model, and run it on a batch if there is one; never raise for the model."""
        keras = import_module("keras")
        if self._own_process:
            keras.utils.clear_session()
            keras.utils.set_random_seed(0)
        try:
            return _evaluate(keras, spec, batch)
        except _RefusedError as error:
            return Answer(problem=str(error))


def _evaluate(keras: Any, spec: Spec, batch: Sequence[np.ndarray]) -> Answer:
    layers = [_make(keras, layer) for layer in spec.layers]
    inputs, tensors, shapes = [], [], []
    for shape, dtype in spec.inputs:
        inputs.append(keras.Input(shape, dtype=dtype))
    tensors = list(inputs)
    for place, (number, sources) in enumerate(spec.calls):
        tensors.append(_call(spec.layers[number], layers[number], [tensors[n] for n in sources]))
        shapes.append(tuple(tensors[-1].shape[1:]))
        _bound(shapes[-1], spec.layers[number].kind, place)
    for layer, told in zip(layers, spec.layers, strict=True):
        _fill(layer, told)
    output = None
    if batch:
        model = keras.Model(inputs if len(inputs) > 1 else inputs[0], tensors[spec.output])
        output = _run(keras, model, spec, batch, shapes)
    weights = tuple(
        () if told.weights else tuple(np.array(weight) for weight in layer.get_weights())
        for layer, told in zip(layers, spec.layers, strict=True)
    )
    trainable = sum(math.prod(v.shape) for layer in layers for v in layer.trainable_variables)
    return Answer(tuple(shapes), weights, trainable, output)


def _make(keras: Any, told: LayerSpec) -> Any:
    settings = {}
    for key, value in told.settings.items():
        what = key.rpartition("_")[2]
        if what in _OBJECTS:
            if told.weights or what != "initializer" or value is None:
                continue  # the weights are told, and nothing is trained here
            value = _object(getattr(keras, f"{what}s"), value)
        settings[key] = value
    try:
        layer = getattr(keras.layers, told.kind)(**settings)
    except Exception:
        raise _RefusedError(f"has a `{told.kind}` whose settings contradict each other") from None
    _guard(layer, told)
    return layer


def _object(module: Any, value: dict[str, Any]) -> Any:
    settings = {key: item for key, item in value.items() if key != "kind" and item is not None}
    return getattr(module, value["kind"])(**settings)


def _guard(layer: Any, told: LayerSpec) -> None:
    """Let a layer make only the weights that were told, so that none is huge before it is seen."""
    open_shapes = [weight.shape for weight in told.weights]
    budget = MAX_PARAMETERS

    def guarded(add_weight: Callable[..., Any]) -> Callable[..., Any]:
        def add(*args: Any, **kwargs: Any) -> Any:
            nonlocal budget
            shape = kwargs.get("shape", args[0] if args else ())
            shape = (shape,) if isinstance(shape, int) else tuple(shape or ())
            budget -= math.prod(shape)
            if budget < 0:
                raise _RefusedError(f"has a `{told.kind}` with too many weights")
            if told.weights:
                if shape not in open_shapes:
                    raise _RefusedError(f"has a `{told.kind}` whose weights do not fit its input")
                open_shapes.remove(shape)
            return add_weight(*args, **kwargs)

        return add

    for part in layer._flatten_layers():
        object.__setattr__(part, "add_weight", guarded(part.add_weight))


def _call(told: LayerSpec, layer: Any, sources: list[Any]) -> Any:
    try:
        return layer(sources if told.kind in MANY else sources[0])
    except _RefusedError:
        raise
    except Exception:
        raise _RefusedError(
            f"has a `{told.kind}` that does not fit the layer before it: print `model.summary()`"
        ) from None


def _bound(shape: tuple[int | None, ...], kind: str, place: int) -> None:
    if math.prod(n or 1 for n in shape) > _MAX_ACTIVATIONS:
        raise _RefusedError(f"has a `{kind}` whose output is far too large (layer {place + 1})")


def _fill(layer: Any, told: LayerSpec) -> None:
    """Give a layer the weights that were told."""
    if not told.weights:
        return
    present = [tuple(weight.shape) for weight in layer.weights]
    if present != [weight.shape for weight in told.weights]:
        raise _RefusedError(f"has a `{told.kind}` whose weights have other shapes than it needs")
    layer.set_weights(list(told.weights))
    if told.kind == "Normalization":
        layer.finalize_state()


def _run(
    keras: Any, model: Any, spec: Spec, batch: Sequence[np.ndarray], shapes: Sequence[Any]
) -> np.ndarray:
    """Run the model in parts so small that no layer's output gets large."""
    rows = len(batch[0])
    for x, (shape, _) in zip(batch, spec.inputs, strict=True):
        fits = x.ndim == len(shape) + 1 and len(x) == rows
        fits = fits and all(w in (None, n) for n, w in zip(x.shape[1:], shape, strict=True))
        if not fits:
            raise _RefusedError(f"cannot be run on a batch of shape {x.shape}")
    # A length that a layer leaves open is at most the longest in the batch.
    longest = max((n for x in batch for n in x.shape[1:]), default=1)
    widest = max(math.prod(longest if n is None else n for n in shape) for shape in shapes)
    step = max(1, _MAX_ACTIVATIONS // max(widest, 1))
    outputs = []
    for start in range(0, max(rows, 1), step):
        part = [
            keras.ops.convert_to_tensor(x[start : start + step].astype(_numpy_type(dtype)), dtype)
            for x, (_, dtype) in zip(batch, spec.inputs, strict=True)
        ]
        try:
            output = model(part if len(part) > 1 else part[0], training=False)
            outputs.append(np.asarray(keras.ops.convert_to_numpy(output)))
        except Exception:
            raise _RefusedError("cannot be run on the batch of the check") from None
    found = np.concatenate(outputs)
    return found.astype(np.float32) if found.dtype.kind not in "iufb" else found


def _numpy_type(dtype: str) -> str:
    return "float32" if dtype == "bfloat16" else dtype
