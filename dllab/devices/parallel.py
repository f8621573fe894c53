"""Compute on several devices, virtual ones included."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from dllab.errors import DeviceError, ParameterError

_GUIDE = "keras.io/guides/distributed_training_with_torch"


def virtual_devices(
    count: int, framework: Literal["tensorflow", "jax"] | None = None
) -> tuple[str, ...]:
    """Split the processor into several devices, to try data parallelism without GPUs.

    The devices share the processor's cores, so nothing gets faster; but batches are split,
    gradients summed and weights kept equal exactly as on several GPUs. Call this before
    anything is computed: a framework counts its devices once. Calling it again with the same
    `count` changes nothing, so a cell that does it can run twice. A GPU stays usable beside them.

    Used in {ref}`chapter-gpus`.

    Args:
        count: How many, at least 1.
        framework: "tensorflow" or "jax"; that of the Keras backend when left out.

    Returns:
        Their names, `("cpu:0", "cpu:1", …)`, as `Device.data_parallel` takes them.

    Raises:
        ParameterError: `count` is not a whole number of at least 1, or `framework` is unknown.
        DeviceError: The framework has counted its devices already, or it is PyTorch, which
            knows one processor only.

    Example:
        >>> names = virtual_devices(4)  # doctest: +SKIP
        >>> with device().data_parallel(names):  # doctest: +SKIP
        ...     model.fit(x, y)
    """
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise ParameterError(f"`count` must be a whole number of at least 1, not {count!r}.")
    if framework is None:
        import keras

        framework = keras.backend.backend()
    if framework == "torch":
        raise DeviceError(
            "PyTorch has no virtual devices: it knows one processor. Start several processes "
            "instead (`dllab.workers`, or torchrun) and call `average_gradients` in each."
        )
    if framework not in _SPLITTERS:
        raise ParameterError(f'`framework` must be "tensorflow" or "jax", not {framework!r}.')
    try:
        _SPLITTERS[framework](count)
    except RuntimeError as error:
        raise DeviceError(
            f"`virtual_devices({count})` came too late: the framework has counted its devices. "
            "Restart the kernel and call it first."
        ) from error
    return tuple(f"cpu:{number}" for number in range(count))


def _split_tensorflow(count: int) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    if count != tensorflow_processors(tf):
        parts = [tf.config.LogicalDeviceConfiguration()] * count
        tf.config.set_logical_device_configuration(cpu, parts)


def tensorflow_processors(tf: Any) -> int:
    """How many devices TensorFlow makes of the processor, without starting TensorFlow."""
    cpu = tf.config.list_physical_devices("CPU")[:1]
    return len(tf.config.get_logical_device_configuration(cpu[0]) or [1]) if cpu else 1


def _split_jax(count: int) -> None:
    import jax

    jax.config.update("jax_num_cpu_devices", count)  # refuses by itself once JAX has started


_SPLITTERS = {"tensorflow": _split_tensorflow, "jax": _split_jax}


@contextmanager
def data_parallel(backend: str, names: Sequence[str]) -> Iterator[Any]:
    """Make the code in the block data-parallel; see `Device.data_parallel`."""
    if len(names) < 2:
        yield None
    elif backend == "tensorflow":
        import tensorflow as tf

        strategy = tf.distribute.MirroredStrategy([name.upper() for name in names])
        with strategy.scope():
            yield strategy
    elif backend == "jax":
        with _jax_data_parallel(names) as distribution:
            yield distribution
    else:
        raise DeviceError(
            f"Keras trains on one device a process with the {backend} backend, not on "
            f"{len(names)}. Start one process for each (torchrun) and call "
            f"`dllab.devices.average_gradients(model)` in it, or write the loop of {_GUIDE}."
        )


@contextmanager
def _jax_data_parallel(names: Sequence[str]) -> Iterator[Any]:
    import keras

    distribution = keras.distribution.DataParallel(devices=[name.lower() for name in names])
    try:
        with distribution.scope():
            yield distribution
    except ValueError as error:
        if type(error).__name__ != "IndivisibleError":
            raise
        raise DeviceError(
            f"A batch cannot be shared equally by {len(names)} devices. Choose a `batch_size` "
            f"that is a multiple of {len(names)}, and leave out the rest of the last batch: "
            "`x[: len(x) // batch_size * batch_size]`."
        ) from error
