"""Is a computational graph drawn completely and readably?"""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot as plt

from dllab import plot, scratch
from dllab.errors import ParameterError
from dllab.plot.layout import layered


class Node:
    """What `plot.graph` needs of a scratch node."""

    def __init__(self, value, *parents, op="", label="", grad=0.0):
        self.value, self.parents, self.op, self.label, self.grad = value, parents, op, label, grad


@pytest.fixture
def product():
    a, b = Node(2.0, label="a", grad=-3.0), Node(-3.14159, label="b", grad=2.0)
    return Node(-6.28318, a, b, op="*", label="c", grad=1.0)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_labels_values_gradients_and_operations_are_shown(product):
    ax = plot.graph(product, title="A product")
    assert sorted(texts(ax)) == sorted(
        ["a", "2", "grad −3", "b", "−3.14", "grad 2", "c", "−6.28", "grad 1", "*"]
    )
    assert ax.get_title() == "A product"


def test_arrays_show_their_shapes():
    x = Node(np.zeros((2, 3)), grad=None)
    y = Node(np.array(4.0), x, op="sum", grad=np.ones(()))
    assert texts(plot.graph(y)) == ["(2, 3)", "grad –", "4", "grad 1", "sum"]


def test_a_node_used_twice_is_drawn_once_with_two_edges():
    a = Node(3.0, label="a")
    ax = plot.graph(Node(9.0, a, a, op="*"))
    assert texts(ax).count("a") == 1
    assert sum(type(patch).__name__ == "FancyArrowPatch" for patch in ax.patches) == 2


def test_a_leaf_alone_is_a_graph():
    assert texts(plot.graph(Node(1.0))) == ["1", "grad 0"]


def test_no_two_texts_of_a_large_graph_overlap():
    """25 nodes: two hidden units, their products and sums."""
    leaves = [Node(-1.23456e-5, label=f"w{i}", grad=-9.87e-7) for i in range(13)]
    layer = leaves
    while len(layer) > 1:
        pairs = itertools.zip_longest(layer[::2], layer[1::2])
        layer = [Node(0.5, a, b, op="+") if b else a for a, b in pairs]
    ax = plot.graph(layer[0])
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert len(boxes) == 13 * 3 + 12 * 3
    for one, other in itertools.combinations(boxes, 2):
        # glyph boxes of neighboring lines may touch
        assert not one.padded(-2).overlaps(other.padded(-2))
    window = ax.figure.bbox
    assert all(window.x0 <= box.x0 and box.x1 <= window.x1 for box in boxes)


def test_it_draws_on_given_axes(product):
    _, (left, right) = plt.subplots(1, 2)
    assert plot.graph(product, ax=right) is right
    assert not left.texts


def test_something_else_is_reported():
    with pytest.raises(ParameterError, match="`node` must be a Scalar or Tensor"):
        plot.graph(3.0)


def test_a_graph_too_large_to_read_is_reported():
    node = Node(0.0)
    for _ in range(60):
        node = Node(0.0, node, op="tanh")
    with pytest.raises(ParameterError, match="61 nodes"):
        plot.graph(node)


def test_real_scratch_nodes_can_be_drawn():
    a, b = scratch.Scalar(2.0, label="a"), scratch.Scalar(3.0, label="b")
    c = (a * b + a).tanh()
    c.backward()
    assert {"a", "b", "*", "+", "tanh"} <= set(texts(plot.graph(c)))
    x = scratch.Tensor(np.ones((2, 3)), label="x")
    loss = (x @ scratch.Tensor(np.ones((3, 1)))).sum()
    loss.backward()
    assert {"x", "(2, 3)", "grad (2, 3)"} <= set(texts(plot.graph(loss)))


@st.composite
def graphs(draw):
    """Parents of up to 20 nodes, none of them unused but the last."""
    count = draw(st.integers(1, 20))
    parents = [
        draw(st.lists(st.integers(0, node - 1), max_size=2)) if node else []
        for node in range(count)
    ]
    used = {source for sources in parents for source in sources}
    parents[-1] += [node for node in range(count - 1) if node not in used]
    return parents


@given(graphs())
def test_nodes_stand_right_of_their_parents_and_apart_from_their_neighbors(parents):
    placed = layered(parents)
    for child, sources in enumerate(parents):
        assert all(placed.column[source] < placed.column[child] for source in sources)
    for a, b in itertools.combinations(range(len(parents)), 2):
        if placed.column[a] == placed.column[b]:
            assert abs(placed.height[a] - placed.height[b]) >= 1 - 1e-9


@given(graphs())
def test_an_edge_stops_in_every_column_that_it_crosses(parents):
    placed = layered(parents)
    edges = [(source, child) for child, sources in enumerate(parents) for source in sources]
    assert len(placed.routes) == len(edges)
    for (source, child), route in zip(edges, placed.routes, strict=True):
        crossed = range(placed.column[source] + 1, placed.column[child])
        assert [column for column, _ in route] == list(crossed)
