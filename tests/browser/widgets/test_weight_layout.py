"""The layout figure puts each number where its own line of NumPy puts it."""

import numpy as np
import pytest

MODEL = "DLLab.models['weight-layout']"
LAYERS = ["dense", "conv", "flatten", "lstm", "gru"]


@pytest.fixture
def figure(bench):
    """The figure in its first state."""
    window = bench("weight-layout")
    yield window
    assert window.faults == []


def by_numpy(layer, line):
    """Run the line that the figure shows on the numbers 0, 1, 2, ..."""
    shape, _ = layer["shapes"]
    names = {"np": np, layer["from"]: np.arange(np.prod(shape)).reshape(shape)}
    exec(line, names)
    return names[line.split(" = ")[0].strip()]


@pytest.mark.parametrize("key", LAYERS)
def test_every_line_shown_does_what_the_blocks_do(figure, key):
    """The right line and each trap: Keras's shape, and at each place the same number."""
    layer = next(x for x in figure.page.evaluate(f"{MODEL}.layers") if x["key"] == key)
    right = None
    for way in ["right", "1", "2"][: layer["traps"] + 1]:
        line, places, wrong = figure.page.evaluate(
            f"([k, w]) => [{MODEL}.lineOf(k, w), {MODEL}.layout(k, w), {MODEL}.misplaced(k, w)]",
            [key, way],
        )
        expected = by_numpy(layer, line)
        assert list(expected.shape) == layer["shapes"][1]
        assert places == expected.ravel().tolist()
        right = expected if right is None else right
        assert wrong == int((expected != right).sum())
        assert (wrong == 0) == (way == "right")


def test_the_right_lines_port_to_equal_outputs(figure):
    """What the chapter ports by: a dense layer after a flatten sees the same map values."""
    order = figure.page.evaluate(f"{MODEL}.layout('flatten', 'right')")
    rng = np.random.default_rng(0)
    maps, v = rng.normal(size=(5, 2, 2, 2)), rng.normal(size=(2, 8))  # NCHW; (out, c h w)
    w = v.ravel()[order].reshape(8, 2)
    np.testing.assert_allclose(
        maps.transpose(0, 2, 3, 1).reshape(5, 8) @ w, maps.reshape(5, 8) @ v.T, rtol=1e-12
    )


def test_the_figure_gives_the_answers_of_the_text(figure):
    """0 3 1 4 2 5 for the dense layer; 0 4 1 5 2 6 3 7 twice; the gates 2 3 0 1 4 5."""
    answers = {
        "dense": [0, 3, 1, 4, 2, 5],
        "conv": [0, 4, 1, 5, 2, 6, 3, 7],
        "gru": [2, 3, 0, 1, 4, 5],
    }
    for key, answer in answers.items():
        assert figure.page.evaluate(f"{MODEL}.layout('{key}', 'right')") == answer
    both = figure.page.evaluate(f"{MODEL}.layout('flatten', 'right')")
    assert [number for number in both if number < 8] == answers["conv"]


def test_a_number_can_be_followed(figure):
    """Its index in both arrays; a press on a block chooses it as the slider does."""
    page = figure.page
    says = page.locator(".w-says").last
    assert "Number 1 is V[0, 1] in PyTorch and W[1, 0] in Keras" in says.text_content()
    page.get_by_role("slider", name="Number").press("ArrowRight")
    assert "Number 2 is V[0, 2] in PyTorch and W[2, 0] in Keras" in says.text_content()
    page.locator(".w-home", has_text="5").click()
    assert "Number 5 is V[1, 2] in PyTorch and W[2, 1] in Keras" in says.text_content()
    page.wait_for_function("location.hash.includes('pick=5')")
    page.get_by_role("button", name="Reset").click()
    page.mouse.move(0, 0)
    assert "Number 1 is" in says.text_content()


def test_wrong_lines_are_counted_and_marked(figure):
    """A reshape keeps the first and the last number at their places and no other."""
    page = figure.page
    page.get_by_role("button", name="Wrong: reshape").click()
    says = page.locator(".w-says").last.text_content()
    assert "4 of 6 numbers land in wrong places" in says
    assert "it belongs at W[1, 0] in Keras and lands at W[0, 1]" in says
    assert page.locator(".w-astray").count() == 4
    assert page.locator(".w-astray").first.text_content().startswith("×")
    assert page.locator(".w-code").text_content() == "W = V.reshape(3, 2)"
    page.get_by_label("Layer").select_option("gru")
    assert "two gates change places" in page.locator(".w-says").last.text_content()


def test_blocks_move(figure):
    """At 0 % a block stands on its place in PyTorch's array, at 100 % on Keras's."""
    page = figure.page
    moved = page.get_by_role("slider", name="Moved")
    end = page.locator(".w-home").last.get_attribute("transform")
    moved.fill("0")
    start = page.locator(".w-home").last.get_attribute("transform")
    assert start != end
    assert start in [g.get_attribute("transform") for g in page.locator(".w-origin").all()]
    moved.press("End")
    assert page.locator(".w-home").last.get_attribute("transform") == end


def test_nonsense_in_the_address_is_put_right(bench):
    """An unknown layer or way becomes the default, a number too large the last."""
    window = bench("weight-layout", state="layer=cats&way=7&pick=99&moved=-3")
    page = window.page
    assert page.get_by_label("Layer").input_value() == "dense"
    assert page.get_by_role("slider", name="Number").input_value() == "5"
    assert "All 6 numbers" in page.locator(".w-says").last.text_content()
    assert window.faults == []
