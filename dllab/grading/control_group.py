"""A limit on the number of processes that the system keeps, where the superuser grades.

An ordinary user's sandbox is limited by `RLIMIT_NPROC`, which does not hold for the superuser,
and a watcher that only looks now and then loses against a program that does nothing but fork.
A control group holds: a fork beyond its limit fails.

- `ControlGroup.make(most)`: a new group, or None where this user cannot or need not have one
"""

import itertools
import os
import re
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["ControlGroup"]

_MOUNT = Path("/sys/fs/cgroup")
_NAME = "dllab-{pid}-{number}"
_OURS = re.compile(r"dllab-(\d+)-\d+")
_EMPTIES_WITHIN = 5.0  # seconds after the last process was killed
_numbers = itertools.count()


class ControlGroup:
    """A group of processes, all that they start included, which cannot grow beyond a number."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def make(cls, most: int) -> "ControlGroup | None":
        """Return a new group of at most `most` processes and threads.

        None for an ordinary user, and for a superuser in a container that may make no groups.
        """
        if os.geteuid() != 0:
            return None
        for parent in _parents():
            group = cls(parent / _NAME.format(pid=os.getpid(), number=next(_numbers)))
            with suppress(OSError):
                _sweep(parent)
                group._folder.mkdir()
                # the file is there only where this hierarchy counts processes
                (group._folder / "pids.max").write_text(str(most))
                return group
            group.remove()
        return None

    def add(self, pid: int) -> None:
        """Take a process in, and with it whatever it will start.

        Raises:
            OSError: the process has ended, or the system refuses.
        """
        (self._folder / "cgroup.procs").write_text(str(pid))

    def remove(self) -> None:
        """Remove the group once its processes have ended."""
        deadline = time.monotonic() + _EMPTIES_WITHIN
        while self._folder.is_dir():
            with suppress(OSError):
                self._folder.rmdir()
                return
            if time.monotonic() > deadline:
                return  # the next sweep will find it
            time.sleep(0.01)


def _parents() -> list[Path]:
    """Return where groups that count processes may be made: below this process's own."""
    found = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        mounts = [_MOUNT / "pids"] if controllers == "pids" else []
        mounts = [_MOUNT, _MOUNT / "unified"] if not controllers else mounts
        found += [mount / path.lstrip("/") for mount in mounts]
    return [folder for folder in found if (folder / "cgroup.procs").is_file()]


def _sweep(parent: Path) -> None:
    """Remove groups that killed graders have left."""
    for folder in parent.glob("dllab-*"):
        named = _OURS.fullmatch(folder.name)
        if named and not Path("/proc", named.group(1)).exists():
            with suppress(OSError):  # it has processes that are still ending
                folder.rmdir()
