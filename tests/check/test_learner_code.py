"""Whatever a learner's code does ends in one helpful sentence, and never in an error of ours."""

import random
import threading

import numpy as np
import pytest

from dllab.check import expect
from dllab.check.display import CheckResult

HEAD = "import numpy as np\n"
RIGHT = """
def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
"""

# what the learner wrote, a part of the sentence that it should get
WRONG = {
    "returns None": ("def softmax(z): np.exp(z)", "is None: does the function end with `return`?"),
    "returns text": ("def softmax(z): return 'p'", "it is the text 'p'"),
    "returns one number": ("def softmax(z): return z.sum()", "should be an array, and it is the"),
    "wrong shape": ("def softmax(z): return z.T", "has shape (3, 4), and it should have shape"),
    "NaN": ("def softmax(z): return z * np.nan", "contains NaN"),
    "infinity": ("def softmax(z): return z + np.inf", "contains infinity"),
    "ragged": ("def softmax(z): return [[1.0], [1.0, 2.0]]", "rows of unequal lengths"),
    "list with None": ("def softmax(z): return [[None] * 3] * 4", "should hold numbers only"),
    "array of text": ("def softmax(z): return z.astype(str)", "it holds text"),
    "array of objects": ("def softmax(z): return z.astype(object)", "array of Python objects"),
    "a generator": ("def softmax(z):\n    yield z", "use `return` instead of `yield`"),
    "returns a function": ("def softmax(z): return softmax", "without calling it"),
    "an exception": ("def softmax(z): return 1 / 0", "raised ZeroDivisionError"),
    "wrong shapes inside": ("def softmax(z): return z @ z", "print the shapes just before"),
    "undefined name": ("def softmax(z): return exps(z)", "define that name, or run the cell"),
    "None inside": ("def softmax(z): return None + z", "is a `return` missing?"),
    "wrong parameters": ("def softmax(): return 1", "compare its parameters with the task's"),
    "recursion": ("def softmax(z): return softmax(z)", "calls itself without end"),
    "exit": ("def softmax(z): raise SystemExit", "take out `exit()`"),
    "base exception": (
        "class Odd(BaseException): pass\ndef softmax(z): raise Odd",
        "`softmax` raised Odd",
    ),
    "broken exception": (
        "class Odd(Exception):\n    def __str__(self): raise ValueError\ndef softmax(z): raise Odd",
        "`softmax` raised Odd",
    ),
    "in place": (
        "def softmax(z):\n    z -= z.max()\n    return z",
        "`softmax` changed its argument `z` in place",
    ),
    "np overwritten": (
        RIGHT + "np = 3",
        "`np` is now a variable of yours: run the setup cell again",
    ),
    "built-in overwritten": (
        "sum = 3\ndef softmax(z): return sum(z)",
        "your variable `sum` hides Python's `sum`: run `del sum`",
    ),
    "equal to everything": (
        "class Yes(np.ndarray):\n"
        "    def __eq__(self, other): return True\n"
        "    def sum(self, *a, **k): return np.ones(4)\n"
        "def softmax(z): return (z * 0).view(Yes)",
        "Each row should sum to 1.",
    ),
    "lying object": (
        "class Yes:\n"
        "    shape = (4, 3)\n"
        "    def __array__(self, *a, **k): return np.ones((4, 3)) / 3\n"
        "    def __eq__(self, other): return True\n"
        "def softmax(z): return Yes()",
        "should be an array, and it is a Yes",
    ),
    "raising object": (
        "class No:\n"
        "    def __getattribute__(self, name): raise ValueError\n"
        "    def __array__(self): raise ValueError\n"
        "def softmax(z): return No()",
        "should be an array, and it is a No",
    ),
    "refers to itself": (
        "def softmax(z):\n    out = []\n    out.append(out)\n    return out",
        "nested far too deeply",
    ),
    "huge": ("def softmax(z): return np.broadcast_to(1.0, (10**5, 10**5))", "more than 50,000,000"),
    "holds a value": ("softmax = 3", "'int' object is not callable"),
}


@pytest.mark.parametrize("name", WRONG)
def test_one_helpful_sentence(open_lab, name):
    """A wrong answer loses its points and gets one sentence, whatever it does."""
    source, expected = WRONG[name]
    result = open_lab(HEAD + source).check("softmax")
    assert isinstance(result, CheckResult)
    first = result.tests[0]
    assert first.status == "failed"
    assert expected in first.sentence
    assert "\n" not in first.sentence
    assert "Traceback" not in str(result) + result._repr_html_()


def test_missing_name_is_not_started(open_lab):
    """A name that is not there yet counts as not started, and a near miss is pointed out."""
    result = open_lab(HEAD).check("softmax")
    assert {test.status for test in result.tests} == {"not started"}
    assert "`softmax` is not defined yet" in str(result)
    close = open_lab(HEAD + RIGHT.replace("softmax", "sofmax")).check("softmax")
    assert "you have `sofmax`" in str(close)


def test_stub_is_not_started(open_lab):
    """A stub counts as not started, and so does one that calls another stub."""
    source = "def helper(): raise NotImplementedError\ndef softmax(z): return helper()"
    result = open_lab(source).check("softmax")
    assert {test.status for test in result.tests} == {"not started"}
    assert result.points == 0


def test_printed_text_is_shown_with_a_failure(open_lab, capsys):
    """What the learner's code prints goes into the report, not over it."""
    result = open_lab("def softmax(z):\n    print('shape', z.shape)").check("softmax")
    assert capsys.readouterr().out == ""
    assert "Your code printed: shape (4, 3)" in str(result)


def test_right_answer_survives_overwritten_tools(open_lab, monkeypatch):
    """A right answer stays right, and a wrong one wrong, with NumPy's own checks overwritten."""
    monkeypatch.setattr(np.testing, "assert_allclose", lambda *a, **k: None)
    monkeypatch.setattr(np, "allclose", lambda *a, **k: True)
    monkeypatch.setattr(np, "isfinite", lambda *a, **k: np.True_)
    assert open_lab(HEAD + RIGHT).check("softmax").passed
    assert open_lab(HEAD + "def softmax(z): return z").check("softmax").points <= 1


def test_numpy_set_to_raise_does_not_matter(open_lab):
    """`np.seterr(all='raise')` in the notebook changes no verdict."""
    with np.errstate(all="raise"):
        assert open_lab(HEAD + RIGHT).check("softmax").passed


def test_random_state_is_untouched(open_lab):
    """A check leaves the learner's random generators as it found them."""
    np.random.seed(3)
    random.seed(3)
    before = np.random.get_state()[1].copy(), random.getstate()
    open_lab(HEAD + RIGHT).check("softmax")
    assert np.array_equal(np.random.get_state()[1], before[0])
    assert random.getstate() == before[1]


def test_seed_repeats_a_run(open_lab):
    """The same seed gives the same numbers, and no seed gives new ones."""
    source = HEAD + "def softmax(z):\n    print(z.sum())\n    return z"
    lab = open_lab(source)
    first = lab.check("softmax")
    assert lab.check("softmax", seed=first.seed).tests == first.tests
    assert lab.check("softmax").tests != first.tests


def test_global_random_numbers_repeat_with_the_seed(open_lab):
    """Code that draws from NumPy's global generator repeats with the seed as well."""
    lab = open_lab(HEAD + "def softmax(z):\n    print(np.random.rand())\n    return z")
    assert lab.check("softmax", seed=4).tests == lab.check("softmax", seed=4).tests


def test_unknown_task_is_one_line(open_lab):
    """A misspelled task is answered with the names there are."""
    notice = str(open_lab("").check("sofmax"))
    assert "did you mean 'softmax'?" in notice
    assert "\n" not in notice


def test_interrupt_ends_the_check(open_lab):
    """Stopping the kernel during a check says so."""
    result = open_lab("def softmax(z): raise KeyboardInterrupt").check("softmax")
    assert "You stopped the checks" in str(result)


def test_works_outside_the_main_thread(open_lab):
    """A check that runs in another thread gives the same result."""
    results = []
    lab = open_lab(HEAD + RIGHT)
    thread = threading.Thread(target=lambda: results.append(lab.check("softmax")))
    thread.start()
    thread.join()
    assert results[0].passed


def test_points_and_progress(open_lab, solution):
    """Points are numbers, and progress adds them up."""
    lab = open_lab(solution)
    assert lab.points("softmax") == 6
    assert lab.points("nothing") == 0
    assert (lab.progress().points, lab.progress().max_points) == (20, 20)
    part = open_lab(HEAD + RIGHT).progress()
    assert [task.points for task in part.tasks] == [6, 0, 0]
    assert "6 of 20 points" in str(part)
    assert "6 of 20 points" in part._repr_html_()


def test_learners_text_is_escaped(open_lab):
    """Nothing that a learner wrote becomes part of the page."""
    source = "def softmax(z):\n    print('<script>1</script>')\n    raise ValueError('<b>')"
    page = open_lab(source).check("softmax")._repr_html_()
    assert "<script>" not in page
    assert "<b>" not in page


def test_nan_is_close_to_nothing():
    """What a check wants may be computed from the learner's numbers: NaN must not pass for it."""
    for desired in (np.nan, np.array(np.nan), 1.0):
        with pytest.raises(expect.UnexpectedError):
            expect.close(np.nan, desired)
