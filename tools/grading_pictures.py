"""Take the pictures of the instructor's guide: `python tools/grading_pictures.py`.

Runs the demonstration (`tools/grade_demo.py`), opens what it wrote in Chromium and writes small
PNG files into `book/instructors/pictures`. Run it when the report, the feedback or the output of
`dllab grade` looks different; it needs bubblewrap, Chromium and about a minute. Times differ from
run to run; all else is the same.

    --keep   take the pictures of what an earlier run left in build/grade-demo
"""

import argparse
import html
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "build" / "grade-demo"
TRANSCRIPT = DEMO / "transcript.txt"
PICTURES = ROOT / "book" / "instructors" / "pictures"
LARGEST = 150_000  # bytes
SCALE = 2
COLORS = 64
SHOWN_CHECKS = 9
WIDTH = 860  # pixels of the window that a page is shown in
TERMINAL = """\
<!doctype html><html lang="en"><meta charset="utf-8"><title>Terminal</title><style>
body { background: #14181e; color: #e3e7eb; margin: 0; padding: 18px 22px; width: max-content;
       font: 15px/1.5 "DejaVu Sans Mono", monospace; }
pre { font: inherit; margin: 0; white-space: pre; }
b { color: #7cc4f0; font-weight: 700; } i { color: #ffab73; font-style: normal; }
</style><pre>@text@</pre></html>
"""


def main() -> int:
    """Run the demonstration and take all pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("--keep", action="store_true", help="do not run the demonstration again")
    given = parser.parse_args()
    if not (given.keep and TRANSCRIPT.is_file()):
        record()
    PICTURES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        program = shutil.which("chromium") or "/usr/bin/chromium"
        browser = playwright.chromium.launch(executable_path=program, args=options)
        window = browser.new_context(
            viewport={"width": WIDTH, "height": 900},
            device_scale_factor=SCALE,
            color_scheme="light",
            offline=True,
        )
        take(window.new_page())
        browser.close()
    return 0


def record() -> None:
    """Run the demonstration and keep what it prints."""
    command = [sys.executable, str(ROOT / "tools" / "grade_demo.py")]
    environment = os.environ | {"COLUMNS": "100"}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    print(done.stdout.decode())
    if done.returncode:
        sys.exit("the demonstration did not come out as it should: no pictures were taken")
    TRANSCRIPT.write_bytes(done.stdout)


def take(page: Page) -> None:
    """Take each picture."""
    page.set_content(TERMINAL.replace("@text@", graded(TRANSCRIPT.read_text("utf-8"))))
    save("terminal", page.locator("body").screenshot())

    page.goto((DEMO / "grades" / "report.html").as_uri())
    save("report", between(page, "h1", "#checks"))
    rows = page.locator("[aria-label=Checks] tbody tr")
    save("checks", joined(page, page.locator("#checks"), rows.nth(SHOWN_CHECKS - 1)))
    save("misconceptions", between(page, "#misconceptions", "#run"))

    page.goto((DEMO / "grades" / "feedback" / "daniel.kim.html").as_uri())
    failed = page.locator(".task").filter(has=page.locator(".wrong")).first
    save("feedback", joined(page, page.locator("h1"), failed))

    page.goto((DEMO / "grades" / "feedback" / "robin.archer.html").as_uri())
    section = page.locator("section").filter(has=page.locator("h2", has_text="Your notebook"))
    save("attempt", joined(page, section, section))


def graded(transcript: str) -> str:
    """Return, as HTML, the command that graded the class and what it printed."""
    lines = transcript.splitlines()
    start = next(at for at, line in enumerate(lines) if line.strip().startswith("$ dllab grade"))
    end = next(at for at, line in enumerate(lines) if at > start and line.startswith("3. "))
    return "\n".join(map(marked, lines[start:end])).strip()


def marked(line: str) -> str:
    """Return a line as HTML, wrapped as a terminal does; commands and what needs you stand out."""
    command = line.strip().startswith("$")
    person = re.match(r"\[.*\b(unreadable|failed|partly graded)\b", line)
    name = "b" if command else "i" if person else "span"
    rows = wrapped(line.strip(), " \\") if command else wrapped(line)
    return "\n".join(f"<{name}>{html.escape(row)}</{name}>" for row in rows)


def wrapped(line: str, mark: str = "", width: int = 100) -> list[str]:
    """Return a line of a terminal in as many as it takes there; `mark` ends all but the last."""
    if len(line) <= width:
        return [line]
    at = line.rfind(" --" if mark else " ", 0, width)
    return [line[:at] + mark, *wrapped("    " + line[at + 1 :], mark, width)]


def between(page: Page, first: str, after: str) -> bytes:
    """Return a picture of a page from one element to just before another."""
    top, bottom = (box(page.locator(place).first) for place in (first, after))
    return clipped(page, top["y"] - 12, bottom["y"] - 24)


def joined(page: Page, first: Any, last: Any) -> bytes:
    """Return a picture of a page from the top of one element to the bottom of another."""
    top, bottom = box(first), box(last)
    return clipped(page, top["y"] - 12, bottom["y"] + bottom["height"] + 4)


def box(element: Any) -> dict[str, float]:
    """Return where an element is."""
    found: dict[str, float] | None = element.bounding_box()
    assert found is not None
    return found


def clipped(page: Page, top: float, bottom: float) -> bytes:
    """Return a picture of the page's whole width between two heights."""
    clip = {"x": 0, "y": max(0, top), "width": WIDTH, "height": bottom - max(0, top)}
    return page.screenshot(full_page=True, clip=clip)  # type: ignore[arg-type]


def save(name: str, picture: bytes) -> None:
    """Write a picture with few colors, framed so that it ends visibly on a white page."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    framed = Image.new("RGB", (image.width + 4, image.height + 4), (183, 207, 223))
    framed.paste(image, (2, 2))
    path = PICTURES / f"{name}.png"
    for colors in spread(COLORS):
        small = framed.quantize(colors, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        small.save(path, optimize=True)
        if path.stat().st_size <= LARGEST:
            break
    else:
        sys.exit(f"{path.name} has {path.stat().st_size} bytes, more than {LARGEST}")
    print(f"{path.relative_to(ROOT)}  {small.width} x {small.height}  {path.stat().st_size} bytes")


def spread(most: int) -> Sequence[int]:
    """Return numbers of colors to try, the most first."""
    return [most, most // 2, most // 4]


if __name__ == "__main__":
    sys.exit(main())
