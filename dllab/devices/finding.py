"""Find what the Keras backend computes on, and set it up."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from dllab.devices import precision
from dllab.devices.found import NAMES, Device
from dllab.devices.parallel import tensorflow_processors
from dllab.errors import ParameterError

_LATE = "restart the kernel and call device() first"
_GPU_LIBRARIES = {
    "tensorflow": "pip install 'dllab[gpu]'",
    "jax": "pip install 'dllab[gpu-jax]'",
    "torch": "install PyTorch's build for CUDA (pytorch.org/get-started)",
}
# What `model.compile(jit_compile=…)` should be, and why: (backend, whether it is a processor).
_COMPILATION: dict[tuple[str, bool], tuple[bool | Literal["auto"], str]] = {
    ("tensorflow", True): (False, "XLA stays off, since it slows convolutions on a processor"),
    ("tensorflow", False): ("auto", "Keras compiles each step with XLA"),
    ("jax", True): ("auto", "Keras compiles each step with XLA"),
    ("jax", False): ("auto", "Keras compiles each step with XLA"),
    ("torch", True): (False, "steps run eagerly, since compiling takes longer than a small model"),
    ("torch", False): (False, "steps run eagerly, since compiling takes longer than a small model"),
}


def device(mixed_precision: Literal["off", "auto"] = "off") -> Device:
    """Find the accelerator, set it up and describe it; without one, describe the processor.

    GPU memory is taken as it is needed instead of all (TensorFlow) or three quarters (JAX) at
    once. Call this before the first model: no framework changes a GPU that it already uses. A
    missing or broken driver is a reason in the answer, never an exception.

    Mixed precision stays off unless you ask for it. It pays on GPUs with Tensor Cores once the
    matrices are large; a small model's time goes into starting kernels, and its numbers would
    no longer be those of the book.

    Args:
        mixed_precision: "auto" sets Keras's global policy where a GPU gains from it:
            `mixed_bfloat16` on a TPU and from compute capability 8.0 on (float32's range, so
            that a training loop of your own needs no loss scaling), `mixed_float16` on 7.x,
            nothing below or where the capability is unknown.

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
        return Device("cpu", "CPU", backend, 1, None, "this backend computes on the processor")
    if wanted == "cpu":
        return _cpu(backend, _HIDERS[backend]() or "DLLAB_DEVICE=cpu asks for it")
    return _FINDERS[backend](mixed_precision)


def _before_import(wanted: str) -> None:
    """Set what the frameworks read only once; all of them, as one may run beside the other."""
    # TensorFlow greets a machine without GPU with a page of warnings
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # tf.data would take all of the GPU that JAX or PyTorch computes on
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    if not _jax_runs():
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if wanted == "cpu":
        if "jax" not in sys.modules:
            os.environ["JAX_PLATFORMS"] = "cpu"
        if "keras" not in sys.modules:
            os.environ["KERAS_TORCH_DEVICE"] = "cpu"


def _cpu(backend: str, reason: str, count: int | None = None) -> Device:
    jit_compile, why = _COMPILATION[backend, True]
    count = count or _processors(backend)
    if count > 1:
        reason = f"{reason}; the processor counts as {count} devices"
    return Device("cpu", "CPU", backend, count, None, f"{reason}; {why}", jit_compile=jit_compile)


def _processors(backend: str) -> int:
    try:
        if backend == "tensorflow":
            import tensorflow as tf

            return tensorflow_processors(tf)
        if backend == "jax":
            import jax

            return len(jax.devices("cpu"))
    except Exception:  # counting must not break what describes a broken machine
        pass
    return 1


def _gpus(
    backend: str,
    names: Sequence[str],
    capabilities: Sequence[Any],
    memory: tuple[float | None, str],
    wanted: str,
) -> Device:
    """Describe GPUs, of which the oldest decides on the policy, as that holds for all."""
    known = [precision.parse(capability) for capability in capabilities]
    oldest = None if None in known else min(of for of in known if of)
    policy, why = precision.choose(wanted, backend, oldest)
    jit_compile, compiled = _COMPILATION[backend, False]
    reasons = [memory[1], why, compiled]
    if len(names) > 1:
        reasons.append(
            "one is used unless each has a process with average_gradients()"
            if backend == "torch"
            else "one is used unless you train in device().data_parallel()"
        )
    return Device(
        "gpu",
        names[0],
        backend,
        len(names),
        policy,
        "; ".join(reasons),
        memory=memory[0],
        capability=oldest,
        jit_compile=jit_compile,
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _cannot_list(backend: str, error: Exception) -> Device:
    return _cpu(backend, f"{NAMES[backend]} cannot list its devices ({_first_line(error)})", 1)


def _no_gpu(backend: str) -> Device:
    found = f"{NAMES[backend]} found no GPU"
    if Path("/dev/nvidia0").exists():
        libraries = _GPU_LIBRARIES[backend]
        found += f" although this machine has one from NVIDIA; for its libraries, {libraries}"
    return _cpu(backend, found)


def _memory_by_driver(name: str) -> float | None:
    """Memory in GB of the NVIDIA GPU of this name, asked of the driver's own tool.

    TensorFlow does not tell it, and JAX only what it allows itself.
    """
    ask = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(ask, capture_output=True, text=True, timeout=20, check=True).stdout
        found = dict(line.rsplit(",", 1) for line in answer.strip().splitlines())
        return float(found[name]) * 2**20 / 1e9
    except (OSError, ValueError, KeyError, subprocess.SubprocessError):
        return None


# TensorFlow


def _tensorflow(wanted: str) -> Device:
    import tensorflow as tf

    try:
        gpus = tf.config.list_physical_devices("GPU")
    except Exception as error:  # whatever a broken driver makes of it is a reason to go on
        return _cannot_list("tensorflow", error)
    if not gpus:
        return _no_gpu("tensorflow")
    how = _grow_memory(tf, gpus)
    details = [_details(tf, gpu) for gpu in gpus]
    names = [of.get("device_name") or "of unknown name" for of in details]
    capabilities = [of.get("compute_capability") for of in details]
    return _gpus("tensorflow", names, capabilities, (_memory_by_driver(names[0]), how), wanted)


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
            f"({_LATE} to change that)"
        )
    return "memory grows as needed"


def _hide_from_tensorflow() -> str:
    import tensorflow as tf

    try:
        if tf.config.get_visible_devices("GPU"):
            tf.config.set_visible_devices([], "GPU")
    except Exception as error:
        if isinstance(error, RuntimeError):
            return f"DLLAB_DEVICE=cpu came too late, TensorFlow is running already; {_LATE}"
        return f"TensorFlow cannot hide the GPUs ({_first_line(error)})"
    return ""


# JAX


def _jax(wanted: str) -> Device:
    import jax

    try:
        found = jax.devices()
    except Exception as error:  # JAX raises when a plugin is installed and its driver is not
        return _cannot_list("jax", error)
    first = found[0]
    if first.platform == "tpu":
        policy, why = precision.choose_on_tpu(wanted)
        return Device("tpu", first.device_kind, "jax", len(found), policy, why, jit_compile="auto")
    if first.platform != "gpu":
        return _no_gpu("jax")
    names = [of.device_kind for of in found]
    capabilities = [getattr(of, "compute_capability", None) for of in found]
    return _gpus("jax", names, capabilities, (_memory_by_driver(names[0]), _jax_memory()), wanted)


def _jax_runs() -> bool:
    """Whether JAX has taken its devices; only its inner module tells without taking them."""
    inner = sys.modules.get("jax._src.xla_bridge")
    return bool(inner and getattr(inner, "backends_are_initialized", bool)())


def _jax_memory() -> str:
    # only ever set before JAX started, so its value is the one in force
    if os.environ.get("XLA_PYTHON_CLIENT_PREALLOCATE", "").lower() in ("false", "0"):
        return "memory grows as needed"
    return f"JAX took most of the memory when it started ({_LATE} to change that)"


def _hide_from_jax() -> str:
    import jax

    if not _jax_runs():
        jax.config.update("jax_platforms", "cpu")
    elif jax.default_backend() != "cpu":
        return f"DLLAB_DEVICE=cpu came too late, JAX is running already; {_LATE}"
    return ""


# PyTorch


def _torch(wanted: str) -> Device:
    import torch

    if os.environ.get("KERAS_TORCH_DEVICE", "").startswith("cpu"):
        return _cpu("torch", "KERAS_TORCH_DEVICE=cpu asks for it")
    try:
        if torch.cuda.is_available():
            return _torch_gpus(torch, wanted)
        if torch.backends.mps.is_available():
            how = (None, "memory grows as needed")
            return _gpus("torch", ["Apple (MPS)"], [None], how, wanted)
    except Exception as error:
        return _cannot_list("torch", error)
    return _no_gpu("torch")


def _torch_gpus(torch: Any, wanted: str) -> Device:
    found = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    # on AMD's GPUs these numbers mean another thing
    amd = getattr(torch.version, "hip", None)
    capabilities = [None if amd else (of.major, of.minor) for of in found]
    how = (found[0].total_memory / 1e9, "memory grows as needed")
    return _gpus("torch", [of.name for of in found], capabilities, how, wanted)


def _hide_from_torch() -> str:
    if os.environ.get("KERAS_TORCH_DEVICE") == "cpu":
        return ""
    import torch

    if not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        return ""
    return f"DLLAB_DEVICE=cpu came too late, Keras has chosen already; {_LATE}"


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
