"""A grid of images."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import pyplot as plt

from dllab.errors import ParameterError, ShapeError
from dllab.plot.style import axes_or_new

__all__ = ["images"]


def _pictures(images: Any) -> list[np.ndarray]:
    """Each picture as `(height, width)` or `(height, width, 3 or 4)`."""
    try:
        pictures = [np.asarray(image) for image in images]
    except TypeError:
        raise ParameterError(
            f"`images` must be an array (n, height, width) or a list, not {type(images).__name__}."
        ) from None
    if not pictures:
        raise ParameterError("`images` is empty; pass at least one image.")
    for index, picture in enumerate(pictures):
        if picture.ndim == 3 and picture.shape[-1] == 1:
            pictures[index] = picture[..., 0]
        elif picture.ndim != 2 and not (picture.ndim == 3 and picture.shape[-1] in (3, 4)):
            raise ShapeError(
                f"`images[{index}]` must have shape (height, width) or (height, width, "
                f"channels) with 1, 3 or 4 channels, not {picture.shape}; "
                "for a single image pass image[None]."
            )
    return pictures


def images(
    images: Any,
    titles: Sequence[Any] | None = None,
    columns: int = 8,
    *,
    title: str = "",
    vmin: float | None = None,
    vmax: float | None = None,
    axes: Any = None,
) -> np.ndarray:
    """Draw images in a grid, row by row.

    All gray images share one scale, so that equal brightness means equal value.

    Args:
        images: Shape `(n, height, width)` or `(n, height, width, channels)`, or a list.
        titles: One title for each image.
        columns: How many images a row has at most.
        title: Title of the whole figure.
        vmin: Value drawn black; the smallest one when left out.
        vmax: Value drawn white; the largest one when left out.
        axes: At least `n` axes to draw on.

    Returns:
        The axes, shape `(n,)`.

    Raises:
        ParameterError: There is no image, or titles, columns or axes do not fit.
        ShapeError: An image is not `(height, width)` with 1, 3 or 4 channels.
    """
    pictures = _pictures(images)
    count = len(pictures)
    if titles is not None and len(titles) != count:
        raise ParameterError(f"`titles` has {len(titles)} entries for {count} images.")
    if isinstance(columns, bool) or not isinstance(columns, int | np.integer) or columns < 1:
        raise ParameterError(f"`columns` must be a positive integer, not {columns!r}.")
    grid = _grid(count, columns, titles is not None) if axes is None else axes
    grid = np.atleast_1d(np.asarray(grid, dtype=object)).ravel()
    if len(grid) < count:
        raise ParameterError(f"`axes` has {len(grid)} entries for {count} images.")
    gray = [picture for picture in pictures if picture.ndim == 2] or [np.zeros((1, 1))]
    low = min(float(np.nanmin(picture)) for picture in gray) if vmin is None else vmin
    high = max(float(np.nanmax(picture)) for picture in gray) if vmax is None else vmax
    for index, (ax, picture) in enumerate(zip(grid, pictures, strict=False)):
        axes_or_new(ax).imshow(picture, cmap="gray", vmin=low, vmax=high)
        if titles is not None:
            ax.set_title(str(titles[index]), fontsize="medium", fontweight="normal")
    for ax in grid:
        ax.set_axis_off()
    if title:
        grid[0].figure.suptitle(title, fontweight="bold")
    return grid[:count]


def _grid(count: int, columns: int, titled: bool) -> np.ndarray:
    """Axes for `count` images."""
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    # a lone image gets more room than a tile of a grid
    side = 1.1 if columns > 3 else 2.2
    size = (side * columns, (side + 0.25 * titled) * rows)
    return plt.subplots(rows, columns, figsize=size, squeeze=False)[1]
