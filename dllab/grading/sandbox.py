"""Run a student's process where it can reach nothing: no file, no network, no other process.

- `level()`: how students' code is confined, one line for reports
- `StudentProcess(limits)`: one process of one student, in a sandbox of its own
- `Template()`: what students' processes are forked from, with the imports done

The sandbox (see `bubblewrap`) has new namespaces for files, processes, network, users, IPC and
host name, and of the machine's files only the system's programs, this Python and `dllab`, all
read-only. The process talks with the grader over one socket, which it has as descriptor 0; it
inherits nothing else but `/dev/null`.

A warm process is forked from the template outside and moved into the sandbox, a cold one is
started inside. Both run `dllab.grading.agent`, which confines itself further with `confine.harden`
before it runs anything of the student's.
"""

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from dllab.errors import GradingError
from dllab.warm import WarmError, client, control
from dllab.warm.client import WarmProcess
from dllab.warm.runtime import Settings

from .bubblewrap import HOME, Box, import_path, version
from .confine import LIBRARY_THREADS, seccomp_program
from .control_group import ControlGroup
from .records import Limits
from .watch import Usage, Watcher, children, family

__all__ = ["StudentProcess", "Template", "Usage", "level"]

_AGENT = "dllab.grading.agent"
_PRELOAD = ("numpy", "matplotlib.pyplot", "keras", "IPython.core.interactiveshell")
_ENDS_WITHIN = 30.0  # seconds that the system has to end killed processes
_IMPORTS_TAKE_AT_MOST = 180.0
# It holds a sandbox open for the process that comes from the template. No submission takes so
# long: should all else fail, the sandbox ends by itself.
_HOLDER = ("/bin/sh", "-c", "echo; exec sleep 86400 >/dev/null")


def level(sandboxed: bool = True) -> str:
    """Return how students' code is confined, one line for reports.

    Raises:
        SandboxMissingError: there is no bubblewrap, or the system lets it do nothing.
    """
    if not sandboxed:
        return "NO SANDBOX: students' code ran with the grader's own rights, within limits only"
    calls = "filtered system calls" if seccomp_program() else "unfiltered system calls"
    started = "started by the superuser, " if os.geteuid() == 0 else ""
    return (
        f"sandbox: bubblewrap {version()}, {started}no network, read-only system, private files "
        f"and processes, no privileges, {calls}, limits on memory, time, processes and files"
    )


class StudentProcess:
    """One process of one student, in a fresh sandbox; a context manager that kills it at the end.

    The thread that makes it must outlive it: a sandbox ends with that thread, so that nothing
    goes on where a grader was killed.

    Args:
        limits: what it may use.
        sandboxed: False leaves out the sandbox, for an instructor who asked for that.
        warm: fork from `template`; without a template Python starts anew in any case.
        template: what to fork from.

    Raises:
        SandboxMissingError: there is no sandbox on this machine.
        GradingError: the process did not start.
    """

    sock: socket.socket
    """Our end of the socket that the process has as descriptor 0."""

    def __init__(
        self,
        limits: Limits,
        *,
        sandboxed: bool = True,
        warm: bool = True,
        template: "Template | None" = None,
    ) -> None:
        self._reason = ""
        self._ending = threading.Lock()
        kind = _Inside if sandboxed else _Outside
        self.sock, theirs = socket.socketpair()
        try:
            with theirs:
                self._runs: _Inside | _Outside = kind(
                    limits, theirs.fileno(), template if warm else None
                )
        except WarmError as error:
            self.sock.close()
            raise GradingError(f"no process for a student: {error}") from error
        except BaseException:
            self.sock.close()
            raise
        self._watcher = Watcher(self._runs.roots, limits, self._runs.helpers)
        self._group = ControlGroup.make(limits.processes + LIBRARY_THREADS)

    def __enter__(self) -> "StudentProcess":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def begin(self) -> None:
        """Count memory from here on; call it when the agent is ready, before it runs a cell."""
        self._watcher.begin(self._runs.folders)
        if (pid := self._runs.main()) is not None:
            if self._group is not None:
                with suppress(ProcessLookupError):  # it has ended already
                    self._group.add(pid)
            with suppress(OSError):  # when memory runs out, this process goes before any other
                Path(f"/proc/{pid}/oom_score_adj").write_text("1000")

    def interrupt(self) -> None:
        """Interrupt the student's main process (SIGINT)."""
        if (pid := self._runs.main()) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)

    def check(self) -> str:
        """Look after the process; end everything where it passes a limit.

        Returns:
            '', or why it was ended: 'memory', 'processes' or 'disk'.
        """
        if not self._reason and not self._ending.locked():
            self._reason = self._watcher.look()
            if self._reason:
                self.kill()
        return self._reason

    def usage(self) -> Usage:
        """Return what the student's processes have used."""
        if not self._ending.locked():
            self._watcher.look()
        return self._watcher.usage()

    def kill(self) -> None:
        """End everything in the sandbox; when this returns, nothing of it is left."""
        if not self._ending.acquire(blocking=False):
            return
        self._watcher.look()  # the last moment to see what was used
        self._watcher.close()
        self.sock.close()
        self._runs.kill()
        if self._group is not None:
            self._group.remove()


class _Inside:
    """A student's process in a sandbox."""

    def __init__(self, limits: Limits, stdin: int, template: "Template | None") -> None:
        self._outer: WarmProcess | None = None
        if template is None:
            self._box = Box(limits, _COMMAND, _environment(), stdin=stdin)
        else:
            self._box = Box(limits, _HOLDER, announces=True)
            try:
                self._outer = template.start(stdin, join=self._box.init)
            except BaseException:
                self._box.kill()
                raise
        self.roots = [self._box.init, *([self._outer.pid] if self._outer else [])]
        self.helpers = self.roots
        self.folders = self._box.folders

    def main(self) -> int | None:
        """Return the number of the student's main process while it runs."""
        if self._outer is None:
            parent = self._box.init
        elif self._outer.poll() is None:
            parent = self._outer.pid  # it waits outside for the one that has entered
        else:
            return None
        return next(iter(children(parent)), None)

    def kill(self) -> None:
        """End everything."""
        self._box.kill()
        if self._outer is not None:
            _end(self._outer)


class _Outside:
    """A student's process without a sandbox: what it starts can hide from us."""

    folders: tuple[str, ...] = ()
    helpers: tuple[int, ...] = ()

    def __init__(self, limits: Limits, stdin: int, template: "Template | None") -> None:
        self._home = tempfile.TemporaryDirectory(
            prefix="dllab-student-", ignore_cleanup_errors=True
        )
        try:
            self._process = self._start(stdin, template)
        except BaseException:
            self._home.cleanup()
            raise
        self.roots = [self._process.pid]

    def _start(
        self, stdin: int, template: "Template | None"
    ) -> "WarmProcess | subprocess.Popen[bytes]":
        home = self._home.name
        if template is not None:
            return template.start(stdin, home=home)
        return subprocess.Popen(
            _COMMAND,
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_environment(home),
            cwd=home,
            start_new_session=True,
        )

    def main(self) -> int | None:
        """Return the number of the student's main process while it runs."""
        return self._process.pid if self._process.poll() is None else None

    def kill(self) -> None:
        """End everything that can be found."""
        for pid in family(self.roots):
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        with suppress(OSError):  # those whose parents have ended
            os.killpg(self._process.pid, signal.SIGKILL)
        _end(self._process)
        self._home.cleanup()


def _end(process: "WarmProcess | subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait(_ENDS_WITHIN)
    if isinstance(process, WarmProcess):
        process.close()


# -- the template ----------------------------------------------------------------------------


class Template:
    """What students' processes are forked from: a process with the imports done.

    A context manager: the template ends with it, or with the process that made it. Other
    processes on the same machine use the same one with `Template.attach(template.address)`.
    """

    def __init__(self) -> None:
        self._own = True
        self._folder: Path | None = None
        self._command = client.program_command(sys.executable, _AGENT)
        self._settings = Settings(
            preload=_PRELOAD,
            start_seconds=_IMPORTS_TAKE_AT_MOST,
            owner=os.getpid(),
            own_home=True,
        )

    @classmethod
    def attach(cls, address: str) -> "Template":
        """Return the template that another process has made; leaving it does not end it."""
        template = cls()
        template._own = False
        template._folder = Path(address)
        return template

    @property
    def address(self) -> str:
        """What `attach` needs: the private folder of the template's socket."""
        assert self._folder is not None, "the template is used before it is entered"
        return str(self._folder)

    def __enter__(self) -> "Template":
        if self._own:
            # a socket's name is short, whatever TMPDIR says
            self._folder = Path(tempfile.mkdtemp(prefix="dllab-grade-", dir="/tmp"))
            try:
                client.prepare(self._command, _environment(), "/", self._settings, self._folder)
            except WarmError as error:
                self._stop()
                raise GradingError(f"the template did not start: {error}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._own:
            self._stop()

    def start(self, stdin: int, join: int | None = None, home: str = HOME) -> WarmProcess:
        """Fork an agent with descriptor 0 and `/dev/null`; into a sandbox, if there is one.

        Raises:
            WarmError: the template gives none.
        """
        null = os.open(os.devnull, os.O_RDWR)
        try:
            return client.start_kernel(
                self._command,
                _environment(home),
                home,
                [stdin, null, null],
                self._settings,
                join=join,
                folder=Path(self.address),
            )
        finally:
            os.close(null)

    def _stop(self) -> None:
        folder = Path(self.address)
        pidfds = [fd for fd in map(_pidfd, folder.glob("*.pid")) if fd is not None]
        with suppress(WarmError, OSError):
            control.stop(folder)
        for fd in pidfds:
            _await(fd)
        shutil.rmtree(folder, ignore_errors=True)


def _pidfd(note: Path) -> int | None:
    with suppress(OSError, ValueError):
        return os.pidfd_open(int(note.read_text()))
    return None


def _await(pidfd: int) -> None:
    """Wait for a process to end, and end it if it does not."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    if not poll.poll(_ENDS_WITHIN * 1000):
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    os.close(pidfd)


# -- what a student's Python finds ------------------------------------------------------------

_COMMAND = (sys.executable, "-m", _AGENT)


def _environment(home: str = HOME) -> dict[str, str]:
    """Return the variables of a student's process: the same on every machine, and no secret."""
    path = import_path()
    return {
        "DLLAB_DEVICE": "cpu",
        "DLLAB_SANDBOX": "1",
        "HOME": home,
        "KERAS_BACKEND": os.environ.get("KERAS_BACKEND", "tensorflow"),
        "LANG": "C.UTF-8",
        "LOGNAME": "student",
        "MPLBACKEND": "Agg",
        "PATH": f"{os.path.dirname(sys.executable)}:/usr/bin:/bin",
        "TMPDIR": "/tmp" if home == HOME else home,
        "TZ": "UTC",
        "USER": "student",
        # one core each: the same results on every machine, and no fight between jobs
        "CUDA_VISIBLE_DEVICES": "-1",
        "MKL_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
        "PIP_NO_INPUT": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
    } | ({"PYTHONPATH": path} if path else {})
