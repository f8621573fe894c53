"""The sliding kernel: sums, maps and sizes are those of dllab.scratch, and what it shows agrees."""

import numpy as np
import pytest

from dllab.scratch import conv2d, conv_output_size, max_pool2d

CHAPTER = [-1, 1, 0, -1, 1, 0, 0, 0, 0]


def packed(array):
    """An array as the scripts have it."""
    return {"shape": list(array.shape), "values": array.ravel().tolist()}


def unpacked(found):
    """An array of the scripts; typed arrays arrive as dicts or lists."""
    values = found["values"]
    values = list(values.values()) if isinstance(values, dict) else values
    return np.array(values, float).reshape(found["shape"])


def cells(window, panel):
    """What stands in the cells of a panel, without the weights under the pixels."""
    group = window.page.get_by_role("group", name=panel, exact=True)
    return group.locator(".w-cell > span").all_text_contents()


def test_convolution_is_that_of_scratch(bench):
    """Random images and kernels; each stride, padding and dilation; even sizes and channels too."""
    window, rng = bench("convolution-explorer"), np.random.default_rng(0)
    cases, expected = [], []
    for stride in (1, 2, 3):
        for padding in ("valid", "same"):
            for dilation in (1, 2):
                for size in (1, 2, 3):
                    height, width, channels, filters = rng.integers((5, 5, 1, 1), (9, 9, 4, 4))
                    x = rng.normal(size=(height, width, channels))
                    x[rng.random(x.shape) < 0.3] = 0
                    k, b = (
                        rng.normal(size=(size, size, channels, filters)),
                        rng.normal(size=filters),
                    )
                    options = {"stride": stride, "padding": padding, "dilation": dilation}
                    cases.append([packed(x), packed(k), packed(b), options])
                    expected.append(conv2d(x[np.newaxis], k, b, stride, padding, dilation).data[0])
    found = window.page.evaluate(
        """cases => cases.map(c => {
            const y = DLLab.convolution.conv2d(...c);
            return { shape: y.shape, values: Array.from(y.values) };
        })""",
        cases,
    )
    assert len(found) == 36
    for y, right in zip(found, expected, strict=True):
        assert np.allclose(unpacked(y), right, rtol=1e-9, atol=1e-12)
    assert window.faults == []


def test_pooling_dense_layer_and_flip_are_those_of_numpy(bench):
    """The other functions that figures share."""
    window, rng = bench("convolution-explorer"), np.random.default_rng(1)
    x, k = rng.normal(size=(5, 7, 3)), rng.normal(size=(2, 3, 3, 4))
    W, b = rng.normal(size=(x.size, 4)), rng.normal(size=4)
    found = window.page.evaluate(
        """([x, k, W, b]) => {
            const c = DLLab.convolution;
            const all = [c.maxpool(x, 2), c.maxpool(x, 3, { stride: 2, padding: "same" }),
                         c.relu(x), c.dense(x, W, b), c.flip(k), c.slice(x, 1), c.slice(k, 3, 2)];
            return all.map(y => ({ shape: y.shape, values: Array.from(y.values) }));
        }""",
        [packed(x), packed(k), packed(W), packed(b)],
    )
    batch = x[np.newaxis]
    expected = [
        max_pool2d(batch).data[0],
        max_pool2d(batch, 3, 2, "same").data[0],
        np.maximum(x, 0),
        x.ravel() @ W + b,
        k[::-1, ::-1],
        x[..., 1],
        k[:, :, 2, 3],
    ]
    for y, right in zip(found, expected, strict=True):
        assert np.allclose(unpacked(y), right, rtol=1e-9)


def test_places_and_zeros_are_counted_as_in_the_chapter(bench):
    """All sizes to 9, kernels to 3: places, span, zeros before and after."""
    window = bench("convolution-explorer")
    cases = [
        (size, kernel, stride, padding, dilation)
        for size in range(1, 10)
        for kernel in (1, 2, 3)
        for stride in (1, 2, 3)
        for padding in ("valid", "same")
        for dilation in (1, 2)
    ]
    found = window.page.evaluate("cases => cases.map(c => DLLab.convolution.axis(...c))", cases)
    for case, axis in zip(cases, found, strict=True):
        assert axis["places"] == conv_output_size(*case)
        if case[3] == "same":
            assert 0 <= axis["after"] - axis["before"] <= 1
            needed = (axis["places"] - 1) * case[2] + axis["span"] - case[0]
            assert axis["before"] + axis["after"] == max(needed, 0)


def test_it_opens_with_the_hand_example(bench):
    """The second place of the chapter's image: 0, then 2, the rest to be predicted."""
    window = bench("convolution-explorer")
    assert cells(window, "Feature map") == ["0", "2", "?", "?", "?", "?"]
    assert window.page.locator(".w-sum").text_content() == "0 · (−1) + 1 · 1 + 0 · (−1) + 1 · 1 = 2"
    window.page.get_by_label("show the map at all places").check()
    assert cells(window, "Feature map") == ["0", "2", "0", "1", "1", "0"]
    window.page.get_by_label("then max pooling, 2 by 2").check()
    assert cells(window, "After max pooling") == ["2"]
    assert window.faults == []


@pytest.mark.parametrize(
    ("state", "rows", "columns"),
    [("stride=2", 1, 2), ("padding=same", 3, 4), ("stride=3&padding=same", 1, 2)],
)
def test_the_map_follows_stride_and_padding(bench, state, rows, columns):
    """The cells hold what dllab.scratch computes, and the sentence tells their number."""
    window = bench("convolution-explorer", state=f"{state}&all=1")
    options = dict(pair.split("=") for pair in state.split("&"))
    x = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [0, 1, 1, 1.0]]).reshape(1, 3, 4, 1)
    k = np.array([[-1, 1], [-1, 1.0]]).reshape(2, 2, 1, 1)
    stride, padding = int(options.get("stride", 1)), options.get("padding", "valid")
    right = conv2d(x, k, strides=stride, padding=padding).data[0, :, :, 0]
    assert right.shape == (rows, columns)
    assert cells(window, "Feature map") == [f"{v:.0f}".replace("-", "−") for v in right.ravel()]
    assert f"a map of {rows} by {columns}" in window.page.locator(".w-says").text_content()


def test_a_bright_pixel_shows_the_kernel_backward_and_flipped_upright(bench):
    """The chapter's test of which of the two a program computes."""
    state = "picture=pixel&size=3&k=1,2,3,4,5,6,7,8,9&all=1"
    window = bench("convolution-explorer", state=state)
    assert np.array(cells(window, "Feature map"), int).reshape(5, 5)[1:4, 1:4].ravel().tolist() == [
        9, 8, 7, 6, 5, 4, 3, 2, 1
    ]  # fmt: skip
    window.page.get_by_label("flip the kernel").check()
    found = np.array(cells(window, "Feature map"), int).reshape(5, 5)
    assert found[1:4, 1:4].ravel().tolist() == list(range(1, 10))
    assert found.sum() == 45


def test_keys_move_the_window_and_change_pixels(bench):
    """One stop for the Tab key in each grid, arrow keys inside; the player's step goes on."""
    window = bench("convolution-explorer")
    page = window.page
    page.get_by_role("button", name="Row 1, column 2: 2").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    assert "At row 2, column 1 the sum is 1." in page.locator(".w-says").text_content()
    page.get_by_role("button", name="Step").click()
    assert "At row 2, column 2 the sum is 1." in page.locator(".w-says").text_content()
    assert page.locator('.w-cells[aria-label="Image"] [tabindex="0"]').count() == 1
    page.get_by_label("Pixel in row 1, column 1").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    assert page.get_by_label("Pixel in row 1, column 2").get_attribute("aria-pressed") == "true"
    page.wait_for_function("location.hash.includes('pixels=011100110111')")
    assert window.faults == []


def test_weights_the_address_and_reset(bench):
    """A typed weight changes the sum; nonsense in the address falls back; Reset restores."""
    state = "size=7&stride=99&pixels=12345&place=1000&padding=round&k=1,2"
    window = bench("convolution-explorer", state=state)
    page = window.page
    assert page.get_by_label("Stride").input_value() == "3"
    assert page.get_by_label("Padding").input_value() == "valid"
    assert cells(window, "Image") == list("001100110111")
    page.get_by_role("button", name="Reset").click()
    page.get_by_label("Weight in row 1, column 2").fill("5")
    assert page.locator(".w-sum").text_content().endswith("= 6")
    page.wait_for_function("location.hash.includes('k=-1,5,0')")
    page.get_by_role("button", name="Reset").click()
    assert page.locator(".w-sum").text_content().endswith("= 2")
    assert window.faults == []


def test_a_kernel_that_does_not_fit_is_told(bench):
    """No map, but a sentence that says what to do."""
    window = bench("convolution-explorer", state="size=3&dilation=2")
    assert "spans 5 pixels and does not fit" in window.page.locator(".w-says").text_content()
    assert not window.page.get_by_role("group", name="Feature map").is_visible()
    window.page.get_by_label("Padding").select_option("same")
    assert "a map of 3 by 4" in window.page.locator(".w-says").text_content()
    assert window.faults == []
