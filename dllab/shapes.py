"""Check that an array has the dimensions a function needs, and say so in one sentence.

- `check_shape`: compare a shape with named dimensions and return what the names stand for.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dllab.errors import ParameterError, ShapeError

__all__ = ["check_shape"]


def check_shape(
    array: Any, expected: Sequence[int | str | None], name: str = "array"
) -> dict[str, int]:
    """Compare the shape of `array` with `expected` and return the sizes of the named dimensions.

    Args:
        array: anything with a `.shape`, or anything that NumPy can turn into an array.
        expected: one entry per axis. An integer is that exact size; a name such as `"batch"`
            stands for any size, the same size wherever the name occurs; `None` for any size.
        name: what the caller's parameter is called; the message shows it.

    Returns:
        The named dimensions with their sizes, for example `{"batch": 5}`.

    Raises:
        ShapeError: the number of axes or a size differs.
        ParameterError: `expected` holds something other than integers, names and `None`.

    Example:
        >>> check_shape(np.zeros((5, 3)), ("batch", 3), name="x")
        {'batch': 5}
        >>> check_shape(np.zeros((3, 5)), ("batch", 3), name="x")
        Traceback (most recent call last):
        dllab.errors.ShapeError: `x` should have shape (batch, 3), but its shape is (3, 5): \
axis 1 has size 5 instead of 3.
    """
    received = _shape_of(array, name)
    _check_expected(expected)
    if len(received) != len(expected):
        raise ShapeError(
            f"{_headline(name, expected, received)}: it has {_axes(len(received))} instead of "
            f"{len(expected)}."
        )
    sizes: dict[str, int] = {}
    for axis, (wanted, size) in enumerate(zip(expected, received, strict=True)):
        if wanted is None:
            continue
        target = sizes.setdefault(wanted, size) if isinstance(wanted, str) else int(wanted)
        if size != target:
            named = f" ({wanted})" if isinstance(wanted, str) else ""
            raise ShapeError(
                f"{_headline(name, expected, received)}: axis {axis} has size {size} "
                f"instead of {target}{named}."
            )
    return sizes


def _shape_of(array: Any, name: str) -> tuple[int, ...]:
    shape = getattr(array, "shape", None)
    if shape is not None:
        return tuple(int(size) for size in shape)
    try:
        return np.shape(array)
    except ValueError as error:
        raise ShapeError(
            f"`{name}` should be an array, but its rows differ in length. "
            "Give every row the same number of entries."
        ) from error


def _check_expected(expected: Sequence[int | str | None]) -> None:
    if isinstance(expected, str) or not all(
        entry is None or isinstance(entry, int | np.integer | str) for entry in expected
    ):
        raise ParameterError(
            "`expected` should be a tuple of integers, names and None, such as "
            f'("batch", 3), but it is {expected!r}.'
        )


def _headline(name: str, expected: Sequence[int | str | None], received: tuple[int, ...]) -> str:
    entries = ["any" if entry is None else str(entry) for entry in expected]
    wanted = f"({', '.join(entries)}{',' if len(entries) == 1 else ''})"
    return f"`{name}` should have shape {wanted}, but its shape is {received}"


def _axes(count: int) -> str:
    return f"{count} axis" if count == 1 else f"{count} axes"
