"""No object that lies earns a point, and no cheap answer stops a check, in any lab."""

import ast
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest

from dllab.authoring import read_lab
from dllab.check.backend import LocalBackend
from dllab.check.loading import read_lab_folder
from dllab.check.runner import Attempt, run_checks
from dllab.check.sentences import StudentError

ROOT = Path(__file__).resolve().parents[2]
COURSE = sorted(path.parent for path in ROOT.glob("labs/source/*/checks.py"))
LABS = [*COURSE, ROOT / "tests/grading/labs/80_keras"]
SEEDS = (0, 1)


def yes(self, *args, **kwargs):
    return True


def me(self, *args, **kwargs):
    return self


class Liar:
    """Equal to everything, smaller and larger than everything, and agrees with everyone."""

    shape, ndim, size, dtype = (), 0, 1, np.dtype(float)
    units, kind, layers, weights = 1, "Dense", [], []

    def __getattr__(self, name):
        return self

    def __init__(self, *args, **kwargs):
        pass

    def __len__(self):
        return 3

    def __iter__(self):
        return iter([self, self, self])

    def __array__(self, *args, **kwargs):
        return np.ones(3) / 3

    def __float__(self):
        return 1.0

    def __int__(self):
        return 1

    def __index__(self):
        return 1

    def __hash__(self):
        return 1

    def __repr__(self):
        return "1.0"

    def __format__(self, spec):
        return "1.0"

    def __array_ufunc__(self, *args, **kwargs):
        return self

    def __array_function__(self, *args, **kwargs):
        return True


QUESTIONS = "eq ne lt le gt ge bool contains instancecheck subclasscheck"
COMPUTATIONS = (
    "call add radd sub rsub mul rmul truediv rtruediv floordiv mod pow rpow matmul rmatmul neg pos "
    "abs invert and or xor round getitem get enter"
)
for _name in QUESTIONS.split():
    setattr(Liar, f"__{_name}__", yes)
for _name in COMPUTATIONS.split():
    setattr(Liar, f"__{_name}__", me)


class LyingType(type):
    """A class whose class lies as well."""

    __eq__ = __ne__ = __bool__ = __contains__ = yes
    __hash__ = type.__hash__
    __getattr__ = me


class LyingArray(np.ndarray):
    __eq__ = __ne__ = __lt__ = __gt__ = __le__ = __ge__ = all = any = __bool__ = yes
    __array_ufunc__ = __array_function__ = yes


class LyingDict(dict):
    __contains__ = __eq__ = __ne__ = yes
    __getitem__ = get = me


class LyingList(list):
    __eq__ = __contains__ = yes

    def __len__(self):
        return 4


class LyingFloat(float):
    __eq__ = __ne__ = __lt__ = __gt__ = __le__ = __ge__ = __sub__ = __rsub__ = yes
    __hash__ = float.__hash__


class LyingText(str):
    __slots__ = ()
    __eq__ = __ne__ = __contains__ = yes
    __hash__ = str.__hash__


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def round_and_round():
    value = {}
    value["again"] = value
    return value


# Objects that say what a check would like to hear; `args` are what the check passed.
LIARS = {
    "an object": lambda args: Liar(),
    "a class": lambda args: Liar,
    "a class of a lying class": lambda args: LyingType("Yes", (Liar,), {}),
    "a list of them": lambda args: [Liar()] * 4,
    "a pair of them": lambda args: (Liar(), Liar()),
    "an array of them": lambda args: np.array([Liar], dtype=object),
}
CHEAP = {
    "None": lambda args: None,
    "NaN": lambda args: float("nan"),
    "infinity": lambda args: float("inf"),
    "zero": lambda args: 0,
    "a huge number": lambda args: 10**400,
    "a complex number": lambda args: 1j,
    "True": lambda args: True,
    "text": lambda args: "1.0",
    "nothing": lambda args: (),
    "an empty list": lambda args: [],
    "an empty dict": lambda args: {},
    "an empty array": lambda args: np.empty((0, 3)),
    "the argument": lambda args: args[0] if args else None,
    "the arguments": lambda args: args,
    "a pair": lambda args: (1, 2),
    "a pair of texts": lambda args: ("sigmoid", "softmax"),
    "a generator": lambda args: (n for n in range(3)),
    "a function": lambda args: len,
    "a module": lambda args: np,
    "bytes": lambda args: b"1.0",
    "a set": lambda args: {1, 2},
    "deep": lambda args: nested(40),
    "deeper": lambda args: nested(5_000),
    "itself": lambda args: round_and_round(),
    "an array of infinity": lambda args: np.full((3, 3), np.inf),
    "an array of NaN": lambda args: np.full(4, np.nan),
    "an array of objects": lambda args: np.array([None, 1, "a"], dtype=object),
    "an array of text": lambda args: np.array(["a", "b"]),
    "an array of dates": lambda args: np.array(["2020-01-01"], dtype="datetime64[D]"),
    "a record": lambda args: np.zeros(2, dtype=[("a", float)]),
    "an array of no dimension": lambda args: np.array(0.5),
    "ragged": lambda args: [[1.0], [1.0, 2.0]],
    "a masked array": lambda args: np.ma.masked_all((3, 3)),
    "a matrix": lambda args: np.asmatrix(np.eye(3)),
    "a lying array": lambda args: np.zeros((4, 3)).view(LyingArray),
    "a lying dict": lambda args: LyingDict(),
    "a lying list": lambda args: LyingList([1.0]),
    "a lying number": lambda args: LyingFloat(0.3),
    "a lying text": lambda args: LyingText("a"),
    "a dict of anything": lambda args: dict.fromkeys(("W1", "z1", "train", "L", "relu", "e"), Liar),
    "triples": lambda args: [(np.ones((64, 10)), np.ones(10), None)] * 2,
    "triples of objects": lambda args: [(Liar(), Liar(), Liar())] * 2,
}


class Namespace(dict):
    """A notebook in which each name is defined, by an answer that is always the same."""

    def __init__(self, names, answer):
        super().__init__({name: partial(self._say, answer) for name in names})

    @staticmethod
    def _say(answer, *args, **kwargs):
        return answer(args)


def defined_names(folder):
    tree = ast.parse(read_lab(folder).solution_code())
    kinds = (ast.FunctionDef, ast.ClassDef)
    return [node.name for node in tree.body if isinstance(node, kinds)]


@cache
def runs_of(folder):
    """Return what became of the lab's tests for each of the answers."""
    names = defined_names(folder)
    attempts = [
        Attempt(partial(LocalBackend, Namespace(names, answer)), seed, label=label)
        for label, answer in (LIARS | CHEAP).items()
        for seed in SEEDS
    ]
    return run_checks(read_lab_folder(folder), attempts)


@pytest.mark.parametrize("folder", LABS, ids=lambda folder: folder.name)
def test_a_lie_earns_nothing(folder):
    """An object that answers every question with yes earns no point."""
    earned = {
        f"{run.test} passes for {run.attempt.label}"
        for run in runs_of(folder)
        if run.status == "passed" and run.attempt.label in LIARS
    }
    assert not earned, "\n".join(sorted(earned))


@pytest.mark.parametrize("folder", LABS, ids=lambda folder: folder.name)
def test_each_answer_gets_a_sentence_of_the_check(folder):
    """Whatever comes back, a check says in a line what it thinks of it, and never fails itself."""
    surprised = {
        f"{run.test} for {run.attempt.label}: {run.sentence}"
        for run in runs_of(folder)
        if run.status != "passed"
        and not (
            isinstance(run.error, StudentError | AssertionError)
            and "\n" not in run.sentence
            and 0 < len(run.sentence) < 500
        )
    }
    assert not surprised, "\n".join(sorted(surprised))
