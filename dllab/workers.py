"""Start the worker processes of a training cluster on this machine, and look after them.

- `Cluster`: several processes that run one program, each with its own place in the cluster

The program finds its place in the environment: `DLLAB_WORKER` (0 is the chief) and
`DLLAB_WORKERS` for any program, `DLLAB_COORDINATOR` for `jax.distributed.initialize`, `TF_CONFIG`
for `tf.distribute.MultiWorkerMirroredStrategy`, and `RANK`, `WORLD_SIZE`, `MASTER_ADDR` and
`MASTER_PORT` for `torch.distributed`. All addresses are 127.0.0.1: nothing leaves the machine.
"""

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from dllab.errors import ParameterError, WorkerFailedError, WorkerTimeoutError

__all__ = ["Cluster"]

# A worker ends with its parent, even if the parent is killed and cannot say goodbye: then the
# pipe that is its standard input closes. `os.read`, since a thread that holds a lock of
# `sys.stdin` would stop the interpreter from ending.
_BOOTSTRAP = """
import os, runpy, sys, threading
def end_with_parent():
    os.read(0, 1)
    os._exit(1)
threading.Thread(target=end_with_parent, daemon=True).start()
sys.argv = sys.argv[1:]
sys.path[0] = os.path.dirname(sys.argv[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""

# Below the ports that systems hand out by themselves, so that no connection takes one of ours
# between the moment it is found free and the moment a worker listens on it.
_PORTS = range(20_000, 32_000)

_ONE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
_LAST_LINES = 15


class Cluster:
    """Several processes on this machine that run one program.

    Use it in a `with` block: the processes start at its beginning, and at its end, or after an
    error, every one of them is stopped and the folder removed. They work in one private folder,
    `cluster.folder`, which outlives a restart, so that is where checkpoints go.

    A line that begins with `{` is read as JSON: that is how a worker hands over results,
    `print(json.dumps({"loss": 0.5}), flush=True)`.

    Introduced in: `sys-checkpoints`.

    Args:
        program: The program's text, or the `Path` of its file.
        count: How many workers, at least 1.
        backend: What `KERAS_BACKEND` says in the workers.
        virtual_devices: How many devices JAX makes of each worker's processor.
        environment: More variables for the workers; None as a value removes one.

    Raises:
        ParameterError: `count` or `virtual_devices` is below 1, or there is no such file.

    Example:
        >>> program = 'import os; print("worker", os.environ["DLLAB_WORKER"])'
        >>> with Cluster(program, count=2) as cluster:
        ...     _ = cluster.wait()
        ...     print(cluster.lines(0), cluster.lines(1))
        ['worker 0'] ['worker 1']
    """

    def __init__(
        self,
        program: str | Path,
        count: int = 2,
        *,
        backend: Literal["tensorflow", "jax", "torch"] = "jax",
        virtual_devices: int = 1,
        environment: Mapping[str, str | None] | None = None,
    ) -> None:
        for name, number in (("count", count), ("virtual_devices", virtual_devices)):
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise ParameterError(f"`{name}` must be an integer from 1 on, not {number!r}.")
        if isinstance(program, Path) and not program.is_file():
            raise ParameterError(f"`program` must be the path of a file; {program} is none.")
        self.count = count
        self._program = program
        self._backend = backend
        self._virtual_devices = virtual_devices
        self._environment = dict(environment or {})
        self._workers: list[_Worker] = []
        self._folder: Path | None = None

    @property
    def folder(self) -> Path:
        """Where the workers run; it exists inside the `with` block only."""
        if self._folder is None:
            raise ParameterError("The cluster is not running; use it in a `with` block.")
        return self._folder

    def __enter__(self) -> "Cluster":
        self._folder = Path(tempfile.mkdtemp(prefix="dllab-cluster-"))
        try:
            if isinstance(self._program, Path):
                self._file = self._program.resolve()
            else:
                self._file = self._folder / "program.py"
                self._file.write_text(self._program, encoding="utf-8")
            self.restart()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def restart(self, worker: int | None = None) -> None:
        """Start all workers again on new ports, or one worker on its old one.

        All-reduce needs every worker, so after a failure the whole cluster starts again. To
        restart a single one is for programs that can take it back.
        """
        if worker is not None:
            self._worker(worker).stop()
            self._workers[worker] = self._start(worker)
            return
        for running in self._workers:
            running.stop()
        self._workers = []
        self._ports = _free_ports(self.count + 1)
        for index in range(self.count):
            self._workers.append(self._start(index))

    def kill(self, worker: int) -> None:
        """Kill a worker as a power cut would, and wait until it is gone: it cannot tidy up."""
        self._worker(worker).stop()

    def lines(self, worker: int) -> list[str]:
        """What a worker has printed since it was last started, errors included."""
        return self._worker(worker).lines()

    def results(self, worker: int) -> list[dict[str, Any]]:
        """The JSON objects among a worker's lines."""
        return [json.loads(line) for line in self.lines(worker) if _is_json(line)]

    def wait_for(self, worker: int, text: str, timeout: float = 60.0) -> str:
        """Wait until a worker has printed a line that contains `text`; return that line.

        Args:
            worker: Its index.
            text: Part of the line.
            timeout: Seconds to wait at most.

        Raises:
            WorkerFailedError: The worker ended and never said it.
            WorkerTimeoutError: The time is up.
        """
        watched, deadline = self._worker(worker), time.monotonic() + timeout
        found = watched.wait_for_line(text, deadline)
        if found is not None:
            return found
        if watched.alive:
            raise WorkerTimeoutError(
                f"Worker {worker} did not print {text!r} within {timeout:g} s.{watched.last()}"
            )
        raise WorkerFailedError(
            f"Worker {worker} ended ({watched.how()}) before it printed {text!r}.{watched.last()}"
        )

    def wait_end(self, worker: int, timeout: float = 60.0) -> int:
        """Wait until a worker has ended, however it does; return its exit status.

        Raises:
            WorkerTimeoutError: It is still running when the time is up.
        """
        watched = self._worker(worker)
        if not watched.wait_end(time.monotonic() + timeout):
            raise WorkerTimeoutError(
                f"Worker {worker} is still running after {timeout:g} s.{watched.last()}"
            )
        return watched.process.returncode

    def wait(self, timeout: float = 60.0) -> list[list[dict[str, Any]]]:
        """Wait until all workers have ended well; return the results of each.

        A worker that you killed counts as ended.

        Args:
            timeout: Seconds to wait at most, for all together.

        Raises:
            WorkerFailedError: One ended with an error; the message shows its last lines.
            WorkerTimeoutError: The time is up.
        """
        deadline = time.monotonic() + timeout
        running = set(range(self.count))
        while running:
            for index in sorted(running):
                # in turns and briefly: a failure of one must not wait for the others
                if self._workers[index].wait_end(min(deadline, time.monotonic() + 0.05)):
                    self._must_have_ended_well(index)
                    running.remove(index)
            if running and time.monotonic() >= deadline:
                index = min(running)
                raise WorkerTimeoutError(
                    f"Worker {index} is still running after {timeout:g} s."
                    f"{self._workers[index].last()}"
                )
        return [self.results(index) for index in range(self.count)]

    def _must_have_ended_well(self, index: int) -> None:
        worker = self._workers[index]
        if worker.process.returncode and not worker.stopped:
            raise WorkerFailedError(f"Worker {index} failed ({worker.how()}).{worker.last()}")

    def _worker(self, index: int) -> "_Worker":
        if self._folder is None:
            raise ParameterError("The cluster is not running; use it in a `with` block.")
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < self.count:
            raise ParameterError(
                f"`worker` must be an index from 0 to {self.count - 1}, not {index!r}."
            )
        return self._workers[index]

    def _start(self, index: int) -> "_Worker":
        own = _environment(index, self.count, self._ports, self._backend, self._virtual_devices)
        changed = {**own, **self._environment}
        # the workers talk over loopback only, and a proxy would get in their way
        inherited = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        merged = {k: v for k, v in {**inherited, **changed}.items() if v is not None}
        return _Worker(self._file, self.folder, merged)


class _Worker:
    """One process, and a thread that collects its lines."""

    def __init__(self, program: Path, folder: Path, environment: dict[str, str]) -> None:
        self.stopped = False
        self._lines: list[str] = []
        self._closed = False
        self._change = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _BOOTSTRAP, str(program)],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # a group of its own, so that processes it starts can be stopped with it
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def lines(self) -> list[str]:
        with self._change:
            return list(self._lines)

    def wait_for_line(self, text: str, deadline: float) -> str | None:
        """The first line with `text`; None if the output ended, or the time is up."""
        return self._wait(
            lambda: next((line for line in self._lines if text in line), None), deadline
        )

    def wait_end(self, deadline: float) -> bool:
        self._wait(lambda: None, deadline)
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> None:
        """Kill it with all that it has started, and free what it held."""
        self.stopped = self.stopped or self.alive
        try:
            if hasattr(os, "killpg"):
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()
        except (ProcessLookupError, PermissionError):
            pass  # it is gone already
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()

    def how(self) -> str:
        """How it ended, in words."""
        status = self.process.wait()
        return f"exit status {status}" if status >= 0 else f"killed by signal {-status}"

    def last(self) -> str:
        lines = self.lines()[-_LAST_LINES:]
        return " Its last lines:\n" + "\n".join(lines) if lines else " It printed nothing."

    def _wait(self, found: Callable[[], str | None], deadline: float) -> str | None:
        with self._change:
            while (value := found()) is None and not self._closed:
                remaining = deadline - time.monotonic()
                if remaining <= 0 or not self._change.wait(remaining):
                    return found()
            return value

    def _read(self) -> None:
        assert self.process.stdout is not None
        for raw in self.process.stdout:
            with self._change:
                self._lines.append(raw.decode("utf-8", "replace").rstrip("\r\n"))
                self._change.notify_all()
        with self._change:
            self._closed = True
            self._change.notify_all()


def _environment(
    index: int, count: int, ports: list[int], backend: str, virtual_devices: int
) -> dict[str, str | None]:
    """What tells a worker its place in the cluster, and keeps it to one thread of the CPU."""
    workers = [f"127.0.0.1:{port}" for port in ports[1:]]
    task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
    coordinator = f"127.0.0.1:{ports[0]}"
    flags = re.sub(
        r"--xla_force_host_platform_device_count=\d+", "", os.environ.get("XLA_FLAGS", "")
    )
    return {
        "DLLAB_WORKER": str(index),
        "DLLAB_WORKERS": str(count),
        "DLLAB_COORDINATOR": coordinator,
        "DLLAB_DEVICE": "cpu",
        "KERAS_BACKEND": backend,
        "TF_CONFIG": json.dumps(task),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "JAX_PLATFORMS": "cpu",
        # else it listens on every interface of the machine
        "JAX_COORDINATOR_BIND_ADDRESS": coordinator,
        "JAX_CPU_COLLECTIVES_IMPLEMENTATION": "gloo",
        "XLA_FLAGS": (f"{flags} --xla_force_host_platform_device_count={virtual_devices}".strip()),
        "KERAS_TORCH_DEVICE": "cpu",
        "RANK": str(index),
        "WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(ports[0]),
        "CUDA_VISIBLE_DEVICES": "-1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": os.pathsep.join(
            part for part in (str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")) if part
        ),
        **dict.fromkeys(_ONE_THREAD, "1"),
    }


def _free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 on which nobody listens."""
    # `SystemRandom`: a learner's seed must not make two clusters choose the same ports
    ports: list[int] = []
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
        if len(ports) == count:
            return ports
    raise WorkerFailedError("No free port was found on 127.0.0.1 for the workers.")


def _is_json(line: str) -> bool:
    if not line.startswith("{"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except json.JSONDecodeError:
        return False
