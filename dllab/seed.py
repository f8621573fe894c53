"""Make a run repeatable.

- `set_seed(seed)`: seed Python, NumPy and Keras in one call
"""

import importlib.util
import random

import numpy as np

from dllab.errors import ParameterError

__all__ = ["set_seed"]


def set_seed(seed: int, deterministic_ops: bool = False) -> None:
    """Seed the global generators of Python, NumPy and, where it is installed, Keras.

    Keras is imported for that, with its backend: the first call takes seconds. On one machine
    the same seed then gives the same initial weights, batches and dropout masks. Another
    backend, number of threads or processor changes results in their last digits, so assert
    a range and never a printed digit.

    Args:
        seed: an integer from 0 to 2**32 - 1.
        deterministic_ops: also make TensorFlow choose kernels that sum in a fixed order, which
            matters on a GPU. It cannot be undone, and gives other numbers than without it.

    Raises:
        ParameterError: `seed` is not such an integer, or `deterministic_ops` was asked for
            without TensorFlow.

    Example:
        >>> set_seed(1)
        >>> first = random.random()
        >>> set_seed(1)
        >>> first == random.random()
        True
    """
    whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
    if not (whole and 0 <= seed < 2**32):
        raise ParameterError(
            f"`seed` must be an integer from 0 to {2**32 - 1}, but is {seed!r}. Try `set_seed(0)`."
        )
    random.seed(int(seed))
    np.random.seed(int(seed))
    if importlib.util.find_spec("keras"):
        import keras

        keras.utils.set_random_seed(int(seed))
    if deterministic_ops:
        _fix_order_of_sums()


def _fix_order_of_sums() -> None:
    if not importlib.util.find_spec("tensorflow"):
        raise ParameterError(
            "`deterministic_ops=True` needs TensorFlow, which is not installed. Leave it out, "
            "or install TensorFlow."
        )
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
