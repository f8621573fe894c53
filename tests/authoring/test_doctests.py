"""The examples in the docstrings are true."""

import doctest

import pytest

from dllab.authoring import problems, regions


@pytest.mark.parametrize("module", [problems, regions], ids=lambda module: module.__name__)
def test_examples(module):
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed
