"""The book's own Sphinx extension.

- `site`: local scripts in the place of those that a default build fetches from third parties
- `execution`: the execution cache's key, the kernel and its environment
- `ahead`: several chapters run at once, before they are read
- `project`: the addresses of the repository and the site, from `pyproject.toml`
- `quiz`, `try_it`, `misconceptions`, `data_cards`: the directives that the chapters use
- `tabs`: cells of several frameworks, one behind the other
- `progress`, `glossary`: what a page tells the scripts that keep a reader's progress and show
  definitions
- `finding`: a box that narrows a long list
- `functions`: the reference pages of the package, from its docstrings
- `cards`: the card at a chapter's top, and those on the front page
- `icons`: the theme's icons, cut to those in use
"""

from typing import TYPE_CHECKING, Any

from . import (
    ahead,
    cards,
    data_cards,
    downloads,
    execution,
    finding,
    functions,
    glossary,
    icons,
    misconceptions,
    printing,
    progress,
    project,
    publishing,
    quiz,
    site,
    tabs,
    try_it,
)

if TYPE_CHECKING:
    from sphinx.application import Sphinx

__version__ = "1"


def setup(app: "Sphinx") -> dict[str, Any]:
    """Register each part with Sphinx."""
    for part in (
        project,
        execution,
        finding,
        ahead,
        site,
        misconceptions,
        quiz,
        try_it,
        tabs,
        data_cards,
        downloads,
        publishing,
        printing,
    ):
        part.setup(app)
    for part in (progress, glossary, functions, icons, cards):
        part.setup(app)
    return {
        "version": __version__,
        "env_version": 2,
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }
