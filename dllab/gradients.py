"""Gradients by whatever backend Keras runs on: TensorFlow, JAX or PyTorch.

- `gradient(function, x)`: of a number that is computed from an array
- `weight_gradients(function, model)`: of a number that is computed with a model's weights

Each framework has its own way to say what should be differentiated. Where that way is not the
point, these two say it for all of them.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dllab.errors import ParameterError, ShapeError

__all__ = ["gradient", "weight_gradients"]

_Number = Callable[[list[Any]], Any]


def gradient(function: Callable[[Any], Any], x: Any) -> np.ndarray:
    """Compute the gradient of a number at `x`.

    $\\bar x = \\partial f(x) / \\partial x$

    Args:
        function: Takes a tensor shaped as `x` and returns a number, a tensor of shape `()`, that
            it computes with `keras.ops` or with Keras layers. It should change no variable.
        x: An array; integers become the numbers that Keras computes with, float32 unless told.

    Returns:
        An array shaped as `x`, 0 where the number does not depend on `x`.

    Raises:
        ShapeError: `function` returns more than one number.
        ParameterError: Keras runs on a backend without gradients.

    Example:
        >>> gradient(lambda x: x[0] ** 2 + 3 * x[1], [4.0, 1.0])  # doctest: +SKIP
        array([8., 3.])

    Introduced in: `chapter-arrays-shapes-derivatives`.
    """
    import keras

    values = np.asarray(x)
    if values.dtype.kind != "f":
        values = values.astype(keras.config.floatx())
    value = keras.ops.convert_to_tensor(values)
    (slope,) = _differentiate(lambda one: function(one[0]), [value])
    return slope


def weight_gradients(function: Callable[[], Any], model: Any) -> list[np.ndarray]:
    """Compute the gradient of a number with respect to each trainable weight of a model.

    Args:
        function: Takes nothing and returns a number, a tensor of shape `()`, that it computes with
            the model, such as `lambda: loss(y, model(x))`. It should change no variable.
        model: A built Keras model or layer.

    Returns:
        An array for each of `model.trainable_variables`, in their order and of their shapes; 0
        where the number does not depend on a weight.

    Raises:
        ShapeError: `function` returns more than one number.
        ParameterError: `model` has no trainable weights, or Keras runs on a backend without
            gradients.

    Introduced in: `chapter-single-neuron`.
    """
    import keras

    variables = list(getattr(model, "trainable_variables", ()))
    if not variables:
        raise ParameterError(
            "`model` must have trainable weights, and has none: give it an input shape, or call it "
            "once, so that it is built; and see that it is not frozen."
        )

    def number(values: list[Any]) -> Any:
        if keras.backend.backend() != "jax":
            return function()
        # JAX differentiates functions of arguments: hand in the weights as such.
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return function()

    return _differentiate(number, [variable.value for variable in variables])


def _differentiate(number: _Number, values: Sequence[Any]) -> list[np.ndarray]:
    import keras

    backend = keras.backend.backend()
    ways = {"tensorflow": _with_tape, "jax": _with_jax, "torch": _with_torch}
    if backend not in ways:
        raise ParameterError(
            f"Keras's backend {backend!r} has no gradients; start Python with KERAS_BACKEND set "
            "to tensorflow, jax or torch."
        )

    def checked(values: list[Any]) -> Any:
        answer = number(values)
        shape = tuple(getattr(answer, "shape", ()))
        if shape:
            raise ShapeError(
                f"`function` must return one number, a tensor of shape (), not {shape}; "
                "take its sum or mean."
            )
        return answer

    slopes = ways[backend](checked, list(values))
    return [np.asarray(keras.ops.convert_to_numpy(slope)) for slope in slopes]


def _with_tape(number: _Number, values: list[Any]) -> Sequence[Any]:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(values)
        answer = number(values)
    return tape.gradient(answer, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def _with_jax(number: _Number, values: list[Any]) -> Sequence[Any]:
    import jax
    import keras

    def pure(values: list[Any]) -> Any:
        # What layers remember, such as moving averages, must not hold on to JAX's stand-ins.
        with keras.StatelessScope():
            return number(values)

    return jax.grad(pure)(values)


def _with_torch(number: _Number, values: list[Any]) -> Sequence[Any]:
    import torch

    # Weights are leaves that record already; an array becomes one.
    leaves = [v if v.requires_grad else v.detach().requires_grad_(True) for v in values]
    return torch.autograd.grad(number(leaves), leaves, allow_unused=True, materialize_grads=True)
