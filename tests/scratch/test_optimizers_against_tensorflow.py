"""Optimizers, clipping, schedules and initializers of the engine against Keras."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from dllab.scratch import (
    SGD,
    Adam,
    AdamW,
    Dense,
    RMSprop,
    Sequential,
    Tensor,
    clip_by_global_norm,
    clip_by_norm,
    clip_by_value,
    initializers,
    schedules,
    softmax_cross_entropy,
)

# numbers that single precision holds exactly: Keras rounds some of its constants to it
RATE = 2.0**-5
MOMENTUM, BETA_1, BETA_2, DECAY = (float(np.float32(v)) for v in (0.9, 0.9, 0.999, 0.004))
BETAS = {"beta_1": BETA_1, "beta_2": BETA_2}
PAIRS = {
    "momentum": (
        lambda p: SGD(p, RATE, momentum=MOMENTUM),
        lambda: keras.optimizers.SGD(RATE, momentum=MOMENTUM),
    ),
    "nesterov": (
        lambda p: SGD(p, RATE, momentum=MOMENTUM, nesterov=True),
        lambda: keras.optimizers.SGD(RATE, momentum=MOMENTUM, nesterov=True),
    ),
    "rmsprop": (lambda p: RMSprop(p, RATE), lambda: keras.optimizers.RMSprop(RATE)),
    "adam": (lambda p: Adam(p, RATE, **BETAS), lambda: keras.optimizers.Adam(RATE, **BETAS)),
    "adam, large epsilon": (
        lambda p: Adam(p, RATE, 0.75, 0.875, epsilon=0.125),
        lambda: keras.optimizers.Adam(RATE, 0.75, 0.875, epsilon=0.125),
    ),
    "adamw": (
        lambda p: AdamW(p, RATE, DECAY, **BETAS),
        lambda: keras.optimizers.AdamW(RATE, DECAY, **BETAS),
    ),
    "adamw, strong": (
        lambda p: AdamW(p, RATE, weight_decay=0.5, **BETAS),
        lambda: keras.optimizers.AdamW(RATE, weight_decay=0.5, **BETAS),
    ),
    "clipped by value": (
        lambda p: SGD(p, RATE),
        lambda: keras.optimizers.SGD(RATE, clipvalue=0.0625),
    ),
    "clipped by norm": (
        lambda p: SGD(p, RATE),
        lambda: keras.optimizers.SGD(RATE, clipnorm=0.0625),
    ),
    "clipped by global norm": (
        lambda p: SGD(p, RATE),
        lambda: keras.optimizers.SGD(RATE, global_clipnorm=0.0625),
    ),
}
CLIPS = {
    "clipped by value": clip_by_value,
    "clipped by norm": clip_by_norm,
    "clipped by global norm": clip_by_global_norm,
}


def gradients_of(model, x, labels):
    with tf.GradientTape() as tape:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, model(x))
        loss = tf.reduce_mean(losses)
    return tape.gradient(loss, [weight.value for weight in model.trainable_weights])


@pytest.mark.parametrize("name", PAIRS)
def test_ten_steps_equal_keras(name):
    """Same start, same batches: same weights after each of ten steps."""
    rng = np.random.default_rng(3)
    ours = Sequential([Dense(6, 5, "relu", rng=rng), Dense(5, 4, rng=rng)])
    theirs = keras.Sequential(
        [
            keras.Input((6,), dtype="float64"),
            keras.layers.Dense(5, activation="relu", dtype="float64"),
            keras.layers.Dense(4, dtype="float64"),
        ]
    )
    theirs.set_weights([parameter.data for parameter in ours.parameters()])
    optimizer, reference = PAIRS[name][0](ours.parameters()), PAIRS[name][1]()
    for _ in range(10):
        x, labels = rng.normal(size=(3, 6)), rng.integers(0, 4, 3)
        optimizer.zero_grad()
        softmax_cross_entropy(ours(x), labels).backward()
        if name in CLIPS:
            CLIPS[name](ours.parameters(), 0.0625)
        optimizer.step()
        reference.apply(gradients_of(theirs, x, labels), theirs.trainable_weights)
        for parameter, weight in zip(ours.parameters(), theirs.get_weights(), strict=True):
            np.testing.assert_allclose(parameter.data, weight, rtol=1e-9, atol=1e-11)


def test_tiny_gradients_show_where_keras_puts_epsilon():
    """Both as in Keras: Adam's epsilon outside the root, RMSprop's inside."""
    for ours, theirs in (
        (lambda p: Adam(p, RATE, **BETAS), keras.optimizers.Adam(RATE, **BETAS)),
        (lambda p: RMSprop(p, RATE), keras.optimizers.RMSprop(RATE)),
    ):
        w, variable = Tensor([1.0, 1.0]), keras.Variable([1.0, 1.0], dtype="float64")
        optimizer = ours([w])
        for _ in range(10):
            w.grad = np.array([1e-6, -1e-4])
            optimizer.step()
            theirs.apply([tf.constant([1e-6, -1e-4], dtype="float64")], [variable])
        np.testing.assert_allclose(w.data, np.asarray(variable), rtol=1e-9)


@pytest.mark.parametrize("kind", [SGD, RMSprop, Adam, AdamW])
def test_options_have_the_names_and_defaults_of_keras(kind):
    """SGD's learning rate alone has no default here: nobody should leave it out."""
    theirs = inspect.signature(getattr(keras.optimizers, kind.__name__)).parameters
    for name, option in inspect.signature(kind).parameters.items():
        if name != "parameters" and option.default is not inspect.Parameter.empty:
            assert option.default == theirs[name].default


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (
            schedules.exponential_decay(0.5, 30, 0.25),
            keras.optimizers.schedules.ExponentialDecay(0.5, 30, 0.25),
        ),
        (
            schedules.exponential_decay(0.5, 30, 0.25, staircase=True),
            keras.optimizers.schedules.ExponentialDecay(0.5, 30, 0.25, staircase=True),
        ),
        (
            schedules.cosine_decay(0.5, 40, alpha=0.25),
            keras.optimizers.schedules.CosineDecay(0.5, 40, alpha=0.25),
        ),
        (
            schedules.cosine_decay(0.125, 40, warmup_target=0.5, warmup_steps=10),
            keras.optimizers.schedules.CosineDecay(0.125, 40, warmup_target=0.5, warmup_steps=10),
        ),
    ],
)
def test_schedules_equal_keras(ours, theirs):
    """At every step, also beyond the last one."""
    np.testing.assert_allclose(
        [ours(step) for step in range(70)],
        [float(theirs(step)) for step in range(70)],
        rtol=1e-5,
        atol=1e-7,
    )


@pytest.mark.parametrize("shape", [(300, 200), (5, 5, 20, 40)])
@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("lecun_normal", keras.initializers.LecunNormal),
        ("glorot_normal", keras.initializers.GlorotNormal),
        ("glorot_uniform", keras.initializers.GlorotUniform),
        ("he_normal", keras.initializers.HeNormal),
        ("he_uniform", keras.initializers.HeUniform),
    ],
)
def test_initializers_have_the_distribution_of_keras(name, theirs, shape):
    """The same quantiles, from the lowest to the highest."""
    ours = getattr(initializers, name)(shape, np.random.default_rng(0)).ravel()
    reference = np.asarray(theirs(seed=0)(shape)).ravel()
    points = [0, 0.02, 0.25, 0.5, 0.75, 0.98, 1]
    np.testing.assert_allclose(
        np.quantile(ours, points), np.quantile(reference, points), atol=0.04 * reference.std()
    )
