"""Pick up the accelerator of the active Keras backend, and say so in one line.

- `device()`: find it, set it up, describe it
- `Device`: what was found and why it is used as it is

The environment variable `DLLAB_DEVICE=cpu` keeps everything on the processor.
"""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dllab.errors import ParameterError

__all__ = ["Device", "device"]

_NAMES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
_TOO_SMALL = "float32, since small models gain nothing from mixed precision"


@dataclass(frozen=True)
class Device:
    """What computes, and why.

    Attributes:
        kind: "cpu", "gpu" or "tpu".
        name: What the maker calls it, or "CPU".
        backend: The Keras backend: "tensorflow", "jax" or "torch".
        count: How many of this kind are visible.
        mixed_precision: The Keras policy that was set, such as "mixed_bfloat16", or None.
        reason: Why it is used as it is.

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

    def __str__(self) -> str:
        what = "CPU" if self.kind == "cpu" else f"{self.kind.upper()} {self.name}"
        times = f"{self.count} × " if self.count > 1 else ""
        return f"{times}{what} with {_NAMES.get(self.backend, self.backend)}: {self.reason}"

    def strategy(self, devices: Sequence[str] | None = None) -> Any:
        """Spread each batch over several devices; TensorFlow only.

        Build and compile the model in `with device().strategy().scope():`. Each device computes
        the gradient of its share of the batch; the sum updates the same weights everywhere.

        Args:
            devices: Names such as "GPU:0"; all GPUs when left out.

        Returns:
            A `tf.distribute.MirroredStrategy`, or TensorFlow's default strategy, which changes
            nothing, where there is one device only.

        Raises:
            ParameterError: The backend is not TensorFlow.
        """
        if self.backend != "tensorflow":
            raise ParameterError(
                f"`strategy` needs the TensorFlow backend, not {self.backend}; "
                "with JAX, see keras.distribution.DataParallel."
            )
        import tensorflow as tf

        if devices is None and (self.kind != "gpu" or self.count < 2):
            return tf.distribute.get_strategy()
        return tf.distribute.MirroredStrategy(devices)


def device(mixed_precision: Literal["off", "auto"] = "off") -> Device:
    """Find the accelerator, set it up and describe it; without one, describe the processor.

    With TensorFlow, GPU memory is taken as it is needed instead of all at once. Call this
    before the first model: TensorFlow cannot change a GPU that it already uses. A missing or
    broken driver is a reason in the answer, never an exception.

    Mixed precision stays off unless you ask for it. It pays on GPUs with Tensor Cores once the
    matrices are large; a small model's time goes into starting kernels, and its numbers would
    no longer be those of the book.

    Args:
        mixed_precision: "auto" sets Keras's global policy where a GPU gains from it:
            `mixed_bfloat16` from compute capability 8.0 on (float32's range, so that a training
            loop of your own needs no loss scaling), `mixed_float16` on 7.x, nothing below.
            Only TensorFlow's GPUs are judged.

    Returns:
        The `Device`; `print(device())` shows it in one line.

    Raises:
        ParameterError: `mixed_precision` or `DLLAB_DEVICE` has a value that does not exist.

    Source: the Keras guide "Mixed precision" (keras.io/api/mixed_precision); NVIDIA, "Train
    With Mixed Precision" (docs.nvidia.com/deeplearning/performance/mixed-precision-training).
    """
    if mixed_precision not in ("off", "auto"):
        raise ParameterError(f'`mixed_precision` must be "off" or "auto", not {mixed_precision!r}.')
    wanted = os.environ.get("DLLAB_DEVICE", "").strip().lower() or "auto"
    if wanted not in ("auto", "cpu"):
        raise ParameterError(
            f'`DLLAB_DEVICE` must be "cpu" or "auto", not {wanted!r}; '
            "change the environment variable or remove it."
        )
    _before_import(wanted)
    import keras

    backend = keras.backend.backend()
    if backend not in _FINDERS:
        return _cpu(backend, "this backend computes on the processor")
    if wanted == "cpu":
        return _cpu(backend, _HIDERS[backend]() or "DLLAB_DEVICE=cpu asks for it")
    return _FINDERS[backend](mixed_precision)


def _cpu(backend: str, reason: str) -> Device:
    return Device("cpu", "CPU", backend, 1, None, reason)


def _before_import(wanted: str) -> None:
    """Set what the backends read only once, while they are imported."""
    # TensorFlow greets a machine without GPU with a page of warnings
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if wanted == "cpu":
        if "jax" not in sys.modules:
            os.environ["JAX_PLATFORMS"] = "cpu"
        if "keras" not in sys.modules:
            os.environ["KERAS_TORCH_DEVICE"] = "cpu"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


# TensorFlow


def _tensorflow(mixed_precision: str) -> Device:
    import tensorflow as tf

    try:
        gpus = tf.config.list_physical_devices("GPU")
    except Exception as error:  # whatever a broken driver makes of it is a reason to go on
        return _cpu("tensorflow", f"TensorFlow cannot list the GPUs ({_first_line(error)})")
    if not gpus:
        return _cpu("tensorflow", _why_no_gpu())
    memory = _grow_memory(tf, gpus)
    details = [_details(tf, gpu) for gpu in gpus]
    # a policy holds for all GPUs, so the oldest decides
    capability = min((of.get("compute_capability") or (0, 0) for of in details), default=(0, 0))
    policy, why = _policy(capability) if mixed_precision == "auto" else (None, _TOO_SMALL)
    if policy:
        import keras

        keras.mixed_precision.set_global_policy(policy)
    several = (
        "; one is used unless you build the model in device().strategy().scope()"
        if len(gpus) > 1
        else ""
    )
    name = details[0].get("device_name") or "of unknown name"
    return Device("gpu", name, "tensorflow", len(gpus), policy, f"{memory}; {why}{several}")


def _why_no_gpu() -> str:
    if Path("/dev/nvidia0").exists():
        return (
            "TensorFlow found no GPU although this machine has one from NVIDIA; "
            "install its libraries with pip install 'dllab[gpu]'"
        )
    return "TensorFlow found no GPU"


def _details(tf: Any, gpu: Any) -> dict[str, Any]:
    try:
        return dict(tf.config.experimental.get_device_details(gpu))
    except Exception:  # details only decorate; a GPU without them still computes
        return {}


def _grow_memory(tf: Any, gpus: list[Any]) -> str:
    try:
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
    except (RuntimeError, ValueError):
        return (
            "TensorFlow used the GPU before, so how it takes memory stays as it was "
            "(restart the kernel and call device() first to change that)"
        )
    return "memory grows as needed"


def _policy(capability: tuple[int, int]) -> tuple[str | None, str]:
    """The Keras policy for a GPU's compute capability, and why."""
    version = ".".join(map(str, capability))
    if tuple(capability) >= (8, 0):
        return (
            "mixed_bfloat16",
            f"mixed_bfloat16, since compute capability {version} is 8.0 or more",
        )
    if tuple(capability) >= (7, 0):
        return "mixed_float16", f"mixed_float16, since compute capability {version} is at least 7.0"
    if tuple(capability) == (0, 0):
        return None, "float32, since the compute capability is unknown"
    return None, f"float32, since compute capability {version} has no Tensor Cores (7.0 and up)"


def _hide_from_tensorflow() -> str:
    import tensorflow as tf

    try:
        tf.config.set_visible_devices([], "GPU")
    except Exception as error:
        if isinstance(error, RuntimeError):
            return (
                "DLLAB_DEVICE=cpu came too late, TensorFlow is running already; "
                "restart the kernel and call device() first"
            )
        return f"TensorFlow cannot hide the GPUs ({_first_line(error)})"
    return ""


# JAX and PyTorch


def _jax(mixed_precision: str) -> Device:
    import jax

    try:
        found = jax.devices()
    except Exception as error:  # JAX raises when a plugin is installed and its driver is not
        return _cpu("jax", f"JAX cannot list its devices ({_first_line(error)})")
    kind = found[0].platform
    if kind not in ("gpu", "tpu"):
        return _cpu("jax", "JAX found no accelerator")
    return Device(
        kind, found[0].device_kind, "jax", len(found), None, f"JAX's default; {_TOO_SMALL}"
    )


def _torch(mixed_precision: str) -> Device:
    import torch

    try:
        if torch.cuda.is_available():
            name, count = torch.cuda.get_device_name(0), torch.cuda.device_count()
        elif torch.backends.mps.is_available():
            name, count = "Apple (MPS)", 1
        else:
            return _cpu("torch", "PyTorch found no GPU")
    except Exception as error:
        return _cpu("torch", f"PyTorch cannot list the GPUs ({_first_line(error)})")
    return Device("gpu", name, "torch", count, None, f"Keras's default; {_TOO_SMALL}")


def _hide_from_jax() -> str:
    import jax

    jax.config.update("jax_platforms", "cpu")
    return ""


def _hide_from_torch() -> str:
    if os.environ.get("KERAS_TORCH_DEVICE") == "cpu":
        return ""
    return (
        "DLLAB_DEVICE=cpu came too late, Keras has chosen already; "
        "restart the kernel and call device() first"
    )


_FINDERS: dict[str, Callable[[str], Device]] = {
    "tensorflow": _tensorflow,
    "jax": _jax,
    "torch": _torch,
}
_HIDERS: dict[str, Callable[[], str]] = {
    "tensorflow": _hide_from_tensorflow,
    "jax": _hide_from_jax,
    "torch": _hide_from_torch,
}
