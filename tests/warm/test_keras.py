"""Warm kernels with the template that users get: Keras and its backend are imported."""

import json
import os
from pathlib import Path

import pytest

from dllab import warm


@pytest.fixture(scope="module", autouse=True)
def full_template():
    """Preload what a user's template preloads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DLLAB_WARM_PRELOAD")
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
        yield
        warm.stop()


def test_keras_is_there_and_nothing_has_run(open_session) -> None:
    """The template has one thread and no device open; the kernel finds the imports done."""
    kernel = open_session()
    assert (
        kernel.run("import sys; 'keras' in sys.modules, 'dllab' in sys.modules") == "(True, False)"
    )
    (template,) = (found for found in warm.status() if "keras" in found.preload)
    root = Path(f"/proc/{template.pid}")
    assert len(list((root / "task").iterdir())) == 1
    opened = [os.readlink(link) for link in (root / "fd").iterdir()]
    assert not [path for path in opened if path.startswith("/dev/") and path != "/dev/null"]
    found = kernel.run(
        "from tensorflow.python.eager import context\n"
        "c = context.context_safe(); c is None or c._context_handle is None"
    )
    assert found == "True"


def test_no_two_kernels_share_keras_randomness(open_session) -> None:
    """Initial weights, dropout and TensorFlow's own generators differ from kernel to kernel."""
    code = (
        "import keras, json, tensorflow as tf\n"
        "layer = keras.layers.Dense(1); layer.build((1, 1))\n"
        "print(json.dumps([float(x) for x in (keras.random.normal(()), tf.random.normal(()),\n"
        "  layer.kernel.numpy()[0, 0], tf.random.get_global_generator().normal(()))]))"
    )
    drawn = [json.loads(open_session().run(code).splitlines()[-1]) for _ in range(2)]
    assert all(first != second for first, second in zip(*drawn, strict=True))


def test_interrupt_while_training(open_session) -> None:
    """An interrupt ends `fit`, and the kernel trains again afterwards."""
    kernel = open_session()
    kernel.run(
        "import keras, numpy as np\n"
        "x = np.ones((64, 4), 'float32')\n"
        "model = keras.Sequential([keras.layers.Dense(4)]); model.compile('sgd', 'mse')\n"
        "model.fit(x, x, verbose=0)"
    )
    code = "print('go', flush=True); model.fit(x, x, epochs=10**6, verbose=0)"
    kernel.client.execute(code, stop_on_error=False)
    while kernel.client.get_iopub_msg(timeout=20)["msg_type"] != "stream":
        pass
    kernel.manager.interrupt_kernel()
    assert kernel.client.get_shell_msg(timeout=20)["content"]["ename"] == "KeyboardInterrupt"
    assert kernel.run("len(model.fit(x, x, verbose=0).epoch)").endswith("1")
