"""Does an NVIDIA GPU compute what a processor computes, on each backend that is installed?

Not part of `make test`: `tools/run_gpu_tests.sh` runs it. Without a GPU every test is skipped and
says so; with `DLLAB_REQUIRE_GPU=1` that is a failure. Each backend runs tests/gpu/program.py in
a Python of its own, once on the GPU and once on the processor. `DLLAB_GPU_BACKENDS="jax torch"`
leaves out the others.
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

WANTED = os.environ.get("DLLAB_GPU_BACKENDS", "tensorflow jax torch").split()
BACKENDS = [name for name in WANTED if find_spec(name)]
PROGRAM = Path(__file__).parent / "program.py"
ROOT = PROGRAM.parents[2]
CNN = ("outputs", "losses", "weights")


def run(backend, **environment):
    """Run the program; what stands after its "@" is the result."""
    kept = {name: value for name, value in os.environ.items() if name != "DLLAB_DEVICE"}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, str(PROGRAM)],
        env=kept | {"KERAS_BACKEND": backend, "PYTHONPATH": path} | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(next(line[1:] for line in done.stdout.splitlines() if line[:1] == "@"))


def keep(backend, results):
    """Leave the results, without their weights, where the runner script wants them."""
    if folder := os.environ.get("DLLAB_GPU_RESULTS"):
        short = {
            device: {
                name: {k: v for k, v in step.items() if k not in ("outputs", "weights")}
                if isinstance(step, dict)
                else step
                for name, step in result.items()
            }
            for device, result in results.items()
        }
        (Path(folder) / f"{backend}.json").write_text(json.dumps(short, indent=1) + "\n")


@pytest.fixture(scope="module", params=BACKENDS)
def results(request):
    """What the GPU and what the processor computed; skipped, with the reason, without a GPU."""
    gpu = run(request.param)
    if gpu["device"]["kind"] == "cpu":
        keep(request.param, {"gpu": gpu})
        reason = f"no GPU on this machine: {gpu['device']['text']}"
        if os.environ.get("DLLAB_REQUIRE_GPU") == "1":
            pytest.fail(f"DLLAB_REQUIRE_GPU=1, but {reason}")
        pytest.skip(reason)
    both = {"gpu": gpu, "cpu": run(request.param, DLLAB_DEVICE="cpu")}
    keep(request.param, both)
    return both


def step(results, name, device="gpu"):
    """One step's result; its traceback is the message of a failure."""
    found = results[device][name]
    assert not (isinstance(found, dict) and "error" in found), found["error"]
    return found


def assert_close(one, other, rtol, atol, what=CNN):
    for key in what:
        for a, b in zip(one[key], other[key], strict=True):
            np.testing.assert_allclose(a, b, rtol=rtol, atol=atol, err_msg=key)


def test_device_finds_it(results):
    """`device()` gives name, memory and compute capability; `DLLAB_DEVICE=cpu` hides the GPU."""
    found = results["gpu"]["device"]
    assert found["kind"] == "gpu"
    assert found["count"] >= 1
    assert found["name"]
    assert found["memory"] > 1
    assert found["capability"][0] >= 3
    assert results["cpu"]["device"]["kind"] == "cpu"
    assert "\n" not in found["text"]


def test_memory_grows_as_it_is_needed(results):
    """After a small model most memory is free; reserved at the start, most would be taken."""
    assert "memory grows as needed" in results["gpu"]["device"]["reason"]
    assert step(results, "memory") < 0.5


def test_float32_is_float32_when_asked_for(results):
    """`full_float32()` leaves the error of a product near float32's own 1e-7, not TF32's 1e-3."""
    assert step(results, "float32")["full"] < 3e-6
    assert step(results, "float32", "cpu")["full"] < 3e-6


def test_a_small_cnn_is_the_same_on_the_cpu(results):
    """Outputs agree to 1e-4; losses and weights after 16 steps to 1e-3, as errors add up."""
    gpu, cpu = step(results, "cnn"), step(results, "cnn", "cpu")
    assert_close(gpu, cpu, rtol=1e-4, atol=1e-5, what=["outputs"])
    assert_close(gpu, cpu, rtol=1e-3, atol=1e-3, what=["losses", "weights"])


def test_compiling_changes_rounding_only(results):
    """`jit_compile` on and off: outputs to 1e-4, losses and weights after 16 steps to 1e-3."""
    on, off = step(results, "compiled"), step(results, "not_compiled")
    assert_close(on, off, rtol=1e-4, atol=1e-5, what=["outputs"])
    assert_close(on, off, rtol=1e-3, atol=1e-3, what=["losses", "weights"])


def test_mixed_precision_trains_into_range(results):
    """What "auto" chooses follows the capability, computes in 16 bits and still learns digits."""
    found = step(results, "mixed")
    capability = tuple(results["gpu"]["device"]["capability"])
    expected = (
        "mixed_bfloat16"
        if capability >= (8, 0)
        else "mixed_float16"
        if capability >= (7, 0)
        else None
    )
    assert found["policy"] == expected
    assert found["computed"] == (expected or "float32").removeprefix("mixed_")
    assert found["stored"].endswith("float32")
    assert found["accuracy"] > 0.93


def test_two_gpus_train_like_one(results):
    """The same losses and weights with each batch on one GPU and shared by two."""
    several = step(results, "several")
    if several is None:
        pytest.skip("one GPU on this machine")
    assert_close(several, step(results, "cnn"), rtol=1e-3, atol=1e-3, what=["losses", "weights"])
