"""The sandbox, looked at from inside and from outside."""

import ctypes
import json
import os
import platform
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from dllab.authoring.project import find_root
from dllab.errors import GradingError, SandboxMissingError
from dllab.grading import bubblewrap, confine, sandbox
from dllab.grading.records import Limits
from dllab.grading.sandbox import StudentProcess, Template
from dllab.grading.watch import Watcher, children, family
from dllab.grading.wire import Inbox, Packer

ROOT = find_root(Path(__file__).parent)
SMALL = Limits(memory=200, disk=8, file_size=4, processes=16, open_files=64)
# `answer` is what a test wants to know.
TELL = "\nimport json as _json\nwith open('answer.json', 'w') as _f: _json.dump(answer, _f)\n"


class Student:
    """A student's process whose agent is ready, and a way to run cells in it."""

    def __init__(self, limits: Limits = SMALL, **options: Any) -> None:
        self.process = StudentProcess(limits, **options)
        self._inbox = Inbox()
        self.process.sock.settimeout(60)
        self._tell({"is": "start", "limits": asdict(limits), "seed": 1})
        assert self._hear()["is"] == "ready"
        self.process.begin()

    def _tell(self, header: dict[str, Any]) -> None:
        self.process.sock.sendall(Packer().frame(header))

    def _hear(self) -> dict[str, Any]:
        while (frame := self._inbox.next()) is None:
            data = self.process.sock.recv(1 << 20)
            if not data:
                raise EOFError
            self._inbox.feed(data)
        return frame.header

    def begin(self, code: str) -> None:
        """Run a cell and do not wait for it."""
        cell = {"is": "cell", "id": 1, "number": 1, "seconds": 60, "definitions": False}
        self._tell(cell | {"source": dedent(code)})

    def run(self, code: str) -> str:
        """Run a cell; return the sentence about what stopped it, or ''."""
        self.begin(code)
        return str(self._hear()["problem"])

    def ask(self, code: str) -> Any:
        """Run a cell and return what it left in `answer`."""
        assert self.run(f"{dedent(code)}{TELL}") == ""
        home = self.process._runs
        folder = home.folders[0] if home.folders else home._home.name
        return json.loads(Path(folder, "answer.json").read_text())

    def until_checked(self, seconds: float = 30.0) -> str:
        """Watch until a limit is passed."""
        deadline = time.monotonic() + seconds
        while not (reason := self.process.check()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return reason


@pytest.fixture(scope="module")
def template() -> Iterator[Template]:
    with Template() as made:
        yield made


@pytest.fixture(params=["warm", "cold"])
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    warm = request.param == "warm"
    return {"warm": warm, "template": request.getfixturevalue("template") if warm else None}


@pytest.fixture
def start() -> Iterator[Callable[..., Student]]:
    """Give a function that starts students' processes, and end them."""
    started: list[Student] = []

    def start_one(limits: Limits = SMALL, **options: Any) -> Student:
        started.append(Student(limits, **options))
        return started[-1]

    yield start_one
    for student in started:
        student.process.kill()


@pytest.fixture
def light() -> Iterator[Template]:
    """A template that imports little."""
    made = Template()
    made._settings = replace(made._settings, preload=("numpy",))
    with made:
        yield made


def eventually(condition: Callable[[], Any], message: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, message
        time.sleep(0.02)


def alive(pids: set[int]) -> set[int]:
    """Return those that still run; one that only waits to be reaped does not."""
    return {pid for pid in pids if _state(pid) not in ("", "Z", "X")}


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def everything_of(student: Student) -> set[int]:
    """Return the numbers of all processes of a sandbox, ours that serve it included."""
    runs = student.process._runs
    monitor = {runs._box._monitor.pid} if hasattr(runs, "_box") else set()
    return family(runs.roots) | monitor


# -- what is visible -------------------------------------------------------------------------


def test_only_programs_and_the_package_are_visible(start, options) -> None:
    """Neither labs nor submissions, neither the home nor the rest of a checkout can be found."""
    found = start(**options).ask(
        f"""
        import os
        answer = {{}}
        for place in ("/", "/etc", "/home", {str(ROOT)!r}, {str(Path.home())!r}, "/usr/src"):
            answer[place] = os.listdir(place) if os.path.isdir(place) else []
        answer["labs"] = [
            path for path, folders, files in os.walk("/")
            if not path.startswith(("/proc", "/usr")) and "misconceptions.toml" in files
        ]
        """
    )
    environment = (
        Path(sys.prefix).relative_to(ROOT).parts[:1] if ROOT in Path(sys.prefix).parents else ()
    )
    assert set(found[str(ROOT)]) == {"dllab", *environment}
    assert set(found["/etc"]) <= {"passwd", "group", "ld.so.cache", "alternatives", "fonts"}
    assert found["/home"] == ["student"] or Path.home().is_relative_to("/home")
    assert found["/usr/src"] == []
    assert found["labs"] == []
    places = {Path(sys.base_prefix), Path(sys.prefix), ROOT}
    parents = {
        path.relative_to(Path.home()).parts[0] for path in places if Path.home() in path.parents
    }
    assert set(found[str(Path.home())]) <= parents


def test_no_secret_is_visible(start, options, monkeypatch) -> None:
    """Neither the grader's variables nor its command line are in any process inside."""
    monkeypatch.setenv("API_TOKEN", "swordfish")
    found = start(**options).ask(
        """
        import os
        answer = dict(os.environ)
        for pid in filter(str.isdigit, os.listdir("/proc")):
            for name in ("environ", "cmdline"):
                with open(f"/proc/{pid}/{name}", "rb") as file:
                    answer[f"{pid} {name}"] = file.read().decode()
        answer["user"] = [os.getuid(), os.getgid(), os.uname().nodename]
        """
    )
    assert "swordfish" not in json.dumps(found)
    assert found["1 environ"] == ""
    assert found["user"] == [1000, 1000, "student"]
    assert len([key for key in found if key.endswith("cmdline")]) <= 3
    assert found["HOME"] == "/home/student"


def test_nothing_outside_can_be_changed(start, options) -> None:
    """Only the home, which `/tmp` lies in, and shared memory can be written to."""
    before = [os.stat(path)[:3] for path in ("/dev/null", "/dev/zero")]
    found = start(**options).ask(
        f"""
        import os, pathlib
        answer = {{"folders": [], "files": []}}
        for folder, _, files in os.walk("/"):
            if os.access(folder, os.W_OK):
                answer["folders"].append(folder)
            own = folder.startswith(("/home", "/dev", "/usr/share")) or folder.count("/") > 9
            for file in [] if own else files:
                path = os.path.join(folder, file)
                if not os.path.islink(path):
                    try:
                        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
                        answer["files"].append(path)
                    except OSError:
                        pass
        for path in ("/dev/null", "/dev/zero"):
            try:
                os.chmod(path, 0)
                os.setxattr(path, "system.posix_acl_access", b"x")
            except OSError:
                pass
        answer["created"] = []
        for place in ("/", "/etc", "/usr", "/dev", "/proc", {str(ROOT / "dllab")!r}):
            try:
                pathlib.Path(place, "created").write_text("x")
                answer["created"].append(place)
            except OSError:
                pass
        """
    )
    mine = ("/home/student", "/dev/shm", "/dev/pts")
    assert [path for path in found["folders"] if not path.startswith(mine)] == []
    assert found["files"] == []
    assert found["created"] == []
    assert [os.stat(path)[:3] for path in ("/dev/null", "/dev/zero")] == before


def test_no_network_and_no_way_to_other_processes(start, options) -> None:
    """Neither the machine's own services can be reached nor sockets that have no file."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as hidden,
    ):
        name = f"\0dllab-test-{os.getpid()}"
        hidden.bind(name)
        hidden.listen()
        found = start(**options).ask(
            f"""
            import socket
            answer = []
            for family, address in (
                (socket.AF_INET, ("127.0.0.1", {server.getsockname()[1]})),
                (socket.AF_INET6, ("::1", 80)),
                (socket.AF_UNIX, {name!r}),
                (socket.AF_NETLINK, (0, 0)),
            ):
                try:
                    with socket.socket(family) as sock:
                        sock.connect(address)
                    answer.append("connected")
                except OSError as error:
                    answer.append(error.errno)
            answer.append([line.split(":")[0].strip() for line in open("/proc/net/dev")][2:])
            """
        )
    assert "connected" not in found[:4]
    assert set(found[4]) <= {"lo", "sit0", "tunl0", "ip6tnl0"}


def test_two_students_cannot_meet(start, template) -> None:
    """Neither through files nor through sockets without files."""
    one, other = (start(template=template) for _ in range(2))
    one.ask(
        """
        import socket
        answer = 0
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("\\0meeting")
        listener.listen()
        for place in ("/tmp/note", "/dev/shm/note"):
            open(place, "w").write("7")
        """
    )
    found = other.ask(
        """
        import os, socket
        try:
            socket.socket(socket.AF_UNIX).connect("\\0meeting")
            answer = "met"
        except OSError:
            answer = [os.path.exists(place) for place in ("/tmp/note", "/dev/shm/note")]
        """
    )
    assert found == [False, False]


def test_one_socket_is_all_that_is_inherited(start, options) -> None:
    """The descriptors are `/dev/null` and the socket to the grader."""
    found = start(**options).ask(
        """
        import os
        links = {}
        for name in os.listdir("/proc/self/fd"):
            try:
                links[name] = os.readlink(f"/proc/self/fd/{name}")
            except OSError:
                pass  # the one that lists them
        answer = links
        """
    )
    assert {found.pop(name) for name in "012"} == {"/dev/null"}
    (only,) = found.values()
    assert only.startswith("socket:")


# -- what is allowed -------------------------------------------------------------------------


def test_no_privileges(start, options) -> None:
    """No process inside, the sandbox's own included, has a capability or lacks the filter."""
    found = start(**options).ask(
        """
        import os
        answer = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with open(f"/proc/{pid}/status") as file:
                answer[pid] = dict(line.rstrip("\\n").split(":\\t", 1) for line in file)
        """
    )
    for status in found.values():
        held = {status[f"Cap{kind}"].strip("0") for kind in ("Prm", "Eff", "Bnd", "Amb", "Inh")}
        assert held == {""}
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


def test_refused_calls(start, template) -> None:
    """Every call of the list is refused, in a thread as well, and Python goes on."""
    column = confine._PROCESSORS[platform.machine()][0]
    numbers = {name: pair[column] for name, pair in confine._REFUSED.items()}
    given = {name: number for name, number in numbers.items() if number is not None}
    clone = confine._JUDGED["clone"][column], confine._JUDGED["clone3"][column]
    student = start(template=template)
    found = student.ask(
        f"""
        import ctypes, threading
        libc = ctypes.CDLL(None, use_errno=True)
        def attempt(number, *arguments):
            ctypes.set_errno(0)
            padded = [*arguments, 0, 0, 0, 0, 0, 0][:6]
            result = libc.syscall(ctypes.c_long(number), *map(ctypes.c_ulong, padded))
            return [result, ctypes.get_errno()]
        answer = {{}}
        def attempt_all():
            answer.update({{name: attempt(number) for name, number in {given!r}.items()}})
        thread = threading.Thread(target=attempt_all)
        thread.start()
        thread.join()
        answer["clone"] = attempt({clone[0]}, 0x10000000)
        answer["clone3"] = attempt({clone[1]})
        answer["new"] = attempt(999)
        """
    )
    assert found.pop("clone3") == found.pop("new") == [-1, 38]
    assert {name: result for name, result in found.items() if result != [-1, 1]} == {}
    assert student.run("1 + 1") == ""


def run_filter(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """Interpret the filter as the kernel does, for the few instructions that it uses."""
    _, own = confine._PROCESSORS[machine]
    data = struct.pack("<IIQ6Q", number, architecture or own, 0, *[*arguments, *[0] * 6][:6])
    code = [
        struct.unpack_from("<HBBI", confine.seccomp_program(machine), at)
        for at in range(0, len(confine.seccomp_program(machine)), 8)
    ]
    at = loaded = 0
    while True:
        operation, yes, no, value = code[at]
        at += 1
        if operation == 0x20:
            (loaded,) = struct.unpack_from("<I", data, value)
        elif operation == 0x06:
            return value
        else:
            tests = {0x15: loaded == value, 0x35: loaded >= value, 0x45: loaded & value}
            at += yes if tests[operation] else no


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_on_either_processor(machine: str) -> None:
    """It refuses what it lists, lets pass what programs live on, and knows no way around."""
    allow, refuse = 0x7FFF0000, 0x00050001
    column = ("x86_64", "aarch64").index(machine)
    listed = [pair[column] for pair in confine._REFUSED.values()]
    assert {run_filter(machine, number) for number in listed if number is not None} == {refuse}
    # read, write, openat, mmap, futex, execve, exit_group
    ordinary = ((0, 1, 257, 9, 202, 59, 231), (63, 64, 56, 222, 98, 221, 94))[column]
    assert {run_filter(machine, number) for number in ordinary} == {allow}
    judged = {name: pair[column] for name, pair in confine._JUDGED.items()}
    assert run_filter(machine, judged["socket"], socket.AF_UNIX) == allow
    assert run_filter(machine, judged["socket"], socket.AF_INET) == 0x00050000 | 97
    assert run_filter(machine, judged["clone"], 0x3D0F00) == allow  # a thread
    assert run_filter(machine, judged["clone"], 0x20000000) == refuse
    assert run_filter(machine, judged["ioctl"], 1, 0x5401) == allow
    assert run_filter(machine, judged["ioctl"], 1, 0x5412) == refuse
    assert run_filter(machine, judged["personality"], 0xFFFFFFFF) == allow
    assert run_filter(machine, judged["personality"], 0x0040000) == refuse
    assert run_filter(machine, 0, architecture=0x40000003) == 0x80000000
    assert run_filter(machine, 0x40000000) == 0x00050000 | 38


def test_an_unknown_processor_has_no_filter() -> None:
    """The other walls stand there, too."""
    assert confine.seccomp_program("riscv64") == b""


def test_libraries_work(start, template) -> None:
    """Training, figures, pools of processes, threads and programs of the system all work."""
    student = start(Limits(), template=template)
    found = student.ask(
        """
        import multiprocessing, os, shutil, subprocess, threading
        import keras, numpy as np
        import matplotlib.pyplot as plt
        model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        losses = model.fit(np.ones((64, 3)), np.ones(64), epochs=3, verbose=0).history["loss"]
        plt.plot([1, 2])
        plt.savefig("figure.png")
        shutil.copy("figure.png", "/tmp/copy.png")
        with multiprocessing.get_context("fork").Pool(2) as pool:
            squares = pool.map(abs, range(-3, 0))
        said = subprocess.run("echo $HOME | cat", shell=True, capture_output=True, text=True)
        answer = [losses[-1] < losses[0], os.path.getsize("/tmp/copy.png") > 1000, squares,
                  said.stdout]
        """
    )
    assert found == [True, True, [3, 2, 1], "/home/student\n"]
    assert student.process.check() == ""


# -- limits ----------------------------------------------------------------------------------


def test_one_process_meets_its_limits_as_errors(start, options) -> None:
    """Right work beside the mistake goes on: each limit is an exception that names it."""
    student = start(**options)
    found = student.ask(
        """
        import errno, os, resource
        answer = {}
        def attempt(name, do):
            try:
                do()
                answer[name] = "no limit"
            except MemoryError:
                answer[name] = "memory"
            except OSError as error:
                answer[name] = errno.errorcode[error.errno]
        def fill():
            with open("/tmp/large", "wb") as file:
                for _ in range(5):
                    file.write(bytes(2**20))
        def fill_disk():
            for number in range(5):
                with open(f"/tmp/{number}", "wb") as file:
                    file.write(bytes(3 * 2**20))
        opened = []
        def open_many():
            for _ in range(100):
                opened.append(open("/dev/null"))
        attempt("memory", lambda: bytearray(600 * 2**20))
        attempt("file", fill)
        os.remove("/tmp/large")
        attempt("disk", fill_disk)
        for number in range(4):
            if os.path.exists(f"/tmp/{number}"): os.remove(f"/tmp/{number}")
        attempt("files", open_many)
        for file in opened: file.close()
        names = ("CORE", "MEMLOCK", "MSGQUEUE", "CPU", "DATA")
        answer["rest"] = [resource.getrlimit(getattr(resource, "RLIMIT_" + n))[1] for n in names]
        """
    )
    cpu = found["rest"].pop(3)
    assert 0 < cpu < 10_000
    assert found == {
        "memory": "memory",
        "file": "EFBIG",
        "disk": "ENOSPC",
        "files": "EMFILE",
        "rest": [0, 0, 0, -1],
    }
    assert student.process.check() == ""


def test_limits_cannot_be_lifted(start, template) -> None:
    """What the process has put on itself stays."""
    found = start(template=template).ask(
        """
        import resource
        answer = []
        for name in ("AS", "NOFILE", "FSIZE", "CPU"):
            number = getattr(resource, "RLIMIT_" + name)
            try:
                resource.setrlimit(number, (resource.getrlimit(number)[0] + 1,) * 2)
                answer.append(name)
            except (ValueError, OSError):
                pass
        """
    )
    assert found == []


def test_memory_of_several_processes_counts_together(start, options) -> None:
    """Each keeps to its own limit, and all together do not."""
    student = start(**options)
    everything = everything_of(student)
    student.begin(
        """
        import os, time
        for _ in range(6):
            if os.fork() == 0:
                held = bytearray(os.urandom(1)) * (150 * 2**20)
                time.sleep(60)
        time.sleep(60)
        """
    )
    assert student.until_checked() == "memory"
    assert student.process.check() == "memory"
    assert student.process.usage().peak_memory > SMALL.memory
    assert alive(everything) == set()


def test_forked_copies_do_not_count_twice(start, template) -> None:
    """Pages that processes share are there only once."""
    student = start(template=template)
    student.run("held = bytearray(b'x') * (120 * 2**20)")
    student.begin(
        """
        import os, time
        for _ in range(6):
            if os.fork() == 0:
                time.sleep(60)
        open("ready", "w")
        time.sleep(60)
        """
    )
    folder = student.process._runs.folders[0]
    eventually(Path(folder, "ready").exists, "the copies should have started")
    assert student.process.check() == ""
    assert 0 < student.process.usage().peak_memory < SMALL.memory + confine.SLACK


def test_many_processes(start, options) -> None:
    """A flood of processes ends, by an error or by the end of the sandbox."""
    student = start(**options)
    everything = everything_of(student)
    student.begin(
        """
        import os, time
        for _ in range(200):
            if os.fork() == 0:
                time.sleep(60)
        time.sleep(60)
        """
    )
    eventually(lambda: student.process.check() or _answered(student), "the flood should have ended")
    reason = student.process.check()
    assert reason in ("processes", "")
    student.process.kill()
    assert alive(everything) == set()


def test_a_fork_bomb_never_grows_beyond_its_limit(start, options) -> None:
    """The system itself refuses more processes: a watcher alone would come too late."""
    student = start(**options)
    student.begin(
        """
        import os
        while True:
            try:
                os.fork()
            except OSError:
                pass
        """
    )
    most = SMALL.processes + confine.LIBRARY_THREADS
    for _ in range(20):
        assert len(everything_of(student)) <= most + 4  # and those that hold the sandbox
        time.sleep(0.05)
    student.process.kill()


def _answered(student: Student) -> bool:
    """Tell whether the cell was stopped by an error, as it is for ordinary users."""
    student.process.sock.setblocking(False)
    try:
        return "BlockingIOError" in student._hear()["problem"]
    except BlockingIOError:
        return False
    finally:
        student.process.sock.settimeout(60)


def test_many_empty_files(start, template) -> None:
    """They fill no disk, but the system's memory."""
    student = start(Limits(disk=64), template=template)
    student.begin(
        """
        import os, time
        os.mkdir("many")
        try:
            for number in range(100_000):
                os.close(os.open(f"many/{number}", os.O_CREAT))
        finally:
            time.sleep(60)
        """
    )
    reason = student.until_checked()
    assert reason == "disk"


def test_the_graders_own_limits_are_not_the_students(start, options) -> None:
    """A worker with a soft limit on its memory starts processes without one."""
    own = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (8 * 2**30, own[1]))
    try:
        found = start(**options).ask(
            "import resource; answer = resource.getrlimit(resource.RLIMIT_DATA)[0]"
        )
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, own)
    assert found == own[1]


# -- the end ---------------------------------------------------------------------------------


def test_an_endless_loop_is_interrupted(start, options) -> None:
    """The process lives on and keeps its state."""
    student = start(**options)
    student.run("x = 7")
    student.begin("open('looping', 'w').close()\nwhile True: pass")
    folder = student.process._runs.folders[0]
    eventually(Path(folder, "looping").exists, "the loop should have begun")
    student.process.interrupt()
    assert student._hear()["problem"] != ""
    assert student.ask("answer = x") == 7
    assert student.process.usage().cpu_seconds > 0


def test_nothing_survives(template, options) -> None:
    """Not a process that has left its group, not a descriptor, not a file."""
    Student(**options).process.kill()
    files, folders = len(os.listdir("/proc/self/fd")), set(os.listdir("/tmp"))
    mine = set(children(os.getpid()))
    with Student(**options).process as process:
        student = Student.__new__(Student)
        student.process, student._inbox = process, Inbox()
        student.begin(
            """
            import os, signal, time
            for number in set(signal.valid_signals()) - {9, 19}:
                signal.signal(number, signal.SIG_IGN)
            for _ in range(3):
                if os.fork() == 0:
                    os.setsid()
                    if os.fork() == 0:
                        open(f"/tmp/{os.getpid()}", "w")
                        time.sleep(600)
                    os._exit(0)
            while True: pass
            """
        )
        folder = Path(process._runs.folders[0], ".tmp")
        # named by its number: a checkout below /tmp leaves its own folder's name there as well
        eventually(lambda: len(list(folder.glob("[0-9]*"))) == 3, "the daemons should have started")
        everything = everything_of(student)
        assert len(everything) >= 5
    assert alive(everything) == set()
    eventually(lambda: not any(map(_state, everything)), "somebody waits to be reaped")
    assert len(os.listdir("/proc/self/fd")) == files
    assert set(children(os.getpid())) == mine
    assert set(os.listdir("/tmp")) <= folders
    process.kill()  # once more does nothing
    assert process.check() == ""
    process.interrupt()


WORKER = """
import json, sys, time
sys.path[:0] = [{tests!r}, {root!r}]
import test_sandbox as t
options = {{"template": t.Template.attach({address!r})}} if {address!r} else {{}}
student = t.Student(**options)
student.begin("while True: pass")
print(json.dumps(sorted(t.everything_of(student))), flush=True)
time.sleep(60)
"""


def test_a_killed_worker_leaves_nothing(options) -> None:
    """What a worker has started ends with it, however it ends."""
    address = options["template"].address if options["template"] else ""
    code = WORKER.format(tests=str(Path(__file__).parent), root=str(ROOT), address=address)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as worker:
        everything = set(json.loads(worker.stdout.readline()))
        assert alive(everything) == everything
        worker.kill()
    eventually(lambda: not alive(everything), "the sandbox goes on without its worker")


# -- the template ----------------------------------------------------------------------------


def template_pid(template: Template) -> int:
    (note,) = Path(template.address).glob("*.pid")
    return int(note.read_text())


def test_a_template_leaves_nothing() -> None:
    """Its process and its folder end with it; a user's keras.json and the like are not read."""
    with Template() as made:
        student = Student(template=made)
        pid, folder = template_pid(made), made.address
        home = Path(folder, "home")
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        assert f"HOME={home}".encode() in environment
        assert Path(folder).stat().st_mode & 0o777 == 0o700
        student.process.kill()
    assert alive({pid}) == set()
    assert not Path(folder).exists()


def test_templates_side_by_side(light) -> None:
    """Threads and other processes use one, or each its own."""
    with Template.attach(light.address) as attached:
        attached._settings = light._settings
        students = [Student(template=light), Student(template=attached)]
        pids: list[int] = []

        def use_another() -> None:
            made = Template()
            made._settings = replace(made._settings, preload=("numpy",))
            with made, Student(template=made).process:
                pids.append(template_pid(made))

        thread = threading.Thread(target=use_another)
        thread.start()
        thread.join()
        for student in students:
            assert student.ask("answer = 1") == 1
            student.process.kill()
    assert pids != [template_pid(light)]
    assert alive({template_pid(light), *pids}) == {template_pid(light)}


def test_a_crashed_template_is_replaced(light) -> None:
    """The next student waits for a new one."""
    Student(template=light).process.kill()
    first = template_pid(light)
    os.kill(first, signal.SIGKILL)
    eventually(lambda: not alive({first}), "the template should have ended")
    Student(template=light).process.kill()
    assert template_pid(light) != first


OWNER = """
import sys, time
from dataclasses import replace
sys.path[:0] = [{root!r}]
from dllab.grading.sandbox import Template
made = Template()
made._settings = replace(made._settings, preload=("numpy",))
with made:
    print(made.address, flush=True)
    time.sleep(60)
"""


def test_a_template_ends_with_its_owner() -> None:
    """Also where the owner is killed; nothing is left of it."""
    code = OWNER.format(root=str(ROOT))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as owner:
        attached = Template.attach(owner.stdout.readline().strip())
        eventually(lambda: list(Path(attached.address).glob("*.ready")), "it should be ready")
        pid = template_pid(attached)
        owner.kill()
    eventually(lambda: not alive({pid}), "the template goes on without its owner")
    eventually(lambda: not Path(attached.address).exists(), "its folder is left")


def test_a_template_that_cannot_start(monkeypatch) -> None:
    """The reason arrives as an error of grading."""
    made = Template()
    made._settings = replace(made._settings, preload=("no_such_module",))
    with made, pytest.raises(GradingError, match="no_such_module"):
        StudentProcess(SMALL, template=made)


# -- whether there is a sandbox --------------------------------------------------------------


def test_the_level_is_said() -> None:
    """In one line, for reports."""
    line = sandbox.level()
    assert line.startswith("sandbox: bubblewrap ")
    assert "\n" not in line
    assert ("superuser" in line) == (os.geteuid() == 0)
    assert sandbox.level(sandboxed=False).startswith("NO SANDBOX")


def fake_bubblewrap(folder: Path, script: str) -> None:
    program = folder / "bwrap"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (None, "install bubblewrap"),
        ('[ "$1" = --version ] && echo bubblewrap 0.4.1', "0.6 or newer"),
        (
            '[ "$1" = --version ] && echo bubblewrap 0.9.0 && exit 0\n'
            "echo 'bwrap: No permissions to create new namespace' >&2; exit 1",
            "No permissions to create new namespace",
        ),
        ("exit 1", "no reason"),
    ],
    ids=["missing", "old", "refused", "broken"],
)
def test_without_a_sandbox_nothing_runs(monkeypatch, tmp_path, script, reason: str) -> None:
    """The error says what to do, and one switch is the only way on."""
    if script is not None:
        fake_bubblewrap(tmp_path, script)
    monkeypatch.setenv("PATH", str(tmp_path))
    for attempt in (sandbox.level, lambda: StudentProcess(SMALL)):
        with pytest.raises(SandboxMissingError, match=reason) as caught:
            attempt()
        assert "--unsafe-no-sandbox" in str(caught.value) or "newer" in reason
    with Student(sandboxed=False).process as process:
        assert process.check() == ""


def test_a_sandbox_that_fails_halfway(monkeypatch, tmp_path) -> None:
    """Bubblewrap may end for want of memory: an error, and nothing is left."""
    fake_bubblewrap(tmp_path, 'case "$1" in --version) echo 0.9.0;; --args) exit 1;; esac')
    monkeypatch.setenv("PATH", str(tmp_path))
    files = len(os.listdir("/proc/self/fd"))
    with pytest.raises(SandboxMissingError, match="out of memory or processes"):
        StudentProcess(SMALL)
    assert len(os.listdir("/proc/self/fd")) == files


def test_without_a_sandbox_limits_hold(start, options) -> None:
    """An instructor who does without has at least the limits, and a home that goes away."""
    student = start(sandboxed=False, **options)
    home = Path(student.process._runs._home.name)
    found = student.ask(
        """
        import os, resource, subprocess
        sleeper = subprocess.Popen(["sleep", "600"])
        answer = [os.getcwd(), sleeper.pid, resource.getrlimit(resource.RLIMIT_NOFILE)[1]]
        """
    )
    assert found[0] == str(home)
    assert found[2] == SMALL.open_files
    assert student.process.check() == ""
    student.process.kill()
    assert alive({found[1]}) == set()
    assert not home.exists()


def test_an_installed_package_hides_its_labs(monkeypatch, tmp_path) -> None:
    """A wheel brings the checks along; inside, that folder is empty."""
    package = tmp_path / "dllab"
    (package / "labs" / "01_lab").mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.setattr(bubblewrap.dllab, "__file__", str(package / "__init__.py"))
    ours, theirs = socket.socketpair()
    command = ["/bin/sh", "-c", f"ls {package} {package}/labs >&0; touch {package}/labs/x 2>&0"]
    with ours, theirs:
        box = bubblewrap.Box(SMALL, command, stdin=theirs.fileno())
        theirs.close()
        ours.settimeout(20)
        said = b""
        while more := ours.recv(4096):
            said += more
        box.kill()
    assert b"__init__.py" in said
    assert b"01_lab" not in said
    assert b"Read-only file system" in said


def test_watching_without_the_list_of_children(monkeypatch) -> None:
    """Systems that do not list a process's children are searched as a whole."""
    from dllab.grading import watch

    with subprocess.Popen(["sh", "-c", "sleep 60 & wait"]) as shell:
        eventually(lambda: children(shell.pid), "the shell should have a child")
        fast = family([shell.pid])
        monkeypatch.setattr(watch, "_lists_children", lambda: False)
        assert family([shell.pid]) == fast
        assert children(shell.pid) == sorted(fast - {shell.pid})
        watcher = Watcher([shell.pid], SMALL)
        assert watcher.look() == ""
        assert watcher.usage().processes == 2
        for pid in fast:
            os.kill(pid, signal.SIGKILL)


def test_the_filter_is_read_by_the_kernel() -> None:
    """In a child, so that this process stays as it is."""
    pid = os.fork()
    if pid == 0:
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            libc.prctl(38, 1, 0, 0, 0)
            confine._filter_calls(libc)
            os._exit(0 if libc.unshare(0x10000000) == -1 else 1)
        except BaseException:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
