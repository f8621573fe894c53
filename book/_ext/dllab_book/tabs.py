"""Tabs of executed cells: the same step in several frameworks, one behind the other.

Code cells that follow one another and have the tags `tab-numpy`, `tab-tensorflow`, `tab-jax`,
`tab-torch` or `tab-keras` become one set of tabs; code and outputs of each cell stand in their tab.
Cells with the same tag that follow one another share a tab; a tag that comes again begins the next
set. Who chooses PyTorch once sees PyTorch in every set, on every page. Nothing else knows of the
tabs: in the notebook they are plain cells, on paper they stand one below the other.

- `LABELS`: the tags and what their tabs say
- `fold(document)`: put the cells of a page into tabs; return what the author did wrong
"""

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.util import logging
from sphinx_design.shared import create_component, is_component

if TYPE_CHECKING:
    from sphinx.application import Sphinx

__all__ = ["LABELS", "fold"]

_LOG = logging.getLogger(__name__)

PREFIX = "tab-"
LABELS = {
    "tab-numpy": "NumPy",
    "tab-tensorflow": "TensorFlow",
    "tab-jax": "JAX",
    "tab-torch": "PyTorch",
    "tab-keras": "Keras",
}
GROUP = "framework"

# A tab's tag and its cells.
Tab = tuple[str, list[nodes.container]]


def fold(document: nodes.document) -> list[tuple[nodes.Node, str]]:
    """Put the tagged cells of a page into sets of tabs, in place.

    Args:
        document: a page as MyST-NB makes it, cells executed.

    Returns:
        A node and a sentence for each unknown tag and each set with a single tab. Such cells
        stay as they are.
    """
    cells = [cell for cell in document.findall(nodes.container) if _tags(cell)]
    wrong = [(cell, message) for cell in cells for message in _mistakes(cell)]
    bad = {id(cell) for cell, _ in wrong}
    for tabs in _sets([cell for cell in cells if id(cell) not in bad]):
        first = tabs[0][1][0]
        if len(tabs) == 1:
            label = LABELS[tabs[0][0]]
            wrong.append((first, f"`{tabs[0][0]}`: a set of one tab, {label}; take the tag away"))
        else:
            parent, at = first.parent, first.parent.index(first)
            count = sum(len(content) for _, content in tabs)
            parent[at : at + count] = [_tab_set(tabs)]
    return wrong


def _tags(cell: nodes.container) -> list[str]:
    if cell.get("nb_element") != "cell_code":
        return []
    tags = cell.get("cell_metadata", {}).get("tags", [])
    return [tag for tag in tags if tag.startswith(PREFIX)]


def _mistakes(cell: nodes.container) -> list[str]:
    tags = _tags(cell)
    known = ", ".join(f"`{tag}`" for tag in LABELS)
    messages = [f"`{tag}`: no such tab; there are {known}" for tag in tags if tag not in LABELS]
    if len(tags) > 1:
        messages.append(f"a cell stands in one tab; it has the tags {', '.join(tags)}")
    return messages


def _sets(cells: list[nodes.container]) -> list[list[Tab]]:
    """Return the sets of tabs: runs of neighbors, cut where a tag comes again."""
    found: list[list[Tab]] = []
    neighbors = {id(b) for a, b in pairwise(cells) if _follows(a, b)}
    for cell in cells:
        tag = _tags(cell)[0]
        if id(cell) in neighbors and found[-1][-1][0] == tag:
            found[-1][-1][1].append(cell)
        elif id(cell) in neighbors and tag not in [seen for seen, _ in found[-1]]:
            found[-1].append((tag, [cell]))
        else:
            found.append([(tag, [cell])])
    return found


def _follows(cell: nodes.container, other: nodes.container) -> bool:
    parent = cell.parent
    return parent is other.parent and parent.index(other) == parent.index(cell) + 1


def _tab_set(tabs: list[Tab]) -> nodes.container:
    """Return the nodes that the directive `tab-set` of sphinx-design makes."""
    items = []
    for tag, cells in tabs:
        label = nodes.rubric("", LABELS[tag], classes=["sd-tab-label"])
        label["sync_group"], label["sync_id"] = GROUP, tag.removeprefix(PREFIX)
        content = create_component("tab-content", classes=["sd-tab-content"])
        content.extend(cells)
        items.append(create_component("tab-item", ["sd-tab-item"], children=[label, content]))
    tab_set = create_component("tab-set", ["sd-tab-set", "framework-tabs"], children=items)
    first = tabs[0][1][0]
    tab_set.source, tab_set.line = first.source, first.line
    return tab_set


def _fold(_app: "Sphinx", document: nodes.document) -> None:
    for node, message in fold(document):
        _LOG.warning(message, location=node)


def _add_script(
    app: "Sphinx", _page: str, _template: str, _context: dict[str, Any], doctree: Any
) -> None:
    if doctree is not None and any(
        is_component(node, "tab-set") for node in doctree.findall(nodes.container)
    ):
        app.add_js_file("tabs.js", loading_method="defer")


def setup(app: "Sphinx") -> None:
    """Fold the cells of each page once it is read."""
    app.setup_extension("sphinx_design")
    app.connect("doctree-read", _fold)
    app.connect("html-page-context", _add_script)
