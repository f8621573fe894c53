"""Do the pictures of a network's inside show the numbers they were given?"""

import numpy as np
import pytest
from matplotlib import pyplot as plt

from dllab import plot
from dllab.errors import ParameterError, ShapeError

RNG = np.random.default_rng(0)


def test_each_channel_has_a_panel_with_its_own_scale():
    maps = RNG.random((4, 5, 3)) * np.array([1.0, 10.0, 100.0])
    axes = plot.feature_maps(maps, columns=2, titles="abc", title="Maps")
    assert axes.shape == (3,)
    for channel, ax in enumerate(axes):
        assert np.array_equal(ax.images[0].get_array(), maps[..., channel])
        assert ax.images[0].get_clim() == (maps[..., channel].min(), maps[..., channel].max())
    assert axes[0].figure.get_suptitle() == "Maps"


def test_panels_may_share_one_scale():
    axes = plot.feature_maps(RNG.random((4, 5, 3)), shared=True)
    assert len({ax.images[0].get_clim() for ax in axes}) == 1


def test_a_constant_map_is_drawn():
    (ax,) = plot.feature_maps(np.ones((3, 3, 1)))
    ax.figure.canvas.draw()


def test_filters_are_orange_where_positive_blue_where_negative_and_white_at_zero():
    kernel = np.zeros((1, 3, 1, 1))
    kernel[0, :, 0, 0] = [-2, 0, 2]
    (ax,) = plot.filters(kernel)
    blue, white, orange = ax.images[0].get_array()[0]
    assert list(white) == [1, 1, 1]
    assert blue[2] > blue[0]
    assert orange[0] > orange[2]


def test_filters_of_color_images_are_color_images():
    axes = plot.filters(RNG.normal(size=(3, 3, 3, 5)))
    assert axes.shape == (5,)
    drawn = np.stack([ax.images[0].get_array() for ax in axes])
    assert drawn.min() >= 0
    assert drawn.max() <= 1


@pytest.mark.parametrize("shape", [(6, 6), (6, 6, 1), (6, 6, 3)])
def test_heat_covers_the_image_and_shows_its_sign(shape):
    """Is a coarse map laid over the whole image, orange for positive, clear for zero?"""
    heat = np.array([[1.0, 0.0], [-0.5, 0.25]])
    ax = plot.heatmap(np.full(shape, 0.5), heat, title="T", ax=plt.subplots()[1])
    image, layer = ax.images
    assert image.get_extent() == layer.get_extent()
    colors = layer.get_array()
    assert colors[0, 0, 3] == pytest.approx(0.8)
    assert colors[0, 1, 3] == 0
    assert colors[1, 0, 3] == pytest.approx(0.4)
    assert colors[0, 0, 0] > colors[0, 0, 2]
    assert colors[1, 0, 0] < colors[1, 0, 2]
    assert ax.get_title() == "T"


def test_a_grid_of_heat_has_one_scale_each_or_one_for_all():
    images, heats = RNG.random((2, 4, 4)), np.stack([np.ones((2, 2)), np.full((2, 2), 4.0)])
    own = plot.heatmaps(images, heats, ["a", "b"])
    assert [ax.images[1].get_array()[0, 0, 3] for ax in own] == pytest.approx([0.8, 0.8])
    shared = plot.heatmaps(images, heats, shared=True)
    assert [ax.images[1].get_array()[0, 0, 3] for ax in shared] == pytest.approx([0.2, 0.8])
    assert [ax.get_title() for ax in own] == ["a", "b"]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: plot.feature_maps(np.ones((2, 3, 3, 4))), ShapeError, r"take one image's"),
        (lambda: plot.filters(np.ones((3, 3, 8, 4))), ShapeError, "choose a channel"),
        (lambda: plot.heatmap(np.ones((4, 4)), np.ones(4)), ShapeError, "`heat` must"),
        (lambda: plot.heatmap(np.ones((4, 4)), [[np.nan]]), ParameterError, "NaN"),
        (lambda: plot.heatmap(np.ones((4, 4)), [[1]], strength=2), ParameterError, "`strength`"),
        (lambda: plot.heatmaps(np.ones((2, 4, 4)), np.ones((1, 2, 2))), ParameterError, "1 heats"),
        (
            lambda: plot.heatmaps(np.ones((2, 4, 4)), np.ones((2, 2, 2)), axes=plt.subplots()[1]),
            ParameterError,
            "1 entries for 2",
        ),
        (lambda: plot.embedding(np.ones((4, 3))), ShapeError, "`points` must"),
        (lambda: plot.embedding(np.ones((4, 2)), [1]), ShapeError, "`labels` must"),
        (lambda: plot.attention(np.ones((2, 3)), queries=["a"]), ShapeError, "with 1 queries"),
        (lambda: plot.attention([[0.5, 2.0]]), ParameterError, "between 0 and 1"),
    ],
)
def test_what_does_not_fit_is_reported(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_an_embedding_has_one_color_and_marker_for_each_class():
    points, labels = RNG.normal(size=(40, 2)), np.arange(40) % 10
    ax = plot.embedding(points, labels, classes=list("abcdefghij"), title="T")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list("abcdefghij")
    looks = {
        (tuple(group.get_facecolor()[0]), group.get_paths()[0].vertices.tobytes())
        for group in ax.collections
    }
    assert len(looks) == 10
    assert sum(len(group.get_offsets()) for group in ax.collections) == 40


def test_an_embedding_without_labels_has_no_legend():
    assert plot.embedding(RNG.normal(size=(5, 2))).get_legend() is None


def test_attention_writes_its_weights_and_names():
    ax = plot.attention([[0.25, 0.75]], queries=["le"], keys=["the", "a"], title="T")
    assert [text.get_text() for text in ax.texts] == ["0.25", "0.75"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["the", "a"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["le"]
    ax.figure.canvas.draw()
