"""The members of everything that is no zip archive: compressed streams, tar, cpio, ar with Debian's packages, RPM.

Formats: tar as in `layers.tar`; cpio(5) of FreeBSD for newc and odc; deb(5); rpm's docs/manual/format.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from imgscan.detect.secrets.unpack.inflate import Inflated
from imgscan.detect.secrets.unpack.members import Member, Opening
from imgscan.detect.secrets.unpack.source import CHUNK_BYTES, Bounded, Read, Source
from imgscan.layers.codec import SNIFF_BYTES, Codec, new_lzma, new_zlib, sniff
from imgscan.layers.tar import read_entries
from imgscan.model import EntryKind, Skipped

_ENDINGS: Final = {
    **dict.fromkeys((".gz", ".gzip", ".bz2", ".bzip2", ".xz", ".zst", ".zstd", ".lzma"), ""),
    **dict.fromkeys((".tgz", ".tbz", ".tbz2", ".txz", ".tzst", ".apk", ".crate"), ".tar"),
    ".svgz": ".svg",
}
_CUT: Final = "the archive ends inside a member"
_LONGEST_NAME: Final = 4096
AR_MARK: Final = b"!<arch>\n"
_DEBIAN: Final = b"debian-binary"
_AR_HEADER_BYTES: Final = 60
_AR_NAMES_BYTES: Final = 1 << 20
_NEWC_BYTES, _ODC_BYTES = 110, 76
_FILE_TYPE, _REGULAR = 0o170000, 0o100000
_TRAILER: Final = b"TRAILER!!!"
_RPM_LEAD_BYTES: Final = 96
_RPM_HEADER: Final = b"\x8e\xad\xe8\x01"
_RPM_INTRO_BYTES, _RPM_INDEX_BYTES = 16, 16
_MOST_RPM_HEADER: Final = 256 << 20
"""As rpm itself has it: header blobs are no larger."""
_LZMA_START: Final = b"\x5d\0\0"
_LZMA_HEADER_BYTES: Final = 13
_LZMA_SIZES: Final = frozenset(times << power for power in range(11, 30) for times in (2, 3))
"""Sizes of dictionaries that programs write: 2^n, and 2^n + 2^(n-1)."""
_LZMA_ENDLESS: Final = (1 << 64) - 1
_MOST_LZMA_BYTES: Final = 1 << 38


def unpacked_name(name: str) -> str:
    """What a compressed file is called unpacked."""
    stem, dot, ending = name.rpartition(".")
    known = _ENDINGS.get(f"{dot}{ending}".lower()) if stem else None
    return name if known is None else stem + known


def walk_frames(codec: Codec) -> Callable[[Source, Opening], Iterator[Member]]:
    """How to open data that is compressed as a whole."""

    def walk(source: Source, opening: Opening) -> Iterator[Member]:
        content = Inflated(source, codec.begin, budget=opening.budget, trouble=opening.trouble, again=codec.starts)
        yield _whole(content.read, opening)

    return walk


def is_lzma(head: bytes) -> bool:
    """Whether data begins as the format before xz does, which has no mark of its own: by the usual properties, a
    dictionary of a size that encoders take, a size that is credible, and the zero that every range coder begins with
    (the header as xz's doc/lzma-file-format.txt has it)."""
    if head[:3] != _LZMA_START or head[_LZMA_HEADER_BYTES : _LZMA_HEADER_BYTES + 1] != b"\0":
        return False
    size = int.from_bytes(head[5:_LZMA_HEADER_BYTES], "little")
    return int.from_bytes(head[1:5], "little") in _LZMA_SIZES and (size == _LZMA_ENDLESS or size < _MOST_LZMA_BYTES)


def walk_lzma(source: Source, opening: Opening) -> Iterator[Member]:
    """How to open data of that format."""
    yield _whole(Inflated(source, new_lzma, budget=opening.budget, trouble=opening.trouble).read, opening)


def walk_zlib(source: Source, opening: Opening) -> Iterator[Member]:
    """How to open a stream of zlib's that is a file by itself."""
    yield _whole(Inflated(source, new_zlib, budget=opening.budget, trouble=opening.trouble).read, opening)


def _whole(read: Read, opening: Opening) -> Member:
    name = unpacked_name(opening.name).encode("utf-8", "surrogateescape")
    return Member(name=name, read=read, transparent=True)


def walk_tar(source: Source, opening: Opening) -> Iterator[Member]:
    """The files of a tar archive."""
    for item in read_entries(source):
        if isinstance(item, Skipped):
            opening.trouble(item.reason)
            return
        entry = item.entry
        if entry.kind is not EntryKind.FILE or not entry.size_bytes:
            continue
        if not opening.budget.enter():
            return
        read: Read = item.read
        if entry.sparse:
            read = _counted(read, opening)
        stored_at = None if entry.sparse else item.offset()
        yield Member(name=entry.path, read=read, size_bytes=entry.size_bytes, stored_at=stored_at)


def _counted(read: Read, opening: Opening) -> Read:
    """Content with holes: it can be of any size and is counted like something unpacked."""

    def counted(size: int) -> bytes:
        if opening.budget.spent:
            return b""
        data = read(size)
        opening.budget.inflate(len(data))
        return data

    return counted


def walk_ar(source: Source, opening: Opening) -> Iterator[Member]:
    """The members of an ar archive: of a Debian package, or of a static library."""
    source.take(len(AR_MARK))
    plain = source.peek(len(_DEBIAN)) != _DEBIAN
    long_names = b""
    while len(header := source.take(_AR_HEADER_BYTES)) == _AR_HEADER_BYTES:
        digits = header[48:58].strip(b" ")
        if header[58:] != b"`\n" or not digits.isdigit():
            if not plain:
                opening.trouble("the Debian package is damaged")
            return
        name, size = header[:16].rstrip(b" "), int(digits)
        pad = size % 2
        if name == b"//" and size <= _AR_NAMES_BYTES:
            long_names = source.take(size)
        elif name in (b"/", b"/SYM64/", b"//"):
            source.skip(size)
        else:
            if name.startswith(b"#1/") and name[3:].isdigit() and int(name[3:]) <= min(size, _LONGEST_NAME):
                size -= int(name[3:])
                name = source.take(int(name[3:])).rstrip(b"\0")
            elif name[:1] == b"/" and name[1:].isdigit():
                name = long_names[int(name[1:]) :].partition(b"\n")[0]
            yield from _stored(name.rstrip(b"/"), size, source, opening, plain=plain)
        source.take(pad)


def walk_cpio(source: Source, opening: Opening) -> Iterator[Member]:
    """The files of a cpio archive of the portable or the new ASCII format, and of the ones behind it: an initial RAM
    disk is several of them, the later ones compressed."""
    while not opening.budget.spent:
        parsed = _cpio_header(source)
        if parsed is None:
            opening.trouble("the cpio archive is damaged" if source.peek(1) else _CUT)
            return
        name, size, mode, align = parsed
        if name == _TRAILER:
            source.skip_zeros()
            if source.peek(5) == b"07070":
                continue
            break
        if size and mode & _FILE_TYPE == _REGULAR:
            yield from _stored(name, size, source, opening)
        elif not source.skip(size):
            return
        source.take(-size % align)
    codec = sniff(source.peek(SNIFF_BYTES))
    if codec is not None:
        yield from walk_frames(codec)(source, opening)


def _cpio_header(source: Source) -> tuple[bytes, int, int, int] | None:
    """Name, size and mode of the next entry and what its parts are aligned to, the source behind its name; None if
    there is no header."""
    magic = source.peek(6)
    try:
        if magic in (b"070701", b"070702"):
            fixed, align = source.take(_NEWC_BYTES), 4
            mode, size, name_bytes = (int(fixed[at : at + 8], 16) for at in (14, 54, 94))
        elif magic == b"070707":
            fixed, align = source.take(_ODC_BYTES), 1
            mode, size, name_bytes = int(fixed[18:24], 8), int(fixed[65:76], 8), int(fixed[59:65], 8)
        else:
            return None
    except ValueError:
        return None
    if not 0 < name_bytes <= _LONGEST_NAME or size < 0:
        return None
    name = source.take(name_bytes).rstrip(b"\0")
    source.take(-(len(fixed) + name_bytes) % align)
    return name, size, mode, align


def _stored(name: bytes, size: int, source: Source, opening: Opening, *, plain: bool = False) -> Iterator[Member]:
    """A member whose content lies in the container as it is."""
    if not opening.budget.enter():
        return
    content = Bounded(source, size)
    yield Member(name=name, read=content.read, size_bytes=size, stored_at=source.position, plain=plain)
    while content.read(CHUNK_BYTES):
        pass
    if content.cut:
        opening.trouble(_CUT)


def walk_rpm(source: Source, opening: Opening) -> Iterator[Member]:
    """The payload of an RPM package: behind its lead, its signature and its header, compressed as a whole."""
    source.take(_RPM_LEAD_BYTES)
    for align in (8, 1):
        intro = source.take(_RPM_INTRO_BYTES)
        size = int.from_bytes(intro[8:12], "big") * _RPM_INDEX_BYTES + int.from_bytes(intro[12:16], "big")
        if intro[:4] != _RPM_HEADER or size > _MOST_RPM_HEADER or not source.skip(size + -size % align):
            opening.trouble("the RPM package is damaged")
            return
    codec = sniff(source.peek(SNIFF_BYTES))
    if codec is not None:
        yield from walk_frames(codec)(source, opening)
    elif source.peek(3) == _LZMA_START:
        yield from walk_lzma(source, opening)
    else:
        yield Member(name=b"payload", read=source.read, stored_at=source.position, transparent=True)
