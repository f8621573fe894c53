"""What goes wrong when a model is carried from one framework to another, measured.

- `TRAPS`: all traps, in the order of the modules `layouts`, `layers`, `training`, `habits`.
- `Trap`: one of them; `Trap.measure()` falls into it and avoids it, and says by how much each way
  of doing it misses what Keras computes.

These modules import Keras (on the active backend), JAX and PyTorch.
"""

from dllab.parity.traps import habits, layers, layouts, training
from dllab.parity.traps.trap import Measured, Trap

__all__ = ["TRAPS", "Measured", "Trap"]

TRAPS: tuple[Trap, ...] = tuple(
    value
    for module in (layouts, layers, training, habits)
    for value in vars(module).values()
    if isinstance(value, Trap)
)
