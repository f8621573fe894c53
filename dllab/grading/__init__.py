"""Grade a class that cannot be trusted: `dllab grade LAB SUBMISSIONS --out DIR`.

The learner's code runs in a sandbox; the checks, the scores and everything that is written run
outside of it. Between the two only plain values travel.
"""
