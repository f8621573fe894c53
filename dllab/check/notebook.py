"""Check a lab's notebook file from outside: run its code in a process of its own, then the checks.

- `check_notebook(path)`: a `NotebookResult`
- `NotebookResult`: `.points`, `.max_points`, `.tasks`, `.problems`; `str` of it is the report
- `read_code_cells(path)`: the sources of a notebook's code cells
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dllab.check.diagnosis import Diagnosis
from dllab.check.display import CheckResult, TestResult
from dllab.check.loading import LabFiles, Misconception, find_lab, lab_names
from dllab.errors import NotebookError, UnknownLabError

__all__ = ["NotebookResult", "check_notebook", "read_code_cells"]

_LAB_CALL = re.compile(r"""\blab\(\s*["']([\w-]+)["']""")
CELL_SECONDS = 300.0
TOTAL_SECONDS = 1800.0


@dataclass(frozen=True)
class NotebookResult:
    """What became of a notebook: a `CheckResult` for each task, and the cells that failed."""

    lab: str
    title: str
    tasks: tuple[CheckResult, ...]
    problems: tuple[str, ...] = ()

    @property
    def points(self) -> int:
        """The points earned."""
        return sum(task.points for task in self.tasks)

    @property
    def max_points(self) -> int:
        """The points that the checked tasks are worth."""
        return sum(task.max_points for task in self.tasks)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, ready for JSON."""
        tasks = [
            asdict(task) | {"points": task.points, "max_points": task.max_points}
            for task in self.tasks
        ]
        return {
            "lab": self.lab,
            "title": self.title,
            "points": self.points,
            "max_points": self.max_points,
            "tasks": tasks,
            "problems": list(self.problems),
        }

    def __str__(self) -> str:
        lines = [self.title, *map(str, self.tasks)]
        if self.problems:
            lines += ["Cells that stopped with an error:", *(f"  {p}" for p in self.problems)]
        return "\n".join([*lines, f"Total: {self.points} of {self.max_points} points"])


def check_notebook(
    path: str | os.PathLike[str],
    task: str | None = None,
    *,
    lab: str | None = None,
    cell_seconds: float = CELL_SECONDS,
    total_seconds: float = TOTAL_SECONDS,
) -> NotebookResult:
    """Run a notebook's code and its lab's checks in a fresh process.

    Cells that fail are noted, and the rest goes on. Lines for IPython (`%`, `!`) are left out.

    Args:
        path: the notebook, as it was saved.
        task: check this task only.
        lab: the lab's name; read from the notebook or from the file's name unless told.
        cell_seconds: how long one cell may run.
        total_seconds: how long cells and checks together may run.

    Raises:
        NotebookError: the file is no notebook, or its code ended Python or found no end.
        UnknownLabError: it belongs to no lab that is known.
        UnknownTaskError: the lab has no such task.
    """
    path = Path(path)
    cells = read_code_cells(path)
    files = find_lab(lab or _lab_of(path, cells))
    tasks = [files.task(task).name] if task else [known.name for known in files.tasks]
    order = {"cells": cells, "lab": files.name, "tasks": tasks, "cell_seconds": cell_seconds}
    answer = _run_worker(order, path.resolve().parent, total_seconds)
    return _result(files, answer)


def read_code_cells(path: Path) -> list[str]:
    """Return the sources of a notebook's code cells.

    Raises:
        NotebookError: the file is missing, or it is not a notebook.
    """
    try:
        # utf-8-sig: some editors put a byte order mark in front
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise NotebookError(f"there is no file {path.name}: check the name and folder") from None
    except OSError as error:
        raise NotebookError(f"{path.name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise NotebookError(f"{path.name} is not in UTF-8: open it in Jupyter, save it") from None
    except (json.JSONDecodeError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise NotebookError(
            f"{path.name} is not valid JSON{where}: save or download the notebook again"
        ) from None
    cells = content.get("cells") if isinstance(content, dict) else None
    if not isinstance(cells, list):
        raise NotebookError(f"{path.name} is not a notebook: it has no list of cells")
    return [_source(cell) for cell in cells if _is_code(cell)]


def _is_code(cell: Any) -> bool:
    return isinstance(cell, dict) and cell.get("cell_type") == "code"


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def _lab_of(path: Path, cells: Sequence[str]) -> str:
    named = [match.group(1) for cell in cells for match in _LAB_CALL.finditer(cell)]
    if named:
        return named[0]
    for name in lab_names():
        if name in path.stem:
            return name
    raise UnknownLabError(
        f'{path.name} does not say which lab it is: its setup cell should call `dllab.lab("…")` '
        f"with one of {', '.join(lab_names())}"
    )


def _run_worker(order: dict[str, Any], folder: Path, seconds: float) -> dict[str, Any]:
    """Run the cells and checks in a process of their own and return the last line of its report."""
    environment = os.environ | {"MPLBACKEND": "Agg"}
    # a checkout need not be installed
    paths = [str(Path(__file__).resolve().parents[2]), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    with tempfile.TemporaryDirectory(prefix="dllab-") as scratch:
        order_file, report = Path(scratch, "order.json"), Path(scratch, "report.jsonl")
        order_file.write_text(json.dumps(order), encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "dllab.check.notebook_worker",
            str(order_file),
            str(report),
        ]
        try:
            subprocess.run(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NotebookError(
                f"{_last(report).get('doing', 'the notebook')} was still running after "
                f"{seconds:g} s: look for a loop that never ends"
            ) from None
        answer = _last(report)
    if "results" not in answer:
        raise NotebookError(
            f"{answer.get('doing', 'starting Python')} ended Python itself: look for `exit`, "
            "`os._exit` or a crash there"
        )
    return answer


def _last(report: Path) -> dict[str, Any]:
    try:
        return json.loads(report.read_text(encoding="utf-8").splitlines()[-1])
    except (OSError, IndexError, json.JSONDecodeError):
        return {}


def _result(files: LabFiles, answer: dict[str, Any]) -> NotebookResult:
    tasks = tuple(_revive(result) for result in answer["results"])
    return NotebookResult(files.name, files.title, tasks, tuple(answer["problems"]))


def _revive(result: dict[str, Any]) -> CheckResult:
    tests = []
    for test in result["tests"]:
        found = test["diagnosis"]
        if found is not None:
            about = Misconception(**found["misconception"])
            found = Diagnosis(found["mutant"], found["sentence"], about)
        tests.append(TestResult(**(test | {"diagnosis": found})))
    return CheckResult(**(result | {"tests": tuple(tests)}))
