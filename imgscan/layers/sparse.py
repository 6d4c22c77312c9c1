"""Sparse files in tar archives: the maps of GNU's four formats, and reading through them without making the holes.

A map is a list of (offset, length) pairs of data, in order; everything between them is zeros that are not stored.
Formats: https://www.gnu.org/software/tar/manual/html_node/Sparse-Formats.html, with the checks of Go's archive/tar.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from imgscan.layers.tarheader import (
    BLOCK_BYTES,
    FORMAT_GNU,
    MAX_META_BYTES,
    TarFormatError,
    parse_decimal,
    parse_number,
)

SparseMap = list[tuple[int, int]]
ReadBlock = Callable[[], bytes]
"""Gives the next 512 bytes, fewer at the end of the stream."""

_ENTRY_BYTES: Final = 24
_MAX_MAP_ENTRIES: Final = MAX_META_BYTES // 4
"""A map cannot cost more than the largest PAX header could hold (an entry is at least `0,0,`)."""


def old_gnu_map(block: bytes, form: int, read_block: ReadBlock) -> tuple[int, SparseMap]:
    """The real size and the map of an old GNU sparse file (type `S`), from its header and the blocks that follow it.

    Raises TarFormatError when the header is not GNU's, a number is none, or the stream ends.
    """
    if form != FORMAT_GNU:
        raise TarFormatError("a sparse file with a header that is not GNU's")
    size = parse_number(block[483:495])
    data: SparseMap = []
    slots = block[386:482]
    extended = block[482]
    while True:
        for start in range(0, len(slots), _ENTRY_BYTES):
            if not slots[start]:
                break
            pair = slots[start : start + _ENTRY_BYTES]
            data.append((parse_number(pair[:12]), parse_number(pair[12:])))
        if not extended:
            return size, data
        if len(data) > _MAX_MAP_ENTRIES:
            raise TarFormatError("a sparse map is too long")
        block = read_block()
        if len(block) < BLOCK_BYTES:
            raise TarFormatError("the archive ends inside a sparse map")
        slots, extended = block[:504], block[504]


def pax_version(records: Mapping[bytes, bytes]) -> str | None:
    """`0` for GNU's sparse formats 0.0 and 0.1, `1` for 1.0, None for a file that is not sparse or of a version unknown
    to Go (which then reads it as it lies)."""
    version = (records.get(b"GNU.sparse.major", b""), records.get(b"GNU.sparse.minor", b""))
    if version in ((b"0", b"0"), (b"0", b"1")):
        return "0"
    if version == (b"1", b"0"):
        return "1"
    if version != (b"", b""):
        return None
    return "0" if records.get(b"GNU.sparse.map") else None


def pax_size(records: Mapping[bytes, bytes]) -> int | None:
    """The real size a PAX sparse file states, if it does. Raises TarFormatError."""
    text = records.get(b"GNU.sparse.size") or records.get(b"GNU.sparse.realsize")
    return parse_decimal(text) if text else None


def pax_map_0(records: Mapping[bytes, bytes]) -> SparseMap:
    """The map of formats 0.0 and 0.1, which lies in the PAX header. Raises TarFormatError."""
    count = _map_length(records.get(b"GNU.sparse.numblocks", b""))
    text = records.get(b"GNU.sparse.map", b"")
    numbers = text.split(b",") if text else []
    if len(numbers) != 2 * count:
        raise TarFormatError("a sparse map has a wrong length")
    values = [parse_decimal(number) for number in numbers]
    return list(zip(values[::2], values[1::2], strict=True))


def pax_map_1(read_block: ReadBlock) -> SparseMap:
    """The map of format 1.0, which fills the first blocks of the file's data. Raises TarFormatError."""
    text = bytearray()
    newlines, needed = 0, 1
    while newlines < needed:
        block = read_block()
        if len(block) < BLOCK_BYTES:
            raise TarFormatError("the archive ends inside a sparse map")
        text += block
        newlines += block.count(b"\n")
        if len(text) > MAX_META_BYTES:
            raise TarFormatError("a sparse map is too long")
        if needed == 1 and newlines:
            needed += 2 * _map_length(bytes(text[: text.index(b"\n")]))
    lines = bytes(text).split(b"\n", needed)
    values = [parse_decimal(line) for line in lines[1:needed]]
    return list(zip(values[::2], values[1::2], strict=True))


def check_map(data: SparseMap, size: int) -> None:
    """Raises TarFormatError unless the pieces are in order, apart, and inside `size` bytes."""
    end = 0
    if size < 0:
        raise TarFormatError("a sparse file has a negative size")
    for offset, length in data:
        if offset < end or length < 0 or offset + length > size:
            raise TarFormatError("a sparse map is out of order or out of bounds")
        end = offset + length


def _map_length(text: bytes) -> int:
    count = parse_decimal(text)
    if not 0 <= count <= _MAX_MAP_ENTRIES:
        raise TarFormatError("a sparse map has an impossible length")
    return count
