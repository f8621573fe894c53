"""Find a lab's checks: in the repository of a checkout, or inside the installed package.

- `lab_names()`: all labs, in order
- `find_lab(name)`, `read_lab_folder(folder)`: a `LabFiles`
- `FURTHER_LABS`: environment variable with the folders of labs that are elsewhere
- `LabFiles`, `TaskFiles`: what belongs to a lab, and to one of its tasks
- `Misconception`: a wrong idea, what is true instead, and where the book explains it
"""

import difflib
import os
import tomllib
import zlib
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

from dllab.check.outline import read_outline
from dllab.check.registry import Replacement, mutants_of, variants_of
from dllab.errors import UnknownLabError, UnknownTaskError

__all__ = [
    "FURTHER_LABS",
    "LabFiles",
    "Misconception",
    "TaskFiles",
    "find_lab",
    "lab_names",
    "read_lab_folder",
]

FURTHER_LABS = "DLLAB_LABS"

_PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Misconception:
    """A wrong idea that people have, and what is true instead."""

    id: str
    title: str
    wrong: str
    right: str
    section: str

    @property
    def link(self) -> str:
        """The address of the section that explains it, or '' if the site is not known."""
        page, _, label = self.section.partition("#")
        base = _documentation()
        return f"{base}/book/{page}.html#{label}" if base and page else ""


@dataclass(frozen=True)
class TaskFiles:
    """A task's id, its title in the notebook and the points of all its tests."""

    name: str
    title: str
    points: int


@dataclass(frozen=True)
class LabFiles:
    """A lab's folder and what can be read from it without running a check."""

    name: str
    folder: Path
    title: str
    tasks: tuple[TaskFiles, ...]

    @property
    def checks(self) -> Path:
        """The file of the lab's tests."""
        return self.folder / "checks.py"

    @property
    def points(self) -> int:
        """The points of all tasks."""
        return sum(task.points for task in self.tasks)

    def task(self, name: str) -> TaskFiles:
        """Return a task by its id.

        Raises:
            UnknownTaskError: the lab has no such task.
        """
        for task in self.tasks:
            if task.name == name:
                return task
        names = [task.name for task in self.tasks]
        raise UnknownTaskError(_unknown("task", name, names, f"lab {self.name!r}"))

    @cached_property
    def mutants(self) -> tuple[Replacement, ...]:
        """The named wrong answers of all tasks."""
        return mutants_of(_run(self.mutants_source, self.folder / "mutants.py"))

    @cached_property
    def mutants_source(self) -> str:
        """The code of the wrong answers, which a wheel has compressed."""
        packed, plain = self.folder / "mutants.bin", self.folder / "mutants.py"
        if packed.is_file():
            return zlib.decompress(packed.read_bytes()).decode()
        return plain.read_text(encoding="utf-8") if plain.is_file() else ""

    @cached_property
    def variants(self) -> tuple[Replacement, ...]:
        """The right answers in other styles, which only the repository has."""
        return variants_of(_run_file(self.folder / "variants.py"))

    @cached_property
    def misconceptions(self) -> dict[str, Misconception]:
        """The wrong ideas that the mutants stand for, by id."""
        path = self.folder / "misconceptions.toml"
        if not path.is_file():
            return {}
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
        return {key: Misconception(id=key, **entry) for key, entry in entries.items()}


def lab_names() -> list[str]:
    """Return the names of all labs, in the order of the course."""
    root = _root()
    return sorted(path.parent.name for path in root.glob("*/checks.py"))


def find_lab(name: str) -> LabFiles:
    """Return a lab by its name, such as `"03_backpropagation"`.

    Raises:
        UnknownLabError: there is no such lab; the message names those that exist.
    """
    names = lab_names()
    if name in names:
        return read_lab_folder(_root() / name)
    for folder in filter(None, os.environ.get(FURTHER_LABS, "").split(os.pathsep)):
        if isinstance(name, str) and name == Path(folder).name:
            return read_lab_folder(folder)
    raise UnknownLabError(_unknown("lab", name, names, "this version of dllab"))


def read_lab_folder(folder: str | os.PathLike[str]) -> LabFiles:
    """Return the lab in a folder that holds a `checks.py`.

    Raises:
        UnknownLabError: the folder holds none.
    """
    path = Path(folder).resolve()
    if not (path / "checks.py").is_file():
        raise UnknownLabError(f"`folder` should hold a checks.py, and {path.name!r} does not")
    outline = read_outline(path)
    tasks = tuple(TaskFiles(**entry) for entry in outline["tasks"])
    return LabFiles(path.name, path, outline["title"], tasks)


def _root() -> Path:
    """Return where the labs are: beside the package in a checkout, else inside it."""
    installed = _PACKAGE / "labs"
    return installed if installed.is_dir() else _PACKAGE.parent / "labs" / "source"


def _unknown(kind: str, name: Any, names: list[str], where: str) -> str:
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.4)
    guess = f"did you mean {close[0]!r}? " if close else ""
    listed = ", ".join(map(repr, names)) or "none"
    return f"{where} has no {kind} {name!r}: {guess}It has {listed}."


def _documentation() -> str:
    """Return the address of the published book, from the package's metadata."""
    try:
        addresses = metadata.metadata("dllab").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        return ""
    for entry in addresses:
        label, _, address = entry.partition(", ")
        if label == "Documentation":
            return address.rstrip("/")
    return ""


def _run_file(path: Path) -> dict[str, Any]:
    return _run(path.read_text(encoding="utf-8"), path) if path.is_file() else {}


def _run(source: str, path: Path) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": f"dllab_{path.parent.name}_{path.stem}"}
    exec(compile(source, str(path), "exec"), names)
    return names
