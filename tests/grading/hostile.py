# ruff: noqa: E501 (the code of students keeps to no rule)
"""Hostile submissions, as data: what a clever student who has read our source would hand in.

- `Case`: one submission, and what has to become of it
- `CASES`: all of them; `GROUPS`: their classes
- `content(case, places)`: the notebook's bytes
- `Places`: what an attacker may know of the machine: ports, names and paths to try

A case starts from the solution (`base="solution"`) or from the untouched notebook. `first` cells
stand after the setup cell, `last` cells at the end, and `swap` replaces the cell of a task. A spy
tells what it found by raising an error, whose text comes back: `SPY nothing` is what it should say.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Any

from dllab.authoring import read_lab
from dllab.authoring.build import to_json

LABS = Path(__file__).with_name("labs")
TARGET, KERAS = LABS / "70_target", LABS / "80_keras"
CLEAN = "SPY nothing"  # what a spy says that found nothing
ALL, NOTHING = 10, 0


@dataclass(frozen=True)
class Places:
    """What cases are told of the machine, so that they need not guess."""

    port: int = 0  # where a server listens on loopback
    abstract: str = ""  # name of an abstract Unix socket on which a server listens
    canary: str = ""  # a file of the instructor's
    template: str = ""  # the folder of the warm template
    outside: str = ""  # a file that is made only by code that runs outside of the sandbox
    package: str = ""  # the folder of dllab
    root: str = ""  # the repository


@dataclass(frozen=True)
class Case:
    """One submission and what has to become of it.

    Args:
        name: unique, used as the student's name as well unless `student` is set.
        group: the class of failures that it belongs to.
        earned: points; a range where the attack costs its author what chance decides.
        status: what `Grade.status` should be, one of these.
        says: words that something which the student reads should hold.
        never: words that nothing which the student reads may hold.
    """

    name: str
    group: str
    earned: int | range
    base: str = "solution"
    lab: Path = TARGET
    first: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    swap: Mapping[str, str] = field(default_factory=dict)
    edit: Callable[[dict[str, Any]], Any] | None = None
    raw: Callable[[bytes], bytes] | None = None
    status: tuple[str, ...] = ("graded",)
    says: str = ""
    never: tuple[str, ...] = ()
    student: str = ""
    limits: Mapping[str, Any] = field(default_factory=dict)

    def allows(self, earned: int) -> bool:
        """Tell whether these points are right."""
        return earned in self.earned if isinstance(self.earned, range) else earned == self.earned


@cache
def _notebook(lab: Path, base: str) -> str:
    source = read_lab(lab)
    made = source.solution_notebook() if base == "solution" else source.student_notebook()
    return to_json(made)


def honest(lab: Path = TARGET) -> bytes:
    """Return the solution as a submission."""
    return _notebook(lab, "solution").encode()


def half_right() -> bytes:
    """Return a submission with a misconception, which its feedback has to name."""
    return content(
        Case(
            "",
            "",
            0,
            swap={"softmax": "def softmax(z):\n    e = np.exp(z)\n    return e / e.sum(0)"},
        )
    )


def content(case: Case, places: Places = Places()) -> bytes:
    """Return what the student of a case hands in."""
    notebook = json.loads(_notebook(case.lab, case.base))
    cells = notebook["cells"]
    for cell in cells:
        task = cell["metadata"].get("task")
        if "task" in cell["metadata"].get("tags", ()) and task in case.swap:
            cell["source"] = _fill(case.swap[task], places)
    setup = next(i for i, cell in enumerate(cells) if "setup" in cell["metadata"].get("tags", ()))
    cells[setup + 1 : setup + 1] = [_cell(_fill(text, places)) for text in case.first]
    cells += [_cell(_fill(text, places)) for text in case.last]
    edited = notebook if case.edit is None else case.edit(notebook)
    data = json.dumps(edited).encode()
    return data if case.raw is None else case.raw(data)


def _cell(source: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": f"c{abs(hash(source)) % 10**9}",
        "metadata": {},
        "outputs": [],
        "source": source,
    }


def _fill(text: str, places: Places) -> str:
    text = dedent(text).strip("\n")
    for entry in fields(places):
        text = text.replace(f"@{entry.name}@", str(getattr(places, entry.name)))
    return text


CASES: list[Case] = []


def _add(group: str, name: str, earned: int | range, first: str = "", **options: Any) -> None:
    """Add a case; a text in third place is its extra cell."""
    cells = (first,) if first else ()
    CASES.append(Case(name, group, earned, first=options.pop("cells", cells), **options))


# What spies use: cells that look around and say what they saw.
SPY = """
import os, re
found = []
pattern = re.compile(rb"canary[-][0-9a-f]{8}")
def saw(where, data):
    data = data if isinstance(data, bytes) else str(data).encode("utf-8", "replace")
    for hit in sorted(set(pattern.findall(data))):
        found.append(f"{where}:{hit.decode()[-8:]}")
def report():
    raise RuntimeError("SPY " + ("; ".join(dict.fromkeys(found))[:180] or "nothing"))
"""


_TIME_TO_LOOK = {"cell_seconds": 10}


def _spy(body: str) -> str:
    return f"{dedent(SPY).strip()}\n{dedent(body).strip()}\nreport()"


# --- the class stops -------------------------------------------------------------------------

STOPS = "the class stops"
_UNREADABLE = {"status": ("unreadable",)}

_add(STOPS, "cells-are-a-dict", 0, edit=lambda n: {**n, "cells": {"a": 1}}, **_UNREADABLE)
_add(STOPS, "notebook-is-a-list", 0, edit=lambda n: [n], **_UNREADABLE)
_add(STOPS, "notebook-is-a-number", 0, raw=lambda _: b"1e999", **_UNREADABLE)
_add(STOPS, "nothing-at-all", 0, raw=lambda _: b"", **_UNREADABLE)
_add(STOPS, "a-program", 0, raw=lambda _: b"\x7fELF" + bytes(range(256)) * 100, **_UNREADABLE)
_add(STOPS, "brackets-without-end", 0, raw=lambda _: b"[" * 300_000, **_UNREADABLE)
_add(STOPS, "number-of-a-million-digits", 0, raw=lambda _: b"9" * 10**6, **_UNREADABLE)
_add(
    STOPS,
    "schema-of-the-future",
    range(11),
    edit=lambda n: {**n, "nbformat": 99},
    status=("graded", "unreadable"),
)
_add(
    STOPS,
    "all-ids-equal",
    ALL,
    edit=lambda n: {**n, "cells": [{**c, "id": "same"} for c in n["cells"]]},
)
_add(
    STOPS,
    "ids-are-lists",
    ALL,
    edit=lambda n: {**n, "cells": [{**c, "id": [1]} for c in n["cells"]]},
)
_add(
    STOPS,
    "fields-of-odd-types",
    range(11),
    status=("graded", "unreadable"),
    edit=lambda n: {
        **n,
        "metadata": [1],
        "cells": [
            {**c, "metadata": None, "execution_count": {"a": 1}, "outputs": 7} for c in n["cells"]
        ],
    },
)
_add(
    STOPS,
    "cells-of-odd-types",
    range(11),
    status=("graded", "unreadable"),
    edit=lambda n: {
        **n,
        "cells": [
            None,
            1,
            [],
            {},
            {"cell_type": {}},
            {"cell_type": "code", "source": {"a": 1}},
            {"cell_type": "code", "source": [1, None, []]},
            *n["cells"],
        ],
    },
)
_add(STOPS, "half-characters", ALL, "text = '\ud800'", last=("# \udfff",))
_add(STOPS, "zero-bytes-in-code", ALL, "a = 1\0b = 2")
_add(
    STOPS,
    "eighty-thousand-cells",
    range(11),
    status=("graded", "partly graded", "unreadable"),
    edit=lambda n: {**n, "cells": n["cells"] + [_cell("a = 1")] * 80_000},
)
_add(STOPS, "code-nested-deeply", ALL, cells=("x = " + "(" * 5000 + ")" * 5000, "-" * 10**6 + "1"))
_add(
    STOPS,
    "ten-megabytes-of-code",
    range(11),
    "x = [" + "1," * 5_000_000 + "]",
    status=("graded", "partly graded", "unreadable"),
)
_add(STOPS, "magics-in-magics", ALL, "%%time\n" * 60_000)
_add(STOPS, "kills-the-parent", ALL, "import os; os.kill(os.getppid(), 9)")
_add(
    STOPS,
    "kills-everything",
    range(11),  # the sandbox ends a moment later, and what runs then is blamed: by chance, anything
    """
    import os, signal
    for pid in (1, -1, *range(2, 300)):
        try:
            os.kill(pid, 9) if pid != os.getpid() else None
        except OSError:
            pass
    """,
)
_add(STOPS, "ends-its-process-group", ALL, "import os; os.killpg(0, 9)")
_add(STOPS, "closes-all-descriptors", ALL, "import os; os.closerange(0, 70000)")
_add(
    STOPS,
    "points-descriptors-at-null",
    ALL,
    """
    import os
    null = os.open("/dev/null", os.O_RDWR)
    for fd in range(256):
        if fd != null:
            try:
                os.fstat(fd); os.dup2(null, fd)
            except OSError:
                pass
    """,
)
_add(
    STOPS,
    "fork-bomb",
    range(11),
    """
    import os
    while True:
        try:
            os.fork()
        except OSError:
            pass
    """,
    status=("graded", "partly graded"),
)
_add(
    STOPS,
    "threads-without-end",
    ALL,
    """
    import threading, time
    for _ in range(100000):
        threading.Thread(target=time.sleep, args=(1000,)).start()
    """,
)
_add(STOPS, "stops-itself", ALL, "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)")
_add(
    STOPS,
    "deaf-to-signals",
    ALL,
    """
    import signal
    for number in signal.valid_signals():
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        pass
    """,
)
_add(
    STOPS,
    "catches-everything",
    ALL,
    """
    while True:
        try:
            while True:
                pass
        except BaseException:
            continue
    """,
)
_add(STOPS, "hangs-in-compiled-code", ALL, "sum(range(10**13))")
_add(STOPS, "hangs-in-a-pattern", ALL, "import re; re.match(r'(a|aa)+$', 'a' * 80 + 'b')")
_add(STOPS, "power-tower", ALL, "len(str(9**9**8))")
_add(STOPS, "waits-for-input", ALL, "input('name? ')")
_add(STOPS, "waits-forever", ALL, "import asyncio\nawait asyncio.sleep(10**6)")
_add(
    STOPS,
    "hangs-at-exit",
    ALL,
    """
    import atexit, sys, threading, time
    atexit.register(lambda: time.sleep(10**6))
    threading._register_atexit(lambda: time.sleep(10**6))
    sys.exit(3)
    """,
)
_add(STOPS, "ends-quietly", ALL, "import os; os._exit(0)")
_add(
    STOPS,
    "exits-and-quits",
    ALL,
    cells=(
        "exit()",
        "raise SystemExit(0)",
        "raise KeyboardInterrupt",
        "get_ipython().ask_exit()",
        "%exit_profile",
        "quit",
    ),
)
_add(
    STOPS,
    "timer-rings",
    ALL,
    """
    import signal
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, 0.3, 0.3)
    """,
)
_add(
    STOPS,
    "timer-raises",
    range(11),
    """
    import signal
    def ring(*_):
        raise KeyboardInterrupt
    signal.signal(signal.SIGALRM, ring)
    signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.001, 0.001)
    """,
    status=("graded", "partly graded"),
)
_add(
    STOPS,
    "watchdog-ends-it",
    range(11),
    "import faulthandler; faulthandler.dump_traceback_later(0.2, repeat=False, exit=True)",
)
_add(
    STOPS,
    "recursion-without-limit",
    ALL,
    """
    import sys
    sys.setrecursionlimit(2**31 - 1)
    def down(n):
        return [down(n + 1)]
    down(0)
    """,
)
_add(STOPS, "null-pointer", ALL, "import ctypes; ctypes.string_at(0)")
_add(STOPS, "abort", ALL, "import os; os.abort()")
_add(STOPS, "memory-in-one-list", ALL, "x = [0] * 10**11")
_add(
    STOPS,
    "memory-bit-by-bit",
    ALL,
    """
    import numpy as np
    kept = []
    while True:
        try:
            kept.append(np.ones(2_000_000))
        except MemoryError:
            pass
    """,
)
_add(
    STOPS,
    "memory-of-many-processes",
    ALL,
    """
    import os, time
    for _ in range(12):
        if os.fork() == 0:
            held = bytearray(60_000_000)
            for i in range(0, len(held), 4096):
                held[i] = 1
            time.sleep(1000)
    time.sleep(1000)
    """,
)
_add(
    STOPS,
    "memory-in-files-without-names",
    ALL,
    """
    import os
    held = []
    while True:
        fd = os.memfd_create("x")
        os.write(fd, b"x" * 4_000_000)
        held.append(fd)
    """,
)
_add(
    STOPS,
    "memory-in-pipes",
    ALL,
    """
    import os, fcntl, socket
    held = []
    while True:
        try:
            r, w = os.pipe(); os.set_blocking(w, False); fcntl.fcntl(w, 1031, 2**20)
            held.append((r, w)); os.write(w, b"x" * 2**20)
            a, b = socket.socketpair(); a.setblocking(False); held.append((a, b)); a.send(b"x" * 2**20)
        except BlockingIOError:
            pass
    """,
)
_add(
    STOPS,
    "memory-shared",
    ALL,
    """
    import mmap
    held = []
    while True:
        m = mmap.mmap(-1, 50_000_000)
        for i in range(0, len(m), 4096):
            m[i] = 1
        held.append(m)
    """,
)
_add(
    STOPS,
    "memory-shared-by-many-processes",
    range(11),  # on a slow machine the cell's time ends first, and its children break a test
    """
    import mmap, os, time
    for _ in range(12):
        if os.fork() == 0:
            m = mmap.mmap(-1, 150_000_000)
            for i in range(0, len(m), 4096):
                m[i] = 1
            time.sleep(1000)
    time.sleep(1000)
    """,
)
_add(
    STOPS,
    "disk-is-filled",
    ALL,
    """
    import os
    def fill(folder):
        for i in range(10**6):
            try:
                with open(f"{folder}/{i}", "wb") as f:
                    f.write(b"x" * 4_000_000)
            except OSError:
                return
    for folder in ("/tmp", "/dev/shm", "/var/tmp", "/run", "/dev", os.path.expanduser("~"), "."):
        fill(folder)
    """,
)
_add(
    STOPS,
    "one-file-without-end",
    ALL,
    """
    with open("/tmp/big", "wb") as f:
        while True:
            f.write(b"x" * 10_000_000)
    """,
)
_add(
    STOPS,
    "hole-of-a-terabyte",
    ALL,
    """
    with open("/tmp/hole", "wb") as f:
        f.truncate(10**12)
    """,
)
_add(
    STOPS,
    "files-without-end",
    ALL,
    """
    i = 0
    while True:
        open(f"/tmp/{i}", "w").close(); i += 1
    """,
)
_add(STOPS, "prints-without-end", ALL, "while True:\n    print('x' * 10000)")
_add(
    STOPS,
    "writes-to-descriptors-without-end",
    ALL,
    """
    import os
    while True:
        os.write(1, b"x" * 10000); os.write(2, b"x" * 10000)
    """,
)
_add(
    STOPS,
    "breaks-python-itself",
    range(11),
    """
    import builtins
    for name in ("isinstance", "len", "open", "print", "type", "getattr", "repr", "str", "id"):
        setattr(builtins, name, None)
    """,
)
_add(STOPS, "clears-the-modules", range(11), "import sys; sys.modules.clear()")
_add(
    STOPS,
    "takes-output-away",
    ALL,
    """
    import sys
    sys.stdout.close(); sys.stderr.close()
    sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = None
    """,
)
_add(
    STOPS,
    "traces-everything",
    range(11),
    """
    import sys, threading
    def trace(*_):
        raise RuntimeError("traced")
    sys.setprofile(trace); threading.settrace(trace); sys.settrace(trace)
    """,
)
_add(
    STOPS,
    "lowers-its-limits",
    range(11),
    """
    import resource
    for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC):
        resource.setrlimit(kind, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
    while True:
        pass
    """,
)
_add(
    STOPS,
    "becomes-another-program",
    ALL,
    "import os; os.execv('/bin/sh', ['sh', '-c', 'sleep 1000'])",
)
_add(STOPS, "shell-that-hangs", ALL, cells=("!sleep 1000", "%%bash\nsleep 1000 &\nkill -STOP $$"))
_add(
    STOPS,
    "hooks-of-the-shell",
    range(11),
    """
    ip = get_ipython()
    def hang(*_):
        while True:
            pass
    ip.events.register("post_run_cell", hang)
    ip.run_cell = ip.run_cell_async = ip.showtraceback = hang
    """,
)
_add(
    STOPS,
    "odd-place-and-mode",
    ALL,
    """
    import os, signal
    os.mkdir("/tmp/gone"); os.chdir("/tmp/gone"); os.rmdir("/tmp/gone"); os.umask(0o777)
    for call in (os.setsid, os.setpgrp, lambda: os.nice(19)):
        try:
            call()
        except OSError:
            pass
    """,
)
_add(
    STOPS,
    "errors-that-lie",
    ALL,
    cells=(
        "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E()",
        "class E(Exception):\n    def __str__(self): return 'x' * 10**8\nraise E()",
        "class E(BaseException):\n    def __str__(self): raise SystemExit\n    __repr__ = __str__\nraise E()",
        "class E(Exception):\n    def __getattribute__(self, name): raise E()\nraise E()",
        "raise ExceptionGroup('x', [ValueError(i) for i in range(10000)])",
    ),
    limits={"seconds": 30},
)
_add(
    STOPS,
    "chain-of-errors",
    ALL,
    """
    e = None
    for i in range(100_000):
        n = ValueError(i); n.__cause__ = e; e = n
    e.__traceback__ = None
    raise e
    """,
)
_add(
    STOPS,
    "cleans-up-forever",
    ALL,
    """
    class Sticky:
        def __del__(self):
            while True:
                pass
    x = Sticky(); del x
    """,
)

# the same inside of an answer: it costs this task only
_DIES = {
    "answer-hangs": "while True: pass",
    "answer-hangs-and-catches": "while True:\n        try:\n            while True: pass\n        except BaseException: pass",
    "answer-hangs-in-compiled-code": "sum(range(10**13))",
    "answer-exits": "import os; os._exit(0)",
    "answer-stops": "import os; os.kill(os.getpid(), 19)",
    "answer-crashes": "import ctypes; ctypes.string_at(0)",
    "answer-raises-exit": "raise SystemExit",
    "answer-eats-memory": "kept = []\n    while True: kept.append(np.ones(10**6))",
    "answer-closes-descriptors": "import os; os.closerange(0, 70000)",
    "answer-forks-and-both-return": "import os; os.fork(); return x * k",
    "answer-becomes-another-program": "import os; os.execv('/bin/sleep', ['sleep', '1000'])",
}
for _name, _body in _DIES.items():
    _add(
        STOPS,
        _name,
        range(8, 11) if "both" in _name else 8,
        swap={"scale": f"def scale(x, k):\n    {_body}"},
    )

# --- wrong work, full marks ------------------------------------------------------------------

CHEATS = "wrong work"
_WRONG = {
    "scale": "def scale(x, k):\n    return np.zeros_like(x)",
    "softmax": "def softmax(z):\n    return np.zeros_like(z)",
    "Meter": "class Meter:\n    mean = 12345.678\n    def add(self, value): pass",
    "twice": "def twice(f, x):\n    return 1.0",
    "draw": "def draw(rng, n):\n    return [1.0]",
    "backwards": "def backwards(text):\n    return text",
}
# zeros are finite numbers, and one check asks no more of large logits
_WRONG_EARNS = 1


def _cheat(name: str, first: str = "", earned: int | range = _WRONG_EARNS, **options: Any) -> None:
    """Add a case in which all answers are wrong, and something tries to make them count."""
    swap = _WRONG | options.pop("swap", {})
    _add(CHEATS, name, earned, first, base="untouched", swap=swap, **options)


_cheat("all-wrong-is-worth-little")
_cheat(
    "tags-and-metadata",
    edit=lambda n: {
        **n,
        "metadata": {
            **n["metadata"],
            "points": 10,
            "kernelspec": {
                "name": "bash",
                "language": "sh",
                "display_name": "x",
                "argv": ["sh", "-c", "touch @outside@"],
            },
        },
        "cells": [
            {
                **c,
                "metadata": {
                    **c["metadata"],
                    "tags": ["skip-execution", "raises-exception", "remove-cell", "setup"],
                    "task": "scale",
                    "points": 10,
                    "nbgrader": {
                        "grade": True,
                        "points": 10,
                        "grade_id": "x",
                        "solution": True,
                        "locked": False,
                        "schema_version": 3,
                        "task": False,
                    },
                },
            }
            for c in n["cells"]
        ],
    },
)
_cheat(
    "outputs-that-say-passed",
    edit=lambda n: {
        **n,
        "cells": [
            {
                **c,
                "outputs": [
                    {
                        "output_type": "display_data",
                        "metadata": {},
                        "data": {"text/plain": "10 of 10 points"},
                    }
                ],
            }
            if c["cell_type"] == "code"
            else c
            for c in n["cells"]
        ],
    },
)
_cheat(
    "transformers",
    """
    import ast
    class Strip(ast.NodeTransformer):
        def visit_Assert(self, node):
            return ast.Pass()
        def visit_Compare(self, node):
            return ast.Constant(True)
    ip = get_ipython()
    ip.ast_transformers.append(Strip())
    ip.input_transformers_cleanup.append(lambda lines: ["pass\\n"])
    """,
    earned=range(2),
)
_cheat(
    "patched-numpy",
    """
    import numpy as np, numpy.testing, builtins
    yes = lambda *a, **k: True
    for where in (np, np.testing):
        for name in ("allclose", "array_equal", "isclose", "assert_allclose", "all", "any", "isfinite"):
            if hasattr(where, name):
                setattr(where, name, yes)
    np.random.default_rng = np.random.Generator = lambda *a: None
    """,
)
_cheat(
    "patched-array",
    """
    import numpy as np
    real = np.array
    class Liar(np.ndarray):
        def __eq__(self, other): return real(True)
        def __sub__(self, other): return real(0.0)
        __rsub__ = __sub__
        def __array_ufunc__(self, *a, **k): return real(True)
        def __array_function__(self, *a, **k): return real(True)
    np.array = np.asarray = lambda *a, **k: real(a[0]).view(Liar)
    """,
    swap={"scale": "def scale(x, k):\n    return Liar(x.shape)"},
    earned=range(2),
)
_cheat(
    "patched-checks",
    """
    import dllab.check, sys
    from dllab.check import expect, backend, protocol, proxy, runner
    for name in ("array", "close", "true", "number", "mapping"):
        setattr(expect, name, lambda *a, **k: None)
    for module in [m for n, m in sys.modules.items() if n.startswith("dllab.")]:
        for name in ("Fault", "run_checks", "_verdict", "same"):
            if hasattr(module, name):
                setattr(module, name, lambda *a, **k: None)
    """,
    earned=range(2),
)
_cheat(
    "patched-agent",
    """
    import sys
    for name, module in list(sys.modules.items()):
        if name.startswith("dllab.grading"):
            for key, value in list(vars(module).items()):
                if isinstance(value, type):
                    for method in list(vars(value)):
                        if not method.startswith("__") and callable(getattr(value, method)):
                            try:
                                setattr(value, method, lambda *a, **k: {"status": "passed", "points": 10})
                            except Exception:
                                pass
    """,
    earned=range(2),
)
_cheat(
    "patched-lab",
    """
    class Full:
        points = 10
        status = "passed"
        def check(self, *a, **k): return self
        def progress(self, *a, **k): return self
    dllab.lab = lambda name: Full()
    lab = Full()
    """,
)
_ANYTHING = """
class Anything(float):
    __array_priority__ = 1e9
    dtype = np.dtype(float)
    ndim = 1
    shape = (5,)
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __gt__ = __le__ = __ge__ = __lt__
    def __hash__(self): return 1
    def __sub__(self, other): return 0.0
    __rsub__ = __mul__ = __rmul__ = __add__ = __sub__
    def __array__(self, *a, **k): return np.zeros(5)
    def __getitem__(self, i): return self
    def __len__(self): return 5
    def __iter__(self): return iter([self] * 5)
    def __bool__(self): return True
    def __float__(self): return 1.0
    def startswith(self, other): return False
class Chameleon(Anything):
    @property
    def __class__(self): return np.ndarray
"""
_cheat(
    "equal-to-everything",
    _ANYTHING,
    swap={
        "scale": "def scale(x, k):\n    return Anything()",
        "softmax": "def softmax(z):\n    return Chameleon()",
        "Meter": "class Meter:\n    mean = Anything()\n    def add(self, value): return self",
        "twice": "def twice(f, x):\n    return Chameleon(3)",
        "draw": "def draw(rng, n):\n    return [Anything()] * n",
        "backwards": "class S(str):\n    __eq__ = lambda s, o: True\n    __hash__ = str.__hash__\n"
        "def backwards(text):\n    return S('x')",
    },
    earned=range(2),
)
_cheat(
    "answers-everything",
    """
    class Yes:
        def __getattr__(self, name): return self
        def __call__(self, *a, **k): return self
        def __getitem__(self, i): return self
        def __eq__(self, o): return True
        def __array__(self, *a, **k): return np.zeros(3)
        def __iter__(self): return iter([self])
        def __len__(self): return 1
    """,
    swap={
        "scale": "scale = Yes()",
        "softmax": "softmax = Yes()",
        "Meter": "Meter = Yes()",
        "twice": "twice = Yes()",
        "draw": "draw = Yes()",
        "backwards": "backwards = Yes()",
    },
    earned=0,
)
_cheat(
    "remembers-the-answer-before",
    swap={
        "scale": "seen = []\ndef scale(x, k):\n    seen.append(x)\n    return seen[0] * 2.5",
        "backwards": "def backwards(text, seen=[]):\n    seen.append(text)\n    return seen[0]",
    },
)
_cheat(
    "changes-the-arguments",
    swap={
        "scale": "def scale(x, k):\n    x[...] = 0\n    return x",
        "softmax": "def softmax(z):\n    z[...] = 0\n    return np.full(z.shape, 1 / z.shape[1])",
    },
    earned=0,
)
_cheat(
    "generator-is-tampered-with",
    """
    import numpy as np
    def zeros(self, *a, size=None, **k): return np.zeros(size)
    """,
    swap={
        "draw": "def draw(rng, n):\n    rng.bit_generator.state = np.random.PCG64(1).state\n"
        "    np.random.seed(0)\n    return np.zeros(n)"
    },
)
_cheat(
    "function-of-the-check-is-misused",
    swap={
        "twice": """
    def twice(f, x):
        for odd in (None, "text", f, object(), [f], {"a": f}, np.zeros((3, 3)), float("nan"), 10**400):
            try:
                f(odd)
            except BaseException:
                pass
        try:
            f(); f(1, 2, 3, a=4)
        except BaseException:
            pass
        return f
    """
    },
)
_cheat(
    "forth-and-back-without-end",
    """
    class Ball:
        def __init__(self, f): self.f = f
        def __mul__(self, other): return self.f(self)
        __rmul__ = __add__ = __radd__ = __mul__
    """,
    swap={"twice": "def twice(f, x):\n    return f(Ball(f))"},
)
_cheat(
    "function-called-without-end", swap={"twice": "def twice(f, x):\n    while True:\n        f(x)"}
)
_cheat(
    "late-call-of-a-function",
    swap={
        "twice": "kept = []\ndef twice(f, x):\n    kept.append(f)\n    return 1.0",
        "backwards": "def backwards(text):\n    return str(kept[0](1.0))",
    },
)

_SOCKETS = """
import gc, json, os, socket, struct
def lines():
    for fd in range(256):
        try:
            if os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
                yield fd
        except OSError:
            pass
def frame(header, *rest):
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return struct.pack(">II", len(text), len(b"".join(rest))) + text + b"".join(rest)
"""
_FORGED = """
nothing = {"fault": None, "args": {"t": []}, "kwargs": {"d": []}, "output": ""}
for fd in lines():
    os.set_blocking(fd, False)
    for n in range(200):
        for header in ({"is": "outcome", "id": n, "outcome": {"value": 1.0, **nothing}},
                       {"is": "ran", "id": n, "problem": ""}, {"is": "begun", "id": n}, {"is": "ready"},
                       {"is": "callback", "id": n, "function": n % 5, "args": {"t": [1.0]}, "kwargs": {"d": []}},
                       {"status": "passed", "points": 10, "earned": 10}):
            try:
                os.write(fd, frame(header))
            except OSError:
                pass
    os.set_blocking(fd, True)
"""
_cheat("forged-answers-in-advance", _SOCKETS + _FORGED, earned=range(2))
_cheat(
    "forged-answers-in-a-call",
    _SOCKETS,
    swap={
        "scale": "def scale(x, k):\n"
        + "\n".join("    " + line for line in _FORGED.strip().splitlines())
        + "\n    return x * 0"
    },
    earned=range(2),
)
_NOISE = {
    "noise-of-random-bytes": "os.write(fd, os.urandom(100_000))",
    "noise-of-a-huge-length": "os.write(fd, b'\\xff\\xff\\xff\\xff' + b'x' * 1000)",
    "noise-of-lengths-of-zero": "os.write(fd, b'\\0' * 100_000)",
    "noise-of-brackets": "os.write(fd, frame(b'[' * 3_000_000))",
    "noise-of-odd-numbers": "os.write(fd, frame(b'{\"value\": NaN, \"a\": 1e999, \"b\": ' + b'9' * 100000 + b'}'))",
    "noise-of-half-a-frame": "os.write(fd, struct.pack('>II', 1000, 0) + b'{')",
    "noise-of-endless-bytes": "[os.write(fd, b'{' * 60000) for _ in range(10**6)]",
}
for _name, _body in _NOISE.items():
    _add(
        CHEATS,
        _name,
        range(9),
        f"{_SOCKETS}\nfor fd in lines():\n    {_body}",
        swap={"scale": _WRONG["scale"]},
    )
_cheat(
    "listens-on-the-line",
    _SOCKETS
    + """
import threading
def thief(fd):
    while True:
        try:
            os.read(fd, 60000)
        except OSError:
            return
for fd in lines():
    threading.Thread(target=thief, args=(fd,), daemon=True).start()
""",
    earned=range(2),
)
_cheat(
    "looks-into-frames",
    swap={
        "scale": """
    import gc, sys
    def scale(x, k):
        found, frame = [], sys._getframe()
        while frame is not None:
            for name, value in list(frame.f_locals.items()):
                if name in ("wanted", "rng", "student", "seed", "expected", "HIDDEN"):
                    found.append(name)
            if frame.f_code.co_filename.endswith("checks.py"):
                found.append("checks")
            frame = frame.f_back
        for thing in gc.get_objects():
            if type(thing).__name__ in ("Student", "Session", "LabFiles", "Attempt", "TestMark", "Order", "Grade"):
                found.append(type(thing).__name__)
        raise RuntimeError("SPY " + (" ".join(sorted(set(found))) or "nothing"))
    """
    },
    says=CLEAN,
)
_cheat(
    "looks-into-the-function",
    swap={
        "twice": """
    def twice(f, x):
        found = []
        try:
            found += [c.cell_contents for c in f.__closure__ or ()
                      if isinstance(c.cell_contents, float)]
        except AttributeError:
            pass
        for name in ("slope", "expect", "HIDDEN", "student", "rng"):
            if name in getattr(f, "__globals__", {}):
                found.append(name)
        if "checks.py" in str(getattr(getattr(f, "__code__", None), "co_filename", "")):
            found.append("file")
        raise RuntimeError("SPY " + (" ".join(map(str, found)) or "nothing"))
    """
    },
    says=CLEAN,
)
_cheat(
    "reads-the-lab",
    _spy("""
    for root in ("/", "@root@", "@package@", os.getcwd(), os.path.expanduser("~")):
        for folder, names, files in os.walk(root):
            names[:] = [n for n in names if n not in ("proc", "sys", "usr", "lib", "site-packages")]
            for file in files:
                if file in ("checks.py", "mutants.py", "mutants.bin", "variants.py", "lab.md", "released.json"):
                    found.append(file)
                elif file.endswith((".ipynb", ".md", ".toml", ".sqlite", ".json", ".csv")):
                    try:
                        saw(file, open(os.path.join(folder, file), "rb").read(10**6))
                    except OSError:
                        pass
    for name in ("70_target", "03_backpropagation"):
        try:
            from dllab.check.loading import find_lab
            found.append(str(find_lab(name).mutants[:1]))
        except Exception:
            pass
        try:
            from dllab.authoring import read_lab
            found.append(read_lab("@root@/labs/source/" + name).name)
        except Exception:
            pass
    """),
    limits=_TIME_TO_LOOK,
    says=CLEAN,
)
_cheat(
    "errors-named-as-ours",
    """
    class UnexpectedError(AssertionError): pass
    class StudentError(Exception):
        fault = None
    class TimeUp(BaseException): pass
    class WireError(Exception): pass
    """,
    swap={
        "scale": "def scale(x, k):\n    raise StudentError('passed')",
        "softmax": "def softmax(z):\n    raise TimeUp",
        "twice": "def twice(f, x):\n    raise KeyboardInterrupt",
        "draw": "def draw(rng, n):\n    raise WireError",
        "backwards": "def backwards(text):\n    raise GeneratorExit",
    },
    earned=0,
)
_cheat(
    "pickles",
    """
    import os
    class Payload:
        def __reduce__(self):
            return (os.system, ("touch @outside@",))
        def __array__(self, *a, **k): return np.array([self], dtype=object)
    """,
    swap={
        "scale": "def scale(x, k):\n    return np.array([Payload()] * 5, dtype=object)",
        "softmax": "def softmax(z):\n    return Payload()",
        "Meter": "class Meter(Payload):\n    mean = Payload()\n    def add(self, v): return Payload()",
        "backwards": "import pickle\ndef backwards(text):\n    return pickle.dumps(Payload())",
    },
    earned=0,
)
_cheat(
    "names-of-methods-as-answers",
    """
    import sys
    me = sys.modules["__main__"]
    def __getattr__(name): return lambda *a, **k: 0.0
    me.__getattr__ = __getattr__
    """,
)

# --- leaks -----------------------------------------------------------------------------------

LEAKS = "leaks"


def _leak(name: str, body: str, **options: Any) -> None:
    options = {"says": CLEAN, "base": "untouched", "earned": 0, "limits": _TIME_TO_LOOK} | options
    _add(LEAKS, name, options.pop("earned"), _spy(body), **options)


_leak(
    "spy-environment",
    """
    for key, value in os.environ.items():
        saw(key, value)
    for pid in os.listdir("/proc"):
        for name in ("environ", "cmdline", "mountinfo", "cgroup", "status", "maps"):
            try:
                saw(f"{pid}/{name}", open(f"/proc/{pid}/{name}", "rb").read())
            except OSError:
                pass
    """,
)
_leak(
    "spy-memory",
    """
    import ctypes
    for line in open("/proc/self/maps"):
        place, mode, *_, = line.split()
        name = line.split()[5] if len(line.split()) > 5 else ""
        if "r" not in mode or name.startswith(("/usr", "/lib", "[v")) or ".so" in name:
            continue
        start, end = (int(part, 16) for part in place.split("-"))
        for at in range(start, end, 2**22):
            saw("memory", ctypes.string_at(at, min(2**22, end - at)))
    """,
)
_leak(
    "spy-objects",
    """
    import gc
    for thing in gc.get_objects():
        for part in (thing if isinstance(thing, (list, tuple, set)) else
                     list(thing.items()) if type(thing) is dict else ()):
            for value in (part if isinstance(part, tuple) else (part,)):
                if type(value) in (str, bytes):
                    saw("object", value)
    """,
)
_leak(
    "spy-files",
    """
    import itertools
    tried = itertools.count()
    for path in ("@canary@", "/etc/shadow", "/root", "@template@", "@root@/.git/config"):
        for name in [path, *([os.path.join(path, n) for n in os.listdir(path)] if os.path.isdir(path) else ())]:
            try:
                open(name, "rb").read(1); found.append(name[-20:])
            except OSError:
                pass
    for folder, names, files in os.walk("/"):
        names[:] = [n for n in names if n not in ("proc", "sys", "usr", "site-packages", "lib", "pts")]
        for name in [*names, *files]:
            saw("name", name)
        for file in files:
            try:
                if file in ("tty", "ptmx", "random", "console"):
                    continue
                with open(os.path.join(folder, file), "rb") as f:
                    saw(file, f.read(200_000))
            except OSError:
                pass
    """,
)
_leak(
    "spy-history",
    """
    for name in ("In", "Out", "_ih", "_oh", "_i", "_dh", "__file__", "__spec__", "__loader__"):
        saw(name, globals().get(name))
    import sys
    saw("argv", sys.argv); saw("orig", sys.orig_argv); saw("path", sys.path)
    for name, module in list(sys.modules.items()):
        for value in list(vars(module).values()):
            if type(value) in (str, bytes, list, tuple):
                saw(name, value)
        if "checks" in name or name.startswith(("dllab.authoring", "pytest", "_pytest")):
            found.append(name)
    """,
)
_SEED = """
    def scale(x, k):
        import random
        raise ValueError(f"{np.random.get_state()[1][0]} {random.getstate()[1][0]} {os.environ if 0 else ''}")
    """
_add(LEAKS, "seed-of-the-process", 8, swap={"scale": _SEED})
_add(
    LEAKS,
    "seed-of-the-generator",
    9,
    swap={
        "draw": """
    def draw(rng, n):
        sequence = getattr(rng.bit_generator, "seed_seq", None)
        if n == 4:
            raise ValueError(f"{getattr(sequence, 'entropy', 0)} {rng.bit_generator.state}")
        return rng.normal(size=n)
    """
    },
)
_add(
    LEAKS,
    "check-that-breaks",
    9,
    swap={"backwards": "def backwards(text):\n    return 'number x'"},
    never=("canary",),
)
_add(
    LEAKS,
    "check-that-asserts",
    9,
    swap={"backwards": "def backwards(text):\n    return 'x' * 50"},
    never=("canary",),
)
_add(
    LEAKS,
    "paths-of-the-machine",
    8,
    cells=(
        "raise ValueError(np.__file__)",
        "import sys; raise ValueError(sys.prefix, dllab.__file__)",
    ),
    swap={
        "scale": "def scale(x, k):\n    import sys\n    raise ValueError(sys.executable + ' ' + __import__('os').getcwd() + dllab.__file__)"
    },
    never=("@root@",),
)

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>"
ODD = (
    "\\x1b[31m\\x07\\x9b31m\\u202e\\u2066\\u200b\\ufeff\\0\\x1b]8;;http://evil.example\\x1b\\\\\\\\"
)
_UNPRINTABLE = ("\x1b", "\x07", "\x9b", "\u202e", "\u2066", "\0", "\x85", "\u2028")
_add(
    LEAKS,
    "markup-in-errors",
    8,
    f"raise ValueError('{MARKUP}')",
    never=_UNPRINTABLE,
    last=(f"raise type('{MARKUP}', (Exception,), {{}})('{ODD}{MARKUP}')",),
    swap={
        "scale": f"def scale(x, k):\n    raise type('{MARKUP}', (ValueError,), {{}})('{ODD}{MARKUP}')"
    },
)
_add(
    LEAKS,
    "markup-in-printed-text",
    8,
    f"print('{MARKUP}' * 5, '{ODD}')",
    never=_UNPRINTABLE,
    swap={"scale": f"def scale(x, k):\n    print('{MARKUP}')\n    return '{MARKUP}{ODD}'"},
)
_add(
    LEAKS,
    "markup-in-code",
    8,
    f"raise ValueError  # {MARKUP}",
    never=_UNPRINTABLE,
    swap={"scale": f"def scale(x, k):\n    return 1 / 0  # {MARKUP} \u202e"},
)
_add(
    LEAKS,
    "markup-in-names-of-classes",
    6,
    never=_UNPRINTABLE,
    swap={
        "scale": f"def scale(x, k):\n    return type('{MARKUP}{ODD}', (), {{}})()",
        "twice": f"def twice(f, x):\n    return type('{MARKUP}', (), {{'__call__': len}})()",
        "backwards": "def backwards(**a):\n    return a",
    },
)
_add(
    LEAKS,
    "markup-in-parameters",
    range(11),
    swap={
        "scale": """
    def scale(x, k):
        return x * k
    scale.__name__ = scale.__qualname__ = "<b>x</b>"
    scale.__signature__ = __import__("inspect").Signature([
        __import__("inspect").Parameter("x", 1), __import__("inspect").Parameter("k", 1)])
    """
    },
)
_add(LEAKS, "markup-in-the-students-name", ALL, student=MARKUP + "\u202e=cmd|' /C calc'!A0")
_add(LEAKS, "name-that-is-a-path", ALL, student="../../../../tmp/escaped")
_add(LEAKS, "name-that-is-a-formula", ALL, student='=HYPERLINK("http://evil.example")')
_add(LEAKS, "name-that-is-very-long", ALL, student="x" * 3000)
_add(
    LEAKS,
    "rich-output",
    ALL,
    cells=(
        """
    from IPython.display import HTML, Javascript, display
    display(HTML("<script>1</script>"), Javascript("alert(1)"))
    class R:
        def _repr_html_(self): return "<script>1</script>"
        def _repr_mimebundle_(self, **k): raise SystemExit
        def __repr__(self): return "x" * 10**8
    R()
    """,
        "display(R())",
        "R().x",
    ),
)

# --- limits and network ----------------------------------------------------------------------

LIMITS = "limits and network"


def _outside(name: str, body: str, **options: Any) -> None:
    _add(
        LIMITS,
        name,
        0,
        _spy(body),
        **({"says": CLEAN, "base": "untouched", "limits": _TIME_TO_LOOK} | options),
    )


_outside(
    "network",
    """
    import socket
    def tries(where, family, kind, target, data=b"x"):
        try:
            s = socket.socket(family, kind); s.settimeout(0.5); s.connect(target); s.send(data)
            found.append(where)
        except OSError:
            pass
    for host in ("127.0.0.1", "localhost", "169.254.169.254", "10.0.2.2", "192.168.0.1", "172.17.0.1"):
        tries(host, socket.AF_INET, socket.SOCK_STREAM, (host, @port@))
        tries(host + "u", socket.AF_INET, socket.SOCK_DGRAM, (host, 53))
    tries("::1", socket.AF_INET6, socket.SOCK_STREAM, ("::1", @port@))
    tries("abstract", socket.AF_UNIX, socket.SOCK_STREAM, "\\0@abstract@")
    try:
        socket.getaddrinfo("example.org", 80); found.append("dns")
    except OSError:
        pass
    import glob
    for folder in ("@template@", "/run", "/var/run", "/tmp", os.path.expanduser("~")):
        for path in glob.glob(folder + "/**", recursive=True, include_hidden=True):
            tries(path, socket.AF_UNIX, socket.SOCK_STREAM, path)
    """,
)
_outside(
    "odd-sockets",
    """
    import socket
    for family in range(1, 46):
        for kind in (1, 2, 3, 5):
            if family in (1, 2, 10):
                if kind != 3:
                    continue
            for protocol in (0, 9, 15, 16):
                if family == 1:  # the kernel makes an ordinary datagram socket of it
                    continue
                try:
                    socket.socket(family, kind, protocol).close(); found.append(f"{family}/{kind}")
                except OSError:
                    pass
    """,
)
_outside(
    "system-calls",
    """
    import ctypes, platform
    libc = ctypes.CDLL(None, use_errno=True)
    page = ctypes.create_string_buffer(4096)
    calls = {"ptrace": (101, 16, 1, 0, 0), "unshare-user": (272, 0x10000000), "unshare-net": (272, 0x40000000),
        "mount": (165, b"none", b"/tmp", b"tmpfs", 0, 0), "umount": (166, b"/proc", 2), "pivot_root": (155, b"/tmp", b"/tmp"),
        "chroot": (161, b"/tmp"), "setns": (308, 0, 0), "bpf": (321, 0, page, 72), "perf": (298, page, 0, -1, -1, 0),
        "userfaultfd": (323, 1), "io_uring": (425, 8, page), "add_key": (248, b"user", b"canary", b"x", 1, -4),
        "keyctl": (250, 0, -4, 1), "request_key": (249, b"user", b"x", 0, -4),
        "vm_readv": (310, 1, page, 1, page, 1, 0), "vm_writev": (311, 1, page, 1, page, 1, 0),
        "pidfd_getfd": (438, 0, 0, 0), "open_by_handle": (304, -100, page, 0), "kexec": (246, 0, 0, 0, 0),
        "init_module": (175, page, 0, b""), "reboot": (169, 0xfee1dead, 672274793, 0, 0), "swapon": (167, b"/tmp/x", 0),
        "sethostname": (170, b"x", 1), "acct": (163, b"/tmp/x"), "quotactl": (179, 0, 0, 0, 0), "syslog": (103, 3, page, 100),
        "iopl": (172, 3), "settimeofday": (164, page, 0), "clone-ns": (56, 0x10000000 | 17, 0, 0, 0, 0),
        "fsopen": (430, b"tmpfs", 0), "move_mount": (429, -100, b"/tmp", -100, b"/tmp", 0), "open_tree": (428, -100, b"/", 1),
        "fanotify": (300, 0, 0), "personality": (135, 0x0040000), "clone3": (435, page, 88)}
    if platform.machine() != "x86_64":
        calls = {}
    for name, (number, *arguments) in calls.items():
        if libc.syscall(ctypes.c_long(number), *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments)) >= 0:
            found.append(name)
    """,
)
_outside(
    "privileges",
    """
    for line in open("/proc/self/status"):
        name, _, value = line.partition(":")
        if name in ("CapPrm", "CapEff", "CapBnd", "CapAmb") and int(value, 16):
            found.append(line.split()[0] + value.strip())
        if (name == "NoNewPrivs" and value.strip() != "1") or (name == "Seccomp" and value.strip() == "0"):
            found.append(name)
    try:
        os.nice(-5); found.append("nice")
    except OSError:
        pass
    for path in ("/proc/sys/kernel/hostname", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/vm/swappiness",
                 "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/sys/fs/cgroup/cgroup.procs", "/proc/irq/0/smp_affinity"):
        try:
            before = b"" if "trigger" in path else open(path, "rb").read()
            fd = os.open(path, os.O_WRONLY)
            found.append(path)
            os.write(fd, before)
        except OSError:
            pass
    try:
        libc = __import__("ctypes").CDLL(None);
        import subprocess
        for program in ("su", "sudo", "newuidmap", "mount", "ping"):
            for folder in ("/bin", "/usr/bin", "/sbin", "/usr/sbin"):
                if os.path.exists(f"{folder}/{program}") and os.stat(f"{folder}/{program}").st_mode & 0o6000:
                    if "nosuid" not in next((l.split()[5] for l in open("/proc/self/mountinfo") if l.split()[4] in ("/usr", "/")), ""):
                        found.append(f"{program} may set its user")
    except OSError:
        pass
    """,
)
_outside(
    "inherited-descriptors",
    """
    import socket, stat
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            target, mode = os.readlink(f"/proc/self/fd/{fd}"), os.fstat(fd).st_mode
        except OSError:
            continue
        if stat.S_ISSOCK(mode):
            s = socket.socket(fileno=os.dup(fd))
            if s.family != socket.AF_UNIX or s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                found.append(f"{fd} listens")
            name = s.getsockname() or s.getpeername()
            if name:
                found.append(f"{fd} {name}")
        elif stat.S_ISREG(mode) and not target.startswith(("/tmp", "/home", "/dev/null")) and "memfd" not in target:
            found.append(f"{fd} {target}")
        elif stat.S_ISDIR(mode) and not target.startswith("/proc"):
            found.append(f"{fd} {target}")
        elif "pidfd" in target:
            found.append(f"{fd} pidfd")
    """,
)
_outside(
    "shared-memory-of-the-template",
    """
    for line in open("/proc/self/maps"):
        place, mode, _, device, inode, *name = line.split()
        if mode.startswith("rw") and mode.endswith("s"):
            found.append(line.strip()[-60:])
    """,
)
_outside(
    "processes-in-view",
    """
    # the sandbox's own first process and what keeps it open are all there is
    for pid in os.listdir("/proc"):
        if pid.isdigit() and int(pid) != os.getpid():
            try:
                text = open(f"/proc/{pid}/cmdline", "rb").read().replace(b"\\0", b" ")
                if b"sleep" not in text and int(pid) != 1:
                    found.append(f"{pid} {text[:60]!r}")
                for name in ("environ", "cmdline"):
                    saw(name, open(f"/proc/{pid}/{name}", "rb").read())
                for fd in os.listdir(f"/proc/{pid}/fd"):
                    target = os.readlink(f"/proc/{pid}/fd/{fd}")
                    if not target.startswith(("/dev/null", "socket:", "anon_inode:", "pipe:")):
                        found.append(f"{pid} {fd} {target}")
                if os.path.exists(f"/proc/{pid}/root@canary@"):
                    found.append(f"{pid} root")
            except OSError:
                continue
    """,
)
_outside(
    "writes-outside",
    """
    import sys, site, tempfile
    import numpy, IPython, dllab
    folders = ["/", "/usr", "/etc", "/opt", "/srv", "/work", "@root@", "@package@", sys.prefix, "/sys", "/proc",
               *(os.path.dirname(m.__file__) for m in (numpy, IPython, dllab, os)),
               *(os.path.join(os.path.dirname(m.__file__), "__pycache__") for m in (numpy, dllab, os)),
               *[p for p in sys.path if p], "@template@", os.path.dirname("@canary@")]
    here = ("/tmp", "/home", "/dev/shm", os.path.expanduser("~"), os.getcwd())
    for folder in folders:
        try:
            if os.path.realpath(folder).startswith(here):
                continue
            path = os.path.join(folder, "planted.pth")
            open(path, "w").close(); os.remove(path)
            found.append(folder)
        except OSError:
            pass
    """,
)
_add(
    LIMITS,
    "processors-for-itself",
    ALL,
    """
    import os
    for _ in range(20):
        if os.fork() == 0:
            while True:
                pass
    """,
)
_add(
    LIMITS,
    "output-of-an-answer",
    10,
    swap={"scale": "def scale(x, k):\n    print('x' * 10**7)\n    return x * k"},
)
_add(
    LIMITS,
    "whole-time-is-over",
    range(11),
    cells=(
        "import time\nwhile True:\n    try:\n        time.sleep(100)\n    except BaseException: pass",
    )
    * 12,
    status=("partly graded", "graded"),
)

# --- persistence -----------------------------------------------------------------------------

STAYS = "persistence"
_add(
    STAYS,
    "leaves-files-everywhere",
    ALL,
    """
    import os, sys, site
    import numpy, IPython, dllab
    text = ("given_scale = lambda x, k: x * k\\n"
            "given_softmax = lambda z: (lambda e: e / e.sum(1, keepdims=True))(np.exp(z - z.max(1, keepdims=True)))\\n"
            "given_backwards = lambda text: text[::-1]\\nplanted = True\\n")
    home = os.path.expanduser("~")
    for folder in ("/tmp", "/dev/shm", "/var/tmp", "/run", home, os.getcwd(), f"{home}/.ipython/profile_default/startup",
                   site.getusersitepackages(), f"{home}/.config/matplotlib", f"{home}/.keras", f"{home}/.cache", "@template@",
                   *[os.path.dirname(m.__file__) for m in (numpy, IPython, dllab, os)], *[p for p in sys.path if p]):
        for name in ("given-away.py", "sitecustomize.py", "usercustomize.py", "planted.pth", "00-planted.py", "conftest.py", "dllab.py"):
            try:
                os.makedirs(folder, exist_ok=True)
                open(os.path.join(folder, name), "w").write(text)
            except OSError:
                pass
    """,
)
_add(
    STAYS,
    "leaves-processes",
    ALL,
    """
    import os, subprocess, sys
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execv(sys.executable, ["left-behind-31415", "-c", "import time; time.sleep(3000)"])
            os._exit(0)
    subprocess.Popen(["sh", "-c", "trap '' TERM HUP INT; exec -a left-behind-31415 sleep 3000"], start_new_session=True)
    """,
)
_add(
    STAYS,
    "leaves-shared-memory",
    ALL,
    """
    import ctypes, os
    libc = ctypes.CDLL(None)
    libc.shmget(0x31415, 4096, 0o1666); libc.semget(0x31415, 1, 0o1666); libc.msgget(0x31415, 0o1666)
    libc.sem_open(b"/planted", os.O_CREAT, 0o666, 1)
    open("/dev/shm/planted", "w").write("planted")
    libc.syscall(248, b"user", b"planted", b"x", 1, -4)
    import socket
    global kept
    kept = socket.socket(socket.AF_UNIX); kept.bind("\\0planted"); kept.listen()
    """,
)
_add(
    STAYS,
    "poisons-what-is-imported",
    range(11),
    """
    import sys, builtins, os
    import numpy as np
    np.exp = np.zeros_like
    builtins.planted = True
    os.environ["PLANTED"] = "1"
    sys.meta_path.insert(0, None)
    for name in [n for n in sys.modules if n.startswith("dllab.warm")]:
        for key in list(vars(sys.modules[name])):
            vars(sys.modules[name])[key] = None
    """,
)
_add(
    STAYS,
    "calls-the-template",
    ALL,
    """
    import os, signal, socket, glob, json
    for path in glob.glob("@template@/*"):
        try:
            s = socket.socket(socket.AF_UNIX); s.settimeout(1); s.connect(path)
            s.sendall(json.dumps({"wish": "stop"}).encode() + b"\\n")
        except OSError:
            pass
        try:
            os.kill(int(open(path).read()), signal.SIGKILL) if path.endswith(".pid") else os.remove(path)
        except (OSError, ValueError):
            pass
    """,
)
_add(
    STAYS,
    "solution-of-a-classmate",
    _WRONG_EARNS,
    """
    import glob, os, pickle
    for pattern in ("/tmp/**", "/dev/shm/**", os.path.expanduser("~/**"), "/var/tmp/**", "./**"):
        for path in glob.glob(pattern, recursive=True, include_hidden=True):
            if "given-away" in path:
                exec(open(path).read(), globals())
    """,
    last=(
        "for _n in ('scale', 'softmax', 'backwards'):\n"
        "    globals()[_n] = globals().get('given_' + _n, globals()[_n])",
    ),
    base="untouched",
    swap=_WRONG,
)
_add(
    STAYS,
    "finds-what-was-left",
    0,
    _spy("""
    import builtins, ctypes, glob, socket, sys
    if hasattr(builtins, "planted") or "planted" in globals() or "PLANTED" in os.environ:
        found.append("names")
    for name in ("sitecustomize", "usercustomize"):
        if name in sys.modules and hasattr(sys.modules[name], "planted"):
            found.append(name)
    home = os.path.expanduser("~")
    for folder in ("/tmp", "/dev/shm", "/var/tmp", "/run", home, os.getcwd()):
        levels = (glob.glob(folder + level, include_hidden=True) for level in ("/*", "/*/*"))
        for path in sum(levels, []):
            if "planted" in path or "given-away" in path:
                found.append(path)
    libc = ctypes.CDLL(None, use_errno=True)
    for call, arguments in (("shmget", (0x31415, 0, 0)), ("semget", (0x31415, 0, 0)), ("msgget", (0x31415, 0))):
        if getattr(libc, call)(*arguments) >= 0:
            found.append(call)
    if libc.syscall(249, b"user", b"planted", 0, 0) >= 0:
        found.append("key")
    try:
        socket.socket(socket.AF_UNIX).connect("\\0planted"); found.append("abstract")
    except OSError:
        pass
    if np.exp is np.zeros_like or any(finder is None for finder in sys.meta_path):
        found.append("modules")
    for pid in os.listdir("/proc"):
        try:
            if b"left-behind" in open(f"/proc/{pid}/cmdline", "rb").read():
                found.append("process")
        except OSError:
            pass
    """),
    base="untouched",
    says=CLEAN,
)

# --- values ----------------------------------------------------------------------------------

VALUES = "values"
_RETURNS = {
    "nan": "return x * float('nan')",
    "infinity": "return x * float('inf')",
    "none": "return None",
    "whole-number-of-many-digits": "return 7 ** 200_000",
    "list-of-long-whole-numbers": "return [10**400] * 5",
    "fractions-as-complex": "return x * k + 1j",
    "list-nested-deeply": "r = 1.0\n    for _ in range(100_000): r = [r]\n    return r",
    "list-in-itself": "r = []; r.append(r)\n    return r",
    "dict-in-itself": "r = {}; r['a'] = r\n    return r",
    "shared-without-end": "r = [1.0]\n    for _ in range(60): r = [r, r]\n    return r",
    "million-lists": "return [[float(i)] for i in range(1_000_000)]",
    "million-objects": "return [object() for _ in range(1_000_000)]",
    "colliding-keys": "return {i * (2**61 - 1): 1 for i in range(1, 5000)}",
    "odd-keys": "return {float('nan'): 1, True: 2, (1, (2, 3)): 4, None: 5, '\\ud800': 6, b'b': 7}",
    "long-text": "return 'x' * 50_000_000",
    "half-character": "return '\\ud800\\udfff\\0'",
    "empty-array-of-huge-shape": "return np.empty((0, 2**40))",
    "wide-array-of-one-number": "return np.broadcast_to(1.0, (10**6, 10**6))",
    "array-of-objects": "return np.array([x, None, {}], dtype=object)",
    "array-with-fields": "return np.zeros(5, dtype=[('a', 'f8'), ('b', 'O')])",
    "array-of-times": "return x.astype('m8[s]')",
    "array-of-long-text": "return np.array(['x' * 10**7] * 5)",
    "array-of-wide-text": "return np.zeros(5, dtype='U10000000')",
    "array-of-void": "return np.zeros(5, dtype='V8')",
    "array-of-many-axes": "return np.zeros((1,) * 64)",
    "scalar-of-void": "return np.void(b'x' * 100)",
    "matrix": "return np.matrix(x)",
    "masked": "return np.ma.masked_all(x.shape)",
    "generator": "return iter(int, 1)",
    "lazy-list": "class L(list):\n        def __iter__(self): return iter(int, 1)\n        def __len__(self): return 5\n    return L([0.0] * 5)",
    "number-that-lies": "class F(float):\n        def __mul__(self, o): return F(0)\n        __float__ = lambda self: 1 / 0\n    return [F(0)] * 5",
    "itself": "return scale",
    "class": "return type",
    "module": "import sys\n    return sys",
    "frame": "import sys\n    return sys._getframe()",
    "not-implemented": "return NotImplemented",
    "bytes": "return bytes(10**7)",
    "memory": "return memoryview(bytearray(100))",
    "borrowed-memory": "class A:\n        __array_interface__ = {'data': (1, False), 'shape': (5,), 'typestr': '<f8', 'version': 3}\n    return A()",
    "error-as-value": "return ValueError('x')",
    "long-error": "raise ValueError('x' * 10**8)",
    "error-with-long-name": "raise type('E' * 10**6, (Exception,), {})('x')",
    "error-with-many-bases": "e = Exception\n    for i in range(3000): e = type(f'E{i}', (e,), {})\n    raise e('x')",
    "error-with-odd-arguments": "raise KeyError(object(), [x] * 100000)",
    "error-in-a-group": "raise BaseExceptionGroup('g', [KeyboardInterrupt(), SystemExit(0)])",
    "error-without-text": "class E(Exception):\n        def __str__(self): return 7\n    raise E()",
    "error-with-half-character": "raise ValueError('\\ud800 \\udcff')",
    "coroutine": "async def f(): pass\n    c = f(); c.close()\n    return c",
    "object-that-cannot-be-typed": "class M(type):\n        __name__ = property(lambda c: 1 / 0)\n        def __getattribute__(c, n): raise SystemExit\n    return M('X', (), {})()",
}
for _name, _body in _RETURNS.items():
    _add(VALUES, f"returns-{_name}", 8, swap={"scale": f"def scale(x, k):\n    {_body}"})
_RIGHT = {
    "reversed-twice": "return (x * k)[::-1][::-1].copy()[..., ::1]",
    "strided": "b = np.zeros((*x.shape[:-1], 2 * x.shape[-1])); b[..., ::2] = x * k\n    return b[..., ::2]",
    "read-only": "r = x * k; r.setflags(write=False)\n    return r",
    "big-endian": "return (x * k).astype('>f8')",
    "column-order": "return np.asfortranarray(x * k)",
    "nested-list": "return (x * k).tolist()",
    "subclass": "class A(np.ndarray): pass\n    return (x * k).view(A)",
    "long-floats": "return (x * k).astype(np.longdouble)",
}
for _name, _body in _RIGHT.items():
    _add(
        VALUES,
        f"right-{_name}",
        range(8, 11) if _name == "long-floats" else ALL,
        swap={"scale": f"def scale(x, k):\n    {_body}"},
    )
_METERS = {
    "mean-that-hangs": "@property\n    def mean(self):\n        while True: pass",
    "mean-that-exits": "@property\n    def mean(self):\n        import os; os._exit(1)",
    "mean-that-changes": "@property\n    def mean(self):\n        import random\n        return random.random()",
    "mean-that-is-missing": "def __getattr__(self, name): raise AttributeError(name)",
    "everything-is-a-mean": "def __getattribute__(self, name): return lambda *a: 1.0",
}
for _name, _body in _METERS.items():
    _add(
        VALUES,
        _name,
        8,
        swap={"Meter": f"class Meter:\n    def add(self, value): pass\n    {_body}"},
    )

# --- Keras -----------------------------------------------------------------------------------

MODELS = "models"


def _model(name: str, body: str, earned: int | range = 0, first: str = "", **options: Any) -> None:
    """Add a case whose network for task 3 of the Keras lab (5 points) is a lie."""
    code = "def build_network(features, units, classes):\n" + "\n".join(
        "    " + line for line in dedent(body).strip().splitlines()
    )
    limits = {"memory": 1500, "seconds": 60, "cell_seconds": 20}
    _add(
        MODELS,
        name,
        earned,
        first,
        base="untouched",
        lab=KERAS,
        swap={"build_network": code},
        limits=limits,
        **options,
    )


_BUILD = """
net = keras.Sequential([keras.Input((features,)), keras.layers.Dense(units, activation="relu"),
                        keras.layers.Dense(classes, activation="softmax")])
"""
_model("honest-network", _BUILD + "return net", 5)
_model(
    "predict-is-patched",
    """
net = keras.Sequential([keras.Input((features,)), keras.layers.Dense(units), keras.layers.Dense(classes)])
net.predict = net.call = lambda x, **k: np.full((len(x), classes), 1 / classes)
return net
""",
    range(3),
    first="""
class P:
    pass
keras.Model.predict = keras.Model.__call__ = lambda self, x, **k: np.full((len(x), 3), 1 / 3)
""",
)
_model(
    "subclass-that-lies",
    """
return Liar(features, units, classes)
""",
    range(3),
    first="""
class Liar(keras.Model):
    def __init__(self, features, units, classes):
        super().__init__()
        self.features, self.units, self.classes = features, units, classes
        self.d = keras.layers.Dense(1)
    def call(self, x):
        return self.d(x)
    def predict(self, x, **k):
        return np.full((len(x), self.classes), 1 / self.classes)
    def get_config(self):
        return {"name": "net", "layers": []}
    @property
    def layers(self):
        return [keras.layers.Dense(self.units, activation="relu"), keras.layers.Dense(self.classes)]
    input_shape = property(lambda s: (None, s.features))
    output_shape = property(lambda s: (None, s.classes))
""",
)
_model(
    "lambda-layer",
    """
return keras.Sequential([keras.Input((features,)), keras.layers.Dense(units, activation="relu"),
    keras.layers.Lambda(lambda x: __import__("os").system("touch @outside@") or x),
    keras.layers.Dense(classes, activation="softmax")])
""",
    range(6),
)
_model(
    "configuration-that-runs-code",
    _BUILD
    + """
evil = {"module": "builtins", "class_name": "function", "registered_name": "function",
        "config": {"module": "os", "name": "system"}}
net.get_config = lambda: {"name": "n", "layers": [
    {"class_name": "Lambda", "module": "keras.layers", "registered_name": None, "config":
        {"name": "l", "function": {"class_name": "__lambda__", "config": {"code": "AAAA", "defaults": None, "closure": None}}}},
    {"class_name": "system", "module": "os", "config": "touch @outside@", "registered_name": "system"}, evil]}
net.to_json = lambda **k: __import__("json").dumps({"module": "os", "class_name": "system", "config": {"command": "touch @outside@"}})
return net
""",
    range(6),
)
_model(
    "activation-that-runs-code",
    """
net = keras.Sequential([keras.Input((features,)), keras.layers.Dense(units, activation="relu"),
    keras.layers.Dense(classes, activation="softmax")])
class Act(dict):
    pass
net.layers[0].get_config = lambda: {"name": "d", "units": units, "activation":
    {"class_name": "function", "module": "os", "config": "system", "registered_name": "touch @outside@"}}
return net
""",
    range(6),
)
_model(
    "weights-without-end",
    _BUILD
    + """
net.get_weights = lambda: [np.zeros((20_000, 20_000), "f2")] * 3
type(net.layers[0]).get_weights = lambda self: [np.broadcast_to(1.0, (10**5, 10**5))]
return net
""",
    range(6),
)
_model(
    "weights-of-odd-kinds",
    _BUILD
    + """
net.get_weights = lambda: [np.array([object()]), "text", None, np.zeros((3, 3), dtype="O"), float("nan")]
return net
""",
    range(6),
)
_model(
    "network-of-a-billion",
    """
return keras.Sequential([keras.Input((features,)), keras.layers.Dense(30_000, activation="relu"),
    keras.layers.Dense(30_000), keras.layers.Dense(classes, activation="softmax")])
""",
    range(6),
)
_model(
    "thousand-layers",
    """
return keras.Sequential([keras.Input((features,))] + [keras.layers.Dense(2) for _ in range(400)]
    + [keras.layers.Dense(classes)])
""",
    range(6),
)
_model(
    "configuration-in-itself",
    _BUILD
    + """
c = {"name": "n"}; c["layers"] = [c]
net.get_config = lambda: c
return net
""",
    range(6),
)
_model(
    "not-a-model",
    "return type('Sequential', (), {'__module__': 'keras', 'layers': [], 'get_config': lambda s: {}})()",
)
_model("model-class-itself", "return keras.Sequential")
_model(
    "names-with-markup",
    """
return keras.Sequential([keras.Input((features,), name="a b<script>"[:3].strip().replace(" ", "_")),
    keras.layers.Dense(units + 1, activation="tanh", name="x")], name="<script>alert(1)</script>")
""",
    range(3),
)
_model(
    "poisons-keras",
    _BUILD + "return net",
    range(6),
    first="""
for name in ("Dense", "InputLayer", "Dropout"):
    getattr(keras.layers, name).call = lambda self, x, *a, **k: x * 0
    getattr(keras.layers, name).get_config = lambda self: {"name": "dense", "units": 3}
keras.Model.get_weights = lambda self: []
keras.config.set_floatx("float16"); keras.config.enable_unsafe_deserialization()
""",
)

GROUPS = (STOPS, CHEATS, LEAKS, LIMITS, STAYS, VALUES, MODELS)
