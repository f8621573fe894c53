"""The same small models by seven ways, and how far their numbers lie apart.

Read the modules of the ways side by side: each has the same functions in the same order.

- `in_scratch`: by `dllab.scratch`, in NumPy and float64: the reference.
- `in_keras`: in Keras, on whichever backend is active.
- `in_tensorflow`, `in_jax`, `in_torch`: in plain TensorFlow, JAX and PyTorch.
- `steps`: the optimizers that the plain ways use.

What one can do with them:

- `case(name)`: one of `CASES`, a model with its weights and a batch, as a `Case`; a way answers an
  `Outcome`.
- `run(way, case)`: what one of `WAYS` computes for a case, in this process.
- `compare()`: all cases by all ways, each framework in a process of its own; a `Comparison` with a
  table. `python -m dllab.parity` prints it.
- `relative_difference(a, b)`: the measure of the table.
- `traps` (a package of its own): what goes wrong when a model is carried to another framework.

No framework is imported before it is asked for.
"""

from dllab.parity.cases import CASES, QUANTITIES, Case, Outcome, case
from dllab.parity.comparing import WAYS, Comparison, Row, compare, relative_difference, run

__all__ = [
    "CASES",
    "QUANTITIES",
    "WAYS",
    "Case",
    "Comparison",
    "Outcome",
    "Row",
    "case",
    "compare",
    "relative_difference",
    "run",
]
