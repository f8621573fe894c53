"""Keras callbacks of `fit`; importing this module imports Keras.

- `Report`: records each epoch, shows it, stops when the loss diverges
- `LiveReport`: the same, batch by batch
"""

import math
from typing import Any

import keras

from dllab.train.progress import Quiet

__all__ = ["LiveReport", "Report"]


class Report(keras.callbacks.Callback):
    """Record each epoch and stop when a loss is not a finite number.

    Args:
        display: Where progress is shown.

    Attributes:
        metrics: Name to one value for each epoch.
        diverged: `(metric, epoch)` of the first loss that is NaN or infinite, or None.
    """

    def __init__(self, display: Quiet) -> None:
        super().__init__()
        self.display = display
        self.metrics: dict[str, list[float]] = {}
        self.diverged: tuple[str, int] | None = None
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note the epoch that the batches belong to."""
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Record the epoch; stop where its loss diverged."""
        values = {name: float(value) for name, value in (logs or {}).items()}
        for name, value in values.items():
            self.metrics.setdefault(name, []).append(value)
        for name in ("loss", "val_loss"):
            if self.diverged is None and not math.isfinite(values.get(name, 0.0)):
                self.diverged = (name, epoch + 1)
                self.model.stop_training = True
        self.display.epoch(epoch + 1, values)


class LiveReport(Report):
    """The same, and moves the display on after each batch."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Move the display on."""
        steps = self.params.get("steps") or 1
        self.display.advance(self._epoch + min(1.0, (batch + 1) / steps))
