"""The index of a git repository: which paths are under version control. In: its bytes. Out: paths.

Versions 2 to 4 (git's Documentation/gitformat-index.txt); extensions are passed over, a broken index ends the list. A
sparse or split index tells of less, never of what is not there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

MAX_BYTES: Final = 64 << 20
_MOST_ENTRIES: Final = 500_000
_LONGEST_PATH: Final = 4096
_HEADER: Final = struct.Struct(">4sLL")
_FIXED: Final = 42
"""Bytes of an entry before its path, but for the object's name: times, ids, mode, size, flags."""
SHA1_BYTES: Final = 20
SHA256_BYTES: Final = 32
_EXTENDED: Final = 0x4000


def tracked_paths(data: bytes, hash_bytes: int = SHA1_BYTES) -> Iterator[bytes]:
    """The paths of an index, as far as it can be read. `hash_bytes` is the length of the repository's object names."""
    if len(data) < _HEADER.size:
        return
    magic, version, count = _HEADER.unpack_from(data)
    if magic != b"DIRC" or version not in (2, 3, 4):
        return
    at, path, fixed = _HEADER.size, b"", _FIXED + hash_bytes
    for _ in range(min(count, _MOST_ENTRIES)):
        start = at
        if start + fixed > len(data):
            return
        (flags,) = struct.unpack_from(">H", data, start + fixed - 2)
        at = start + fixed + (2 if version >= 3 and flags & _EXTENDED else 0)
        if version == 4:
            strip, at = _varint(data, at)
            path = path[: len(path) - strip] if strip <= len(path) else b""
        else:
            path = b""
        end = data.find(b"\0", at, at + _LONGEST_PATH + 1)
        if end < 0:
            return
        path += data[at:end]
        yield path
        # Up to version 3 an entry is padded with 1 to 8 zeros to a multiple of eight bytes.
        at = end + 1 if version == 4 else start + (end - start + 8) // 8 * 8


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number as in pack files' offsets, and where the next byte is; 0 past the end."""
    value = 0
    for step in range(5):
        if at >= len(data):
            return 0, at
        byte = data[at]
        at += 1
        value = (value + 1 if step else 0) << 7 | byte & 0x7F
        if not byte & 0x80:
            break
    return value, at
