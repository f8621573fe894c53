"""Right answers of the target lab in another style. canary-7a410004"""

from dllab.check import variant


@variant("scale")
def the_other_way_around(x, k):
    return k * x
