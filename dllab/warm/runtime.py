"""Where templates live on disk, and which template serves which kernel.

- `Settings`: what a template imports and how long it waits; read with `Settings.from_environment`
- `Identity`: what two kernels must have in common to share a template; `Identity.of(...)`
- `directory()`: the private directory that holds sockets, made on demand
- `lock(folder)`: hold the directory's lock
- `remove_files(path)`: remove what belongs to one template
- `tidy(folder)`: remove the directory if nothing is left in it
- `make_home(folder)`: a home for a template that shall know nothing of its user's
"""

import fcntl
import hashlib
import json
import os
import shutil
import stat
import sysconfig
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .errors import WarmError

__all__ = [
    "Identity",
    "Settings",
    "directory",
    "lock",
    "make_home",
    "remove_files",
    "template_environment",
    "tidy",
]

DEFAULT_PRELOAD = ("numpy", "matplotlib.pyplot", "keras")

# Variables that some library reads while it is imported, or that the interpreter or the
# dynamic loader reads before that: setting them in the forked child would be too late.
_READ_AT_IMPORT = (
    "ABSL_",
    "GLOG_",
    "GOTO_",
    "GRPC_",
    "JAX_",
    "KERAS_",
    "KMP_",
    "LANG",
    "LC_",
    "LD_",
    "MALLOC_",
    "MKL_",
    "NPY_",
    "OMP_",
    "OPENBLAS_",
    "PYTHON",
    "PYTORCH_",
    "TF_",
    "TORCH_",
    "XLA_",
)
_ALSO_FOR_TEMPLATE = ("HOME", "PATH", "TMPDIR", "TZ", "USER", "LOGNAME")
_NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
_CREDENTIALS = ("Uid", "Gid", "Groups", "CapPrm", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp")


@dataclass(frozen=True)
class Settings:
    """What a template imports, and how long things may take (in seconds).

    With `owner`, a process's number, the template ends with that process. With `own_home` it
    imports with an empty home folder of its own instead of the user's.

    Example:
        >>> Settings.from_environment({"DLLAB_WARM_PRELOAD": "numpy, pandas"}).preload
        ('numpy', 'pandas')
    """

    preload: tuple[str, ...] = DEFAULT_PRELOAD
    idle_seconds: float = 900.0
    start_seconds: float = 60.0
    owner: int = 0
    own_home: bool = False

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str], defaults: "Settings | None" = None
    ) -> "Settings":
        """Read `DLLAB_WARM_PRELOAD`, `DLLAB_WARM_IDLE` and `DLLAB_WARM_START`."""
        known = defaults or cls()
        names = environment.get("DLLAB_WARM_PRELOAD", ",".join(known.preload))
        return cls(
            preload=tuple(name.strip() for name in names.split(",") if name.strip()),
            idle_seconds=_seconds(environment, "DLLAB_WARM_IDLE", known.idle_seconds),
            start_seconds=_seconds(environment, "DLLAB_WARM_START", known.start_seconds),
        )


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name, "")
    try:
        return float(text) if text else default
    except ValueError:
        raise WarmError(f"`{name}` should be a number of seconds, got {text!r}") from None


@dataclass(frozen=True)
class Identity:
    """What two kernels must have in common to be forked from the same template.

    Fields:
        python: the interpreter and its options, as a command line starts with them.
        interpreter: device, inode and modification time of the interpreter's file.
        code: a fingerprint of the package that the template runs.
        preload: the modules that are imported.
        program: the module that runs in a kernel's place, or "".
        variables: the environment variables that matter while importing.
        keras: the user's Keras configuration, or "".
        user_site: the user's own site-packages, or "".
        confinement: user, capabilities, namespaces and control group.
    """

    python: tuple[str, ...]
    interpreter: tuple[int, ...]
    code: str
    preload: tuple[str, ...]
    program: str
    variables: dict[str, str]
    keras: str
    user_site: str
    confinement: dict[str, str]

    @classmethod
    def of(
        cls,
        python: Sequence[str],
        environment: Mapping[str, str],
        cwd: str,
        preload: Sequence[str],
        program: str = "",
    ) -> "Identity":
        """Describe the template for a kernel with this interpreter, environment and folder."""
        file = os.stat(python[0])
        return cls(
            python=tuple(python),
            interpreter=(file.st_dev, file.st_ino, file.st_mtime_ns),
            code=code_fingerprint(),
            preload=tuple(preload),
            program=program,
            variables=_import_variables(environment, cwd),
            keras=_keras_configuration(environment),
            user_site=_user_site(environment),
            confinement=confinement(),
        )

    @property
    def key(self) -> str:
        """A short name: equal for equal identities, and a file name."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _import_variables(environment: Mapping[str, str], cwd: str) -> dict[str, str]:
    found = {name: environment[name] for name in environment if name.startswith(_READ_AT_IMPORT)}
    if found.get("PYTHONPATH"):
        # The interpreter resolves relative entries against the folder it starts in, which
        # for the template is not the kernel's.
        parts = found["PYTHONPATH"].split(os.pathsep)
        found["PYTHONPATH"] = os.pathsep.join(os.path.join(cwd, part) for part in parts)
    return found


def _keras_configuration(environment: Mapping[str, str]) -> str:
    folder = environment.get("KERAS_HOME") or os.path.join(environment.get("HOME", "/"), ".keras")
    with suppress(OSError, ValueError):
        return json.dumps(json.loads(Path(folder, "keras.json").read_text()), sort_keys=True)
    return ""


def _user_site(environment: Mapping[str, str]) -> str:
    base = environment.get("PYTHONUSERBASE") or os.path.join(environment.get("HOME", "/"), ".local")
    path = sysconfig.get_path("purelib", "posix_user", vars={"userbase": base})
    return path if os.path.isdir(path) else ""


def code_fingerprint() -> str:
    """Return a hash of this package's own source files."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def confinement(process: str = "self") -> dict[str, str]:
    """Return what confines a process: two processes that differ here never share a template."""
    root = Path("/proc", process)
    found = {name: os.readlink(root / "ns" / name) for name in _NAMESPACES}
    found["cgroup path"] = (root / "cgroup").read_text()
    for line in (root / "status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in _CREDENTIALS:
            found[name] = value.strip()
    return found


def template_environment(identity: Identity, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the template's own environment: only what importing needs.

    A child's `/proc/self/environ` goes on to show this one, so secrets stay out of it.
    """
    kept = {name: environment[name] for name in _ALSO_FOR_TEMPLATE if name in environment}
    return kept | identity.variables


def directory(create: bool = True, chosen: Path | None = None) -> Path:
    """Return the private directory for sockets; make it, with mode 0700, unless told not to.

    It is `chosen`, or `DLLAB_WARM_DIR` names it; otherwise it lies in `XDG_RUNTIME_DIR` where
    that is the user's own and can be written to, or else in `/tmp` with the user's number in
    its name.

    Raises:
        WarmError: something else lies there, or others have access to it.
    """
    folder = chosen or _choose_directory()
    if create:
        with suppress(FileExistsError):  # something else has the name: see below
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise WarmError(f"{folder} is not a directory of user {os.geteuid()}")
        if found.st_mode & 0o077:
            raise WarmError(f"{folder} is open to other users; its mode should be 0700")
    return folder


def _choose_directory() -> Path:
    if chosen := os.environ.get("DLLAB_WARM_DIR"):
        return Path(chosen).absolute()
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime:
        with suppress(OSError):
            found = os.stat(runtime)
            private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
            mine = found.st_uid == os.geteuid()
            if mine and private and os.access(runtime, os.W_OK | os.X_OK):
                return Path(runtime, "dllab-warm")
    return Path(f"/tmp/dllab-warm-{os.geteuid()}")


@contextmanager
def lock(folder: Path, seconds: float = 20.0) -> Iterator[None]:
    """Hold the lock of `folder`; whoever starts or ends a template holds it.

    Raises:
        WarmError: another process held it all of these `seconds`.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            continue  # `tidy` removed the folder in between
        try:
            if _locked(fd) and _is_same_file(fd, folder / "lock"):
                yield
                return
        finally:
            os.close(fd)
        time.sleep(0.01)
    raise WarmError(f"{folder / 'lock'} was held by another process for {seconds:g} s")


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_same_file(fd: int, path: Path) -> bool:
    """Tell whether `path` still names the open file: `tidy` may have removed it."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


def remove_files(path: Path) -> None:
    """Remove a template's socket, and its notes beside it; call it while holding the lock."""
    for name in (".sock", ".pid", ".log", ".ready"):
        path.with_suffix(name).unlink(missing_ok=True)


def tidy(folder: Path) -> None:
    """Remove `folder` if only lock and home are left; call it while holding the lock."""
    if {entry.name for entry in folder.iterdir()} - {"home"} == {"lock"}:
        shutil.rmtree(folder / "home", ignore_errors=True)
        (folder / "lock").unlink()
        with suppress(OSError):  # a client may just have made a new lock
            folder.rmdir()


def make_home(folder: Path) -> Path:
    """Return an empty home inside `folder`, which `tidy` removes with it."""
    home = folder / "home"
    home.mkdir(mode=0o700, exist_ok=True)
    return home


def describe(identity: Identity) -> dict[str, Any]:
    """Return the part of an identity that `status` shows."""
    variables = identity.variables
    keras = json.loads(identity.keras or "{}")
    backend = variables.get("KERAS_BACKEND") or keras.get("backend") or "tensorflow"
    return {"python": identity.python[0], "backend": backend, "preload": list(identity.preload)}
