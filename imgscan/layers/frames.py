"""The frames of compressed data one after the other: what they unpack to, and what else they carry.

A gzip member may have an extra field, a name and a comment in its header (RFC 1952), zstd data may have frames that
every decoder skips (RFC 8878): nobody sees them, and anything may lie there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from imgscan.layers.codec import SNIFF_BYTES, Codec, CorruptDataError, FrameDecoder

FEED_BYTES: Final = 1 << 16
_FETCH_BYTES: Final = 1 << 18
_FIRST_FEED_BYTES: Final = 1 << 9
_FREE_FRAMES: Final = 10_000
_LEAST_FRAME_BYTES: Final = 128
"""More frames than that must unpack to so much each on average. Beginning one takes up to 0.1 ms, and an empty one nine
bytes; the smallest that are of use, those of seekable formats, hold a file each with its header of 512 bytes."""
_MOST_ASIDE_BYTES: Final = 16 << 20
_GZIP_HEADER_BYTES: Final = 10
_MOST_HEADER_BYTES: Final = 1 << 17
"""An extra field has 64 KiB at most, and a name or a comment of that length is none."""
_EXTRA, _NAME, _COMMENT = 4, 8, 16
_SKIPPABLE_HEAD_BYTES: Final = 8


class Frames:
    """Reads them. `garbage` is what follows the last one, once it is reached; `aside` is what the frames carry besides
    their content, of which `left_aside` bytes more had no room."""

    def __init__(self, codec: Codec, head: bytes, fetch: Callable[[int], bytes]) -> None:
        self._codec = codec
        self._fetch = fetch
        self._input = head
        self._at = 0
        self._feed = _FIRST_FEED_BYTES
        self._decoder: FrameDecoder | None = None
        self._frames = 0
        self._given = 0
        self._ended = False
        self.garbage = b""
        self.aside: list[bytes] = []
        self.left_aside = 0
        self._kept_aside = 0

    def read(self, size: int) -> bytes:
        """Up to `size` decompressed bytes, b"" after the last frame. Raises CorruptDataError, CodecMissingError."""
        while not self._ended:
            decoder = self._decoder
            if decoder is None or decoder.eof:
                self._begin_frame()
                continue
            data = self._decompress(decoder, self._next_piece() if decoder.needs_input else b"", size)
            if data:
                self._given += len(data)
                return data
        return b""

    @property
    def aside_bytes(self) -> int:
        """How much was put aside, or had no room."""
        return self._kept_aside + self.left_aside

    def _next_piece(self) -> bytes:
        if self._at == len(self._input):
            self._input, self._at = self._fetch(FEED_BYTES), 0
            if not self._input:
                raise CorruptDataError(f"the {self._codec.name} data ends too early")
        piece = self._input[self._at : self._at + self._feed]
        self._at += len(piece)
        # What a decoder gets beyond the end of its frame is copied for the next one: small frames get small pieces.
        self._feed = min(4 * self._feed, FEED_BYTES)
        return piece

    def _decompress(self, decoder: FrameDecoder, piece: bytes, size: int) -> bytes:
        try:
            data = decoder.decompress(piece, size)
        except Exception as error:  # every codec has its own: zlib.error, OSError, LZMAError, EOFError, ZstdError
            raise CorruptDataError(f"the {self._codec.name} data is damaged") from error
        if decoder.eof:
            self._at -= len(decoder.unused_data)
        return data

    def _begin_frame(self) -> None:
        if not self._codec.starts(self._peek(SNIFF_BYTES)[:SNIFF_BYTES]):
            self._ended, self.garbage = True, self._input[self._at :]
            return
        self._frames += 1
        if self._frames > _FREE_FRAMES and self._given < self._frames * _LEAST_FRAME_BYTES:
            raise CorruptDataError(
                f"the {self._codec.name} data is made of {self._frames:,} frames with nothing in them"
            )
        if self._codec.name == "gzip":
            self._read_gzip_header()
        elif self._codec.name == "zstd" and self._input[self._at + 1 : self._at + 4] == b"\x2a\x4d\x18":
            self._read_skippable()
            return
        self._decoder, self._feed = self._codec.begin(), _FIRST_FEED_BYTES

    def _peek(self, size: int) -> bytes:
        """The next `size` bytes and whatever is at hand behind them; fewer only at the end."""
        while len(self._input) - self._at < size and (data := self._fetch(_FETCH_BYTES)):
            self._input, self._at = self._input[self._at :] + data, 0
        return self._input[self._at :] if self._at else self._input

    def _read_gzip_header(self) -> None:
        """Put aside what a member's header says; the decoder, which comes next, reads it again and checks it."""
        head = self._peek(_GZIP_HEADER_BYTES)
        flags = head[3] if len(head) >= _GZIP_HEADER_BYTES else 0
        if not flags & (_EXTRA | _NAME | _COMMENT):
            return
        head = self._peek(_MOST_HEADER_BYTES)[:_MOST_HEADER_BYTES]
        at = _GZIP_HEADER_BYTES
        if flags & _EXTRA:
            size = int.from_bytes(head[at : at + 2], "little")
            self._put_aside(head[at + 2 : at + 2 + size])
            at += 2 + size
        for flag in (_NAME, _COMMENT):
            if flags & flag:
                text, _, _ = head[at:].partition(b"\0")
                self._put_aside(text)
                at += len(text) + 1

    def _read_skippable(self) -> None:
        head = self._peek(_SKIPPABLE_HEAD_BYTES)
        if len(head) < _SKIPPABLE_HEAD_BYTES:
            raise CorruptDataError(f"the {self._codec.name} data ends too early")
        left = int.from_bytes(head[4:_SKIPPABLE_HEAD_BYTES], "little")
        self._at += _SKIPPABLE_HEAD_BYTES
        parts: list[bytes] = []
        kept = 0
        while left > 0:
            if self._at >= len(self._input):
                self._input, self._at = self._fetch(_FETCH_BYTES), 0
                if not self._input:
                    raise CorruptDataError(f"the {self._codec.name} data ends too early")
            part = self._input[self._at : self._at + left]
            self._at += len(part)
            left -= len(part)
            if kept + len(part) <= _MOST_ASIDE_BYTES:
                parts.append(part)
                kept += len(part)
            else:
                self.left_aside += len(part)
        self._put_aside(b"".join(parts))

    def _put_aside(self, data: bytes) -> None:
        if self._kept_aside + len(data) > _MOST_ASIDE_BYTES:
            self.left_aside += len(data)
        elif data:
            self._kept_aside += len(data)
            self.aside.append(data)
