"""What lint reports.

- `Problem`: one mistake in a source: file, cell number, task id and what to do
"""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Problem"]


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake of an author; `cell` counts all cells of the file from 1.

    >>> print(Problem(Path("lab.md"), 4, "softmax", "no check cell"))
    lab.md: cell 4: task softmax: no check cell
    """

    file: Path
    cell: int | None
    task: str | None
    message: str

    def __str__(self) -> str:
        cell = f": cell {self.cell}" if self.cell is not None else ""
        task = f": task {self.task}" if self.task else ""
        return f"{self.file}{cell}{task}: {self.message}"
