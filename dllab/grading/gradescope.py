"""A Gradescope autograder: the bundle to upload, and what runs inside it.

- `write_bundle(lab, output, …)`: a zip file with `setup.sh` and `run_autograder`
- `main(arguments)`: what `run_autograder` calls: submission in, `results.json` out
- `results(grade, …)`, `not_graded(reason, …)`: the content of `results.json`

    dllab grades gradescope 03_backpropagation --output bundle.zip

and *Configure Autograder → Zip file upload* takes the file. The bundle holds this package, the
one lab's checks without any solution, and the versions that are installed here. `setup.sh` asks
apt for bubblewrap and Python 3.11 or newer, and pip for the libraries; both as the image has them
configured. Choose a container with at least 1 CPU and 3 GB of memory (*Autograder settings*), and
a time limit above `--time-limit`.

Students' code runs in the same sandbox as with `dllab grade`. That needs user namespaces inside
Gradescope's container. Where they are refused, nothing is graded and `results.json` says so: ask
Gradescope to allow them, or grade the downloaded submissions with `dllab grade`. With
`--allow-unsandboxed` the bundle grades such containers without a sandbox: a submission can then
read the checks, the seed and the network, and can write its own marks. Gradescope starts a new
container for each submission, so classmates stay out of reach; choose it only for a class that
you trust.

Each submission is graded with the same random numbers, which are a secret of the bundle. Late
submissions are Gradescope's own business. All output is plain text, which Gradescope does not
render, and what the autograder prints is shown to instructors only.

Source: https://gradescope-autograders.readthedocs.io/en/latest/specs/
"""

import argparse
import io
import json
import secrets
import stat
import sys
import time
import tomllib
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from importlib import metadata, resources
from pathlib import Path
from typing import Any, Literal, get_args

from dllab import __version__
from dllab.check.loading import LabFiles, read_lab_folder
from dllab.check.outline import read_outline
from dllab.errors import DLLabError, ExportError, SandboxMissingError
from dllab.grading.files import write_atomically
from dllab.grading.fingerprint import fingerprint, open_lab
from dllab.grading.records import NEEDS_PERSON, Grade, Limits, Order, Submission, TestGrade
from dllab.grading.released import released

__all__ = ["Options", "Visibility", "main", "not_graded", "results", "write_bundle"]

Visibility = Literal["visible", "after_due_date", "after_published", "hidden"]

_PACKAGE = Path(__file__).resolve().parent.parent
_LAB_FILES = ("checks.py", "misconceptions.toml")
_LONGEST = 10_000  # characters of one output


@dataclass(frozen=True)
class Options:
    """What the instructor chose when the bundle was made; it travels as `bundle.json`."""

    lab: str
    seed: int
    seconds: float = Limits().seconds
    memory: int = Limits().memory
    allow_unsandboxed: bool = False
    visibility: Visibility = "visible"


# -- the bundle ------------------------------------------------------------------------------


def write_bundle(
    lab: str,
    output: Path,
    *,
    allow_unsandboxed: bool = False,
    seed: int | None = None,
    seconds: float = Limits().seconds,
    memory: int = Limits().memory,
    visibility: str = "visible",
) -> Options:
    """Write a bundle for one lab and return what was chosen.

    Args:
        lab: the lab's name, or the path of its source folder.
        output: the zip file.
        allow_unsandboxed: grade without a sandbox where the container refuses one.
        seed: of the checks' random numbers; a new secret unless told.
        seconds: for one submission.
        memory: MB for one submission beyond the libraries.
        visibility: when students see the checks' results.

    Raises:
        UnknownLabError: there is no such lab.
        ExportError: a setting is not one that Gradescope knows.
    """
    files = open_lab(lab)
    seed = secrets.randbits(63) if seed is None else seed
    seen = _visibility(visibility)
    options = Options(files.name, seed, seconds, memory, allow_unsandboxed, seen)
    # the seed is in it, so only its owner may read it
    write_atomically(output, _zipped(_contents(files, options)))
    return options


def _visibility(name: str) -> Visibility:
    for known in get_args(Visibility):
        if name == known:
            return known
    listed = ", ".join(get_args(Visibility))
    raise ExportError(f"`visibility` should be one of {listed}, got {name!r}")


def _contents(lab: LabFiles, options: Options) -> Iterator[tuple[str, bytes]]:
    templates = resources.files("dllab.grading") / "templates"
    yield "setup.sh", (templates / "gradescope_setup.sh").read_bytes()
    yield "run_autograder", (templates / "gradescope_run_autograder").read_bytes()
    yield "bundle.json", _json(asdict(options))
    yield "requirements.txt", _lines(_requirements())
    yield "constraints.txt", _lines(_constraints())
    for path in sorted(_PACKAGE.rglob("*")):
        name = path.relative_to(_PACKAGE)
        # an installed package has the labs inside: this bundle has one of them
        if path.is_file() and "__pycache__" not in name.parts and name.parts[0] != "labs":
            yield f"dllab/{name.as_posix()}", path.read_bytes()
    for file, content in _lab_contents(lab):
        yield f"dllab/labs/{lab.name}/{file}", content
    described = _description()
    if described:
        yield f"dllab-{__version__}.dist-info/METADATA", described


def _lab_contents(lab: LabFiles) -> Iterator[tuple[str, bytes]]:
    """Yield what a wheel holds of a lab, too: nothing that would give a solution away."""
    for file in _LAB_FILES:
        if (lab.folder / file).is_file():
            yield file, (lab.folder / file).read_bytes()
    yield "lab.json", _json(read_outline(lab.folder))
    if lab.mutants_source:
        yield "mutants.bin", zlib.compress(lab.mutants_source.encode(), 9)
    cells = [
        {"source": cell.source, "kind": cell.kind, "task": cell.task}
        for cell in released(lab).cells
    ]
    yield "released.json", _json({"cells": cells})


def _zipped(contents: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a zip file, the same bytes for the same contents."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in contents:
            entry = zipfile.ZipInfo(name)  # its time is 1980, for every file
            mode = 0o755 if name in ("setup.sh", "run_autograder") else 0o644
            entry.external_attr = (stat.S_IFREG | mode) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return made.getvalue()


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _requirements() -> list[str]:
    """Return what this package needs in order to grade."""
    from packaging.requirements import Requirement

    kept = []
    for line in _declared():
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", "grade")):
            kept.append(f"{requirement.name}{requirement.specifier}")
    return sorted(kept, key=str.lower)


def _declared() -> list[str]:
    """Return the requirements of a checkout, or else those of the installed package."""
    project = _PACKAGE.parent / "pyproject.toml"
    if project.is_file():
        declared = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
        if declared["name"] == "dllab":
            return [*declared["dependencies"], *declared["optional-dependencies"]["grade"]]
    try:
        return metadata.requires("dllab") or []
    except metadata.PackageNotFoundError as error:
        raise ExportError(
            "`dllab` is not installed, so nobody knows what it needs: pip install -e . first"
        ) from error


def _constraints() -> list[str]:
    """Return the versions that are installed here, of what is needed and what that needs."""
    from packaging.requirements import Requirement

    found: dict[str, str] = {}
    waiting = [Requirement(line).name for line in _requirements()]
    while waiting:
        name = waiting.pop()
        try:
            installed = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        key = installed.metadata["Name"]
        if key in found:
            continue
        found[key] = installed.version
        requirements = map(Requirement, installed.requires or [])
        waiting += [r.name for r in requirements if r.marker is None or r.marker.evaluate()]
    return sorted((f"{name}=={version}" for name, version in found.items()), key=str.lower)


def _description() -> bytes:
    """Return the package's metadata, which says where the book is; nothing where there is none."""
    try:
        return (metadata.distribution("dllab").read_text("METADATA") or "").encode()
    except metadata.PackageNotFoundError:
        return b""


# -- inside the container --------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Grade `submission/` below a root folder and write `results/results.json` there.

    Returns:
        0 where `results.json` says how it went, 1 where the sandbox is missing (`--check`).
    """
    parser = argparse.ArgumentParser(prog="dllab.grading.gradescope")
    parser.add_argument("root", nargs="?", default="/autograder", type=Path)
    parser.add_argument("--check", action="store_true", help="tell whether a sandbox is possible")
    given = parser.parse_args(arguments)
    if given.check:
        return _check()
    start = time.monotonic()
    try:
        content = _graded(given.root)
    except DLLabError as error:
        print(f"not graded: {error}")
        content = not_graded(str(error))
    except Exception as error:
        print(f"not graded: {type(error).__name__}: {error}")
        content = not_graded("")
    content["execution_time"] = round(time.monotonic() - start, 1)
    # Gradescope's harness is another user in some images, and students never see the folder
    write_atomically(given.root / "results" / "results.json", _json(content), 0o644)
    return 0


def _check() -> int:
    from dllab.grading.sandbox import level

    try:
        print(f"sandbox: {level()}")
    except SandboxMissingError as error:
        print(f"no sandbox: {error}")
        return 1
    return 0


def _graded(root: Path) -> dict[str, Any]:
    """Return the results of the submission below a root folder."""
    from dllab.grading import grader

    options = _options(root / "source" / "bundle.json")
    lab = read_lab_folder(root / "source" / "dllab" / "labs" / options.lab)
    sandboxed = _sandboxed(options)
    submission = _submission(root, lab)
    limits = Limits(seconds=options.seconds, memory=options.memory)
    order = Order(
        str(lab.folder),
        fingerprint(lab),
        submission,
        options.seed,
        limits,
        sandboxed=sandboxed,
        warm=False,  # one submission for each container: nobody would use a template again
    )
    grade = grader.grade(order)
    print(f"{grade.earned} of {grade.points}, {grade.status} {grade.reason}; {grade.sandbox}")
    return results(grade, options.visibility)


def _options(path: Path) -> Options:
    entries = json.loads(path.read_text(encoding="utf-8"))
    return Options(**{field.name: entries[field.name] for field in fields(Options)})


def _sandboxed(options: Options) -> bool:
    """Return whether the sandbox is to be used; without one, only if the instructor said so.

    Raises:
        SandboxMissingError: there is none and the bundle does not allow to do without.
    """
    from dllab.grading.sandbox import level

    try:
        level()
    except SandboxMissingError:
        if not options.allow_unsandboxed:
            raise
        return False
    return True


def _submission(root: Path, lab: LabFiles) -> Submission:
    """Return the notebook that was handed in, and when; whose it is has no part in grading."""
    from dllab.grading.submissions import find_one

    found = find_one(root / "submission", lab)
    with suppress(OSError, ValueError, AttributeError):
        told = json.loads((root / "submission_metadata.json").read_text(encoding="utf-8"))
        found = replace(found, submitted_at=str(told.get("created_at") or found.submitted_at))
    return found


# -- results.json ----------------------------------------------------------------------------

_FRAME: Mapping[str, str] = {
    "output_format": "text",
    "test_output_format": "text",
    "test_name_format": "text",
    "stdout_visibility": "hidden",
}


def results(grade: Grade, visibility: Visibility = "visible") -> dict[str, Any]:
    """Return what `results.json` holds of a grade: nothing of the seed, nothing to render."""
    if grade.status == "failed":
        return not_graded(grade.reason)
    return {
        "score": grade.earned,
        "output": _summary(grade),
        **_FRAME,
        "visibility": visibility,
        "tests": list(_tests(grade, visibility)),
        "extra_data": {
            "graded": grade.status not in NEEDS_PERSON,
            "status": grade.status,
            "lab": grade.lab,
            "digest": grade.digest,
            "fingerprint": grade.fingerprint,
            "sandbox": grade.sandbox,
            "dllab": __version__,
        },
    }


def not_graded(reason: str) -> dict[str, Any]:
    """Return what `results.json` holds where nothing was graded, so that nobody takes it for 0."""
    sentence = (
        "Nothing was graded. This says nothing about your work: please tell your instructor, "
        "who finds the reason in the autograder's output."
    )
    print(reason)
    test = {
        "name": "Grading",
        "score": 0,
        "max_score": 0,
        "status": "failed",
        "output": sentence,
        "visibility": "visible",
    }
    return {
        "score": 0,
        "output": sentence,
        **_FRAME,
        "visibility": "visible",
        "tests": [test],
        "extra_data": {"graded": False, "status": "failed", "dllab": __version__},
    }


def _summary(grade: Grade) -> str:
    lines = [f"{grade.earned} of {grade.points} points."]
    if grade.status in NEEDS_PERSON:
        lines += [grade.reason, "Your instructor will look at it."]
    if grade.repairs:
        lines += ["", "What was mended before your notebook ran:"]
        lines += [f"- {_cell(repair.cell)}{repair.sentence}" for repair in grade.repairs]
    if grade.problems:
        lines += ["", "Cells that stopped with an error:"]
        lines += [f"- {problem}" for problem in grade.problems]
    return "\n".join(lines)[:_LONGEST]


def _cell(number: int | None) -> str:
    return f"Cell {number}: " if number else ""


def _tests(grade: Grade, visibility: Visibility) -> Iterator[dict[str, Any]]:
    for task_number, task in enumerate(grade.tasks, 1):
        for test_number, test in enumerate(task.tests, 1):
            yield {
                "name": f"{task.title}: {test.law}",
                "number": f"{task_number}.{test_number}",
                "score": test.earned,
                "max_score": test.points,
                "status": "passed" if test.status == "passed" else "failed",
                "output": _output(test),
                "visibility": visibility,
            }


def _output(test: TestGrade) -> str:
    note = test.misconception
    lines = [test.sentence]
    if test.status == "not run":
        lines = ["This check was not run."]
    elif test.status == "not started" and not test.sentence:
        lines = ["You have not started this task."]
    if note is not None:
        lines += [note.sentence, note.right]
        lines += [f"Read on: {note.link}"] if note.link else []
    return "\n".join(dict.fromkeys(filter(None, lines)))[:_LONGEST]


if __name__ == "__main__":
    sys.exit(main())
