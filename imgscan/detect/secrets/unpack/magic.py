"""Which container a document is, by its first bytes alone: names promise nothing.

For nearly every file the answer takes one look at one or two bytes.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from imgscan.detect.secrets.unpack.gitobjects import PACK_MARK, is_loose, walk_loose, walk_pack
from imgscan.detect.secrets.unpack.members import Walk
from imgscan.detect.secrets.unpack.streams import (
    DUMP_MARK,
    FROZEN_MARK,
    JOURNAL_MARK,
    PDF_MARK,
    SQUASHFS_MARK,
    XZ,
    ZLIB,
    ZSTD,
    is_beam,
    is_zlib,
    squashfs_kind,
    walk_dump,
    walk_streams,
)
from imgscan.detect.secrets.unpack.texts import SQLITE_MARK, is_bytecode, walk_bytecode, walk_sqlite
from imgscan.detect.secrets.unpack.walks import (
    AR_MARK,
    is_lzma,
    walk_ar,
    walk_cpio,
    walk_frames,
    walk_lzma,
    walk_rpm,
    walk_tar,
    walk_zlib,
)
from imgscan.detect.secrets.unpack.zipwalk import looks_like_zip, walk_zip
from imgscan.frozen import frozen
from imgscan.layers.codec import CODECS
from imgscan.layers.tarheader import BLOCK_BYTES, is_header
from imgscan.lazyre import lazy_re

HEAD_BYTES: Final = 4096
_CODECS: Final = {codec.name: codec for codec in CODECS}
_HEAVY: Final = frozenset({"xz", "zstd"})
_BZIP2: Final = lazy_re(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")
_GZIP: Final = lazy_re(rb"\x1f\x8b\x08[\0-\x1f]")
_CPIO: Final = lazy_re(rb"07070[12][0-9A-Fa-f]{104}|070707[0-7]{70}")
_V7_NUMBERS: Final = lazy_re(rb"(?:[0-7 ]{6,7}[\0 ]{1,2}){3}")
_ENDS: Final = (b"\0", b" ")
_MOST_MARKS: Final = 64
_UNREAD: Final[Mapping[bytes, str]] = {
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"Rar!\x1a\x07": "RAR",
    b"MSCF\0\0\0\0": "cabinet",
    b"LZIP\1": "lzip",
    b"\x04\x22\x4d\x18": "LZ4",
    b"\x1f\x9d": "compress (.Z)",
    b"\x89LZO\0\r\n\x1a\n": "lzop",
    b"\xff\x06\0\0sNaPpY": "Snappy",
    b"MSWIM\0\0\0": "Windows Imaging",
    b"xar!\0\x1c": "xar",
}
_UPX: Final = b"UPX!"
_UPX_BYTES: Final = 1024
"""So near to a program's beginning stands what packed it."""
_RPM_LEAD: Final = b"\xed\xab\xee\xdb"
_JMOD: Final = b"JM\1\0"
_FIRST: Final = frozenset(
    b"\x1f\x28BP!0#J\x7fM\xfd\xed7RhL\x04F%\x89\xffcC" + bytes(range(0x50, 0x60)) + SQLITE_MARK[:1] + b"x"
)
_BEFORE_OTHERS: Final = frozenset(b"#\x7fcC")
"""What scripts, programs and headers of others begin with, and no container does."""
_CACHED: Final = lazy_re(rb"cc=[0-9],")
"""What pip kept of a download (CacheControl's serialize.py): a version, then the response with the file in it."""
_EXTENSION: Final = b"Cr24"
"""Chrome's extensions (components/crx_file/crx3.proto): a header with signatures, then a zip archive."""
_BEHIND_SCRIPT: Final = lazy_re(rb"PK\x03\x04|\x1f\x8b\x08[\0-\x1f]|\xfd7zXZ\0|BZh[1-9]1AY&SY|\x28\xb5\x2f\xfd")


@frozen
class Container:
    """A format, how it is opened, and where in the document it begins.

    `walk` is None for a format that nothing here reads, and for a program, behind which something may lie. `heavy`
    formats take much memory.
    """

    name: str
    walk: Walk | None
    at: int = 0
    heavy: bool = False
    program: bool = False


_ZIP: Final = Container(name="zip", walk=walk_zip)
_TAR: Final = Container(name="tar", walk=walk_tar)
_AR: Final = Container(name="ar", walk=walk_ar)
_CPIO_ARCHIVE: Final = Container(name="cpio", walk=walk_cpio)
_RPM: Final = Container(name="RPM", walk=walk_rpm)
_SQLITE: Final = Container(name="SQLite", walk=walk_sqlite)
_GIT_OBJECT: Final = Container(name="git object", walk=walk_loose)
_GIT_PACK: Final = Container(name="git pack", walk=walk_pack)
_BYTECODE: Final = Container(name="bytecode", walk=walk_bytecode)
_MODULE: Final = Container(name="Erlang module", walk=walk_streams(ZLIB))
_FROZEN: Final = Container(name="PyInstaller's program", walk=walk_streams(ZLIB))
_JOURNAL: Final = Container(name="journal", walk=walk_streams(ZSTD, XZ), heavy=True)
_ZLIB: Final = Container(name="zlib", walk=walk_zlib)
_LZMA: Final = Container(name="lzma", walk=walk_lzma, heavy=True)
_PDF: Final = Container(name="PDF", walk=walk_streams(ZLIB))
_DUMP: Final = Container(name="PostgreSQL dump", walk=walk_dump)
_FRAMES: Final = {
    name: Container(name=name, walk=walk_frames(codec), heavy=name in _HEAVY) for name, codec in _CODECS.items()
}


def recognise(head: bytes, size: int | None = None) -> Container | None:
    """The container that a document beginning with `head` (4 KiB of it or more, or all) is. What lies behind a script
    is looked for in `head` only. `size` is the document's, in bytes, if it is known."""
    if not head:
        return None
    if head[257:262] == b"ustar" or (head[155:156] in _ENDS and _is_old_tar(head)):
        return _TAR if is_header(head[:BLOCK_BYTES]) else None
    if head[2:4] == b"\r\n" and is_bytecode(head):
        return _BYTECODE
    first = head[0]
    if first not in _FIRST:
        return None
    return (_at_start(head[:HEAD_BYTES]) if first not in _BEFORE_OTHERS else None) or _behind_something(head, size)


def _is_old_tar(head: bytes) -> bool:
    return head[0] > 0x20 and _V7_NUMBERS.match(head, 100) is not None


def _at_start(head: bytes) -> Container | None:
    if looks_like_zip(head) or head[:8] in (b"PK00PK\3\4", b"PK\7\x08PK\3\4"):
        return _ZIP
    if _GZIP.match(head):
        return _FRAMES["gzip"]
    if _BZIP2.match(head):
        return _FRAMES["bzip2"]
    for name in ("xz", "zstd"):
        if _CODECS[name].starts(head[:6]):
            return _FRAMES[name]
    if head[:8] == AR_MARK:
        return _AR
    if head[:16] == SQLITE_MARK:
        return _SQLITE
    if head[:7] == PACK_MARK:
        return _GIT_PACK
    if is_beam(head):
        return _MODULE
    if is_lzma(head):
        return _LZMA
    if head[:5] == PDF_MARK:
        return _PDF
    if head[:5] == DUMP_MARK:
        return _DUMP
    if head[:8] == JOURNAL_MARK:
        return _JOURNAL
    if head[:4] == SQUASHFS_MARK:
        return _squashfs(head)
    if is_zlib(head):
        return _ZLIB
    if is_loose(head):
        return _GIT_OBJECT
    if _CPIO.match(head):
        return _CPIO_ARCHIVE
    if head[:4] == _RPM_LEAD and head[4:5] in (b"\3", b"\4"):
        return _RPM
    for mark, name in _UNREAD.items():
        if head.startswith(mark):
            return Container(name=name, walk=None)
    return None


def _squashfs(head: bytes) -> Container:
    kind = squashfs_kind(head)
    return Container(name="SquashFS", walk=None if kind is None else walk_streams(kind), heavy=kind in (XZ, ZSTD))


def _behind_something(head: bytes, size: int | None) -> Container | None:
    """A container behind a script that unpacks or runs it, behind a program or a header, or in a Java module."""
    if head[:4] == _JMOD and looks_like_zip(head[4:HEAD_BYTES]):
        return Container(name="zip", walk=walk_zip, at=4)
    if head[:2] == b"#!" or head[:4] == _EXTENSION:
        return _behind_script(head)
    if _CACHED.match(head):
        return replace(_ZLIB, at=5) if is_zlib(head[5:]) else _behind_script(head)
    if head[:4] in (b"\x7fELF", b"MZ\x90\0"):
        if _UPX in head[:_UPX_BYTES]:
            return Container(name="UPX", walk=None)
        if FROZEN_MARK in head:
            return _FROZEN
    if head[:4] == b"\x7fELF":
        return _behind_program(_elf_end(head), size)
    if head[:2] == b"MZ":
        return _behind_program(_pe_end(head), size)
    return None


def _behind_script(head: bytes) -> Container | None:
    if b"\0" not in head:
        return None
    for found in itertools.islice(_BEHIND_SCRIPT.finditer(head), _MOST_MARKS):
        inner = _at_start(head[found.start() : found.start() + HEAD_BYTES])
        if inner is not None and inner.walk is not None:
            return replace(inner, at=found.start())
    return None


def _behind_program(end: int, size: int | None) -> Container | None:
    """Something may lie behind a program; what it is, is seen there."""
    if not end or (size is not None and end >= size):
        return None
    return Container(name="program", walk=None, at=end, program=True)


def _elf_end(head: bytes) -> int:
    """Where an ELF file ends by its own account, which is behind the table of its sections; 0 if that is not known."""
    try:
        order = {1: "<", 2: ">"}[head[5]]
        if head[4] == 2:
            (start,) = struct.unpack_from(order + "Q", head, 40)
            size, count = struct.unpack_from(order + "2H", head, 58)
        else:
            (start,) = struct.unpack_from(order + "I", head, 32)
            size, count = struct.unpack_from(order + "2H", head, 46)
    except (KeyError, IndexError, struct.error):
        return 0
    return start + size * count if start else 0


def _pe_end(head: bytes) -> int:
    """Where the last section of a Windows program ends, 0 if that is not known."""
    try:
        (start,) = struct.unpack_from("<I", head, 0x3C)
        if head[start : start + 4] != b"PE\0\0":
            return 0
        (count,) = struct.unpack_from("<H", head, start + 6)
        (optional,) = struct.unpack_from("<H", head, start + 20)
        table = start + 24 + optional
        sections = [struct.unpack_from("<2I", head, table + 40 * number + 16) for number in range(min(count, 96))]
    except struct.error:
        return 0
    return max((size + at for size, at in sections), default=0)
