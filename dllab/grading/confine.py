"""Limits that a student's process puts on itself before it runs anything of the student's.

- `harden(limits)`: resource limits, no new privileges, and a filter on system calls
- `seccomp_program()`: that filter for this machine's processor, as the kernel reads it
- `LIBRARY_THREADS`, `SLACK`: what the libraries may take beyond a student's own limits

The sandbox already hides files, processes and the network. The filter closes what a namespace
leaves open: parts of the kernel that training a network never needs, many of which had holes that
let programs out of containers. Calls are refused with an error that Python reports; nothing is
killed, so right work that happens to try one of them goes on.
"""

import ctypes
import errno
import math
import os
import platform
import resource
import struct
from collections.abc import Iterable
from pathlib import Path

from .records import Limits

__all__ = ["LIBRARY_THREADS", "SLACK", "harden", "seccomp_program"]

LIBRARY_THREADS = 64
"""Threads that NumPy, TensorFlow and the sandbox itself may have beside the student's."""

SLACK = 256
"""MB that stacks, allocator arenas and lazily loaded libraries take beside a student's data."""

_MEGABYTE = 2**20
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC = 1, 1


def harden(limits: Limits) -> None:
    """Confine this process, all of its threads and whatever it will start; there is no way back.

    Args:
        limits: what the submission may use. Address space counts from what this process has now.

    Raises:
        OSError: the system refuses; nothing of the student's may run then.
    """
    _limit_resources(limits)
    os.nice(5)  # the grader that watches it goes first, however many processes it starts
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        _fail("no_new_privs")
    _filter_calls(libc)


def _limit_resources(limits: Limits) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    present = pages * resource.getpagesize()
    used = math.ceil(sum(os.times()[:2]))
    cpus = len(os.sched_getaffinity(0))
    # wall time is the grader's to watch; this one ends what would outlive a grader
    seconds = used + math.ceil(limits.seconds * cpus) + 5
    wanted = {
        "AS": present + (limits.memory + SLACK) * _MEGABYTE,
        "CORE": 0,
        "CPU": seconds,
        "FSIZE": limits.file_size * _MEGABYTE,
        "MEMLOCK": 0,
        "MSGQUEUE": 0,
        "NICE": 0,
        "NOFILE": limits.open_files,
        "RTPRIO": 0,
        "SIGPENDING": 1024,
    }
    if _is_counted_alone():
        wanted["NPROC"] = limits.processes + LIBRARY_THREADS
    # A soft limit that the grader has put on itself is none for the student.
    wanted["DATA"] = resource.RLIM_INFINITY
    for name, value in wanted.items():
        _limit(name, value)
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (_smaller(8 * _MEGABYTE, hard), hard))


def _is_counted_alone() -> bool:
    """Tell whether the system counts this sandbox's processes, not all that its user runs.

    Since Linux 5.14 each user namespace has a count of its own. The superuser's processes are
    not limited in any case, so that there the watcher's count is the limit.
    """
    version = tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2])
    everybody = Path("/proc/self/uid_map").read_text().split() == ["0", "0", str(2**32 - 1)]
    return version >= (5, 14) and not everybody


def _limit(name: str, value: int) -> None:
    """Set the soft and the hard limit, or keep to a hard one that is lower already."""
    number = getattr(resource, f"RLIMIT_{name}", None)
    if number is not None:
        value = _smaller(value, resource.getrlimit(number)[1])
        resource.setrlimit(number, (value, value))


def _smaller(one: int, other: int) -> int:
    finite = [value for value in (one, other) if value != resource.RLIM_INFINITY]
    return min(finite, default=resource.RLIM_INFINITY)


# -- the filter ------------------------------------------------------------------------------

# Numbers on x86_64 and aarch64 (arch/x86/entry/syscalls/syscall_64.tbl and
# include/uapi/asm-generic/unistd.h of Linux); None: that processor has no such call.
_Numbers = dict[str, tuple[int | None, int | None]]

# Other views of the file system and new namespaces: in a user namespace of one's own these open
# most of the kernel's privileged code to anybody.
_NAMESPACES: _Numbers = {
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "statmount": (457, 457),
    "listmount": (458, 458),
}
# Reading and changing other processes: one of them could be outside of a limit or of this filter.
_OTHER_PROCESSES: _Numbers = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
}
# Large, young or rarely used parts of the kernel. io_uring would also go round this filter.
_RARE: _Numbers = {
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_setup": (206, 0),
    "io_submit": (209, 2),
    "userfaultfd": (323, 282),
    "vmsplice": (278, 75),
    "fanotify_init": (300, 262),
    "remap_file_pages": (216, 234),
    "modify_ldt": (154, None),
    "uselib": (134, None),
}
# Memory that belongs to no process and so counts for none.
_SHARED_MEMORY: _Numbers = {
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "semctl": (66, 191),
    "semop": (65, 193),
    "semtimedop": (220, 192),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    # keys outlive the process and are no namespace's
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
}
# Administration of the machine: refused to ordinary users anyway, here also to root's.
_MACHINE: _Numbers = {
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "lookup_dcookie": (212, 18),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "iopl": (172, None),
    "ioperm": (173, None),
}
# Where the superuser grades, the student's process owns what that user owns outside, device files
# among it: read-only mounts do not protect those from their owner.
_ATTRIBUTES: _Numbers = {
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
}
# For the same reason; these do nothing and report success, because copying a file uses them.
_PRETENDED: _Numbers = {
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
}
_REFUSED: _Numbers = (
    _NAMESPACES | _OTHER_PROCESSES | _RARE | _SHARED_MEMORY | _MACHINE | _ATTRIBUTES
)
# Refused or not according to their arguments, see `_judgements`.
_JUDGED: _Numbers = {
    "clone": (56, 220),
    "clone3": (435, 435),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "ioctl": (16, 29),
    "fcntl": (72, 25),
    "personality": (135, 92),
}
_NEWEST_KNOWN = 462  # `mseal`, Linux 6.10: what came later was not looked at
_X32 = 0x40000000
_CLONE_NEW_NAMESPACE = 0x7E020000  # mount, control group, host name, IPC, user, PID, network
_AF_UNIX = 1
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C  # typing into a terminal on somebody's behalf

_F_SETLEASE = 1024  # makes others wait who want to write to a file

# Classic BPF over `struct seccomp_data`, see linux/seccomp.h and linux/filter.h.
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT, _SECOND_ARGUMENT_AT = 0, 4, 16, 24
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_Instruction = tuple[int, int, int, int]
_PROCESSORS = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_SECCOMP_CALL = {"x86_64": 317, "aarch64": 277}


def seccomp_program(machine: str | None = None) -> bytes:
    """Return the filter on system calls, or nothing for a processor that it was not written for."""
    machine = machine or platform.machine()
    if machine not in _PROCESSORS:
        return b""
    column, architecture = _PROCESSORS[machine]
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        # 32-bit programs have other numbers
        (_JUMP_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        # Unknown calls, and on x86_64 the x32 ones: "not implemented" lets programs fall back.
        (_JUMP_AT_LEAST, 0, 1, _NEWEST_KNOWN + 1),
        _refuse(errno.ENOSYS),
    ]
    for calls, answer in ((_REFUSED, errno.EPERM), (_PRETENDED, 0)):
        known = (numbers[column] for numbers in calls.values())
        for number in (number for number in known if number is not None):
            program += [(_JUMP_EQUAL, 0, 1, number), _refuse(answer)]
    program += _judgements(column)
    program.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)


def _judgements(column: int) -> Iterable[_Instruction]:
    """Rules on arguments; only their lower halves are read, as the kernel itself does here."""
    number = {name: numbers[column] for name, numbers in _JUDGED.items()}
    # `clone3` hides its flags in memory, where a filter cannot look; the C library then uses
    # `clone`.
    yield from _rule(number["clone3"], [_refuse(errno.ENOSYS)])
    yield from _rule(
        number["clone"],
        [
            (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
            (_JUMP_BITS, 0, 1, _CLONE_NEW_NAMESPACE),
            _refuse(errno.EPERM),
        ],
    )
    # Python's own pools and event loops talk over AF_UNIX; there is no network to talk to.
    for name in ("socket", "socketpair"):
        yield from _rule(
            number[name],
            [
                (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
                (_JUMP_EQUAL, 1, 0, _AF_UNIX),
                _refuse(errno.EAFNOSUPPORT),
            ],
        )
    yield from _rule(
        number["ioctl"],
        [
            (_LOAD, 0, 0, _SECOND_ARGUMENT_AT),
            (_JUMP_EQUAL, 1, 0, _TIOCSTI),
            (_JUMP_EQUAL, 0, 1, _TIOCLINUX),
            _refuse(errno.EPERM),
        ],
    )
    yield from _rule(
        number["fcntl"],
        [
            (_LOAD, 0, 0, _SECOND_ARGUMENT_AT),
            (_JUMP_EQUAL, 0, 1, _F_SETLEASE),
            _refuse(errno.EPERM),
        ],
    )
    # Asking (all bits set) and the ordinary one; others change how memory is laid out.
    yield from _rule(
        number["personality"],
        [
            (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
            (_JUMP_EQUAL, 2, 0, 0xFFFFFFFF),
            (_JUMP_EQUAL, 1, 0, 0),
            _refuse(errno.EPERM),
        ],
    )


def _rule(number: int | None, body: list[_Instruction]) -> list[_Instruction]:
    """Run `body` for one call only; a call that passes it is allowed."""
    assert number is not None
    body = [*body, (_RETURN, 0, 0, _ALLOW)]
    return [(_JUMP_EQUAL, 0, len(body), number), *body]


def _refuse(number: int) -> _Instruction:
    return (_RETURN, 0, 0, 0x00050000 | number)


class _Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _filter_calls(libc: ctypes.CDLL) -> None:
    """Install the filter in all threads at once."""
    code = seccomp_program()
    if not code:
        return
    program = _Program(len(code) // 8, code)
    call = ctypes.c_long(_SECCOMP_CALL[platform.machine()])
    flags = ctypes.c_ulong(_SECCOMP_FILTER_FLAG_TSYNC)
    if libc.syscall(call, ctypes.c_ulong(_SECCOMP_SET_MODE_FILTER), flags, ctypes.byref(program)):
        _fail("seccomp")


def _fail(what: str) -> None:
    number = ctypes.get_errno()
    raise OSError(number, f"{what}: {os.strerror(number)}")
