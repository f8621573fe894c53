"""Read a data file, but only after its hash has been verified.

- `read_arrays(path, sha256)`: the arrays of one `.npz` file
"""

import hashlib
import io
from importlib.resources.abc import Traversable

import numpy as np

from dllab.errors import DamagedDataError

__all__ = ["read_arrays"]

_NEXT_STEP = "Install dllab again: `pip install --force-reinstall --no-deps dllab`."


def read_arrays(path: Traversable, sha256: str) -> dict[str, np.ndarray]:
    """Return the arrays in the `.npz` file at `path`, if its content has the hash `sha256`.

    The file is read once: what is hashed is what is parsed. Pickled objects are refused.

    Raises:
        DamagedDataError: the file is missing or its hash differs.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DamagedDataError(
            f"The data file `{path.name}` must be part of dllab, but it cannot be read: "
            f"{error.strerror}. {_NEXT_STEP}"
        ) from error
    received = hashlib.sha256(content).hexdigest()
    if received != sha256:
        raise DamagedDataError(
            f"The data file `{path.name}` must have the SHA-256 hash {sha256}, but it has "
            f"{received}. {_NEXT_STEP}"
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
