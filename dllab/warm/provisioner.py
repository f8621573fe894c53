"""The kernel provisioner: what Jupyter loads by the name `dllab-warm`.

- `WarmProvisioner`: starts a warm kernel, or an ordinary one with a line of warning
"""

import asyncio
import logging
import os
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO, Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import LocalProvisioner
from traitlets import Float, List, Unicode

from .errors import WarmError
from .runtime import DEFAULT_PRELOAD, Settings

__all__ = ["WarmProvisioner"]

_KNOWN = {"env", "cwd", "stdin", "stdout", "stderr", "independent"}
_IGNORED = {"extra_arguments", "kernel_id"}


class WarmProvisioner(LocalProvisioner):
    """Provides kernels that are forked from a template with its imports done.

    Everything but the start is `LocalProvisioner`'s: a `WarmProcess` stands where that
    class keeps its `subprocess.Popen`.
    """

    preload = List(Unicode(), list(DEFAULT_PRELOAD), help="Modules to import.").tag(config=True)
    idle_seconds = Float(900.0, help="Time after which an unused template ends.").tag(config=True)
    start_seconds = Float(60.0, help="Longest wait for a template.").tag(config=True)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start the kernel: a warm one if possible, else the ordinary one.

        With `warm_join=pid` the kernel enters the sandbox of process `pid`, made by
        bubblewrap for example, before it runs anything. Then there is no way back to an
        ordinary kernel, which would run outside.

        Raises:
            WarmError: `warm_join` was given and there is no warm kernel.
        """
        join = kwargs.pop("warm_join", None)
        process = await self._try(cmd, kwargs, join)
        if process is None:
            return await super().launch_kernel(cmd, **kwargs)
        self.process = process
        self.pid = self.pgid = process.pid
        self.cwd = kwargs.get("cwd") or Path.cwd()
        return self.connection_info

    async def _try(self, cmd: list[str], kwargs: dict[str, Any], join: int | None) -> Any:
        """Return a warm kernel's process, or None if the ordinary one should start."""
        environment = kwargs.get("env") or os.environ
        process = None
        try:
            if not _switched_off(environment):
                process = await self._start(cmd, environment, kwargs, join)
        except Exception as error:
            if join is not None:
                raise WarmError(f"no warm kernel to put into the sandbox: {error}") from error
            self._warn(f"No warm kernel, an ordinary one starts instead: {error}")
        if process is None and join is not None:
            raise WarmError("no warm kernel to put into the sandbox: they are switched off")
        return process

    async def send_signal(self, signum: int) -> None:
        """Send a signal to the kernel's process group, unless the kernel has ended."""
        # A warm kernel's number is free for others once its end is known.
        if self.process is not None and self.process.poll() is None:
            await super().send_signal(signum)

    async def _start(
        self, cmd: list[str], environment: Any, kwargs: dict[str, Any], join: int | None
    ) -> Any:
        """Return a warm kernel's process, or None where the command is not ipykernel's."""
        if not sys.platform.startswith("linux"):
            raise WarmError(f"forking a kernel is not safe on {sys.platform}")
        from . import client

        command = client.parse_command(cmd, environment)
        if command is None:
            self.log.debug("Not an IPython kernel, so it starts as usual: %s", cmd)
            return None
        if strange := sorted(set(kwargs) - _KNOWN - _IGNORED):
            raise WarmError(f"no support for the options {strange}")
        environment = dict(environment)
        if not (independent := bool(kwargs.get("independent"))):
            environment["JPY_PARENT_PID"] = str(os.getpid())
        with ExitStack() as stack:
            streams = Streams(kwargs, stack)
            start = partial(
                client.start_kernel,
                command,
                environment,
                os.path.abspath(kwargs.get("cwd") or os.getcwd()),
                streams.fds,
                self._settings(environment),
                independent,
                join,
            )
            process = await _in_thread(start)
            process.stdin, process.stdout, process.stderr = streams.readers()
            return process

    def _warn(self, text: str) -> None:
        """Log one line; where no application has set up logging, print it instead."""
        handlers = [*self.log.handlers, *logging.getLogger().handlers]
        if all(isinstance(handler, logging.NullHandler) for handler in handlers):
            print(text, file=sys.stderr)
        else:
            self.log.warning(text)

    def _settings(self, environment: dict[str, str]) -> Settings:
        mine = Settings(tuple(self.preload), self.idle_seconds, self.start_seconds)
        return Settings.from_environment(environment, mine)


def _switched_off(environment: Any) -> bool:
    return "0" in (environment.get("DLLAB_WARM"), os.environ.get("DLLAB_WARM"))


async def _in_thread(start: Any) -> Any:
    """Run `start` beside the event loop; if its caller goes away, end what it starts."""
    task = asyncio.ensure_future(asyncio.to_thread(start))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(_discard)
        raise


def _discard(task: "asyncio.Future[Any]") -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().kill()


class Streams:
    """Descriptors for a kernel's standard streams, from arguments in the style of `Popen`.

    What is opened here is closed with `stack`, except the ends that `readers` hands out.
    """

    def __init__(self, kwargs: dict[str, Any], stack: ExitStack) -> None:
        self._stack = stack
        self._ends: list[IO[bytes] | None] = [None, None, None]
        # Jupyter gives a kernel an input that is at its end
        stdin = kwargs.get("stdin")
        first = self._closed_input() if stdin is None else self._open(0, stdin, os.O_RDONLY)
        out = self._open(1, kwargs.get("stdout"), os.O_WRONLY)
        err = kwargs.get("stderr")
        second = out if err == subprocess.STDOUT else self._open(2, err, os.O_WRONLY)
        self.fds = [first, out, second]

    def readers(self) -> list[IO[bytes] | None]:
        """Return the client's ends of the pipes, now the caller's to close."""
        ends, self._ends = self._ends, [None, None, None]
        return ends

    def _closed_input(self) -> int:
        read, write = os.pipe()
        os.close(write)
        self._stack.callback(os.close, read)
        return read

    def _open(self, number: int, given: Any, mode: int) -> int:
        if given is None:
            return number
        if given == subprocess.PIPE:
            return self._pipe(number)
        if given == subprocess.DEVNULL:
            fd = os.open(os.devnull, mode)
            self._stack.callback(os.close, fd)
            return fd
        return given if isinstance(given, int) else int(given.fileno())

    def _pipe(self, number: int) -> int:
        read, write = os.pipe()
        mine, theirs = (write, read) if number == 0 else (read, write)
        self._stack.callback(os.close, theirs)
        self._ends[number] = os.fdopen(mine, "wb" if number == 0 else "rb", -1 if number else 0)
        self._stack.callback(self._close_end, number)
        return theirs

    def _close_end(self, number: int) -> None:
        if (end := self._ends[number]) is not None:
            end.close()
