"""Checks of lab 00: what a score, a split and a choice must satisfy, whatever the data."""

import numpy as np

import dllab
from dllab.check import expect, task

# --- Task 1: accuracy ------------------------------------------------------------------------


@task("accuracy", points=2)
def test_it_is_the_share_of_right_answers(student, rng):
    """With k of n predictions right, the accuracy is k/n."""
    n = int(rng.integers(20, 40))
    right = int(rng.integers(3, n // 2 - 2))
    labels = rng.integers(0, 10, size=n)
    predicted = (labels + rng.integers(1, 10, size=n)) % 10  # all wrong
    rows = rng.permutation(n)[:right]
    predicted[rows] = labels[rows]
    share = expect.number(student.accuracy(predicted, labels))
    expect.close(
        share,
        right / n,
        f"For {n} predictions you get {share:g}, which is not the share of right ones.",
        reveal=f"{right} of {n} predictions were right.",
    )


@task("accuracy", points=1)
def test_its_range(student, rng):
    """All right is 1, all wrong is 0."""
    labels = rng.integers(0, 10, size=12)
    expect.close(expect.number(student.accuracy(labels, labels)), 1.0, "All right should give 1.")
    wrong = expect.number(student.accuracy(labels + 1, labels))
    expect.close(wrong, 0.0, "All wrong should give 0.")


# --- Task 2: scaling -------------------------------------------------------------------------


@task("scale_pixels", points=1)
def test_the_range_becomes_zero_to_one(student, rng):
    """Pixels between 0 and 16 become pixels between 0 and 1, in proportion."""
    pixels = rng.integers(0, 17, size=(3, 8, 8)).astype(float)
    scaled = expect.array(student.scale_pixels(pixels), shape=(3, 8, 8))
    expect.close(
        scaled * 16, pixels, "A pixel of 16 should become 1, a pixel of 8 should become 0.5."
    )


@task("scale_pixels", points=1)
def test_running_it_again_changes_nothing(student, rng):
    """The same pixels give the same result, call after call."""
    pixels = rng.integers(1, 17, size=(2, 4)).astype(float)
    first, *later = [expect.array(student.scale_pixels(pixels), shape=(2, 4)) for _ in range(3)]
    for again in later:
        expect.close(again, first, "The same pixels gave another result when called once more.")


@task("scale_pixels", points=1)
def test_neighbors_do_not_matter(student, rng):
    """An image is scaled the same way alone and among others."""
    dark = rng.integers(1, 9, size=(1, 8, 8)).astype(float)
    bright = np.full((1, 8, 8), 16.0)
    alone = expect.array(student.scale_pixels(dark), shape=(1, 8, 8))
    together = expect.array(student.scale_pixels(np.concatenate([dark, bright])), shape=(2, 8, 8))
    expect.close(together[:1], alone, "The same image came out differently beside a brighter one.")


# --- Task 3: the majority baseline -----------------------------------------------------------


@task("majority_baseline", points=2)
def test_it_answers_the_most_common_class(student, rng):
    """Every answer is the class that the training labels hold most often."""
    common, *others = (int(c) for c in rng.permutation(10)[:4])
    labels = np.array([common] * 9 + [others[0]] * 5 + [others[1]] * 4 + [others[2]] * 6)
    labels = rng.permutation(labels)
    examples = int(rng.integers(5, 40))
    answers = expect.array(student.majority_baseline(labels, examples), shape=(examples,))
    expect.true(
        bool((answers == common).all()),
        "Every answer should be the most common training label.",
        reveal=f"Here that is {common}.",
    )


@task("majority_baseline", points=1)
def test_it_reaches_the_share_of_that_class(student, rng):
    """On data like the training data it scores exactly the share of the most common class."""
    labels = rng.permutation(np.array([3] * 30 + [7] * 10))
    answers = expect.array(student.majority_baseline(labels, 40), shape=(40,))
    expect.close(
        (answers == labels).mean(),
        0.75,
        "30 of these 40 labels are 3, so the baseline should be right on 0.75 of them.",
    )


# --- Task 4: the split -----------------------------------------------------------------------

PARTS = ("train", "validation", "test")


def split_parts(student, examples, seed):
    """Return the three parts as lists of whole numbers."""
    parts = expect.mapping(student.split(examples, seed), PARTS)
    return {name: expect.array(parts[name]).astype(int).tolist() for name in PARTS}


@task("split", points=2)
def test_each_example_stands_in_one_part(student, rng):
    """The parts are disjoint and together hold every row."""
    examples = int(rng.integers(50, 200))
    parts = split_parts(student, examples, int(rng.integers(1000)))
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        shared = set(parts[one]) & set(parts[other])
        expect.true(not shared, f"{len(shared)} rows stand in both {one} and {other}.")
    rows = sorted(row for name in PARTS for row in parts[name])
    expect.true(
        rows == list(range(examples)),
        f"Together the parts should hold each of the {examples} rows once.",
    )
    for name, share in zip(PARTS, (0.6, 0.2, 0.2), strict=True):
        expect.true(
            abs(len(parts[name]) - share * examples) <= 2,
            f"The {name} part holds {len(parts[name])} of {examples} rows, not about {share:.0%}.",
        )


@task("split", points=1)
def test_it_is_shuffled(student, rng):
    """Sorted data leave no part without a class."""
    examples = 300
    labels = np.repeat(np.arange(3), examples // 3)
    parts = split_parts(student, examples, int(rng.integers(1000)))
    for name in PARTS:
        expect.true(
            len(set(labels[parts[name]])) == 3,
            f"In data sorted by class, the {name} part misses a class: shuffle before you cut.",
        )


@task("split", points=1)
def test_the_seed_decides(student, rng):
    """The same seed gives the same split, another seed another one."""
    seed = int(rng.integers(1000))
    first, again, other = (split_parts(student, 100, s) for s in (seed, seed, seed + 1))
    expect.true(first == again, "Two calls with the same seed gave different splits.")
    expect.true(first != other, "Two different seeds gave the same split.")


# --- Task 5: choose and report ---------------------------------------------------------------


def models(rng):
    """Return results in which validation, test, depth and order each favor another model."""
    scores = np.sort(rng.uniform(0.70, 0.95, size=8).round(3)) + np.arange(8) * 0.002
    return {
        "first": {"layers": 1, "validation": float(scores[1]), "test": float(scores[0])},
        "best on validation": {
            "layers": 2,
            "validation": float(scores[6]),
            "test": float(scores[4]),
        },
        "best on test": {"layers": 3, "validation": float(scores[5]), "test": float(scores[7])},
        "deepest": {"layers": 9, "validation": float(scores[3]), "test": float(scores[2])},
    }


def chosen(student, results):
    """Return the learner's pair (name, accuracy)."""
    answer = student.choose(results)
    expect.true(
        isinstance(answer, tuple | list) and len(answer) == 2,
        "Return two things: the name of the model and the accuracy that you report.",
    )
    return expect.text(answer[0], choices=list(results)), expect.number(answer[1])


@task("choose", points=2)
def test_validation_chooses(student, rng):
    """The chosen model is the best on the validation set, whatever its depth and test score."""
    name, _ = chosen(student, models(rng))
    expect.true(
        name == "best on validation",
        f"You chose '{name}'; the choice is what the validation set is for.",
    )


@task("choose", points=1)
def test_the_report_comes_from_the_test_set(student, rng):
    """The reported number is the test accuracy of the model that validation chose."""
    results = models(rng)
    _, reported = chosen(student, results)
    expect.close(
        reported,
        results["best on validation"]["test"],
        "Report how the model that validation chose does on examples no choice has used.",
    )


# --- Task 6: beat the baseline ---------------------------------------------------------------


@task("classify", points=2, trains=True)
def test_it_beats_the_baseline(student, rng):
    """The network reads new digits far better than the most common class would."""
    digits = dllab.load("digits")
    x_train, y_train = digits.train.x * 16, digits.train.y
    x_new, y_new = digits.test.x * 16, digits.test.y
    seed = int(rng.integers(1_000_000))
    seen = expect.array(student.classify(x_train, y_train, x_new, seed), shape=(len(x_new),))
    share = float((seen == y_new).mean())
    baseline = float((y_new == np.bincount(y_train).argmax()).mean())
    expect.true(
        share >= 0.9,
        f"{share:.2f} of the new digits are right, the baseline gets {baseline:.2f}; reach 0.90.",
    )


@task("classify", points=1, trains=True)
def test_it_learns_from_the_labels_it_is_given(student, rng):
    """With the digits renamed, the answers are renamed too."""
    digits = dllab.load("digits")
    new_name = rng.permutation(10)
    x_train, y_train = digits.train.x * 16, new_name[digits.train.y]
    x_new, y_new = digits.test.x[:200] * 16, new_name[digits.test.y[:200]]
    seen = expect.array(student.classify(x_train, y_train, x_new, 1), shape=(200,))
    share = float((seen == y_new).mean())
    expect.true(
        share >= 0.88,
        f"After the digits were given new names, only {share:.2f} of the answers are right: learn "
        "from `y_train`.",
    )


@task("classify", points=1, trains=True)
def test_order_of_new_images_does_not_matter(student, rng):
    """Each image gets its answer alone: in another order the same answers come back."""
    digits = dllab.load("digits")
    x_train, y_train = digits.train.x[:400] * 16, digits.train.y[:400]
    x_new = digits.validation.x[:100] * 16
    order = rng.permutation(100)
    seen = expect.array(student.classify(x_train, y_train, x_new, 2), shape=(100,))
    shuffled = expect.array(student.classify(x_train, y_train, x_new[order], 2), shape=(100,))
    expect.true(
        float((shuffled == seen[order]).mean()) >= 0.98,
        "The same images in another order, with the same seed, got other answers.",
    )
