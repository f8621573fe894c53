"""What a forked process does to become a kernel that cannot be told from an ordinary one.

- `remember()`: what the template does once, after its imports
- `run(launch)`: take over what the request hands in, then be an IPython kernel to the end

The order matters: the session first, then descriptors and environment, then what depends on
them, and threads last.
"""

import atexit
import ctypes
import functools
import gc
import importlib
import logging
import os
import resource
import select
import signal
import sys
import tempfile
import threading
import time
from contextlib import suppress
from typing import Any, NoReturn

from . import join
from .reseed import reseed
from .template import Launch
from .wire import send

__all__ = ["remember", "run"]

_template: dict[str, str] = {}


def remember() -> None:
    """Note, in the template, what a child compares its own surroundings with."""
    if (matplotlib := sys.modules.get("matplotlib")) is not None:
        _template["matplotlibrc"] = matplotlib.matplotlib_fname()


def run(launch: Launch) -> NoReturn:
    """Become the kernel that was asked for; tell the client when ready, or why not."""
    request = launch.request
    try:
        os.setsid()
        _take_signals()
        client_pidfd = _take_descriptors(launch.fds)
        _take_environment(request["environment"])
        _take_limits(request)
        if request["join"] is not None:
            join.enter(request["join"])
        os.chdir(request["cwd"])
        _take_command(request["command"])
        _catch_up_with_environment()
        reseed()
    except BaseException as error:
        with suppress(OSError):
            send(launch.client, {"failed": f"{type(error).__name__}: {error}"})
        os._exit(1)
    launch.client.setblocking(True)
    try:
        send(launch.client, {"ready": True})
    except OSError:  # nobody waits for this kernel any more
        os._exit(1)
    launch.client.close()
    if request["program"]:
        _end(_run_program(request["program"], request["arguments"], client_pidfd))
    _end(_run_kernel(request["arguments"], client_pidfd))


def _take_signals() -> None:
    """Undo what the template did, as `exec` would."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # as Python starts
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    gc.enable()


def _take_descriptors(fds: list[int]) -> int | None:
    """Put the client's descriptors on 0, 1 and 2; return the one that watches the client."""
    for target, fd in enumerate(fds[:3]):
        os.dup2(fd, target)
        os.close(fd)
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            stream.reconfigure(line_buffering=stream is sys.__stderr__ or stream.isatty())
    return fds[3] if len(fds) > 3 else None


def _take_environment(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()


def _take_limits(request: dict[str, Any]) -> None:
    """Adopt the client's file mode mask, resource limits, CPUs and niceness."""
    os.umask(request["umask"])
    os.sched_setaffinity(0, request["cpus"])
    if request["nice"] != (own := os.nice(0)):
        os.nice(request["nice"] - own)
    for number, limits in request["limits"]:
        if resource.getrlimit(number) != tuple(limits):
            resource.setrlimit(number, limits)


def _take_command(command: list[str]) -> None:
    """Show the kernel's command line in `sys` and in the list of processes."""
    sys.orig_argv = list(command)
    with suppress(Exception):
        _write_command_line(b"\0".join(os.fsencode(part) for part in command))


def _write_command_line(text: bytes) -> None:
    """Overwrite the memory from which the system shows this process's arguments."""
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    ctypes.memmove(start, text[: end - start - 1].ljust(end - start, b"\0"), end - start)
    libc = ctypes.CDLL(None)
    libc.prctl(15, os.path.basename(text.partition(b"\0")[0])[:15], 0, 0, 0)  # PR_SET_NAME


def _catch_up_with_environment() -> None:
    """Do again what modules did with the template's environment when they were imported."""
    importlib.invalidate_caches()
    tempfile.tempdir = None
    _set("site", USER_BASE=None, USER_SITE=None)
    logging._startTime = time.time()  # type: ignore[attr-defined]
    if "matplotlib" in sys.modules:
        _catch_up_matplotlib()
    if (logging_ops := sys.modules.get("tensorflow.python.ops.logging_ops")) is not None:
        # On import it looks for a notebook, for which there was none yet; from here on
        # `tf.print` goes to the cell's standard output.
        logging_ops.enable_interactive_logging()
    _set("keras.src.backend.config", _KERAS_DIR=os.environ.get("KERAS_HOME") or _keras_folder())


def _set(module_name: str, **values: Any) -> None:
    """Set attributes of a module, if it has been imported."""
    if (module := sys.modules.get(module_name)) is not None:
        vars(module).update(values)


def _keras_folder() -> str:
    home = os.path.expanduser("~")
    return os.path.join(home if os.access(home, os.W_OK) else "/tmp", ".keras")


def _catch_up_matplotlib() -> None:
    """Choose folders, settings file and backend as an import in this place would have."""
    import matplotlib

    # Both functions remember their first answer, which was the template's.
    for name in ("get_configdir", "get_cachedir"):
        setattr(matplotlib, name, functools.cache(getattr(matplotlib, name).__wrapped__))
    if matplotlib.matplotlib_fname() != _template["matplotlibrc"]:
        _load_matplotlib_settings(matplotlib)
    # This one connects itself to IPython when it is imported, which has to happen later.
    for name in [name for name in sys.modules if name.startswith("matplotlib_inline")]:
        del sys.modules[name]
    # IPython's kernel names its own backend here when it starts, which matplotlib would
    # read if it were imported later.
    backend = os.environ.get("MPLBACKEND") or "module://matplotlib_inline.backend_inline"
    matplotlib.rcParams["backend"] = backend


def _load_matplotlib_settings(matplotlib: Any) -> None:
    """Read the settings file as `import matplotlib` does."""
    found = matplotlib._rc_params_in_file(matplotlib.matplotlib_fname())
    for settings in (matplotlib.rcParams, matplotlib.rcParamsOrig):
        settings._update_raw(matplotlib.rcParamsDefault)
        settings._update_raw(found)


class ClientWatcher(threading.Thread):
    """Ends the kernel when its client has gone, as ipykernel's own poller does.

    That one compares parents, and a warm kernel's parent is the template.
    """

    def __init__(self, pidfd: int) -> None:
        super().__init__(name="client watcher", daemon=True)
        self.pidfd = pidfd

    def run(self) -> None:
        """Wait for the client's end."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        events = poll.poll()
        # POLLNVAL: user code closed every descriptor, which says nothing about the client
        if events and events[0][1] & select.POLLIN:
            os._exit(1)


def _run_kernel(arguments: list[str], client_pidfd: int | None) -> int:
    """Run ipykernel as its launcher does; return the exit code."""
    from ipykernel import kernelapp
    from ipykernel.kernelapp import IPKernelApp

    launcher = os.path.join(os.path.dirname(os.path.dirname(kernelapp.__file__)), "")
    sys.argv = [launcher + "ipykernel_launcher.py", *arguments]
    parent = int(os.environ.get("JPY_PARENT_PID") or 0)
    try:
        app = IPKernelApp.instance(parent_handle=parent)
        watcher = None if client_pidfd is None else ClientWatcher(client_pidfd)
        # the application's own poller would watch the template
        vars(app)["init_poller"] = lambda: setattr(app, "poller", watcher)
        app.initialize(arguments)
        app.start()
    except SystemExit as leaving:
        return _exit_code(leaving)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _run_program(name: str, arguments: list[str], client_pidfd: int | None) -> int:
    """Run the `main()` of a module as `python -m` would; return the exit code."""
    module = importlib.import_module(name)
    sys.argv = [module.__file__ or name, *arguments]
    if client_pidfd is not None:
        ClientWatcher(client_pidfd).start()
    try:
        module.main()
    except SystemExit as leaving:
        return _exit_code(leaving)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _exit_code(leaving: SystemExit) -> int:
    if leaving.code is None:
        return 0
    if isinstance(leaving.code, int):
        return leaving.code & 0xFF
    print(leaving.code, file=sys.__stderr__)
    return 1


def _end(code: int) -> NoReturn:
    """End as the interpreter does, up to the point where it would take modules apart.

    That last step would copy much of the memory shared with the template, and gives user
    code nothing: IPython has emptied its namespace in an exit handler by then.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        with suppress(Exception):
            if stream is not None:
                stream.flush()
    os._exit(code)
