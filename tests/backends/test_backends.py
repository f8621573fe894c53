"""The package runs on every Keras backend that is installed, each in a Python of its own.

TensorFlow is always here. To try the others: `pip install dllab[jax]`, `pip install dllab[torch]`.
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BACKENDS = [name for name in ("tensorflow", "jax", "torch") if find_spec(name)]

PROGRAM = """
import json
import keras
import numpy as np
import dllab
from dllab import train

dllab.set_seed(0)
device = dllab.device()
digits = dllab.load("digits")
rng = np.random.default_rng(0)
model = keras.Sequential([keras.Input((8, 8)), keras.layers.Flatten(),
                          keras.layers.Dense(32, "relu"), keras.layers.Dense(10, "softmax")])
model.set_weights([rng.normal(size=w.shape) * 0.1 for w in model.get_weights()])
model.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy", metrics=["accuracy"])
history = train.fit(model, digits.train, digits.validation, epochs=5, patience=3, progress=False)
print(json.dumps({"device": str(device), "backend": device.backend, **history.metrics}))
"""


@pytest.fixture(scope="module", params=BACKENDS)
def run(request):
    """Train a small network on one backend and return what it printed."""
    environment = os.environ | {"KERAS_BACKEND": request.param, "DLLAB_DEVICE": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return request.param, json.loads(done.stdout.splitlines()[-1])


def test_the_device_names_its_backend(run):
    """`device()` answers in one line for the backend that is active."""
    backend, result = run
    assert result["backend"] == backend
    assert "\n" not in result["device"]


def test_training_learns(run):
    """Five epochs of `train.fit` bring the validation accuracy of a digits network above 0.8."""
    _, result = run
    assert result["val_accuracy"][-1] > 0.8
    assert result["loss"][-1] < result["loss"][0]


# Keras's variables do not say yet how they are copied, where NumPy 2 asks.
ALLOWED = "ignore:__array__ implementation:DeprecationWarning"


@pytest.mark.parametrize("folder", ["explain", "gradients"])
@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "tensorflow"])
def test_the_packages_own_tests_hold(backend, folder):
    """What the default suite shows with TensorFlow holds with the other backends."""
    environment = os.environ | {"KERAS_BACKEND": backend, "DLLAB_DEVICE": "cpu"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", ALLOWED]
    command.append(str(ROOT / "tests" / folder))
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
