"""Grade a class with `dllab grade` and with nbgrader; write `build/bench/grading.json` and a table.

The class of a lab is its solution, the untouched notebook, all mutants and variants, and broken
files, at least fifty in all. nbgrader, which grades one submission after the other, gets a sample
of the same files. Both run on the same machine in the same run, so that ratios say something.

Run: `make bench`, or `python tools/bench_grading.py --lab 03_backpropagation`.
"""

import argparse
import itertools
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
import psutil

from dllab.authoring import build, read_lab
from dllab.authoring.answers import answer_notebooks
from dllab.grading.gradebook import Gradebook

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "bench"
# A lab that trains with Keras, as GRADING.md's measurements did, and one on NumPy alone.
LABS = (ROOT / "tests/grading/labs/80_keras", ROOT / "labs/source/03_backpropagation")
CLASS = 50
BROKEN = {"cut-off": b'{"cells": [', "empty": b"", "no-notebook": b"<html></html>"}


def make_class(lab: Path, folder: Path) -> dict[str, bytes]:
    """Return at least `CLASS` submissions by student, and write them."""
    source = read_lab(lab)
    solution, untouched = source.solution_notebook(), source.student_notebook()
    notebooks = [("solution", solution), ("untouched", untouched)]
    notebooks += [
        (f"{label.partition(' ')[0]}{number:02d}", notebook)
        for number, (label, notebook) in enumerate(answer_notebooks(lab))
    ]
    files = {name: nbformat.writes(notebook).encode() for name, notebook in notebooks}
    files |= BROKEN
    for number, name in zip(itertools.count(), itertools.cycle(list(files))):
        if len(files) >= CLASS:
            break
        files[f"{name}-again{number}"] = files[name]
    folder.mkdir()
    for name, content in files.items():
        (folder / f"{name}.ipynb").write_bytes(content)
    return files


def grade_ours(lab: Path, folder: Path, out: Path, jobs: int) -> dict[str, float]:
    """Grade the class with `dllab grade` and return what it took."""
    command = [sys.executable, "-m", "dllab.cli", "grade", str(lab), str(folder)]
    command += ["--out", str(out), "--jobs", str(jobs)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    memory = WorkerMemory(process.pid)
    _, errors = process.communicate()
    seconds = time.perf_counter() - start
    if process.returncode not in (0, 3):
        sys.exit(f"dllab grade ended with {process.returncode}: {errors.decode()[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    with Gradebook(out / "gradebook.sqlite", write=False) as book:
        grades = book.latest()
    learners = [grade.cpu_seconds for grade in grades]
    return {
        "submissions": len(grades),
        "seconds": seconds,
        "seconds_each": seconds / len(grades),
        "cpu_each": (cpu + sum(learners)) / len(grades),
        "learners_cpu_each": sum(learners) / len(grades),
        "worker_mb": memory.stop(),
        "learner_mb": max(grade.peak_memory for grade in grades),
    }


class WorkerMemory:
    """Watches how much memory of their own (USS, in MB) the workers of a run have at most."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._most = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """Return the most that one worker had."""
        self._done.set()
        self._thread.join()
        return self._most

    def _watch(self) -> None:
        while not self._done.wait(0.5):
            with suppress(psutil.Error):
                for child in self._process.children():
                    if "dllab.grading.worker" in child.cmdline():
                        self._most = max(self._most, child.memory_full_info().uss / 1e6)


def grade_nbgrader(
    lab: Path, files: dict[str, bytes], chosen: Sequence[str], folder: Path
) -> dict[str, float]:
    """Grade a sample with nbgrader's own autograder and return what it took."""
    repository = folder / "repository"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "dllab", repository / "dllab", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", repository)
    shutil.copytree(lab, repository / "labs" / "source" / lab.name, ignore=ignored)
    build([lab.name], repository)
    course = repository / "build" / "nbgrader"
    nbgrader(course, repository, "generate_assignment", lab.name)
    for name in chosen:
        path = course / "submitted" / name / lab.name / f"{lab.name}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(files[name])
    start = time.perf_counter()
    nbgrader(course, repository, "autograde", lab.name)
    seconds = time.perf_counter() - start
    return {
        "submissions": len(chosen),
        "seconds": seconds,
        "seconds_each": seconds / len(chosen),
    }


def nbgrader(course: Path, package: Path, *arguments: str) -> None:
    """Run an nbgrader command in a course."""
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = os.environ | {"PYTHONPATH": str(package), "PATH": programs, "DLLAB_DEVICE": "cpu"}
    command = [sys.executable, "-m", "nbgrader", *arguments]
    done = subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"nbgrader {arguments[0]} ended with {done.returncode}: {done.stderr[-2000:]}")


def sample(files: dict[str, bytes], count: int) -> list[str]:
    """Return the solution, the untouched notebook, and mutants and variants from all tasks."""
    whole = [name for name in files if name not in BROKEN and "again" not in name]
    others = [name for name in whole if name not in ("solution", "untouched")]
    step = max(1, len(others) // (count - 2))
    return ["solution", "untouched", *others[::step]][:count]


def measure(lab: Path, peers: int, jobs: int) -> dict[str, Any]:
    """Grade one lab's class both ways."""
    with tempfile.TemporaryDirectory(prefix="dllab-bench-") as place:
        files = make_class(lab, Path(place, "class"))
        print(f"  {lab.name}: dllab grade, {len(files)} submissions, {jobs} jobs", flush=True)
        ours = grade_ours(lab, Path(place, "class"), Path(place, "grades"), jobs)
        chosen = sample(files, peers)
        print(f"  {lab.name}: nbgrader autograde, {len(chosen)} of them", flush=True)
        peer = grade_nbgrader(lab, files, chosen, Path(place))
    ratio = peer["seconds_each"] / ours["seconds_each"]
    return {"lab": lab.name, "jobs": jobs, "ours": ours, "nbgrader": peer, "times_faster": ratio}


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the measurements as Markdown."""
    lines = [
        "| lab | dllab: s each | CPU s each, learner's share | MB of a job | nbgrader: s each "
        "| throughput |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        ours, peer = row["ours"], row["nbgrader"]
        lines.append(
            f"| {row['lab']} | {ours['seconds_each']:.2f} ({ours['submissions']}) "
            f"| {ours['cpu_each']:.2f}, {ours['learners_cpu_each']:.2f} "
            f"| {ours['worker_mb']:.0f} + {ours['learner_mb']:.0f} "
            f"| {peer['seconds_each']:.2f} ({peer['submissions']}) "
            f"| {row['times_faster']:.1f}× |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure, write JSON and Markdown, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lab", type=Path, action="append", help="a lab's source folder")
    parser.add_argument("--peers", type=int, default=12, help="submissions for nbgrader")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="jobs of dllab grade")
    options = parser.parse_args()
    rows = [measure(lab, options.peers, options.jobs) for lab in options.lab or LABS]
    machine = {"cores": os.cpu_count(), "system": platform.platform()}
    OUT.mkdir(parents=True, exist_ok=True)
    for name, text in {
        "grading.json": json.dumps({"machine": machine, "labs": rows}, indent=1) + "\n",
        "grading.md": table(rows),
    }.items():
        draft = OUT / f"{name}.tmp"
        draft.write_text(text, encoding="utf-8")
        draft.replace(OUT / name)
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
