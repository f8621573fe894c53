"""Do the shipped files still equal what the conversion scripts make of their sources?"""

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from dllab.data import card
from dllab.data.storage import read_arrays

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def tools(monkeypatch):
    """Make `tools/` importable, as it is for a script that runs from there."""
    monkeypatch.syspath_prepend(str(TOOLS))
    import convert_sklearn
    import dataset_files

    return convert_sklearn, dataset_files


@pytest.mark.parametrize("name", ["digits", "iris", "wine", "breast_cancer"])
def test_the_file_equals_scikit_learn_s_arrays(name, tools, tmp_path, capsys):
    convert, dataset_files = tools
    x, y = convert.read(name)
    dataset_files.write(tmp_path / "again.npz", x, y, convert.SHARES)
    assert "seed 0" in capsys.readouterr().out, "the card says seed 0"
    shipped = read_arrays(files("dllab.data") / "files" / card(name).file, card(name).sha256)
    with np.load(tmp_path / "again.npz") as again:
        assert set(again.files) == set(shipped)
        for key in again.files:
            np.testing.assert_array_equal(again[key], shipped[key], err_msg=key)
            assert again[key].dtype == shipped[key].dtype


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer"])
def test_cards_name_classes_and_features_in_scikit_learn_s_order(name):
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")()
    features = [str(feature).replace("_", " ").lower() for feature in bunch.feature_names]
    assert [feature.lower() for feature in card(name).features] == features
    if name != "wine":  # scikit-learn has no names for the cultivars
        assert card(name).classes == tuple(map(str, bunch.target_names))


def test_identical_examples_are_kept_in_one_split(tools):
    """With four pairs of twins, seeds are tried until no pair is separated."""
    _, dataset_files = tools
    x = np.repeat(np.arange(4), 2)[:, None].astype(np.float32)
    y = np.zeros(8, dtype=np.int64)
    shares = {"validation": 0.25, "test": 0.25}
    seed = dataset_files.separating_seed(x, y, shares)
    parts = dataset_files.split_rows(x, y, shares, seed).values()
    values = [set(x[rows, 0]) for rows in parts]
    assert [len(v) for v in values] == [2, 1, 1]
    assert seed > 0, "the case is only worth something if the first seed separates twins"


def test_identical_customers_are_dealt_out_together(tools):
    """Groups of identical rows stay whole, and each split gets its share of both kinds."""
    import convert_caravan

    x = np.repeat(np.arange(30), 3)[:, None].astype(np.uint8)
    y = np.zeros(90, dtype=np.uint8)
    y[:15] = 1  # all of groups 0 to 4
    shares = {"validation": 0.2, "test": 0.2}
    seed = convert_caravan.balanced_seed(x, y, shares)
    parts = convert_caravan.split_groups(x, y, shares, seed)
    assert {name: len(rows) for name, rows in parts.items()} == {
        "train": 54,
        "validation": 18,
        "test": 18,
    }
    assert {name: int(y[rows].sum()) for name, rows in parts.items()} == {
        "train": 9,
        "validation": 3,
        "test": 3,
    }
    values = [set(x[rows, 0]) for rows in parts.values()]
    assert sum(map(len, values)) == len(set.union(*values)) == 30
