"""What the conversion scripts share: fixed stratified splits, written as one small `.npz` file.

- `split_rows(x, y, shares, seed)`: row numbers for train, validation and test
- `separating_seed(x, y, shares)`: the first seed whose splits share no identical example
- `write(path, x, y, shares)`: split, save, and print what the data card has to say
- `write_splits(path, x, y, rows_of)`: the same for splits that are given
- `save(path, x, y, parts)`: the same for row numbers chosen elsewhere
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

__all__ = ["FILES", "save", "separating_seed", "split_rows", "write"]

FILES = Path(__file__).resolve().parent.parent / "dllab" / "data" / "files"


def split_rows(
    x: np.ndarray, y: np.ndarray, shares: Mapping[str, float], seed: int
) -> dict[str, np.ndarray]:
    """Return shuffled row numbers for `validation`, `test` and, with all that is left, `train`.

    Every class gives the same share of its rows to each split, rounded to whole rows.
    """
    rng = np.random.default_rng(seed)
    parts: dict[str, list[np.ndarray]] = {"train": [], "validation": [], "test": []}
    for label in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == label))
        n_validation = round(shares["validation"] * len(rows))
        n_test = round(shares["test"] * len(rows))
        parts["validation"].append(rows[:n_validation])
        parts["test"].append(rows[n_validation : n_validation + n_test])
        parts["train"].append(rows[n_validation + n_test :])
    return {name: rng.permutation(np.concatenate(rows)) for name, rows in parts.items()}


def separating_seed(x: np.ndarray, y: np.ndarray, shares: Mapping[str, float]) -> int:
    """Return the first seed, from 0, for which no two splits hold an identical example."""
    _, group = np.unique(x.reshape(len(x), -1), axis=0, return_inverse=True)
    seed = 0
    while True:
        groups = [set(group[rows].tolist()) for rows in split_rows(x, y, shares, seed).values()]
        if sum(map(len, groups)) == len(set.union(*groups)):
            return seed
        seed += 1


def write(path: Path, x: np.ndarray, y: np.ndarray, shares: Mapping[str, float]) -> None:
    """Split `(x, y)` by the first separating seed and write the splits to `path`."""
    seed = separating_seed(x, y, shares)
    print(f"{path.name}: seed {seed}")
    save(path, x, y, split_rows(x, y, shares, seed))


def save(path: Path, x: np.ndarray, y: np.ndarray, parts: Mapping[str, np.ndarray]) -> None:
    """Write the splits of `(x, y)` and their row numbers in the source to `path`."""
    arrays = {}
    for name, rows in parts.items():
        arrays[f"x_{name}"] = x[rows]
        # a float is a number to predict, an integer a class
        arrays[f"y_{name}"] = y[rows].astype(np.float32 if y.dtype.kind == "f" else np.uint8)
        arrays[f"rows_{name}"] = rows.astype(np.int32)
    np.savez_compressed(path, **arrays)
    sizes = {name: len(arrays[f"x_{name}"]) for name in ("train", "validation", "test")}
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    print(f"{path.name}: splits {sizes}, bytes {path.stat().st_size}")
    print(f'sha256 = "{digest}"')
