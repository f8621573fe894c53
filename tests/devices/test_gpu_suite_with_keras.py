"""Can the GPU tests pass, and can they fail? Asked without a GPU.

The program of tests/gpu runs on the processor; its results, with the description of an old GPU,
stand in for a GPU's. Then each result in turn is spoiled.
"""

import copy
import importlib.util

import numpy as np
import pytest


@pytest.fixture(scope="module")
def suite(request):
    path = request.config.rootpath / "tests/gpu/test_gpu.py"
    spec = importlib.util.spec_from_file_location("gpu_suite", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def computed(suite):
    """What the processor computes, and the same as if a GPU without Tensor Cores had."""
    backend = "jax" if "jax" in suite.BACKENDS else "tensorflow"
    cpu = suite.run(backend, DLLAB_DEVICE="cpu")
    gpu = copy.deepcopy(cpu)
    gpu["device"] |= {
        "kind": "gpu",
        "name": "Test GPU",
        "memory": 8.0,
        "capability": [6, 1],
        "reason": "memory grows as needed",
    }
    gpu |= {"memory": 0.1, "several": copy.deepcopy(gpu["cnn"])}
    return {"gpu": gpu, "cpu": cpu}


@pytest.fixture
def results(computed):
    return copy.deepcopy(computed)


def every_test(suite):
    return [getattr(suite, name) for name in dir(suite) if name.startswith("test_")]


def test_a_gpu_that_computes_the_same_passes_every_test(suite, results):
    for test in every_test(suite):
        test(results)


def test_one_gpu_only_skips_what_needs_two(suite, results):
    results["gpu"]["several"] = None
    with pytest.raises(pytest.skip.Exception, match="one GPU"):
        suite.test_two_gpus_train_like_one(results)


def shift(name, key, by):
    """Move the first array of a step's result."""

    def spoil(gpu):
        gpu[name][key][0] = (np.array(gpu[name][key][0]) + by).tolist()

    return spoil


@pytest.mark.parametrize(
    ("test", "spoil"),
    [
        ("test_device_finds_it", lambda gpu: gpu["device"].update(kind="cpu")),
        ("test_memory_grows_as_it_is_needed", lambda gpu: gpu.update(memory=0.75)),
        ("test_float32_is_float32_when_asked_for", lambda gpu: gpu["float32"].update(full=4e-4)),
        ("test_a_small_cnn_is_the_same_on_the_cpu", shift("cnn", "outputs", 1e-3)),
        ("test_a_small_cnn_is_the_same_on_the_cpu", shift("cnn", "weights", 1e-2)),
        ("test_compiling_changes_rounding_only", shift("compiled", "losses", 1e-2)),
        ("test_mixed_precision_trains_into_range", lambda gpu: gpu["mixed"].update(accuracy=0.1)),
        ("test_two_gpus_train_like_one", shift("several", "weights", 1e-2)),
        ("test_compiling_changes_rounding_only", lambda gpu: gpu.update(compiled={"error": "no"})),
    ],
)
def test_a_gpu_that_computes_something_else_fails(suite, results, test, spoil):
    spoil(results["gpu"])
    with pytest.raises(AssertionError):
        getattr(suite, test)(results)
