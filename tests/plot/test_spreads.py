"""Does the line run through the mean of the seeds, and the band one deviation around it?"""

import numpy as np
import pytest
from matplotlib import pyplot as plt

from dllab import plot
from dllab.errors import ParameterError, ShapeError

RUNS = [[1.0, 10.0], [3.0, 10.0], [5.0, 40.0]]  # means 3 and 20, deviations 2 and 17.32


def edges(ax, band=0):
    """The lower and the upper edge of a band, in the order of `x`."""
    outline = ax.collections[band].get_paths()[0].vertices
    return [
        [(f(outline[outline[:, 0] == x, 1])) for x in np.unique(outline[:, 0])] for f in (min, max)
    ]


def test_the_line_is_the_mean_and_the_band_one_sample_deviation():
    ax = plot.spread({"a": RUNS}, x=[10, 20])
    assert list(ax.lines[0].get_xdata()) == [10, 20]
    assert list(ax.lines[0].get_ydata()) == [3, 20]
    low, high = edges(ax)
    assert np.allclose(low, [1, 20 - np.sqrt(300)])
    assert np.allclose(high, [5, 20 + np.sqrt(300)])


def test_a_spread_is_labelled_and_drawn_where_it_was_asked_for():
    ax = plt.subplots()[1]
    drawn = plot.spread(
        {"a": RUNS, "b": RUNS},
        x=[0.1, 1],
        xlabel="rate",
        ylabel="loss",
        title="Rates",
        log_x=True,
        log_y=True,
        ax=ax,
    )
    assert drawn is ax
    assert (ax.get_title(), ax.get_xlabel(), ax.get_ylabel()) == ("Rates", "rate", "loss")
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]
    styles = {(line.get_color(), line.get_linestyle(), line.get_marker()) for line in ax.lines}
    assert len(styles) == 2


def test_series_may_differ_in_their_seeds():
    ax = plot.spread({"a": RUNS, "b": RUNS[:2]})
    assert list(ax.lines[1].get_ydata()) == [2, 10]


def test_on_a_logarithmic_axis_the_band_stays_positive():
    """The mean minus one deviation may be negative although every value is positive."""
    runs = [[1.0], [1.0], [100.0]]
    assert edges(plot.spread({"a": runs}))[0][0] < 0
    assert edges(plot.spread({"a": runs}, log_y=True))[0] == [1.0]


def test_a_single_series_needs_no_legend_and_many_points_no_markers():
    ax = plot.spread({"a": np.zeros((3, 200))})
    assert ax.get_legend() is None
    assert ax.lines[0].get_marker() == "None"


@pytest.mark.parametrize("wrong", [RUNS, {}, None, {"a": [["x"], ["y"]]}, {"a": [[1], [1, 2]]}])
def test_runs_that_are_no_named_numbers_are_reported(wrong):
    with pytest.raises(ParameterError, match="`series"):
        plot.spread(wrong)


def test_runs_of_another_shape_are_reported():
    with pytest.raises(ShapeError, match=r"must have shape \(seeds, points\), not \(3,\)"):
        plot.spread({"a": [1, 2, 3]})
    with pytest.raises(ShapeError, match="a spread needs at least two"):
        plot.spread({"a": [[1, 2, 3]]})
    with pytest.raises(ShapeError, match="`x` has 1 values"):
        plot.spread({"a": RUNS}, x=[1])
