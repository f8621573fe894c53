"""What a user does with warm kernels: install, look, stop.

- `install(prefix)`: write the kernel specification
- `status()`: a `TemplateStatus` for each template
- `stop()`: end the templates; kernels that run go on
"""

import json
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from . import runtime
from .errors import WarmError

__all__ = ["KERNEL_NAME", "TemplateStatus", "install", "status", "stop"]

KERNEL_NAME = "dllab-warm"
_GROUP = "jupyter_client.kernel_provisioners"


@dataclass(frozen=True)
class TemplateStatus:
    """One template: its process, what it imported, and the kernels forked from it."""

    key: str
    state: str
    pid: int | None
    python: str = ""
    backend: str = ""
    preload: tuple[str, ...] = ()
    kernels: tuple[int, ...] = ()

    def __str__(self) -> str:
        what = f"{self.backend} · {', '.join(self.preload)}" if self.preload else ""
        running = f"{len(self.kernels)} kernels" if self.state == "ready" else ""
        parts = (self.key, self.state, f"process {self.pid}", running, what)
        return "  ".join(part for part in parts if part)


def install(prefix: str | os.PathLike[str] = sys.prefix) -> Path:
    """Install the kernel specification `dllab-warm` under `prefix` and return its folder.

    Raises:
        WarmError: the provisioner is not registered, because `dllab` is not installed in this
            environment; Jupyter could not start the kernel.
    """
    if KERNEL_NAME not in {entry.name for entry in entry_points(group=_GROUP)}:
        raise WarmError(
            f"the entry point `{KERNEL_NAME}` is missing: install the package "
            "(`pip install -e .`) before its kernel"
        )
    folder = Path(prefix, "share", "jupyter", "kernels", KERNEL_NAME)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kernel.json").write_text(json.dumps(specification(), indent=1) + "\n")
    return folder


def specification() -> dict[str, object]:
    """Return the kernel specification: ipykernel's own, with our provisioner."""
    from ipykernel.kernelspec import get_kernel_dict

    found: dict[str, object] = get_kernel_dict()
    metadata = dict(found.get("metadata") or {})  # type: ignore[call-overload]
    metadata["kernel_provisioner"] = {"provisioner_name": KERNEL_NAME}
    return found | {"display_name": "Python 3 (warm)", "metadata": metadata}


def status() -> list[TemplateStatus]:
    """Return the templates of this user."""
    from . import client

    found = []
    for path in client.templates(runtime.directory(create=False)):
        try:
            answer = client.ask(path, "status")
        except TimeoutError:
            found.append(TemplateStatus(path.stem, "importing", _noted_pid(path)))
            continue
        if answer is None:
            found.append(TemplateStatus(path.stem, "crashed", None))
            continue
        answer["preload"], answer["kernels"] = tuple(answer["preload"]), tuple(answer["kernels"])
        found.append(TemplateStatus(state="ready", **answer))
    return found


def stop(folder: Path | None = None) -> int:
    """End all templates of this user, or those in `folder`, and return how many there were.

    A template with running kernels takes no new requests and ends with the last of them.
    """
    from . import client

    folder = runtime.directory(create=False, chosen=folder)
    paths = client.templates(folder)
    ended = sum(_stop_one(path) for path in paths)
    if folder.is_dir():
        with runtime.lock(folder):
            runtime.tidy(folder)
    return ended


def _stop_one(path: Path) -> bool:
    from . import client

    try:
        alive = client.ask(path, "stop") is not None
    except TimeoutError:  # still importing, or stuck
        alive = True
        with suppress(OSError):
            if pid := _noted_pid(path):
                client.kill_template(pid, path.stem, signal.SIGTERM)
    if path.exists():
        with runtime.lock(path.parent):
            runtime.remove_files(path)
    return alive


def _noted_pid(path: Path) -> int | None:
    with suppress(OSError, ValueError):
        return int(path.with_suffix(".pid").read_text())
    return None
