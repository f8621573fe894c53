"""A process that grades one submission after the other: `python -P -m dllab.grading.worker`.

Orders come in on standard input and answers go out on standard output, a JSON object a line:

- `{"ready": true}` once, when the worker can begin
- `{"grade": {…}, "memory": 180.5}`: what came of an order, and the worker's own size in MB
- `{"error": "sentence", "kind": "…", "memory": 180.5}`: why nothing came of it

Whatever the worker's own libraries print goes to standard error. The process ends when its
input ends, and it does not outlive the process that started it.
"""

import argparse
import ctypes
import hashlib
import json
import os
import resource
import select
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from dllab.errors import DLLabError, FingerprintError, SandboxMissingError
from dllab.grading.records import Grade, Order, order_from_json, to_json
from dllab.grading.sandbox import Template, level

__all__ = ["Grader", "main", "own_memory"]

Grader = Callable[..., Grade]
_MEGABYTE = 2**20
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve orders until the input ends."""
    options = _options()
    answers = _own_stdout()
    _end_with_parent(options.parent)
    module, _, name = options.grader.partition(":")
    grader = getattr(import_module(module), name)
    _limit_memory(options.memory)
    with ExitStack() as opened:
        arguments = {}
        if options.template:
            arguments["template"] = opened.enter_context(Template.attach(options.template))
        _write(answers, {"ready": True})
        for line in sys.stdin.buffer:
            _write(answers, _answer(line, grader, arguments) | {"memory": own_memory()})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--grader", default="dllab.grading.grader:grade")
    parser.add_argument("--template", default="")
    parser.add_argument("--memory", type=int, default=1024)
    parser.add_argument("--parent", type=int, default=0)
    return parser.parse_args()


def _own_stdout() -> IO[bytes]:
    """Keep standard output to ourselves: from here on, a stray `print` goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _write(answers: IO[bytes], answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer).encode() + b"\n")
    answers.flush()


def _answer(line: bytes, grader: Grader, arguments: dict[str, Any]) -> dict[str, Any]:
    try:
        order = _filled(order_from_json(line.decode()))
        _compare_fingerprints(order)
        level(order.sandboxed)
        grade = grader(order, **arguments)
        return {"grade": json.loads(to_json(grade))}
    except MemoryError:
        sentence = "its answers need more memory than the grader has"
        return {"error": sentence, "kind": "memory"}
    except (FingerprintError, SandboxMissingError) as error:
        return {"error": str(error), "kind": type(error).__name__}
    except DLLabError as error:
        return {"error": str(error), "kind": "lab"}
    except Exception as error:
        # The class goes on without this submission; a person reads what is written here.
        return {"error": f"{type(error).__name__}: {error}"[:500], "kind": "bug"}


def _filled(order: Order) -> Order:
    """Return the order with the content of its file, which must not have changed since."""
    found = order.submission
    if not found.path:
        return order
    content = Path(found.path).read_bytes()
    if hashlib.sha256(content).hexdigest() != found.digest:
        raise DLLabError(f"{found.name} changed during grading: grade it again")
    return replace(order, submission=replace(found, content=content, path=""))


def _compare_fingerprints(order: Order) -> None:
    from dllab.grading.fingerprint import fingerprint, open_lab

    own = fingerprint(open_lab(order.lab))
    if own != order.fingerprint:
        raise FingerprintError(
            f"this machine's lab {Path(order.lab).name!r} or its dllab is another one than "
            f"the order's (fingerprint {own[:12]}, expected {order.fingerprint[:12]}): "
            "install the same version everywhere, and change nothing during a run"
        )


def own_memory() -> float:
    """Return this process's resident size in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / _MEGABYTE


def _limit_memory(megabytes: int) -> None:
    """Let what comes back from a student take so much memory here and no more.

    Only the soft limit: programs that this one starts have limits of their own.
    """
    present = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    wanted = present + megabytes * _MEGABYTE
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _end_with_parent(parent: int) -> None:
    """End at once when the process that reads our answers ends, however it ends.

    The kernel's signal follows the parent's thread, so only a parent whose main thread
    started this worker gives its number; the watch on the input holds for all.
    """
    if parent:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
    threading.Thread(target=_watch_input, daemon=True).start()


def _watch_input() -> None:
    poll = select.poll()
    poll.register(0, 0)  # reports only that the other end is closed
    poll.poll()
    # Idle, the main thread ends by itself; in the middle of an order nobody waits for it.
    os.killpg(0, signal.SIGKILL) if os.getpgid(0) == os.getpid() else os._exit(1)


if __name__ == "__main__":
    main()
