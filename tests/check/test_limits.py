"""A time limit ends code that does not want to end."""

import threading
import time

import pytest

from dllab.check.labs import Lab
from dllab.check.limits import TimeUp, time_limit
from dllab.check.loading import read_lab_folder

FOREVER = {
    "a loop": "while True: pass",
    "catches everything": "while True:\n    try:\n        pass\n    except:\n        pass",
    "catches in its sleep": (
        "import time\nwhile True:\n    try:\n        time.sleep(0.02)\n    except:\n        pass"
    ),
    "catches twice": (
        "import time\nwhile True:\n    try:\n        try:\n            time.sleep(9)\n"
        "        except BaseException:\n            pass\n    except BaseException:\n"
        "        pass"
    ),
    "starts again": (
        "def f():\n    while True:\n        try:\n            g()\n        except BaseException:"
        "\n            g()\ndef g():\n    while True: pass\nf()"
    ),
    "ends with a loop": "try:\n    while True: pass\nfinally:\n    while True: pass",
}


@pytest.mark.parametrize("name", FOREVER)
def test_ends(name):
    """Code that never ends, or catches what should end it, is ended."""
    with pytest.raises(TimeUp), time_limit(0.1):
        exec(compile(FOREVER[name], "<learner>", "exec"), {})


def test_ends_in_another_thread():
    """Other threads cannot have the system's timer, and are limited all the same."""
    caught = []

    def work():
        try:
            with time_limit(0.1):
                while True:
                    pass
        except TimeUp as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30)
    assert len(caught) == 1


def test_quick_code_is_left_alone():
    """Code that ends in time never hears of the limit, also not later."""
    with time_limit(0.1):
        value = sum(range(10))
    time.sleep(0.2)
    assert value == 45


def test_limits_nest():
    """The outer limit counts on while an inner one is in force."""

    def many_short_ones():
        for _ in range(1000):
            with time_limit(10):
                time.sleep(0.01)

    with pytest.raises(TimeUp), time_limit(0.3):
        many_short_ones()


def test_inner_limit_ends_the_inner_code_only():
    """The outer code goes on after an inner limit."""

    def forever():
        while True:
            pass

    with time_limit(10):
        with pytest.raises(TimeUp), time_limit(0.05):
            forever()
        reached = True
    assert reached


CHECKS = """
from dllab.check import task

@task("wait", points=1, seconds=0.2)
def test_it_ends(student, rng):
    '''It ends.'''
    assert student.wait(1) == 1

@task("wait", points=1, seconds=0.2)
def test_other(student, rng):
    '''It ends for 0.'''
    assert student.wait(0) == 0
"""


def test_check_says_what_to_look_for(tmp_path):
    """An endless loop in a task is one sentence, and the other tests still run."""
    folder = tmp_path / "08_wait"
    folder.mkdir()
    (folder / "checks.py").write_text(CHECKS)
    names = {}
    exec("def wait(n):\n    while n: pass\n    return n", names)
    result = Lab(read_lab_folder(folder), names).check("wait")
    assert [test.status for test in result.tests] == ["failed", "passed"]
    assert "did not finish within 0.2 s: look for a loop" in result.tests[0].sentence


SLOW = """
from dllab.check import task

@task("wait", points=1, seconds=3)
def test_a(student, rng):
    '''It ends.'''
    student.wait()

@task("wait", points=1, seconds=3)
def test_b(student, rng):
    '''It ends again.'''
    student.wait()
"""


def test_code_that_never_ends_gets_less_time_in_further_tests(tmp_path):
    """After one endless call, the task's other tests wait for 2 s at most."""
    folder = tmp_path / "09_wait"
    folder.mkdir()
    (folder / "checks.py").write_text(SLOW)
    names = {}
    exec("def wait():\n    while True: pass", names)
    first, second = Lab(read_lab_folder(folder), names).check("wait").tests
    assert "within 3 s" in first.sentence
    assert "within 2 s" in second.sentence
