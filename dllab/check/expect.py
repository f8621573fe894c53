"""What a check expects of a value, said so that a failure reads as one helpful sentence.

- `array(value, shape)`, `number`, `integer`, `text`, `mapping`: the right kind of value, returned
  in a form that the check can compute with
- `instance(value)`: an object of the learner's class
- `model(value, input_shape, output_shape)`: a Keras model, rebuilt by code that is not the
  learner's
- `close(actual, desired, message)`: equal up to rounding
- `true(condition, message)`: anything else
- `raises(kind_name, call)`: the learner's code refuses a wrong input
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy import all as np_all
from numpy import asarray, isfinite, isnan

from dllab.check.models import Model, ModelError, evaluator, read_model
from dllab.check.proxy import Handle, origin
from dllab.check.sentences import StudentError, code, describe

__all__ = [
    "UnexpectedError",
    "array",
    "close",
    "instance",
    "integer",
    "mapping",
    "model",
    "number",
    "raises",
    "text",
    "true",
]

_KINDS = {float: "f", int: "iu", bool: "b", "float": "f", "int": "iu", "bool": "b"}
_KIND_NAMES = {"f": "decimal numbers", "iu": "whole numbers", "b": "True and False"}


class UnexpectedError(AssertionError):
    """A value is not what the task asks for; the text is what the learner reads in a notebook.

    Args:
        message: the sentence.
        reveal: a further sentence with numbers that the check expects; a grader leaves it out.
    """

    def __init__(self, message: str, reveal: str = "") -> None:
        super().__init__(f"{message} {reveal}".strip())
        self.public = message


def array(
    value: Any,
    shape: Sequence[int | None] | None = None,
    dtype: Any = None,
    finite: bool = True,
) -> np.ndarray:
    """Return a value that should be an array of numbers.

    Args:
        value: what the learner's code returned.
        shape: the shape it should have; None at a place allows any length there.
        dtype: `float`, `int` or `bool` for any such type, or one exact NumPy type.
        finite: neither NaN nor infinity may occur.

    Raises:
        UnexpectedError: it is something else.

    Example:
        >>> array(np.ones((2, 3)), shape=(2, None)).sum()
        np.float64(6.0)
        >>> array([1.0, 2.0], shape=(2,))
        array([1., 2.])
        >>> array(None)
        Traceback (most recent call last):
        dllab.check.expect.UnexpectedError: The value should be an array, and it is None: does \
the function end with `return`?
    """
    name = _subject(value)
    found = _as_array(name, value, shape)
    if found.dtype.kind in "US":
        raise UnexpectedError(f"{name} should hold numbers, and it holds text: convert it first.")
    if shape is not None and not _fits(found.shape, tuple(shape)):
        raise UnexpectedError(
            f"{name} has shape {found.shape}, and it should have shape {_shape_text(shape)}: "
            "print the shape after each step to see where they part."
        )
    _check_dtype(name, found, dtype)
    if finite and found.dtype.kind in "fc" and not np_all(isfinite(found)):
        what = "NaN (not a number)" if isnan(found).any() else "infinity"
        raise UnexpectedError(
            f"{name} contains {what}: look for an overflow in `exp`, a log of 0 or a division by 0."
        )
    return found


def _as_array(name: str, value: Any, shape: Sequence[int | None] | None) -> np.ndarray:
    """Return an array; a list of numbers will do, and for shape `()` a number."""
    if isinstance(value, np.ndarray):
        return value
    _refuse_huge(name, value)
    scalar = isinstance(value, (int, float, complex, np.generic))
    if scalar and shape is not None and not shape:
        return asarray(value)
    if not isinstance(value, (list, tuple)):
        _refuse(name, "an array", value)
    try:
        found = asarray(value)
    except ValueError:
        raise UnexpectedError(
            f"{name} has rows of unequal lengths, so it is no array: print the length of each row."
        ) from None
    except StudentError:  # an object in it refuses to be a number
        raise UnexpectedError(
            f"{name} should hold numbers only: print it to see what else is in."
        ) from None
    if found.dtype.kind == "O":
        raise UnexpectedError(f"{name} should hold numbers only: print it to see what else is in.")
    return found


def number(value: Any) -> float:
    """Return a value that should be one finite number.

    Example:
        >>> number(np.float32(0.5))
        0.5
    """
    name = _subject(value)
    if isinstance(value, np.ndarray) and value.shape == () and value.dtype.kind in "iuf":
        value = value[()]
    if isinstance(value, (bool, np.bool_)) or not isinstance(
        value, (int, float, np.integer, np.floating)
    ):
        _refuse(name, "one number", value)
    _refuse_huge(name, value)
    if not isfinite(value):
        raise UnexpectedError(
            f"{name} is {value}: look for an overflow in `exp`, a log of 0 or a division by 0."
        )
    return float(value)


def integer(value: Any) -> int:
    """Return a value that should be one whole number.

    Example:
        >>> integer(np.int64(3))
        3
    """
    name = _subject(value)
    if isinstance(value, np.ndarray) and value.shape == () and value.dtype.kind in "iu":
        value = value[()]
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        _refuse(name, "one whole number", value)
    _refuse_huge(name, value)
    return int(value)


def text(value: Any, choices: Iterable[str] | None = None) -> str:
    """Return a value that should be text, one of `choices` if they are given.

    Example:
        >>> text("relu", choices=["relu", "tanh"])
        'relu'
    """
    name = _subject(value)
    if not isinstance(value, str):
        _refuse(name, "text", value)
    allowed = list(choices) if choices is not None else [value]
    if value not in allowed:
        raise UnexpectedError(f"{name} is {value[:40]!r}, and it should be one of {allowed}.")
    return value


def mapping(value: Any, keys: Iterable[Any]) -> dict[Any, Any]:
    """Return a value that should be a dict with these keys; further ones do no harm.

    Example:
        >>> mapping({"W": 1, "b": 2}, keys=["W", "b"])
        {'W': 1, 'b': 2}
    """
    name = _subject(value)
    if not isinstance(value, dict):
        _refuse(name, "a dict", value)
    wanted = list(keys)
    missing = [key for key in wanted if key not in value]
    if missing:
        raise UnexpectedError(f"{name} has no entry {missing[0]!r}: it should have {wanted}.")
    return value


def instance(value: Any, name: str = "") -> Handle:
    """Return what should be an object of the learner's class, with attributes and methods.

    Args:
        value: what the learner's code returned.
        name: what the sentence calls it, such as `"x * w"`; the call that gave it unless told.

    Example:
        >>> instance(3.0)
        Traceback (most recent call last):
        dllab.check.expect.UnexpectedError: The value should be an object of your class, and it \
is the number 3: read the signature in the task again.
    """
    if not isinstance(value, Handle):
        subject = code(name) if name else _subject(value)
        _refuse(subject, "an object of your class", value)
    return value


def model(
    value: Any,
    input_shape: Sequence[int] | None = None,
    output_shape: Sequence[int | None] | None = None,
) -> Model:
    """Return a Keras model of the learner's, rebuilt from its layers and weights.

    The learner's process tells the model as plain data, once. The data are checked against a list
    of Keras's own layers and settings, and the model that is made of them runs where none of the
    learner's code does: an overridden `predict`, a patched `keras.Model.__call__` or an object
    that only looks like a model changes nothing. The result has `.layers` (each with `.kind`,
    `.config`, `.weights`, `.parameters`, `.output_shape`), `.parameters`, `.trainable_parameters`,
    `.weights`, `.output_shape` and `.predict(x)`, which gives an array.

    Sequential and functional models of layers from `dllab.check.layer_kinds` can be rebuilt, with
    models inside them; subclassed models, custom layers, Lambda layers and functions as
    activations cannot, and their learner reads a sentence that says so. Where a task needs those,
    call the model by name instead: `expect.array(student.build().predict(x), shape=…)`. Such a
    check asks the learner's code, and so the answer may come from anything that this code knows
    or does: use inputs that the check draws anew, and more than one of them.

    Args:
        value: what the learner's code returned.
        input_shape: of one example; a model that has not been built is built for it.
        output_shape: of one example; None at a place allows any length there.

    Raises:
        UnexpectedError: it is no model that can be rebuilt, or its shapes are others.
    """
    name = _subject(value)
    if not isinstance(value, Handle):
        _refuse(name, "a Keras model", value)
    try:
        spec = read_model(value._apply("model", value), input_shape)
    except ModelError as error:
        raise UnexpectedError(f"{name} {error}.") from None
    answer = evaluator().evaluate(spec)
    if answer.problem:
        raise UnexpectedError(f"{name} {answer.problem}.")
    rebuilt = Model(spec, answer, name)
    wanted = None if input_shape is None else (tuple(input_shape),)
    if wanted is not None and not all(map(_fits_open, rebuilt.input_shapes, wanted)):
        raise UnexpectedError(
            f"{name} takes examples of shape {rebuilt.input_shapes[0]}, and it should take "
            f"{wanted[0]}: look at the shape in `keras.Input`."
        )
    if output_shape is not None and not _fits(rebuilt.output_shape, tuple(output_shape)):
        raise UnexpectedError(
            f"{name} gives outputs of shape {rebuilt.output_shape} for each example, and it "
            f"should give {_shape_text(output_shape)}: look at the last layer."
        )
    return rebuilt


def close(
    actual: Any,
    desired: Any,
    message: str = "",
    *,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    reveal: str = "",
) -> None:
    """Expect numbers of the same shape that are equal up to rounding; NaN equals nothing.

    Args:
        actual: what the learner's code gave, an array or a number.
        desired: what it should be.
        message: what the learner reads if it is not, one sentence.
        rtol: relative tolerance.
        atol: absolute tolerance.
        reveal: what the learner reads besides in a notebook, and not when graded: a sentence
            with numbers that the check expects.

    Example:
        >>> close(0.1 + 0.2, 0.3, "The sum should be 0.3.")
        >>> close(0.5, 1.0, "Each row should sum to 1.")
        Traceback (most recent call last):
        dllab.check.expect.UnexpectedError: Each row should sum to 1.
    """
    wanted = asarray(desired)
    if not isinstance(actual, (np.ndarray, np.generic, int, float, complex, list, tuple)):
        _refuse(_subject(actual), "an array" if wanted.shape else "one number", actual)
    try:
        found = asarray(actual)
    except ValueError:
        raise UnexpectedError(message or "The rows of this list have unequal lengths.") from None
    except StudentError:  # a list with an object in it
        raise UnexpectedError(message or f"{_subject(actual)} should hold numbers.") from None
    if found.dtype.kind not in "biufc":
        raise UnexpectedError(message or f"{_subject(actual)} should hold numbers.")
    if found.shape != wanted.shape:
        detail = f"Yours has shape {found.shape}, and it should have shape {wanted.shape}."
        raise UnexpectedError(f"{message} ({detail})" if message else detail)
    with np.errstate(all="ignore"):
        # NaN is close to nothing: what a check wants may be computed from the learner's numbers
        equal = (found == wanted) | (abs(found - wanted) <= atol + rtol * abs(wanted))
    if not np_all(equal):
        sentence = message or f"{_subject(actual)} does not have the right value yet."
        raise UnexpectedError(sentence, reveal)


def true(condition: Any, message: str, *, reveal: str = "") -> None:
    """Expect a condition, with the sentence that the learner reads if it does not hold.

    Args:
        condition: what should hold.
        message: the sentence; inputs and what the learner's code gave may stand in it.
        reveal: a further sentence for the notebook alone: numbers that the check expects.
    """
    if not bool(condition):
        raise UnexpectedError(message, reveal)


def raises(kind_name: str, call: Callable[[], Any], message: str = "") -> None:
    """Expect that the learner's code raises an exception of this kind or of a kind below it.

    Args:
        kind_name: name of the exception class, such as `"ValueError"`.
        call: what to do, such as `lambda: student.Dense(0, 3)`.
        message: what the learner reads otherwise.
    """
    try:
        call()
    except StudentError as error:
        if kind_name in error.fault.types:
            return
        if error.fault.kind != "raised":
            raise
        raise UnexpectedError(
            message or f"This input should raise {kind_name}, and it raised {error.fault.types[0]}."
        ) from None
    raise UnexpectedError(
        message or f"A wrong input should raise {kind_name}, and nothing was raised."
    )


def _subject(value: Any) -> str:
    return origin(value) or "The value"


def _shape_text(shape: Sequence[int | None]) -> str:
    inner = ", ".join("any" if n is None else str(n) for n in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def _fits_open(found: tuple[int | None, ...], wanted: tuple[int, ...]) -> bool:
    """Tell whether a model that leaves some lengths open takes examples of this shape."""
    return len(found) == len(wanted) and all(
        have in (None, want) for have, want in zip(found, wanted, strict=True)
    )


def _fits(found: tuple[int | None, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(found) == len(wanted) and all(
        want is None or have == want for have, want in zip(found, wanted, strict=True)
    )


def _check_dtype(name: str, found: np.ndarray, dtype: Any) -> None:
    if dtype is None:
        return
    kinds = _KINDS.get(dtype) if isinstance(dtype, (type, str)) else None
    if kinds is not None and found.dtype.kind not in kinds:
        raise UnexpectedError(
            f"{name} has dtype {found.dtype}, and it should hold {_KIND_NAMES[kinds]}."
        )
    if kinds is None and found.dtype != np.dtype(dtype):
        raise UnexpectedError(
            f"{name} has dtype {found.dtype}, and it should have {np.dtype(dtype)}."
        )


def _refuse_huge(name: str, value: Any) -> None:
    """Refuse whole numbers that NumPy cannot hold."""
    if isinstance(value, int) and abs(value) >= 2**63:
        raise UnexpectedError(f"{name} is {describe(value)}: look for a product that grows.")


def _refuse(name: str, wanted: str, value: Any) -> None:
    """Raise the sentence for a value of the wrong kind."""
    if value is None:
        step = "does the function end with `return`?"
    elif isinstance(value, tuple):
        step = "is there a comma too many after `return`?"
    elif isinstance(value, Handle) and value._ref.type_name == "generator":
        step = "use `return` instead of `yield`."
    elif isinstance(value, Handle) and value._ref.type_name == "array of Python objects":
        step = "its rows probably have unequal lengths."
    elif isinstance(value, Handle) and value._ref.callable:
        step = "call it with `(...)`."
    elif isinstance(value, np.ndarray) and wanted != "an array":
        step = "is a sum, a mean or an index missing?"
    else:
        step = "read the signature in the task again."
    raise UnexpectedError(f"{name} should be {wanted}, and it is {describe(value)}: {step}")
