"""A layer blob as a stream of its tar archive: decompressed, hashed on both sides, bounded, and drained to the end.

Nothing that is wrong with the blob is raised: the stream just ends there and `failure` says why.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from imgscan.frozen import frozen
from imgscan.layers.codec import SNIFF_BYTES, CodecMissingError, CorruptDataError, sniff
from imgscan.layers.digests import BY_SHA256, Hashes
from imgscan.layers.frames import Frames
from imgscan.layers.tarheader import BLOCK_BYTES, TarFormatError, parse_header
from imgscan.layers.tarwindow import ByteStream, ContentPlace, PassOver, can_seek, seek_forward
from imgscan.model import Digest, Skipped

CHUNK_BYTES: Final = 1 << 18
_ESTARGZ_INDEX: Final = b"stargz.index.json"

_PlaceAt = Callable[[int, int], ContentPlace | None]


@frozen
class Limits:
    """How far a blob may grow: to `max_bytes` at all, and beyond `free_bytes` only to `max_ratio` times what was read.

    gzip cannot exceed 1,032 to 1 and real layers stay below 50; `free_bytes` is for the odd large file of zeros.
    """

    max_bytes: int = 256 << 30
    free_bytes: int = 2 << 30
    max_ratio: int = 200


@frozen
class BlobSummary:
    """What a drained blob was. `digest` is of the bytes as stored, `diff_id` of the tar archive; both are None when
    they were not computed or the blob failed. `trailing_bytes` counts what follows the end of the archive, and
    `hidden_bytes` what of it is not zero, inside the compressed data or behind it; `behind_bytes` what lies behind the
    compressed data and is not zero, whether or not the archive in it was looked at; `aside_bytes` what else the
    compression carries (see `frames`): it belongs to the blob, not to the layer that is in it."""

    compression: str
    stored_bytes: int
    tar_bytes: int
    digest: Digest | None
    diff_id: Digest | None
    trailing_bytes: int
    hidden_bytes: int
    behind_bytes: int
    aside_bytes: int
    skipped: tuple[Skipped, ...]


class LayerStream:
    """The tar bytes of one blob, for `tar.read_entries`; then `finish()` once.

    `compression` is `none`, `gzip`, `zstd`, `bzip2` or `xz`. `failure` is None as long as nothing is wrong.
    """

    def __init__(self, stream: ByteStream, *, where: str, limits: Limits, hashes: Hashes | None) -> None:
        self._source = stream
        self._source_read = stream.read
        self._where = where
        self._limits = limits
        self._most_bytes = limits.max_bytes
        self._stored_hash = hashlib.new(hashes[0]) if hashes else None
        self.stored_bytes = 0
        self.tar_bytes = 0
        self.failure: str | None = None
        self._failure_told = False
        self._archive_ended = False
        self._passed = 0
        self._ready = b""
        head = _read_head(self._fetch)
        codec = sniff(head)
        self.compression = codec.name if codec is not None else "none"
        apart = codec is not None or (hashes is not None and hashes[0] != hashes[1])
        self._tar_hash = hashlib.new(hashes[1]) if hashes and apart else None
        self._frames = Frames(codec, head, self._fetch) if codec is not None else None
        self._head = b"" if codec is not None else head
        plain = codec is None and not hashes
        self.seeks = plain and (bool(getattr(stream, "seeks", False)) or can_seek(stream))
        """Whether skipping saves the reading: nothing is hashed, nothing compressed, and the source can seek."""
        self._passes = self._is_passing()
        self._skip: Callable[[int], int] = getattr(stream, "skip", partial(seek_forward, stream))
        self._pass_over: PassOver | None = getattr(stream, "pass_over", None)
        self._place: _PlaceAt | None = getattr(stream, "place_at", None) if codec is None else None
        self.places_any = bool(getattr(stream, "places_any", False))
        """Whether `place_at` knows of any content, and not only of what comes next."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` tar bytes; b"" at the end, and where the blob is damaged (`failure`)."""
        if self._passes and size > 0:
            data = self._source_read(size)
            length = len(data)
            self.stored_bytes += length
            self.tar_bytes += length
            if self.tar_bytes > self._most_bytes:
                self._check_limits()
            return data
        if self._ready:
            data, self._ready = self._ready[:size], self._ready[size:]
            self._passes = self._is_passing()
            return data
        if self.failure is not None or size <= 0:
            return b""
        data = self._next_bytes(size)
        self.tar_bytes += len(data)
        if self._tar_hash is not None:
            self._tar_hash.update(data)
        self._check_limits()
        return data

    def unread(self, data: bytes, /, *, archive_ended: bool) -> None:
        """Take back bytes that were read ahead, at the end of the archive or where its reader gave up."""
        self._ready = data + self._ready
        self._passes = self._is_passing()
        self._archive_ended = archive_ended
        self._failure_told = not archive_ended

    def at_index(self) -> bool:
        """Behind the end of the archive: move over zeros, and say whether the index of an eStargz layer comes next. It
        is an entry of its own there (stargz-snapshotter, docs/estargz.md), behind as many zeros as the writer of the
        archive had put there, and may be read as one."""
        while self._archive_ended and self.failure is None:
            block = b""
            while len(block) < BLOCK_BYTES and (data := self.read(BLOCK_BYTES - len(block))):
                block += data
            if len(block) < BLOCK_BYTES or any(block):
                self.unread(block, archive_ended=True)
                # Where its content lies is counted from the beginning of the archive.
                self._place = None
                return len(block) == BLOCK_BYTES and _is_index(block)
            self._passed += BLOCK_BYTES
        return False

    def aside(self) -> tuple[bytes, ...]:
        """What the compression carries besides its content, as far as it was read (see `frames`)."""
        return tuple(self._frames.aside) if self._frames is not None else ()

    def skip(self, size: int, /) -> int:
        """Move `size` tar bytes on and say how many there were; seeks when nothing has to be hashed."""
        if self._passes and size > 0:
            skipped = self._skip(size)
            self.stored_bytes += skipped
            self.tar_bytes += skipped
            return skipped
        left = size
        while left > 0 and (self._ready or self._head or not self.seeks):
            data = self.read(min(left, CHUNK_BYTES))
            if not data:
                return size - left
            left -= len(data)
        if left > 0:
            # A stream that can only seek does not know where it ends.
            skipped = self._skip(left)
            self.stored_bytes += skipped
            self.tar_bytes += skipped
            left -= skipped
        return size - left

    def pass_over(self, size: int, ahead: int, /) -> bytes | None:
        """As `skip` and `read`, where the source has one step for both."""
        if self._pass_over is None or not self._passes:
            return None
        data = self._pass_over(size, ahead)
        if data is not None:
            length = size + len(data)
            self.stored_bytes += length
            self.tar_bytes += length
            if self.tar_bytes > self._most_bytes:
                self._check_limits()
        return data

    def place_at(self, offset: int, size: int) -> ContentPlace | None:
        """Where content of the tar archive lies, if it lies somewhere as it is."""
        if self._place is None or ((self._ready or self._head) and not self.places_any):
            return None
        return self._place(offset, size)

    @property
    def skips_exactly(self) -> bool:
        """Whether `skip` notices the end of the stream."""
        return not self.seeks or bool(getattr(self._source, "skips_exactly", False))

    def finish(self) -> BlobSummary:
        """Read what is left, which is trailing data if the archive was read to its end, and sum up."""
        trailing, behind = _Trailing(), 0
        while data := self.read(CHUNK_BYTES):
            trailing.add(data)
        for data in self._behind():
            trailing.add(data)
            behind += len(data) - data.count(0)
        # Where the blob failed, what is left is what could not be unpacked.
        ended = self._archive_ended and self.failure is None
        left, hidden = (self._passed + trailing.bytes, trailing.hidden_bytes) if ended else (0, 0)
        stored = _digest(self._stored_hash, self.failure)
        return BlobSummary(
            compression=self.compression,
            stored_bytes=self.stored_bytes,
            tar_bytes=self.tar_bytes,
            digest=stored,
            diff_id=stored if self._tar_hash is None else _digest(self._tar_hash, self.failure),
            trailing_bytes=left,
            hidden_bytes=hidden,
            behind_bytes=behind if self.failure is None else 0,
            aside_bytes=self._frames.aside_bytes if self._frames is not None else 0,
            skipped=self._notes(hidden),
        )

    def _is_passing(self) -> bool:
        """Whether bytes go through as they come."""
        return self.seeks and not self._head and not self._ready and self.failure is None

    def _next_bytes(self, size: int) -> bytes:
        if self._frames is None:
            data, self._head = self._head[:size], self._head[size:]
            return data or self._fetch(size)
        try:
            return self._frames.read(size)
        except (CorruptDataError, CodecMissingError) as error:
            self.failure = str(error)
            return b""

    def _fetch(self, size: int) -> bytes:
        data = self._source.read(size)
        self.stored_bytes += len(data)
        if self._stored_hash is not None:
            self._stored_hash.update(data)
        return data

    def _check_limits(self) -> None:
        limits = self._limits
        if self.tar_bytes > limits.max_bytes:
            self.failure = f"the layer unpacks to more than {limits.max_bytes:,} bytes"
        elif self.tar_bytes > limits.free_bytes and self.tar_bytes > limits.max_ratio * self.stored_bytes:
            self.failure = f"the layer unpacks to more than {limits.max_ratio} times its size: a decompression bomb"
        self._passes = self._is_passing()

    def _behind(self) -> Iterator[bytes]:
        """What follows the compressed data, or the point at which they failed."""
        if self._frames is not None and self.failure is None:
            yield self._frames.garbage
        while data := self._fetch(CHUNK_BYTES):
            yield data

    def _notes(self, hidden: int) -> tuple[Skipped, ...]:
        notes: list[str] = []
        if self.failure is not None and not self._failure_told:
            notes.append(self.failure)
        if hidden:
            notes.append(hidden_reason(hidden))
        if self._frames is not None and self._frames.left_aside:
            notes.append(f"{self._frames.left_aside:,} bytes beside the compressed data were not searched")
        return tuple(Skipped(where=self._where, reason=note) for note in notes)


def hidden_reason(count: int) -> str:
    """What is said of so many bytes, which are not zero, behind the end of an archive."""
    return f"{count:,} bytes of data lie hidden behind the end of the archive"


class _Trailing:
    """Counts what lies behind the end of an archive."""

    def __init__(self) -> None:
        self.bytes = 0
        self.hidden_bytes = 0

    def add(self, data: bytes) -> None:
        """Count the next bytes."""
        self.bytes += len(data)
        self.hidden_bytes += len(data) - data.count(0)


def _is_index(block: bytes) -> bool:
    """Whether the index of an eStargz layer begins with this block."""
    try:
        header = parse_header(block)
    except TarFormatError:
        return False
    return header.name == _ESTARGZ_INDEX and header.size > 0


def open_layer(
    stream: ByteStream,
    *,
    where: str = "layer",
    limits: Limits = Limits(),  # noqa: B008 - immutable
    verify: bool = True,
    hashes: Hashes = BY_SHA256,
) -> LayerStream:
    """A blob as the tar stream inside it, told apart by its first bytes. `where` names it in `Skipped` records.

    Without `verify` nothing is hashed, and a plain blob that can seek is not read where its content is not wanted.
    """
    return LayerStream(stream, where=where, limits=limits, hashes=hashes if verify else None)


def _read_head(fetch: Callable[[int], bytes]) -> bytes:
    head = b""
    while len(head) < SNIFF_BYTES and (data := fetch(CHUNK_BYTES)):
        head += data
    return head


def _digest(hashed: hashlib._Hash | None, failure: str | None) -> Digest | None:
    return Digest(f"{hashed.name}:{hashed.hexdigest()}") if hashed is not None and failure is None else None
