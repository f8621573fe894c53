"""Vendored code is what its manifest says, with its license."""

import importlib.util

from small_book import ROOT


def _tool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_mathjax_is_unchanged():
    """No file of the copy was changed, lost or added by hand."""
    tool = _tool("vendor_mathjax")
    assert tool.check(tool.TARGET) == []
    assert "Apache License" in (tool.TARGET / "LICENSE").read_text(encoding="utf-8")


def test_only_reports_this_pages_warnings():
    """`build_book.py --only` leaves out what is said about another page."""
    tool = _tool("build_book")
    text = (
        "/r/book/a.md:3: WARNING: undefined label: 'x'\n"
        "/r/book/b.md:4: WARNING: Executing notebook failed\nTraceback\n"
        "WARNING: without a place\n"
    )
    own = tool.own_warnings(text, "book/b", ["book/a", "book/b"])
    assert [message.split("\n")[0].partition(" ")[2] for message in own] == [
        "WARNING: Executing notebook failed",
        "without a place",
    ]
    assert own[0].endswith("Traceback")
