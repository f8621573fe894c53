"""Convert the insurance customers in ISLP's wheel to `dllab/data/files/caravan.npz`.

    pip download --no-deps islp
    python tools/convert_caravan.py islp-*.whl

Then copy the printed hash to `dllab/data/cards.toml`. Nothing of ISLP is imported.
"""

import argparse
import csv
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from dataset_files import FILES, save

MEMBER = "ISLP/data/Caravan.csv"
SHARES = {"validation": 0.2, "test": 0.2}


def read_wheel(wheel: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return uint8 codes `(5822, 85)` and labels `(5822,)`, 1 for a policy, from ISLP's wheel."""
    with zipfile.ZipFile(wheel) as archive:
        text = io.TextIOWrapper(archive.open(MEMBER), encoding="ascii", newline="")
        rows = list(csv.reader(text))[1:]
    x = np.array([row[:-1] for row in rows], dtype=np.uint8)
    return x, np.array([row[-1] == "Yes" for row in rows], dtype=np.uint8)


def split_groups(
    x: np.ndarray, y: np.ndarray, shares: Mapping[str, float], seed: int
) -> dict[str, np.ndarray]:
    """Return row numbers of `train`, `validation` and `test`; identical rows stay together.

    Hundreds of rows have a twin with the same 85 values, so every random split of rows separates
    some of them. Groups of identical rows are dealt out instead: those with a policy among them
    and those without give the same share to each split.
    """
    rng = np.random.default_rng(seed)
    _, group = np.unique(x, axis=0, return_inverse=True)
    positive = np.bincount(group, weights=y) > 0
    parts: dict[str, list[np.ndarray]] = {"train": [], "validation": [], "test": []}
    for kind in (False, True):
        groups = rng.permutation(np.flatnonzero(positive == kind))
        n_validation, n_test = (round(shares[name] * len(groups)) for name in shares)
        parts["validation"].append(groups[:n_validation])
        parts["test"].append(groups[n_validation : n_validation + n_test])
        parts["train"].append(groups[n_validation + n_test :])
    return {
        name: rng.permutation(np.flatnonzero(np.isin(group, np.concatenate(groups))))
        for name, groups in parts.items()
    }


def balanced_seed(x: np.ndarray, y: np.ndarray, shares: Mapping[str, float]) -> int:
    """Return the first seed, from 0, whose splits hold their share of policies, to one row."""
    seed = 0
    while True:
        parts = split_groups(x, y, shares, seed).values()
        if all(abs(y[rows].sum() - y.sum() * len(rows) / len(y)) < 1 for rows in parts):
            return seed
        seed += 1


def main() -> None:
    """Read the wheel named on the command line and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path)
    x, y = read_wheel(parser.parse_args().wheel)
    seed = balanced_seed(x, y, SHARES)
    print(f"caravan.npz: seed {seed}")
    save(FILES / "caravan.npz", x, y, split_groups(x, y, SHARES, seed))


if __name__ == "__main__":
    main()
