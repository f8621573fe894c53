"""The explorer shows the numbers that its page holds, and nothing between them unsaid."""

import json
import re

import numpy as np
import pytest

MODEL = "DLLab.models['transfer-explorer']"
COUNTS = [1, 5, 20]
FROZEN = [[0.21, 0.41, 0.55], [0.25, 0.44, 0.58], [0.26, 0.47, 0.61]]
SCRATCH = [[0.17, 0.28, 0.42], [0.21, 0.27, 0.45], [0.19, 0.32, 0.48]]
DATA = {
    "labels": {
        "emoji": {
            "counts": COUNTS,
            "guess": 0.24,
            "curves": {"frozen trunk": FROZEN, "from scratch": SCRATCH},
        },
        "digits": {
            "counts": [2, 5, 15, 40],
            "guess": 0.11,
            "curves": {
                "frozen trunk": [[0.5, 0.7, 0.8, 0.88]] * 3,
                "plain pixels": [[0.6, 0.71, 0.8, 0.86]] * 3,
                "from scratch": [[None, None, None, v] for v in (0.91, 0.93, 0.95)],
            },
        },
    },
    "finetune": {
        "head only": {"accuracy": [0.41, 0.44, 0.47], "moved": [0, 0, 0]},
        "two stages": {"accuracy": [0.44, 0.46, 0.48], "moved": [9.0, 10.0, 11.0]},
        "large rate": {"accuracy": [0.21, 0.22, 0.26], "moved": [110.0, 120.0, 130.0]},
    },
    "forgetting": {
        "rates": [0, 0.1, 0.8],
        "new": [[0.84, 0.9, 0.91], [0.85, 0.91, 0.93], [0.86, 0.92, 0.92]],
        "old": [[0.97, 0.95, 0.3], [0.98, 0.96, 0.4], [0.99, 0.97, 0.2]],
    },
    "blocks": [["stem", 864, "s"], ["last convolution", 409_600, "c"], ["head", 8967, "h"]],
}
PUBLISHED = json.dumps(DATA)


def sentence(page) -> str:
    """Return the sentence below the figure."""
    return page.locator(".w-below .w-says").inner_text()


def test_means_and_spreads_are_those_of_the_data(bench):
    """At each count: the mean and the standard deviation of a sample."""
    window = bench("transfer-explorer", data=PUBLISHED)
    for place, count in enumerate(COUNTS):
        window.page.get_by_role("slider", name="Labels of each class").fill(str(place))
        rows = window.page.locator("table:has(caption:text('At this number')) tbody tr")
        for row, table in zip(rows.all_inner_texts(), (FROZEN, SCRATCH), strict=True):
            values = np.array(table)[:, place]
            assert f"{values.mean():.2f}\t± {values.std(ddof=1):.2f}" in row
        assert sentence(window.page).startswith(f"With {count} label")
    assert window.faults == []


def test_needed_labels_are_interpolated_within_the_measured_range_only(bench):
    """A straight line on the logarithmic axis; below and beyond, no number is invented."""
    page = bench("transfer-explorer", data=PUBLISHED).page
    points = [[count, float(v)] for count, v in zip(COUNTS, np.mean(SCRATCH, 0), strict=True)]
    for target in (0.25, 0.4):
        found = page.evaluate(f"([p, t]) => {MODEL}.needed(p, t)", [points, target])
        accuracy, logs = [p[1] for p in points], np.log([p[0] for p in points])
        expected = np.exp(np.interp(target, accuracy, logs))
        assert found["known"] == "about"
        assert found["count"] == pytest.approx(expected, rel=1e-9)
    for target, known, count in ((0.1, "at most", 1), (0.6, "more than", 20)):
        found = page.evaluate(f"([p, t]) => {MODEL}.needed(p, t)", [points, target])
        assert (found["known"], found["count"]) == (known, count)


def test_the_sentence_answers_with_the_right_words(bench):
    """Within the range it says that it interpolates, beyond that it was not measured."""
    page = bench("transfer-explorer", data=PUBLISHED).page
    slider = page.get_by_role("slider", name="Labels of each class")
    assert "needs more than 20 labels" not in sentence(page)
    assert "interpolated between measured counts" in sentence(page)
    slider.press("ArrowRight")
    assert "needs more than 20 labels of each class (the most that was measured)" in sentence(page)


def test_a_strategy_that_was_measured_once_is_not_drawn_elsewhere(bench):
    """On the digits the network from scratch was trained at forty labels alone."""
    window = bench("transfer-explorer", data=PUBLISHED, state="task=digits&at=1")
    rows = window.page.locator("table:has(caption:text('At this number')) tbody tr")
    assert "not measured" in rows.filter(has_text="from scratch").inner_text()
    assert "the best of what is shown is “plain pixels”: 0.71" in sentence(window.page)
    window.page.get_by_role("slider", name="Labels of each class").press("End")
    assert "“from scratch”: 0.93 ± 0.02" in sentence(window.page)
    window.page.get_by_role("checkbox", name="from scratch").uncheck()
    assert "“frozen trunk”: 0.88" in sentence(window.page)
    window.page.wait_for_function("location.hash.includes('scratch=0')")
    assert window.faults == []


def test_fine_tuning_and_forgetting_show_the_data(bench):
    """The other views, each with its own control and sentence."""
    window = bench("transfer-explorer", data=PUBLISHED)
    page = window.page
    page.get_by_role("button", name="How to fine-tune?").click()
    assert "a difference of 0.02, no more than the larger" in sentence(page)
    page.get_by_role("combobox", name="Compare").select_option("large rate")
    assert "a difference of −0.21, more than" in sentence(page)
    assert "moved by 120 % of its size" in sentence(page)
    page.get_by_role("button", name="What is forgotten?").click()
    assert "0.92 of the new digits right and 0.30 of the old ones: 0.68" in sentence(page)
    page.get_by_role("slider", name="Learning rate").press("Home")
    assert "nothing is forgotten" in sentence(page)
    assert window.faults == []


def test_parameters_that_learn_are_counted(bench):
    """Blocks can be frozen and unfrozen; the sum is that of the published counts."""
    window = bench("transfer-explorer", data=PUBLISHED, state="view=learns")
    page = window.page
    assert sentence(page).startswith("8,967 of 419,431 parameters learn")
    page.get_by_role("checkbox", name="last convolution").press("Space")
    assert sentence(page).startswith("418,567 of 419,431")
    page.get_by_role("button", name="Everything").click()
    assert "down to “stem”" in sentence(page)
    page.get_by_role("button", name="Reset").click()
    assert page.get_by_role("button", name="How many labels?").get_attribute("aria-pressed") == (
        "true"
    )
    assert window.faults == []


def test_nonsense_in_the_address_does_no_harm(bench):
    """Unknown views, places and lists of another length fall back."""
    address = "view=x&at=99&task=cats&rate=-4&open=1,1&setting=luck"
    window = bench("transfer-explorer", data=PUBLISHED, state=address)
    assert sentence(window.page).startswith("With 20 labels")
    assert window.faults == []


def test_the_built_page_shows_what_its_cells_computed(tab):
    """The page's table and the page's numbers agree, and the counts are the model's."""
    window = tab()
    window.open("book/architectures/transfer_learning.html")
    page = window.page
    data = json.loads(
        page.locator("script[data-widget-data='transfer-explorer']").first.text_content()
    )
    curves = data["labels"]["emoji"]["curves"]
    rows = page.locator(
        "#try-transfer-explorer table:has(caption:text('At this number')) tbody tr"
    ).all_inner_texts()
    for row, name in zip(rows, ("frozen trunk", "from scratch"), strict=True):
        values = np.array(curves[name])[:, 1]
        assert row.split("\t")[:3] == [
            name,
            f"{values.mean():.2f}",
            f"± {values.std(ddof=1):.2f}",
        ]
    counts = {name: count for name, count, _ in data["blocks"]}
    assert counts["head"] == 1280 * 7 + 7
    assert counts["last convolution"] == 320 * 1280
    text = page.locator("#try-transfer-explorer").inner_text()
    assert re.search(r"With 5 labels of each class", text)
    assert window.faults == []
