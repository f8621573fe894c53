"""What the book needs to be printed: one page that holds all of it, for `tools/build_pdf.py`.

Only the builder `singlehtml` is concerned; the site is built as if this module were not there.
Sphinx joins all documents into one page that is still a web page: with navigation, with scripts,
and with anchors that several documents share. `book.html`, written beside it, is that page made
for paper.

- `printed(page, root, contents, title)`: the page of the builder made into one for paper
"""

import html
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from docutils import nodes

from .contents import Part, parts
from .project import addresses

if TYPE_CHECKING:
    from sphinx.application import Sphinx

BUILDER = "singlehtml"
PRINTED = "book.html"

# Sphinx marks where a document begins, and `_keep_anchors` keeps this form in the links.
DOCUMENT = re.compile(r'<span id="document-([^"]+)"></span>')
ATTRIBUTE = re.compile(
    r'\b(id|name|for|href|aria-labelledby|aria-describedby|aria-controls)="([^"]*)"'
)
# Names, operators and numbers are printed in the color of the text: without an element for each
# of them, the tagged PDF is a quarter as large and prints in half the time.
TOKEN = re.compile(
    r'<span class="(?:n|p|w|o|mi|mf|bp|nn|fm|vm|si|se|nd|ne|na|kc|sa)">([^<]*)</span>'
)
# Pages that are there to be used, not read.
OMITTED = ("book/appendix/progress", "book/appendix/downloads")


def printed(
    page: str, root: str, contents: list[Part], title: str, imprint: str = "", site: str = ""
) -> str:
    """Make the one page that Sphinx wrote into a page for paper.

    Args:
        page: what the builder `singlehtml` wrote.
        root: the name of the document that holds all others, the front page.
        contents: the table of contents.
        title: the book's title.
        imprint: HTML for the foot of the title page.
        site: the site's address, for links to the pages that paper leaves out.

    Returns:
        A page with title, contents and one article for each document. It has no script but
        MathJax, every anchor once, chapters as first-level headings, nothing folded.
    """
    article = page[page.index('<article class="bd-article"') : page.rindex("</article>")]
    article = article[article.index(">") + 1 :]
    front, *rest = DOCUMENT.split(article)
    chapters = {name: _balanced(text) for name, text in zip(rest[::2], rest[1::2], strict=True)}
    front = front.partition('<div class="toctree-wrapper')[0] + "</section>"
    body = [_title_page(title, imprint), _article(_slug(root), front, "")]
    styles, lists = [], []
    for part in contents:
        entries = []
        for name in part.documents:
            if name not in chapters or name in OMITTED:
                continue
            text = _article(_slug(name), chapters[name], part.caption)
            body.append(text)
            styles.append(_running_head(_slug(name), _heading(text)))
            entries.append(_entry(text))
        caption = f'<p class="toc-part">{html.escape(part.caption)}</p>' if part.caption else ""
        lists.append(f"{caption}\n<ul>{''.join(entries)}</ul>")
    body.insert(1, _contents(lists))
    text = _shell(page, title, styles, body)
    for name in OMITTED:
        text = re.sub(rf'href="#{_slug(name)}(?::[^"]*)?"', f'href="{site}/{name}.html"', text)
    return text


def _balanced(text: str) -> str:
    """Return the section at the start of `text`, complete and without what is around it.

    A document that has others below it ends in the place where they begin.
    """
    text = text.partition('<div class="toctree-wrapper')[0]
    depth = 0
    for match in re.finditer(r"<section\b|</section>", text):
        depth += 1 if match[0] == "<section" else -1
        if depth == 0:
            return text[: match.end()]
    return text + "</section>" * depth


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name)


def _article(slug: str, text: str, caption: str) -> str:
    text = re.sub(r'<a class="headerlink".*?</a>', "", text, flags=re.DOTALL)
    # What a page says without JavaScript is what paper can say.
    text = re.sub(r"<script\b.*?</script>|</?noscript[^>]*>", "", text, flags=re.DOTALL)
    text = re.sub(r"<details\b(?![^>]*\bopen\b)", "<details open", text)
    text = text.replace('loading="lazy"', "").replace(
        "Show the answers</summary>", "Answers</summary>"
    )
    text = TOKEN.sub(r"\1", text)
    text = ATTRIBUTE.sub(lambda match: f'{match[1]}="{_anchor(slug, *match.groups())}"', text)
    # Below the book's title every document is a level or two down; on paper it has the first.
    first = re.search(r"<h([1-6])\b", text)
    shift = int(first[1]) - 1 if first else 0
    text = re.sub(r"<(/?)h([1-6])\b", lambda m: f"<{m[1]}h{max(1, int(m[2]) - shift)}", text)
    part = f'<p class="part">{html.escape(caption)}</p>\n' if caption else ""
    return f'<article class="chapter" id="{slug}" style="page: {slug}">\n{part}{text}\n</article>\n'


def _anchor(slug: str, attribute: str, value: str) -> str:
    """Tell one document's anchors from another's: `id3` of a chapter becomes `chapter:id3`."""
    if attribute == "href":
        if not value.startswith("#") or value == "#":
            return value
        if not value.startswith("#document-"):
            return f"#{slug}:{value[1:]}"
        name, _, fragment = value.removeprefix("#document-").partition("#")
        return f"#{_slug(name)}:{fragment}" if fragment else f"#{_slug(name)}"
    return " ".join(f"{slug}:{name}" for name in value.split())


def _plain(markup: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", markup)).split())


def _heading(text: str) -> str:
    found = re.search(r"<h1\b[^>]*>(.*?)</h1>", text, re.DOTALL)
    return _plain(found[1]) if found else ""


def _running_head(slug: str, heading: str) -> str:
    quoted = heading.replace("\\", r"\\").replace('"', r"\"").replace("<", r"\3c ")
    return f'@page {slug} {{ @top-center {{ content: "{quoted}"; }} }}'


def _entry(text: str) -> str:
    """Return a document's line in the contents, and below it those of its numbered sections."""
    slug = re.search(r'<article class="chapter" id="([^"]+)"', text)[1]
    sections = [
        _line(match[1], match[2])
        for match in re.finditer(
            r'<section\b[^>]*\bid="([^"]+)"[^>]*>\s*(?:<span id="[^"]*"></span>)*\s*'
            r"<h2\b[^>]*>(.*?)</h2>",
            text,
            re.DOTALL,
        )
        if "section-number" in match[2]
    ]
    below = f"<ul>{''.join(sections)}</ul>" if sections else ""
    return _line(slug, _heading(text), below)


def _line(anchor: str, heading: str, below: str = "") -> str:
    words = html.escape(_plain(heading))
    return (
        f'<li><a href="#{anchor}"><span class="toc-words">{words}</span>'
        f'<span class="toc-page" data-for="{anchor}"></span></a>{below}</li>\n'
    )


def _title_page(title: str, imprint: str) -> str:
    return (
        f'<header class="title-page"><img src="_static/favicon.svg" alt="">\n'
        f'<p class="book-title">{html.escape(title)}</p>\n'
        f'<div class="imprint">{imprint}</div></header>\n'
    )


def _contents(lists: list[str]) -> str:
    return f'<nav class="contents" aria-label="Contents"><h1>Contents</h1>\n{"".join(lists)}</nav>'


def _shell(page: str, title: str, styles: list[str], body: list[str]) -> str:
    head = page[: page.index("<body")]
    # Icons are drawn by a script or not at all; the other sheets make the page look like the site.
    sheets = [tag for tag in re.findall(r"<link\b[^>]*>", head) if 'rel="stylesheet"' in tag]
    mathjax = re.findall(r"<script>window\.MathJax = .*?</script>", head, re.DOTALL)
    mathjax += re.findall(r'<script[^>]*src="[^"]*mathjax[^"]*"[^>]*></script>', head)
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en" data-theme="light" data-mode="light">',
        f'<head><meta charset="utf-8"><title>{html.escape(title)}</title>',
        *sheets,
        '<link rel="stylesheet" href="_static/print.css">',
        "<style>",
        *styles,
        "</style>",
        *mathjax,
        '</head>\n<body><main class="bd-article bd-content">',
        *body,
        "</main></body></html>\n",
    ]
    return "\n".join(lines)


def _inherit_handlers(app: "Sphinx") -> None:
    """Let each node be written as `html` writes it.

    Sphinx asks the handlers of `html` only where a builder has none at all of its own. An
    extension that registers one node for `singlehtml` therefore takes all others away.
    """
    if app.builder.name == BUILDER:
        handlers = app.registry.translation_handlers
        handlers[BUILDER] = {**handlers.get("html", {}), **handlers.get(BUILDER, {})}
        app.builder.fix_refuris = _keep_anchors


def _keep_anchors(_tree: nodes.document) -> None:
    """Leave links as `#document-NAME#ANCHOR`: Sphinx would drop the name, and `#id3` is many."""


def _site(app: "Sphinx") -> str:
    return addresses(Path(app.srcdir)).get("Documentation", "").rstrip("/")


def _imprint(app: "Sphinx") -> str:
    try:
        edition = f"Version {version('dllab')}. "
    except PackageNotFoundError:
        edition = ""
    site = _site(app)
    link = f'The living book: <a href="{html.escape(site)}">{html.escape(site)}</a>' if site else ""
    return f"<p>{edition}Text: CC BY 4.0. Code: MIT.</p>\n<p>{link}</p>"


def _write_page(app: "Sphinx", error: Exception | None) -> None:
    if error or app.builder.name != BUILDER:
        return
    page = Path(app.outdir, f"{app.config.root_doc}.html").read_text(encoding="utf-8")
    title = app.config.html_title or app.config.project
    text = printed(page, app.config.root_doc, parts(app), title, _imprint(app), _site(app))
    Path(app.outdir, PRINTED).write_text(text, encoding="utf-8")


def setup(app: "Sphinx") -> None:
    """Connect what only the printed book needs."""
    app.connect("builder-inited", _inherit_handlers)
    app.connect("build-finished", _write_page)
