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
STATIC = ROOT / "book" / "_static"
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "book" / "_ext")]

from dllab_book.site import widget_scripts  # noqa: E402 (it is found only now)


@pytest.fixture(scope="session", autouse=True)
def _browser():
    """Say what is missing and how to get it, once for each test."""
    if not Path(CHROMIUM).exists():
        pytest.fail("Chromium is missing: run `tools/system_packages.sh chromium`")


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and keeps the test output clean."""

    def log_message(self, *_args):
        pass


@pytest.fixture(scope="session")
def address():
    """The address at which the site is served."""
    SITE.mkdir(parents=True, exist_ok=True)  # a figure can be tested alone before there is a book
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


BENCH = """<!doctype html><html lang="en" data-theme="{theme}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{name}</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="/static/dllab.css"><link rel="stylesheet" href="/static/widgets.css">
<style>
body {{ background: var(--w-panel); color: var(--w-ink); font-family: var(--dl-sans) }}
body {{ margin: 1rem; max-width: 46rem }}
</style>
</head><body class="bd-article"><main><h1>{name}</h1>
<div class="try-it" id="try-{name}" data-widget="{name}" role="group" aria-label="A figure">
<p class="try-it-title">Try it</p><div class="try-it-fallback"><p>The static text.</p></div></div>
{data}{scripts}</main></body></html>"""


@pytest.fixture
def bench(tab):
    """Return a function that opens an interactive figure alone, from its source.

    `data` is what the chapter publishes for it (`dllab.plot.publish`), `state` the address's part
    behind `#try-name?`.
    """

    def open_alone(name: str, data=None, state: str = "", width: int = 1280, scheme="light") -> Tab:
        window = tab(width=width, scheme=scheme)
        published = f'<script type="application/json" data-widget-data="{name}">{data}</script>'
        scripts = widget_scripts(STATIC / "widgets", name)
        html = BENCH.format(
            name=name,
            theme=scheme,
            data=published if data else "",
            scripts="".join(f'<script defer src="/static/widgets/{s}"></script>' for s in scripts),
        )
        window.page.route(
            "**/bench.html*", lambda route: route.fulfill(body=html, content_type="text/html")
        )
        window.page.route(
            "**/static/**",
            lambda route: route.fulfill(path=STATIC / route.request.url.split("/static/")[1]),
        )
        window.page.goto(f"{window.address}/bench.html" + (f"#try-{name}?{state}" if state else ""))
        window.page.locator(".try-it-live").wait_for()
        return window

    return open_alone


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
