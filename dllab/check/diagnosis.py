"""Name the misconception behind a wrong answer.

Each operation that a failed test made is made again, with the same inputs, on each of the task's
mutants: named wrong answers. The mutant that gives the learner's outputs, wrong values and
exceptions alike, is the same mistake.

- `diagnose(lab, task, runs, answers)`: a `Diagnosis` for each failed test that has one
- `replay(steps, backend)`: make recorded operations again; whether the outcomes agree
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from dllab.check.loading import LabFiles, Misconception
from dllab.check.protocol import Backend, Fault, Operation, Outcome, Ref, convert
from dllab.check.proxy import Step
from dllab.check.registry import Replacement
from dllab.check.runner import Attempt, TestRun, run_checks

__all__ = ["Diagnosis", "diagnose", "replay"]

Answers = Callable[[Replacement | None], Backend]

_BUDGET = 30.0  # seconds for all replays of one check
_LIMIT = 10.0  # seconds for one operation


@dataclass(frozen=True)
class Diagnosis:
    """The mistake that explains a wrong answer."""

    mutant: str
    sentence: str
    misconception: Misconception


def diagnose(
    lab: LabFiles, task: str, runs: Sequence[TestRun], answers: Answers
) -> dict[str, Diagnosis]:
    """Return a diagnosis for each failed test that shows the mistake of a mutant.

    Where several mutants agree with a failed test, the one that agrees with most of the task's
    other tests is meant; of equals, the first in the file.

    Args:
        lab: the lab, with its mutants.
        task: whose mutants to try.
        runs: what became of the task's tests, for one seed.
        answers: a fresh way to a mutant's code, or for None to the learner's.
    """
    failed = [run for run in runs if run.status == "failed" and _tells_something(run.steps)]
    mutants = [mutant for mutant in lab.mutants if mutant.task == task]
    if not failed or not mutants:
        return {}
    deadline = time.monotonic() + _BUDGET
    agreement = _agreement(mutants, runs, failed, answers, deadline)
    if not any(agreement.values()):
        agreement = _random_agreement(lab, mutants, failed, answers, deadline)
    found = {}
    for run in failed:
        agreeing = [m for m in mutants if run.test in agreement[id(m)]]
        if agreeing:
            best = max(agreeing, key=lambda m: len(agreement[id(m)]))
            about = lab.misconceptions.get(best.misconception or "")
            if about is not None:
                found[run.test] = Diagnosis(best.label, best.sentence, about)
    return found


def _agreement(
    mutants: Sequence[Replacement],
    runs: Sequence[TestRun],
    failed: Sequence[TestRun],
    answers: Answers,
    deadline: float,
) -> dict[int, set[str]]:
    """Return, for each mutant, the tests in which its outputs are those of the learner's code."""
    others = [run for run in runs if run not in failed and run.steps]
    agreement: dict[int, set[str]] = {id(mutant): set() for mutant in mutants}
    for stage in (failed, others):
        for mutant in mutants:
            if stage is others and not agreement[id(mutant)]:
                continue  # it explains no failure
            for run in stage:
                if time.monotonic() > deadline:
                    return agreement
                if _agrees(run, mutant, answers):
                    agreement[id(mutant)].add(run.test)
    return agreement


def _agrees(run: TestRun, mutant: Replacement, answers: Answers) -> bool:
    try:
        backend = answers(mutant)
    except Exception:  # a mutant that builds on what the learner has not written
        return False
    return replay(run.steps, backend) and _concerns(run, mutant, answers)


def _concerns(run: TestRun, mutant: Replacement, answers: Answers) -> bool:
    """Tell whether a test ran what a mutant replaces; if not, any mutant would agree with it.

    A task may ask for two functions. A test of one of them runs the learner's own code and nothing
    else when a mutant replaces the other one.
    """
    called = {step.operation.name for step in run.steps if step.operation.kind == "call"}
    if mutant.build or mutant.replaces in called:
        return True
    missing = replace(mutant, definition=_missing)
    return not replay(run.steps, answers(missing))


def _missing(*_args: Any, **_kwargs: Any) -> None:
    raise NotImplementedError("left out, to see which tests notice")


def _random_agreement(
    lab: LabFiles,
    mutants: Sequence[Replacement],
    failed: Sequence[TestRun],
    answers: Answers,
    deadline: float,
) -> dict[int, set[str]]:
    """Compare answers whose outputs say little, by the sentences of the tests that they fail.

    These are answers that draw random numbers of their own, and so never repeat an output, and
    answers that return a Keras model, whose weights depend on each step of its training. Such a
    mutant agrees with such an answer if it fails the same test with the same sentence, numbers
    aside.
    """
    agreement: dict[int, set[str]] = {id(mutant): set() for mutant in mutants}
    random = {
        run.test: _without_numbers(run.sentence)
        for run in failed
        if _has_model(run) or not replay(run.steps, answers(None))
    }
    for mutant in mutants:
        if not random or time.monotonic() > deadline:
            break
        try:
            answers(mutant)
        except Exception:
            continue
        attempt = Attempt(partial(answers, mutant), failed[0].attempt.seed, (mutant.task,))
        for run in run_checks(lab, [attempt]):
            sentence = _without_numbers(run.sentence)
            same_verdict = run.status == "failed" and random.get(run.test) == sentence
            if same_verdict and (_has_model(run) or not replay(run.steps, answers(mutant))):
                agreement[id(mutant)].add(run.test)
    return agreement


def _has_model(run: TestRun) -> bool:
    return any(step.operation.name == "model" for step in run.steps)


def _without_numbers(sentence: str) -> str:
    return re.sub(r"\d+(\.\d+)?(e[-+]?\d+)?", "·", sentence)


def replay(steps: Sequence[Step], backend: Backend, seconds: float = _LIMIT) -> bool:
    """Make recorded operations again and tell whether all outcomes agree."""
    refs: dict[int, Ref] = {}
    for step in steps:
        operation = _translate(step.operation, refs)
        if operation is None:
            return False
        outcome = backend.perform(operation, seconds)
        if not _outcomes_agree(step.outcome, outcome, refs):
            return False
    return True


def _tells_something(steps: Sequence[Step]) -> bool:
    """Tell whether any code of the learner's ran to an end: a timeout has no output to compare."""
    ran = any(step.operation.kind in ("call", "apply") for step in steps)
    fault = steps[-1].outcome.fault if steps else None
    return ran and not (fault is not None and fault.kind in ("timeout", "ended"))


def _translate(operation: Operation, refs: Mapping[int, Ref]) -> Operation | None:
    """Return the operation with the mutant's objects in place of the learner's."""

    def other(value: Any) -> Any:
        return refs[value.id] if isinstance(value, Ref) else value

    try:
        target = None if operation.target is None else refs[operation.target.id]
        args, kwargs = convert(operation.args, other), convert(operation.kwargs, other)
    except KeyError:
        return None
    return Operation(operation.kind, target, operation.name, args, kwargs)


def _outcomes_agree(first: Outcome, second: Outcome, refs: dict[int, Ref]) -> bool:
    if first.fault is not None or second.fault is not None:
        return _faults_agree(first.fault, second.fault)
    return (
        _agree(first.value, second.value, refs)
        and _agree(first.args, second.args, refs)
        and _agree(first.kwargs, second.kwargs, refs)
    )


def _faults_agree(first: Fault | None, second: Fault | None) -> bool:
    if first is None or second is None:
        return False
    return (first.kind, first.types, _bare(first.message)) == (
        second.kind,
        second.types,
        _bare(second.message),
    )


def _bare(message: str) -> str:
    """Return an exception's text without names and addresses, which differ from code to code."""
    return re.sub(r"'[^']*'|\w+\(\)|0x[0-9a-f]+|[\w.]+\.(?=\w+\()", "·", message)


def _agree(first: Any, second: Any, refs: dict[int, Ref]) -> bool:
    """Tell whether two plain values are equal up to rounding; note which refs correspond."""
    if isinstance(first, Ref) or isinstance(second, Ref):
        if not (isinstance(first, Ref) and isinstance(second, Ref)):
            return False
        known = refs.setdefault(first.id, second)
        return known.id == second.id and first.callable == second.callable
    if isinstance(first, (list, tuple)):
        return (
            type(first) is type(second)
            and len(first) == len(second)
            and all(_agree(a, b, refs) for a, b in zip(first, second, strict=True))
        )
    if isinstance(first, Mapping):
        return (
            isinstance(second, Mapping)
            and first.keys() == second.keys()
            and all(_agree(first[key], second[key], refs) for key in first)
        )
    return _leaves_agree(first, second)


def _leaves_agree(first: Any, second: Any) -> bool:
    numeric = (bool, int, float, complex, np.generic, np.ndarray)
    if not isinstance(first, numeric) or not isinstance(second, numeric):
        return type(first) is type(second) and first == second
    a, b = np.asarray(first), np.asarray(second)
    if a.shape != b.shape:
        return False
    if a.dtype.kind in "USb" or b.dtype.kind in "USb":
        return a.dtype.kind == b.dtype.kind and bool(np.array_equal(a, b))
    single = any(x.dtype.kind == "f" and x.dtype.itemsize < 8 for x in (a, b))
    rtol = 1e-3 if single else 1e-6
    with np.errstate(all="ignore"):
        finite = b[np.isfinite(b)]
        scale = float(np.abs(finite).max()) if finite.size else 0.0
        return bool(np.allclose(a, b, rtol=rtol, atol=rtol * 1e-2 * scale, equal_nan=True))
