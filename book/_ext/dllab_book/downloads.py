"""What a reader takes home: zip files of the labs and of the chapters, and the book as a PDF.

The zip files are made when a build starts and their inputs have changed; they are the same, byte
for byte, for the same inputs. The PDF is there if `make pdf` was run before.

- `{downloads}`: a directive that lists them with their sizes
- `make(root)`: make the zip files; return all that can be downloaded
- `write_zip(path, entries)`: a zip file without the time and place it was made at
"""

import hashlib
import importlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from . import data_cards
from .project import addresses

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_LOG = logging.getLogger(__name__)

FOLDER = "downloads"
LABS, CHAPTERS, BOOK = "deep-learning-labs.zip", "chapters.zip", "deep-learning-lab.pdf"
# Any fixed time will do; this is the earliest that a zip file can hold.
TIME = (1980, 1, 1, 0, 0, 0)
# What a wheel in the making reads of the time.
EPOCH = "1580601600"

README = """\
Deep Learning Lab: all labs, for work without a network
=======================================================

    labs/               the labs, as notebooks with tasks
    {wheel}
                        the package dllab: data, pretrained networks, and the checks
                        that mark your work in the notebook
    constraints.txt     the exact versions that the labs were tested with
    DATA_CARDS.txt      what the data are, where they come from, what they cannot tell
    LICENSES.txt        the licenses of code, text and data

Start, with Python 3.11 or newer, in this folder
------------------------------------------------

1. Create an environment:

       python3 -m venv env

2. Install the package and JupyterLab into it:

       env/bin/pip install -c constraints.txt "./{wheel}[lab]"

3. Open the labs, and start with 00_getting_started.ipynb:

       env/bin/jupyter lab labs

On Windows write `py` for `python3`, and `env\\Scripts\\` for `env/bin/`.

What needs a network, and when
------------------------------

Step 2 does, once: TensorFlow, JupyterLab and what they are made of are not in this
folder (more than a gigabyte once installed), and pip fetches them. From then on nothing
does: data, weights and checks are in the wheel, and step 3 and every lab run offline.
`env/bin/dllab doctor` says what works on your machine and what to do about the rest.
"""

CHAPTERS_README = """\
Deep Learning Lab: the notebooks of all chapters
================================================

The code of each chapter, with its text, and without outputs: run the cells from top to
bottom. They need the package dllab and JupyterLab; README.txt in deep-learning-labs.zip,
beside this file on the book's page of downloads, says in three commands how to get them.
Links between chapters work in the book only.
"""


@dataclass(frozen=True)
class Download:
    """A file to take home."""

    path: Path
    name: str
    title: str
    text: str

    @property
    def size(self) -> str:
        """The size as a reader wants to know it."""
        kilobytes = self.path.stat().st_size / 1000
        # the space between a number and its unit does not break
        if kilobytes < 1000:
            return f"{max(1, kilobytes):.0f}\u00a0kB"
        return f"{kilobytes / 1000:.1f}\u00a0MB"


def make(root: Path) -> list[Download]:
    """Make what is missing or out of date in `build/downloads` of the repository `root`.

    Returns:
        The files, without the PDF if it has not been made.
    """
    folder = root / "build" / FOLDER
    labs = _kept(folder / LABS, list(_labs_inputs(root)), lambda: labs_entries(root))
    chapters = _kept(folder / CHAPTERS, _chapters_inputs(root), lambda: chapters_entries(root))
    found = [
        Download(
            labs,
            LABS,
            "All labs, with data",
            "The notebooks, the package with its data and checks, and how to start.",
        ),
        Download(chapters, CHAPTERS, "All chapters", "One notebook each, to run and to change."),
        Download(
            root / "build" / "book.pdf", BOOK, "The book as a PDF", "All pages, to read and print."
        ),
    ]
    return [download for download in found if download.path.exists()]


def write_zip(path: Path, entries: dict[str, bytes]) -> None:
    """Write a zip file that depends on nothing but `entries`, all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with zipfile.ZipFile(draft, "w") as archive:
            for name in sorted(entries):
                entry = zipfile.ZipInfo(name, TIME)
                entry.create_system = 3  # Unix, on every machine
                entry.external_attr = 0o644 << 16
                packed = name.endswith(".whl")
                entry.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
                archive.writestr(entry, entries[name], compresslevel=None if packed else 9)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def labs_entries(root: Path) -> dict[str, bytes]:
    """Return the files of the labs' zip: notebooks as they are handed out, and the wheel."""
    wheel, content = build_wheel(root)
    entries = {
        wheel: content,
        "README.txt": README.format(wheel=wheel).encode(),
        "constraints.txt": (root / "constraints.txt").read_bytes(),
        "DATA_CARDS.txt": _data_cards().encode(),
        "LICENSES.txt": _licenses(root).encode(),
    }
    for path in sorted((root / "labs").glob("*.ipynb")):
        entries[f"labs/{path.name}"] = path.read_bytes()
    return {f"deep-learning-labs/{name}": content for name, content in entries.items()}


def chapters_entries(root: Path) -> dict[str, bytes]:
    """Return the files of the chapters' zip: the notebook of each chapter, in reading order."""
    _import_package(root)
    authoring = importlib.import_module("dllab.authoring.build")
    passes = importlib.import_module("dllab.authoring.passes")
    source = importlib.import_module("dllab.authoring.source")
    entries = {"README.txt": CHAPTERS_README.encode()}
    for path in authoring.chapter_paths(root):
        name = path.relative_to(root / "book").with_suffix(".ipynb").as_posix()
        notebook = passes.chapter_notebook(source.read_myst(path))
        entries[name] = authoring.to_json(notebook).encode()
    return {f"deep-learning-chapters/{name}": content for name, content in entries.items()}


def build_wheel(root: Path) -> tuple[str, bytes]:
    """Build the package's wheel, without a network; return its name and its bytes."""
    with tempfile.TemporaryDirectory(prefix="dllab-wheel-") as folder:
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH}
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"the wheel was not built:\n{done.stdout}{done.stderr}")
        wheel = next(Path(folder).glob("*.whl"))
        return wheel.name, wheel.read_bytes()


def _import_package(root: Path) -> None:
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))


def _data_cards() -> str:
    blocks = []
    for card in data_cards.cards():
        lines = [card["title"], "-" * len(card["title"])]
        lines += [
            f"{term}: {card[key]}" for key, term in data_cards.FIELDS.items() if card.get(key)
        ]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _licenses(root: Path) -> str:
    paths = [root / "LICENSE", *sorted((root / "dllab").rglob("LICENSE*"))]
    return "\n\n".join(
        f"==== {path.relative_to(root).as_posix()} ====\n\n{path.read_text(encoding='utf-8')}"
        for path in paths
    )


def _labs_inputs(root: Path) -> Iterator[Path]:
    for path in (root / "dllab").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path
    yield from (root / "labs").glob("*.ipynb")
    yield from (path for path in (root / "labs" / "source").rglob("*") if path.suffix != ".pyc")
    for name in ("pyproject.toml", "hatch_build.py", "constraints.txt", "LICENSE", "README.md"):
        yield root / name


def _chapters_inputs(root: Path) -> list[Path]:
    return [*(root / "book").rglob("*.md"), *(root / "dllab" / "authoring").rglob("*.py")]


def _kept(path: Path, inputs: list[Path], entries: Callable[[], dict[str, bytes]]) -> Path:
    """Write the zip file `path` if its inputs are not those it was last made of."""
    digest = hashlib.sha256()
    for source in sorted({*inputs, Path(__file__)}):
        if source.is_file():
            digest.update(f"{source.name} {source.parent.name}\n".encode())
            digest.update(hashlib.sha256(source.read_bytes()).digest())
    mark = path.with_name(f"{path.name}.inputs")
    if path.exists() and mark.exists() and mark.read_text("utf-8") == digest.hexdigest():
        return path
    _LOG.info("making %s", path.name)
    write_zip(path, entries())
    mark.write_text(digest.hexdigest(), encoding="utf-8")
    return path


class Downloads(SphinxDirective):
    """A table of what can be downloaded, with sizes."""

    def run(self) -> list[nodes.Node]:
        """Build the table of the files that there are now."""
        found: list[Download] = self.env.app.dllab_downloads
        for name in (LABS, CHAPTERS):
            self.env.note_dependency(str(Path(self.env.srcdir, "build", FOLDER, name)))
        # Named even while it is missing: the page is read again when it appears.
        self.env.note_dependency(str(Path(self.env.srcdir, "build", "book.pdf")))
        table = nodes.table(classes=["downloads"])
        group = nodes.tgroup(cols=3)
        group += [nodes.colspec(colwidth=width) for width in (30, 55, 15)]
        head = nodes.thead("", _row(*map(nodes.Text, ("what", "what is in it", "size"))))
        body = nodes.tbody()
        for download in found:
            link = nodes.reference(
                "", download.title, refuri=self._address(download), internal=True
            )
            body += _row(link, nodes.Text(download.text), nodes.Text(download.size))
        group += [head, body]
        table += group
        return [table]

    def _address(self, download: Download) -> str:
        site = addresses(Path(self.env.srcdir)).get("Documentation", "")
        if self.env.app.builder.name == "html" or not site:
            return "../" * self.env.docname.count("/") + f"{FOLDER}/{download.name}"
        return f"{site.rstrip('/')}/{FOLDER}/{download.name}"


def _row(*cells: nodes.Node) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))


def _make(app: "Sphinx") -> None:
    """Make the files; a book that is not this repository has none."""
    root = Path(app.srcdir)
    is_course = (root / "labs" / "source").is_dir() and (root / "hatch_build.py").exists()
    app.dllab_downloads = make(root) if is_course else []


def _copy(app: "Sphinx", error: Exception | None) -> None:
    if error or app.builder.name != "html":
        return
    for download in app.dllab_downloads:
        target = Path(app.outdir, FOLDER, download.name)
        target.parent.mkdir(exist_ok=True)
        content = download.path.read_bytes()
        if not target.exists() or target.read_bytes() != content:
            target.write_bytes(content)


def setup(app: "Sphinx") -> None:
    """Make the files before any page is read, and put them into the site."""
    app.add_directive("downloads", Downloads)
    app.connect("builder-inited", _make)
    app.connect("build-finished", _copy)
