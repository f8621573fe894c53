"""Do the settings that `fit` chooses leave every result as plain `model.fit` gives it?"""

import warnings

import keras
import numpy as np
import pytest

import dllab
from dllab import train
from dllab.errors import ParameterError, TrainingDivergedError
from dllab.train.settings import applied, choose

layers = keras.layers


@pytest.fixture
def data():
    """203 examples: batches of 8 leave a last batch of three."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(203, 6, 5))
    return x, (x.sum(axis=(1, 2)) > 0).astype("int64") + (x[:, 0, 0] > 1)


def dense():
    return [
        layers.Flatten(),
        layers.Dense(16, "relu"),
        layers.BatchNormalization(),
        layers.Dropout(0.3),
        layers.Dense(3),
    ]


def convolution():
    image = layers.Reshape((6, 5, 1))
    return [image, layers.Conv2D(4, 3, activation="relu"), layers.Flatten(), layers.Dense(3)]


def recurrent():
    return [layers.GaussianNoise(0.1), layers.LSTM(6, recurrent_dropout=0.2), layers.Dense(3)]


class OwnLoss(keras.Sequential):
    """A model that adds the size of its weights to the loss."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        return loss + 0.01 * sum(keras.ops.mean(keras.ops.square(w)) for w in self.weights)


def make(body=dense, kind=keras.Sequential, rate=0.01, **options):
    dllab.set_seed(0)
    model = kind([keras.Input((6, 5)), *body()])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    top = keras.metrics.SparseTopKCategoricalAccuracy(2, name="top")
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy", top], **options)
    return model


def run(settings, data, body=dense, kind=keras.Sequential, held_out=50, **options):
    model = make(body, kind)
    fit = {"epochs": 20, "batch_size": 8, "seed": 3, "progress": False, **options}
    history = train.fit(
        model, data, (data[0][:held_out], data[1][:held_out]), settings=settings, **fit
    )
    return model, history


@pytest.mark.parametrize("body", [dense, convolution, recurrent])
def test_losses_metrics_and_weights_are_the_same_bits(data, body):
    """Dropout, batch normalization, an uneven last batch, several metrics, validation."""
    (one, plain), (two, fast) = (run(settings, data, body) for settings in ("plain", "auto"))
    assert fast.settings.steps_per_execution == 16
    assert fast.settings.cut_in_advance
    assert fast.metrics == plain.metrics
    for mine, theirs in zip(two.get_weights(), one.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    states = [[np.asarray(v) for v in model.optimizer.variables] for model in (one, two)]
    for mine, theirs in zip(*states, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_plain_settings_are_plain_model_fit(data):
    """`settings="plain"` gives what `model.fit` on the arrays gives after the same seed."""
    model = make()
    dllab.set_seed(3)
    x, y = data
    held_out = (x[:50], y[:50])
    kept = model.fit(x, y, batch_size=8, epochs=20, validation_data=held_out, verbose=0)
    _, plain = run("plain", data)
    assert kept.history == plain.metrics


def test_a_loss_of_ones_own_is_the_same(data):
    """Here with less held-out data than a batch holds."""
    (_, plain), (_, fast) = (
        run(settings, data, kind=OwnLoss, held_out=5) for settings in ("plain", "auto")
    )
    assert fast.settings.steps_per_execution == 16
    assert fast.metrics == plain.metrics


def test_early_stopping_ends_and_restores_alike(data):
    x, _ = data
    noise = (x, np.random.default_rng(1).integers(0, 3, len(x)))
    runs = [run(s, noise, epochs=30, patience=3) for s in ("plain", "auto")]
    (one, plain), (two, fast) = runs
    assert len(fast.epochs) < 30
    assert fast.metrics == plain.metrics
    for mine, theirs in zip(two.get_weights(), one.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_diverging_run_is_reported_after_the_same_epoch(data):
    """In which epoch the loss stops being a number does not depend on the settings."""
    x, y = data
    messages = []
    for settings in ("plain", "auto"):
        dllab.set_seed(0)
        model = keras.Sequential([keras.Input((6, 5)), layers.Flatten(), layers.Dense(1)])
        model.compile(keras.optimizers.SGD(3.0), "mse")
        with pytest.raises(TrainingDivergedError) as caught:
            train.fit(model, (x, y), epochs=50, batch_size=8, settings=settings, progress=False)
        messages.append(str(caught.value))
        assert model.steps_per_execution == 1
    assert messages[0] == messages[1]


def test_the_model_is_left_as_it_was_compiled(data):
    """A later `model.fit` and `model.evaluate` run one step a call, as before."""
    model, history = run("auto", data)
    assert history.settings.steps_per_execution == 16
    assert model.steps_per_execution == 1
    assert model.train_function is None
    seen = []
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda step, logs: seen.append(step))
    model.fit(*data, batch_size=8, verbose=0, callbacks=[count])
    assert seen == list(range(26))


def test_a_second_run_uses_the_traced_step_again(data):
    """Until the model is compiled anew, which makes the traced step stale."""
    model, _ = run("auto", data)
    kept = model._dllab_functions.train
    train.fit(model, data, epochs=20, batch_size=8, progress=False)
    assert model._dllab_functions.train is kept
    model.compile("sgd", model.loss)
    train.fit(model, data, epochs=20, batch_size=8, progress=False)
    assert model._dllab_functions.train is not kept


def test_a_model_that_was_trained_with_fit_is_not_traced_again(data):
    model = make()
    model.fit(*data, batch_size=8, verbose=0)
    traced = model.train_function
    history = train.fit(model, data, epochs=20, batch_size=8, progress=False)
    assert history.settings.steps_per_execution is None
    assert model.train_function is traced


def test_an_interrupted_run_leaves_the_model_as_it_was(data, monkeypatch):
    from dllab.train.callbacks import Report

    def interrupt(self, epoch, logs=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(Report, "on_epoch_end", interrupt)
    model = make()
    with pytest.raises(KeyboardInterrupt):
        train.fit(model, data, epochs=20, batch_size=8, progress=False)
    assert (model.steps_per_execution, model.train_function) == (1, None)


def test_a_model_saves_and_clones_after_training(data, tmp_path):
    model, _ = run("auto", data)
    # Keras 3.15 converts variables in a way that NumPy 2 warns of
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = data[0][:4]
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    keras.models.clone_model(model)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"steps_per_execution": 5}, "steps_per_execution=5"),
        ({"run_eagerly": True}, "run_eagerly"),
    ],
)
def test_what_the_reader_compiled_is_left_alone(options, reason):
    model = make(**options)
    chosen = choose(model, 2000, 8, "tensorflow", epochs=10)
    assert chosen.steps_per_execution is None
    assert reason in chosen.reason


@pytest.mark.parametrize("option", [True, False])
def test_compilation_stays_as_it_was_compiled(option):
    """XLA draws other dropout masks, so it is neither switched on nor off."""
    model = make(jit_compile=option)
    with applied(model, train.Settings(16, True, "a test")):
        assert (model.jit_compile, model.steps_per_execution) == (option, 16)
    assert (model.jit_compile, model.steps_per_execution) == (option, 1)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"backend": "torch"}, "torch"),
        ({"device": "gpu"}, "processors"),
        ({"examples": 64}, "8 steps"),
        ({"values": 100_000}, "800,000 numbers"),
        ({"batch_size": 5000, "epochs": 500}, "single step"),
    ],
)
def test_where_nothing_is_to_be_gained_nothing_changes(options, reason):
    given = {"examples": 4000, "batch_size": 8, "backend": "tensorflow", "epochs": 1, **options}
    chosen = choose(make(), **given)
    assert chosen.steps_per_execution is None
    assert reason in chosen.reason
    assert reason in str(chosen)


def test_large_models_and_own_loops_are_left_alone():
    class OwnFit(keras.Sequential):
        def fit(self, *arguments, **options):
            return super().fit(*arguments, **options)

    wide = keras.Sequential([keras.Input((1000,)), layers.Dense(1000)])
    wide.compile("sgd", "mse")
    for model, reason in ((wide, "1,001,000 parameters"), (make(kind=OwnFit), "`fit` of its own")):
        chosen = choose(model, 4000, 8, "tensorflow", epochs=10)
        assert chosen.steps_per_execution is None
        assert not chosen.cut_in_advance
        assert reason in chosen.reason


def test_an_unknown_setting_is_named(data):
    with pytest.raises(ParameterError, match="`settings`"):
        train.fit(make(), data, settings="fast")
