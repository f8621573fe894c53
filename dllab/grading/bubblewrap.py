"""A sandbox made by bubblewrap: what is in it, how it starts, and that nothing of it is left.

- `Box(limits, command, ...)`: one sandbox with one command in it
- `version()`: of the bubblewrap on this machine, once it has shown that it works
- `import_path()`: where a Python inside finds `dllab`, if it does not by itself

Bubblewrap (https://github.com/containers/bubblewrap) needs no privilege where the system lets
users have namespaces of their own. Its options come over a descriptor and its environment is
empty, because what runs inside can read both.
"""

import functools
import json
import os
import re
import resource
import select
import shutil
import signal
import site
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import dllab
from dllab.errors import SandboxMissingError

from .confine import seccomp_program
from .records import Limits

__all__ = ["HOME", "Box", "import_path", "version"]

HOME = "/home/student"

_MEGABYTE = 2**20
_OLDEST = (0, 6)  # the first version that bounds a folder in memory
_CAN_FORBID_NAMESPACES = (0, 8)
_SHARED_MEMORY = 64  # MB under /dev/shm, as in containers
_PATIENCE = 30.0  # seconds for the system to set a sandbox up
_LAST_PATIENCE = 300.0  # and to clear away a flood of killed processes
_ID = "1000"
_FILES = {
    "/etc/passwd": f"student:x:{_ID}:{_ID}:Student:{HOME}:/bin/sh\n",
    "/etc/group": f"student:x:{_ID}:\n",
}
_ETC = ("ld.so.cache", "alternatives", "fonts")
# Of a Python installation; whatever else lies beside them may be anybody's.
_PYTHON_PARTS = ("bin", "lib", "lib64", "share", "pyvenv.cfg")
# Where people, and containers, keep repositories.
_SOURCES = ("/usr/src", "/usr/local/src")


class Box:
    """One sandbox with one command in it; it ends with the thread that made it.

    Args:
        limits: `disk` bounds what can be written.
        command: what runs inside.
        environment: its environment variables.
        stdin: a descriptor for it; without one it gets `/dev/null`.
        announces: the command writes a line when it runs; wait for it.

    Raises:
        SandboxMissingError: there is no bubblewrap, or the system lets it do nothing.
    """

    def __init__(
        self,
        limits: Limits,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        stdin: int | None = None,
        announces: bool = False,
    ) -> None:
        version()
        self._pidfd: int | None = None
        with ExitStack() as opened:
            told, tell = _pipe(opened)
            heard, announce = _pipe(opened) if announces else (None, None)
            options, fds = _options(limits, environment or {}, opened)
            line = _data("\0".join([*options, "--info-fd", str(tell.fileno())]), opened)
            self._monitor = subprocess.Popen(
                [_find(), "--args", str(line), "--", *command],
                stdin=subprocess.DEVNULL if stdin is None else stdin,
                stdout=announce.fileno() if announce else subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                cwd="/",
                pass_fds=[*fds, line, tell.fileno()],
            )
            try:
                tell.close()
                self.init = _first_process(told)
                self._pidfd = os.pidfd_open(self.init)
                _lift_soft_limits(self.init)
                if announce and heard:
                    announce.close()
                    _expect(heard, b"\n")
            except BaseException:
                self.kill()
                raise

    @property
    def folders(self) -> tuple[str, ...]:
        """Where files can be written, as seen from outside."""
        inside = f"/proc/{self.init}/root"
        return (f"{inside}{HOME}", f"{inside}/dev/shm")

    def kill(self) -> None:
        """End everything inside; return when the system has cleared it away.

        The system ends a sandbox's processes with its first one, which itself is gone only
        after all of them.
        """
        if self._pidfd is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            _wait(self._pidfd, _LAST_PATIENCE)
            os.close(self._pidfd)
            self._pidfd = None
            with suppress(subprocess.TimeoutExpired):  # bubblewrap itself reaps the first one
                self._monitor.wait(1)
        self._monitor.kill()
        self._monitor.wait(_PATIENCE)


def _wait(fd: int, seconds: float = _PATIENCE) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _pipe(opened: ExitStack) -> tuple["_End", "_End"]:
    read, write = map(_End, os.pipe())
    opened.callback(read.close)
    opened.callback(write.close)
    return read, write


class _End:
    """One end of a pipe, which may be closed twice."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._fd

    def close(self) -> None:
        """Close it, once."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _data(text: str | bytes, opened: ExitStack) -> int:
    """Return a descriptor from which `text` can be read."""
    fd = os.memfd_create("sandbox")
    opened.callback(os.close, fd)
    os.write(fd, text.encode() if isinstance(text, str) else text)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _expect(end: _End, last: bytes) -> bytes:
    """Read up to `last`.

    Raises:
        SandboxMissingError: the other side closed the pipe first.
    """
    text = b""
    while last not in text:
        more = os.read(end.fileno(), 4096) if _wait(end.fileno()) else b""
        if not more:
            raise SandboxMissingError(
                "bubblewrap ended before the sandbox was ready: the machine may be out of "
                "memory or processes; try again with fewer `--jobs`"
            )
        text += more
    return text


def _first_process(told: _End) -> int:
    return int(json.loads(_expect(told, b"}"))["child-pid"])


def _lift_soft_limits(pid: int) -> None:
    """Give the sandbox no soft limit on memory that the grader has put on itself."""
    for number in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
        hard = resource.prlimit(pid, number)[1]
        resource.prlimit(pid, number, (hard, hard))


# -- what is inside --------------------------------------------------------------------------


def _options(
    limits: Limits, environment: Mapping[str, str], opened: ExitStack
) -> tuple[list[str], list[int]]:
    """Return bubblewrap's options, and the descriptors that they name."""
    fds = [_data(text, opened) for text in _FILES.values()]
    files = [
        part for fd, path in zip(fds, _FILES, strict=True) for part in ("--file", str(fd), path)
    ]
    if program := seccomp_program():
        # also for the helpers inside, which would be a way round it
        fds.append(_data(program, opened))
        files += ["--seccomp", str(fds[-1])]
    variables = [part for pair in environment.items() for part in ("--setenv", *pair)]
    return [*_isolation(), *_places(limits), *files, "--remount-ro", "/", *variables], fds


def _isolation() -> list[str]:
    options = ["--unshare-all", "--unshare-user", "--new-session", "--die-with-parent"]
    if _parse(version()) >= _CAN_FORBID_NAMESPACES:
        options.append("--disable-userns")
    options += ["--uid", _ID, "--gid", _ID, "--hostname", "student"]
    return [*options, "--cap-drop", "ALL", "--clearenv", "--chdir", HOME]


def _places(limits: Limits) -> list[str]:
    """Return what lies where. Later ones cover earlier ones, and only the last three are writable.

    `/tmp` is a folder of the home's file system, so that one size bounds both.
    """
    disk = str(limits.disk * _MEGABYTE)
    shared = str(min(limits.disk, _SHARED_MEMORY) * _MEGABYTE)
    ours = list(_python())
    early = [part for place, options in ours if not _covered(place) for part in options]
    late = [part for place, options in ours if _covered(place) for part in options]
    return [
        *_read_only(),
        *early,
        # whole: some of it obeys the superuser's number alone, whatever the rights
        *("--proc", "/proc", "--remount-ro", "/proc"),
        *("--dev", "/dev", "--remount-ro", "/dev"),
        *("--size", shared, "--tmpfs", "/dev/shm"),
        *("--size", disk, "--tmpfs", HOME),
        *("--dir", f"{HOME}/.tmp"),
        *("--symlink", f"{HOME[1:]}/.tmp", "/tmp"),
        *late,
    ]


def _read_only() -> Iterator[str]:
    """Yield options for the system's programs, this Python and the package, without the labs."""
    yield from ("--ro-bind", "/usr", "/usr")
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = Path("/", name)
        if path.is_symlink():
            yield from ("--symlink", os.readlink(path), str(path))
        elif path.is_dir():
            yield from ("--ro-bind", str(path), str(path))
    for name in _ETC:
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")
    package = Path(dllab.__file__).parent
    checkout = package.parent if (package.parent / "labs" / "source").is_dir() else None
    for hidden in (*map(Path, _SOURCES), *([checkout] if checkout else [])):
        if hidden.is_relative_to("/usr") and hidden.is_dir():
            yield from _emptied(hidden)


def _python() -> Iterator[tuple[Path, Sequence[str]]]:
    """Yield where this Python and the package lie inside, with bubblewrap's options."""
    for prefix in dict.fromkeys((sys.base_prefix, sys.prefix)):
        for name in _PYTHON_PARTS:
            path = Path(prefix, name)
            if path.exists() and str(prefix) != "/usr":
                yield _place(path), ("--ro-bind", str(path), str(_place(path)))
    package = Path(dllab.__file__).parent
    yield _place(package), ("--ro-bind", str(package), str(_place(package)))
    if (package / "labs").is_dir():  # a wheel has the checks there
        yield _place(package), tuple(_emptied(_place(package) / "labs"))


def _place(path: Path) -> Path:
    """Return where a path of this machine's lies inside: `/tmp` is a link there."""
    return Path(HOME, ".tmp", path.relative_to("/tmp")) if path.is_relative_to("/tmp") else path


def _covered(place: Path) -> bool:
    """Whether the student's home would hide it, so that it has to be mounted after that."""
    return place.is_relative_to(HOME)


def _emptied(path: Path) -> Iterator[str]:
    yield from ("--size", "4096", "--tmpfs", str(path), "--remount-ro", str(path))


def import_path() -> str:
    """Return the folder that `PYTHONPATH` must name to find `dllab`, or ''."""
    folder = str(Path(dllab.__file__).parent.parent)
    return "" if folder in site.getsitepackages() else folder


# -- whether it works ------------------------------------------------------------------------


def version() -> str:
    """Return bubblewrap's version, once it has shown that it can make a sandbox here.

    Raises:
        SandboxMissingError: it cannot; the message says what to install or to change.
    """
    return _tried(_find())


def _find() -> str:
    found = shutil.which("bwrap")
    if found is None:
        raise SandboxMissingError(
            "students' code runs only in a sandbox and `bwrap` was not found: install bubblewrap "
            "(`apt install bubblewrap`, `dnf install bubblewrap`; Linux only, in Windows use "
            "WSL 2), or accept the risk with `--unsafe-no-sandbox`"
        )
    return os.path.abspath(found)


@functools.cache
def _tried(program: str) -> str:
    found = _output([program, "--version"]).strip().rpartition(" ")[2]
    if _parse(found) < _OLDEST:
        raise SandboxMissingError(
            f"students' code runs only in a sandbox and {program} has version {found or '?'}: "
            f"install bubblewrap {'.'.join(map(str, _OLDEST))} or newer"
        )
    # What students' processes will need, tried on a program that does nothing.
    options = ["--unshare-all", "--unshare-user", "--uid", _ID, "--gid", _ID, "--proc", "/proc"]
    options += ["--dev", "/dev", "--size", "4096", "--tmpfs", "/tmp", "--cap-drop", "ALL"]
    options += ["--disable-userns"] if _parse(found) >= _CAN_FORBID_NAMESPACES else []
    _output([program, "--ro-bind", "/", "/", *options, "--", "/bin/sh", "-c", ":"])
    return found


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, env={}, timeout=_PATIENCE)
    except (OSError, subprocess.SubprocessError) as error:
        raise _refused(str(error)) from error
    if done.returncode:
        raise _refused(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no reason")
    return done.stdout


def _refused(reason: str) -> SandboxMissingError:
    return SandboxMissingError(
        f"students' code runs only in a sandbox and bubblewrap can make none here ({reason}). "
        "Allow user namespaces: on Ubuntu `sudo sysctl kernel.apparmor_restrict_unprivileged_"
        "userns=0`, on Debian `sudo sysctl kernel.unprivileged_userns_clone=1`, for Docker "
        "`--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt "
        "systempaths=unconfined`; or accept the risk with `--unsafe-no-sandbox`"
    )


def _parse(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])
