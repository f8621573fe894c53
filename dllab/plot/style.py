"""The look that all figures share: colors with enough contrast on light and on dark pages.

- `COLORS`: eight line colors, each with a contrast of at least 3:1 on every page background
- `TEXT`: the gray of text and axes
- `contrast(a, b)`: the contrast ratio that WCAG defines
- `use_style()`: make it Matplotlib's default
"""

from typing import Any

import matplotlib
from cycler import cycler
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from dllab.errors import ParameterError

__all__ = ["BACKGROUNDS", "COLORS", "LINES", "MARKERS", "TEXT", "axes_or_new", "contrast"]
__all__ += ["label", "use_style"]

# The page in light mode, and the darkest and lightest backgrounds in dark mode.
BACKGROUNDS = ("#ffffff", "#121212", "#14181e", "#1c1c1c")

# Okabe and Ito's palette (https://jfly.uni-koeln.de/color/). Blue, vermilion, bluish green and
# reddish purple are theirs; orange, sky blue and yellow are darkened because they vanish on
# white, and black became the gray of the text because it vanishes on a dark page.
COLORS = (
    "#0072b2",  # blue
    "#d55e00",  # vermilion
    "#009e73",  # bluish green
    "#cc79a7",  # reddish purple
    "#b87d00",  # orange, darkened
    "#3f93c6",  # sky blue, darkened
    "#8f8800",  # yellow, darkened to olive
    "#767676",  # in place of black
)

# No gray reaches 4.5:1 on white and on a dark page at once: the best compromise has 4.3 on
# both. This one keeps 4.54 on white (level AA) and has 3.75 to 4.12 on dark pages, which is
# above the 3:1 that WCAG 2.2 asks of large text and of graphics (1.4.3, 1.4.11).
TEXT = "#767676"

LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (8, 3)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


def _luminance(color: str) -> float:
    """Relative luminance of a color, as WCAG 2.2 defines it."""
    channels = matplotlib.colors.to_rgb(color)
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """Compute the contrast ratio of two colors.

    $(L_1 + 0.05) / (L_2 + 0.05)$ with the relative luminances $L_1 \\ge L_2$.

    Args:
        first: A color that Matplotlib understands.
        second: The other color; the order does not matter.

    Returns:
        A number between 1 (the same luminance) and 21 (black on white).

    Source: W3C, Web Content Accessibility Guidelines 2.2, "contrast ratio".

    Example:
        >>> round(contrast("black", "white"), 6)
        21.0
    """
    darker, lighter = sorted((_luminance(first), _luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


def use_style() -> None:
    """Make the book's style Matplotlib's default: transparent, mid-gray text, safe colors."""
    cycle = cycler(color=COLORS, linestyle=LINES)
    plt.rcParams.update(
        {
            "text.color": TEXT,
            "axes.labelcolor": TEXT,
            "axes.edgecolor": TEXT,
            "xtick.color": TEXT,
            "ytick.color": TEXT,
            "figure.facecolor": "none",
            "axes.facecolor": "none",
            "savefig.facecolor": "none",
            "savefig.transparent": True,
            "figure.figsize": (6.4, 4.0),
            "figure.dpi": 110,
            "figure.constrained_layout.use": True,
            "axes.prop_cycle": cycle,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titleweight": "bold",
            "axes.grid": True,
            "grid.color": TEXT,
            "grid.alpha": 0.25,
            "grid.linewidth": 0.6,
            "lines.linewidth": 1.8,
            "lines.markersize": 5,
            "legend.frameon": False,
            "image.cmap": "gray",
        }
    )


def axes_or_new(ax: Axes | None, **options: Any) -> Axes:
    """Give back `ax`, or a new figure's axes when it is None.

    Raises:
        ParameterError: `ax` is something else.
    """
    if ax is None:
        return plt.subplots(**options)[1]
    if not isinstance(ax, Axes):
        raise ParameterError(
            f"`ax` must be Matplotlib axes, not {type(ax).__name__}; "
            "leave it out, or pass one of what plt.subplots() gives you."
        )
    return ax


def label(ax: Axes, xlabel: str, ylabel: str, title: str) -> None:
    """Set the axis labels, and the title where there is one."""
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    if title:
        ax.set_title(title)
