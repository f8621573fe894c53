"""`data-cards`: one card for each data set that `dllab.data` knows, from its own card.

The page cannot drift from the package: it shows `dllab.data.card(name)` as it is at build time.
"""

import importlib
import sys
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

from .execution import ROOT

if TYPE_CHECKING:
    from sphinx.application import Sphinx

# How the fields of a card are called on the page, in this order.
FIELDS = {
    "name": "Load it with",
    "origin": "Origin",
    "citation": "Citation",
    "licence": "License",
    "size": "Size",
    "features": "Features",
    "classes": "Classes",
    "splits": "Splits",
    "split_rule": "How it was split",
    "bias": "Known bias and limits",
    "conversion": "How the file was made",
    "sha256": "SHA-256",
}


def cards() -> list[dict[str, Any]]:
    """Return the fields of every card, in the package's order."""
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    data = importlib.import_module("dllab.data")
    found = [data.card(name) for name in data.names()]
    return [asdict(card) if is_dataclass(card) else dict(vars(card)) for card in found]


class DataCards(SphinxDirective):
    """A section for each data set, its card as a definition list."""

    def run(self) -> list[nodes.Node]:
        """Build the sections; each gets the label `data-NAME`."""
        for path in (ROOT / "dllab" / "data").rglob("*"):
            if path.suffix in {".py", ".toml", ".json", ".yml", ".yaml"}:
                self.env.note_dependency(str(path))
        return [self._section(card) for card in cards()]

    def _section(self, card: dict[str, Any]) -> nodes.section:
        anchor = f"data-{card['name']}".replace("_", "-")
        section = nodes.section("", nodes.title("", card["title"]), ids=[anchor], names=[anchor])
        self.state.document.note_explicit_target(section)
        entry = f"{card['name']} (data set)"
        section += addnodes.index(entries=[("single", entry, anchor, "", None)])
        fields = nodes.definition_list(classes=["data-card"])
        for key, term in FIELDS.items():
            if card.get(key):
                body = nodes.definition("", *_value(key, card[key]))
                fields += nodes.definition_list_item("", nodes.term("", term), body)
        section += fields
        return section


def _value(key: str, value: Any) -> list[nodes.Node]:
    if key == "name":
        code = f'dllab.load("{value}")'
        return [nodes.paragraph("", "", nodes.literal(code, code))]
    if key == "sha256":
        return [nodes.paragraph("", "", nodes.literal(value, value))]
    if isinstance(value, dict):
        value = ", ".join(f"{name}: {count}" for name, count in value.items())
    if isinstance(value, tuple | list):
        value = "; ".join(str(item) for item in value)
    return [nodes.paragraph("", str(value))]


def setup(app: "Sphinx") -> None:
    """Register the directive."""
    app.add_directive("data-cards", DataCards)
