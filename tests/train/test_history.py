"""What does a history say about a run?"""

import dataclasses

import pytest

from dllab.train import History


@pytest.fixture
def run():
    metrics = {"loss": [0.9, 0.5, 0.3], "val_loss": [0.8, 0.6, 0.7]}
    return History([1, 2, 3], metrics, restored=True)


def test_the_best_epoch_has_the_smallest_validation_loss(run):
    assert run.best_epoch == 2


def test_without_validation_the_training_loss_decides():
    assert History([1, 2], {"loss": [0.2, 0.4]}).best_epoch == 1


def test_one_line_says_it_all(run):
    assert str(run) == ("3 epochs: loss 0.300, val_loss 0.700; best epoch 2, its weights restored")


def test_it_cannot_be_changed(run):
    with pytest.raises(dataclasses.FrozenInstanceError):
        run.epochs = []


def test_it_draws_itself(run):
    from matplotlib import pyplot as plt

    assert run.plot().shape == (1,)
    _, ax = plt.subplots()
    assert run.plot(ax) is ax
    assert len(ax.lines) == 2
    plt.close("all")
