"""Does `device()` use what is there, and survive what is not?"""

import subprocess
import sys
import types

import keras
import pytest
import tensorflow as tf

from dllab import devices
from dllab.devices import Device, device
from dllab.errors import ParameterError

AMPERE, PASCAL, TURING = (8, 0), (6, 1), (7, 5)


@pytest.fixture(autouse=True)
def untouched(monkeypatch):
    """No variable decides, the backend is TensorFlow, and the global policy is put back."""
    monkeypatch.delenv("DLLAB_DEVICE", raising=False)
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda *_: None)
    before = keras.mixed_precision.global_policy()
    yield
    keras.mixed_precision.set_global_policy(before)


@pytest.fixture
def pretend(monkeypatch):
    """Pretend that TensorFlow sees GPUs of these compute capabilities."""

    def gpus(*capabilities, growth=None):
        found = [types.SimpleNamespace(number=i) for i in range(len(capabilities))]
        grown = []

        def details(gpu):
            name = f"Test GPU {gpu.number}"
            return {"compute_capability": capabilities[gpu.number], "device_name": name}

        def grow(gpu, on):
            if growth:
                raise growth
            grown.append((gpu.number, on))

        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: found)
        monkeypatch.setattr(tf.config.experimental, "get_device_details", details)
        monkeypatch.setattr(tf.config.experimental, "set_memory_growth", grow)
        return grown

    return gpus


def policy():
    return keras.mixed_precision.global_policy().name


def test_without_a_gpu_it_is_the_cpu(pretend, monkeypatch):
    monkeypatch.setattr(devices.Path, "exists", lambda self: False)
    pretend()
    found = device()
    assert found == Device("cpu", "CPU", "tensorflow", 1, None, "TensorFlow found no GPU")
    assert str(found) == "CPU with TensorFlow: TensorFlow found no GPU"


def test_a_gpu_that_tensorflow_cannot_use_gets_a_next_step(pretend, monkeypatch):
    monkeypatch.setattr(devices.Path, "exists", lambda self: True)
    pretend()
    assert "pip install 'dllab[gpu]'" in device().reason


def test_a_gpu_grows_its_memory_and_stays_at_float32(pretend):
    grown = pretend(AMPERE)
    found = device()
    assert (found.kind, found.name, found.count) == ("gpu", "Test GPU 0", 1)
    assert found.mixed_precision is None
    assert grown == [(0, True)]
    assert policy() == "float32"
    assert str(found) == (
        "GPU Test GPU 0 with TensorFlow: memory grows as needed; "
        "float32, since small models gain nothing from mixed precision"
    )


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


def test_without_a_gpu_auto_leaves_the_policy_alone(pretend):
    pretend()
    assert device(mixed_precision="auto").mixed_precision is None
    assert policy() == "float32"


def test_the_oldest_of_several_gpus_decides(pretend):
    grown = pretend(AMPERE, PASCAL)
    found = device(mixed_precision="auto")
    assert found.count == 2
    assert found.mixed_precision is None
    assert grown == [(0, True), (1, True)]
    assert str(found).startswith("2 × GPU Test GPU 0 with TensorFlow: ")
    assert "one is used unless" in found.reason


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
    assert found.reason == ("TensorFlow cannot list the GPUs (CUDA driver version is insufficient)")


@pytest.mark.parametrize("value", ["cpu", " CPU "])
def test_the_environment_forces_the_cpu(pretend, monkeypatch, value):
    pretend(AMPERE)
    hidden = []
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda *args: hidden.append(args))
    monkeypatch.setenv("DLLAB_DEVICE", value)
    found = device(mixed_precision="auto")
    assert str(found) == "CPU with TensorFlow: DLLAB_DEVICE=cpu asks for it"
    assert hidden == [([], "GPU")]
    assert policy() == "float32"


@pytest.mark.parametrize(
    ("error", "said"), [(RuntimeError("late"), "came too late"), (OSError("odd"), "odd")]
)
def test_hiding_the_gpu_can_fail_without_harm(monkeypatch, error, said):
    def broken(*_):
        raise error

    monkeypatch.setattr(tf.config, "set_visible_devices", broken)
    monkeypatch.setenv("DLLAB_DEVICE", "cpu")
    assert said in device().reason


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


@pytest.fixture
def jax(monkeypatch):
    """A stand-in for JAX, as the suite also runs where it is not installed."""
    updates = []
    module = types.SimpleNamespace(config=types.SimpleNamespace())
    module.config.update = lambda *args: updates.append(args)
    module.updates = updates
    monkeypatch.setitem(devices.sys.modules, "jax", module)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    return module


def test_jax_names_its_accelerator(jax):
    tpu = types.SimpleNamespace(platform="tpu", device_kind="TPU v4")
    jax.devices = lambda: [tpu] * 4
    found = device()
    assert (found.kind, found.name, found.count) == ("tpu", "TPU v4", 4)
    assert str(found).startswith("4 × TPU TPU v4 with JAX")


def test_jax_without_accelerator_is_the_cpu(jax, monkeypatch):
    jax.devices = lambda: [types.SimpleNamespace(platform="cpu", device_kind="cpu")]
    assert device().kind == "cpu"
    monkeypatch.setenv("DLLAB_DEVICE", "cpu")
    assert device().reason == "DLLAB_DEVICE=cpu asks for it"
    assert jax.updates == [("jax_platforms", "cpu")]


def test_jax_without_driver_is_the_cpu(jax):
    def broken():
        raise RuntimeError("no driver")

    jax.devices = broken
    assert "no driver" in device().reason


@pytest.fixture
def torch(monkeypatch):
    """A stand-in for PyTorch without any GPU."""
    cuda = types.SimpleNamespace(
        is_available=lambda: False, get_device_name=lambda i: "Test GPU", device_count=lambda: 2
    )
    mps = types.SimpleNamespace(is_available=lambda: False)
    module = types.SimpleNamespace(cuda=cuda, backends=types.SimpleNamespace(mps=mps))
    monkeypatch.setitem(devices.sys.modules, "torch", module)
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    return module


def test_torch_finds_what_there_is(torch):
    assert device().kind == "cpu"
    torch.backends.mps.is_available = lambda: True
    assert (device().name, device().count) == ("Apple (MPS)", 1)
    torch.cuda.is_available = lambda: True
    assert (device().kind, device().name, device().count) == ("gpu", "Test GPU", 2)


def test_torch_with_a_broken_driver_is_the_cpu(torch):
    def broken():
        raise RuntimeError("broken")

    torch.cuda.is_available = broken
    assert "broken" in device().reason


def test_torch_can_be_kept_on_the_cpu_before_keras_is_there(torch, monkeypatch):
    monkeypatch.setenv("DLLAB_DEVICE", "cpu")
    monkeypatch.delenv("KERAS_TORCH_DEVICE", raising=False)
    assert "came too late" in device().reason
    monkeypatch.setenv("KERAS_TORCH_DEVICE", "cpu")
    assert device().reason == "DLLAB_DEVICE=cpu asks for it"


def test_one_device_needs_no_strategy():
    found = Device("gpu", "Test GPU", "tensorflow", 1, None, "")
    assert found.strategy() is tf.distribute.get_strategy()


def test_a_strategy_needs_tensorflow():
    with pytest.raises(ParameterError, match="not jax"):
        Device("gpu", "Test GPU", "jax", 2, None, "").strategy()


def test_several_gpus_are_mirrored(monkeypatch):
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda devices: ("mirrored", devices))
    found = Device("gpu", "Test GPU", "tensorflow", 2, None, "")
    assert found.strategy() == ("mirrored", None)


TWO_DEVICES = """
import contextlib
import numpy as np, keras, tensorflow as tf
from dllab.devices import Device
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
y = x.sum(axis=1, keepdims=True)
strategy = Device("cpu", "CPU", "tensorflow", 2, None, "").strategy(["CPU:0", "CPU:1"])
assert strategy.num_replicas_in_sync == 2
for scope in (contextlib.nullcontext(), strategy.scope()):
    keras.utils.set_random_seed(0)
    with scope:
        model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
    print("@", *model.fit(x, y, epochs=2, batch_size=16, shuffle=False, verbose=0).history["loss"])
"""


def test_two_devices_train_like_one(request):
    """The same losses with each batch on one device and spread over two."""
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES],
        cwd=request.config.rootpath,
        capture_output=True,
        text=True,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("@")]
    assert len(lines) == 2, done.stderr
    one, two = ([float(loss) for loss in line[1:].split()] for line in lines)
    assert two == pytest.approx(one, rel=1e-5)
