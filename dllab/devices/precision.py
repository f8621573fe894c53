"""Which precision a GPU gains from."""

from typing import Any

Capability = tuple[int, int]

_SMALL = "small models gain nothing from mixed precision"
# TensorFlow and JAX round both factors of a float32 product on their own; PyTorch only those of
# convolutions.
_ROUNDED = {
    "tensorflow": "products and convolutions",
    "jax": "products and convolutions",
    "torch": "convolutions",
}


def full_float32() -> None:
    """Keep float32 products in float32 on a GPU that would round their factors to TF32.

    From compute capability 8.0 on, float32 products may run in TF32: float32's range with 10
    bits of fraction instead of 23, several times as fast. Training does not mind; a comparison
    of two devices to six digits does. Call this before the first model is built. Without such a
    GPU it changes nothing.

    Introduced in: `chapter-gpus`.

    Source: NVIDIA, "Accelerating AI training with NVIDIA TF32 tensor cores"
    (developer.nvidia.com/blog/accelerating-ai-training-with-tf32-tensor-cores).
    """
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(False)
    elif backend == "jax":
        import jax

        jax.config.update("jax_default_matmul_precision", "highest")
    elif backend == "torch":
        import torch

        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False


def choose(wanted: str, backend: str, capability: Capability | None) -> tuple[str | None, str]:
    """Set Keras's policy if "auto" is wanted; return it, or None, and the reason."""
    if wanted == "off":
        return None, f"{_float32(backend, capability)}, since {_SMALL}"
    policy, why = _policy(capability)
    if policy:
        _set(policy)
        return policy, f"{policy}, since {why}"
    return None, f"{_float32(backend, capability)}, since {why}"


def choose_on_tpu(wanted: str) -> tuple[str | None, str]:
    """The same for a TPU, whose matrix unit takes bfloat16."""
    if wanted == "off":
        return None, f"float32, since {_SMALL}"
    _set("mixed_bfloat16")
    return "mixed_bfloat16", "mixed_bfloat16, since a TPU multiplies in bfloat16"


def _policy(capability: Capability | None) -> tuple[str | None, str]:
    if capability is None:
        return None, "the compute capability is unknown"
    version = f"compute capability {capability[0]}.{capability[1]}"
    if capability >= (8, 0):
        return "mixed_bfloat16", f"{version} is 8.0 or more"
    if capability >= (7, 0):
        return "mixed_float16", f"{version} is at least 7.0"
    return None, f"{version} has no Tensor Cores (7.0 and up)"


def _float32(backend: str, capability: Capability | None) -> str:
    if capability is None or capability < (8, 0):
        return "float32"
    return f"float32 with {_ROUNDED[backend]} in TF32"


def _set(policy: str) -> None:
    import keras

    keras.mixed_precision.set_global_policy(policy)


def parse(capability: Any) -> Capability | None:
    """Compute capability as two numbers, whether it comes as `(8, 0)`, "8.0" or not at all."""
    parts = capability.split(".") if isinstance(capability, str) else (capability or ())
    try:
        major, minor = (int(part) for part in parts)
    except (TypeError, ValueError):  # AMD's GPUs say something like "gfx90a"
        return None
    return (major, minor)
