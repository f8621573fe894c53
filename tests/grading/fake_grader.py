"""Stands in for the real grader in worker processes: what a submission says is what happens.

Content is a line such as `score 3` or `die`; the worker, the pool, the gradebook and all that is
written are the real ones.
"""

import os
import sys
import time
from pathlib import Path

from dllab.grading.records import Grade, Order, TaskGrade, TestGrade


def grade(order: Order, template: object = None) -> Grade:
    """Do what the submission says."""
    words = order.submission.content.decode().split()
    act = _ACTS.get(words[0], lambda *_: None)
    act(*words[1:])
    return graded(order, int(words[1]) if words[0] == "score" else 1)


def graded(order: Order, earned: int) -> Grade:
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


def _die(*_: str) -> None:
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


def _raise(*_: str) -> None:
    raise RuntimeError("a defect")


_ACTS = {
    "die": _die,
    "die-once": _die_once,
    "hang": lambda *_: time.sleep(1000),
    "garbage": _garbage,
    "flood": _flood,
    "sleep": lambda seconds, *_: time.sleep(float(seconds)),
    "swallow": _swallow,
    "raise": _raise,
}
