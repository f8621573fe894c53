"""Wrong solutions of lab 00, each a misconception; a learner's output is compared with theirs."""

import numpy as np

from dllab import scratch
from dllab.check import mutant

# --- accuracy --------------------------------------------------------------------------------


@mutant("accuracy", misconception="error-for-accuracy")
def error_rate(predicted, labels):
    """You counted the wrong answers: this is the error rate, and the accuracy is 1 minus it."""
    return np.mean(predicted != labels)


@mutant("accuracy", misconception="share-not-count")
def count(predicted, labels):
    """You returned how many answers are right: divide by the number of examples."""
    return np.sum(predicted == labels)


@mutant("accuracy", misconception="share-not-count")
def percent(predicted, labels):
    """You returned a percentage: accuracy is a share between 0 and 1."""
    return 100 * np.mean(predicted == labels)


@mutant("accuracy", misconception="share-not-count")
def all_or_nothing(predicted, labels):
    """You compared the arrays as a whole: compare them element by element, then take the mean."""
    return float(np.array_equal(predicted, labels))


# --- scale_pixels ----------------------------------------------------------------------------


@mutant("scale_pixels", misconception="input-changed-in-place")
def in_place(pixels):
    """You divided in place, so each further run divides the same array once more."""
    pixels /= 16
    return pixels


@mutant("scale_pixels", misconception="scaled-by-batch")
def by_the_brightest(pixels):
    """You divided by the brightest pixel given, so an image changes with its neighbors."""
    return pixels / pixels.max()


@mutant("scale_pixels", misconception="scaled-by-batch")
def between_darkest_and_brightest(pixels):
    """You stretched between the darkest and the brightest pixel given: divide by 16, always."""
    return (pixels - pixels.min()) / (pixels.max() - pixels.min())


@mutant("scale_pixels", misconception="share-not-count")
def by_255(pixels):
    """You divided by 255: these pixels go up to 16."""
    return pixels / 255


# --- majority_baseline -----------------------------------------------------------------------


@mutant("majority_baseline", misconception="accuracy-without-baseline")
def mean_label(train_labels, examples):
    """You averaged the class numbers: they are names, and the average of names means nothing."""
    return np.full(examples, round(np.mean(train_labels)))


@mutant("majority_baseline", misconception="accuracy-without-baseline")
def largest_label(train_labels, examples):
    """You answered the class with the largest number: count how often each class occurs."""
    return np.full(examples, np.max(train_labels))


@mutant("majority_baseline", misconception="accuracy-without-baseline")
def largest_count(train_labels, examples):
    """You answered with how often the class occurs: return the class, not its count."""
    return np.full(examples, np.unique(train_labels, return_counts=True)[1].max())


@mutant("majority_baseline", misconception="accuracy-without-baseline")
def repeats_training_labels(train_labels, examples):
    """You repeated the training labels in their order: answer the one most common class."""
    return np.resize(train_labels, examples)


@mutant("majority_baseline", misconception="accuracy-without-baseline")
def rarest(train_labels, examples):
    """You answered the rarest class: take the one with the largest count."""
    classes, counts = np.unique(train_labels, return_counts=True)
    return np.full(examples, classes[counts.argmin()])


# --- split -----------------------------------------------------------------------------------


def _cut(order):
    n = len(order)
    return {
        "train": order[: int(0.6 * n)],
        "validation": order[int(0.6 * n) : int(0.8 * n)],
        "test": order[int(0.8 * n) :],
    }


@mutant("split", misconception="sorted-data-split")
def without_shuffling(examples, seed):
    """You cut without shuffling: in a sorted file, whole classes fall into one part."""
    return _cut(np.arange(examples))


@mutant("split", misconception="overlapping-splits")
def draws_each_part(examples, seed):
    """You drew each part on its own, so examples stand in several parts: shuffle once, then cut."""
    rng = np.random.default_rng(seed)
    sizes = {"train": 0.6, "validation": 0.2, "test": 0.2}
    return {
        name: rng.choice(examples, size=int(share * examples), replace=False)
        for name, share in sizes.items()
    }


@mutant("split", misconception="seed-ignored")
def ignores_the_seed(examples, seed):
    """You shuffled without the seed: nobody can repeat your split."""
    return _cut(np.random.default_rng().permutation(examples))


@mutant("split", misconception="seed-ignored")
def always_seed_zero(examples, seed):
    """Every seed gave the same split: make the generator from the seed you are given."""
    return _cut(np.random.default_rng(0).permutation(examples))


@mutant("split", misconception="overlapping-splits")
def test_is_validation(examples, seed):
    """Validation and test are the same examples: then nothing untouched is left for the end."""
    parts = _cut(np.random.default_rng(seed).permutation(examples))
    return {**parts, "validation": parts["test"]}


# --- choose ----------------------------------------------------------------------------------


def _best(results, key):
    return max(results, key=lambda name: results[name][key])


@mutant("choose", misconception="chosen-on-test")
def on_the_test_set(results):
    """You chose the model with the best test score: choose on validation, look at the test once."""
    name = _best(results, "test")
    return name, results[name]["test"]


@mutant("choose", misconception="validation-score-reported")
def reports_validation(results):
    """You reported the score that chose, which is too high by luck: report the test score."""
    name = _best(results, "validation")
    return name, results[name]["validation"]


@mutant("choose", misconception="more-layers-always-win")
def the_deepest(results):
    """You chose the deepest model: depth decides nothing, the validation score does."""
    name = _best(results, "layers")
    return name, results[name]["test"]


@mutant("choose", misconception="chosen-on-test")
def best_of_both(results):
    """You chose by the sum of both scores: as soon as the test score takes part, it is spoiled."""
    name = max(results, key=lambda n: results[n]["validation"] + 3 * results[n]["test"])
    return name, results[name]["test"]


# --- classify --------------------------------------------------------------------------------


def _train(x, y, seed, epochs=10):
    rng = np.random.default_rng(seed)
    hidden = scratch.Dense(64, 32, activation="relu", rng=rng)
    network = scratch.Sequential([hidden, scratch.Dense(32, 10, rng=rng)])
    optimizer = scratch.SGD(network.parameters(), learning_rate=0.3)
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        for batch in np.array_split(rng.permutation(len(x)), len(x) // 32 + 1):
            optimizer.zero_grad()
            scratch.softmax_cross_entropy(network(x[batch]), y[batch]).backward()
            optimizer.step()
    return network


def _rows(x):
    return (x / 16).reshape(-1, 64)


@mutant("classify", misconception="untrained-network")
def never_trains(x_train, y_train, x_new, seed):
    """You asked a network that has not been trained: its weights are still random."""
    return _train(_rows(x_train), y_train, seed, epochs=0)(_rows(x_new)).data.argmax(axis=1)


@mutant("classify", misconception="scaled-in-training-only")
def scales_training_only(x_train, y_train, x_new, seed):
    """You divided the training images by 16 but not the new ones, or not in the same way."""
    new = x_new.reshape(-1, 64) - 16  # so far outside what it has seen that it cannot answer
    return _train(_rows(x_train), y_train, seed)(new).data.argmax(axis=1)


@mutant("classify", misconception="labels-out-of-step")
def shuffles_images_only(x_train, y_train, x_new, seed):
    """You shuffled the images and left the labels in their order, so the network learned noise."""
    order = np.random.default_rng(seed).permutation(len(x_train))
    return _train(_rows(x_train[order]), y_train, seed)(_rows(x_new)).data.argmax(axis=1)


@mutant("classify", misconception="accuracy-without-baseline")
def most_common_digit(x_train, y_train, x_new, seed):
    """You answered the most common digit for every image: that is the baseline you should beat."""
    return np.full(len(x_new), np.bincount(y_train).argmax())
