"""Warm kernels: Jupyter kernels that start with their imports done.

A kernel is forked from a template process that has imported NumPy, Matplotlib and Keras, but
has touched no device. `book/appendix/warm_kernels.md` explains how it works.

- `install(prefix)`: install the kernel specification `dllab-warm`
- `status()`: the templates that are running
- `stop()`: end them
- `WarmError`: no warm kernel can be had, and why

The provisioner itself is in `dllab.warm.provisioner`; Jupyter finds it by its entry point.
This package imports nothing else of `dllab`.
"""

from .control import KERNEL_NAME, TemplateStatus, install, status, stop
from .errors import WarmError

__all__ = ["KERNEL_NAME", "TemplateStatus", "WarmError", "install", "status", "stop"]
