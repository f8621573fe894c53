"""The chain of units multiplies the library's slopes, and the figure shows the products."""

import math

import numpy as np
import pytest

from dllab.scratch import Scalar, activations

MODEL = "DLLab.models['activation-slopes']"


def products(name, z, w, b, layers) -> list[list[float]]:
    """Return z, value, slope and product of each unit, from the library's functions."""
    rows, product = [], 1.0
    for layer in range(layers):
        slope = getattr(activations, f"{name}_derivative")(z).item()
        product *= slope * (w if layer else 1.0)
        a = getattr(activations, name)(z).item()
        rows.append([z, a, slope, product])
        z = w * a + b
    return rows


def chain(page, *arguments):
    """Return what the figure's model computes."""
    units = page.evaluate(f"a => {MODEL}.chain(...a)", list(arguments))
    return [[unit[key] for key in ("z", "a", "slope", "product")] for unit in units]


def says(page) -> str:
    """Return the sentence below the figure."""
    return page.locator(".w-says").last.inner_text()


def test_chain_is_that_of_the_library(bench):
    """Every function, several weights, biases and depths."""
    page = bench("activation-slopes").page
    for name in ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "softplus"):
        for z, w, b, layers in [(0.5, 1.0, 0.0, 12), (-1.3, -1.5, 0.4, 6), (2.0, 3.0, -1.0, 8)]:
            np.testing.assert_allclose(
                chain(page, name, z, w, b, layers),
                products(name, z, w, b, layers),
                rtol=1e-9,
                atol=1e-300,
                err_msg=f"{name} {z} {w} {b}",
            )


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu"])
def test_last_product_is_the_gradient_that_backpropagation_finds(bench, name):
    """The product along the chain is the adjoint of the first pre-activation."""
    z = first = Scalar(0.7)
    for _ in range(5):
        a = getattr(z, name)()
        z = a * 1.6 + (-0.2)
    a.backward()
    found = chain(bench("activation-slopes").page, name, 0.7, 1.6, -0.2, 5)
    assert found[-1][-1] == pytest.approx(first.grad, rel=1e-9)


def test_flat_regions_end_where_the_slope_is_a_twentieth(bench):
    """Sigmoid and tanh are flat on both sides, ReLU on the left, softplus far left."""
    page = bench("activation-slopes").page
    regions = {
        name: page.evaluate(f"name => {MODEL}.flat(name, -6, 6)", name)
        for name in ("sigmoid", "tanh", "relu", "softplus", "identity")
    }
    edge = math.log((1 + math.sqrt(0.8)) / (1 - math.sqrt(0.8)))  # s(1 - s) = 0.05
    np.testing.assert_allclose(regions["sigmoid"], [[-6, -edge], [edge, 6]], atol=0.011)
    edge = math.atanh(math.sqrt(0.95))
    np.testing.assert_allclose(regions["tanh"], [[-6, -edge], [edge, 6]], atol=0.011)
    assert regions["relu"] == [[-6, 0]]
    np.testing.assert_allclose(regions["softplus"], [[-6, math.log(0.05 / 0.95)]], atol=0.011)
    assert regions["identity"] == []


def test_the_example_by_hand(bench):
    """Two units, w = 4, b = -3, z = ln 3: slopes 3/16 and 1/4, product 3/16."""
    page = bench("activation-slopes").page
    page.get_by_role("button", name="The example by hand").click()
    cells = page.locator("tbody tr").all_inner_texts()
    assert [row.split("\t") for row in cells] == [
        ["1", "1.1", "0.75", "0.188", "0.188"],
        ["2", "0", "0.5", "0.25", "0.188"],
    ]
    page.get_by_label("Activation g").select_option("relu")
    assert page.locator("tbody tr").last.inner_text().split("\t")[-1] == "4"


def test_controls_move_the_numbers_and_the_address(bench):
    """Sliders by key, a press in the plot, Reset; the address follows."""
    window = bench("activation-slopes")
    page = window.page
    assert "multiplied by about 3.48e−7. It vanishes" in says(page)
    page.get_by_label("Pre-activation z₁").press("ArrowRight")
    page.get_by_label("Layers").fill("4")
    assert says(page).startswith("At z = 0.55 the sigmoid")
    page.wait_for_function("location.hash === '#try-activation-slopes?z=0.55&layers=4'")
    assert page.locator("tbody tr").count() == 4
    place = page.evaluate(
        """() => { const box = document.querySelector('svg.w-drag').getBoundingClientRect();
        return [box.x + box.width * (46 + 284 * 0.75) / 340, box.y + box.height / 2]; }"""
    )
    page.mouse.click(*place)
    assert says(page).startswith("At z = 3 the sigmoid")
    page.get_by_role("button", name="Reset").click()
    assert "multiplied by about 3.48e−7" in says(page)
    assert window.faults == []


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("g=relu&z=-0.5&layers=5", "multiplied by 0. Nothing arrives."),
        ("g=relu&w=2&layers=20", "multiplied by about 524000. It explodes."),
        ("g=nonsense&z=abc&w=&layers=NaN", "multiplied by about 3.48e−7. It vanishes."),
        ("layers=1e9&w=-99", "After 30 layers"),
    ],
)
def test_address_opens_a_state_and_nonsense_is_ignored(bench, state, sentence):
    """Presets of the text can be shared; what cannot be read falls back."""
    window = bench("activation-slopes", state=state)
    assert sentence in says(window.page)
    assert window.faults == []
