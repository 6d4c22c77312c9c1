"""git's objects: loose ones and packs of many. A repository that is copied into an image brings all that was ever
committed to it, whether a file still has it or not.

Formats: git's Documentation/gitformat-pack.adoc and gitrepository-layout.adoc, and for loose objects the manual's
chapter "Git Internals - Git Objects".
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import field
from typing import Final

from imgscan.detect.secrets.unpack.inflate import Inflated
from imgscan.detect.secrets.unpack.members import Member, Opening
from imgscan.detect.secrets.unpack.source import CHUNK_BYTES, Behind, Source, fill
from imgscan.frozen import frozen
from imgscan.layers.codec import new_zlib
from imgscan.lazyre import lazy_re

PACK_MARK: Final = b"PACK\0\0\0"
_LOOSE: Final = lazy_re(rb"(?:blob|tree|commit|tag) [0-9]{1,19}\0")
_LOOSE_HEADER_BYTES: Final = 32
_ZLIB: Final = frozenset((b"x\x01", b"x\x5e", b"x\x9c", b"x\xda"))
_OFFSET_DELTA, _NAME_DELTA = 6, 7
_KINDS: Final = frozenset((1, 2, 3, 4, _OFFSET_DELTA, _NAME_DELTA))
_NAME_BYTES: Final = (20, 32)
"""Of a SHA-1 and of a SHA-256 repository; a pack does not say which it is of."""
_NUMBER_BYTES: Final = 10
_MOST_KEPT_BYTES: Final = 1 << 20
_MOST_BASES_BYTES: Final = 16 << 20
_AROUND_BYTES: Final = 256
"""Of what is kept on either side of what is added: a new token may begin, or end, as the old one did."""


def is_loose(head: bytes) -> bool:
    """Whether a file begins as a loose object does."""
    if head[:2] not in _ZLIB:
        return False
    try:
        return _LOOSE.match(zlib.decompressobj().decompress(head[:512], _LOOSE_HEADER_BYTES)) is not None
    except zlib.error:
        return False


def walk_loose(source: Source, opening: Opening) -> Iterator[Member]:
    """The content of a loose object."""
    content = Inflated(source, new_zlib, budget=opening.budget, trouble=opening.trouble)
    head = b""
    while len(head) < _LOOSE_HEADER_BYTES and (data := content.read(CHUNK_BYTES)):
        head += data
    header = _LOOSE.match(head)
    yield Member(name=b"object", read=Behind(head[header.end() if header else 0 :], content.read).read)
    while content.read(CHUNK_BYTES):
        pass


def walk_pack(source: Source, opening: Opening) -> Iterator[Member]:
    """The objects of a pack; of one that is stored as a difference, what it adds, with a little of what it keeps on
    either side."""
    count = int.from_bytes(source.take(12)[8:], "big")
    bases = _Bases()
    for _ in range(count):
        start = source.position
        if opening.budget.spent or not opening.budget.enter():
            return
        kind = _object_kind(source)
        base = start - _base_distance(source, kind)
        if kind not in _KINDS or not _starts_zlib(source.peek(2)):
            opening.trouble("the git pack is damaged, what follows in it was not read")
            return
        content = Inflated(source, new_zlib, budget=opening.budget, trouble=opening.trouble)
        head, whole = fill(content.read, _MOST_KEPT_BYTES + 1)
        read = Behind(head, content.read).read
        if kind in (_OFFSET_DELTA, _NAME_DELTA):
            found = apply_delta(bases.get(base), head) if whole else None
            read = _Added(Source(read)).read if found is None else Behind(found.added, _nothing).read
            bases.put(start, found.target if found is not None else None)
        else:
            bases.put(start, head if whole else None)
        yield Member(name=b"object at %d" % start, read=read)
        while content.read(CHUNK_BYTES):
            pass


def _nothing(_: int) -> bytes:
    return b""


class _Bases:
    """The objects that were read last, by where they begin: a difference is mostly one to a neighbour."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._bytes = 0

    def get(self, at: int) -> bytes | None:
        """The object that begins there, if it is still kept."""
        if at in self._kept:
            self._kept.move_to_end(at)
        return self._kept.get(at)

    def put(self, at: int, data: bytes | None) -> None:
        """Keep an object, and not those that were not asked for for longest."""
        if data is not None:
            self._kept[at] = data
            self._bytes += len(data)
        while self._bytes > _MOST_BASES_BYTES:
            self._bytes -= len(self._kept.popitem(last=False)[1])


@frozen
class Applied:
    """An object made of another one and a difference: `target` is it, `added` the texts that only it has, with what
    is around them."""

    target: bytes = field(repr=False)
    added: bytes = field(repr=False)


def apply_delta(base: bytes | None, delta: bytes) -> Applied | None:
    """Apply a difference; None if it, or the base, is not what it should be or is too large."""
    if base is None:
        return None
    base_size, at = _size_at(delta, 0)
    target_size, at = _size_at(delta, at)
    if base_size != len(base) or target_size > _MOST_KEPT_BYTES:
        return None
    target = bytearray()
    stretches: list[tuple[int, int]] = []
    while at < len(delta):
        number = delta[at]
        at += 1
        if number & 0x80:
            offset, size, at = _copy_at(delta, at, number)
            if offset + size > len(base) or len(target) + size > target_size:
                return None
            target += base[offset : offset + size]
        else:
            low, high = max(len(target) - _AROUND_BYTES, 0), len(target) + number + _AROUND_BYTES
            target += delta[at : at + number]
            at += number
            if stretches and low <= stretches[-1][1]:
                low = stretches.pop()[0]
            stretches.append((low, high))
    if len(target) != target_size:
        return None
    added = b"\n\0\n".join(target[low:high] for low, high in stretches)
    return Applied(target=bytes(target), added=added)


def _copy_at(delta: bytes, at: int, command: int) -> tuple[int, int, int]:
    """Offset and size of a copy, and where the next command is: only bytes that are not zero are written."""
    values = []
    for first, count in ((0, 4), (4, 3)):
        value = 0
        for number in range(count):
            if command & 1 << first + number:
                value |= (delta[at] if at < len(delta) else 0) << 8 * number
                at += 1
        values.append(value)
    offset, size = values
    return offset, size or 0x10000, at


def _size_at(delta: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(delta) and shift < 64:
        byte = delta[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            break
    return value, at


def _object_kind(source: Source) -> int:
    """The kind of the object that begins here; its size is passed over."""
    first = source.take(1)
    kind = first[0] >> 4 & 7 if first else 0
    if first and first[0] & 0x80:
        _skip_number(source)
    return kind


def _base_distance(source: Source, kind: int) -> int:
    """How far back the base of a difference begins, 0 if that is not said; the source then stands at the content."""
    distance = 0
    if kind == _OFFSET_DELTA:
        for number in range(_NUMBER_BYTES):
            data = source.take(1)
            if not data:
                break
            distance = (distance + (number > 0)) << 7 | data[0] & 0x7F
            if not data[0] & 0x80:
                break
    elif kind == _NAME_DELTA:
        ahead = source.peek(max(_NAME_BYTES) + 2)
        source.take(next((size for size in _NAME_BYTES if _starts_zlib(ahead[size : size + 2])), 0))
    return distance


def _starts_zlib(head: bytes) -> bool:
    return len(head) == 2 and head[0] & 0x0F == 8 and int.from_bytes(head, "big") % 31 == 0


def _skip_number(source: Source) -> None:
    for _ in range(_NUMBER_BYTES):
        data = source.take(1)
        if not data or not data[0] & 0x80:
            return


class _Added:
    """What a difference to an object that is not at hand adds, a newline for whatever it copies."""

    __slots__ = ("_copied", "_left", "_source", "_started")

    def __init__(self, source: Source) -> None:
        self._source = source
        self._left = b""
        self._copied = True
        self._started = False

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, b"" at the end."""
        if not self._started:
            self._started = True
            _skip_number(self._source)
            _skip_number(self._source)
        parts = [self._left]
        have = len(self._left)
        while have < size and (data := self._next()):
            parts.append(data)
            have += len(data)
        data = b"".join(parts)
        self._left = data[size:]
        return data[:size]

    def _next(self) -> bytes:
        while command := self._source.take(1):
            number = command[0]
            if not number & 0x80:
                self._copied = False
                return self._source.take(number)
            self._source.take((number & 0x7F).bit_count())
            if not self._copied:
                self._copied = True
                return b"\n"
        return b""
