"""Print the whole book: `python tools/build_pdf.py`, or `make pdf`.

    --out build/book.pdf    where the PDF goes
    --work build/pdf        where the page that is printed, and its images, are kept

Sphinx joins all pages into one (no chapter is run again that `make book` has run), and Chromium
prints it twice: the first print says on which page each heading stands, the second has these
numbers in its table of contents.
"""

import argparse
import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from build_book import OUT, ROOT, Progress, missing, without_start_up_lines

PRINTED = "book.html"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--disable-background-networking", "--disable-component-update", "--no-first-run"]
# Nobody waits this long for fonts and formulas; a page that hangs should say so.
MILLISECONDS = 300_000

NAME_FORMULAS = """() => {
  const formulas = window.MathJax ? MathJax.startup.document.math : [];
  for (const { typesetRoot, math } of formulas) {
    typesetRoot.querySelector("mjx-assistive-mml")?.remove();
    typesetRoot.setAttribute("role", "img");
    typesetRoot.setAttribute("aria-label", math.trim());
    typesetRoot.removeAttribute("tabindex");
    // Chromium tags no element whose contents are all hidden from a screen reader, as letters are.
    typesetRoot.append(document.createTextNode("\\u200b"));
  }
}"""


class PrintError(Exception):
    """The book cannot be printed; the message says what to do."""


@dataclass(frozen=True)
class Printed:
    """A finished PDF."""

    path: Path
    pages: int
    size: int


def browser() -> str:
    """Return the path of Chromium.

    Raises:
        PrintError: there is none.
    """
    named = os.environ.get("CHROMIUM")
    found = next(filter(None, map(shutil.which, [named] if named else BROWSERS)), None)
    if found is None:
        raise PrintError(
            f"{named or 'Chromium'} was not found, and the PDF is printed with Chromium.\n"
            "Install it with: tools/system_packages.sh chromium\n"
            "or name one: CHROMIUM=/path/to/chrome make pdf"
        )
    return found


def run_sphinx(builder: str, out: Path, doctrees: Path, **options: Any) -> Any:
    """Run another of Sphinx's builders on the book; return 0, a status or an exception."""
    from jupyter_book.sphinx import build_sphinx

    given = {
        "external_toc_path": str(ROOT / "_toc.yml"),
        "latex_individualpages": False,
        "nitpicky": True,
    }
    with without_start_up_lines(), contextlib.redirect_stdout(Progress(sys.stdout)):
        return build_sphinx(
            str(ROOT),
            str(out),
            noconfig=True,
            path_config=ROOT / "_config.yml",
            confoverrides=given | options,
            doctreedir=str(doctrees),
            builder=builder,
            warningiserror=builder == "singlehtml",
            keep_going=True,
        )


def join(work: Path) -> Path:
    """Let Sphinx write all pages as one; return the page for paper.

    Raises:
        PrintError: Sphinx has failed.
    """
    if run_sphinx("singlehtml", work / "singlehtml", work / "doctrees") != 0:
        raise PrintError("The pages could not be joined: mend what stands above.")
    return work / "singlehtml" / PRINTED


def print_pdf(page: Path, target: Path, say: Any = print) -> Printed:
    """Print a page that `printing.py` has written.

    Args:
        page: the file of the page.
        target: where the PDF goes; it appears there complete or not at all.
        say: is called with a line for each step.

    Raises:
        PrintError: Chromium is missing, or the page is not complete in it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with opened(page) as tab:
            say("  setting the formulas")
            _complete(tab)
            say("  first print: on which page each heading stands")
            _print(tab, draft, final=False)
            _number(tab, _places(draft))
            say("  second print: with page numbers in the contents")
            _print(tab, draft, final=True)
        pages = _pages(draft)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return Printed(target, pages, target.stat().st_size)


@contextlib.contextmanager
def opened(page: Path) -> Iterator[Any]:
    """Open a local page in Chromium, which may ask nobody else for anything."""
    from playwright.sync_api import sync_playwright

    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    path = browser()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS + sandbox)
        tab = chromium.new_page(color_scheme="light", reduced_motion="reduce")
        tab.set_default_timeout(MILLISECONDS)
        refused: list[str] = []

        def route(way: Any) -> None:
            if way.request.url.startswith(("file:", "data:", "blob:")):
                way.continue_()
            else:
                refused.append(way.request.url)
                way.abort()

        tab.route("**/*", route)
        tab.on("requestfailed", lambda request: refused.append(request.url))
        tab.goto(page.resolve().as_uri(), wait_until="load")
        if refused:
            raise PrintError(f"The page asks for what is not in the book: {refused[0]}")
        yield tab
        chromium.close()


def _complete(tab: Any) -> None:
    """Wait until formulas, fonts and images are there."""
    tab.evaluate("() => window.MathJax ? MathJax.startup.promise.then(() => true) : true")
    tab.evaluate("() => document.fonts.ready.then(() => true)")
    lost = tab.evaluate(
        "() => Promise.all([...document.images].map(image => image.decode().then("
        "() => '', () => image.getAttribute('src')))).then(all => all.filter(Boolean))"
    )
    if lost:
        raise PrintError(f"An image cannot be shown: {lost[0]}")
    # A reader of the tagged PDF gets a formula as its TeX, and not as a hundred loose letters.
    tab.evaluate(NAME_FORMULAS)
    wrong = tab.evaluate(
        "() => [...document.querySelectorAll('mjx-merror')].map(error => error.textContent)"
    )
    if wrong:
        raise PrintError(f"A formula cannot be set: {wrong[0]}")


def _places(path: Path) -> dict[str, int]:
    """Return the page number of each anchor that a link leads to; the first page is number 1."""
    from pypdf import PdfReader

    reader = PdfReader(path)
    return {
        name.lstrip("/"): reader.get_destination_page_number(place) + 1
        for name, place in reader.named_destinations.items()
    }


def _pages(path: Path) -> int:
    from pypdf import PdfReader

    return len(PdfReader(path).pages)


def _number(tab: Any, pages: dict[str, int]) -> None:
    """Write the page numbers into the contents."""
    left = tab.evaluate(
        "numbers => [...document.querySelectorAll('.toc-page')].filter(place => {"
        "  const page = numbers[place.dataset.for];"
        "  place.textContent = page || '';"
        "  return !page;"
        "}).map(place => place.dataset.for)",
        pages,
    )
    if left:
        raise PrintError(f"The contents name a heading that no page has: {left[0]}")


def _print(tab: Any, path: Path, *, final: bool) -> None:
    # Tags and outline take most of the time, and change no page number.
    tab.pdf(
        path=path,
        prefer_css_page_size=True,
        print_background=True,
        tagged=final,
        outline=final,
    )


def main() -> int:
    """Read the options, join, print, and say what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT.with_name("book.pdf"), metavar="FILE")
    parser.add_argument("--work", type=Path, default=OUT.with_name("pdf"), metavar="FOLDER")
    options = parser.parse_args()
    started = time.monotonic()
    try:
        browser()
        absent = missing(ROOT)
        if absent:
            raise PrintError("These pages of _toc.yml have no source: " + ", ".join(absent))
        print("Joining all pages. Chapters that the book has run are not run again.", flush=True)
        page = join(options.work.resolve())
        print("Printing.", flush=True)
        done = print_pdf(page, options.out.resolve(), lambda line: print(line, flush=True))
    except PrintError as error:
        print(f"The PDF was not made. {error}", file=sys.stderr)
        return 1
    seconds = time.monotonic() - started
    print(
        f"The PDF is made ({seconds:.0f} s): {options.out}, "
        f"{done.pages} pages, {done.size / 1e6:.1f} MB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
