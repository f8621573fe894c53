"""The networks that learn in the page compute what dllab.scratch computes, step by step."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from dllab.scratch import (
    SGD,
    AdamW,
    Dense,
    Sequential,
    Tensor,
    binary_cross_entropy,
    softmax_cross_entropy,
)

WIDGETS = Path(__file__).parents[3] / "book" / "_static" / "widgets"
CASES = [
    ([2, 1], "tanh"),
    ([2, 8, 1], "relu"),
    ([3, 5, 4, 1], "tanh"),
    ([2, 6, 3], "sigmoid"),
    ([4, 7, 6, 5, 3], "leaky_relu"),
]
# What a page does with weights from outside: [loss, gradients].
GRADIENTS = """([sizes, activation, weights, x, y, options]) => {
  const net = DLLab.network.load(DLLab.network.create(sizes, activation, DLLab.random(0)), weights);
  const loss = DLLab.network.gradients(net, x, y, y.map((_, i) => i), options);
  return [loss, net.parameters.map(p => Array.from(p.gradient))];
}"""
STEPS = """([sizes, activation, weights, x, y, rule, batches]) => {
  const net = DLLab.network.load(DLLab.network.create(sizes, activation, DLLab.random(0)), weights);
  const optimizer = DLLab.network.optimizer(net, rule);
  batches.forEach(rows => DLLab.network.step(net, optimizer, x, y, rows, {}));
  return DLLab.network.weights(net);
}"""


@pytest.fixture
def page(tab):
    """An empty page with the shared scripts."""
    window = tab()
    window.page.goto("about:blank")
    for script in ("common.js", "activations.js", "network.js"):
        window.page.add_script_tag(path=WIDGETS / script)
    yield window.page
    assert window.faults == []


def problem(sizes, activation, seed=0, n=12):
    """Return a model of the given sizes, inputs and labels."""
    rng = np.random.default_rng(seed)
    pairs = list(itertools.pairwise(sizes))
    last = len(pairs) - 1
    model = Sequential(
        [Dense(m, k, None if i == last else activation, rng=rng) for i, (m, k) in enumerate(pairs)]
    )
    for parameter in model.parameters():  # biases of zero would hide mistakes
        parameter.data = parameter.data + 0.1 * rng.normal(size=parameter.shape)
    return model, rng.normal(size=(n, sizes[0])), rng.integers(max(2, sizes[-1]), size=n)


def loss_of(model, x, y):
    """Return the loss that belongs to the number of outputs."""
    logits = model(x)
    if logits.shape[1] == 1:
        return binary_cross_entropy(logits, y[:, None])
    return softmax_cross_entropy(logits, y)


def flat(arrays):
    """Return the arrays as the script takes them."""
    return [np.ravel(a).tolist() for a in arrays]


def same(found, expected):
    """Compare lists of arrays, entry by entry."""
    for got, right in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, np.ravel(right), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("sizes", "activation"), CASES)
def test_loss_and_gradients_are_those_of_scratch(page, sizes, activation):
    """With the same weights, and with the penalty of weight decay on weights, not biases."""
    model, x, y = problem(sizes, activation)
    weights = flat(p.data for p in model.parameters())
    for decay in (0.0, 0.3):
        found = page.evaluate(
            GRADIENTS, [sizes, activation, weights, flat([x])[0], y.tolist(), {"decay": decay}]
        )
        for parameter in model.parameters():
            parameter.zero_grad()
        loss = loss_of(model, x, y)
        for layer in model.layers:
            loss = loss + (layer.W * layer.W).sum() * (decay / 2)
        loss.backward()
        assert found[0] == pytest.approx(float(loss), rel=1e-12)
        same(found[1], [p.grad for p in model.parameters()])


def test_gradients_agree_with_differences_of_the_loss(page):
    """The script's gradient is the slope of the script's own loss, in every weight."""
    model, x, y = problem([2, 3, 2], "tanh", seed=3)
    weights = flat(p.data for p in model.parameters())
    slopes = page.evaluate(
        """([sizes, activation, weights, x, y, options]) => {
          const net = DLLab.network.create(sizes, activation, DLLab.random(0));
          const rows = y.map((_, i) => i);
          const loss = () => DLLab.network.gradients(net, x, y, rows, options);
          DLLab.network.load(net, weights);
          const h = 1e-5;
          return net.parameters.map(p => Array.from(p.values, (w, k) => {
            p.values[k] = w + h; const up = loss();
            p.values[k] = w - h; const down = loss();
            p.values[k] = w;
            return (up - down) / (2 * h);
          }));
        }""",
        [[2, 3, 2], "tanh", weights, flat([x])[0], y.tolist(), {"decay": 0.1}],
    )
    _, exact = page.evaluate(
        GRADIENTS, [[2, 3, 2], "tanh", weights, flat([x])[0], y.tolist(), {"decay": 0.1}]
    )
    for numeric, slope in zip(slopes, exact, strict=True):
        np.testing.assert_allclose(numeric, slope, atol=1e-8)


@pytest.mark.parametrize(("sizes", "activation"), CASES[1:4])
@pytest.mark.parametrize("kind", ["sgd", "momentum", "adam"])
def test_five_steps_on_batches_are_those_of_scratch(page, sizes, activation, kind):
    """Decay is part of the gradient for SGD, and stands beside the step for Adam (AdamW)."""
    model, x, y = problem(sizes, activation, seed=1)
    weights = flat(p.data for p in model.parameters())
    rate, decay = 0.05, 0.02
    batches = [list(range(k, k + 4)) for k in (0, 4, 8, 2, 6)]
    rule = {"kind": kind, "rate": rate, "decay": decay}
    found = page.evaluate(
        STEPS, [sizes, activation, weights, flat([x])[0], y.tolist(), rule, batches]
    )

    decaying = [layer.W for layer in model.layers]
    biases = [layer.b for layer in model.layers]
    if kind == "adam":
        optimizers = [AdamW(decaying, rate, decay), AdamW(biases, rate, 0.0)]
    else:
        momentum = 0.9 if kind == "momentum" else 0.0
        optimizers = [SGD(model.parameters(), rate, momentum)]
    for rows in batches:
        for parameter in model.parameters():
            parameter.zero_grad()
        loss = loss_of(model, x[rows], y[rows])
        if kind != "adam":
            for w in decaying:
                loss = loss + (w * w).sum() * (decay / 2)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
    same(found, [p.data for p in model.parameters()])


def test_dropout_scales_what_it_keeps_and_uses_one_mask_for_both_ways(page):
    """The gradient with the masks that were drawn is that of scratch; the masks are right."""
    model, x, y = problem([2, 40, 30, 1], "tanh", seed=2, n=1)
    weights = flat(p.data for p in model.parameters())
    loss, gradients, *masks = page.evaluate(
        """([sizes, weights, x, y]) => {
          const net = DLLab.network.load(DLLab.network.create(sizes, "tanh", DLLab.random(0)), weights);
          const options = {dropout: 0.25, random: DLLab.random(7)};
          const loss = DLLab.network.gradients(net, x, y, [0], options);
          return [loss, net.parameters.map(p => Array.from(p.gradient)),
                  Array.from(net.layers[0].mask), Array.from(net.layers[1].mask)];
        }""",  # noqa: E501
        [[2, 40, 30, 1], weights, flat([x])[0], y.tolist()],
    )
    a = Tensor(x)
    for layer, mask in zip(model.layers, [*masks, 1.0], strict=True):
        a = layer(a) * np.array(mask)
    expected = binary_cross_entropy(a, y[:, None])
    expected.backward()
    assert loss == pytest.approx(float(expected), rel=1e-12)
    same(gradients, [p.grad for p in model.parameters()])
    kept = np.concatenate(masks)
    assert set(np.round(kept, 12)) == {0.0, round(4 / 3, 12)}
    assert 0.6 < np.mean(kept > 0) < 0.9


def test_the_start_has_the_spread_of_scratch(page):
    """He for ReLU, Glorot for tanh and for the logits; biases are zero."""
    found = page.evaluate(
        """() => ["relu", "tanh"].map(name => DLLab.network.weights(
             DLLab.network.create([50, 80, 60], name, DLLab.random(5))))"""
    )
    (he, zeros, logits, _), (glorot, *_) = found
    assert np.std(he) == pytest.approx(np.sqrt(2 / 50), rel=0.05)
    assert np.abs(glorot).max() <= np.sqrt(6 / 130)
    assert np.abs(logits).max() <= np.sqrt(6 / 140)
    assert np.std(glorot) == pytest.approx(np.sqrt(2 / 130), rel=0.05)
    assert not np.any(zeros)


def test_an_epoch_uses_every_row_once(page):
    """Batches are parts of a shuffled order; the last one may be short."""
    found = page.evaluate(
        """() => {
          const net = DLLab.network.create([1, 1], "tanh", DLLab.random(0)), rows = [];
          const rule = DLLab.network.optimizer(net, {kind: "sgd", rate: 0.1});
          const x = Float64Array.from({length: 10}, (_, i) => i);
          const spy = new Proxy(x, {get: (o, k) => { if (/^\\d+$/.test(k)) rows.push(+k); return o[k]; }});
          DLLab.network.epoch(net, rule, spy, new Uint8Array(10), [1, 2, 3, 5, 8, 9, 0],
                              {batch: 3, random: DLLab.random(4)});
          return [rows, rule.steps];
        }"""  # noqa: E501
    )
    rows, steps = found
    assert sorted(rows) == [0, 1, 2, 3, 5, 8, 9]
    assert rows != [1, 2, 3, 5, 8, 9, 0]
    assert steps == 3
