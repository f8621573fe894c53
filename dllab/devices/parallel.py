"""Compute on several devices, virtual ones included."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from dllab.errors import DeviceError, ParameterError

_GUIDE = "keras.io/guides/distributed_training_with_torch"
_UNEVEN = "IndivisibleError"  # JAX's, which has no public name


def virtual_devices(
    count: int, framework: Literal["tensorflow", "jax"] | None = None
) -> tuple[str, ...]:
    """Split the processor into several devices, to try data parallelism without GPUs.

    The devices share the processor's cores, so nothing gets faster; but batches are split,
    gradients summed and weights kept equal exactly as on several GPUs. Call this before
    anything is computed: a framework counts its devices once. Calling it again with the same
    `count` changes nothing, so a cell that does it can run twice. A GPU stays usable beside them.

    Introduced in: `chapter-gpus`.

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
        ...     model = build()
        ...     model.compile("sgd", "mse")
        ...     model.fit(x, y, batch_size=64)
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
        if type(error).__name__ != _UNEVEN:
            raise
        raise DeviceError(
            f"A batch cannot be shared equally by {len(names)} devices. Choose a `batch_size` "
            f"that is a multiple of {len(names)}, and leave out the rest of the last batch: "
            "`x[: len(x) // batch_size * batch_size]`."
        ) from error


def average_gradients(model: Any) -> None:
    """Train one Keras model in several PyTorch processes, each with its share of the batch.

    The weights of process 0 go to all; from then on, whatever `fit` or a loop of your own
    differentiates, each weight's gradient becomes its mean over the processes before the
    optimizer sees it, so that the weights stay equal. That is what PyTorch's
    `DistributedDataParallel` does around a loop of your own; Keras's `fit` calls the model
    itself and would pass it by.

    Every process needs the same number of batches, of equal sizes: a process that has one batch
    less leaves the others waiting. Each keeps the running averages of its own
    `BatchNormalization` layers.

    Introduced in: `chapter-gpus`.

    Args:
        model: A built Keras model.

    Raises:
        DeviceError: The backend is not PyTorch, or this process belongs to no group.
        ParameterError: `model` is not built yet.

    Source: S. Li et al., "PyTorch Distributed: Experiences on Accelerating Data Parallel
    Training", 2020 (doi.org/10.14778/3415478.3415530).

    Example:
        With `torchrun --nproc-per-node=2 train.py`, and in train.py before Keras is imported
        `os.environ["KERAS_TORCH_DEVICE"] = "cuda:" + os.environ["LOCAL_RANK"]`:

        >>> torch.distributed.init_process_group()  # doctest: +SKIP
        >>> average_gradients(model)  # doctest: +SKIP
        >>> model.fit(x[rank::2], y[rank::2], batch_size=32)  # doctest: +SKIP
    """
    import keras

    if (backend := keras.backend.backend()) != "torch":
        raise DeviceError(
            f"`average_gradients` needs the PyTorch backend, not {backend}; "
            "use `device().data_parallel()`."
        )
    import torch.distributed as group

    if not (group.is_available() and group.is_initialized()):
        raise DeviceError(
            "`average_gradients` needs a group of processes. Start them with torchrun and call "
            "`torch.distributed.init_process_group()` first."
        )
    if not model.built:
        raise ParameterError(
            "`model` must be built, so that it has weights; give it an `Input`, or call it once."
        )
    for variable in model.weights:
        group.broadcast(variable.value.data, src=0)
    for variable in model.trainable_weights:
        variable.value.register_post_accumulate_grad_hook(_average_over_processes)


def _average_over_processes(weight: Any) -> None:
    import torch.distributed as group

    # Gloo, which works without a GPU, knows the sum and not the mean
    group.all_reduce(weight.grad)
    weight.grad /= group.get_world_size()
