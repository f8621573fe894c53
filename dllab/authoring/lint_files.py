"""What must hold between a lab's `lab.md` and the files beside it.

- `lint_files(lab, root)`: problems of `checks.py`, `mutants.py`, `variants.py` and
  `misconceptions.toml` of one lab
- `lint_misconceptions(folders)`: ids that two labs both define
- `read_misconceptions(folder)`: a lab's misconceptions by id
"""

import re
import runpy
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dllab.authoring.problems import Problem
from dllab.authoring.source import LabSource
from dllab.check.loading import read_lab_folder
from dllab.check.registry import mark_of, mutants_of, variants_of
from dllab.errors import AuthoringError

__all__ = ["lint_files", "lint_misconceptions", "read_misconceptions"]

_FIELDS = ("title", "wrong", "right", "section")
_MISCONCEPTION_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def lint_files(lab: LabSource, root: Path) -> list[Problem]:
    """Return the problems of the files beside a lab's source.

    Args:
        lab: the lab as read.
        root: the repository, whose `book/` the misconceptions point into.
    """
    folder = lab.path.parent
    return [
        *_lint_checks(lab, folder / "checks.py"),
        *_lint_answers(lab, folder),
        *_lint_sections(folder, root / "book"),
    ]


def lint_misconceptions(folders: Iterable[Path]) -> list[Problem]:
    """Return a problem for each id that an earlier lab explains differently."""
    problems = []
    first: dict[str, tuple[str, dict[str, str]]] = {}
    for folder in folders:
        for identifier, entry in read_misconceptions(folder).items():
            lab, known = first.setdefault(identifier, (folder.name, entry))
            if entry != known:
                message = (
                    f"misconception `{identifier}` is explained differently by {lab}; "
                    "copy that entry, or choose another id"
                )
                problems.append(Problem(folder / "misconceptions.toml", None, None, message))
    return problems


def read_misconceptions(folder: Path) -> dict[str, dict[str, str]]:
    """Return a lab's misconceptions by id; none if it has no file of them.

    Raises:
        AuthoringError: the file is not TOML.
    """
    path = folder / "misconceptions.toml"
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise AuthoringError(f"{path}: not TOML: {error}") from error


def _lint_checks(lab: LabSource, path: Path) -> Iterator[Problem]:
    names = _run(path)
    if isinstance(names, Problem):
        yield names
        return
    for name, value in names.items():
        if name.startswith("test_") and mark_of(value) is None:
            yield Problem(path, None, None, f"test `{name}` belongs to no task; add `@task(…)`")
    try:
        checked = {task.name: task.points for task in read_lab_folder(path.parent).tasks}
    except ValueError:
        yield Problem(path, None, None, "write ids and points in `@task(…)` as plain constants")
        return
    yield from _compare_points(lab, checked, path)


def _compare_points(lab: LabSource, checked: dict[str, int], path: Path) -> Iterator[Problem]:
    for task in lab.tasks:
        worth = checked.get(task.id, 0)
        if worth != task.points:
            message = f"the heading says {task.points} points, the task's tests are worth {worth}"
            yield Problem(path, None, task.id, message)
    headed = [task.id for task in lab.tasks]
    for task_id in checked:
        if task_id not in headed:
            yield Problem(path, None, task_id, "tests of a task that lab.md does not have")
    if set(headed) == set(checked) and headed != list(checked):
        yield Problem(path, None, None, f"order the tests as lab.md does: {', '.join(headed)}")


def _lint_answers(lab: LabSource, folder: Path) -> Iterator[Problem]:
    tasks = {task.id for task in lab.tasks}
    misconceptions = read_misconceptions(folder)
    for file, declared in (("mutants.py", mutants_of), ("variants.py", variants_of)):
        path = folder / file
        names = _run(path)
        if isinstance(names, Problem):
            yield names
            continue
        answers = declared(names)
        for answer in answers:
            where = f"`{answer.label}`"
            if answer.task not in tasks:
                yield Problem(path, None, answer.task, f"{where} answers an unknown task")
            if answer.misconception and answer.misconception not in misconceptions:
                message = f"{where}: misconceptions.toml has no [{answer.misconception}]"
                yield Problem(path, None, answer.task, message)
        for task in sorted(tasks - {answer.task for answer in answers}):
            yield Problem(path, None, task, f"no answer to this task in {file}")


def _lint_sections(folder: Path, book: Path) -> Iterator[Problem]:
    path = folder / "misconceptions.toml"
    for identifier, entry in read_misconceptions(folder).items():
        if not _MISCONCEPTION_ID.fullmatch(identifier):
            yield Problem(path, None, None, f"[{identifier}]: write ids as `lower-case-words`")
        missing = [name for name in _FIELDS if not entry.get(name)]
        if missing:
            yield Problem(path, None, None, f"[{identifier}] lacks {', '.join(missing)}")
        elif not _has_label(book, entry["section"]):
            message = f"[{identifier}]: the book has no section `{entry['section']}`"
            yield Problem(path, None, None, message)


def _has_label(book: Path, section: str) -> bool:
    """Return whether `page` or `page#label` names a page under the book and a label on it."""
    page, _, label = section.partition("#")
    path = book / f"{page}.md"
    if not path.is_file():
        return False
    return not label or f"\n({label})=\n" in path.read_text(encoding="utf-8")


def _run(path: Path) -> Mapping[str, Any] | Problem:
    """Return the names that a file of the author's defines, or why there are none."""
    if not path.is_file():
        return Problem(path, None, None, "there is no such file")
    try:
        return runpy.run_path(str(path))
    except Exception as error:  # whatever the author's file raises is the author's to see
        return Problem(path, None, None, f"does not run: {type(error).__name__}: {error}")
