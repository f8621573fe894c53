"""The gated unit computes what the library's LSTM and GRU compute with the same weights."""

import numpy as np
import pytest

from dllab.scratch import GRU, LSTM, Tensor

MODEL = "DLLab.models['lstm-gates']"
NEW = {
    **{"cell": "lstm", "x": [0.0, 1.0] + [0.0] * 8, "part": "forget", "step": 3},
    **{"k": [0.0, 0.0, 1.0, 0.0], "r": [0.0] * 4, "b": [0.0, 1.0, 0.0, 0.0]},
    **{"gk": [0.0, 0.0, 1.0], "gr": [0.0] * 3, "gb": [0.0] * 3},
}


def odd(seed):
    """Return weights and inputs without any pattern."""
    rng = np.random.default_rng(seed)
    sizes = {"x": 10, "k": 4, "r": 4, "b": 4, "gk": 3, "gr": 3, "gb": 3}
    return NEW | {name: rng.uniform(-2, 2, size).tolist() for name, size in sizes.items()}


def library(s):
    """Return the states after each step of the library's layer: h, and for the LSTM c."""
    gru = s["cell"] == "gru"
    layer = (GRU if gru else LSTM)(1, 1, rng=np.random.default_rng(0))
    k, r, b = (np.array(s[("g" if gru else "") + name]) for name in "krb")
    layer.kernel.data, layer.recurrent_kernel.data = k[None], r[None]
    layer.bias.data = np.array([b, 0 * b]) if gru else b
    state, found = layer.initial_state(1), []
    for x in s["x"]:
        state = layer.step([[x]], state)
        found.append([float(part.data[0, 0]) for part in state])
    return np.array(found)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("s", [NEW, odd(1), odd(2)], ids=["new", "odd 1", "odd 2"])
def test_states_are_those_of_the_library(bench, s, cell):
    """After each of ten steps, with the blocks of weights in Keras's order."""
    s = s | {"cell": cell}
    found = bench("lstm-gates").page.evaluate(f"s => {MODEL}.run(s)", s)
    names = ["h"] if cell == "gru" else ["h", "c"]
    computed = [[step[name] for name in names] for step in found]
    assert np.allclose(computed, library(s), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("kind", "name"), [(LSTM, "lstm"), (GRU, "gru")])
def test_cells_of_several_units_are_those_of_the_library(bench, kind, name):
    """Two features, three units, both biases of the GRU: the blocks do not mix."""
    rng = np.random.default_rng(4)
    layer = kind(2, 3, rng=rng, return_sequences=True)
    layer.bias.data = rng.normal(size=layer.bias.shape)
    x = rng.normal(size=(6, 2))
    weights = {n: p.data.tolist() for n, p in zip(("K", "R", "b"), layer.parameters(), strict=True)}
    found = bench("lstm-gates").page.evaluate(
        "([name, x, w]) => DLLab.recurrent.walk(DLLab.recurrent[name], x, w, 3).map(s => s.h)",
        [name, x.tolist(), weights],
    )
    assert np.allclose(found, layer(Tensor(x[None])).data[0], rtol=1e-9)


def test_presets_do_what_they_are_called(bench):
    """Kept, forgotten, counted, and the first input of a sequence remembered."""
    page = bench("lstm-gates").page
    says = page.locator(".w-below .w-says")

    def after(name, pick="lstm"):
        page.get_by_role("combobox", name="Unit").select_option(pick)
        page.get_by_role("button", name=name).click()
        return says.inner_text()

    assert "the cell holds 1 " in after("Keep for ever")
    assert "the cell holds 0 " in after("Forget at once")
    assert "the cell holds 5 " in after("Count the ones")
    first = after("Remember the first input")
    assert float(first.split("holds ")[1].split()[0]) == pytest.approx(np.tanh(3), abs=0.02)
    assert "the state holds 1." in after("Keep for ever", "gru")
    assert "the state holds 0." in after("Forget at once", "gru")
    # a state between -1 and 1 cannot count to five
    counted = float(after("Count the ones", "gru").split("holds ")[1].split()[0].rstrip("."))
    assert abs(counted) < 1


def test_first_input_is_remembered_whatever_comes_later(bench):
    """With a first input of 0 the same weights hold another value to the end."""
    page = bench("lstm-gates").page
    page.get_by_role("button", name="Remember the first input").click()
    page.get_by_role("slider", name="Look at step").press("Home")
    page.get_by_role("slider", name="Its input x₁").fill("0")
    text = page.locator(".w-below .w-says").inner_text()
    assert float(text.split("holds ")[1].split()[0]) == pytest.approx(np.tanh(1), abs=0.02)


def test_the_forget_bias_of_the_text(bench):
    """A new cell keeps sigma(1) of its content at each step, with a bias of 4 sigma(4)."""
    window = bench("lstm-gates")
    page = window.page
    says = page.locator(".w-below .w-says")
    sigma = 1 / (1 + np.exp(-np.array([1.0, 4.0])))
    assert f"{sigma[0] ** 8:.3g}" in says.inner_text()
    assert "f₃ = σ(0 · 0 + 0 · " in page.locator(".w-lines strong").inner_text()
    page.get_by_role("slider", name="Bias, f").fill("4")
    assert f"{sigma[1] ** 8:.3g}" in says.inner_text()
    page.wait_for_function("location.hash.includes('b=0,4,0,0')")
    page.get_by_role("button", name="Reset").click()
    assert f"{sigma[0] ** 8:.3g}" in says.inner_text()
    assert window.faults == []


def test_a_gate_is_highlighted_and_set(bench):
    """The chosen gate's sliders move, and its line is the marked one; the GRU has its own gates."""
    window = bench("lstm-gates")
    page = window.page
    page.get_by_role("combobox", name="Gate").select_option("output")
    page.get_by_role("slider", name="Bias, o").press("ArrowRight")
    assert page.locator(".w-lines strong").inner_text().endswith("+ 0.5) = 0.622")
    page.locator("svg.w-chart text:text('Input gate i')").click()  # its row chooses it as well
    assert page.locator(".w-lines strong").inner_text().startswith("i₁ = σ(")
    page.get_by_role("slider", name="Look at step").fill("3")
    page.get_by_role("combobox", name="Unit").select_option("gru")
    assert page.locator(".w-lines strong").inner_text().startswith("u₃ = σ(")
    assert page.get_by_role("slider", name="Bias, u").count() == 1
    assert window.faults == []


def test_the_address_opens_a_state_and_nonsense_does_no_harm(bench):
    """A unit and weights from the address; what is not one falls back."""
    window = bench("lstm-gates", state="cell=gru&part=reset&gb=0,3,0")
    assert "+ 3) = 0.953" in window.page.locator(".w-lines strong").inner_text()
    assert window.faults == []
    window = bench("lstm-gates", state="cell=tape&part=gate&step=99&b=1,2&x=a")
    assert window.page.locator(".w-lines strong").inner_text().startswith("f₁₀ = σ(")
    assert window.faults == []
