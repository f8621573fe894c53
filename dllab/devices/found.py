"""What was found, and what can be done with it."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

from dllab.devices.parallel import data_parallel
from dllab.errors import ParameterError

NAMES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}


@dataclass(frozen=True)
class Device:
    """What computes, and why.

    Attributes:
        kind: "cpu", "gpu" or "tpu".
        name: What the maker calls it, or "CPU".
        backend: The Keras backend: "tensorflow", "jax" or "torch".
        count: How many of this kind are visible, virtual ones included.
        mixed_precision: The Keras policy that was set, such as "mixed_bfloat16", or None.
        reason: Why it is used as it is.
        memory: Of one device, in GB, or None where nobody tells.
        capability: NVIDIA's compute capability, such as `(9, 0)`, or None.
        jit_compile: What to give `model.compile(jit_compile=…)` here: "auto" where XLA pays,
            False where compiling costs a small model more than it gains. Keras's own "auto"
            switches XLA on with TensorFlow on a GPU and with JAX, and never with PyTorch.

    Example:
        >>> print(Device("cpu", "CPU", "tensorflow", 1, None, "TensorFlow found no GPU"))
        CPU with TensorFlow: TensorFlow found no GPU
    """

    kind: Literal["cpu", "gpu", "tpu"]
    name: str
    backend: str
    count: int
    mixed_precision: str | None
    reason: str
    memory: float | None = None
    capability: tuple[int, int] | None = None
    jit_compile: bool | Literal["auto"] = False

    def __str__(self) -> str:
        kind = self.kind.upper()
        what = self.name if self.name.startswith(kind) else f"{kind} {self.name}"
        times = f"{self.count} × " if self.count > 1 else ""
        facts = [f"{self.memory:.0f} GB"] if self.memory else []
        if self.capability:
            facts.append(f"compute capability {self.capability[0]}.{self.capability[1]}")
        known = f" ({', '.join(facts)})" if facts else ""
        backend = NAMES.get(self.backend, self.backend)
        return f"{times}{what}{known} with {backend}: {self.reason}"

    def data_parallel(
        self, devices: Sequence[str] | None = None
    ) -> AbstractContextManager[Any, bool | None]:
        """Share each batch among several devices, in a `with` block.

        Build, compile and fit the model in the block. Each device holds all weights and computes
        the gradient of its share of the batch; the mean of these gradients updates the weights
        everywhere. `batch_size` stays the size of the whole batch. With one device the block
        changes nothing, so the same code runs anywhere.

        The shares should be equal, so use a `batch_size` that is a multiple of the number of
        devices, and mind the last batch. JAX refuses an uneven one. TensorFlow averages over
        the devices, so that an example in a smaller share counts for more, and the result
        differs from that of one device. `BatchNormalization` normalizes by the whole batch with
        JAX, and by each device's share with TensorFlow, which differs too. TensorFlow keeps a
        process to the first set of devices that it trained on.

        With the PyTorch backend Keras has no data parallelism in one process: see
        `average_gradients`.

        Args:
            devices: Names such as "gpu:0"; all of this kind when left out.

        Returns:
            A context manager. It gives a `tf.distribute.MirroredStrategy` with TensorFlow, a
            `keras.distribution.DataParallel` with JAX, and None with one device.

        Raises:
            ParameterError: `devices` is not a sequence of names.
            DeviceError: On entering, if the backend is PyTorch and there are several devices;
                in the block, if JAX cannot share a batch equally.

        Source: the guides "Distributed training with TensorFlow"
        (tensorflow.org/guide/distributed_training) and "Distributed training with Keras 3"
        (keras.io/guides/distribution).

        Introduced in: `chapter-gpus`.

        Example:
            >>> with device().data_parallel():  # doctest: +SKIP
            ...     model = build()
            ...     model.compile("adam", "mse")
            ...     model.fit(x, y, batch_size=64)
        """
        if isinstance(devices, str) or (devices is not None and not devices):
            raise ParameterError(
                f'`devices` must be names such as ("gpu:0", "gpu:1"), not {devices!r}.'
            )
        names = devices or [f"{self.kind}:{number}" for number in range(self.count)]
        return data_parallel(self.backend, list(names))
