"""Run cases by several ways and measure how far the answers lie from the reference.

- `WAYS`: the names of the ways; `run(way, case)`: one of them in this process.
- `compare()`: all cases by all ways, a process for each framework; `Comparison`, `Row`: the answer.
- `relative_difference(a, b)`: the measure.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from dllab.errors import ParameterError, ParityError
from dllab.parity.cases import CASES, QUANTITIES, Case, Outcome, case

__all__ = ["WAYS", "Comparison", "Row", "compare", "relative_difference", "run"]

FRAMEWORKS = ("tensorflow", "jax", "torch")
WAYS = ("scratch", *(f"keras-{name}" for name in FRAMEWORKS), *FRAMEWORKS)
DTYPES = ("float32", "float64")
# On these backends Keras computes every mean in float32, whatever its argument holds.
SINGLE_ALONE = ("keras-jax", "keras-torch")
_PACKAGE_ROOT = Path(__file__).parents[2]
_SECONDS = 300  # far more than a framework's import and all cases take


@dataclass(frozen=True)
class Row:
    """How far one way's answer to one case lies from the reference.

    Attributes:
        case: one of `CASES`.
        way: one of `WAYS`.
        dtype: the precision in which the way computed.
        differences: for each of `QUANTITIES` the largest relative difference, `None` where the
            case has no such quantity.
    """

    case: str
    way: str
    dtype: str
    differences: dict[str, float | None]

    @property
    def largest(self) -> float:
        """The largest of the differences."""
        return max(value for value in self.differences.values() if value is not None)

    @property
    def epsilons(self) -> float:
        """The same in multiples of the precision's machine epsilon."""
        return self.largest / float(np.finfo(self.dtype).eps)


@dataclass(frozen=True)
class Comparison:
    """The answer of `compare`.

    Attributes:
        rows: one for each case, way and precision.
        skipped: a sentence for each way that was left out.
    """

    rows: tuple[Row, ...]
    skipped: tuple[str, ...] = ()

    def table(self) -> str:
        """Lay the rows out as text, one line each, and the sentences about skipped ways below."""
        header = ("case", "way", "dtype", *QUANTITIES, "largest in eps")
        lines = [header, *(self._cells(row) for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        ]
        return "\n".join([text[0], "-" * len(text[0]), *text[1:], *self.skipped])

    def markdown(self) -> str:
        """The same as a table in Markdown."""
        header = ("case", "way", *(name.replace("_", " ") for name in QUANTITIES), "largest in eps")
        lines = [header, ("---",) * len(header)]
        for row in self.rows:
            name, way, _, *numbers = self._cells(row)
            lines.append((name, way, *numbers))
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)

    @staticmethod
    def _cells(row: Row) -> tuple[str, ...]:
        values = (row.differences[name] for name in QUANTITIES)
        numbers = ("-" if value is None else f"{value:.1e}" for value in values)
        return (row.case, row.way, row.dtype, *numbers, f"{row.epsilons:.1f}")


def relative_difference(a: Any, b: Any) -> float | None:
    """Return `max |a - b| / max |b|`, for several arrays by name the largest of their numbers.

    Entries of one array share its largest entry as the unit, since rounding in a sum is as large
    as its largest terms, however small the result.

    Args:
        a: an array, a dictionary of arrays, or `None`.
        b: the reference, of the same kind.

    Raises:
        ParityError: names or shapes differ.

    Example:
        >>> relative_difference([1.0, 4.5], [1.0, 4.0])
        0.125
    """
    if isinstance(b, Mapping):
        if not isinstance(a, Mapping) or set(a) != set(b):
            raise ParityError(f"`a` should have the names {sorted(b)}, but it has {sorted(a)}.")
        return max(relative_difference(a[name], b[name]) or 0.0 for name in b)
    if a is None or b is None:
        return None
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape:
        raise ParityError(f"`a` should have the shape {b.shape}, but its shape is {a.shape}.")
    return float(np.abs(a - b).max() / (np.abs(b).max() or 1.0))


def run(way: str, case: Case) -> Outcome:
    """Compute a case by one way, in this process and in the precision of the case's arrays.

    Args:
        way: one of `WAYS`.
        case: what to compute; `case.cast("float64")` for double precision.

    Raises:
        ParameterError: there is no such way, or Keras runs on another backend.

    Example:
        >>> from dllab import parity
        >>> parity.run("scratch", parity.case("mlp")).outputs.shape
        (8, 3)
    """
    _known((way,), WAYS, "way")
    if not way.startswith("keras-"):
        module = import_module(f"dllab.parity.in_{way}")
    else:
        module = import_module("dllab.parity.in_keras")
        active = import_module("keras").backend.backend()
        if way != f"keras-{active}":
            raise ParameterError(
                f"`way` should be 'keras-{active}' in this process, but it is {way!r}. Set "
                "KERAS_BACKEND before Keras is imported, or call compare(), which starts processes."
            )
    return module.run(case)


def compare(
    cases: Iterable[str] = CASES,
    ways: Iterable[str] = WAYS,
    dtypes: Iterable[str] = ("float32",),
) -> Comparison:
    """Run cases by several ways and compare them all with `dllab.scratch` in float64.

    Each framework runs in a process of its own, so that Keras can have each backend. Ways whose
    framework is not installed are left out with a sentence.

    Args:
        cases: some of `CASES`.
        ways: some of `WAYS`. `scratch` is the reference and has no rows.
        dtypes: `"float32"`, `"float64"` or both. Keras on JAX and on PyTorch has no rows in
            float64: it computes means in float32 there.

    Raises:
        ParameterError: a name is unknown.
        ParityError: a process failed, or an answer has other names or shapes than the reference.
    """
    cases = _known(cases, CASES, "cases")
    ways = _known(ways, WAYS, "ways")
    dtypes = _known(dtypes, DTYPES, "dtypes")
    skipped = [way for way in ways if not installed(way)]
    here = [way for way in ways if way not in skipped and way != "scratch"]
    references = {name: run("scratch", case(name)) for name in cases}
    found = _in_processes(cases, here, dtypes)
    rows = [
        Row(name, way, dtype, _differences(found[name, way, dtype], references[name]))
        for dtype in dtypes
        for name in cases
        for way in here
        if computes(way, dtype)
    ]
    return Comparison(
        tuple(rows), tuple(f"{way}: {_framework(way)} is not installed." for way in skipped)
    )


def _differences(outcome: Outcome, reference: Outcome) -> dict[str, float | None]:
    return {
        name: relative_difference(getattr(outcome, name), getattr(reference, name))
        for name in QUANTITIES
    }


def installed(way: str) -> bool:
    """Tell whether the framework of a way is installed; the scratch needs none."""
    return way == "scratch" or find_spec(_framework(way)) is not None


def computes(way: str, dtype: str) -> bool:
    """Tell whether a way computes in this precision from one end to the other."""
    return dtype == "float32" or way not in SINGLE_ALONE


def _framework(way: str) -> str:
    return way.removeprefix("keras-")


def _known(names: Iterable[str], known: Sequence[str], parameter: str) -> list[str]:
    names = [names] if isinstance(names, str) else list(names)
    for name in names:
        if name not in known:
            raise ParameterError(
                f"`{parameter}` should be among {', '.join(known)}, but one is {name!r}. "
                "Choose some of these."
            )
    return names


# Processes

Key = tuple[str, str, str]  # case, way, dtype


def _in_processes(
    cases: Sequence[str], ways: Sequence[str], dtypes: Sequence[str]
) -> dict[Key, Outcome]:
    """Run each framework's ways in a process of its own, as many at a time as there are cores."""
    groups = [[way for way in ways if _framework(way) == name] for name in FRAMEWORKS]
    groups = [group for group in groups if group]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        answers = pool.map(lambda group: _in_process(cases, group, dtypes), groups)
        return {key: outcome for answer in answers for key, outcome in answer.items()}


def _in_process(
    cases: Sequence[str], ways: Sequence[str], dtypes: Sequence[str]
) -> dict[Key, Outcome]:
    with tempfile.TemporaryDirectory(prefix="dllab-parity-") as folder:
        path = Path(folder) / "outcomes.npz"
        command = [sys.executable, "-m", "dllab.parity", "run", "--out", str(path)]
        command += ["--case", *cases, "--ways", *ways, "--dtype", *dtypes]
        done = subprocess.run(
            command,
            env=_environment(_framework(ways[0])),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
        if done.returncode != 0 or not path.exists():
            raise ParityError(
                f"`ways` {', '.join(ways)} should have answered, but their process ended with "
                f"exit code {done.returncode}. Its last words: {done.stderr[-2000:]}"
            )
        return load(path)


def _environment(framework: str) -> dict[str, str]:
    paths = [str(_PACKAGE_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    own = {"KERAS_BACKEND": framework, "PYTHONPATH": os.pathsep.join(paths)}
    # XLA compiles some fifty small programs for JAX, each used once: do not polish their machine
    # code. What is fused, and in which order sums run, has been decided before that step.
    defaults = {"TF_CPP_MIN_LOG_LEVEL": "2", "XLA_FLAGS": "--xla_backend_optimization_level=0"}
    return defaults | os.environ | own


def save(path: Path, outcomes: Mapping[Key, Outcome]) -> None:
    """Write outcomes as plain arrays: one entry for each array, named by a path."""
    arrays = {}
    for key, outcome in outcomes.items():
        for field in fields(outcome):
            value = getattr(outcome, field.name)
            named = value if isinstance(value, dict) else {"": value}
            for name, array in named.items():
                if array is not None:
                    arrays["|".join((*key, field.name, name))] = np.asarray(array)
    np.savez(path, **arrays)  # type: ignore[arg-type]


def load(path: Path) -> dict[Key, Outcome]:
    """Read what `save` wrote; nothing in the file is executed."""
    parts: dict[Key, dict[str, Any]] = {}
    with np.load(path, allow_pickle=False) as archive:
        for entry in archive.files:
            case_name, way, dtype, quantity, name = entry.split("|")
            values = parts.setdefault((case_name, way, dtype), {"input_gradient": None})
            if name:
                values.setdefault(quantity, {})[name] = archive[entry]
            else:
                values[quantity] = archive[entry]
    return {key: Outcome(**values) for key, values in parts.items()}
