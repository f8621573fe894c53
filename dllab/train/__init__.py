"""Train a Keras model and look at how it went.

- `fit(model, train, validation)`: train with progress, early stopping and clear errors
- `History`: what `fit` returns: losses and metrics by epoch, `.best_epoch`, `.plot()`
"""

from dllab.train.fitting import fit
from dllab.train.history import History

__all__ = ["History", "fit"]
