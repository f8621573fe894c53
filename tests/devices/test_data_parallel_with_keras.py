"""Do several devices train like one? Each program runs in a Python of its own.

A framework counts its devices once, so every number of devices needs a new process.
"""

import json
import os
import subprocess
import sys
import types
from importlib.util import find_spec

import keras
import numpy as np
import pytest
import tensorflow as tf

from dllab.devices import Device, average_gradients, virtual_devices
from dllab.errors import DeviceError, ParameterError

PARALLEL = [name for name in ("tensorflow", "jax") if find_spec(name)]

PREPARE = """
import contextlib, json, os, sys
import numpy as np
from dllab.devices import average_gradients, device, virtual_devices

COUNT, EXAMPLES = int(sys.argv[1]), int(sys.argv[2])
rng = np.random.default_rng(0)
x = rng.normal(size=(EXAMPLES, 6, 6, 1)).astype("float32")
y = (x.sum(axis=(1, 2)) + x[:, 0, 0] ** 2).astype("float32")

def built():
    import keras
    keras.utils.set_random_seed(0)
    layers = keras.layers
    # with TensorFlow each device normalizes by its own share of the batch
    on_jax = keras.backend.backend() == "jax"
    normalization = layers.BatchNormalization if on_jax else layers.Identity
    model = keras.Sequential([
        layers.Input((6, 6, 1)), layers.Conv2D(3, 3, activation="tanh"), layers.Flatten(),
        normalization(), layers.Dense(1),
    ])
    model.compile(keras.optimizers.SGD(0.005, momentum=0.9), "mse")
    return model

def trained(model, x, y, batch_size=16):
    fit = model.fit(x, y, epochs=3, batch_size=batch_size, shuffle=False, verbose=0)
    weights = [w.tolist() for w in model.get_weights()]
    print("@" + json.dumps([fit.history["loss"], weights]), flush=True)
"""

VIRTUAL = (
    PREPARE
    + """
names = virtual_devices(COUNT)
assert virtual_devices(COUNT) == names, "a cell must be able to run twice"
trained(built(), x, y)
found = device()
assert found.count == COUNT, found
with found.data_parallel():
    trained(built(), x, y)
try:
    virtual_devices(COUNT + 1)
except RuntimeError as error:
    assert "came too late" in str(error)
else:
    raise AssertionError("devices were counted twice")
x, y = x[:74], y[:74]  # a last batch of 10
trained(built(), x, y)
try:
    with found.data_parallel():
        trained(built(), x, y)
except Exception as error:
    print("@" + json.dumps([type(error).__name__, str(error)]))
"""
)


def run(program, *arguments, cwd, **environment):
    """Start a program; what it prints after "@" is its answer."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "DLLAB_DEVICE": "cpu", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answers(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return [json.loads(line[1:]) for line in out.splitlines() if line.startswith("@")]


def assert_same(one, other):
    """Equal losses and weights, to what float32 keeps of sums in another order."""
    np.testing.assert_allclose(one[0], other[0], rtol=1e-4)
    for a, b in zip(one[1], other[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


@pytest.fixture(scope="module", params=PARALLEL)
def virtual(request):
    """Losses and weights of one and of four virtual devices, without and with an uneven rest."""
    root = request.config.rootpath
    process = run(VIRTUAL, 4, 88, cwd=root, KERAS_BACKEND=request.param)
    return request.param, *answers(process)


def test_virtual_devices_train_like_one(virtual):
    """The same losses and weights; 88 is five batches of 16 and one of 8, which 4 can share."""
    _, one, several, *_ = virtual
    assert_same(one, several)


def test_an_uneven_batch_is_refused_by_jax_and_weighed_by_tensorflow(virtual):
    """74 leaves a last batch of 10, of which four devices have no equal shares.

    JAX gives a typed error with the next step. TensorFlow trains with shares of 3, 3, 3 and 1,
    and not like one device; should that ever change, `Device.data_parallel` must say so.
    """
    backend, *_, one, several = virtual
    if backend == "jax":
        kind, said = several
        assert kind == "DeviceError"
        assert said.startswith("A batch cannot be shared equally by 4 devices")
    else:
        assert not np.allclose(one[1][0], several[1][0], rtol=1e-3, atol=1e-4)


TORCH = (
    PREPARE
    + """
import torch
rank, meeting = int(sys.argv[3]), sys.argv[4]
if rank < 0:
    trained(built(), x, y)
    sys.exit()
torch.distributed.init_process_group(
    "gloo", init_method="file://" + meeting, rank=rank, world_size=COUNT
)
model = built()
if rank:  # other weights than process 0's, which must be replaced by those
    model.set_weights([w + 1 for w in model.get_weights()])
average_gradients(model)
trained(model, x[rank::COUNT], y[rank::COUNT], batch_size=16 // COUNT)
torch.distributed.destroy_process_group()
"""
)


@pytest.mark.skipif(not find_spec("torch"), reason="PyTorch is not installed")
def test_two_torch_processes_train_like_one(request, tmp_path):
    """With averaged gradients, every process ends with the weights of one process alone."""
    processes = [
        run(
            TORCH,
            *(2, 48, rank, tmp_path / "meeting"),
            cwd=request.config.rootpath,
            KERAS_BACKEND="torch",
        )
        for rank in (-1, 0, 1)
    ]
    ((alone,), (first,), (second,)) = [answers(process) for process in processes]
    assert first[1] == second[1]
    # each process has the loss of its share; the shares are equal
    mean = (np.array(first[0]) + np.array(second[0])) / 2
    assert_same(alone, (mean, first[1]))


# What needs no second device


def test_one_device_changes_nothing():
    for backend in ("tensorflow", "jax", "torch"):
        with Device("gpu", "Test GPU", backend, 1, None, "").data_parallel() as what:
            assert what is None


def test_several_gpus_are_mirrored(monkeypatch):
    class Strategy(types.SimpleNamespace):
        def scope(self):
            import contextlib

            return contextlib.nullcontext()

    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda names: Strategy(names=names))
    with Device("gpu", "Test GPU", "tensorflow", 2, None, "").data_parallel() as strategy:
        assert strategy.names == ["GPU:0", "GPU:1"]


def test_torch_says_what_to_do_instead():
    found = Device("gpu", "Test GPU", "torch", 2, None, "")
    with pytest.raises(DeviceError, match="torchrun"), found.data_parallel():
        pass


@pytest.mark.parametrize("devices", ["gpu:0", [], ()])
def test_devices_are_names(devices):
    with pytest.raises(ParameterError, match="`devices` must be names"):
        Device("gpu", "Test GPU", "jax", 2, None, "").data_parallel(devices)


@pytest.mark.parametrize("count", [0, -1, 2.0, "2", True, None])
def test_a_wrong_count_is_named(count):
    with pytest.raises(ParameterError, match="`count` must be a whole number"):
        virtual_devices(count)


def test_frameworks_without_virtual_devices_say_so(monkeypatch):
    with pytest.raises(ParameterError, match="`framework` must be"):
        virtual_devices(2, framework="numpy")
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(DeviceError, match="PyTorch has no virtual devices"):
        virtual_devices(2)


def test_gradients_are_averaged_in_a_group_of_torch_processes_only(monkeypatch):
    with pytest.raises(DeviceError, match="needs the PyTorch backend"):
        average_gradients(None)
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    group = types.SimpleNamespace(is_available=lambda: False)
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(distributed=group))
    monkeypatch.setitem(sys.modules, "torch.distributed", group)
    with pytest.raises(DeviceError, match="needs a group of processes"):
        average_gradients(None)
    group.is_available = group.is_initialized = lambda: True
    with pytest.raises(ParameterError, match="`model` must be built"):
        average_gradients(types.SimpleNamespace(built=False))


def test_importing_the_module_imports_no_framework(request):
    """What has to be set before a framework is imported can be set in time."""
    program = (
        "import sys, dllab.devices; "
        "assert not {'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=request.config.rootpath, check=True)
