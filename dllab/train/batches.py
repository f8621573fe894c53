"""Batches for `fit` on TensorFlow, cut from arrays in advance; importing this needs no TensorFlow.

- `batches(x, y, batch_size, shuffle)`: a `tf.data` pipeline of the batches of one epoch
- `plain_arrays(*arrays)`: whether arrays hold numbers only, so that they can be cut so

The order of the examples is the one of `model.fit(x, y, shuffle=True)` with the same seed. Keras
(3.15, `ArrayDataAdapter.get_tf_dataset`) shuffles the row numbers by one `tf.random.shuffle`
inside `Dataset.map`, whose seed comes from `tf.random.set_seed` and its place in that function;
the same function here draws the same permutations. Keras then gathers the rows of each batch in
parallel threads, which for a batch of a few kilobytes takes longer than the copy; here one gather
copies the epoch, and a batch is a slice of it. `tests/train` compares every weight, bit by bit.
"""

from typing import Any

import numpy as np

__all__ = ["batches", "plain_arrays"]


def plain_arrays(*arrays: np.ndarray) -> bool:
    """Whether all arrays hold booleans, integers or floats, which slice without conversion."""
    return all(array.dtype.kind in "biuf" for array in arrays)


def batches(x: np.ndarray, y: np.ndarray, batch_size: int, shuffle: bool) -> Any:
    """Cut examples into the batches of one epoch, the last one smaller where they do not divide.

    Args:
        x: Examples, `(examples, …)`; floats become Keras's `floatx`, as in `model.fit`.
        y: Targets, `(examples, …)`.
        batch_size: Examples in a batch.
        shuffle: Whether each epoch has another order.

    Returns:
        A `tf.data.Dataset` of pairs; each pass over it is one epoch.
    """
    import tensorflow as tf

    count = len(x)
    whole = count // batch_size * batch_size

    def order(_: Any) -> Any:
        rows = tf.range(count, dtype=tf.int64)
        return tf.random.shuffle(rows) if shuffle else rows

    data = _floatx(x), _floatx(y)

    def cut(rows: Any, *arrays: Any) -> Any:
        taken = [tf.gather(array, rows) if shuffle else array for array in arrays]
        full = [
            tf.reshape(array[:whole], (whole // batch_size, batch_size, *array.shape[1:]))
            for array in taken
        ]
        slices = tf.data.Dataset.from_tensor_slices(tuple(full))
        if whole == count:
            return slices
        rest = tuple(array[whole:] for array in taken)
        return slices.concatenate(tf.data.Dataset.from_tensors(rest))

    rows = tf.data.Dataset.range(1).map(order)
    pipeline = tf.data.Dataset.zip((rows, *map(tf.data.Dataset.from_tensors, data))).flat_map(cut)
    steps = -(-count // batch_size)
    counted = pipeline.apply(tf.data.experimental.assert_cardinality(steps))
    return counted.prefetch(2).with_options(_options(tf))


def _floatx(array: np.ndarray) -> np.ndarray:
    import keras

    return array.astype(keras.config.floatx(), copy=False) if array.dtype.kind == "f" else array


def _options(tf: Any) -> Any:
    """Leave the pipeline as it is written: rewriting it, each epoch anew, takes longer."""
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    options.autotune.enabled = False
    return options
