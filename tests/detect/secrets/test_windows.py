"""Windows over a document: nothing lost, nothing twice, lines right."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.detect.secrets.windows import (
    NulIndex,
    PlacedDocument,
    Window,
    Windows,
    holds_utf16,
    read_windows,
    without_nuls,
)


@given(data=st.binary(max_size=4000), step=st.integers(1, 700))
def test_every_byte_is_own_to_exactly_one_window(data: bytes, step: int) -> None:
    source = io.BytesIO(data)
    windows = list(read_windows(lambda n: source.read(min(n, step)), overlap=100, size=600))
    own = b"".join(window.data[window.own_start : window.own_end] for window in windows)
    assert own == data
    for window in windows:
        assert data[window.offset : window.offset + len(window.data)] == window.data
        assert window.lines == data.count(b"\n", 0, window.offset)
        assert len(window.data) <= 600


@given(data=st.binary(max_size=4000))
def test_what_starts_in_the_own_part_is_seen_whole(data: bytes) -> None:
    source = io.BytesIO(data)
    for window in read_windows(source.read, overlap=100, size=600):
        assert window.last or len(window.data) - window.own_end == 100


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param("password = hunter22".encode("utf-16"), True, id="with-bom"),
        pytest.param("password = hunter22".encode("utf-16-le"), True, id="little-endian"),
        pytest.param("password = hunter22".encode("utf-16-be"), True, id="big-endian"),
        pytest.param(
            b"\x7fELF" + b"\0" * 300 + "password = hunter22 ".encode("utf-16-le") * 200, True, id="in-a-binary"
        ),
        pytest.param(b"password = hunter22", False, id="ascii"),
        pytest.param(b"\0" * 4096, False, id="zeros"),
        pytest.param(bytes(range(256)) * 16, False, id="bytes"),
        pytest.param(b"", False, id="empty"),
    ],
)
def test_utf16_is_noticed(data: bytes, expected: bool) -> None:
    assert holds_utf16(data) is expected


@given(data=st.binary(max_size=300).map(lambda b: b.replace(b"\1", b"\0")), padding=st.integers(0, 9000))
def test_offsets_without_nuls_are_found_again(data: bytes, padding: int) -> None:
    data = b"\0a" * (padding // 2) + data
    stripped, index = without_nuls(data), NulIndex(data)
    for offset in (*range(max(len(stripped) - 300, 0), len(stripped)), 0):
        if offset < len(stripped):
            assert data[index.offset(offset)] == stripped[offset]
            assert without_nuls(data[: index.offset(offset)]) == stripped[:offset]
    assert index.offset(len(stripped)) == len(data)


@given(
    sizes=st.lists(st.integers(0, 900), max_size=12),
    size=st.integers(300, 700),
    overlap=st.integers(1, 40),
)
def test_windows_of_pieces_are_those_of_a_stream(sizes: list[int], size: int, overlap: int) -> None:
    data = bytes(number % 251 for number in range(sum(sizes)))
    pieces, at = Windows(overlap=overlap, size=size), 0
    pushed: list[Window] = []
    for length in sizes:
        pushed += pieces.push(data[at : at + length])
        at += length
    pushed.append(pieces.finish())
    assert pushed == list(read_windows(io.BytesIO(data).read, overlap=overlap, size=size))


@given(data=st.binary(max_size=4000), size=st.integers(300, 700), overlap=st.integers(1, 40))
def test_windows_of_a_placed_document_are_whole_and_its_bytes_are_read_in_order(
    data: bytes, size: int, overlap: int
) -> None:
    reached = 0

    def read_at(offset: int, count: int) -> bytes:
        nonlocal reached
        assert offset <= reached, "bytes were left out"
        found = data[offset : offset + count]
        reached = max(reached, offset + len(found))
        return found

    document = PlacedDocument(read_at, len(data))
    windows = list(document.windows(read_at(0, size), overlap=overlap, context=20, size=size))
    assert reached == len(data)
    assert b"".join(window.data[window.own_start : window.own_end] for window in windows) == data
    assert [window.first for window in windows] == [True] + [False] * (len(windows) - 1)
    assert [window.last for window in windows] == [False] * (len(windows) - 1) + [True]
    for window in windows:
        assert window.data == data[window.offset : window.offset + len(window.data)]
        assert window.last or len(window.data) - window.own_end == overlap


@given(data=st.binary(max_size=400).map(lambda b: b.replace(b"\1", b"\n")), asked=st.lists(st.integers(0, 500)))
def test_newlines_are_counted_when_asked_for(data: bytes, asked: list[int]) -> None:
    document = PlacedDocument(lambda offset, count: data[offset : offset + min(count, 7)], len(data))
    assert [document.newlines(offset) for offset in asked] == [data.count(b"\n", 0, offset) for offset in asked]
