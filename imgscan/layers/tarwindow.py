"""The moving window over a tar stream: blocks, bodies and the current entry's content, with as few reads as may be.

Small entries are served from a read-ahead buffer; large unread content is skipped by the stream's own `skip` or `seek`
where it has one. Nothing here knows what a header means.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import msgspec

from imgscan.layers.sparse import SparseMap
from imgscan.layers.tarheader import BLOCK_BYTES, MAX_META_BYTES, TarFormatError

CHUNK_BYTES: Final = 1 << 18
_SEEKING_CHUNK_BYTES: Final = 1 << 15
"""Read ahead where skipping costs nothing: little enough not to read most of what is then skipped."""
HOLE_BYTES_PER_ARCHIVE: Final = 256 << 20
HOLE_RATIO: Final = 200
"""So many zero bytes of sparse files' holes are handed out in one archive, and so many for each byte of it that lies
before them; of what is more each hole keeps `_HOLE_REST_BYTES`, so that nothing meets across it. A header of 512 bytes
can declare a hole of any size, and an image can have as many layers as it has kilobytes."""
_HOLE_REST_BYTES: Final = 64

_ZEROS: Final = bytes(1 << 16)


class ContentPlace(msgspec.Struct, frozen=True, gc=False):
    """A file's content where it lies: `size` bytes, which are all of a regular file named `name` below the directory
    `root`, or, without a name, lie at `offset` of the file `root`. `identity` is that file's device and inode."""

    root: Path
    size: int
    name: bytes = b""
    offset: int = 0
    identity: tuple[int, int] | None = None


PassOver = Callable[[int, int], bytes | None]


class ByteStream(Protocol):
    """What an archive is read from. A stream may also offer `skip(n) -> int` (bytes skipped, fewer at the end)
    with `seeks`, whether it need not read them, and `skips_exactly`, whether the number is to be trusted at the end of
    the stream; `pass_over(n, ahead)`, the bytes that follow `n` others, up to `ahead`, or None, and nothing done, where
    it has no quicker way than to skip and to read; `seek` with `seekable`; `place_at(offset, size)`, where content lies
    that is at an offset of the stream, if it lies somewhere as it is (any content, if it `places_any`, else the content
    that comes next, for streams that give no byte of it before it is asked for); `unread(data, archive_ended=bool)` to
    take back what was read ahead; and `failure`, why it ended early."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, b"" only at the end."""
        ...


class Window:
    """A position in a tar stream and the entry that lies there. `serial` grows with every entry, so that a handle on an
    earlier one can see that it is stale; `owners` are the names of the latest entry's, as its reader noted them."""

    __slots__ = (
        "_at",
        "_buffer",
        "_chunk",
        "_fetched",
        "_holes_given",
        "_left",
        "_pad",
        "_pass_over",
        "_place",
        "_places_any",
        "_problem",
        "_read",
        "_skip",
        "_skip_spare",
        "_sparse",
        "_stream",
        "owners",
        "serial",
    )

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._read = stream.read
        self._skip, seeks = _skipper(stream)
        # Seeking never fails past the end, reading does: the last byte is read to notice a stream that is cut off.
        self._skip_spare = 0 if getattr(stream, "skips_exactly", False) else 1
        self._pass_over: PassOver | None = getattr(stream, "pass_over", None)
        self._place: Callable[[int, int], ContentPlace | None] | None = getattr(stream, "place_at", None)
        self._places_any = bool(getattr(stream, "places_any", False))
        self._chunk = _SEEKING_CHUNK_BYTES if seeks else CHUNK_BYTES
        self._buffer = b""
        self._at = 0
        self._fetched = 0
        self._left = 0
        self._pad = 0
        self._sparse: _SparseContent | None = None
        self._holes_given = 0
        self._problem: str | None = None
        self.serial = 0
        self.owners = b""

    def offset(self) -> int:
        """How many bytes of the stream lie before the position."""
        return self._fetched - len(self._buffer) + self._at

    def place(self) -> ContentPlace | None:
        """Where the content of the current entry lies, as long as nothing of it was read."""
        if self._place is None or self._sparse is not None or (self._at < len(self._buffer) and not self._places_any):
            return None
        return self._place(self._fetched - len(self._buffer) + self._at, self._left)

    def block(self) -> bytes:
        """The next 512 bytes; fewer only at the end of the stream."""
        start = self._at
        end = start + BLOCK_BYTES
        buffer = self._buffer
        if end <= len(buffer):
            self._at = end
            return buffer[start:end]
        if start == len(buffer):
            # Where contents lie by themselves, each read gives a header.
            buffer = self._buffer = self._read(self._chunk)
            length = len(buffer)
            self._fetched += length
            if length >= BLOCK_BYTES or not length:
                self._at = min(BLOCK_BYTES, length)
                return buffer[:BLOCK_BYTES]
            self._at = 0
        return self._take(BLOCK_BYTES)

    def body(self, size: int) -> bytes:
        """The body of a meta header and, unseen, its padding. Raises TarFormatError if too large or cut off."""
        if not 0 <= size <= MAX_META_BYTES:
            raise TarFormatError("an extension header has an impossible length")
        data = self._take(size)
        if len(data) < size:
            raise TarFormatError("the archive ends inside an extension header")
        self._take(-size % BLOCK_BYTES)
        return data

    def start_entry(self, size: int) -> None:
        """The content that follows is `size` stored bytes long. Raises TarFormatError on a negative size."""
        if size < 0:
            raise TarFormatError("an entry has a negative size")
        self.serial += 1
        self._left = size
        self._pad = -size % BLOCK_BYTES
        self._sparse = None

    def start_sparse(self, data: SparseMap, size: int) -> None:
        """The content just started holds only the pieces in `data` of a file of `size` bytes.

        Raises TarFormatError when the pieces are not exactly what is stored.
        """
        if sum(length for _, length in data) != self._left:
            raise TarFormatError("a sparse map does not match the data")
        self._sparse = _SparseContent(data, size, starts_at=self.offset())

    def content_block(self) -> bytes:
        """512 bytes of the current content, fewer at its end."""
        data = self._take(min(BLOCK_BYTES, self._left))
        self._left -= len(data)
        return data

    def read_content(self, size: int) -> bytes:
        """Up to `size` bytes of the current entry's content, holes as zeros; b"" at its end."""
        if self._sparse is not None:
            return self._read_sparse(self._sparse, size)
        return self._read_stored(size)

    def finish_entry(self) -> None:
        """Move past the current entry. Raises TarFormatError if the stream ends before its content does."""
        if self._problem is not None:
            raise TarFormatError(self._problem)
        left, self._left = self._left, 0
        end = self._at + left + self._pad
        if end <= len(self._buffer):
            self._at = end
            return
        if left and self._pass_over is not None and self._at == len(self._buffer):
            data = self._pass_over(left, self._chunk)
            if data is not None:
                self._fetched += left + len(data)
                self._buffer, self._at = data, 0
                left = 0
                if self._pad <= len(data):
                    self._at = self._pad
                    return
        if left and self._skip_bytes(left) < left:
            raise TarFormatError("the archive ends inside a file")
        if self._pad:
            self._take(self._pad)

    def give_back(self, *, archive_ended: bool) -> None:
        """Return what was read ahead to the stream, if it takes it, and say whether the archive was read to its end."""
        self.serial += 1
        unread = getattr(self._stream, "unread", None)
        if unread is not None:
            unread(self._buffer[self._at :], archive_ended=archive_ended)
        self._buffer, self._at = b"", 0

    def _take(self, size: int) -> bytes:
        if self._at + size <= len(self._buffer):
            data = self._buffer[self._at : self._at + size]
            self._at += size
            return data
        pieces = [self._buffer[self._at :]]
        missing = size - len(pieces[0])
        self._buffer, self._at = b"", 0
        while missing > 0 and (data := self._read(self._chunk)):
            self._fetched += len(data)
            pieces.append(data[:missing])
            self._buffer, self._at = data, min(missing, len(data))
            missing -= len(pieces[-1])
        return b"".join(pieces)

    def _read_stored(self, size: int) -> bytes:
        size = min(size, self._left)
        if size <= 0:
            return b""
        if self._at >= len(self._buffer):
            self._at = 0
            # A read-ahead would copy large content twice; it only pays where the next header lies within the chunk.
            ahead = size if size >= self._chunk else self._chunk
            self._buffer = self._read(ahead)
            self._fetched += len(self._buffer)
        data = self._buffer[self._at : self._at + size]
        self._at += len(data)
        self._left -= len(data)
        if not data:
            self._left = 0
            self._problem = "the archive ends inside a file"
        return data

    def _read_sparse(self, content: _SparseContent, size: int) -> bytes:
        while size > 0:
            stored, length = content.span()
            if not length:
                return b""
            if stored:
                data = self._read_stored(min(size, length))
                content.position = content.position + len(data) if data else content.size
                return data
            end = content.position + length
            if content.hole_end != end:
                room = min(HOLE_BYTES_PER_ARCHIVE, HOLE_RATIO * content.starts_at) - self._holes_given
                kept = min(length, max(room, _HOLE_REST_BYTES))
                self._holes_given += kept
                content.position, content.hole_end = end - kept, end
            given = min(size, end - content.position, len(_ZEROS))
            content.position += given
            return _ZEROS[:given]
        return b""

    def _skip_bytes(self, size: int) -> int:
        missing = size
        if self._at < len(self._buffer):
            buffered = min(size, len(self._buffer) - self._at)
            self._at += buffered
            missing -= buffered
        if missing and self._skip is not None:
            skipped = self._skip(missing - self._skip_spare)
            self._buffer, self._at = b"", 0
            self._fetched += skipped
            missing -= skipped
        while missing > 0 and (data := self._read(self._chunk)):
            self._fetched += len(data)
            self._buffer, self._at = data, min(missing, len(data))
            missing -= self._at
        return size - missing


class _SparseContent:
    """Where in a sparse file the reading is."""

    __slots__ = ("_index", "_map", "hole_end", "position", "size", "starts_at")

    def __init__(self, data: SparseMap, size: int, *, starts_at: int) -> None:
        self._map = [piece for piece in data if piece[1]]
        self._index = 0
        self.position = 0
        self.hole_end = 0
        """Where the hole ends of which only what is handed out is still ahead."""
        self.size = size
        self.starts_at = starts_at

    def span(self) -> tuple[bool, int]:
        """Whether the next bytes are stored, and how many are of that sort; length 0 at the end of the file."""
        while self._index < len(self._map):
            offset, length = self._map[self._index]
            if self.position < offset:
                return False, offset - self.position
            if self.position < offset + length:
                return True, offset + length - self.position
            self._index += 1
        return False, self.size - self.position


def _skipper(stream: ByteStream) -> tuple[Callable[[int], int] | None, bool]:
    """How to move forwards in a stream, if it offers a way, and whether that saves the reading."""
    skip = getattr(stream, "skip", None)
    if skip is not None:
        return skip, bool(getattr(stream, "seeks", False))
    if not can_seek(stream):
        return None, False
    return lambda count: seek_forward(stream, count), True


def can_seek(stream: ByteStream) -> bool:
    """Whether a stream offers `seek` and says that it works."""
    seekable = getattr(stream, "seekable", None)
    return seekable is not None and bool(seekable())


def seek_forward(stream: ByteStream, count: int) -> int:
    """Move a stream that can seek `count` bytes on and say how many these were: 0 if it cannot go so far, as no file
    system lets a position be what a header of 512 bytes may claim for a size."""
    try:
        stream.seek(count, 1)  # type: ignore[attr-defined]
    except (OSError, OverflowError):
        return 0
    return count
