"""Keras models cross as data and are rebuilt where none of the learner's code runs."""

import math
from copy import deepcopy

import numpy as np
import pytest

from dllab.check import expect
from dllab.check.backend import LocalBackend
from dllab.check.expect import UnexpectedError
from dllab.check.models import (
    MAX_LAYERS,
    LayerSpec,
    ModelError,
    Spec,
    evaluated_by,
    read_model,
)
from dllab.check.proxy import Session, Student
from dllab.grading.evaluator import ProcessEvaluator
from dllab.grading.sandbox import Template

SOURCE = """
import keras
import numpy as np
from keras import layers

def small():
    return keras.Sequential([keras.Input((4,)), layers.Dense(3, "relu"), layers.Dense(2)])

def unbuilt():
    return keras.Sequential([layers.Dense(3, "relu"), layers.Dense(2, "softmax")])

def residual():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same")(inputs)
    y = layers.BatchNormalization()(layers.Conv2D(4, 1)(inputs))
    x = layers.GlobalAveragePooling2D()(layers.MaxPooling2D()(layers.Add()([x + y, x])))
    return keras.Model(inputs, keras.Sequential([layers.Dense(5, "relu"), layers.Dense(2)])(x))

def text():
    inputs = keras.Input((None,), dtype="int32")
    x = layers.Embedding(10, 3, mask_zero=True)(inputs)
    x = layers.GRU(3)(layers.LSTM(4, return_sequences=True)(x))
    return keras.Model(inputs, layers.Dense(1, "sigmoid")(x))

def normalized():
    layer = layers.Normalization()
    layer.adapt(np.arange(20.0).reshape(5, 4))
    return keras.Sequential([keras.Input((4,)), layer, layers.Dense(2)])

def with_lambda():
    return keras.Sequential([keras.Input((4,)), layers.Lambda(lambda x: x)])

def own_activation():
    return keras.Sequential([keras.Input((4,)), layers.Dense(3, lambda x: x)])

class Dense(layers.Dense):
    def call(self, x):
        return super().call(x) * 0 + 1

def own_layer():
    return keras.Sequential([keras.Input((4,)), Dense(2)])

class Network(keras.Sequential):
    def predict(self, *args, **kwargs):
        return np.ones((1, 2))

def own_model():
    return Network([keras.Input((4,)), layers.Dense(2)])

def patched():
    model = small()
    model.predict = model.call = lambda *args, **kwargs: np.ones((5, 2))
    return model

def a_class():
    return keras.Sequential

class Impostor:
    __class__ = keras.Sequential
    def get_config(self): return {"layers": []}
    def get_weights(self): return []

Impostor.__name__ = "Sequential"
Impostor.__module__ = "keras.src.models.sequential"

def impostor():
    return Impostor()
"""
SHAPES = {"small": (4,), "unbuilt": (4,), "residual": (8, 8, 3), "text": (6,), "normalized": (4,)}
REFUSED = {
    "with_lambda": "no Lambda",
    "own_activation": "this check cannot rebuild",
    "own_layer": "a layer `Dense` that this check cannot rebuild",
    "own_model": "a model of your own class `Network`",
    "a_class": "should be a Keras model, and it is a type",
    "impostor": "should be a Keras model",
}


@pytest.fixture(scope="module")
def namespace():
    names = {"__name__": "__main__"}
    exec(SOURCE, names)
    return names


@pytest.fixture
def student(namespace):
    return Student(Session(LocalBackend(namespace)))


@pytest.fixture(scope="module")
def evaluator():
    with Template() as template, ProcessEvaluator(template) as evaluator:
        yield evaluator


def batch_for(name, rows=5):
    rng = np.random.default_rng(1)
    if name == "text":
        return rng.integers(0, 10, size=(rows, 6))
    return rng.normal(size=(rows, *SHAPES[name]))


@pytest.mark.parametrize("name", SHAPES)
def test_rebuilt_model_predicts_what_the_learners_does(name, student, namespace, evaluator):
    """In a process of its own, the rebuilt model gives the outputs of the one it came from."""
    made = namespace[name]()
    namespace["made"] = lambda: made
    with evaluated_by(evaluator):
        model = expect.model(student.made(), input_shape=SHAPES[name])
        found = model.predict(batch_for(name))
    if name != "unbuilt":
        assert np.allclose(found, made.predict(batch_for(name), verbose=0), atol=1e-6)
        assert model.parameters == made.count_params()
    assert found.shape == (5, *model.output_shape)


def test_layers_are_told(student):
    """A check sees kinds, settings, shapes and weights."""
    model = expect.model(student.small(), input_shape=(4,), output_shape=(2,))
    assert [layer.kind for layer in model.layers] == ["Dense", "Dense"]
    assert model.layers[0].config["units"] == 3
    assert model.layers[0].config["activation"] == "relu"
    assert model.layers[0].output_shape == (3,)
    assert [layer.parameters for layer in model.layers] == [15, 8]
    assert [weight.shape for weight in model.weights] == [(4, 3), (3,), (3, 2), (2,)]


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_rebuilt_gets_a_sentence(name, student):
    """Code of the learner's has no way in: a custom part is refused, with a sentence."""
    with pytest.raises(UnexpectedError) as caught:
        expect.model(student.__getattr__(name)(), input_shape=(4,))
    assert REFUSED[name] in str(caught.value)


def test_patched_methods_change_nothing(student):
    """What `predict` and `call` were replaced with is not asked."""
    model = expect.model(student.patched(), input_shape=(4,))
    assert not np.allclose(model.predict(np.zeros((5, 4))), 1)


def test_wrong_shapes_get_a_sentence(student):
    """Shapes other than the task's are named."""
    with pytest.raises(UnexpectedError, match=r"takes examples of shape \(4,\)"):
        expect.model(student.small(), input_shape=(5,))
    with pytest.raises(UnexpectedError, match=r"gives outputs of shape \(2,\)"):
        expect.model(student.small(), input_shape=(4,), output_shape=(3,))


# -- forged data -----------------------------------------------------------------------------


def honest():
    return {
        "class": "Sequential",
        "keras": True,
        "custom": False,
        "layers": [
            {
                "kind": "Dense",
                "custom": False,
                "settings": {"units": 3, "activation": "relu", "use_bias": True},
                "weights": [np.ones((4, 3)), np.zeros(3)],
            }
        ],
        "calls": [{"layer": 0, "inputs": [0]}],
        "inputs": [{"shape": [4], "dtype": "float32"}],
        "outputs": [1],
    }


FORGED = {
    "a Lambda": ("layers.0.kind", "Lambda"),
    "a module's path": ("layers.0.kind", "os.system"),
    "a kind with an attribute": ("layers.0.kind", "__class__"),
    "a wrapper": ("layers.0.kind", "TFSMLayer"),
    "a name that prints": ("layers.0.kind", "<script>alert(1)</script>"),
    "a kind that is no text": ("layers.0.kind", 3),
    "a kind that is a list": ("layers.0.kind", ["Dense"]),
    "a custom flag that is no bool": ("layers.0.custom", 0),
    "a billion units": ("layers.0.settings.units", 10**9),
    "negative units": ("layers.0.settings.units", -1),
    "True units": ("layers.0.settings.units", True),
    "units of text": ("layers.0.settings.units", "3"),
    "a registered name": ("layers.0.settings.registered_name", "package>Dense"),
    "a module": ("layers.0.settings.module", "os"),
    "a build config": ("layers.0.settings.build_config", {"input_shape": [4]}),
    "a function": (
        "layers.0.settings.activation",
        {"kind": "function", "custom": False, "settings": {"module": "os", "name": "system"}},
    ),
    "marshalled code": ("layers.0.settings.activation", {"value": ["4wEAAAA"]}),
    "an activation of a registry": ("layers.0.settings.activation", "package>relu"),
    "an initializer of their own": (
        "layers.0.settings.kernel_initializer",
        {"kind": "Evil", "custom": False, "settings": {}},
    ),
    "an initializer with a config": (
        "layers.0.settings.kernel_initializer",
        {"kind": "Constant", "custom": False, "settings": {"value": {"class_name": "x"}}},
    ),
    "a type of numbers": ("layers.0.settings.dtype", "string"),
    "deep settings": ("layers.0.settings.units", math.nan),
    "settings that are a list": ("layers.0.settings", []),
    "weights of NaN": ("layers.0.weights.0", np.full((4, 3), np.nan)),
    "weights of text": ("layers.0.weights.0", np.array(["a"])),
    "weights in lists": ("layers.0.weights.0", [[1.0] * 3] * 4),
    "weights of complex numbers": ("layers.0.weights.0", np.ones((4, 3), complex)),
    "weights that are a dict": ("layers.0.weights", {}),
    "too many layers": ("layers", [{}] * (MAX_LAYERS + 1)),
    "a layer that is text": ("layers.0", "Dense"),
    "calls in a circle": ("calls.0.inputs", [1]),
    "a call of a layer that is not there": ("calls.0.layer", 1),
    "a call of layer -1": ("calls.0.layer", -1),
    "a call of nothing": ("calls.0.inputs", []),
    "a call of many": ("calls.0.inputs", [0, 0]),
    "an output before the layers": ("outputs", [0]),
    "an output that is not there": ("outputs", [7]),
    "an output that is text": ("outputs", ["1"]),
    "a huge input": ("inputs.0.shape", [10**9]),
    "a huge input of small sides": ("inputs.0.shape", [10**4, 10**4]),
    "an input of text": ("inputs.0.dtype", "string"),
    "no input": ("inputs", []),
    "an unbuilt model of no shape": ("inputs", None),
    "a class of their own": ("custom", True),
    "no model": ("keras", False),
    "a number for True": ("keras", 1),
}


def forged(path, value):
    data = deepcopy(honest())
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place = data
    for step in way:
        place = place[step]
    place[last] = value
    return data


def test_honest_data_are_read():
    """The data that are forged below are right before they are."""
    assert read_model(honest()).layers[0].kind == "Dense"


@pytest.mark.parametrize("name", FORGED)
def test_forged_data_are_refused(name):
    """Nothing forged gets as far as Keras, and the sentence repeats no forged text."""
    with pytest.raises(ModelError) as caught:
        read_model(forged(*FORGED[name]))
    assert "<" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("data", [None, 3, "model", [], {}, {"keras": True}, (1,), np.ones(3)])
def test_no_data_are_refused(data):
    """A value that is no model at all is refused."""
    with pytest.raises(ModelError):
        read_model(data)


def dense(units, inputs, weights=()):
    layer = LayerSpec("Dense", {"units": units, "activation": None}, weights)
    return Spec((layer,), ((0, (0,)),), (((inputs,), "float32"),), 1)


GREEDY = {
    "weights of another shape": dense(3, 4, (np.ones((5, 3)), np.zeros(3))),
    "weights that are turned": dense(3, 4, (np.ones((3, 4)), np.zeros(3))),
    "too few weights": dense(3, 4, (np.ones((4, 3)),)),
    "too many weights": dense(3, 4, (np.ones((4, 3)), np.zeros(3), np.zeros(3))),
    "a weight matrix of 10 GB": dense(60_000, 60_000),
    "the same behind small weights": dense(60_000, 60_000, (np.ones((1, 1)),)),
    "an output of 10 GB": Spec(
        (
            LayerSpec("RepeatVector", {"n": 60_000}),
            LayerSpec("UpSampling2D", {"size": (60_000, 60_000)}),
        ),
        ((0, (0,)), (0, (0,))),
        (((60_000,), "float32"),),
        2,
    ),
    "settings that contradict": Spec(
        (LayerSpec("Conv1D", {"filters": 3, "kernel_size": 2, "groups": 2, "activation": None}),),
        ((0, (0,)),),
        (((8, 3), "float32"),),
        1,
    ),
}


@pytest.mark.parametrize("name", GREEDY)
def test_greedy_models_are_refused(name, evaluator):
    """A model that would take too much is refused, and the next one is built."""
    answer = evaluator.evaluate(GREEDY[name])
    assert answer.problem
    right = dense(3, 4, (np.ones((4, 3)), np.zeros(3)))
    output = evaluator.evaluate(right, [np.ones((2, 4))]).output
    assert np.array_equal(output, np.full((2, 3), 4.0))


def test_evaluator_starts_again(evaluator):
    """Where the process is gone, the model counts as one that took too much, and work goes on."""
    right = dense(3, 4, (np.ones((4, 3)), np.zeros(3)))
    assert not evaluator.evaluate(right).problem
    evaluator._process.kill()
    assert "too much" in evaluator.evaluate(right).problem
    assert not evaluator.evaluate(right).problem


def test_nothing_is_kept_between_models(evaluator):
    """Initial weights are the same whatever was built before."""
    first = evaluator.evaluate(dense(3, 4)).weights
    evaluator.evaluate(dense(5, 6))
    assert np.array_equal(first[0][0], evaluator.evaluate(dense(3, 4)).weights[0][0])
