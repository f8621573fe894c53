"""What a reader's browser keeps of their progress, and the page that shows it.

The reader's answers never leave the browser. What the scripts need to know of the book is
written into the pages by the build:

- `note_question(env, key, misconceptions)`: remember a question of the page that is being read
- `chapters(env)`: the chapters and labs, in order, each with its questions
- directive `progress`: the page "Your progress"; its body is what it says without JavaScript
- at the end of each chapter and lab, the place for a box that the reader may tick
"""

import json
from dataclasses import asdict, dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx
    from sphinx.builders import Builder
    from sphinx.environment import BuildEnvironment

LABS = "labs/"


@dataclass(frozen=True)
class Chapter:
    """A page that a reader works through: a chapter or a lab."""

    page: str
    title: str
    part: str
    kind: str
    """`chapter` or `lab`."""
    questions: tuple[str, ...]


class progress_page(nodes.General, nodes.Element):  # noqa: N801 (docutils names nodes like this)
    """The place of the page's tables; its children say what they would show."""


def note_question(env: "BuildEnvironment", key: str, misconceptions: tuple[str, ...]) -> bool:
    """Remember a question of the page that is being read; say whether it is a new one."""
    questions = _questions(env).setdefault(env.docname, {})
    if key in questions:
        return False
    questions[key] = misconceptions
    return True


def chapters(env: "BuildEnvironment") -> list[Chapter]:
    """Return the chapters and labs in the order of the table of contents.

    A page is a chapter if it asks questions, or stands in a numbered part.
    """
    found = []
    for tree in env.get_doctree(env.config.root_doc).findall(addnodes.toctree):
        for _, page in tree["entries"]:
            lab = page.startswith(LABS)
            if page in env.titles and (lab or tree.get("numbered") or page in _questions(env)):
                found.append(
                    Chapter(
                        page,
                        _title(env, page),
                        tree.get("caption") or "",
                        "lab" if lab else "chapter",
                        tuple(_questions(env).get(page, {})),
                    )
                )
    return found


def address(builder: "Builder", page: str) -> str:
    """Return the address of the page "Your progress" seen from `page`, empty without one."""
    target = getattr(builder.env, "dllab_progress_page", "")
    return builder.get_relative_uri(page, target) if target else ""


def _title(env: "BuildEnvironment", page: str) -> str:
    number = env.toc_secnumbers.get(page, {}).get("")
    start = f"{'.'.join(map(str, number))}. " if number else ""
    return start + env.titles[page].astext()


def _questions(env: "BuildEnvironment") -> dict[str, dict[str, tuple[str, ...]]]:
    """Map each page to its questions, and each question to the misconceptions in its answers."""
    if not hasattr(env, "dllab_questions"):
        env.dllab_questions = {}
    return env.dllab_questions


class Progress(SphinxDirective):
    """The tables of the page "Your progress"."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Keep the body for readers without JavaScript."""
        self.assert_has_content()
        self.env.dllab_progress_page = self.env.docname
        node = progress_page()
        self.set_source_info(node)
        self.state.nested_parse(self.content, self.content_offset, node)
        return [node]


def _data(builder: "Builder", page: str) -> dict[str, Any]:
    """Return what `progress_page.js` needs to know of the book."""
    found = chapters(builder.env)
    named = {
        name: None
        for chapter in found
        for names in _questions(builder.env).get(chapter.page, {}).values()
        for name in names
    }
    return {
        "chapters": [
            {**asdict(chapter), "url": builder.get_relative_uri(page, chapter.page)}
            for chapter in found
        ],
        "misconceptions": dict(_misconceptions(builder, page, named)),
    }


def _misconceptions(
    builder: "Builder", page: str, named: dict[str, None]
) -> "Iterator[tuple[str, dict[str, str]]]":
    labels = builder.env.get_domain("std").labels
    registry = builder.config.dllab_misconceptions
    for entry in (registry[name] for name in named if name in registry):
        links = {}
        for key, label in (("url", entry.anchor), ("section", entry.label)):
            if label.lower() in labels:
                target, anchor, title = labels[label.lower()]
                links[key] = f"{builder.get_relative_uri(page, target)}#{anchor}"
                if key == "section":
                    links["section_title"] = title
        yield entry.id, {"title": entry.title, **links}


def _visit_page(translator: Any, _node: progress_page) -> None:
    builder = translator.builder
    data = json.dumps(_data(builder, builder.current_docname), ensure_ascii=False)
    # As text of a script element, `</script>` or `<!--` would end or open something.
    data = data.replace("<", "\\u003c")
    translator.body.append(
        '<div class="progress-page">\n'
        f'<script type="application/json" id="progress-data">{data}</script>\n'
        '<div class="progress-fallback">\n'
    )


def _depart_page(translator: Any, _node: progress_page) -> None:
    translator.body.append("</div></div>\n")


def _add_scripts(
    app: "Sphinx", pagename: str, _template: str, context: dict[str, Any], doctree: Any
) -> None:
    if doctree is None or app.builder.name != "html":
        return
    # Before every script that reads or writes progress, whichever part of the book adds it.
    if next(doctree.findall(progress_page), None) is not None:
        app.add_js_file("progress.js", loading_method="defer", priority=400)
        app.add_js_file("progress_page.js", loading_method="defer")
    here = [chapter for chapter in chapters(app.env) if chapter.page == pagename]
    page = address(app.builder, pagename)
    if here and page:
        app.add_js_file("progress.js", loading_method="defer", priority=400)
        context["body"] += (
            f'<div class="progress-here" data-page="{escape(pagename)}" '
            f'data-kind="{here[0].kind}" data-progress="{escape(page)}"></div>\n'
        )
    elif _questions(app.env).get(pagename):
        app.add_js_file("progress.js", loading_method="defer", priority=400)


def _purge(_app: "Sphinx", env: "BuildEnvironment", page: str) -> None:
    _questions(env).pop(page, None)
    if getattr(env, "dllab_progress_page", "") == page:
        env.dllab_progress_page = ""


def _merge(
    _app: "Sphinx", env: "BuildEnvironment", pages: set[str], other: "BuildEnvironment"
) -> None:
    _questions(env).update(
        {page: found for page, found in _questions(other).items() if page in pages}
    )
    if getattr(other, "dllab_progress_page", "") in pages:
        env.dllab_progress_page = other.dllab_progress_page


def _pass(_translator: Any, _node: nodes.Node) -> None:
    """Show only the children."""


def setup(app: "Sphinx") -> None:
    """Register the directive, what the pages remember and the scripts."""
    plain = (_pass, _pass)
    app.add_node(progress_page, html=(_visit_page, _depart_page), latex=plain, text=plain)
    app.add_directive("progress", Progress)
    app.connect("env-purge-doc", _purge)
    app.connect("env-merge-info", _merge)
    app.connect("html-page-context", _add_scripts)
