"""The converter reads arrays out of a checkpoint, and nothing else."""

import io
import pickle
import pickletools
import struct
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

TOOLS = Path(__file__).parents[2] / "tools"
MAGIC = 0x1950A86A20F9469CFC6C


@pytest.fixture
def legacy(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import legacy_torch

    return legacy_torch


class Tensor:
    """Pickles as PyTorch pickles a tensor: a call by name with a persistent storage."""

    def __init__(self, key, size, shape, strides, offset=0):
        self.key, self.size = key, size
        self.rest = (offset, shape, strides, False, OrderedDict())


class Writer(pickle._Pickler):
    """Writes what `torch.save` wrote in its old format, without PyTorch."""

    dispatch = pickle._Pickler.dispatch.copy()

    def persistent_id(self, value):
        return ("storage", value[1], value[2], "cpu", value[3], None) if is_storage(value) else None

    def save_tensor(self, tensor):
        self.write(pickle.GLOBAL + b"torch._utils\n_rebuild_tensor_v2\n")
        storage = ("a storage", Named("torch", "FloatStorage"), tensor.key, tensor.size)
        self.save((storage, *tensor.rest))
        self.write(pickle.REDUCE)

    def save_named(self, named):
        self.write(pickle.GLOBAL + f"{named.module}\n{named.name}\n".encode())

    dispatch[Tensor] = save_tensor


class Named:
    """Pickles as a global name, whether or not such a module exists."""

    def __init__(self, module, name):
        self.module, self.name = module, name


Writer.dispatch[Named] = Writer.save_named


def is_storage(value):
    return isinstance(value, tuple) and len(value) == 4 and value[0] == "a storage"


def checkpoint(table, numbers=(), key="0", magic=MAGIC) -> bytes:
    file = io.BytesIO()
    for head in (magic, 1001, {"little_endian": True}):
        pickle.dump(head, file, protocol=2)
    Writer(file, protocol=2).dump(table)
    pickle.dump([key] if len(numbers) else [], file, protocol=2)
    if len(numbers):
        file.write(struct.pack("<q", len(numbers)) + np.asarray(numbers, "<f4").tobytes())
    return file.getvalue()


def test_a_table_of_arrays_comes_back(legacy):
    """Two views of one storage, one of them transposed by its strides."""
    table = OrderedDict(w=Tensor("0", 6, (2, 3), (3, 1)), t=Tensor("0", 6, (3, 2), (1, 3)))
    arrays = legacy.read_checkpoint(checkpoint(table, range(6)))
    np.testing.assert_array_equal(arrays["w"], np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(arrays["t"], arrays["w"].T)
    assert arrays["w"].flags.owndata


@pytest.mark.parametrize(
    ("module", "name"),
    [("os", "system"), ("builtins", "eval"), ("torch", "load"), ("torch._utils", "_rebuild")],
)
def test_a_name_that_no_array_needs_is_refused(legacy, module, name):
    with pytest.raises(legacy.RefusedPickleError, match=f"asks for {module}.{name}"):
        legacy.read_checkpoint(checkpoint(OrderedDict(w=Named(module, name))))


def test_a_call_on_the_way_is_not_made(legacy, tmp_path):
    """A pickle that would create a file when it is loaded in the ordinary way."""

    class Call:
        def __reduce__(self):
            return Path.touch, (tmp_path / "called",)

    content = pickle.dumps(Call(), protocol=2)
    assert "touch" in "".join(str(op[1]) for op in pickletools.genops(content))
    with pytest.raises(legacy.RefusedPickleError):
        legacy.read_checkpoint(content)
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [((2, 4), (4, 1), 0), ((2, 3), (3, 1), 1), ((2,), (-1,), 3), ((7,), (1,), 0)],
)
def test_a_view_that_leaves_its_storage_is_refused(legacy, shape, strides, offset):
    table = OrderedDict(w=Tensor("0", 6, shape, strides, offset))
    with pytest.raises(legacy.RefusedPickleError, match="leaves its storage"):
        legacy.read_checkpoint(checkpoint(table, range(6)))


def test_another_file_is_refused(legacy):
    with pytest.raises(legacy.RefusedPickleError, match="old format"):
        legacy.read_checkpoint(checkpoint(OrderedDict(), magic=1))


def test_a_file_that_ends_early_is_refused(legacy):
    content = checkpoint(OrderedDict(w=Tensor("0", 6, (6,), (1,))), range(6))
    with pytest.raises(legacy.RefusedPickleError, match="does not have its 6 numbers"):
        legacy.read_checkpoint(content[:-4])


def test_axes_are_reordered_as_keras_keeps_them(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it would be an error
    import convert_efficientnet_lite as convert

    shapes = {
        "_conv_stem.weight": ("stem_conv/kernel", (32, 3, 5, 4), (5, 4, 3, 32)),
        "_blocks.1._depthwise_conv.weight": ("block2a_dwconv/kernel", (96, 1, 5, 4), (5, 4, 96, 1)),
        "_blocks.15._bn2.running_var": ("block7a_project_bn/moving_variance", (320,), (320,)),
        "_fc.weight": ("predictions/kernel", (10, 8), (8, 10)),
    }
    for name, (target, before, after) in shapes.items():
        renamed, values = convert.to_keras(name, np.zeros(before))
        assert (renamed, values.shape) == (target, after)
