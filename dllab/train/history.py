"""What a training run recorded.

- `History`: losses and metrics by epoch
- `three_digits(value)`: a number as progress and history print it
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dllab.train.settings import Settings

__all__ = ["History", "three_digits"]


def three_digits(value: float) -> str:
    """Write a number with three significant digits.

    Example:
        >>> three_digits(0.12345), three_digits(0.9), three_digits(512.4), three_digits(2e-7)
        ('0.123', '0.900', '512', '2.00e-07')
    """
    return f"{value:#.3g}".rstrip(".")


@dataclass(frozen=True)
class History:
    """Losses and metrics of a training run, epoch by epoch.

    Attributes:
        epochs: The epochs that ran, counted from 1.
        metrics: Name to one value for each epoch; validation metrics start with `val_`.
        restored: Whether the model was given back the weights of its best epoch.
        settings: How `fit` ran the steps, and why; no result depends on it.

    Example:
        >>> run = History([1, 2, 3], {"loss": [0.9, 0.5, 0.3], "val_loss": [0.8, 0.6, 0.7]})
        >>> run.best_epoch, run.last["val_loss"]
        (2, 0.7)
        >>> print(run)
        3 epochs: loss 0.300, val_loss 0.700; best epoch 2
    """

    epochs: list[int]
    metrics: dict[str, list[float]]
    restored: bool = False
    settings: Settings | None = field(default=None, repr=False, compare=False)

    @property
    def best_epoch(self) -> int:
        """The epoch, counted from 1, with the smallest validation loss (or loss, without it)."""
        losses = self.metrics.get("val_loss", self.metrics["loss"])
        return self.epochs[int(np.argmin(losses))]

    @property
    def last(self) -> dict[str, float]:
        """The last epoch's value of each metric."""
        return {name: values[-1] for name, values in self.metrics.items()}

    def plot(self, ax: Any = None) -> Any:
        """Draw the learning curves.

        Args:
            ax: Axes for the loss; without them loss and accuracy are drawn side by side.

        Returns:
            The axes: `ax` itself, or an array of new ones.
        """
        # Matplotlib takes a while to import, and not every run is plotted
        from dllab.plot import learning_curves

        if ax is None:
            return learning_curves(self)
        return learning_curves(self, ["loss"], axes=ax)[0]

    def __str__(self) -> str:
        count = len(self.epochs)
        values = ", ".join(f"{name} {three_digits(value)}" for name, value in self.last.items())
        restored = ", its weights restored" if self.restored else ""
        plural = "" if count == 1 else "s"
        return f"{count} epoch{plural}: {values}; best epoch {self.best_epoch}{restored}"
