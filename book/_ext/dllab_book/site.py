"""A site that asks no third party for anything.

A default Jupyter Book fetches MathJax, require.js and the widgets' script from content networks
and runs a script of sphinx-thebe that throws an error on every page. Here MathJax is local,
the others are dropped, and scripts go only onto the pages that need them.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes

from .quiz import quiz
from .try_it import try_it

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config

BOOK = Path(__file__).resolve().parents[2]
STATIC = BOOK / "_static"
VENDOR = BOOK / "_vendor"
MATHJAX = "mathjax/es5/tex-chtml.js"


def _use_local_scripts(app: "Sphinx", config: "Config") -> None:
    config.mathjax_path = MATHJAX
    config.mathjax_options = {"defer": "defer"}
    # A static page cannot run an ipywidget, so it needs no script for one.
    config.nb_ipywidgets_js = {}


def _add_static_folders(app: "Sphinx") -> None:
    # Not in `_config.yml`: Jupyter Book would put every script and style sheet below a
    # configured static path onto every page.
    for folder in (VENDOR, STATIC):
        if str(folder) not in app.config.html_static_path:
            app.config.html_static_path.append(str(folder))
    app.add_css_file("dllab.css", priority=900)
    app.add_js_file("paper.js", loading_method="defer")


def _choose_scripts(
    app: "Sphinx", pagename: str, _template: str, context: dict[str, Any], doctree: Any
) -> None:
    # In place: `add_js_file` below adds to this very list.
    for assets in (context["script_files"], context["css_files"]):
        assets[:] = [asset for asset in assets if not _is_thebe(asset)]
    if doctree is None:
        return
    if next(doctree.findall(quiz), None) is not None:
        app.add_js_file("quiz.js", loading_method="defer")
    names = sorted({node["widget"] for node in doctree.findall(try_it)})
    scripts = [script for name in names for script in widget_scripts(STATIC / "widgets", name)]
    for script in dict.fromkeys(scripts):
        app.add_js_file(f"widgets/{script}", loading_method="defer")
    if scripts:
        app.add_css_file("widgets.css", priority=901)


def widget_scripts(folder: Path, name: str) -> list[str]:
    """Return the scripts of an interactive figure, in the order in which they have to run.

    A script names what it needs, besides `common.js`, in its first lines: `// @needs network.js`.
    A figure without a script has none: its place shows the static text alone.
    """
    script = folder / f"{name}.js"
    if not script.exists():
        return []
    needed = re.findall(r"^// @needs (\S+)$", script.read_text(encoding="utf-8"), re.MULTILINE)
    return ["common.js", *needed, script.name]


def _is_thebe(asset: Any) -> bool:
    source = f"{getattr(asset, 'filename', asset)} {getattr(asset, 'attributes', '')}"
    return "thebe" in source.lower()


def _drop_thebe_nodes(app: "Sphinx", doctree: nodes.document, _docname: str) -> None:
    for node in list(doctree.findall(nodes.raw)):
        text = node.astext()
        if "x-thebe-config" in text or "kernelName = " in text:
            node.parent.remove(node)


def _mend_roles(
    _app: "Sphinx", _pagename: str, _template: str, context: dict[str, Any], _doctree: Any
) -> None:
    # docutils gives a citation a role that ARIA has withdrawn and that no list may hold, and makes
    # a margin note a landmark, which may not lie within the page's main part.
    if "body" in context:
        body = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')
        context["body"] = body.replace('<aside class="margin', '<aside role="note" class="margin')


def _mend_launch_buttons(
    _app: "Sphinx", _pagename: str, _template: str, context: dict[str, Any], _doctree: Any
) -> None:
    # Colab opens notebooks only; a chapter's source is Markdown, its notebook a download.
    if context.get("page_source_suffix") == ".ipynb":
        return
    for group in context.get("header_buttons", []):
        if group.get("label") == "launch-buttons":
            group["buttons"] = [b for b in group["buttons"] if b["text"] != "Colab"]
    context["header_buttons"] = [
        group
        for group in context.get("header_buttons", [])
        if group.get("label") != "launch-buttons" or group["buttons"]
    ]


def _tell_github_pages(app: "Sphinx", error: Exception | None) -> None:
    """Keep GitHub Pages from leaving out the folders whose names start with `_`."""
    if not error and app.builder.format == "html":
        Path(app.outdir, ".nojekyll").touch()


def setup(app: "Sphinx") -> None:
    """Connect the changes at the moments at which they take effect."""
    app.connect("config-inited", _use_local_scripts, priority=900)
    app.connect("builder-inited", _add_static_folders)
    app.connect("doctree-resolved", _drop_thebe_nodes, priority=900)
    app.connect("html-page-context", _choose_scripts, priority=900)
    app.connect("html-page-context", _mend_launch_buttons, priority=600)
    app.connect("html-page-context", _mend_roles)
    app.connect("build-finished", _tell_github_pages)
