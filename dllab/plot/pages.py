"""Numbers for the interactive figures of the book's pages.

- `publish(name, **values)`: hand a computed result to a page's interactive figure
"""

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from dllab.errors import ParameterError

__all__ = ["PageData", "publish"]


class PageData:
    """Values that a page holds for one of its interactive figures; a notebook shows nothing.

    Args:
        name: the figure's name, as in the directive `try-it`.
        values: what the figure gets.
    """

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        self.name = name
        self.json = json.dumps({key: _plain(key, value) for key, value in values.items()})

    def __repr__(self) -> str:
        return f"numbers for the interactive figure {self.name!r} of the book"

    def _repr_html_(self) -> str:
        text = self.json.replace("<", "\\u003c")  # so that no value can end the element
        return f'<script type="application/json" data-widget-data="{self.name}">{text}</script>'


def publish(name: str, **values: Any) -> PageData:
    """Hand a computed result to a page's interactive figure.

    Last in a cell, it puts the values into the built page, so that the figure and the text show the
    same trained network. Arrays of floats travel as 16-bit floats, arrays of `uint8` as they are.

    Args:
        name: the figure's name, as in the directive `try-it`.
        values: numbers, texts, lists, dicts and arrays.

    Raises:
        ParameterError: a value is of another kind, or not finite.

    Example:
        >>> publish("single-neuron", weights=[2.0, -1.0], bias=0.5).json
        '{"weights": [2.0, -1.0], "bias": 0.5}'
    """
    return PageData(name, values)


def _plain(key: str, value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _packed(key, value)
    if isinstance(value, np.generic):
        return _plain(key, value.item())
    if isinstance(value, Mapping):
        return {str(k): _plain(key, v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(key, v) for v in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ParameterError(f"`{key}` should be finite, received {value}")
        return value
    raise ParameterError(
        f"`{key}` should be made of numbers, texts, lists, dicts and arrays, "
        f"received {type(value).__name__}"
    )


def _packed(key: str, value: np.ndarray) -> dict[str, Any]:
    if np.issubdtype(value.dtype, np.floating):
        if not (np.abs(value) <= np.finfo("<f2").max).all():  # false for NaN as well
            raise ParameterError(f"`{key}` should be finite, also with 16 bits (at most 65504)")
        kind, data = "float16", value.astype("<f2")
    elif value.dtype == np.uint8:
        kind, data = "uint8", value
    else:
        raise ParameterError(
            f"`{key}` should be an array of floats or of uint8 (or a list), received {value.dtype}"
        )
    encoded = base64.b64encode(np.ascontiguousarray(data).tobytes()).decode()
    return {"kind": kind, "shape": list(value.shape), "base64": encoded}
