#!/usr/bin/env bash
# Run tests/gpu on the GPU of this machine, on each Keras backend that the Python at hand has.
# Needs no network and no installed dllab: Keras, NumPy, scikit-learn, pytest and a framework.
#
#   tools/run_gpu_tests.sh                              # a skip says that there is no GPU
#   PYTHON=python3.12 DLLAB_REQUIRE_GPU=1 DLLAB_GPU_BACKENDS="jax torch" tools/run_gpu_tests.sh
#
# Results: log.txt, junit.xml and one JSON file a backend in $OUT (build/gpu).
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
PYTHON=${PYTHON:-python3}
OUT=${OUT:-build/gpu}
mkdir -p "$OUT" || exit 2
OUT=$(cd "$OUT" && pwd)
rm -f "$OUT"/{log.txt,junit.xml,tensorflow.json,jax.json,torch.json}

export DLLAB_GPU_RESULTS=$OUT PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
export PYTHONDONTWRITEBYTECODE=1 TF_CPP_MIN_LOG_LEVEL=2
unset DLLAB_DEVICE KERAS_TORCH_DEVICE JAX_PLATFORMS # each would keep the tests off the GPU

{
  command -v nvidia-smi >/dev/null && nvidia-smi -L
  "$PYTHON" - <<'PROBE' || exit 2
import platform, sys
from importlib.metadata import PackageNotFoundError, version

def number(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None

found = {name: number(name) for name in
         ("numpy", "scikit-learn", "pytest", "keras", "tensorflow", "jax", "torch")}
print("Python", platform.python_version(), *(f"{k} {v}" for k, v in found.items() if v), sep=", ")
missing = [name for name in ("numpy", "scikit-learn", "pytest", "keras") if not found[name]]
if missing:
    sys.exit(f"{sys.executable} lacks {', '.join(missing)}; set PYTHON to one that has them")
PROBE
  "$PYTHON" -m pytest tests/gpu -p no:cacheprovider -v --junitxml="$OUT/junit.xml"
} 2>&1 | tee "$OUT/log.txt"
status=${PIPESTATUS[0]}
echo "exit status $status; results in $OUT"
exit "$status"
