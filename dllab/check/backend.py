"""The learner's code in this process: performs a check's operations on a namespace.

- `LocalBackend(namespace)`: for a notebook, and for the worker process of a grader
"""

import builtins
import difflib
import inspect
import io
import itertools
import linecache
import operator
import warnings
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import redirect_stderr, redirect_stdout
from types import FunctionType, MethodType, ModuleType, TracebackType
from typing import Any

import numpy as np

from dllab.check.limits import TimeUp, time_limit
from dllab.check.model_data import model_data
from dllab.check.protocol import PLAIN_KINDS, Fault, Operation, Outcome, Ref, convert
from dllab.check.sentences import StudentError

__all__ = ["LocalBackend"]

_FRAMEWORKS = ("tensorflow", "keras", "jax", "jaxlib", "torch")
_MAX_ELEMENTS = 50_000_000  # of an array that a check may be handed
_MAX_ITEMS = 1_000_000  # of all lists, tuples and dicts in one value
_MAX_DEPTH = 30
_MAX_TEXT = 2_000
_OPERATORS = {
    "len": len,
    "list": lambda values: list(itertools.islice(values, _MAX_ITEMS)),
    "model": model_data,
    **{
        name: getattr(operator, name)
        for name in (
            *("add", "sub", "mul", "truediv", "matmul", "pow", "neg", "getitem", "setitem"),
        )
    },
}


class LocalBackend:
    """Performs operations on a namespace in this process.

    Args:
        namespace: the learner's names.
        overrides: names that take precedence, such as those of a mutant.
    """

    def __init__(
        self, namespace: MutableMapping[str, Any], overrides: Mapping[str, Any] | None = None
    ) -> None:
        self._namespace = namespace
        self._overrides = overrides or {}
        self._objects: list[Any] = []
        self._ids: dict[int, int] = {}

    def perform(self, operation: Operation, seconds: float) -> Outcome:
        """Do one step within `seconds`; whatever the learner's code does ends in the outcome."""
        args = convert(operation.args, self._enter)
        kwargs = convert(operation.kwargs, self._enter)
        action = getattr(self, f"_{operation.kind}")
        printed = io.StringIO()
        try:
            with (
                warnings.catch_warnings(),
                redirect_stdout(printed),
                redirect_stderr(printed),
                time_limit(seconds),
            ):
                warnings.simplefilter("ignore")
                value = self._leave(action(operation, args, kwargs))
                left = self._leave(args), self._leave(kwargs)
        except (StudentError, KeyboardInterrupt):
            raise  # of a function that the check passed in, or of the person at the keyboard
        except BaseException as error:
            fault = self._fault(error)
            return Outcome(fault=fault, output=printed.getvalue()[:_MAX_TEXT])
        return Outcome(value, None, *left, printed.getvalue()[:_MAX_TEXT])

    # The four kinds of operation

    def _get(self, operation: Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if operation.target is not None:
            return getattr(self._object(operation.target), operation.name)
        for names in (self._overrides, self._namespace):
            if operation.name in names:
                return names[operation.name]
        raise _MissingError(operation.name)

    def _set(self, operation: Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        setattr(self._object(operation.target), operation.name, args[0])

    def _call(self, operation: Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self._object(operation.target)(*args, **kwargs)

    def _apply(self, operation: Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return _OPERATORS[operation.name](*args)

    # Values that come in and go out

    def _object(self, ref: Ref | None) -> Any:
        assert ref is not None
        return self._objects[ref.id]

    def _enter(self, value: Any) -> Any:
        if isinstance(value, Ref):
            return self._object(value)
        if inspect.isroutine(value):
            return self._callback(value)
        return value

    def _callback(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Let the learner's code call a function of the check with copies of plain values."""

        def call(*args: Any, **kwargs: Any) -> Any:
            return function(*convert(args, _same), **convert(kwargs, _same))

        return call

    def _leave(self, value: Any) -> Any:
        budget = itertools.count(_MAX_ITEMS, -1)
        return self._plain(value, 0, budget)

    def _plain(self, value: Any, depth: int, budget: "itertools.count[int]") -> Any:
        """Return a plain copy of a value, with refs for what is not plain.

        Only `type` and methods of the built-in types are used on the value: the methods of a
        learner's class may lie or raise.
        """
        kind = type(value)
        if next(budget) < 0 or depth > _MAX_DEPTH:
            raise _UnusableError("it is far too large or nested far too deeply")
        if kind in (type(None), bool, int, float, complex, str):
            return value
        if issubclass(kind, np.generic) and np.dtype(kind).kind in PLAIN_KINDS:
            return value
        for base, exact in _SCALAR_BASES.items():
            if issubclass(kind, base):
                return exact(value)
        if issubclass(kind, np.ndarray):
            return self._plain_array(value)
        if kind.__module__.partition(".")[0] in _FRAMEWORKS and hasattr(kind, "__array__"):
            return self._plain_array(_from_framework(value))
        if issubclass(kind, (list, tuple)):
            base = list if issubclass(kind, list) else tuple
            return base(self._plain(item, depth + 1, budget) for item in base.__iter__(value))
        if issubclass(kind, dict) and all(_is_key(key) for key in dict.keys(value)):
            items = dict.items(value)
            return {key: self._plain(item, depth + 1, budget) for key, item in items}
        return self._ref(value)

    def _plain_array(self, value: Any) -> Any:
        if np.ndarray.size.__get__(value) > _MAX_ELEMENTS:
            raise _UnusableError(f"it is an array with more than {_MAX_ELEMENTS:,} elements")
        array = np.array(value, copy=True, subok=False)
        return array if array.dtype.kind in PLAIN_KINDS else self._ref(value)

    def _ref(self, value: Any) -> Ref:
        number = self._ids.get(id(value))
        if number is None:
            number = self._ids[id(value)] = len(self._objects)
            self._objects.append(value)
        return Ref(number, _type_name(value), callable(value), _parameters(value))

    # Errors

    def _fault(self, error: BaseException) -> Fault:
        types = tuple(base.__name__ for base in type(error).__mro__)[:-1]
        if isinstance(error, TimeUp):
            return Fault("timeout")
        if isinstance(error, _UnusableError):
            return Fault("unusable", message=str(error))
        if isinstance(error, _MissingError):
            return Fault("missing", message=str(error), hint=self._similar(str(error)))
        message = _text(error)
        if isinstance(error, NotImplementedError):
            return Fault("unfinished", types, message)
        line = _learner_line(error.__traceback__)
        return Fault("raised", types, message, line, self._shadowing(error, message))

    def _similar(self, name: str) -> str:
        names = [other for other in self._namespace if not other.startswith("_")]
        close = difflib.get_close_matches(name, names, n=1, cutoff=0.8)
        return f"you have `{close[0]}`, which is spelled almost the same" if close else ""

    def _shadowing(self, error: BaseException, message: str) -> str:
        """Say which name of Python or NumPy the learner has overwritten, if that explains it."""
        if isinstance(error, AttributeError):
            for name in ("np", "numpy", "keras", "tf"):
                held = self._namespace.get(name, np)
                if not isinstance(held, ModuleType) and _type_name(held) in message:
                    return f"`{name}` is now a variable of yours: run the setup cell again"
        if isinstance(error, TypeError) and "not callable" in message:
            for name, held in self._namespace.items():
                if name.startswith("_") or not hasattr(builtins, name) or callable(held):
                    continue
                return f"your variable `{name}` hides Python's `{name}`: run `del {name}`"
        return ""


class _MissingError(Exception):
    """The notebook does not have this name."""


class _UnusableError(Exception):
    """A value cannot be handed to a check, and why."""


_SCALAR_BASES: dict[type, Callable[[Any], Any]] = {
    int: int.__int__,
    float: float.__float__,
    complex: complex.__complex__,
    str: str.__str__,
}


def _same(value: Any) -> Any:
    return value


def _is_key(key: Any) -> bool:
    return type(key) in (str, int, float, bool, type(None)) or (
        type(key) is tuple and all(_is_key(part) for part in key)
    )


def _from_framework(value: Any) -> np.ndarray:
    if hasattr(value, "detach"):  # a PyTorch tensor may be on a tape or a device
        value = value.detach().cpu()
    return np.asarray(value)


def _type_name(value: Any) -> str:
    if type(value) is np.ndarray:
        return "array of Python objects"
    return type.__getattribute__(type(value), "__name__")


def _parameters(value: Any) -> tuple[str, ...]:
    if type(value) not in (FunctionType, MethodType):
        return ()
    try:
        return tuple(inspect.signature(value).parameters)
    except (TypeError, ValueError):
        return ()


def _text(error: BaseException) -> str:
    try:
        return " ".join(str(error).split())[:_MAX_TEXT]
    except BaseException:  # a learner's exception may have a broken `__str__`
        return ""


def _learner_line(trace: TracebackType | None) -> str:
    """Return the source line of the innermost frame that is neither ours nor a library's."""
    line = ""
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        ours = name.startswith((_PACKAGE, _STANDARD_LIBRARY)) or name.endswith("checks.py")
        if not ours and "site-packages" not in name:
            line = linecache.getline(name, trace.tb_lineno).strip() or line
        trace = trace.tb_next
    return line[:100]


_PACKAGE = __file__.rpartition("check")[0]
_STANDARD_LIBRARY = inspect.__file__.rpartition("inspect.py")[0]
