"""Bytes that come once and forwards, with a look ahead: `read(n)` in, exact pieces out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

CHUNK_BYTES: Final = 1 << 18

Read = Callable[[int], bytes]
"""Gives up to so many bytes, b"" at the end."""


class Source:
    """A position in a stream. `position` counts from where the stream began."""

    __slots__ = ("_at", "_buffer", "_read", "position")

    def __init__(self, read: Read) -> None:
        self._read = read
        self._buffer = b""
        self._at = 0
        self.position = 0

    def peek(self, size: int) -> bytes:
        """The next `size` bytes without moving, fewer only at the end."""
        missing = size - (len(self._buffer) - self._at)
        if missing > 0:
            parts = [self._buffer[self._at :]]
            while missing > 0 and (data := self._read(max(missing, CHUNK_BYTES))):
                parts.append(data)
                missing -= len(data)
            self._buffer, self._at = b"".join(parts), 0
        return self._buffer[self._at : self._at + size]

    def take(self, size: int) -> bytes:
        """The next `size` bytes, fewer only at the end."""
        data = self.peek(size)
        self._at += len(data)
        self.position += len(data)
        return data

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes of what is at hand, b"" only at the end."""
        if self._at >= len(self._buffer):
            self._buffer, self._at = self._read(CHUNK_BYTES), 0
        data = self._buffer[self._at : self._at + size]
        self._at += len(data)
        self.position += len(data)
        return data

    def unread(self, data: bytes, *, archive_ended: bool = True) -> None:
        """Take back bytes that were read last; see `tarwindow.ByteStream`."""
        if self._at >= len(data):
            # They are still here: what `read` gives is never more than is at hand.
            self._at -= len(data)
        else:
            self._buffer, self._at = data + self._buffer[self._at :], 0
        self.position -= len(data)

    def skip(self, size: int) -> bool:
        """Move on by `size` bytes; False if the stream ends before."""
        while size > 0:
            data = self.read(min(size, CHUNK_BYTES))
            if not data:
                return False
            size -= len(data)
        return True

    def skip_zeros(self) -> None:
        """Move on to the next byte that is not zero, or to the end."""
        while data := self.read(CHUNK_BYTES):
            rest = data.lstrip(b"\0")
            if rest:
                self.unread(rest)
                return

    def find(self, mark: bytes) -> bool:
        """Move on to where `mark` comes next; False, and all is read, if it does not."""
        while data := self.peek(CHUNK_BYTES):
            at = data.find(mark)
            if at >= 0:
                self.take(at)
                return True
            if len(data) < CHUNK_BYTES:
                self.take(len(data))
                return False
            self.take(len(data) - len(mark) + 1)
        return False


class Bounded:
    """The next `size` bytes of a source; `cut` says whether the source ended before."""

    __slots__ = ("_left", "_source", "cut")

    def __init__(self, source: Source, size: int) -> None:
        self._source = source
        self._left = size
        self.cut = False

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, b"" at the end."""
        data = self._source.read(min(size, self._left)) if self._left > 0 else b""
        self._left -= len(data)
        if not data and self._left > 0:
            self.cut, self._left = True, 0
        return data


class Behind:
    """Bytes already read, then the rest of where they came from."""

    __slots__ = ("_head", "_read")

    def __init__(self, head: bytes, read: Read) -> None:
        self._head = head
        self._read = read

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, b"" at the end."""
        if not self._head:
            return self._read(size)
        data, self._head = self._head[:size], self._head[size:]
        return data


class Onwards:
    """What can be read anywhere, read from an offset on."""

    __slots__ = ("_offset", "_read_at")

    def __init__(self, read_at: Callable[[int, int], bytes], offset: int) -> None:
        self._read_at = read_at
        self._offset = offset

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, b"" at the end."""
        data = self._read_at(self._offset, size)
        self._offset += len(data)
        return data


def fill(read: Read, size: int) -> tuple[bytes, bool]:
    """`size` bytes, and whether there were fewer."""
    parts: list[bytes] = []
    while size > 0:
        data = read(size)
        if not data:
            return b"".join(parts), True
        parts.append(data)
        size -= len(data)
    return (parts[0] if len(parts) == 1 else b"".join(parts)), False
