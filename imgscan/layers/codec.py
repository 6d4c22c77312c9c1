"""Decompressors for layer blobs and archives, all with one face: compressed bytes in, at most so many bytes out.

Which one applies is told by the first bytes, never by a media type or a file name. Frames (gzip members, zstd frames)
follow each other; what is not a further frame is trailing data.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable
from functools import cache, partial
from typing import Any, Final, Protocol

SNIFF_BYTES: Final = 6
ZSTD_PACKAGE: Final = "backports.zstd"

_LZMA_MEMORY_BYTES: Final = 128 << 20
"""Twice what the largest preset, `xz -9`, takes."""
_ZSTD_MODULES: Final = ("compression.zstd", "backports.zstd")
_ZSTD_WINDOW_BYTES: Final = 128 << 20
_ZSTD_FEED_BYTES: Final = 1 << 10
"""The `zstandard` package cannot bound its output. A block is at least four bytes and at most 128 KiB of output, so a
feed of this size gives 32 MiB at most."""


class CodecMissingError(Exception):
    """No decompressor for the format is installed; the message says which package has it."""


class CorruptDataError(Exception):
    """The compressed data is damaged; the message says how."""


class FrameDecoder(Protocol):
    """One frame's decompressor, as `bz2.BZ2Decompressor` has it."""

    @property
    def eof(self) -> bool:
        """Whether the frame is complete."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether nothing more can come out without further input."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What was fed beyond the end of the frame."""
        ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Feed `data`, take at most `max_length` bytes."""
        ...


@cache
def _inflater() -> Any:  # noqa: ANN401 - an optional package without stubs
    """ISA-L's module where it is installed, which takes half the time; else zlib, which it stands in for."""
    try:
        return importlib.import_module("isal.isal_zlib")
    except ImportError:
        return zlib


_GZIP_WBITS: Final = 31
_RAW_WBITS: Final = -15
_ZLIB_WBITS: Final = 15


class _GzipDecoder:
    """zlib with the attributes of the other decompressors; checks each gzip member's CRC and length."""

    def __init__(self, module: Any = None, wbits: int = _GZIP_WBITS) -> None:  # noqa: ANN401
        self._zlib = (module or _inflater()).decompressobj(wbits=wbits)

    @property
    def eof(self) -> bool:
        return bool(self._zlib.eof)

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail and not self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return bytes(self._zlib.unused_data)

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return bytes(self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length))


class _ZstandardDecoder:
    """The `zstandard` package's decompressor, fed in small pieces so that its output stays bounded."""

    def __init__(self, module: Any) -> None:  # noqa: ANN401 - an optional package without stubs
        self._frame = module.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES).decompressobj()
        self._input = b""
        self._output = b""

    @property
    def eof(self) -> bool:
        return bool(self._frame.eof) and not self._output

    @property
    def needs_input(self) -> bool:
        return not self._input and not self._output and not self.eof

    @property
    def unused_data(self) -> bytes:
        return bytes(self._frame.unused_data) + self._input

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        self._input += data
        while not self._output and self._input and not self._frame.eof:
            piece, self._input = self._input[:_ZSTD_FEED_BYTES], self._input[_ZSTD_FEED_BYTES:]
            self._output = self._frame.decompress(piece)
        out, self._output = self._output[:max_length], self._output[max_length:]
        return out


def new_gzip(module: Any = None) -> FrameDecoder:  # noqa: ANN401
    """A decoder for one gzip member, by `module` (zlib, or what stands in for it; None: the fastest there is)."""
    return _GzipDecoder(module)


def new_deflate(module: Any = None) -> FrameDecoder:  # noqa: ANN401
    """A decoder for one raw deflate stream, as it lies in a zip archive; see `new_gzip`."""
    return _GzipDecoder(module, _RAW_WBITS)


def new_zlib(module: Any = None) -> FrameDecoder:  # noqa: ANN401
    """A decoder for one zlib stream, as git writes its objects; see `new_gzip`."""
    return _GzipDecoder(module, _ZLIB_WBITS)


def new_lzma() -> FrameDecoder:
    """A decoder for one stream of the format before xz (a 13-byte header, then LZMA), its memory bounded."""
    import lzma

    return lzma.LZMADecompressor(format=lzma.FORMAT_ALONE, memlimit=_LZMA_MEMORY_BYTES)


def new_bzip2() -> FrameDecoder:
    """A decoder for one bzip2 stream."""
    import bz2

    return bz2.BZ2Decompressor()


def new_xz() -> FrameDecoder:
    """A decoder for one xz stream, its memory bounded."""
    import lzma

    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_LZMA_MEMORY_BYTES)


def new_zstd() -> FrameDecoder:
    """A decoder for one zstd frame, by the first library found. Raises CodecMissingError."""
    for name in _ZSTD_MODULES:
        try:
            return importlib.import_module(name).ZstdDecompressor()  # type: ignore[no-any-return]
        except ImportError:
            continue
    try:
        return _ZstandardDecoder(importlib.import_module("zstandard"))
    except ImportError:
        raise CodecMissingError(f"zstd data needs the Python package {ZSTD_PACKAGE}") from None


@cache
def zstd_pair() -> tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]:
    """Functions that compress (fast) and decompress whole byte strings of our own, by zstd."""
    for name in _ZSTD_MODULES:
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        return partial(module.compress, level=1), module.decompress
    raise CodecMissingError(f"keeping layers needs the Python package {ZSTD_PACKAGE}")


class Codec:
    """A compressed format: how to begin a frame, and what a frame begins with."""

    __slots__ = ("begin", "name", "starts")

    def __init__(self, name: str, begin: Callable[[], FrameDecoder], starts: Callable[[bytes], bool]) -> None:
        self.name = name
        self.begin = begin
        self.starts = starts


def _starts_zstd(data: bytes) -> bool:
    # A frame, or a skippable frame (0x184D2A50 to 0x184D2A5F, little-endian) as zstd:chunked writes them.
    return data[:4] == b"\x28\xb5\x2f\xfd" or (data[1:4] == b"\x2a\x4d\x18" and data[0] & 0xF0 == 0x50)


CODECS: Final = (
    Codec("gzip", new_gzip, lambda data: data[:2] == b"\x1f\x8b"),
    Codec("zstd", new_zstd, _starts_zstd),
    Codec("bzip2", new_bzip2, lambda data: data[:3] == b"BZh"),
    Codec("xz", new_xz, lambda data: data[:6] == b"\xfd7zXZ\0"),
)


def sniff(head: bytes) -> Codec | None:
    """The compressed format that the bytes begin with, None for anything else."""
    return next((codec for codec in CODECS if codec.starts(head)), None)
