"""Which parts of an image made a Keras model say what it says.

- `saliency(model, images)`: how much the score would move with each pixel
- `occlusion(model, images)`: how much the score drops when a patch is covered
- `grad_cam(model, images)`: which places of a convolution's feature maps speak for the class
- `input_gradient(model, images)`: the slope of the score, or of the loss, for each number
- `fast_gradient_sign(model, images, labels, epsilon)`: images changed to raise the loss

The score of a class is its logit, the number before the softmax: a model that ends in a softmax
is explained without it. The functions work with every Keras backend. Shapes are
`(batch, height, width, channels)`, heat has shape `(batch, height, width)`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from dllab.errors import ParameterError, ShapeError
from dllab.gradients import gradient

__all__ = ["fast_gradient_sign", "grad_cam", "input_gradient", "occlusion", "saliency"]


def input_gradient(model: Any, images: Any, classes: Any = None, *, of: str = "score") -> Any:
    """Compute the slope of a number for each value of the input.

    Args:
        model: A Keras classifier with one input and an output `(batch, classes)`.
        images: Its input, `(batch, …)`.
        classes: For each image the class whose score or loss counts, integers `(batch,)`; one
            integer serves all images. The class with the highest score when left out.
        of: `"score"` for the class's logit, `"loss"` for its cross-entropy. The slopes are those
            of each image's own number, so the batch's size does not matter.

    Returns:
        An array shaped as `images`.

    Raises:
        ParameterError: `of` or a class has no meaning, or the model is no Keras model.
        ShapeError: The model's output or `classes` has other dimensions.

    Introduced in: `chapter-deeper-networks`.
    """
    from keras import ops

    if of not in ("score", "loss"):
        raise ParameterError(f'`of` must be "score" or "loss", not {of!r}.')
    x, chosen = _prepared(model, images, classes)

    def total(inputs: Any) -> Any:
        logits = model(inputs, training=False)
        score = ops.sum(ops.multiply(logits, chosen))
        return score if of == "score" else ops.sum(ops.logsumexp(logits, axis=1)) - score

    with _logits(model):
        return gradient(total, x)


def saliency(model: Any, images: Any, classes: Any = None) -> np.ndarray:
    """Compute how strongly the class's score reacts to each pixel.

    $\\max_c |\\partial s / \\partial x_{ijc}|$, the largest slope over the channels.

    Args:
        model: A Keras classifier of images.
        images: Shape `(batch, height, width, channels)`.
        classes: For each image the class to explain; the predicted one when left out.

    Returns:
        Heat of 0 or more, shape `(batch, height, width)`.

    Raises:
        ShapeError: `images` has other dimensions.
        ParameterError: See `input_gradient`.

    Source: Simonyan, Vedaldi and Zisserman, "Deep Inside Convolutional Networks: Visualising
    Image Classification Models and Saliency Maps" (2014). Introduced in: `chapter-deeper-networks`.
    """
    _check_images(images)
    return np.abs(input_gradient(model, images, classes)).max(axis=-1)


def occlusion(
    model: Any,
    images: Any,
    classes: Any = None,
    *,
    patch: int = 5,
    stride: int | None = None,
    fill: Any = 0.0,
    batch_size: int = 256,
) -> np.ndarray:
    """Measure how much the class's score drops when a patch of the image is covered.

    Args:
        model: A Keras classifier of images.
        images: Shape `(batch, height, width, channels)`.
        classes: For each image the class to explain; the predicted one when left out.
        patch: Height and width of the square that covers the image, in pixels.
        stride: How far the square moves at a time; half its size when left out.
        fill: What the square is painted with, a number or one for each channel. A value that
            is common in the data disturbs the model least.
        batch_size: How many covered images the model sees at once.

    Returns:
        Heat, shape `(batch, height, width)`: for each pixel the mean drop over the squares that
        covered it. Negative where covering helps the class.

    Raises:
        ParameterError: `patch` or `stride` does not fit the images.
        ShapeError: `images` has other dimensions.

    Source: Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks" (2014).
    Introduced in: `chapter-deeper-networks`.
    """
    images = _check_images(images)
    count, height, width, _ = images.shape
    stride = max(1, patch // 2) if stride is None else stride
    if not (0 < patch <= min(height, width) and 0 < stride <= patch):
        raise ParameterError(
            f"`patch` must lie between 1 and {min(height, width)} and `stride` between 1 and "
            f"`patch`; they are {patch!r} and {stride!r}."
        )
    _, chosen = _prepared(model, images, classes)
    corners = [
        (r, c) for r in _starts(height, patch, stride) for c in _starts(width, patch, stride)
    ]
    heat, covered = np.zeros((count, height, width)), np.zeros((height, width))
    # as many covered copies at once as the batch size allows: calls cost more than images
    at_once = max(1, batch_size // max(count, 1))
    with _logits(model):
        before = _scores(model, images, chosen, batch_size)
        for start in range(0, len(corners), at_once):
            squares = [
                np.s_[r : r + patch, c : c + patch] for r, c in corners[start : start + at_once]
            ]
            changed = np.repeat(images[None], len(squares), axis=0)
            for copy, square in zip(changed, squares, strict=True):
                copy[:, *square] = fill
            scores = _scores(
                model,
                changed.reshape(-1, *images.shape[1:]),
                np.tile(chosen, (len(squares), 1)),
                batch_size,
            )
            for square, after in zip(squares, scores.reshape(len(squares), count), strict=True):
                heat[:, *square] += (before - after)[:, None, None]
                covered[square] += 1
    return heat / covered


def grad_cam(
    model: Any,
    images: Any,
    classes: Any = None,
    *,
    layer: Any = None,
    resize: bool = True,
    relu: bool = True,
) -> np.ndarray:
    """Weight a layer's feature maps by how much they matter for the class, and add them.

    $\\operatorname{relu}\\bigl(\\sum_k \\alpha_k A_k\\bigr)$ where $\\alpha_k$ is the mean of the
    score's slopes over the places of the map $A_k$.

    Args:
        model: A Keras classifier of images.
        images: Shape `(batch, height, width, channels)`.
        classes: For each image the class to explain; the predicted one when left out.
        layer: The layer whose feature maps are used, or its name. The last one with an output
            of shape `(batch, rows, columns, channels)` when left out.
        resize: Whether to enlarge the heat to the size of the images (bilinear).
        relu: Whether to set negative heat, which speaks against the class, to 0.

    Returns:
        Heat, shape `(batch, height, width)`, or `(batch, rows, columns)` without `resize`.

    Raises:
        ParameterError: The model has no such layer.
        ShapeError: `images` or the layer's output has other dimensions.

    Source: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via
    Gradient-based Localization" (2017). Introduced in: `chapter-deeper-networks`.
    """
    from keras import ops

    images = _check_images(images)
    x, chosen = _prepared(model, images, classes)
    found = _layer(model, layer)
    with _logits(model):
        maps = _answer_of(model, found, x)
        if maps.ndim != 4:
            raise ShapeError(
                f"`layer` must give (batch, rows, columns, channels); {found.name!r} gives "
                f"{maps.shape}: choose a convolution."
            )

        def score(nudge: Any) -> Any:
            with _watched(found, lambda maps: maps + nudge):
                return ops.sum(ops.multiply(model(x, training=False), chosen))

        slopes = gradient(score, np.zeros_like(maps))
    importance = slopes.mean(axis=(1, 2), keepdims=True)  # (batch, 1, 1, channels)
    heat = (importance * maps).sum(axis=-1)
    if resize:
        size = images.shape[1:3]
        heat = _numpy(ops.image.resize(heat[..., None], size, data_format="channels_last"))[..., 0]
    return np.maximum(heat, 0) if relu else heat


def fast_gradient_sign(
    model: Any, images: Any, labels: Any, epsilon: float, *, low: float = 0.0, high: float = 1.0
) -> np.ndarray:
    """Change each value by at most `epsilon`, in the direction that raises the loss.

    $\\operatorname{clip}\\bigl(x + \\epsilon \\operatorname{sign}(\\partial \\mathcal L /
    \\partial x)\\bigr)$

    Args:
        model: A Keras classifier.
        images: Its input, `(batch, …)`.
        labels: The right classes, integers `(batch,)`.
        epsilon: The size of the change, 0 or more, in the units of the images.
        low: The smallest value an image may hold.
        high: The largest value an image may hold.

    Returns:
        The changed images, shaped as `images`.

    Raises:
        ParameterError: `epsilon` is negative.

    Source: Goodfellow, Shlens and Szegedy, "Explaining and Harnessing Adversarial Examples"
    (2015). Introduced in: `chapter-deeper-networks`.
    """
    if not epsilon >= 0:
        raise ParameterError(f"`epsilon` must be 0 or more, not {epsilon!r}.")
    images = np.asarray(images)
    slopes = input_gradient(model, images, labels, of="loss")
    return np.clip(images + epsilon * np.sign(slopes), low, high).astype(images.dtype)


def _check_images(images: Any) -> np.ndarray:
    images = np.asarray(images)
    if images.ndim != 4:
        raise ShapeError(
            f"`images` must have shape (batch, height, width, channels), not {images.shape}; "
            "for one image pass image[None], for gray ones images[..., None]."
        )
    return images


def _prepared(model: Any, images: Any, classes: Any) -> tuple[np.ndarray, np.ndarray]:
    """The images as float32, and the chosen classes as rows of zeros with a single one."""
    import keras

    if not isinstance(model, keras.Model):
        raise ParameterError(f"`model` must be a Keras model, not {type(model).__name__}.")
    x = np.asarray(images, dtype="float32")
    with _logits(model):
        scores = _numpy(model(x[:1] if classes is not None else x, training=False))
    if scores.ndim != 2:
        raise ShapeError(
            f"`model` must give one score for each class, (batch, classes), not {scores.shape}."
        )
    chosen = scores.argmax(axis=1) if classes is None else np.asarray(classes)
    if chosen.ndim == 0:
        chosen = np.full(len(x), chosen)
    if chosen.shape != (len(x),):
        raise ShapeError(
            f"`classes` must have shape ({len(x)},), one for each image, not {chosen.shape}."
        )
    count = scores.shape[1]
    if chosen.dtype.kind not in "iu" or chosen.min() < 0 or chosen.max() >= count:
        raise ParameterError(f"`classes` must hold integers from 0 to {count - 1}.")
    return x, np.eye(count, dtype="float32")[chosen]


@contextmanager
def _logits(model: Any) -> Iterator[None]:
    """Let a model that ends in a softmax answer with what goes into the softmax."""
    import keras

    last = model.layers[-1]
    if isinstance(last, keras.layers.Softmax):
        with _watched(last, None):
            yield
        return
    activation = getattr(last, "activation", None)
    if activation is not keras.activations.softmax:
        yield
        return
    last.activation = keras.activations.linear
    try:
        yield
    finally:
        last.activation = activation


@contextmanager
def _watched(layer: Any, change: Callable[[Any], Any] | None) -> Iterator[None]:
    """Put a layer's answer through `change` on its way; without one the layer lets all pass."""
    call = layer.call

    def changed(*args: Any, **kwargs: Any) -> Any:
        return args[0] if change is None else change(call(*args, **kwargs))

    layer.call = changed
    try:
        yield
    finally:
        layer.call = call


def _answer_of(model: Any, layer: Any, x: np.ndarray) -> np.ndarray:
    """What a layer of the model answers."""
    kept: list[np.ndarray] = []

    def keep(answer: Any) -> Any:
        kept.append(_numpy(answer))
        return answer

    with _watched(layer, keep):
        model(x, training=False)
    if len(kept) != 1:
        raise ParameterError(
            f"`layer` must be used once in the model; {layer.name!r} is used {len(kept)} times."
        )
    return kept[0]


def _layer(model: Any, wanted: Any) -> Any:
    """The layer that is meant; layers of inner models count as well."""
    layers = list(model._flatten_layers(include_self=False))
    if wanted is None:
        deep = [one for one in model.layers if len(getattr(one.output, "shape", ())) == 4]
        if not deep:
            raise ParameterError(
                "`model` has no layer with an output (batch, rows, columns, channels)."
            )
        return deep[-1]
    for one in layers:
        if one is wanted or one.name == wanted:
            return one
    names = ", ".join(repr(one.name) for one in model.layers)
    raise ParameterError(f"`layer` must be a layer of the model: {names}; it is {wanted!r}.")


def _starts(size: int, patch: int, stride: int) -> list[int]:
    """Where the squares begin: every `stride`, and at the far edge."""
    return sorted({*range(0, size - patch + 1, stride), size - patch})


def _scores(model: Any, images: np.ndarray, chosen: np.ndarray, batch_size: int) -> np.ndarray:
    parts = [
        _numpy(model(images[start : start + batch_size].astype("float32"), training=False))
        for start in range(0, len(images), batch_size)
    ]
    return (np.concatenate(parts) * chosen).sum(axis=1)


def _numpy(value: Any) -> np.ndarray:
    import keras

    return np.asarray(keras.ops.convert_to_numpy(value))
