"""Every public operation of the engine against central differences, and its edge cases."""

import inspect

import numpy as np
import pytest

from dllab.errors import ParameterError, ShapeError
from dllab.scratch import (
    Scalar,
    Tensor,
    activations,
    gradcheck,
    losses,
    normalization,
    numeric_gradient,
    ops,
)
from dllab.scratch.tensor import record

RNG = np.random.default_rng(20)


def away_from_zero(*shape):
    """Numbers of both signs, none near a kink at 0."""
    return RNG.uniform(0.2, 2.0, shape) * RNG.choice([-1.0, 1.0], shape)


def positive(*shape):
    return RNG.uniform(0.3, 2.0, shape)


A, B, ROW, COLUMN = away_from_zero(3, 4), away_from_zero(3, 4), away_from_zero(4), positive(3, 1)
LEFT, RIGHT, STACK = away_from_zero(3, 2), away_from_zero(2, 4), away_from_zero(5, 3, 2)
MASK = np.arange(12).reshape(3, 4) % 3 == 0
LABELS, BINARY = np.array([3, 0, 2]), np.array([[0.0, 1.0, 1.0, 0.3]] * 3)

# operation -> cases; a case is a function of tensors and the arrays to check it at
FUNCTION_CASES = {
    "elu": [(ops.elu, A), (lambda x: ops.elu(x, alpha=0.5), A)],
    "exp": [(ops.exp, A)],
    "gelu": [(ops.gelu, A)],
    "leaky_relu": [(ops.leaky_relu, A), (lambda x: ops.leaky_relu(x, negative_slope=0.3), A)],
    "log": [(ops.log, positive(3, 4))],
    "log_softmax": [(ops.log_softmax, A), (lambda x: ops.log_softmax(x, axis=0), A)],
    "logsumexp": [
        (ops.logsumexp, A),
        (lambda x: ops.logsumexp(x, axis=0, keepdims=True), A),
        (lambda x: ops.logsumexp(x, axis=0), A),
    ],
    "maximum": [(ops.maximum, A, B), (ops.maximum, A, ROW), (lambda x: ops.maximum(0.0, x), A)],
    "relu": [(ops.relu, A)],
    "sigmoid": [(ops.sigmoid, A)],
    "softmax": [(ops.softmax, A), (lambda x: ops.softmax(x, axis=0), A), (ops.softmax, ROW)],
    "softplus": [(ops.softplus, A)],
    "sqrt": [(ops.sqrt, positive(3, 4))],
    "tanh": [(ops.tanh, A)],
    "where": [
        (lambda x, y: ops.where(MASK, x, y), A, B),
        (lambda x, y: ops.where(MASK, x, y), COLUMN, ROW),
    ],
    "mean_squared_error": [(lambda p: losses.mean_squared_error(p, B), A)],
    "binary_cross_entropy": [
        (lambda z: losses.binary_cross_entropy(z, BINARY), A),
        (lambda z: losses.binary_cross_entropy(z, BINARY, label_smoothing=0.2), A),
    ],
    "softmax_cross_entropy": [
        (lambda z: losses.softmax_cross_entropy(z, LABELS), A),
        (lambda z: losses.softmax_cross_entropy(z, LABELS, label_smoothing=0.2), A),
    ],
    "standardize": [
        (normalization.standardize, A),
        (lambda x: normalization.standardize(x, axis=-1, epsilon=0.5), A),
        (lambda x: normalization.standardize(x, axis=(0, 1)), STACK),
        (lambda x: normalization.standardize(x, axis=-1), np.ones((2, 3))),
    ],
}

METHOD_CASES = {
    "__add__": [(lambda x, y: x + y, A, B), (lambda x, y: x + y, A, ROW)],
    "__sub__": [(lambda x, y: x - y, A, B), (lambda x, y: x - y, COLUMN, ROW)],
    "__mul__": [(lambda x, y: x * y, A, B), (lambda x, y: x * y, COLUMN, A)],
    "__truediv__": [(lambda x, y: x / y, A, B), (lambda x, y: x / y, ROW, COLUMN)],
    "__pow__": [
        (lambda x: x**3, A),
        (lambda x: x**-1.5, positive(3)),
        (lambda x: x**0, A),
        (lambda x: x**2, np.zeros(2)),
    ],
    "__neg__": [(lambda x: -x, A)],
    "__matmul__": [
        (lambda x, y: x @ y, LEFT, RIGHT),
        (lambda x, y: x @ y, LEFT, RIGHT[:, 0]),
        (lambda x, y: x @ y, RIGHT[:, 0], RIGHT),
        (lambda x, y: x @ y, RIGHT[:, 0], RIGHT[:, 1]),
        (lambda x, y: x @ y, STACK, RIGHT),
        (lambda x, y: x @ y, STACK, RIGHT[:, 0]),
        (lambda x, y: x @ y, STACK[:, np.newaxis], STACK[:2].swapaxes(-1, -2)),
    ],
    "__radd__": [(lambda x: 2.0 + x, A), (lambda x: ROW + x, A)],
    "__rsub__": [(lambda x: 2.0 - x, A), (lambda x: A - x, ROW)],
    "__rmul__": [(lambda x: 2.0 * x, A), (lambda x: A * x, ROW)],
    "__rtruediv__": [(lambda x: 2.0 / x, A), (lambda x: A / x, ROW)],
    "__rmatmul__": [(lambda x: LEFT @ x, RIGHT)],
    "__getitem__": [
        (lambda x: x[1], A),
        (lambda x: x[:, 1:3], A),
        (lambda x: x[[0, 2, 0, 0]], A),
        (lambda x: x[np.arange(3), LABELS], A),
        (lambda x: x[..., np.newaxis], A),
        (lambda x: x[MASK], A),
    ],
    "reshape": [(lambda x: x.reshape(2, -1), A), (lambda x: x.reshape((12,)), A)],
    "T": [(lambda x: x.T, A), (lambda x: x.T, STACK)],
    "sum": [
        (lambda x: x.sum(), A),
        (lambda x: x.sum(axis=0), A),
        (lambda x: x.sum(axis=(0, -1), keepdims=True), STACK),
    ],
    "mean": [
        (lambda x: x.mean(), A),
        (lambda x: x.mean(axis=-1), A),
        (lambda x: x.mean(axis=(0, 2)), STACK),
        (lambda x: x.mean(axis=1, keepdims=True), STACK),
    ],
    "max": [
        (lambda x: x.max(), A),
        (lambda x: x.max(axis=0), A),
        (lambda x: x.max(axis=(1, 2), keepdims=True), STACK),
    ],
}

# What `Tensor` has besides operations; a new member belongs here or in METHOD_CASES.
NOT_OPERATIONS = {
    *("__init__", "__array__", "__array_ufunc__", "__len__", "__float__", "__repr__"),
    *(
        "__doc__",
        "__module__",
        "__slots__",
        "__final__",
        "__firstlineno__",
        "__static_attributes__",
    ),
    *("data", "grad", "parents", "op", "rule", "label", "shape", "ndim", "size"),
    *("backward", "zero_grad", "_seed", "_accumulate"),
}

SCALAR_CASES = {
    "__add__": lambda x, y: x + y,
    "__sub__": lambda x, y: x - y,
    "__mul__": lambda x, y: x * y,
    "__truediv__": lambda x, y: x / y,
    "__pow__": lambda x, y: x**3 + y**-0.5 + x**0,
    "__neg__": lambda x, y: -x,
    "__radd__": lambda x, y: 2 + x,
    "__rsub__": lambda x, y: 2 - x,
    "__rmul__": lambda x, y: 2 * x,
    "__rtruediv__": lambda x, y: 2 / x,
    "exp": lambda x, y: x.exp(),
    "log": lambda x, y: y.log(),
    "tanh": lambda x, y: x.tanh(),
    "relu": lambda x, y: x.relu() * y,
    "sigmoid": lambda x, y: x.sigmoid(),
}
NOT_SCALAR_OPERATIONS = {
    *("__init__", "__float__", "__repr__", "__doc__", "__module__", "__slots__", "__final__"),
    *("__firstlineno__", "__static_attributes__", "backward", "zero_grad"),
    *("value", "grad", "parents", "local_derivatives", "op", "label"),
}


def all_cases():
    for name, cases in {**FUNCTION_CASES, **METHOD_CASES}.items():
        for number, (f, *arrays) in enumerate(cases):
            yield pytest.param(f, arrays, id=f"{name}-{number}")


def test_every_operation_has_a_case():
    """An operation that is added without a central-difference case fails here."""
    assert set(FUNCTION_CASES) == {*ops.__all__, *losses.__all__, "standardize"}
    assert set(METHOD_CASES) == set(vars(Tensor)) - NOT_OPERATIONS
    assert set(SCALAR_CASES) == set(vars(Scalar)) - NOT_SCALAR_OPERATIONS


@pytest.mark.parametrize(("f", "arrays"), list(all_cases()))
def test_gradient_is_the_central_difference(f, arrays):
    """For every operation, what `backward` finds is the slope of the value."""
    result = gradcheck(f, *arrays)
    assert result.ok, str(result)


@pytest.mark.parametrize("at", [(0.7, 1.9), (-0.7, 0.4)])
@pytest.mark.parametrize("name", SCALAR_CASES)
def test_scalar_gradient_is_the_central_difference(name, at):
    """For every operation on scalars, what `backward` finds is the slope of the value."""
    x, y = map(Scalar, at)
    SCALAR_CASES[name](x, y).backward()
    numeric = numeric_gradient(lambda v: SCALAR_CASES[name](*map(Scalar, v)).value, at)
    np.testing.assert_allclose([x.grad, y.grad], numeric, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", SCALAR_CASES)
def test_scalar_and_tensor_agree(name):
    """The scalar tape and the array tape compute the same value and the same gradient."""
    functions = {method: getattr(ops, method, None) for method in SCALAR_CASES}
    at = (0.7, 1.9)
    scalars, tensors = list(map(Scalar, at)), list(map(Tensor, at))
    scalar = SCALAR_CASES[name](*scalars)
    if functions[name] is None:
        tensor = SCALAR_CASES[name](*tensors)
    elif name == "relu":
        tensor = ops.relu(tensors[0]) * tensors[1]
    else:
        tensor = functions[name](tensors[1 if name == "log" else 0])
    scalar.backward()
    tensor.backward()
    assert scalar.value == pytest.approx(float(tensor), rel=1e-14)
    for s, t in zip(scalars, tensors, strict=True):
        assert s.grad == pytest.approx(0.0 if t.grad is None else t.grad.item(), rel=1e-14)


# The plain activations


DERIVATIVES = sorted(n for n in activations.__all__ if n.endswith("_derivative"))


def test_every_activation_has_its_derivative():
    """Each public name is a value, its derivative, or works along an axis."""
    along_an_axis = {"softmax", "softmax_jacobian", "log_softmax", "logsumexp"}
    values = {name.removesuffix("_derivative") for name in DERIVATIVES}
    assert {*DERIVATIVES, *values, *along_an_axis} == set(activations.__all__)


@pytest.mark.parametrize("name", DERIVATIVES)
def test_activation_derivative_is_the_central_difference(name):
    """The derivative takes the pre-activation and is the slope of the value there."""
    value = getattr(activations, name.removesuffix("_derivative"))
    derivative = getattr(activations, name)(A)
    np.testing.assert_allclose(
        derivative, numeric_gradient(lambda z: value(z).sum(), A), rtol=1e-7, atol=1e-9
    )


@pytest.mark.parametrize(
    ("name", "keyword"), [("leaky_relu", {"negative_slope": 0.3}), ("elu", {"alpha": 0.5})]
)
def test_activation_parameter_reaches_the_derivative(name, keyword):
    """Value and derivative use the same slope or alpha."""
    value, derivative = getattr(activations, name), getattr(activations, f"{name}_derivative")
    slope = numeric_gradient(lambda z: value(z, **keyword).sum(), A)
    np.testing.assert_allclose(derivative(A, **keyword), slope, rtol=1e-7, atol=1e-9)


def test_softmax_jacobian_is_the_central_difference_of_each_probability():
    """Row `i` of the Jacobian is the gradient of probability `i`."""
    jacobian = activations.softmax_jacobian(A)
    for i in range(A.shape[1]):
        slope = numeric_gradient(lambda z, i=i: activations.softmax(z)[:, i].sum(), A)
        np.testing.assert_allclose(jacobian[:, i, :], slope, rtol=1e-7, atol=1e-9)


# Extreme inputs


EXTREME = np.array([-1000.0, -745.2, -40.0, 0.0, 40.0, 709.8, 1000.0])


@pytest.mark.parametrize(
    "name",
    ["sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "softplus", "softmax", "log_softmax"],
)
def test_activation_is_finite_at_one_thousand(name):
    """No overflow, no NaN and no warning, in the value and in the gradient."""
    x = Tensor(EXTREME)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        y = getattr(ops, name)(x)
        y.backward(np.ones(y.shape))
    assert np.isfinite(y.data).all()
    assert np.isfinite(x.grad).all()


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("sigmoid", 0, 1), ("tanh", -1, 1), ("relu", 0, 1000), ("elu", -1, 1000), ("gelu", 0, 1000)],
)
def test_activation_has_its_limit_at_one_thousand(name, low, high):
    """What is the value far out on both sides?"""
    value = getattr(activations, name)([-1000.0, 1000.0])
    assert value.tolist() == [low, high]


def test_scalar_sigmoid_has_its_limits():
    """Does the scalar sigmoid overflow?"""
    assert Scalar(-1000.0).sigmoid().value == 0.0
    assert Scalar(1000.0).sigmoid().value == 1.0


def test_small_tails_keep_their_digits():
    """Tails are not rounded to 0 where float64 can hold them."""
    assert activations.sigmoid_derivative(40.0) == pytest.approx(np.exp(-40.0), rel=1e-12)
    assert activations.softplus(-40.0) == pytest.approx(np.exp(-40.0), rel=1e-12)
    assert activations.gelu(-10.0) == pytest.approx(-7.619853024160526e-23, rel=1e-9)
    assert float(losses.binary_cross_entropy([40.0], [1.0])) == pytest.approx(np.exp(-40.0))


def test_softmax_ignores_a_common_shift():
    """Adding one number to all scores changes no probability."""
    np.testing.assert_allclose(activations.softmax(A + 900.0), activations.softmax(A), rtol=1e-12)


def test_softmax_rows_sum_to_one():
    """Which axis is normalized?"""
    np.testing.assert_allclose(activations.softmax(A).sum(axis=-1), 1.0, rtol=1e-14)
    np.testing.assert_allclose(activations.softmax(A, axis=0).sum(axis=0), 1.0, rtol=1e-14)


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_losses_of_logits_are_finite(scale):
    """Neither loss takes the logarithm of a probability that underflowed."""
    logits = Tensor(scale * np.sign(A))
    for loss in (
        losses.softmax_cross_entropy(logits, LABELS),
        losses.binary_cross_entropy(logits, BINARY),
    ):
        loss.backward()
        assert np.isfinite(float(loss))
    assert np.isfinite(logits.grad).all()


def test_label_smoothing_by_hand():
    """Equal logits of two classes: the loss is log 2, whatever the target."""
    for smoothing in (0.0, 0.2, 0.9):
        loss = losses.softmax_cross_entropy([[0.0, 0.0]], [1], label_smoothing=smoothing)
        assert float(loss) == pytest.approx(np.log(2))


def test_label_smoothing_is_lowest_at_the_smoothed_target():
    """With s = 0.2 and four classes the best probabilities are 0.85 and three times 0.05."""
    best = np.log([[0.05, 0.85, 0.05, 0.05]])
    z = Tensor(best)
    losses.softmax_cross_entropy(z, [1], label_smoothing=0.2).backward()
    np.testing.assert_allclose(z.grad, 0.0, atol=1e-15)
    w = Tensor([np.log(0.9 / 0.1)])
    losses.binary_cross_entropy(w, [1.0], label_smoothing=0.2).backward()
    np.testing.assert_allclose(w.grad, 0.0, atol=1e-15)


def test_slopes_at_the_kink():
    """At 0 ReLU has slope 0 and leaky ReLU its negative slope, as in TensorFlow; ELU is smooth."""
    assert activations.relu_derivative(0.0) == 0.0
    assert activations.leaky_relu_derivative(0.0) == 0.01
    assert activations.elu_derivative(0.0) == 1.0
    assert Scalar(0.0).relu().local_derivatives == (0.0,)


def test_a_tie_shares_the_gradient():
    """Equal entries receive equal parts, in `max` as in `maximum`."""
    x = Tensor([2.0, 2.0, 1.0])
    x.max().backward()
    assert x.grad.tolist() == [0.5, 0.5, 0.0]
    y, z = Tensor([2.0]), Tensor([2.0])
    ops.maximum(y, z).backward()
    assert (y.grad.item(), z.grad.item()) == (0.5, 0.5)


# What an operation refuses


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: ops.log([1.0, 0.0]), ParameterError, "`x` should be positive"),
        (lambda: ops.sqrt([-1.0]), ParameterError, "`x` should be positive"),
        (lambda: ops.where([1, 0], 1.0, 2.0), ParameterError, "`condition`"),
        (lambda: ops.where([True, False], np.ones(3), 0.0), ShapeError, "`where`"),
        (lambda: ops.maximum(np.ones(2), np.ones(3)), ShapeError, "`maximum`"),
        (lambda: ops.softmax(1.0), ShapeError, "`z`"),
        (lambda: ops.logsumexp(np.ones((2, 0))), ShapeError, "`z`"),
        (lambda: Tensor(A) + np.ones(3), ShapeError, "`+`"),
        (lambda: Tensor(A) - np.ones(3), ShapeError, "`-`"),
        (lambda: Tensor(A) * np.ones(3), ShapeError, "`*`"),
        (lambda: Tensor(A) / np.ones(3), ShapeError, "`/`"),
        (lambda: Tensor(A) / 0.0, ParameterError, "divisor"),
        (lambda: Tensor(A) @ A, ShapeError, "`@`"),
        (lambda: Tensor(1.0) @ A, ShapeError, "`@`"),
        (lambda: Tensor(A) ** Tensor(2.0), ParameterError, "`exponent`"),
        (lambda: Tensor([-1.0]) ** 0.5, ParameterError, "`exponent`"),
        (lambda: Tensor([0.0]) ** 0.5, ParameterError, "`exponent`"),
        (lambda: Tensor([0.0]) ** -1, ParameterError, "`exponent`"),
        (lambda: Tensor(A).reshape(5, 2), ShapeError, "`shape`"),
        (lambda: Tensor(A).sum(axis=2), ShapeError, "`axis`"),
        (lambda: Tensor(A).sum(axis=(0, -2)), ShapeError, "`axis`"),
        (lambda: Tensor(np.ones((0, 2))).mean(), ShapeError, "`mean`"),
        (lambda: Tensor(np.ones((0, 2))).max(), ShapeError, "`max`"),
        (lambda: Scalar(1.0) / 0.0, ParameterError, "divisor"),
        (lambda: Scalar(0.0).log(), ParameterError, "`log`"),
        (lambda: Scalar(1000.0).exp(), ParameterError, "`exp`"),
        (lambda: Scalar(-1.0) ** 0.5, ParameterError, "`exponent`"),
        (lambda: Scalar(2.0) ** Scalar(2.0), ParameterError, "`exponent`"),
        (lambda: Scalar([1.0, 2.0]), ParameterError, "`value`"),
        (lambda: losses.mean_squared_error(np.ones(3), np.ones((3, 1))), ShapeError, "`target`"),
        (lambda: losses.mean_squared_error(np.ones(0), np.ones(0)), ShapeError, "`prediction`"),
        (lambda: losses.binary_cross_entropy([1.0], [2.0]), ParameterError, "`target`"),
        (lambda: losses.softmax_cross_entropy(np.ones(3), [0]), ShapeError, "`logits`"),
        (lambda: losses.softmax_cross_entropy(A, [[3], [0], [2]]), ShapeError, "labels[:, 0]"),
        (lambda: losses.softmax_cross_entropy(A, [3.0, 0.0, 2.0]), ParameterError, "integers"),
        (lambda: losses.softmax_cross_entropy(A, [3, 0, 4]), ParameterError, "between 0 and 3"),
        (lambda: losses.softmax_cross_entropy(A, [3, 0, -1]), ParameterError, "between 0 and 3"),
        (
            lambda: losses.softmax_cross_entropy(A, LABELS, label_smoothing=1.0),
            ParameterError,
            "`label_smoothing`",
        ),
        (
            lambda: losses.binary_cross_entropy([1.0], [1.0], label_smoothing=-0.1),
            ParameterError,
            "`label_smoothing`",
        ),
        (lambda: normalization.standardize(A, axis=2), ShapeError, "`axis`"),
        (lambda: normalization.standardize(A, epsilon=0.0), ParameterError, "`epsilon`"),
    ],
)
def test_wrong_argument_is_named(call, error, says):
    """The error is typed and its message names what is wrong."""
    with pytest.raises(error) as caught:
        call()
    assert says in str(caught.value)


# The referee itself


def wrong_accumulation(x):
    """Square, counting only one of the two paths."""
    return record(x.data**2, (x,), "square", lambda g: (g * x.data,))


def wrong_sign(x):
    return record(np.cos(x.data), (x,), "cos", lambda g: (g * np.sin(x.data),))


def derivative_in_the_output(x):
    """The derivative of sigmoid by its formula in the output, given the input."""
    return record(
        activations.sigmoid(x.data), (x,), "sigmoid", lambda g: (g * x.data * (1 - x.data),)
    )


def mean_without_division(x):
    return record(x.data.mean(), (x,), "mean", lambda g: (g * np.ones(x.shape),))


def softmax_with_diagonal_only(x):
    p = activations.softmax(x.data)
    return record(p, (x,), "softmax", lambda g: (g * p * (1 - p),))


def forgotten_unbroadcast(x):
    b = Tensor(ROW[: x.shape[-1]])
    return record(x.data + b.data, (x, b), "+", lambda g: (g, g))


def softmax_that_forgets_its_gradient(x):
    """The sum of all probabilities is constant, so a plain sum would not notice."""
    return record(activations.softmax(x.data), (x,), "softmax", lambda g: (0.0 * g,))


def rule_that_ignores_what_comes_from_above(x):
    return record(x.data.sum(), (x,), "sum", lambda g: (np.ones(x.shape),))


def not_a_number(x):
    return record(x.data, (x,), "nan", lambda g: (g * np.nan,))


def too_few_gradients(x):
    return record(x.data, (x,), "empty", lambda g: ())


def one_entry_off(x):
    def rule(g):
        g = g.copy()
        g.flat[-1] *= 1 + 1e-5
        return (g,)

    return record(x.data, (x,), "identity", rule)


@pytest.mark.parametrize(
    "planted",
    [
        wrong_accumulation,
        wrong_sign,
        derivative_in_the_output,
        mean_without_division,
        softmax_with_diagonal_only,
        forgotten_unbroadcast,
        softmax_that_forgets_its_gradient,
        rule_that_ignores_what_comes_from_above,
        not_a_number,
        too_few_gradients,
        one_entry_off,
    ],
)
def test_gradcheck_notices_a_wrong_rule(planted):
    """A planted bug is reported as a result that is not ok, never as an exception."""
    result = gradcheck(planted, A)
    assert not result.ok
    assert not result
    assert result.max_relative_error > 1e-6
    assert "DISAGREES" in str(result)


def test_gradcheck_points_at_the_wrong_entry():
    """Which argument and which entry are wrong, and by how much?"""

    def f(x, y):
        return x + one_entry_off(y)

    assert "argument 1, entry (2, 3)" in gradcheck(f, A, B).worst


def test_gradcheck_notices_transposed_weights():
    """A square weight matrix hides a transposition from the shape check, not from the referee."""
    w = away_from_zero(4, 4)

    def f(x, w):
        return record(x.data @ w.data, (x, w), "@", lambda g: (g @ w.data, x.data.T @ g))

    assert not gradcheck(f, A, w).ok


def test_gradcheck_at_zero_alone_misses_a_bug():
    """Why is a check at 0 not enough? There the wrong derivative of the square is right."""
    assert gradcheck(wrong_accumulation, np.zeros(3)).ok
    assert not gradcheck(wrong_accumulation, A).ok


def test_gradcheck_leaves_its_arguments_alone():
    """Are the arrays the same afterwards?"""
    before = A.copy()
    gradcheck(ops.tanh, A)
    numeric_gradient(lambda x: x.sum(), A)
    np.testing.assert_array_equal(A, before)


def test_gradcheck_of_an_unused_argument():
    """An argument that the result does not depend on has gradient 0."""
    assert gradcheck(lambda x, y: x * 2, A, B).ok


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: gradcheck(lambda x: x.data, A), ParameterError, "`f`"),
        (lambda: numeric_gradient(lambda x: x, A), ShapeError, "`f`"),
        (lambda: numeric_gradient(lambda x: x.sum(), A, step=0), ParameterError, "`step`"),
    ],
)
def test_the_referee_refuses(call, error, says):
    """What the referee cannot work with is named."""
    with pytest.raises(error) as caught:
        call()
    assert says in str(caught.value)


@pytest.mark.parametrize("operation", [getattr(ops, name) for name in ops.__all__])
def test_value_and_rule_stand_on_one_screen(operation):
    """Is every operation short enough to be read at a glance, docstring aside?"""
    source = inspect.getsource(operation).replace(operation.__doc__, "")
    assert len(source.splitlines()) <= 25
