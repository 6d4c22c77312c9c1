"""A document of any size as overlapping windows of bounded size.

A window knows where it lies in the document (offset and lines before it) and which part of it is its own: what starts
outside of that part belongs to a neighbour, which sees it whole.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Final

from imgscan.frozen import frozen

WINDOW_BYTES: Final = 1024 * 1024
_LEFT_CONTEXT: Final = 256
_SAMPLES: Final = 64
_SAMPLE_STEP: Final = 1024
_SAMPLE_BYTES: Final = 256
_SHORTEST_SAMPLE: Final = 8
_INDEX_BYTES: Final = 4096

ReadAt = Callable[[int, int], bytes]
"""Gives bytes of a document: from an offset, so many."""


@frozen
class Window:
    """`data[own_start:own_end]` belongs to this window; `offset` is where `data` starts in the document, `lines` the
    number of newlines before it, None where `PlacedDocument.newlines` can say that later."""

    data: bytes
    offset: int
    lines: int | None
    own_start: int
    own_end: int
    first: bool
    last: bool


def read_windows(
    read: Callable[[int], bytes], *, overlap: int, context: int = _LEFT_CONTEXT, size: int = WINDOW_BYTES
) -> Iterator[Window]:
    """The document as windows of at most `size` bytes, each sharing `overlap` bytes (and `context` bytes to the left of
    its own part) with the one before.

    `read(n)` gives up to n bytes and b"" at the end. Every byte is in the own part of exactly one window.
    """
    carried, offset, lines, own_start = b"", 0, 0, 0
    while True:
        data, ended = _fill(read, carried, size)
        own_end = len(data) if ended else len(data) - overlap
        yield Window(
            data=data, offset=offset, lines=lines, own_start=own_start, own_end=own_end, first=offset == 0, last=ended
        )
        if ended:
            return
        keep_from = max(own_end - context, 0)
        lines += data.count(b"\n", 0, keep_from)
        carried, offset, own_start = data[keep_from:], offset + keep_from, own_end - keep_from


class PlacedDocument:
    """A document of `size` bytes that lies somewhere: `read_at(offset, n)` gives n bytes, fewer only where it ends.

    Nothing of it is copied from one window to the next, and newlines are counted only where somebody asks for a line.
    """

    def __init__(self, read_at: ReadAt, size: int) -> None:
        self._read_at = read_at
        self._size = size
        self._counted_to = self._newlines = 0

    def windows(
        self, head: bytes, *, overlap: int, context: int = _LEFT_CONTEXT, size: int = WINDOW_BYTES
    ) -> Iterator[Window]:
        """The same windows as of a stream; `head` are the first `size` bytes."""
        data, offset, own_start = head, 0, 0
        while True:
            ended = len(data) < size or offset + len(data) >= self._size
            own_end = len(data) if ended else len(data) - overlap
            yield Window(
                data=data,
                offset=offset,
                lines=None,
                own_start=own_start,
                own_end=own_end,
                first=offset == 0,
                last=ended,
            )
            if ended:
                return
            keep_from = max(own_end - context, 0)
            offset, own_start = offset + keep_from, own_end - keep_from
            data = self._read_at(offset, size)

    def newlines(self, offset: int) -> int:
        """How many newlines lie before an offset; counted onwards from the last one asked for."""
        if offset < self._counted_to:
            self._counted_to = self._newlines = 0
        while self._counted_to < offset:
            data = self._read_at(self._counted_to, min(WINDOW_BYTES, offset - self._counted_to))
            if not data:
                break
            self._newlines += data.count(b"\n")
            self._counted_to += len(data)
        return self._newlines


class Windows:
    """The same of a document that is handed over piece by piece."""

    def __init__(self, *, overlap: int, context: int = _LEFT_CONTEXT, size: int = WINDOW_BYTES) -> None:
        self._overlap = overlap
        self._context = context
        self._size = size
        self._parts: list[bytes] = []
        self._have = self._offset = self._lines = self._own_start = 0

    def push(self, data: bytes) -> Iterator[Window]:
        """The next piece, of any length; the windows that are full with it."""
        at = 0
        while self._have + len(data) - at >= self._size:
            missing = self._size - self._have
            self._parts.append(data[at : at + missing])
            at += missing
            yield self._window(ended=False)
        if at < len(data):
            self._parts.append(data[at:])
            self._have += len(data) - at

    def finish(self) -> Window:
        """The last window, with what is left."""
        return self._window(ended=True)

    def _window(self, *, ended: bool) -> Window:
        data = b"".join(self._parts)
        own_end = len(data) if ended else len(data) - self._overlap
        window = Window(
            data=data,
            offset=self._offset,
            lines=self._lines,
            own_start=self._own_start,
            own_end=own_end,
            first=self._offset == 0,
            last=ended,
        )
        keep_from = max(own_end - self._context, 0)
        self._lines += data.count(b"\n", 0, keep_from)
        self._parts, self._have = [data[keep_from:]], len(data) - keep_from
        self._offset, self._own_start = self._offset + keep_from, own_end - keep_from
        return window


def _fill(read: Callable[[int], bytes], carried: bytes, size: int) -> tuple[bytes, bool]:
    """`carried` filled up to `size` bytes, and whether the document ended."""
    parts, have = [carried] if carried else [], len(carried)
    ended = False
    while have < size and not ended:
        part = read(size - have)
        ended = not part
        if part:
            parts.append(part)
            have += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts), ended


def holds_utf16(data: bytes) -> bool:
    """True when some stretch of `data` looks like UTF-16 text: in samples spread over it, every other byte is NUL."""
    if data.find(b"\0") < 0:
        return False
    step = max(len(data) // _SAMPLES, _SAMPLE_STEP)
    return any(_looks_utf16(data[at : at + _SAMPLE_BYTES]) for at in range(0, len(data), step))


def _looks_utf16(sample: bytes) -> bool:
    half = len(sample) // 2
    if half < _SHORTEST_SAMPLE or not half * 8 <= sample.count(0) * 10 <= half * 11:
        return False
    zeros = sample[0::2].count(0), sample[1::2].count(0)
    return min(zeros) * 20 <= half and max(zeros) * 10 >= half * 8


def without_nuls(data: bytes) -> bytes:
    """UTF-16 of either byte order and alignment as the ASCII in it: every NUL dropped, other bytes kept."""
    return data.translate(None, b"\0")


class NulIndex:
    """Where the bytes of `without_nuls(data)` lie in `data`, by counts kept for each 4 KiB."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._kept = [0]
        for at in range(0, len(data), _INDEX_BYTES):
            block = data[at : at + _INDEX_BYTES]
            self._kept.append(self._kept[-1] + len(block) - block.count(0))

    def offset(self, stripped: int) -> int:
        """The offset in `data` of byte `stripped` of the text without NULs (the end of `data` for one beyond it)."""
        if stripped >= self._kept[-1]:
            return len(self._data)
        block = bisect_right(self._kept, stripped) - 1
        start, left = block * _INDEX_BYTES, stripped - self._kept[block]
        low, high = start, min(start + _INDEX_BYTES, len(self._data))
        while low < high:
            middle = (low + high) // 2
            if middle + 1 - start - self._data.count(0, start, middle + 1) > left:
                high = middle
            else:
                low = middle + 1
        return low
