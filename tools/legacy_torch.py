"""Read a checkpoint in PyTorch's old file format without PyTorch and without running its code.

- `read_checkpoint(content)`: the arrays of a `state_dict`, by name
- `RefusedPickleError`: the file asks for something that a table of arrays does not need

Such a file is a row of pickles: a magic number, a version, facts about the machine, the table
itself, the keys of its storages; then the storages' raw numbers. A pickle may name any function
of any module and have it called. The unpickler here knows three names and refuses all others.
"""

import io
import pickle
from collections import OrderedDict
from typing import Any

import numpy as np

__all__ = ["RefusedPickleError", "read_checkpoint"]

MAGIC = 0x1950A86A20F9469CFC6C
STORAGES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class RefusedPickleError(pickle.UnpicklingError):
    """The file asks for something that a table of arrays does not need."""


class _Storage:
    """Numbers that come later in the file; tensors are views of them."""

    def __init__(self, dtype: np.dtype, size: int) -> None:
        self.dtype, self.size = dtype, size
        self.values = np.empty(0, dtype)


class _Tensor:
    """A view of a storage: where it starts, its shape and its strides, all in elements."""

    def __init__(self, storage: _Storage, offset: int, shape: tuple, strides: tuple, *_: Any):
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def array(self) -> np.ndarray:
        """Return the tensor as an array of its own; refuse a view that leaves its storage."""
        last = self.offset + sum(
            (n - 1) * step for n, step in zip(self.shape, self.strides, strict=True)
        )
        numbers = (self.offset, *self.shape, *self.strides)
        if min(numbers) < 0 or last >= self.storage.size:
            raise RefusedPickleError(f"a tensor of shape {self.shape} leaves its storage")
        size = self.storage.dtype.itemsize
        return np.lib.stride_tricks.as_strided(
            self.storage.values[self.offset :], self.shape, [size * step for step in self.strides]
        ).copy()


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, storages: dict[str, _Storage]) -> None:
        super().__init__(file)
        self._storages = storages

    def find_class(self, module: str, name: str) -> Any:
        """Return what one of the known names stands for."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Tensor
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        raise RefusedPickleError(f"the file asks for {module}.{name}, which is not a tensor")

    def persistent_load(self, pid: Any) -> _Storage:
        """Return the storage that the file calls by a key; its numbers are read later."""
        kind, dtype, key, _location, size, _view = pid
        if kind != "storage" or dtype not in STORAGES.values():
            raise RefusedPickleError(f"the file asks for {kind!r}, which is not a storage")
        return self._storages.setdefault(key, _Storage(dtype, size))


def read_checkpoint(content: bytes) -> dict[str, np.ndarray]:
    """Return the arrays of the `state_dict` in `content`, by name.

    Raises:
        RefusedPickleError: the content is no such file, or asks for more than arrays.
    """
    file, storages = io.BytesIO(content), {}
    if _Unpickler(file, {}).load() != MAGIC:
        raise RefusedPickleError("this is not a checkpoint in PyTorch's old format")
    _version, facts = (_Unpickler(file, {}).load() for _ in range(2))
    if not facts.get("little_endian"):
        raise RefusedPickleError("the file's numbers are big-endian")
    table = _Unpickler(file, storages).load()
    for key in _Unpickler(file, {}).load():
        storage = storages[key]
        (size,) = np.frombuffer(file.read(8), "<i8")
        storage.values = np.frombuffer(
            file.read(storage.size * storage.dtype.itemsize), storage.dtype
        )
        if size != storage.size or len(storage.values) != size:
            raise RefusedPickleError(f"storage {key} does not have its {storage.size} numbers")
    return {name: tensor.array() for name, tensor in table.items()}
