"""Does a warm kernel behave as an ordinary one?"""

import json
import os
import queue
import signal
import time

import pytest


def test_takes_the_clients_place(open_session, tmp_path) -> None:
    """Working directory, environment, mask and command line are those that were asked for."""
    os.umask(mask := os.umask(0o022))
    kernel = open_session(cwd=str(tmp_path), env=dict(os.environ, COLOR="green"))
    found = kernel.run(
        "import os, sys, json\n"
        "os.umask(mask := os.umask(0))\n"
        "line = open('/proc/self/cmdline').read().strip('\\0').split('\\0')\n"
        "print(json.dumps([os.getcwd(), os.environ['COLOR'], mask, sys.argv[1:] == line[-2:],\n"
        "    line[1:3], os.getpid(), os.getsid(0), 'dllab' in sys.modules,\n"
        "    'DLLAB' in repr(sys.path)]))"
    )
    expected = [str(tmp_path), "green", mask, True, ["-m", "ipykernel_launcher"]]
    assert json.loads(found) == [*expected, kernel.pid, kernel.pid, False, False]


def test_has_the_same_paths_flags_and_descriptors_as_an_ordinary_kernel(
    open_session, monkeypatch
) -> None:
    """A process forked and a process started see the same surroundings."""
    code = (
        "import sys, os, signal, threading, json\n"
        "links = [f'/proc/self/fd/{n}' for n in os.listdir('/proc/self/fd')]\n"
        "fds = [os.readlink(x).split(':')[0] for x in links if os.path.lexists(x)]\n"
        "print(json.dumps([sys.path, sys.flags, sys.executable, sys.orig_argv[:3],\n"
        "  sorted(t.name for t in threading.enumerate() if 'atcher' not in t.name and"
        " 'oller' not in t.name and not t.name.startswith('Thread')),\n"
        "  [str(signal.getsignal(s)) for s in (2, 13, 15, 17)], fds.count('pipe'),\n"
        "  sys.stdin.encoding, sys.__stdout__.encoding, os.getpriority(0, 0), __name__]))"
    )
    warm = open_session()
    monkeypatch.setenv("DLLAB_WARM", "0")
    ordinary = open_session()
    assert (warm.is_warm, ordinary.is_warm) == (True, False)
    mine, theirs = (json.loads(kernel.run(code)) for kernel in (warm, ordinary))
    assert mine == theirs


def test_output_of_the_file_descriptors_reaches_the_notebook(session) -> None:
    """What C++ code and subprocesses write belongs to the cell."""
    code = (
        "import os, subprocess\n"
        "os.write(1, b'one\\n'); os.write(2, b'two\\n')\n"
        "subprocess.run(['sh', '-c', 'echo three; exit 5']).returncode"
    )
    parts: dict[str, str] = {}
    for message in session.messages(code):
        content = message["content"]
        name = content.get("name", "result")
        parts[name] = parts.get(name, "") + (content.get("text") or content["data"]["text/plain"])
    assert parts == {"stdout": "one\nthree\n", "stderr": "two\n", "result": "5"}


def test_magics_and_rich_output(session) -> None:
    """HTML, `!` and `%` work."""
    (message,) = session.messages("from IPython.display import HTML; HTML('<b>x</b>')")
    assert message["content"]["data"]["text/html"] == "<b>x</b>"
    assert session.run("!echo hello").strip() == "hello"
    assert "Wall time" in session.run("%time sum(range(10))")


def test_asks_for_input(session) -> None:
    """`input()` reaches the client and gets its answer."""
    seen = session.messages(
        "print(input('name? ') + '!')",
        allow_stdin=True,
        stdin_hook=lambda message: session.client.input("Ada"),
    )
    assert seen[-1]["content"]["text"] == "Ada!\n"


@pytest.mark.parametrize("code", ["import time; time.sleep(60)", "while True: pass"])
def test_interrupt(session, code: str) -> None:
    """An interrupt ends the cell and not the kernel."""
    # or else ipykernel drops what it is sent in the tenth of a second after the error
    session.client.execute(code, stop_on_error=False)
    while session.client.get_iopub_msg(timeout=10)["msg_type"] != "execute_input":
        pass
    time.sleep(0.1)
    session.manager.interrupt_kernel()
    reply = session.client.get_shell_msg(timeout=10)
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    assert session.run("print(6 * 7)") == "42\n"


@pytest.mark.parametrize("now", [False, True])
def test_restart(session, now: bool) -> None:
    """A restart gives a new process with an empty namespace on the same ports."""
    before = session.pid
    session.run("x = 1")
    session.manager.restart_kernel(now=now)
    session.client.wait_for_ready(timeout=30)
    assert session.is_warm
    assert session.pid != before
    assert "NameError" in session.run("x")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import os; os._exit(3)", 3),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("import os; os.abort()", -signal.SIGABRT),
    ],
)
def test_exit_codes(session, state_of, code: str, expected: int) -> None:
    """The manager learns how the kernel ended, and nothing is left of it."""
    pid = session.pid
    session.client.execute(code)
    process = session.manager.provisioner.process
    assert process.wait(timeout=10) == expected
    assert not session.manager.is_alive()
    deadline = time.monotonic() + 5
    while state_of(pid) is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert state_of(pid) is None


def test_exit_handlers_run(open_session, tmp_path) -> None:
    """A shutdown runs `atexit` functions and flushes files."""
    kernel = open_session(cwd=str(tmp_path))
    kernel.run(
        "import atexit, tempfile\n"
        "atexit.register(lambda: open('left', 'w').write('bye'))\n"
        "folder = tempfile.TemporaryDirectory(dir='.')\n"
        "held = open('held', 'w'); held.write('text'); None"
    )
    kernel.close()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "left": "bye",
        "held": "text",
    }


def test_forks_threads_and_workers(session) -> None:
    """User code may fork, start threads and start worker processes."""
    code = """
import os, threading, multiprocessing, concurrent.futures, math
pid = os.fork()
if pid == 0:
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
thread = threading.Thread(target=lambda: print("thread")); thread.start(); thread.join()
for method in ("fork", "spawn"):
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        print(pool.submit(math.sqrt, 16.0).result())
"""
    assert session.run(code) == "7\nthread\n4.0\n4.0\n"


def test_no_two_kernels_share_a_random_stream(open_session) -> None:
    """Every source of randomness is as fresh as in a new process."""
    code = (
        "import random, tempfile, uuid, multiprocessing, numpy as np, secrets, json\n"
        "print(json.dumps([random.random(), np.random.rand(), np.random.default_rng().random(),\n"
        "  uuid.uuid4().hex, uuid.uuid1().hex, next(tempfile._get_candidate_names()),\n"
        "  multiprocessing.current_process().authkey.hex(), secrets.token_hex()]))"
    )
    drawn = [json.loads(open_session().run(code)) for _ in range(3)]
    for values in zip(*drawn, strict=True):
        assert len(set(values)) == 3


def test_matplotlib_finds_the_settings_of_the_place(open_session, monkeypatch, tmp_path) -> None:
    """A settings file in the working directory counts, as does `MPLBACKEND`."""
    monkeypatch.setenv("DLLAB_WARM_PRELOAD", "matplotlib.pyplot")
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 7\n")
    kernel = open_session(cwd=str(tmp_path), env=dict(os.environ, MPLBACKEND="svg"))
    code = "import matplotlib as m; m.rcParams['lines.linewidth'], m.get_backend()"
    assert kernel.run(code) == "(7.0, 'svg')"
    code = "import matplotlib as m; m.rcParams['lines.linewidth']"
    assert open_session().run(code) == "1.5"


def test_pipes_for_the_standard_streams(open_session) -> None:
    """Jupyter may ask for a pipe in place of an inherited stream."""
    import subprocess

    kernel = open_session(stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    kernel.run("import sys; print('raw', file=sys.__stdout__, flush=True)")
    assert kernel.manager.provisioner.process.stdout.readline() == b"raw\n"


def test_unix_sockets(open_session, tmp_path) -> None:
    """The channels may be Unix sockets (`transport = ipc`)."""
    kernel = open_session(transport="ipc", connection_file=str(tmp_path / "kernel.json"))
    assert kernel.is_warm
    assert kernel.run("print(1)") == "1\n"
    assert [path for path in tmp_path.iterdir() if path.is_socket()]


def test_debugger_is_there(session) -> None:
    """JupyterLab's debugger gets an answer."""
    client = session.client
    content = {"seq": 1, "type": "request", "command": "debugInfo", "arguments": {}}
    message = client.session.msg("debug_request", content)
    client.control_channel.send(message)
    try:
        reply = client.get_control_msg(timeout=20)
    except queue.Empty:
        pytest.fail("no reply to debugInfo")
    assert reply["content"]["success"]
