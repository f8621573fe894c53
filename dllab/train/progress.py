"""Show how far a training run is, in the way that suits where it runs.

- `choose(epochs)`: the display for a notebook, a terminal or a file
- `Quiet`, `Lines`, `Terminal`, `Notebook`: the displays

In a notebook one output is updated in place, so that one line is stored. No line holds a time,
so that a rerun prints the same.
"""

import os
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from dllab.train.history import three_digits

__all__ = ["Lines", "Notebook", "Quiet", "Terminal", "choose"]

_LINES = 10  # how many progress lines a run leaves in a file
_EVERY = 0.2  # seconds between two updates of a notebook's output
_WIDTH = 24  # characters of a notebook's bar


def _in_words(logs: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {three_digits(value)}" for name, value in logs.items())


class Quiet:
    """Show nothing; the other displays override what they show."""

    live = False  # whether `advance` is of use, which costs a call for each batch

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.logs: Mapping[str, float] = {}

    def __enter__(self) -> "Quiet":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def advance(self, done: float) -> None:
        """Say that `done` epochs, a fraction included, are through."""

    def epoch(self, number: int, logs: Mapping[str, float]) -> None:
        """Say that an epoch, counted from 1, ended with these losses and metrics."""
        self.logs = logs
        self.advance(number)

    def finish(self, summary: str) -> None:
        """Leave the run's summary, one line."""


class Lines(Quiet):
    """Print plain lines, about ten for a run: for output that goes to a file."""

    def epoch(self, number: int, logs: Mapping[str, float]) -> None:
        """Print a line for every tenth of the run."""
        step = max(1, self.epochs // _LINES)
        if number % step == 0 and number < self.epochs:
            width = len(str(self.epochs))
            print(f"epoch {number:{width}}/{self.epochs}  {_in_words(logs)}", flush=True)

    def finish(self, summary: str) -> None:
        """Print the summary."""
        print(summary, flush=True)


class Terminal(Quiet):
    """Draw a progress bar that gives way to the summary."""

    live = True

    def __init__(self, epochs: int) -> None:
        super().__init__(epochs)
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("epoch {task.fields[at]}"),
            BarColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[logs]}"),
            console=Console(file=sys.stdout),
            transient=True,
        )
        self._stopped = False
        self._task = self._bar.add_task("", total=epochs, at=f"0/{epochs}", logs="")

    def __enter__(self) -> "Terminal":
        self._bar.start()
        return self

    def __exit__(self, *_: Any) -> None:
        # an error or Ctrl-C comes by here without a summary
        if not self._stopped:
            self._bar.stop()

    def advance(self, done: float) -> None:
        """Move the bar."""
        at = f"{min(int(done) + 1, self.epochs)}/{self.epochs}"
        self._bar.update(self._task, completed=done, at=at, logs=_in_words(self.logs))

    def finish(self, summary: str) -> None:
        """Replace the bar by the summary."""
        self._bar.stop()
        self._stopped = True
        print(summary, flush=True)


class _Text:
    """A line that a notebook shows without quotes."""

    def __init__(self, line: str) -> None:
        self.line = line

    def __repr__(self) -> str:
        return self.line


class Notebook(Quiet):
    """Update one output of a notebook's cell, which ends as the summary."""

    live = True

    def __init__(self, epochs: int) -> None:
        super().__init__(epochs)
        from IPython.display import display

        self._output = display(_Text(self._line(0.0)), display_id=True)
        self._shown = time.monotonic()

    def _line(self, done: float) -> str:
        full = round(_WIDTH * done / self.epochs)
        bar = "━" * full + "╌" * (_WIDTH - full)
        at = min(int(done) + 1, self.epochs)
        return f"{bar}  epoch {at}/{self.epochs}  {_in_words(self.logs)}".rstrip()

    def advance(self, done: float) -> None:
        """Update the bar, a few times a second at most."""
        if time.monotonic() - self._shown >= _EVERY:
            self._output.update(_Text(self._line(done)))
            self._shown = time.monotonic()

    def finish(self, summary: str) -> None:
        """Replace the bar by the summary."""
        self._output.update(_Text(summary))


def choose(epochs: int) -> Quiet:
    """Choose the display: a notebook's, a terminal's, or plain lines."""
    # only a running IPython has this module loaded, and only a kernel has the attribute
    interactive = sys.modules.get("IPython")
    shell = interactive.get_ipython() if interactive is not None else None
    if getattr(shell, "kernel", None) is not None:
        return Notebook(epochs)
    can_redraw = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return Terminal(epochs) if can_redraw else Lines(epochs)
