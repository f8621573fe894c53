"""Do the explanations agree with what can be computed by hand, on every kind of model?"""

import keras
import numpy as np
import pytest
from keras import layers

from dllab import explain
from dllab.errors import ParameterError, ShapeError

RNG = np.random.default_rng(0)
IMAGES = RNG.random((3, 8, 8, 2)).astype("float32")
numpy = keras.ops.convert_to_numpy


def linear(classes=3):
    """A model whose score is a sum of pixels times weights."""
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((8, 8, 2)), layers.Flatten(), layers.Dense(classes)])


def kernel_of(model):
    return model.layers[-1].get_weights()[0].reshape(8, 8, 2, -1)


def convolutional(*last):
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            layers.Conv2D(4, 3, activation="relu", name="first"),
            layers.Conv2D(5, 3, strides=2, activation="relu", name="second"),
            layers.GlobalAveragePooling2D(),
            *last,
        ]
    )


def logits():
    return convolutional(layers.Dense(3))


def test_saliency_of_a_linear_model_is_the_size_of_its_weights():
    model = linear()
    wanted = np.abs(kernel_of(model)[..., 1]).max(axis=-1)
    found = explain.saliency(model, IMAGES, 1)
    assert found.shape == (3, 8, 8)
    assert np.allclose(found, wanted, atol=1e-6)


def test_the_predicted_class_is_explained_unless_told():
    model = linear()
    predicted = numpy(model(IMAGES)).argmax(axis=1)
    assert np.array_equal(
        explain.saliency(model, IMAGES), explain.saliency(model, IMAGES, predicted)
    )


@pytest.mark.parametrize(("patch", "stride"), [(1, 1), (2, 2), (4, 4)])
def test_occlusion_of_a_linear_model_is_what_the_patch_adds(patch, stride):
    model = linear()
    found = explain.occlusion(model, IMAGES, 2, patch=patch, stride=stride, fill=0.25)
    adds = ((IMAGES - 0.25) * kernel_of(model)[..., 2]).sum(axis=-1)
    squares = adds.reshape(3, 8 // patch, patch, 8 // patch, patch).sum(axis=(2, 4))
    wanted = squares.repeat(patch, axis=1).repeat(patch, axis=2)
    assert np.allclose(found, wanted, atol=1e-5)


def test_overlapping_patches_are_averaged_and_reach_the_edge():
    model = linear()
    found = explain.occlusion(model, IMAGES, 0, patch=3, stride=2)
    assert np.isfinite(found).all()
    adds = (IMAGES * kernel_of(model)[..., 0]).sum(axis=-1)
    assert np.allclose(found[:, 0, 0], adds[:, :3, :3].sum(axis=(1, 2)), atol=1e-5)
    assert np.allclose(found[:, 7, 7], adds[:, 5:, 5:].sum(axis=(1, 2)), atol=1e-5)


def test_the_batch_size_makes_no_difference():
    model = logits()
    one, many = (explain.occlusion(model, IMAGES, patch=3, batch_size=n) for n in (1, 1000))
    assert np.allclose(one, many, atol=1e-5)


def test_the_images_stay_as_they_are():
    before = IMAGES.copy()
    explain.occlusion(linear(), IMAGES, patch=4)
    explain.fast_gradient_sign(linear(), IMAGES, [0, 1, 2], 0.1)
    assert np.array_equal(IMAGES, before)


def test_grad_cam_behind_a_global_mean_weights_the_maps_by_the_dense_layer():
    model = logits()
    maps = numpy(keras.Model(model.inputs[0], model.get_layer("second").output)(IMAGES))
    alpha = model.layers[-1].get_weights()[0][:, 2] / np.prod(maps.shape[1:3])
    found = explain.grad_cam(model, IMAGES, 2, resize=False, relu=False)
    assert np.allclose(found, maps @ alpha, atol=1e-6)
    positive = explain.grad_cam(model, IMAGES, 2, layer="second", resize=False)
    assert np.allclose(positive, np.maximum(maps @ alpha, 0), atol=1e-6)


def test_grad_cam_is_enlarged_to_the_image():
    assert explain.grad_cam(logits(), IMAGES, layer="first").shape == (3, 8, 8)
    assert explain.grad_cam(logits(), IMAGES, layer="first", resize=False).shape == (3, 6, 6)


ENDINGS = {
    "softmax in the dense layer": lambda: [layers.Dense(3, activation="softmax")],
    "softmax layer": lambda: [layers.Dense(3), layers.Softmax()],
    "softmax activation": lambda: [layers.Dense(3), layers.Activation("softmax")],
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("method", [explain.saliency, explain.occlusion, explain.grad_cam])
def test_a_softmax_at_the_end_makes_no_difference(ending, method):
    """Is a model with softmax explained by its logits, and left as it was?"""
    plain, model = logits(), convolutional(*ENDINGS[ending]())
    model.set_weights(plain.get_weights())
    before = numpy(model(IMAGES))
    assert np.allclose(method(model, IMAGES, 1), method(plain, IMAGES, 1), atol=1e-6)
    assert np.array_equal(numpy(model(IMAGES)), before)
    assert np.allclose(before.sum(axis=1), 1, atol=1e-6)


def test_layers_of_an_inner_model_and_inside_a_residual_block_can_be_watched():
    keras.utils.set_random_seed(2)
    image = keras.Input((8, 8, 2))
    branch = layers.Conv2D(2, 3, padding="same", name="branch")(image)
    inner = keras.Model(image, layers.Add()([image, branch]), name="inner")
    outer = keras.Sequential(
        [keras.Input((8, 8, 2)), inner, layers.GlobalAveragePooling2D(), layers.Dense(3)]
    )
    alpha = outer.layers[-1].get_weights()[0][:, 0] / 64
    for name, maps in (
        ("branch", numpy(inner.get_layer("branch")(IMAGES))),
        ("inner", numpy(inner(IMAGES))),
    ):
        found = explain.grad_cam(outer, IMAGES, 0, layer=name, relu=False)
        assert np.allclose(found, maps @ alpha, atol=1e-6)


def test_the_gradient_of_the_loss_agrees_with_differences():
    model, labels = linear(), np.array([0, 1, 2])  # without a ReLU, whose kinks disturb

    def losses(x):
        scores = numpy(model(x)).astype(float)
        shifted = scores - scores.max(axis=1, keepdims=True)
        picked = shifted[np.arange(3), labels]
        return np.log(np.exp(shifted).sum(axis=1)) - picked

    slopes = explain.input_gradient(model, IMAGES, labels, of="loss")
    for place in ((2, 3, 0), (5, 5, 1)):
        nudge = np.zeros_like(IMAGES)
        nudge[(slice(None), *place)] = 1e-2
        numeric = (losses(IMAGES + nudge) - losses(IMAGES - nudge)) / 2e-2
        assert np.allclose(slopes[(slice(None), *place)], numeric, atol=1e-4)


def test_the_fast_gradient_sign_raises_the_loss_and_stays_in_the_range():
    model = linear()
    labels = numpy(model(IMAGES)).argmax(axis=1)
    changed = explain.fast_gradient_sign(model, IMAGES, labels, 0.1)
    assert changed.dtype == IMAGES.dtype
    assert np.abs(changed - IMAGES).max() <= 0.1 + 1e-6
    assert changed.min() >= 0
    assert changed.max() <= 1
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert numpy(loss(labels, model(changed))) > numpy(loss(labels, model(IMAGES)))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: explain.saliency(linear(), IMAGES[0]), ShapeError, r"pass image\[None\]"),
        (lambda: explain.saliency(linear(), IMAGES, 3), ParameterError, "from 0 to 2"),
        (lambda: explain.saliency(linear(), IMAGES, [0]), ShapeError, r"shape \(3,\)"),
        (lambda: explain.saliency(linear(), IMAGES, [0.0, 1, 2]), ParameterError, "integers"),
        (lambda: explain.saliency(len, IMAGES), ParameterError, "Keras model"),
        (lambda: explain.input_gradient(linear(), IMAGES, of="x"), ParameterError, "`of` must"),
        (lambda: explain.occlusion(linear(), IMAGES, patch=9), ParameterError, "`patch` must"),
        (lambda: explain.occlusion(linear(), IMAGES, stride=0), ParameterError, "`stride`"),
        (lambda: explain.grad_cam(linear(), IMAGES), ParameterError, "no layer with an output"),
        (lambda: explain.grad_cam(logits(), IMAGES, layer="x"), ParameterError, "'first'"),
        (
            lambda: explain.grad_cam(linear(), IMAGES, layer=linear().layers[0]),
            ParameterError,
            "must be a layer of the model",
        ),
        (
            lambda: explain.fast_gradient_sign(linear(), IMAGES, [0, 0, 0], -1),
            ParameterError,
            "`epsilon` must",
        ),
    ],
)
def test_what_cannot_be_explained_is_reported(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_layer_without_maps_is_reported():
    model = convolutional(layers.Dense(3, name="scores"))
    with pytest.raises(ShapeError, match="choose a convolution"):
        explain.grad_cam(model, IMAGES, layer="scores")
