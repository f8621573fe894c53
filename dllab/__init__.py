"""Deep Learning Lab's helper package: what the chapters and labs import.

- `lab(name)`: open a lab, so that `lab.check("task")` marks what you wrote
- `load(name)`: a data set, offline, split the same way every time
- `device()`: pick up the GPU if there is one, and say so
- `set_seed(seed)`: make a run repeatable
- `scratch`: the NumPy engine that the book derives
- `train`, `plot`, `data`, `explain`: training with progress, figures, data sets, and what a
  model looks at
- `gradients`: the slopes of a number, by whatever backend Keras runs on
- `pretrained`: networks that have already learned, one of them offline
- `metrics`: scores for classifiers, and how uncertain they are

Everything is imported when you first use it, so `import dllab` is instant and pulls in
neither TensorFlow nor Matplotlib.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Public name -> module that defines it; a submodule maps to itself.
_LAZY = {
    "lab": "dllab.check",
    "load": "dllab.data",
    "device": "dllab.devices",
    "set_seed": "dllab.seed",
}
_SUBMODULES = (
    "check",
    "data",
    "errors",
    "explain",
    "gradients",
    "metrics",
    "plot",
    "scratch",
    "seed",
    "shapes",
    "train",
)

__all__ = ["__version__", *_LAZY, *_SUBMODULES]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    if name in _SUBMODULES:
        return import_module(f"dllab.{name}")
    raise AttributeError(f"module 'dllab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
