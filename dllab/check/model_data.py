"""A Keras model as plain data, told by the process in which it was made.

- `model_data(model)`: its layers, how they are connected, and their weights

Nothing here is trusted: `dllab.check.models` reads the data as if anybody might have made them up.
Keras is not imported: the model brings its own.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["model_data"]

_PLAIN = (type(None), bool, int, float, str)
_FORGOTTEN = {"name", "seed"}  # differ from model to model and say nothing about it
_OPERATORS = {"Add", "Subtract", "Multiply"}  # what `+`, `-` and `*` become in a functional model


def model_data(model: Any) -> dict[str, Any]:
    """Return a model's layers, calls and weights as plain data.

    Tensors have numbers: first the inputs, then what each call gives. Models inside models are
    laid open, so that only layers are left. Weights come layer by layer.

    Args:
        model: a `keras.Sequential` or a functional `keras.Model`; for anything else the data say
            only what it is.

    Returns:
        `{"class", "keras", "custom"}`, and for a model that can be told `"layers"` (`kind`,
        `custom`, `settings`, `weights`), `"calls"` (`layer`, `inputs`), `"inputs"` (`shape`,
        `dtype`; None while a model has not been built) and `"outputs"`.
    """
    head = {"class": type(model).__name__, "keras": _is_model(model), "custom": False}
    if not head["keras"]:
        return head
    if not _from_keras(type(model)):
        return head | {"custom": True}
    story = _Story()
    inputs = _inputs(model)
    tensors = list(range(len(inputs) if inputs else 1))
    story.tensors = len(tensors)
    outputs = story.tell(model, tensors)
    return head | {
        "layers": story.layers,
        "calls": story.calls,
        "inputs": inputs,
        "outputs": outputs,
    }


class _Story:
    """Layers and calls of a model, in an order in which each call follows what it needs."""

    def __init__(self) -> None:
        self.layers: list[dict[str, Any]] = []
        self.calls: list[dict[str, Any]] = []
        self.tensors = 0
        self._numbers: dict[int, int] = {}
        self._held: list[Any] = []  # keeps ids from being used twice

    def tell(self, model: Any, inputs: list[int]) -> list[int]:
        """Call a whole model on tensors and return the numbers of its outputs."""
        if type(model).__name__ == "Sequential":
            for layer in model.layers:
                inputs = self._call(layer, inputs)
            return inputs
        return self._tell_graph(model, inputs)

    def _tell_graph(self, model: Any, inputs: list[int]) -> list[int]:
        config = model.get_config()
        nodes = {entry["name"]: entry for entry in config["layers"]}
        operations = {operation.name: operation for operation in model.operations}
        known = dict(zip(_triples(config["input_layers"]), ([n] for n in inputs), strict=True))

        def resolve(name: str, node: int, place: int) -> int:
            if (name, node, 0) not in known:
                call = nodes[name]["inbound_nodes"][node]
                # Keras adds masks by itself, and does so again when the model is rebuilt.
                named = {key: item for key, item in call["kwargs"].items() if key != "mask"}
                arguments = [call["args"], named]
                numbers = [resolve(*history) for history in _histories(arguments)]
                known[name, node, 0] = self._call(operations[name], numbers)
            return known[name, node, 0][place]

        return [resolve(*triple) for triple in _triples(config["output_layers"])]

    def _call(self, layer: Any, inputs: list[int]) -> list[int]:
        if _is_model(layer) and _from_keras(type(layer)):
            return self.tell(layer, inputs)
        number = self._numbers.get(id(layer))
        if number is None:
            number = self._numbers[id(layer)] = len(self.layers)
            self._held.append(layer)
            self.layers.append(_layer(layer))
        self.calls.append({"layer": number, "inputs": list(inputs)})
        self.tensors += 1
        return [self.tensors - 1]


def _layer(layer: Any) -> dict[str, Any]:
    kind = type(layer)
    entry = {"kind": kind.__name__, "custom": not _from_keras(kind), "settings": {}, "weights": []}
    if entry["custom"]:
        return entry
    if not hasattr(layer, "get_weights"):  # an operation such as `+`
        return entry | {"custom": kind.__name__ not in _OPERATORS}
    try:
        config = layer.get_config()
    except Exception:  # it holds a function that Keras cannot write down
        return entry | {"custom": True}
    entry["settings"] = {key: _setting(config[key]) for key in config if key not in _FORGOTTEN}
    entry["weights"] = [np.asarray(weight) for weight in layer.get_weights()]
    return entry


def _setting(value: Any) -> Any:
    """Return a value of a configuration without module paths; objects become kind and settings."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, list | tuple):
        return [_setting(item) for item in value]
    if not isinstance(value, dict) or not isinstance(value.get("config"), dict):
        return {"kind": type(value).__name__, "custom": True, "settings": {}}
    if value.get("class_name") == "DTypePolicy":
        return value["config"].get("name")
    module = str(value.get("module"))
    return {
        "kind": str(value.get("class_name")),
        "custom": module.partition(".")[0] != "keras" or value.get("registered_name") is not None,
        "settings": {key: _setting(item) for key, item in value["config"].items()},
    }


def _inputs(model: Any) -> list[dict[str, Any]] | None:
    tensors = getattr(model, "inputs", None)
    if not tensors:
        return None
    return [{"shape": list(t.shape)[1:], "dtype": str(t.dtype)} for t in tensors]


def _triples(entry: Any) -> list[tuple[str, int, int]]:
    """Return `(layer, node, tensor)` for one tensor, or a list or dict of tensors."""
    if isinstance(entry, dict):
        entry = list(entry.values())
    if len(entry) == 3 and isinstance(entry[0], str):
        entry = [entry]
    return [(name, node, place) for name, node, place in entry]


def _histories(value: Any) -> Iterator[tuple[str, int, int]]:
    """Yield where each tensor among a call's arguments comes from."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        yield tuple(value["config"]["keras_history"])
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _histories(item)


def _is_model(value: Any) -> bool:
    return any(_from_keras(base) and base.__name__ == "Model" for base in type(value).__mro__)


def _from_keras(kind: type) -> bool:
    return str(kind.__module__).partition(".")[0] == "keras"
