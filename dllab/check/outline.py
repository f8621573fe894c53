"""What a lab is called and which tasks it has, read without running any of its code.

Standard library only: the wheel's build hook reads this file on its own.

- `read_outline(folder)`: title, tasks in order, titles and points
"""

import ast
import json
import re
from pathlib import Path
from typing import Any

__all__ = ["read_outline"]

_TASK_HEADING = re.compile(r"^##\s+Task\s+\d+:\s*(.+?)\s*\(\d+ points?\)\s*$")
_FENCE = re.compile(r"^\s*(`{3,}|~{3,})")


def read_outline(folder: Path) -> dict[str, Any]:
    """Return `{"title": …, "tasks": [{"name": …, "title": …, "points": …}, …]}` of a lab.

    In a wheel this stands in `lab.json`; in the repository it comes from `lab.md`'s headings
    and the decorators in `checks.py`. Tasks are in the order of `checks.py`, and so are the
    task headings in `lab.md`.
    """
    written = folder / "lab.json"
    if written.is_file():
        return json.loads(written.read_text(encoding="utf-8"))
    points = _points(ast.parse((folder / "checks.py").read_text(encoding="utf-8")))
    title, headings = _headings(folder / "lab.md")
    titles = headings if len(headings) == len(points) else list(points)
    tasks = [
        {"name": name, "title": title, "points": worth}
        for (name, worth), title in zip(points.items(), titles, strict=True)
    ]
    return {"title": title or folder.name, "tasks": tasks}


def _points(tree: ast.Module) -> dict[str, int]:
    """Add up the points of each task's tests, in the order of first mention."""
    points: dict[str, int] = {}
    for node in tree.body:
        for decorator in getattr(node, "decorator_list", ()):
            name = getattr(getattr(decorator, "func", None), "id", "")
            if name != "task":
                continue
            worth: dict[str, Any] = {"points": 1}
            values = [ast.literal_eval(value) for value in decorator.args]
            worth |= {str(key.arg): ast.literal_eval(key.value) for key in decorator.keywords}
            worth |= dict(zip(("name", "points"), values, strict=False))
            points[worth["name"]] = points.get(worth["name"], 0) + worth["points"]
    return points


def _headings(path: Path) -> tuple[str, list[str]]:
    """Return the page's title and its tasks' titles, leaving out what stands in code."""
    title, tasks, fence = "", [], ""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for line in lines:
        mark = _FENCE.match(line)
        if mark and (not fence or mark.group(1).startswith(fence)):
            fence = "" if fence else mark.group(1)
        if fence:
            continue
        if line.startswith("# ") and not title:
            title = line[2:].strip()
        if heading := _TASK_HEADING.match(line):
            tasks.append(heading.group(1))
    return title, tasks
