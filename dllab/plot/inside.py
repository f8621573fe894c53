"""What a network sees: its filters, its feature maps, and the parts of an image that matter.

- `feature_maps(maps)`: one panel for each channel of a layer's answer
- `filters(kernel)`: one panel for each filter of a convolution
- `heatmap(image, heat)`: values laid over an image
- `heatmaps(images, heats)`: a grid of them
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from dllab.errors import ParameterError, ShapeError
from dllab.plot.pictures import _grid, _pictures, images
from dllab.plot.style import COLORS, axes_or_new

__all__ = ["feature_maps", "filters", "heatmap", "heatmaps"]

_HOT, _COLD = np.array(to_rgb(COLORS[1])), np.array(to_rgb(COLORS[0]))


def feature_maps(
    maps: Any,
    columns: int = 8,
    *,
    titles: Sequence[Any] | None = None,
    title: str = "",
    shared: bool = False,
    axes: Any = None,
) -> np.ndarray:
    """Draw what a layer answers to one image, a panel for each channel.

    Args:
        maps: Shape `(height, width, channels)`.
        columns: How many panels a row has at most.
        titles: One title for each channel.
        title: Title of the whole figure.
        shared: Whether all panels share one scale. Otherwise each panel runs from black, its
            smallest value, to white, its largest, so that weak channels show their pattern too.
        axes: At least `channels` axes to draw on.

    Returns:
        The axes, shape `(channels,)`.

    Raises:
        ShapeError: `maps` has other dimensions; a batch has one too many.
        ParameterError: Titles, columns or axes do not fit.
    """
    maps = np.asarray(maps, dtype=float)
    if maps.ndim != 3:
        raise ShapeError(
            f"`maps` must have shape (height, width, channels), not {maps.shape}; "
            "take one image's answer, as in maps[0]."
        )
    panels = np.moveaxis(maps, -1, 0)
    drawn = images(panels, titles, columns, title=title, axes=axes)
    if not shared:
        for ax, panel in zip(drawn, panels, strict=True):
            ax.images[0].set_clim(panel.min(), panel.max() if np.ptp(panel) else panel.min() + 1)
    return drawn


def filters(
    kernel: Any,
    columns: int = 8,
    *,
    titles: Sequence[Any] | None = None,
    title: str = "",
    axes: Any = None,
) -> np.ndarray:
    """Draw the filters of a convolution.

    One input channel is drawn with orange for positive and blue for negative weights, white for
    zero; three are drawn as a color image with mid-gray for zero. The scale is shared.

    Args:
        kernel: Shape `(kernel_height, kernel_width, channels_in, filters)`, as Keras stores it,
            with 1 or 3 channels; for a deeper layer choose one, as in kernel[:, :, 4:5].
        columns: How many panels a row has at most.
        titles: One title for each filter.
        title: Title of the whole figure.
        axes: At least `filters` axes to draw on.

    Returns:
        The axes, shape `(filters,)`.

    Raises:
        ShapeError: `kernel` has other dimensions.
        ParameterError: Titles, columns or axes do not fit.
    """
    kernel = np.asarray(kernel, dtype=float)
    if kernel.ndim != 4 or kernel.shape[2] not in (1, 3):
        raise ShapeError(
            "`kernel` must have shape (kernel_height, kernel_width, channels_in, filters) with 1 "
            f"or 3 channels, not {kernel.shape}; choose a channel, as in kernel[:, :, :1]."
        )
    size = np.abs(kernel).max() or 1.0
    panels = np.moveaxis(kernel / size, -1, 0)
    colored = _diverging(panels[..., 0]) if kernel.shape[2] == 1 else 0.5 + 0.5 * panels
    return images(colored, titles, columns, title=title, axes=axes)


def heatmap(
    image: Any,
    heat: Any,
    *,
    vmax: float | None = None,
    strength: float = 0.8,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Lay values over an image: orange where they are positive, blue where negative.

    The image is drawn in gray, so that color means heat and nothing else. Where the heat is 0
    the image stays as it is.

    Args:
        image: Shape `(height, width)` or `(height, width, channels)` with 1, 3 or 4 channels.
        heat: Shape `(rows, columns)`; each value covers its share of the image, so a coarse map
            may be laid over a fine image.
        vmax: The size of a value that is drawn in full color; the largest one when left out.
        strength: How much of the image full color covers, from 0 to 1.
        title: Title of the plot.
        ax: Axes to draw on.

    Returns:
        The axes.

    Raises:
        ShapeError: `image` or `heat` has other dimensions.
        ParameterError: `heat` holds NaN or infinity, or `strength` lies outside 0 to 1.
    """
    (picture,) = _pictures([image])
    heat = np.asarray(heat, dtype=float)
    if heat.ndim != 2:
        raise ShapeError(f"`heat` must have shape (rows, columns), not {heat.shape}.")
    if not np.isfinite(heat).all():
        raise ParameterError("`heat` must hold numbers only, and it holds NaN or infinity.")
    if not 0 <= strength <= 1:
        raise ParameterError(f"`strength` must lie between 0 and 1, not {strength!r}.")
    vmax = float(np.abs(heat).max()) if vmax is None else vmax
    share = np.clip(heat / (vmax or 1.0), -1, 1)
    color = np.where(share[..., None] > 0, _HOT, _COLD)
    layer = np.concatenate([color, strength * np.abs(share)[..., None]], axis=-1)
    ax = axes_or_new(ax, figsize=(3.0, 3.0))
    height, width = picture.shape[:2]
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    ax.imshow(_gray(picture), cmap="gray", extent=extent)
    ax.imshow(layer, extent=extent, interpolation="nearest")
    ax.set_axis_off()
    if title:
        ax.set_title(title, fontsize="medium", fontweight="normal")
    return ax


def heatmaps(
    images: Any,
    heats: Any,
    titles: Sequence[Any] | None = None,
    columns: int = 8,
    *,
    shared: bool = False,
    strength: float = 0.8,
    title: str = "",
    axes: Any = None,
) -> np.ndarray:
    """Draw a grid of images, each with its values laid over it.

    Args:
        images: Shape `(n, height, width)` or `(n, height, width, channels)`, or a list.
        heats: Shape `(n, rows, columns)`, or a list.
        titles: One title for each image.
        columns: How many images a row has at most.
        shared: Whether one scale serves all images; otherwise each has its own.
        strength: How much of the image full color covers, from 0 to 1.
        title: Title of the whole figure.
        axes: At least `n` axes to draw on.

    Returns:
        The axes, shape `(n,)`.

    Raises:
        ParameterError: The numbers of images, heats, titles or axes do not fit.
        ShapeError: An image or its heat has other dimensions.
    """
    pictures, heats = _pictures(images), [np.asarray(heat, dtype=float) for heat in heats]
    count = len(pictures)
    if len(heats) != count or (titles is not None and len(titles) != count):
        raise ParameterError(
            f"There are {count} images, {len(heats)} heats"
            + (f" and {len(titles)} titles" if titles is not None else "")
            + "; `heats` and `titles` need one for each image."
        )
    grid = _grid(count, columns, titles is not None) if axes is None else axes
    grid = np.atleast_1d(np.asarray(grid, dtype=object)).ravel()
    if len(grid) < count:
        raise ParameterError(f"`axes` has {len(grid)} entries for {count} images.")
    vmax = max(float(np.abs(heat).max()) for heat in heats) if shared else None
    for index, (ax, picture, heat) in enumerate(zip(grid, pictures, heats, strict=False)):
        name = str(titles[index]) if titles is not None else ""
        heatmap(picture, heat, vmax=vmax, strength=strength, title=name, ax=ax)
    for ax in grid:
        ax.set_axis_off()
    if title:
        grid[0].figure.suptitle(title, fontweight="bold")
    return grid[:count]


def _diverging(values: np.ndarray) -> np.ndarray:
    """Colors for values from -1 (blue) by 0 (white) to 1 (orange), shape `(…, 3)`."""
    share = np.abs(values)[..., None]
    return 1 - share + share * np.where(values[..., None] > 0, _HOT, _COLD)


def _gray(picture: np.ndarray) -> np.ndarray:
    """The brightness of a color image by ITU-R BT.601; a gray one as it is."""
    if picture.ndim == 2:
        return picture
    return picture[..., :3] @ np.array([0.299, 0.587, 0.114])
