"""`student`: what a check sees of the learner's code.

- `Student`: `student.softmax(z)` calls the learner's function, with copies, a time limit and
  captured output
- `Handle`: an object that stays with the learner's code: call its methods, read and set its
  attributes, index it, compute with it
- `Session`: performs the operations of one test and keeps a record that diagnosis replays
- `Step`: one entry of that record
- `origin(value)`: which call of the running test gave this value
- `handle(ref)`: an object that the learner's code passes to a function of the running test
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from dllab.check.protocol import Backend, Fault, Operation, Outcome, Ref, convert
from dllab.check.sentences import StudentError, about, code

__all__ = ["Handle", "Session", "Step", "Student", "handle", "origin", "unwrap"]


_NAMED_BY_LABEL = ("function", "method", "builtin_function_or_method", "type", "module", "ufunc")


@dataclass(frozen=True)
class Step:
    """One operation of a test, what became of it, and how its result is named in a sentence."""

    label: str
    operation: Operation
    outcome: Outcome


class Session:
    """One test's conversation with the learner's code.

    Args:
        backend: where that code lives.
        seconds: how long one operation may take.
    """

    def __init__(self, backend: Backend, seconds: float = 10.0) -> None:
        self.steps: list[Step] = []
        self._backend = backend
        self._seconds = seconds
        self._depth = 0
        self._inplace = 0
        self._returned: list[tuple[str, Any]] = []

    @property
    def output(self) -> str:
        """What the learner's code printed."""
        return "".join(step.outcome.output for step in self.steps)

    def perform(
        self,
        label: str,
        kind: Any,
        target: Ref | None,
        name: str = "",
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Perform one operation and return its value.

        Raises:
            StudentError: the learner's code did something wrong.
        """
        operation = Operation(
            kind, target, name, convert(args, unwrap), convert(kwargs or {}, unwrap)
        )
        self._depth += 1
        try:
            outcome = self._backend.perform(operation, self._seconds)
        finally:
            self._depth -= 1
        if not self._depth:  # what a callback does happens again when its call is replayed
            self.steps.append(Step(label, operation, outcome))
        if outcome.fault is not None:
            raise StudentError(about(label, outcome.fault, self._seconds), outcome.fault)
        if kind == "call":
            self._settle_arguments(label, operation, outcome, args, kwargs or {})
        value = convert(outcome.value, lambda ref: Handle(self, ref, label))
        self._returned.append((label, value))
        return value

    def origin(self, value: Any) -> str:
        """Return the label of the latest operation that gave this very value, or ''."""
        for label, returned in reversed(self._returned):
            if returned is value:
                return code(label)
            if isinstance(returned, (list, tuple)) and any(item is value for item in returned):
                return f"an entry of what {code(label)} returned"
            if isinstance(returned, dict):
                for key, item in returned.items():
                    if item is value:
                        return f"the entry {key!r} of what {code(label)} returned"
        return ""

    @contextmanager
    def allow_inplace(self) -> Iterator[None]:
        """Let calls change their arguments; the check's own arrays change with them."""
        self._inplace += 1
        try:
            yield
        finally:
            self._inplace -= 1

    def _settle_arguments(
        self,
        label: str,
        operation: Operation,
        outcome: Outcome,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> None:
        names = operation.target.parameters if operation.target else ()
        for index, left in enumerate(outcome.args):
            name = code(names[index]) if index < len(names) else f"number {index + 1}"
            self._settle(label, name, operation.args[index], left, args[index])
        for key, left in outcome.kwargs.items():
            self._settle(label, code(key), operation.kwargs[key], left, kwargs[key])

    def _settle(self, label: str, name: str, before: Any, after: Any, original: Any) -> None:
        if same(before, after):
            return
        if self._inplace:
            _write_back(original, after)
            return
        raise StudentError(
            f"{code(label)} changed its argument {name} in place, which spoils it for "
            "whoever uses it next: work on a copy.",
            Fault("raised", ("InPlaceChange",)),
        )


class Student:
    """The learner's names, each behind the rules of `Session`."""

    def __init__(self, session: Session) -> None:
        object.__setattr__(self, "_session", session)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._session.perform(name, "get", None, name)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("a check never redefines a name of the learner")

    def allow_inplace(self) -> Any:
        """Return a context in which calls may change their arguments.

        The check's own arrays, lists and dicts then show the change.
        """
        return self._session.allow_inplace()


class Handle:
    """An object of the learner's, of which the check has no copy."""

    __array_ufunc__ = None  # so that `array * handle` asks the handle

    def __init__(self, session: Session, ref: Ref, label: str) -> None:
        object.__setattr__(self, "_session", session)
        object.__setattr__(self, "_ref", ref)
        object.__setattr__(self, "_label", label)

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("__", "_repr_", "_ipython_")):
            raise AttributeError(name)
        return self._session.perform(f"{self._name}.{name}", "get", self._ref, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._session.perform(f"{self._name}.{name}", "set", self._ref, name, (value,))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the learner's object with copies of the arguments."""
        return self._session.perform(self._name, "call", self._ref, "", args, kwargs)

    def __getitem__(self, index: Any) -> Any:
        return self._apply("getitem", self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        self._apply("setitem", self, index, value)

    def __len__(self) -> int:
        return self._apply("len", self)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._apply("list", self))

    def __bool__(self) -> bool:
        raise self._no_value("True or False")

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise self._no_value("an array of numbers")

    def __eq__(self, other: object) -> bool:
        """Tell whether both are the same object of the learner's."""
        return isinstance(other, Handle) and self._ref.id == other._ref.id

    def __hash__(self) -> int:
        return hash(self._ref.id)

    def __repr__(self) -> str:
        return f"<the learner's {self._ref.type_name}>"

    @property
    def _name(self) -> str:
        return self._label if self._ref.type_name in _NAMED_BY_LABEL else self._ref.type_name

    def __neg__(self) -> Any:
        return self._apply("neg", self)

    def _compare(self) -> bool:
        raise self._no_value("a number or text")

    def _no_value(self, wanted: str) -> StudentError:
        """Return the error for a check that needs a plain value, which only the learner has."""
        message = f"it should be {wanted}, and it is a {self._ref.type_name}"
        label = code(self._name)
        return StudentError(
            f"The check needs {wanted} from {label}, and got a {self._ref.type_name}: return plain "
            "numbers, text or arrays.",
            Fault("unusable", message=message),
        )

    def _apply(self, name: str, *args: Any) -> Any:
        return self._session.perform(self._name, "apply", None, name, args)


def _add_operators() -> None:
    for name in ("add", "sub", "mul", "truediv", "matmul", "pow"):
        setattr(Handle, f"__{name}__", lambda self, other, n=name: self._apply(n, self, other))
        setattr(Handle, f"__r{name}__", lambda self, other, n=name: self._apply(n, other, self))
    # What an object says about its order is no fact that a check may go by.
    for name in ("lt", "le", "gt", "ge", "contains"):
        setattr(Handle, f"__{name}__", lambda self, _other: self._compare())


_add_operators()

_current: ContextVar[Session | None] = ContextVar("session", default=None)


def origin(value: Any) -> str:
    """Return which call of the running test gave this very value, as code, or ''."""
    session = _current.get()
    return session.origin(value) if session is not None else ""


def handle(ref: Ref) -> Any:
    """Return a handle on an object of the learner's, in the running test."""
    session = _current.get()
    return ref if session is None else Handle(session, ref, ref.type_name)


@contextmanager
def current(session: Session) -> Iterator[None]:
    """Make a session the one that `origin` asks."""
    token = _current.set(session)
    try:
        yield
    finally:
        _current.reset(token)


def unwrap(value: Any) -> Any:
    """Turn what a check passes into what an operation may hold.

    Raises:
        TypeError: the value is neither plain, nor a handle, nor a function.
    """
    if isinstance(value, Handle):
        return value._ref
    if isinstance(value, Ref | slice | type(Ellipsis)) or callable(value):
        return value
    raise TypeError(
        f"a check passes plain values, handles and functions, not {type(value).__name__}"
    )


def same(first: Any, second: Any) -> bool:
    """Tell whether two plain values are equal to the last bit; anything else counts as equal."""
    if isinstance(first, np.ndarray):
        return (
            isinstance(second, np.ndarray)
            and first.shape == second.shape
            and first.dtype == second.dtype
            and first.tobytes() == second.tobytes()
        )
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, Mapping):
        return list(first) == list(second) and all(same(first[key], second[key]) for key in first)
    if isinstance(first, (int, float, complex, str)):
        return repr(first) == repr(second)
    return True


def _write_back(original: Any, after: Any) -> None:
    if isinstance(original, np.ndarray) and original.shape == np.shape(after):
        original[...] = after
    elif isinstance(original, list):
        original[:] = after
    elif isinstance(original, dict):
        original.clear()
        original.update(after)
