"""The roofline figure computes what the formulas of the chapter give in NumPy."""

import numpy as np
import pytest

MODEL = "DLLab.models.roofline"


@pytest.fixture
def figure(bench):
    """The figure in its first state."""
    window = bench("roofline")
    yield window
    assert window.faults == []


def work(op, n, i, o, each):
    """Count operations and bytes from arrays of the shapes that the operation has."""
    if op == "dense":
        x, w = np.empty((n, i)), np.empty((i, o))
        y = np.empty((n, o))
        flops = 2 * n * i * o
    elif op == "conv":
        x, w = np.empty((n, 32, 32, i)), np.empty((3, 3, i, o))
        y = np.empty((n, 32, 32, o))
        flops = 2 * y.size * 3 * 3 * i
    else:
        x, w, y = np.empty((n, i)), np.empty(0), np.empty((n, i))
        flops = y.size
    return flops, each * (x.size + w.size + y.size)


CASES = [
    ("dense", 1, 1000, 1000, 4),
    ("dense", 256, 512, 512, 4),
    ("dense", 32, 64, 16, 2),
    ("dense", 1, 16, 16, 4),
    ("relu", 256, 512, 512, 4),
    ("conv", 8, 64, 32, 4),
    ("conv", 1, 16, 16, 8),
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("peak", "bandwidth"), [(1e11, 2e10), (67e12, 3.35e12)])
def test_the_roof_is_the_smaller_of_two_limits(figure, case, peak, bandwidth):
    """min(peak, intensity x bandwidth); the bound changes at peak / bandwidth."""
    flops, moved = work(*case)
    done, roof = figure.page.evaluate(
        f"""([o, p, b]) => {{
          const done = {MODEL}.work(o);
          return [done, {MODEL}.roof(p, b, done)];
        }}""",
        [dict(zip(("op", "n", "i", "o", "each"), case, strict=True)), peak, bandwidth],
    )
    assert done == {"flops": flops, "bytes": moved}
    limit = min(peak, flops / moved * bandwidth)
    assert roof["attainable"] == pytest.approx(limit, rel=1e-12)
    assert roof["ridge"] == pytest.approx(peak / bandwidth, rel=1e-12)
    assert roof["bound"] == ("memory" if limit < peak else "compute")
    # no faster than either limit: the time is the larger of computing and moving
    assert roof["seconds"] == pytest.approx(max(flops / peak, moved / bandwidth), rel=1e-12)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("ridge", [0.1, 5.0, 20.0])
def test_the_batch_at_the_ridge_is_where_the_intensity_reaches_it(figure, case, ridge):
    """At the batch found the intensity is the ridge; where none is, a huge one stays below."""
    op, _, i, o, each = case
    call = {"op": op, "n": 1, "i": i, "o": o, "each": each}
    # JSON has no infinity
    batch = figure.page.evaluate(
        f"""([o, r]) => {{
          const b = {MODEL}.batchAtRidge(o, r);
          return Number.isFinite(b) ? b : null;
        }}""",
        [call, ridge],
    )
    flops, moved = work(op, 10**4, i, o, each)
    if batch is None:
        assert flops / moved < ridge
    elif op == "relu":
        assert flops / moved >= ridge
    else:
        done = figure.page.evaluate(f"(o) => {MODEL}.work(o)", {**call, "n": batch})
        assert done["flops"] / done["bytes"] == pytest.approx(ridge, rel=1e-9)


def test_the_figure_gives_the_answers_of_the_text(figure):
    """Ridge 5, half an operation a byte; 10 examples are memory-bound, 11 are not."""
    page = figure.page
    says = page.locator(".w-says").first
    assert "0.499 FLOP for each byte; the ridge lies at 5." in says.text_content()
    assert "memory-bound: at most 9.98 GFLOP/s, 9.98 %" in says.text_content()
    assert "From a batch of 11 on" in says.text_content()
    batch = page.get_by_role("slider", name="Batch")
    batch.fill("10")
    assert "memory-bound" in says.text_content()
    batch.press("ArrowRight")
    assert "compute-bound: the peak of 100 GFLOP/s" in says.text_content()
    page.wait_for_function("location.hash.includes('n=11')")
    batch.fill("8")
    assert page.locator(".w-table td").last.text_content() == "203 µs"
    page.get_by_label("Bytes a number").select_option("2")
    assert page.locator(".w-table td").last.text_content() == "160 µs"
    page.get_by_role("slider", name="Inputs").fill("16")
    page.get_by_role("slider", name="Units").fill("16")
    page.get_by_label("Bytes a number").select_option("4")
    assert "No batch reaches the ridge" in says.text_content()
    page.get_by_role("button", name="Reset").click()
    assert "From a batch of 11 on" in says.text_content()


def test_presets_hold_the_published_numbers(figure):
    """H100 SXM: 67 TFLOP/s in float32, 989 in bfloat16 without sparsity, 3.35 TB/s."""
    page = figure.page
    page.get_by_role("button", name="H100, float32").click()
    peak, band = page.get_by_label("Peak"), page.get_by_label("Bandwidth")
    assert peak.get_attribute("aria-valuetext") == "67 T"
    assert band.get_attribute("aria-valuetext") == "3.35 T"
    assert "the ridge lies at 20" in page.locator(".w-says").first.text_content()
    page.get_by_role("button", name="H100, bfloat16").press("Enter")
    assert peak.get_attribute("aria-valuetext") == "989 T"
    assert page.get_by_label("Bytes a number").input_value() == "2"
    assert "the ridge lies at 295" in page.locator(".w-says").first.text_content()


def test_a_relu_is_memory_bound_with_any_batch(figure):
    """One operation for eight bytes; its outputs cannot be chosen apart from its inputs."""
    page = figure.page
    page.get_by_role("button", name="ReLU").click()
    says = page.locator(".w-says").first.text_content()
    assert "0.125 FLOP for each byte" in says
    assert "The batch changes nothing" in says
    assert (
        page.get_by_label("Outputs").count() == 0 or not page.get_by_label("Outputs").is_visible()
    )


def test_nonsense_in_the_address_is_put_right(bench):
    """Values out of range come back into it, unknown choices to the default."""
    window = bench("roofline", state="peak=99&band=cats&op=sort&n=-3&bytes=3&i=1e9")
    page = window.page
    assert page.get_by_role("combobox", name="Operation").input_value() == "dense"
    assert page.get_by_label("Bytes a number").input_value() == "4"
    assert page.get_by_role("slider", name="Batch").input_value() == "1"
    assert "memory-bound" in page.locator(".w-says").first.text_content()
    assert window.faults == []
