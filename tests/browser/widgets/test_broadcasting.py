"""The figure's rule for shapes is NumPy's, its errors are NumPy's, and so are its entries."""

import itertools

import numpy as np
import pytest

SHAPES = [(), (0,), (1,), (2,), (5,), (1, 1), (5, 1), (1, 2), (5, 2), (2, 5), (0, 1), (2, 1)]
SHAPES += [(4, 1, 3), (2, 1, 1)]
CALL = "([f, args]) => DLLab.models.broadcasting[f](...args)"


@pytest.fixture
def window(bench):
    """The figure as it opens."""
    return bench("broadcasting")


def _says(window):
    return window.page.locator(".w-says").text_content()


def _cells(window, panel):
    texts = window.page.locator(".w-panel").nth(panel).locator(".w-cell").all_text_contents()
    return [int(text) for text in texts]


def test_shapes_and_errors_are_numpys(window):
    """All pairs of many shapes: the shape that NumPy gives, or the sentence of its error."""
    pairs = [list(map(list, pair)) for pair in itertools.product(SHAPES, repeat=2)]
    code = "pairs => pairs.map(p => DLLab.models.broadcasting.broadcast(p[0], p[1]))"
    errors = 0
    for (a, b), found in zip(pairs, window.page.evaluate(code, pairs), strict=True):
        try:
            wanted = {"shape": list(np.broadcast_shapes(tuple(a), tuple(b))), "error": None}
            assert list((np.empty(a) + np.empty(b)).shape) == wanted["shape"]
        except ValueError:
            with pytest.raises(ValueError, match="operands") as failure:
                np.empty(a) + np.empty(b)
            wanted = {"shape": None, "error": str(failure.value).strip()}
            errors += 1
        assert found == wanted, (a, b)
    assert 30 < errors < len(pairs) - 30


def test_entries_come_from_where_numpy_takes_them(window):
    """Each entry of a stretched array is the one that `np.broadcast_to` puts there."""
    for own, shape in (((3, 1), (3, 4)), ((4,), (3, 4)), ((1, 4), (3, 4)), ((), (2, 2))):
        wanted = np.broadcast_to(np.arange(np.prod(own, dtype=int)).reshape(own), shape)
        for place in np.ndindex(shape):
            found = window.page.evaluate(CALL, ["origin", [list(own), list(place)]])
            flat = np.ravel_multi_index(found, own) if own else 0
            assert flat == wanted[place], (own, shape, place)


def test_shapes_are_read_as_people_write_them(window):
    """Parentheses and a last comma are allowed; anything else is no shape."""
    shapes = {"5, 1": [5, 1], "(5,)": [5], "[2,3]": [2, 3], "": [], "()": [], " 7 ": [7]}
    for text in ("five", "5 1", "-1", "2.5", "1,,2", "1,2,3,4,5,6,7", "(5", "1e3"):
        shapes[text] = None
    found = {text: window.page.evaluate(CALL, ["parse", [text]]) for text in shapes}
    assert found == shapes


def test_figure_opens_with_the_chapters_example(window):
    """A column of shape (3, 1) plus a row of shape (4,), with the chapter's numbers."""
    column, row = np.array([[0], [10], [20]]), np.array([1, 2, 3, 4])
    assert _cells(window, 0) == np.broadcast_to(column, (3, 4)).ravel().tolist()
    assert _cells(window, 1) == np.broadcast_to(row, (3, 4)).ravel().tolist()
    assert _cells(window, 2) == (column + row).ravel().tolist()
    assert _says(window).startswith("A + B has the shape (3, 4). Its entry [1, 2] is 10 + 3 = 13")
    assert window.page.locator(".w-panel").nth(0).locator(".w-zero").count() == 9
    assert window.page.locator(".w-panel").nth(1).locator(".w-zero").count() == 8
    assert window.faults == []


def test_what_does_not_fit_is_said_in_words(window):
    """Typing a shape that does not fit marks its axis and gives the error; no sum is drawn."""
    window.page.get_by_label("Shape of A").fill("5, 2")
    window.page.get_by_label("Shape of B").fill("5")
    verdicts = window.page.locator("tbody tr").nth(2).locator("td").all_text_contents()
    assert verdicts == ["↔ B is stretched", "✗ does not fit"]
    assert _says(window).endswith("could not be broadcast together with shapes (5,2) (5,)")
    assert not window.page.locator(".w-panel").nth(2).is_visible()
    assert window.page.locator(".w-panel").nth(1).is_visible()


def test_half_typed_text_is_kept_and_explained(window):
    """A field is not rewritten while it is typed in; a sentence says what is missing."""
    field = window.page.get_by_label("Shape of A")
    field.fill("3 by 1")
    assert field.input_value() == "3 by 1"
    assert field.get_attribute("aria-invalid") == "true"
    assert "is not a shape" in _says(window)
    window.page.get_by_role("button", name="Reset").click()
    assert field.input_value() == "3, 1"


def test_an_entry_is_chosen_by_keys_and_by_clicks(window):
    """Both ways mark the entry in all three grids and name its origins."""
    window.page.get_by_label("row of the sum").press("ArrowRight")
    assert "Its entry [2, 2] is 20 + 3 = 23: A[2, 0] plus B[2]." in _says(window)
    window.page.locator(".w-panel").nth(2).locator(".w-cell").first.click()
    assert "Its entry [0, 0] is 0 + 1 = 1" in _says(window)
    assert window.page.locator(".w-under").count() == 3


def test_address_keeps_the_shapes(bench):
    """Shapes travel in the address; what is none falls back; many axes get no grid."""
    window = bench("broadcasting", state="a=32, 28, 28, 3&b=nonsense&row=1e9")
    assert window.page.get_by_label("Shape of B").input_value() == "4"
    assert "shapes (32,28,28,3) (4,)" in _says(window)
    window.page.get_by_role("button", name="Predictions and labels").click()
    assert "has the shape (4, 4)" in _says(window)
    window.page.wait_for_function("/a=4%2C%201|a=4,%201/.test(location.hash)")
    assert window.faults == []
