"""Tell what works on this machine and what to do about the rest.

- `examine()`: look at everything; most of its seconds go into starting the frameworks
- `Report`, `Finding`: what was found

Nothing that is missing or broken makes it fail: that is what it reports.
"""

import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

__all__ = ["Finding", "Report", "examine"]

_PYTHON = (3, 11)
_NEEDED = ("numpy", "keras", "matplotlib", "scikit-learn", "rich", "typer")
_BACKENDS = ("tensorflow", "jax", "torch")
_DISK, _MEMORY = 2.0, 4.0  # GB that a learner should have
# What the course needs; the rest is advice.
_REQUIRED = ("Python", "Packages", "Keras backend", "Accelerator", "Data")
_WHOLE_MESSAGE = 'python -c "import keras" shows the whole message'
_PATIENCE = 120  # seconds; a cold disk needs one for TensorFlow


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        name: What was looked at.
        ok: Whether it is as it should be.
        text: What was found.
        next_step: What to do if it is not.
        required: Whether the course needs it.
    """

    name: str
    ok: bool
    text: str
    next_step: str = ""
    required: bool = False


@dataclass(frozen=True)
class Report:
    """All findings.

    Example:
        >>> Report((Finding("Disk", False, "0.1 GB free", "make room"),)).ok
        True
    """

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether everything that the course needs is there."""
        return all(finding.ok for finding in self.findings if finding.required)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"ok": self.ok, "findings": [asdict(finding) for finding in self.findings]}

    def print(self) -> None:
        """Print one line for each finding, and what to do below those that need it."""
        # Rich is one of the packages that may be missing
        width = max(len(finding.name) for finding in self.findings)
        for finding in self.findings:
            mark = "✓" if finding.ok else "!"
            print(f"{_colored(mark, finding.ok)} {finding.name:{width}}  {finding.text}")
            if not finding.ok and finding.next_step:
                print(f"  {'':{width}}  → {finding.next_step}")
        verdict = "Everything that the course needs is here."
        print(verdict if self.ok else "Something that the course needs is missing; follow the →.")


def _colored(mark: str, ok: bool) -> str:
    plain = "NO_COLOR" in os.environ or not sys.stdout.isatty()
    return mark if plain else f"\x1b[{32 if ok else 33}m{mark}\x1b[0m"


def examine() -> Report:
    """Look at Python, packages, the accelerator, Jupyter, the data, disk and memory.

    The backend is imported in a process of its own, so that its crash is a finding too.

    Returns:
        The report; it has a line for whatever could not be examined.
    """
    return Report(tuple(_guarded(name, look) for name, look in _CHECKS.items()))


def _guarded(name: str, look: Callable[[], Finding]) -> Finding:
    try:
        found = look()
    except Exception as error:  # a report with a gap is of more use than a traceback
        found = Finding(name, False, f"could not be examined ({type(error).__name__}: {error})")
    return replace(found, required=name in _REQUIRED)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _python() -> Finding:
    wanted = ".".join(map(str, _PYTHON))
    return Finding(
        "Python",
        sys.version_info[:2] >= _PYTHON,
        f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        f"install Python {wanted} or newer and make the environment anew",
    )


def _packages() -> Finding:
    found = {name: _version(name) for name in ("dllab", *_NEEDED)}
    missing = [name for name, number in found.items() if number is None and name != "dllab"]
    text = ", ".join(f"{name} {number}" for name, number in found.items() if number)
    if missing:
        text = f"missing: {', '.join(missing)}; found: {text}"
    step = "pip install dllab (in the environment that you use)"
    return Finding("Packages", not missing, text, step)


def _backend() -> Finding:
    """Which Keras backend is active, without importing Keras."""
    found = {name: _version(name) for name in _BACKENDS}
    # tensorflow-cpu and the like bring the module under another name
    installed = [name for name in _BACKENDS if found[name] or importlib.util.find_spec(name)]
    active = _configured_backend()
    text = ", ".join(f"{name} {found[name] or ''}".strip() for name in installed) or "none"
    return Finding(
        "Keras backend",
        active in installed,
        f"{active}" + (f"; installed: {text}" if text != active else ""),
        f"pip install {active}, or choose another with the environment variable KERAS_BACKEND",
    )


def _configured_backend() -> str:
    """The backend as Keras chooses it: environment, then its configuration file."""
    if os.environ.get("KERAS_BACKEND"):
        return os.environ["KERAS_BACKEND"]
    folder = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
    try:
        with open(os.path.join(folder, "keras.json"), encoding="utf-8") as file:
            return str(json.load(file).get("backend", "tensorflow"))
    except (OSError, ValueError, AttributeError):
        return "tensorflow"


_ASK = (
    "import dataclasses, json\n"
    "from dllab.devices import device\n"
    "found = device()\n"
    "print('\\n@' + json.dumps([str(found), found.kind]))\n"
)


def _accelerator() -> Finding:
    ok, text = _device_of(_configured_backend())
    return Finding("Accelerator", ok, text, _WHOLE_MESSAGE)


def _other_frameworks() -> Finding:
    """What the frameworks that Keras does not use now would compute on."""
    active = _configured_backend()
    others = [name for name in _BACKENDS if name != active and importlib.util.find_spec(name)]
    if not others:
        return Finding("Other frameworks", True, "none; the labs need none")
    with ThreadPoolExecutor() as pool:  # each takes seconds to import, most of them waiting
        answers = list(pool.map(_device_of, others))
    # of a sentence that works, what it works on is enough
    texts = [
        text.split(": ")[0] if ok else f"{name}: {text}"
        for name, (ok, text) in zip(others, answers, strict=True)
    ]
    return Finding(
        "Other frameworks", all(ok for ok, _ in answers), "; ".join(texts), _WHOLE_MESSAGE
    )


def _device_of(backend: str) -> tuple[bool, str]:
    """Whether Keras starts on a backend, in a process of its own, and what it computes on."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _ASK],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            # the same dllab as here, installed or not
            env={
                **os.environ,
                "KERAS_BACKEND": backend,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            },
        )
    except subprocess.TimeoutExpired:
        return False, f"no answer within {_PATIENCE} s"
    answers = [line for line in done.stdout.splitlines() if line.startswith("@")]
    if done.returncode != 0 or not answers:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        return False, f"Keras does not start: {last[:160]}"
    return True, json.loads(answers[-1][1:])[0]


def _jupyter() -> Finding:
    step = "pip install 'dllab[lab]'"
    missing = [name for name in ("ipykernel", "jupyterlab") if not importlib.util.find_spec(name)]
    if "ipykernel" in missing:
        return Finding("Jupyter", False, "no kernel for notebooks (ipykernel)", step)
    from jupyter_client.kernelspec import KernelSpecManager

    kernels = sorted(KernelSpecManager().find_kernel_specs())
    text = f"ipykernel {_version('ipykernel')}; kernels: {', '.join(kernels) or 'none'}"
    if missing:
        text += "; JupyterLab is missing"
    return Finding("Jupyter", bool(kernels) and not missing, text, step)


def _data() -> Finding:
    from dllab.data import load, names
    from dllab.errors import DLLabError

    damaged = []
    for name in names():
        try:
            load(name)
        except DLLabError as error:
            damaged.append(f"{name} ({error})")
    return Finding(
        "Data",
        not damaged,
        "; ".join(damaged) or f"{len(names())} data sets, hashes verified",
        "pip install --force-reinstall --no-deps dllab",
    )


def _disk() -> Finding:
    free = shutil.disk_usage(os.getcwd()).free / 1e9
    step = f"make room: the course and its environment like to have {_DISK:.0f} GB"
    return Finding("Disk", free >= _DISK, f"{free:.1f} GB free here", step)


def _memory() -> Finding:
    total = _total_memory()
    if total is None:
        return Finding("Memory", True, "this system does not tell")
    step = "close other programs before you train; one kernel with TensorFlow takes about 1 GB"
    cores = os.cpu_count() or 1
    text = f"{total:.1f} GB, {cores} core{'s' if cores > 1 else ''}"
    return Finding("Memory", total >= _MEMORY, text, step)


def _total_memory() -> float | None:
    """Physical memory in GB, where the system tells it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (AttributeError, ValueError, OSError):
        return None


_CHECKS: dict[str, Callable[[], Finding]] = {
    "Python": _python,
    "Packages": _packages,
    "Keras backend": _backend,
    "Accelerator": _accelerator,
    "Other frameworks": _other_frameworks,
    "Jupyter": _jupyter,
    "Data": _data,
    "Disk": _disk,
    "Memory": _memory,
}
