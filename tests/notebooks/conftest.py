"""Run notebooks under nbval, each in a pytest process and a kernel of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dllab.authoring.project import find_root

ROOT = find_root(Path(__file__).parent)


@pytest.fixture(scope="session")
def nbval():
    """Return a function that runs one notebook under nbval and returns the finished process.

    The notebook's cells run in a kernel of this environment, in the notebook's own folder, with
    a limit of 120 s for each cell. `--nbval-lax` compares no outputs: the notebooks have none.
    """

    def run(notebook: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-cell-timeout=120"]
        kernel = os.environ.get("DLLAB_NBVAL_KERNEL")
        command.append(f"--nbval-kernel-name={kernel}" if kernel else "--nbval-current-env")
        # The repository's settings also hold for a notebook that lies elsewhere; the cache is
        # left to the run that started this one.
        command += ["-c", str(ROOT / "pyproject.toml"), f"--rootdir={ROOT}"]
        command += ["-p", "no:cacheprovider", "--color=no", "-q", str(notebook)]
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment = os.environ | {"PYTHONPATH": path, "DLLAB_DEVICE": "cpu"}
        return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)

    return run
