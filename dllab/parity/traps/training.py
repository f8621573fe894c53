"""Traps of training: losses and optimizers that share a name and not a formula."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import keras
import numpy as np
import torch
import torch.nn.functional as F

from dllab.parity.steps import rmsprop
from dllab.parity.traps.trap import Answers, as_array, draw, trap

__all__ = [
    "adam_epsilon",
    "argument_order",
    "class_weights",
    "decay_by_default",
    "decay_in_adam_or_adamw",
    "labels_one_hot_or_numbers",
    "mean_over_batch_and_time",
    "momentum_when_the_rate_changes",
    "rmsprop_epsilon",
    "softmax_twice",
    "sum_or_mean",
]

LABELS = np.array([0, 2, 1, 2, 0, 0])


@trap()
def softmax_twice() -> Answers:
    """PyTorch's cross-entropy takes logits; Keras's takes probabilities unless told otherwise.

    Give PyTorch the last layer without softmax, and Keras `from_logits=True`. With a softmax too
    many the loss cannot come near zero, and training is slow rather than broken.
    """
    logits = 3 * draw(6, 3)
    truth = keras.losses.SparseCategoricalCrossentropy()(LABELS, keras.ops.softmax(logits))
    given, labels = torch.tensor(logits), torch.tensor(LABELS)
    wrong = F.cross_entropy(given.softmax(1), labels)
    return as_array(truth), F.cross_entropy(given, labels), wrong


@trap()
def sum_or_mean() -> Answers:
    """Keras and PyTorch average a loss over the batch; a hand-written one often sums it.

    Average, or divide the learning rate by the batch size: the gradients are that much larger.
    """
    logits, labels = torch.tensor(draw(6, 3)), torch.tensor(LABELS)
    truth = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(LABELS, logits.numpy())
    wrong = F.cross_entropy(logits, labels, reduction="sum")
    return as_array(truth), F.cross_entropy(logits, labels), wrong


@trap()
def mean_over_batch_and_time() -> Answers:
    """For a label at each time step, Keras and PyTorch average over the batch and over time.

    Summing over time, as papers write it, multiplies loss and gradients by the length. PyTorch
    wants the classes second: `(batch, classes, time)`.
    """
    logits, labels = draw(4, 5, 3), np.arange(20).reshape(4, 5) % 3
    truth = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits)
    classes_second, target = torch.tensor(logits).permute(0, 2, 1), torch.tensor(labels)
    losses = F.cross_entropy(classes_second, target, reduction="none")  # (batch, time)
    return as_array(truth), F.cross_entropy(classes_second, target), losses.sum(1).mean()


@trap()
def labels_one_hot_or_numbers() -> Answers:
    """A formula for one-hot labels accepts class numbers by broadcasting, and answers nonsense.

    Name the kind: `sparse_categorical_crossentropy` or `jax.nn.one_hot(labels, classes)`.
    """
    logits = draw(6, 3)
    truth = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(LABELS, logits)
    log_p = jax.nn.log_softmax(logits)
    right = -(jax.nn.one_hot(LABELS, 3) * log_p).sum(1).mean()
    return as_array(truth), right, -(LABELS[:, None] * log_p).sum(1).mean()


@trap()
def class_weights() -> Answers:
    """With class weights, Keras divides by the batch size, PyTorch by the sum of the weights.

    In PyTorch, average the weighted losses yourself.
    """
    logits, weight = draw(6, 3), np.array([1.0, 2.0, 5.0], np.float32)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    truth = loss(LABELS, logits, sample_weight=weight[LABELS])
    given = (torch.tensor(logits), torch.tensor(LABELS), torch.tensor(weight))
    right = F.cross_entropy(*given, reduction="none").mean()
    return as_array(truth), right, F.cross_entropy(*given)


@trap()
def argument_order() -> Answers:
    """Losses are called with (y_true, y_pred) in Keras and with (input, target) in PyTorch.

    Name the arguments. Where both have one shape and one range, nothing complains.
    """
    target, p = (np.random.default_rng(0).uniform(0.1, 0.9, (2, 6))).astype(np.float32)
    truth = keras.losses.BinaryCrossentropy()(target, p)
    y, given = torch.tensor(target), torch.tensor(p)
    right = F.binary_cross_entropy(input=given, target=y)
    return as_array(truth), right, F.binary_cross_entropy(y, given)


# Optimizers: two weights, given gradients


GRADIENTS = tuple(draw(4, seed=seed) for seed in (1, 2, 3))


@trap()
def adam_epsilon() -> Answers:
    """Adam adds 1e-7 to the raw root in Keras and 1e-8 to the corrected root in PyTorch.

    It matters where gradients are as small as epsilon. Give PyTorch `1e-7 / sqrt(1 - beta_2**t)`
    before step t, and both agree.
    """
    gradients = [1e-7 * g for g in GRADIENTS]

    def place_epsilon(optimizer: Any, t: int) -> None:
        optimizer.param_groups[0]["eps"] = 1e-7 / (1 - 0.999**t) ** 0.5

    return (
        by_keras(keras.optimizers.Adam(0.01), gradients),
        by_torch(lambda w: torch.optim.Adam(w, 0.01), gradients, place_epsilon),
        by_torch(lambda w: torch.optim.Adam(w, 0.01), gradients),
    )


@trap()
def rmsprop_epsilon() -> Answers:
    """RMSprop adds epsilon inside the root in Keras, outside of it in PyTorch.

    PyTorch also starts from another rate (0.01) and another memory (`alpha=0.99` for `rho=0.9`).
    No setting of its epsilon does the same: write the three lines of Keras's step.
    """
    gradients = [1e-4 * g for g in GRADIENTS]
    w, memory = np.zeros(4), None
    for t, g in enumerate(gradients, 1):
        w, memory = rmsprop(w, g.astype(float), memory, t, 0.01, 0.9, 1e-7)
    wrong = by_torch(lambda w: torch.optim.RMSprop(w, 0.01, alpha=0.9, eps=1e-7), gradients)
    return by_keras(keras.optimizers.RMSprop(0.01), gradients), w, wrong


@trap()
def momentum_when_the_rate_changes() -> Answers:
    """Keras keeps the learning rate inside the velocity, PyTorch multiplies by it afterwards.

    At a constant rate there is no difference. When the rate falls, PyTorch shrinks the old velocity
    too: multiply its momentum buffer by old rate / new rate to agree with Keras.
    """

    def change_rate(optimizer: Any, t: int, keep_velocity: bool) -> None:
        if t == 3:
            optimizer.param_groups[0]["lr"] = 0.01
            for memory in optimizer.state.values() if keep_velocity else ():
                memory["momentum_buffer"] *= 0.1 / 0.01

    def of_keras(optimizer: Any, t: int) -> None:
        if t == 3:
            optimizer.learning_rate = 0.01

    def make(w: Any) -> torch.optim.Optimizer:
        return torch.optim.SGD(w, 0.1, momentum=0.9)

    return (
        by_keras(keras.optimizers.SGD(0.1, momentum=0.9), GRADIENTS, of_keras),
        by_torch(make, GRADIENTS, lambda optimizer, t: change_rate(optimizer, t, True)),
        by_torch(make, GRADIENTS, lambda optimizer, t: change_rate(optimizer, t, False)),
    )


@trap()
def decay_in_adam_or_adamw() -> Answers:
    """`Adam(weight_decay=…)` of PyTorch adds the decay to the gradient, which is not AdamW.

    Adam then divides the decay by the size of the gradient. Use `torch.optim.AdamW`, which
    multiplies the decay by the learning rate, as Keras does.
    """
    adamw = keras.optimizers.AdamW(0.01, weight_decay=0.5)
    return (
        by_keras(adamw, GRADIENTS, start=1.0),
        by_torch(lambda w: torch.optim.AdamW(w, 0.01, weight_decay=0.5), GRADIENTS, start=1.0),
        by_torch(lambda w: torch.optim.Adam(w, 0.01, weight_decay=0.5), GRADIENTS, start=1.0),
    )


@trap()
def decay_by_default() -> Answers:
    """AdamW decays by 0.004 in Keras unless told otherwise, by 0.01 in PyTorch.

    Pass `weight_decay`.
    """
    gradients = 20 * GRADIENTS
    return (
        by_keras(keras.optimizers.AdamW(0.1), gradients, start=5.0),
        by_torch(lambda w: torch.optim.AdamW(w, 0.1, weight_decay=0.004), gradients, start=5.0),
        by_torch(lambda w: torch.optim.AdamW(w, 0.1), gradients, start=5.0),
    )


def by_keras(
    optimizer: Any,
    gradients: Sequence[np.ndarray],
    before_step: Callable[[Any, int], None] = lambda optimizer, t: None,
    start: float = 0.0,
) -> np.ndarray:
    """Return the weights `(4,)` after a step with each of the gradients."""
    variable = keras.Variable(np.full(4, start, np.float32))
    optimizer.build([variable])
    for t, g in enumerate(gradients, 1):
        before_step(optimizer, t)
        optimizer.apply([keras.ops.convert_to_tensor(g)])
    return as_array(variable)


def by_torch(
    make: Callable[[list[torch.Tensor]], torch.optim.Optimizer],
    gradients: Sequence[np.ndarray],
    before_step: Callable[[Any, int], None] = lambda optimizer, t: None,
    start: float = 0.0,
) -> np.ndarray:
    """Return the weights `(4,)` after a step with each of the gradients."""
    w = torch.full((4,), start, requires_grad=True)
    optimizer = make([w])
    for t, g in enumerate(gradients, 1):
        before_step(optimizer, t)
        w.grad = torch.tensor(g)
        optimizer.step()
    return w.detach().numpy()
