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
7. `optimizers`: `Optimizer`, `SGD`, `RMSprop`, `Adam`, `AdamW`, `clip_by_value`, `clip_by_norm`,
   `clip_by_global_norm`; `schedules`: learning rates that change; `initializers`: where the weights
   start.
8. `normalization`: `BatchNormalization`, `LayerNormalization`, and the `standardize` that both
   use; `dropout`: `Dropout`.
9. `gradcheck`: finite differences as referee (`numeric_gradient`, `gradcheck`).
10. `recurrent`: layers that carry a state through time (`SimpleRNN`, `LSTM`, `GRU`, `Embedding`,
   `stack`).
11. `convolution`: operations on images (`conv2d`, `conv2d_loops`, `depthwise_conv2d`, `max_pool2d`,
   `average_pool2d`); `image_layers`: their layers (`Conv2D`, `DepthwiseConv2D`, `MaxPooling2D`,
   `AveragePooling2D`, `GlobalAveragePooling2D`); `windows`: `conv_output_size`.

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

from dllab.scratch import activations, initializers, schedules
from dllab.scratch.convolution import (
    average_pool2d,
    conv2d,
    conv2d_loops,
    depthwise_conv2d,
    max_pool2d,
)
from dllab.scratch.dropout import Dropout
from dllab.scratch.gradcheck import GradcheckResult, gradcheck, numeric_gradient
from dllab.scratch.image_layers import (
    AveragePooling2D,
    Conv2D,
    DepthwiseConv2D,
    GlobalAveragePooling2D,
    MaxPooling2D,
)
from dllab.scratch.layers import Activation, Dense, Flatten, Layer, Sequential
from dllab.scratch.losses import binary_cross_entropy, mean_squared_error, softmax_cross_entropy
from dllab.scratch.normalization import BatchNormalization, LayerNormalization, standardize
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
from dllab.scratch.optimizers import (
    SGD,
    Adam,
    AdamW,
    Optimizer,
    RMSprop,
    clip_by_global_norm,
    clip_by_norm,
    clip_by_value,
)
from dllab.scratch.recurrent import GRU, LSTM, Embedding, SimpleRNN, stack
from dllab.scratch.scalar import Scalar
from dllab.scratch.tensor import Tensor, record, unbroadcast
from dllab.scratch.windows import conv_output_size

__all__ = [
    "GRU",
    "LSTM",
    "SGD",
    "Activation",
    "Adam",
    "AdamW",
    "AveragePooling2D",
    "BatchNormalization",
    "Conv2D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAveragePooling2D",
    "GradcheckResult",
    "Layer",
    "LayerNormalization",
    "MaxPooling2D",
    "Optimizer",
    "RMSprop",
    "Scalar",
    "Sequential",
    "SimpleRNN",
    "Tensor",
    "activations",
    "average_pool2d",
    "binary_cross_entropy",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "conv2d",
    "conv2d_loops",
    "conv_output_size",
    "depthwise_conv2d",
    "elu",
    "exp",
    "gelu",
    "gradcheck",
    "initializers",
    "leaky_relu",
    "log",
    "log_softmax",
    "logsumexp",
    "max_pool2d",
    "maximum",
    "mean_squared_error",
    "numeric_gradient",
    "record",
    "relu",
    "schedules",
    "sigmoid",
    "softmax",
    "softmax_cross_entropy",
    "softplus",
    "sqrt",
    "stack",
    "standardize",
    "tanh",
    "unbroadcast",
    "where",
]
