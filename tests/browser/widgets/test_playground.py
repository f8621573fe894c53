"""The playground: what it trains is right, can be repeated, and is what the figure shows."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from dllab.scratch import Dense, Sequential, binary_cross_entropy

RUN = "([changes, epochs]) => DLLab.models.playground.run(changes, epochs)"
HEART = {"data": "moons", "points": 200, "noise": 0.25, "held": 0.7, "wrong": 0.15}


@pytest.fixture
def figure(bench):
    """The figure in its first state."""
    window = bench("playground")
    yield window
    assert window.faults == []


def stats(page):
    """Return what the three large numbers say."""
    return page.locator(".w-stats dd").all_text_contents()


def test_every_number_is_determined_by_the_settings(figure):
    """The same seed gives the same losses; another seed gives others."""
    runs = [
        figure.page.evaluate(RUN, [{"seed": seed, "dropout": 0.2, "points": 100}, 12])
        for seed in (3, 3, 4)
    ]
    assert runs[0] == runs[1]
    assert runs[0]["losses"] != runs[2]["losses"]
    assert len(runs[0]["losses"]["train"]) == 13


def test_the_loss_is_that_of_scratch(figure):
    """The trained weights, put into dllab.scratch, give the loss and accuracy of the figure."""
    found = figure.page.evaluate(
        """() => {
          const model = DLLab.models.playground;
          const session = model.begin(Object.assign({}, model.start, {rate: 0.02, batch: 8}));
          model.advance(session, 5);
          const d = session.data;
          return {weights: DLLab.network.weights(session.net), x: Array.from(d.x),
                  y: Array.from(d.y), rows: d.validation, shown: session.validation};
        }"""
    )
    rng = np.random.default_rng(0)
    sizes = [(2, 8), (8, 8), (8, 1)]
    net = Sequential([Dense(m, n, "tanh" if n == 8 else None, rng=rng) for m, n in sizes])
    for parameter, values in zip(net.parameters(), found["weights"], strict=True):
        parameter.data = np.reshape(values, parameter.shape)
    x, y = np.reshape(found["x"], (-1, 2))[found["rows"]], np.array(found["y"])[found["rows"]]
    logits = net(x)
    loss = float(binary_cross_entropy(logits, y[:, None]))
    assert found["shown"]["loss"] == pytest.approx(loss, rel=1e-9)
    assert found["shown"]["accuracy"] == np.mean((logits.data[:, 0] > 0) == y)


def test_the_points_are_shuffled_before_the_split(figure):
    """Both parts hold both classes and all of the spiral; wrong labels are in training only."""
    for seed in (1, 2, 3):
        found = figure.page.evaluate(
            """seed => {
              const model = DLLab.models.playground;
              const settings = Object.assign({}, model.start, {seed, wrong: 0.2});
              const d = model.makeData(settings);
              const clean = model.makeData(Object.assign({}, settings, {wrong: 0}));
              return [Array.from(d.x), Array.from(d.y), Array.from(clean.y), d.train, d.validation];
            }""",
            seed,
        )
        x, y, right = np.reshape(found[0], (-1, 2)), np.array(found[1]), np.array(found[2])
        train, validation = found[3:]
        assert sorted(train + validation) == list(range(300))
        assert len(validation) == 90
        assert np.sum(y != right) == 42 == np.sum(y[train] != right[train])
        radius = np.hypot(*x.T)
        for part in (train, validation):
            assert 0.3 < right[part].mean() < 0.7
            assert np.ptp(radius[part]) > 0.8 * np.ptp(radius)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_the_first_experiment_learns_the_spirals(figure, seed):
    """After 150 epochs more than 95 % of the validation points are right, whatever the seed."""
    found = figure.page.evaluate(RUN, [{"seed": seed}, 150])
    assert found["validation"]["accuracy"] > 0.95
    assert found["losses"]["validation"][0] > 0.5


def test_without_hidden_layer_moons_stay_half_learned(figure):
    """A straight line gets at most about nine of ten; one hidden layer gets nearly all."""
    mean = {}
    for layers in (0, 1):
        changes = {"data": "moons", "layers": layers, "rate": 0.1}
        runs = [figure.page.evaluate(RUN, [{**changes, "seed": s}, 100]) for s in (1, 2, 3, 4)]
        mean[layers] = np.mean([run["validation"]["accuracy"] for run in runs])
    assert 0.8 < mean[0] < 0.9 and mean[1] > 0.97  # noqa: PT018 (one comparison)


def test_regularization_helps_where_labels_are_wrong(figure):
    """By heart the validation loss rises again; decay, dropout and stopping keep it lower."""
    ways = {
        "heart": {},
        "decay": {"decay": 0.1},
        "dropout": {"dropout": 0.2},
        "stop": {"patience": 30},
    }
    end = {}
    for name, way in ways.items():
        runs = [figure.page.evaluate(RUN, [{**HEART, **way, "seed": s}, 300]) for s in (1, 2, 3, 4)]
        end[name] = np.mean([run["validation"]["loss"] for run in runs])
        if name == "heart":
            assert all(r["validation"]["loss"] > 1.3 * r["best"]["loss"] for r in runs)
            assert all(r["train"]["accuracy"] >= 0.9 for r in runs)
    assert max(end["decay"], end["dropout"]) < 0.75 * end["heart"]
    assert end["stop"] < end["decay"]


def test_early_stopping_gives_the_best_weights_back(figure):
    """It waits exactly `patience` epochs and returns to the least validation loss."""
    run = figure.page.evaluate(RUN, [{**HEART, "patience": 30}, 1000])
    losses = run["losses"]["validation"]
    assert run["stopped"]
    assert run["epoch"] == run["best"]["epoch"] + 30 == len(losses) - 1
    assert run["best"]["epoch"] == int(np.argmin(losses))
    assert run["validation"]["loss"] == min(losses)


def test_play_trains_and_a_changed_setting_starts_anew(figure):
    """Play goes on until Pause; numbers and sentence follow; any control begins at epoch 0."""
    page = figure.page
    assert stats(page)[0] == "0"
    page.get_by_role("button", name="Play").press("Enter")
    expect(page.locator(".w-stats dd").first).not_to_have_text("0")
    page.get_by_role("button", name="Pause").press("Enter")
    epoch = stats(page)[0]
    expected = page.evaluate(RUN, [{}, int(epoch)])
    assert stats(page)[2] == f"{round(100 * expected['validation']['accuracy'])} %"
    assert f"After epoch {epoch} " in page.locator(".w-says").text_content()
    page.get_by_role("button", name="One epoch").click()
    assert stats(page)[0] == str(int(epoch) + 1)
    page.get_by_label("Hidden layers").press("ArrowLeft")
    assert stats(page)[0] == "0"
    assert page.get_by_label("Experiment").evaluate("s => s.selectedOptions[0].text") == "your own"
    page.wait_for_function("location.hash.includes('layers=1')")
    page.get_by_role("button", name="Reset").click()
    assert page.get_by_label("Experiment").evaluate("s => s.selectedOptions[0].text") == "Spirals"


def test_the_address_brings_the_trained_network_back(bench):
    """Settings and epoch make up the state; nonsense is put right."""
    window = bench("playground", state="data=xor&layers=1&epoch=60&seed=5")
    expected = window.page.evaluate(RUN, [{"data": "xor", "layers": 1, "seed": 5}, 60])
    assert stats(window.page)[0] == "60"
    assert stats(window.page)[1] == f"{round(100 * expected['train']['accuracy'])} %"
    odd = bench("playground", state="data=cats&layers=1.6&units=-3&rate=fast&epoch=-2&seed=1e9")
    assert stats(odd.page)[0] == "0"
    assert re.search(r"on the 210\s+training points", odd.page.locator(".w-says").text_content())
    assert window.faults == odd.faults == []


def test_a_chapter_names_the_experiment_to_begin_with(bench):
    """What `plot.publish` says is the first state, and what Reset goes back to."""
    window = bench("playground", data='{"begin": "Learning by heart"}')
    page = window.page
    chosen = "s => s.selectedOptions[0].text"
    assert page.get_by_label("Experiment").evaluate(chosen) == "Learning by heart"
    page.get_by_label("Experiment").select_option("Spirals")
    assert page.get_by_label("Pattern").input_value() == "spirals"
    page.get_by_role("button", name="Reset").click()
    assert page.get_by_label("Pattern").input_value() == "moons"
    assert window.faults == []
