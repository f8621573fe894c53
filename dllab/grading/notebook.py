"""Read the cells of a notebook file, whatever an editor, a mail program or an LMS did to it.

- `read(content)`: bytes to raw cells, and what had to be mended on the way
- `RawCell`: a cell as it stands in the file; `Cell`: code that is to be run

Only JSON is parsed. Outputs, metadata, ids and version numbers are ignored: a file's structure
decides what it is. Formats 2, 3 and 4 are read, and plain Python scripts.
"""

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dllab.errors import UnreadableError
from dllab.grading.names import parse
from dllab.grading.records import Repair
from dllab.grading.steps import repaired

__all__ = ["MAX_CELLS", "MAX_CODE", "Cell", "RawCell", "is_notebook", "read"]

MAX_CELLS = 10_000
MAX_CODE = 3_000_000
"""Characters of all code cells together; text cells, which may hold pictures, do not count."""


@dataclass(frozen=True)
class RawCell:
    """A cell as it stands in the file.

    Args:
        kind: `"code"`, `"markdown"` or `"raw"`.
        source: its text, with `\\n` at line ends.
        number: as the student counts code cells, from 1; 0 for other cells.
    """

    kind: str
    source: str
    number: int = 0


@dataclass(frozen=True)
class Cell:
    """Code that is to be run; `number` is 0 where it did not come from a code cell."""

    source: str
    number: int


def read(content: bytes) -> tuple[list[RawCell], tuple[Repair, ...]]:
    """Return a notebook's cells in order, and what was mended to read them.

    Raises:
        UnreadableError: it is no notebook; the message is one sentence for the student.
    """
    try:
        text, repairs = _decode(content)
        cells, more = _read_text(text)
    except (RecursionError, MemoryError):
        raise UnreadableError(
            "The file cannot be opened as a notebook: it is nested too deeply or too large."
        ) from None
    code = sum(len(cell.source) for cell in cells if cell.kind == "code")
    if code > MAX_CODE:
        raise UnreadableError(
            f"The notebook holds {code:,} characters of code, more than {MAX_CODE:,}: "
            "load large data from a file."
        )
    return cells, (*repairs, *more)


def is_notebook(content: bytes) -> bool:
    """Return whether `read` finds a notebook, and not just a script."""
    try:
        _, repairs = read(content)
    except UnreadableError:
        return False
    return all(repair.step != "script" for repair in repairs)


# ---------------------------------------------------------------- bytes to text

_MARKS = (
    # UTF-32 before UTF-16: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_FOREIGN = (
    (b"PK\x03\x04", "a zip archive or an office document"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a rar archive"),
    (b"%PDF", "a PDF document"),
    (b"{\\rtf", "a text document (RTF)"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"\xd0\xcf\x11\xe0", "an office document"),
    (b"bplist", "a web archive or property list"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file it points to"),
)


def _decode(content: bytes) -> tuple[str, list[Repair]]:
    """Return the text, in whatever encoding it is."""
    if not content.strip(b" \t\r\n\0"):
        raise UnreadableError("The file is empty.")
    for start, what in _FOREIGN:
        if content.startswith(start):
            raise UnreadableError(f"The file is {what}, not a notebook: hand in the .ipynb file.")
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            text = content.decode(encoding, errors="replace")
            if encoding == "utf-8-sig":
                return text, [repaired("byte-order-mark")]
            return text, [repaired("encoding", encoding=encoding.upper())]
    return _decode_unmarked(content)


def _decode_unmarked(content: bytes) -> tuple[str, list[Repair]]:
    if content[:2].count(0) == 1:  # `{` in UTF-16
        encoding = "utf-16-be" if content[0] == 0 else "utf-16-le"
        return content.decode(encoding, "replace"), [repaired("encoding", encoding="UTF-16")]
    try:
        return content.decode("utf-8"), []
    except UnicodeDecodeError:
        text = content.decode("utf-8", errors="replace")
    wrong = text.count("\ufffd")
    right = sum(1 for _ in re.finditer(r"[^\x00-\x7f\ufffd]", text))
    if right > wrong:  # UTF-8 with a few broken characters
        return text, [repaired("encoding", encoding="UTF-8 with broken characters")]
    try:
        return content.decode("cp1252"), [repaired("encoding", encoding="Windows-1252")]
    except UnicodeDecodeError:
        return content.decode("latin-1"), [repaired("encoding", encoding="Latin-1")]


# ---------------------------------------------------------------- text to cells


def _read_text(text: str) -> tuple[list[RawCell], list[Repair]]:
    start = text.lstrip("\ufeff \t\r\n\0")
    if not start.startswith(("{", "[", '"')):
        return _read_script(text)
    try:
        value, end = _DECODER.raw_decode(start)
    except json.JSONDecodeError as error:
        return _read_broken(text, start, error)
    repairs = []
    if start[end:].strip(" \t\r\n\0\x1a"):
        repairs.append(repaired("trailing-text"))
    notebook = _find_notebook(value)
    if notebook is None:
        if repairs and parse(text) is not None and not isinstance(value, dict):
            return _read_script(text)  # it begins with a docstring or a list
        raise UnreadableError("The file is JSON but not a notebook: it has no cells.")
    cells, more = _read_cells(notebook)
    return cells, [*repairs, *more]


def _read_broken(
    text: str, start: str, error: json.JSONDecodeError
) -> tuple[list[RawCell], list[Repair]]:
    """Say why a file that begins like JSON is not, or read it as a script if it is one."""
    if re.search(r"^(<{7}|>{7}) ", text, re.MULTILINE):
        raise UnreadableError(
            "The file holds merge conflict markers of Git (<<<<<<<): settle the conflict, "
            "open the notebook and save it again."
        )
    if '"cells"' not in text and '"worksheets"' not in text and parse(text) is not None:
        return _read_script(text)
    if len(start) - error.pos < 2 or "Unterminated" in error.msg:
        raise UnreadableError(
            "The file is cut off: it ends in the middle of the notebook. Save it again and hand "
            "in the whole file."
        )
    raise UnreadableError(
        f"The file is damaged: it is not valid JSON in line {error.lineno}. Open the notebook, "
        "save it again and hand in that file."
    )


def _whole_number(digits: str) -> int:
    # numbers of a notebook are counts; converting a million digits takes seconds
    return int(digits) if len(digits) < 19 else 0


_DECODER = json.JSONDecoder(parse_int=_whole_number, strict=False)


def _find_notebook(value: Any) -> dict[str, Any] | None:
    """Return the object with the cells: the file itself, or what a Jupyter server wraps it in."""
    for candidate in (value, value.get("content") if isinstance(value, dict) else None):
        if isinstance(candidate, dict) and (
            isinstance(candidate.get("cells"), list)
            or isinstance(candidate.get("worksheets"), list)
        ):
            return candidate
    return None


def _read_cells(notebook: dict[str, Any]) -> tuple[list[RawCell], list[Repair]]:
    entries = notebook.get("cells")
    old = not isinstance(entries, list)
    if old:
        sheets = [sheet for sheet in notebook["worksheets"] if isinstance(sheet, dict)]
        lists = [sheet.get("cells") for sheet in sheets]
        entries = [entry for cells in lists if isinstance(cells, list) for entry in cells]
    assert entries is not None
    if len(entries) > MAX_CELLS:
        raise UnreadableError(
            f"The notebook has {len(entries):,} cells, more than {MAX_CELLS:,} can be run."
        )
    kept = [entry for entry in entries if isinstance(entry, dict)]
    repairs = [repaired("old-format")] if old else []
    if len(kept) < len(entries):
        repairs.append(repaired("damaged-cells", count=len(entries) - len(kept)))
    sources = [_source(entry) for entry in kept]
    if any(joined for _, joined in sources):
        repairs.append(repaired("lines"))
    texts = [(_kind(entry), text) for entry, (text, _) in zip(kept, sources, strict=True)]
    return list(_numbered(texts)), repairs


def _kind(entry: dict[str, Any]) -> str:
    kind = entry.get("cell_type")
    if kind in ("code", "markdown", "raw"):
        return kind
    if kind in ("heading", "html"):
        return "markdown"
    looks_like_code = "outputs" in entry or "input" in entry or "execution_count" in entry
    return "code" if looks_like_code else "raw"


def _source(entry: dict[str, Any]) -> tuple[str, bool]:
    """Return a cell's text, and whether its line ends had to be put back."""
    value = entry.get("source", entry.get("input", ""))
    if isinstance(value, str):
        return clean(value), False
    if not isinstance(value, list):
        return "", False
    lines = [line for line in value if isinstance(line, str)]
    lost = len(lines) > 1 and not any(line.endswith(("\n", "\r")) for line in lines[:-1])
    return clean(("\n" if lost else "").join(lines)), lost


def clean(text: str) -> str:
    """Return text with `\\n` at line ends, and nothing in it that cannot be written as UTF-8."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return text.encode("utf-8", errors="replace").decode("utf-8")


def _numbered(texts: Sequence[tuple[str, str]]) -> Iterator[RawCell]:
    number = 0
    for kind, source in texts:
        number += kind == "code"
        yield RawCell(kind, source, number if kind == "code" else 0)


# ---------------------------------------------------------------- scripts

_HTML = re.compile(r"\A\s*<(!doctype|html|head|body|\?xml|script|div|p)\b", re.IGNORECASE)
_CELL_MARK = re.compile(r"^# ?(?:%%.*|In ?\[[ \d]*\]:?.*|<codecell>|<markdowncell>)$", re.MULTILINE)


def _read_script(text: str) -> tuple[list[RawCell], list[Repair]]:
    """Read a Python script; `# %%` and nbconvert's `# In[1]:` begin a new cell."""
    if _HTML.match(text):
        raise UnreadableError(
            "The file is a web page, not a notebook: probably a login or error page was saved "
            "instead of it. Hand in the .ipynb file."
        )
    text = clean(text)
    if re.search(r"^ {0,3}(```|~~~)", text, re.MULTILINE) and parse(text) is None:
        raise UnreadableError("The file is Markdown text, not a notebook: hand in the .ipynb file.")
    parts = [part for part in _CELL_MARK.split(text) if part.strip()]
    if not parts or sum(parse(part) is not None for part in parts) * 2 <= len(parts):
        raise UnreadableError("The file is neither a notebook nor Python: hand in the .ipynb file.")
    if not re.search(r"[=(]|\bimport\b", text):
        raise UnreadableError("The file holds plain text, no notebook: hand in the .ipynb file.")
    cells = list(_numbered([("code", part.strip("\n")) for part in parts]))
    return cells, [repaired("script", count=len(cells))]
