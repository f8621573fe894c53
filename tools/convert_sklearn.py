"""Convert the small data sets inside scikit-learn to `dllab/data/files/*.npz`.

    python tools/convert_sklearn.py

Then copy the printed hashes to `dllab/data/cards.toml`. Converted files mean that loading
needs NumPy only and that a new release of scikit-learn cannot change a number in the book.
"""

import numpy as np
from dataset_files import FILES, write
from sklearn import datasets

SHARES = {"validation": 0.2, "test": 0.2}


def read(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's `x` and `y`; pixels as uint8 images, measurements as float32."""
    bunch = getattr(datasets, f"load_{name}")()
    if name == "digits":
        return bunch.images.astype(np.uint8), bunch.target
    return bunch.data.astype(np.float32), bunch.target


def main() -> None:
    """Write one file for each data set."""
    for name in ("digits", "iris", "wine", "breast_cancer"):
        write(FILES / f"{name}.npz", *read(name), SHARES)


if __name__ == "__main__":
    main()
