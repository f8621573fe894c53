"""Do figures read on a light and on a dark page?"""

import pytest
from matplotlib import pyplot as plt

from dllab import plot
from dllab.errors import ParameterError
from dllab.plot.style import BACKGROUNDS, LINES, MARKERS, axes_or_new


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("color", plot.COLORS)
def test_every_line_color_has_a_contrast_of_three(color, background):
    assert plot.contrast(color, background) >= 3


def test_the_text_reads_on_white_at_level_aa_and_on_dark_pages_as_graphics_must():
    on_white, *on_dark = (plot.contrast(plot.TEXT, background) for background in BACKGROUNDS)
    assert on_white >= 4.5
    assert min(on_dark) >= 3.7


def test_no_gray_could_do_better_on_both():
    """The claim in the source: 4.5:1 on white and on the darkest page at once is impossible."""
    grays = [f"#{level:02x}{level:02x}{level:02x}" for level in range(256)]
    best = max(min(plot.contrast(gray, page) for page in BACKGROUNDS[:2]) for gray in grays)
    assert 4.2 < best < 4.5


def test_contrast_does_not_depend_on_the_order():
    assert plot.contrast("red", "blue") == plot.contrast("blue", "red")
    assert plot.contrast("gray", "gray") == 1


def test_lines_and_markers_tell_as_many_series_apart_as_colors_do():
    assert len(set(plot.COLORS)) == len(set(LINES)) == len(set(MARKERS)) == 8


def test_the_background_is_transparent(tmp_path):
    ax = plot.curves({"a": [1, 2]})
    ax.figure.savefig(tmp_path / "figure.png")
    pixels = plt.imread(tmp_path / "figure.png")
    assert pixels[0, 0, 3] == 0
    assert pixels[..., 3].max() == 1


def test_axes_that_are_none_are_reported():
    with pytest.raises(ParameterError, match="`ax` must be Matplotlib axes, not str"):
        axes_or_new("here")
