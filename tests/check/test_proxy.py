"""What a check may do with the learner's code, and what comes back."""

import numpy as np
import pytest

from dllab.check.backend import LocalBackend
from dllab.check.proxy import Session, Student
from dllab.check.sentences import StudentError

SOURCE = """
import numpy as np
class Point:
    count = 0
    __array_ufunc__ = None
    def __init__(self, x): self.x = x
    def __add__(self, other): return Point(self.x + getattr(other, "x", other))
    __radd__ = __add__
    def __rmatmul__(self, other): return Point(other @ self.x)
    def __neg__(self): return Point(-self.x)
    def __getitem__(self, index): return self.x[index]
    def __setitem__(self, index, value): self.x[index] = value
    def __len__(self): return len(self.x)
    def me(self): return self
    @property
    def broken(self): raise ValueError("no")
rate = 0.5
def identity(value): return value
def apply(f, x): return f(x)
def double(x): x *= 2
def grow(values, table): values.append(1); table["b"] = 2
class Fancy(float): pass
def fancy(): return Fancy(2.0), [np.float32(1.5)], {"a": np.int64(3)}
def draw(rng): return rng.normal()
def read(p): return p.x
def points(): return [Point(1), Point(2)]
def keep(x): global kept; kept = x
"""


@pytest.fixture
def namespace():
    names = {}
    exec(SOURCE, names)
    return names


@pytest.fixture
def student(namespace):
    return Student(Session(LocalBackend(namespace)))


@pytest.mark.parametrize(
    "value",
    [None, True, 3, 2.5, 1j, "text", [1, [2.0]], (1, "a"), {"a": [1], 2: None}, np.float32(2)],
)
def test_plain_values_pass(student, value):
    """Plain values come back equal and of the same type."""
    back = student.identity(value)
    assert back == value
    assert type(back) is type(value)


def test_arrays_are_copied_both_ways(student, namespace):
    """Neither side can change an array of the other."""
    x = np.arange(3.0)
    student.keep(x)
    x[0] = 99
    assert namespace["kept"][0] == 0
    back = student.identity(x)
    back[1] = 99
    assert x[1] == 1


def test_subclasses_become_what_they_are_made_of(student):
    """An instance of a subclass of a plain type crosses as that plain type."""
    number, values, table = student.fancy()
    assert type(number) is float
    assert (number, values, table) == (2.0, [1.5], {"a": 3})


def test_handles_have_methods_attributes_items_and_operators(student):
    """An object stays with the learner, and can be used like an object."""
    point = student.Point(np.arange(3.0))
    point.x = np.array([1.0, 2.0, 3.0])
    point[0] = 5.0
    assert point[0] == 5.0
    assert len(point) == 3
    assert list(point) == [5.0, 2.0, 3.0]
    assert np.array_equal((point + point).x, [10, 4, 6])
    assert np.array_equal((np.ones(3) + point).x, [6, 3, 4])
    assert (np.ones(3) @ point).x == 10
    assert np.array_equal((-point).x, [-5, -2, -3])
    assert np.array_equal(student.read(point), [5, 2, 3])
    assert [p.x for p in student.points()] == [1, 2]


def test_handles_know_identity(student):
    """The same object is equal to itself however it was reached, and to no other."""
    point = student.Point(1)
    assert point.me() == point
    assert point != student.Point(1)
    assert len({point, point.me()}) == 1


def test_values_and_class_attributes_can_be_read(student):
    """Names that hold plain values are these values."""
    assert student.rate == 0.5
    assert student.Point.count == 0


def test_functions_can_be_passed(student):
    """A check's function can be called by the learner's code, with copies."""
    seen = []
    assert student.apply(lambda x: seen.append(x) or x + 1, 2) == 3
    assert seen == [2]


def test_functions_may_use_the_student(student):
    """A function that a check passes in may itself call the learner's code."""
    assert student.apply(lambda x: student.identity(x) * 2, 4) == 8


def test_failed_expectation_inside_a_callback_keeps_its_sentence(student):
    """A sentence that arises inside a callback reaches the learner unchanged."""
    with pytest.raises(StudentError, match="`missing` is not defined yet"):
        student.apply(lambda x: student.missing(x), 1)


def test_generators_are_copied(student):
    """The learner's code draws what the check's generator would draw next."""
    assert student.draw(np.random.default_rng(3)) == np.random.default_rng(3).normal()


def test_change_in_place_is_noticed(student):
    """A changed argument is named."""
    with pytest.raises(StudentError, match="`double` changed its argument `x` in place"):
        student.double(np.ones(2))
    with pytest.raises(StudentError, match="`grow` changed its argument `values` in place"):
        student.grow([1], {})


def test_change_in_place_can_be_allowed(student):
    """Where it is allowed, the check sees the change."""
    x, values, table = np.ones(2), [0], {}
    with student.allow_inplace():
        student.double(x)
        student.grow(values, table)
    assert np.array_equal(x, [2, 2])
    assert values == [0, 1]
    assert table == {"b": 2}


def test_missing_attribute_and_failing_property(student):
    """A missing attribute and a failing property are the learner's errors, with a sentence."""
    point = student.Point(1)
    with pytest.raises(StudentError, match=r"`Point.y` raised AttributeError"):
        point.y  # noqa: B018
    with pytest.raises(StudentError, match="raised ValueError"):
        point.broken  # noqa: B018


def test_author_cannot_pass_objects(student):
    """An author who passes what cannot cross between processes is told so."""
    with pytest.raises(TypeError, match="a check passes plain values"):
        student.identity(object())


def test_names_are_read_only(student):
    """A check never redefines what the learner wrote."""
    with pytest.raises(AttributeError, match="never redefines"):
        student.rate = 1
