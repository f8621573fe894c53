"""The drawn 2-2-1 network computes what the library's layers compute, and follows the reader."""

import re

import numpy as np
import pytest

from dllab.scratch import Dense, Sequential

MODEL = "DLLab.models['forward-xor']"
START = {"unit1": [1, 1, 0], "unit2": [1, 1, 0], "output": [1, -2, -0.5]}
BY_HAND = {"unit1": [1, 2, -1], "unit2": [-1, 1, 0], "output": [0.5, -2, 1]}
ODD = {"unit1": [0.3, -1.7, 0.2], "unit2": [2.1, 0.4, -0.9], "output": [-1.1, 0.7, 0.05]}


def library(net) -> Sequential:
    """Return the same network, made of the library's layers."""
    rng = np.random.default_rng(0)
    hidden, output = Dense(2, 2, "relu", rng=rng), Dense(2, 1, rng=rng)
    columns = np.array([net["unit1"], net["unit2"]], dtype=float).T
    hidden.W.data, hidden.b.data = columns[:2], columns[2]
    output.W.data = np.array(net["output"][:2], dtype=float)[:, None]
    output.b.data = np.array(net["output"][2:], dtype=float)
    return Sequential([hidden, output])


def rows(page) -> list[str]:
    """Return the corner table's rows as text."""
    return page.locator("table:has(caption:text('four corners')) tbody tr").all_inner_texts()


@pytest.mark.parametrize("net", [START, BY_HAND, ODD])
def test_forward_pass_is_that_of_the_library(bench, net):
    """Hidden activations and outputs, at corners and other points."""
    points = [[0, 0], [0, 1], [1, 0], [1, 1], [1, 2], [2, -1], [-1, 3], [0.35, -0.2]]
    found = bench("forward-xor").page.evaluate(
        f"([net, points]) => points.map(p => {MODEL}.forward(net, p[0], p[1]))", [net, points]
    )
    network = library(net)
    hidden, output = (A.data for A in network.forward_all(np.array(points, dtype=float))[1:])
    np.testing.assert_allclose([[f["a1"], f["a2"]] for f in found], hidden, atol=1e-12)
    np.testing.assert_allclose([f["y"] for f in found], output[:, 0], atol=1e-12)


def test_stretches_end_where_the_sign_changes(bench):
    """The colored region's edges are zeros of the function."""
    found = bench("forward-xor").page.evaluate(
        f"{MODEL}.stretches(x => 0.25 - Math.abs(x - 0.4), -0.5, 1.5, 60)"
    )
    np.testing.assert_allclose(found, [[0.15, 0.65]], atol=1e-9)


def test_start_is_the_network_of_the_text_with_one_bias_wrong(bench):
    """Two corners are wrong; setting the bias of unit 2 to -1 puts all four right."""
    window = bench("forward-xor")
    page = window.page
    assert [row.split("\t")[-2:] for row in rows(page)] == [
        ["−0.5", "✓ yes"],
        ["−1.5", "✗ no"],
        ["−1.5", "✗ no"],
        ["−2.5", "✓ yes"],
    ]
    page.get_by_label("unit 2, bias", exact=True).fill("-1")
    assert "4 of 4 corners right" in page.locator(".w-says").last.inner_text()
    page.wait_for_function("location.hash === '#try-forward-xor?unit2=1,1,-1'")
    page.get_by_role("button", name="Reset").click()
    assert "2 of 4 corners right" in page.locator(".w-says").last.inner_text()
    assert window.faults == []


def test_arithmetic_is_written_with_the_numbers(bench):
    """The example by hand: 5 - 1 = 4, then 2 - 2 + 1 = 1, one unit at a time."""
    page = bench("forward-xor").page
    page.get_by_role("button", name="The example by hand").click()
    lines = page.locator(".w-steps li")
    assert lines.all_inner_texts() == [
        "z₁ = 1 · 1 + 2 · 2 − 1 = 4 → a₁ = max(4, 0) = 4",
        "z₂ = −1 · 1 + 1 · 2 + 0 = 1 → a₂ = max(1, 0) = 1",
        "ŷ = 0.5 · 4 − 2 · 1 + 1 = 1 → class 1",
    ]
    page.get_by_role("button", name="Next: unit 1").press("Enter")
    assert lines.all_inner_texts()[1:] == ["z₂ = ?", "ŷ = ?"]
    assert page.locator("[aria-current=step]").inner_text().startswith("z₁")
    page.get_by_role("button", name="Next: unit 2").press("Enter")
    assert lines.all_inner_texts()[2] == "ŷ = ?"
    page.get_by_role("button", name="Previous").press("Enter")
    assert lines.all_inner_texts()[1] == "z₂ = ?"


def test_a_number_in_the_drawing_can_be_dragged(bench):
    """Up makes a weight larger, down smaller; the field shows the same number."""
    page = bench("forward-xor").page
    field = page.get_by_label("output, weight of a₂")
    chip = page.locator("svg g.w-drag:has(text:text-is('−2'))")
    box = chip.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + 30, steps=4)
    page.mouse.up()
    assert float(field.input_value()) == -2.5
    assert page.locator("svg g.w-drag:has(text:text-is('−2.5'))").count() == 1


def test_the_input_moves_by_keys_and_by_dragging_the_plane(bench):
    """An arrow key moves a slider; a press in the plane puts the input there."""
    page = bench("forward-xor").page
    page.get_by_label("Input x₁").press("ArrowRight")
    assert "The input (0.05, 1)" in page.locator(".w-says").last.inner_text()
    place = page.evaluate(
        """() => { const box = document.querySelector('svg.w-drag').getBoundingClientRect();
        return [box.x + box.width * (46 + 204 * 0.75) / 260,
                box.y + box.height * (10 + 204 * 0.5) / 254]; }"""
    )
    page.mouse.click(*place)
    says = page.locator(".w-says").last.inner_text()
    assert re.search(r"The input \(1, 0\.5\)", says), says


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("x1=1&x2=1&unit2=1,1,-1", "The input (1, 1) gives −0.5"),
        ("x1=oops&unit1=1,2&step=-7&output=a,b,c", "The input (0, 1) gives −1.5"),
        ("x1=99&unit1=1e9,1,0", "The input (3, 1) gives"),
    ],
)
def test_address_opens_a_state_and_nonsense_is_ignored(bench, state, sentence):
    """What cannot be read falls back, what is too large stays at the limit."""
    window = bench("forward-xor", state=state)
    assert sentence in window.page.locator(".w-says").last.inner_text()
    assert window.faults == []
