"""Does each function draw what it was given, on the axes it was given?"""

import types

import numpy as np
import pytest
from matplotlib import pyplot as plt

from dllab import plot
from dllab.errors import ParameterError, ShapeError


@pytest.fixture
def points():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2))
    return x, (x[:, 0] > 0).astype(int)


@pytest.fixture
def ax():
    return plt.subplots()[1]


def labels(ax):
    return ax.get_title(), ax.get_xlabel(), ax.get_ylabel()


def test_curves_are_drawn_and_labelled(ax):
    drawn = plot.curves(
        {"a": [1, 2, 3], "b": [3, 2, 1]},
        x=[10, 20, 30],
        xlabel="time (s)",
        ylabel="height (m)",
        title="Heights",
        log_y=True,
        ax=ax,
    )
    assert drawn is ax
    assert labels(ax) == ("Heights", "time (s)", "height (m)")
    assert [line.get_label() for line in ax.lines] == ["a", "b"]
    assert list(ax.lines[0].get_xdata()) == [10, 20, 30]
    assert ax.get_yscale() == "log"
    styles = {(line.get_color(), line.get_linestyle(), line.get_marker()) for line in ax.lines}
    assert len(styles) == 2


def test_a_single_curve_needs_no_legend():
    assert plot.curves({"a": [1, 2]}).get_legend() is None


def test_a_long_curve_has_no_markers():
    assert plot.curves({"a": np.zeros(200)}).lines[0].get_marker() == "None"


@pytest.mark.parametrize("wrong", [[1, 2], {}, {"a": ["x"]}, None])
def test_curves_that_are_no_named_numbers_are_reported(wrong):
    with pytest.raises(ParameterError, match="`series"):
        plot.curves(wrong)


def test_curves_of_another_shape_are_reported():
    with pytest.raises(ShapeError, match=r"`series\['a'\]` must have shape \(n,\), not \(2, 2\)"):
        plot.curves({"a": np.zeros((2, 2))})
    with pytest.raises(ShapeError, match="`x` has 1 values"):
        plot.curves({"a": [1, 2]}, x=[1])


RECORDED = {"loss": [3, 2], "accuracy": [0.4, 0.6], "val_loss": [4, 5], "mae": [1, 1]}


@pytest.mark.parametrize(
    "history",
    [
        RECORDED,
        types.SimpleNamespace(metrics=RECORDED),
        types.SimpleNamespace(history=RECORDED),  # what Keras's own fit returns
    ],
)
def test_learning_curves_take_each_kind_of_history(history):
    loss, accuracy = plot.learning_curves(history)
    assert [line.get_label() for line in loss.lines] == ["training", "validation"]
    assert list(loss.lines[1].get_ydata()) == [4, 5]
    assert list(loss.lines[0].get_xdata()) == [1, 2]
    assert [line.get_label() for line in accuracy.lines] == ["training"]
    assert labels(loss) == ("Loss", "epoch", "loss")


def test_learning_curves_draw_the_metrics_asked_for(ax):
    (drawn,) = plot.learning_curves(RECORDED, metrics=["mae"], axes=ax, title="Error")
    assert drawn is ax
    assert labels(ax) == ("Error", "epoch", "mae")


def test_a_metric_that_was_not_recorded_is_reported():
    with pytest.raises(ParameterError, match="asks for 'auc'; the history recorded loss, accuracy"):
        plot.learning_curves(RECORDED, metrics=["auc"])


def test_too_few_axes_are_reported(ax):
    with pytest.raises(ParameterError, match="`axes` must be 2"):
        plot.learning_curves(RECORDED, axes=ax)


@pytest.mark.parametrize("shape", [(5, 4, 4), (5, 4, 4, 1), (5, 4, 4, 3)])
def test_images_are_laid_out_row_by_row(shape):
    axes = plot.images(np.random.default_rng(0).random(shape), titles=list("abcde"), columns=3)
    assert axes.shape == (5,)
    assert [ax.get_title() for ax in axes] == list("abcde")
    rows = [ax.get_subplotspec().rowspan.start for ax in axes]
    assert rows == [0, 0, 0, 1, 1]


def test_gray_images_share_one_scale():
    axes = plot.images([np.zeros((2, 2)), np.full((2, 2), 7.0)], title="Two")
    assert {ax.images[0].get_clim() for ax in axes} == {(0.0, 7.0)}
    assert axes[0].figure.get_suptitle() == "Two"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"images": 3}, ParameterError, "`images` must be an array"),
        ({"images": []}, ParameterError, "`images` is empty"),
        ({"images": np.zeros((4, 4))}, ShapeError, r"pass image\[None\]"),
        ({"images": np.zeros((2, 4, 4, 2))}, ShapeError, "1, 3 or 4 channels"),
        ({"images": np.zeros((2, 4, 4)), "titles": ["a"]}, ParameterError, "1 entries for 2"),
        ({"images": np.zeros((2, 4, 4)), "columns": 0}, ParameterError, "`columns`"),
        ({"images": np.zeros((1, 4, 4)), "axes": "here"}, ParameterError, "`ax` must be"),
    ],
)
def test_images_that_do_not_fit_are_reported(arguments, error, message):
    with pytest.raises(error, match=message):
        plot.images(**arguments)


@pytest.mark.parametrize(
    "predict",
    [
        lambda x: (x[:, 0] > 0).astype(int),
        lambda x: 1 / (1 + np.exp(-x[:, 0])),
        lambda x: 1 / (1 + np.exp(-x[:, :1])),
        lambda x: np.stack([-x[:, 0], x[:, 0], x[:, 0] - 9], axis=1),
        lambda x: np.zeros(len(x)),
    ],
    ids=["class", "probability", "column", "classes", "constant"],
)
def test_the_decision_boundary_takes_what_classifiers_answer(points, predict, ax):
    drawn = plot.decision_boundary(predict, *points, classes=["left", "right"], ax=ax, title="T")
    assert drawn is ax
    assert labels(ax) == ("T", "$x_1$", "$x_2$")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["left", "right"]
    ax.figure.canvas.draw()


def test_the_boundary_lies_where_the_answer_changes(points, ax):
    plot.decision_boundary(lambda x: (x[:, 0] > 0.5).astype(int), *points, ax=ax)
    line = ax.collections[1].get_paths()[0].vertices
    assert line[:, 0] == pytest.approx(np.full(len(line), 0.5), abs=0.05)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"predict": 3}, ParameterError, "`predict` must be a function"),
        ({"predict": lambda x: 1}, ShapeError, "one class or probability for each point"),
        ({"x": np.zeros((3, 3))}, ShapeError, "`x` must have shape"),
        ({"y": np.zeros(7)}, ShapeError, r"`y` must have shape \(40,\)"),
    ],
)
def test_a_decision_boundary_that_does_not_fit_is_reported(points, change, error, message):
    arguments = {"predict": lambda x: x[:, 0], "x": points[0], "y": points[1], **change}
    with pytest.raises(error, match=message):
        plot.decision_boundary(**arguments)


def test_histograms_share_their_bins(ax):
    rng = np.random.default_rng(0)
    values = {"wide": rng.normal(size=(10, 10)), "narrow": rng.normal(size=50) / 9}
    assert plot.histograms(values, bins=20, ax=ax, title="Z") is ax
    assert labels(ax) == ("Z", "value", "count")
    edges = [tuple(patch.get_data().edges) for patch in ax.patches]
    assert len(set(edges)) == 1
    assert len(edges[0]) == 21
    assert ax.patches[0].get_data().values.sum() == 100


def test_a_density_has_area_one():
    ax = plot.histograms({"a": np.arange(10.0)}, bins=5, density=True)
    heights, edges, _ = ax.patches[0].get_data()
    assert (heights * np.diff(edges)).sum() == pytest.approx(1)
    assert ax.get_ylabel() == "density"


@pytest.mark.parametrize(
    ("values", "bins", "message"),
    [
        ([1, 2], 10, "`values` must be a mapping"),
        ({"a": []}, 10, "at least one number"),
        ({"a": [1.0, np.nan]}, 10, "neither NaN"),
        ({"a": [1.0]}, 0, "`bins`"),
    ],
)
def test_histograms_of_nothing_are_reported(values, bins, message):
    with pytest.raises(ParameterError, match=message):
        plot.histograms(values, bins=bins)


def test_gradient_norms_are_logarithmic_and_count_layers_from_one(ax):
    assert plot.gradient_norms({"relu": [1, 0.1, 0], "tanh": [1, 2, 3]}, ax=ax) is ax
    assert list(ax.lines[0].get_xdata()) == [1, 2, 3]
    assert np.isnan(ax.lines[0].get_ydata()[2])
    assert ax.get_yscale() == "log"
    assert labels(ax) == ("", "layer", "norm of the gradient")


def test_dead_gradients_alone_can_be_drawn():
    plot.gradient_norms({"relu": [0, 0]}).figure.canvas.draw()


def test_a_negative_norm_is_reported():
    with pytest.raises(ParameterError, match="negative"):
        plot.gradient_norms({"relu": [-1.0]})
