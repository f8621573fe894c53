"""From an author's MyST source to notebooks, and what is wrong with a source.

- `read_lab(path)`: a lab's source as a `LabSource`: tasks, code, its three notebooks
- `build(labs, root)`: write every generated notebook
- `lint(labs, root)`: every `Problem` of labs and chapters
- `new_lab(name)`: start a lab from a template that builds, lints and passes
"""

from dllab.authoring.build import build
from dllab.authoring.lint import lint
from dllab.authoring.problems import Problem
from dllab.authoring.scaffold import new_lab
from dllab.authoring.source import LabSource, Task, read_lab
from dllab.errors import AuthoringError

__all__ = [
    "AuthoringError",
    "LabSource",
    "Problem",
    "Task",
    "build",
    "lint",
    "new_lab",
    "read_lab",
]
