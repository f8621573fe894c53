"""Fresh randomness after a fork, so that no two kernels share a random stream.

- `reseed()`: renew every generator that importing may have seeded

What is created later needs nothing: NumPy's `default_rng()`, `uuid4` and `secrets` ask the
operating system each time, and TensorFlow's kernels seed themselves on first use. Not
renewable is the hash of strings, which an interpreter fixes when it starts: all kernels of a
template share it.
"""

import os
import random
import sys
import tempfile
from typing import Any

__all__ = ["reseed"]


def reseed() -> None:
    """Renew the state of `random`, NumPy, Keras, TensorFlow, PyTorch, tempfile, multiprocessing."""
    random.seed()
    tempfile._name_sequence = None  # type: ignore[attr-defined]
    _with("numpy", lambda numpy: numpy.random.seed())
    _with("multiprocessing.process", _renew_multiprocessing)
    _with("tensorflow.python.eager.context", _reseed_tensorflow)
    _with("keras.src.backend.common.global_state", _reseed_keras)
    _with("torch", lambda torch: torch.seed())


def _with(name: str, renew: Any) -> None:
    if (module := sys.modules.get(name)) is not None:
        renew(module)


def _renew_multiprocessing(process: Any) -> None:
    """Renew the key with which a process and its workers prove who they are."""
    process.current_process().authkey = os.urandom(32)


def _reseed_tensorflow(context: Any) -> None:
    if context.context_safe() is not None:
        context.context()._set_global_seed(None)


def _reseed_keras(global_state: Any) -> None:
    """Forget the global seed generator; Keras draws a new one from `random` when needed."""
    global_state.set_global_attribute("global_seed_generator", None)
