import numpy as np

from dllab.check import mutant


@mutant("softmax", misconception="softmax-wrong-axis")
def normalizes_columns(z):
    """Your columns sum to 1 and your rows do not: you normalized over axis 0."""
    e = np.exp(z - z.max())
    return e / e.sum(axis=0)


@mutant("softmax", misconception="softmax-overflow")
def overflows(z):
    """Your softmax is right for small logits and NaN for large ones: `exp(1000)` overflows."""
    e = np.exp(z)
    return e / e.sum(axis=1, keepdims=True)


@mutant("softmax", misconception="softmax-wrong-axis")
def normalizes_everything(z):
    """Your whole array sums to 1, not each row: you summed over both axes."""
    e = np.exp(z - z.max())
    return e / e.sum()


class _Base:
    def __init__(self, units_in, units_out):
        self.W = np.zeros((units_in, units_out))
        self.b = np.zeros(units_out)

    def forward(self, x):
        return x @ self.W + self.b

    def count_params(self):
        return self.W.size + self.b.size


@mutant("dense", misconception="dense-no-bias", replaces="Dense")
class ForgetsBias(_Base):
    """Your layer computes X W without adding b."""

    def forward(self, x):
        return x @ self.W


@mutant("dense", misconception="dense-no-bias", replaces="Dense")
class CountsNoBias(_Base):
    """Your count leaves out the biases."""

    def count_params(self):
        return self.W.size


@mutant("dense", misconception="dense-transposed", replaces="Dense")
class Transposes(_Base):
    """You multiply with the transposed matrix."""

    def forward(self, x):
        return x @ self.W.T + self.b


class _Node:
    def __init__(self, value, parents=(), rule=lambda g: ()):
        self.value, self.parents, self.rule, self.grad = value, parents, rule, 0.0

    def __add__(self, other):
        return type(self)(self.value + other.value, (self, other), lambda g: (g, g))

    def __mul__(self, other):
        rule = lambda g: (g * other.value, g * self.value)  # noqa: E731
        return type(self)(self.value * other.value, (self, other), rule)

    def receive(self, gradient):
        self.grad += gradient

    def backward(self, gradient=1.0):
        self.receive(gradient)
        for parent, part in zip(self.parents, self.rule(gradient), strict=True):
            parent.backward(part)


@mutant("node", misconception="gradient-overwritten", replaces="Node")
class Overwrites(_Node):
    """The gradient at a shared node is that of one path: you overwrite it."""

    def receive(self, gradient):
        self.grad = gradient


@mutant("node", misconception="gradient-overwritten", replaces="Node")
class ForgetsOwnFactor(_Node):
    """Your product hands on the gradient without the other factor."""

    def __mul__(self, other):
        return type(self)(self.value * other.value, (self, other), lambda g: (g, g))


@mutant("node", misconception="node-no-parents", replaces="Node")
class LosesParents(_Node):
    """Your nodes do not keep their parents, so nothing flows back."""

    def __mul__(self, other):
        return type(self)(self.value * other.value)
