"""The examples in the docstrings of the engine and of `dllab.shapes`."""

import doctest
import importlib
import pkgutil

import pytest

import dllab.scratch

MODULES = [
    "dllab.shapes",
    "dllab.scratch",
    *(f"dllab.scratch.{module.name}" for module in pkgutil.iter_modules(dllab.scratch.__path__)),
]


@pytest.mark.parametrize("name", MODULES)
def test_every_example_in_a_docstring_shows_the_real_result(name):
    results = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert results.attempted > 0
    assert results.failed == 0
