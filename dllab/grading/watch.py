"""Watch from outside what the processes of a sandbox use.

- `Watcher(roots, limits)`: `look()` says whether a limit is passed, `usage()` what was used
- `Usage`: seconds of CPU, megabytes, counts
- `family(roots)`: processes and all that descend from them

Everything is read from `/proc`, which needs no privilege and no help from inside. One process
cannot pass its own limits (see `confine`); the watcher adds up what several of them use, and for
the superuser, whose processes the system does not count, it is the only one who counts.
"""

import math
import os
import re
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .confine import LIBRARY_THREADS, SLACK
from .records import Limits

__all__ = ["Usage", "Watcher", "children", "family"]

_TICKS = os.sysconf("SC_CLK_TCK")
# Empty files take room in the system's memory that a folder's size does not count.
_FILES = 50_000
_LOOKS_AT_MOST = 0.25  # seconds
_CORES = 1.25  # of CPU seconds in a second of wall time; right work takes one
_LAST = 19  # of all priorities


@dataclass(frozen=True)
class Usage:
    """What a student's processes have used: CPU seconds, MB beyond the template, threads."""

    cpu_seconds: float = 0.0
    peak_memory: float = 0.0
    processes: int = 0


@dataclass(frozen=True)
class _Process:
    pid: int
    seconds: float
    threads: int
    private: float  # MB of memory that belongs to no file

    @classmethod
    def read(cls, pid: int) -> "_Process | None":
        """Return what the system says about a process; None where it has just ended."""
        try:
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
            status = Path(f"/proc/{pid}/status").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # times with those of children that have ended, whoever waited for them
        seconds = sum(map(int, fields[11:15])) / _TICKS
        # a mapping that forked processes share belongs to no file either
        sizes = re.findall(rb"^Rss(?:Anon|Shmem):\s+(\d+)", status, re.MULTILINE)
        return cls(pid, seconds, int(fields[17]), sum(map(int, sizes)) / 1024)


class Watcher:
    """Adds up what `roots` and all that descends from them use.

    Args:
        roots: the first processes.
        limits: what they may use together.
        helpers: those among them that belong to the sandbox and not to the student.
    """

    def __init__(self, roots: Sequence[int], limits: Limits, helpers: Sequence[int] = ()) -> None:
        self._roots = tuple(roots)
        self._helpers = set(helpers)
        self._limits = limits
        self._folders: list[int] = []
        self._present = 0.0
        self._asked = 0.0
        self._known: dict[int, float] = {}
        self._usage = Usage()
        self._since = time.monotonic()

    def begin(self, folders: Iterable[str] = ()) -> None:
        """Count from here on: what is in memory now are the libraries.

        Args:
            folders: where the student's files go, as seen from outside.
        """
        processes = self._processes()
        self._present = sum(p.private for p in processes if p.pid not in self._helpers)
        self._usage = Usage(self._usage.cpu_seconds)
        self._since = time.monotonic() - self._usage.cpu_seconds
        self.close()
        for folder in folders:
            with suppress(OSError):
                self._folders.append(os.open(folder, os.O_PATH | os.O_CLOEXEC))

    def look(self) -> str:
        """Return the limit that is passed: 'memory', 'processes' or 'disk'; else ''."""
        most = self._limits.processes + LIBRARY_THREADS
        everybody = self._processes(most)
        processes = [process for process in everybody if process.pid not in self._helpers]
        threads = sum(process.threads for process in processes)
        seconds = sum(process.seconds for process in everybody)
        crowded = threads > most
        # in a flood of processes, only their number matters
        memory = 0.0 if crowded else self._memory(processes)
        used = self._usage
        self._usage = Usage(
            max(used.cpu_seconds, seconds),
            max(used.peak_memory, memory),
            max(used.processes, threads),
        )
        if seconds > _CORES * (time.monotonic() - self._since) + 1:
            _step_back(everybody)
        if crowded:
            return "processes"
        if memory > self._limits.memory + SLACK:
            return "memory"
        return "disk" if any(map(_is_crowded, self._folders)) else ""

    def _memory(self, processes: Sequence[_Process]) -> float:
        """Return MB in use beyond the libraries; at most so much, where that is within limits.

        Forked processes share pages, which a sum counts several times. What is really used takes
        the system long to find, so that it is asked only when a sum from here on, or from its
        last answer on, passes the limit.
        """
        most = self._limits.memory + SLACK
        total = sum(process.private for process in processes) - self._present
        if total > most and len(processes) > 1:
            known = self._known
            growth = sum(max(0.0, p.private - known.get(p.pid, 0.0)) for p in processes)
            if known and self._asked + growth <= most:
                return self._asked + growth
            self._asked = max(0.0, _shared_once(processes, most + self._present) - self._present)
            self._known = {process.pid: process.private for process in processes}
            total = min(total, self._asked)
        return max(0.0, total)

    def usage(self) -> Usage:
        """Return what was used until the last look."""
        return self._usage

    def close(self) -> None:
        """Let go of the folders."""
        while self._folders:
            os.close(self._folders.pop())

    def _processes(self, most: float = math.inf) -> list[_Process]:
        """Return everybody; or so many that they have more threads than `most`.

        A flood of processes grows faster than it can be counted.
        """
        found: list[_Process] = []
        for pid in _descend(self._roots):
            process = _Process.read(pid)
            if process is not None:
                found.append(process)
                most -= 0 if pid in self._helpers else process.threads
            if most < 0:
                break
        return found


def _shared_once(processes: Sequence[_Process], enough: float) -> float:
    """Return MB of memory, shared pages counted once; stop counting when it is `enough`.

    The system looks at every page for this. Where many processes make it slow, those that are
    left are taken for average ones.
    """
    deadline = time.monotonic() + _LOOKS_AT_MOST
    total = 0.0
    for count, process in enumerate(processes, 1):
        total += _share(process)
        if total > enough:
            break
        if time.monotonic() > deadline:
            return total * len(processes) / count
    return total


def _share(process: _Process) -> float:
    """Return a process's MB of memory, each page divided by the number of its users."""
    try:
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0  # it has ended
    except PermissionError:
        return process.private
    lines = (line.split() for line in text.splitlines()[1:])
    return sum(int(words[1]) for words in lines if words[0] in ("Pss_Anon:", "Pss_Shmem:")) / 1024


def _step_back(processes: Iterable[_Process]) -> None:
    """Let processes that take more than their core go behind those of other submissions.

    Nothing is lost on an idle machine; on a busy one nobody is late because of them.
    """
    for process in processes:
        with suppress(OSError):
            for thread in map(int, os.listdir(f"/proc/{process.pid}/task")):
                if os.getpriority(os.PRIO_PROCESS, thread) < _LAST:
                    os.setpriority(os.PRIO_PROCESS, thread, _LAST)


def _is_crowded(folder: int) -> bool:
    found = os.fstatvfs(folder)
    return found.f_files - found.f_ffree > _FILES


# -- families --------------------------------------------------------------------------------


def family(roots: Iterable[int]) -> set[int]:
    """Return the numbers of `roots` and of all processes that descend from them."""
    return set(_descend(roots))


def _descend(roots: Iterable[int]) -> Iterator[int]:
    """Yield `roots` and then their descendants, generation by generation.

    An orphan goes to the sandbox's first process, which is one of the roots.
    """
    parents = {} if _lists_children() else _all_parents()
    seen: set[int] = set()
    waiting = deque(roots)
    while waiting:
        pid = waiting.popleft()
        if pid in seen:
            continue
        seen.add(pid)
        yield pid
        if _lists_children():
            waiting += children(pid)
        else:
            waiting += [child for child, parent in parents.items() if parent == pid]


def children(pid: int) -> list[int]:
    """Return the numbers of a process's children, of all its threads."""
    if not _lists_children():
        return [child for child, parent in _all_parents().items() if parent == pid]
    found: list[int] = []
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError):
                text = Path(f"/proc/{pid}/task/{thread}/children").read_text()
                found += map(int, text.split())
    return found


@cache
def _lists_children() -> bool:
    """Tell whether the system lists children; not all are built so, and the list is much faster."""
    return Path(f"/proc/self/task/{os.getpid()}/children").exists()


def _all_parents() -> dict[int, int]:
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError):
                text = Path(f"/proc/{name}/stat").read_bytes()
                found[int(name)] = int(text.rpartition(b")")[2].split()[1])
    return found
