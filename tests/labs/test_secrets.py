"""What a student reads when graded holds no number that a check worked out as the right one."""

import math
import re
from collections import defaultdict
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from dllab.authoring import read_lab
from dllab.check.backend import LocalBackend
from dllab.check.loading import read_lab_folder
from dllab.check.runner import Attempt, run_checks
from dllab.check.sentences import StudentError

ROOT = Path(__file__).resolve().parents[2]
LABS = sorted(path.parent for path in ROOT.glob("labs/source/*/checks.py"))
SEEDS = range(6)
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
# Their sentences say how many new examples an answer got right, which is the student's own number.
TRAINED = {"classify", "read_digits", "compare", "train_digits"}
# These count or measure the answer itself, or say at which place of the input it went wrong.
OWN_NUMBERS = {
    "test_each_example_once",
    "test_each_example_stands_in_one_part",
    "test_each_output_is_a_sum_over_its_window",
    "test_each_place_meets_its_own_pixel",
    "test_each_square_is_covered_alone",
    "test_long_gradients_keep_their_direction",
    "test_seeds_are_drawn_too",
    "test_short_gradients_stay",
    "test_the_head_lies_at_the_minimum",
    "test_the_mark_does_not_help_and_does_not_harm",
    "test_the_signal_survives_thirty_layers",
    "test_the_variance_is_two_over_the_inputs",
    "test_there_is_room",
    "test_what_models_share_cancels",
    "test_what_stays_is_scaled_up",
}


def numbers_seen(value):
    """Yield the numbers that a student can know: scalars and shapes that went in or came out."""
    if isinstance(value, np.ndarray):
        yield from value.shape
        if value.size == 1:
            yield from numbers_seen(value.item())
    elif isinstance(value, (list, tuple, dict)):
        yield len(value)
        items = value.values() if isinstance(value, dict) else value
        for item in items:
            yield from numbers_seen(item)
    elif isinstance(value, (int, float, np.number)):
        yield float(value)


def known_to_student(run):
    for step in run.steps:
        parts = (step.operation.args, tuple(step.operation.kwargs.values()), step.outcome.value)
        yield from (n for part in parts for n in numbers_seen(part))


def public(run):
    return getattr(run.error, "public", run.sentence)


def changing_numbers(runs):
    """Yield each run with those numbers of its sentence that are others for other seeds."""
    by_form = defaultdict(list)
    for run in runs:
        by_form[NUMBER.sub("·", public(run))].append(run)
    for alike in by_form.values():
        columns = zip(*(NUMBER.findall(public(run)) for run in alike), strict=True)
        moving = [place for place, column in enumerate(columns) if len(set(column)) > 1]
        for run in alike:
            found = NUMBER.findall(public(run))
            yield run, [float(found[place]) for place in moving]


def failures(folder):
    """Return the failed runs of each mutant's tests, by mutant and test."""
    lab = read_lab_folder(folder)
    names = {"__name__": "__main__"}
    exec(compile(read_lab(folder).solution_code(), "<solution>", "exec"), names)
    attempts = [
        Attempt(
            partial(LocalBackend, names, mutant.names(names)),
            seed,
            (mutant.task,),
            mutant.label,
            brief=True,  # what a training test tells is how well the student's own model does
        )
        for mutant in lab.mutants
        if mutant.task not in TRAINED
        for seed in SEEDS
    ]
    found = defaultdict(list)
    for run in run_checks(lab, attempts):
        if run.status == "failed" and not isinstance(run.error, StudentError):
            found[run.attempt.label, run.test].append(run)
    return found


@pytest.mark.parametrize("folder", LABS, ids=lambda folder: folder.name)
def test_sentences_hold_no_expected_number(folder):
    """A number that changes with the seed is an input's or came from the student's own code."""
    leaks = set()
    for (mutant, test), runs in failures(folder).items():
        if test in OWN_NUMBERS:
            continue
        for run, numbers in changing_numbers(runs):
            known = list(known_to_student(run))
            for number in numbers:
                if not any(math.isclose(number, k, rel_tol=0.01, abs_tol=1e-6) for k in known):
                    leaks.add(f"{test} ({mutant}) tells {number:g}: {public(run)}")
    assert not leaks, "\n".join(sorted(leaks))


def test_the_law_finds_a_leak(tmp_path):
    """An expected number in a sentence is found; with `reveal=`, only the notebook shows it."""
    checks = (ROOT / "labs/source/02_activations/checks.py").read_text(encoding="utf-8")
    shown = checks.replace('        reveal=f"Here {9 - alive} do.",\n', "").replace(
        'f"You counted {found} dead units of 9:', 'f"Not {found} but {9 - alive} of 9:'
    )
    assert shown != checks
    folder = tmp_path / "02_activations"
    folder.mkdir()
    for path in (ROOT / "labs/source/02_activations").iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    (folder / "checks.py").write_text(shown, encoding="utf-8")
    with pytest.raises(AssertionError, match=r"dead.* tells"):
        test_sentences_hold_no_expected_number(folder)
