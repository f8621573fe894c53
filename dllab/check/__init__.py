"""Mark what a learner wrote: run a lab's checks, and name the misconception behind a failure.

For learners:

- `lab(name)`: open a lab; then `.check("task")`, `.progress()`, `.points("task")`, `.tasks`
- `check_notebook(path)`: run a notebook file and all its checks, outside of this process

For authors of labs:

- `task`: mark a pytest function as a test of a task
- `expect`: what a check may expect of a value
- `mutant`, `variant`: mark a wrong answer, a right answer in another style
"""

from dllab.check import expect
from dllab.check.labs import Lab, lab
from dllab.check.notebook import check_notebook
from dllab.check.registry import mutant, task, variant

__all__ = ["Lab", "check_notebook", "expect", "lab", "mutant", "task", "variant"]
