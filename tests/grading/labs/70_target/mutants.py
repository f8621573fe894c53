"""Wrong answers of the target lab. canary-3a170003"""

import numpy as np

from dllab.check import mutant


@mutant("softmax", misconception="softmax-over-columns")
def columns(z):
    """Your columns sum to 1 and your rows do not."""
    raised = np.exp(z - z.max(axis=0, keepdims=True))
    return raised / raised.sum(axis=0, keepdims=True)


@mutant("scale", misconception="scale-adds")
def adds(x, k):
    """You added k where you should multiply by it."""
    return x + k
