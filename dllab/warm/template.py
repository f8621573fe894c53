"""The template process: imports once, then forks a kernel for each request.

- `main(configuration)`: what `boot` runs; returns only in a forked kernel, at its end

The process must stay a place that is safe to fork: one thread, no device, no event loop, no
ZeroMQ context. Whatever needs one of these is made in the child.
"""

import gc
import importlib
import json
import os
import selectors
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import runtime
from .errors import WarmError
from .wire import Inbox, send

__all__ = ["Launch", "Template", "main"]

# What ipykernel and IPython import only when a kernel starts or runs its first cell.
_KERNEL_MODULES = (
    "IPython.core.completer",
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.oinspect",
    "IPython.core.pylabtools",
    "IPython.extensions.storemagic",
    "ipykernel.debugger",
    "ipykernel.ipkernel",
    "pdb",
    "tornado.platform.asyncio",
    "zmq.asyncio",
)
# What a module of the list brings along later, on first use.
_COMPANIONS = {
    "matplotlib.pyplot": (
        "matplotlib.backends.backend_agg",
        "PIL.BmpImagePlugin",
        "PIL.GifImagePlugin",
        "PIL.JpegImagePlugin",
        "PIL.PpmImagePlugin",
    ),
    "keras": (
        "tensorflow.python.data.ops.flat_map_op",
        "tensorflow.python.data.ops.from_tensors_op",
        "tensorflow.python.data.ops.range_op",
        "tensorflow.python.data.ops.zip_op",
    ),
}
_PEER = struct.Struct("3i")


@dataclass(frozen=True)
class Launch:
    """A kernel to become: the request, its descriptors, and the line to the client."""

    request: dict[str, Any]
    fds: list[int]
    client: socket.socket


@dataclass
class _Child:
    """A forked kernel: its process, and the client to tell about its end."""

    pid: int
    pidfd: int
    client: Inbox | None
    ended: bool = False


def main(text: str) -> None:
    """Import, serve, and end when idle; in a forked kernel, run it to its end."""
    configuration = json.loads(text)
    listener = socket.socket(fileno=configuration["listener"])
    listener.set_inheritable(False)
    os.chdir("/")
    os.umask(0o077)
    template = Template(listener, configuration)
    try:
        preload(configuration["preload"], configuration["program"])
        rehearse_fork()
    except BaseException as error:
        template.fail(f"{type(error).__name__}: {error}")
        raise
    launch = template.serve()
    if launch is None:
        os._exit(0)
    # Nothing of the template is below this line on the stack but its module: the kernel
    # ends as a Python program ends.
    from .child import run

    run(launch)


def preload(names: list[str], program: str) -> None:
    """Import `names` and what kernels themselves need, or the program that runs in their place.

    Missing parts of the former do not matter: versions of ipykernel differ.
    """
    for name in names:
        importlib.import_module(name)
    companions = [module for name in names for module in _COMPANIONS.get(name, ())]
    for name in (*(() if program else _KERNEL_MODULES), *companions):
        # a companion of a backend that is not the active one stays out
        if name.partition(".")[0] in (*sys.modules, "IPython", "ipykernel", "PIL", "pdb"):
            with suppress(ImportError):
                importlib.import_module(name)
    importlib.import_module(program or "ipykernel.kernelapp")
    importlib.import_module(f"{__package__}.child").remember()


def rehearse_fork() -> None:
    """Fork once, and insist that one thread is left.

    OpenBLAS ends its threads before a fork and starts them again when next needed, on both
    sides; after the rehearsal any other thread is one that a child would miss.

    Raises:
        WarmError: a preloaded module has started a thread.
    """
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise WarmError(f"{threads - 1} threads of preloaded modules make a fork unsafe")


class Template:
    """Serves requests on `listener` from a single thread, without ever blocking on a client."""

    def __init__(self, listener: socket.socket, configuration: dict[str, Any]) -> None:
        self.listener = listener
        self.owner: int | None = None
        self.configuration = configuration
        self.folder = Path(configuration["folder"])
        self.path = self.folder / f"{configuration['key']}.sock"
        self.socket_inode = self.path.stat().st_ino
        self.confinement = runtime.confinement()
        self.requests: dict[int, Inbox] = {}
        self.children: list[_Child] = []
        self.retired = False
        self.ending = False
        self.idle_since = time.monotonic()
        note = self.folder / f"{configuration['key']}.pid"
        note.write_text(str(os.getpid()))

    # -- life ----------------------------------------------------------------------------

    def serve(self) -> Launch | None:
        """Answer until idle or told to end: None then, and a `Launch` in a forked kernel."""
        self.files = _stamps()
        gc.collect()
        # Frozen objects stay out of the children's collections, whose marks would otherwise
        # copy every shared page.
        gc.freeze()
        self.selector = selectors.DefaultSelector()
        self.wakeup = socket.socketpair()
        for end in (*self.wakeup, self.listener):
            end.setblocking(False)
        signal.set_wakeup_fd(self.wakeup[1].fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, lambda *_: None)
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        self.selector.register(self.wakeup[0], selectors.EVENT_READ, self._signaled)
        if self.configuration["owner"]:
            self._watch_owner(self.configuration["owner"])
        self.idle_since = time.monotonic()
        self.path.with_suffix(".ready").touch()
        while not self._finished():
            for event, _ in self.selector.select(self._patience()):
                # an earlier event of this round may have closed the file
                current = self.selector.get_map().get(event.fd) is event
                launch = event.data() if current else None
                if isinstance(launch, Launch):
                    return launch
        self._leave()
        return None

    def fail(self, reason: str) -> None:
        """Tell all who wait that there will be no kernel, and go."""
        with suppress(WarmError):
            self.retire()
        self.listener.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                client, _ = self.listener.accept()
                client.settimeout(1)
                with suppress(OSError), client:
                    send(client, {"failed": reason})
        self.listener.close()

    def retire(self) -> None:
        """Take no more requests; the next client starts a new template."""
        if self.retired:
            return
        self.retired = True
        with runtime.lock(self.folder):
            if self.path.exists() and self.path.stat().st_ino == self.socket_inode:
                runtime.remove_files(self.path)
            runtime.tidy(self.folder)

    def _finished(self) -> bool:
        if self.ending:
            with suppress(WarmError):
                self.retire()
            return True
        if self.children:
            return False
        if not self.retired and self._patience() <= 0:
            self.retire()
            # A client may have connected before the socket's name went: it reads a closed
            # connection and asks again.
        return self.retired

    def _patience(self) -> float:
        if self.children:
            return 3600.0
        waited = time.monotonic() - self.idle_since
        return max(0.0, self.configuration["idle"] - waited)

    def _leave(self) -> None:
        signal.set_wakeup_fd(-1)
        self.selector.close()
        for end in (*self.wakeup, self.listener):
            end.close()
        if self.owner is not None:
            os.close(self.owner)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _watch_owner(self, pid: int) -> None:
        try:
            self.owner = os.pidfd_open(pid)
        except ProcessLookupError:
            self.ending = True
        else:
            self.selector.register(self.owner, selectors.EVENT_READ, self._orphaned)

    def _orphaned(self) -> None:
        self.ending = True

    def _signaled(self) -> None:
        with suppress(BlockingIOError):
            self.ending = signal.SIGTERM in self.wakeup[0].recv(64)

    # -- requests ------------------------------------------------------------------------

    def _accept(self) -> None:
        try:
            client, _ = self.listener.accept()
        except OSError:
            return
        if not self._trusts(client):
            client.close()
            return
        client.setblocking(False)
        inbox = Inbox(client)
        self.requests[client.fileno()] = inbox
        self.selector.register(client, selectors.EVENT_READ, lambda: self._read(inbox))

    def _trusts(self, client: socket.socket) -> bool:
        """Tell whether the client is the same user, confined in the same way.

        A kernel forked for a client in a sandbox would otherwise run outside of it.
        """
        raw = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        pid, uid, _ = _PEER.unpack(raw)
        if uid != os.geteuid() or pid <= 0:
            return False
        with suppress(OSError):
            return runtime.confinement(str(pid)) == self.confinement
        return False

    def _read(self, inbox: Inbox) -> Launch | None:
        try:
            open_ = inbox.receive()
            message = inbox.message()
        except BlockingIOError:
            return None
        except (OSError, WarmError):
            open_, message = False, None
        if message is not None:
            return self._answer(inbox, message)
        if not open_:
            self._drop(inbox)
        return None

    def _drop(self, inbox: Inbox) -> None:
        self.requests.pop(inbox.sock.fileno(), None)
        self.selector.unregister(inbox.sock)
        inbox.close()

    def _answer(self, inbox: Inbox, message: dict[str, Any]) -> Launch | None:
        wish = message.get("wish")
        if wish == "launch" and not self.retired and not _changed(self.files):
            return self._fork(inbox, message)
        reply: dict[str, Any] = {"stale": True}
        if wish == "status":
            reply = self._status()
        elif wish == "stop":
            reply = {"stopped": os.getpid()}
        if wish != "status":
            self._retire_in_service()  # first, so that the client does not come back here
        with suppress(OSError):
            send(inbox.sock, reply)
        self._drop(inbox)
        return None

    def _retire_in_service(self) -> None:
        if not self.retired:
            with suppress(WarmError):  # whoever finds the socket dead removes it
                self.retire()
            self.selector.unregister(self.listener)
            self.listener.close()

    def _status(self) -> dict[str, Any]:
        kernels = [child.pid for child in self.children if not child.ended]
        shown = self.configuration["shown"]
        return {"pid": os.getpid(), "kernels": kernels, "key": self.configuration["key"], **shown}

    # -- kernels -------------------------------------------------------------------------

    def _fork(self, inbox: Inbox, request: dict[str, Any]) -> Launch | None:
        if _has_gone(inbox.sock):
            self._drop(inbox)
            return None
        fds = inbox.take_fds()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            self._forget(inbox)
            return Launch(request, fds, inbox.sock)
        for fd in fds:
            os.close(fd)
        self.requests.pop(inbox.sock.fileno())
        child = _Child(pid, os.pidfd_open(pid), inbox)
        self.children.append(child)
        self.selector.register(child.pidfd, selectors.EVENT_READ, lambda: self._ended(child))
        self.selector.modify(inbox.sock, selectors.EVENT_READ, lambda: self._hung_up(child))
        with suppress(OSError):
            send(inbox.sock, {"pid": pid}, [child.pidfd])
        return None

    def _forget(self, inbox: Inbox) -> None:
        """In the child: close what belongs to the template or to other clients."""
        self._leave()
        for other in (*self.requests.values(), *(c.client for c in self.children if c.client)):
            if other is not inbox:
                other.close()
        for child in self.children:
            os.close(child.pidfd)

    def _ended(self, child: _Child) -> None:
        """Pass on the exit code. Reap later: until then nobody else can get the number."""
        child.ended = True
        self.selector.unregister(child.pidfd)
        info = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert info is not None
        code = info.si_status if info.si_code == os.CLD_EXITED else -info.si_status
        if child.client is None:
            self._reap(child)
            return
        with suppress(OSError):  # a client that has gone is noticed by `_hung_up`
            send(child.client.sock, {"exit": code})

    def _hung_up(self, child: _Child) -> None:
        """The client has gone, or knows the exit code."""
        if child.client is None:
            return
        with suppress(ConnectionError):
            try:
                if child.client.sock.recv(64):
                    return
            except BlockingIOError:
                return
        self.selector.unregister(child.client.sock)
        child.client.close()
        child.client = None
        if child.ended:
            self._reap(child)

    def _reap(self, child: _Child) -> None:
        os.close(child.pidfd)
        os.waitpid(child.pid, 0)
        self.children.remove(child)
        self.idle_since = time.monotonic()


def _has_gone(client: socket.socket) -> bool:
    """Tell whether a client has closed the connection, tired of waiting for the imports."""
    try:
        return client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _stamps() -> dict[str, tuple[int, int]]:
    """Return size and modification time of every file that was imported."""
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    return {file: stamp for file in files if file and (stamp := _stamp(file))}


def _stamp(file: str) -> tuple[int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _changed(files: dict[str, tuple[int, int]]) -> bool:
    return any(_stamp(file) != stamp for file, stamp in files.items())
