"""The figure's neuron is `dllab.scratch`'s: its loss, its gradient, its steps."""

import math

import numpy as np
import pytest

from dllab import plot
from dllab.scratch import SGD, Dense, Tensor, binary_cross_entropy

CALL = "([f, args]) => DLLab.models['single-neuron'][f](...args)"
NEURONS = [((0.0, 0.0), 0.0), ((1.0, -2.0), 0.5), ((-3.0, 0.25), 4.0), ((40.0, 40.0), -80.0)]


@pytest.fixture(scope="module")
def published():
    """Two overlapping clouds, a neuron, and what a page holds of them."""
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=40).astype(np.uint8)
    X = (rng.normal(size=(40, 2)) + y[:, None]).astype(np.float16)
    data = plot.publish("single-neuron", X=X, y=y, w=[1.25, 0.5], b=-0.75)
    return X.astype(float), y, data.json


@pytest.fixture
def window(bench, published):
    """The figure as it opens."""
    return bench("single-neuron", data=published[2])


def _neuron(w, b):
    neuron = Dense(2, 1, rng=np.random.default_rng(0))
    neuron.W.data, neuron.b.data = np.array(w)[:, None], np.array([float(b)])
    return neuron


def _table(window):
    rows = window.page.locator("tbody tr").all()
    cells = [row.locator("td").all_text_contents() for row in rows]
    return [[float(text.replace("−", "-")) for text in row] for row in cells]


def _sentence(X, y, w, b):
    z = X @ w + b
    loss = binary_cross_entropy(Tensor(z[:, None]), y[:, None])
    good = int(((z > 0) == y).sum())
    accuracy = f"{good / 40:.3f}".rstrip("0")
    return f"Loss {float(loss):.3g}, accuracy {accuracy}: {good} of 40"


def test_loss_and_gradient_are_those_of_scratch(window, published):
    """For weights from zero to enormous, loss and slopes equal Dense + binary_cross_entropy."""
    X, y, _ = published
    for w, b in NEURONS:
        neuron = _neuron(w, b)
        loss = binary_cross_entropy(neuron(X), y[:, None])
        loss.backward()
        args = [X.ravel().tolist(), y.tolist(), list(w), b]
        found = window.page.evaluate(CALL, ["gradient", args])
        assert window.page.evaluate(CALL, ["loss", args]) == pytest.approx(float(loss), abs=1e-9)
        wanted = [*neuron.W.grad[:, 0], *neuron.b.grad]
        np.testing.assert_allclose(found, wanted, atol=1e-9)


def test_steps_are_those_of_scratch(window, published):
    """Twenty steps from zero with three rates end where `SGD` ends."""
    X, y, _ = published
    code = """([X, y, rate]) => { let p = { w: [0, 0], b: 0 };
      for (let i = 0; i < 20; i++) p = DLLab.models["single-neuron"].step(X, y, p.w, p.b, rate);
      return [...p.w, p.b] }"""
    for rate in (0.1, 1.0, 30.0):
        neuron = _neuron((0.0, 0.0), 0.0)
        optimizer = SGD(neuron.parameters(), rate)
        for _ in range(20):
            optimizer.zero_grad()
            binary_cross_entropy(neuron(X), y[:, None]).backward()
            optimizer.step()
        found = window.page.evaluate(code, [X.ravel().tolist(), y.tolist(), rate])
        np.testing.assert_allclose(found, [*neuron.W.data[:, 0], *neuron.b.data], atol=1e-8)


def test_the_line_is_where_the_logit_is_zero(window):
    """`foot` is the closest point of the line; a turned line passes both points and keeps |w|."""
    w, b, near = np.array([3.0, 4.0]), -5.0, np.array([3.0, 4.0])
    foot = np.array(window.page.evaluate(CALL, ["foot", [w.tolist(), b, near.tolist()]]))
    assert w @ foot + b == pytest.approx(0)
    assert math.dist(foot, near) == pytest.approx(4)  # the exercise of the chapter
    turned = window.page.evaluate(CALL, ["through", [w.tolist(), [1, 2], [2, 1]]])
    assert np.hypot(*turned["w"]) == pytest.approx(5)
    for point in ([1, 2], [2, 1]):
        assert np.dot(turned["w"], point) + turned["b"] == pytest.approx(0)
    assert window.page.evaluate(CALL, ["foot", [[0, 0], 1, [0, 0]]]) is None


def test_figure_opens_with_the_trained_neuron(window, published):
    """Loss, accuracy and table belong to the published weights."""
    X, y, _ = published
    says = window.page.locator(".w-says").text_content()
    assert says.startswith(_sentence(X, y, np.array([1.25, 0.5]), -0.75))
    assert [row[0] for row in _table(window)] == [1.25, 0.5, -0.75]
    assert window.faults == []


def test_one_step_leads_where_the_table_says(window):
    """The button moves each parameter to the table's last column; a rate can be chosen."""
    window.page.get_by_role("button", name="Zero weights").click()
    window.page.get_by_label("learning rate η").select_option("0.3")
    predicted = [row[2] for row in _table(window)]
    window.page.get_by_role("button", name="One step of gradient descent").click()
    assert [row[0] for row in _table(window)] == predicted
    assert predicted[0] > 0


def test_tenths_keep_the_line_and_steepen_the_slope(window):
    """A feature in other units: a tenth of the weight, the same loss, ten times the slope."""
    before, says = _table(window), window.page.locator(".w-says").text_content()
    window.page.get_by_label("texture in tenths").check()
    after = _table(window)
    assert after[0][0] == pytest.approx(before[0][0] / 10)
    assert after[0][1] == pytest.approx(10 * before[0][1], rel=0.02)
    assert window.page.locator(".w-says").text_content() == says


def test_keyboard_address_and_reset(window):
    """An arrow key moves a weight, the address follows, Reset brings the neuron back."""
    window.page.get_by_label("weight w₁").press("ArrowRight")
    window.page.wait_for_function("location.hash.includes('w1=1.3')")
    window.page.get_by_role("button", name="all × 10").click()
    assert _table(window)[0][0] == 13
    window.page.get_by_role("button", name="Reset").click()
    assert _table(window)[0][0] == 1.25


def test_address_sets_the_state_and_nonsense_does_not(bench, published):
    """A shared neuron opens as it was; texts and enormous numbers do no harm."""
    window = bench("single-neuron", data=published[2], state="w1=-2&w2=many&b=1e99&rate=quick")
    assert [row[0] for row in _table(window)] == [-2, 0.5, 15]
    assert window.page.get_by_label("learning rate η").input_value() == "1"
    assert window.faults == []


def test_the_line_can_be_dragged(window):
    """The square changes the bias alone; the ring turns the weights and keeps their length."""
    w1, w2, b = (row[0] for row in _table(window))
    for handle, shift in ((0, (30, -30)), (1, (20, 40))):
        box = window.page.locator(".w-drag").nth(handle).bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        window.page.mouse.move(x, y)
        window.page.mouse.down()
        window.page.mouse.move(x + shift[0], y + shift[1])
        window.page.mouse.up()
        found = [row[0] for row in _table(window)]
        if handle == 0:
            assert found[:2] == [w1, w2]
            assert found[2] != b
    assert found[0] != w1
    assert math.hypot(*found[:2]) == pytest.approx(math.hypot(w1, w2), rel=5e-3)
