"""Run notebooks under nbval, each in a pytest process and a kernel of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dllab import warm
from dllab.authoring.project import find_root

ROOT = find_root(Path(__file__).parent)
sys.path.insert(0, str(ROOT / "tests" / "warm"))

from comparable import comparable  # noqa: E402

# The book is built with all cores. Here each notebook has one, and another runs on the other:
# results must hold with both, and threads do not wait for one another.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
    "1",
)


@dataclass(frozen=True)
class Run:
    """A finished run: pytest's exit code and text, and each cell's outputs."""

    returncode: int
    stdout: str
    is_warm: bool
    outputs: list[Any]


@pytest.fixture(scope="session")
def warm_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Give variables for warm kernels with a template of this run alone, which ends with it."""
    root = tmp_path_factory.mktemp("warm")
    warm.install(root)
    variables = {
        "DLLAB_WARM": "1",
        "DLLAB_WARM_DIR": str(root / "run"),
        "JUPYTER_PATH": str(root / "share" / "jupyter"),
    }
    yield variables
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLLAB_WARM_DIR", variables["DLLAB_WARM_DIR"])
        warm.stop()


@pytest.fixture
def nbval(warm_environment, tmp_path):
    """Return a function that runs one notebook under nbval, on an ordinary or a warm kernel.

    The notebook's cells run in this environment, in the notebook's own folder, with a limit of
    120 s for each cell. `--nbval-lax` compares no outputs: the notebooks have none.
    """

    def run(notebook: Path, on_warm: bool = False) -> Run:
        command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-cell-timeout=120"]
        command += [f"--nbval-kernel-name={warm.KERNEL_NAME}" if on_warm else "--nbval-current-env"]
        # The repository's settings also hold for a notebook that lies elsewhere; the cache is
        # left to the run that started this one.
        command += ["-c", str(ROOT / "pyproject.toml"), f"--rootdir={ROOT}", "-p", "nbval_recorder"]
        command += ["-p", "no:cacheprovider", "--color=no", "-q", str(notebook)]
        record = tmp_path / f"record-{on_warm}.json"
        path = [str(ROOT), str(Path(__file__).parent), os.environ.get("PYTHONPATH")]
        environment = (
            os.environ
            | ONE_THREAD
            | {
                "DLLAB_DEVICE": "cpu",
                "DLLAB_NBVAL_RECORD": str(record),
                "PYTHONPATH": os.pathsep.join(filter(None, path)),
            }
        )
        environment |= warm_environment if on_warm else {"DLLAB_WARM": "0"}
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
        seen = json.loads(record.read_text("utf-8"))
        outputs = [comparable(cell) for cell in seen["cells"] if cell is not None]
        text = done.stdout + done.stderr
        return Run(done.returncode, text, seen["process"] == "WarmProcess", outputs)

    return run
