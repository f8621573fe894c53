"""A book of one page in a temporary folder, built as the real one is."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
EXTENSION = ROOT / "book" / "_ext"
SITE = ROOT / "build" / "book" / "_build" / "html"

MISCONCEPTIONS = """
[gradient-overwritten]
title = "A second use overwrites the first one's gradient"
wrong = "The last path to a value decides its gradient."
right = "Each path adds its share $\\\\bar v$."
section = "page#demo-section"
"""

MUTANTS = '''
from dllab.check import mutant

@mutant("accumulate", misconception="gradient-overwritten")
def overwrites(v):
    """Your gradient holds the last path only."""
'''

INDEX = "(demo-index)=\n# Misconceptions\n\n```{misconceptions}\n```\n"

HEAD = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---

"""


@dataclass(frozen=True)
class Built:
    """What a build left behind."""

    status: int
    output: str
    site: Path

    def page(self, name: str = "page") -> str:
        """The HTML of one page."""
        return (self.site / f"{name}.html").read_text(encoding="utf-8")


def write_book(folder: Path, page: str) -> None:
    """Write a book with the real configuration, the given page and a misconception index."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    config["sphinx"]["local_extensions"]["dllab_book"] = str(EXTENSION)
    config["logo"] = config["html"]["favicon"] = ""
    config["repository"] = {"url": "https://github.com/example/example"}
    files = {
        "_config.yml": yaml.safe_dump(config),
        "_toc.yml": "format: jb-book\nroot: page\nchapters:\n- file: misconceptions\n"
        "- file: labs/09_demo\n",
        "page.md": HEAD + page,
        "misconceptions.md": INDEX,
        "labs/09_demo.md": "# Lab 09\n\nTasks.\n",
        "labs/source/09_demo/misconceptions.toml": MISCONCEPTIONS,
        "labs/source/09_demo/mutants.py": MUTANTS,
        "book/references.bib": "",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def build_book(folder: Path) -> Built:
    """Build strictly with Jupyter Book's own command."""
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(folder)]
    options = ["--path-output", str(folder / "out"), "-n", "-W", "--keep-going"]
    done = subprocess.run(command + options, capture_output=True, text=True, check=False)
    site = folder / "out" / "_build" / "html"
    return Built(done.returncode, done.stdout + done.stderr, site)
