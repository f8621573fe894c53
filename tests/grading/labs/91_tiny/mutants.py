"""Wrong solutions of the tiny lab."""

import numpy as np

from dllab.check import mutant


@mutant("total", misconception="tiny-mean-for-total")
def takes_the_mean(x):
    """You return the mean: leave out the division."""
    return float(np.mean(x)) if len(x) else 0.0
