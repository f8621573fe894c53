"""A time limit on code that may never end.

- `time_limit(seconds)`: a context in which `TimeUp` is raised when the time is over
- `TimeUp`: what it raises; no ordinary `except Exception` catches it

Code that is in the middle of one long call into compiled code is interrupted when that call
returns, which is all that one process can do to itself.
"""

import ctypes
import signal
import sys
import threading
import time
from contextlib import AbstractContextManager, suppress
from types import FrameType
from typing import Any

__all__ = ["TimeUp", "time_limit"]

_REPEAT = 0.05  # seconds between two attempts to stop code that swallows `TimeUp`


class TimeUp(BaseException):
    """The time that a call may take is over."""


def time_limit(seconds: float) -> AbstractContextManager[None]:
    """Raise `TimeUp` in the body once `seconds` have passed, again and again until it ends.

    Limits nest: the outer one counts on while the inner one is in force.
    """
    on_main = threading.current_thread() is threading.main_thread()
    if on_main and hasattr(signal, "setitimer"):
        return _Alarm(seconds)
    return _Watchdog(seconds)


class _Alarm(AbstractContextManager[None]):
    """A limit by the operating system's timer, which only the main thread can have.

    Code such as `while True: try: … except: pass` catches whatever is raised inside its
    `try`. So each alarm raises twice: now, and again some traced lines later, one line
    later with each alarm; sooner or later the second one falls outside of every `try`.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._alarms = 0
        self._over = False

    def __enter__(self) -> None:
        self._start = time.monotonic()
        self._body = sys._getframe(1)
        self._tracing = sys.gettrace()
        self._handler = signal.signal(signal.SIGALRM, self._ring)
        self._outer = signal.setitimer(signal.ITIMER_REAL, self._seconds, _REPEAT)

    def __exit__(self, *_: object) -> None:
        self._over = True
        sys.settrace(self._tracing)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._handler)
        left, interval = self._outer
        if left:
            left -= time.monotonic() - self._start
            signal.setitimer(signal.ITIMER_REAL, left if left > 0 else _REPEAT, interval)
            if left <= 0:
                raise TimeUp  # of the outer limit, which was due meanwhile

    def _ring(self, _number: int, frame: FrameType | None) -> None:
        if self._over or (frame is not None and frame.f_code.co_filename == __file__):
            return  # a limit is being set up or taken down; there will be another alarm
        self._alarms += 1
        trace = _raise_after(self._alarms)
        while frame is not None and frame is not self._body:
            frame.f_trace = trace
            frame = frame.f_back
        sys.settrace(_trace_no_new_frame)
        raise TimeUp


def _raise_after(lines: int) -> Any:
    """Return a trace function that raises `TimeUp` at the line of that number."""

    def trace(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal lines
        if event == "line":
            lines -= 1
            if lines <= 0:
                raise TimeUp
        return trace

    return trace


def _trace_no_new_frame(_frame: FrameType, _event: str, _argument: Any) -> None:
    """Be there, since frames are traced only while a global trace function is set."""


class _Watchdog(AbstractContextManager[None]):
    """A limit by a second thread that throws `TimeUp` into this one."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._thread = ctypes.c_ulong(threading.get_ident())
        threading.Thread(target=self._watch, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        while not self._done.is_set():
            with suppress(TimeUp), self._lock:
                self._done.set()
        # One that was thrown last may not have arrived yet: it does so at the next jump back.
        with suppress(TimeUp):
            for _step in range(100):
                pass

    def _watch(self) -> None:
        wait = self._seconds
        while not self._done.wait(wait):
            wait = _REPEAT
            with self._lock:
                if not self._done.is_set():
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(
                        self._thread, ctypes.py_object(TimeUp)
                    )
