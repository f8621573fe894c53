"""Traps of habit: what a framework does to gradients, keys, arrays and precision unasked."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import torch

from dllab.parity.traps.trap import Answers, as_array, draw, trap

__all__ = [
    "array_shared_with_torch",
    "float64_becomes_float32",
    "float64_in_jax",
    "gradients_accumulate",
    "same_key_same_mask",
    "update_without_assignment",
]


@trap()
def gradients_accumulate() -> Answers:
    """PyTorch adds each gradient to the last one; Keras, TensorFlow and JAX start afresh.

    Call `optimizer.zero_grad()` before each `backward()`.
    """
    x = draw(5)
    right, wrong = (torch.tensor(x, requires_grad=True) for _ in range(2))
    for _ in range(2):
        right.grad = None
        (right**2).sum().backward()
        (wrong**2).sum().backward()
    return jax.grad(lambda v: (v**2).sum())(x), right.grad, wrong.grad


@trap()
def same_key_same_mask() -> Answers:
    """JAX draws the same numbers from the same key: dropout would drop the same units forever.

    Split the key for each use. (Measured: whether two masks of 1,000 units are equal.)
    """
    key = jax.random.key(0)

    def mask(key: jax.Array) -> np.ndarray:
        return np.asarray(jax.random.bernoulli(key, 0.5, (1000,)))

    first, second = jax.random.split(key)
    right = np.array_equal(mask(first), mask(second))
    return 0.0, float(right), float(np.array_equal(mask(key), mask(key)))


@trap()
def update_without_assignment() -> Answers:
    """A JAX array never changes: `x.at[0].set(1.0)` returns a new one.

    Assign the result. Without the assignment the update is lost in silence; `x[0] = 1.0` at least
    raises an error.
    """
    truth = draw(5)
    kept = jnp.asarray(truth)
    truth[0] = 10.0
    right = kept.at[0].set(10.0)
    return truth, right, kept


@trap()
def array_shared_with_torch() -> Answers:
    """`torch.from_numpy` shares memory: what is written to the array later changes the tensor.

    Copy with `torch.tensor(array)` if the array is reused, as a buffer for batches is.
    """
    buffer = draw(5)
    truth = buffer.copy()
    right, wrong = torch.tensor(buffer), torch.from_numpy(buffer)
    buffer[:] = 0.0
    return truth, right, wrong


@trap()
def float64_becomes_float32() -> Answers:
    """NumPy computes in float64; Keras and JAX turn such arrays into float32 in silence.

    Ask for it: a layer's `dtype="float64"`, and `jax_enable_x64` for JAX. PyTorch keeps float64,
    and raises an error where a layer in float32 meets it.
    """
    x, kernel = np.array([[1 + 1e-9, 1.0]]), np.array([[1.0], [-1.0]])
    return x @ kernel, keras_dense(x, kernel, "float64"), keras_dense(x, kernel, "float32")


@trap()
def float64_in_jax() -> Answers:
    """JAX makes float32 of a float64 array, even where it is asked to keep it.

    Set `jax.config.update("jax_enable_x64", True)` at the start of the program.
    """
    x = np.array([1 + 1e-9])
    wrong = jnp.asarray(x) - 1.0
    with jax.enable_x64(True):
        right = jnp.asarray(x) - 1.0
    return x - 1.0, right, wrong


def keras_dense(x: np.ndarray, kernel: np.ndarray, dtype: str) -> np.ndarray:
    with jax.enable_x64(dtype == "float64"):  # makes a difference on Keras's backend JAX alone
        layer = keras.layers.Dense(1, use_bias=False, dtype=dtype)
        layer.build(x.shape)
        layer.set_weights([kernel])
        return as_array(layer(x))
