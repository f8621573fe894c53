"""What decides a score, in one number: machines that agree in it give the same grades.

- `fingerprint(lab)`: of a lab's files and of the part of `dllab` that grades
- `versions()`: of Python and the libraries that answers are computed with
- `open_lab(name)`: a lab by its name or by the path of its source folder; `is_path(name)`
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from importlib import metadata
from pathlib import Path

from dllab.check.loading import LabFiles, find_lab, read_lab_folder

__all__ = ["fingerprint", "is_path", "open_lab", "versions"]

_PACKAGE = Path(__file__).resolve().parent.parent
_PARTS = ("check", "data", "grading", "scratch", "train", "warm", "seed.py", "shapes.py")
# They tell, store or show what came of an order, and have no part in it.
_NOT_DECIDING = frozenset(
    f"grading/{name}.py"
    for name in (
        "autograded",
        "cluster",
        "console",
        "course",
        "demo",
        "exports",
        "feedback",
        "files",
        "fingerprint",
        "grade_class",
        "gradebook",
        "gradescope",
        "nbgrader",
        "pages",
        "policy",
        "pool",
        "report",
        "roster",
        "spreadsheet",
    )
)
_LIBRARIES = ("numpy", "keras", "tensorflow", "scikit-learn", "ipython", "pytest")


def open_lab(name: str) -> LabFiles:
    """Return a lab by its name, such as `03_backpropagation`, or by its source folder.

    Raises:
        UnknownLabError: there is no such lab; the message names those that exist.
    """
    return read_lab_folder(name) if is_path(name) else find_lab(name)


def is_path(name: str) -> bool:
    """Tell whether a lab is given as a folder and not by its name."""
    return "/" in name or Path(name, "checks.py").is_file()


def fingerprint(lab: LabFiles) -> str:
    """Return the SHA-256, in hexadecimal, of a lab's files and of the part of `dllab` that grades.

    It is the same in a checkout and in an installed wheel of the same version.
    """
    digest = hashlib.sha256()
    for name, content in _contents(lab):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _contents(lab: LabFiles) -> Iterator[tuple[str, bytes]]:
    """Yield what decides a score, each under a name that no installation changes."""
    yield "dllab", _package_digest().encode()
    outline = {"name": lab.name, "tasks": [asdict(task) for task in lab.tasks]}
    yield "outline", json.dumps(outline, sort_keys=True).encode()
    yield "checks", lab.checks.read_bytes()
    yield "mutants", lab.mutants_source.encode()
    misconceptions = lab.folder / "misconceptions.toml"
    yield "misconceptions", misconceptions.read_bytes() if misconceptions.is_file() else b""
    yield "released", _released(lab)


def _released(lab: LabFiles) -> bytes:
    """Return the cells of the student's notebook: repairs compare with them."""
    from dllab.grading.released import released

    cells = [(cell.source, cell.kind, cell.task) for cell in released(lab).cells]
    return json.dumps(cells).encode()


@cache
def _package_digest() -> str:
    digest = hashlib.sha256()
    for path in _sources():
        digest.update(f"{path.relative_to(_PACKAGE).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _sources() -> list[Path]:
    found: list[Path] = []
    for part in _PARTS:
        path = _PACKAGE / part
        found += path.rglob("*") if path.is_dir() else [path]
    kept = [path for path in found if path.suffix in (".py", ".ini", ".toml")]
    names = {path.relative_to(_PACKAGE).as_posix(): path for path in kept}
    return [names[name] for name in sorted(names.keys() - _NOT_DECIDING)]


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that answers are computed with."""
    found = {"python": ".".join(map(str, sys.version_info[:2]))}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "none"
    return found
