"""What a person at a terminal sees of a grading run; in a file or pipe, plain lines.

- `watcher(...)`: a `Watcher` that shows progress with the time left, and a line per submission
- `summary(result)`: what came of it and what to do next, as text
- `to_dict(result)`: the same for programs

Names and reasons come from students: none of their characters acts on the terminal.
"""

import sys
import time
from dataclasses import asdict
from typing import IO, Any

from dllab.grading.grade_class import ClassResult, Watcher
from dllab.grading.gradebook import FinalMark
from dllab.grading.pages import one_line
from dllab.grading.records import NEEDS_PERSON, Grade
from dllab.grading.spreadsheet import written

__all__ = ["summary", "to_dict", "watcher"]

_LISTED = 20


def watcher(stream: IO[str] | None = None) -> Watcher:
    """Return what fits the stream: a progress bar on a terminal, plain lines elsewhere."""
    stream = stream or sys.stderr
    return _Terminal(stream) if stream.isatty() else _Lines(stream)


def _opening(title: str, count: int, unchanged: int, jobs: int, sandbox: str) -> list[str]:
    same = f", {unchanged} unchanged" if unchanged else ""
    return [
        one_line(title),
        f"{_plural(count, 'submission')} to grade{same}; {_plural(jobs, 'job')}",
        one_line(sandbox),
    ]


def _row(grade: Grade, mark: FinalMark) -> str:
    score = f"{written(mark.final)}/{mark.points}"
    row = f"{one_line(grade.student, 40):<24} {grade.status:<13} {score:>7} {grade.seconds:6.1f} s"
    return f"{row}  {one_line(grade.reason, 120)}" if grade.reason else row


class _Lines(Watcher):
    """A line for each submission, as it is finished."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._count = self._done = 0
        self._begun = time.monotonic()

    def begin(self, title: str, count: int, unchanged: int, jobs: int, sandbox: str) -> None:
        self._count = count
        for line in _opening(title, count, unchanged, jobs, sandbox):
            self._say(line)

    def graded(self, grade: Grade, mark: FinalMark) -> None:
        self._done += 1
        left = (time.monotonic() - self._begun) / self._done * (self._count - self._done)
        done = str(self._done).rjust(len(str(self._count)))
        self._say(f"[{done}/{self._count}, {_clock(left):>5} left] {_row(grade, mark)}")

    def stopping(self) -> None:
        self._say(_STOPPING)

    def _say(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


class _Terminal(Watcher):
    """A progress bar below the lines of what is finished."""

    def __init__(self, stream: IO[str]) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._console = Console(file=stream, markup=False, highlight=False, emoji=False)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left", markup=False),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._task: Any = None
        self._running: dict[str, None] = {}

    def begin(self, title: str, count: int, unchanged: int, jobs: int, sandbox: str) -> None:
        for line in _opening(title, count, unchanged, jobs, sandbox):
            self._console.print(line)
        self._task = self._progress.add_task("starting", total=count)
        self._progress.start()

    def started(self, student: str) -> None:
        self._running[student] = None
        self._describe()

    def graded(self, grade: Grade, mark: FinalMark) -> None:
        from rich.text import Text

        self._running.pop(grade.student, None)
        style = "yellow" if grade.status in NEEDS_PERSON else ""
        self._console.print(Text(_row(grade, mark), style=style), no_wrap=True, overflow="ellipsis")
        self._progress.advance(self._task)
        self._describe()

    def stopping(self) -> None:
        self._progress.update(self._task, description="stopping")

    def end(self) -> None:
        self._progress.stop()

    def _describe(self) -> None:
        names = ", ".join(one_line(name, 16) for name in list(self._running)[:3])
        more = f" +{len(self._running) - 3}" if len(self._running) > 3 else ""
        self._progress.update(self._task, description=names + more)


_STOPPING = "Stopping: what is stored stays. Ctrl-C once more ends at once."


def summary(result: ClassResult) -> str:
    """Return what came of a run, for a person."""
    lines = ["", _counted(result)]
    if result.mean is not None:
        lines.append(f"Mean of {written(result.mean)} of {result.points} points.")
    if result.needs_person:
        verb = "needs" if len(result.needs_person) == 1 else "need"
        lines.append(f"{_plural(len(result.needs_person), 'submission')} {verb} a person:")
        rows = [
            f"  {one_line(need.student, 40)} ({need.status}): {one_line(need.reason, 200)}"
            for need in result.needs_person
        ]
        lines += rows[:_LISTED]
        if len(rows) > _LISTED:
            lines.append(f"  and {len(rows) - _LISTED} more: see grades.csv")
    lines += [one_line(warning, 300) for warning in result.warnings]
    out = one_line(result.out, 300)
    lines.append(f"In {out}: report.html, grades.csv, feedback/, gradebook.sqlite")
    lines.append(_next_step(result))
    return "\n".join(lines)


def _counted(result: ClassResult) -> str:
    parts = [f"{result.graded} graded now"]
    if result.unchanged:
        parts.append(f"{result.unchanged} unchanged")
    if result.left:
        parts.append(f"{result.left} left")
    who = _plural(result.students, "student")
    return f"{', '.join(parts)} in {_clock(result.seconds)}; {who} in the gradebook."


def _next_step(result: ClassResult) -> str:
    if result.interrupted:
        return "Interrupted: run the same command again to go on; nothing is graded twice."
    if result.needs_person:
        return "Next: look at these submissions; after a change run the same command again."
    return "Next: open report.html, then hand out the files in feedback/."


def to_dict(result: ClassResult) -> dict[str, Any]:
    """Return what came of a run as plain values, ready for JSON."""
    found = asdict(result) | {"out": str(result.out), "status": result.status}
    return found | {"mean": None if result.mean is None else round(result.mean, 4)}


def _plural(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
