"""Do the scores agree with scikit-learn and with what they are defined to be?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as theirs

from dllab import metrics
from dllab.errors import ParameterError, ShapeError


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_the_confusion_matrix_is_scikit_learn_s(rng):
    y, predicted = rng.integers(4, size=(2, 200))
    np.testing.assert_array_equal(
        metrics.confusion_matrix(y, predicted), theirs.confusion_matrix(y, predicted)
    )


def test_the_hand_example_of_the_chapter():
    """Eight customers; the chapter on evaluation computes these numbers on paper."""
    scores = np.array([0.90, 0.80, 0.60, 0.40, 0.35, 0.20, 0.15, 0.10])
    labels = np.array([1, 0, 1, 0, 0, 0, 1, 0])
    said_yes = scores >= 0.5
    np.testing.assert_array_equal(metrics.confusion_matrix(labels, said_yes), [[4, 1], [1, 2]])
    assert metrics.auc(labels, scores) == pytest.approx(10 / 15)
    assert metrics.auc(labels, said_yes) == pytest.approx((1 + 2 / 3 - 1 / 5) / 2)


def test_a_class_that_never_occurs_has_a_row_and_a_column():
    found = metrics.confusion_matrix([0, 1], [1, 1], classes=3)
    np.testing.assert_array_equal(found, [[0, 1, 0], [0, 1, 0], [0, 0, 0]])


scored = st.lists(st.tuples(st.integers(0, 1), st.integers(-3, 3)), min_size=2, max_size=30).filter(
    lambda pairs: len({label for label, _ in pairs}) == 2
)


@given(scored)
def test_auc_is_the_share_of_pairs_in_the_right_order(pairs):
    """Few different scores make many ties; each counts one half."""
    y, s = np.array(pairs).T
    gap = s[y == 1][:, None] - s[y == 0]
    assert metrics.auc(y, s) == pytest.approx(np.mean((gap > 0) + 0.5 * (gap == 0)))
    assert metrics.auc(y, s) == pytest.approx(theirs.roc_auc_score(y, s))
    assert metrics.auc(y, np.exp(s)) == pytest.approx(metrics.auc(y, s)), "only the order counts"
    assert metrics.auc(y, -s) == pytest.approx(1 - metrics.auc(y, s))


def test_the_roc_curve_has_scikit_learn_s_points(rng):
    y, s = rng.integers(2, size=100), rng.integers(20, size=100)
    expected = theirs.roc_curve(y, s, drop_intermediate=False)
    for ours, other in zip(metrics.roc_curve(y, s), expected, strict=True):
        np.testing.assert_allclose(ours, other)


def test_probabilities_that_come_true_are_calibrated(rng):
    p = rng.uniform(size=200_000)
    y = (rng.uniform(size=p.size) < p).astype(int)
    assert metrics.calibration(y, p).error < 0.01
    assert metrics.calibration(y, p**3).error > 0.1


def test_bins_hold_every_example_also_at_the_ends():
    found = metrics.calibration([0, 1, 1], [0.0, 1.0, 0.5], bins=2)
    np.testing.assert_array_equal(found.counts, [1, 2])
    np.testing.assert_allclose(found.promised, [0.0, 0.75])


def test_a_bootstrap_interval_of_a_mean_is_as_wide_as_the_normal_one(rng):
    x = rng.normal(size=400)
    low, high = metrics.bootstrap_interval(np.mean, x, rng=rng, draws=4000)
    standard_error = x.std() / 20
    assert low == pytest.approx(x.mean() - 1.96 * standard_error, abs=0.1 * standard_error)
    assert high == pytest.approx(x.mean() + 1.96 * standard_error, abs=0.1 * standard_error)


def test_rows_of_several_arrays_are_drawn_together(rng):
    x = rng.normal(size=50)
    interval = metrics.bootstrap_interval(lambda a, b: float(np.sum(a - b)), x, x, rng=rng)
    assert interval == (0.0, 0.0)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: metrics.auc([1, 1], [0, 1]), ParameterError, "one of each"),
        (lambda: metrics.auc([0, 1], [0, np.nan]), ParameterError, "NaN"),
        (lambda: metrics.auc([0, 1, 1], [0, 1]), ShapeError, "`labels` has 3"),
        (lambda: metrics.auc([[0], [1]], [0, 1]), ShapeError, "flatten"),
        (lambda: metrics.confusion_matrix([0, 1], [0.2, 0.9]), ParameterError, "argmax"),
        (lambda: metrics.confusion_matrix([0, 2], [0, 1], classes=2), ParameterError, "pass 3"),
        (lambda: metrics.calibration([0, 1], [0, 4.0]), ParameterError, "sigmoid"),
        (lambda: metrics.calibration([0, 1], [0, 1], bins=0), ParameterError, "`bins`"),
        (
            lambda: metrics.bootstrap_interval(np.mean, rng=np.random.default_rng()),
            ShapeError,
            "at least one",
        ),
        (
            lambda: metrics.bootstrap_interval(np.mean, [1], rng=np.random.default_rng(), draws=0),
            ParameterError,
            "`draws`",
        ),
        (
            lambda: metrics.bootstrap_interval(np.mean, [1], rng=np.random.default_rng(), level=95),
            ParameterError,
            "`level`",
        ),
    ],
)
def test_what_cannot_be_scored_is_reported(call, error, match):
    with pytest.raises(error, match=match):
        call()
