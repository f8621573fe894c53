"""Do the pictures of a classifier's answers show the numbers they were given?"""

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb

from dllab import plot
from dllab.errors import ParameterError, ShapeError


def test_each_count_stands_in_its_cell():
    ax = plt.subplots()[1]
    drawn = plot.confusion_matrix([[1000, 1], [2, 3]], ["no", "yes"], title="Four cells", ax=ax)
    assert drawn is ax
    assert {text.get_position(): text.get_text() for text in ax.texts} == {
        (0, 0): "1,000",
        (1, 0): "1",
        (0, 1): "2",
        (1, 1): "3",
    }
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["no", "yes"]


def test_color_is_the_share_of_the_row_also_for_an_empty_class():
    image = plot.confusion_matrix([[8, 2], [0, 0]]).images[0]
    np.testing.assert_allclose(image.get_array(), [[0.8, 0.2], [0, 0]])


def test_numbers_are_readable_on_every_shade():
    """WCAG asks for a contrast of 4.5 of text; the worst shade keeps it."""
    for share in np.linspace(0, 1, 51):
        ax = plot.confusion_matrix(np.array([[share, 1 - share], [0.0, 1.0]]))
        shade = ax.images[0].cmap(share)[:3]
        text = next(text for text in ax.texts if text.get_position() == (0, 0))
        assert plot.contrast(to_rgb(text.get_color()), shade) >= 4.5, share
        plt.close("all")


@pytest.mark.parametrize(
    ("matrix", "classes", "error"),
    [
        ([[1, 2]], None, ShapeError),
        ([[1, 2], [3, 4]], ["a"], ShapeError),
        ([[1, -2], [3, 4]], None, ParameterError),
        ([["a", "b"], ["c", "d"]], None, ParameterError),
    ],
)
def test_what_is_no_confusion_matrix_is_reported(matrix, classes, error):
    with pytest.raises(error, match=r"`matrix`|`classes`"):
        plot.confusion_matrix(matrix, classes)


def test_reliability_draws_each_model_and_the_diagonal():
    rng = np.random.default_rng(0)
    p = rng.uniform(size=500)
    y = (rng.uniform(size=500) < p).astype(int)
    ax = plot.reliability(y, {"honest": p, "bold": np.round(p)}, bins=5, title="Promises")
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["what was promised", "honest", "bold"]
    honest = ax.containers[0].lines[0]
    np.testing.assert_allclose(honest.get_ydata(), honest.get_xdata(), atol=0.15)


def test_bins_with_few_examples_can_be_left_out():
    p = np.array([0.1] * 10 + [0.9])
    line = plot.reliability([0, 1] * 5 + [1], p, bins=5, least=2).containers[0].lines[0]
    np.testing.assert_allclose(line.get_xdata(), [0.1])


def test_a_single_model_needs_no_name():
    assert plot.reliability([0, 1, 1], [0.1, 0.9, 0.6]).get_ylim() == (-0.02, 1.02)


def test_reliability_refuses_scores_that_are_no_probabilities():
    with pytest.raises(ParameterError, match="sigmoid"):
        plot.reliability([0, 1], [-3.0, 3.0])
