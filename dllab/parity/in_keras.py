"""The models in Keras, the same lines for every backend; only the gradient is the backend's own.

`run(case)` answers an `Outcome` from whichever backend is active.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

from dllab.parity.cases import Case, Outcome

__all__ = ["run"]


def mlp() -> keras.Model:
    hidden = layers.Dense(5, "relu", name="hidden")
    return keras.Sequential([keras.Input((6,)), hidden, layers.Dense(3, name="logits")])


def cnn() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False, name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(3, name="logits"),
        ]
    )


def lstm() -> keras.Model:
    x, mask = keras.Input((4, 3)), keras.Input((4,), dtype="bool")
    h = layers.LSTM(4, name="lstm")(x, mask=mask)
    return keras.Model([x, mask], layers.Dense(3, name="logits")(h))


def gru() -> keras.Model:
    recurrent = layers.GRU(4, name="gru")  # reset_after=True is the default
    return keras.Sequential([keras.Input((4, 3)), recurrent, layers.Dense(3, name="logits")])


def text() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((5,), dtype="int32"),
            layers.Embedding(7, 4, name="embedding"),
            layers.LayerNormalization(name="norm"),
            layers.GlobalAveragePooling1D(),
            layers.Dense(3, name="logits"),
        ]
    )


OPTIMIZERS: dict[str, Callable[..., keras.Optimizer]] = {
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
}


def loss_of(output: Any, labels: np.ndarray) -> Any:
    losses = keras.losses.sparse_categorical_crossentropy(labels, output, from_logits=True)
    return keras.ops.mean(losses)


def run(case: Case) -> Outcome:
    """Compute what a case asks for on the active backend, in the precision of its arrays."""
    usual, dtype = keras.config.floatx(), str(case.weights["logits.bias"].dtype)
    keras.config.set_floatx(dtype)  # inputs and losses follow it
    keras.config.set_dtype_policy(dtype)  # layers follow this
    try:
        if keras.backend.backend() != "jax":
            return _run(case)
        import jax

        with jax.enable_x64(dtype == "float64"):
            return _run(case)
    finally:
        keras.config.set_floatx(usual)
        keras.config.set_dtype_policy(usual)


def _run(case: Case) -> Outcome:
    model = globals()[case.name]()
    for variable in model.weights:
        variable.assign((case.weights | case.state)[_name(variable)])
    optimizer = OPTIMIZERS[case.optimizer](**case.settings)
    optimizer.build(model.trainable_variables)
    backend = {"tensorflow": _by_tensorflow, "jax": _by_jax, "torch": _by_torch}
    gradients_of, apply, predict = backend[keras.backend.backend()](model, optimizer, case)
    answers = []
    for _ in range(case.steps):
        answers.append(gradients_of())
        apply(answers[-1][2])
    output, loss, gradients, x_gradient = answers[0]
    names = map(_name, model.trainable_variables)
    return Outcome(
        outputs=_array(output),
        loss=_array(loss),
        input_gradient=None if x_gradient is None else _array(x_gradient),
        weight_gradients=dict(zip(names, map(_array, gradients), strict=True)),
        weights={_name(variable): _array(variable) for variable in model.weights},
        predictions=_array(predict()),
    )


# Each returns three functions: one for output, loss, gradients of the weights and gradient of the
# input; one that takes a step with the gradients; one that predicts.


def _by_tensorflow(model: keras.Model, optimizer: keras.Optimizer, case: Case) -> Any:
    import tensorflow as tf

    x = tf.constant(case.x)

    def gradients_of() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            output = model(_inputs(x, case), training=True)
            loss = loss_of(output, case.labels)
        variables = [variable.value for variable in model.trainable_variables]
        gradients, x_gradient = tape.gradient(loss, (variables, x))
        # the gradient of a look-up comes as IndexedSlices: rows and their numbers
        return output, loss, [tf.convert_to_tensor(g) for g in gradients], x_gradient

    return gradients_of, optimizer.apply, lambda: model(_inputs(x, case), training=False)


def _by_jax(model: keras.Model, optimizer: keras.Optimizer, case: Case) -> Any:
    import jax

    x, real_inputs = jax.numpy.asarray(case.x), case.x.dtype.kind == "f"

    # functions without side effects: the variables' values go in and come out
    def loss_and_rest(weights: Any, x: Any, state: Any) -> Any:
        output, state = model.stateless_call(weights, state, _inputs(x, case), training=True)
        return loss_of(output, case.labels), (output, state)

    argnums = (0, 1) if real_inputs else (0,)
    compiled = jax.jit(jax.value_and_grad(loss_and_rest, argnums=argnums, has_aux=True))
    step = jax.jit(optimizer.stateless_apply)

    def gradients_of() -> Any:
        weights, state = _values(model.trainable_variables), _values(model.non_trainable_variables)
        (loss, (output, state)), gradients = compiled(weights, x, state)
        _assign(model.non_trainable_variables, state)
        return output, loss, gradients[0], gradients[1] if real_inputs else None

    def apply(gradients: Any) -> None:
        weights = _values(model.trainable_variables)
        weights, memory = step(_values(optimizer.variables), gradients, weights)
        _assign(model.trainable_variables, weights)
        _assign(optimizer.variables, memory)

    @jax.jit
    def predict(weights: Any, state: Any) -> Any:
        return model.stateless_call(weights, state, _inputs(x, case), training=False)[0]

    return (
        gradients_of,
        apply,
        lambda: predict(_values(model.trainable_variables), _values(model.non_trainable_variables)),
    )


def _by_torch(model: keras.Model, optimizer: keras.Optimizer, case: Case) -> Any:
    import torch

    x = keras.ops.convert_to_tensor(case.x)

    def gradients_of() -> Any:
        watched = [variable.value for variable in model.trainable_variables]
        if x.is_floating_point():
            watched.append(x.requires_grad_())
        output = model(_inputs(x, case), training=True)
        loss = loss_of(output, case.labels)
        gradients = torch.autograd.grad(loss, watched)
        count = len(model.trainable_variables)
        return output, loss, gradients[:count], gradients[count] if gradients[count:] else None

    return gradients_of, optimizer.apply, lambda: model(_inputs(x, case), training=False)


def _inputs(x: Any, case: Case) -> Any:
    return x if case.mask is None else [x, keras.ops.convert_to_tensor(case.mask)]


def _values(variables: Any) -> list[Any]:
    return [variable.value for variable in variables]


def _assign(variables: Any, values: Any) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _name(variable: Any) -> str:
    """Turn `sequential/hidden/kernel` and `lstm/lstm_cell/kernel` into the case's names."""
    *_, layer, weight = [part for part in variable.path.split("/") if not part.endswith("_cell")]
    return f"{layer}.{weight}"


def _array(value: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(value)
