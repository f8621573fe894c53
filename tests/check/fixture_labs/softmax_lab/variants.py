import numpy as np

from dllab.check import variant


@variant("softmax")
def with_loops(z):
    rows = []
    for row in z:
        e = [np.exp(v - max(row)) for v in row]
        rows.append([v / sum(e) for v in e])
    return np.array(rows)


@variant("softmax")
def in_single_precision(z):
    z = z.astype(np.float32)
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@variant("dense", replaces="Dense")
class WithEinsum:
    def __init__(self, units_in, units_out):
        self.W = np.ones((units_in, units_out))
        self.b = np.zeros(units_out)

    def forward(self, x):
        return np.einsum("bi,io->bo", x, self.W) + self.b[None, :]

    def count_params(self):
        return int(np.prod(self.W.shape)) + len(self.b)


@variant("dense", replaces="Dense")
class WithLoops(WithEinsum):
    def forward(self, x):
        return np.array([sum(v * w for v, w in zip(row, self.W, strict=True)) for row in x]) + (
            self.b
        )


@variant("node", replaces="Node")
class WithSort:
    def __init__(self, value, parents=()):
        self.value, self.parents, self.grad, self.slopes = value, list(parents), 0.0, []

    def __add__(self, other):
        out = WithSort(self.value + other.value, (self, other))
        out.slopes = [1.0, 1.0]
        return out

    def __mul__(self, other):
        out = WithSort(self.value * other.value, (self, other))
        out.slopes = [other.value, self.value]
        return out

    def backward(self):
        order, seen = [], set()

        def visit(node):
            if id(node) not in seen:
                seen.add(id(node))
                for parent in node.parents:
                    visit(parent)
                order.append(node)

        visit(self)
        self.grad = 1.0
        for node in reversed(order):
            for parent, slope in zip(node.parents, node.slopes, strict=True):
                parent.grad += slope * node.grad


@variant("node", replaces="Node")
class AsTuple(WithSort):
    def __mul__(self, other):
        out = AsTuple(self.value * other.value, (self, other))
        out.parents = (self, other)
        out.slopes = [other.value, self.value]
        return out

    def __add__(self, other):
        out = AsTuple(self.value + other.value, (self, other))
        out.slopes = [1, 1]
        return out
