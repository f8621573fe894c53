"""On JAX and PyTorch, too, `fit` gives what plain `model.fit` gives: a Python for each."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

BACKENDS = [name for name in ("jax", "torch") if find_spec(name)]

PROGRAM = """
import json
import keras
import numpy as np
import dllab
from dllab import train

rng = np.random.default_rng(0)
x = rng.normal(size=(203, 6)).astype("float32")
y = (x.sum(axis=1) > 0).astype("int64")
runs = []
for settings in ("plain", "auto"):
    dllab.set_seed(0)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8, "relu"),
                              keras.layers.BatchNormalization(), keras.layers.Dropout(0.3),
                              keras.layers.Dense(2)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    history = train.fit(model, (x, y), (x[:50], y[:50]), epochs=20, batch_size=8, patience=3,
                        progress=False, settings=settings)
    weights = [w.tolist() for w in model.get_weights()]
    later = model.fit(x, y, batch_size=8, verbose=0).history
    runs.append([history.metrics, weights, later, model.steps_per_execution])
print(json.dumps([runs, str(history.settings)]))
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_are_the_same_bits(backend):
    """Losses, metrics, restored weights, and a `model.fit` afterwards, one step a call."""
    environment = os.environ | {"KERAS_BACKEND": backend, "DLLAB_DEVICE": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (plain, auto), reason = json.loads(done.stdout.splitlines()[-1])
    assert auto == plain
    assert auto[-1] == 1
    assert backend != "torch" or "one step a call" in reason
