"""Render `book/_static/favicon.svg` to `apple-touch-icon.png`, for phones that take no SVG.

python tools/render_touch_icon.py
"""

import os
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

STATIC = Path(__file__).resolve().parents[1] / "book" / "_static"
SIZE = 180


def main() -> None:
    """Let Chromium draw the SVG on a page of the icon's size."""
    drawing = (STATIC / "favicon.svg").read_text(encoding="utf-8")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=sandbox)
        page = browser.new_page(viewport={"width": SIZE, "height": SIZE})
        page.set_content(f"<style>body{{margin:0}}svg{{display:block}}</style>{drawing}")
        page.screenshot(path=STATIC / "apple-touch-icon.png")
        browser.close()


if __name__ == "__main__":
    main()
