"""The book's own Sphinx extension.

- `site`: local scripts in the place of those that a default build fetches from third parties
- `execution`: the execution cache's key, the kernel and its environment
- `ahead`: several chapters run at once, before they are read
- `project`: the addresses of the repository and the site, from `pyproject.toml`
- `quiz`, `try_it`, `misconceptions`, `data_cards`: the directives that the chapters use
"""

from typing import TYPE_CHECKING, Any

from . import ahead, data_cards, execution, misconceptions, project, quiz, site, try_it

if TYPE_CHECKING:
    from sphinx.application import Sphinx

__version__ = "1"


def setup(app: "Sphinx") -> dict[str, Any]:
    """Register each part with Sphinx."""
    for part in (project, execution, ahead, site, misconceptions, quiz, try_it, data_cards):
        part.setup(app)
    return {"version": __version__, "parallel_read_safe": True, "parallel_write_safe": True}
