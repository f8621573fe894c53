"""What a check shows: plain text in a terminal, a small panel in a notebook.

- `CheckResult`: one task; its tests are `TestResult`s
- `Progress`: all tasks of a lab; its rows are `TaskScore`s
- `Notice`: one sentence, where nothing could be marked

The panel uses inline styles and the page's own text color, so that it reads in light and dark.
Whatever comes from a learner is escaped.
"""

from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal

from dllab.check.diagnosis import Diagnosis

__all__ = ["CheckResult", "Notice", "Progress", "TaskScore", "TestResult"]

_SIGNS = {"passed": "✓", "failed": "✗", "not started": "○"}
_COLORS = {"passed": "#2e9e6b", "failed": "#d9534f", "not started": "#8a8f98"}
_SHOWN_OUTPUT = 600  # characters of what the learner's code printed


@dataclass(frozen=True)
class TestResult:
    """What became of one test of a task."""

    __test__ = False

    name: str
    law: str
    status: Literal["passed", "failed", "not started"]
    points: int
    sentence: str = ""
    output: str = ""
    diagnosis: Diagnosis | None = None


@dataclass(frozen=True)
class Notice:
    """One sentence, where nothing could be marked."""

    sentence: str

    def __str__(self) -> str:
        return self.sentence

    __repr__ = __str__

    @property
    def points(self) -> int:
        """No points: nothing was marked."""
        return 0

    def _repr_html_(self) -> str:
        return _panel("failed", _inline(self.sentence))


@dataclass(frozen=True)
class CheckResult:
    """What became of the checks of one task."""

    lab: str
    task: str
    title: str
    tests: tuple[TestResult, ...]
    seed: int

    @property
    def points(self) -> int:
        """The points earned."""
        return sum(test.points for test in self.tests if test.status == "passed")

    @property
    def max_points(self) -> int:
        """The points that the task is worth."""
        return sum(test.points for test in self.tests)

    @property
    def passed(self) -> bool:
        """Whether every test passed."""
        return self.points == self.max_points

    @property
    def misconceptions(self) -> tuple[str, ...]:
        """The ids of the misconceptions that the failures show, each once."""
        ids = (test.diagnosis.misconception.id for test in self.tests if test.diagnosis)
        return tuple(dict.fromkeys(ids))

    @property
    def _status(self) -> str:
        if self.passed:
            return "passed"
        untouched = all(test.status == "not started" for test in self.tests)
        return "not started" if untouched else "failed"

    @property
    def _blocks(self) -> list[tuple[TestResult, Diagnosis | None]]:
        """The tests to show, each with its diagnosis unless an earlier test showed the same."""
        if self._status == "not started":
            return []
        blocks, shown = [], set()
        for test in self.tests:
            new = test.diagnosis is not None and test.diagnosis.mutant not in shown
            if test.diagnosis is not None:
                shown.add(test.diagnosis.mutant)
            blocks.append((test, test.diagnosis if new else None))
        return blocks

    def __str__(self) -> str:
        lines = [f"{self.title}: {self._summary}"]
        for test, diagnosis in self._blocks:
            lines.append(f"  {_SIGNS[test.status]} {test.law or test.name} {_worth(test)}")
            if test.sentence:
                lines.append(f"      {test.sentence}")
            if diagnosis is not None:
                about = diagnosis.misconception
                lines.append(f"      {about.title}: {diagnosis.sentence} {about.right}")
                if about.link:
                    lines.append(f"      Read more: {about.link}")
            if test.status == "failed" and test.output.strip():
                lines.append(f"      Your code printed: {_cut(test.output)}")
        if self._status == "failed":
            lines.append(f"  {self._again}")
        return "\n".join(lines)

    __repr__ = __str__

    @property
    def _summary(self) -> str:
        if self._status == "not started":
            return f"{self.tests[0].sentence} (0 of {self.max_points} points)"
        done = ", done" if self.passed else ""
        return f"{self.points} of {self.max_points} points{done}"

    @property
    def _again(self) -> str:
        return f'The same numbers again: lab.check("{self.task}", seed={self.seed})'

    def _repr_html_(self) -> str:
        parts = [f"<strong>{escape(self.title)}</strong>: {_inline(self._summary)}"]
        for test, diagnosis in self._blocks:
            parts.append(_test_html(test, diagnosis))
        if self._status == "failed":
            parts.append(f'<div style="opacity:.7;font-size:.85em">{escape(self._again)}</div>')
        return _panel(self._status, "".join(parts))


@dataclass(frozen=True)
class TaskScore:
    """The points of one task."""

    name: str
    title: str
    points: int
    max_points: int
    untouched: bool = False

    @property
    def status(self) -> str:
        """`passed`, `failed` or `not started`."""
        if self.points == self.max_points:
            return "passed"
        return "not started" if self.untouched else "failed"


@dataclass(frozen=True)
class Progress:
    """The points of all tasks of a lab."""

    lab: str
    title: str
    tasks: tuple[TaskScore, ...] = field(default=())

    @property
    def points(self) -> int:
        """The points earned so far."""
        return sum(task.points for task in self.tasks)

    @property
    def max_points(self) -> int:
        """The points that the lab is worth."""
        return sum(task.max_points for task in self.tasks)

    def __str__(self) -> str:
        width = max((len(task.title) for task in self.tasks), default=0)
        rows = [
            f"  {_SIGNS[task.status]} {task.title:<{width}}  {task.points:>2} of {task.max_points}"
            for task in self.tasks
        ]
        total = f"  = {'Total':<{width}}  {self.points:>2} of {self.max_points} points"
        return "\n".join([self.title, *rows, total])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        cell = "padding:.15em .8em .15em 0;text-align:left;border:0;background:transparent"
        rows = "".join(
            f'<tr style="background:transparent"><td style="{cell}">{_sign(task.status)}</td>'
            f'<td style="{cell}">{escape(task.title)}</td>'
            f'<td style="{cell}">{task.points} of {task.max_points}</td></tr>'
            for task in self.tasks
        )
        done = self.points == self.max_points
        total = f"<strong>{self.points} of {self.max_points} points</strong>"
        table = f'<table style="border-collapse:collapse;margin:.3em 0">{rows}</table>'
        head = f"<strong>{escape(self.title)}</strong>"
        return _panel("passed" if done else "not started", head + table + total)


def _test_html(test: TestResult, diagnosis: Diagnosis | None) -> str:
    parts = [f"<div>{_sign(test.status)} {_inline(test.law or test.name)} {_worth(test)}</div>"]
    inner = []
    if test.sentence:
        inner.append(f"<div>{_inline(test.sentence)}</div>")
    if diagnosis is not None:
        inner.append(_diagnosis_html(diagnosis))
    if test.status == "failed" and test.output.strip():
        inner.append(
            '<div style="opacity:.8">Your code printed:<pre style="margin:.2em 0;'
            f'background:transparent;color:inherit">{escape(_cut(test.output))}</pre></div>'
        )
    parts.append(f'<div style="margin-left:1.5em">{"".join(inner)}</div>')
    return f'<div style="margin:.35em 0">{"".join(parts)}</div>'


def _diagnosis_html(diagnosis: Diagnosis) -> str:
    about = diagnosis.misconception
    more = (
        f' <a href="{escape(about.link)}" target="_blank" rel="noopener">Read more</a>'
        if about.link
        else ""
    )
    return (
        '<div style="margin:.3em 0;padding:.3em .7em;border-left:3px solid #8a8f98">'
        f"<strong>{_inline(about.title)}</strong>: {_inline(diagnosis.sentence)} "
        f"{_inline(about.right)}{more}</div>"
    )


def _panel(status: str, content: str) -> str:
    return (
        f'<div style="border-left:4px solid {_COLORS[status]};padding:.4em .9em;margin:.3em 0;'
        f'color:inherit;background:transparent;line-height:1.45">{content}</div>'
    )


def _sign(status: str) -> str:
    return (
        f'<span style="color:{_COLORS[status]};font-weight:bold" title="{status}">'
        f"{_SIGNS[status]}</span>"
    )


def _worth(test: TestResult) -> str:
    earned = test.points if test.status == "passed" else 0
    return f"({earned} of {test.points})"


def _inline(text: Any) -> str:
    """Return text as HTML, with `code` between backticks set as code."""
    pieces = str(text).split("`")
    if len(pieces) % 2 == 0:
        return escape(str(text))
    return "".join(
        f"<code>{escape(piece)}</code>" if index % 2 else escape(piece)
        for index, piece in enumerate(pieces)
    )


def _cut(text: str) -> str:
    text = text.strip()
    return text if len(text) <= _SHOWN_OUTPUT else text[:_SHOWN_OUTPUT] + " …"
