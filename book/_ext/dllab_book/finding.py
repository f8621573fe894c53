"""A box that narrows a long list down to the entries that hold the reader's words.

`finder(items, noun)` is the place of the box. Without JavaScript it is empty and every entry is
there. An entry has the class that `items` names; what has the class `finder-group` and no entry
left is hidden with its heading.
"""

from html import escape
from typing import TYPE_CHECKING, Any

from docutils import nodes

if TYPE_CHECKING:
    from sphinx.application import Sphinx


class finder_place(nodes.General, nodes.Element):  # noqa: N801 (docutils names nodes like this)
    """Where `finder.js` puts the box."""


def finder(items: str, noun: str) -> finder_place:
    """Return the place of a box for the entries of class `items`, which a reader calls `noun`."""
    return finder_place(items=items, noun=noun)


def _visit(translator: Any, node: finder_place) -> None:
    translator.body.append(
        f'<div class="finder" data-items="{escape(node["items"])}" '
        f'data-noun="{escape(node["noun"])}"></div>\n'
    )


def _pass(_translator: Any, _node: nodes.Node) -> None:
    """Add nothing."""


def _add_script(
    app: "Sphinx", _page: str, _template: str, _context: dict[str, Any], doctree: Any
) -> None:
    if doctree is not None and next(doctree.findall(finder_place), None) is not None:
        app.add_js_file("finder.js", loading_method="defer")


def setup(app: "Sphinx") -> None:
    """Register the place and its script."""
    plain = (_pass, _pass)
    app.add_node(finder_place, html=(_visit, _pass), latex=plain, text=plain)
    app.add_css_file("finding.css", priority=901)
    app.connect("html-page-context", _add_script)
