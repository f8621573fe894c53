"""Data cards: where each data set comes from, what it may be used for, what is wrong with it.

- `DataCard`: one card; prints as text, shows as a table in a notebook
- `CARDS`: all cards by name, read from `cards.toml`
"""

import textwrap
import tomllib
from dataclasses import dataclass, fields
from html import escape
from importlib.resources import files
from typing import Any

__all__ = ["CARDS", "DataCard"]


@dataclass(frozen=True, eq=False, repr=False)
class DataCard:
    """What one should know about a data set before training on it.

    `splits` maps a split's name to its number of examples. `file` and `sha256` are
    empty for a synthetic set, which is drawn when you load it; `options` names what its
    `load` accepts.
    """

    name: str
    title: str
    origin: str
    citation: str
    licence: str
    size: str
    features: tuple[str, ...]
    classes: tuple[str, ...]
    splits: dict[str, int]
    split_rule: str
    bias: str
    conversion: str
    file: str = ""
    sha256: str = ""
    options: tuple[str, ...] = ()

    def rows(self) -> list[tuple[str, str]]:
        """Return the card's lines as pairs of a label and a text, empty ones left out."""
        pairs = ((_LABELS.get(f.name, f.name), getattr(self, f.name)) for f in fields(self)[2:])
        return [(label[0].upper() + label[1:], _text(value)) for label, value in pairs if value]

    def __str__(self) -> str:
        lines = [f"{self.title} ({self.name})"]
        for label, text in self.rows():
            lines.append(
                textwrap.fill(
                    f"{label:<12} {text}",
                    width=88,
                    initial_indent="  ",
                    subsequent_indent=" " * 15,
                    break_on_hyphens=False,
                )
            )
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th scope='row' style='text-align:left'>{escape(label)}</th>"
            f"<td style='text-align:left;overflow-wrap:anywhere'>{escape(text)}</td></tr>"
            for label, text in self.rows()
        )
        caption = f"{escape(self.title)} (<code>{escape(self.name)}</code>)"
        return f"<table><caption>{caption}</caption><tbody>{rows}</tbody></table>"


_LABELS = {"licence": "license", "split_rule": "split rule", "sha256": "SHA-256"}


def _text(value: str | tuple[str, ...] | dict[str, int]) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {size:,}" for name, size in value.items())
    return value if isinstance(value, str) else ", ".join(value)


def _read_cards() -> dict[str, DataCard]:
    table = tomllib.loads((files("dllab.data") / "cards.toml").read_text("utf-8"))
    cards = {}
    for name, entry in table.items():
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()
        }
        cards[name] = DataCard(name=name, **values)
    return cards


CARDS = _read_cards()
