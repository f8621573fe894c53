"""Gradients through chains with and without skips: the product formulas and the engine agree."""

from itertools import combinations

import numpy as np
import pytest

from dllab.scratch import Scalar

MODEL = "DLLab.models['residual-depth']"


def through_the_engine(slopes, around):
    """Gradients before each block of a chain of dllab.scratch's scalars."""
    values = [Scalar(1.0)]
    for a in slopes:
        values.append(values[-1] * a + values[-1] * around)
    values[-1].backward()
    return [value.grad for value in values]


@pytest.mark.parametrize(
    "slopes", [[0.1] * 10, [0.5] * 10, [-1.0] * 6, [-1.5, 0.3, 2.0, 0.01], [0.7], [0.0, 1.0]]
)
def test_gradients_are_those_of_the_engine(bench, slopes):
    """Block by block, plain and with skips; at the input the products of the chapter."""
    page = bench("residual-depth").page
    for around in (0, 1):
        found = page.evaluate(f"a => {MODEL}.gradients(...a)", [slopes, around])
        np.testing.assert_allclose(found, through_the_engine(slopes, around), rtol=1e-12)
        np.testing.assert_allclose(found[0], np.prod(np.array(slopes) + around), rtol=1e-12)
    worn = page.evaluate(f"a => {MODEL}.gradients(a, 1, Math.SQRT2)", slopes)
    expected = np.prod(np.array(slopes) + 1) / np.sqrt(2) ** len(slopes)
    assert worn[0] == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_paths_are_the_product_multiplied_out(bench):
    """Sums over all sets of j branches, and their sum is the factor of the residual chain."""
    page = bench("residual-depth").page
    slopes = np.random.default_rng(0).normal(size=9)
    found = page.evaluate(f"a => {MODEL}.paths(a)", slopes.tolist())
    expected = [sum(np.prod(c) for c in combinations(slopes, j)) for j in range(10)]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert sum(found) == pytest.approx(np.prod(1 + slopes), rel=1e-9)
    alike = page.evaluate(f"a => {MODEL}.paths(a)", [0.1] * 16)
    assert int(np.argmax(alike)) == 1  # as in the chapter's exercise


def test_random_slopes_have_their_mean_and_spread_and_repeat_with_the_seed(bench):
    """One seed, one chain."""
    page = bench("residual-depth").page
    draw = f"a => {MODEL}.slopes(...a)"
    many = np.array(page.evaluate(draw, [20000, 0.3, 0.2, 5]))
    assert many.mean() == pytest.approx(0.3, abs=0.01)
    assert many.std() == pytest.approx(0.2, abs=0.01)
    assert page.evaluate(draw, [6, 0, 1, 2]) == page.evaluate(draw, [6, 0, 1, 2])
    assert page.evaluate(draw, [6, 0, 1, 2]) != page.evaluate(draw, [6, 0, 1, 3])
    assert page.evaluate(draw, [4, 0.5, 0, 9]) == [0.5] * 4


@pytest.mark.parametrize(
    ("state", "plain", "skips"),
    [("", "1e−10", "2.59"), ("slope=0.5", "0.000977", "57.7"), ("slope=-1", "1", "0")],
)
def test_the_sentence_tells_the_factors_of_the_text(bench, state, plain, skips):
    """The hand example, the first question, the second one."""
    window = bench("residual-depth", state=state)
    says = window.page.locator(".w-says").text_content()
    assert f"plain chain multiplies a gradient by {plain} " in says
    assert f"with skips by {skips}." in says
    assert window.faults == []


def test_keys_move_the_slope_and_the_table_follows(bench):
    """Arrow keys on the slider; one row for each block; the address and Reset."""
    window = bench("residual-depth", state="blocks=3")
    page = window.page
    page.get_by_label("Slope a").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_text("All numbers").click()
    rows = page.locator("tbody tr")
    assert rows.count() == 3
    assert rows.nth(0).locator("td").all_text_contents() == ["0.11", "0.00133", "1.37"]
    page.wait_for_function("location.hash === '#try-residual-depth?blocks=3&slope=0.11'")
    page.get_by_role("button", name="Reset").click()
    assert rows.count() == 10
    assert window.faults == []


def test_presets_normalization_and_a_second_draw(bench):
    """A preset is pressed while it holds; √2 divides each block; other slopes, other numbers."""
    window = bench("residual-depth", state="slope=0&worn=1")
    page, says = window.page, window.page.locator(".w-says")
    assert "normalized after each addition, by 0.0312." in says.text_content()
    page.get_by_role("button", name="forty random branches").click()
    assert "Through 40 blocks" in says.text_content()
    before = says.text_content()
    page.get_by_role("button", name="Other random slopes").click()
    assert says.text_content() != before
    page.get_by_role("button", name="the hand example").click()
    pressed = page.locator('[aria-pressed="true"]').all_text_contents()
    assert pressed == ["the hand example"]
    assert window.faults == []


def test_nonsense_in_the_address_stays_within_the_controls(bench):
    """Too many blocks, words for numbers, no seed."""
    window = bench("residual-depth", state="blocks=1e9&slope=a&spread=-3&seed=x&worn=maybe")
    assert "Through 40 blocks with the slope 0.1" in window.page.locator(".w-says").text_content()
    assert window.faults == []
