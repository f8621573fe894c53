"""EfficientNet-Lite0 as a Keras model, on any backend.

- `build(...)`: the architecture, with or without its weights

The network is a stem, seven stages of inverted bottlenecks (He et al.'s residual block with a
wide depthwise convolution inside and a narrow linear output), and a head. Sources: M. Tan and
Q. Le (2019), EfficientNet; R. Liu (2020), Higher accuracy on vision models with EfficientNet-Lite.
"""

from typing import Any, NamedTuple

import numpy as np

__all__ = ["STAGES", "Stage", "assign", "build"]


class Stage(NamedTuple):
    """One row of the architecture's table: blocks of one kind, the first of them may shrink."""

    repeats: int
    kernel_size: int
    strides: int
    expansion: int
    filters: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
STEM_FILTERS = 32
HEAD_FILTERS = 1280
CLASSES = 1000
DROPOUT = 0.2


def build(
    include_top: bool = True,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    pooling: str | None = None,
) -> Any:
    """Return the architecture with random weights.

    Args:
        include_top: whether the classifier of 1,000 classes follows the trunk.
        input_shape: `(height, width, 3)`; the trunk divides height and width by 32.
        pooling: without the classifier, "avg" or "max" turns the feature maps
            `(batch, height/32, width/32, 1280)` into `(batch, 1280)`.

    Returns:
        A Keras model whose layers are named as in Keras's own EfficientNet: `stem_conv`,
        `block1a_dwconv`, …, `block7a_project_bn`, `top_conv`, `predictions`.
    """
    import keras
    from keras import layers

    inputs = keras.Input(input_shape)
    x = _conv(inputs, STEM_FILTERS, 3, "stem", strides=2)
    for number, stage in enumerate(STAGES, 1):
        for repeat in range(stage.repeats):
            strides = stage.strides if repeat == 0 else 1
            x = _block(x, stage, strides, f"block{number}{'abcd'[repeat]}")
    x = _conv(x, HEAD_FILTERS, 1, "top")
    if include_top or pooling == "avg":
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    elif pooling == "max":
        x = layers.GlobalMaxPooling2D(name="max_pool")(x)
    if include_top:
        x = layers.Dropout(DROPOUT, name="top_dropout")(x)
        x = layers.Dense(CLASSES, activation="softmax", name="predictions")(x)
    return keras.Model(inputs, x, name="efficientnet_lite0")


def assign(model: Any, arrays: dict[str, np.ndarray]) -> None:
    """Give the model the arrays kept under `layer/variable`; both sets of names must agree.

    Raises:
        KeyError: a variable has no array, or an array no variable.
    """
    left = dict(arrays)
    for layer in model.layers:
        for variable in layer.weights:
            if variable.name != "seed_generator_state":
                variable.assign(left.pop(f"{layer.name}/{variable.name}").astype("float32"))
    if left:
        raise KeyError(f"no variable of the model takes {', '.join(left)}")


def _conv(x: Any, filters: int, kernel_size: int, name: str, strides: int = 1) -> Any:
    """Convolution, batch normalization, ReLU6: `(n, h, w, c)` to `(n, h', w', filters)`."""
    from keras import layers

    x = layers.Conv2D(
        filters, kernel_size, strides, padding="same", use_bias=False, name=f"{name}_conv"
    )(x)
    return layers.ReLU(6.0, name=f"{name}_activation")(_normalize(x, f"{name}_bn"))


def _block(x: Any, stage: Stage, strides: int, name: str) -> Any:
    """Widen, convolve each channel by itself, narrow; add the input where the shapes agree."""
    from keras import layers

    before, channels = x, x.shape[-1]
    if stage.expansion != 1:
        x = layers.Conv2D(
            channels * stage.expansion,
            1,
            padding="same",
            use_bias=False,
            name=f"{name}_expand_conv",
        )(x)
        x = _normalize(x, f"{name}_expand_bn")
        x = layers.ReLU(6.0, name=f"{name}_expand_activation")(x)
    x = layers.DepthwiseConv2D(
        stage.kernel_size, strides, padding="same", use_bias=False, name=f"{name}_dwconv"
    )(x)
    x = layers.ReLU(6.0, name=f"{name}_activation")(_normalize(x, f"{name}_bn"))
    x = layers.Conv2D(
        stage.filters, 1, padding="same", use_bias=False, name=f"{name}_project_conv"
    )(x)
    x = _normalize(x, f"{name}_project_bn")
    if strides == 1 and channels == stage.filters:
        x = layers.Add(name=f"{name}_add")([before, x])
    return x


def _normalize(x: Any, name: str) -> Any:
    from keras import layers

    return layers.BatchNormalization(momentum=0.99, epsilon=1e-3, name=name)(x)
