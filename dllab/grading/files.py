"""Write files so that a reader, or a crash, finds the old content or the new, never a part.

- `write_atomically(path, content)`: a temporary file in the same folder, synced, then renamed
"""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

__all__ = ["write_atomically"]

PRIVATE = 0o600  # marks are nobody else's business


def write_atomically(path: Path, content: str | bytes, mode: int = PRIVATE) -> Path:
    """Replace a file's content in one step and return its path.

    Args:
        path: the file; its folder is made if it is missing.
        content: text is written as UTF-8, lone surrogates as question marks.
        mode: of the file; only its owner may read it unless told.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        content = content.encode("utf-8", "replace")
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(path.parent)
    return path


def _sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut, where the file system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
