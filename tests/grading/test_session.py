"""A learner's process seen from the grader: what it computes, and every way in which it can end."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest

from dllab.check.proxy import Session as Conversation
from dllab.check.proxy import Student, current
from dllab.check.sentences import StudentError
from dllab.errors import GradingError
from dllab.grading.notebook import Cell
from dllab.grading.records import Limits, Order, Submission
from dllab.grading.sandbox import Template
from dllab.grading.session import OutOfTimeError, Session

LIMITS = Limits(seconds=60, cell_seconds=1, memory=300)
SETUP = "import numpy as np"
FORGE = """
import json, os, socket, struct

def forge(data):
    for number in range(3, 1100):
        try:
            with socket.socket(fileno=os.dup(number)) as line:
                line.sendall(data)
        except OSError:
            pass

def frame(header):
    text = json.dumps(header).encode()
    return struct.pack(">II", len(text), 0) + text
"""


@pytest.fixture(scope="module")
def template() -> Iterator[Template]:
    """Give a template for all processes of this file."""
    with Template() as opened:
        yield opened


@pytest.fixture
def start(template: Template) -> Iterator[Callable[..., Session]]:
    """Give a function that runs cells in a process and returns its session."""
    with ExitStack() as opened:

        def start(*sources: str, limits: Limits = LIMITS) -> Session:
            cells = [Cell(source, number) for number, source in enumerate(sources, start=1)]
            order = Order("lab", "print", Submission("ann", "a.ipynb", ""), 5, limits)
            return opened.enter_context(Session(order, cells, template))

        yield start


@contextmanager
def checking(session: Session, test: str = "test", seconds: float = 1.0) -> Iterator[Student]:
    """Give what a check sees of the learner's code."""
    conversation = Conversation(session.backend(test), seconds)
    with current(conversation):
        yield Student(conversation)


def fails(session: Session, call: Callable[[Student], object]) -> StudentError:
    """Return how a call fails."""
    with checking(session) as student, pytest.raises(StudentError) as caught:
        call(student)
    return caught.value


# -- cells -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "%matplotlib inline\nx = 1",
        "!pip install torch\n%pip install torch\nx = 1",
        "%nosuchmagic here\nx = 1",
        "%%time\nx = 1",
        "%%nosuchmagic\nx = 1",
        "%time x = 1",
        "%timeit -n 1 pass\nx = 1",
        "files = !ls\nx = 1 if files == [] else 2",
        "import asyncio\nawait asyncio.sleep(0)\nx = 1",
        "from google.colab import drive, userdata\ndrive.mount('/d')\nuserdata.get('k')\nx = 1",
        "import google.colab.files\ngoogle.colab.files.upload()\nx = 1",
        "display('a'); print('b' * 10**6); x = 1\nx",
        "import warnings, sys\nwarnings.warn('w'); print('!', file=sys.stderr); x = 1",
        "import matplotlib.pyplot as plt\nplt.plot([1]); plt.show(); x = 1",
        "x = 1\nexit()",
        "%%writefile helper.py\nvalue = 1\n",
        "import os\nos.chdir('/')\nx = 1",
        "import dllab\nlab = dllab.lab('03_backpropagation')\nlab.check('Node')\nx = 1",
        "from dllab.check import lab\nx = 1 + lab('nosuch').points('t')",
        "import threading\nthreading.Thread(target=print).start()\nx = 1",
        "import os\nif os.fork() == 0: pass\nx = 1",
    ],
)
def test_what_surrounds_a_notebook_does_not_stop_it(start, source):
    """What an honest notebook does besides computing lets its cells go on."""
    session = start(source, "from helper import value as x" if "helper" in source else "")
    assert session.run_cells() == ()
    with checking(session) as student:
        assert student.x == 1
    assert session.restarts == 0


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("1 / 0", "Code cell 1 stopped with ZeroDivisionError: division by zero."),
        ("input('name? ')", "Code cell 1 stopped with EOFError: nobody"),
        ("f(", "Code cell 1 stopped with SyntaxError"),
        ("while True: pass", "Code cell 1 did not finish within 1 s."),
        ("raise SystemExit", "Code cell 1 stopped with SystemExit."),
        ("raise KeyboardInterrupt", "Code cell 1 stopped with KeyboardInterrupt."),
        ("import os\nos._exit(3)", "Code cell 1 ended Python itself"),
        ("class E(Exception):\n  def __str__(self): 1 / 0\nraise E", "Code cell 1 stopped with E."),
        ("raise ValueError('\\x1b[31mred\\u202e')", "Code cell 1 stopped with ValueError: red."),
    ],
)
def test_a_cell_that_stops_is_told(start, source, sentence):
    """Each cell that stops gets a sentence, and the cells behind it run."""
    session = start(source, "x = 1")
    (problem,) = session.run_cells()
    assert problem.startswith(sentence)
    with checking(session) as student:
        assert student.x == 1


def test_a_stub_in_a_cell_is_no_problem(start):
    """A task that is not written yet says so when it is checked."""
    assert start("raise NotImplementedError").run_cells() == ()


def test_definitions_behind_an_error_are_made(start):
    """What a cell defines behind the statement that failed is there."""
    session = start("a = 1\nundefined + 1\nb = 2\ndef f(): return 3\nc = f()\nimport math")
    assert len(session.run_cells()) == 1
    with checking(session) as student:
        assert (student.a, student.b, student.f()) == (1, 2, 3)
        with pytest.raises(StudentError):
            _ = student.c


def test_what_ended_the_process_is_left_out_the_next_time(start):
    """After a crash the cells run again; of the one that crashed only the definitions."""
    session = start("x = 1", "def f(): return 2\nimport os\nos.kill(os.getpid(), 9)", "y = 3")
    assert len(session.run_cells()) == 1
    with checking(session) as student:
        assert (student.x, student.f(), student.y) == (1, 2, 3)
    assert session.restarts == 1


# -- operations ------------------------------------------------------------------------------


def test_values_come_back_as_they_are(start):
    """Plain values arrive with their types, arrays to the last bit."""
    session = start(SETUP, "def echo(*values, **named): return values, named")
    rng = np.random.default_rng(0)
    sent = (1, 2.5, "text", None, True, 1j, [1, (2,)], rng.normal(size=(2, 3)), np.float32(0.1))
    with checking(session) as student:
        values, named = student.echo(*sent, seed=3)
    assert named == {"seed": 3}
    for before, after in zip(sent, values, strict=True):
        assert type(before) is type(after)
        assert np.array_equal(before, after) if isinstance(before, np.ndarray) else before == after


def test_a_check_may_pass_functions_types_and_generators(start):
    """Functions are called where the check is; everything else arrives as what it is."""
    session = start(
        SETUP,
        "def use(f, g, kind, part, rng):\n"
        "  return f(np.ones(2), scale=3), g(0.0), kind(1), rng.random()",
    )
    rng, seen = np.random.default_rng(1), []

    def f(x, scale):
        seen.append(x)
        return float(x.sum() * scale)

    with checking(session) as student:
        found = student.use(f, np.cos, np.float32, slice(1, None), rng)
    assert found == (6.0, 1.0, 1.0, rng.random())
    assert type(found[2]) is np.float32
    assert isinstance(seen[0], np.ndarray)


def test_functions_may_ask_the_learners_code_again(start):
    """A function of the check may call the learner's code while that code waits for it."""
    session = start("def twice(f, x): return f(f(x))", "def add(x): return x + 1")
    with checking(session) as student:
        assert student.twice(lambda x: student.twice(student.add, x), 0) == 4
        assert student.twice(lambda x: 10 * student.add(x), 0) == 110


def test_errors_of_functions_pass_through_the_learners_code(start):
    """The learner's code may catch what a function of the check raises, unless the check ends."""
    session = start(
        "def careful(f):\n  try: return f()\n"
        "  except ValueError: return 'caught'\n  except: return 'all'",
        "def bad(): raise KeyError('k')",
    )

    def refuse():
        raise ValueError("no")

    with checking(session) as student:
        assert student.careful(refuse) == "caught"
        with pytest.raises(StudentError, match="`bad` raised KeyError"):
            student.careful(lambda: student.bad())


def test_objects_stay_there(start):
    """Instances are used through handles: attributes, methods, operators, indices, identity."""
    session = start(
        "class Node:\n"
        "  def __init__(self, value): self.value, self.edges = value, []\n"
        "  def __add__(self, other): return Node(self.value + other.value)\n"
        "  def __getitem__(self, index): return self.edges[index]\n"
        "  def me(self): return self\n"
    )
    with checking(session) as student:
        one, two = student.Node(1), student.Node(2)
        assert (one + two).value == 3
        one.value = 5
        assert one.value == 5
        one.edges = [two]
        assert one[0] == two
        assert one.me() == one
        assert one != two


def test_a_change_in_place_is_seen(start):
    """A call that changes its argument fails, unless the check allows that."""
    session = start("def f(x):\n  x[0] = 7\n  return 1")
    error = fails(session, lambda student: student.f(np.zeros(2)))
    assert "changed its argument `x` in place" in str(error)
    x = np.zeros(2)
    with checking(session) as student, student.allow_inplace():
        student.f(x)
    assert x.tolist() == [7, 0]


def test_cells_draw_the_same_numbers_each_time(start):
    """What a cell draws without a seed of its own is the same when it is graded again."""
    drawn = []
    for session in (start(f"{SETUP}\nx = np.random.rand()") for _ in range(2)):
        with checking(session) as student:
            drawn.append(student.x)
    assert drawn[0] == drawn[1]


def test_random_numbers_depend_on_the_test(start):
    """The same test draws the same numbers in another process, another test draws others."""
    source = f"{SETUP}\nimport random\ndef draw(): return np.random.rand(), random.random()"
    drawn = []
    for session, test in ((start(source), "a"), (start(source), "a"), (start(source), "b")):
        with checking(session, test) as student:
            drawn.append(student.draw())
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


# -- ends ------------------------------------------------------------------------------------

STUBBORN = """
def f():
    while True:
        try:
            while True: pass
        except BaseException: pass
"""
DEAF = """
import signal
def f():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM, signal.SIGINT])
    while True: pass
"""
ENDS = {
    "an endless loop": ("def f():\n  while True: pass", "timeout", 0),
    "a loop that catches everything": (STUBBORN, "timeout", 0),
    "a loop that hears no signal": (DEAF, "timeout", 1),
    "waiting": ("import time\ndef f(): time.sleep(100)", "timeout", 0),
    "exit": ("def f(): exit()", "raised", 0),
    "os._exit": ("import os\ndef f(): os._exit(0)", "ended", 1),
    "a signal to itself": ("import os\ndef f(): os.kill(os.getpid(), 9)", "ended", 1),
    "a crash": ("import ctypes\ndef f(): ctypes.string_at(0)", "ended", 1),
    "recursion": ("def f(): return f()", "raised", 0),
    "memory": ("def f(): return bytearray(10**10)", "raised", 0),
    "a huge array": ("import numpy as np\ndef f(): return np.zeros(10**7)", "unusable", 0),
    "a huge list": ("def f(): return [0] * 500_000", "unusable", 0),
    "a huge number": ("def f(): return 10**5000", "unusable", 0),
    "deep lists": ("def f():\n  x = []\n  for _ in range(99): x = [x]\n  return x", "unusable", 0),
    "a broken error": ("class E(Exception):\n  __str__ = None\ndef f(): raise E", "raised", 0),
    "an error that mimics ours": (
        "from dllab.check.limits import TimeUp\ndef f(): raise TimeUp",
        "timeout",
        0,
    ),
    "a closed line": ("import os\ndef f(): os.closerange(3, 5000)", "ended", 1),
    "garbage": (FORGE + "def f(): forge(b'garbage!' * 99)", "unusable", 1),
    "a flood": (FORGE + "def f():\n  while True: forge(b'\\0' * 10**6)", "unusable", 1),
    "half a frame": (FORGE + "def f(): forge(b'\\0\\0\\1')", "timeout", 1),
    "a frame for another operation": (
        FORGE + "def f(): forge(frame({'is': 'outcome', 'id': 10**6, 'outcome': {}}))",
        "unusable",
        1,
    ),
    "a call of no function": (
        FORGE + "def f():\n  for i in range(99): forge(frame("
        "{'is': 'callback', 'id': i, 'function': 9, 'args': {'t': []}, 'kwargs': {'d': []}}))",
        "unusable",
        1,
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_however_a_call_ends_the_next_test_goes_on(start, name):
    """A call that finds no good end fails its test only: the next one finds all names again."""
    source, kind, restarts = ENDS[name]
    session = start("x = 1", source, "def good(): return x")
    assert session.run_cells() == ()
    assert fails(session, lambda student: student.f()).fault.kind == kind
    with checking(session) as student:
        assert student.good() == 1
    assert session.restarts == restarts


def test_a_test_whose_process_ended_gets_no_more_answers(start):
    """What comes after the end in the same test fails, too: its objects are gone."""
    session = start("import os\ndef end(): os._exit(0)\ndef good(): return 1")
    with checking(session) as student:
        with pytest.raises(StudentError):
            student.end()
        with pytest.raises(StudentError):
            student.good()


def test_a_made_up_object_does_no_harm(start):
    """A ref that the learner's process never gave is nobody's problem but its own."""
    outcome = "{'value': {'r': [99, 'f', True, []]}, 'fault': None, 'args': {'t': []}, "
    outcome += "'kwargs': {'d': []}, 'output': ''}"
    session = start(
        FORGE + f"def f(n): forge(frame({{'is': 'outcome', 'id': n, 'outcome': {outcome}}}))",
        "def good(): return 1",
    )
    for number in range(12):
        with checking(session) as student, pytest.raises(StudentError):
            student.f(number)()
    with checking(session) as student:
        assert student.good() == 1


def test_time_for_the_whole_submission(start):
    """When the time is over, nothing more is run, and that is told apart from a failure."""
    limits = Limits(seconds=1.5, cell_seconds=60)
    session = start("while True: pass", limits=limits)
    session.run_cells()
    with checking(session) as student, pytest.raises(OutOfTimeError):
        _ = student.x
    assert session.over
    assert issubclass(OutOfTimeError, GradingError)


def test_what_was_used_is_known(start):
    """Seconds of CPU and memory of all processes of a session are added up."""
    session = start("held = bytearray(50 * 2**20)\nsum(range(10**6))", "x = 1")
    session.run_cells()
    session.__exit__(None, None, None)
    assert session.spent.cpu_seconds > 0
    assert 40 < session.spent.peak_memory < 300
