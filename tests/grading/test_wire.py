"""Frames: what is sent arrives unchanged, and nothing else than a frame is ever accepted."""

import json
import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dllab.check.protocol import Fault, Operation, Outcome, Ref
from dllab.check.proxy import same
from dllab.errors import WireError
from dllab.grading.wire import (
    MAX_BUFFERS,
    MAX_HEADER,
    Inbox,
    Packer,
    Unpacker,
    clean,
    pack_operation,
    pack_outcome,
    unpack_operation,
    unpack_outcome,
)

DTYPES = st.sampled_from(
    ["?", "i1", "u2", "<i8", ">i4", "<f2", "f4", "f8", "c8", "c16", "U3", "S2"]
)
arrays = DTYPES.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0)))
texts = st.text(max_size=20)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**200), 2**200),
    st.floats(),
    texts,
    st.complex_numbers(),
)
refs = st.builds(
    Ref,
    st.integers(0, 10**5),
    st.sampled_from(["Node", "object"]),
    st.booleans(),
    st.just(("x", "seed")),
)
keys = st.one_of(st.none(), st.booleans(), st.integers(-(2**60), 2**60), texts)
leaves = st.one_of(scalars, arrays, refs, st.builds(np.float32, st.floats(width=32)))
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.one_of(keys, st.tuples(keys, keys)), inner, max_size=4),
    ),
    max_leaves=8,
)


def equal(first, second) -> bool:
    """Equal to the last bit and of the same types; an array's byte order is no value."""
    if isinstance(first, np.ndarray):
        first = first.astype(first.dtype.newbyteorder("="))
    if type(first) is not type(second):
        return False
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(equal, first, second))
    if isinstance(first, dict):
        return all(
            equal(a, b)
            for one, other in zip(first.items(), second.items(), strict=True)
            for a, b in zip(one, other, strict=True)
        )
    if isinstance(first, Ref):
        return first == second
    if isinstance(first, np.generic):
        return first.tobytes() == second.tobytes()
    return same(first, second)


def travel(value):
    """Return a value as it arrives at the other end."""
    packer = Packer()
    inbox = Inbox()
    inbox.feed(packer.frame({"value": packer.value(value)}))
    frame = inbox.next()
    arrived = frame.value(frame.header["value"])
    frame.finish()
    return arrived


def received(value_form, raw: bytes = b""):
    """Return what the receiver makes of a form that somebody wrote by hand."""
    frame = Unpacker(json.dumps({"value": value_form}).encode(), raw)
    value = frame.value(frame.header["value"])
    frame.finish()
    return value


@given(values)
@settings(max_examples=80, deadline=None)
def test_plain_values_arrive_as_they_were(value):
    """A plain value arrives equal to the last bit, with the same types all the way down."""
    assert equal(value, travel(value))


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_garbage_is_no_frame(data):
    """Bytes that are no frame wait for more or raise `WireError`, nothing else."""
    inbox = Inbox()
    inbox.feed(data)
    with suppress(WireError):
        frame = inbox.next()
        if frame is not None:
            frame.value(frame.header)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from("fctdsarleguyk"), texts), inner, max_size=2),
    ),
    max_leaves=10,
)


@given(json_values, st.binary(max_size=40))
@settings(max_examples=150, deadline=None)
def test_a_forged_form_is_a_value_or_an_error(form, raw):
    """Whatever JSON comes, reading it gives a value or raises `WireError`."""
    for read in (
        lambda frame: frame.value(frame.header["x"]),
        lambda frame: unpack_outcome(frame.header["x"], frame),
        lambda frame: unpack_operation(frame.header["x"], frame),
        lambda frame: (frame.number("x"), frame.finish()),
    ):
        with suppress(WireError):
            read(Unpacker(json.dumps({"x": form}).encode(), raw))


@given(values, values, st.dictionaries(st.sampled_from("abc"), values, max_size=2))
@settings(max_examples=50, deadline=None)
def test_operations_and_outcomes_arrive(first, second, named):
    """What a check asks and what the learner's code answers travel whole."""
    operation = Operation("call", Ref(3), "name", (first, second), named)
    outcome = Outcome(first, None, (second,), named, "printed")
    packer = Packer()
    forms = {"o": pack_operation(operation, packer), "r": pack_outcome(outcome, packer)}
    inbox = Inbox()
    inbox.feed(packer.frame(forms))
    frame = inbox.next()
    asked = unpack_operation(frame.header["o"], frame)
    answered = unpack_outcome(frame.header["r"], frame)
    frame.finish()
    assert (asked.kind, asked.target, asked.name) == ("call", Ref(3), "name")
    assert equal((first, second), asked.args)
    assert equal(named, dict(asked.kwargs))
    assert equal(first, answered.value)
    assert answered.output == "printed"


def test_a_fault_arrives_cleaned():
    """A fault's texts come without control characters and with a length a person can read."""
    fault = Fault("raised", ("Bad\x1b[31m",), "a\x00b\n" + "x" * 5000, "line", "hint\u202e")
    packer = Packer()
    inbox = Inbox()
    inbox.feed(packer.frame({"r": pack_outcome(Outcome(fault=fault), packer)}))
    frame = inbox.next()
    arrived = unpack_outcome(frame.header["r"], frame).fault
    assert arrived.types == ("Bad",)
    assert arrived.message.startswith("a b xxx")
    assert len(arrived.message) <= 2000
    assert arrived.hint == "hint"


FORGERIES = {
    "an unknown tag": ({"z": 1}, b""),
    "two tags": ({"t": [], "d": []}, b""),
    "an object dtype": ({"a": ["|O", [1]]}, bytes(8)),
    "a void dtype": ({"a": ["|V8", [1]]}, bytes(8)),
    "a date": ({"a": ["<M8[s]", [1]]}, bytes(8)),
    "a dtype with fields": ({"a": ["i4,i4", [1]]}, bytes(8)),
    "a big-endian dtype": ({"a": [">f8", [1]]}, bytes(8)),
    "too few bytes": ({"a": ["<f8", [2]]}, bytes(8)),
    "bytes that nobody asked for": (1, bytes(8)),
    "a negative length": ({"a": ["<f8", [-1]]}, b""),
    "a length that is true": ({"a": ["|i1", [True]]}, bytes(1)),
    "a huge dimension": ({"a": ["|i1", [2**31]]}, b""),
    "dimensions that multiply to nothing": ({"a": ["|i1", [2**20, 2**20, 0]]}, b""),
    "too many dimensions": ({"a": ["|i1", [1] * 17]}, bytes(1)),
    "a truth value that is 2": ({"a": ["|b1", [1]]}, b"\2"),
    "a character beyond Unicode": ({"a": ["<U1", [1]]}, b"\xff\xff\xff\x7f"),
    "a scalar of another size": ({"s": ["<f8", "00"]}, b""),
    "a scalar that is no hex": ({"s": ["<f8", "zz"]}, b""),
    "a dict as key": ({"d": [[{"d": []}, 1]]}, b""),
    "a list as key": ({"d": [[[], 1]]}, b""),
    "an array as key": ({"d": [[{"a": ["|i1", [1]]}, 1]]}, bytes(1)),
    "a huge whole number as key": ({"d": [[2**61 * 2**61, 1]]}, b""),
    "a triple in a dict": ({"d": [[1, 2, 3]]}, b""),
    "a float that is no number": ({"f": "1.0"}, b""),
    "a complex number of texts": ({"c": ["1", "2"]}, b""),
    "a ref with a negative number": ({"r": [-1, "x", False, []]}, b""),
    "a ref that is a float": ({"r": [1.0, "x", False, []]}, b""),
    "a ref with hundreds of parameters": ({"r": [1, "x", False, ["a"] * 200]}, b""),
    "a function of the check": ({"k": 0}, b""),
    "a slice": ({"l": [1, 2, 3]}, b""),
    "a type": ({"y": "float64"}, b""),
    "a NumPy function": ({"u": "tanh"}, b""),
    "a generator": ({"g": ["PCG64", {"d": []}]}, b""),
    "an endless whole number": (10**2000, b""),
    "deep lists": (json.loads("[" * 60 + "]" * 60), b""),
    "too many values": ([0] * 200_001, b""),
    "a dict with too many entries": ({"d": [[i, 0] for i in range(10_001)]}, b""),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forgeries_are_refused(name):
    """A form that no honest sender writes raises `WireError`."""
    with pytest.raises(WireError):
        received(*FORGERIES[name])


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{", b'{"x": NaN}', b"\xff", b"[" * 10**5, b'{"x": 1}{']
)
def test_a_header_is_one_json_object(text):
    """A header that is anything else raises `WireError`."""
    with pytest.raises(WireError):
        Unpacker(text, b"")


def test_numbers_beyond_a_float_are_refused():
    """JSON can write 1e999, which no float holds."""
    frame = Unpacker(b'{"value": 1e999}', b"")
    with pytest.raises(WireError):
        frame.value(frame.header["value"])


@pytest.mark.parametrize("lengths", [(MAX_HEADER + 1, 0), (2, MAX_BUFFERS + 1), (2**32 - 1,) * 2])
def test_lengths_have_limits(lengths):
    """A frame that announces more than a frame may hold is refused before it is read."""
    inbox = Inbox()
    inbox.feed(struct.pack(">II", *lengths))
    with pytest.raises(WireError):
        inbox.next()


@pytest.mark.parametrize(
    "value",
    [
        10**2000,
        list(range(300_000)),
        dict.fromkeys(range(20_000)),
        "x" * 2_000_000,
        np.zeros(10_000_000),
        np.zeros(2, dtype="M8[s]"),
        np.array([None]),
        object(),
        print,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_sent_is_said_before(value):
    """A value that no frame may hold raises `WireError` where it is packed."""
    packer = Packer()
    with pytest.raises(WireError):
        packer.frame({"value": packer.value(value)})


def test_frames_may_come_in_pieces_and_in_numbers():
    """A stream is taken apart however it was cut."""
    packers = [Packer() for _ in range(3)]
    data = b"".join(p.frame({"value": p.value(np.arange(i + 1))}) for i, p in enumerate(packers))
    inbox, sizes = Inbox(), []
    for start in range(0, len(data), 7):
        inbox.feed(data[start : start + 7])
        while (frame := inbox.next()) is not None:
            sizes.append(frame.value(frame.header["value"]).size)
    assert sizes == [1, 2, 3]


def test_a_check_may_pass_more():
    """Functions, types, slices, Ellipsis and generators go from a check to the learner."""
    functions = []

    def number(function):
        functions.append(function)
        return len(functions) - 1

    rng = np.random.default_rng(3)
    rng.normal(size=3)
    passed = (np.tanh, np.float32, float, slice(1, None, 2), Ellipsis, rng, clean)
    packer = Packer(number)
    inbox = Inbox()
    inbox.feed(packer.frame({"value": packer.value(passed)}))
    frame = inbox.next()
    frame.function = functions.__getitem__
    tanh, single, double, part, dots, generator, function = frame.value(frame.header["value"])
    assert (tanh, single, double, function) == (np.tanh, np.float32, float, clean)
    assert (part, dots) == (slice(1, None, 2), Ellipsis)
    assert generator.normal() == rng.normal()


def test_extended_precision_becomes_double():
    """Numbers of a precision that only some machines have arrive as double."""
    assert travel(np.ones(2, np.longdouble)).dtype == np.float64
    assert travel(np.clongdouble(1)).dtype == np.complex128
