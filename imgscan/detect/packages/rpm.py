"""rpm's database of installed packages: the bytes of a database in, headers out, and of a header the files it names.

The three forms are SQLite (rpm 4.16 and later), ndb (SUSE) and Berkeley DB's hash table (before). Layouts: rpm's own
documentation of the header format, lib/backend/ndb/rpmpkg.c, and Berkeley DB's dbinc/db_page.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import closing
from typing import Final

import msgspec

_SQLITE_MAGIC: Final = b"SQLite format 3\0"
_NDB_MAGIC: Final = b"RpmP"
_HASH_MAGIC: Final = 0x00061561
_LONGEST_HEADER: Final = 64 << 20
_MOST_HEADERS: Final = 100_000
_MOST_FILES: Final = 1_000_000
_MOST_STEPS: Final = 2_000
_STEP_INSTRUCTIONS: Final = 100_000
"""A database that makes SQLite run longer than steps x instructions is made to do so."""
_PAGE_HEADER: Final = 26
_HASH_PAGES: Final = frozenset((2, 13))
_OVERFLOW_PAGE: Final = 7
_OFF_PAGE: Final = 3
_ENTRY: Final = struct.Struct(">IIII")
_DIGEST_TAG, _ALGORITHM_TAG = 1035, 5011
_DIR_INDEX_TAG, _NAME_TAG, _DIR_TAG = 1116, 1117, 1118
_INT32, _STRINGS = 4, 8
_DIGEST_HEX: Final = {1: 32, 2: 40, 8: 64}
"""Digits of OpenPGP's hash algorithms MD5, SHA-1 and SHA-256; without a tag it is MD5."""


class RpmFile(msgspec.Struct, frozen=True, gc=False):
    """A file of a package; `digest` is empty for folders, links and ghosts."""

    path: bytes
    digest: bytes


def read_headers(data: bytes) -> Iterator[bytes]:
    """The headers in a database. Raises ValueError if it is none that can be read."""
    if data.startswith(_SQLITE_MAGIC):
        return _sqlite_headers(data)
    if data.startswith(_NDB_MAGIC):
        return _ndb_headers(data)
    for order in "<>":
        if len(data) >= 512 and struct.unpack_from(order + "I", data, 12) == (_HASH_MAGIC,):
            return _bdb_headers(data, order)
    raise ValueError("no database of rpm")


def _sqlite_headers(data: bytes) -> Iterator[bytes]:
    import sqlite3

    # Bytes 18 and 19 say that there may be a journal beside it, which a database in memory cannot have.
    data = data[:18] + b"\1\1" + data[20:]
    steps = iter(range(_MOST_STEPS))
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.deserialize(data)
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_HEADER)
            connection.set_progress_handler(lambda: next(steps, None) is None, _STEP_INSTRUCTIONS)
            connection.execute("PRAGMA trusted_schema = OFF")
            made = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'Packages'").fetchone()
            if made is None or not str(made[0]).lower().lstrip().startswith("create table"):
                raise ValueError("no table of packages")
            for number, (blob,) in enumerate(connection.execute("SELECT blob FROM Packages")):
                if number >= _MOST_HEADERS:
                    raise ValueError("more packages than any system has")
                if isinstance(blob, bytes):
                    yield blob
        except (sqlite3.Error, MemoryError) as error:
            raise ValueError(f"not readable: {error}") from error


def _ndb_headers(data: bytes) -> Iterator[bytes]:
    """Slots of 16 bytes name blobs by their place in blocks of 16 bytes; a blob's own header says how long it is."""
    (pages,) = struct.unpack_from("<I", data.ljust(32, b"\0"), 12)
    end = min(pages * 4096, len(data) - 15, _MOST_HEADERS * 16)
    for at in range(32, end, 16):
        magic, number, block, count = struct.unpack_from("<4sIII", data, at)
        if magic != b"Slot" or not number or not count:
            continue
        start = block * 16
        if start + 16 > len(data):
            raise ValueError("a package lies beyond the end")
        kind, same, _, length = struct.unpack_from("<4sIII", data, start)
        if kind != b"BlbS" or same != number or start + 16 + length > len(data):
            raise ValueError("a package is not where the index says")
        yield data[start + 16 : start + 16 + length]


def _bdb_headers(data: bytes, order: str) -> Iterator[bytes]:
    """Every value of the hash table that lies in pages of its own: headers are too long for anything else."""
    (page_size,) = struct.unpack_from(order + "I", data, 20)
    if page_size not in (512, 1024, 2048, 4096, 8192, 16384, 32768, 65536):
        raise ValueError("an impossible size of pages")
    left = len(data)
    for start in range(page_size, len(data) - page_size + 1, page_size):
        (entries,) = struct.unpack_from(order + "H", data, start + 20)
        if data[start + 25] not in _HASH_PAGES or entries > (page_size - _PAGE_HEADER) // 2:
            continue
        offsets = struct.unpack_from(f"{order}{entries}H", data, start + _PAGE_HEADER)
        for offset in offsets[1::2]:
            if offset + 12 > page_size or data[start + offset] != _OFF_PAGE:
                continue
            page, length = struct.unpack_from(order + "II", data, start + offset + 4)
            left -= length
            if left < 0:
                raise ValueError("packages overlap")
            yield _bdb_overflow(data, order, page_size, page, length)


def _bdb_overflow(data: bytes, order: str, page_size: int, page: int, length: int) -> bytes:
    parts: list[bytes] = []
    while length > 0:
        start = page * page_size
        if not page or start + page_size > len(data) or data[start + 25] != _OVERFLOW_PAGE:
            raise ValueError("a package is not where the index says")
        part = data[start + _PAGE_HEADER : start + min(page_size, _PAGE_HEADER + length)]
        parts.append(part)
        length -= len(part)
        (page,) = struct.unpack_from(order + "I", data, start + 16)
    return b"".join(parts)


def files_of(header: bytes) -> Iterator[RpmFile]:
    """The files that a header names, from the root without a slash. Raises ValueError for a damaged one."""
    tags = _tags(header)
    names, folders = _strings(tags, header, _NAME_TAG), _strings(tags, header, _DIR_TAG)
    indexes = _numbers(tags, header, _DIR_INDEX_TAG)
    if not len(names) == len(indexes) or any(index >= len(folders) for index in indexes):
        raise ValueError("names and folders of a package do not fit each other")
    digests = _strings(tags, header, _DIGEST_TAG)
    algorithm = (*_numbers(tags, header, _ALGORITHM_TAG), 1)[0]
    digits = _DIGEST_HEX.get(algorithm, -1) if len(digests) == len(names) else -1
    for number, (name, index) in enumerate(zip(names, indexes, strict=True)):
        stated = digests[number] if digits > 0 else b""
        path = folders[index].lstrip(b"/") + name
        yield RpmFile(path, bytes.fromhex(stated.decode("ascii")) if len(stated) == digits else b"")


def _tags(header: bytes) -> dict[int, tuple[int, int, int]]:
    """Of each tag its type, where its data begins in the header, and how many items it has."""
    if len(header) < 8:
        raise ValueError("a package's header is cut off")
    count, size = struct.unpack_from(">II", header)
    data = 8 + 16 * count
    if data + size > len(header):
        raise ValueError("a package's header is cut off")
    found = (_ENTRY.unpack_from(header, at) for at in range(8, data, 16))
    return {tag: (kind, data + offset, items) for tag, kind, offset, items in found}


def _strings(tags: dict[int, tuple[int, int, int]], header: bytes, tag: int) -> list[bytes]:
    kind, at, count = tags.get(tag, (_STRINGS, 0, 0))
    if kind != _STRINGS or count > _MOST_FILES:
        raise ValueError("a package's header has a tag of another type")
    found: list[bytes] = []
    for _ in range(count):
        end = header.find(b"\0", at)
        if end < 0:
            raise ValueError("a package's header is cut off")
        found.append(header[at:end])
        at = end + 1
    return found


def _numbers(tags: dict[int, tuple[int, int, int]], header: bytes, tag: int) -> tuple[int, ...]:
    kind, at, count = tags.get(tag, (_INT32, 0, 0))
    if kind != _INT32 or count > _MOST_FILES or at + 4 * count > len(header):
        raise ValueError("a package's header has a tag of another type")
    return struct.unpack_from(f">{count}I", header, at)
