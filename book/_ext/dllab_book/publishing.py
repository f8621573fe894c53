"""What the site says about itself to those who find it, link to it and come back to it.

For each page a description, a card with title and picture for those who share its address, and
a line of data for search engines; for the site `sitemap.xml`, `robots.txt`, `404.html`, and a
page at each address that has moved. Nothing of it asks a third party for anything.

- `description(doctree, book)`: what a page is about, in at most 160 characters of plain text
- `published(path)`: the addresses in `book/addresses.txt`, and where moved ones went
- `draw_card(path, title, part)`: the picture of a page, 1200 by 630 pixels
"""

import html
import io
import json
import re
import textwrap
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from docutils import nodes

from .contents import parts

if TYPE_CHECKING:
    from sphinx.application import Sphinx

LONGEST = 160
CARDS = "social"
# Pages that Sphinx makes without a source.
UNWRITTEN = {"genindex": "The index", "search": "The search page"}
ADDRESSES = "book/addresses.txt"
# Changes with the look of the cards: those of an earlier look are drawn again.
CARD_LOOK = "2"
LICENSE = "https://creativecommons.org/licenses/by/4.0/"


def description(doctree: nodes.document, book: str) -> str:
    """Say what a page is about, in plain text.

    A page may say it itself, in its front matter. A chapter says what it teaches, from its card;
    another page begins with its first paragraph.
    """
    if told := _told(doctree):
        return told
    goals = _objectives(doctree)
    text = f"You learn to {'; '.join(goals)}." if goals else _paragraph(doctree)
    if not text:
        title = next(doctree.findall(nodes.title), None)
        text = f"{title.astext() if title else 'A page'}: a page of {book}."
    return shorten(text)


def _told(doctree: nodes.document) -> str:
    tags = [tag for tag in doctree.findall(nodes.meta) if tag.get("name") == "description"]
    return tags[0]["content"] if tags else ""


def shorten(text: str, longest: int = LONGEST) -> str:
    """Cut a text at the end of a sentence, of a clause, or of a word."""
    text = " ".join(text.split())
    if len(text) <= longest:
        return text
    for end in (". ", "; "):
        place = text.rfind(end, longest // 2, longest)
        if place > 0:
            return text[:place] + "."
    return textwrap.shorten(text, longest, placeholder="…")


def _objectives(doctree: nodes.document) -> list[str]:
    """Return what a chapter teaches, from its card: the words after each objective's id."""
    goals = []
    for item in doctree.findall(nodes.list_item):
        if "objective" in item["classes"]:
            name = next(
                (n for n in item.findall(nodes.inline) if "objective-id" in n["classes"]), None
            )
            words = _words(item)
            goals.append(words.removeprefix(name.astext() if name else "").strip())
    return [goal for goal in goals if goal]


def _paragraph(doctree: nodes.document) -> str:
    for paragraph in doctree.findall(nodes.paragraph):
        if isinstance(paragraph.parent, nodes.section | nodes.container):
            words = _words(paragraph)
            if words and len(words) > 40:
                return words
    return ""


def _words(node: nodes.Node) -> str:
    """Return a node's text, or nothing if a formula in it needs more than letters."""
    if any(not re.fullmatch(r"[\w=+., ]+", math.astext()) for math in node.findall(nodes.math)):
        return ""
    return " ".join(node.astext().split())


def published(path: Path) -> dict[str, str]:
    """Read the list of addresses.

    Returns:
        For each address the one that it moved to, or an empty text if it is where it was.
    """
    if not path.exists():
        return {}
    lines = [line.partition("#")[0].strip() for line in path.read_text("utf-8").splitlines()]
    return {
        old.strip(): new.strip() for old, _, new in (line.partition("->") for line in lines if line)
    }


def draw_card(path: Path, title: str, part: str, book: str) -> bool:
    """Draw a page's picture unless it is there already; return whether it was drawn."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    told = f"{CARD_LOOK} | {book} | {part} | {title}"
    if path.exists():
        with Image.open(path) as image:
            if image.text.get("Description") == told:
                return False
    path.parent.mkdir(parents=True, exist_ok=True)
    info = PngInfo()
    info.add_text("Description", told)
    # 64 colors are plenty for letters on one color, and a quarter of the bytes.
    Image.open(_figure(title, part, book)).convert("RGB").quantize(64).save(
        path, optimize=True, pnginfo=info
    )
    return True


def _figure(title: str, part: str, book: str) -> io.BytesIO:
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # A picture to share looks the same whatever settings the machine has.
    with rc_context({"font.family": "DejaVu Sans", "text.usetex": False, "text.parse_math": False}):
        figure = Figure(figsize=(12, 6.3), dpi=100, facecolor="#0b2233")
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, 1200), ylim=(0, 630))
        axes.axis("off")
        _draw_network(axes)
        axes.text(80, 530, part, fontsize=24, color="#7cc4f0", va="center")
        width, size = (20, 52) if len(title) <= 40 else (25, 42)
        lines = textwrap.wrap(title, width)
        axes.text(
            76,
            325,
            "\n".join(lines),
            fontsize=size,
            color="white",
            weight="bold",
            va="center",
            linespacing=1.25,
        )
        axes.text(80, 90, book, fontsize=26, color="#dbe6ee", va="center")
        made = io.BytesIO()
        figure.savefig(made, format="png")
    made.seek(0)
    return made


def _draw_network(axes: Any) -> None:
    """Draw a network of three layers at the right edge."""
    from matplotlib.patches import Circle

    layers = [[(905, 245), (905, 385)], [(1005, 175), (1005, 315), (1005, 455)], [(1105, 315)]]
    for left, right in pairwise(layers):
        for start in left:
            for end in right:
                axes.plot(*zip(start, end, strict=True), color="#2f7fb0", linewidth=4, zorder=1)
    for layer, color in zip(layers, ("#56b4e9", "#2f8fcc", "#e8743b"), strict=True):
        for place in layer:
            axes.add_patch(Circle(place, 30, color=color, zorder=2))


def _card_name(pagename: str) -> str:
    return f"{CARDS}/{pagename.replace('/', '-')}.png"


def _add_metadata(
    app: "Sphinx", pagename: str, _template: str, context: dict[str, Any], doctree: Any
) -> None:
    if app.builder.name != "html":
        return
    book = app.config.html_title or app.config.project
    title = _title(app, pagename) if doctree is not None else UNWRITTEN.get(pagename, "A page")
    about = description(doctree, book) if doctree is not None else f"{title} of {book}."
    tags = [] if doctree is not None and _told(doctree) else [_meta("description", about)]
    if doctree is not None and app.config.html_baseurl:
        tags += _sharing(app, pagename, title, about, book)
    context["metatags"] = context.get("metatags", "") + "\n    ".join(["", *tags])


def _sharing(app: "Sphinx", pagename: str, title: str, about: str, book: str) -> list[str]:
    address, picture = _address(app, f"{pagename}.html"), _address(app, _card_name(pagename))
    is_front = pagename == app.config.root_doc
    course = {"@type": "Course", "name": book, "url": _address(app, "")}
    data: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "Course" if is_front else "LearningResource",
        "name": title,
        "description": about,
        "url": address,
        "inLanguage": "en",
        "license": LICENSE,
        "isAccessibleForFree": True,
    }
    data |= {"provider": {"@type": "Organization", "name": book}} if is_front else {}
    data |= {} if is_front else {"isPartOf": course}
    # A page's text cannot end the script: every `<` is written as an escape.
    told = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    return [
        _property("og:type", "website" if is_front else "article"),
        _property("og:site_name", book),
        _property("og:title", title),
        _property("og:description", about),
        _property("og:url", address),
        _property("og:image", picture),
        _property("og:image:width", "1200"),
        _property("og:image:height", "630"),
        _property("og:image:alt", f"{title}. {book}."),
        _meta("twitter:card", "summary_large_image"),
        f'<script type="application/ld+json">{told}</script>',
    ]


def _meta(name: str, content: str) -> str:
    return f'<meta name="{name}" content="{html.escape(content)}" />'


def _property(name: str, content: str) -> str:
    return f'<meta property="{name}" content="{html.escape(content)}" />'


def _address(app: "Sphinx", name: str) -> str:
    return f"{app.config.html_baseurl.rstrip('/')}/{quote(name)}"


def _title(app: "Sphinx", pagename: str) -> str:
    return app.env.titles[pagename].astext()


def _part(app: "Sphinx", pagename: str) -> str:
    """Say where in the book a page stands: `Foundations, chapter 5`."""
    for part in parts(app):
        if pagename in part.documents:
            number = app.env.toc_secnumbers.get(pagename, {}).get("")
            chapter = f"Chapter {number[0]}" if number else ""
            return "  ·  ".join(filter(None, [chapter, part.caption]))
    return "A course that you run"


def _write_site_files(app: "Sphinx", error: Exception | None) -> None:
    if error or app.builder.name != "html":
        return
    out = Path(app.outdir)
    _write_redirects(app, out)
    if not app.config.html_baseurl:
        return
    book = app.config.html_title or app.config.project
    for name in sorted(app.env.found_docs):
        draw_card(out / _card_name(name), _title(app, name), _part(app, name), book)
    wanted = {out / _card_name(name) for name in app.env.found_docs}
    for path in set((out / CARDS).glob("*.png")) - wanted:
        path.unlink()
    _write(out / "sitemap.xml", _sitemap(app))
    _write(
        out / "robots.txt", f"User-agent: *\nAllow: /\nSitemap: {_address(app, 'sitemap.xml')}\n"
    )
    _write(out / "404.html", _not_found(app, book))


def _sitemap(app: "Sphinx") -> str:
    entries = [
        f"  <url><loc>{html.escape(_address(app, f'{name}.html'))}</loc></url>"
        for name in sorted(app.env.found_docs)
    ]
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">',
        *entries,
        "</urlset>",
    ]
    return "\n".join(lines) + "\n"


def _write_redirects(app: "Sphinx", out: Path) -> None:
    # Jupyter Book's own page at the site's root has neither a title nor a link.
    if app.config.root_doc != "index":
        book = app.config.html_title or app.config.project
        _write(out / "index.html", redirect("index.html", f"{app.config.root_doc}.html", book))
    for old, new in published(Path(app.srcdir, ADDRESSES)).items():
        if new:
            _write(out / old, redirect(old, new))


def redirect(old: str, new: str, title: str = "This page has moved") -> str:
    """Return the page at the address `old`, which leads to the address `new` of the same site."""
    target = html.escape("../" * old.count("/") + new)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title>\n"
        f'<meta http-equiv="refresh" content="0; url={target}">\n'
        f'<link rel="canonical" href="{target}"></head>\n'
        f"<body><main><h1>{html.escape(title)}</h1>"
        f'<p><a href="{target}">Go to the page</a></p></main></body></html>\n'
    )


def _not_found(app: "Sphinx", book: str) -> str:
    """Return the page for an address that leads nowhere.

    A host shows it at any depth, where relative addresses of styles and scripts are wrong. So
    it holds all that it shows, and its links are full addresses.
    """
    template = (Path(__file__).parent / "not_found.html").read_text(encoding="utf-8")
    parts = {
        "book": html.escape(book),
        "home": html.escape(_address(app, f"{app.config.root_doc}.html")),
        "search": html.escape(_address(app, "search.html")),
        "base": html.escape(_address(app, "")),
    }
    return re.sub(r"\{\{ (\w+) \}\}", lambda match: parts[match[1]], template)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def setup(app: "Sphinx") -> None:
    """Add to each page what it says of itself, and to the site the files around it."""
    app.connect("html-page-context", _add_metadata)
    app.connect("build-finished", _write_site_files)
