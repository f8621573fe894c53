"""The laws that each lab's checks obey, and the table that shows which test catches which mistake.

`python -m dllab.check.laws labs/source/03_backpropagation [--seeds 20]` prints both.

- `judge(lab, solution, untouched)`: a `Judgment` of one lab
- `judge_folders(folders, seeds, jobs)`: judgments of several labs, side by side
- `Judgment`: `.problems` (law, what is wrong), `.matrix` (rows of `Kill`), `.slow`
- `kill_matrix(judgments)`: the table as Markdown
"""

import argparse
import io
import multiprocessing
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from runpy import run_path
from typing import Any

from dllab.check.backend import LocalBackend
from dllab.check.diagnosis import diagnose
from dllab.check.loading import FURTHER_LABS, LabFiles, read_lab_folder
from dllab.check.registry import Replacement, mark_of
from dllab.check.runner import Attempt, TestRun, run_checks

__all__ = ["LAWS", "Judgment", "Kill", "judge", "judge_folders", "kill_matrix"]

LAWS = {
    "shape": "a lab has 4 to 7 tasks and 20 points, each test a name of its own and a docstring",
    "answers": "each task has at least 3 mutants and 2 right variants",
    "ideas": "each mutant's misconception is explained, and each explained one has a mutant",
    "solution": "the solution earns full marks",
    "untouched": "the untouched notebook earns zero and raises only NotImplementedError",
    "mutants": "each mutant loses points on its own task",
    "diagnosis": "each mutant, handed in as an answer, is named",
    "variants": "each right variant earns full marks",
}
POINTS = 20
TASKS = range(4, 8)
MUTANTS, VARIANTS = 3, 2
# A right answer ends; on a busy machine, importing Keras alone may take longer than the limit.
PATIENCE = 20.0
_SLOW = 2.0  # seconds for one test and one seed


@dataclass(frozen=True)
class Kill:
    """One mutant: in how many of the seeds each test caught it, and what diagnosis named."""

    lab: str
    task: str
    mutant: str
    misconception: str
    caught: dict[str, int]
    lost: int
    seeds: int
    named: tuple[str, ...]


@dataclass(frozen=True)
class Judgment:
    """Which laws a lab breaks, and how its mutants were caught."""

    lab: str
    problems: tuple[tuple[str, str], ...]
    matrix: tuple[Kill, ...]
    slow: tuple[str, ...]
    seconds: float

    def of(self, law: str) -> list[str]:
        """Return what is wrong under one law."""
        return [problem for name, problem in self.problems if name == law]


@dataclass
class _Findings:
    problems: list[tuple[str, str]] = field(default_factory=list)

    def add(self, law: str, problem: str) -> None:
        if (law, problem) not in self.problems:
            self.problems.append((law, problem))


def judge(
    lab: LabFiles,
    solution: str,
    untouched: str,
    seeds: Sequence[int] = range(20),
    diagnosed: int = 3,
) -> Judgment:
    """Hold a lab's checks to the laws.

    Args:
        lab: the lab, from its source folder.
        solution: the code of the solution notebook.
        untouched: the code of the student notebook.
        seeds: of the random numbers, one run of every answer for each; a task with a test that
            trains is held to the first alone.
        diagnosed: for how many of the seeds each mutant is diagnosed.

    Raises:
        AuthoringError: the checks cannot be run.
        Exception: the solution or the untouched notebook cannot be run.
    """
    start = time.monotonic()
    with _findable(lab.folder):
        solved, stubs = _run(solution, "solution"), _run(untouched, "student")
    findings = _Findings()
    answers = [*lab.mutants, *lab.variants]
    attempts = [
        *_attempts("solution", solved, {}, seeds[:1], patience=PATIENCE),
        *_attempts("solution", solved, {}, seeds[1:], patience=PATIENCE, brief=True),
        *_attempts("untouched", stubs, {}, seeds),
    ]
    training = _training_tasks(lab)
    for index, answer in enumerate(answers):
        names = answer.names(solved)
        patience = PATIENCE if answer.misconception is None else 1.0
        own = seeds[:1] if answer.task in training else seeds
        attempts += _attempts(f"{index}", solved, names, own, answer.task, patience)
    by_label: dict[str, list[TestRun]] = defaultdict(list)
    runs = run_checks(lab, attempts)
    for run in runs:
        by_label[run.attempt.label].append(run)
    _judge_shape(lab, by_label["solution"], findings)
    _judge_answers(lab, findings)
    _judge_full_marks("solution", "the solution", by_label["solution"], findings)
    _judge_untouched(by_label["untouched"], findings)
    matrix = []
    for index, answer in enumerate(answers):
        mine = by_label[f"{index}"]
        if answer.misconception is None:
            _judge_full_marks("variants", _name(answer), mine, findings)
        else:
            seen = set(list(seeds)[:diagnosed])
            named = _diagnose(lab, answer, [r for r in mine if r.attempt.seed in seen], solved)
            count = len({run.attempt.seed for run in mine})
            matrix.append(_kill(lab, answer, mine, named, count))
            _judge_mutant(matrix[-1], findings)
    return Judgment(
        lab.name,
        tuple(findings.problems),
        tuple(matrix),
        _slow(runs),
        time.monotonic() - start,
    )


def judge_folders(
    folders: Sequence[Path], seeds: Sequence[int] = range(20), jobs: int | None = None
) -> list[Judgment]:
    """Judge the labs in source folders, each in a process of its own.

    Args:
        folders: with `lab.md`, `checks.py` and the rest.
        seeds: of the random numbers.
        jobs: how many at once; as many as there are cores unless told.
    """
    # Not forked: the labs' answers may import TensorFlow, and this process may have done so.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs or os.cpu_count(), context, max_tasks_per_child=1) as pool:
        return list(pool.map(partial(_judge_folder, seeds=seeds), folders))


def _judge_folder(folder: Path, seeds: Sequence[int]) -> Judgment:
    # Authoring stands above the checks, and nothing but this needs it here.
    source = import_module("dllab.authoring").read_lab(folder)
    lab = read_lab_folder(folder)
    return judge(lab, source.solution_code(), source.student_code(), seeds)


def kill_matrix(judgments: Iterable[Judgment]) -> str:
    """Return a Markdown table: which tests caught which mutant, in how many of the seeds."""
    lines = [
        "# Which test catches which mistake",
        "",
        "| lab | task | mutant | misconception | caught by (seeds) | diagnosis |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for judgment in judgments:
        for kill in judgment.matrix:
            caught = "<br>".join(
                f"{test.removeprefix('test_')} {count}/{kill.seeds}"
                for test, count in kill.caught.items()
            )
            named = ", ".join(kill.named) or "none"
            right = "✓" if kill.named == (kill.misconception,) else f"✗ {named}"
            lines.append(
                f"| {kill.lab} | {kill.task} | {kill.mutant} | {kill.misconception} "
                f"| {caught or 'nothing'} | {right} |"
            )
    return "\n".join(lines) + "\n"


@contextmanager
def _findable(folder: Path) -> Iterator[None]:
    """Let `dllab.lab(name)` find a lab that is not among those of the course."""
    before = os.environ.get(FURTHER_LABS)
    os.environ[FURTHER_LABS] = str(folder)
    try:
        yield
    finally:
        del os.environ[FURTHER_LABS]
        if before is not None:
            os.environ[FURTHER_LABS] = before


def _run(source: str, name: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "__main__"}
    with redirect_stdout(io.StringIO()):
        exec(compile(source, f"<{name}>", "exec"), names)
    return names


def _attempts(
    label: str,
    namespace: dict[str, Any],
    overrides: dict[str, Any],
    seeds: Sequence[int],
    task: str | None = None,
    patience: float = 1.0,
    brief: bool = False,
) -> list[Attempt]:
    backend = partial(LocalBackend, namespace, overrides)
    tasks = None if task is None else (task,)
    return [Attempt(backend, seed, tasks, label, patience, brief=brief) for seed in seeds]


def _training_tasks(lab: LabFiles) -> set[str]:
    """Return the tasks that have a test which trains."""
    marks = map(mark_of, run_path(str(lab.checks)).values())
    return {mark.task for mark in marks if mark is not None and mark.trains}


def _name(answer: Replacement) -> str:
    return f"{answer.task}: {answer.label}"


def _judge_shape(lab: LabFiles, runs: Sequence[TestRun], findings: _Findings) -> None:
    if lab.points != POINTS:
        findings.add("shape", f"the points sum to {lab.points}, not {POINTS}")
    if len(lab.tasks) not in TASKS:
        findings.add("shape", f"{len(lab.tasks)} tasks, not 4 to 7")
    seen = Counter[str]()
    for test in {run.test: run for run in runs}.values():
        seen[test.mark.task] += test.mark.points
        if not test.law:
            findings.add("shape", f"{test.test} has no docstring: learners read it")
    for task in lab.tasks:
        if seen[task.name] != task.points:
            findings.add(
                "shape",
                f"{task.name}: tests that run are worth {seen[task.name]}, not {task.points}: "
                "do two tests have the same name?",
            )


def _judge_answers(lab: LabFiles, findings: _Findings) -> None:
    mutants = Counter(answer.task for answer in lab.mutants)
    variants = Counter(answer.task for answer in lab.variants)
    for task in lab.tasks:
        if mutants[task.name] < MUTANTS:
            findings.add("answers", f"{task.name}: {mutants[task.name]} mutants of {MUTANTS}")
        if variants[task.name] < VARIANTS:
            findings.add("answers", f"{task.name}: {variants[task.name]} variants of {VARIANTS}")
    known = {task.name for task in lab.tasks}
    for answer in (*lab.mutants, *lab.variants):
        if answer.task not in known:
            findings.add("answers", f"{_name(answer)}: the lab has no such task")
    used = {answer.misconception for answer in lab.mutants}
    for unknown in sorted(str(idea) for idea in used - set(lab.misconceptions)):
        findings.add("ideas", f"misconceptions.toml has no [{unknown}]")
    for unused in sorted(set(lab.misconceptions) - used):
        findings.add("ideas", f"no mutant has misconception [{unused}]")


def _judge_full_marks(law: str, name: str, runs: Sequence[TestRun], findings: _Findings) -> None:
    failed = defaultdict(list)
    for run in runs:
        if run.status != "passed":
            failed[run.test].append(run)
    for test, cases in failed.items():
        first = cases[0]
        findings.add(
            law,
            f"{name} fails {test} for {len(cases)} seeds, first {first.attempt.seed}: "
            f"{first.sentence}",
        )


def _judge_untouched(runs: Sequence[TestRun], findings: _Findings) -> None:
    for run in runs:
        if run.status != "not started":
            findings.add("untouched", f"{run.test} {run.status}: {run.sentence}")


def _kill(
    lab: LabFiles, answer: Replacement, runs: Sequence[TestRun], named: Iterable[str], seeds: int
) -> Kill:
    failed = [run for run in runs if run.status != "passed"]
    return Kill(
        lab.name,
        answer.task,
        answer.label,
        answer.misconception or "",
        dict(Counter(run.test for run in failed)),
        len({run.attempt.seed for run in failed}),
        seeds,
        tuple(dict.fromkeys(named)),
    )


def _judge_mutant(kill: Kill, findings: _Findings) -> None:
    name = f"{kill.task}: {kill.mutant}"
    if kill.lost < kill.seeds:
        findings.add("mutants", f"{name} is caught for {kill.lost} of {kill.seeds} seeds")
    wrong = [idea for idea in kill.named if idea != kill.misconception]
    if wrong or not kill.named:
        findings.add(
            "diagnosis",
            f"{name} is diagnosed as {', '.join(wrong) or 'nothing'}, not {kill.misconception}",
        )


def _diagnose(
    lab: LabFiles, answer: Replacement, runs: Sequence[TestRun], solved: dict[str, Any]
) -> list[str]:
    """Return the misconceptions that a learner with this answer is told, one seed at a time."""
    namespace = solved | answer.names(solved)

    def answers(other: Replacement | None) -> LocalBackend:
        return LocalBackend(namespace, other.names(namespace) if other else None)

    named = []
    for seed in dict.fromkeys(run.attempt.seed for run in runs):
        mine = [run for run in runs if run.attempt.seed == seed]
        found = diagnose(lab, answer.task, mine, answers).values()
        named += [diagnosis.misconception.id for diagnosis in found] or ["nothing"]
    return named


def _slow(runs: Sequence[TestRun]) -> tuple[str, ...]:
    worst: dict[str, float] = defaultdict(float)
    for run in runs:
        worst[run.test] = max(worst[run.test], run.seconds)
    return tuple(f"{test} took {s:.1f} s" for test, s in worst.items() if s > _SLOW)


def _main() -> int:
    parser = argparse.ArgumentParser(description="Hold labs to the laws of their checks.")
    parser.add_argument("labs", nargs="+", type=Path, help="source folders")
    parser.add_argument("--seeds", type=int, default=20, help="how many; 20 unless told")
    parser.add_argument("--jobs", type=int, help="labs at once; one for each core unless told")
    options = parser.parse_args()
    judgments = judge_folders(options.labs, range(options.seeds), options.jobs)
    print(kill_matrix(judgments))
    for judgment in judgments:
        print(f"{judgment.lab}: {judgment.seconds:.1f} s for {options.seeds} seeds")
        for note in judgment.slow:
            print(f"  slow: {note}")
        for law, problem in judgment.problems:
            print(f"  {law}: {problem}")
    return 1 if any(judgment.problems for judgment in judgments) else 0


if __name__ == "__main__":
    sys.exit(_main())
