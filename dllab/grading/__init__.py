"""Grade a class that cannot be trusted: `dllab grade LAB SUBMISSIONS --out DIR`.

The learner's code runs in a sandbox; the checks, the scores and everything that is written run
outside of it. Between the two only plain values travel. The modules, in the order in which a
submission meets them:

- found and mended: `submissions`, `archives`, `notebook`, `repair` (with `steps`, `names`,
  `released`)
- confined: `sandbox`, `bubblewrap`, `confine`, `control_group`, `watch`; inside it `agent` and
  `shell`
- checked: `grader`, `session`, `wire`; `evaluator` rebuilds Keras models, `framework_mutants` and
  `replays` look for misconceptions
- many of them: `grade_class`, `pool`, `worker`, `cluster`, `fingerprint`, `console`
- kept and marked: `records`, `gradebook`, `course`, `policy`
- told: `feedback`, `report` (with `pages`, `measures`, `files`, `templates/`)
- handed on: `exports` (with `roster`, `spreadsheet`), `gradescope`, `nbgrader`, `autograded`
"""
