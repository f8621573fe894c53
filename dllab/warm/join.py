"""Entering a sandbox that another process has set up, bubblewrap's for example.

- `enter(pid)`: move this process into the sandbox of another one, without privileges

Forked outside and moved inside, a kernel is confined like the process it joins, and still
has its imports done.
"""

import ctypes
import fcntl
import os
import resource
import signal
from contextlib import ExitStack, suppress
from pathlib import Path

__all__ = ["enter"]

_NAMESPACES = {
    "mnt": 0x00020000,
    "pid": 0x20000000,
    "net": 0x40000000,
    "ipc": 0x08000000,
    "uts": 0x04000000,
    "cgroup": 0x02000000,
}
_NEW_USER = 0x10000000
_NS_GET_PARENT = 0xB702
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 24, 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_CAPABILITY_VERSION_3 = 0x20080522
_libc = ctypes.CDLL(None, use_errno=True)


def enter(pid: int) -> None:
    """Adopt the namespaces, control group and limits of process `pid`; drop all capabilities.

    Filters on system calls (seccomp) and Landlock rules belong to one process and its
    children and are not adopted.

    Returns in a new process, because a process keeps the process numbers it was born with;
    the old one waits for it and ends as it ends.

    Raises:
        OSError: the system does not allow it.
    """
    limits = [(number, resource.prlimit(pid, number)) for number in _limit_numbers()]
    _enter_control_group(pid)
    _enter_namespaces(pid)
    _continue_in_child()
    for number, pair in limits:
        resource.setrlimit(number, pair)
    _give_up_privileges()


def _limit_numbers() -> list[int]:
    return sorted({n for name, n in vars(resource).items() if name.startswith("RLIMIT_")})


def _enter_control_group(pid: int) -> None:
    theirs, ours = (Path(f"/proc/{who}/cgroup").read_text() for who in (pid, "self"))
    if theirs != ours:
        path = theirs.strip().rpartition("::")[2].lstrip("/")
        Path("/sys/fs/cgroup", path, "cgroup.procs").write_text(str(os.getpid()))


def _enter_namespaces(pid: int) -> None:
    """Enter the outermost user namespace, which owns the others, then those, then the inner ones.

    Bubblewrap nests a second user namespace to take away what the first one may do.
    """
    flags = 0
    for name, flag in _NAMESPACES.items():
        if os.readlink(f"/proc/{pid}/ns/{name}") != os.readlink(f"/proc/self/ns/{name}"):
            flags |= flag
    with ExitStack() as opened:
        pidfd = os.pidfd_open(pid)
        opened.callback(os.close, pidfd)
        users = _user_namespaces(pid, opened)
        for user in users[:1]:
            _set_namespace(user, _NEW_USER)
        if flags:
            _set_namespace(pidfd, flags)
        for user in users[1:]:
            _set_namespace(user, _NEW_USER)


def _user_namespaces(pid: int, opened: ExitStack) -> list[int]:
    """Return descriptors of the user namespaces between ours and that of `pid`, outermost first."""
    ours = os.stat("/proc/self/ns/user").st_ino
    fd = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    found: list[int] = []
    while True:
        opened.callback(os.close, fd)
        if os.fstat(fd).st_ino == ours:
            return found
        found.insert(0, fd)
        fd = fcntl.ioctl(fd, _NS_GET_PARENT)


def _set_namespace(fd: int, flags: int) -> None:
    if _libc.setns(fd, flags):
        number = ctypes.get_errno()
        raise OSError(number, f"entering the sandbox: {os.strerror(number)}")


def _continue_in_child() -> None:
    """Fork; the parent only waits, holding no descriptor, and ends as the child ends."""
    if pid := os.fork():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.closerange(0, 2**20)
        _, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            with suppress(OSError):  # SIGKILL has no handler to reset
                signal.signal(-code, signal.SIG_DFL)
            os.kill(os.getpid(), -code)
        os._exit(code & 0xFF)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _give_up_privileges() -> None:
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    for capability in range(64):
        with suppress(OSError):  # a number that this system does not know, or no right to
            _prctl(_PR_CAPBSET_DROP, capability)
    with suppress(OSError):
        _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    none = (ctypes.c_uint32 * 6)()
    if _libc.capset(header, none):
        raise OSError(ctypes.get_errno(), "giving up capabilities")


def _prctl(option: int, argument: int) -> None:
    if _libc.prctl(option, argument, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")
