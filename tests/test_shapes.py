"""`check_shape`: named dimensions and the one message."""

import numpy as np
import pytest

from dllab.errors import ParameterError, ShapeError
from dllab.shapes import check_shape


def test_named_dimensions_are_returned():
    """What do the names stand for?"""
    assert check_shape(np.zeros((5, 3)), ("batch", "features"), name="x") == {
        "batch": 5,
        "features": 3,
    }


def test_integers_and_none_bind_nothing():
    """Only names are returned."""
    assert check_shape(np.zeros((5, 3)), (None, 3)) == {}


def test_a_repeated_name_means_the_same_size():
    """A square matrix is ("n", "n")."""
    assert check_shape(np.eye(3), ("n", "n")) == {"n": 3}
    with pytest.raises(ShapeError, match=r"axis 1 has size 3 instead of 2 \(n\)"):
        check_shape(np.zeros((2, 3)), ("n", "n"), name="W")


def test_a_bound_size_can_be_checked_on_a_second_array():
    """Sizes found on one array can be demanded of the next."""
    sizes = check_shape(np.zeros((5, 3)), ("batch", 3), name="x")
    with pytest.raises(ShapeError, match="`y`"):
        check_shape(np.zeros(4), (sizes["batch"],), name="y")


def test_numbers_and_lists_are_arrays_too():
    """What NumPy can turn into an array has a shape."""
    assert check_shape(3.0, ()) == {}
    assert check_shape([[1, 2]], ("batch", 2)) == {"batch": 1}


@pytest.mark.parametrize(
    ("array", "expected", "message"),
    [
        (
            np.zeros((3, 5)),
            ("batch", 3),
            "`x` should have shape (batch, 3), but its shape is (3, 5): "
            "axis 1 has size 5 instead of 3.",
        ),
        (
            np.zeros((3, 1)),
            ("batch",),
            "`x` should have shape (batch,), but its shape is (3, 1): it has 2 axes instead of 1.",
        ),
        (
            np.zeros(3),
            (None, 3),
            "`x` should have shape (any, 3), but its shape is (3,): it has 1 axis instead of 2.",
        ),
    ],
)
def test_the_message_names_expected_and_received(array, expected, message):
    """One sentence that tells what to change."""
    with pytest.raises(ShapeError) as caught:
        check_shape(array, expected, name="x")
    assert str(caught.value) == message


def test_ragged_rows_are_named():
    """Rows of different length have no shape."""
    with pytest.raises(ShapeError, match="rows differ"):
        check_shape([[1], [1, 2]], ("batch", 2), name="x")


@pytest.mark.parametrize("expected", ["batch", (1.5,), ((2, 3),)])
def test_a_wrong_expectation_is_the_callers_mistake(expected):
    """It is reported as such, not as a wrong array."""
    with pytest.raises(ParameterError, match="`expected`"):
        check_shape(np.zeros(2), expected)
