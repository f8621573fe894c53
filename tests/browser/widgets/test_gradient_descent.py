"""The optimizers of the figure are those of `dllab.scratch`, and it shows what they do."""

from urllib.parse import parse_qs

import numpy as np
import pytest

from dllab import scratch

STEPS = 50
VALLEY = {
    "rates 2/26, 1/9 and 0.9, momentum 4/9": ({"gd": 2 / 26, "mom": 1 / 9, "adam": 0.9}, 4 / 9),
    "small rates, momentum 0.9": ({"gd": 0.01, "mom": 0.01, "nag": 0.02, "rms": 0.05}, 0.9),
    "rates that diverge": ({"gd": 0.1, "mom": 0.3, "nag": 0.3, "adam": 5.0, "rms": 2.0}, 0.5),
}
MAKE = {
    "gd": lambda w, rate, mu: scratch.SGD(w, rate),
    "mom": lambda w, rate, mu: scratch.SGD(w, rate, momentum=mu),
    "nag": lambda w, rate, mu: scratch.SGD(w, rate, momentum=mu, nesterov=True),
    "rms": lambda w, rate, mu: scratch.RMSprop(w, rate),
    "adam": lambda w, rate, mu: scratch.Adam(w, rate),
}
SURFACES = {
    "valley": lambda w: (w[0] ** 2 + 25 * w[1] ** 2) / 2,
    "saddle": lambda w: (w[0] ** 2 - 1) ** 2 / 4 + 5 * w[1] ** 2 / 2,
    "two": lambda w: (w[0] ** 2 - 1) ** 2 / 2 - 0.3 * w[0] + w[1] ** 2,
    "rosenbrock": lambda w: (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2,
}
CALL = "([f, args]) => DLLab.models['gradient-descent'][f](...args)"


def _visited(rule, rate, mu):
    """Points that an optimizer of `dllab.scratch` visits in the valley, from (-9, 2)."""
    w = scratch.Tensor([-9.0, 2.0])
    optimizer, points = MAKE[rule]([w], rate, mu), [w.data]
    for _ in range(STEPS):
        w.grad = np.array([1.0, 25.0]) * w.data
        optimizer.step()
        points.append(w.data)
    return np.array(points)


@pytest.fixture
def window(bench):
    """The figure as it opens."""
    return bench("gradient-descent")


def _row(window, name):
    cells = window.page.locator(f"tbody tr:has(th:text-is('{name}')) td")
    return cells.all_text_contents()


def test_every_optimizer_takes_the_steps_of_scratch(window):
    """Fifty steps of five optimizers with several settings equal `dllab.scratch`'s."""
    for settings, (rates, mu) in VALLEY.items():
        for rule, rate in rates.items():
            args = [rule, "valley", 25, [-9, 2], rate, mu, STEPS]
            found = np.array(window.page.evaluate(CALL, ["path", args]), float)
            wanted = _visited(rule, rate, mu)
            np.testing.assert_allclose(
                found, wanted, rtol=1e-9, atol=1e-9, err_msg=f"{rule} with {settings}"
            )


def test_slopes_belong_to_the_losses(window):
    """A surface's loss is the formula's up to a constant; its slopes are the numeric ones."""
    points = np.random.default_rng(0).uniform(-1.5, 1.5, (6, 2))
    for surface, formula in SURFACES.items():
        gaps = []
        for w in points:
            loss = window.page.evaluate(CALL, ["loss", [surface, w.tolist(), 25]])
            slope = window.page.evaluate(CALL, ["slope", [surface, w.tolist(), 25]])
            numeric = scratch.numeric_gradient(formula, w)
            np.testing.assert_allclose(slope, numeric, atol=1e-6, err_msg=surface)
            gaps.append(loss - formula(w))
        assert np.ptp(gaps) < 1e-9, surface


def test_losses_count_from_the_lowest_point(window):
    """The lowest loss of each surface is 0, so that a logarithmic axis makes sense."""
    for surface, lowest in {"saddle": [1, 0], "rosenbrock": [1, 1], "valley": [0, 0]}.items():
        assert window.page.evaluate(CALL, ["loss", [surface, lowest, 25]]) == 0
    along = np.linspace(0.9, 1.2, 3001)
    found = [window.page.evaluate(CALL, ["loss", ["two", [w, 0.0], 1]]) for w in along[::100]]
    assert -1e-12 < min(found) < 1e-4


def test_verdict_finds_arrival_and_divergence(window):
    """Steps until the loss is below 0.001 as the chapter counts them; 1000 times is lost."""
    points = _visited("mom", 1 / 9, 4 / 9)
    losses = points**2 @ [1, 25] / 2
    arrived = int(np.argmax(losses < 1e-3))
    verdict = window.page.evaluate(CALL, ["verdict", [losses.tolist()]])
    assert verdict == {"arrived": arrived, "diverged": -1}
    growing = (1 - 0.1 * 25) ** (2 * np.arange(20))
    verdict = window.page.evaluate(CALL, ["verdict", [growing.tolist()]])
    assert verdict["diverged"] == int(np.argmax(growing > 1000))


def test_contour_lines_lie_where_the_loss_has_their_level(window):
    """Each end of each piece of a contour line has the line's level, up to the grid."""
    code = """() => {
      const m = DLLab.models['gradient-descent'], f = (w) => m.loss('valley', w, 25);
      return m.contour(f, 15, [-10, 5], [-3, 3], 90, 60).flat().map(f) }"""
    levels = window.page.evaluate(code)
    assert len(levels) > 200
    assert max(abs(level - 15) for level in levels) < 0.6


def test_figure_opens_with_the_chapters_example(window):
    """Three optimizers after 25 steps, each where the chapter's cell has it."""
    for name, rule, rate in (
        ("gradient descent", "gd", 2 / 26),
        ("momentum", "mom", 1 / 9),
        ("Adam", "adam", 0.9),
    ):
        loss = _visited(rule, rate, 4 / 9)[25] ** 2 @ [1, 25] / 2
        shown = float(_row(window, name)[1].replace("−", "-"))
        assert shown == pytest.approx(loss, rel=5e-3)
    assert window.page.locator("tbody tr").count() == 3
    assert window.faults == []


def test_a_rate_that_is_too_large_is_said_to_diverge(window):
    """An example button shows divergence, in the table and in the sentence."""
    window.page.get_by_role("button", name="Rate too large").click()
    assert "diverges at step" in _row(window, "gradient descent")[2]
    assert "diverges: after" in window.page.locator(".w-says").text_content()
    window.page.get_by_role("button", name="Reset").click()
    assert window.page.locator("tbody tr").count() == 3


def test_keyboard_and_address(window):
    """Arrow keys change a rate and a start; the address keeps both."""
    slider = window.page.get_by_label("rate η of gradient descent")
    slider.focus()
    slider.press("ArrowLeft")
    window.page.get_by_label("start w₂").press("ArrowLeft")
    window.page.wait_for_function(
        "location.hash.includes('gdRate') && location.hash.includes('start')"
    )
    state = parse_qs(window.page.evaluate("location.hash").split("?")[1])
    assert state["gdRate"] == ["0.076"]
    assert state["start"] == ["-9,1.99"]


def test_address_sets_the_state_and_nonsense_does_not(bench):
    """A shared address shows its state; unknown surfaces, texts and fractions fall back."""
    window = bench(
        "gradient-descent", state="surface=bathtub&t=1&adamRate=0.5&gdRate=much&mom=maybe"
    )
    assert window.page.get_by_label("Surface").input_value() == "valley"
    assert _row(window, "Adam")[0] == "(−8.5, 1.5)"
    assert _row(window, "gradient descent")[0] == "(−8.31, −1.85)"
    assert len(_row(window, "momentum")) == 3
    assert window.faults == []


def test_start_can_be_dragged(window):
    """Dragging the ring moves the start, and stays inside the plot."""
    ring = window.page.locator(".w-drag circle").last
    box = ring.bounding_box()
    window.page.mouse.move(box["x"] + 7, box["y"] + 7)
    window.page.mouse.down()
    window.page.mouse.move(box["x"] + 60, box["y"] + 900)
    window.page.mouse.up()
    assert window.page.get_by_label("start w₂").input_value() == "-5.5"
    assert float(window.page.get_by_label("start w₁").input_value()) > -9
