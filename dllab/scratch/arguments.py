"""Checks of arguments that layers and losses share; each returns the value or raises.

- `generator`: a source of randomness.
- `fraction`: a number from 0 up to, but not including, 1.
"""

import numpy as np

from dllab.errors import ParameterError

__all__ = ["fraction", "generator"]


def generator(rng: np.random.Generator) -> np.random.Generator:
    """Return `rng`.

    Raises:
        ParameterError: it is not a `np.random.Generator`; a seed alone is not one.

    Example:
        >>> isinstance(generator(np.random.default_rng(0)), np.random.Generator)
        True
    """
    if not isinstance(rng, np.random.Generator):
        raise ParameterError(
            f"`rng` should be a np.random.Generator, but it is a {type(rng).__name__}. "
            "Pass rng=np.random.default_rng(0)."
        )
    return rng


def fraction(value: float, name: str, hint: str) -> float:
    """Return `value` as a `float`.

    Args:
        value: a number `0 <= value < 1`.
        name: what the parameter is called.
        hint: the next step, a sentence for the error message.

    Raises:
        ParameterError: it is not a number, or outside that range.

    Example:
        >>> fraction(0.5, "rate", "Drop half of the entries with 0.5.")
        0.5
    """
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not 0 <= value < 1:
        raise ParameterError(
            f"`{name}` should be a number from 0 up to, but not including, 1, but it is "
            f"{value!r}. {hint}"
        )
    return float(value)
