"""From images to what a network was trained on, and from its scores to names.

- `as_pixels(images)`: float32 from 0 to 255, whatever the images were kept as
- `resize(pixels, size)`: bilinear, smoothed when it shrinks
- `imagenet_classes()`: ImageNet's 1,000 classes as pairs of a WordNet id and a name
"""

from functools import cache
from importlib.resources import files

import numpy as np

from dllab.errors import ParameterError, ShapeError

__all__ = ["as_pixels", "imagenet_classes", "resize"]


def as_pixels(images: np.ndarray) -> np.ndarray:
    """Return `images` `(n, h, w, 3)` as float32 from 0 to 255.

    Raises:
        ShapeError: the images are no batch of color images.
        ParameterError: the values are neither integers from 0 to 255 nor floats from 0 to 1.
    """
    array = np.asarray(images)
    if array.ndim != 4 or array.shape[-1] != 3:
        raise ShapeError(
            f"`images` must have the dimensions (batch, height, width, 3) but has the shape "
            f"{array.shape}. For one image pass `image[None]`; for gray images of shape "
            "(batch, height, width) pass `np.repeat(images[..., None], 3, axis=-1)`."
        )
    if array.dtype == np.uint8:
        return array.astype(np.float32)
    low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
    if not (np.issubdtype(array.dtype, np.floating) and low >= 0 and high <= 1):
        raise ParameterError(
            "`images` must be uint8 from 0 to 255 or floats from 0 to 1, as `dllab.load` returns "
            f"them, but is {array.dtype} from {low:.3g} to {high:.3g}. Divide by 255 if these "
            "are pixels from 0 to 255; leave the call out if they are preprocessed already."
        )
    return array.astype(np.float32) * np.float32(255)


def resize(pixels: np.ndarray, size: int) -> np.ndarray:
    """Return `pixels` `(n, h, w, 3)` as `(n, size, size, 3)`; shrinking smooths first."""
    if pixels.shape[1:3] == (size, size):
        return pixels
    from keras import ops

    resized = ops.image.resize(pixels, (size, size), interpolation="bilinear", antialias=True)
    return np.asarray(ops.convert_to_numpy(resized))


@cache
def imagenet_classes() -> tuple[tuple[str, str], ...]:
    """Return the WordNet id and the name of each of ImageNet's 1,000 classes, in order.

    Example:
        >>> imagenet_classes()[285]
        ('n02124075', 'Egyptian cat')
    """
    text = (files("dllab.pretrained") / "files" / "imagenet_classes.tsv").read_text("utf-8")
    pairs = (line.split("\t") for line in text.splitlines())
    return tuple((identifier, name) for identifier, name in pairs)
