"""The models in plain JAX: functions of a dictionary of weights.

`run(case)` answers an `Outcome`. A model takes the weights `w`, the moving averages `state`, the
inputs, the mask and whether it trains; it returns the logits `(batch, classes)` and the new state.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from dllab.parity.cases import Case, Outcome
from dllab.parity.steps import STEPS

__all__ = ["run"]


def dense(w: Any, name: str, x: Any) -> Any:
    return x @ w[f"{name}.kernel"] + w[f"{name}.bias"]


def mlp(w: Any, state: Any, x: Any, mask: Any, training: bool) -> Any:
    a = jax.nn.relu(dense(w, "hidden", x))  # (batch, 5)
    return dense(w, "logits", a), state


def cnn(w: Any, state: Any, x: Any, mask: Any, training: bool) -> Any:
    layout = ("NHWC", "HWIO", "NHWC")  # without it JAX takes NCHW and OIHW
    z = lax.conv_general_dilated(x, w["conv.kernel"], (2, 2), "SAME", dimension_numbers=layout)
    z, state = batch_normalization(w, state, z, training)  # (batch, 4, 4, 4)
    window = (1, 2, 2, 1)
    a = lax.reduce_window(jax.nn.relu(z), -jnp.inf, lax.max, window, window, "VALID")
    return dense(w, "logits", a.reshape(len(a), -1)), state  # 2 * 2 * 4 features


def batch_normalization(w: Any, state: Any, z: Any, training: bool) -> Any:
    mean, variance = state["norm.moving_mean"], state["norm.moving_variance"]
    if training:
        old_mean, old_variance = mean, variance
        mean, variance = z.mean((0, 1, 2)), z.var((0, 1, 2))  # (channels,)
        state = {
            "norm.moving_mean": 0.99 * old_mean + 0.01 * mean,
            "norm.moving_variance": 0.99 * old_variance + 0.01 * variance,
        }
    y = (z - mean) / jnp.sqrt(variance + 1e-3)
    return y * w["norm.gamma"] + w["norm.beta"], state


def lstm(w: Any, state: Any, x: Any, mask: Any, training: bool) -> Any:
    h = c = jnp.zeros((len(x), 4), x.dtype)
    for t in range(x.shape[1]):
        z = x[:, t] @ w["lstm.kernel"] + h @ w["lstm.recurrent_kernel"] + w["lstm.bias"]
        i, f, g, o = jnp.split(z, 4, axis=1)  # each (batch, units)
        c_new = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h_new = jax.nn.sigmoid(o) * jnp.tanh(c_new)
        keep = mask[:, t : t + 1]  # a padded step changes nothing
        h, c = jnp.where(keep, h_new, h), jnp.where(keep, c_new, c)
    return dense(w, "logits", h), state


def gru(w: Any, state: Any, x: Any, mask: Any, training: bool) -> Any:
    h = jnp.zeros((len(x), 4), x.dtype)
    for t in range(x.shape[1]):
        a = jnp.split(x[:, t] @ w["gru.kernel"] + w["gru.bias"][0], 3, axis=1)
        b = jnp.split(h @ w["gru.recurrent_kernel"] + w["gru.bias"][1], 3, axis=1)
        z, r = jax.nn.sigmoid(a[0] + b[0]), jax.nn.sigmoid(a[1] + b[1])  # each (batch, units)
        h = z * h + (1 - z) * jnp.tanh(a[2] + r * b[2])  # r acts after the product
    return dense(w, "logits", h), state


def text(w: Any, state: Any, x: Any, mask: Any, training: bool) -> Any:
    e = w["embedding.embeddings"][x]  # (batch, time, 4)
    y = (e - e.mean(-1, keepdims=True)) / jnp.sqrt(e.var(-1, keepdims=True) + 1e-3)
    y = y * w["norm.gamma"] + w["norm.beta"]
    return dense(w, "logits", y.mean(axis=1)), state


def loss_of(w: Any, x: Any, state: Any, mask: Any, labels: Any, model: Any) -> Any:
    logits, state = model(w, state, x, mask, training=True)
    log_p = jax.nn.log_softmax(logits)
    loss = -jnp.take_along_axis(log_p, labels[:, None], axis=1).mean()
    return loss, (logits, state)


def run(case: Case) -> Outcome:
    """Compute what a case asks for, in the precision of its arrays."""
    with jax.enable_x64(case.weights["logits.bias"].dtype == np.float64):
        return _run(case)


def _run(case: Case) -> Outcome:
    model = globals()[case.name]
    w, state, x, mask, labels = jax.tree.map(
        jnp.asarray, (case.weights, case.state, case.x, case.mask, case.labels)
    )
    real_inputs = case.x.dtype.kind == "f"
    gradients_of = jax.jit(
        jax.value_and_grad(loss_of, argnums=(0, 1) if real_inputs else (0,), has_aux=True),
        static_argnums=5,
    )

    @jax.jit
    def take_step(w: Any, gradients: Any, memory: Any, t: int) -> Any:
        step = partial(STEPS[case.optimizer], **case.settings)
        stepped = {name: step(w[name], gradients[name], memory[name], t) for name in w}
        return {n: new for n, (new, _) in stepped.items()}, {n: m for n, (_, m) in stepped.items()}

    answers, memory = [], dict.fromkeys(w)
    for t in range(1, case.steps + 1):
        (loss, (logits, state)), gradients = gradients_of(w, x, state, mask, labels, model)
        answers.append((logits, loss, gradients))
        w, memory = take_step(w, gradients[0], memory, t)  # arrays never change: these are new
    predictions, _ = jax.jit(model, static_argnames="training")(w, state, x, mask, training=False)
    logits, loss, gradients = jax.tree.map(np.asarray, answers[0])
    return Outcome(
        outputs=logits,
        loss=loss,
        input_gradient=gradients[1] if real_inputs else None,
        weight_gradients=gradients[0],
        weights=jax.tree.map(np.asarray, w | state),
        predictions=np.asarray(predictions),
    )
