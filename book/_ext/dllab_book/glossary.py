"""Definitions at hand: what the terms on a page mean, written into that page.

A page opened from a file may not fetch another one, so each page carries the definitions of
just the terms that it links to, in `template` elements: the browser shows them nowhere, sets no
formula in them and searches nothing in them until `glossary.js` takes one out. Links inside a
definition become text, since what appears on hover cannot be clicked on a touch screen.
"""

from html import escape
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx import addnodes

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.builders.html import StandaloneHTMLBuilder
    from sphinx.environment import BuildEnvironment

PREFIX = "term-"


def anchors(doctree: nodes.document) -> list[str]:
    """Return the anchors of the terms that a resolved page links to, each once, in order."""
    found = {}
    for reference in doctree.findall(nodes.reference):
        target = reference.get("refid") or reference.get("refuri", "").partition("#")[2]
        if target.startswith(PREFIX) and any(
            "std-term" in child["classes"] for child in reference.findall(nodes.inline)
        ):
            found[target] = None
    return list(found)


def definitions(env: "BuildEnvironment") -> dict[str, tuple[str, nodes.definition]]:
    """Map the anchor of each term to the term as written and its definition."""
    places: dict[str, dict[str, str]] = {}
    for name, kind, anchor, page in (
        (name, kind, found[1], found[0])
        for (kind, name), found in env.get_domain("std").objects.items()
    ):
        if kind == "term":
            places.setdefault(page, {})[anchor] = name
    return {
        term["ids"][0]: (places[page][term["ids"][0]], item.next_node(nodes.definition))
        for page in sorted(places)
        for item in env.get_doctree(page).findall(nodes.definition_list_item)
        for term in item.findall(nodes.term)
        if term["ids"] and term["ids"][0] in places[page]
    }


def _plain(definition: nodes.definition) -> nodes.container:
    """Return the definition without links, anchors and index entries."""
    copy = nodes.container("", *(child.deepcopy() for child in definition.children))
    for node in list(copy.findall(nodes.Element)):
        if isinstance(node, addnodes.pending_xref | nodes.reference) and node.parent is not None:
            node.parent.replace(node, node.children)
        elif isinstance(node, addnodes.index):
            node.parent.remove(node)
        else:
            node["ids"] = []
    return copy


def _rendered(builder: "StandaloneHTMLBuilder") -> dict[str, tuple[str, str, bool]]:
    """Return each term's name, its definition as HTML and whether that has formulas; made once."""
    if not hasattr(builder, "dllab_definitions"):
        builder.dllab_definitions = {
            anchor: (
                name,
                "".join(builder.render_partial(child)["body"] for child in _plain(definition)),
                next(definition.findall(nodes.math), None) is not None,
            )
            for anchor, (name, definition) in definitions(builder.env).items()
        }
    return builder.dllab_definitions


def _embed(
    app: "Sphinx", pagename: str, _template: str, context: dict[str, Any], doctree: Any
) -> None:
    if doctree is None or app.builder.name != "html":
        return
    known = _rendered(app.builder)
    used = [anchor for anchor in anchors(doctree) if anchor in known]
    if not used:
        return
    app.add_js_file("glossary.js", loading_method="defer")
    if any(known[anchor][2] for anchor in used):
        # A page without formulas of its own has no MathJax; this is what Sphinx looks at.
        app.env.get_domain("math").data["has_equations"][pagename] = True
    for anchor in used:
        name, html, _ = known[anchor]
        context["body"] += (
            f'<template class="glossary-definition" data-term="{escape(anchor)}">'
            f'<p class="glossary-term">{escape(name)}</p>\n{html}</template>\n'
        )


def setup(app: "Sphinx") -> None:
    """Write the definitions into the pages."""
    # Before the extension that adds MathJax to pages with formulas.
    app.connect("html-page-context", _embed, priority=400)
