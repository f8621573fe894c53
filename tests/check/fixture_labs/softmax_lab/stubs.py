def softmax(z):
    raise NotImplementedError("softmax: replace this line")


class Dense:
    def __init__(self, units_in, units_out):
        raise NotImplementedError("dense: replace this line")

    def forward(self, x):
        raise NotImplementedError("dense: replace this line")

    def count_params(self):
        raise NotImplementedError("dense: replace this line")


class Node:
    def __init__(self, value, parents=()):
        raise NotImplementedError("node: replace this line")
