"""Templates: when they start, whom they serve, how they end, and what is left."""

import asyncio
import gc
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest
from jupyter_client.manager import AsyncKernelManager

from dllab import warm
from dllab.warm import runtime
from dllab.warm.template import Template

# Starts a kernel with the client's own functions, without the cost of importing jupyter_client.
START = """
import os, sys
from dllab.warm import client
from dllab.warm.runtime import Settings
line = [sys.executable, "-m", "ipykernel_launcher", "-f", {file!r}]
command = client.parse_command(line, os.environ)
process = client.start_kernel(
    command, dict(os.environ), os.getcwd(), [0, 1, 2], Settings.from_environment(os.environ)
)
"""


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_fifty_kernels_one_after_the_other(
    open_session, own_template, state_of, eventually, tmp_path
) -> None:
    """They come from one template and leave no process, descriptor or file behind."""
    open_session().close()
    gc.collect()
    template, files, pids = own_template(), open_files(), set()
    template_files = len(os.listdir(f"/proc/{template}/fd"))
    from dllab.warm import client

    command = client.parse_command(
        [sys.executable, "-m", "ipykernel_launcher", "-f", str(tmp_path / "kernel.json")],
        os.environ,
    )
    settings = runtime.Settings.from_environment(os.environ)
    for _ in range(50):
        process = client.start_kernel(command, dict(os.environ), "/", [0, 2, 2], settings)
        pids.add(process.pid)
        process.kill()
        assert process.wait(10) == -signal.SIGKILL
    time.sleep(0.2)
    assert own_template() == template
    assert [state_of(pid) for pid in pids] == [None] * 50
    assert open_files() == files
    eventually(lambda: template_files >= len(os.listdir(f"/proc/{template}/fd")), "open files")


def test_ten_kernels_at_once(own_template) -> None:
    """One client asks for ten kernels at the same moment and gets them from one template."""

    async def start_all() -> list[AsyncKernelManager]:
        managers = [AsyncKernelManager(kernel_name=warm.KERNEL_NAME) for _ in range(10)]
        await asyncio.gather(*(manager.start_kernel() for manager in managers))
        pids = sorted(manager.provisioner.pid for manager in managers)
        (template,) = warm.status()
        assert sorted(template.kernels) == pids
        await asyncio.gather(*(manager.shutdown_kernel(now=True) for manager in managers))
        return managers

    with asyncio.Runner() as runner:
        managers = runner.run(start_all())
    assert not any(manager.has_kernel for manager in managers)


def test_ten_clients_start_one_template(own_template, tmp_path) -> None:
    """Ten processes that ask at the same moment share what the first one started."""
    code = START.format(file=str(tmp_path / "kernel.json")) + "process.kill(); process.wait()"
    clients = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(10)]
    assert [client.wait(60) for client in clients] == [0] * 10
    folder = json.dumps(os.environ["DLLAB_WARM_DIR"]).encode()
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")]
    assert sum(folder in line for line in lines) == 1


def test_a_killed_template_is_replaced_and_its_kernels_go_on(
    open_session, own_template, eventually, state_of
) -> None:
    """Nobody notices but for the exit code, which nobody can know any more."""
    kernel = open_session()
    first = own_template()
    os.kill(first, signal.SIGKILL)
    assert kernel.run("print(1)") == "1\n"
    second = open_session()
    assert second.is_warm
    assert own_template() != first
    pid = kernel.pid
    kernel.close()
    eventually(lambda: state_of(pid) is None, "the kernel should have ended")


def test_a_kernel_ends_with_its_client(own_template, tmp_path, eventually, state_of) -> None:
    """A client that is killed takes its kernel with it."""
    file = tmp_path / "kernel.json"
    code = START.format(file=str(file)) + (
        "import time\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.01)\n"
        "print(process.pid, flush=True)\ntime.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(file)], stdout=subprocess.PIPE, text=True
    ) as client:
        line = ""
        while not line.strip().isdigit():
            line = client.stdout.readline()
        client.kill()
    eventually(lambda: state_of(int(line)) is None, "the kernel goes on without its client")


def test_an_independent_kernel_outlives_its_client(open_session, own_template) -> None:
    """`independent=True` means that nobody watches the client."""
    kernel = open_session(independent=True)
    assert "client watcher" not in kernel.run(
        "import threading; print([t.name for t in threading.enumerate()])"
    )


def test_an_idle_template_ends(open_session, own_template, monkeypatch, eventually) -> None:
    """It waits as long as it was told, then leaves without a trace."""
    monkeypatch.setenv("DLLAB_WARM_IDLE", "0.5")
    kernel = open_session()
    pid = own_template()
    time.sleep(0.8)
    assert own_template() == pid, "a template with a kernel is not idle"
    kernel.close()
    eventually(lambda: not Path(f"/proc/{pid}").exists(), "the template should have ended")
    assert not Path(os.environ["DLLAB_WARM_DIR"]).exists()


def test_a_changed_module_needs_a_new_template(
    open_session, own_template, monkeypatch, tmp_path
) -> None:
    """No kernel gets a module from before its last change."""
    module = tmp_path / "preloaded_by_test.py"
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("DLLAB_WARM_PRELOAD", module.stem)
    code = f"import sys; print({module.stem!r} in sys.modules); import preloaded_by_test as m; m.x"
    module.write_text("x = 1\n")
    assert open_session().run(code) == "True\n1"
    first = own_template()
    module.write_text("x = 22\n")
    assert open_session().run(code) == "True\n22"
    assert first not in [found.pid for found in warm.status()]


@pytest.mark.parametrize("name", ["KERAS_BACKEND", "OMP_NUM_THREADS"])
def test_what_importing_depends_on_makes_another_template(monkeypatch, tmp_path, name: str) -> None:
    """A variable that is read while importing belongs to the template's identity."""

    def key() -> str:
        return runtime.Identity.of([sys.executable], os.environ, str(tmp_path), ["numpy"]).key

    before = key()
    monkeypatch.setenv("JPY_SESSION_NAME", "else")
    assert key() == before
    monkeypatch.setenv(name, "4")
    assert key() != before


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("DLLAB_WARM_PRELOAD", "no_such_module", "no_such_module"),
        ("DLLAB_WARM_PRELOAD", "starts_a_thread", "unsafe"),
        ("DLLAB_WARM_PRELOAD", "crashes", "ended"),
        ("DLLAB_WARM_DIR", "/proc/nowhere", "/proc/nowhere"),
        ("DLLAB_WARM_DIR", "/etc/passwd", "not a directory"),
        ("DLLAB_WARM_DIR", "/tmp/" + "x" * 120, "too long"),
        ("DLLAB_WARM_IDLE", "soon", "soon"),
    ],
)
def test_an_ordinary_kernel_with_one_line_of_warning(
    open_session, own_template, monkeypatch, tmp_path, caplog, name: str, value: str, reason: str
) -> None:
    """Whatever goes wrong, there is a kernel, and one line says why it is not a warm one."""
    (tmp_path / "starts_a_thread.py").write_text(
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    )
    (tmp_path / "crashes.py").write_text("import os; os.abort()\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv(name, value)
    kernel = open_session()
    assert not kernel.is_warm
    assert kernel.run("print(1)") == "1\n"
    (line,) = (x for x in caplog.messages if "No warm kernel" in x)
    assert "\n" not in line
    assert reason in line
    if value.startswith("/tmp/"):
        Path(value).rmdir()


def test_a_stuck_template_does_not_hang_a_client(open_session, own_template, monkeypatch) -> None:
    """The client waits as long as it was told, then helps itself; the next gets a new one."""
    open_session().close()
    stuck = own_template()
    monkeypatch.setenv("DLLAB_WARM_START", "1")
    os.kill(stuck, signal.SIGSTOP)
    assert not open_session().is_warm
    monkeypatch.delenv("DLLAB_WARM_START")
    assert open_session().is_warm
    assert own_template() != stuck


def test_a_slow_template_serves_those_who_come_later(
    open_session, own_template, monkeypatch, tmp_path, caplog
) -> None:
    """On a busy machine a client takes an ordinary kernel; the imports go on for the next."""
    (tmp_path / "slow.py").write_text(
        "import os, time\n"
        "while not os.path.exists(os.path.join(os.path.dirname(__file__), 'go')):\n"
        "    time.sleep(0.01)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("DLLAB_WARM_PRELOAD", "slow")
    monkeypatch.setenv("DLLAB_WARM_START", "2")
    with (tmp_path / "out.txt").open("w") as out:
        ordinary = open_session(stdout=out, stderr=out)
        assert not ordinary.is_warm
        (line,) = (x for x in caplog.messages if "No warm kernel" in x)
        assert "did not answer" in line
        first = own_template()
        (tmp_path / "go").touch()
        monkeypatch.delenv("DLLAB_WARM_START")
        assert open_session().is_warm
    (found,) = warm.status()
    assert (found.pid, len(found.kernels)) == (first, 1)
    assert "Traceback" not in (tmp_path / "out.txt").read_text()


@pytest.mark.parametrize("trouble", ["missing", "a file", "open to others", "read-only"])
def test_another_runtime_directory_is_found(monkeypatch, tmp_path, trouble: str) -> None:
    """Where `XDG_RUNTIME_DIR` cannot be used, a folder in `/tmp` takes its place."""
    given = tmp_path / "given"
    if trouble == "a file":
        given.touch(0o700)
    elif trouble != "missing":
        given.mkdir(0o755 if trouble == "open to others" else 0o700)
    if trouble == "read-only":  # root may write even where the mode says no
        monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.delenv("DLLAB_WARM_DIR")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(given))
    assert runtime.directory(create=False) == Path(f"/tmp/dllab-warm-{os.geteuid()}")


def test_two_environments_have_two_templates(tmp_path) -> None:
    """Even where two virtual environments are made from the same interpreter."""

    def key(name: str) -> str:
        python = tmp_path / name / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.symlink_to(os.path.realpath(sys.executable))
        return runtime.Identity.of([str(python)], os.environ, "/", ["numpy"]).key

    assert key("one") != key("two")


def test_a_client_without_a_home(open_session, own_template, monkeypatch) -> None:
    """`HOME` may be unset, as in some services."""
    monkeypatch.delenv("HOME")
    kernel = open_session()
    assert kernel.is_warm
    assert kernel.run("import os; print('HOME' in os.environ)") == "False\n"


def test_switched_off(open_session, monkeypatch, caplog) -> None:
    """`DLLAB_WARM=0` means an ordinary kernel, without a word."""
    monkeypatch.setenv("DLLAB_WARM", "0")
    assert not open_session().is_warm
    assert "No warm kernel" not in caplog.text


def test_stop_lets_kernels_run(open_session, own_template, state_of, eventually) -> None:
    """A stopped template ends with its last kernel."""
    kernel = open_session()
    pid = own_template()
    assert warm.stop() == 1
    assert warm.status() == []
    assert kernel.run("print(1)") == "1\n"
    kernel.close()
    eventually(lambda: state_of(pid) is None, "the template should have ended")


def test_the_directory_is_private(open_session, own_template, monkeypatch, tmp_path) -> None:
    """Only the user can reach the socket; a directory open to others is refused."""
    open_session()
    folder = Path(os.environ["DLLAB_WARM_DIR"])
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)
    with pytest.raises(warm.WarmError, match="open to other users"):
        runtime.directory()
    folder.chmod(0o700)


def test_other_users_are_refused(open_session, own_template, run_python, tmp_path) -> None:
    """Even with the directory wide open, the template talks to nobody else."""
    open_session()
    folder = Path(os.environ["DLLAB_WARM_DIR"])
    (sock,) = folder.glob("*.sock")
    if os.geteuid() != 0:
        # Only root can become somebody else; the template can believe it is.
        refuses_a_stranger(tmp_path)
        return
    # with several workers, pytest's temporary folders lie one level deeper
    above = [path for path in tmp_path.parents if Path(tempfile.gettempdir()) in path.parents]
    for path in (*above, tmp_path, folder, sock):
        path.chmod(0o777)
    code = (
        "import os, socket\nos.setgid(65534); os.setuid(65534)\n"
        f"s = socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect({str(sock)!r})\n"
        "print(s.recv(10))"
    )
    assert run_python(code) == "b''\n"
    for path in (*above, tmp_path, folder):
        path.chmod(0o700)


def refuses_a_stranger(folder: Path) -> None:
    """Ask a template's judgement about this process, under its own and another number."""
    mine, theirs = socket.socketpair()
    listener = socket.socket(socket.AF_UNIX)
    with mine, theirs, listener, pytest.MonkeyPatch.context() as patch:
        listener.bind(str(folder / "stranger.sock"))
        template = Template(listener, {"folder": str(folder), "key": "stranger", "idle": 1})
        assert template._trusts(theirs)
        patch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        assert not template._trusts(theirs)


def test_secrets_stay_out_of_the_template(open_session, own_template, monkeypatch) -> None:
    """The template knows no variable that importing does not need."""
    monkeypatch.setenv("API_TOKEN", "swordfish")
    kernel = open_session()
    assert kernel.run("import os; print(os.environ['API_TOKEN'])") == "swordfish\n"
    assert b"swordfish" not in Path(f"/proc/{own_template()}/environ").read_bytes()


def test_a_nonsense_request_is_dropped(open_session, own_template) -> None:
    """Garbage and silence on the socket stop nobody else."""
    open_session()
    (path,) = Path(os.environ["DLLAB_WARM_DIR"]).glob("*.sock")
    with socket.socket(socket.AF_UNIX) as silent, socket.socket(socket.AF_UNIX) as loud:
        silent.connect(str(path))
        loud.connect(str(path))
        loud.sendall(b"GET / HTTP/1.1\r\n\r\n")
        loud.settimeout(5)
        with suppress(ConnectionResetError):
            assert loud.recv(10) == b""
        assert open_session().is_warm


def test_a_program_in_a_kernels_place(own_template, monkeypatch, tmp_path) -> None:
    """Any module with a `main` can be forked, in a folder of its own, from a home of its own."""
    (tmp_path / "program.py").write_text(
        "import os, sys\n"
        "home = os.environ['HOME']\n"
        "def main():\n"
        "    kernel = 'ipykernel' in sys.modules\n"
        "    print(home, os.environ['HOME'], 'numpy' in sys.modules, kernel, sys.argv[1:])\n"
        "    sys.exit(3)\n"
    )
    from dllab.warm import client, control

    folder = tmp_path / "other"
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "HOME": "/nowhere"}
    settings = runtime.Settings(preload=("numpy",), own_home=True, owner=os.getpid())
    command = client.program_command(sys.executable, "program", ["one"])
    client.prepare(command, environment, "/", settings, folder)
    read, write = os.pipe()
    with os.fdopen(read) as said:
        process = client.start_kernel(
            command, environment, "/", [0, write, 2], settings, folder=folder
        )
        os.close(write)
        assert process.wait(20) == 3
        assert said.read() == f"{folder}/home /nowhere True False ['one']\n"
    assert warm.status() == []  # the user's own folder has no part in it
    assert control.stop(folder) == 1


def bubblewrap(*options: str) -> list[str]:
    return ["bwrap", "--dev-bind", "/", "/", "--die-with-parent", "--unshare-pid", *options]


@pytest.fixture
def sandbox() -> None:
    """Fail, with the way out, where no sandbox can be made: nothing would be proved."""
    if shutil.which("bwrap") is None:
        pytest.fail("`bwrap` is missing: run `tools/system_packages.sh bubblewrap`", pytrace=False)
    tried = subprocess.run([*bubblewrap(), "true"], capture_output=True, text=True)
    if tried.returncode:
        pytest.fail(
            f"bubblewrap makes no sandbox here: {tried.stderr.strip()}. In a container, allow "
            "user namespaces (Docker: `--security-opt seccomp=unconfined`), or test outside",
            pytrace=False,
        )


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("user", [None, "1000"], ids=["same user", "ordinary user"])
def test_inside_bubblewrap(own_template, open_session, tmp_path, user: str | None) -> None:
    """A client in a sandbox gets a template in that sandbox, and it ends with the sandbox."""
    outside = open_session()
    code = START.format(file=str(tmp_path / "kernel.json")) + (
        "from dllab import warm\n"
        "print(len(warm.status()), os.readlink('/proc/self/ns/pid'), "
        "os.readlink(f'/proc/{process.pid}/ns/pid'))\nprocess.kill(); process.wait()"
    )
    as_user = ["--unshare-user", "--uid", user, "--gid", user] if user else []
    wrapped = [
        *bubblewrap(*as_user, "--proc", "/proc", "--tmpfs", "/run"),
        "--setenv",
        "DLLAB_WARM_DIR",
    ]
    done = subprocess.run(
        [*wrapped, "/run/warm", sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    count, client, kernel = done.stdout.split()
    assert count == "1"
    assert client == kernel != os.readlink("/proc/self/ns/pid")
    assert outside.run("print(1)") == "1\n"


@pytest.mark.usefixtures("sandbox")
def test_a_template_refuses_a_client_from_a_sandbox(own_template, open_session) -> None:
    """A kernel forked outside would be the way out of the sandbox."""
    open_session()
    (path,) = Path(os.environ["DLLAB_WARM_DIR"]).glob("*.sock")
    code = (
        "import socket; s = socket.socket(socket.AF_UNIX); s.settimeout(5)\n"
        f"s.connect({str(path)!r}); print(s.recv(10))"
    )
    done = subprocess.run(
        [*bubblewrap(), sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "b''\n"


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("nested", [(), ("--unshare-user", "--disable-userns")], ids=["", "nested"])
def test_a_kernel_joins_a_sandbox(own_template, open_session, tmp_path, nested) -> None:
    """Forked outside, the kernel sees and may do only what the sandbox allows.

    That holds as well where bubblewrap nests user namespaces.
    """
    ipc = tmp_path / "ipc"
    ipc.mkdir()
    private = ["--tmpfs", "/home", "--bind", str(ipc), str(ipc), "--unshare-net", "--proc", "/proc"]
    box = ["bwrap", "--ro-bind", "/", "/", "--die-with-parent", "--unshare-pid", *private, *nested]
    with subprocess.Popen(
        ["prlimit", "--nofile=99", *box, "sh", "-c", "echo in; sleep 600"], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"in\n"
        inside = int(Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text())
        kernel = open_session(
            transport="ipc",
            connection_file=str(ipc / "kernel.json"),
            cwd="/home",
            warm_join=inside,
        )
        assert kernel.is_warm
        code = (
            "import os, resource, json, pathlib\n"
            "def write(path):\n"
            "    try: pathlib.Path(path).write_text('x'); return True\n"
            "    except OSError: return False\n"
            f"no = {str(tmp_path / 'no')!r}\n"
            "print(json.dumps([write('here'), write(no), write('/etc/no'),\n"
            "  resource.getrlimit(resource.RLIMIT_NOFILE)[0], os.listdir('/sys/class/net'),\n"
            "  [x for x in pathlib.Path('/proc/self/status').read_text().split('\\n')"
            " if x.startswith(('CapEff', 'CapBnd'))], len([p for p in os.listdir('/proc')"
            " if p.isdigit()]) < 9]))"
        )
        may, outside, etc, files, _, capabilities, few = json.loads(kernel.run(code))
        assert (may, outside, etc, files, few) == (True, False, False, 99, True)
        assert {line.split()[1].strip("0") for line in capabilities} == {""}
        kernel.client.execute("import time; time.sleep(60)", stop_on_error=False)
        time.sleep(0.3)
        kernel.manager.interrupt_kernel()
        assert kernel.run("print(1)") == "1\n"
        holder.kill()
        assert kernel.manager.provisioner.process.wait(10) == -signal.SIGKILL


def test_a_sandbox_is_never_left_out(own_template, open_session, monkeypatch) -> None:
    """With a sandbox asked for, there is an error rather than an ordinary kernel."""
    with pytest.raises(warm.WarmError, match="sandbox"):
        open_session(warm_join=2**22)
    monkeypatch.setenv("DLLAB_WARM", "0")
    with pytest.raises(warm.WarmError, match="switched off"):
        open_session(warm_join=os.getpid())
