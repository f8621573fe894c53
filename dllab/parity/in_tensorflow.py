"""The models in plain TensorFlow: operations on tensors, a tape for the gradients.

`run(case)` answers an `Outcome`. A model takes the weights `w`, the moving averages `state`, the
inputs, the mask and whether it trains; it returns the logits `(batch, classes)` and the new state.
"""

from typing import Any

import tensorflow as tf

from dllab.parity.cases import Case, Outcome
from dllab.parity.steps import STEPS

__all__ = ["run"]


def dense(w: Any, name: str, x: Any) -> Any:
    return x @ w[f"{name}.kernel"] + w[f"{name}.bias"]


def mlp(w: Any, state: Any, x: Any, mask: Any, training: bool) -> Any:
    a = tf.nn.relu(dense(w, "hidden", x))  # (batch, 5)
    return dense(w, "logits", a), state


def cnn(w: Any, state: Any, x: Any, mask: Any, training: bool) -> Any:
    z = tf.nn.conv2d(x, w["conv.kernel"], strides=2, padding="SAME")  # NHWC and HWIO
    z, state = batch_normalization(w, state, z, training)  # (batch, 4, 4, 4)
    a = tf.nn.max_pool2d(tf.nn.relu(z), ksize=2, strides=2, padding="VALID")
    return dense(w, "logits", tf.reshape(a, (len(a), -1))), state  # 2 * 2 * 4 features


def batch_normalization(w: Any, state: Any, z: Any, training: bool) -> Any:
    mean, variance = state["norm.moving_mean"], state["norm.moving_variance"]
    if training:
        old_mean, old_variance = mean, variance
        mean, variance = tf.nn.moments(z, axes=(0, 1, 2))  # (channels,)
        state = {
            "norm.moving_mean": 0.99 * old_mean + 0.01 * mean,
            "norm.moving_variance": 0.99 * old_variance + 0.01 * variance,
        }
    y = tf.nn.batch_normalization(z, mean, variance, w["norm.beta"], w["norm.gamma"], 1e-3)
    return y, state


def lstm(w: Any, state: Any, x: Any, mask: Any, training: bool) -> Any:
    h = c = tf.zeros((len(x), 4), x.dtype)
    for t in range(x.shape[1]):
        z = x[:, t] @ w["lstm.kernel"] + h @ w["lstm.recurrent_kernel"] + w["lstm.bias"]
        i, f, g, o = tf.split(z, 4, axis=1)  # each (batch, units)
        c_new = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        h_new = tf.sigmoid(o) * tf.tanh(c_new)
        keep = mask[:, t : t + 1]  # a padded step changes nothing
        h, c = tf.where(keep, h_new, h), tf.where(keep, c_new, c)
    return dense(w, "logits", h), state


def gru(w: Any, state: Any, x: Any, mask: Any, training: bool) -> Any:
    h = tf.zeros((len(x), 4), x.dtype)
    for t in range(x.shape[1]):
        a = tf.split(x[:, t] @ w["gru.kernel"] + w["gru.bias"][0], 3, axis=1)
        b = tf.split(h @ w["gru.recurrent_kernel"] + w["gru.bias"][1], 3, axis=1)
        z, r = tf.sigmoid(a[0] + b[0]), tf.sigmoid(a[1] + b[1])  # each (batch, units)
        h = z * h + (1 - z) * tf.tanh(a[2] + r * b[2])  # r acts after the product
    return dense(w, "logits", h), state


def text(w: Any, state: Any, x: Any, mask: Any, training: bool) -> Any:
    e = tf.gather(w["embedding.embeddings"], x)  # (batch, time, 4)
    mean, variance = tf.nn.moments(e, axes=-1, keepdims=True)
    y = tf.nn.batch_normalization(e, mean, variance, w["norm.beta"], w["norm.gamma"], 1e-3)
    return dense(w, "logits", tf.reduce_mean(y, axis=1)), state


def loss_of(w: Any, x: Any, state: Any, mask: Any, labels: Any, model: Any) -> Any:
    logits, state = model(w, state, x, mask, training=True)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)  # (batch,)
    return tf.reduce_mean(losses), (logits, state)


def run(case: Case) -> Outcome:
    """Compute what a case asks for, in the precision of its arrays."""
    model, step = globals()[case.name], STEPS[case.optimizer]
    w = {name: tf.constant(array) for name, array in case.weights.items()}
    state = {name: tf.constant(array) for name, array in case.state.items()}
    x, labels = tf.constant(case.x), tf.constant(case.labels)
    mask = None if case.mask is None else tf.constant(case.mask)
    answers, memory = [], dict.fromkeys(w)
    for t in range(1, case.steps + 1):
        with tf.GradientTape() as tape:
            tape.watch((w, x) if x.dtype.is_floating else w)  # constants are not watched
            loss, (logits, state) = loss_of(w, x, state, mask, labels, model)
        gradients, x_gradient = tape.gradient(loss, (w, x))
        # the gradient of a look-up comes as IndexedSlices: rows and their numbers
        gradients = {name: tf.convert_to_tensor(g) for name, g in gradients.items()}
        answers.append((logits, loss, x_gradient, gradients))
        for name, g in gradients.items():
            w[name], memory[name] = step(w[name], g, memory[name], t, **case.settings)
    predictions, _ = model(w, state, x, mask, training=False)
    logits, loss, x_gradient, gradients = answers[0]
    return Outcome(
        outputs=logits.numpy(),
        loss=loss.numpy(),
        input_gradient=None if x_gradient is None else x_gradient.numpy(),
        weight_gradients={name: g.numpy() for name, g in gradients.items()},
        weights={name: value.numpy() for name, value in (w | state).items()},
        predictions=predictions.numpy(),
    )
