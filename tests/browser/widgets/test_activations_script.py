"""The shared activations of the figures are those of dllab.scratch, value, slope and extremes."""

from pathlib import Path

import numpy as np
import pytest

from dllab.scratch import activations

WIDGETS = Path(__file__).parents[3] / "book" / "_static" / "widgets"
NAMES = ["relu", "leaky_relu", "elu", "gelu", "softplus", "sigmoid", "tanh"]
Z = [-1000.0, -40.0, -9.0, -3.0, -2.9, -2.0, -0.5, 0.0, 1e-9, 0.3, 1.0, 2.8, 2.9, 6.0, 40.0, 1000.0]


@pytest.fixture
def page(tab):
    """An empty page with the shared scripts."""
    window = tab()
    window.page.goto("about:blank")
    for script in ("common.js", "activations.js"):
        window.page.add_script_tag(path=WIDGETS / script)
    yield window.page
    assert window.faults == []


def test_values_and_slopes_are_those_of_scratch(page):
    """Entry by entry, also at the kink and at ±1000."""
    found = page.evaluate(
        """z => Object.fromEntries(Object.entries(DLLab.activations).map(
            ([name, g]) => [name, [z.map(g.value), z.map(g.slope)]]))""",
        Z,
    )
    assert sorted(found) == sorted([*NAMES, "identity"])
    assert found["identity"] == [Z, [1] * len(Z)]
    for name in NAMES:
        expected = [
            getattr(activations, name)(Z),
            getattr(activations, f"{name}_derivative")(Z),
        ]
        np.testing.assert_allclose(found[name], expected, rtol=1e-12, atol=1e-15, err_msg=name)


@pytest.mark.parametrize("scores", [[0, 1, 2], [1000, 1001, 1002], [-1000, 0, 1000], [3]])
def test_softmax_is_that_of_scratch(page, scores):
    """Scores of ±1000 give probabilities, not infinity over infinity."""
    found = page.evaluate("scores => DLLab.softmax(scores)", scores)
    np.testing.assert_allclose(found, activations.softmax(scores), rtol=1e-14)
