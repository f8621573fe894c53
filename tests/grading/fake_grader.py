"""Stands in for the real grader in worker processes: what a submission says is what happens.

The first cell of a notebook is a line such as `score 3` or `die`. Worker processes, pool,
gradebook and everything that is written are the real ones.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import NoReturn

from dllab.grading.records import Grade, Order, TaskGrade, TestGrade


def notebook(*cells: str) -> bytes:
    """Return a notebook with these code cells."""
    made = [
        {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": c}
        for c in cells
    ]
    content = {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    return json.dumps(content).encode()


def grade(order: Order, template: object = None) -> Grade:
    """Do what the submission says."""
    words = json.loads(order.submission.content)["cells"][0]["source"].split()
    if act := _ACTS.get(words[0]):
        act(*words[1:])
    return graded(order, int(words[1]) if words[0] == "score" else 1)


def graded(order: Order, earned: int) -> Grade:
    """Return a grade in which the first checks passed."""
    tests = tuple(
        TestGrade(f"test_{n}", f"Law {n}.", 1, "passed" if n < earned else "failed", "No.")
        for n in range(4)
    )
    return Grade(
        order.submission.student,
        order.submission.digest,
        Path(order.lab).name,
        order.fingerprint,
        "graded",
        "",
        (TaskGrade("total", "Total", tests),),
        seed=order.seed,
    )


def _die(*_: str) -> NoReturn:
    print("a last word", file=sys.stderr, flush=True)
    os._exit(7)


def _die_once(marker: str) -> None:
    path = Path(marker)
    if not path.exists():
        path.touch()
        os._exit(7)


def _garbage(*_: str) -> None:
    for number in range(3, 64):
        try:
            if os.readlink(f"/proc/self/fd/{number}").startswith("pipe:"):
                os.write(number, b"not an answer\n")
        except OSError:
            continue


def _flood(*_: str) -> None:
    sys.stdout.write("noise\n" * 100_000)


def _swallow(*_: str) -> None:
    held = []
    while True:
        held.append(bytearray(50 * 2**20))


def _raise(*_: str) -> NoReturn:
    raise RuntimeError("a defect")


def _environment(name: str, *_: str) -> None:
    if name in os.environ:
        os._exit(9)


_ACTS = {
    "die": _die,
    "die-once": _die_once,
    "environment": _environment,
    "flood": _flood,
    "garbage": _garbage,
    "hang": lambda *_: time.sleep(1000),
    "raise": _raise,
    "sleep": lambda seconds, *_: time.sleep(float(seconds)),
    "swallow": _swallow,
}
