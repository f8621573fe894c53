"""Killed at any moment, a run goes on as if nothing had happened."""

import ctypes
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from classes import ANSWERS, TINY, hand_in, settled

from dllab.grading.gradebook import Gradebook

Start = Callable[..., subprocess.Popen[str]]
KILLS, WARM_KILLS = 18, 3
CLASS = {f"{student}-{n}": ANSWERS[student] for n in range(3) for student in ANSWERS}
_PR_SET_CHILD_SUBREAPER = 36


@pytest.fixture
def descendants() -> Iterator[None]:
    """Become the parent of every process that loses its own, so that none goes unnoticed."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    assert prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    yield
    prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@pytest.fixture
def start(still_package, tmp_path) -> Start:
    """Start `dllab grade` on the class, in a process group of its own."""

    def start(out: Path, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "dllab.cli", "grade", TINY, folder, "--out", out, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=still_package,
            start_new_session=True,
        )

    folder = hand_in(tmp_path / "in", CLASS)
    return start


def finish(process: subprocess.Popen[str]) -> int:
    """Let a run come to its end and return its exit status."""
    process.communicate()
    return process.returncode


def kill(process: subprocess.Popen[str], rng: random.Random) -> None:
    """Kill the whole process group while it starts, grades or writes."""
    assert process.stderr is not None
    for _ in range(rng.randrange(7)):
        process.stderr.readline()
    time.sleep(rng.uniform(0, 0.4))
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def wait_until_none_is_left(before: set[int]) -> None:
    """Collect the orphans; they end by themselves, because their grader has."""
    deadline = time.monotonic() + 180
    while True:
        left = [p for p in psutil.Process().children(recursive=True) if p.pid not in before]
        for process in left:
            with suppress(ChildProcessError):
                os.waitpid(process.pid, os.WNOHANG)
        if not left:
            return
        assert time.monotonic() < deadline, [p.cmdline() for p in left if p.is_running()]
        time.sleep(0.05)


def check_files(out: Path) -> None:
    """Nothing that has its final name is half-written."""
    for page in [*out.glob("*.html"), *out.glob("feedback/*.html")]:
        assert page.read_text().endswith("</html>\n"), page
    if (out / "gradebook.sqlite").exists():
        with sqlite3.connect(out / "gradebook.sqlite") as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()


def test_killed_runs_end_with_the_gradebook_of_an_undisturbed_one(start, tmp_path, descendants):
    """Twenty-one kills: nothing is lost, nothing graded twice, nothing left running or half."""
    rng = random.Random(20)
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    out = tmp_path / "out"
    counts = []
    for number in range(KILLS + WARM_KILLS):
        options = ["--jobs", rng.choice("12")] + (["--cold"] if number < KILLS else [])
        kill(start(out, *options), rng)
        wait_until_none_is_left(before)
        check_files(out)
        counts.append(len(settled(out)) if (out / "gradebook.sqlite").exists() else 0)
    assert finish(start(out, "--cold")) == 3
    assert counts == sorted(counts)
    assert 0 < counts[KILLS // 2] < len(CLASS)  # kills did meet runs that were grading
    found = settled(out)
    seed = next(iter(found.values())).seed
    assert finish(start(tmp_path / "calm", "--cold", "--seed", str(seed))) == 3
    assert found == settled(tmp_path / "calm")
    assert marks(out) == marks(tmp_path / "calm")
    assert pages(out) == pages(tmp_path / "calm")
    with Gradebook(out / "gradebook.sqlite", write=False) as book:
        assert [len(book.attempts(student)) for student in CLASS] == [1] * len(CLASS)
    check_files(out)
    assert not [path for path in out.rglob(".*") if path.name != ".gradebook.sqlite.lock"]


def marks(out: Path) -> list[tuple[str, float, int]]:
    with Gradebook(out / "gradebook.sqlite", write=False) as book:
        return [(mark.student, mark.final, len(mark.steps)) for mark in book.marks()]


def pages(out: Path) -> dict[str, str]:
    return {page.name: page.read_text() for page in (out / "feedback").iterdir()}
