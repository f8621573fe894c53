"""The table of contents as the book's own modules ask for it.

- `parts(app)`: its parts, each with its documents in reading order
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx


@dataclass(frozen=True)
class Part:
    """A part of the table of contents."""

    caption: str
    documents: tuple[str, ...]


def parts(app: "Sphinx") -> list[Part]:
    """Return the parts that `_toc.yml` names; a page below another follows it."""
    site_map = getattr(app.config, "external_site_map", None)
    if site_map is None:
        return []
    return [
        Part(tree.caption or "", tuple(_documents(site_map, tree)))
        for tree in site_map.root.subtrees
    ]


def _documents(site_map: Any, tree: Any) -> "Iterator[str]":
    for item in map(str, tree.items):
        if item in site_map:
            yield item
            for below in site_map[item].subtrees:
                yield from _documents(site_map, below)
