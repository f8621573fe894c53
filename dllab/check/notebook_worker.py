"""The process in which `check_notebook` runs a notebook: `python -m dllab.check.notebook_worker`.

It takes a file that says what to run and a file to report to, one line of JSON for each step,
so that the last line tells where it was if it came to an early end.

- `run_cells(cells, namespace, seconds)`: run the cells; the sentences about those that failed
- `without_magics(source)`: a cell without the lines that only IPython understands
"""

import ast
import asyncio
import inspect
import json
import linecache
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dllab.check.labs import check_task
from dllab.check.limits import TimeUp, time_limit
from dllab.check.loading import find_lab

__all__ = ["main", "run_cells", "without_magics"]

# What `check_notebook` does itself; running them in the notebook would do it twice.
_CHECK = re.compile(r"\s*lab\.(check|progress|points)\([^()]*\)\s*")
_MAGIC = re.compile(r"(?m)^(\s*)(?:[%!?].*|.*\?\s*)$")
_ASSIGNED_MAGIC = re.compile(r"(?m)^(\s*[\w, ]+=\s*)[%!].*$")
_TRANSPARENT = ("%%time", "%%timeit", "%%capture")


def main(order_file: str, report_file: str) -> None:
    """Run what the order says and write the report."""
    order = json.loads(Path(order_file).read_text(encoding="utf-8"))
    with open(report_file, "w", encoding="utf-8") as report:

        def say(line: dict[str, Any]) -> None:
            report.write(json.dumps(line) + "\n")
            report.flush()

        namespace: dict[str, Any] = {
            "__name__": "__main__",
            "display": lambda *_, **__: None,
            "get_ipython": lambda: None,
        }
        problems = run_cells(
            order["cells"],
            namespace,
            order["cell_seconds"],
            lambda number: say({"doing": f"code cell {number}"}),
        )
        files = find_lab(order["lab"])
        results = []
        for task in order["tasks"]:
            say({"doing": f"the check of {task}"})
            results.append(asdict(check_task(files, namespace, task)))
        say({"results": results, "problems": problems})


def run_cells(
    cells: Sequence[str],
    namespace: dict[str, Any],
    seconds: float,
    before: Callable[[int], Any] = lambda number: None,
) -> list[str]:
    """Run code cells in a namespace and go on after a cell that fails.

    Args:
        cells: sources.
        namespace: what the cells define ends up here.
        seconds: how long one cell may run.
        before: told the number of each cell before it runs, from 1.
    """
    problems = []
    for number, source in enumerate(cells, start=1):
        if _CHECK.fullmatch(source):
            continue
        before(number)
        try:
            with time_limit(seconds):
                _run_cell(source, f"<code cell {number}>", namespace)
        except TimeUp:
            problems.append(f"code cell {number} did not finish within {seconds:g} s")
        except NotImplementedError:
            pass  # a task that is not written yet says so itself
        except BaseException as error:
            reason = traceback.format_exception_only(error)[-1].strip()
            problems.append(f"code cell {number}: {reason[:300]}")
    return problems


def without_magics(source: str) -> str:
    """Return a cell's source without what only IPython understands.

    Example:
        >>> without_magics("%matplotlib inline\\nx = 7 % 4")
        'pass\\nx = 7 % 4'
        >>> without_magics("%%html\\n<b>bold</b>")
        ''
    """
    if source.lstrip().startswith("%%"):
        first, _, rest = source.lstrip().partition("\n")
        return rest if first.split()[0] in _TRANSPARENT else ""
    try:
        ast.parse(source)
    except SyntaxError:
        return _MAGIC.sub(r"\1pass", _ASSIGNED_MAGIC.sub(r"\1None", source))
    return source


def _run_cell(source: str, name: str, namespace: dict[str, Any]) -> None:
    source = without_magics(source)
    lines = source.splitlines(keepends=True)
    linecache.cache[name] = (len(source), None, lines, name)
    code = compile(source, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(code, namespace))
    else:
        exec(code, namespace)


if __name__ == "__main__":
    main(*sys.argv[1:])
