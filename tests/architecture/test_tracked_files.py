"""What is committed is clean: one place for versions, no machine's paths, no outputs."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

EXACT_VERSION = re.compile(r"[A-Za-z][\w.-]*(?:\[[\w,-]+\])?==\d+\.\d")
# Preceded by a letter, dot or the like, `/home/` is part of a relative path or an address.
# `student` is the one user of a sandbox, on every machine.
MACHINE_PATH = re.compile(r"(?<![\w.~>}-])/(?:work|root|home|opt)/(?!student\b)")
REGISTRY = re.compile(
    r"pypi\.org/simple|files\.pythonhosted|index-url|registry\.npmjs|registry\.yarnpkg"
    r"|PIP_INDEX|find-links",
    re.IGNORECASE,
)


def tracked() -> list[Path]:
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    paths = [ROOT / name.decode() for name in listed.stdout.split(b"\0") if name]
    return [path for path in paths if path.is_file() and path != Path(__file__).resolve()]


def hits(pattern: re.Pattern, skip: tuple[str, ...] = ()) -> list[str]:
    """Return `file:line: text` for each tracked text line that matches."""
    found = []
    for path in tracked():
        name = path.relative_to(ROOT).as_posix()
        content = path.read_bytes()
        if name in skip or b"\0" in content:
            continue
        for number, line in enumerate(content.decode("utf-8").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{name}:{number}: {line.strip()[:120]}")
    return found


def test_exact_versions_stand_in_the_constraints_only():
    assert hits(EXACT_VERSION, skip=("constraints.txt",)) == []


def test_constraints_hold_one_exact_version_a_line():
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if line.strip() and not line.startswith("#")]
    assert pins
    assert [line for line in pins if not EXACT_VERSION.match(line) and "==" not in line] == []


def test_no_file_names_a_path_of_the_machine_it_was_written_on():
    assert hits(MACHINE_PATH) == []


def test_no_file_names_a_package_registry():
    assert hits(REGISTRY) == []


def test_committed_notebooks_hold_no_output():
    for path in tracked():
        if path.suffix != ".ipynb":
            continue
        for number, cell in enumerate(json.loads(path.read_text("utf-8"))["cells"]):
            where = f"{path.name}, cell {number}"
            assert not cell.get("outputs"), where
            assert cell.get("execution_count") is None, where


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        (EXACT_VERSION, "numpy" + "==2.1", True),
        (EXACT_VERSION, "tensorflow[and-cuda]" + "==2.19.0", True),
        (EXACT_VERSION, "if a == 2.5", False),
        (MACHINE_PATH, "open('" + "/home/me/x')", True),
        (MACHINE_PATH, "/home/student/x", False),
        (MACHINE_PATH, "book/work/x", False),
        (MACHINE_PATH, "https://example.org/home/", False),
        (REGISTRY, "--extra-" + "index-url https://example.org", True),
    ],
)
def test_the_patterns_find_what_they_are_meant_to(pattern, text, matches):
    assert bool(pattern.search(text)) is matches
