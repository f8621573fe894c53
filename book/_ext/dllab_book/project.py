"""The addresses of the repository and the site, read from `[project.urls]` in `pyproject.toml`.

- `addresses(folder)`: the table, or an empty one where the folder has no `pyproject.toml`
- `setup(app)`: use them for the repository button, the launch buttons and the base address
"""

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config

COLAB = "https://colab.research.google.com"


def addresses(folder: Path) -> dict[str, str]:
    """Read `[project.urls]` of the project in `folder`."""
    path = folder / "pyproject.toml"
    if not path.exists():
        return {}
    with path.open("rb") as stream:
        return tomllib.load(stream).get("project", {}).get("urls", {})


def _use_addresses(app: "Sphinx", config: "Config") -> None:
    urls = addresses(Path(app.srcdir))
    if "Repository" not in urls:
        return
    repository = urls["Repository"].rstrip("/")
    # A copy: Sphinx compares the configuration with the last build's to see what changed.
    options = dict(config.html_theme_options)
    options["repository_url"] = repository
    options["launch_buttons"] = dict(options.get("launch_buttons") or {}) | {
        "colab_url": COLAB,
        "jupyterhub_url": urls.get("JupyterHub", ""),
    }
    config.html_theme_options = options
    config.html_baseurl = urls.get("Documentation", "").rstrip("/") + "/"


def setup(app: "Sphinx") -> None:
    """Fill in the theme's options before the theme reads them."""
    app.connect("config-inited", _use_addresses, priority=100)
