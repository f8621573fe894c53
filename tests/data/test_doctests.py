"""The examples in the docstrings are true."""

import doctest
from importlib import import_module

import pytest

MODULES = (
    "data",
    "data.cards",
    "data.records",
    "data.storage",
    "data.synthetic",
    "metrics",
    "seed",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(import_module(f"dllab.{name}")).failed == 0
