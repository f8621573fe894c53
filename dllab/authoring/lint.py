"""Every mistake that an author can be told about before anything is built or run.

- `lint(labs, root)`: the problems of labs and chapters, in order
- `lint_lab(folder)`, `lint_chapter(path)`: of one source
"""

from collections.abc import Iterable
from pathlib import Path

from dllab.authoring.build import chapter_paths, lab_paths
from dllab.authoring.lint_chapter import lint_chapter
from dllab.authoring.lint_files import lint_files, lint_misconceptions
from dllab.authoring.lint_lab import lint_lab
from dllab.authoring.problems import Problem
from dllab.authoring.project import find_root
from dllab.authoring.source import read_lab
from dllab.errors import AuthoringError

__all__ = ["lint", "lint_chapter", "lint_lab"]


def lint(labs: Iterable[str] | None = None, root: Path | None = None) -> list[Problem]:
    """Return the problems of the named labs, or of all labs and chapters.

    Args:
        labs: names such as `03_backpropagation`.
        root: the repository; found from the current folder by default.

    Raises:
        UnknownLabError: a name has no folder under `labs/source`.
    """
    root = root or find_root()
    folders = lab_paths(root, labs)
    problems = [problem for folder in folders for problem in _lint_whole_lab(folder, root)]
    if labs is None:
        problems += _lint_course(folders, root)
    return [_relative(problem, root) for problem in problems]


def _lint_whole_lab(folder: Path, root: Path) -> list[Problem]:
    problems = lint_lab(folder)
    try:
        return problems + lint_files(read_lab(folder), root)
    except AuthoringError as error:
        # A lab.md that cannot be read has been reported already, in more detail.
        return problems or [Problem(folder, None, None, str(error))]


def _lint_course(folders: list[Path], root: Path) -> list[Problem]:
    # The appendices are reference pages; they do not follow the anatomy of a chapter.
    appendix = root / "book" / "appendix"
    chapters = [path for path in chapter_paths(root) if appendix not in path.parents]
    problems = [problem for path in chapters for problem in lint_chapter(path)]
    try:
        return problems + lint_misconceptions(folders)
    except AuthoringError:
        return problems  # a file that is not TOML has been reported with its lab


def _relative(problem: Problem, root: Path) -> Problem:
    file = problem.file
    if file.is_relative_to(root):
        file = file.relative_to(root)
    return Problem(file, problem.cell, problem.task, problem.message)
