"""`try-it`: a place for an interactive figure, which keeps its static content without JavaScript.

```{try-it} backprop-graph
:alt: A graph of four nodes; each shows its value and its gradient.
Fallback: text, or an image.
```

The script `book/_static/widgets/NAME.js` goes onto the page if it exists. It finds its place with
`document.querySelectorAll('[data-widget="NAME"]')`, keeps the fallback inside and puts itself
before it.
"""

from typing import TYPE_CHECKING, Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx


class try_it(nodes.General, nodes.Element):  # noqa: N801 (docutils names nodes like this)
    """The container; its children are the fallback."""


class TryIt(SphinxDirective):
    """The directive: one name, an obligatory `alt`, the fallback as body."""

    required_arguments = 1
    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {"alt": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        """Parse the fallback into the container."""
        if "alt" not in self.options:
            raise self.error(f"try-it `{self.arguments[0]}` needs the option `alt`")
        node = try_it(widget=self.arguments[0], alt=self.options["alt"])
        self.set_source_info(node)
        self.state.nested_parse(self.content, self.content_offset, node)
        return [node]


def _visit_html(translator: Any, node: try_it) -> None:
    name = node["widget"]
    attributes = {"data-widget": name, "role": "group", "aria-label": node["alt"]}
    translator.body.append(
        translator.starttag(node, "div", "", CLASS="try-it", ids=[f"try-{name}"], **attributes)
    )
    translator.body.append('<p class="try-it-title">Try it</p>\n<div class="try-it-fallback">\n')


def _depart_html(translator: Any, _node: try_it) -> None:
    translator.body.append("</div></div>\n")


def _pass(_translator: Any, _node: nodes.Node) -> None:
    """Show only the children."""


def setup(app: "Sphinx") -> None:
    """Register the directive and its node."""
    plain = (_pass, _pass)
    app.add_node(try_it, html=(_visit_html, _depart_html), latex=plain, text=plain)
    app.add_directive("try-it", TryIt)
