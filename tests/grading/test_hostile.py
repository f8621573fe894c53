"""Hostile submissions: nobody is fooled, nothing leaks, nobody else is touched, nothing stays.

The cases are in `hostile.py`. Each is one submission, graded in a template that all of them share,
as in a run. Three classmates are graded before the first case and after the last case of each
group: what a case poisons stays poisoned, so once is enough, and `-k` finds the one that did it.
"""

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import hostile
from hostile import CASES, GROUPS, Case, Places

from dllab.authoring.project import find_root
from dllab.grading.feedback import feedback_page, write_feedback
from dllab.grading.gradebook import Gradebook
from dllab.grading.grader import grade
from dllab.grading.records import Grade, Limits, Order, Submission, to_json
from dllab.grading.sandbox import Template

ROOT = find_root(Path(__file__).parent)
SEED = 3141592653
LIMITS = Limits(
    seconds=20, cell_seconds=2, memory=300, disk=32, file_size=8, processes=16, output=100_000
)
CANARY = re.compile(r"canary-[0-9a-f]{8}")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
MARK = "left-behind-31415"


class Machine:
    """A machine on which a run goes on: its canaries, its listeners, its template."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        self.folder = folder
        self.scratch = folder / "scratch"
        home, submissions, out = (folder / name for name in ("home", "submissions", "out"))
        for path in (home, submissions, out, self.scratch):
            path.mkdir()
        # canaries: the sandboxed code searches for them, and so do the tests in what it brings back
        (home / ".token").write_text("canary-803e0005")
        (submissions / "canary-c1a50006.ipynb").write_text("canary-c1a50007")
        (out / "gradebook.sqlite").write_text("canary-9b000008")
        patch.setenv("HOME", str(home))
        patch.setenv("SECRET_TOKEN", "canary-e4710009")
        patch.setenv("TMPDIR", str(self.scratch))
        patch.setattr(tempfile, "tempdir", None)
        self.out = out
        self.listeners = [socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)]
        abstract = f"dllab-hostile-{os.getpid()}"
        self.listeners[1].bind(f"\0{abstract}")
        for listener in self.listeners:
            listener.listen()
            listener.setblocking(False)
            stack.enter_context(listener)
        self.template = stack.enter_context(Template())
        self.places = Places(
            port=self.listeners[0].getsockname()[1],
            abstract=abstract,
            canary=str(home / ".token"),
            template=self.template.address,
            outside=str(folder / "made-outside"),
            package=str(ROOT / "dllab"),
            root=str(ROOT),
        )

    def grade(self, content: bytes, case: Case) -> Grade:
        """Grade a submission as a worker does."""
        student = case.student or case.name
        order = Order(
            lab=str(case.lab),
            fingerprint="test",
            submission=Submission(student, "x.ipynb", sha256(content).hexdigest(), content),
            seed=SEED,
            limits=replace(LIMITS, **case.limits),
            # one that reports what it found must come to its end, on a busy machine too
            patience=6.0 if case.says else 1.5,
        )
        return grade(order, self.template)

    def classmates(self) -> list[Grade]:
        """Grade two who are honest and one who is mistaken."""
        right = self.grade(hostile.honest(), Case("ada", "", 10))
        wrong = self.grade(hostile.half_right(), Case("grace", "", 10))
        return [right.settled(), wrong.settled()]

    def running(self) -> set[int]:
        """Return the processes that belong to this run, but for the template itself."""
        mine = {child.pid for child in psutil.Process().children(recursive=True)}
        for pid in self.templates():
            with suppress(psutil.NoSuchProcess):
                mine |= {child.pid for child in psutil.Process(pid).children(recursive=True)}
        return mine - self.templates()

    def templates(self) -> set[int]:
        """Return the process of the template, if it runs."""
        folder = Path(self.places.template)
        return {int(path.read_text()) for path in folder.glob("*.pid")}

    def files(self) -> set[str]:
        """Return what lies where this run may leave something."""
        folders = (self.scratch, self.folder / "home", Path.cwd())
        found = {path for folder in folders for path in folder.glob("*")}
        # where the grader's own Keras, which rebuilds models, keeps its settings
        return {str(path) for path in found if path.name not in (".cache", ".config", ".keras")}

    def settle(self, before: set[int]) -> set[int]:
        """Return what runs that did not run before, once there is nothing left or time is up."""
        deadline = time.monotonic() + 10
        while (left := self.running() - before) and time.monotonic() < deadline:
            time.sleep(0.02)
        return left


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Give the machine on which all cases run."""
    with ExitStack() as stack:
        yield Machine(tmp_path_factory.mktemp("machine"), stack)


@pytest.fixture(scope="module")
def clean(machine: Machine) -> list[Grade]:
    """Give the classmates' grades before any hostile submission."""
    found = machine.classmates()
    assert [(g.status, g.earned) for g in found] == [("graded", 10), ("graded", 7)]
    return found


@pytest.fixture(scope="module")
def group(request: pytest.FixtureRequest, machine: Machine, clean: list[Grade]) -> Iterator[str]:
    """Grade the classmates again after the cases of a group."""
    yield request.param
    assert machine.classmates() == clean
    assert sum(1 for listener in machine.listeners if _was_called(listener)) == 0


@pytest.mark.parametrize(
    ("group", "case"),
    [
        pytest.param(case.group, case, id=f"{case.group.replace(' ', '-')}/{case.name}")
        for g in GROUPS
        for case in CASES
        if case.group == g
    ],
    indirect=["group"],
    scope="module",
)
def test_hostile_submission(case: Case, group: str, machine: Machine) -> None:
    """It gets its points and its status, learns nothing, and leaves nothing behind."""
    processes, files, templates = machine.running(), machine.files(), machine.templates()
    submitted = hostile.content(case, machine.places)
    found = machine.grade(submitted, case)
    told = _told(found)
    assert found.status in case.status, (found.reason, told)
    assert case.allows(found.earned), (found.earned, found.status, told)
    assert case.says in " ".join(told), told
    _assert_nothing_leaks(case, machine, found, told)
    _assert_page_is_harmless(machine, found)
    assert not machine.settle(processes)
    assert machine.files() == files
    assert machine.templates() == templates
    assert not _marked()
    assert not Path(machine.places.outside).exists()


def test_there_are_enough_cases() -> None:
    """Each class has cases, and most of them are on the small lab."""
    assert len(CASES) >= 80
    assert {case.group for case in CASES} == set(GROUPS)
    assert len({case.name for case in CASES}) == len(CASES)


def _told(found: Grade) -> list[str]:
    """Return the sentences that the student reads."""
    tests = [test for task in found.tasks for test in task.tests]
    notes = [test.misconception.sentence for test in tests if test.misconception]
    repairs = [repair.sentence for repair in found.repairs]
    return [*found.problems, found.reason, *(test.sentence for test in tests), *notes, *repairs]


def _assert_nothing_leaks(case: Case, machine: Machine, found: Grade, told: list[str]) -> None:
    text = to_json(replace(found, seed=0, student="", digest=""))
    assert not CANARY.search(text)
    shown = " ".join(told)
    assert not CONTROL.search(shown)
    for secret in (str(SEED), str(SEED % 2**32), f"{SEED:x}", "checks.py", "site-packages"):
        assert secret not in shown
    for word in (*case.never, str(machine.folder)):
        assert word not in shown
    assert not [number for number in _hidden_numbers() if number in shown]
    assert len(text) < 50_000


def _hidden_numbers() -> list[str]:
    """Return what the checks compute and compare with, as a text would show it."""

    def rng(test: str) -> np.random.Generator:
        return np.random.default_rng([SEED, zlib.crc32(test.encode())])

    first = rng("test_numbers_are_scaled")
    scaled = first.normal(size=5) * float(first.uniform(2, 3))
    z = rng("test_ratios_are_exponentials").normal(size=(4, 3))
    numbers = [*scaled, *np.exp(z[:, 0] - z[:, 1])]
    return [f"{abs(n):.6f}"[:5] for n in numbers]


class _Reader(HTMLParser):
    """Collects what a page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {(name, value or "") for name, value in attrs}


def _assert_page_is_harmless(machine: Machine, found: Grade) -> None:
    page = feedback_page(found)
    reader = _Reader()
    reader.feed(page)
    assert not reader.tags & {
        "script",
        "img",
        "iframe",
        "object",
        "embed",
        "form",
        "base",
        "link",
        "b",
    }
    assert not [name for name, _ in reader.attributes if name.startswith("on")]
    links = [value for name, value in reader.attributes if name in ("href", "src")]
    assert all(link.startswith(("#", "https://deep-learning-lab.github.io/")) for link in links)
    assert not CONTROL.search(page)
    assert not CANARY.search(page.replace(found.student, ""))
    path = write_feedback(machine.out, found)
    assert path.resolve().parent == (machine.out / "feedback").resolve()


def _was_called(listener: socket.socket) -> bool:
    with suppress(BlockingIOError):
        listener.accept()[0].close()
        return True
    return False


def _marked() -> list[str]:
    """Return the processes on this machine that bear the mark of a case."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            command = Path("/proc", pid, "cmdline").read_bytes()
            if MARK.encode() in command.split(b"\0")[0]:
                found.append(pid)
    return found


# -- a whole class, as an instructor grades it -------------------------------------------------

ATTACKS = (
    "kills-everything",
    "becomes-another-program",
    "leaves-files-everywhere",
    "leaves-processes",
    "processors-for-itself",
    "noise-of-random-bytes",
    "forged-answers-in-a-call",
    "answer-hangs",
    "answer-crashes",
    "spy-environment",
    "markup-in-errors",
)


def test_a_class_with_hostile_students(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten who are honest and ten who are not, links, odd names and odd archives: one command."""
    monkeypatch.setenv("SECRET_TOKEN", "canary-e4710009")
    submissions, out = tmp_path / "submissions", tmp_path / "out"
    submissions.mkdir()
    for number in range(10):
        (submissions / f"honest{number}.ipynb").write_bytes(hostile.honest())
    cases = {case.name: case for case in CASES if case.name in ATTACKS}
    places = Places(root=str(ROOT), package=str(ROOT / "dllab"), outside=str(tmp_path / "made"))
    for name in ATTACKS:
        (submissions / f"{name}.ipynb").write_bytes(hostile.content(cases[name], places))
    _add_odd_files(submissions, tmp_path)
    command = [
        "-c",
        "from dllab.cli import main; main()",
        "grade",
        str(hostile.TARGET),
        str(submissions),
        "--out",
        str(out),
    ]
    options = ["--jobs", "2", "--memory", "300", "--time-limit", "30", "--seed", str(SEED)]
    done = subprocess.run(
        [sys.executable, *command, *options], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 3, done.stderr  # some of the odd files need a person
    with Gradebook(out / "gradebook.sqlite", write=False) as gradebook:
        found = {grade.student: grade for grade in gradebook.latest()}
    honest = [found[f"honest{number}"] for number in range(10)]
    assert [(one.status, one.earned) for one in honest] == [("graded", 10)] * 10
    for name in ATTACKS:
        assert found[name].status in cases[name].status, found[name].reason
        assert cases[name].allows(found[name].earned), (name, found[name].earned)
    for name in ("link", "linked", "pipe", "packed", "climber", "bomb"):
        assert (found[name].status, found[name].earned) == ("unreadable", 0), name
    written = [path for path in out.rglob("*") if path.suffix in (".html", ".csv")]
    assert len(written) >= len(found) + 2
    for path in written:
        text = path.read_text(encoding="utf-8")
        assert not CANARY.search(text), path
        assert path.suffix == ".csv" or "<script" not in text.lower()
        assert str(tmp_path) not in text
    first = [
        line.split(",")[0].strip('"') for line in (out / "grades.csv").read_text().splitlines()
    ]
    assert not [cell for cell in first if cell.startswith(("=", "+", "-", "@", "\t"))]
    assert not (tmp_path / "made").exists()
    assert not (tmp_path / "climbed.ipynb").exists()
    assert not _marked()


def _add_odd_files(submissions: Path, outside: Path) -> None:
    """Hand in links to what is not the student's, a pipe, and archives that are traps."""
    secret = outside / "secret"
    secret.mkdir()
    (secret / "solution.ipynb").write_bytes(hostile.honest())
    (submissions / "link.ipynb").symlink_to(secret / "solution.ipynb")
    (submissions / "linked").symlink_to(secret, target_is_directory=True)
    os.mkfifo(submissions / "pipe.ipynb")
    for name, member in (("packed", "solution.ipynb"), ("climber", "../../climbed.ipynb")):
        with zipfile.ZipFile(submissions / f"{name}.zip", "w") as archive:
            info = zipfile.ZipInfo(member)
            info.create_system = 3
            if name == "packed":
                info.external_attr = (0o120777) << 16  # a symbolic link
                archive.writestr(info, str(secret / "solution.ipynb"))
            else:
                archive.writestr(info, hostile.honest())
    with zipfile.ZipFile(submissions / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big.ipynb", b" " * 300_000_000)
    for name in ("=cmd|' /C calc'!A0", "@SUM(1)", "<script>alert(1)<", "-2+3"):
        (submissions / f"{name.replace('/', '_')}.ipynb").write_bytes(hostile.honest())
