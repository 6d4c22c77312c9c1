"""The wire format reader."""

from __future__ import annotations

from contextlib import nullcontext, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streams import message, varint

from imgscan.build.protobuf import WireError, read_fields, signed, text

FIELDS = st.lists(
    st.tuples(st.integers(1, 1 << 20), st.one_of(st.integers(0, (1 << 64) - 1), st.binary(max_size=40))), max_size=8
)


@given(FIELDS)
def test_reads_what_was_written(fields: list[tuple[int, int | bytes]]) -> None:
    assert list(read_fields(message(fields))) == fields


@given(FIELDS, st.integers(0, 200))
def test_a_message_cut_short_gives_a_prefix_and_an_error(fields: list[tuple[int, int | bytes]], cut: int) -> None:
    data = message(fields)
    read: list[tuple[int, int | bytes]] = []
    whole = cut >= len(data)
    with nullcontext() if whole else suppress(WireError):
        read.extend(read_fields(data[:cut]))
    assert read == fields[: len(read)]
    assert not whole or len(read) == len(fields)


@given(st.binary(max_size=60))
def test_any_bytes_end_in_fields_or_an_error(data: bytes) -> None:
    read: list[tuple[int, int | bytes]] = []
    with suppress(WireError):
        read.extend(read_fields(data))
    assert all(number >= 0 and isinstance(value, int | bytes) for number, value in read)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(b"\x0b", "wire type 3", id="group"),
        pytest.param(b"\x08" + b"\xff" * 10, "without end", id="endless-number"),
        pytest.param(b"\x0a\x05ab", "cut short", id="short-string"),
        pytest.param(b"\x0d\x01", "cut short", id="short-fixed32"),
        pytest.param(b"\x0a" + varint(1 << 60), "cut short", id="huge-length"),
    ],
)
def test_broken_messages_say_why(data: bytes, words: str) -> None:
    with pytest.raises(WireError, match=words):
        list(read_fields(data))


def test_fixed_width_fields_are_stepped_over() -> None:
    assert list(read_fields(b"\x0d\x01\x02\x03\x04\x11" + b"\x00" * 8 + b"\x18\x07")) == [
        (1, b"\x01\x02\x03\x04"),
        (2, b"\x00" * 8),
        (3, 7),
    ]


def test_values() -> None:
    assert signed((1 << 64) - 1) == -1
    assert signed(5) == 5
    assert signed(b"x") == 0
    assert text(b"a\xff") == "a\ufffd"
    assert text(3) == ""
