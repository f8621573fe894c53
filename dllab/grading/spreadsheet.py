"""CSV files of other systems: read them, change cells, write them as they were.

- `read_sheet(content)`: a `Sheet` with its rows, encoding, byte order mark and delimiter
- `Sheet.content(rows)`: rows as bytes in the same dress
- `defuse(text)`: a cell that no spreadsheet takes for a formula
- `number(cell)`, `written(value, mark)`: numbers with a decimal point or comma
"""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dllab.errors import ExportError

__all__ = ["Sheet", "decimal_mark", "defuse", "number", "read_sheet", "written"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?\Z")
# A worksheet holds whole texts that students wrote online; 16 MB is beyond any of them.
_LARGEST_CELL = 1 << 24


@dataclass(frozen=True)
class Sheet:
    """A CSV file: its rows as text, and how they were written.

    Args:
        rows: all rows, the header first; each has as many cells as the header.
        encoding: the codec of the text, without the byte order mark.
        mark: the byte order mark, or `b""`.
        delimiter: what stands between two cells.
        newline: what ends a row.
    """

    rows: tuple[tuple[str, ...], ...]
    encoding: str = "utf-8"
    mark: bytes = b""
    delimiter: str = ","
    newline: str = "\r\n"

    @property
    def header(self) -> tuple[str, ...]:
        """The first row."""
        return self.rows[0]

    def content(self, rows: Iterable[Sequence[str]]) -> bytes:
        """Return other rows as bytes, encoded and delimited as this sheet was."""
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self.delimiter, lineterminator=self.newline).writerows(rows)
        # a comment may hold a letter that an old encoding lacks; both systems read comments as HTML
        return self.mark + text.getvalue().encode(self.encoding, errors="xmlcharrefreplace")


def read_sheet(content: bytes) -> Sheet:
    """Return the sheet in a CSV file, whatever program wrote it.

    Raises:
        ExportError: it is no CSV file with a header and at least two columns.
    """
    text, encoding, mark = _decode(content)
    newline = "\r\n" if "\r\n" in text else "\n"
    delimiter = max(",;\t", key=lambda mark: len(next(iter(_parse(text, mark)), ())))
    rows = [row for row in _parse(text, delimiter) if row]
    if not rows or len(rows[0]) < 2:
        raise ExportError(
            "`template` should be a CSV file with a row of column names, and this one is not; "
            "download it again and do not open it in between"
        )
    width = len(rows[0])
    padded = tuple(tuple(row) + ("",) * (width - len(row)) for row in rows)
    return Sheet(padded, encoding, mark, delimiter, newline)


def _parse(text: str, delimiter: str) -> list[list[str]]:
    before = csv.field_size_limit(_LARGEST_CELL)
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise ExportError(f"`template` is not a CSV file that can be read: {error}") from error
    finally:
        csv.field_size_limit(before)


def _decode(content: bytes) -> tuple[str, str, bytes]:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _strictly(content[len(mark) :], encoding), encoding, mark
    for encoding in ("utf-8", "cp1252"):
        try:
            return content.decode(encoding), encoding, b""
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1"), "latin-1", b""


def _strictly(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ExportError(f"`template` says that it is {encoding}, and it is not") from error


def defuse(text: str) -> str:
    """Return a cell's text so that a spreadsheet shows it and never runs it.

    >>> defuse("=1+1"), defuse("-0.5"), defuse("fine")
    ("'=1+1", '-0.5', 'fine')

    Source: https://owasp.org/www-community/attacks/CSV_Injection
    """
    shown = text.lstrip(" \u00a0\u3000")
    if shown[:1] in ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"):
        return text if _NUMBER.match(shown) else f"'{text}"
    return text


def number(cell: str) -> float | None:
    """Return a cell's number, with a decimal point or comma, or None.

    >>> number("17,5"), number(" 20.00 "), number("N/A")
    (17.5, 20.0, None)
    """
    text = cell.strip()
    return float(text.replace(",", ".")) if _NUMBER.match(text) else None


def decimal_mark(cells: Iterable[str]) -> str:
    """Return the decimal mark that numbers in these cells have; the point unless all say comma."""
    texts = [cell.strip() for cell in cells if number(cell) is not None]
    commas = sum("," in text for text in texts)
    return "," if commas and not any("." in text for text in texts) else "."


def written(value: float, mark: str = ".") -> str:
    """Return a number with at most two decimals, the precision that gradebooks show.

    >>> written(17.0), written(17.125, ","), written(0.1 + 0.2)
    ('17', '17,12', '0.3')
    """
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text.replace(".", mark)
