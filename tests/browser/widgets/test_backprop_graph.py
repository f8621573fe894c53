"""The steps through the graph show the adjoints that the library's Scalar finds."""

import pytest

from dllab.scratch import Scalar

MODEL = "DLLab.models['backprop-graph']"
BY_HAND = [2, 1.5, -1, 1, 0.5, 1, 2]  # x, w, b, u1, u2, t1, t2, as in the chapter


def hand(inputs) -> dict[str, Scalar]:
    """Return the nodes of the hand example after the library's backward pass."""
    x, w, b, u1, u2 = (Scalar(value) for value in inputs[:5])
    z = w * x + b
    h = z.relu()
    y1, y2 = u1 * h, u2 * h
    loss = (y1 - inputs[5]) ** 2 + (y2 - inputs[6]) ** 2
    loss.backward()
    nodes = {"x": x, "w": w, "b": b, "z": z, "h": h, "L": loss}
    return nodes | {"u₁": u1, "u₂": u2, "y₁": y1, "y₂": y2}


def puzzle(inputs) -> dict[str, Scalar]:
    """Return the nodes of the chapter's puzzle."""
    x = Scalar(inputs[0])
    u, v = 2 * x, x + 1
    y = u * v
    y.backward()
    return {"x": x, "u": u, "v": v, "y": y}


@pytest.mark.parametrize(
    ("graph", "build", "many"),
    [
        (
            "hand",
            hand,
            [
                BY_HAND,
                [2, 1.5, -4, 1, 0.5, 1, 2],
                [2, 0.5, -1, 1, 0.5, 1, 2],  # z = 0, where the ReLU has its kink
                [-1.3, 0.7, 2.2, -1.1, 0.4, 0.3, -2.5],
            ],
        ),
        ("puzzle", puzzle, [[3], [-0.7], [0]]),
    ],
)
def test_values_and_adjoints_are_those_of_the_library(bench, graph, build, many):
    """Every node, at several inputs; the contributions add up to the adjoint."""
    page = bench("backprop-graph").page
    for inputs in many:
        found = page.evaluate(f"a => {MODEL}.run(...a)", [graph, inputs])
        nodes = build(inputs)
        assert set(found["adjoints"]) == set(nodes)
        for name, node in nodes.items():
            assert found["values"][name] == pytest.approx(node.value, abs=1e-12), name
            assert found["adjoints"][name] == pytest.approx(node.grad, abs=1e-12), name
            amounts = [arrival["amount"] for arrival in found["arrivals"][name]]
            assert not amounts or sum(amounts) == pytest.approx(node.grad, abs=1e-12)


def rows(page) -> dict[str, list[str]]:
    """Return the table's cells by node."""
    cells = [row.split("\t") for row in page.locator("tbody tr").all_inner_texts()]
    return {row[0]: row[1:] for row in cells}


def says(page) -> str:
    """Return the sentence that a screen reader hears."""
    return page.locator(".w-below .w-says").text_content()


def test_start_is_the_loss_and_next_goes_back_through_the_graph(bench):
    """Step by step by keyboard; where paths meet, two contributions are written out."""
    window = bench("backprop-graph")
    page = window.page
    assert says(page).endswith("L̄ = 1.")
    assert rows(page)["y₁"] == ["2", "", "?"]
    forward = page.get_by_role("button", name="Next")
    for _ in range(5):
        forward.press("Enter")
    assert page.locator(".w-formula").inner_text() in says(page)
    assert "h̄ = ȳ₁ · u₁ + ȳ₂ · u₂ = 2 · 1 + (−2) · 0.5 = 1." in says(page)
    assert rows(page)["h"] == ["2", "2 + (−1)", "1"]
    assert rows(page)["z"] == ["2", "", "?"]
    assert page.locator(".w-badge text:not(:empty)").all_text_contents() == ["2", "−1"]
    page.get_by_role("button", name="Previous").press("Enter")
    assert rows(page)["h"][-1] == "?"
    assert window.faults == []


def test_end_shows_the_table_of_the_chapter(bench):
    """All ten adjoints by hand; Reset goes back to the loss."""
    page = bench("backprop-graph").page
    page.get_by_role("button", name="To the end").click()
    assert {name: row[-1] for name, row in rows(page).items()} == {
        "L": "1", "y₁": "2", "y₂": "−2", "u₁": "4", "u₂": "−4",
        "h": "1", "z": "1", "w": "2", "b": "1", "x": "1.5",
    }  # fmt: skip
    page.get_by_role("button", name="To the start").click()
    assert {row[0] for row in rows(page).values()} == {"?", "2", "1.5", "−1", "1", "0.5"}
    page.get_by_role("button", name="Next").click()
    assert "z = w · x + b = 1.5 · 2 − 1 = 2." in says(page)
    page.get_by_role("button", name="Reset").click()
    assert says(page).endswith("L̄ = 1.")


def test_inputs_change_by_field_and_by_dragging(bench):
    """The answers of the text: t2 = 3 cancels the pulls; the address holds the inputs."""
    page = bench("backprop-graph").page
    page.get_by_role("button", name="To the end").click()
    page.get_by_label("t₂", exact=True).fill("3")
    assert rows(page)["h"] == ["2", "2 + (−2)", "0"]
    page.wait_for_function(
        "decodeURI(location.hash) === '#try-backprop-graph?hand=2,1.5,-1,1,0.5,1,3&step=15'"
    )
    box = page.locator("svg g.w-drag").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - 60, steps=4)
    page.mouse.up()
    assert float(page.get_by_label("x", exact=True).first.input_value()) == 3


def test_puzzle_adds_two_paths(bench):
    """8 along one path, 6 along the other: 14."""
    page = bench("backprop-graph").page
    page.get_by_role("button", name="The puzzle").click()
    page.get_by_role("button", name="To the end").click()
    assert rows(page)["x"] == ["3", "8 + 6", "14"]


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("hand=2,1.5,-4,1,0.5,1,2&step=12", "z̄ = h̄ · relu′(z) = (−4) · 0 = 0."),
        ("graph=nonsense&step=-4&hand=1,2&puzzle=x", "Before the forward pass"),
        ("graph=puzzle&step=1e9", "= 14."),
    ],
)
def test_address_opens_a_state_and_nonsense_is_ignored(bench, state, sentence):
    """A step can be shared; what cannot be read falls back or stays in range."""
    window = bench("backprop-graph", state=state)
    assert sentence in says(window.page)
    assert window.faults == []
