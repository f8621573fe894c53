"""From an author's MyST source to notebooks.

- `read_lab(path)`: a lab's source: tasks, code, its three notebooks
- `build(labs, root)`: write every generated notebook
- `AuthoringError`: a source is written wrongly
"""

from dllab.authoring.build import build
from dllab.authoring.source import LabSource, Task, read_lab
from dllab.errors import AuthoringError

__all__ = ["AuthoringError", "LabSource", "Task", "build", "read_lab"]
