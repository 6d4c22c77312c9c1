"""Compressed data as a document: frames of one format in, what they hold out, as far as they are sound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from imgscan.detect.secrets.unpack.bounds import Budget
from imgscan.detect.secrets.unpack.source import CHUNK_BYTES, Source
from imgscan.layers.codec import SNIFF_BYTES, CodecMissingError, FrameDecoder

_FIRST_FEED_BYTES: Final = 2 << 10
_MOST_FEED_BYTES: Final = 64 << 10
"""Little at first: of a small member's neighbours nothing should have to be taken back."""
_FREE_FRAMES: Final = 10_000
_LEAST_FRAME_BYTES: Final = 16
"""An empty frame costs as much as one with something in it, and takes 20 bytes."""


class Inflated:
    """What a stretch of compressed data unpacks to.

    `begin` makes the decoder of a frame and `again` says whether another one follows, by its first bytes (None: there
    is only one). `ahead` is fed before anything of the source. `trouble` is told once why the data ends early.
    """

    __slots__ = (
        "_again",
        "_ahead",
        "_begin",
        "_budget",
        "_decoder",
        "_feed",
        "_frames",
        "_given",
        "_source",
        "_trouble",
        "ended",
    )

    def __init__(
        self,
        source: Source,
        begin: Callable[[], FrameDecoder],
        *,
        budget: Budget,
        trouble: Callable[[str], None],
        again: Callable[[bytes], bool] | None = None,
        ahead: bytes = b"",
    ) -> None:
        self._source = source
        self._begin = begin
        self._again = again
        self._budget = budget
        self._trouble = trouble
        self._ahead = ahead
        self._feed = _FIRST_FEED_BYTES
        self._decoder: FrameDecoder | None = None
        self._frames = 0
        self._given = 0
        self.ended = False

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, b"" at the end, at damage, and where a bound is reached."""
        while not self.ended and not self._budget.spent:
            try:
                data = self._step(min(size, CHUNK_BYTES))
            except CodecMissingError as error:
                self._end(str(error))
            except Exception as error:  # every codec has its own: zlib.error, OSError, LZMAError, EOFError, ZstdError
                self._end(f"the compressed data is damaged ({type(error).__name__})")
            else:
                if data:
                    self._budget.inflate(len(data))
                    return data
        return b""

    def _step(self, size: int) -> bytes:
        if self._decoder is None:
            self._decoder = self._begin()
        decoder, data = self._decoder, b""
        if decoder.needs_input:
            data, self._ahead = self._ahead or self._source.read(self._feed), b""
            self._feed = min(2 * self._feed, _MOST_FEED_BYTES)
            if not data:
                self._end("the compressed data ends too early")
                return b""
        out = decoder.decompress(data, size)
        self._given += len(out)
        if decoder.eof:
            self._source.unread(decoder.unused_data)
            self._next_frame()
        elif not out and not data and not decoder.needs_input:
            self._end("the compressed data is damaged")
        return out

    def _next_frame(self) -> None:
        self._decoder, self._feed = None, _FIRST_FEED_BYTES
        self._frames += 1
        if self._again is None:
            self.ended = True
            return
        if self._source.peek(1) == b"\0":
            # Padding between the streams of an xz file, and behind a file that was written to blocks of a tape.
            self._source.skip_zeros()
        if not self._again(self._source.peek(SNIFF_BYTES)):
            self.ended = True
        elif self._frames > _FREE_FRAMES and self._given < self._frames * _LEAST_FRAME_BYTES:
            self._end(f"the compressed data is made of more than {_FREE_FRAMES} frames with nothing in them")

    def _end(self, reason: str) -> None:
        self.ended = True
        self._trouble(reason)
