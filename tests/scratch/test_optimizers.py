"""Optimizers, clipping and schedules by hand, and the traps that their formulas hold."""

import math

import numpy as np
import pytest

from dllab.errors import ParameterError
from dllab.scratch import (
    SGD,
    Adam,
    AdamW,
    Optimizer,
    RMSprop,
    Tensor,
    clip_by_global_norm,
    clip_by_norm,
    clip_by_value,
)
from dllab.scratch.schedules import cosine_decay, exponential_decay, with_warmup

OPTIMIZERS = [
    lambda parameters, rate: SGD(parameters, rate),
    lambda parameters, rate: SGD(parameters, rate, momentum=0.9),
    lambda parameters, rate: SGD(parameters, rate, momentum=0.9, nesterov=True),
    RMSprop,
    Adam,
    AdamW,
]


def stepped(make, gradients, start):
    """The parameter after one step for each gradient."""
    w = Tensor(start)
    optimizer = make([w])
    for gradient in gradients:
        w.grad = np.asarray(gradient, dtype=float)
        optimizer.step()
    return w.data


# The hand example of chapter-training: L = w^2 from w = 1, rate 0.1, two steps


@pytest.mark.parametrize(
    ("make", "visited"),
    [
        (lambda p: SGD(p, 0.1), [0.8, 0.64]),
        (lambda p: SGD(p, 0.1, momentum=0.5), [0.8, 0.54]),
        (lambda p: Adam(p, 0.1, beta_1=0.5, beta_2=0.75), [0.9, 0.80114]),
    ],
)
def test_two_steps_are_those_of_the_book(make, visited):
    w = Tensor(1.0)
    optimizer = make([w])
    for expected in visited:
        optimizer.zero_grad()
        (w * w).backward()
        optimizer.step()
        assert float(w) == pytest.approx(expected, abs=1e-5)


# Momentum


def test_momentum_by_hand():
    """Constant gradient 1, rate 0.1, momentum 0.5: steps of 0.1, 0.15, 0.175."""
    w = stepped(lambda p: SGD(p, 0.1, momentum=0.5), [[1.0]] * 3, [0.0])
    assert w[0] == pytest.approx(-(0.1 + 0.15 + 0.175))


def test_nesterov_by_hand():
    """v = -0.1; the step is 0.5 v - 0.1 = -0.15, then v = -0.15 and the step -0.175."""
    w = stepped(lambda p: SGD(p, 0.1, momentum=0.5, nesterov=True), [[1.0]] * 2, [0.0])
    assert w[0] == pytest.approx(-0.325)


def test_momentum_tends_to_one_over_one_minus_momentum():
    """With a constant gradient the velocity grows to learning_rate / (1 - momentum)."""
    w = Tensor([0.0])
    optimizer = SGD([w], 0.1, momentum=0.9)
    for _ in range(200):
        w.grad = np.ones(1)
        optimizer.step()
    assert optimizer.velocities[0][0] == pytest.approx(-1.0)


def test_the_rate_is_inside_the_velocity():
    """After the rate has dropped to (almost) nothing, the old velocity still moves the weight."""
    w = Tensor([0.0])
    optimizer = SGD([w], 0.1, momentum=0.5)
    for rate in (0.1, 1e-9):
        optimizer.learning_rate = rate
        w.grad = np.ones(1)
        optimizer.step()
    assert w.data[0] == pytest.approx(-0.15)


# Adam and its relatives


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e4])
def test_adam_first_step_has_the_size_of_the_rate(size):
    """Without bias correction it would be 0.1 / sqrt(0.001) = 3.2 times as large."""
    w = stepped(lambda p: Adam(p, 0.1), [[size, -size]], [0.0, 0.0])
    np.testing.assert_allclose(w, [-0.1, 0.1], rtol=1e-2 if size < 1 else 1e-5)


def test_adam_with_a_constant_gradient_steps_by_the_rate_each_time():
    """Both corrections together make the averages exact, at every step."""
    w = stepped(lambda p: Adam(p, 0.1), [[3.0]] * 7, [0.0])
    assert w[0] == pytest.approx(-0.7, rel=1e-5)


def test_adams_epsilon_is_outside_the_root():
    """Gradient 1e-4, epsilon 1e-7: inside the root, the step would be 99 times smaller."""
    w = stepped(lambda p: Adam(p, 1.0, epsilon=1e-7), [[1e-4]], [0.0])
    root = math.sqrt(0.001) * 1e-4
    assert w[0] == pytest.approx(-root / (root + 1e-7))
    assert w[0] < -0.9


def test_rmsprops_epsilon_is_inside_the_root():
    """As in Keras; gradient 1e-4, rho 0: sqrt(1e-8 + 1e-7)."""
    w = stepped(lambda p: RMSprop(p, 1.0, rho=0.0, epsilon=1e-7), [[1e-4]], [0.0])
    assert w[0] == pytest.approx(-1e-4 / math.sqrt(1.1e-7))


def test_rmsprop_by_hand():
    """Gradients 2 and 1, rho 0.5: v = 2, then 1.5."""
    w = stepped(lambda p: RMSprop(p, 0.1, rho=0.5), [[2.0], [1.0]], [0.0])
    assert w[0] == pytest.approx(-0.2 / math.sqrt(2) - 0.1 / math.sqrt(1.5), rel=1e-6)


def test_decay_is_decoupled():
    """The decay is the same for a large and for a small gradient; L2 in the gradient is not."""
    start, gradient = [1.0, 1.0], [[100.0, 0.01]]
    decayed = stepped(lambda p: AdamW(p, 0.1, weight_decay=0.5), gradient, start)
    plain = stepped(lambda p: Adam(p, 0.1), gradient, start)
    np.testing.assert_allclose(plain - decayed, [0.05, 0.05], rtol=1e-9)


def test_l2_in_the_gradient_is_another_method():
    """Adam's first step does not see how large a gradient is, so it does not see the decay."""
    l2 = stepped(lambda p: Adam(p, 0.1), [[100.0 + 0.5]], [1.0])
    decoupled = stepped(lambda p: AdamW(p, 0.1, weight_decay=0.5), [[100.0]], [1.0])
    assert l2[0] == pytest.approx(0.9, abs=1e-6)
    assert decoupled[0] == pytest.approx(0.85, abs=1e-6)


def test_for_sgd_decay_and_l2_are_the_same():
    """w - rate * (g + decay * w) = (1 - rate * decay) * w - rate * g."""
    l2 = stepped(lambda p: SGD(p, 0.1), [[3.0 + 0.5 * 2.0]], [2.0])
    assert l2[0] == pytest.approx((1 - 0.1 * 0.5) * 2.0 - 0.1 * 3.0)


def test_adamw_without_decay_is_adam():
    gradients = np.random.default_rng(0).normal(size=(5, 3))
    ours = stepped(lambda p: AdamW(p, 0.1, weight_decay=0.0), gradients, np.ones(3))
    np.testing.assert_array_equal(ours, stepped(lambda p: Adam(p, 0.1), gradients, np.ones(3)))


# All optimizers


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_each_parameter_has_a_memory_of_its_own(make):
    """Two parameters in one optimizer move as in two optimizers."""
    rng = np.random.default_rng(0)
    starts, gradients = (rng.normal(size=3), rng.normal(size=(2, 2))), rng.normal(size=(4, 7))
    together = [Tensor(start) for start in starts]
    optimizer = make(together, 0.1)
    for gradient in gradients:
        together[0].grad, together[1].grad = gradient[:3], gradient[3:].reshape(2, 2)
        optimizer.step()
    apart = [
        stepped(lambda p: make(p, 0.1), gradients[:, :3], starts[0]),
        stepped(lambda p: make(p, 0.1), gradients[:, 3:].reshape(-1, 2, 2), starts[1]),
    ]
    for w, alone in zip(together, apart, strict=True):
        np.testing.assert_array_equal(w.data, alone)


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_every_optimizer_descends(make):
    """On a narrow valley every optimizer gets below a thousandth of the first loss."""
    w = Tensor([1.0, 1.0])
    optimizer = make([w], 0.02)
    for _ in range(300):
        loss = (w * w * [1.0, 10.0]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float((w * w * [1.0, 10.0]).sum()) < 0.011
    assert w.data.shape == (2,)


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_a_parameter_without_gradient_stays(make):
    used, unused = Tensor(1.0), Tensor(1.0)
    (used * 2.0).backward()
    make([used, unused], 0.1).step()
    assert float(used) < 1.0
    assert float(unused) == 1.0


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_a_recorded_graph_keeps_its_values(make):
    """A step makes a new array; the old one belongs to the graph."""
    w = Tensor([2.0])
    before = w.data
    (w * 3.0).sum().backward()
    make([w], 0.1).step()
    assert before.tolist() == [2.0]


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_a_schedule_is_asked_for_each_step(make):
    """The schedule gets the number of steps taken so far, from 0 on."""
    asked = []
    w = Tensor([1.0])
    optimizer = make([w], lambda step: asked.append(step) or 0.1)
    for _ in range(3):
        w.grad = np.ones(1)
        optimizer.step()
    assert asked == [0, 1, 2]
    assert optimizer.iterations == 3


def test_a_rate_of_zero_in_a_schedule_leaves_the_weights():
    """The first step of a warm-up from 0."""
    w = stepped(lambda p: SGD(p, lambda step: 0.1 * step), [[1.0], [1.0]], [0.0])
    assert w[0] == pytest.approx(-0.1)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: SGD([], 0.1), "is empty"),
        (lambda: Adam([np.zeros(3)], 0.1), "holds ndarray"),
        (lambda: SGD([Tensor(1.0)], 0.0), "`learning_rate` should be positive"),
        (lambda: SGD([Tensor(1.0)], float("nan")), "`learning_rate` should be positive"),
        (lambda: SGD([Tensor(1.0)], 0.1, momentum=1.0), "`momentum` should be at least 0"),
        (lambda: Adam([Tensor(1.0)], beta_1=1.0), "`beta_1`"),
        (lambda: Adam([Tensor(1.0)], beta_2=-0.1), "`beta_2`"),
        (lambda: Adam([Tensor(1.0)], epsilon=0.0), "`epsilon` should be positive"),
        (lambda: RMSprop([Tensor(1.0)], rho=1.5), "`rho`"),
        (lambda: AdamW([Tensor(1.0)], weight_decay=-1.0), "`weight_decay`"),
        (lambda: Adam([Tensor(1.0)]).step(), "Call loss.backward() first"),
        (lambda: SGD([Tensor(1.0)], lambda step: -1.0).rate, "at step 0 it gives -1.0"),
        (lambda: SGD([Tensor(1.0)], lambda step: math.inf).rate, "Mend the schedule"),
        (lambda: clip_by_value([], 0.0), "`limit`"),
        (lambda: clip_by_norm([Tensor(1.0)], -1.0), "`max_norm`"),
        (lambda: clip_by_global_norm([], 0.0), "`max_norm`"),
        (lambda: exponential_decay(0.1, 0, 0.5), "`decay_steps`"),
        (lambda: exponential_decay(0.1, 10, 0.0), "`decay_rate`"),
        (lambda: exponential_decay(-0.1, 10, 0.5), "`initial_learning_rate`"),
        (lambda: cosine_decay(0.1, 10, warmup_steps=5), "`warmup_target`"),
        (lambda: cosine_decay(0.1, 10, warmup_target=0.5), "`warmup_steps`"),
        (lambda: with_warmup(0.1, 0), "`warmup_steps`"),
    ],
)
def test_messages_name_the_parameter(call, says):
    with pytest.raises(ParameterError) as caught:
        call()
    assert says in str(caught.value)


def test_every_optimizer_is_tested_here():
    """A new optimizer belongs into OPTIMIZERS."""
    made = {type(make([Tensor(1.0)], 0.1)) for make in OPTIMIZERS}
    assert made == set(Optimizer.__subclasses__())


# Clipping


def gradients_of(*gradients):
    parameters = [Tensor(np.zeros(np.shape(gradient))) for gradient in gradients]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = np.array(gradient)
    return parameters


def test_clipping_by_value_turns_the_gradient():
    """(3, 40) cut at 5 becomes (3, 5): from 13 times as steep to less than twice."""
    (w,) = gradients_of([3.0, 40.0])
    clip_by_value([w], 5.0)
    assert w.grad.tolist() == [3.0, 5.0]


def test_clipping_by_global_norm_keeps_the_direction():
    """All gradients shrink by one factor, so that together they have the norm asked for."""
    w, b = gradients_of([[3.0, 40.0]], [12.0])
    norm = clip_by_global_norm([w, b], 1.0)
    assert norm == pytest.approx(math.sqrt(9 + 1600 + 144))
    np.testing.assert_allclose(w.grad * norm, [[3.0, 40.0]])
    np.testing.assert_allclose(b.grad * norm, [12.0])


def test_clipping_by_norm_treats_each_parameter_by_itself():
    w, b = gradients_of([3.0, 4.0], [0.5])
    clip_by_norm([w, b], 1.0)
    np.testing.assert_allclose(w.grad, [0.6, 0.8])
    assert b.grad.tolist() == [0.5]


@pytest.mark.parametrize("clip", [clip_by_value, clip_by_norm, clip_by_global_norm])
def test_small_gradients_are_left_alone(clip):
    """Clipping is no scaling: what is below the limit stays, and so does a missing gradient."""
    w, b = gradients_of([0.3, -0.4], 0.0)
    b.grad = None
    clip([w, b], 1.0)
    assert w.grad.tolist() == [0.3, -0.4]
    assert b.grad is None


# Schedules


def test_cosine_decay_is_monotone_and_stays_down():
    rates = [cosine_decay(0.4, 50, alpha=0.1)(step) for step in range(80)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == 0.4
    assert rates[50:] == [pytest.approx(0.04)] * 30


def test_a_staircase_changes_only_at_its_steps():
    rate = exponential_decay(1.0, 10, 0.5, staircase=True)
    assert [rate(step) for step in (0, 9, 10, 19, 20)] == [1.0, 1.0, 0.5, 0.5, 0.25]


def test_a_warm_up_ends_where_the_schedule_begins():
    rate = with_warmup(0.3, 10, initial_learning_rate=0.1)
    assert [rate(step) for step in (0, 5, 10, 1000)] == pytest.approx([0.1, 0.2, 0.3, 0.3])
