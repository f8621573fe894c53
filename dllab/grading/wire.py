"""The frames that travel between the grader and a learner's process, and how little they may hold.

Nothing that comes from a learner's process is trusted: it is read as JSON of a few exact forms
plus raw bytes of arrays, within fixed limits, and anything else raises `WireError`. No pickle, no
evaluation, no class of the sender's.

A frame is two lengths of 4 bytes, a JSON header and the arrays' bytes. In a header a plain value
is itself, except for what JSON has no exact form for:

| form | value |
| --- | --- |
| `{"f": "nan"}` | a float that is not finite |
| `{"c": [re, im]}` | complex |
| `{"t": [...]}`, `{"d": [[key, value], ...]}` | tuple, dict |
| `{"s": [dtype, hex]}` | NumPy scalar |
| `{"a": [dtype, shape]}` | array; its bytes are the next ones behind the header |
| `{"r": [id, type name, callable, parameters]}` | `Ref` |

Only the grader sends: `{"l": [start, stop, step]}` slice, `{"e": 0}` Ellipsis, `{"g": [name,
state]}` NumPy generator, `{"u": name}` NumPy function, `{"y": name}` type, `{"k": number}` a
function of the check that stays there.

- `Packer`, `Unpacker`: the values of one frame
- `Inbox`: takes a stream of bytes apart
- `pack_operation`, `unpack_operation`, `pack_outcome`, `unpack_outcome`: what they say
- `clean(text, limit)`: text that a person may read, without control characters
"""

import json
import math
import re
import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from dllab.check.protocol import Fault, Operation, Outcome, Ref
from dllab.errors import WireError

__all__ = [
    "Inbox",
    "Packer",
    "Unpacker",
    "WireError",
    "clean",
    "pack_operation",
    "pack_outcome",
    "unpack_operation",
    "unpack_outcome",
]

MAX_HEADER = 4 << 20  # bytes
MAX_BUFFERS = 64 << 20  # bytes of all arrays in one frame
MAX_ITEMS = 200_000  # values in one frame
MAX_ENTRIES = 10_000  # of one dict
MAX_DEPTH = 40
MAX_TEXT = 1_000_000  # characters of one text
MAX_BITS = 4096  # of a whole number
MAX_DIMENSIONS = 16
MAX_LENGTH = 2**31 - 1  # of one dimension
MAX_REFS = 1_000_000

_LENGTHS = struct.Struct(">II")
_DTYPE = re.compile(r"\|b1|\|[iu]1|<[iu][248]|<f[248]|<c(?:8|16)|<U\d{1,7}|\|S\d{1,7}")
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_TYPES: dict[str, type] = {
    kind.__name__: kind for kind in (bool, int, float, complex, str, list, tuple, dict)
}
_BIT_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
_KINDS = ("missing", "unfinished", "timeout", "raised", "unusable", "ended")
_OPERATIONS = ("get", "set", "call", "apply")
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.?)")


def clean(text: str, limit: int) -> str:
    """Return text on one line without escape sequences, control and invisible characters.

    Example:
        >>> clean("a \\x1b[31mred\\x1b[0m\\nword\\u202e", 20)
        'a red word'
    """
    shown = _ESCAPE.sub("", text[: 4 * limit + 100])
    return " ".join("".join(c if c.isprintable() else " " for c in shown).split())[:limit]


# -- frames ----------------------------------------------------------------------------------


class Inbox:
    """Takes a stream apart into frames.

    Raises:
        WireError: a length is beyond what a frame may have.
    """

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._lengths: tuple[int, int] | None = None

    def feed(self, data: bytes) -> None:
        """Take bytes that have arrived."""
        self._bytes += data

    def next(self) -> "Unpacker | None":
        """Return the next frame if it is complete."""
        if self._lengths is None:
            if len(self._bytes) < _LENGTHS.size:
                return None
            header, buffers = _LENGTHS.unpack_from(self._bytes)
            if header > MAX_HEADER or buffers > MAX_BUFFERS:
                raise WireError(f"a frame of {header} and {buffers} bytes is too large")
            self._lengths = header, buffers
        header, buffers = self._lengths
        start, end = _LENGTHS.size, _LENGTHS.size + header + buffers
        if len(self._bytes) < end:
            return None
        with memoryview(self._bytes) as view:
            text, raw = bytes(view[start : start + header]), bytes(view[start + header : end])
        del self._bytes[:end]
        self._lengths = None
        return Unpacker(text, raw)


class Packer:
    """Turns values into what a header may hold and collects the arrays' bytes.

    Args:
        function: gives a number to each function of the check; None where none may be sent.
    """

    def __init__(self, function: Callable[[Any], int] | None = None) -> None:
        self._function = function
        self._buffers: list[bytes] = []
        self._size = 0
        self._items = 0

    def frame(self, header: Mapping[str, Any]) -> bytes:
        """Return the frame that holds this header and the arrays so far."""
        text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode("ascii")
        if len(text) > MAX_HEADER:
            raise WireError("it is far too large")
        return b"".join([_LENGTHS.pack(len(text), self._size), text, *self._buffers])

    def value(self, value: Any, depth: int = 0) -> Any:
        """Return a plain value's form in a header.

        Raises:
            WireError: it is too large, or not plain.
        """
        self._items += 1
        if self._items > MAX_ITEMS or depth > MAX_DEPTH:
            raise WireError("it is far too large or nested far too deeply")
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is int:
            if value.bit_length() > MAX_BITS:
                raise WireError("it holds a whole number with more than a thousand digits")
            return value
        if kind is float:
            return value if math.isfinite(value) else {"f": repr(value)}
        if kind is str:
            if len(value) > MAX_TEXT:
                raise WireError("it is far too long a text")
            return value
        if kind is list:
            return [self.value(item, depth + 1) for item in value]
        if kind is tuple:
            return {"t": [self.value(item, depth + 1) for item in value]}
        if kind in (dict, MappingProxyType):
            return self._dict(value, depth)
        if kind is complex:
            return {"c": [self.value(value.real), self.value(value.imag)]}
        if kind is np.ndarray:
            return self._array(value)
        if isinstance(value, np.generic):
            return self._scalar(value)
        if kind is Ref:
            return {"r": [value.id, value.type_name, value.callable, list(value.parameters)]}
        return self._of_check(value, depth)

    def _dict(self, value: Mapping[Any, Any], depth: int) -> Any:
        if len(value) > MAX_ENTRIES:
            raise WireError(f"it is a dict with more than {MAX_ENTRIES:,} entries")
        return {
            "d": [[self.value(k, depth + 1), self.value(v, depth + 1)] for k, v in value.items()]
        }

    def _array(self, value: np.ndarray) -> Any:
        value = _portable(value)
        if value.size and not (value.ndim <= MAX_DIMENSIONS and value.dtype.itemsize):
            raise WireError("it is an array of a kind that cannot be sent")
        self._size += value.nbytes
        if self._size > MAX_BUFFERS:
            raise WireError(f"its arrays take more than {MAX_BUFFERS >> 20} MB")
        self._buffers.append(value.tobytes())
        return {"a": [value.dtype.str, list(value.shape)]}

    def _scalar(self, value: np.generic) -> Any:
        array = _portable(np.asarray(value))
        if array.nbytes > MAX_TEXT:
            raise WireError("it is far too long a text")
        return {"s": [array.dtype.str, array.tobytes().hex()]}

    def _of_check(self, value: Any, depth: int) -> Any:
        """Return the form of what only a check may pass."""
        if self._function is None:
            raise WireError("it is no plain value")
        if isinstance(value, slice):
            parts = (value.start, value.stop, value.step)
            return {"l": [self.value(part, depth + 1) for part in parts]}
        if value is Ellipsis:
            return {"e": 0}
        if isinstance(value, np.random.Generator):
            state = value.bit_generator.state
            return {"g": [type(value.bit_generator).__name__, self.value(state, depth + 1)]}
        name = str(getattr(value, "__name__", ""))
        if isinstance(value, np.ufunc) and getattr(np, name, None) is value:
            return {"u": name}
        if isinstance(value, type) and _type(value.__name__) is value:
            return {"y": value.__name__}
        if callable(value):
            return {"k": self._function(value)}
        raise WireError(f"a check cannot pass {type(value).__name__}")


class Unpacker:
    """Reads the values of one frame, in the order in which they were packed.

    Args:
        header: the frame's JSON.
        buffers: the bytes behind it.

    Raises:
        WireError: the header is no JSON object.
    """

    def __init__(self, header: bytes, buffers: bytes) -> None:
        try:
            self.header = json.loads(header, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            raise WireError("a header is not valid JSON") from None
        if type(self.header) is not dict:
            raise WireError("a header is not an object")
        self._buffers = memoryview(buffers)
        self._at = 0
        self._items = 0
        # what only a grader may send; None refuses it
        self.function: Callable[[int], Any] | None = None

    def expect(self, *fields: str) -> None:
        """Make sure that the header has these fields and no other."""
        if set(self.header) != set(fields):
            raise WireError("a header has unknown or missing fields")

    def finish(self) -> None:
        """Make sure that nothing is left."""
        if self._at != len(self._buffers):
            raise WireError("a frame has bytes that nobody asked for")

    def number(self, name: str) -> int:
        """Return a field that is a small whole number."""
        value = self.header.get(name)
        if type(value) is not int or not 0 <= value < 2**53:
            raise WireError(f"{name} should be a whole number")
        return value

    def text(self, name: str, limit: int) -> str:
        """Return a field that is text, cleaned."""
        return _text(self.header.get(name), limit)

    def value(self, form: Any, depth: int = 0) -> Any:
        """Return the value that a form stands for."""
        self._items += 1
        if self._items > MAX_ITEMS or depth > MAX_DEPTH:
            raise WireError("a value is too large or nested too deeply")
        kind = type(form)
        if form is None or kind is bool or kind is float:
            if kind is float and not math.isfinite(form):
                raise WireError("a number is out of range")
            return form
        if kind is int:
            if form.bit_length() > MAX_BITS:
                raise WireError("a whole number is too large")
            return form
        if kind is str:
            if len(form) > MAX_TEXT:
                raise WireError("a text is too long")
            return form
        if kind is list:
            return [self.value(item, depth + 1) for item in form]
        if kind is dict and len(form) == 1:
            ((tag, content),) = form.items()
            read = _FORMS.get(tag)
            if read is not None:
                return read(self, content, depth)
        raise WireError("a value has no known form")

    def _float(self, content: Any, depth: int) -> float:
        if type(content) is str and content in _NOT_FINITE:
            return _NOT_FINITE[content]
        raise WireError("a number has no known form")

    def _complex(self, content: Any, depth: int) -> complex:
        if type(content) is list and len(content) == 2:
            real, imaginary = (self.value(part, depth + 1) for part in content)
            if type(real) is float and type(imaginary) is float:
                return complex(real, imaginary)
        raise WireError("a complex number has no known form")

    def _tuple(self, content: Any, depth: int) -> tuple[Any, ...]:
        if type(content) is not list:
            raise WireError("a tuple has no known form")
        return tuple([self.value(item, depth + 1) for item in content])

    def _dict(self, content: Any, depth: int) -> dict[Any, Any]:
        if type(content) is not list or len(content) > MAX_ENTRIES:
            raise WireError("a dict is too large or has no known form")
        entries: dict[Any, Any] = {}
        for pair in content:
            if type(pair) is not list or len(pair) != 2:
                raise WireError("a dict has no known form")
            key = self.value(pair[0], depth + 1)
            if not _is_key(key):
                raise WireError("a dict has a key of another type")
            entries[key] = self.value(pair[1], depth + 1)
        return entries

    def _scalar(self, content: Any, depth: int) -> Any:
        if type(content) is not list or len(content) != 2 or type(content[1]) is not str:
            raise WireError("a scalar has no known form")
        try:
            raw = bytes.fromhex(content[1])
        except ValueError:
            raise WireError("a scalar has no known form") from None
        return _from_bytes(_dtype(content[0]), (), raw)[()]

    def _array(self, content: Any, depth: int) -> np.ndarray:
        if type(content) is not list or len(content) != 2:
            raise WireError("an array has no known form")
        dtype, shape = _dtype(content[0]), _shape(content[1])
        self._items += dtype.itemsize >> 6  # an empty array takes the memory of one entry
        size = math.prod(shape) * dtype.itemsize
        raw = self._buffers[self._at : self._at + size]
        self._at += size
        return _from_bytes(dtype, shape, raw)

    def _ref(self, content: Any, depth: int) -> Ref:
        if type(content) is not list or len(content) != 4:
            raise WireError("a ref has no known form")
        number, name, is_callable, parameters = content
        if type(number) is not int or not 0 <= number < MAX_REFS:
            raise WireError("a ref has no known number")
        if type(is_callable) is not bool or type(parameters) is not list or len(parameters) > 100:
            raise WireError("a ref has no known form")
        names = tuple([_text(parameter, 80) for parameter in parameters])
        return Ref(number, _text(name, 80), is_callable, names)

    # What only a check passes

    def _slice(self, content: Any, depth: int) -> slice:
        self._from_grader()
        return slice(*[self.value(part, depth + 1) for part in content])

    def _ellipsis(self, content: Any, depth: int) -> Any:
        self._from_grader()
        return Ellipsis

    def _generator(self, content: Any, depth: int) -> np.random.Generator:
        self._from_grader()
        name, state = content
        if name not in _BIT_GENERATORS:
            raise WireError(f"there is no bit generator {name!r}")
        bits = getattr(np.random, name)()
        bits.state = self.value(state, depth + 1)
        return np.random.Generator(bits)

    def _ufunc(self, content: Any, depth: int) -> Any:
        self._from_grader()
        return getattr(np, content)

    def _type(self, content: Any, depth: int) -> Any:
        self._from_grader()
        return _type(content)

    def _function(self, content: Any, depth: int) -> Any:
        return self._from_grader()(content)

    def _from_grader(self) -> Callable[[int], Any]:
        if self.function is None:
            raise WireError("this is for a check to send")
        return self.function


_FORMS: dict[str, Callable[[Unpacker, Any, int], Any]] = {
    "f": Unpacker._float,
    "c": Unpacker._complex,
    "t": Unpacker._tuple,
    "d": Unpacker._dict,
    "s": Unpacker._scalar,
    "a": Unpacker._array,
    "r": Unpacker._ref,
    "l": Unpacker._slice,
    "e": Unpacker._ellipsis,
    "g": Unpacker._generator,
    "u": Unpacker._ufunc,
    "y": Unpacker._type,
    "k": Unpacker._function,
}


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def _text(value: Any, limit: int) -> str:
    if type(value) is not str:
        raise WireError("a text is something else")
    return clean(value, limit)


def _is_key(key: Any) -> bool:
    if type(key) is int:
        return key.bit_length() <= 64  # larger ones can be made to collide
    return type(key) in (str, float, bool, type(None)) or (
        type(key) is tuple and all(_is_key(part) for part in key)
    )


def _portable(value: np.ndarray) -> np.ndarray:
    """Return an array in the byte order and precision that every machine has."""
    kind, size = value.dtype.kind, value.dtype.itemsize
    if kind in "fc" and size > (8 if kind == "f" else 16):  # extended precision
        return value.astype("<f8" if kind == "f" else "<c16")
    portable = value.astype(value.dtype.newbyteorder("<"), copy=False)
    if not _DTYPE.fullmatch(portable.dtype.str):
        raise WireError(f"it is an array of {value.dtype}, which cannot be sent")
    return portable


def _dtype(name: Any) -> np.dtype:
    if type(name) is not str or not _DTYPE.fullmatch(name):
        raise WireError("an array has an unknown kind of entries")
    return np.dtype(name)


def _shape(shape: Any) -> tuple[int, ...]:
    if type(shape) is not list or len(shape) > MAX_DIMENSIONS:
        raise WireError("an array has too many dimensions")
    if not all(type(n) is int and 0 <= n <= MAX_LENGTH for n in shape):
        raise WireError("an array has an impossible shape")
    if math.prod(n for n in shape if n) > MAX_BUFFERS:
        raise WireError("an array has an impossible shape")
    return tuple(shape)


def _from_bytes(dtype: np.dtype, shape: tuple[int, ...], raw: Any) -> np.ndarray:
    """Return an array of its own made of these bytes, if each entry is a value of its type."""
    if len(raw) != math.prod(shape) * dtype.itemsize:
        raise WireError("an array has fewer or more bytes than its shape says")
    array = np.zeros(shape, dtype)
    if not raw:
        return array
    array.reshape(-1).view(np.uint8)[:] = np.frombuffer(raw, np.uint8)
    if dtype.kind == "b" and array.view(np.uint8).max() > 1:
        raise WireError("an array of truth values holds something else")
    if dtype.kind == "U" and array.reshape(-1).view(np.uint32).max() > 0x10FFFF:
        raise WireError("an array of texts holds something else")
    return array


def _type(name: str) -> Any:
    """Return a built-in or NumPy scalar type by its name, or None."""
    found = _TYPES.get(name) or getattr(np, name, None)
    return found if isinstance(found, type) and (name in _TYPES or _is_scalar(found)) else None


def _is_scalar(kind: type) -> bool:
    return issubclass(kind, np.generic)


# -- what frames say -------------------------------------------------------------------------


def pack_operation(operation: Operation, packer: Packer) -> dict[str, Any]:
    """Return an operation's form in a header."""
    return {
        "kind": operation.kind,
        "target": None if operation.target is None else packer.value(operation.target),
        "name": operation.name,
        "args": packer.value(tuple(operation.args)),
        "kwargs": packer.value(dict(operation.kwargs)),
    }


def unpack_operation(form: Any, frame: Unpacker) -> Operation:
    """Return the operation that a form stands for."""
    fields = {"kind", "target", "name", "args", "kwargs"}
    if type(form) is not dict or set(form) != fields or form["kind"] not in _OPERATIONS:
        raise WireError("an operation has no known form")
    target, args, kwargs = (frame.value(form[key]) for key in ("target", "args", "kwargs"))
    if not (target is None or type(target) is Ref) or type(form["name"]) is not str:
        raise WireError("an operation has no known form")
    _check_arguments(args, kwargs)
    return Operation(form["kind"], target, form["name"], args, kwargs)


def pack_outcome(outcome: Outcome, packer: Packer) -> dict[str, Any]:
    """Return an outcome's form in a header."""
    fault = outcome.fault
    return {
        "value": packer.value(outcome.value),
        "fault": None if fault is None else {**vars(fault), "types": list(fault.types)},
        "args": packer.value(tuple(outcome.args)),
        "kwargs": packer.value(dict(outcome.kwargs)),
        "output": outcome.output,
    }


def unpack_outcome(form: Any, frame: Unpacker) -> Outcome:
    """Return the outcome that a form stands for."""
    fields = {"value", "fault", "args", "kwargs", "output"}
    if type(form) is not dict or set(form) != fields:
        raise WireError("an outcome has no known form")
    value, args, kwargs = (frame.value(form[key]) for key in ("value", "args", "kwargs"))
    _check_arguments(args, kwargs)
    return Outcome(value, _fault(form["fault"]), args, kwargs, _text(form["output"], 2000))


def _check_arguments(args: Any, kwargs: Any) -> None:
    if type(args) is not tuple or type(kwargs) is not dict:
        raise WireError("arguments have no known form")
    if not all(type(key) is str for key in kwargs):
        raise WireError("arguments have no known form")


def _fault(form: Any) -> Fault | None:
    if form is None:
        return None
    if type(form) is not dict or set(form) != {"kind", "types", "message", "line", "hint"}:
        raise WireError("a fault has no known form")
    kind, types = form["kind"], form["types"]
    if type(kind) is not str or kind not in _KINDS or type(types) is not list or len(types) > 30:
        raise WireError("a fault has no known form")
    names = tuple([_text(name, 80) for name in types])
    message, line, hint = (_text(form[key], 2000) for key in ("message", "line", "hint"))
    return Fault(kind, names, message, line[:100], hint[:300])  # type: ignore[arg-type]
