"""Data sets that load offline, split the same way every time.

- `load(name)`: a data set with `train`, `validation` and `test`
- `names()`: the names that `load` takes
- `card(name)`: where a data set comes from, its license, its known bias
- `table()`: one row for each data set: name, title, license, size
- `Dataset`, `Split`, `DataCard`: what these functions return

=================  ======================================================================
name               what
=================  ======================================================================
`digits`           1,797 handwritten digits, 8×8 pixels in [0, 1]
`mnist5k`          5,000 handwritten digits of MNIST, 28×28 pixels in [0, 1]
`photos`           9 color photographs, 224×224 pixels in [0, 1], to look at models with
`emoji`            539 small color pictures, 64×64 pixels in [0, 1], 7 kinds of things
`iris`             150 flowers, 4 measurements in centimeters, 3 species
`wine`             178 wines, 13 chemical measurements, 3 cultivars
`breast_cancer`    569 tumors, 30 measurements, malignant (0) or benign (1)
`caravan`          5,822 insurance customers, 85 codes, 6 % with a caravan policy
`japanese_vowels`  640 utterances of two vowels, 7 to 29 steps of 12 numbers, 9 speakers
`census_names`     5,163 first names as letter numbers: women's, men's or both
`sunspots`         3,120 months of sunspot numbers from 1749 on, in order of time
`co2`              526 months of carbon dioxide in the air, with a trend, in order of time
`moons`            two half circles that reach into each other (synthetic)
`spirals`          two spirals (synthetic)
`blobs`            three clouds (synthetic)
`xor`              a square whose class is the exclusive or of two signs (synthetic)
=================  ======================================================================

The files are part of the package. Nothing is downloaded, and NumPy is all that loading needs.
"""

from difflib import get_close_matches
from importlib.resources import files
from typing import Any

import numpy as np

from dllab.data.cards import CARDS, DataCard
from dllab.data.records import Dataset, Split, check_integer
from dllab.data.storage import read_arrays
from dllab.data.synthetic import GENERATORS
from dllab.errors import ParameterError, UnknownDatasetError

__all__ = ["DataCard", "Dataset", "Split", "card", "load", "names", "table"]

_FILES = files("dllab.data") / "files"
# Pixels are stored as integers and handed out as shares of full ink.
_FULL_INK = {"digits": 16, "mnist5k": 255, "photos": 255, "emoji": 255}

# Numbers that stand for letters: to be looked up, not to be computed with.
_SYMBOLS = frozenset({"census_names"})


def load(name: str, **options: Any) -> Dataset:
    """Load a data set by name, from the package's own files or from a seed.

    Every call returns new arrays, so what you change in place never reaches a later call.

    Args:
        name: one of `names()`.
        **options: for `moons`, `spirals`, `blobs` and `xor` only: `n`, the number of points
            in all three splits together (1,000; at least 15); `noise`, the standard deviation
            of the noise (0 or more); `seed` (0).

    Returns:
        A `Dataset`. `x` is float32 `(examples, …)`, and `y` is int64 `(examples,)`. Two kinds
        differ: symbols (`census_names`) are whole numbers, int64 `(examples, time)`, 0 after the
        end; a series (`sunspots`, `co2`) has the time in years as `x` `(months,)` and the
        measured number as `y` `(months,)`, both float32. Utterances (`japanese_vowels`)
        are `(examples, time, features)` and filled up with zeros.

    Raises:
        UnknownDatasetError: no data set has this name.
        DamagedDataError: the data file is missing or its hash differs from its card's.
        ParameterError: the data set does not take this option, or not this value.

    Example:
        >>> digits = load("digits")
        >>> digits.train.x.shape
        (1079, 8, 8)
        >>> load("xor", n=100, seed=7).test
        Split(x=(20, 2) float32, y=(20,) int64)
    """
    found = card(name)
    unknown = sorted(set(options) - set(found.options))
    if unknown:
        takes = ", ".join(f"`{o}`" for o in found.options) or "no options: its splits are fixed"
        raise ParameterError(
            f"`load({name!r})` takes {takes}; it received `{unknown[0]}`. Leave it out."
        )
    splits = _draw(name, **options) if found.options else _read(found)
    return Dataset(name=name, classes=found.classes, card=found, **splits)


def names() -> tuple[str, ...]:
    """Return the names of all data sets, those from files first.

    Example:
        >>> "digits" in names()
        True
    """
    return tuple(CARDS)


def card(name: str) -> DataCard:
    """Return the data card of a data set, without loading the data.

    Raises:
        UnknownDatasetError: no data set has this name.

    Example:
        >>> card("iris").splits
        {'train': 90, 'validation': 30, 'test': 30}
    """
    if isinstance(name, str) and name in CARDS:
        return CARDS[name]
    close = get_close_matches(str(name).lower(), CARDS, n=1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    raise UnknownDatasetError(
        f"`name` must be the name of a data set, but is {name!r}. {hint}"
        f"Choose one of: {', '.join(CARDS)}."
    )


def table() -> list[dict[str, str]]:
    """Return one row for each data set with the keys `name`, `title`, `licence` and `size`.

    Example:
        >>> table()[0]["title"]
        'Handwritten digits, 8×8'
    """
    keys = ("name", "title", "licence", "size")
    return [{key: getattr(one, key) for key in keys} for one in CARDS.values()]


def _read(found: DataCard) -> dict[str, Split]:
    arrays = read_arrays(_FILES / found.file, found.sha256)
    ink = np.float32(_FULL_INK.get(found.name, 1))
    splits = {}
    for split in found.splits:
        x, y = arrays[f"x_{split}"], arrays[f"y_{split}"]
        splits[split] = Split(
            x.astype(np.int64) if found.name in _SYMBOLS else x / ink,
            y if y.dtype == np.float32 else y.astype(np.int64),
        )
    return splits


def _draw(name: str, n: int = 1000, noise: float | None = None, seed: int = 0) -> dict[str, Split]:
    generate, default_noise = GENERATORS[name]
    noise = default_noise if noise is None else noise
    check_integer("n", n, 15)
    check_integer("seed", seed, 0)
    if not (isinstance(noise, int | float | np.number) and 0 <= noise < np.inf):
        raise ParameterError(
            f"`noise` must be a standard deviation of 0 or more, but is {noise!r}. "
            f"Try `noise={default_noise}`."
        )
    rng = np.random.default_rng(seed)
    sizes = {"train": n - 2 * (n // 5), "validation": n // 5, "test": n // 5}
    return {split: Split(*generate(size, noise, rng)) for split, size in sizes.items()}
