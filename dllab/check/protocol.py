"""The words in which a check speaks to the learner's code.

A check and the learner's code may live in different processes, so everything between them is
one `Operation` there and one `Outcome` back, both made of plain values:

- `Operation`: get, set, call, index or combine
- `Outcome`: the value or the `Fault`, what became of the arguments, what was printed
- `Ref`: stands for an object that stays with the learner's code
- `Backend`: whatever can perform an operation
- `convert(value, leaf)`: rebuild a plain value, so that nothing is shared between the sides

Plain values are None, bool, int, float, complex, str, NumPy scalars and arrays of numbers or
text, and lists, tuples and dicts of these. A check may also pass functions, slices and NumPy
generators.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol

import numpy as np

__all__ = [
    "Backend",
    "Fault",
    "Operation",
    "Outcome",
    "Ref",
    "convert",
]

PLAIN_KINDS = "biufcUS"  # NumPy's dtype kinds that hold numbers or text
SCALARS = (type(None), bool, int, float, complex, str)


@dataclass(frozen=True)
class Ref:
    """An object that stays with the learner's code: its number there, and what one may know."""

    id: int
    type_name: str = "object"
    callable: bool = False
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Operation:
    """One step of a check.

    Args:
        kind: `get` or `set` the attribute `name` of `target`; `call` the `target` with the
            arguments; `apply` the operator `name` (a function of Python's `operator` module,
            `len`, `list`, or `model`: tell a Keras model as plain data) to the arguments.
        target: None stands for the learner's notebook itself.
        name: of the attribute or operator.
        args: positional arguments, plain values and refs.
        kwargs: named arguments.
    """

    kind: Literal["get", "set", "call", "apply"]
    target: Ref | None = None
    name: str = ""
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Fault:
    """What went wrong inside the learner's code.

    Args:
        kind: `missing` name, `unfinished` stub, `timeout`, `raised` an exception, `unusable`
            result, or `ended` the whole process.
        types: the exception's class name and those of its bases, nearest first.
        message: the exception's own text.
        line: the learner's source line, if it is known.
        hint: what to do next, if more is known than the exception says.
    """

    kind: Literal["missing", "unfinished", "timeout", "raised", "unusable", "ended"]
    types: tuple[str, ...] = ()
    message: str = ""
    line: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of an operation; `args` and `kwargs` are the arguments as the call left them."""

    value: Any = None
    fault: Fault | None = None
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    output: str = ""


class Backend(Protocol):
    """A place where the learner's code lives."""

    def perform(self, operation: Operation, seconds: float) -> Outcome:
        """Do one step within `seconds` and say what became of it; never raise for the code."""
        ...


def convert(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """Rebuild a plain value; whatever is no plain value goes through `leaf`.

    Example:
        >>> convert([1, (2.0, "a")], leaf=repr)
        [1, (2.0, 'a')]
        >>> convert({"f": len}, leaf=lambda f: f.__name__)
        {'f': 'len'}
    """
    if type(value) in SCALARS or isinstance(value, np.generic):
        return value
    if type(value) is np.ndarray and value.dtype.kind in PLAIN_KINDS:
        return value.copy()
    if type(value) in (list, tuple):
        return type(value)(convert(item, leaf) for item in value)
    if type(value) in (dict, MappingProxyType):
        return {key: convert(item, leaf) for key, item in value.items()}
    if isinstance(value, np.random.Generator):
        return deepcopy(value)
    return leaf(value)
