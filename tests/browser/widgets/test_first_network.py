"""The figure computes what NumPy computes with the weights that the chapter publishes."""

import numpy as np
import pytest

import dllab
from dllab import plot

UNITS = [3, 0, 31, 7, 12, 5, 20, 9, 1, 2, 30, 15, 16, 17, 18, 19]
RUN = """codes => { const m = DLLab.models['first-network'];
  const net = m.networkOf(DLLab.data('first-network'));
  return (codes || net.digits).map(code => m.forward(m.pixels(code), net)) }"""


@pytest.fixture(scope="module")
def published():
    """Random weights of the chapter's shapes, four test digits, and what a page holds of them."""
    rng = np.random.default_rng(0)
    shapes = {"W1": (64, 32), "b1": (32,), "W2": (32, 10), "b2": (10,)}
    weights = {name: rng.normal(0, 0.4, shape) for name, shape in shapes.items()}
    test = dllab.load("digits").test
    images = np.rint(16 * test.x[:4]).astype(np.uint8)
    labels = test.y[:4].tolist()
    data = plot.publish("first-network", **weights, units=UNITS, images=images, labels=labels)
    return weights, images, labels, data.json


@pytest.fixture
def window(bench, published):
    """The figure as it opens, with small random weights in place of the chapter's."""
    return bench("first-network", data=published[3])


def _scores(published, images):
    """Hidden values and scores in NumPy, with the weights as they travel: in 16 bits."""
    w = {name: value.astype(np.float16).astype(float) for name, value in published[0].items()}
    hidden = np.maximum(images.reshape(-1, 64) / 16 @ w["W1"] + w["b1"], 0)
    return hidden, hidden @ w["W2"] + w["b2"]


def _says(window):
    return window.page.locator(".w-says").text_content()


def _code(image):
    return "".join("0123456789abcdefg"[v] for v in image.ravel())


def test_hidden_values_and_scores_are_numpys(window, published):
    """The published test digits and an empty field give NumPy's hidden values and scores."""
    hidden, scores = _scores(published, published[1])
    found = window.page.evaluate(RUN, None)
    np.testing.assert_allclose([f["hidden"] for f in found], hidden, atol=1e-9)
    np.testing.assert_allclose([f["scores"] for f in found], scores, atol=1e-9)
    hidden, scores = _scores(published, np.zeros((1, 8, 8)))
    found = window.page.evaluate(RUN, ["0" * 64])[0]
    np.testing.assert_allclose(found["scores"], scores[0], atol=1e-9)


def test_an_image_survives_the_address(window):
    """All 17 grays go into 64 letters and come back; moved ink leaves the field at its edge."""
    ink = (np.arange(64) % 17 / 16).tolist()
    code = "(v) => { const m = DLLab.models['first-network']; return m.pixels(m.codeOf(v)) }"
    assert window.page.evaluate(code, ink) == ink
    moved = "(v) => DLLab.models['first-network'].shifted(v, 1, 2)"
    wanted = np.zeros((8, 8))
    wanted[2:, 1:] = np.reshape(ink, (8, 8))[:-2, :-1]
    assert window.page.evaluate(moved, ink) == wanted.ravel().tolist()


def test_figure_opens_with_the_first_test_digit(window, published):
    """The bars, the pictures and the sentence show the first published digit."""
    _, images, labels, _ = published
    hidden, scores = _scores(published, images[:1])
    best = int(scores.argmax())
    verdict = "right" if best == labels[0] else "wrong"
    assert _says(window).startswith(f"The network reads {best}: its score is ")
    digit = f"of the digit {labels[0]}"
    assert _says(window).endswith(f"{digit}, so the answer is {verdict}.")
    shown = window.page.locator(".w-unit p").all_text_contents()
    assert [float(text) for text in shown] == [
        pytest.approx(hidden[0, unit], rel=0.06) for unit in UNITS
    ]
    assert window.faults == []


def test_buttons_load_clear_and_move(window, published):
    """The next test digit, an empty field, a digit one pixel to the right."""
    window.page.get_by_role("button", name="Load a test digit").click()
    assert f"of the digit {published[2][1]}, so" in _says(window)
    window.page.get_by_role("button", name="Move one pixel right").click()
    moved = np.zeros((8, 8), np.uint8)
    moved[:, 1:] = published[1][1][:, :-1]
    assert f"reads {_scores(published, moved[None])[1].argmax()}:" in _says(window)
    window.page.get_by_role("button", name="Clear").click()
    assert "The field is empty" in _says(window)
    assert "cannot say" in _says(window)


def test_the_field_can_be_painted_by_keys(window):
    """Arrows move, Space paints and wipes; each move is said aloud; the address keeps the ink."""
    window.page.get_by_role("button", name="Clear").click()
    field = window.page.get_by_role("application")
    field.focus()
    for key in ("ArrowRight", "ArrowDown", "Space", "ArrowUp", "Space", "Space"):
        field.press(key)
    wanted = ["0"] * 64
    wanted[27 + 1 + 8] = "g"
    window.page.wait_for_function("ink => location.hash.includes(ink)", arg="".join(wanted))
    assert "row 4, column 5, ink 0" in window.page.locator(".w-controls [role=status]").inner_text()


def test_the_field_can_be_painted_by_a_pointer(window):
    """A stroke leaves ink along its way, and the wiping pointer takes it off."""
    window.page.get_by_role("button", name="Clear").click()
    box = window.page.get_by_role("application").bounding_box()
    for _ in range(2):
        window.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
        window.page.mouse.down()
        window.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 20)
        window.page.mouse.up()
        if window.page.get_by_label("the pointer wipes ink away").is_checked():
            break
        assert "The network reads" in _says(window)
        window.page.get_by_label("the pointer wipes ink away").check()
    assert "The field is empty" in _says(window)


def test_address_sets_the_ink_and_nonsense_does_not(bench, published):
    """A shared drawing opens as it was; another text gives the first digit."""
    window = bench("first-network", data=published[3], state=f"ink={_code(published[1][2])}")
    assert f"of the digit {published[2][2]}, so" in _says(window)
    window = bench("first-network", data=published[3], state="ink=nonsense&show=everything")
    assert f"of the digit {published[2][0]}, so" in _says(window)
    window.page.get_by_label("Pictures show").select_option("products")
    assert "times ink" in window.page.locator(".w-unit canvas").first.get_attribute("aria-label")
    window.page.get_by_role("button", name="Reset").click()
    assert window.page.get_by_label("Pictures show").input_value() == "weights"
    assert window.faults == []
