"""A data file is parsed only if it is the file that was released."""

import hashlib
import io
import pickle
from importlib.resources import files

import numpy as np
import pytest

import dllab.data
from dllab.data import card, load
from dllab.data.storage import read_arrays
from dllab.errors import DamagedDataError, DLLabError

DIGITS = files("dllab.data") / "files" / card("digits").file


@pytest.mark.parametrize("position", [0, 1000, -1])
def test_one_flipped_bit_anywhere_is_noticed(tmp_path, position):
    content = bytearray(DIGITS.read_bytes())
    content[position] ^= 1
    damaged = tmp_path / "digits.npz"
    damaged.write_bytes(content)
    with pytest.raises(DamagedDataError) as caught:
        read_arrays(damaged, card("digits").sha256)
    message = str(caught.value)
    assert "`digits.npz`" in message
    assert card("digits").sha256 in message
    assert hashlib.sha256(content).hexdigest() in message
    assert "pip install --force-reinstall" in message


def test_a_file_cut_short_is_noticed(tmp_path):
    cut = tmp_path / "digits.npz"
    cut.write_bytes(DIGITS.read_bytes()[:-100])
    with pytest.raises(DamagedDataError, match="SHA-256"):
        read_arrays(cut, card("digits").sha256)


def test_load_reports_a_damaged_file(tmp_path, monkeypatch):
    (tmp_path / "iris.npz").write_bytes(b"not the flowers")
    monkeypatch.setattr(dllab.data, "_FILES", tmp_path)
    with pytest.raises(DLLabError, match="iris"):
        load("iris")


def test_load_reports_a_missing_file(tmp_path, monkeypatch):
    monkeypatch.setattr(dllab.data, "_FILES", tmp_path)
    with pytest.raises(DamagedDataError, match=r"`wine\.npz`.*No such file.*pip install"):
        load("wine")


def test_a_damaged_file_is_never_parsed(tmp_path, monkeypatch):
    (tmp_path / "iris.npz").write_bytes(b"not the flowers")
    monkeypatch.setattr(np, "load", lambda *_args, **_kwargs: pytest.fail("parsed"))
    with pytest.raises(DamagedDataError):
        read_arrays(tmp_path / "iris.npz", card("iris").sha256)


def test_pickled_objects_are_refused(tmp_path):
    """Even a file with the right hash cannot run code: an object array does not load."""
    buffer = io.BytesIO()
    np.savez(buffer, x=np.array([pickle], dtype=object).astype(object)[:0], y=np.array([{}, None]))
    path = tmp_path / "objects.npz"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(ValueError, match="allow_pickle=False"):
        read_arrays(path, hashlib.sha256(buffer.getvalue()).hexdigest())
