"""Write what is generated from the sources: the same source gives the same bytes.

- `build(labs, root)`: write student, solution and nbgrader notebooks, and chapters
- `outputs(root, labs)`: the same files as a mapping path -> text, without writing
- `to_json(notebook)`: a notebook as text
- `write_if_changed(path, text)`: replace a file in one step, or leave it alone
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from dllab.authoring.passes import chapter_notebook
from dllab.authoring.project import find_root
from dllab.authoring.source import LabSource, read_lab, read_myst
from dllab.errors import AuthoringError, UnknownLabError

__all__ = ["build", "chapter_paths", "lab_paths", "outputs", "to_json", "write_if_changed"]

# Read by nbgrader in the folder it runs in. Its own limit for a cell is 30 s.
_NBGRADER_CONFIG = """\
c = get_config()  # noqa: F821
c.ClearSolutions.code_stub = {"python": 'raise NotImplementedError("replace this line")'}
c.ExecutePreprocessor.timeout = 300
"""


def build(labs: Iterable[str] | None = None, root: Path | None = None) -> list[Path]:
    """Write the generated notebooks and return the files that changed.

    Args:
        labs: names such as `03_backpropagation`; all labs and all chapters by default.
        root: the repository; found from the current folder by default.

    Raises:
        AuthoringError: a source is written wrongly.
        UnknownLabError: a name has no folder under `labs/source`.
    """
    root = root or find_root()
    # Everything is made before anything is written: a broken source changes no file.
    files = outputs(root, labs)
    if labs is None:
        _remove_stale(root / "build", set(files))
    return [path for path, text in files.items() if write_if_changed(path, text)]


def outputs(root: Path, labs: Iterable[str] | None = None) -> dict[Path, str]:
    """Return path and text of each generated file; see `build`."""
    chosen = lab_paths(root, labs)
    files = {path: to_json(notebook) for lab in chosen for path, notebook in _lab_files(lab, root)}
    files[root / "build" / "nbgrader" / "nbgrader_config.py"] = _NBGRADER_CONFIG
    if labs is None:
        for chapter in chapter_paths(root):
            relative = chapter.relative_to(root / "book").with_suffix(".ipynb")
            notebook = chapter_notebook(read_myst(chapter))
            files[root / "build" / "chapters" / relative] = to_json(notebook)
    return files


def lab_paths(root: Path, labs: Iterable[str] | None = None) -> list[Path]:
    """Return the folders of the named labs, or of all labs.

    Raises:
        UnknownLabError: a name has no `lab.md`.
    """
    source = root / "labs" / "source"
    known = sorted(path.parent for path in source.glob("*/lab.md"))
    if labs is None:
        return known
    by_name = {path.name: path for path in known}
    for name in labs:
        if name not in by_name:
            raise UnknownLabError(f"`labs`: no lab {name!r}; there are {', '.join(by_name)}")
    return [by_name[name] for name in labs]


def chapter_paths(root: Path) -> list[Path]:
    """Return the pages under `book/` that are notebooks: their front matter names a kernel."""
    return [path for path in sorted((root / "book").rglob("*.md")) if _is_notebook(path)]


def to_json(notebook: NotebookNode) -> str:
    """Return a notebook as text: sorted keys, one space of indent, one newline at the end.

    Raises:
        AuthoringError: the notebook is not valid.
    """
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        raise AuthoringError(f"the generated notebook is not valid: {error}") from error
    return nbformat.writes(notebook, version=4) + "\n"


def write_if_changed(path: Path, text: str) -> bool:
    """Write text to a file unless it already says exactly that; return whether it was written.

    A reader sees the old file or the new one, never half of it.
    """
    content = text.encode()
    if path.is_file() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _lab_files(path: Path, root: Path) -> Iterator[tuple[Path, NotebookNode]]:
    lab: LabSource = read_lab(path)
    file = f"{lab.name}.ipynb"
    yield root / "labs" / file, lab.student_notebook()
    yield root / "build" / "solutions" / file, lab.solution_notebook()
    yield root / "build" / "nbgrader" / "source" / lab.name / file, lab.nbgrader_notebook()


def _remove_stale(folder: Path, wanted: set[Path]) -> None:
    """Remove what an earlier build made of a lab or chapter that is gone."""
    for name in ("solutions", "nbgrader/source", "chapters"):
        for path in (folder / name).rglob("*.ipynb"):
            if path not in wanted:
                path.unlink()


def _is_notebook(path: Path) -> bool:
    text = path.read_text(encoding="utf-8")
    if not text.startswith("---\n"):
        return False
    front_matter = text.split("\n---", 1)[0]
    return "\nkernelspec:" in front_matter
