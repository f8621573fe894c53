"""Layers: functions from a batch to a batch that own their parameters.

- `Layer`: what every layer can do.
- `Dense`: an affine map followed by an activation.
- `Activation`: an activation alone.
- `Flatten`: each example as one row.
- `Sequential`: layers one after another.

Introduced in: `chapter-forward-propagation`.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from dllab.errors import ParameterError, ShapeError
from dllab.scratch import ops
from dllab.scratch.tensor import Array, Tensor, as_tensor

__all__ = ["Activation", "Dense", "Flatten", "Layer", "Sequential"]

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "elu": ops.elu,
    "gelu": ops.gelu,
    "leaky_relu": ops.leaky_relu,
    "relu": ops.relu,
    "sigmoid": ops.sigmoid,
    "softmax": ops.softmax,
    "softplus": ops.softplus,
    "tanh": ops.tanh,
}
# These pass about half of the variance of their input on, so He's initialization fits them.
_HALVING = frozenset({"elu", "gelu", "leaky_relu", "relu", "softplus"})


class Layer(ABC):
    """A function from a batch to a batch that owns its parameters.

    Introduced in: `chapter-forward-propagation`.
    """

    @abstractmethod
    def __call__(self, x: Tensor | ArrayLike, training: bool = False) -> Tensor:
        """Compute the layer's output for a batch.

        Args:
            x: the batch, examples along its first axis.
            training: whether the output serves a training step. Layers that act differently then,
                `Dropout` and `BatchNormalization`, ask for it; all others ignore it.
        """

    def parameters(self) -> list[Tensor]:
        """List the tensors that training changes."""
        return []

    def count_params(self) -> int:
        """Count the numbers that training changes."""
        return sum(parameter.size for parameter in self.parameters())

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Tell the shape of one example after the layer from its shape before, batch left out."""
        return input_shape

    def flops(self, batch: int = 1, input_shape: tuple[int, ...] | None = None) -> int:
        """Count the floating-point operations of a forward pass, `2 * multiply-adds`.

        Convention: the products with weights alone are counted, a multiplication and an addition
        for each use of a weight. Biases, activations and pooling are left out; they cost one or a
        few operations for each unit.

        Args:
            batch: the number of examples.
            input_shape: of one example, batch left out. Layers that use a weight once for each
                example do without; a convolution needs it.
        """
        return 0

    def describe(self) -> str:
        """Name the layer as `Sequential.summary` shows it."""
        return type(self).__name__


@final
class Dense(Layer):
    """Compute `g(x @ W + b)`: every output unit sees every input.

    The weights start random, with a spread that keeps the variance of the signal about the same
    from layer to layer; the biases start at 0.

    - relu, leaky_relu, elu, gelu, softplus: He, normal with standard deviation
      `sqrt(2 / units_in)`.
    - all others: Glorot, uniform between `±sqrt(6 / (units_in + units_out))`.

    Args:
        units_in: the number of features of an example.
        units_out: the number of units.
        activation: the name of `g`, or `None` for the identity.
        rng: the source of randomness, `np.random.default_rng(seed)`.
        use_bias: whether to add `b`.

    Attributes:
        W: weights, a `Tensor` of shape `(units_in, units_out)`.
        b: biases, a `Tensor` of shape `(units_out,)`, or `None`.

    Raises:
        ParameterError: a number of units is not a positive integer, the activation is unknown, or
            `rng` is not a `np.random.Generator`.

    Sources: He, Zhang, Ren and Sun (2015), "Delving deep into rectifiers", ICCV; Glorot and Bengio
    (2010), "Understanding the difficulty of training deep feedforward neural networks", AISTATS.

    Example:
        >>> layer = Dense(2, 1, "relu", rng=np.random.default_rng(0))
        >>> layer.W.data, layer.b.data = np.array([[1.0], [2.0]]), np.array([-4.0])
        >>> layer([[3.0, 4.0], [1.0, 1.0]]).data.tolist()     # 3 + 8 - 4;  1 + 2 - 4 < 0
        [[7.0], [0.0]]

    Introduced in: `chapter-forward-propagation`.
    """

    def __init__(
        self,
        units_in: int,
        units_out: int,
        activation: str | None = None,
        *,
        rng: np.random.Generator,
        use_bias: bool = True,
    ) -> None:
        self.units_in = positive_integer(units_in, "units_in")
        self.units_out = positive_integer(units_out, "units_out")
        self.activation = activation
        self._g = None if activation is None else activation_function(activation)
        self.W = Tensor(initial_weights((units_in, units_out), activation, rng), label="W")
        self.b = Tensor(np.zeros(units_out), label="b") if use_bias else None

    def __call__(self, x: Tensor | ArrayLike, training: bool = False) -> Tensor:
        """Return `g(x @ W + b)`.

        Args:
            x: `(batch, units_in)`.
            training: makes no difference here.

        Returns:
            `(batch, units_out)`.

        Raises:
            ShapeError: the last axis of `x` does not have size `units_in`.
        """
        x = as_tensor(x)
        if x.ndim < 2 or x.shape[-1] != self.units_in:
            raise ShapeError(
                f"`x` should have shape (batch, {self.units_in}) for this "
                f"Dense({self.units_in}, {self.units_out}), but its shape is {x.shape}. "
                "Put examples in rows and features in columns; flatten images first."
            )
        z = x @ self.W  # (batch, units_out)
        if self.b is not None:
            z = z + self.b
        return z if self._g is None else self._g(z)

    def parameters(self) -> list[Tensor]:
        """List the weights, then the biases if there are any."""
        return [self.W] if self.b is None else [self.W, self.b]

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Replace the last size, the features, by the number of units."""
        if not input_shape or input_shape[-1] != self.units_in:
            raise ShapeError(
                f"`input_shape` should end with {self.units_in} for this "
                f"Dense({self.units_in}, {self.units_out}), but it is {input_shape}. "
                "Leave the batch out, and put Flatten before the first Dense for images."
            )
        return (*input_shape[:-1], self.units_out)

    def flops(self, batch: int = 1, input_shape: tuple[int, ...] | None = None) -> int:
        """Count `2 * batch * units_in * units_out`; see `Layer.flops` for the convention."""
        rows = positive_integer(batch, "batch") * math.prod((input_shape or ())[:-1])
        return 2 * rows * self.units_in * self.units_out

    def describe(self) -> str:
        """Name the layer and its activation."""
        return f"Dense({self.activation})" if self.activation else "Dense"


@final
class Activation(Layer):
    """Apply an activation function, without parameters.

    Args:
        name: one of the names that `Dense` takes.

    Raises:
        ParameterError: the name is unknown.

    Example:
        >>> Activation("relu")([[-1.0, 2.0]]).data.tolist()
        [[0.0, 2.0]]

    Introduced in: `chapter-activations`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._g = activation_function(name)

    def __call__(self, x: Tensor | ArrayLike, training: bool = False) -> Tensor:
        """Return `g(x)`, of the shape of `x`."""
        return self._g(as_tensor(x))

    def describe(self) -> str:
        """Name the layer and its function."""
        return f"Activation({self.name})"


@final
class Flatten(Layer):
    """Turn each example into one row: `(batch, height, width)` to `(batch, height * width)`.

    Example:
        >>> Flatten()(np.zeros((5, 2, 3))).shape
        (5, 6)

    Introduced in: `chapter-forward-propagation`.
    """

    def __call__(self, x: Tensor | ArrayLike, training: bool = False) -> Tensor:
        """Return the batch with all axes but the first joined.

        Raises:
            ShapeError: `x` has no batch axis.
        """
        x = as_tensor(x)
        if x.ndim == 0:
            raise ShapeError(
                "`x` should have shape (batch, ...), but it is a single number. Pass a batch."
            )
        return x.reshape(x.shape[0], math.prod(x.shape[1:]))  # (batch, features)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Multiply the sizes."""
        return (math.prod(input_shape),)


@final
class Sequential(Layer):
    """Apply layers one after another; each one's output is the next one's input.

    Args:
        layers: the layers, first one first.

    Attributes:
        layers: the layers, as a list.

    Raises:
        ParameterError: there are no layers, or one is not a `Layer`.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> model = Sequential([Dense(2, 3, "relu", rng=rng), Dense(3, 1, rng=rng)])
        >>> model([[1.0, 2.0]]).shape, model.count_params()     # 2 * 3 + 3 + 3 * 1 + 1
        ((1, 1), 13)

    Introduced in: `chapter-forward-propagation`.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = list(layers)
        if not self.layers:
            raise ParameterError("`layers` should hold at least one layer, but it is empty.")
        for position, layer in enumerate(self.layers):
            if not isinstance(layer, Layer):
                raise ParameterError(
                    f"`layers` should hold layers, but entry {position} is a "
                    f"{type(layer).__name__}. Wrap a function's name in Activation(...)."
                )

    def __call__(self, x: Tensor | ArrayLike, training: bool = False) -> Tensor:
        """Return the output of the last layer; every layer is told `training`."""
        return self.forward_all(x, training)[-1]

    def forward_all(self, x: Tensor | ArrayLike, training: bool = False) -> list[Tensor]:
        """Return the input and the output of every layer.

        Args:
            x: the batch, examples along its first axis.
            training: handed on to every layer.

        Returns:
            `[A0, A1, ..., AL]`: entry `l` is the activation of layer `l`, entry 0 the input, so
            the list is one longer than `layers`.

        Example:
            >>> model = Sequential([Flatten(), Activation("relu")])
            >>> [a.data.tolist() for a in model.forward_all([[-1.0, 2.0]])]
            [[[-1.0, 2.0]], [[-1.0, 2.0]], [[0.0, 2.0]]]
        """
        outputs = [as_tensor(x)]
        for layer in self.layers:
            outputs.append(layer(outputs[-1], training))
        return outputs

    def parameters(self) -> list[Tensor]:
        """List the parameters of all layers, first layer first."""
        return [parameter for layer in self.layers for parameter in layer.parameters()]

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Follow the shape of one example through all layers."""
        for layer in self.layers:
            input_shape = layer.output_shape(input_shape)
        return input_shape

    def flops(self, batch: int = 1, input_shape: tuple[int, ...] | None = None) -> int:
        """Add up the layers' counts; see `Layer.flops` for the convention."""
        total = 0
        for layer in self.layers:
            total += layer.flops(batch, input_shape)
            input_shape = None if input_shape is None else layer.output_shape(input_shape)
        return total

    def summary(self, input_shape: int | tuple[int, ...]) -> str:
        """Tabulate the layers: output shape, parameters, FLOPs for one example.

        Args:
            input_shape: the shape of one example without the batch: `64`, `(64,)` or `(8, 8)`.

        Returns:
            The table as text, ready to print.

        Raises:
            ShapeError: a layer does not fit the shape before it.
            ParameterError: `input_shape` holds something other than positive integers.

        Example:
            >>> model = Sequential([Dense(2, 3, "tanh", rng=np.random.default_rng(0))])
            >>> print(model.summary(2))
            layer        output shape  parameters  FLOPs
            --------------------------------------------
            Input        (batch, 2)             0      0
            Dense(tanh)  (batch, 3)             9     12
            --------------------------------------------
            total                               9     12
        """
        shape = input_shape if isinstance(input_shape, tuple) else (input_shape,)
        shape = tuple(positive_integer(size, "input_shape") for size in shape)
        rows = [("Input", _with_batch(shape), "0", "0")]
        total = ("total", "", f"{self.count_params():,}", f"{self.flops(1, shape):,}")
        for layer in self.layers:
            counts = (f"{layer.count_params():,}", f"{layer.flops(1, shape):,}")
            shape = layer.output_shape(shape)
            rows.append((layer.describe(), _with_batch(shape), *counts))
        return _table(rows, total)


def activation_function(name: str) -> Callable[[Tensor], Tensor]:
    if not isinstance(name, str) or name not in _ACTIVATIONS:
        raise ParameterError(
            f"`activation` should be one of {', '.join(_ACTIVATIONS)}, but it is {name!r}. "
            "For no activation, pass None to Dense."
        )
    return _ACTIVATIONS[name]


def initial_weights(
    shape: tuple[int, ...], activation: str | None, rng: np.random.Generator
) -> Array:
    """Draw weights of shape `(..., units_in, units_out)` with the spread that `Dense` describes.

    Axes before the last two are positions of a convolution's kernel: a unit then sees
    `units_in` numbers at each of them.
    """
    if not isinstance(rng, np.random.Generator):
        raise ParameterError(
            f"`rng` should be a np.random.Generator, but it is a {type(rng).__name__}. "
            "Pass rng=np.random.default_rng(0)."
        )
    *positions, units_in, units_out = shape
    fan_in, fan_out = math.prod(positions) * units_in, math.prod(positions) * units_out
    if activation in _HALVING:
        return rng.normal(0.0, math.sqrt(2 / fan_in), shape)
    limit = math.sqrt(6 / (fan_in + fan_out))
    return rng.uniform(-limit, limit, shape)


def positive_integer(value: int, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ParameterError(
            f"`{name}` should be a positive integer, but it is {value!r}. "
            "Count the units, features or examples."
        )
    return int(value)


def _with_batch(shape: tuple[int, ...]) -> str:
    return f"(batch, {', '.join(map(str, shape))})"


def _table(rows: Sequence[tuple[str, ...]], total: tuple[str, ...]) -> str:
    header = ("layer", "output shape", "parameters", "FLOPs")
    widths = [max(map(len, column)) for column in zip(header, *rows, total, strict=True)]

    def line(row: tuple[str, ...]) -> str:
        name, shape, parameters, flops = row
        left = f"{name:<{widths[0]}}  {shape:<{widths[1]}}"
        return f"{left}  {parameters:>{widths[2]}}  {flops:>{widths[3]}}"

    ruler = "-" * (sum(widths) + 6)
    return "\n".join([line(header), ruler, *map(line, rows), ruler, line(total)])
