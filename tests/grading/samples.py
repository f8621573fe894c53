"""Made-up grades: a class of 30 in one lab, without running anything.

- `a_class()`: pairs of submission and grade, always the same
- `a_grade(student, …)`, `a_submission(student, …)`: one of them
- `filled(path)`: a gradebook that holds the class
"""

import hashlib
import random
from dataclasses import replace
from pathlib import Path

from dllab.grading.gradebook import Gradebook
from dllab.grading.records import (
    Grade,
    MisconceptionNote,
    Repair,
    Submission,
    TaskGrade,
    TestGrade,
)

LAB, TITLE = "03_backpropagation", "Lab 3: Backpropagation"
FINGERPRINT, SEED = "f" * 64, 20261101
ROOT = Path(__file__).parents[2]
BOOK = "https://example.org/book/foundations/backpropagation.html"
NAMES = (
    "ada", "alan", "barbara", "claude", "donald", "edsger", "Zoë Müller", "frances", "grace",
    "Håkon Å", "ivan", "jean", "katherine", "leslie", "明", "margaret", "niklaus", "محمد", "olga",
    "peter", "radia", "shafi", "tim", "ulrike", "vint", "whitfield", "xiaoyun", "yann", "zohar",
    "anita",
)  # fmt: skip
NOTES = {
    "sum": MisconceptionNote(
        "gradient-overwritten",
        "The gradient is overwritten instead of accumulated",
        "A node that is used twice keeps only the last contribution in your `backward`.",
        "Each use sends its own contribution, and they add: the rule writes `+=`.",
        "foundations/backpropagation#bp-fan-out",
        f"{BOOK}#bp-fan-out",
    ),
    "shape": MisconceptionNote(
        "weight-gradient-transposed",
        "The weight gradient is transposed",
        "Your gradient of the weights has the shape `(units_out, units_in)`.",
        "It is the transposed input times the adjoint of the output and has the shape of `W`.",
        "foundations/backpropagation#bp-dense",
    ),
}
# task, title, and per check: name, law, points, how hard it is, its misconception
LAYOUT = (
    ("slopes", "Slopes of four operations", (
        ("test_products", "The slope of a product is the other factor.", 2, 0.1, None),
        ("test_powers", "The slope of `x ** n` is right for every n up to 5.", 2, 0.25, None),
    )),
    ("fan-out", "A value that is used twice", (
        ("test_sum", "Contributions of two uses add up.", 3, 0.45, "sum"),
        ("test_order", "Each node hands its gradient on once, and complete.", 2, 0.5, "sum"),
    )),
    ("dense", "The backward pass of a dense layer", (
        ("test_shapes", "Each gradient has the shape of what it belongs to.", 2, 0.3, "shape"),
        ("test_weights", "The gradient of `W` agrees with central differences.", 3, 0.55, "shape"),
        ("test_bias", "The gradient of `b` sums over the batch.", 2, 0.4, None),
    )),
    ("network", "A network of two layers", (
        ("test_loss", "One step along the negative gradient lowers the loss.", 2, 0.6, None),
        ("test_learns", "Forty steps separate the two moons.", 2, 0.75, None),
    )),
)  # fmt: skip
REPAIRS = (
    Repair("encoding", "We read your file as Latin-1, because it is not UTF-8."),
    Repair("magics", "We left out a line that only Colab understands.", 3),
    Repair("lost-metadata", "Your cells had lost their names; we found them by what they define."),
)


def a_grade(student="ada", skill=2.0, seed=SEED, **changes) -> Grade:
    """Return a grade; 0 passes nothing, 1 about what its checks' difficulty says, 2 everything."""
    draw = random.Random(ascii((student, skill)))
    tasks = tuple(
        TaskGrade(task, title, tuple(_test(check, skill, draw) for check in checks))
        for task, title, checks in LAYOUT
    )
    grade = Grade(
        student=student,
        digest=hashlib.sha256(ascii((student, skill)).encode()).hexdigest(),
        lab=LAB,
        fingerprint=FINGERPRINT,
        status="graded",
        reason="",
        tasks=tasks,
        seed=seed,
        sandbox="bubblewrap 0.9, seccomp, no network",
        seconds=round(draw.uniform(0.8, 2.5), 2),
        cpu_seconds=round(draw.uniform(0.5, 2.0), 2),
        peak_memory=round(draw.uniform(60, 240), 1),
    )
    return replace(grade, **changes)


def _test(check, skill, draw) -> TestGrade:
    name, law, points, hard, note = check
    if skill == 0:
        return TestGrade(name, law, points, "not started", "You have not written this yet.")
    if draw.random() < skill - hard:
        return TestGrade(name, law, points, "passed")
    sentence = f"Your answer does not do this yet: {law[:1].lower()}{law[1:]}"
    return TestGrade(name, law, points, "failed", sentence, NOTES.get(note))


def not_run(grade: Grade, status: str, reason: str) -> Grade:
    """Return a grade none of whose checks ran."""
    tasks = tuple(
        replace(
            task,
            tests=tuple(
                replace(test, status="not run", sentence="", misconception=None)
                for test in task.tests
            ),
        )
        for task in grade.tasks
    )
    return replace(grade, status=status, reason=reason, tasks=tasks)


def a_submission(student="ada", digest="", submitted_at="2026-11-02T21:00:00Z") -> Submission:
    """Return a submission without content."""
    return Submission(
        student, "lab.ipynb", digest, submitted_at=submitted_at, origin=f"{student}/lab.ipynb"
    )


def a_class() -> list[tuple[Submission, Grade]]:
    """Return 30 students: most in the middle, some with full marks, some in trouble."""
    grades = []
    for index, student in enumerate(NAMES):
        skill = (2.0, 1.3, 1.1, 0.95, 0.8)[index % 5]
        repairs = REPAIRS[: index % 4] if index % 3 == 0 else ()
        grades.append(a_grade(student, skill, repairs=repairs))
    grades[4] = a_grade(NAMES[4], 0)
    grades[9] = a_grade(
        NAMES[9], 1.1, problems=("Code cell 7 stopped with a NameError: name 'pd' is not defined",)
    )
    grades[11] = not_run(grades[11], "unreadable", "The file is a PDF, not a notebook.")
    grades[17] = not_run(grades[17], "failed", "The worker that graded it ended twice.")
    grades[20] = replace(
        not_run(grades[20], "partly graded", "Time ran out after 180 s."), seconds=181.2, restarts=2
    )
    grades[22] = replace(grades[21], student=NAMES[22])
    times = [f"2026-11-0{1 + index % 4}T20:{10 + index}:00Z" for index in range(len(NAMES))]
    times[5] = ""
    return [
        (a_submission(grade.student, grade.digest, time), grade)
        for grade, time in zip(grades, times, strict=True)
    ]


def filled(path: Path) -> Gradebook:
    """Return an open gradebook in a folder that holds the class, its run ended."""
    book = Gradebook(path / "gradebook.sqlite")
    book.start_run(
        LAB,
        fingerprint=FINGERPRINT,
        seed=SEED,
        options={"jobs": 2, "seed": SEED},
        versions={"dllab": "0.1.0", "python": "3.11.9"},
        sandbox="bubblewrap 0.9, seccomp, no network",
        title=TITLE,
    )
    for submission, grade in a_class():
        book.add(grade, submission)
    book.end_run()
    return book
