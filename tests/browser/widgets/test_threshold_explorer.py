"""The threshold figure counts, measures and draws what dllab.metrics computes."""

import json

import numpy as np
import pytest

from dllab import metrics, plot

MODEL = "DLLab.models['threshold-explorer']"
LABELS = [1, 0, 1, 0, 0, 0, 1, 0]
SCORES = [0.9, 0.8, 0.6, 0.4, 0.35, 0.2, 0.15, 0.1]


@pytest.fixture
def figure(bench):
    """The figure in its first state."""
    window = bench("threshold-explorer")
    yield window
    assert window.faults == []


def example(seed, n=200):
    """Return labels and scores, some of them equal."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < 0.2).astype(int)
    return labels, np.round(1 / (1 + np.exp(-rng.normal(labels, 1))), 2)


def numbers(page):
    """Return the six numbers by their names."""
    names = page.locator(".w-stats dt").all_text_contents()
    return dict(zip(names, page.locator(".w-stats dd").all_text_contents(), strict=True))


@pytest.mark.parametrize("seed", [0, 1])
def test_counts_and_measures_are_those_of_the_library(figure, seed):
    """At several thresholds, among them scores themselves; a score equal to it is a yes."""
    labels, scores = example(seed)
    for threshold in (0.0, 0.3, float(scores[5]), 0.99, 1.0):
        c, m = figure.page.evaluate(
            f"""([y, s, t]) => {{
              const c = {MODEL}.confusion(y, s, t);
              return [c, {MODEL}.measures(c)];
            }}""",
            [labels.tolist(), scores.tolist(), threshold],
        )
        (tn, fp), (fn, tp) = metrics.confusion_matrix(labels, scores >= threshold, classes=2)
        assert c == {"tn": tn, "fp": fp, "fn": fn, "tp": tp}
        assert m["recall"] == pytest.approx(tp / (tp + fn))
        assert m["alarms"] == pytest.approx(fp / (fp + tn))
        assert m["accuracy"] == pytest.approx((tp + tn) / len(labels))
        assert m["f1"] == pytest.approx(2 * tp / (2 * tp + fp + fn))
        if tp + fp:
            assert m["precision"] == pytest.approx(tp / (tp + fp))


@pytest.mark.parametrize("seed", [0, 1])
def test_curve_and_area_are_those_of_the_library(figure, seed):
    """Equal scores share one step, and count one half in the area."""
    labels, scores = example(seed)
    path, area = figure.page.evaluate(
        f"([y, s]) => [{MODEL}.roc(y, s), {MODEL}.auc(y, s)]", [labels.tolist(), scores.tolist()]
    )
    alarms, hits, _ = metrics.roc_curve(labels, scores)
    np.testing.assert_allclose(path, np.transpose([alarms, hits]), atol=1e-12)
    assert area == pytest.approx(metrics.auc(labels, scores), rel=1e-12)


def test_another_share_of_positives_changes_precision_as_the_chapter_says(figure):
    """Precision and accuracy follow the formula; recall and false alarm rate stay."""
    before, after = figure.page.evaluate(
        f"""([y, s]) => {{
          const c = {MODEL}.confusion(y, s, 0.5);
          return [{MODEL}.measures(c), {MODEL}.measures({MODEL}.reweigh(c, 0.1))];
        }}""",
        [LABELS, SCORES],
    )
    r, a = 2 / 3, 1 / 5
    assert (before["recall"], before["alarms"]) == pytest.approx((r, a))
    assert (after["recall"], after["alarms"], after["share"]) == pytest.approx((r, a, 0.1))
    assert after["precision"] == pytest.approx(0.1 * r / (0.1 * r + 0.9 * a))
    assert after["accuracy"] == pytest.approx(0.1 * r + 0.9 * (1 - a))


def test_the_figure_shows_the_example_worked_by_hand(figure):
    """2 found, 1 missed, 1 false alarm, cost 11; the cheapest threshold is 0.15 with cost 4."""
    page = figure.page
    cells = page.locator(".w-table td").all_text_contents()
    assert cells == ["4", "1", "1", "2"]
    shown = numbers(page)
    assert (shown["Accuracy"], shown["Recall"], shown["Cost"]) == ("0.75", "0.67", "11")
    assert "AUC is 0.667" in page.locator(".w-says").text_content()
    page.get_by_role("button", name="Cheapest threshold").press("Enter")
    shown = numbers(page)
    assert (shown["Accuracy"], shown["Recall"], shown["Cost"]) == ("0.50", "1.00", "4")
    page.get_by_label("Cost of a miss").fill("2")
    assert numbers(page)["Cost"] == "4"
    page.wait_for_function("location.hash.includes('threshold=0.15')")
    page.get_by_role("button", name="Reset").click()
    assert numbers(page)["Cost"] == "11"


def test_scores_can_be_changed(figure):
    """G with 0.95 beats all others: 14 of 15 pairs, and 7 of 8 right at 0.5."""
    page = figure.page
    page.get_by_text("Change the eight scores").click()
    page.get_by_label("G", exact=True).fill("0.95")
    assert "AUC is 0.933" in page.locator(".w-says").text_content()
    assert numbers(page)["Accuracy"] == f"{7 / 8:.2f}"


def test_the_threshold_can_be_dragged_and_moved_by_keys(figure):
    """A press on the picture sets it; the slider does the same."""
    page = figure.page
    slider = page.get_by_role("slider", name="Threshold")
    slider.press("ArrowRight")
    assert slider.input_value() == "0.51"
    box = page.get_by_role("img", name="Scores of positives").bounding_box()
    page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2)
    assert float(slider.input_value()) > 0.8
    assert page.locator(".w-table td").all_text_contents()[2] in {"2", "3"}


def test_published_scores_can_be_chosen(bench):
    """The figure reads what the chapter publishes; the numbers are those of the library."""
    labels, scores = example(4)
    data = plot.publish("x", labels=labels.astype("uint8"), plain=scores, weighted=scores**0.5)
    window = bench("threshold-explorer", data=data.json, state="data=weighted&threshold=0.6")
    half = (scores**0.5).astype("<f2").astype(float)
    (tn, fp), (fn, tp) = metrics.confusion_matrix(labels, half >= 0.6, classes=2)
    cells = window.page.locator(".w-table td").all_text_contents()
    assert [int(c) for c in cells] == [tn, fp, fn, tp]
    assert json.loads(data.json)["labels"]["kind"] == "uint8"
    window.page.get_by_role("combobox", name="Scores").select_option("eight")
    assert len(window.page.locator(".w-table td").all_text_contents()) == 4
    assert window.faults == []


def test_nonsense_in_the_address_is_put_right(bench):
    """Values out of range come back into it; lists of another length are not taken."""
    window = bench("threshold-explorer", state="threshold=7&scores=1,2,3&data=cats&share=-1")
    assert numbers(window.page)["Recall"] == "0.00"
    assert "AUC is 0.667" in window.page.locator(".w-says").text_content()
    assert window.faults == []
