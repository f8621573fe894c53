"""The network in the page computes what dllab.scratch computes; drawings become MNIST's images."""

import re

import numpy as np
import pytest

from dllab import plot
from dllab.scratch import conv2d

SHAPES = [(5, 5, 1, 8), (8,), (5, 5, 8, 16), (16,), (7 * 7 * 16, 10), (10,)]
RUN = """([first, count]) => {
    const data = DLLab.data("digit-canvas"), model = DLLab.models["digit-canvas"];
    return Array.from({ length: count }, (_, i) => {
        const start = (first + i) * 784;
        const values = Array.from(data.digits.values.slice(start, start + 784), v => v / 255);
        const found = model.run(data.weights, { shape: [28, 28, 1], values: values });
        return [...found.maps.map(m => Array.from(m.values)), found.scores, found.shares];
    });
}"""
PREPARE = """strokes => {
    const model = DLLab.models["digit-canvas"], image = model.prepare(strokes);
    return [Array.from(image.values), model.center(image)];
}"""


@pytest.fixture(scope="module")
def published():
    """Random weights and blurred spots for digits, as a chapter publishes them."""
    rng = np.random.default_rng(0)
    weights = [rng.normal(0, 0.3 if len(shape) > 1 else 0.1, shape) for shape in SHAPES]
    digits = rng.integers(0, 256, (3, 28, 28)) * (rng.random((3, 28, 28)) < 0.3)
    values = {
        "weights": weights,
        "digits": digits.astype("uint8"),
        "labels": [4, 7, 1],
        "names": ["a 4", "a 7", "a 1"],
    }
    return {**values, "json": plot.publish("digit-canvas", **values).json}


def network(weights, image):
    """Maps, scores and probabilities with 16-bit weights."""
    first, b1, second, b2, W, b = (w.astype("float16").astype(float) for w in weights)
    options = {"strides": 2, "padding": "same"}
    x = np.maximum(conv2d(image[np.newaxis, :, :, np.newaxis], first, b1, **options).data, 0)
    y = np.maximum(conv2d(x, second, b2, **options).data, 0)
    scores = (y.reshape(1, -1) @ W + b)[0]
    shares = np.exp(scores - scores.max())
    return [x.ravel(), y.ravel(), scores, shares / shares.sum()]


def test_maps_and_scores_are_those_of_scratch(bench, published):
    """Same 16-bit weights, same images: equal to far below what anybody could see."""
    window = bench("digit-canvas", published["json"])
    for image, found in zip(published["digits"], window.page.evaluate(RUN, [0, 3]), strict=True):
        for ours, theirs in zip(network(published["weights"], image / 255), found, strict=True):
            np.testing.assert_allclose(theirs, ours, rtol=1e-9, atol=1e-10)
    assert window.faults == []


@pytest.mark.parametrize("where", [(0.1, 0.1, 0.3), (0.5, 0.3, 0.45), (0.05, 0.05, 0.9)])
def test_a_drawing_is_scaled_and_centered_by_its_mass(bench, published, where):
    """A seven of any size, anywhere: 20 pixels high, its center of mass in the middle."""
    left, top, size = where
    seven = [[left, top], [left + 0.6 * size, top], [left + 0.2 * size, top + size]]
    page = bench("digit-canvas", published["json"]).page
    values, center = page.evaluate(PREPARE, [seven])
    image = np.reshape(values, (28, 28))
    assert np.allclose(center, [14, 14], atol=0.25)
    rows, columns = np.nonzero(image > 0.25)
    high, wide = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert 19 <= high <= 21
    assert abs((wide - 2.2) / (high - 2.2) - 0.6) < 0.1  # the pen has the same width everywhere
    assert image.max() == 1
    assert ((image > 0.05) & (image < 0.95)).sum() > 20  # soft edges


def test_a_symmetric_drawing_stays_symmetric_and_keeps_its_aspect_ratio(bench, published):
    """A bar four times as wide as high; a dot stays small; nothing gives an empty image."""
    page = bench("digit-canvas", published["json"]).page
    bar = [[[0.3, 0.4], [0.7, 0.4], [0.7, 0.5], [0.3, 0.5], [0.3, 0.4]]]
    image = np.reshape(page.evaluate(PREPARE, bar)[0], (28, 28))
    assert np.allclose(image, image[::-1], atol=1e-9)
    assert np.allclose(image, image[:, ::-1], atol=1e-9)
    rows, columns = np.nonzero(image > 0.5)
    assert np.ptp(columns) + 1 == 20
    assert np.ptp(rows) + 1 == pytest.approx(17.8 / 4 + 2.2, abs=1)
    dot = np.reshape(page.evaluate(PREPARE, [[[0.2, 0.9]]])[0], (28, 28))
    assert 0 < np.count_nonzero(dot) <= 16
    assert not any(page.evaluate(PREPARE, [])[0])


def test_strokes_survive_the_address(bench, published):
    """Two digits in base 36 for each coordinate; nonsense gives an empty paper."""
    page = bench("digit-canvas", published["json"]).page
    rng = np.random.default_rng(1)
    strokes = [rng.random((n, 2)).round(3).tolist() for n in (1, 5, 40)]
    found = page.evaluate(
        "s => { const m = DLLab.models['digit-canvas']; return m.read(m.write(s)); }", strokes
    )
    for ours, theirs in zip(strokes, found, strict=True):
        assert np.allclose(ours, theirs, atol=1 / 2000)
    for text in ("", "abc", "<b>", "aaaa..bbbb", "zzzz" * 900):
        assert page.evaluate("t => DLLab.models['digit-canvas'].read(t)", text) == []


def test_each_place_sees_the_square_that_can_move_it(bench, published):
    """The outlined square is the receptive field: pixels outside it change nothing."""
    weights = [np.abs(w) for w in published["weights"]]
    page = bench("digit-canvas", published["json"]).page
    image = np.full((28, 28), 0.5)
    for layer, row, column in [(0, 3, 5), (0, 0, 13), (1, 3, 2), (1, 6, 0)]:
        box = page.evaluate("a => DLLab.models['digit-canvas'].field(...a)", [layer, row, column])
        inside = np.zeros((28, 28), bool)
        top, left = max(box["top"], 0), max(box["left"], 0)
        inside[top : box["top"] + box["side"], left : box["left"] + box["side"]] = True
        side = (14, 7)[layer]
        at = (row * side + column) * (8, 16)[layer]
        value = network(weights, image)[layer][at]
        assert network(weights, np.where(inside, image, 0.9))[layer][at] == pytest.approx(value)
        rows, columns = np.nonzero(inside)
        for corner in ((rows[0], columns[0]), (rows[-1], columns[-1])):
            changed = image.copy()
            changed[corner] = 0.9
            assert network(weights, changed)[layer][at] > value


def test_the_figure_shows_what_the_network_says(bench, published):
    """Bars, sentence and the chosen map follow the digit and its shift."""
    window = bench("digit-canvas", published["json"], state="digit=1&right=2&down=-3&map=b3")
    page = window.page
    image = np.zeros((28, 28))
    image[:25, 2:] = published["digits"][1][3:, :26] / 255
    *_, maps, _, shares = network(published["weights"], image)
    shown = page.locator(".w-shares output").all_text_contents()
    assert shown == [f"{100 * share:.1f} %" for share in shares]
    sentence = page.locator(".w-says").text_content()
    assert f"reads a {shares.argmax()} with" in sentence
    assert "the label is 7" in sentence
    best = maps.reshape(49, 16)[:, 2].argmax()
    told = page.locator(".w-below .w-quiet").last.text_content()
    assert f"row {best // 7 + 1}, column {best % 7 + 1}" in told
    page.get_by_role("button", name="Map a4").hover()
    assert "Map a4 is made" in page.locator(".w-below .w-quiet").last.text_content()
    assert window.faults == []


def test_a_pointer_draws_and_the_paper_can_be_cleared(bench, published):
    """The drawing becomes the figure's digit, goes into the address, and opens again from there."""
    window = bench("digit-canvas", published["json"])
    page, box = window.page, window.page.locator(".w-paper").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 180, box["y"] + 60, steps=5)
    page.mouse.move(box["x"] + 90, box["y"] + 200, steps=5)
    page.mouse.up()
    assert page.locator("select").input_value() == "own"
    shares = page.locator(".w-shares output").all_text_contents()
    page.wait_for_function("location.hash.includes('ink=')")
    state = page.evaluate("location.hash").split("?")[1]
    page.get_by_role("button", name="Clear the paper").click()
    assert page.locator(".w-says").text_content() == "The paper is empty."
    again = bench("digit-canvas", published["json"], state=state).page
    assert again.locator(".w-shares output").all_text_contents() == shares
    assert window.faults == []


def test_keys_draw_and_reset_restores(bench, published):
    """Space puts the pen down, arrows move it; nonsense in the address falls back to the start."""
    window = bench("digit-canvas", published["json"], state="digit=99&right=80&map=zz&ink=!")
    page = window.page
    assert page.locator("select").input_value() == "0"
    assert page.get_by_label("Move right").input_value() == "8"
    assert page.get_by_role("button", name="Map a1").get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Reset").click()
    start = page.locator(".w-says").text_content()
    page.locator(".w-paper").focus()
    for key in ["ArrowLeft", "Space", *["ArrowDown"] * 8, "Space"]:
        page.keyboard.press(key)
    assert page.locator("select").input_value() == "own"
    assert page.locator(".w-says").text_content() != "The paper is empty."
    page.wait_for_function("location.hash.includes('digit=own')")
    page.get_by_role("button", name="Reset").click()
    assert page.locator(".w-says").text_content() == start
    assert window.faults == []


def test_without_published_numbers_it_says_so(bench):
    """A page whose cells were not run holds no network."""
    window = bench("digit-canvas")
    assert "holds no trained network" in window.page.locator(".w-says").text_content()
    assert window.faults == []


def test_in_the_page_the_digits_get_the_probabilities_of_keras(tab):
    """What the chapter's own Keras model answered, to 1e-2: only the weights' 16 bits differ."""
    window = tab()
    window.open("book/architectures/convolutional_networks.html")
    data = window.page.evaluate("DLLab.data('digit-canvas')")
    keras, labels = np.array(data["shares"]), data["labels"]
    assert keras.shape == (len(labels), 10)
    found = np.array([run[3] for run in window.page.evaluate(RUN, [0, len(labels)])])
    np.testing.assert_allclose(found, keras, atol=1e-2)
    assert (found.argmax(axis=1) == keras.argmax(axis=1)).all()
    right = keras.argmax(axis=1) == labels
    assert right[:10].sum() >= 8
    assert not right[10]  # the last digit is one that it misreads
    says = window.page.locator("#try-digit-canvas .w-says").text_content()
    assert re.match(rf"The network reads a {keras[0].argmax()} with", says)
    assert window.faults == []
