"""A layer of an engine's graph driver store as the tar stream it was made from: tar-split's records of the headers, and
the files where they lie unpacked. Every byte is the one that the engine would export; nothing is copied or followed.

Format: https://github.com/vbatts/tar-split, tar/storage/entry.go: gzipped JSON, one entry a line, of type 2 (bytes of
the archive: headers and padding) or 1 (a file, whose `size` bytes of content come next).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from imgscan.layers.codec import SNIFF_BYTES, CorruptDataError, sniff
from imgscan.layers.frames import Frames
from imgscan.layers.tarwindow import ContentPlace
from imgscan.source.placed import Directory
from imgscan.source.records import StoreError

_SEGMENT: Final = 2
_CHUNK_BYTES: Final = 1 << 16
_LONGEST_LINE: Final = 8 << 20
"""A segment holds headers, of which the longest has a mebibyte, in base64."""
_LARGEST_FILE: Final = (1 << 63) - 1


class _Record(msgspec.Struct, gc=False):
    type: int
    payload: bytes | None = None
    name: str | None = None
    name_raw: bytes | None = None
    size: int = 0


_decoder: Final = msgspec.json.Decoder(_Record)


class TarSplitStream:
    """Reads such a layer; see `tarwindow.ByteStream`. Raises StoreError where store and records disagree.

    `place_at` says where the content lies that comes next, for whoever would rather read it there; it is then skipped
    without a look at it.
    """

    seeks = True
    skips_exactly = True

    def __init__(self, records: Path, root: Path) -> None:
        self._path = root
        self._root = Directory(root)
        try:
            self._file = records.open("rb")
        except OSError as error:
            raise StoreError(f"{records} cannot be read: {error.strerror}") from error
        self._records = itertools.chain.from_iterable(self._read_records())
        self._segment = b""
        self._at = 0
        self._content: _Record | None = None
        self._content_left = 0
        self._content_file: int | None = None

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; never beyond the end of a header or a file, so that no content is read unasked."""
        if not self._content_left:
            if self._at >= len(self._segment) and not self._find():
                return b""
            if not self._content_left:
                at = self._at
                self._at = end = at + size
                return self._segment[at:end]
        if self._content_file is None:
            self._content_file = self._open_content()
        data = os.read(self._content_file, min(size, self._content_left))
        if not data:
            raise StoreError("a file of the store is shorter than recorded")
        self._content_left -= len(data)
        return data

    def skip(self, size: int, /) -> int:
        """Move `size` bytes on and say how many there were."""
        left = size
        while left and self._find():
            if self._content_left:
                count = min(left, self._content_left)
                if self._content_file is not None:
                    os.lseek(self._content_file, count, os.SEEK_CUR)
                self._content_left -= count
            else:
                count = min(left, len(self._segment) - self._at)
                self._at += count
            left -= count
        return size - left

    def pass_over(self, size: int, ahead: int, /) -> bytes | None:
        """Leave a file out that nobody looked at, and read what follows it; None if that is not what comes next."""
        if size != self._content_left or self._content_file is not None:
            return None
        self._content_left = 0
        if not self._find():
            return b""
        if self._content_left:
            return self.read(ahead)
        at = self._at
        self._at = end = at + ahead
        return self._segment[at:end]

    def place_at(self, offset: int, size: int) -> ContentPlace | None:
        """Where the content lies whose first byte comes next; `offset` is known to be here."""
        if not self._content_left and not self._find():
            return None
        content = self._content
        if content is None or not size == content.size == self._content_left or self._content_file is not None:
            return None
        return ContentPlace(self._path, size, _name(content))

    def close(self) -> None:
        """Close all files."""
        self._close_content()
        self._root.close()
        self._file.close()

    def _find(self) -> bool:
        """Make sure that there is a byte to read, False at the end."""
        if self._content_left or self._at < len(self._segment):
            return True
        if self._content_file is not None:
            self._close_content()
        for record in self._records:
            if record.type == _SEGMENT:
                if record.payload:
                    self._segment, self._at = record.payload, 0
                    return True
            elif 0 < record.size <= _LARGEST_FILE:
                self._content, self._content_left = record, record.size
                return True
            elif record.size:
                raise StoreError("the record of the layer's headers has a file of an impossible size")
        return False

    def _read_records(self) -> Iterator[list[_Record]]:
        """The records, many at once."""
        try:
            frames = self._unpacked()
            rest, size = b"", 0
            while chunk := frames.read(_CHUNK_BYTES):
                size += len(chunk)
                data = rest + chunk
                end = data.rfind(b"\n") + 1
                if end:
                    yield _decoder.decode_lines(memoryview(data)[:end])
                rest = data[end:]
                if len(rest) > _LONGEST_LINE:
                    raise StoreError("a line of the record of the layer's headers is too long")
            if rest:
                yield [_decoder.decode(rest)]
            if not size or frames.garbage.strip(b"\0"):
                raise StoreError("the record of the layer's headers is empty, or something else")
        except (OSError, CorruptDataError, msgspec.DecodeError) as error:
            raise StoreError(f"the record of the layer's headers is damaged ({type(error).__name__})") from error

    def _unpacked(self) -> Frames:
        head = self._file.read(SNIFF_BYTES)
        codec = sniff(head)
        if codec is None or codec.name != "gzip":
            raise StoreError("the record of the layer's headers is not compressed as it should be")
        return Frames(codec, head, self._file.read)

    def _open_content(self) -> int:
        assert self._content is not None, "content is opened where a record of it is current"
        file = self._root.open(_name(self._content), self._content.size)
        if self._content_left < self._content.size:
            os.lseek(file, self._content.size - self._content_left, os.SEEK_SET)
        return file

    def _close_content(self) -> None:
        if self._content_file is not None:
            os.close(self._content_file)
            self._content_file = None


def _name(record: _Record) -> bytes:
    name = record.name_raw or (record.name or "").encode("utf-8", "surrogateescape")
    while name and name[0] in b"./" and name.startswith((b"./", b"/")):
        name = name.removeprefix(b".").lstrip(b"/")
    return name
