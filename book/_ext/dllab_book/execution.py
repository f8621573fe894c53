"""How chapters are executed: the cache's key, the kernel and the kernel's environment.

jupyter-cache looks only at a notebook's text, so it would show stale numbers after a change in
`dllab`. The cache therefore lives in a folder named by a fingerprint of everything else that a
chapter's output depends on.

- `fingerprint(root)`: 16 hexadecimal digits
- `remove_stale(caches, current)`: delete the caches that no build uses any more
"""

import hashlib
import os
import shutil
import time
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx
    from sphinx.config import Config

ROOT = Path(__file__).resolve().parents[3]

# No chapter imports these, so a change in them leaves every output as it is.
NOT_IN_CHAPTERS = ("authoring", "check", "cli.py", "grading", "warm")

# The numbers in the text must not depend on the machine that builds the book, and TensorFlow's
# start-up lines on stderr would otherwise look like warnings of the chapter's own code.
ENVIRONMENT = {
    "DLLAB_DEVICE": "cpu",
    "CUDA_VISIBLE_DEVICES": "-1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "PYTHONHASHSEED": "0",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
}

KERNEL_CONFIG = "c.IPKernelApp.log_level = 40\n"

# A cache that another running build still uses must not vanish under it.
SECONDS_KEPT = 3600


def fingerprint(root: Path) -> str:
    """Hash what a chapter's output depends on besides its own text.

    Args:
        root: the folder that holds `dllab/` and `constraints.txt`.

    Returns:
        16 hexadecimal digits, the same on every machine for the same files.
    """
    digest = hashlib.sha256()
    for path in sorted(_inputs(root)):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _inputs(root: Path) -> "Iterator[Path]":
    constraints = root / "constraints.txt"
    if constraints.exists():
        yield constraints
    package = root / "dllab"
    for path in package.rglob("*"):
        parts = path.relative_to(package).parts
        if path.is_file() and "__pycache__" not in parts and parts[0] not in NOT_IN_CHAPTERS:
            yield path


def remove_stale(caches: Path, current: Path, now: float | None = None) -> list[Path]:
    """Delete the folders in `caches`, except `current` and those used within the last hour."""
    now = time.time() if now is None else now
    stale = [
        path
        for path in sorted(caches.glob("*"))
        if path != current and path.is_dir() and now - path.stat().st_mtime > SECONDS_KEPT
    ]
    for path in stale:
        shutil.rmtree(path, ignore_errors=True)
    return stale


def _configure(app: "Sphinx", config: "Config") -> None:
    caches = Path(app.srcdir, config.dllab_caches)
    current = caches / fingerprint(ROOT)
    current.mkdir(parents=True, exist_ok=True)
    os.utime(current)
    remove_stale(caches, current)
    # MyST-NB re-reads every page when this value changes, so a new fingerprint runs all chapters.
    config.nb_execution_cache_path = str(current)


def _prepare_kernel_environment(app: "Sphinx") -> None:
    for name, value in ENVIRONMENT.items():
        os.environ[name] = value
    # Chapters name the kernel `python3`; where warm kernels are installed, theirs starts instead.
    if entry_points(group="jupyter_client.kernel_provisioners", name="dllab-warm"):
        os.environ.setdefault("JUPYTER_DEFAULT_PROVISIONER_NAME", "dllab-warm")
    # The reader's own start-up files stay out of the book, and the kernel's log lines off the
    # terminal: each kernel would warn that it listens on loopback without encryption.
    profile = (
        Path(app.srcdir, app.config.dllab_caches).with_name("book-ipython") / "profile_default"
    )
    profile.mkdir(parents=True, exist_ok=True)
    (profile / "ipython_kernel_config.py").write_text(KERNEL_CONFIG, encoding="utf-8")
    os.environ["IPYTHONDIR"] = str(profile.parent)
    # Kernels inherit this: they use this checkout's `dllab`, installed or not.
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if str(ROOT) not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), *paths]))


def setup(app: "Sphinx") -> None:
    """Set the cache and the environment before any chapter is read."""
    app.add_config_value("dllab_caches", "build/book-cache", "", str)
    app.connect("config-inited", _configure, priority=100)
    app.connect("builder-inited", _prepare_kernel_environment, priority=100)
