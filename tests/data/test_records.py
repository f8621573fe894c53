"""Splits unpack, describe themselves, and become `tf.data` pipelines; cards read well."""

import dataclasses

import numpy as np
import pytest

from dllab.data import Split, card, load, names
from dllab.errors import ParameterError, ShapeError


@pytest.fixture
def split() -> Split:
    return Split(np.arange(20, dtype=np.float32).reshape(10, 2), np.arange(10))


def test_a_split_unpacks_into_its_own_arrays(split):
    x, y = split
    assert x is split.x
    assert y is split.y
    assert len(split) == 10


def test_lists_become_arrays():
    assert Split([[1.0], [2.0]], [0, 1]).x.shape == (2, 1)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((3, 2)), np.zeros(2), "`x` has 3 rows and `y` has 2"),
        (5.0, np.zeros(2), "`x` must have the dimensions"),
        (np.zeros((3, 2)), 1, "`y` must have the dimensions"),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(x, y, message):
    with pytest.raises(ShapeError, match=message):
        Split(x, y)


@pytest.mark.parametrize("record", [load("iris"), load("iris").train, card("iris")])
def test_records_are_frozen(record):
    field = dataclasses.fields(record)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(record, field, None)


@pytest.mark.parametrize("name", names())
def test_a_card_shows_every_field_as_text_and_as_table(name):
    text, html = str(card(name)), card(name)._repr_html_()
    for label, value in card(name).rows():
        assert label in text
        assert label in html
        assert value
    assert max(map(len, text.splitlines())) <= 88
    assert "None" not in html.replace("None.", "")


def test_a_card_escapes_what_is_markup():
    one = dataclasses.replace(card("iris"), title="<b>&", bias="<script>")
    assert "<b>" not in one._repr_html_()
    assert "<script>" not in one._repr_html_()


def test_a_data_set_shows_its_shapes_in_a_notebook():
    html = load("digits")._repr_html_()
    for part in ("Handwritten digits", "(1079, 8, 8) float32", "validation", "10 classes"):
        assert part in html


@pytest.mark.parametrize("size", [0, -1, 2.5, "64", True, None])
def test_a_wrong_batch_size_is_named_before_tensorflow_is_imported(split, size):
    with pytest.raises(ParameterError, match="`batch_size` must be an integer of at least 1"):
        split.batches(size)


@pytest.mark.parametrize("seed", [-1, 2**31, 0.5, None])
def test_a_wrong_seed_is_named(split, seed):
    with pytest.raises(ParameterError, match="`seed` must be an integer from 0 to"):
        split.batches(4, seed=seed)


def epoch(batches) -> list[int]:
    return [int(label) for _, y in batches for label in y]


def test_batches_hold_every_example_once_and_keep_pairs_together(split):
    batches = split.batches(4, seed=3)
    sizes = []
    for x, y in batches:
        sizes.append(len(y))
        np.testing.assert_array_equal(x.numpy(), split.x[y.numpy()])
    assert sizes == [4, 4, 2]
    assert sorted(epoch(batches)) == list(range(10))
    assert int(batches.cardinality()) == 3
    assert x.dtype.name == "float32"


def test_without_shuffling_the_order_is_that_of_the_split(split):
    batches = split.batches(3, shuffle=False)
    assert epoch(batches) == epoch(batches) == list(range(10))


def test_a_seed_decides_the_order_and_every_epoch_has_its_own():
    long = Split(np.zeros((100, 1)), np.arange(100))
    one, same, other = (long.batches(10, seed=seed) for seed in (1, 1, 2))
    first, second = epoch(one), epoch(one)
    assert first != second
    assert [first, second] == [epoch(same), epoch(same)]
    assert first != epoch(other)


def test_an_empty_split_gives_no_batch():
    assert epoch(Split(np.zeros((0, 2)), np.zeros(0)).batches(4)) == []
