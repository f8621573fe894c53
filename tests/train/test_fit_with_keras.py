"""Does `fit` train, show, stop and explain as it says?"""

import sys

import keras
import numpy as np
import pytest

from dllab import train
from dllab.errors import ParameterError, ShapeError, TrainingDivergedError


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(96, 3)).astype("float32")
    y = (x @ np.array([1.0, -2.0, 0.5]) + 0.3).astype("float32")[:, None]
    return x, y


def make(learning_rate=0.05, **options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(learning_rate), loss="mse", **options)
    return model


def test_training_reduces_the_loss_and_is_recorded(data):
    history = train.fit(make(metrics=["mae"]), data, data, epochs=4, progress=False)
    assert history.epochs == [1, 2, 3, 4]
    assert set(history.metrics) == {"loss", "mae", "val_loss", "val_mae"}
    assert history.metrics["loss"][-1] < history.metrics["loss"][0]
    assert all(type(value) is float for value in history.metrics["loss"])


def test_the_same_seed_gives_the_same_losses(data):
    losses = [
        train.fit(make(), data, epochs=2, batch_size=8, seed=seed, progress=False).metrics["loss"]
        for seed in (1, 1, 2)
    ]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_without_a_seed_the_generators_are_left_alone(data):
    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    train.fit(make(), data, epochs=1, seed=None, progress=False)
    # `make` seeds with 0, so what counts is that `fit` does not seed again
    np.random.seed(5)
    assert (np.random.get_state()[1] == before).all()


def test_it_takes_a_split(data):
    from dllab.data import Split

    split = Split(*data)
    assert len(train.fit(make(), split, split, epochs=1, progress=False).epochs) == 1


def test_patience_stops_and_restores_the_best_weights(data):
    """After early stopping, `evaluate` gives the best validation loss, not the last one."""
    x, y = data
    # targets that contradict the training data: the validation loss rises after the start
    held_out = (x[:32], 0.4 * y[:32])
    model = make(learning_rate=0.02)
    history = train.fit(model, data, held_out, epochs=60, batch_size=16, patience=3, progress=False)
    losses = history.metrics["val_loss"]
    assert len(losses) < 60
    assert history.best_epoch == len(losses) - 3
    assert history.restored
    assert losses[-1] > min(losses)
    assert model.evaluate(*held_out, verbose=0) == pytest.approx(min(losses), rel=1e-5)


def test_without_patience_the_last_weights_stay(data):
    x, y = data
    held_out = (x[:32], 0.4 * y[:32])
    model = make(learning_rate=0.02)
    history = train.fit(model, data, held_out, epochs=12, batch_size=16, progress=False)
    assert model.evaluate(*held_out, verbose=0) == pytest.approx(history.last["val_loss"], rel=1e-5)
    assert not history.restored


def test_a_diverging_loss_stops_with_next_steps(data):
    with pytest.raises(TrainingDivergedError, match="ten times smaller") as caught:
        train.fit(make(learning_rate=1e18), data, epochs=50, progress=False)
    assert "after epoch" in str(caught.value)


def test_nan_in_the_data_is_named_as_the_cause(data):
    x, y = data
    x[3, 1] = np.nan
    with pytest.raises(TrainingDivergedError, match=r"1 of the values of `x` are NaN"):
        train.fit(make(), (x, y), epochs=2, progress=False)


def test_a_model_that_is_not_compiled_says_what_to_call(data):
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    with pytest.raises(ParameterError, match=r"model\.compile"):
        train.fit(model, data)


def test_something_that_is_no_model_is_named(data):
    with pytest.raises(ParameterError, match="not str"):
        train.fit("model", data)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"epochs": 0}, "epochs"),
        ({"epochs": True}, "epochs"),
        ({"batch_size": 2.5}, "batch_size"),
        ({"patience": 0}, "patience"),
        ({"patience": 2}, "validation"),
    ],
)
def test_an_option_without_a_sensible_value_is_named(data, options, name):
    with pytest.raises(ParameterError, match=f"`{name}`"):
        train.fit(make(), data, **options)


def test_lengths_that_differ_are_reported(data):
    x, y = data
    with pytest.raises(ShapeError, match="96 examples and 95 targets"):
        train.fit(make(), (x, y[:-1]))


@pytest.mark.parametrize("empty", [(np.zeros((0, 3)), np.zeros((0, 1))), (np.float32(1), 2)])
def test_empty_data_is_reported(empty):
    with pytest.raises(ParameterError, match="empty"):
        train.fit(make(), empty)


@pytest.mark.parametrize("wrong", [np.zeros((3, 3)), 5, (1, 2, 3)])
def test_data_that_is_no_pair_is_reported(wrong):
    with pytest.raises(ParameterError, match="`train` must be"):
        train.fit(make(), wrong)


def test_a_file_gets_about_ten_lines_and_a_summary(data, capsys):
    """Nothing on stderr, no time in the text, and the same text on a rerun."""
    texts = []
    for _ in range(2):
        history = train.fit(make(), data, epochs=30)
        out, err = capsys.readouterr()
        assert err == ""
        texts.append(out)
    lines = texts[0].splitlines()
    assert texts[0] == texts[1]
    assert 5 < len(lines) < 14
    assert lines[0].startswith("epoch  3/30  loss ")
    assert lines[-1] == str(history)


def test_nothing_is_shown_without_progress(data, capfd):
    train.fit(make(), data, epochs=1, progress=False)
    out, _ = capfd.readouterr()
    assert out == ""


def test_a_terminal_gets_a_bar_and_keeps_the_summary(data, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    history = train.fit(make(), data, epochs=3)
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines()[-1].endswith(str(history))
