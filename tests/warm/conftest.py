"""Warm kernels in a private directory, with a template that imports little."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

from dllab import warm

sys.path.insert(0, str(Path(__file__).parent))  # for `comparable`

LIGHT = "numpy"


class Session:
    """A kernel and its client; `run` returns what the code printed."""

    closed = False

    def __init__(self, **options: Any) -> None:
        traits = {
            name: options.pop(name) for name in ("transport", "connection_file") if name in options
        }
        self.manager = KernelManager(kernel_name=warm.KERNEL_NAME, **traits)
        # ipykernel does not capture descriptors where it sees pytest's own variable
        hidden = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}
        self.manager.start_kernel(**{"env": hidden} | options)
        self.client = self.manager.client()
        self.client.start_channels()
        try:
            self.client.wait_for_ready(timeout=60)
        except BaseException:
            self.close()  # or else its sockets are reported in some later test
            raise

    @property
    def pid(self) -> int:
        return self.manager.provisioner.pid

    @property
    def is_warm(self) -> bool:
        return type(self.manager.provisioner.process).__name__ == "WarmProcess"

    def messages(self, code: str, **options: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        self.client.execute_interactive(code, output_hook=found.append, timeout=60, **options)
        return [m for m in found if m["msg_type"] not in ("status", "execute_input")]

    def run(self, code: str) -> str:
        parts = []
        for message in self.messages(code):
            content = message["content"]
            if message["msg_type"] == "error":
                parts.append(f"{content['ename']}: {content['evalue']}\n")
            parts.append(content.get("text") or content.get("data", {}).get("text/plain", ""))
        return "".join(parts)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.client.stop_channels()
            self.manager.shutdown_kernel()


@pytest.fixture(scope="session", autouse=True)
def warm_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Point this process at a kernel specification and a runtime directory of its own."""
    root = tmp_path_factory.mktemp("warm")
    folder = root / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLLAB_WARM_DIR", str(folder))
        patch.setenv("DLLAB_WARM_PRELOAD", LIGHT)
        patch.setenv("JUPYTER_PATH", str(root / "share" / "jupyter"))
        patch.setenv("IPYTHONDIR", str(root / "ipython"))
        patch.setenv("MPLCONFIGDIR", str(root / "matplotlib"))
        patch.delenv("DLLAB_WARM", raising=False)
        warm.install(root)
        yield folder
        warm.stop()
        gone(lambda: not folder.exists(), "the runtime directory should have been removed")


@pytest.fixture
def session() -> Iterator[Session]:
    opened = Session()
    assert opened.is_warm
    yield opened
    opened.close()


@pytest.fixture
def open_session():
    """Give a function that opens sessions, and close them at the end."""
    opened: list[Session] = []

    def open_one(**options: Any) -> Session:
        opened.append(Session(**options))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


def gone(condition, message: str, seconds: float = 10.0) -> None:
    """Wait until `condition()` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, message
        time.sleep(0.02)


@pytest.fixture(name="eventually")
def eventually_fixture():
    return gone


def state_of(pid: int) -> str | None:
    """Return a process's state letter, None if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


@pytest.fixture(name="state_of")
def state_of_fixture():
    return state_of


@pytest.fixture
def own_template(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Give this test a runtime directory and so a template of its own."""
    folder = tmp_path / "run"
    monkeypatch.setenv("DLLAB_WARM_DIR", str(folder))

    def template_pid() -> int:
        (found,) = warm.status()
        return found.pid

    yield template_pid
    monkeypatch.setenv("DLLAB_WARM_DIR", str(folder))
    for found in warm.status():  # wake what a test has stopped, so that it can end
        if found.pid:
            os.kill(found.pid, signal.SIGCONT)
    warm.stop()
    gone(lambda: not folder.exists(), f"left behind: {left(folder)}")


def left(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.exists() else []


@pytest.fixture
def run_python():
    """Run Python code in another process and return what it printed."""

    def run(code: str, **options: Any) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, **options
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
