"""Does progress suit where it is shown?"""

import sys
import types

import pytest

from dllab.train import progress


@pytest.fixture
def notebook(monkeypatch):
    """A stand-in for IPython in a kernel, which records what a cell's output shows."""
    shown = []

    class Handle:
        def update(self, value):
            shown[-1] = repr(value)

    def display(value, display_id):
        assert display_id is True
        shown.append(repr(value))
        return Handle()

    shell = types.SimpleNamespace(kernel=object())
    package = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(display=display))
    return shown


def test_a_notebook_keeps_one_line(notebook):
    with progress.choose(3) as display:
        assert isinstance(display, progress.Notebook)
        assert notebook == ["╌" * 24 + "  epoch 1/3"]
        for number in (1, 2, 3):
            display.advance(number - 0.5)
            display.epoch(number, {"loss": 1 / number})
        display.finish("3 epochs: loss 0.333")
    assert notebook == ["3 epochs: loss 0.333"]


def test_a_notebook_bar_grows(notebook, monkeypatch):
    monkeypatch.setattr(progress, "_EVERY", 0.0)
    with progress.choose(2) as display:
        display.epoch(1, {"loss": 0.5})
        assert notebook == ["━" * 12 + "╌" * 12 + "  epoch 2/2  loss 0.500"]


def test_a_file_gets_plain_lines(monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert type(progress.choose(3)) is progress.Lines


def test_ipython_outside_of_a_kernel_is_no_notebook(monkeypatch):
    package = types.SimpleNamespace(get_ipython=lambda: None)
    monkeypatch.setitem(sys.modules, "IPython", package)
    assert type(progress.choose(3)) is progress.Lines
