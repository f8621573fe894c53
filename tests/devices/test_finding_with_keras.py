"""Does `device()` use what is there on each backend, and survive what is not?

The frameworks are stand-ins, or TensorFlow with the answers of a machine that has GPUs.
"""

import doctest
import sys
import types

import keras
import pytest
import tensorflow as tf

from dllab.devices import Device, device, finding, found, full_float32
from dllab.errors import ParameterError

AMPERE, PASCAL, TURING = (8, 0), (6, 1), (7, 5)
ONCE = ("TF_FORCE_GPU_ALLOW_GROWTH", "XLA_PYTHON_CLIENT_PREALLOCATE", "KERAS_TORCH_DEVICE")


@pytest.fixture(autouse=True)
def untouched(monkeypatch):
    """No variable decides, the backend is TensorFlow, and the global policy is put back."""
    for name in ("DLLAB_DEVICE", *ONCE):
        monkeypatch.setenv(name, "")  # so that the end of the test restores it
        monkeypatch.delenv(name)
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda *_: None)
    monkeypatch.setattr(finding.Path, "exists", lambda self: False)
    monkeypatch.setattr(finding.subprocess, "run", no_driver)
    before = keras.mixed_precision.global_policy()
    yield
    keras.mixed_precision.set_global_policy(before)


def no_driver(*_, **__):
    raise FileNotFoundError("nvidia-smi")


@pytest.fixture
def driver(monkeypatch):
    """NVIDIA's tool answers this text."""

    def answers(text):
        run = lambda *_, **__: types.SimpleNamespace(stdout=text)  # noqa: E731
        monkeypatch.setattr(finding.subprocess, "run", run)

    return answers


@pytest.fixture
def pretend(monkeypatch):
    """Pretend that TensorFlow sees GPUs of these compute capabilities."""

    def gpus(*capabilities, growth=None):
        found = [types.SimpleNamespace(number=i) for i in range(len(capabilities))]
        cpu = types.SimpleNamespace(number=0)
        grown = []

        def details(gpu):
            name = f"Test GPU {gpu.number}"
            return {"compute_capability": capabilities[gpu.number], "device_name": name}

        def grow(gpu, on):
            if growth:
                raise growth
            grown.append((gpu.number, on))

        monkeypatch.setattr(
            tf.config, "list_physical_devices", lambda kind: found if kind == "GPU" else [cpu]
        )
        monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: found)
        monkeypatch.setattr(tf.config, "get_logical_device_configuration", lambda device: None)
        monkeypatch.setattr(tf.config.experimental, "get_device_details", details)
        monkeypatch.setattr(tf.config.experimental, "set_memory_growth", grow)
        return grown

    return gpus


def policy():
    return keras.mixed_precision.global_policy().name


# What a description says


def test_a_description_is_one_line_with_what_is_known():
    found = Device("gpu", "Test", "jax", 2, None, "why", memory=80.4, capability=(9, 0))
    assert str(found) == "2 × GPU Test (80 GB, compute capability 9.0) with JAX: why"
    assert str(Device("tpu", "TPU v4", "jax", 1, None, "why")) == "TPU v4 with JAX: why"


def test_the_example_is_true():
    outcome = doctest.testmod(found)
    assert (outcome.failed, outcome.attempted > 0) == (0, True)


# TensorFlow


def test_without_a_gpu_it_is_the_cpu(pretend):
    pretend()
    found = device()
    assert (found.kind, found.name, found.count) == ("cpu", "CPU", 1)
    assert str(found).startswith("CPU with TensorFlow: TensorFlow found no GPU; XLA stays off")
    assert found.jit_compile is False


def test_virtual_processors_are_counted(pretend, monkeypatch):
    pretend()
    monkeypatch.setattr(tf.config, "get_logical_device_configuration", lambda device: [1, 2, 3])
    assert device().count == 3
    assert "the processor counts as 3 devices" in device().reason


def test_a_gpu_that_tensorflow_cannot_use_gets_a_next_step(pretend, monkeypatch):
    monkeypatch.setattr(finding.Path, "exists", lambda self: True)
    pretend()
    assert "pip install 'dllab[gpu]'" in device().reason


def test_a_gpu_grows_its_memory_and_stays_at_float32(pretend, driver):
    driver("Test GPU 0, 81920\n")
    grown = pretend(TURING)
    found = device()
    assert (found.kind, found.name, found.count) == ("gpu", "Test GPU 0", 1)
    assert (found.mixed_precision, found.capability) == (None, TURING)
    assert found.memory == pytest.approx(85.9, abs=0.01)
    assert found.jit_compile == "auto"
    assert grown == [(0, True)]
    assert policy() == "float32"
    assert str(found) == (
        "GPU Test GPU 0 (86 GB, compute capability 7.5) with TensorFlow: memory grows as needed; "
        "float32, since small models gain nothing from mixed precision; "
        "Keras compiles each step with XLA"
    )


@pytest.mark.parametrize("text", ["", "nonsense", "Another, 1\n", "Test GPU 0, much\n"])
def test_memory_that_the_driver_does_not_tell_is_left_out(pretend, driver, text):
    driver(text)
    pretend(AMPERE)
    assert device().memory is None


@pytest.mark.parametrize(
    ("capability", "expected"),
    [
        (AMPERE, "mixed_bfloat16"),
        ((12, 0), "mixed_bfloat16"),
        (TURING, "mixed_float16"),
        ((7, 0), "mixed_float16"),
        (PASCAL, None),
        (None, None),
    ],
)
def test_mixed_precision_follows_the_compute_capability(pretend, capability, expected):
    pretend(capability)
    found = device(mixed_precision="auto")
    assert found.mixed_precision == expected
    assert policy() == (expected or "float32")
    assert (expected or "float32") in found.reason


def test_float32_that_is_rounded_is_called_so(pretend):
    """From 8.0 on, TensorFlow and JAX compute float32 products in TF32; before, they cannot."""
    pretend(AMPERE)
    assert "TF32" in device().reason
    pretend(TURING)
    assert "TF32" not in device().reason


def test_without_a_gpu_auto_leaves_the_policy_alone(pretend):
    pretend()
    assert device(mixed_precision="auto").mixed_precision is None
    assert policy() == "float32"


def test_the_oldest_of_several_gpus_decides(pretend):
    grown = pretend(AMPERE, PASCAL)
    found = device(mixed_precision="auto")
    assert (found.count, found.mixed_precision, found.capability) == (2, None, PASCAL)
    assert grown == [(0, True), (1, True)]
    assert str(found).startswith("2 × GPU Test GPU 0 (compute capability 6.1) with TensorFlow: ")
    assert "data_parallel()" in found.reason


@pytest.mark.parametrize("error", [RuntimeError("initialized"), ValueError("differs")])
def test_a_gpu_in_use_keeps_its_memory_setting(pretend, error):
    pretend(AMPERE, growth=error)
    found = device()
    assert found.kind == "gpu"
    assert "restart the kernel" in found.reason


def test_details_that_cannot_be_read_do_not_matter(pretend, monkeypatch):
    pretend(AMPERE)

    def broken(gpu):
        raise RuntimeError("no details")

    monkeypatch.setattr(tf.config.experimental, "get_device_details", broken)
    found = device(mixed_precision="auto")
    assert (found.kind, found.name, found.mixed_precision) == ("gpu", "of unknown name", None)


def test_a_driver_that_breaks_is_a_reason(monkeypatch):
    def broken(kind):
        raise RuntimeError("CUDA driver version is insufficient.\nmore")

    monkeypatch.setattr(tf.config, "list_physical_devices", broken)
    found = device()
    assert found.kind == "cpu"
    expected = "TensorFlow cannot list its devices (CUDA driver version is insufficient)"
    assert found.reason.startswith(expected)


@pytest.mark.parametrize("value", ["cpu", " CPU "])
def test_the_environment_forces_the_cpu(pretend, monkeypatch, value):
    pretend(AMPERE)
    hidden = []
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda *args: hidden.append(args))
    monkeypatch.setenv("DLLAB_DEVICE", value)
    found = device(mixed_precision="auto")
    assert str(found).startswith("CPU with TensorFlow: DLLAB_DEVICE=cpu asks for it; XLA stays off")
    assert hidden == [([], "GPU")]
    assert policy() == "float32"


@pytest.mark.parametrize(
    ("error", "said"), [(RuntimeError("late"), "came too late"), (OSError("odd"), "odd")]
)
def test_hiding_the_gpu_can_fail_without_harm(pretend, monkeypatch, error, said):
    def broken(*_):
        raise error

    pretend(AMPERE)
    monkeypatch.setattr(tf.config, "set_visible_devices", broken)
    monkeypatch.setenv("DLLAB_DEVICE", "cpu")
    assert said in device().reason


def test_where_no_gpu_can_be_hidden_none_is_too_late(pretend, monkeypatch):
    def broken(*_):
        raise RuntimeError("Visible devices cannot be modified after being initialized")

    pretend()
    monkeypatch.setattr(tf.config, "set_visible_devices", broken)
    monkeypatch.setenv("DLLAB_DEVICE", "cpu")
    assert device().reason.startswith("DLLAB_DEVICE=cpu asks for it")


# Any backend


def test_an_unknown_value_of_the_variable_is_reported(monkeypatch):
    monkeypatch.setenv("DLLAB_DEVICE", "gpu7")
    with pytest.raises(ParameterError, match="`DLLAB_DEVICE` must be"):
        device()


def test_an_unknown_precision_is_reported():
    with pytest.raises(ParameterError, match="`mixed_precision` must be"):
        device(mixed_precision="float16")


def test_a_backend_without_accelerators_is_the_cpu(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "numpy")
    assert device().kind == "cpu"


# JAX


@pytest.fixture
def jax(monkeypatch):
    """A stand-in for JAX, as the suite also runs where it is not installed."""
    updates = []
    module = types.SimpleNamespace(config=types.SimpleNamespace(), runs=False)
    module.config.update = lambda *args: updates.append(args)
    module.updates = updates
    module.default_backend = lambda: "gpu"
    inner = types.SimpleNamespace(backends_are_initialized=lambda: module.runs)
    monkeypatch.setitem(sys.modules, "jax", module)
    monkeypatch.setitem(sys.modules, "jax._src.xla_bridge", inner)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    return module


def jax_gpu(capability):
    return types.SimpleNamespace(
        platform="gpu", device_kind="Test GPU", compute_capability=capability
    )


def test_jax_names_its_accelerator(jax):
    tpu = types.SimpleNamespace(platform="tpu", device_kind="TPU v4")
    jax.devices = lambda kind=None: [tpu] * 4
    found = device()
    assert (found.kind, found.name, found.count) == ("tpu", "TPU v4", 4)
    assert str(found).startswith("4 × TPU v4 with JAX")
    assert device(mixed_precision="auto").mixed_precision == policy() == "mixed_bfloat16"


@pytest.mark.parametrize(
    ("capability", "expected", "said"),
    [
        ("9.0", "mixed_bfloat16", (9, 0)),
        ("7.5", "mixed_float16", (7, 5)),
        ("gfx90a", None, None),
        (None, None, None),
    ],
)
def test_jax_follows_the_compute_capability(jax, capability, expected, said):
    """JAX tells the capability as text, and AMD's GPUs tell another kind of text."""
    jax.devices = lambda kind=None: [jax_gpu(capability)]
    found = device(mixed_precision="auto")
    assert (found.kind, found.capability) == ("gpu", said)
    assert found.mixed_precision == expected
    assert found.jit_compile == "auto"


def test_jax_does_not_reserve_memory_when_asked_in_time(jax, monkeypatch):
    jax.devices = lambda kind=None: [jax_gpu("8.0")]
    assert "memory grows as needed" in device().reason
    assert finding.os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"


def test_jax_that_runs_already_keeps_its_memory(jax):
    jax.runs = True
    jax.devices = lambda kind=None: [jax_gpu("8.0")]
    for _ in range(2):  # the second call must not take the first one's wish for a fact
        assert "JAX took most of the memory when it started" in device().reason


def test_whoever_wants_jax_to_reserve_memory_keeps_that(jax, monkeypatch):
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "true")
    jax.devices = lambda kind=None: [jax_gpu("8.0")]
    assert "JAX took most of the memory" in device().reason


def test_jax_without_accelerator_is_the_cpu(jax, monkeypatch):
    jax.devices = lambda kind=None: [types.SimpleNamespace(platform="cpu", device_kind="cpu")]
    assert device().kind == "cpu"
    monkeypatch.setenv("DLLAB_DEVICE", "cpu")
    assert device().reason.startswith("DLLAB_DEVICE=cpu asks for it")
    assert jax.updates == [("jax_platforms", "cpu")]


def test_jax_on_a_gpu_can_be_told_too_late(jax, monkeypatch):
    jax.runs = True
    jax.devices = lambda kind=None: [types.SimpleNamespace(platform="cpu", device_kind="cpu")]
    monkeypatch.setenv("DLLAB_DEVICE", "cpu")
    assert "came too late" in device().reason
    jax.default_backend = lambda: "cpu"
    assert device().reason.startswith("DLLAB_DEVICE=cpu asks for it")


def test_jax_without_driver_is_the_cpu(jax):
    def broken(kind=None):
        raise RuntimeError("no driver")

    jax.devices = broken
    assert device().kind == "cpu"
    assert "no driver" in device().reason


# PyTorch


@pytest.fixture
def torch(monkeypatch):
    """A stand-in for PyTorch without any GPU."""
    properties = types.SimpleNamespace(name="Test GPU", major=8, minor=6, total_memory=24e9)
    cuda = types.SimpleNamespace(
        is_available=lambda: False,
        get_device_properties=lambda number: properties,
        device_count=lambda: 2,
    )
    mps = types.SimpleNamespace(is_available=lambda: False)
    module = types.SimpleNamespace(
        cuda=cuda,
        backends=types.SimpleNamespace(mps=mps),
        version=types.SimpleNamespace(hip=None),
    )
    monkeypatch.setitem(sys.modules, "torch", module)
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    return module


def test_torch_finds_what_there_is(torch):
    assert device().kind == "cpu"
    torch.backends.mps.is_available = lambda: True
    assert (device().name, device().count) == ("Apple (MPS)", 1)
    torch.cuda.is_available = lambda: True
    found = device()
    assert (found.kind, found.name, found.count) == ("gpu", "Test GPU", 2)
    assert (found.memory, found.capability) == (24.0, (8, 6))
    assert found.jit_compile is False
    assert "convolutions in TF32" in found.reason
    assert "average_gradients()" in found.reason


def test_torch_follows_the_compute_capability_of_nvidia_alone(torch):
    torch.cuda.is_available = lambda: True
    assert device(mixed_precision="auto").mixed_precision == policy() == "mixed_bfloat16"
    torch.version.hip = "6.0"
    assert device(mixed_precision="auto").capability is None


def test_torch_with_a_broken_driver_is_the_cpu(torch):
    def broken():
        raise RuntimeError("broken")

    torch.cuda.is_available = broken
    assert "broken" in device().reason


def test_torch_can_be_kept_on_the_cpu_before_keras_is_there(torch, monkeypatch):
    torch.cuda.is_available = lambda: True
    monkeypatch.setenv("DLLAB_DEVICE", "cpu")
    assert "came too late" in device().reason
    monkeypatch.setenv("KERAS_TORCH_DEVICE", "cpu")
    assert device().reason.startswith("DLLAB_DEVICE=cpu asks for it")
    monkeypatch.delenv("DLLAB_DEVICE")
    assert device().reason.startswith("KERAS_TORCH_DEVICE=cpu asks for it")


# TF32


def test_full_float32_switches_tf32_off_where_each_backend_has_its_switch(monkeypatch, jax, torch):
    calls = []
    monkeypatch.setattr(tf.config.experimental, "enable_tensor_float_32_execution", calls.append)
    torch.backends.cudnn = types.SimpleNamespace(allow_tf32=True)
    torch.backends.cuda = types.SimpleNamespace(matmul=types.SimpleNamespace(allow_tf32=True))
    for name in ("tensorflow", "jax", "torch"):
        monkeypatch.setattr(keras.backend, "backend", lambda name=name: name)
        full_float32()
    assert calls == [False]
    assert jax.updates == [("jax_default_matmul_precision", "highest")]
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
