"""What `load` returns.

- `Split`: examples and their labels, as two NumPy arrays
- `Dataset`: three splits, the classes' names and the data card
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from dllab.data.cards import DataCard
from dllab.errors import ParameterError, ShapeError

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["Dataset", "Split"]


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Examples `x` `(examples, …)` and their labels `y` `(examples, …)`.

    A split unpacks as a pair: `x, y = digits.train`. The arrays that `load` returns are new ones
    at each call, so what you change in place stays with you.

    Raises:
        ShapeError: `x` and `y` differ in their number of examples.

    Example:
        >>> split = Split(np.zeros((3, 2)), np.array([0, 1, 1]))
        >>> x, y = split
        >>> x.shape, len(split)
        ((3, 2), 3)
        >>> split
        Split(x=(3, 2) float64, y=(3,) int64)
    """

    x: np.ndarray
    y: np.ndarray

    def __post_init__(self) -> None:
        for field in ("x", "y"):
            array = np.asarray(getattr(self, field))
            if array.ndim == 0:
                raise ShapeError(
                    f"`{field}` must have the dimensions (examples, …) but is a single value, "
                    f"{array.item()!r}. Pass an array with one row for each example."
                )
            object.__setattr__(self, field, array)
        if len(self.x) != len(self.y):
            raise ShapeError(
                f"`x` and `y` must have one row for each example, but `x` has {len(self.x)} "
                f"rows and `y` has {len(self.y)}. Check that both come from the same split."
            )

    def __len__(self) -> int:
        return len(self.x)

    def __iter__(self) -> Iterator[np.ndarray]:
        yield self.x
        yield self.y

    def __repr__(self) -> str:
        return f"Split(x={_describe(self.x)}, y={_describe(self.y)})"

    def batches(self, batch_size: int = 64, shuffle: bool = True, seed: int = 0) -> tf.data.Dataset:
        """Return a `tf.data` pipeline of `(x, y)` batches that works ahead of the model.

        The order follows from `seed` and changes in every epoch; a seed given to
        `dllab.set_seed` changes it too. The last batch holds what is left and may be smaller.
        TensorFlow is imported here, on the first call. Keras takes such a pipeline on each of its
        backends.

        Args:
            batch_size: examples in a batch, at least 1.
            shuffle: draw the examples of every epoch in a new order; switch it off to evaluate.
            seed: start of the random order, an integer from 0 to 2**31 - 1.

        Raises:
            ParameterError: `batch_size` or `seed` is not such an integer.
        """
        check_integer("batch_size", batch_size, 1)
        check_integer("seed", seed, 0, 2**31 - 1)
        import tensorflow as tf

        # Shuffling comes after the cache, or the first epoch's order would be cached as well.
        pipeline = tf.data.Dataset.from_tensor_slices((self.x, self.y)).cache()
        if shuffle and len(self):
            pipeline = pipeline.shuffle(len(self), seed=seed, reshuffle_each_iteration=True)
        return pipeline.batch(batch_size).prefetch(tf.data.AUTOTUNE)


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A data set in three fixed splits: learn on `train`, choose on `validation`, report `test`.

    Example:
        >>> from dllab.data import load
        >>> load("iris")
        Dataset 'iris': Iris flowers
          train       90 examples  x (90, 4) float32, y (90,) int64
          validation  30 examples  x (30, 4) float32, y (30,) int64
          test        30 examples  x (30, 4) float32, y (30,) int64
          3 classes   setosa, versicolor, virginica
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]
    card: DataCard

    @property
    def splits(self) -> dict[str, Split]:
        """The three splits by name, in the order in which they are used."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def __repr__(self) -> str:
        width = max(len(str(len(split))) for split in self.splits.values())
        lines = [f"Dataset {self.name!r}: {self.card.title}"]
        lines += [
            f"  {name:<11} {len(split):>{width}} examples  "
            f"x {_describe(split.x)}, y {_describe(split.y)}"
            for name, split in self.splits.items()
        ]
        if self.classes:  # a series has none
            lines.append(f"  {f'{len(self.classes)} classes':<11} {', '.join(self.classes)}")
        return "\n".join(lines)

    def _classes(self) -> str:
        if not self.classes:
            return "numbers in order of time"
        return f"{len(self.classes)} classes: {', '.join(self.classes)}"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th scope='row'>{name}</th><td>{len(split):,}</td>"
            f"<td><code>{_describe(split.x)}</code></td>"
            f"<td><code>{_describe(split.y)}</code></td></tr>"
            for name, split in self.splits.items()
        )
        head = "".join(f"<th scope='col'>{title}</th>" for title in ("split", "examples", "x", "y"))
        return (
            f"<table><caption>{escape(self.card.title)} (<code>{escape(self.name)}</code>), "
            f"{escape(self._classes())}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )


def check_integer(name: str, value: Any, low: int, high: int | None = None) -> None:
    """Raise `ParameterError` unless `value` is an integer from `low` to `high`."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if whole and low <= value and (high is None or value <= high):
        return
    limits = f"of at least {low}" if high is None else f"from {low} to {high}"
    raise ParameterError(
        f"`{name}` must be an integer {limits}, but is {value!r}. "
        f"Try `{name}={max(low, 64) if name == 'batch_size' else low}`."
    )


def _describe(array: np.ndarray) -> str:
    return f"{array.shape} {array.dtype}"
