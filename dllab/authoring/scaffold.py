"""Start a new lab.

- `new_lab(name, root)`: write a folder with a small lab that lints, builds and passes
"""

import re
from importlib.resources import files
from pathlib import Path

from dllab.authoring.build import write_if_changed
from dllab.authoring.project import find_root
from dllab.errors import AuthoringError

__all__ = ["new_lab"]

_NAME = re.compile(r"(\d\d)_([a-z][a-z0-9]*(?:_[a-z0-9]+)*)")


def new_lab(name: str, root: Path | None = None) -> Path:
    """Create `labs/source/<name>` from the template and return the folder.

    Args:
        name: two digits and words joined by `_`, such as `07_convolution`.
        root: the repository; found from the current folder by default.

    Raises:
        AuthoringError: the name has another form, or the lab exists already.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise AuthoringError(f"`name` should look like `07_convolution`, got {name!r}")
    folder = (root or find_root()) / "labs" / "source" / name
    if folder.exists():
        raise AuthoringError(f"{folder} exists already; choose another `name`")
    number, words = match.groups()
    values = {
        "NAME": name,
        "NUMBER": number,
        "TITLE": words.replace("_", " ").capitalize(),
        "PREFIX": words.replace("_", "-"),
    }
    for template in files("dllab.authoring").joinpath("template").iterdir():
        text = template.read_text(encoding="utf-8")
        for key, value in values.items():
            text = text.replace(f"@{key}@", value)
        write_if_changed(folder / template.name.removesuffix(".txt"), text)
    return folder
