"""Activation functions on plain NumPy arrays, each with its derivative below it.

Value and derivative, entry by entry:

- `sigmoid`, `sigmoid_derivative`: squash to (0, 1).
- `tanh`, `tanh_derivative`: squash to (-1, 1).
- `relu`, `relu_derivative`: cut off what is negative.
- `leaky_relu`, `leaky_relu_derivative`: let a little of the negative side through.
- `elu`, `elu_derivative`: bend the negative side smoothly towards `-alpha`.
- `gelu`, `gelu_derivative`: weigh `z` by the probability that a standard normal lies below it.
- `softplus`, `softplus_derivative`: a smooth ReLU.

Along an axis:

- `softmax`, `softmax_jacobian`: turn scores into a distribution.
- `log_softmax`, `logsumexp`: its logarithm, and the logarithm of its denominator.

Every derivative takes the pre-activation `z`, the same argument as its function, never the
output. All of them are exact at ±1000: no overflow, no NaN, no warning. Arguments may be numbers
or arrays of any shape; results are float64.

Introduced in: `chapter-activations`.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from dllab.errors import ShapeError

__all__ = [
    "elu",
    "elu_derivative",
    "gelu",
    "gelu_derivative",
    "leaky_relu",
    "leaky_relu_derivative",
    "log_softmax",
    "logsumexp",
    "relu",
    "relu_derivative",
    "sigmoid",
    "sigmoid_derivative",
    "softmax",
    "softmax_jacobian",
    "softplus",
    "softplus_derivative",
    "tanh",
    "tanh_derivative",
]

_erfc = np.vectorize(math.erfc, otypes=[np.float64])  # NumPy has no error function of its own


def sigmoid(z: ArrayLike) -> np.ndarray:
    """Return `1 / (1 + e**-z)`.

    For `z < 0` the same number is `e**z / (1 + e**z)`; taking the form whose exponent is
    negative avoids overflow.

    Example:
        >>> sigmoid([-1000.0, 0.0, 1000.0]).tolist()
        [0.0, 0.5, 1.0]
    """
    z = _float(z)
    small = np.exp(-np.abs(z))  # in (0, 1]
    return np.where(z >= 0, 1.0, small) / (1.0 + small)


def sigmoid_derivative(z: ArrayLike) -> np.ndarray:
    """Return `sigmoid(z) * sigmoid(-z)`, which is `s * (1 - s)` without the loss of digits.

    Example:
        >>> sigmoid_derivative(0.0).item()
        0.25
    """
    z = _float(z)
    return sigmoid(z) * sigmoid(-z)


def tanh(z: ArrayLike) -> np.ndarray:
    """Return the hyperbolic tangent, `2 * sigmoid(2 * z) - 1`.

    Example:
        >>> tanh([-1000.0, 0.0, 1000.0]).tolist()
        [-1.0, 0.0, 1.0]
    """
    return np.tanh(_float(z))


def tanh_derivative(z: ArrayLike) -> np.ndarray:
    """Return `1 - tanh(z)**2`.

    Example:
        >>> tanh_derivative(0.0).item()
        1.0
    """
    return 1.0 - np.tanh(_float(z)) ** 2


def relu(z: ArrayLike) -> np.ndarray:
    """Return `max(z, 0)`.

    Source: Nair and Hinton (2010), "Rectified linear units improve restricted Boltzmann
    machines", ICML.

    Example:
        >>> relu([-2.0, 3.0]).tolist()
        [0.0, 3.0]
    """
    return np.maximum(_float(z), 0.0)


def relu_derivative(z: ArrayLike) -> np.ndarray:
    """Return 1 where `z > 0`, else 0; at the kink 0, as TensorFlow does.

    Example:
        >>> relu_derivative([-2.0, 0.0, 3.0]).tolist()
        [0.0, 0.0, 1.0]
    """
    return np.where(_float(z) > 0, 1.0, 0.0)


def leaky_relu(z: ArrayLike, negative_slope: float = 0.01) -> np.ndarray:
    """Return `z` where `z > 0`, else `negative_slope * z`.

    Source: Maas, Hannun and Ng (2013), "Rectifier nonlinearities improve neural network acoustic
    models", ICML. The slope 0.01 is theirs; Keras has other defaults.

    Example:
        >>> leaky_relu([-200.0, 3.0]).tolist()
        [-2.0, 3.0]
    """
    z = _float(z)
    return np.where(z > 0, z, negative_slope * z)


def leaky_relu_derivative(z: ArrayLike, negative_slope: float = 0.01) -> np.ndarray:
    """Return 1 where `z > 0`, else `negative_slope`.

    Example:
        >>> leaky_relu_derivative([-2.0, 3.0]).tolist()
        [0.01, 1.0]
    """
    return np.where(_float(z) > 0, 1.0, negative_slope)


def elu(z: ArrayLike, alpha: float = 1.0) -> np.ndarray:
    """Return `z` where `z > 0`, else `alpha * (e**z - 1)`.

    Source: Clevert, Unterthiner and Hochreiter (2016), "Fast and accurate deep network learning
    by exponential linear units (ELUs)", ICLR.

    Example:
        >>> elu([-1000.0, 0.0, 3.0]).tolist()
        [-1.0, 0.0, 3.0]
    """
    z = _float(z)
    # minimum: np.where evaluates both sides, and e**z would overflow on the side not taken
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0.0)))


def elu_derivative(z: ArrayLike, alpha: float = 1.0) -> np.ndarray:
    """Return 1 where `z > 0`, else `alpha * e**z`.

    Example:
        >>> elu_derivative([-1000.0, 0.0, 3.0]).tolist()
        [0.0, 1.0, 1.0]
    """
    z = _float(z)
    return np.where(z > 0, 1.0, alpha * np.exp(np.minimum(z, 0.0)))


def gelu(z: ArrayLike) -> np.ndarray:
    """Return `z * P(N <= z)` for a standard normal `N`; exact, not the tanh approximation.

    Source: Hendrycks and Gimpel (2016), "Gaussian error linear units (GELUs)", arXiv:1606.08415.

    Example:
        >>> gelu([0.0, 1000.0]).tolist()
        [0.0, 1000.0]
    """
    z = _float(z)
    return z * _normal_cdf(z)


def gelu_derivative(z: ArrayLike) -> np.ndarray:
    """Return `P(N <= z) + z * density(z)` for a standard normal `N`.

    Example:
        >>> gelu_derivative([-1000.0, 0.0, 1000.0]).tolist()
        [0.0, 0.5, 1.0]
    """
    z = _float(z)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return _normal_cdf(z) + z * density


def softplus(z: ArrayLike) -> np.ndarray:
    """Return `log(1 + e**z)`.

    Source: Dugas, Bengio, Belisle, Nadeau and Garcia (2001), "Incorporating second-order
    functional knowledge for better option pricing", NIPS 13.

    Example:
        >>> softplus([-1000.0, 1000.0]).tolist()
        [0.0, 1000.0]
    """
    return np.logaddexp(0.0, _float(z))


def softplus_derivative(z: ArrayLike) -> np.ndarray:
    """Return `sigmoid(z)`.

    Example:
        >>> softplus_derivative(0.0).item()
        0.5
    """
    return sigmoid(z)


def softmax(z: ArrayLike, axis: int = -1) -> np.ndarray:
    """Return `e**z / sum(e**z)` along `axis`: positive numbers that sum to one.

    Subtracting the largest score first changes nothing in the quotient and keeps every exponent
    at or below 0.

    Args:
        z: scores, for example `(batch, classes)`.
        axis: the axis along which the result sums to one; the classes, not the batch.

    Returns:
        An array of the shape of `z`.

    Raises:
        ShapeError: `z` has no axis, or no entry along `axis`.

    Source: Bridle (1990), "Probabilistic interpretation of feedforward classification network
    outputs", Neurocomputing, Springer.

    Example:
        >>> softmax([[1000.0, 1000.0], [0.0, -1000.0]]).tolist()
        [[0.5, 0.5], [1.0, 0.0]]
    """
    z = _with_entries(z, axis)
    powers = np.exp(z - z.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def softmax_jacobian(z: ArrayLike) -> np.ndarray:
    """Return the derivatives of the softmax along the last axis, `diag(p) - p p^T`.

    Args:
        z: scores, `(classes,)` or `(batch, classes)`.

    Returns:
        `(classes, classes)` or `(batch, classes, classes)`: entry `[..., i, j]` is the derivative
        of probability `i` by score `j`.

    Raises:
        ShapeError: `z` has no axis, or no class.

    Example:
        >>> softmax_jacobian([0.0, 0.0]).tolist()
        [[0.25, -0.25], [-0.25, 0.25]]
    """
    p = softmax(z, axis=-1)
    rows, columns = p[..., :, np.newaxis], p[..., np.newaxis, :]
    return rows * (np.eye(p.shape[-1]) - columns)  # (..., classes, classes)


def log_softmax(z: ArrayLike, axis: int = -1) -> np.ndarray:
    """Return `z - logsumexp(z)` along `axis`, the logarithm of the softmax.

    It stays finite where the softmax itself underflows to 0.

    Example:
        >>> log_softmax([0.0, -1000.0]).tolist()
        [0.0, -1000.0]
    """
    z = _with_entries(z, axis)
    return z - logsumexp(z, axis=axis, keepdims=True)


def logsumexp(z: ArrayLike, axis: int = -1, keepdims: bool = False) -> np.ndarray:
    """Return `log(sum(e**z))` along `axis`, computed as `m + log(sum(e**(z - m)))`, `m = max(z)`.

    Source: Blanchard, Higham and Higham (2021), "Accurately computing the log-sum-exp and softmax
    functions", IMA Journal of Numerical Analysis 41(4).

    Example:
        >>> logsumexp([1000.0, -1000.0]).item()
        1000.0
    """
    z = _with_entries(z, axis)
    largest = z.max(axis=axis, keepdims=True)
    total = largest + np.log(np.exp(z - largest).sum(axis=axis, keepdims=True))
    return total if keepdims else total.squeeze(axis=axis)


def _normal_cdf(z: np.ndarray) -> np.ndarray:
    # erfc, not 1 + erf: for z far below 0 the latter cancels to nothing
    return 0.5 * _erfc(-z / math.sqrt(2))


def _float(z: ArrayLike) -> np.ndarray:
    return np.asarray(z, dtype=np.float64)


def _with_entries(z: ArrayLike, axis: int) -> np.ndarray:
    z = _float(z)
    if not -z.ndim <= axis < z.ndim or z.shape[axis] == 0:
        raise ShapeError(
            f"`z` should have at least one entry along axis {axis}, but its shape is {z.shape}. "
            "Pass (batch, classes), and axis=-1 for the classes."
        )
    return z
