"""Make a run repeatable.

- `set_seed(seed)`: seed Python, NumPy and Keras in one call
"""

import importlib.util
import os
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
        deterministic_ops: also make the backend choose kernels that sum in a fixed order, which
            matters on a GPU; an operation that has none raises an error of the framework. It
            holds until the process ends and can give other numbers than without it. JAX reads
            it once: ask for it before the first computation.

    Raises:
        ParameterError: `seed` is not such an integer, or `deterministic_ops` was asked for
            without Keras.

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
    if not importlib.util.find_spec("keras"):
        raise ParameterError(
            "`deterministic_ops=True` needs Keras, which is not installed. Leave it out, "
            "or install Keras."
        )
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif backend == "jax":
        # on a processor JAX's sums always have one order
        _add_to_environment("XLA_FLAGS", "--xla_gpu_deterministic_ops=true")
    elif backend == "torch":
        import torch

        # cuBLAS asks for it, when its first product is computed
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False


def _add_to_environment(name: str, option: str) -> None:
    options = os.environ.get(name, "").split()
    if option not in options:
        os.environ[name] = " ".join([*options, option])
