"""The catalogue, the preprocessing and the names of classes; none of it needs Keras."""

import doctest
import hashlib
import subprocess
import sys
from importlib import import_module
from importlib.resources import files

import numpy as np
import pytest

from dllab import pretrained
from dllab.errors import ParameterError, ShapeError, UnknownModelError
from dllab.pretrained.images import imagenet_classes

FOLDER = files("dllab.pretrained") / "files"


@pytest.mark.parametrize("name", ["", ".cards", ".images"])
def test_examples(name):
    assert doctest.testmod(import_module(f"dllab.pretrained{name}")).failed == 0


def test_the_first_name_needs_no_download_and_the_others_do():
    first, *others = pretrained.names()
    assert first == "efficientnet_lite0"
    assert pretrained.card(first).offline
    assert not any(pretrained.card(name).offline for name in others)
    assert {"mobilenet_v2", "resnet50"} <= set(others)


@pytest.mark.parametrize("name", pretrained.names())
def test_each_file_has_the_hash_on_its_card(name):
    for file, digest in pretrained.card(name).files.items():
        assert hashlib.sha256((FOLDER / file).read_bytes()).hexdigest() == digest


def test_every_file_of_weights_has_a_card_and_a_license():
    stored = {path.name for path in FOLDER.iterdir() if path.name.endswith(".npz")}
    assert stored == {f for name in pretrained.names() for f in pretrained.card(name).files}
    licenses = (FOLDER / "LICENSES.md").read_text("utf-8")
    assert all(f"`{name}`" in licenses for name in {*stored, "imagenet_classes.tsv"})
    assert "Version 2.0, January 2004" in (FOLDER / "LICENSE-APACHE-2.0.txt").read_text("utf-8")


def test_a_card_prints_what_one_has_to_know():
    text = str(pretrained.card("efficientnet_lite0"))
    for part in ("Apache License 2.0", "4,694,024", "224", "/ 128", "75.1 %", "comes with dllab"):
        assert part in text
    assert "is downloaded by Keras" in str(pretrained.card("resnet50"))


@pytest.mark.parametrize("wrong", ["efficientnet_lite", "ResNet50", "vgg", None])
def test_an_unknown_model_is_answered_with_the_list(wrong):
    with pytest.raises(UnknownModelError, match="Choose one of: efficientnet_lite0") as caught:
        pretrained.card(wrong)
    if wrong is not None:
        assert "Did you mean" in str(caught.value)


def test_bytes_and_shares_of_full_light_give_the_same_numbers():
    """0 becomes -127/128 and 255 becomes 1, whichever way the image is kept."""
    pixels = np.arange(256, dtype=np.uint8)[None, :, None, None].repeat(3, -1)
    from_bytes = pretrained.preprocess(pixels)
    from_shares = pretrained.preprocess(pixels / np.float32(255))
    np.testing.assert_allclose(from_bytes[0, [0, 127, 255], 0, 0], [-127 / 128, 0, 1])
    np.testing.assert_allclose(from_shares, from_bytes, atol=1e-6)
    assert from_shares.dtype == np.float32


@pytest.mark.parametrize(
    "images",
    [np.full((1, 2, 2, 3), 255.0), np.full((1, 2, 2, 3), -0.5), np.full((1, 2, 2, 3), 7)],
    ids=["255 as a float", "preprocessed already", "int64"],
)
def test_pixels_in_no_known_range_are_refused(images):
    with pytest.raises(ParameterError, match="must be uint8 from 0 to 255 or floats from 0 to 1"):
        pretrained.preprocess(images)


@pytest.mark.parametrize("shape", [(2, 2, 3), (1, 28, 28), (1, 28, 28, 1)])
def test_what_is_no_batch_of_color_images_is_refused(shape):
    with pytest.raises(ShapeError, match=r"\(batch, height, width, 3\)"):
        pretrained.preprocess(np.zeros(shape))


@pytest.mark.parametrize("size", [0, 96.0, True])
def test_a_size_is_a_number_of_pixels(size):
    with pytest.raises(ParameterError, match="`size` must be a number of pixels"):
        pretrained.preprocess(np.zeros((1, 8, 8, 3)), size=size)


def test_imagenet_has_a_thousand_classes_in_their_usual_order():
    classes = imagenet_classes()
    assert len(classes) == len({identifier for identifier, _ in classes}) == 1000
    assert [i for i, _ in classes] == sorted(i for i, _ in classes)
    known = {0: "tench", 281: "tabby", 285: "Egyptian cat", 872: "tripod", 967: "espresso"}
    assert {number: classes[number][1] for number in known} == known


def test_the_highest_scores_come_first():
    scores = np.zeros((1, 1000))
    scores[0, [3, 7]] = 0.2, 0.8
    ((first, second),) = pretrained.decode_predictions(scores, top=2)
    assert (first[0], first[2]) == (imagenet_classes()[7][0], 0.8)
    assert second[0] == imagenet_classes()[3][0]


def test_scores_of_another_classifier_are_refused():
    with pytest.raises(ShapeError, match=r"\(batch, 1000\) but has the shape \(4, 7\)"):
        pretrained.decode_predictions(np.zeros((4, 7)))


def test_reading_the_catalogue_imports_no_framework():
    code = (
        "import sys; from dllab import pretrained; pretrained.card('resnet50')\n"
        "heavy = {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
