"""One call makes Python's, NumPy's and Keras's random numbers repeat."""

import os
import random
import sys
import types

import numpy as np
import pytest

import dllab
from dllab.errors import ParameterError


def draw() -> list[float]:
    import keras

    # The identity matrix as input: the output is the initial weights.
    weights = keras.ops.convert_to_numpy(keras.layers.Dense(2)(np.eye(2)))
    return [random.random(), float(np.random.uniform()), *weights.ravel().tolist()]


def test_the_same_seed_gives_the_same_numbers_and_weights():
    dllab.set_seed(3)
    first = draw()
    dllab.set_seed(np.int64(3))
    assert draw() == first
    dllab.set_seed(4)
    assert all(a != b for a, b in zip(draw(), first, strict=True))


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, "1", None, True])
def test_a_wrong_seed_is_named_and_changes_nothing(seed):
    random.seed(0)
    state = random.getstate()
    with pytest.raises(ParameterError, match="`seed` must be an integer from 0 to 4294967295"):
        dllab.set_seed(seed)
    assert random.getstate() == state


def test_python_and_numpy_are_seeded_where_keras_is_missing(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setitem(sys.modules, "keras", None)
    dllab.set_seed(0)
    first = random.random()
    dllab.set_seed(0)
    assert random.random() == first


def test_a_fixed_order_of_sums_needs_keras(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ParameterError, match="needs Keras"):
        dllab.set_seed(0, deterministic_ops=True)


@pytest.fixture
def backend(monkeypatch):
    """Pretend that Keras runs on another backend, and put back what the seed sets for it."""
    import keras

    for name in ("XLA_FLAGS", "CUBLAS_WORKSPACE_CONFIG"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)

    def choose(name):
        monkeypatch.setattr(keras.utils, "set_random_seed", lambda seed: None)
        monkeypatch.setattr(keras.backend, "backend", lambda: name)

    return choose


def test_a_fixed_order_of_sums_is_turned_on(backend, monkeypatch):
    import tensorflow as tf

    calls = []
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: calls.append(True))
    backend("tensorflow")
    dllab.set_seed(0)
    assert calls == []
    dllab.set_seed(0, deterministic_ops=True)
    assert calls == [True]


def test_torch_is_asked_for_a_fixed_order_too(backend, monkeypatch):
    calls = []
    cudnn = types.SimpleNamespace(benchmark=True)
    torch = types.SimpleNamespace(
        use_deterministic_algorithms=calls.append, backends=types.SimpleNamespace(cudnn=cudnn)
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    backend("torch")
    dllab.set_seed(0, deterministic_ops=True)
    assert calls == [True]
    assert cudnn.benchmark is False
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_jax_gets_its_option_once_beside_others(backend, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=here")
    backend("jax")
    for _ in range(2):
        dllab.set_seed(0, deterministic_ops=True)
    assert os.environ["XLA_FLAGS"] == "--xla_dump_to=here --xla_gpu_deterministic_ops=true"
