"""What one backend computes on one kind of device: printed as JSON, compared by test_gpu.py.

Usage: `KERAS_BACKEND=jax python tests/gpu/program.py`, with `DLLAB_DEVICE=cpu` for the values to
compare with. Each step has its own key, with a traceback where it failed, so that one failure
hides no other. With two numbers, rank and count, it is one of several PyTorch processes.
"""

import json
import os
import subprocess
import sys
import time
import traceback
from dataclasses import asdict

import numpy as np

from dllab.devices import average_gradients, device, full_float32

EXAMPLES, BATCH = 256, 32  # a multiple of any small number of devices


def main() -> None:
    """Run every step and print what it gave after an "@"."""
    if len(sys.argv) == 3:
        print("@" + json.dumps(_torch_process(int(sys.argv[1]), int(sys.argv[2]))))
        return
    found = device()
    result = {"device": asdict(found) | {"text": str(found)}}
    if found.kind != "cpu" or os.environ.get("DLLAB_DEVICE") == "cpu":
        for name, step in STEPS.items():
            try:
                result[name] = step(found)
            except Exception:
                result[name] = {"error": traceback.format_exc()}
    print("@" + json.dumps(result))


def _digits():
    import dllab

    digits = dllab.load("digits")
    return digits.train.x[..., None], digits.train.y, digits.test.x[..., None], digits.test.y


def _network(jit_compile):
    """A small CNN whose first weights come from NumPy and so are the same everywhere."""
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(32, activation="tanh"),
            layers.Dense(10, dtype="float32"),
        ]
    )
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) * 0.1 for w in model.get_weights()])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(0.2, momentum=0.9)
    model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=jit_compile)
    return model


def _train(jit_compile, epochs=2, examples=EXAMPLES, batch=BATCH, share=slice(None), prepare=None):
    x, y, _, _ = _digits()
    model = _network(jit_compile)
    outputs = model.predict(x[:BATCH], batch_size=BATCH, verbose=0)
    if prepare:
        prepare(model)
    x, y = x[:examples][share], y[:examples][share]
    start = time.perf_counter()
    history = model.fit(x, y, batch_size=batch, epochs=epochs, shuffle=False, verbose=0).history
    return model, {
        "outputs": np.asarray(outputs).tolist(),
        "losses": history["loss"],
        "weights": [np.asarray(w).tolist() for w in model.get_weights()],
        "seconds": time.perf_counter() - start,
    }


def _float32(found):
    """The worst error of a random product against float64, as a share of its largest element."""
    import keras

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 512, 512)).astype("float32")
    exact = a.astype("float64") @ b.astype("float64")

    def error():
        product = keras.ops.convert_to_numpy(keras.ops.matmul(a, b))
        return float(np.abs(product - exact).max() / np.abs(exact).max())

    as_found = error()
    full_float32()
    return {"as_found": as_found, "full": error()}


def _cnn(found):
    return _train(found.jit_compile)[1]


def _compiled(found):
    return _train(True)[1]


def _not_compiled(found):
    return _train(False)[1]


def _memory(found):
    """Share of the GPU's memory that is taken after this work, as the driver sees it."""
    if found.kind != "gpu":
        return None
    ask = ["nvidia-smi", "--query-gpu=memory.used,memory.total", "--format=csv,noheader,nounits"]
    answer = subprocess.run(ask, capture_output=True, text=True, check=True).stdout
    used, total = map(float, answer.splitlines()[0].split(","))
    return used / total


def _mixed(found):
    """Train with the policy that "auto" chooses; the whole of the digits."""
    import keras

    chosen = device(mixed_precision="auto")
    try:
        model, result = _train(chosen.jit_compile, epochs=15, examples=None)
        x, y = _digits()[2:]
        return {
            "policy": chosen.mixed_precision,
            "computed": str(model.layers[0].compute_dtype),
            "stored": str(model.layers[0].kernel.dtype),
            "accuracy": float(model.evaluate(x, y, verbose=0)[1]),
            "seconds": result["seconds"],
        }
    finally:
        keras.mixed_precision.set_global_policy("float32")


def _several(found):
    """Train on all GPUs; None where there is one."""
    if found.count < 2:
        return None
    if found.backend == "torch":
        return _torch_processes(2)
    with found.data_parallel([f"{found.kind}:0", f"{found.kind}:1"]):
        return _train(found.jit_compile)[1]


def _torch_processes(count):
    environment = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29511"}
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, str(rank), str(count)],
            env=environment | {"KERAS_TORCH_DEVICE": f"cuda:{rank}"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]
    answers = [process.communicate(timeout=300)[0] for process in processes]
    shares = [json.loads(text[text.index("@") + 1 :].splitlines()[0]) for text in answers]
    losses = np.mean([share["losses"] for share in shares], axis=0).tolist()
    return shares[0] | {"losses": losses}


def _torch_process(rank, count):
    import torch

    torch.cuda.set_device(rank)
    torch.distributed.init_process_group("nccl", rank=rank, world_size=count)
    full_float32()
    share, batch = slice(rank, None, count), BATCH // count
    result = _train(False, batch=batch, share=share, prepare=average_gradients)[1]
    torch.distributed.destroy_process_group()
    return result


# `float32` first: it switches TF32 off for what is compared after it.
STEPS = {
    "float32": _float32,
    "cnn": _cnn,
    "compiled": _compiled,
    "not_compiled": _not_compiled,
    "memory": _memory,
    "several": _several,
    "mixed": _mixed,
}

if __name__ == "__main__":
    main()
