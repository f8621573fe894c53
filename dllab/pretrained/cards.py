"""Model cards: where each pretrained model comes from, what it expects, what is wrong with it.

- `ModelCard`: one card; prints as text
- `CARDS`: all cards by name, read from `cards.toml`
- `find(name)`: one card, or an error that names the closest one
"""

import textwrap
import tomllib
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from importlib.resources import files

from dllab.errors import UnknownModelError

__all__ = ["CARDS", "ModelCard", "find"]


@dataclass(frozen=True, eq=False, repr=False)
class ModelCard:
    """What one should know about a pretrained model before building on it.

    `parameters` counts those of the whole model, classifier included; `input_size` is the height
    and width in pixels at which it was trained and tested. `files` maps the names of the files
    that come with `dllab` to their SHA-256 hashes; it is empty for a model that is downloaded.
    """

    name: str
    title: str
    function: str
    origin: str
    citation: str
    licence: str
    parameters: int
    input_size: int
    preprocessing: str
    accuracy: str
    size: str
    bias: str
    conversion: str
    files: dict[str, str] = field(default_factory=dict)

    @property
    def offline(self) -> bool:
        """Whether the weights come with `dllab`, so that nothing is downloaded."""
        return bool(self.files)

    def __str__(self) -> str:
        lines = [f"{self.title} ({self.name})"]
        for entry in fields(self)[3:-1]:
            value = getattr(self, entry.name)
            label = {"licence": "license", "input_size": "input size"}.get(entry.name, entry.name)
            lines.append(
                textwrap.fill(
                    f"{label:<14} {value:,}" if isinstance(value, int) else f"{label:<14} {value}",
                    width=88,
                    initial_indent="  ",
                    subsequent_indent=" " * 17,
                    break_on_hyphens=False,
                )
            )
        where = "comes with dllab" if self.offline else "is downloaded by Keras on first use"
        return "\n".join([*lines, f"  {'weights':<14} {where}"])

    def __repr__(self) -> str:
        return f"ModelCard({self.name!r}, {self.parameters:,} parameters, offline={self.offline})"


def _read() -> dict[str, ModelCard]:
    text = (files("dllab.pretrained") / "cards.toml").read_text(encoding="utf-8")
    return {name: ModelCard(name=name, **entry) for name, entry in tomllib.loads(text).items()}


CARDS = _read()


def find(name: str) -> ModelCard:
    """Return the card of the model `name`.

    Raises:
        UnknownModelError: no model has this name.

    Example:
        >>> find("efficientnet_lite0").offline
        True
    """
    if isinstance(name, str) and name in CARDS:
        return CARDS[name]
    close = get_close_matches(str(name).lower(), CARDS, n=1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    raise UnknownModelError(
        f"`name` must be the name of a pretrained model, but is {name!r}. {hint}"
        f"Choose one of: {', '.join(CARDS)}."
    )
