"""Do the ways to train that `tools/bench_training.py` compares do the same?"""

from pathlib import Path

import numpy as np
import pytest

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def bench(monkeypatch):
    """The tool, imported as a script in `tools/` imports its neighbor."""
    monkeypatch.syspath_prepend(str(TOOLS))
    import bench_training

    return bench_training


@pytest.mark.parametrize("network", ["mlp", "cnn"])
def test_every_way_with_the_same_batches_ends_with_the_same_loss(bench, network):
    """Two epochs from the same weights: the same loss, and a smaller one than at the start."""
    task = getattr(bench, network)(examples=64)
    ways = bench.ways(task)
    assert len(ways) == 9
    start = bench.loss_of(task.engine(), task)
    losses = {name: bench.loss_of(make()(2), task) for name, make in ways.items()}
    larger_batch = losses.pop("batches of 128")
    assert larger_batch < start
    np.testing.assert_allclose(list(losses.values()), losses["`fit` on arrays"], rtol=1e-3)
    assert max(losses.values()) < start


def test_a_way_that_ends_elsewhere_stops_the_measurement(bench):
    """A ratio between two different computations would say nothing."""
    bench.check_same("a copy", 0.5, 0.5001)
    with pytest.raises(SystemExit, match=r"0\.60000"):
        bench.check_same("a slip", 0.6, 0.5)
