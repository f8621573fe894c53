"""The notebook's shell inside a learner's process: cells run as in Jupyter, and nothing is shown.

- `NotebookShell()`: `.run(number, source, seconds)` a code cell; `.names` what the cells defined

It is IPython's own shell, so magics, top-level `await` and `display` work. What a notebook does
to its surroundings (install packages, mount a drive, ask a question) does nothing here, so that
the cell goes on; what it prints is dropped.
"""

import ast
import builtins
import importlib
import importlib.machinery
import io
import os
import re
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from types import ModuleType, TracebackType
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from dllab.check.limits import TimeUp, time_limit
from dllab.grading.wire import clean

__all__ = ["NotebookShell"]

# What these do happens inside the notebook; all other magics only concern its surroundings.
_REAL_LINE_MAGICS = {"run", "env", "set_env", "cd", "pwd", "load"}
_REAL_CELL_MAGICS = {"writefile", "file"}
# The body of any other cell magic is Python and is run.
_OTHER_LANGUAGES = {
    *("!", "bash", "sh", "script", "system", "sx", "cmd", "perl", "ruby", "R", "julia"),
    *("html", "HTML", "javascript", "js", "latex", "markdown", "svg", "SVG", "css", "sql"),
}
_OPTIONS = re.compile(r"^(?:-\w+\s*\d*\s+)*")  # of `%timeit`, say
_CELL_CHARACTERS = 1_000_000


class NotebookShell:
    """A notebook's code: its cells run here one after the other, in one namespace."""

    def __init__(self) -> None:
        sys.stdout, sys.stderr = Sink(), Sink()
        sys.__stdout__, sys.__stderr__ = Sink(), Sink()  # type: ignore[misc,assignment]
        os.environ["MPLBACKEND"] = "agg"
        sys.path.insert(0, "")  # a notebook imports what it has written itself
        warnings.simplefilter("ignore")
        sys.meta_path.append(_ColabFinder())
        self._shell = _Shell.instance(config=_configuration())
        builtins.input = _no_question  # type: ignore[assignment]
        self.names: dict[str, Any] = self._shell.user_ns

    def run(self, number: int, source: str, seconds: float) -> str:
        """Run a cell and return what went wrong, one sentence, or ''.

        The definitions behind a statement that failed are still made: a notebook that is run
        cell by cell has them, too.
        """
        quiet_figures()
        start = time.monotonic()
        try:
            with time_limit(seconds):
                error = self._shell.execute(source[:_CELL_CHARACTERS])
        except (TimeUp, KeyboardInterrupt) as late:
            error = late
        if isinstance(error, KeyboardInterrupt) and time.monotonic() - start > seconds:
            error = TimeUp()  # the grader interrupts what does not heed the limit
        if error is not None:
            behind = min(map(_line_in_cell, _with_causes(error)))
            with suppress(BaseException), time_limit(seconds):
                self._make_definitions(source, behind)
        with suppress(BaseException), time_limit(seconds):
            quiet_figures(close=True)
        return problem(number, error, seconds)

    def define(self, number: int, source: str, seconds: float) -> str:
        """Make only the definitions of a cell whose other statements ended the process once."""
        with suppress(TimeUp, KeyboardInterrupt), time_limit(seconds):
            self._make_definitions(source[:_CELL_CHARACTERS], 0)
        return ""

    def _make_definitions(self, source: str, behind: int) -> None:
        """Run the definitions of a cell that stand behind a line."""
        tree = ast.parse(self._shell.transform_cell(source))
        for statement in tree.body:
            if statement.lineno > behind and _is_definition(statement):
                module = ast.Module([statement], [])
                with suppress(Exception):
                    exec(compile(module, self._shell.cell_name, "exec"), self.names)


def problem(number: int, error: BaseException | None, seconds: float) -> str:
    """Return the sentence about a cell that stopped, or ''."""
    if error is None or isinstance(error, NotImplementedError):
        return ""  # a task that is not written yet says so itself
    cell = f"Code cell {number}" if number else "A cell"
    if isinstance(error, TimeUp):
        return f"{cell} did not finish within {seconds:g} s."
    text = _text(error)
    name = clean(type(error).__name__, 80)
    return f"{cell} stopped with {name}{': ' if text else ''}{text.rstrip('.')}."


def _text(error: BaseException) -> str:
    if isinstance(error, SyntaxError) and isinstance(error.msg, str):
        return clean(f"{error.msg}, line {error.lineno}" if error.lineno else error.msg, 200)
    try:
        return clean(str(error), 200)
    except BaseException:  # an exception of the learner's may have a broken `__str__`
        return ""


class Sink(io.TextIOBase):
    """A file that drops what is written to it."""

    encoding = "utf-8"  # type: ignore[assignment]

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str) -> int:
        """Drop the text."""
        return len(text)

    def isatty(self) -> bool:
        """Return False: no progress bar needs to move."""
        return False

    @property
    def buffer(self) -> "io.BufferedIOBase":
        """Where bytes are dropped."""
        return _RawSink()


class _RawSink(io.BufferedIOBase):
    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return len(data)


# -- IPython ---------------------------------------------------------------------------------


class _Shell(InteractiveShell):
    """IPython's shell, for a notebook that nobody sees."""

    cell_name = "<cell>"
    in_cell = False

    def execute(self, source: str) -> BaseException | None:
        """Run a cell and return the exception that stopped it."""
        self.in_cell = True
        try:
            result = self.run_cell(source, store_history=False, silent=True)
        finally:
            self.in_cell = False
        return result.error_before_exec or result.error_in_exec

    def run_line_magic(self, magic_name: str, line: str, _stack_depth: int = 1) -> Any:
        """Run a line magic that concerns the notebook; any other does nothing."""
        if magic_name in ("time", "timeit", "prun", "memit"):
            self.execute_line(line)
        elif magic_name in _REAL_LINE_MAGICS:
            return super().run_line_magic(magic_name, line, _stack_depth + 1)
        return None

    def run_cell_magic(self, magic_name: str, line: str, cell: str) -> Any:
        """Run a cell magic that concerns the notebook, else the Python under it."""
        if magic_name in _REAL_CELL_MAGICS:
            return super().run_cell_magic(magic_name, line, cell)
        if magic_name not in _OTHER_LANGUAGES:
            error = self.execute(cell)
            if error is not None:
                raise error
        return None

    def execute_line(self, line: str) -> None:
        """Run the statement of a timing magic, without its options."""
        statement = _OPTIONS.sub("", line.strip())
        exec(self.transform_cell(statement), self.user_ns)

    def ask_exit(self) -> None:
        """Do nothing in a cell: `exit` at the end of a notebook loses no marks."""
        if not self.in_cell:
            raise SystemExit

    def _tee(self, channel: str) -> Any:
        """Keep nothing of what is printed: IPython would hold it for a history."""
        return nullcontext()

    def system(self, cmd: str) -> None:
        """Do nothing: a shell command concerns the notebook's surroundings."""

    system_piped = system_raw = system

    def getoutput(self, cmd: str, split: bool = True, depth: int = 0) -> Any:
        """Return no lines."""
        return [] if split else ""

    def showtraceback(self, *arguments: Any, **options: Any) -> None:
        """Show nothing."""

    showsyntaxerror = showindentationerror = showtraceback

    def _showtraceback(self, *arguments: Any) -> None:
        """Show nothing."""

    def enable_gui(self, gui: Any = None) -> None:
        """Do nothing."""

    def enable_matplotlib(self, gui: Any = None) -> Any:
        """Do nothing."""
        return None, None

    def init_display_formatter(self) -> None:
        """Make a formatter that calls no method of what is displayed."""
        super().init_display_formatter()
        self.display_formatter.format = lambda *a, **k: ({}, {})  # type: ignore

    def init_display_pub(self) -> None:
        """Make a publisher that drops everything."""
        super().init_display_pub()
        self.display_pub.publish = lambda *a, **k: None  # type: ignore[method-assign]

    def init_virtualenv(self) -> None:
        """Leave `sys.path` alone."""

    def init_io(self) -> None:
        """Leave the standard streams alone."""

    def init_syntax_highlighting(self) -> None:
        """Highlight nothing."""

    def atexit_operations(self) -> None:
        """Leave nothing behind."""


def _configuration() -> Config:
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.banner1 = ""
    config.InteractiveShell.enable_tip = False
    config.InteractiveShell.autocall = 0
    config.InteractiveShell.cache_size = 0
    return config


def _no_question(*_: Any) -> str:
    raise EOFError("nobody is there to answer `input`: give the value in the code")


# -- definitions that a failed statement would have kept from being made ----------------------


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those during whose handling it was raised, as a repeated `TimeUp` is."""
    cause: BaseException | None = error
    for _ in range(10):
        if cause is None:
            return
        yield cause
        cause = cause.__context__


def _line_in_cell(error: BaseException) -> int:
    """Return the line of the cell's own frame, or a line behind its end if it never ran."""
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_name.startswith(("<module>", "<cell line")):
            return trace.tb_lineno
        trace = trace.tb_next
    return sys.maxsize


def _is_definition(statement: ast.stmt) -> bool:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    if isinstance(statement, kinds):
        return True
    if not isinstance(statement, ast.Assign):
        return False
    try:
        ast.literal_eval(statement.value)
    except ValueError:
        return False
    return all(isinstance(target, ast.Name) for target in statement.targets)


# -- surroundings ----------------------------------------------------------------------------


def quiet_figures(close: bool = False) -> None:
    """Make `plt.show` do nothing; between cells figures are closed, as in Jupyter."""
    plt = sys.modules.get("matplotlib.pyplot")
    if plt is None:
        return
    if close:
        plt.close("all")
    else:
        plt.show = lambda *_, **__: None  # type: ignore[attr-defined]


class _Anything:
    """Stands for what only Google Colab has: any attribute, any call, to no effect."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Anything()

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return None


class _ColabModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Anything()


class _ColabFinder:
    """Finds `google.colab` and its modules, where a notebook comes from there."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> Any:
        """Return a module that does nothing, for these names only."""
        if name == "google" or name == "google.colab" or name.startswith("google.colab."):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """Return the module."""
        return _ColabModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module as it is."""
