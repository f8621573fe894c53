"""The models by `dllab.scratch`: NumPy alone, always in float64, and the reference for the others.

`run(case)` answers an `Outcome`. A model is a dictionary of layers in the order in which they act;
their parameters are the case's weights in the same order.
"""

from collections.abc import Callable

import numpy as np

from dllab import scratch
from dllab.parity.cases import Case, Outcome
from dllab.scratch import Layer, Tensor

__all__ = ["run"]

_RNG = np.random.default_rng(0)  # the layers ask for one, but the case's weights take its place


def mlp() -> list[Layer]:
    return [scratch.Dense(6, 5, "relu", rng=_RNG), scratch.Dense(5, 3, rng=_RNG)]


def cnn() -> list[Layer]:
    return [
        scratch.Conv2D(2, 4, 3, rng=_RNG, strides=2, padding="same", use_bias=False),
        scratch.BatchNormalization(4),
        scratch.Activation("relu"),
        scratch.MaxPooling2D(),
        scratch.Flatten(),
        scratch.Dense(16, 3, rng=_RNG),
    ]


def lstm() -> list[Layer]:
    return [scratch.LSTM(3, 4, rng=_RNG), scratch.Dense(4, 3, rng=_RNG)]


def gru() -> list[Layer]:
    return [scratch.GRU(3, 4, rng=_RNG), scratch.Dense(4, 3, rng=_RNG)]


def text() -> list[Layer]:
    return [
        scratch.Embedding(7, 4, rng=_RNG),
        scratch.LayerNormalization(4),
        _MeanOverTime(),
        scratch.Dense(4, 3, rng=_RNG),
    ]


class _MeanOverTime(Layer):
    """`(batch, time, features)` to `(batch, features)`."""

    def __call__(self, x, training=False):  # type: ignore[no-untyped-def]
        return x.mean(axis=1)


OPTIMIZERS: dict[str, Callable[..., scratch.Optimizer]] = {
    "sgd": scratch.SGD,
    "rmsprop": scratch.RMSprop,
    "adam": scratch.Adam,
    "adamw": scratch.AdamW,
}


def run(case: Case) -> Outcome:
    """Compute what a case asks for, in float64 whatever the precision of its arrays."""
    layers = globals()[case.name]()
    parameters = [parameter for layer in layers for parameter in layer.parameters()]
    for parameter, name in zip(parameters, case.weights, strict=True):
        parameter.data = case.weights[name].astype(float)
    for layer in layers:
        if isinstance(layer, scratch.BatchNormalization):
            mean, variance = case.state.values()
            layer.moving_mean, layer.moving_variance = mean.astype(float), variance.astype(float)
    optimizer = OPTIMIZERS[case.optimizer](parameters, **case.settings)
    answers = []
    for _ in range(case.steps):
        x = Tensor(case.x)
        z = forward(layers, x, case.mask, training=True)
        loss = scratch.softmax_cross_entropy(z, case.labels)
        optimizer.zero_grad()
        loss.backward()
        answers.append((z.data, loss.data, x.grad, [p.grad for p in parameters]))
        optimizer.step()
    outputs, first_loss, x_gradient, gradients = answers[0]
    return Outcome(
        outputs=outputs,
        loss=first_loss,
        input_gradient=x_gradient if case.x.dtype.kind == "f" else None,
        weight_gradients=dict(zip(case.weights, gradients, strict=True)),
        weights={n: p.data for n, p in zip(case.weights, parameters, strict=True)} | _state(layers),
        predictions=forward(layers, Tensor(case.x), case.mask, training=False).data,
    )


def forward(layers: list[Layer], x: Tensor, mask: np.ndarray | None, training: bool) -> Tensor:
    for layer in layers:
        x = layer(x, mask=mask) if isinstance(layer, scratch.LSTM) else layer(x, training)
    return x


def _state(layers: list[Layer]) -> dict[str, np.ndarray]:
    for layer in layers:
        if isinstance(layer, scratch.BatchNormalization):
            return {
                "norm.moving_mean": layer.moving_mean,
                "norm.moving_variance": layer.moving_variance,
            }
    return {}
