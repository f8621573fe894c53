"""Pages that hold what students wrote: text made harmless, templates that escape everything.

- `render(template, **values)`: HTML in one file, with the style inside and without any script
- `one_line(text, limit)`, `lines(text, limit)`: control characters shown, length capped
- `set_code(text)`: a line as HTML, with what stands between backticks as code
- `web_link(address)`: the address if it is one of the web, else ''
- `chapter(section)`: the chapter and section of a reference into the book, for people
- `number(value)`: points as people write them
"""

import unicodedata
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from dllab.grading.spreadsheet import written

__all__ = ["chapter", "lines", "number", "one_line", "render", "set_code", "web_link"]

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)
_LINE, _LINES = 300, 2000  # characters
_JOINERS = "\u200c\u200d"  # several scripts, and emoji, need them
_PILED = 4  # combining marks on one letter; no language needs more


def one_line(text: Any, limit: int = _LINE) -> str:
    """Return text in one line, capped, with characters that act shown as what they are.

    >>> one_line("a\\nb \\x1b[31mred \\u202egnp.exe")
    'a b ␛[31mred ⟨U+202E⟩gnp.exe'
    """
    text, more = _capped(str(text), limit)
    return _shown(" ".join(text.split())) + more


def lines(text: Any, limit: int = _LINES) -> str:
    """Return text with its line breaks, otherwise as `one_line` does."""
    text, more = _capped(str(text), limit)
    return "\n".join(_shown(line) for line in text.splitlines()) + more


def set_code(text: Any, limit: int = _LINE) -> Markup:
    """Return a line as HTML, with what stands between backticks as code.

    >>> set_code("Return `<b>`, not 1.")
    Markup('Return <code>&lt;b&gt;</code>, not 1.')
    """
    shown = one_line(text, limit)
    pieces = shown.split("`")
    if len(pieces) % 2 == 0:  # a backtick without a partner means itself
        return escape(shown)
    parts = [
        Markup("<code>{}</code>").format(piece) if index % 2 else escape(piece)
        for index, piece in enumerate(pieces)
    ]
    return Markup("").join(parts)


def web_link(address: Any) -> str:
    """Return an address of the web as it is, and '' for any other.

    >>> web_link("https://example.org/a#b"), web_link("javascript:alert(1)")
    ('https://example.org/a#b', '')
    """
    text = str(address)
    if len(text) > 2000 or any(ord(letter) <= 32 for letter in text):
        return ""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    return text if parts.scheme in ("http", "https") and parts.netloc else ""


def chapter(section: Any) -> str:
    """Return what a reference into the book points at, in words.

    >>> chapter("foundations/backpropagation#bp-fan-out"), chapter("start/setup")
    ('Backpropagation, fan out', 'Setup')
    """
    page, _, label = str(section).partition("#")
    name = page.rpartition("/")[2].replace("_", " ")
    _, _, words = label.partition("-")  # labels begin with a chapter's short name
    return one_line(", ".join(filter(None, (name.capitalize(), words.replace("-", " ")))), 120)


def number(value: float | None) -> str:
    """Return points as people write them, with a true minus sign.

    >>> number(17.0), number(-2.5), number(None)
    ('17', '−2.5', '–')
    """
    return "–" if value is None else written(value).replace("-", "\u2212")


def render(template: str, **values: Any) -> str:
    """Return a template's HTML; a value that the template needs and does not get is an error."""
    return _environment().get_template(template).render(values) + "\n"


def _capped(text: str, limit: int) -> tuple[str, str]:
    return (text, "") if len(text) <= limit else (text[:limit], " …")


def _shown(text: str) -> str:
    """Return text without a character that would act on the page or hide itself."""
    shown, piled = [], 0
    for letter in text:
        category = unicodedata.category(letter)
        piled = piled + 1 if category in ("Mn", "Me") else 0
        if piled <= _PILED:
            shown.append(_picture(letter, category))
    return "".join(shown)


def _picture(letter: str, category: str) -> str:
    code = ord(letter)
    if letter == "\t":
        return "    "
    if code < 32:
        return chr(0x2400 + code)
    if category in ("Cc", "Cs", "Co", "Cn") or (category == "Cf" and letter not in _JOINERS):
        return f"⟨U+{code:04X}⟩"
    return letter


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("dllab.grading"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "one_line": one_line,
        "lines": lines,
        "code": set_code,
        "web_link": web_link,
        "number": number,
        "chapter": chapter,
    }
    style = resources.files("dllab.grading").joinpath("page.css").read_text(encoding="utf-8")
    environment.globals |= {"style": Markup(style), "policy": POLICY}
    return environment
