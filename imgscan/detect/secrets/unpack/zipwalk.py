"""The members of a zip archive, by their local headers, in one pass forwards.

The central directory at the end, which other readers go by, is not needed: what it leaves out is found too. Format:
PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 to 4.5.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Final

from imgscan.detect.secrets.unpack.inflate import Inflated
from imgscan.detect.secrets.unpack.members import Member, Opening
from imgscan.detect.secrets.unpack.source import CHUNK_BYTES, Bounded, Read, Source
from imgscan.frozen import frozen
from imgscan.layers.codec import FrameDecoder, new_bzip2, new_deflate, new_lzma, new_xz, new_zstd

MARK: Final = b"PK\3\4"
_HEADER: Final = struct.Struct("<4s5H3I2H")
_ENCRYPTED, _SIZES_BEHIND = 1, 8
_STORED, _LZMA = 0, 14
_METHODS: Final[dict[int, Callable[[], FrameDecoder]]] = {
    8: new_deflate,
    12: new_bzip2,
    _LZMA: new_lzma,
    20: new_zstd,
    93: new_zstd,
    95: new_xz,
}
_KNOWN_METHODS: Final = frozenset((*range(13), _LZMA, 16, 18, 19, 20, *range(92, 100)))
_LATEST_VERSION: Final = 63
_IN_EXTRA: Final = 0xFFFFFFFF
_ZIP64: Final = 0x0001
_LZMA_HEADER_BYTES: Final = 9
_DESCRIPTOR_MARK: Final = b"PK\7\x08"
_DESCRIPTOR_BYTES: Final = 24


@frozen
class _Header:
    """A local header. `packed` and `size` are None where only what stands behind the content says them."""

    name: bytes
    method: int
    encrypted: bool
    bytes: int
    packed: int | None
    size: int | None


def walk_zip(source: Source, opening: Opening) -> Iterator[Member]:
    """Every member from where the source stands to its end: there may be another archive behind the first one, and
    readers that begin at the end know only that."""
    found = False
    while not opening.budget.spent and source.find(MARK):
        header = _parse(source)
        if header is None:
            source.take(len(MARK))
            continue
        found = True
        source.take(header.bytes)
        yield from _members(header, source, opening)
    if not found:
        opening.trouble("it begins like a zip archive, but has no member that can be read")


def looks_like_zip(head: bytes) -> bool:
    """Whether bytes begin with a local header that makes sense."""
    return head[:4] == MARK and _parse(Source(_once(head))) is not None


def _once(data: bytes) -> Read:
    pieces = [data]
    return lambda _: pieces.pop() if pieces else b""


def _parse(source: Source) -> _Header | None:
    """The local header at the source's position, None for bytes that only begin like one."""
    fixed = source.peek(_HEADER.size)
    if len(fixed) < _HEADER.size:
        return None
    _, version, flags, method, _, _, _, packed, size, name_bytes, extra_bytes = _HEADER.unpack(fixed)
    whole = source.peek(_HEADER.size + name_bytes + extra_bytes)
    name = whole[_HEADER.size : _HEADER.size + name_bytes]
    if version & 0xFF > _LATEST_VERSION or method not in _KNOWN_METHODS or not name or name[0] < 0x20 or b"\0" in name:
        return None
    if _IN_EXTRA in (packed, size):
        packed, size = _long_sizes(whole[_HEADER.size + name_bytes :], packed, size)
    behind = bool(flags & _SIZES_BEHIND)
    return _Header(
        name=name,
        method=method,
        encrypted=bool(flags & _ENCRYPTED),
        bytes=len(whole),
        packed=None if behind and not packed else packed,
        size=None if behind and not size else size,
    )


def _long_sizes(extra: bytes, packed: int, size: int) -> tuple[int, int]:
    """The sizes that a zip64 field replaces, in its order: the content's, then the packed one."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == _ZIP64:
            field = extra[4 : 4 + length]
            numbers = [int.from_bytes(field[at : at + 8], "little") for at in range(0, len(field) - 7, 8)]
            if size == _IN_EXTRA and numbers:
                size = numbers.pop(0)
            if packed == _IN_EXTRA and numbers:
                packed = numbers.pop(0)
            break
        extra = extra[4 + length :]
    return packed, size


def _members(header: _Header, source: Source, opening: Opening) -> Iterator[Member]:
    """The member of a header, if it can be read; the source stands behind its content afterwards."""
    if header.name[-1:] == b"/" and not header.size and not header.packed:
        return
    content: Inflated | Bounded | _UntilDescriptor
    stored_at = None
    if header.encrypted or (header.method != _STORED and header.method not in _METHODS):
        if header.encrypted:
            opening.trouble("members of a zip archive are encrypted")
        else:
            opening.trouble(
                f"members of a zip archive are compressed by method {header.method}, which is not supported"
            )
        return
    if not opening.budget.enter():
        return
    if header.method != _STORED:
        # Where it ends is what the content says, as it does for whoever unpacks it, not what the header says.
        content = _inflated(header, source, opening)
    elif header.packed is not None:
        stored_at = source.position
        content = Bounded(source, header.packed)
    else:
        stored_at = source.position
        content = _UntilDescriptor(source)
    yield Member(name=header.name, read=content.read, size_bytes=header.size, stored_at=stored_at)
    while content.read(CHUNK_BYTES):
        pass
    if not isinstance(content, Inflated) and content.cut:
        opening.trouble("the zip archive ends inside a member")


def _inflated(header: _Header, source: Source, opening: Opening) -> Inflated:
    ahead = b""
    if header.method == _LZMA:
        # Version, length of the properties, properties (section 5.8): the older format has these and the size in front.
        size = (1 << 64) - 1 if header.size is None else header.size
        ahead = source.take(_LZMA_HEADER_BYTES)[4:] + size.to_bytes(8, "little")
    return Inflated(source, _METHODS[header.method], budget=opening.budget, trouble=opening.trouble, ahead=ahead)


class _UntilDescriptor:
    """Stored content of unknown size: it ends where a data descriptor says that it has been as long as it was."""

    __slots__ = ("_count", "_ended", "_source", "cut")

    def __init__(self, source: Source) -> None:
        self._source = source
        self._count = 0
        self._ended = False
        self.cut = False

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, b"" at the end."""
        if self._ended:
            return b""
        data = self._source.peek(max(min(size, CHUNK_BYTES), _DESCRIPTOR_BYTES) + _DESCRIPTOR_BYTES)
        at = data.find(_DESCRIPTOR_MARK)
        while 0 <= at <= len(data) - 12 and not self._is_end(data, at):
            at = data.find(_DESCRIPTOR_MARK, at + 1)
        if 0 <= at <= len(data) - 12:
            self._ended = True
            return self._take(at, size)
        if len(data) <= _DESCRIPTOR_BYTES:
            self._ended = self.cut = True
            return self._take(len(data), size)
        return self._take(len(data) - _DESCRIPTOR_BYTES, size)

    def _is_end(self, data: bytes, at: int) -> bool:
        long = data[at + 8 : at + 16]
        length = self._count + at
        return length & 0xFFFFFFFF == int.from_bytes(long[:4], "little") and (
            int.from_bytes(data[at + 12 : at + 16], "little") == length & 0xFFFFFFFF
            or int.from_bytes(long, "little") == length
        )

    def _take(self, count: int, size: int) -> bytes:
        if count > size:
            self._ended = self.cut = False
        data = self._source.take(min(count, size))
        self._count += len(data)
        return data
