"""The client's side: find or start the template, ask it for a kernel, watch that kernel.

- `start_kernel(command, ...)`: a warm kernel as a `WarmProcess`
- `parse_command(command)`: the interpreter and the kernel's arguments, if it is ipykernel
- `program_command(python, module)`: the same for a module whose `main()` runs in a kernel's place
- `prepare(command, ...)`: have the template import already, before the first kernel is asked for
- `WarmProcess`: the kernel, with the interface of `subprocess.Popen`
- `templates(folder)`, `ask(path, wish)`, `kill_template(...)`: for `status` and `stop`
"""

import json
import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from . import runtime
from .errors import WarmError
from .runtime import Identity, Settings
from .wire import Inbox, send

__all__ = [
    "WarmProcess",
    "ask",
    "kill_template",
    "parse_command",
    "prepare",
    "program_command",
    "start_kernel",
    "templates",
]

_LONGEST_SOCKET_NAME = 107
_ATTEMPTS = 3
_IMPORTS_TAKE_AT_MOST = 10  # times the wait of one client


@dataclass(frozen=True)
class Command:
    """A kernel's command line, taken apart; `program` is a module to run instead of ipykernel."""

    whole: tuple[str, ...]
    python: tuple[str, ...]
    arguments: tuple[str, ...]
    program: str = ""


def parse_command(command: Sequence[str], environment: Mapping[str, str]) -> Command | None:
    """Take `python [-X option] -m ipykernel_launcher arguments` apart; None for anything else.

    Example:
        >>> parse_command(["Rscript", "-e", "IRkernel::main()"], {}) is None
        True
    """
    parts = list(command)
    if "ipykernel_launcher" not in parts:
        return None
    at = parts.index("ipykernel_launcher")
    options = parts[1 : at - 1]
    plain = all(option.startswith("-X") and len(option) > 2 for option in options)
    if at < 2 or parts[at - 1] != "-m" or not plain:
        return None
    python = shutil.which(os.path.expanduser(parts[0]), path=environment.get("PATH"))
    if python is None:
        return None
    start = (os.path.abspath(python), *options)
    return Command(tuple(parts), start, tuple(parts[at + 1 :]))


def program_command(python: str, module: str, arguments: Sequence[str] = ()) -> Command:
    """Return the command `python -m module arguments`, to be run by the module's `main()`.

    Example:
        >>> program_command("/usr/bin/python3", "agent").whole
        ('/usr/bin/python3', '-m', 'agent')
    """
    return Command((python, "-m", module, *arguments), (python,), tuple(arguments), module)


# -- the kernel ------------------------------------------------------------------------------


class WarmProcess:
    """A warm kernel, with the part of `subprocess.Popen`'s interface that Jupyter uses."""

    def __init__(self, inbox: Inbox, pid: int, pidfd: int, args: Sequence[str]) -> None:
        self.pid = pid
        self.args = list(args)
        self.returncode: int | None = None
        self.stdin: IO[bytes] | None = None
        self.stdout: IO[bytes] | None = None
        self.stderr: IO[bytes] | None = None
        self._inbox: Inbox | None = inbox
        self._pidfd: int | None = pidfd

    def poll(self) -> int | None:
        """Return the exit code, or None while the kernel runs."""
        if self.returncode is None and self._inbox is not None:
            self._listen(0)
        if self.returncode is None and self._inbox is None and self._process_ended(0):
            # The template died first, so nobody can say how the kernel ended.
            self._settle(-signal.SIGKILL)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the kernel's end and return its exit code."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                assert timeout is not None
                raise subprocess.TimeoutExpired(self.args, timeout)
            if self._inbox is not None:
                self._listen(left)
            else:
                self._process_ended(left)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the kernel has ended."""
        if self.poll() is None and self._pidfd is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def terminate(self) -> None:
        """Ask the kernel to end (SIGTERM)."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the kernel (SIGKILL)."""
        self.send_signal(signal.SIGKILL)

    def _listen(self, seconds: float | None) -> None:
        """Read what the template says about the end, if it comes within `seconds`."""
        assert self._inbox is not None
        self._inbox.sock.settimeout(seconds)
        try:
            self._settle(int(self._inbox.next()["exit"]))
        except (BlockingIOError, TimeoutError):
            return
        except (EOFError, OSError, WarmError, KeyError):
            self._inbox.close()
            self._inbox = None

    def _process_ended(self, seconds: float | None) -> bool:
        poll = select.poll()
        assert self._pidfd is not None
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(None if seconds is None else max(0, seconds) * 1000))

    def _settle(self, code: int) -> None:
        self.returncode = code
        self.close()

    def close(self) -> None:
        """Let go of the kernel, whether it runs or not."""
        if self._inbox is not None:
            self._inbox.close()  # the template may now reap the process
            self._inbox = None
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None

    def __del__(self) -> None:
        self.close()


def start_kernel(
    command: Command,
    environment: Mapping[str, str],
    cwd: str,
    streams: Sequence[int],
    settings: Settings,
    independent: bool = False,
    join: int | None = None,
    folder: Path | None = None,
) -> WarmProcess:
    """Fork a kernel from the template that fits, starting one if there is none.

    Args:
        command: what `parse_command` found, or what `program_command` made.
        environment: the kernel's environment variables.
        cwd: the kernel's working directory.
        streams: descriptors for its standard input, output and error.
        settings: what the template imports and how long to wait.
        independent: whether the kernel outlives this process.
        join: a process whose sandbox the kernel enters before it runs anything; the kernel
            then ends with that sandbox, and not with this process.
        folder: the private directory with the template's socket, if it is not the user's.

    Raises:
        WarmError: no kernel can be had, and why.
    """
    identity = _identity(command, environment, cwd, settings)
    request = _request(command, environment, cwd, join)
    deadline = time.monotonic() + settings.start_seconds
    path = runtime.directory(chosen=folder) / f"{identity.key}.sock"
    # Inside a sandbox a descriptor of this process would be a handle on the outside.
    watched = not independent and join is None
    for _ in range(_ATTEMPTS):
        inbox = Inbox(_connect(path, identity, environment, settings))
        met = _inode(path)
        try:
            return _launch(inbox, request, streams, watched, deadline)
        except (EOFError, ConnectionError):
            inbox.close()  # this template has just ended; the next attempt starts another
        except TimeoutError:
            inbox.close()
            seconds = settings.start_seconds
            _give_up_on(path, met, _IMPORTS_TAKE_AT_MOST * seconds)
            raise WarmError(f"the template did not answer within {seconds:g} s") from None
        except BaseException:
            inbox.close()
            raise
    _sweep(path)
    raise WarmError(f"the template ended {_ATTEMPTS} times before it could answer")


def prepare(
    command: Command,
    environment: Mapping[str, str],
    cwd: str,
    settings: Settings,
    folder: Path | None = None,
) -> None:
    """Start the template from which `start_kernel` will fork, unless it runs; do not wait for it.

    Raises:
        WarmError: it cannot be started, and why.
    """
    identity = _identity(command, environment, cwd, settings)
    path = runtime.directory(chosen=folder) / f"{identity.key}.sock"
    _connect(path, identity, environment, settings).close()


def _identity(
    command: Command, environment: Mapping[str, str], cwd: str, settings: Settings
) -> Identity:
    return Identity.of(command.python, environment, cwd, settings.preload, command.program)


def _request(
    command: Command, environment: Mapping[str, str], cwd: str, join: int | None
) -> dict[str, Any]:
    limits = [number for name, number in vars(resource).items() if name.startswith("RLIMIT_")]
    return {
        "wish": "launch",
        "command": command.whole,
        "arguments": command.arguments,
        "program": command.program,
        "environment": dict(environment),
        "cwd": cwd,
        "join": join,
        "umask": _umask(),
        "cpus": sorted(os.sched_getaffinity(0)),
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "limits": [(number, resource.getrlimit(number)) for number in sorted(set(limits))],
    }


def _umask() -> int:
    """Return the file mode mask without setting it, as other threads may be at work."""
    text = Path("/proc/self/status").read_text()
    (line,) = (line for line in text.splitlines() if line.startswith("Umask:"))
    return int(line.partition(":")[2], 8)


def _launch(
    inbox: Inbox,
    request: dict[str, Any],
    streams: Sequence[int],
    watched: bool,
    deadline: float,
) -> WarmProcess:
    """Send the request; return when the kernel has taken everything over."""
    watch = [os.pidfd_open(os.getpid())] if watched else []
    try:
        inbox.sock.settimeout(_left(deadline))
        send(inbox.sock, request, [*streams, *watch])
    finally:
        for fd in watch:
            os.close(fd)
    pid, ready = None, False
    while pid is None or not ready:
        inbox.sock.settimeout(_left(deadline))
        message = inbox.next()
        if "stale" in message:
            raise EOFError
        if "failed" in message:
            raise WarmError(message["failed"])
        if "exit" in message:
            raise WarmError(f"the kernel ended at once (exit code {message['exit']})")
        pid = message.get("pid", pid)
        ready = ready or "ready" in message
    (pidfd,) = inbox.take_fds()
    return WarmProcess(inbox, pid, pidfd, request["command"])


def _left(deadline: float) -> float:
    # a timeout of zero would make the socket non-blocking
    return max(0.001, deadline - time.monotonic())


# -- the template ----------------------------------------------------------------------------


def _connect(
    path: Path, identity: Identity, environment: Mapping[str, str], settings: Settings
) -> socket.socket:
    """Connect to the template; start it if nobody listens.

    The listening socket is made here, under the lock, and handed to the template. So a
    second client finds it in place, connects, and waits until the template has its imports.
    """
    folder = path.parent
    if len(os.fsencode(path)) > _LONGEST_SOCKET_NAME:
        raise WarmError(f"{path} is too long for a socket; set `DLLAB_WARM_DIR`")
    if (sock := _try_connect(path)) is not None:
        return sock
    with runtime.lock(folder):
        if (sock := _try_connect(path)) is not None:
            return sock
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.fspath(path))
            listener.listen(128)
            try:
                _spawn(identity, environment, settings, listener, folder)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
        sock = _try_connect(path)
    if sock is None:
        raise WarmError("the template ended as soon as it had started")
    return sock


def _try_connect(path: Path) -> socket.socket | None:
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.settimeout(5)
        sock.connect(os.fspath(path))
    except (FileNotFoundError, ConnectionRefusedError):
        sock.close()
        return None
    except BaseException:
        sock.close()
        raise
    return sock


def _spawn(
    identity: Identity,
    environment: Mapping[str, str],
    settings: Settings,
    listener: socket.socket,
    folder: Path,
) -> None:
    configuration = {
        "key": identity.key,
        "folder": os.fspath(folder),
        "listener": listener.fileno(),
        "preload": list(settings.preload),
        "program": identity.program,
        "idle": settings.idle_seconds,
        "owner": settings.owner,
        "shown": runtime.describe(identity),
    }
    own = runtime.template_environment(identity, environment)
    if settings.own_home:
        own |= {"HOME": os.fspath(runtime.make_home(folder))}
    boot = Path(__file__).with_name("boot.py")
    log = os.open(folder / f"{identity.key}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        # `boot` forks and leaves: this only waits for the interpreter to start
        subprocess.run(
            [*identity.python, os.fspath(boot), json.dumps(configuration)],
            env=own,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[listener.fileno()],
            start_new_session=True,
            check=True,
            timeout=settings.start_seconds,
            cwd="/",
        )
    except (subprocess.SubprocessError, OSError) as error:
        raise WarmError(f"the template did not start: {error}") from error
    finally:
        os.close(log)


def _inode(path: Path) -> int | None:
    with suppress(OSError):
        return path.stat().st_ino
    return None


def _give_up_on(path: Path, met: int | None, longest_import: float) -> None:
    """End a template that does not answer, so that the next client starts another.

    On a busy machine it may only be slow: while it imports it is left alone for
    `longest_import` seconds, and serves the clients that come later. Where the socket is no
    longer the one that was met, somebody else was faster.
    """
    with suppress(WarmError), runtime.lock(path.parent):
        if _inode(path) == met and not _imports(path, longest_import):
            with suppress(OSError, ValueError):
                pid = int(path.with_suffix(".pid").read_text())
                kill_template(pid, path.stem, signal.SIGKILL)
            runtime.remove_files(path)
        runtime.tidy(path.parent)


def _imports(path: Path, longest: float) -> bool:
    with suppress(OSError):
        begun = path.stat().st_mtime
        return not path.with_suffix(".ready").exists() and time.time() - begun < longest
    return False


def _sweep(path: Path) -> None:
    """Remove what a crashed template has left, unless another has taken its place."""
    with suppress(WarmError), runtime.lock(path.parent):
        if (sock := _try_connect(path)) is not None:
            sock.close()
        else:
            runtime.remove_files(path)
        runtime.tidy(path.parent)


def kill_template(pid: int, key: str, number: signal.Signals) -> None:
    """Signal process `pid` if it is the template `key`, not one that took over its number."""
    pidfd = os.pidfd_open(pid)
    try:
        if key.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            signal.pidfd_send_signal(pidfd, number)
    finally:
        os.close(pidfd)


def templates(folder: Path) -> list[Path]:
    """Return the sockets in `folder`, of living templates and of crashed ones."""
    return sorted(folder.glob("*.sock")) if folder.is_dir() else []


def ask(path: Path, wish: str, seconds: float = 2.0) -> dict[str, Any] | None:
    """Ask a template for its `status` or to `stop`; None if nobody listens any more.

    Raises:
        TimeoutError: the template does not answer, most likely because it is importing.
    """
    if (sock := _try_connect(path)) is None:
        return None
    inbox = Inbox(sock)
    try:
        sock.settimeout(seconds)
        send(sock, {"wish": wish})
        return inbox.next()
    except (EOFError, ConnectionError):
        return None
    finally:
        inbox.close()
