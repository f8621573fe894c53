"""Recurrent layers: functions from a sequence to a sequence that carry a state through time.

- `SimpleRNN`: the state is squashed once at each step.
- `LSTM`: a second state, the cell, is changed by gates instead of being overwritten.
- `GRU`: one state and two gates.
- `Embedding`: a vector for each whole number, such as a letter's.
- `stack`: join tensors along a new axis, such as the states of all time steps.

Sequences have the shape `(batch, time, features)`. Weights have Keras's names, order and gate
order, so `keras_layer.set_weights([p.data for p in layer.parameters()])` gives the same function.
Backpropagation through time needs no code of its own: each step records its operations on the
tape, and `backward` walks them back.

Introduced in: `chapter-recurrent-networks`.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, TypeAlias, final

import numpy as np
from numpy.typing import ArrayLike

from dllab.errors import ParameterError, ShapeError
from dllab.scratch.arguments import generator
from dllab.scratch.initializers import glorot_uniform
from dllab.scratch.layers import Layer, positive_integer
from dllab.scratch.ops import sigmoid, tanh, where
from dllab.scratch.tensor import Array, Tensor, as_tensor, record

__all__ = ["GRU", "LSTM", "Embedding", "Recurrent", "SimpleRNN", "stack"]

State: TypeAlias = tuple[Tensor, ...]


def stack(tensors: Sequence[Tensor | ArrayLike], axis: int = 0) -> Tensor:
    """Join tensors of one shape along a new axis; each receives its slice of the gradient.

    Args:
        tensors: at least one, all of the same shape.
        axis: where the new axis stands in the result.

    Raises:
        ShapeError: there are no tensors, their shapes differ, or the result has no such axis.

    Example:
        >>> stack([Tensor([1.0, 2.0]), Tensor([3.0, 4.0])], axis=1).data.tolist()
        [[1.0, 3.0], [2.0, 4.0]]

    Introduced in: `chapter-recurrent-networks`.
    """
    parents = [as_tensor(tensor) for tensor in tensors]
    shapes = sorted({parent.shape for parent in parents})
    if len(shapes) != 1:
        found = " and ".join(map(str, shapes)) or "there are none"
        raise ShapeError(f"`tensors` should have one shape, but {found}. Give at least one.")
    if not -len(shapes[0]) - 1 <= axis <= len(shapes[0]):
        raise ShapeError(
            f"`axis` should lie between {-len(shapes[0]) - 1} and {len(shapes[0])} for tensors "
            f"of shape {shapes[0]}, but it is {axis}. Count axes of the result."
        )

    def rule(g: Array) -> tuple[Array, ...]:
        return tuple(np.moveaxis(g, axis, 0))

    return record(np.stack([p.data for p in parents], axis), parents, "stack", rule)


class Recurrent(Layer):
    """What `SimpleRNN`, `LSTM` and `GRU` share: the walk through time.

    A step takes the state and one time step of the input and gives the next state. The state is a
    tuple whose first entry, `h`, is also the output: `(h,)`, or `(h, c)` for `LSTM`.

    Introduced in: `chapter-recurrent-networks`.
    """

    gates: ClassVar[int]
    states: ClassVar[int] = 1

    def __init__(
        self,
        features: int,
        units: int,
        *,
        rng: np.random.Generator,
        return_sequences: bool = False,
    ) -> None:
        self.features = positive_integer(features, "features")
        self.units = positive_integer(units, "units")
        generator(rng)
        self.return_sequences = return_sequences
        width = self.gates * self.units
        self.kernel = Tensor(glorot_uniform((self.features, width), rng), label="kernel")
        self.recurrent_kernel = Tensor(
            _orthogonal(self.units, width, rng), label="recurrent_kernel"
        )
        self.bias = Tensor(self._initial_bias(), label="bias")

    @abstractmethod
    def step(self, x_t: Tensor | ArrayLike, state: State) -> State:
        """Return the state after one time step.

        Args:
            x_t: the input of this step, `(batch, features)`.
            state: the state before it, each entry `(batch, units)`.
        """

    def initial_state(self, batch: int) -> State:
        """Return a state of zeros, each entry `(batch, units)`."""
        return tuple(Tensor(np.zeros((batch, self.units))) for _ in range(self.states))

    def __call__(
        self,
        x: Tensor | ArrayLike,
        training: bool = False,
        *,
        mask: ArrayLike | None = None,
        initial_state: State | None = None,
    ) -> Tensor:
        """Walk through the sequences and return the last output, or all of them.

        Args:
            x: `(batch, time, features)`.
            training: makes no difference here.
            mask: booleans `(batch, time)`, false where a sequence is padded. A masked step leaves
                the state as it was.
            initial_state: the state before the first step; zeros if left out.

        Returns:
            `(batch, units)`: the output after the last unmasked step; with `return_sequences`
            `(batch, time, units)`: the output after each step.

        Raises:
            ShapeError: `x` is not `(batch, time, features)`, has no time step, or `mask` does not
                have the shape `(batch, time)`.
            ParameterError: `mask` does not hold booleans.
        """
        x = self._checked(as_tensor(x))
        batch, time, _ = x.shape
        keep = None if mask is None else _checked_mask(mask, (batch, time))
        state = self.initial_state(batch) if initial_state is None else initial_state
        outputs = []
        for t in range(time):
            new = self.step(x[:, t], state)
            if keep is not None:  # a padded step changes nothing
                new = tuple(
                    where(keep[:, t : t + 1], after, before)
                    for after, before in zip(new, state, strict=True)
                )
            state = new
            outputs.append(state[0])  # (batch, units)
        return stack(outputs, axis=1) if self.return_sequences else outputs[-1]

    def parameters(self) -> list[Tensor]:
        """List kernel, recurrent kernel and bias."""
        return [self.kernel, self.recurrent_kernel, self.bias]

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Replace the features by the units; without `return_sequences`, drop the time."""
        if len(input_shape) != 2 or input_shape[1] != self.features:
            raise ShapeError(
                f"`input_shape` should be (time, {self.features}) for this {self.describe()}, but "
                f"it is {input_shape}. Leave the batch out."
            )
        return (input_shape[0], self.units) if self.return_sequences else (self.units,)

    def flops(self, batch: int = 1, input_shape: tuple[int, ...] | None = None) -> int:
        """Count `2 * batch * time * gates * units * (features + units)`; one step without shape."""
        steps = input_shape[0] if input_shape else 1
        rows = positive_integer(batch, "batch") * steps
        return 2 * rows * self.gates * self.units * (self.features + self.units)

    def _initial_bias(self) -> Array:
        return np.zeros(self.gates * self.units)

    def _part(self, z: Tensor, gate: int) -> Tensor:
        """Return one gate's columns of `z`."""
        return z[:, gate * self.units : (gate + 1) * self.units]  # (batch, units)

    def _checked(self, x: Tensor) -> Tensor:
        if x.ndim != 3 or x.shape[2] != self.features or x.shape[1] == 0:
            raise ShapeError(
                f"`x` should have shape (batch, time, {self.features}) with at least one time step "
                f"for this {self.describe()}, but its shape is {x.shape}. "
                "Put examples first, then time, then features."
            )
        return x


@final
class SimpleRNN(Recurrent):
    """Compute `h_t = tanh(x_t @ kernel + h_{t-1} @ recurrent_kernel + bias)` at each step.

    Args:
        features: the number of features of a time step.
        units: the size of the state.
        rng: the source of randomness, `np.random.default_rng(seed)`.
        return_sequences: return the output of each step, not only of the last.

    Attributes:
        kernel: `Tensor` `(features, units)`, starts as Glorot uniform.
        recurrent_kernel: `Tensor` `(units, units)`, starts as a random orthogonal matrix.
        bias: `Tensor` `(units,)`, starts as 0.

    Raises:
        ParameterError: a size is not a positive integer, or `rng` is no generator.

    Source: Elman (1990), "Finding structure in time", Cognitive Science 14(2).

    Example:
        >>> layer = SimpleRNN(1, 1, rng=np.random.default_rng(0), return_sequences=True)
        >>> layer.kernel.data, layer.recurrent_kernel.data = np.array([[1.0]]), np.array([[0.5]])
        >>> layer([[[1.0], [0.0]]]).data.round(3).tolist()   # tanh(1), tanh(0.5 * tanh(1))
        [[[0.762], [0.363]]]

    Introduced in: `chapter-recurrent-networks`.
    """

    gates = 1

    def step(self, x_t: Tensor | ArrayLike, state: State) -> State:
        """Return `(h,)` after one time step; shapes as in `Recurrent.step`."""
        (h,) = state
        return (tanh(as_tensor(x_t) @ self.kernel + h @ self.recurrent_kernel + self.bias),)


@final
class LSTM(Recurrent):
    """Long short-term memory: gates decide what the cell forgets, takes in and shows.

    With `z = x_t @ kernel + h @ recurrent_kernel + bias` cut into four blocks of `units` columns,
    in the order i, f, g, o:

        c_t = sigmoid(z_f) * c_{t-1} + sigmoid(z_i) * tanh(z_g)
        h_t = sigmoid(z_o) * tanh(c_t)

    Keras calls the candidate `g` "c"; the order is Keras's. The bias of the forget gate starts
    at 1, so that a new cell remembers.

    Args:
        features: the number of features of a time step.
        units: the size of each of the two states.
        rng: the source of randomness, `np.random.default_rng(seed)`.
        return_sequences: return the output of each step, not only of the last.

    Attributes:
        kernel: `Tensor` `(features, 4 * units)`.
        recurrent_kernel: `Tensor` `(units, 4 * units)`.
        bias: `Tensor` `(4 * units,)`.

    Raises:
        ParameterError: a size is not a positive integer, or `rng` is no generator.

    Sources: Hochreiter and Schmidhuber (1997), "Long short-term memory", Neural Computation 9(8);
    the forget gate: Gers, Schmidhuber and Cummins (2000), "Learning to forget", Neural
    Computation 12(10); its bias of 1: Jozefowicz, Zaremba and Sutskever (2015), "An empirical
    exploration of recurrent network architectures", ICML.

    Example:
        >>> layer = LSTM(3, 5, rng=np.random.default_rng(0))
        >>> layer.count_params()                             # 4 * 5 * (3 + 5 + 1)
        180

    Introduced in: `chapter-recurrent-networks`.
    """

    gates = 4
    states = 2

    def step(self, x_t: Tensor | ArrayLike, state: State) -> State:
        """Return `(h, c)` after one time step; shapes as in `Recurrent.step`."""
        h, c = state
        z = as_tensor(x_t) @ self.kernel + h @ self.recurrent_kernel + self.bias  # (batch, 4 units)
        take, keep, show = (sigmoid(self._part(z, gate)) for gate in (0, 1, 3))
        c = keep * c + take * tanh(self._part(z, 2))  # (batch, units)
        return show * tanh(c), c

    def _initial_bias(self) -> Array:
        bias = np.zeros((4, self.units))
        bias[1] = 1.0
        return bias.reshape(-1)


@final
class GRU(Recurrent):
    """Gated recurrent unit: one gate mixes the old state with a new one, one makes the new one.

    The products `a = x_t @ kernel + bias[0]` and `b = h @ recurrent_kernel + bias[1]` are cut into
    three blocks of `units` columns, in the order z, r, candidate:

        z = sigmoid(a_z + b_z),   r = sigmoid(a_r + b_r)
        h_t = z * h_{t-1} + (1 - z) * tanh(a_c + r * b_c)

    This is Keras's default, `reset_after=True`: the reset gate acts after the matrix product, and
    there are two biases. The paper's version takes `(r * h) @ recurrent_kernel` instead; the two
    compute different functions with the same weights.

    Args:
        features: the number of features of a time step.
        units: the size of the state.
        rng: the source of randomness, `np.random.default_rng(seed)`.
        return_sequences: return the output of each step, not only of the last.

    Attributes:
        kernel: `Tensor` `(features, 3 * units)`.
        recurrent_kernel: `Tensor` `(units, 3 * units)`.
        bias: `Tensor` `(2, 3 * units)`: one for the input's product, one for the state's.

    Raises:
        ParameterError: a size is not a positive integer, or `rng` is no generator.

    Source: Cho and others (2014), "Learning phrase representations using RNN encoder-decoder for
    statistical machine translation", EMNLP.

    Example:
        >>> layer = GRU(3, 5, rng=np.random.default_rng(0))
        >>> layer.count_params()                             # 3 * 5 * (3 + 5 + 2)
        150

    Introduced in: `chapter-recurrent-networks`.
    """

    gates = 3

    def step(self, x_t: Tensor | ArrayLike, state: State) -> State:
        """Return `(h,)` after one time step; shapes as in `Recurrent.step`."""
        (h,) = state
        a = as_tensor(x_t) @ self.kernel + self.bias[0]  # (batch, 3 units)
        b = h @ self.recurrent_kernel + self.bias[1]
        z, r = (sigmoid(self._part(a, gate) + self._part(b, gate)) for gate in (0, 1))
        candidate = tanh(self._part(a, 2) + r * self._part(b, 2))  # (batch, units)
        return (z * h + (1.0 - z) * candidate,)

    def _initial_bias(self) -> Array:
        return np.zeros((2, 3 * self.units))


@final
class Embedding(Layer):
    """Look up a vector for each whole number: row `k` of a table that training changes.

    Args:
        vocabulary: how many numbers there are, `0` to `vocabulary - 1`.
        features: the length of each vector.
        rng: the source of randomness, `np.random.default_rng(seed)`.

    Attributes:
        embeddings: `Tensor` `(vocabulary, features)`, starts uniform between ±0.05 as in Keras.

    Raises:
        ParameterError: a size is not a positive integer, or `rng` is no generator.

    Example:
        >>> layer = Embedding(3, 2, rng=np.random.default_rng(0))
        >>> layer.embeddings.data = np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 4.0]])
        >>> layer([[2, 1]]).data.tolist()                    # (batch, time) to (batch, time, 2)
        [[[3.0, 4.0], [1.0, 2.0]]]

    Introduced in: `chapter-recurrent-networks`.
    """

    def __init__(self, vocabulary: int, features: int, *, rng: np.random.Generator) -> None:
        self.vocabulary = positive_integer(vocabulary, "vocabulary")
        self.features = positive_integer(features, "features")
        generator(rng)
        table = rng.uniform(-0.05, 0.05, (self.vocabulary, self.features))
        self.embeddings = Tensor(table, label="embeddings")

    def __call__(self, x: Tensor | ArrayLike, training: bool = False) -> Tensor:
        """Replace each number of `x` by its vector; a repeated number collects all gradients.

        Args:
            x: whole numbers of any shape, such as `(batch, time)`.
            training: makes no difference here.

        Returns:
            The shape of `x` with `features` added at the end.

        Raises:
            ParameterError: an entry is not a whole number from 0 to `vocabulary - 1`.
        """
        numbers = as_tensor(x).data
        if np.any((numbers != np.floor(numbers)) | (numbers < 0) | (numbers >= self.vocabulary)):
            raise ParameterError(
                f"`x` should hold whole numbers from 0 to {self.vocabulary - 1}, but its values "
                f"reach from {numbers.min():g} to {numbers.max():g}. Number the symbols from 0."
            )
        return self.embeddings[numbers.astype(np.intp)]

    def parameters(self) -> list[Tensor]:
        """List the table."""
        return [self.embeddings]

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Add the features at the end."""
        return (*input_shape, self.features)


def _checked_mask(mask: ArrayLike, shape: tuple[int, int]) -> Array:
    mask = np.asarray(mask)
    if mask.dtype != np.bool_:
        raise ParameterError(
            f"`mask` should hold booleans, but its dtype is {mask.dtype}. "
            "Write a comparison such as (x != 0).any(axis=-1)."
        )
    if mask.shape != shape:
        raise ShapeError(
            f"`mask` should have the shape (batch, time) = {shape}, but its shape is {mask.shape}. "
            "Give one boolean for each time step of each sequence."
        )
    return mask


def _orthogonal(rows: int, columns: int, rng: np.random.Generator) -> Array:
    """Return a random matrix with orthonormal rows.

    Source: Saxe, McClelland and Ganguli (2014), "Exact solutions to the nonlinear dynamics of
    learning in deep linear neural networks", ICLR.
    """
    q, r = np.linalg.qr(rng.normal(size=(columns, rows)))
    # without the signs the matrices would not be spread evenly over all orthogonal ones
    return (q * np.sign(np.diag(r))).T  # (rows, columns), rows <= columns
