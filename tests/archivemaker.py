"""Archives of every format, small and made at run time: names and contents in, bytes out."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from backports import zstd

Files = Mapping[str, bytes]


def zipped(files: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive with sizes in its local headers."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


class Unseekable(io.RawIOBase):
    """Takes bytes and cannot go back."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self.data += piece
        return len(piece)


def streamed_zip(files: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive with its sizes behind the contents."""
    out = Unseekable()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            with archive.open(zipfile.ZipInfo(name), "w") as member:
                member.write(data)
    return bytes(out.data)


def large_zip(files: Files) -> bytes:
    """A zip archive of the form for members of any size."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(data)
    return out.getvalue()


def zip_by(files: Files, number: int, pack: Callable[[bytes], bytes]) -> bytes:
    """Local headers with a method that zipfile does not know, without a central directory."""
    out = b""
    for name, data in files.items():
        packed = pack(data)
        sizes = (zlib.crc32(data), len(packed), len(data), len(name), 0)
        out += struct.pack("<4s5H3I2H", b"PK\3\4", 63, 0, number, 0, 0, *sizes) + name.encode() + packed
    return out


def tarred(files: Files, mode: str = "w", form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar archive; `mode` may compress it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=form) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def v7_tar(files: Files) -> bytes:
    """A tar archive from before there was a magic number."""
    out = b""
    for name, data in files.items():
        head = bytearray(512)
        head[: len(name)] = name.encode()
        head[100:148] = b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (0o644, 0, 0, len(data), 0)
        head[148:156] = b" " * 8
        head[148:156] = b"%06o\0 " % sum(head)
        out += bytes(head) + data + bytes(-len(data) % 512)
    return out + bytes(1024)


def newc(files: Files) -> bytes:
    """A cpio archive of the new format."""
    out = b""
    for number, (name, data) in enumerate([*files.items(), ("TRAILER!!!", b"")], 1):
        mode = 0o100644 if number <= len(files) else 0
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        out += bytes(-len(out) % 4) + data
        out += bytes(-len(out) % 4)
    return out + bytes(-len(out) % 512)


def odc(files: Files) -> bytes:
    """A cpio archive of the portable format."""
    out = b""
    for number, (name, data) in enumerate([*files.items(), ("TRAILER!!!", b"")], 1):
        out += b"070707" + b"%06o" * 7 % (0, number, 0o100644, 0, 0, 1, 0)
        out += b"%011o%06o%011o" % (0, len(name) + 1, len(data)) + name.encode() + b"\0" + data
    return out


def ar(files: Files) -> bytes:
    """An ar archive."""
    out = b"!<arch>\n"
    for name, data in files.items():
        out += name.encode().ljust(16) + b"0".ljust(12) + b"0".ljust(6) * 2 + b"100644".ljust(8)
        out += str(len(data)).encode().ljust(10) + b"`\n" + data + b"\n" * (len(data) % 2)
    return out


def deb(files: Files) -> bytes:
    """A Debian package."""
    return ar({"debian-binary": b"2.0\n", "control.tar.gz": tarred({}, "w:gz"), "data.tar.xz": tarred(files, "w:xz")})


def rpm(files: Files, pack: Callable[[bytes], bytes] = gzip.compress) -> bytes:
    """An RPM package, its headers without anything to say."""
    lead = b"\xed\xab\xee\xdb\3\0".ljust(96, b"\0")
    signature = b"\x8e\xad\xe8\1\0\0\0\0" + struct.pack(">2I", 1, 5) + bytes(16) + b"12345" + bytes(3)
    header = b"\x8e\xad\xe8\1\0\0\0\0" + struct.pack(">2I", 2, 7) + bytes(32) + b"1234567"
    return lead + signature + header + pack(newc(files))


def lzma_alone(data: bytes, size: int | None = None) -> bytes:
    """The format before xz, with an end that is marked, or the size in its header."""
    packed = lzma.compress(data, format=lzma.FORMAT_ALONE)
    return packed if size is None else packed[:5] + struct.pack("<Q", size) + packed[13:]


def zip_lzma(data: bytes) -> bytes:
    """A member as method 14 has it: version, length of the properties, properties, stream."""
    alone = lzma_alone(data)
    return b"\x09\x14\x05\0" + alone[:5] + alone[13:]


def multi_frame(data: bytes) -> bytes:
    """Two zstd frames with a skippable one between them."""
    half = len(data) // 2
    return zstd.compress(data[:half]) + b"\x50\x2a\x4d\x18\3\0\0\0abc" + zstd.compress(data[half:])


def multi_member(data: bytes) -> bytes:
    """Gzip members, cut anywhere."""
    return b"".join(gzip.compress(data[at : at + 1000]) for at in range(0, len(data), 1000))


_ZIP_STORED: Final = zipfile.ZIP_STORED
ARCHIVES: Final[dict[str, Callable[[Files], bytes]]] = {
    "zip": zipped,
    "zip-stored": lambda files: zipped(files, _ZIP_STORED),
    "zip-streamed": streamed_zip,
    "zip-streamed-stored": lambda files: streamed_zip(files, _ZIP_STORED),
    "zip64": large_zip,
    "zip-bzip2": lambda files: zipped(files, zipfile.ZIP_BZIP2),
    "zip-lzma": lambda files: zipped(files, zipfile.ZIP_LZMA),
    "zip-lzma-sized": lambda files: zip_by(files, 14, zip_lzma),
    "zip-zstd": lambda files: zip_by(files, 93, zstd.compress),
    "zip-xz": lambda files: zip_by(files, 95, lzma.compress),
    "jmod": lambda files: b"JM\1\0" + zipped(files),
    "pip-cache": lambda files: b"cc=4,\x81\xa8response\x8b\xa4body\xc6\0\0\x10\0" + zipped(files) + b"\xa7headers\x80",
    "pip-cache-old": lambda files: b"cc=2," + zlib.compress(zipped(files)),
    "chrome-extension": lambda files: b"Cr24\3\0\0\0\x20\0\0\0" + bytes(32) + zipped(files),
    "executable-jar": lambda files: b"#!/bin/sh\nexec java -jar $0\nexit\n" + zipped(files),
    "tar": tarred,
    "tar-gnu": lambda files: tarred(files, form=tarfile.GNU_FORMAT),
    "tar-v7": v7_tar,
    "tar.gz": lambda files: tarred(files, "w:gz"),
    "tar.bz2": lambda files: tarred(files, "w:bz2"),
    "tar.xz": lambda files: tarred(files, "w:xz"),
    "tar.zst": lambda files: zstd.compress(tarred(files)),
    "makeself": lambda files: b"#!/bin/sh\ntail -n +4 $0 | tar xz\nexit\n" + tarred(files, "w:gz"),
    "cpio": newc,
    "cpio-odc": odc,
    "initrd": lambda files: newc({"kernel/x86/microcode.bin": b"m" * 100}) + gzip.compress(newc(files)),
    "deb": deb,
    "rpm": rpm,
    "rpm-zstd": lambda files: rpm(files, zstd.compress),
    "rpm-lzma": lambda files: rpm(files, lzma_alone),
    "rpm-stored": lambda files: rpm(files, bytes),
}
STREAMS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "gz": gzip.compress,
    "gz-members": multi_member,
    "bz2": bz2.compress,
    "bz2-streams": lambda data: bz2.compress(data[:500]) + bz2.compress(data[500:]),
    "xz": lzma.compress,
    "zlib": zlib.compress,
    "zlib-best": lambda data: zlib.compress(data, 9),
    "lzma": lzma_alone,
    "lzma-sized": lambda data: lzma_alone(data, len(data)),
    "xz-padded": lambda data: lzma.compress(data[:500]) + bytes(8) + lzma.compress(data[500:]),
    "zst": zstd.compress,
    "zst-frames": multi_frame,
}


def beam(texts: Sequence[bytes]) -> bytes:
    """A module of Erlang's with texts among its literals."""
    literals = b"".join(
        struct.pack(">I", len(text) + 6) + b"\x83m" + struct.pack(">I", len(text)) + text for text in texts
    )
    table = struct.pack(">I", len(texts)) + literals
    chunks = ((b"AtU8", b"\0\0\0\1\1a"), (b"LitT", struct.pack(">I", len(table)) + zlib.compress(table)))
    body = b"".join(name + struct.pack(">I", len(data)) + data + bytes(-len(data) % 4) for name, data in chunks)
    return b"FOR1" + struct.pack(">I", len(body) + 4) + b"BEAM" + body


def pdf(texts: Sequence[bytes]) -> bytes:
    """A document with a page for each text."""
    objects = [
        b"%d 0 obj\n<</Length %d/Filter/FlateDecode>>\nstream\n%s\nendstream\nendobj\n" % (number, len(data), data)
        for number, data in enumerate((zlib.compress(b"BT (%s) Tj ET" % text) for text in texts), start=1)
    ]
    return b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + b"".join(objects) + b"trailer\n<<>>\n%%EOF\n"


def dump(texts: Sequence[bytes], piece: int = 4096) -> bytes:
    """What `pg_dump --format=custom` writes, with a table for each text, in pieces of so many bytes."""

    def number(value: int) -> bytes:
        return b"\0" + struct.pack("<I", value)

    def table(number_: int, data: bytes) -> bytes:
        parts = (data[at : at + piece] for at in range(0, len(data), piece))
        return b"\1" + number(number_) + b"".join(number(len(part)) + part for part in parts) + number(0)

    tables = (table(3000 + index, zlib.compress(text)) for index, text in enumerate(texts))
    return b"PGDMP\1\x0e\0\4\x08\1" + number(1) * 7 + b"CREATE TABLE public.t (\n" + b"".join(tables)


def squashfs(texts: Sequence[bytes], number: int, pack: Callable[[bytes], bytes]) -> bytes:
    """A file system's superblock and its blocks, as far as they are looked at."""
    superblock = b"hsqs" + struct.pack("<4I2H", 1, 0, 131072, 0, number, 17) + bytes(72)
    return superblock + b"".join(map(pack, texts)) + bytes(100)


def journal(texts: Sequence[bytes], pack: Callable[[bytes], bytes]) -> bytes:
    """A journal whose fields are compressed, each in an object that begins at a multiple of eight bytes."""
    packed = (struct.pack("<BB6xQ", 1, 2, 0) + bytes(48) + pack(b"MESSAGE=" + text) for text in texts)
    return b"LPKSHHRH" + bytes(264) + b"".join(data + bytes(-len(data) % 8) for data in packed)


def frozen(texts: Sequence[bytes]) -> bytes:
    """A program of PyInstaller's: its loader, then modules."""
    loader = b"\x7fELF\2\1\1" + bytes(60_000) + b"\0_MEIPASS2\0" + bytes(5_000)
    return loader + b"".join(zlib.compress(b"\xe3" + bytes(20) + text) for text in texts) + b"MEI\14\13\12\13\16"


HOLDERS: Final[dict[str, Callable[[Sequence[bytes]], bytes]]] = {
    "beam": beam,
    "pdf": pdf,
    "dump": dump,
    "dump-in-small-pieces": lambda texts: dump(texts, 100),
    "squashfs": lambda texts: squashfs(texts, 1, zlib.compress),
    "squashfs-xz": lambda texts: squashfs(texts, 4, lzma.compress),
    "squashfs-zstd": lambda texts: squashfs(texts, 6, zstd.compress),
    "journal": lambda texts: journal(texts, zstd.compress),
    "journal-xz": lambda texts: journal(texts, lzma.compress),
    "frozen": frozen,
}
"""Files of other formats that hold compressed texts."""
