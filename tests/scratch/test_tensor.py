"""The tape: accumulation, order, depth; and the laws of broadcasting and its undoing."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays, mutually_broadcastable_shapes

from dllab.errors import ParameterError, ShapeError
from dllab.scratch import Scalar, Tensor, gradcheck, record, unbroadcast
from dllab.scratch.scalar import topological_order

DEEP = 5 * sys.getrecursionlimit()


@st.composite
def stretched(draw, shapes=1):
    """Shapes that broadcast together, and an integer-valued gradient of the common shape."""
    drawn = draw(mutually_broadcastable_shapes(num_shapes=shapes, max_dims=3, max_side=3))
    whole = st.integers(-9, 9).map(float)  # whole numbers, so that sums are exact in any order
    return (*drawn.input_shapes, draw(arrays(np.float64, drawn.result_shape, elements=whole)))


laws = settings(deadline=None, max_examples=60, derandomize=True)


# Laws of unbroadcast


@laws
@given(stretched())
def test_unbroadcast_is_the_adjoint_of_broadcasting(drawn):
    """For all x and g: the sum of broadcast(x) * g is the sum of x * unbroadcast(g)."""
    shape, g = drawn
    x = np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)
    assert (np.broadcast_to(x, g.shape) * g).sum() == (x * unbroadcast(g, shape)).sum()


@laws
@given(stretched())
def test_unbroadcast_has_the_shape_before(drawn):
    """The shape of unbroadcast(g, shape) is `shape`, and the total is that of g."""
    shape, g = drawn
    assert unbroadcast(g, shape).shape == shape
    assert unbroadcast(g, shape).sum() == g.sum()


@laws
@given(stretched())
def test_unbroadcast_to_the_same_shape_changes_nothing(drawn):
    """unbroadcast(g, g.shape) == g."""
    _, g = drawn
    np.testing.assert_array_equal(unbroadcast(g, g.shape), g)


@laws
@given(stretched())
def test_unbroadcast_twice_is_unbroadcast_once(drawn):
    """Undoing a broadcast in two stages or in one makes no difference."""
    shape, g = drawn
    between = (1,) * (g.ndim - len(shape)) + shape
    np.testing.assert_array_equal(
        unbroadcast(unbroadcast(g, between), shape), unbroadcast(g, shape)
    )


@laws
@given(stretched())
def test_unbroadcast_is_linear(drawn):
    """unbroadcast(2 g + h) == 2 unbroadcast(g) + unbroadcast(h)."""
    shape, g = drawn
    h = np.arange(float(g.size)).reshape(g.shape)
    np.testing.assert_array_equal(
        unbroadcast(2 * g + h, shape), 2 * unbroadcast(g, shape) + unbroadcast(h, shape)
    )


@laws
@given(stretched(shapes=2))
def test_arithmetic_broadcasts_as_numpy_does(drawn):
    """Values, and shapes of gradients, for every pair of shapes that NumPy accepts."""
    left, right, g = drawn
    x, y = Tensor(np.full(left, 3.0)), Tensor(np.full(right, 2.0))
    for result, value in (
        (x + y, x.data + y.data),
        (x - y, x.data - y.data),
        (x * y, x.data * y.data),
        (x / y, x.data / y.data),
    ):
        np.testing.assert_array_equal(result.data, value)
        result.backward(g)
    # 1 + 1 + y + 1/y for x;  1 - 1 + x - x/y**2 for y
    np.testing.assert_allclose(x.grad, unbroadcast(g, left) * 4.5)
    np.testing.assert_allclose(y.grad, unbroadcast(g, right) * 2.25)


@laws
@given(stretched(shapes=2))
def test_broadcast_gradients_are_central_differences(drawn):
    """The gradient of a broadcast product is the slope of its value."""
    left, right, _ = drawn
    x = np.linspace(0.5, 1.5, int(np.prod(left))).reshape(left)
    y = np.linspace(-2.0, -1.0, int(np.prod(right))).reshape(right)
    assert gradcheck(lambda a, b: a * b + a / b - b, x, y).ok


@pytest.mark.parametrize("shape", [(3,), (2, 2, 2), (1, 2, 2), (2, 3)])
def test_unbroadcast_refuses_what_was_never_broadcast(shape):
    """A shape that does not broadcast to the gradient's is an error."""
    with pytest.raises(ShapeError, match="`shape`"):
        unbroadcast(np.ones((2, 2)), shape)


# Accumulation


def test_a_node_used_twice_adds_both_gradients():
    """x * x + x has the slope 2x + 1: three paths add up."""
    for kind in (Scalar, Tensor):
        x = kind(3.0)
        (x * x + x).backward()
        assert float(x.grad) == 7.0


def test_a_shared_inner_node_is_complete_before_it_passes_its_gradient_on():
    """In h = 2x, y = h * h + h, the gradient of h is whole before x receives its part."""
    for kind in (Scalar, Tensor):
        x = kind(3.0)
        h = x * 2.0
        (h * h + h).backward()
        assert float(h.grad) == 13.0
        assert float(x.grad) == 26.0


def test_backward_twice_doubles_the_gradient_of_an_input():
    """Gradients add up until they are reset; inner nodes are not counted twice."""
    for kind in (Scalar, Tensor):
        x = kind(3.0)
        y = (x * 2.0) * x
        y.backward()
        y.backward()
        assert float(x.grad) == 24.0
        x.zero_grad()
        y.backward()
        assert float(x.grad) == 12.0


def test_two_losses_of_one_graph_add_up():
    """The gradient of a + b is the sum of what two passes leave."""
    x = Tensor([1.0, 2.0])
    hidden = x * 3.0
    (hidden**2).sum().backward()
    hidden.sum().backward()
    np.testing.assert_allclose(x.grad, 18 * x.data + 3)


def test_backward_on_an_input_gives_one():
    """The slope of x by x."""
    for kind in (Scalar, Tensor):
        x = kind(3.0)
        x.backward()
        assert float(x.grad) == 1.0


def test_gradients_of_two_parents_are_separate_arrays():
    """Changing one gradient in place, as clipping does, leaves the other alone."""
    x, y = Tensor([1.0]), Tensor([1.0])
    record([2.0], (x, y), "mine", lambda g: (g, g)).backward()
    x.grad *= 5
    assert y.grad.tolist() == [1.0]


def test_gradient_starts_from_what_is_passed():
    """The seed of the backward pass weighs the entries of the result."""
    x = Tensor([1.0, 2.0])
    (x * 2).backward([1.0, 10.0])
    assert x.grad.tolist() == [2.0, 20.0]


def test_grad_is_none_before_backward():
    """Before the first pass there is no gradient, which differs from a zero gradient."""
    assert Tensor(1.0).grad is None


# Order and depth


def test_topological_order_lists_each_node_once_after_its_parents():
    """The order is one in which values could be computed."""
    x, y = Scalar(1.0), Scalar(2.0)
    a = x * y
    b = a + x
    root = a * b
    order = topological_order(root)
    assert len(order) == len(set(map(id, order))) == 5
    position = {id(node): i for i, node in enumerate(order)}
    assert all(position[id(p)] < position[id(node)] for node in order for p in node.parents)
    assert order[-1] is root


@pytest.mark.parametrize("kind", [Scalar, Tensor])
def test_a_graph_may_be_deeper_than_the_recursion_limit(kind):
    """Neither the backward pass nor the release of a deep graph recurses in Python."""
    x = kind(1.0)
    y = x
    for _ in range(DEEP):
        y = y + x
    y.backward()
    assert float(x.grad) == DEEP + 1
    del y


@pytest.mark.parametrize("kind", [Scalar, Tensor])
def test_a_graph_with_exponentially_many_paths_takes_linear_work(kind):
    """Fifty doublings have 2**50 paths and 51 nodes."""
    x = kind(1.0)
    y = x
    for _ in range(50):
        y = y + y
    assert len(topological_order(y)) == 51
    y.backward()
    assert float(x.grad) == 2.0**50


def test_a_graph_keeps_the_values_it_was_recorded_with():
    """A parameter replaced between the passes does not change the gradient."""
    w, x = Tensor(2.0), Tensor(3.0)
    y = w * x
    w.data = np.array(100.0)
    y.backward()
    assert float(x.grad) == 2.0


# Construction and conversion


def test_data_is_a_copy():
    """Changing the array afterwards does not change the tensor."""
    data = np.ones(2)
    x = Tensor(data)
    data[0] = 5.0
    assert x.data.tolist() == [1.0, 1.0]


def test_data_is_float64():
    """Integers become floating-point numbers, so that gradients are not cut off."""
    assert Tensor([1, 2]).data.dtype == np.float64
    assert Tensor(np.float32(1.5)).data.dtype == np.float64


def test_a_node_tells_where_it_came_from():
    """Drawings read parents, operation and label."""
    x, y = Tensor([1.0], label="x"), Tensor([2.0])
    z = x * y
    assert z.parents == (x, y)
    assert (z.op, x.label, x.op, x.parents) == ("*", "x", "", ())
    assert repr(x) == "Tensor([1.], label='x')"
    assert repr(Scalar(2.0) * 3) == "Scalar(6, grad=0, op='*')"


def test_a_tensor_can_be_iterated():
    """Iteration ends at the last row."""
    assert [row.data.tolist() for row in Tensor([[1.0], [2.0]])] == [[1.0], [2.0]]
    assert len(Tensor([[1.0], [2.0]])) == 2


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: Tensor(None), ParameterError, "`data`"),
        (lambda: Tensor("three"), ParameterError, "`data`"),
        (lambda: Tensor([1j]), ParameterError, "`data`"),
        (lambda: Tensor([[1.0], [1.0, 2.0]]), ParameterError, "rows differ"),
        (lambda: np.asarray(Tensor([1.0])), ParameterError, "tensor.data"),
        (lambda: Tensor([Tensor(1.0)]), ParameterError, "tensor.data"),
        (lambda: Tensor([1.0, 2.0]).backward(), ShapeError, "`backward`"),
        (lambda: Tensor([1.0, 2.0]).backward([1.0]), ShapeError, "`grad`"),
        (lambda: float(Tensor([1.0, 2.0])), ShapeError, "`float`"),
        (
            lambda: record(1.0, (Tensor([1.0]),), "mine", lambda g: (g,)).backward(),
            ShapeError,
            "`mine`",
        ),
    ],
)
def test_misuse_is_named(call, error, says):
    """The error is typed and its message names what is wrong."""
    with pytest.raises(error) as caught:
        call()
    assert says in str(caught.value)
