"""The unrolled network computes what the library's recurrent layer and its tape compute."""

import numpy as np
import pytest

from dllab.scratch import SimpleRNN, Tensor, relu

MODEL = "DLLab.models['rnn-unroller']"
IDENTITY = "identity"
EXAMPLE = {
    **{"units": "1", "steps": 12, "step": 3, "f": "tanh", "x": [1.0, 0.0, -1.0] + [0.0] * 13},
    **{"k": 0.5, "r": 0.8, "b": 0.0, "k2": 0.0, "b2": 0.0, "r12": 0.0, "r21": 0.0, "r22": 0.8},
}
ODD = [round(float(v), 2) for v in np.random.default_rng(3).uniform(-2, 2, 16)]
CASES = [
    EXAMPLE,
    EXAMPLE | {"steps": 3, "b": -0.3},
    EXAMPLE | {"f": IDENTITY, "r": 1.4, "k": 1.0, "steps": 16},
    EXAMPLE | {"f": "relu", "r": -0.9, "k": 1.7, "b": 0.2, "x": ODD},
    EXAMPLE | {"units": "2", "k2": -0.4, "b2": 0.1, "r12": 4.0, "r21": -0.3, "x": ODD},
    EXAMPLE | {"units": "2", "f": IDENTITY, "r": 0.5, "r22": 0.5, "r12": 4.0, "steps": 10},
]


def library(s):
    """Return states (time, units) and the slopes of each unit's last state (units, time)."""
    two = s["units"] == "2"
    kernel = np.array([[s["k"], s["k2"]]] if two else [[s["k"]]])
    recurrent = np.array([[s["r"], s["r12"]], [s["r21"], s["r22"]]] if two else [[s["r"]]])
    bias = np.array([s["b"], s["b2"]] if two else [s["b"]])
    slopes = []
    for unit in range(len(bias)):
        x = Tensor(np.array(s["x"][: s["steps"]])[None, :, None])
        if s["f"] == "tanh":
            layer = SimpleRNN(1, len(bias), rng=np.random.default_rng(0), return_sequences=True)
            for parameter, value in zip(layer.parameters(), (kernel, recurrent, bias), strict=True):
                parameter.data = value
            out = layer(x)
            states, last = out.data[0], out[:, s["steps"] - 1]
        else:
            f = relu if s["f"] == "relu" else lambda z: z
            last, walked = Tensor(np.zeros((1, len(bias)))), []
            for t in range(s["steps"]):
                last = f(x[:, t] @ kernel + last @ recurrent + bias)
                walked.append(last.data[0])
            states = np.array(walked)
        last[:, unit].sum().backward()
        slopes.append(x.grad[0, :, 0])
    return states, np.array(slopes)


@pytest.mark.parametrize("s", CASES)
def test_states_and_gradients_are_those_of_the_library(bench, s):
    """Each state, and the last state's slope at each input (two units: the norm)."""
    found = bench("rnn-unroller").page.evaluate(f"s => {MODEL}.run(s)", s)
    states, slopes = library(s)
    gradient = slopes[0] if len(slopes) == 1 else np.linalg.norm(slopes, axis=0)
    assert np.allclose(found["h"][1:], states, rtol=1e-9, atol=1e-12)
    assert np.allclose(found["gradient"], gradient, rtol=1e-9, atol=1e-12)


def test_backpropagation_through_time_of_a_whole_layer(bench):
    """Two features, three units, a loss at every step: all gradients are the tape's."""
    rng = np.random.default_rng(1)
    layer = SimpleRNN(2, 3, rng=rng, return_sequences=True)
    layer.bias.data = rng.normal(size=3)
    x, sent = Tensor(rng.normal(size=(1, 5, 2))), rng.normal(size=(1, 5, 3))
    (layer(x) * sent).sum().backward()
    names = ("K", "R", "b")
    weights = {n: p.data.tolist() for n, p in zip(names, layer.parameters(), strict=True)}
    found = bench("rnn-unroller").page.evaluate(
        "([x, w, sent]) => { const r = DLLab.recurrent;"
        " return r.back(x, r.simple(x, w, 'tanh'), w, sent, 'tanh'); }",
        [x.data[0].tolist(), weights, sent[0].tolist()],
    )
    assert np.allclose(found["x"], x.grad[0], rtol=1e-9)
    for name, parameter in zip(names, layer.parameters(), strict=True):
        assert np.allclose(found[name], parameter.grad, rtol=1e-9), name


def test_the_way_back_is_a_product_of_weights_and_slopes(bench):
    """What is written out as k, a power of r and the slopes is the gradient."""
    page = bench("rnn-unroller").page
    for step in (1, 3, 12):
        q = page.evaluate(f"([s, t]) => {MODEL}.factors(s, {MODEL}.run(s), t)", [EXAMPLE, step])
        assert q["arrows"] == 12 - step
        assert q["k"] * q["power"] * q["slopes"] == pytest.approx(
            library(EXAMPLE)[1][0][step - 1], rel=1e-9
        )


def test_it_opens_with_the_example_of_the_text(bench):
    """The third step is that of the table by hand, and the presets say what they promise."""
    window = bench("rnn-unroller")
    lines = window.page.locator(".w-lines")
    assert "z₃ = k x₃ + r h₂ + b = 0.5 · (−1) + 0.8 · 0.354 + 0 = −0.217" in lines.inner_text()
    assert "h₃ = tanh (−0.217) = −0.214" in lines.inner_text()
    window.page.get_by_role("button", name="Exploding").click()
    says = window.page.locator(".w-says").last
    assert "reacts to its last input by 1 and to the first by 40.5" in says.inner_text()
    window.page.get_by_role("button", name="Impulse kept").click()
    assert "the state stands at 1." in says.inner_text()
    assert window.faults == []


def test_weights_and_inputs_follow_the_keyboard(bench):
    """An arrow key moves the weight, the step and the input of that step; reset takes it back."""
    window = bench("rnn-unroller")
    page = window.page
    page.get_by_role("slider", name="Recurrent weight r").press("ArrowRight")
    page.get_by_role("slider", name="Look at step").press("ArrowLeft")
    page.get_by_role("slider", name="Its input x₂").press("ArrowRight")
    assert "0.5 · 0.1 + 0.85 · 0.462" in page.locator(".w-lines").inner_text()
    page.wait_for_function("location.hash.includes('r=0.85')")
    assert "step=2" in page.evaluate("location.hash")
    page.get_by_role("button", name="Reset").click()
    assert "0.5 · (−1) + 0.8 · 0.354" in page.locator(".w-lines").inner_text()
    assert window.faults == []


def test_an_input_can_be_dragged(bench):
    """A bar pulled to the top of its band has the value 2, and its step is the present one."""
    window = bench("rnn-unroller")
    handle = window.page.locator("svg.w-chart .w-drag")
    box = handle.bounding_box()
    x = box["x"] + box["width"] * 4.5 / 12  # the fifth of twelve columns
    window.page.mouse.move(x, box["y"] + box["height"] / 2)
    window.page.mouse.down()
    window.page.mouse.move(x + 90, box["y"] + 1)
    window.page.mouse.up()
    assert "z₅ = k x₅ + r h₄ + b = 0.5 · 2 + 0.8" in window.page.locator(".w-lines").inner_text()
    assert window.faults == []


def test_the_address_opens_a_state_and_nonsense_does_no_harm(bench):
    """Two units from the address; values out of range or of the wrong kind fall back."""
    window = bench("rnn-unroller", state="units=2&steps=4&step=9&r12=4&f=identity")
    lines = window.page.locator(".w-lines p")
    assert "z⁽²⁾₄" in lines.nth(2).inner_text()
    assert window.faults == []
    window = bench("rnn-unroller", state="units=7&steps=abc&x=1,2&f=cosine&r=1e9")
    assert "0.5 · (−1) + 2 · 0.728" in window.page.locator(".w-lines").inner_text()
    assert window.faults == []
