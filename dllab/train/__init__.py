"""Train a Keras model and look at how it went.

- `fit(model, train, validation)`: train with progress, early stopping and clear errors
- `History`: what `fit` returns: losses and metrics by epoch, `.best_epoch`, `.plot()`
- `Settings`: how `fit` runs the steps of a small model, and why; see `dllab.train.settings`
"""

from dllab.train.fitting import fit
from dllab.train.history import History
from dllab.train.settings import Settings

__all__ = ["History", "Settings", "fit"]
