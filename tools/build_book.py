"""Build the book: `python tools/build_book.py`, or `make book`.

    --only book/foundations/activations.md   run this page alone and report its warnings alone
    --out FOLDER                             build elsewhere than in build/book
    --all                                    write every page again (cells come from the cache)

Any warning and any failing cell fails the build. Cells whose text, `dllab` and versions are as
before are not run again. The same site without this script:
`jupyter-book build . --path-output build/book -n -W --keep-going`.
"""

import argparse
import contextlib
import io
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "book"
ANSI = re.compile(r"\x1b\[[0-9;]*m")
START_UP = re.compile(
    r"WARNING: All log messages before absl::|[IWE]\d{4} \d\d:\d\d:|\d{4}-\d\d-\d\d .*: I "
)
# What Sphinx prints at each page; a build says how far it is, not each step of the way there.
PROGRESS = re.compile(r"(reading sources|writing output)\.\.\. .*\[\s*(\d+)%\]\s*(\S*)")


class Tee(io.TextIOBase):
    """Write on to a stream, or nowhere, and remember what was written."""

    def __init__(self, stream: io.TextIOBase | None) -> None:
        self.stream = stream
        self.written: list[str] = []

    def write(self, text: str) -> int:
        """Remember `text` and pass it on."""
        self.written.append(text)
        if self.stream is not None:
            self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream behind."""
        if self.stream is not None:
            self.stream.flush()


class Progress(io.TextIOBase):
    """Turn Sphinx's status into a line for each page that is read and for each cell run."""

    def __init__(self, stream: io.TextIOBase) -> None:
        self.stream = stream
        self.rest = ""

    def write(self, text: str) -> int:
        """Print the lines in `text` that say how far the build is."""
        *lines, self.rest = ANSI.sub("", self.rest + text).replace("\r", "\n").split("\n")
        for line in lines:
            self._line(line.strip())
        return len(text)

    def _line(self, line: str) -> None:
        match = PROGRESS.match(line)
        if match and match[1] == "reading sources":
            print(f"  reading {match[2]:>3} %  {match[3]}", file=self.stream, flush=True)
        elif "Executing notebook" in line or "Executed notebook" in line:
            print(f"       {line}", file=self.stream, flush=True)
        elif line.startswith(("build succeeded", "build finished")):
            print(f"  {line}", file=self.stream, flush=True)

    def flush(self) -> None:
        """Nothing is held back but an unfinished line."""


@contextlib.contextmanager
def without_start_up_lines() -> Iterator[None]:
    """Keep the lines that TensorFlow writes when it starts off the terminal.

    They come from the kernels, which write to this process's file descriptor 2 directly.
    """
    sys.stderr.flush()
    reader, writer = os.pipe()
    terminal = os.dup(2)
    os.dup2(writer, 2)
    os.close(writer)
    thread = threading.Thread(target=_pass_on, args=(reader, terminal), daemon=True)
    thread.start()
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(terminal, 2)
        # A process that outlives the build may hold the pipe open: do not wait for it for long.
        thread.join(timeout=1)


def _pass_on(reader: int, terminal: int) -> None:
    with os.fdopen(reader, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if not START_UP.match(line):
                os.write(terminal, line.encode())


def pages(toc: Path) -> list[str]:
    """Return every page that the table of contents names, without extension."""
    table = yaml.safe_load(toc.read_text(encoding="utf-8"))
    return [table["root"], *(name for part in table["parts"] for name in _below(part["chapters"]))]


def _below(entries: list[dict]) -> Iterator[str]:
    for entry in entries:
        yield entry["file"]
        yield from _below(entry.get("sections", []))


def missing(root: Path) -> list[str]:
    """Return the pages of the table of contents that have no source."""
    return [
        page
        for page in pages(root / "_toc.yml")
        if not any((root / f"{page}{suffix}").exists() for suffix in (".md", ".ipynb"))
    ]


def build(out: Path, overrides: dict[str, object], *, strict: bool, everything: bool) -> object:
    """Run Jupyter Book's build; return 0, Sphinx's status or the exception that ended it."""
    from jupyter_book.sphinx import build_sphinx

    options = {
        "external_toc_path": str(ROOT / "_toc.yml"),
        "latex_individualpages": False,
        "nitpicky": True,
        **overrides,
    }
    with without_start_up_lines():
        return build_sphinx(
            str(ROOT),
            str(out / "_build" / "html"),
            noconfig=True,
            path_config=ROOT / "_config.yml",
            confoverrides=options,
            warningiserror=strict,
            keep_going=strict,
            force_all=everything,
        )


def build_all(out: Path, everything: bool) -> int:
    """Build strictly and say where the book is."""
    absent = missing(ROOT)
    if absent:
        print("These pages of _toc.yml have no source:", *absent, sep="\n  ", file=sys.stderr)
        return 1
    print("Building the book. Chapters whose cells did not change are not run again.", flush=True)
    started = time.monotonic()
    with contextlib.redirect_stdout(Progress(sys.stdout)):
        result = build(out, {}, strict=True, everything=everything)
    seconds = time.monotonic() - started
    if result != 0:
        print(f"The book was not built ({seconds:.0f} s): mend what stands above.", file=sys.stderr)
        return 1
    index = out / "_build" / "html" / "index.html"
    print(f"The book is built ({seconds:.0f} s): {_relative(index)}")
    print("Open that file in a browser, or run `make serve`.")
    return 0


def build_only(page: Path, out: Path) -> int:
    """Run one page; the others are there, unexecuted, so that links resolve."""
    name = page.resolve().relative_to(ROOT).with_suffix("").as_posix()
    others = [f"{other}.*" for other in pages(ROOT / "_toc.yml") if other != name]
    overrides = {"nb_execution_excludepatterns": [*others, "labs/*"]}
    print(f"Building {name} alone.", flush=True)
    started = time.monotonic()
    errors = Tee(None)
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(Progress(sys.stdout)):
        result = build(out, overrides, strict=False, everything=False)
    own = own_warnings("".join(errors.written), name, pages(ROOT / "_toc.yml"))
    print("\n".join(own))
    html = out / "_build" / "html" / f"{name}.html"
    print(f"{len(own)} warnings, {time.monotonic() - started:.0f} s: {_relative(html)}")
    return 1 if own or result != 0 else 0


def own_warnings(text: str, name: str, every: list[str]) -> list[str]:
    """Return the messages in Sphinx's stderr that are not about another page."""
    messages: list[str] = []
    for line in ANSI.sub("", text).splitlines():
        if re.search(r"\b(WARNING|ERROR|CRITICAL|SEVERE)\b: ", line) or not messages:
            messages.append(line)
        else:
            messages[-1] += "\n" + line
    # A page of the table of contents that is not written yet is nothing this page can mend.
    others = [f"{other}." for other in every if other != name]
    return [
        message
        for message in messages
        if message.strip()
        and "[etoc.ref]" not in message
        and not any(other in message.split(" ")[0] for other in others)
    ]


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def main() -> int:
    """Read the options and build."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", type=Path, metavar="PAGE", help="run and check one page")
    parser.add_argument("--out", type=Path, default=None, metavar="FOLDER")
    parser.add_argument("--all", action="store_true", help="write every page again")
    options = parser.parse_args()
    if options.only:
        return build_only(options.only, (options.out or OUT.with_name("book-only")).resolve())
    return build_all((options.out or OUT).resolve(), options.all)


if __name__ == "__main__":
    sys.exit(main())
