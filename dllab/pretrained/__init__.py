"""Networks that have already learned, and what one needs to use them rightly.

- `load(name)`: a Keras model with its pretrained weights, with or without its classifier
- `preprocess(images, name)`: the numbers on which that model was trained
- `decode_predictions(scores)`: ImageNet's names for the highest scores
- `names()`: the models in the catalogue, those that come with `dllab` first
- `card(name)`: origin, license, preprocessing and known bias of a model
- `ModelCard`: what `card` returns

`efficientnet_lite0` comes with the package: nothing is downloaded and its hash is verified. The
other names are models of `keras.applications`, which downloads their weights on first use.
"""

from importlib import import_module
from importlib.resources import files
from typing import Any

import numpy as np

from dllab.data.storage import read_arrays
from dllab.errors import ParameterError, ShapeError, WeightsUnavailableError
from dllab.pretrained.cards import CARDS, ModelCard, find
from dllab.pretrained.images import as_pixels, imagenet_classes, resize

__all__ = ["ModelCard", "card", "decode_predictions", "load", "names", "preprocess"]

_FILES = files("dllab.pretrained") / "files"
_DEFAULT = "efficientnet_lite0"


def names() -> tuple[str, ...]:
    """Return the names that `load` takes, those that need no download first.

    Example:
        >>> names()[0]
        'efficientnet_lite0'
    """
    return tuple(CARDS)


def card(name: str) -> ModelCard:
    """Return a model's card without loading the model.

    Raises:
        UnknownModelError: no model in the catalogue has this name.

    Example:
        >>> card("efficientnet_lite0").parameters
        4694024
    """
    return find(name)


def load(
    name: str = _DEFAULT,
    *,
    include_top: bool = True,
    input_shape: tuple[int | None, int | None, int] | None = None,
    pooling: str | None = None,
) -> Any:
    """Return a Keras model with the weights it learned on ImageNet.

    Each call returns a new model. Feed it what `preprocess` returns. The chapter on transfer
    learning introduces it (`chapter-transfer-learning`).

    Args:
        name: one of `names()`.
        include_top: whether the classifier of ImageNet's 1,000 classes follows the trunk.
            With it, the model returns probabilities `(batch, 1000)`.
        input_shape: `(height, width, 3)` of the images; the card's size when left out.
            Without the classifier any size from 32 pixels on works.
        pooling: without the classifier, "avg" or "max" pools the feature maps
            `(batch, height, width, channels)` to `(batch, channels)`; None leaves them.

    Raises:
        UnknownModelError: no model in the catalogue has this name.
        ParameterError: `input_shape` or `pooling` is not as described.
        DamagedDataError: a file of weights is missing or its hash differs from the card's.
        WeightsUnavailableError: the weights are not on this machine and cannot be downloaded.
    """
    found = find(name)
    shape = _check(found, include_top, input_shape, pooling)
    if not found.offline:
        return _download(found, include_top=include_top, input_shape=shape, pooling=pooling)
    from dllab.pretrained import efficientnet_lite

    model = efficientnet_lite.build(include_top, shape, pooling)
    arrays: dict[str, np.ndarray] = {}
    for file, digest in found.files.items():
        if include_top or not file.endswith("_top.npz"):
            arrays |= read_arrays(_FILES / file, digest)
    efficientnet_lite.assign(model, arrays)
    return model


def preprocess(images: np.ndarray, name: str = _DEFAULT, size: int | None = None) -> np.ndarray:
    """Return `images` as the model was trained to see them.

    For `efficientnet_lite0`: $(255 x - 127) / 128$.

    Args:
        images: `(batch, height, width, 3)`, red, green, blue; floats from 0 to 1 or uint8.
        name: the model that is to see them; each has a preprocessing of its own.
        size: height and width to resize to; unchanged when left out.

    Returns:
        A float32 array `(batch, size, size, 3)`.

    Raises:
        UnknownModelError: no model in the catalogue has this name.
        ShapeError: the images are no batch of color images.
        ParameterError: the values are in neither range, as when they are preprocessed twice.

    Example:
        >>> black_and_white = np.array([[[[0.0] * 3, [1.0] * 3]]])
        >>> preprocess(black_and_white)[0, 0, :, 0].tolist()
        [-0.9921875, 1.0]
    """
    found = find(name)
    pixels = as_pixels(images)
    if size is not None:
        if not isinstance(size, int | np.integer) or isinstance(size, bool) or size < 1:
            raise ParameterError(
                f"`size` must be a number of pixels of at least 1, but is {size!r}. "
                f"The model was trained with `size={found.input_size}`."
            )
        pixels = resize(pixels, int(size))
    if found.offline:
        return ((pixels - 127) / 128).astype(np.float32)
    scale = import_module(found.function.rsplit(".", 1)[0]).preprocess_input
    return np.asarray(scale(pixels), dtype=np.float32)


def decode_predictions(scores: np.ndarray, top: int = 5) -> list[list[tuple[str, str, float]]]:
    """Return the `top` classes of each row of `scores` `(batch, 1000)`, best first.

    Returns:
        For each row a list of `(WordNet id, name, score)`.

    Raises:
        ShapeError: `scores` does not have one column for each of ImageNet's classes.

    Example:
        >>> decode_predictions(np.eye(1000)[[285]], top=1)
        [[('n02124075', 'Egyptian cat', 1.0)]]
    """
    array, classes = np.asarray(scores), imagenet_classes()
    if array.ndim != 2 or array.shape[1] != len(classes):
        raise ShapeError(
            f"`scores` must have the dimensions (batch, {len(classes)}) but has the shape "
            f"{array.shape}. Only a model loaded with `include_top=True` has ImageNet's classes."
        )
    best = np.argsort(-array, axis=1, kind="stable")[:, :top]
    return [
        [(*classes[c], float(row[c])) for c in best_of_row]
        for row, best_of_row in zip(array, best, strict=True)
    ]


def _check(
    found: ModelCard, include_top: bool, shape: tuple | None, pooling: str | None
) -> tuple[int | None, int | None, int]:
    default = (found.input_size, found.input_size, 3)
    if pooling not in (None, "avg", "max"):
        raise ParameterError(
            f"`pooling` must be None, 'avg' or 'max', but is {pooling!r}. "
            "'avg' gives one row of features for each image."
        )
    if shape is None:
        return default
    whole = tuple(shape) if isinstance(shape, tuple | list) else ()
    sides = whole[:2] if len(whole) == 3 and whole[2] == 3 else ()
    if not sides or not all(
        side is None or (isinstance(side, int) and side >= 32) for side in sides
    ):
        raise ParameterError(
            f"`input_shape` must be (height, width, 3) with at least 32 pixels each way, but is "
            f"{shape!r}. Try `input_shape={default}`."
        )
    if include_top and not found.offline and whole != default:
        raise ParameterError(
            f"With its classifier {found.name!r} takes images of {default} only, but "
            f"`input_shape` is {shape!r}. Leave it out, or pass `include_top=False`."
        )
    return whole  # type: ignore[return-value]


def _download(found: ModelCard, **options: Any) -> Any:
    """Let keras.applications build the model; it downloads what it has not kept."""
    module, function = found.function.rsplit(".", 1)
    print(f"Weights of {found.title} ({found.size}): kept by Keras, or downloaded now.")
    try:
        return getattr(import_module(module), function)(weights="imagenet", **options)
    except Exception as error:
        # Keras raises a bare Exception for a failed download, and ValueError for all else.
        if not isinstance(error, OSError) and "URL fetch failure" not in str(error):
            raise
        offline = ", ".join(name for name, one in CARDS.items() if one.offline)
        raise WeightsUnavailableError(
            f"The weights of {found.name!r} must be downloaded, and that failed: {error}. "
            f"Connect this machine to the network, or use a model that comes with dllab: {offline}."
        ) from error
