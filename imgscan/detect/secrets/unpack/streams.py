"""Compressed streams inside files of other formats: the literals of Erlang's and Elixir's modules, the objects of a
PDF, the tables of what `pg_dump --format=custom` wrote.

A stream is found by how it begins and by a stretch of it that unpacks, not by the format's own tables, which may be
anywhere and wrong. Where it lies is its name.

Formats: RFC 1950, 2.2; the chunks LitT and Dbgi in Erlang's lib/compiler/src/beam_asm.erl; ISO 32000-1, 7.3.8 and
7.4.4; PostgreSQL's src/bin/pg_dump/pg_backup_custom.c and compress_io.h.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from imgscan.detect.secrets.unpack.inflate import Inflated
from imgscan.detect.secrets.unpack.members import Member, Opening
from imgscan.detect.secrets.unpack.source import CHUNK_BYTES, Source
from imgscan.layers.codec import new_zlib
from imgscan.lazyre import lazy_re

BEAM_MARK, PDF_MARK, DUMP_MARK = b"FOR1", b"%PDF-", b"PGDMP"
_BEAM_KIND: Final = b"BEAM"
_ZLIB: Final = lazy_re(rb"x[\x01\x5e\x9c\xda]")
_PIECE: Final = lazy_re(rb"\0(?s:..)[\0-\x02]\0x[\x01\x5e\x9c\xda]")
"""Of a dump: the length of a stream's first piece, as a sign and four bytes, and how the stream begins."""
_LENGTH_BYTES: Final = 5
_MOST_PIECE_BYTES: Final = 1 << 20
"""A piece is what a buffer holds: 4 KiB, or 128 KiB since PostgreSQL 17."""
_LOOK_BYTES: Final = 64 << 10
_PROOF_BYTES: Final = 4 << 10
_LEAST_PROOF_BYTES: Final = 64
_MOST_FALSE: Final = 100_000
"""Of random bytes it takes 1.6 GB to hold so many beginnings of a stream."""


def is_beam(head: bytes) -> bool:
    """Whether a file begins as a module of Erlang's does."""
    return head[:4] == BEAM_MARK and head[8:12] == _BEAM_KIND


def walk_streams(source: Source, opening: Opening) -> Iterator[Member]:
    """The streams of zlib in a file."""
    finder = _Finder(source, _ZLIB, 0)
    while not opening.budget.spent and finder.find():
        yield from _unpacked(source, source.position, opening)
    finder.tell(opening)


def walk_dump(source: Source, opening: Opening) -> Iterator[Member]:
    """The tables of a dump: streams of zlib that are written in pieces, each behind its length."""
    finder = _Finder(source, _PIECE, _LENGTH_BYTES)
    while not opening.budget.spent and finder.find():
        at = source.position + _LENGTH_BYTES
        pieces = _Pieces(source)
        yield from _unpacked(Source(pieces.read), at, opening)
        pieces.skip()
    finder.tell(opening)


class _Finder:
    """Looks for streams, each behind so many bytes of a header that `pattern` begins with."""

    def __init__(self, source: Source, pattern: re.Pattern[bytes], header_bytes: int) -> None:
        self._source = source
        self._pattern = pattern
        self._header_bytes = header_bytes
        self._left = _MOST_FALSE

    def find(self) -> bool:
        """Move on to the header of the next one; False at the end, and where too much looks like one and is none."""
        while self._left and (ahead := self._source.peek(_LOOK_BYTES)):
            usable = len(ahead) if len(ahead) < _LOOK_BYTES else len(ahead) - _PROOF_BYTES
            for found in self._pattern.finditer(ahead):
                start = found.start() + self._header_bytes
                if start >= usable or not self._left:
                    usable = min(usable, found.start())
                    break
                if _unpacks(ahead[start : start + _length_of(found[0][: self._header_bytes])]):
                    self._source.take(found.start())
                    return True
                self._left -= 1
            self._source.take(usable)
        return False

    def tell(self, opening: Opening) -> None:
        """Say so where not all of it was looked at."""
        if not self._left:
            opening.trouble(f"more than {_MOST_FALSE} places look like compressed data and are none; no more is opened")


def _length_of(header: bytes) -> int:
    """How much of a stream is at hand: of one in pieces, no more than the first."""
    return min(int.from_bytes(header[1:], "little") if header else _PROOF_BYTES, _PROOF_BYTES)


def _unpacks(data: bytes) -> bool:
    """Whether the beginning of a stream, or all of a short one, is sound; what is none is damaged after a few bytes."""
    decoder = new_zlib()
    try:
        found = decoder.decompress(data, _PROOF_BYTES)
    except Exception:  # zlib.error, or what stands in for it
        return False
    return bool(found) and (decoder.eof or len(data) >= _LEAST_PROOF_BYTES)


def _unpacked(source: Source, at: int, opening: Opening) -> Iterator[Member]:
    if not opening.budget.enter():
        return
    content = Inflated(source, new_zlib, budget=opening.budget, trouble=opening.trouble)
    yield Member(name=b"stream at %d" % at, read=content.read)
    while content.read(CHUNK_BYTES):
        pass


class _Pieces:
    """What is written in pieces behind their lengths, up to one of no length, or to what is none."""

    __slots__ = ("_ended", "_left", "_source")

    def __init__(self, source: Source) -> None:
        self._source = source
        self._left = 0
        self._ended = False

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, b"" at the end."""
        while not self._left and not self._ended:
            header = self._source.peek(_LENGTH_BYTES)
            self._left = int.from_bytes(header[1:], "little")
            if len(header) < _LENGTH_BYTES or header[0] or not 0 < self._left <= _MOST_PIECE_BYTES:
                self._left, self._ended = 0, True
                return b""
            self._source.take(_LENGTH_BYTES)
        data = self._source.read(min(size, self._left))
        self._left -= len(data)
        self._ended = not data
        return data

    def skip(self) -> None:
        """Read what is left."""
        while self.read(CHUNK_BYTES):
            pass
