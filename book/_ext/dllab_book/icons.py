"""The theme's icons, cut to those that the pages use.

The theme loads 1.5 MB of JavaScript on each page that draws two thousand icons, and an icon font
besides, though a page shows a dozen of them. Here the script goes (`book/_templates`), and the
font that the theme's style sheet falls back to is cut to the icons in use and put into it.

- `icons_in(pages)`: the icons that HTML names in its classes
- `known_icons(sheet)`: each icon's code, from the theme's style sheet
- `cut_sheet(sheet, names, faces)`: the style sheet with these icons and fonts alone
- `name_toggles(menu)`: names for the arrows of a menu, which are icons alone
- `cut_font(path, codes, family)`: the font with these characters alone
- `IconError`: a page names an icon that the theme does not have
"""

import base64
import io
import logging
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydata_sphinx_theme
from bs4 import BeautifulSoup
from sphinx.errors import SphinxError

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config

TEMPLATES = Path(__file__).resolve().parents[2] / "_templates"
THEME = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme" / "static"
SHEET = "styles/pydata-sphinx-theme.css"
FONTS = {"fa-solid-900.ttf": 900, "fa-regular-400.ttf": 400, "fa-brands-400.ttf": 400}
# The license of the font reserves its name for the whole font.
FAMILIES = {"fa-solid-900.ttf": "Lab Icons", "fa-regular-400.ttf": "Lab Icons"}
FAMILIES["fa-brands-400.ttf"] = "Lab Icons Brands"
NOTICE = (
    "/*! Icons cut from Font Awesome Free by @fontawesome, https://fontawesome.com, "
    "under the SIL OFL 1.1 (font) and CC BY 4.0 (icons). Copyright Fonticons, Inc. */\n"
)

# What no page asks for: source maps, the whole icon set, scripts of parts that are switched off.
UNUSED = (
    "**/*.map",
    "scripts/fontawesome.js",
    "scripts/fontawesome.js.LICENSE.txt",
    "vendor/fontawesome",
    "webpack-macros.html",
    "sbt-webpack-macros.html",
    "sphinx-thebe.js",
    "sphinx-thebe.css",
)

CLASS = re.compile(r'class="([^"]*\bfa-[^"]*)"')
NAME = re.compile(r"\bfa-[a-z0-9-]+")
RULE = re.compile(r"((?:\.fa-[a-z0-9-]+:before,?)+)\{content:\"([^\"]+)\"\}")
PRIVATE = re.compile("[\ue000-\uf8ff]|\\\\(e[0-9a-f]{3}|f[0-8][0-9a-f]{2})", re.IGNORECASE)
FACE = re.compile(r"@font-face\{[^}]*Font Awesome[^}]*\}")
NOT_ICONS = re.compile(
    r"fa-(solid|regular|brands|classic|sharp|fw|lg|xl|xs|sm|2xs|2xl|\d+x|inverse|ul|li|border"
    r"|spin|pulse|pull-.*|rotate-.*|flip.*|stack.*)$"
)


class IconError(SphinxError):
    """A page names an icon that the theme does not have."""

    category = "Icon error"


def icons_in(pages: Iterable[str]) -> set[str]:
    """Return the names of the icons, such as `fa-sun`, in the classes of some HTML."""
    classes = {name for page in pages for value in CLASS.findall(page) for name in value.split()}
    return {name for name in classes if NAME.fullmatch(name) and not NOT_ICONS.match(name)}


def known_icons(sheet: str) -> dict[str, str]:
    """Return for each icon's name the character that shows it."""
    return {
        name: _character(content)
        for names, content in RULE.findall(sheet)
        for name in NAME.findall(names)
    }


def _character(content: str) -> str:
    code = content.strip().removeprefix("\\")
    return chr(int(code, 16)) if re.fullmatch("[0-9a-f]{2,6}", code) else code


def characters_in(sheet: str) -> set[str]:
    """Return the private characters that a style sheet's rules show, written or escaped."""
    return {_character(match[0]) for match in PRIVATE.finditer(RULE.sub("", sheet))}


def cut_font(path: Path, characters: Iterable[str], family: str) -> bytes:
    """Return the font in `path` as WOFF with these characters alone, under another name."""
    # Slow to import, and needed at the end of a build only.
    from fontTools import subset, ttLib

    # It reports each table that it cuts, which nobody who builds a book wants to read.
    logging.getLogger("fontTools").setLevel(logging.WARNING)
    font = ttLib.TTFont(path)
    options = subset.Options(notdef_outline=True, name_IDs=[0, 1, 2, 4, 6, 13, 14])
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=[ord(character) for character in characters])
    subsetter.subset(font)
    for record in font["name"].names:
        if record.nameID in (1, 4, 6):
            record.string = family.replace(" ", "") if record.nameID == 6 else family
    # The same pages give the same file: no time of day in it.
    font["head"].modified = font["head"].created
    font.recalcTimestamp = False
    font.flavor = "woff"
    stream = io.BytesIO()
    font.save(stream)
    return stream.getvalue()


def face(font: bytes, family: str, weight: int) -> str:
    """Return the rule that brings a font along: a page from a file may not fetch one."""
    data = base64.b64encode(font).decode()
    return (
        f'@font-face{{font-display:block;font-family:"{family}";font-style:normal;'
        f'font-weight:{weight};src:url(data:font/woff;base64,{data}) format("woff")}}\n'
    )


def cut_sheet(sheet: str, names: set[str], faces: str) -> str:
    """Return the theme's style sheet with the icons in `names` and the fonts `faces` alone."""

    def keep(rule: re.Match[str]) -> str:
        kept = [name for name in NAME.findall(rule[1]) if name in names]
        # The part behind the slash is what a screen reader says: nothing.
        # For a browser that does not know that, the rule comes without it first.
        content = f'content:"{rule[2]}";content:"{rule[2]}"/""'
        return "".join(f".{name}:before{{{content}}}" for name in kept)

    sheet = FACE.sub("", RULE.sub(keep, sheet))
    for name, family in (("Free", "Lab Icons"), ("Brands", "Lab Icons Brands")):
        sheet = re.sub(rf"Font Awesome\\ 6 {name}|\"Font Awesome 6 {name}\"", f'"{family}"', sheet)
    sheet = re.sub(r"/\*# sourceMappingURL=.*?\*/", "", sheet)
    head, _, rest = sheet.partition("\n")
    return f"{head}\n{NOTICE}{faces}{rest}"


def _cut(app: "Sphinx", error: Exception | None) -> None:
    if error or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    # From the theme, not from the last build's output, which is cut already.
    sheet = (THEME / SHEET).read_text(encoding="utf-8")
    known = known_icons(sheet)
    pages = {path: path.read_text(encoding="utf-8") for path in _pages(Path(app.outdir))}
    names = icons_in(pages.values())
    for path, page in pages.items():
        for name in sorted(icons_in([page]) - set(known)):
            raise IconError(f"{path.relative_to(app.outdir)}: the theme has no icon `{name}`")
    scripts = [*static.glob("*.js"), *(static / "scripts").glob("[!f]*.js")]
    for script in scripts:
        names |= set(NAME.findall(script.read_text(encoding="utf-8"))) & set(known)
    characters = {known[name] for name in names} | characters_in(sheet)
    for path in (static / "styles" / "sphinx-book-theme.css", *static.glob("*.css")):
        if path.exists():
            text = path.read_text(encoding="utf-8")
            characters |= characters_in(text)
            _rename_family(path, text)
    target = static / SHEET
    target.write_text(cut_sheet(sheet, names, _faces(characters)), encoding="utf-8")
    _remove_unused(static)


def _pages(site: Path) -> list[Path]:
    return [path for path in site.rglob("*.html") if "_static" not in path.parts]


def _rename_family(path: Path, text: str) -> None:
    renamed = text.replace(r"Font Awesome\ 6 Free", '"Lab Icons"')
    if renamed != text:
        path.write_text(renamed, encoding="utf-8")


def _faces(characters: set[str]) -> str:
    folder = THEME / "vendor" / "fontawesome" / "webfonts"
    return "".join(
        face(cut_font(folder / name, sorted(characters), FAMILIES[name]), FAMILIES[name], weight)
        for name, weight in FONTS.items()
    )


def _remove_unused(static: Path) -> None:
    for pattern in UNUSED:
        for path in static.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path)
                continue
            path.unlink()
            if path.suffix == ".map":
                _drop_source_map(path.with_suffix(""))


def _drop_source_map(path: Path) -> None:
    if path.exists():
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r"\n?(//|/\*)# sourceMappingURL=.*", "", text), encoding="utf-8")


def name_toggles(menu: BeautifulSoup) -> None:
    """Name the arrows of a menu by the page before them: they show an icon and no word."""
    for folded in menu.select("a + details"):
        link = folded.find_previous_sibling("a")
        folded.summary["aria-label"] = f"Pages in: {link.get_text()}"


def _name_toggles(
    _app: "Sphinx", _pagename: str, _template: str, context: dict[str, Any], _doctree: Any
) -> None:
    generate = context.get("generate_toctree_html")
    if generate is None:
        return

    def named(*arguments: Any, **options: Any) -> Any:
        menu = generate(*arguments, **options)
        if isinstance(menu, BeautifulSoup):
            name_toggles(menu)
        return menu

    context["generate_toctree_html"] = named


def _use_own_templates(_app: "Sphinx", config: "Config") -> None:
    if str(TEMPLATES) not in config.templates_path:
        config.templates_path = [str(TEMPLATES), *config.templates_path]
    # A changed theme is a changed address, so that no browser keeps the old one's files.
    config.html_context = dict(config.html_context) | {
        "theme_release": pydata_sphinx_theme.__version__
    }


def setup(app: "Sphinx") -> None:
    """Put the templates first, and cut at the very end."""
    app.connect("config-inited", _use_own_templates)
    app.connect("html-page-context", _name_toggles, priority=900)
    app.connect("build-finished", _cut, priority=900)
