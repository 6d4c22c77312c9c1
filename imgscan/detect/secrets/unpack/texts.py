"""Texts that stand in a binary file with no border between them and what comes next: rows of SQLite, Python bytecode.

A token's own rule says that nothing of a word may follow it. Here a letter that belongs to the next field may. So the
fields are taken apart, and searched line by line as one member, where the beginning of a token stands anywhere near.
What cannot be taken apart was searched as it lies.

Formats: sqlite.org/fileformat2.html, sections 1.3, 1.6 and 2.1; Python's Lib/importlib/_bootstrap_external.py and
Python/marshal.c.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from typing import Final

from imgscan.detect.secrets.unpack.members import Member, Opening
from imgscan.detect.secrets.unpack.source import Source
from imgscan.lazyre import lazy_re

SQLITE_MARK: Final = b"SQLite format 3\0"
_LEAVES: Final = {13: 2, 10: 1}
"""Kinds of pages that hold rows, and how many numbers stand before a record there: of tables and of indexes."""
_SHORTEST: Final = 12
_MOST_CELLS: Final = 16 << 10
_PAGES_AT_ONCE: Final = 64
_MOST_DATABASE_BYTES: Final = 256 << 20

_BYTECODE_STEP: Final = 1 << 20
_BYTECODE_OVERLAP: Final = 64 << 10
_SHORT_TEXT: Final = lazy_re(rb"[zZ\xda\xfa]([\x0c-\xff])(?=[ -~]{12})")
_LONG_TEXT: Final = lazy_re(rb"[aAstu\xc1\xe1\xf3\xf4\xf5](?s:(..\x00\x00))(?=[ -~]{12})")
"""The kind of a text and its length, of one byte or four."""
_CODE_AT: Final = (16, 12, 8)
"""Where the code begins behind the magic number: since Python 3.7, 3.3, and before."""


def is_bytecode(head: bytes) -> bool:
    """Whether a file begins as Python's bytecode does."""
    return head[2:4] == b"\r\n" and any(head[at : at + 1] in (b"c", b"\xe3") for at in _CODE_AT)


def walk_sqlite(source: Source, opening: Opening) -> Iterator[Member]:
    """The texts of a database's rows, one a line."""
    yield Member(name=b"rows", read=_Lines(_database_texts(source, opening.may_hold)).read)


def walk_bytecode(source: Source, opening: Opening) -> Iterator[Member]:
    """The texts of a module's constants, one a line."""
    yield Member(name=b"constants", read=_Lines(_bytecode_texts(source, opening.may_hold)).read)


class _Lines:
    """Pieces of text as a document."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = b""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, b"" at the end."""
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._left = piece
        data, self._left = self._left[:size], self._left[size:]
        return data


def _database_texts(source: Source, may_hold: Callable[[bytes], bool]) -> Iterator[bytes]:
    head = source.peek(100)
    if len(head) < 100:
        return
    (size,) = struct.unpack_from(">H", head, 16)
    size = 65536 if size == 1 else size
    if size < 512 or size & (size - 1):
        return
    at = 100
    while source.position < _MOST_DATABASE_BYTES and (pages := source.take(size * _PAGES_AT_ONCE)):
        if may_hold(pages):
            texts = []
            for start in range(0, len(pages), size):
                texts += _page_texts(pages[start : start + size], at if start == 0 else 0)
            yield b"\n".join(texts) + b"\n"
        at = 0


def _page_texts(page: bytes, at: int) -> list[bytes]:
    """The texts of a page whose header is `at` there; of a page that makes no sense, those before it stopped to."""
    texts: list[bytes] = []
    numbers = _LEAVES.get(page[at]) if at + 8 <= len(page) else None
    if numbers is None:
        return texts
    (count,) = struct.unpack_from(">H", page, at + 3)
    try:
        for cell in struct.unpack_from(f">{min(count, _MOST_CELLS)}H", page, at + 8):
            start = cell
            for _ in range(numbers):
                _, start = _varint(page, start)
            _add_fields(page, start, texts)
    except (IndexError, struct.error):
        pass
    return texts


def _add_fields(page: bytes, start: int, texts: list[bytes]) -> None:
    """The texts and blobs of the record at `start`, as far as they lie in this page."""
    header_size, at = _varint(page, start)
    end = body = start + header_size
    while at < end:
        kind, at = _varint(page, at)
        if kind < 12:
            body += (0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0)[kind]
            continue
        length = (kind - 12) // 2
        if length >= _SHORTEST:
            texts.append(page[body : body + length])
        body += length


def _varint(page: bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where it ends. Raises IndexError at the page's end."""
    value = page[at]
    if value < 0x80:
        return value, at + 1
    value &= 0x7F
    for at in range(at + 1, at + 8):  # noqa: B020 - it goes on from there
        byte = page[at]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + 1
    return value << 8 | page[at + 1], at + 2


def _bytecode_texts(source: Source, may_hold: Callable[[bytes], bool]) -> Iterator[bytes]:
    kept = b""
    while data := source.take(_BYTECODE_STEP):
        data = kept + data
        if may_hold(data):
            texts = [text for pattern in (_SHORT_TEXT, _LONG_TEXT) for text in _constants(data, pattern)]
            yield b"\n".join(texts) + b"\n"
        kept = data[-_BYTECODE_OVERLAP:] if len(data) >= _BYTECODE_STEP else b""


def _constants(data: bytes, pattern: re.Pattern[bytes]) -> Iterator[bytes]:
    """Printable texts that stand behind their length."""
    for found in pattern.finditer(data):
        start = found.end()
        length = int.from_bytes(found[1], "little")
        text = data[start : start + length]
        if len(text) == length and text.isascii():
            yield text
