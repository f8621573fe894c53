"""Where the project lies: folders of the repository and its public addresses.

- `find_root(start)`: the repository that holds a path
- `how_to_run(lab)`: the text that tells a learner where `dllab` comes from
"""

import tomllib
from functools import cache
from pathlib import Path

from dllab.errors import AuthoringError

__all__ = ["find_root", "how_to_run"]


def find_root(start: Path | None = None) -> Path:
    """Return the folder at or above `start` (default: here) that holds `labs/source`.

    Raises:
        AuthoringError: no such folder.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "labs" / "source").is_dir():
            return folder
    raise AuthoringError(
        f"{start}: neither this folder nor one above it holds `labs/source`; "
        "run the command inside a copy of the course's repository"
    )


def how_to_run(lab: str) -> str:
    """Return the Markdown line below a lab's title."""
    repository = _repository()
    colab = repository.replace("https://github.com", "https://colab.research.google.com/github")
    return (
        f"*Run this notebook in JupyterLab, where `dllab` is installed, or "
        f"[in Colab]({colab}/blob/main/labs/{lab}.ipynb); there, first run "
        f"`%pip install git+{repository}` in a new cell.*"
    )


@cache
def _repository() -> str:
    # pyproject.toml is the one place that names the address; authoring always runs in a checkout.
    path = Path(__file__).parents[2] / "pyproject.toml"
    if not path.is_file():
        raise AuthoringError(f"{path}: not found; authoring needs a checkout of the repository")
    return tomllib.loads(path.read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
