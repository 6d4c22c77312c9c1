"""Compressed streams inside files of other formats: the literals of Erlang's and Elixir's modules, the objects of a
PDF, the tables of what `pg_dump --format=custom` wrote, the blocks of SquashFS, long fields of systemd's journal, the
modules of a program that PyInstaller made.

A stream is found by how it begins and by a stretch of it that unpacks, not by the format's own tables, which may be
anywhere and wrong. Where it lies is its name.

Formats: RFC 1950, 2.2; the chunks LitT and Dbgi in Erlang's lib/compiler/src/beam_asm.erl; ISO 32000-1, 7.3.8 and
7.4.4; PostgreSQL's src/bin/pg_dump/pg_backup_custom.c and compress_io.h; Linux's Documentation/filesystems/squashfs.rst
and fs/squashfs/squashfs_fs.h; systemd's docs/JOURNAL_FILE_FORMAT.md; PyInstaller's doc/advanced-topics.rst.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from imgscan.detect.secrets.unpack.inflate import Inflated
from imgscan.detect.secrets.unpack.members import Member, Opening, Walk
from imgscan.detect.secrets.unpack.source import CHUNK_BYTES, Source
from imgscan.frozen import frozen
from imgscan.layers.codec import FrameDecoder, new_xz, new_zlib, new_zstd

BEAM_MARK, PDF_MARK, DUMP_MARK, JOURNAL_MARK = b"FOR1", b"%PDF-", b"PGDMP", b"LPKSHHRH"
SQUASHFS_MARK: Final = b"hsqs"
FROZEN_MARK: Final = b"_MEIPASS"
"""A variable of the loader that PyInstaller puts before what it packs."""
_BEAM_KIND: Final = b"BEAM"
_LENGTH_BYTES: Final = 5
_MOST_PIECE_BYTES: Final = 1 << 20
"""A piece is what a buffer holds: 4 KiB, or 128 KiB since PostgreSQL 17."""
_LOOK_BYTES: Final = 64 << 10
_PROOF_BYTES: Final = 4 << 10
_LEAST_PROOF_BYTES: Final = 64
_MOST_FALSE: Final = 100_000
"""Of random bytes it takes 1.6 GB to hold so many beginnings of a stream."""


@frozen(kw_only=False)
class Kind:
    """A format of streams: what one begins with, and its decoder. What two bytes say has to unpack to be believed."""

    begins: bytes
    decoder: Callable[[], FrameDecoder]
    is_vague: bool = False


ZLIB: Final = Kind(rb"x[\x01\x5e\x9c\xda]", new_zlib, is_vague=True)
XZ: Final = Kind(rb"\xfd7zXZ\x00", new_xz)
ZSTD: Final = Kind(rb"\x28\xb5\x2f\xfd", new_zstd)
SQUASHFS_KINDS: Final = {1: ZLIB, 4: XZ, 6: ZSTD}
"""Of the numbers that a file system's superblock has for how it is compressed, those that can be read."""
# Of a dump: the length of a stream's first piece, as a sign and four bytes, and how the stream begins.
_PIECE: Final = rb"\0(?s:..)[\0-\x02]\0(?=%b)" % ZLIB.begins


def is_beam(head: bytes) -> bool:
    """Whether a file begins as a module of Erlang's does."""
    return head[:4] == BEAM_MARK and head[8:12] == _BEAM_KIND


def squashfs_kind(head: bytes) -> Kind | None:
    """How a file system is compressed; None for what cannot be read."""
    return SQUASHFS_KINDS.get(int.from_bytes(head[20:22], "little"))


def is_zlib(head: bytes) -> bool:
    """Whether a file begins as a stream of zlib's does, and unpacks."""
    return re.match(ZLIB.begins, head) is not None and _unpacks(ZLIB, head[:_PROOF_BYTES])


def walk_streams(*kinds: Kind) -> Walk:
    """How to open a file that holds streams of these kinds."""

    def walk(source: Source, opening: Opening) -> Iterator[Member]:
        finder = _Finder(source, kinds, b"".join((b"(?=", b"|".join(kind.begins for kind in kinds), b")")))
        while not opening.budget.spent and (kind := finder.find()) is not None:
            yield from _unpacked(source, kind, source.position, opening)
        finder.tell(opening)

    return walk


def walk_dump(source: Source, opening: Opening) -> Iterator[Member]:
    """The tables of a dump: streams of zlib that are written in pieces, each behind its length."""
    finder = _Finder(source, (ZLIB,), _PIECE)
    while not opening.budget.spent and (kind := finder.find()) is not None:
        at = source.position + _LENGTH_BYTES
        pieces = _Pieces(source)
        yield from _unpacked(Source(pieces.read), kind, at, opening)
        pieces.skip()
    finder.tell(opening)


class _Finder:
    """Looks for streams, each behind the header (of a length, or of none) that `header` is a pattern for."""

    def __init__(self, source: Source, kinds: Sequence[Kind], header: bytes) -> None:
        self._source = source
        self._header = re.compile(header)
        self._kinds = [(re.compile(kind.begins), kind) for kind in kinds]
        self._left = _MOST_FALSE

    def find(self) -> Kind | None:
        """Move on to the header of the next one; None at the end, and where too much looks like one and is none."""
        while self._left and (ahead := self._source.peek(_LOOK_BYTES)):
            usable = len(ahead) if len(ahead) < _LOOK_BYTES else len(ahead) - _PROOF_BYTES
            for found in self._header.finditer(ahead):
                start = found.end()
                if start >= usable or not self._left:
                    usable = min(usable, found.start())
                    break
                kind = next(kind for begins, kind in self._kinds if begins.match(ahead, start))
                if not kind.is_vague or _unpacks(kind, ahead[start : start + _length_of(found[0])]):
                    self._source.take(found.start())
                    return kind
                self._left -= 1
            self._source.take(usable)
        return None

    def tell(self, opening: Opening) -> None:
        """Say so where not all of it was looked at."""
        if not self._left:
            opening.trouble(f"more than {_MOST_FALSE} places look like compressed data and are none; no more is opened")


def _length_of(header: bytes) -> int:
    """How much of a stream is at hand: of one in pieces, no more than the first."""
    return min(int.from_bytes(header[1:], "little") if header else _PROOF_BYTES, _PROOF_BYTES)


def _unpacks(kind: Kind, data: bytes) -> bool:
    """Whether the beginning of a stream, or all of a short one, is sound; what is none is damaged after a few bytes."""
    decoder = kind.decoder()
    try:
        found = decoder.decompress(data, _PROOF_BYTES)
    except Exception:  # zlib.error, or what stands in for it
        return False
    return bool(found) and (decoder.eof or len(data) >= _LEAST_PROOF_BYTES)


def _unpacked(source: Source, kind: Kind, at: int, opening: Opening) -> Iterator[Member]:
    if not opening.budget.enter():
        return
    content = Inflated(source, kind.decoder, budget=opening.budget, trouble=opening.trouble)
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
