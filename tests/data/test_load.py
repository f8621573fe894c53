"""What `dllab.load` promises: the same data, offline, in disjoint stratified splits."""

import hashlib
import itertools
import os
import socket
import subprocess
import sys
from importlib.resources import files

import numpy as np
import pytest

import dllab
from dllab.data import Dataset, card, load, names, table
from dllab.data.storage import read_arrays
from dllab.data.synthetic import GENERATORS
from dllab.errors import ParameterError, UnknownDatasetError

STORED = tuple(name for name in names() if card(name).file)
# One photograph a class, all in `train`: there is nothing to stratify or to shuffle.
# A series is cut in order of time, and the vowels keep their published test set.
SERIES = ("sunspots", "co2")
SPLIT = tuple(name for name in names() if name not in ("photos", *SERIES))
STRATIFIED = tuple(name for name in SPLIT if name != "japanese_vowels")
SHAPES = {
    "digits": (8, 8),
    "mnist5k": (28, 28),
    "photos": (224, 224, 3),
    "emoji": (64, 64, 3),
    "iris": (4,),
    "wine": (13,),
    "breast_cancer": (30,),
    "caravan": (85,),
    "japanese_vowels": (29, 12),
    "census_names": (11,),
    "sunspots": (),
    "co2": (),
    "moons": (2,),
    "spirals": (2,),
    "blobs": (2,),
    "xor": (2,),
}

# Prints one hash over all splits of all data sets, so that two processes can be compared.
FINGERPRINT = """
import hashlib
from dllab.data import load, names
digest = hashlib.sha256()
for name in names():
    for split in load(name).splits.values():
        digest.update(split.x.tobytes() + split.y.tobytes())
print(digest.hexdigest())
"""


def rows(split) -> set[bytes]:
    return {row.tobytes() for row in split.x}


def test_every_promised_name_exists():
    assert set(names()) == set(SHAPES)


@pytest.mark.parametrize("name", names())
def test_each_split_has_the_card_s_size_and_the_promised_types(name):
    data = load(name)
    assert isinstance(data, Dataset)
    assert data.card is card(name)
    assert {n: len(split) for n, split in data.splits.items()} == data.card.splits
    for split in data.splits.values():
        assert split.x.shape == (len(split), *SHAPES[name])
        assert split.x.dtype == (np.int64 if name == "census_names" else np.float32)
        assert split.y.dtype == (np.float32 if name in SERIES else np.int64)
        assert split.y.shape == (len(split),)
        assert np.isfinite(split.x).all()


@pytest.mark.parametrize("name", ["digits", "mnist5k", "photos", "emoji"])
def test_pixels_are_shares_of_full_ink(name):
    x = load(name).train.x
    assert (x.min(), x.max()) == (0.0, 1.0)


@pytest.mark.parametrize("name", names())
def test_no_example_lies_in_two_splits(name):
    for one, other in itertools.combinations(load(name).splits.values(), 2):
        assert not rows(one) & rows(other)


@pytest.mark.parametrize("name", STORED)
def test_the_splits_use_every_row_of_the_source_once(name):
    arrays = read_arrays(files("dllab.data") / "files" / card(name).file, card(name).sha256)
    used = np.concatenate([arrays[f"rows_{split}"] for split in card(name).splits])
    assert sorted(used) == list(range(len(used)))


@pytest.mark.parametrize("name", STRATIFIED)
def test_each_class_has_its_share_of_every_split(name):
    """Shares differ from those of the whole set by less than one example a class."""
    data = load(name)
    assert len(data.classes) == len(card(name).classes)
    counts = {n: np.bincount(s.y, minlength=len(data.classes)) for n, s in data.splits.items()}
    whole = sum(counts.values())
    for split, count in counts.items():
        expected = whole * len(data.splits[split]) / whole.sum()
        assert np.abs(count - expected).max() <= 1, split


@pytest.mark.parametrize("name", SPLIT)
def test_splits_are_shuffled(name):
    """A model that reads the first rows only still sees every class."""
    data = load(name)
    assert set(data.train.y[:60]) == set(range(len(data.classes)))


def test_photographs_come_in_the_order_of_their_names():
    photos = load("photos")
    np.testing.assert_array_equal(photos.train.y, np.arange(len(photos.classes)))
    assert "cat" in photos.classes
    gray = (photos.train.x[..., 0] == photos.train.x[..., 2]).all(axis=(1, 2))
    assert {photos.classes[row] for row in np.flatnonzero(gray)} == {"camera", "coins", "brick"}


def test_always_answering_food_is_right_as_often_as_the_card_says():
    emoji = load("emoji")
    share = (emoji.test.y == emoji.classes.index("food")).mean()
    assert f"{share:.0%}".replace("%", " %") in emoji.card.bias


@pytest.mark.parametrize("name", SERIES)
def test_a_series_is_cut_in_order_of_time(name):
    """Every month follows the one before it, also from split to split."""
    times = np.concatenate([split.x for split in load(name).splits.values()])
    np.testing.assert_allclose(np.diff(times), 1 / 12, atol=2e-4)


def test_utterances_are_padded_at_the_end():
    """Seven steps at least, then zeros to the end: no step is zero within an utterance."""
    vowels = load("japanese_vowels")
    for split in vowels.splits.values():
        spoken = (split.x != 0).any(axis=-1)
        lengths = spoken.sum(axis=1)
        assert lengths.min() >= 7
        np.testing.assert_array_equal(spoken, np.arange(29) < lengths[:, None])
    assert np.bincount(vowels.train.y).tolist() == 9 * [24]
    assert np.bincount(vowels.validation.y).tolist() == 9 * [6]


def test_names_are_letters_and_then_zeros():
    """The most frequent names are there, and each belongs to its list."""
    data = load("census_names")
    lists = {}
    for split in data.splits.values():
        letters = split.x != 0
        np.testing.assert_array_equal(letters, np.arange(11) < letters.sum(axis=1)[:, None])
        assert split.x.max() <= 26
        for row, kind in zip(split.x, split.y, strict=True):
            lists["".join(chr(96 + code) for code in row if code)] = data.classes[kind]
    assert len(lists) == 5163
    expected = {"linda": "women's list", "roger": "men's list", "casey": "both lists"}
    assert {name: lists[name] for name in expected} == expected


@pytest.mark.parametrize("name", STORED)
def test_the_file_has_the_hash_on_its_card(name):
    content = (files("dllab.data") / "files" / card(name).file).read_bytes()
    assert hashlib.sha256(content).hexdigest() == card(name).sha256


def test_every_file_has_a_card_and_a_license():
    folder = files("dllab.data") / "files"
    stored = {path.name for path in folder.iterdir() if path.name.endswith(".npz")}
    assert stored == {card(name).file for name in STORED}
    licenses = (folder / "LICENSES.md").read_text("utf-8")
    assert all(f"`{name}`" in licenses for name in stored)


def test_what_a_learner_changes_in_place_does_not_reach_the_next_load():
    x, y = load("iris").train
    original = x.copy()
    x += 100
    y[:] = 0
    np.testing.assert_array_equal(load("iris").train.x, original)
    assert set(load("iris").train.y) == {0, 1, 2}


def test_loading_opens_no_connection(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for name in names():
        load(name)


def test_two_processes_load_the_same_data():
    """Hash randomization, the usual reason for a difference, is set differently for each."""
    seen = {
        subprocess.run(
            [sys.executable, "-c", FINGERPRINT],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


def test_loading_needs_numpy_only():
    code = (
        "import sys, dllab\n"
        "for name in dllab.data.names(): dllab.load(name)\n"
        "heavy = {'tensorflow', 'keras', 'sklearn', 'matplotlib', 'pandas', 'scipy'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("wrong", "suggestion"), [("mnist", "mnist5k"), ("Digits", "digits"), ("spiral", "spirals")]
)
def test_an_unknown_name_is_answered_with_the_closest_one(wrong, suggestion):
    with pytest.raises(UnknownDatasetError, match=f"Did you mean '{suggestion}'") as caught:
        load(wrong)
    assert all(name in str(caught.value) for name in names())


@pytest.mark.parametrize("wrong", ["", "zzz", None, 3, ["iris"]])
def test_a_name_like_no_other_is_answered_with_the_list(wrong):
    with pytest.raises(UnknownDatasetError, match="Choose one of: digits"):
        card(wrong)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("digits", {"seed": 1}, "no options: its splits are fixed"),
        ("moons", {"points": 5}, "takes `n`, `noise`, `seed`; it received `points`"),
        ("moons", {"n": 14}, "`n` must be an integer of at least 15, but is 14"),
        ("moons", {"n": 100.0}, "`n` must be an integer"),
        ("moons", {"n": True}, "`n` must be an integer"),
        ("blobs", {"noise": -0.1}, "`noise` must be a standard deviation of 0 or more"),
        ("blobs", {"noise": float("nan")}, "`noise` must be"),
        ("blobs", {"noise": "much"}, "`noise` must be"),
        ("xor", {"seed": -1}, "`seed` must be an integer of at least 0"),
    ],
)
def test_a_wrong_option_is_named(name, options, message):
    with pytest.raises(ParameterError, match=message):
        load(name, **options)


@pytest.mark.parametrize("name", GENERATORS)
def test_a_seed_decides_the_points(name):
    one, same, other = (load(name, seed=seed).train.x for seed in (5, 5, 6))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("name", GENERATORS)
def test_drawing_leaves_the_global_generator_alone(name):
    before = np.random.get_state()[1].copy()
    load(name)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize("n", [15, 16, 101, 1000])
@pytest.mark.parametrize("name", GENERATORS)
def test_n_counts_all_three_splits_and_no_class_is_missing(name, n):
    data = load(name, n=n)
    assert sum(len(split) for split in data.splits.values()) == n
    for split in data.splits.values():
        assert set(split.y) == set(range(len(data.classes)))


def test_without_noise_each_point_lies_where_its_class_says():
    """Moons: a half circle each. Spirals: the angle follows from the radius. XOR: the signs."""
    (x, y), _, _ = load("moons", noise=0).splits.values()
    centered = np.where(y[:, None] == 0, x, np.array([1, 0.5]) - x)
    assert np.allclose(np.hypot(*centered.T), 1, atol=1e-6)
    assert (centered[:, 1] >= -1e-6).all()

    (x, y), _, _ = load("spirals", noise=0).splits.values()
    radius = np.hypot(*x.T)
    turned = np.angle((x[:, 0] + 1j * x[:, 1]) * np.exp(-1j * (3.5 * radius + y) * np.pi))
    assert np.allclose(turned, 0, atol=1e-4)

    (x, y), _, _ = load("xor", noise=0).splits.values()
    assert ((x.prod(axis=1) < 0) == (y == 1)).all()

    (x, y), _, _ = load("blobs", noise=0).splits.values()
    assert [len(np.unique(x[y == label], axis=0)) for label in range(3)] == [1, 1, 1]


def test_no_straight_line_gets_more_than_two_thirds_of_xor_right():
    """The card says so; 10,000 points leave a margin of two percent points."""
    x, y = load("xor", n=10_000).train
    best = 0.0
    for angle in np.linspace(0, 2 * np.pi, 72, endpoint=False):
        along = x @ np.array([np.cos(angle), np.sin(angle)])
        shares = [np.mean((along > cut) == (y == 1)) for cut in np.linspace(-1.4, 1.4, 57)]
        best = max(best, *shares)
    assert abs(best - 2 / 3) < 0.02


def test_noise_is_the_standard_deviation_around_a_blob():
    x, y = load("blobs", n=30_000, noise=0.5).train
    spread = [x[y == label].std(axis=0) for label in range(3)]
    assert np.allclose(spread, 0.5, rtol=0.05)


def test_the_table_has_one_row_for_each_name():
    assert [row["name"] for row in table()] == list(names())
    assert {key for row in table() for key in row} == {"name", "title", "licence", "size"}


def test_the_package_offers_load():
    assert dllab.load is load
