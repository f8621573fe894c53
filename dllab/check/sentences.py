"""What a learner reads when a check does not pass: one sentence, with the next step.

- `StudentError`: the learner's code did something that ends the test
- `about(label, fault)`: the sentence for a fault
- `describe(value)`: a value in a few words
"""

from typing import Any

import numpy as np

from dllab.check.protocol import Fault

__all__ = ["StudentError", "about", "code", "describe"]

_CLUES = (
    # exception, words in its text, next step
    ("RecursionError", "", "add the case in which it returns without calling itself"),
    ("NameError", "", "define that name, or run the cell that does"),
    ("TypeError", "NoneType", "something there is None: is a `return` missing?"),
    ("AttributeError", "NoneType", "something there is None: is a `return` missing?"),
    ("TypeError", "positional argument", "compare its parameters with the task's signature"),
    ("TypeError", "keyword argument", "compare its parameters with the task's signature"),
    ("TypeError", "not callable", "a name that should be a function holds something else"),
    ("ValueError", "shape", "print the shapes just before that line"),
    ("ValueError", "mismatch", "print the shapes just before that line"),
    ("ValueError", "truth value", "compare whole arrays with `np.where`, `.any()` or `.all()`"),
    ("IndexError", "", "print the shape and the index just before that line"),
    ("KeyError", "", "print the keys just before that line"),
    ("MemoryError", "", "print the shapes: one array is far larger than it should be"),
)


class StudentError(Exception):
    """The learner's code did something that ends the test; the text is what the learner reads."""

    def __init__(self, sentence: str, fault: Fault) -> None:
        super().__init__(sentence)
        self.fault = fault


def code(label: str) -> str:
    """Return a label as code: `softmax`."""
    return f"`{label}`"


def about(label: str, fault: Fault, seconds: float = 0.0) -> str:
    """Return the sentence for a fault of the code that `label` names.

    Example:
        >>> about("softmax", Fault("missing"))
        '`softmax` is not defined yet: run the cell that defines it, then check again.'
    """
    name = code(label)
    if fault.kind == "missing":
        hint = fault.hint or "run the cell that defines it, then check again"
        return f"{name} is not defined yet: {hint}."
    if fault.kind == "unfinished":
        return f"{name} is not written yet: replace the line that raises NotImplementedError."
    if fault.kind == "timeout":
        return (
            f"{name} did not finish within {seconds:g} s: look for a loop that never ends, "
            "or replace a loop over numbers by array operations."
        )
    if fault.kind == "ended":
        return f"{name} ended Python itself ({fault.message}): {fault.hint}."
    if fault.kind == "unusable":
        return f"The check cannot read what {name} returned: {fault.message}."
    return _about_exception(name, fault)


def _about_exception(name: str, fault: Fault) -> str:
    kind = fault.types[0] if fault.types else "an exception"
    if "SystemExit" in fault.types:
        return f"{name} tried to end Python: take out `exit()` and return a value instead."
    if "RecursionError" in fault.types:
        return f"{name} calls itself without end: {_CLUES[0][2]}."
    where = f" at your line `{fault.line}`" if fault.line else ""
    what = f" ({fault.message.rstrip('.')[:200]})" if fault.message else ""
    return f"{name} raised {kind}{where}{what}: {_next_step(name, fault)}."


def _next_step(name: str, fault: Fault) -> str:
    if fault.hint:
        return fault.hint
    for kind, words, step in _CLUES:
        if kind in fault.types and words in fault.message:
            return step
    return f"call {name} yourself on a small input and read the whole error"


def describe(value: Any) -> str:
    """Say in a few words what a value is.

    Example:
        >>> describe([1, 2])
        'a list'
        >>> describe(np.zeros((2, 3)))
        'an array of shape (2, 3)'
    """
    if value is None:
        return "None"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, (bool, np.bool_)):
        return f"{bool(value)}"
    if isinstance(value, int) and abs(value) >= 10**15:
        return "a whole number of more than 15 digits"
    if isinstance(value, (int, float, complex, np.number)):
        return f"the number {value:.6g}"
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    held = getattr(value, "_ref", None)
    name = held.type_name if held is not None else type(value).__name__
    if held is not None and held.callable:
        return f"the {name} itself, without calling it" if name == "function" else f"a {name}"
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
