"""Run the chapters that are not in the execution cache, as many at once as there are cores.

MyST-NB runs each chapter when it reads it, one after another. Run ahead of that, they are in the
cache when they are read. What fails is run again by MyST-NB, which then reports it.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_cache import get_cache
from myst_nb.core.execute import create_client
from myst_nb.core.read import create_nb_reader
from sphinx.util import logging

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

_LOG = logging.getLogger(__name__)


class _Log:
    """What MyST-NB's client says of one chapter: its start and its end, with the name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def info(self, message: str, **_: Any) -> None:
        if message.startswith("Execut"):
            _LOG.info("%s: %s", self._name, message)

    def debug(self, message: str, **_: Any) -> None:
        """Leave the details to the run that reports."""

    warning = debug


def _run_ahead(_app: "Sphinx", env: "BuildEnvironment", docnames: list[str]) -> None:
    if env.mystnb_config.execution_mode == "cache":
        # two clients that made the cache's tables at the same time would fail
        get_cache(env.mystnb_config.execution_cache_path).list_project_records()
        with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
            list(pool.map(partial(_run, env), docnames))


def _run(env: "BuildEnvironment", name: str) -> None:
    path = env.doc2path(name)
    text = Path(path).read_text(encoding="utf-8")
    reader = create_nb_reader(path, env.myst_config, env.mystnb_config, text)
    if reader is None:
        return  # a page without cells
    notebook = reader.read(text)
    client = create_client(notebook, path, env.mystnb_config, _Log(name), reader.read_fmt)
    with client:
        """A client runs the notebook, or finds it in the cache, when it is entered."""


def setup(app: "Sphinx") -> None:
    """Run chapters before any page is read."""
    app.connect("env-before-read-docs", _run_ahead)
