"""What a chapter publishes arrives in the page as it was, or is refused."""

import base64
import json

import numpy as np
import pytest

from dllab import plot
from dllab.errors import ParameterError


def test_arrays_travel_as_16_bit_floats_in_their_order():
    """Decoded, the array has its shape and its values to three significant digits."""
    array = np.arange(6, dtype=np.float32).reshape(2, 3) / 7
    packed = json.loads(plot.publish("figure", kernel=array).json)["kernel"]
    found = np.frombuffer(base64.b64decode(packed["base64"]), dtype="<f2").reshape(packed["shape"])
    np.testing.assert_allclose(found, array, rtol=1e-3)


def test_nested_values_keep_their_form():
    """Lists, dicts and NumPy's numbers become what JSON has for them."""
    values = {"runs": [{"labels": np.int64(5), "accuracy": (0.5, np.float64(0.25))}]}
    assert json.loads(plot.publish("figure", **values).json) == {
        "runs": [{"labels": 5, "accuracy": [0.5, 0.25]}]
    }


def test_no_value_ends_the_element_that_holds_it():
    """A text with a closing tag stays a text."""
    html = plot.publish("figure", word="</script><script>alert(1)</script>")._repr_html_()
    assert html.count("</script>") == 1


@pytest.mark.parametrize(
    "value",
    [np.arange(3), np.array([1e6]), float("nan"), np.float32("inf"), object(), {"a": {1, 2}}],
)
def test_what_a_page_cannot_read_is_refused(value):
    """Integers that are no bytes, numbers beyond 16 bits, infinities and objects are errors."""
    with pytest.raises(ParameterError, match="`value`"):
        plot.publish("figure", value=value)
