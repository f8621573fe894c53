"""Does the runner of the GPU tests say what it did not test?"""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

# the one that starts fastest
BACKEND = "jax" if find_spec("jax") else "tensorflow"


@pytest.fixture
def ran(request, tmp_path):
    """Run the script where every GPU is hidden."""

    def run(**environment):
        return subprocess.run(
            [request.config.rootpath / "tools/run_gpu_tests.sh"],
            env={
                **os.environ,
                "PYTHON": sys.executable,
                "OUT": str(tmp_path),
                "CUDA_VISIBLE_DEVICES": "-1",
                "DLLAB_GPU_BACKENDS": BACKEND,
                **environment,
            },
            capture_output=True,
            text=True,
        )

    return run


def test_without_a_gpu_every_test_is_skipped_with_the_reason(ran, tmp_path):
    """Skipped is not passed: the reason stands in the summary and in the kept files."""
    done = ran()
    assert done.returncode == 0, done.stdout
    assert "no GPU on this machine" in done.stdout
    assert "7 skipped" in done.stdout
    assert "passed" not in done.stdout.splitlines()[-2]
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == {"log.txt", "junit.xml", f"{BACKEND}.json"}


def test_a_gpu_that_is_required_and_missing_is_a_failure(ran):
    done = ran(DLLAB_REQUIRE_GPU="1")
    assert done.returncode != 0
    assert "DLLAB_REQUIRE_GPU=1, but no GPU on this machine" in done.stdout


def test_a_python_without_keras_is_named(ran, tmp_path):
    """Whoever runs it on a bare machine learns which packages are missing."""
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S -E "$@"\n')
    bare.chmod(0o755)
    done = ran(PYTHON=str(bare))
    assert done.returncode == 2
    assert "lacks numpy, scikit-learn, pytest, keras" in done.stdout
