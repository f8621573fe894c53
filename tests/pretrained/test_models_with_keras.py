"""Does the converted network still know what it learned? Asked with photographs."""

import socket

import numpy as np
import pytest

from dllab import data, pretrained
from dllab.errors import DamagedDataError, ParameterError, WeightsUnavailableError


@pytest.fixture(scope="module")
def named():
    """For each photograph the names and scores of the five likeliest classes."""
    photos = data.load("photos")
    model = pretrained.load("efficientnet_lite0")
    scores = model.predict(pretrained.preprocess(photos.train.x), verbose=0)
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    decoded = pretrained.decode_predictions(scores)
    return {
        name: {one: score for _, one, score in row}
        for name, row in zip(photos.classes, decoded, strict=True)
    }


def test_the_cat_is_a_cat(named):
    """Three cats come first, and together they have more than 0.8 of the probability."""
    cats = {"Egyptian cat", "tiger cat", "tabby"}
    assert set(list(named["cat"])[:3]) == cats
    assert sum(named["cat"][cat] for cat in cats) > 0.8


@pytest.mark.parametrize(
    ("photo", "name", "score"),
    [("coffee", "espresso", 0.9), ("camera", "tripod", 0.9), ("rocket", "missile", 0.1)],
)
def test_what_has_a_class_in_imagenet_is_named(named, photo, name, score):
    assert next(iter(named[photo])) == name
    assert named[photo][name] > score


def test_what_has_no_class_in_imagenet_gets_no_confident_name(named):
    for photo in ("coins", "galaxies", "brick"):
        assert max(named[photo].values()) < 0.5


def test_the_number_of_parameters_is_that_on_the_card():
    whole = pretrained.load("efficientnet_lite0")
    assert whole.count_params() == pretrained.card("efficientnet_lite0").parameters
    trunk = pretrained.load("efficientnet_lite0", include_top=False)
    assert whole.count_params() - trunk.count_params() == 1280 * 1000 + 1000


@pytest.mark.parametrize(
    ("pooling", "shape"), [(None, (None, 3, 3, 1280)), ("avg", (None, 1280)), ("max", (None, 1280))]
)
def test_the_trunk_divides_height_and_width_by_32(pooling, shape):
    trunk = pretrained.load(include_top=False, input_shape=(96, 96, 3), pooling=pooling)
    assert trunk.output_shape == shape


def test_pooled_features_with_the_classifier_s_weights_give_the_classifier_s_scores():
    """The trunk alone computes what the whole model computes before its last layer."""
    whole = pretrained.load(input_shape=(64, 64, 3))
    trunk = pretrained.load(include_top=False, input_shape=(64, 64, 3), pooling="avg")
    x = pretrained.preprocess(data.load("emoji").test.x[:4])
    kernel, bias = whole.get_layer("predictions").get_weights()
    logits = trunk.predict(x, verbose=0) @ kernel + bias
    scores = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores /= scores.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(whole.predict(x, verbose=0), scores, rtol=1e-3, atol=1e-6)


def test_each_call_returns_a_model_of_its_own():
    one, other = (pretrained.load(include_top=False, input_shape=(32, 32, 3)) for _ in range(2))
    kernel = one.get_layer("stem_conv").kernel
    kernel.assign(kernel * 0)
    assert np.abs(other.get_layer("stem_conv").get_weights()[0]).max() > 0


def test_resizing_keeps_a_constant_image_constant():
    gray = np.full((1, 64, 64, 3), 0.5, np.float32)
    for size in (32, 96):
        resized = pretrained.preprocess(gray, size=size)
        assert resized.shape == (1, size, size, 3)
        np.testing.assert_allclose(resized, (127.5 - 127) / 128, atol=1e-5)


@pytest.mark.parametrize("shape", [(224, 224), (224, 224, 1), (16, 64, 3), "large"])
def test_a_shape_that_the_network_cannot_take_is_refused(shape):
    with pytest.raises(ParameterError, match="`input_shape` must be"):
        pretrained.load(include_top=False, input_shape=shape)


def test_a_pooling_that_does_not_exist_is_refused():
    with pytest.raises(ParameterError, match="`pooling` must be None, 'avg' or 'max'"):
        pretrained.load(include_top=False, pooling="mean")


def test_changed_weights_are_refused(monkeypatch):
    card = pretrained.card("efficientnet_lite0")
    monkeypatch.setitem(card.files, "efficientnet_lite0.npz", "0" * 64)
    with pytest.raises(DamagedDataError, match=r"efficientnet_lite0\.npz"):
        pretrained.load("efficientnet_lite0")


def test_weights_that_cannot_be_downloaded_are_missed_with_a_next_step(
    monkeypatch, tmp_path, capsys
):
    """Without a network the error names the model that needs none."""
    import keras

    def refuse(*_args, **_kwargs):
        raise socket.gaierror("no network in this test")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    original = keras.utils.get_file
    module = __import__("keras.src.applications.mobilenet_v2", fromlist=["file_utils"])
    monkeypatch.setattr(
        module.file_utils, "get_file", lambda *a, **k: original(*a, **(k | {"cache_dir": tmp_path}))
    )
    with pytest.raises(WeightsUnavailableError, match="model that comes with dllab: efficient"):
        pretrained.load("mobilenet_v2", include_top=False, input_shape=(96, 96, 3))
    assert "14 MB" in capsys.readouterr().out


def test_with_a_classifier_a_downloaded_model_has_one_size():
    with pytest.raises(ParameterError, match="include_top=False"):
        pretrained.load("resnet50", input_shape=(96, 96, 3))


def test_each_downloaded_model_has_its_own_preprocessing():
    """What Keras's function of the same module returns for pixels from 0 to 255."""
    from keras.applications import mobilenet_v2, resnet

    images = np.random.default_rng(0).random((2, 8, 8, 3)).astype(np.float32)
    for name, module in (("mobilenet_v2", mobilenet_v2), ("resnet50", resnet)):
        expected = module.preprocess_input(images * np.float32(255))
        np.testing.assert_allclose(pretrained.preprocess(images, name), expected, atol=1e-4)
