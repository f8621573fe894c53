"""The built book in Chromium, served on loopback; any other host is refused and noted."""

import os
import shutil
import sys
import threading
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
SITE = ROOT / "build" / "book" / "_build" / "html"
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session", autouse=True)
def _book_and_browser():
    """Say what is missing and how to get it, once for each test."""
    if not (SITE / "index.html").exists():
        pytest.fail("there is no built book: run `make book`")
    if not Path(CHROMIUM).exists():
        pytest.fail("Chromium is missing: run `tools/system_packages.sh chromium`")


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and keeps the test output clean."""

    def log_message(self, *_args):
        pass


@pytest.fixture(scope="session")
def address():
    """The address at which the site is served."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=SITE)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def chromium():
    """One browser for all tests."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS + sandbox)
        yield browser
        browser.close()


@dataclass
class Tab:
    """A page in the browser and everything that went wrong in it."""

    page: object
    address: str
    faults: list[str] = field(default_factory=list)

    def open(self, name: str) -> None:
        """Load a page of the site and wait until its formulas are set."""
        self.page.goto(f"{self.address}/{name}", wait_until="load")
        self.page.evaluate("window.MathJax ? MathJax.startup.promise.then(() => true) : true")


@pytest.fixture
def tab(chromium, address):
    """Return a function that opens a tab of a given width and color scheme."""
    contexts = []

    def make(width: int = 1280, scheme: str = "light", **options) -> Tab:
        viewport = {"width": width, "height": 900}
        context = chromium.new_context(
            viewport=viewport, color_scheme=scheme, reduced_motion="reduce", **options
        )
        contexts.append(context)
        tab = Tab(context.new_page(), address)
        _watch(tab)
        return tab

    yield make
    for context in contexts:
        context.close()


def _watch(tab: Tab) -> None:
    def refuse(route):
        if route.request.url.startswith((tab.address, "data:", "blob:")):
            route.continue_()
        else:
            tab.faults.append(f"asks for {route.request.url}")
            route.abort()

    def answer(response):
        if response.status >= 400:
            tab.faults.append(f"{response.status} {response.url}")

    def say(message):
        if message.type in {"error", "warning"}:
            tab.faults.append(f"console {message.type}: {message.text}")

    tab.page.route("**/*", refuse)
    tab.page.on("response", answer)
    tab.page.on("console", say)
    tab.page.on("pageerror", lambda error: tab.faults.append(f"page error: {error}"))
