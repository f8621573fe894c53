"""On a Dask cluster, with a worker killed on the way, grades are those of a local run."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from classes import ANSWERS, TINY, hand_in, settled

from dllab.grading.gradebook import Gradebook

CLASS = {f"{student}-{n}": ANSWERS[student] for n in range(2) for student in ANSWERS}
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path) -> Iterator[Start]:
    """Start a Python module with `dllab` from a given folder; all are ended afterwards."""
    started = []

    def start(package: Path, *arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", *map(str, arguments)],
            env=os.environ | {"PYTHONPATH": str(package), "DASK_LOGGING__DISTRIBUTED": "error"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        end(process)


def end(process: subprocess.Popen[str]) -> None:
    """Kill a process and its group, as if its machine had lost power."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.fixture
def cluster(start, still_package) -> tuple[str, Callable[[Path], subprocess.Popen[str]]]:
    """Return a scheduler's address on loopback, and what starts a worker with one thread."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    place = ["--host", "127.0.0.1", "--no-dashboard"]
    start(still_package, "distributed.cli.dask_scheduler", *place, "--port", port)

    def worker(package: Path) -> subprocess.Popen[str]:
        one = ["--no-nanny", "--nthreads", 1, "--memory-limit", 0]
        return start(package, "distributed.cli.dask_worker", address, *place, *one)

    return address, worker


def wait_for_workers(address: str, count: int) -> None:
    import distributed

    with distributed.Client(address, timeout=60, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=120)


def grade(start: Start, package: Path, out: Path, *options: Any) -> subprocess.Popen[str]:
    folder = out.parent / "in"
    command = ["dllab.cli", "grade", TINY, folder, "--out", out, "--seed", 11, *options]
    return start(package, *command)


def test_a_cluster_gives_the_grades_of_a_local_run(start, cluster, still_package, tmp_path):
    """One job or four, cold; two Dask workers, warm, of which one is killed: the same grades."""
    address, worker = cluster
    first, _ = worker(still_package), worker(still_package)
    hand_in(tmp_path / "in", CLASS)
    for name, options in {"one": ("--jobs", 1), "four": ("--jobs", 4)}.items():
        process = grade(start, still_package, tmp_path / name, "--cold", *options)
        _, lines = process.communicate()
        assert process.returncode == 3, lines
    expected = settled(tmp_path / "one")
    assert set(expected) == set(CLASS)
    assert settled(tmp_path / "four") == expected

    wait_for_workers(address, 2)
    process = grade(start, still_package, tmp_path / "dask", "--dask", address)
    assert process.stderr is not None
    while " left]" not in (line := process.stderr.readline()):
        assert line, "the run ended before anything was graded"
    helpers = psutil.Process(first.pid).children(recursive=True)
    end(first)
    _, lines = process.communicate()
    assert process.returncode == 3, lines
    assert settled(tmp_path / "dask") == expected
    with Gradebook(tmp_path / "dask" / "gradebook.sqlite", write=False) as book:
        assert [len(book.attempts(student)) for student in CLASS] == [1] * len(CLASS)
    _, alive = psutil.wait_procs(helpers, timeout=60)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]

    refused(start, worker, still_package, tmp_path, address)


def refused(start: Start, worker: Any, package: Path, folder: Path, address: str) -> None:
    """A machine with another version is refused by name, before anything is graded there."""
    other = folder / "other"
    shutil.copytree(package, other)
    with (other / "dllab" / "seed.py").open("a") as file:
        file.write("# another version\n")
    worker(other)
    wait_for_workers(address, 2)
    process = grade(start, package, folder / "refused", "--dask", address)
    _, lines = process.communicate()
    assert process.returncode == 2
    assert re.search(r"the Dask worker tcp://127\.0\.0\.1:\d+ would grade otherwise", lines)
    assert not settled(folder / "refused")


def test_a_scheduler_that_is_not_there_is_a_clear_error(start, still_package, tmp_path):
    """The message names the address and the next step."""
    hand_in(tmp_path / "in", {"right": ANSWERS["right"]})
    begun = time.monotonic()
    process = grade(start, still_package, tmp_path / "out", "--dask", "tcp://127.0.0.1:1")
    _, lines = process.communicate()
    assert process.returncode == 2, time.monotonic() - begun
    assert "tcp://127.0.0.1:1" in lines
    assert "dask scheduler" in lines
    assert "Traceback" not in lines
