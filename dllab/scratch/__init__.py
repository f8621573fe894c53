"""A deep learning engine in NumPy, small enough to read in an evening.

Read the modules in this order:

1. `layers`: what a network computes (`Layer`, `Dense`, `Activation`, `Flatten`, `Sequential`).
2. `activations`: the non-linear functions and their derivatives, on plain arrays.
3. `scalar`: gradients of single numbers on a graph (`Scalar`).
4. `tensor`: the same for arrays (`Tensor`, `unbroadcast`, and `record` for rules of your own).
5. `ops`: operations on tensors with their gradient rules (`exp`, `log`, `sqrt`, `tanh`, `sigmoid`,
   `relu`, `leaky_relu`, `elu`, `gelu`, `softplus`, `softmax`, `log_softmax`, `logsumexp`,
   `maximum`, `where`).
6. `losses`: `mean_squared_error`, `binary_cross_entropy`, `softmax_cross_entropy`.
7. `optimizers`: `SGD`.
8. `gradcheck`: finite differences as referee (`numeric_gradient`, `gradcheck`).

A network learns in five lines:

>>> import numpy as np
>>> model = Sequential([Dense(2, 1, rng=np.random.default_rng(0))])
>>> optimizer = SGD(model.parameters(), learning_rate=0.1)
>>> x, y = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[1.0], [-1.0]])
>>> for _ in range(100):
...     loss = mean_squared_error(model(x), y)
...     optimizer.zero_grad()
...     loss.backward()
...     optimizer.step()
>>> float(loss) < 1e-6
True
"""

from dllab.scratch import activations
from dllab.scratch.gradcheck import GradcheckResult, gradcheck, numeric_gradient
from dllab.scratch.layers import Activation, Dense, Flatten, Layer, Sequential
from dllab.scratch.losses import binary_cross_entropy, mean_squared_error, softmax_cross_entropy
from dllab.scratch.ops import (
    elu,
    exp,
    gelu,
    leaky_relu,
    log,
    log_softmax,
    logsumexp,
    maximum,
    relu,
    sigmoid,
    softmax,
    softplus,
    sqrt,
    tanh,
    where,
)
from dllab.scratch.optimizers import SGD
from dllab.scratch.scalar import Scalar
from dllab.scratch.tensor import Tensor, record, unbroadcast

__all__ = [
    "SGD",
    "Activation",
    "Dense",
    "Flatten",
    "GradcheckResult",
    "Layer",
    "Scalar",
    "Sequential",
    "Tensor",
    "activations",
    "binary_cross_entropy",
    "elu",
    "exp",
    "gelu",
    "gradcheck",
    "leaky_relu",
    "log",
    "log_softmax",
    "logsumexp",
    "maximum",
    "mean_squared_error",
    "numeric_gradient",
    "record",
    "relu",
    "sigmoid",
    "softmax",
    "softmax_cross_entropy",
    "softplus",
    "sqrt",
    "tanh",
    "unbroadcast",
    "where",
]
