"""The models in Keras, the same lines for every backend; only the gradient is the backend's own.

`run(case)` answers an `Outcome` from whichever backend is active.
"""

from typing import Any

import keras
import numpy as np
from keras import layers

from dllab.parity.cases import Case, Outcome

__all__ = ["run"]


def mlp(dtype: str) -> keras.Model:
    hidden = layers.Dense(5, "relu", dtype=dtype, name="hidden")
    return keras.Sequential([keras.Input((6,), dtype=dtype), hidden, logits(dtype)])


def cnn(dtype: str) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((8, 8, 2), dtype=dtype),
            layers.Conv2D(4, 3, 2, "same", use_bias=False, dtype=dtype, name="conv"),
            layers.BatchNormalization(dtype=dtype, name="norm"),
            layers.ReLU(dtype=dtype),
            layers.MaxPooling2D(dtype=dtype),
            layers.Flatten(dtype=dtype),
            logits(dtype),
        ]
    )


def lstm(dtype: str) -> keras.Model:
    x, mask = keras.Input((6, 3), dtype=dtype), keras.Input((6,), dtype="bool")
    h = layers.LSTM(4, dtype=dtype, name="lstm")(x, mask=mask)
    return keras.Model([x, mask], logits(dtype)(h))


def gru(dtype: str) -> keras.Model:
    gru = layers.GRU(4, dtype=dtype, name="gru")  # reset_after=True is the default
    return keras.Sequential([keras.Input((6, 3), dtype=dtype), gru, logits(dtype)])


def text(dtype: str) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((5,), dtype="int32"),
            layers.Embedding(7, 4, dtype=dtype, name="embedding"),
            layers.LayerNormalization(dtype=dtype, name="norm"),
            layers.GlobalAveragePooling1D(dtype=dtype),
            logits(dtype),
        ]
    )


def logits(dtype: str) -> keras.Layer:
    return layers.Dense(3, dtype=dtype, name="logits")


OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
}


def run(case: Case) -> Outcome:
    """Compute what a case asks for on the active backend, in the precision of its arrays."""
    dtype = str(case.weights["logits.bias"].dtype)
    if keras.backend.backend() == "jax":
        import jax

        with jax.enable_x64(dtype == "float64"):
            return _run(case, dtype)
    return _run(case, dtype)


def _run(case: Case, dtype: str) -> Outcome:
    model = globals()[case.name](dtype)
    for variable in model.weights:
        variable.assign((case.weights | case.state)[_name(variable)])
    optimizer = OPTIMIZERS[case.optimizer](**case.settings)
    optimizer.build(model.trainable_variables)
    answers = []
    for _ in range(case.steps):
        output, loss, gradients, x_gradient = gradients_of(model, case)
        answers.append((output, loss, gradients, x_gradient))
        optimizer.apply(gradients)
    output, loss, gradients, x_gradient = answers[0]
    names = map(_name, model.trainable_variables)
    return Outcome(
        outputs=_array(output),
        loss=_array(loss),
        input_gradient=None if x_gradient is None else _array(x_gradient),
        weight_gradients=dict(zip(names, map(_array, gradients), strict=True)),
        weights={_name(variable): _array(variable) for variable in model.weights},
        predictions=_array(model(_inputs(case.x, case), training=False)),
    )


def loss_of(output: Any, labels: np.ndarray) -> Any:
    losses = keras.losses.sparse_categorical_crossentropy(labels, output, from_logits=True)
    return keras.ops.mean(losses)


def gradients_of(model: keras.Model, case: Case) -> Any:
    """Return output, loss, gradients of the weights and gradient of the input, by the backend."""
    return {"tensorflow": _by_tensorflow, "jax": _by_jax, "torch": _by_torch}[
        keras.backend.backend()
    ](model, case)


def _by_tensorflow(model: keras.Model, case: Case) -> Any:
    import tensorflow as tf

    x = tf.constant(case.x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        output = model(_inputs(x, case), training=True)
        loss = loss_of(output, case.labels)
    variables = [variable.value for variable in model.trainable_variables]
    gradients, x_gradient = tape.gradient(loss, (variables, x))
    return output, loss, [tf.convert_to_tensor(g) for g in gradients], x_gradient


def _by_jax(model: keras.Model, case: Case) -> Any:
    import jax

    def loss_and_rest(weights: Any, x: Any, state: Any) -> Any:
        output, state = model.stateless_call(weights, state, _inputs(x, case), training=True)
        return loss_of(output, case.labels), (output, state)

    real_inputs = case.x.dtype.kind == "f"
    differentiated = jax.value_and_grad(
        loss_and_rest, argnums=(0, 1) if real_inputs else (0,), has_aux=True
    )
    state = [variable.value for variable in model.non_trainable_variables]
    weights = [variable.value for variable in model.trainable_variables]
    (loss, (output, state)), gradients = jax.jit(differentiated)(weights, case.x, state)
    for variable, value in zip(model.non_trainable_variables, state, strict=True):
        variable.assign(value)
    return output, loss, gradients[0], gradients[1] if real_inputs else None


def _by_torch(model: keras.Model, case: Case) -> Any:
    import torch

    x = keras.ops.convert_to_tensor(case.x)
    watched = [variable.value for variable in model.trainable_variables]
    if x.is_floating_point():
        watched.append(x.requires_grad_())
    output = model(_inputs(x, case), training=True)
    loss = loss_of(output, case.labels)
    gradients = torch.autograd.grad(loss, watched)
    count = len(model.trainable_variables)
    return output, loss, gradients[:count], gradients[count] if len(gradients) > count else None


def _inputs(x: Any, case: Case) -> Any:
    return x if case.mask is None else [x, case.mask]


def _name(variable: Any) -> str:
    """Turn `sequential/hidden/kernel` and `lstm/lstm_cell/kernel` into the case's names."""
    *_, layer, weight = [part for part in variable.path.split("/") if not part.endswith("_cell")]
    return f"{layer}.{weight}"


def _array(value: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(value)
