"""Pick up the accelerators of the active Keras backend, and say so in one line.

- `device()`: find them, set them up, describe them
- `Device`: what was found and why it is used as it is; `Device.data_parallel()` uses several
- `average_gradients(model)`: data parallelism with PyTorch, in one process for each GPU
- `full_float32()`: no TF32, for comparisons to the last digits
- `virtual_devices(count)`: split the processor, to try data parallelism without GPUs

The environment variable `DLLAB_DEVICE=cpu` keeps everything on the processor.
"""

from dllab.devices.finding import device
from dllab.devices.found import Device
from dllab.devices.parallel import average_gradients, virtual_devices
from dllab.devices.precision import full_float32

__all__ = ["Device", "average_gradients", "device", "full_float32", "virtual_devices"]
