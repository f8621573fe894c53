"""Pick up the accelerators of the active Keras backend, and say so in one line.

- `device()`: find them, set them up, describe them
- `Device`: what was found and why it is used as it is; `Device.data_parallel()` uses several
- `virtual_devices(count)`: split the processor, to try data parallelism without GPUs

The environment variable `DLLAB_DEVICE=cpu` keeps everything on the processor.
"""

from dllab.devices.finding import device
from dllab.devices.found import Device
from dllab.devices.parallel import virtual_devices

__all__ = ["Device", "device", "virtual_devices"]
