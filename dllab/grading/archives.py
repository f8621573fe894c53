"""List and read files that come from students: in folders and in zip archives.

- `walk(folder)`: what is below a folder, symbolic links not followed
- `members(source)`: what is in a zip archive, nothing extracted to disk
- `single(path)`: one file
- `Entry`: one file or folder; `.read()` its content, `.problem` why it must not be read

Nothing is written. Sizes are counted while reading, not believed: a file's table of contents may
lie. Names are only compared and shown, never opened below another folder.
"""

import io
import os
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from dllab.errors import ArchiveError, UnreadableError

__all__ = ["MAX_FILE", "Entry", "members", "single", "walk"]

MAX_FILE = 200_000_000
"""Bytes of one file; a notebook of lab 03 with its outputs has 100 000."""
MAX_ENTRIES = 20_000  # below one folder, or in one archive
MAX_CLASS_ENTRIES = 500_000  # in an archive of a whole class
MAX_DEPTH = 12
MAX_TOTAL = 2_000_000_000  # bytes of all members of a student's archive, as declared
MAX_RATIO = 400  # deflate's limit is 1032; text that repeats itself reaches about 200
RATIO_FROM = 20_000_000  # bytes; small files may compress as well as they like

# What reading a broken archive raises, depending on where it is broken.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    OSError,
    EOFError,
    RuntimeError,
    NotImplementedError,
    ValueError,
    OverflowError,
    KeyError,
)


@dataclass(frozen=True)
class Entry:
    """A file or an empty folder among submissions.

    Args:
        parts: its path, from the folder or archive that was listed.
        kind: `"file"` or `"folder"`; folders are listed where they are empty.
        problem: why it must not be read, a sentence, or ''.
        modified: when it was changed, in seconds since 1970, or None if that is not known.
    """

    parts: tuple[str, ...]
    kind: str = "file"
    problem: str = ""
    modified: float | None = None
    source: Callable[[int], bytes] | None = field(default=None, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.parts[-1]

    def below(self, count: int) -> "Entry":
        """Return the entry with the first parts of its path left out."""
        return replace(self, parts=self.parts[count:])

    def read(self, limit: int = MAX_FILE) -> bytes:
        """Return the file's content.

        Raises:
            UnreadableError: it must not or cannot be read; the message is one sentence.
        """
        if self.problem or self.source is None:
            raise UnreadableError(self.problem or "It is a folder.")
        content = self.source(limit)
        if len(content) > limit:
            raise UnreadableError(
                f"The file has more than {limit // 1_000_000} MB: clear the notebook's outputs, "
                "save it and hand it in again."
            )
        return content


# ---------------------------------------------------------------- folders


def walk(folder: Path, limit: int = MAX_CLASS_ENTRIES) -> list[Entry]:
    """Return the files and the empty folders below a folder, in the order of their names."""
    found: list[Entry] = []
    for entry in _walk(folder, ()):
        found.append(entry)
        if len(found) >= limit:
            raise ArchiveError(f"The folder holds more than {limit:,} files.")
    return found


def _walk(folder: Path, parts: tuple[str, ...]) -> Iterator[Entry]:
    try:
        with os.scandir(folder) as listing:
            items = sorted(listing, key=lambda item: item.name)
    except OSError as error:
        yield Entry(parts, "folder", f"The folder cannot be opened: {_reason(error)}.")
        return
    if not items and parts:
        yield Entry(parts, "folder")
    for item in items:
        path = (*parts, item.name)
        if item.is_dir(follow_symlinks=False) and not _is_link(item):
            if len(path) > MAX_DEPTH:
                yield Entry(path, "folder", "The folder is nested too deeply.")
            else:
                yield from _walk(Path(item.path), path)
        else:
            yield _file(item, path)


def single(path: Path) -> Entry:
    """Return the entry of one file, named by its last part."""
    try:
        status = path.lstat()
    except OSError as error:
        return Entry((path.name,), problem=f"The file cannot be opened: {_reason(error)}.")
    problem = _refusal(status)
    return Entry((path.name,), "file", problem, status.st_mtime, _Reader(str(path)))


def _is_link(item: os.DirEntry[str]) -> bool:
    # a junction is Windows' link to a folder
    return item.is_symlink() or getattr(item, "is_junction", lambda: False)()


def _file(item: os.DirEntry[str], parts: tuple[str, ...]) -> Entry:
    entry = replace(single(Path(item.path)), parts=parts)
    junction = _is_link(item) and not entry.problem
    return replace(entry, problem="It is a link, which is not followed.") if junction else entry


def _refusal(status: os.stat_result) -> str:
    """Return why something must not be read: reading it might show what is not the student's."""
    if stat.S_ISLNK(status.st_mode):
        return "It is a symbolic link, which is not followed: hand in the file itself."
    if not stat.S_ISREG(status.st_mode):
        return "It is not an ordinary file but a device, pipe or socket."
    if status.st_nlink > 1:
        return "It is a hard link to a file somewhere else: hand in a copy of the file."
    return ""


@dataclass(frozen=True)
class _Reader:
    """Reads a file of which the listing said that it is an ordinary one, and looks again."""

    path: str

    def __call__(self, limit: int) -> bytes:
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            handle = os.open(self.path, flags | getattr(os, "O_BINARY", 0))
            with os.fdopen(handle, "rb") as file:
                if problem := _refusal(os.fstat(file.fileno())):
                    raise UnreadableError(problem)
                return file.read(limit + 1)
        except OSError as error:
            raise UnreadableError(f"The file cannot be read: {_reason(error)}.") from None


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


# ---------------------------------------------------------------- archives


def members(
    source: bytes | Path, modified: float | None = None, of_class: bool = False
) -> list[Entry]:
    """Return the files in a zip archive.

    A member whose name leads out of the archive, that stands there twice, or that is a link, has
    a `problem`. A member's recorded time has no time zone and is not used.

    Args:
        source: the archive's content, or its path.
        modified: when the archive itself was changed, which its members take over.
        of_class: it holds the files of many students.

    Raises:
        ArchiveError: it is broken, encrypted, or unpacks to more than a submission may have.
    """
    try:
        with _open(source) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
            folders = [info for info in archive.infolist() if info.is_dir()]
    except _BROKEN:
        raise ArchiveError("The zip archive is broken: pack it again.") from None
    _refuse_bombs(infos, of_class)
    names = [_parts(info.filename) for info in infos]
    times = Counter(names)
    found = [
        Entry(
            _without_climbing(name),
            "file",
            _member_problem(info, name, times[name]),
            modified,
            _Member(source, index),
        )
        for index, (info, name) in enumerate(zip(infos, names, strict=True))
    ]
    full = {name[:end] for name in names for end in range(len(name))}
    empty = {parts for info in folders if (parts := _parts(info.filename)) and parts not in full}
    return [*found, *(Entry(parts, "folder") for parts in sorted(empty))]


def _open(source: bytes | Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(source) if isinstance(source, bytes) else source)


def _refuse_bombs(infos: list[zipfile.ZipInfo], of_class: bool) -> None:
    most = MAX_CLASS_ENTRIES if of_class else MAX_ENTRIES
    if len(infos) > most:
        raise ArchiveError(f"The zip archive holds {len(infos):,} files, more than {most:,}.")
    total = sum(info.file_size for info in infos)
    if not of_class and total > MAX_TOTAL:
        raise ArchiveError(f"The zip archive unpacks to {total // 1_000_000:,} MB, too much.")


def _parts(name: str) -> tuple[str, ...]:
    """Return a member's path; Windows programs write backslashes."""
    return tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))


def _without_climbing(parts: tuple[str, ...]) -> tuple[str, ...]:
    return (parts[-1:] if ".." in parts else parts) or ("unnamed",)


def _member_problem(info: zipfile.ZipInfo, parts: tuple[str, ...], times: int) -> str:
    name = info.filename.replace("\\", "/")
    if ".." in parts or name.startswith("/") or name[1:2] == ":" or not parts:
        return "Its name in the zip archive leads out of the archive."
    kind = info.external_attr >> 16
    if kind and stat.S_IFMT(kind) not in (0, stat.S_IFREG):
        return "It is a link or special file in the zip archive: hand in the file itself."
    if info.flag_bits & 1:
        return "The zip archive is locked with a password."
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "The zip archive is packed in a way that cannot be read: use ordinary zip."
    if info.file_size > RATIO_FROM and info.file_size > MAX_RATIO * max(info.compress_size, 1):
        return "The zip archive unpacks to far more than it can honestly hold."
    if times > 1:
        return "The zip archive holds two files of this name."
    return ""


@dataclass(frozen=True)
class _Member:
    """Reads one member of an archive, no more than the limit whatever its size is said to be."""

    archive: bytes | Path = field(repr=False)
    index: int

    def __call__(self, limit: int) -> bytes:
        try:
            with _open(self.archive) as archive:
                infos = [info for info in archive.infolist() if not info.is_dir()]
                with archive.open(infos[self.index]) as file:
                    return file.read(limit + 1)
        except _BROKEN:
            raise UnreadableError("The zip archive is broken: pack it again.") from None
