"""The records of grading: frozen, made of plain values, so that they travel and are stored as JSON.

- `Submission`: one student's file, as it was found
- `Repair`: one thing that was mended before the notebook could be run
- `Limits`: what one submission may use
- `Order`: all that is needed to grade one submission anywhere
- `TestGrade`, `TaskGrade`, `Grade`: what came of it
- `to_json(record)`, `grade_from_json(text)`: there and back
- `order_to_json(order)`, `order_from_json(text)`: the same for orders, whose content is base64
"""

import base64
import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

__all__ = [
    "NEEDS_PERSON",
    "Grade",
    "Limits",
    "MisconceptionNote",
    "Order",
    "Repair",
    "Status",
    "Submission",
    "TaskGrade",
    "TestGrade",
    "grade_from_json",
    "order_from_json",
    "order_to_json",
    "to_json",
]

Status = Literal["graded", "partly graded", "unreadable", "failed"]
"""What became of a submission.

- graded: every check ran to an end, whatever it found
- partly graded: time or memory for the whole submission ran out before every check had run
- unreadable: there is no notebook in it that can be read
- failed: the grader itself could not do its work
"""

NEEDS_PERSON: tuple[Status, ...] = ("partly graded", "unreadable", "failed")


@dataclass(frozen=True)
class Repair:
    """One thing that was mended: the step's id, a sentence for the student, the cell's number."""

    step: str
    sentence: str
    cell: int | None = None


@dataclass(frozen=True)
class Submission:
    """One student's file, as it was found.

    Args:
        student: who it is from, taken from the path and never from the content.
        name: the file's name, for people.
        digest: SHA-256 of the content, in hexadecimal.
        content: the file's bytes; empty where there is a `problem`, or a `path` instead.
        submitted_at: when it was handed in, ISO 8601 in UTC, or '' if that is not known.
        origin: where it was found, relative to the folder of submissions.
        repairs: what had to be mended to find it.
        problem: why nothing can be graded, one sentence, or ''.
        path: the absolute path of a file with the same content on this machine, or '': a class
            of thousands is not held in memory, a file is read when its turn comes.
    """

    student: str
    name: str
    digest: str
    content: bytes = b""
    submitted_at: str = ""
    origin: str = ""
    repairs: tuple[Repair, ...] = ()
    problem: str = ""
    path: str = ""


@dataclass(frozen=True)
class Limits:
    """What one submission may use: seconds of wall time, megabytes, counts."""

    seconds: float = 180.0  # the whole submission, cells and checks
    cell_seconds: float = 60.0  # one cell
    memory: int = 2048  # MB beyond what the warm template has
    disk: int = 256  # MB of files in /tmp and home together
    file_size: int = 64  # MB of one file
    processes: int = 64  # threads and processes together, beyond those of the libraries
    open_files: int = 256
    output: int = 1_000_000  # characters printed by one cell, kept or not


@dataclass(frozen=True)
class Order:
    """All that is needed to grade one submission, here or on another machine.

    Args:
        lab: the lab's name, or the path of its source folder.
        fingerprint: of the lab's files and of `dllab`; other machines must have the same.
        seed: of the checks' random numbers; the same for every student of a run.
        sandboxed: False only where an instructor asked for `--unsafe-no-sandbox`.
        warm: fork from a template instead of starting Python anew.
        patience: factor on time limits, for machines with more jobs than cores.
    """

    lab: str
    fingerprint: str
    submission: Submission
    seed: int
    limits: Limits = Limits()
    sandboxed: bool = True
    warm: bool = True
    patience: float = 1.0


@dataclass(frozen=True)
class MisconceptionNote:
    """A misconception as a student reads it; `link` is '' where the book's address is unknown."""

    id: str
    title: str
    sentence: str  # what the student's answer shows
    right: str  # what is true instead
    section: str
    link: str = ""


@dataclass(frozen=True)
class TestGrade:
    """What became of one check. `law` is what it holds the answer to, in a sentence."""

    __test__ = False

    test: str
    law: str
    points: int
    status: Literal["passed", "failed", "not started", "not run"]
    sentence: str = ""
    misconception: MisconceptionNote | None = None

    @property
    def earned(self) -> int:
        """Points earned: all or none."""
        return self.points if self.status == "passed" else 0


@dataclass(frozen=True)
class TaskGrade:
    """A task's checks."""

    task: str
    title: str
    tests: tuple[TestGrade, ...]

    @property
    def earned(self) -> int:
        """Points earned."""
        return sum(test.earned for test in self.tests)

    @property
    def points(self) -> int:
        """Points that can be earned."""
        return sum(test.points for test in self.tests)


@dataclass(frozen=True)
class Grade:
    """What came of one submission.

    Everything down to `seed` is the same whenever the same submission is graded with the same
    seed, on any machine; the rest tells how it went this time.

    Args:
        student: who it is from.
        digest: of the submission's content.
        lab: the lab's name.
        fingerprint: of the lab and of `dllab`.
        status: see `Status`.
        reason: why it is not simply graded, one sentence, or ''.
        tasks: all tasks of the lab in its order, whatever the status.
        repairs: what was mended.
        problems: cells that stopped with an error, a sentence each, for the student.
        seed: of the checks; nothing that a student sees holds it.
        sandbox: in which confinement it ran, one line.
        seconds: wall time.
        cpu_seconds: of the learner's processes.
        peak_memory: MB beyond the template.
        restarts: how often the learner's process was ended and its cells replayed.
    """

    student: str
    digest: str
    lab: str
    fingerprint: str
    status: Status
    reason: str
    tasks: tuple[TaskGrade, ...]
    repairs: tuple[Repair, ...] = ()
    problems: tuple[str, ...] = ()
    seed: int = 0
    sandbox: str = ""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory: float = 0.0
    restarts: int = 0

    @property
    def earned(self) -> int:
        """Points earned, before any penalty."""
        return sum(task.earned for task in self.tasks)

    @property
    def points(self) -> int:
        """Points that can be earned."""
        return sum(task.points for task in self.tasks)

    def settled(self) -> "Grade":
        """Return the part that is the same for every run: equality of grades is this one's."""
        return replace(self, sandbox="", seconds=0.0, cpu_seconds=0.0, peak_memory=0.0, restarts=0)


def to_json(record: Any) -> str:
    """Return a record as JSON, the same text for equal records."""
    return json.dumps(asdict(record), ensure_ascii=False, sort_keys=True, allow_nan=False)


def grade_from_json(text: str) -> Grade:
    """Return the grade that `to_json` wrote."""
    entries = json.loads(text)
    entries["tasks"] = tuple(_task(task) for task in entries["tasks"])
    entries["repairs"] = tuple(Repair(**repair) for repair in entries["repairs"])
    entries["problems"] = tuple(entries["problems"])
    return Grade(**entries)


def order_to_json(order: Order) -> str:
    """Return an order as JSON in one line."""
    entries = asdict(order)
    content = base64.b64encode(order.submission.content).decode("ascii")
    entries["submission"]["content"] = content
    return json.dumps(entries, ensure_ascii=False, sort_keys=True, allow_nan=False)


def order_from_json(text: str) -> Order:
    """Return the order that `order_to_json` wrote."""
    entries = json.loads(text)
    found = entries["submission"]
    found["content"] = base64.b64decode(found["content"], validate=True)
    found["repairs"] = tuple(Repair(**repair) for repair in found["repairs"])
    entries["submission"] = Submission(**found)
    entries["limits"] = Limits(**entries["limits"])
    return Order(**entries)


def _task(entries: dict[str, Any]) -> TaskGrade:
    tests = tuple(_test(test) for test in entries["tests"])
    return TaskGrade(entries["task"], entries["title"], tests)


def _test(entries: dict[str, Any]) -> TestGrade:
    note = entries["misconception"]
    return TestGrade(**entries | {"misconception": MisconceptionNote(**note) if note else None})
