"""Tar archives made byte by byte, to say things no tar writer would: what `tarfile` cannot or will not write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

BLOCK = 512
END = bytes(2 * BLOCK)

MAGIC = {"ustar": b"ustar\x0000", "gnu": b"ustar  \x00", "v7": bytes(8), "star": b"ustar\x0000"}


def octal(value: int, width: int) -> bytes:
    """A number field: octal, base-256 where it does not fit."""
    return b"%0*o\x00" % (width - 1, value) if value < 8 ** (width - 1) else base256(value, width)


def base256(value: int, width: int) -> bytes:
    return bytes([0x80 | ((value >> (8 * (width - 1))) & 0x7F)]) + (value & ((1 << (8 * (width - 1))) - 1)).to_bytes(
        width - 1
    )


def checksummed(block: bytes, *, signed: bool = False) -> bytes:
    """The block with a right checksum."""
    blank = block[:148] + b" " * 8 + block[156:]
    total = sum(byte - 256 if signed and byte > 127 else byte for byte in blank)
    return block[:148] + b"%06o\x00 " % total + block[156:]


def header(
    name: bytes = b"",
    *,
    size: int = 0,
    flag: bytes = b"0",
    mode: int = 0o644,
    uid: int = 0,
    gid: int = 0,
    link: bytes = b"",
    form: str = "ustar",
    prefix: bytes = b"",
    fields: Mapping[int, bytes] | None = None,
) -> bytes:
    """One header block; `fields` overwrites bytes at an offset before the checksum is made."""
    block = bytearray(BLOCK)
    for offset, data in (
        (0, name[:100]),
        (100, octal(mode, 8)),
        (108, octal(uid, 8)),
        (116, octal(gid, 8)),
        (124, octal(size, 12)),
        (136, octal(0, 12)),
        (156, flag),
        (157, link[:100]),
        (257, MAGIC[form]),
        (345, prefix),
        *(((508, b"tar\x00"),) if form == "star" else ()),
        *(fields or {}).items(),
    ):
        block[offset : offset + len(data)] = data
    return checksummed(bytes(block))


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def member(
    name: bytes,
    data: bytes = b"",
    *,
    flag: bytes = b"0",
    mode: int = 0o644,
    uid: int = 0,
    link: bytes = b"",
    form: str = "ustar",
    fields: Mapping[int, bytes] | None = None,
) -> bytes:
    """A header and its padded content."""
    block = header(name, size=len(data), flag=flag, mode=mode, uid=uid, link=link, form=form, fields=fields)
    return block + padded(data)


def directory(name: bytes, *, mode: int = 0o755) -> bytes:
    return header(name, flag=b"5", mode=mode)


def symlink(name: bytes, target: bytes) -> bytes:
    return header(name, flag=b"2", link=target)


def hardlink(name: bytes, target: bytes) -> bytes:
    return header(name, flag=b"1", link=target)


def record(key: bytes, value: bytes) -> bytes:
    """One PAX record with its right length."""
    length = len(key) + len(value) + 3
    total = length + len(str(length))
    total = length + len(str(total))
    return b"%d %s=%s\n" % (total, key, value)


def pax(*records: tuple[bytes, bytes], flag: bytes = b"x", body: bytes | None = None) -> bytes:
    """A PAX header from records, or from a body that is none."""
    content = b"".join(record(*pair) for pair in records) if body is None else body
    return member(b"PaxHeaders.0/x", content, flag=flag)


def long_name(name: bytes, flag: bytes = b"L") -> bytes:
    return member(b"././@LongLink", name + b"\x00", flag=flag, form="gnu")


def archive(*parts: bytes) -> bytes:
    return b"".join(parts) + END


def gnu_sparse(name: bytes, real: int, pairs: Sequence[tuple[int, int]], data: bytes) -> bytes:
    """An old GNU sparse file: four map entries in the header, 21 in each block that follows."""

    def slots(part: Sequence[tuple[int, int]]) -> bytes:
        return b"".join(octal(offset, 12) + octal(length, 12) for offset, length in part)

    blocks, rest = b"", list(pairs[4:])
    more = b"\x01" if rest else b"\x00"
    while rest:
        part, rest = rest[:21], rest[21:]
        blocks += (slots(part).ljust(504, b"\0") + (b"\x01" if rest else b"\x00")).ljust(512, b"\0")
    fields = {386: slots(pairs[:4]), 482: more, 483: octal(real, 12)}
    return header(name, size=len(data), flag=b"S", form="gnu", fields=fields) + blocks + padded(data)


def map_text(pairs: Sequence[tuple[int, int]]) -> bytes:
    return b",".join(b"%d,%d" % pair for pair in pairs)


def sparse_1(name: bytes, real: int, pairs: Sequence[tuple[int, int]], data: bytes) -> bytes:
    """A sparse file in PAX format 1.0."""
    text = b"%d\n" % len(pairs) + b"".join(b"%d\n%d\n" % pair for pair in pairs)
    head = pax(
        (b"GNU.sparse.major", b"1"),
        (b"GNU.sparse.minor", b"0"),
        (b"GNU.sparse.name", name),
        (b"GNU.sparse.realsize", b"%d" % real),
    )
    return head + member(b"GNUSparseFile.0/x", padded(text) + data)


def sparse_0(name: bytes, real: int, pairs: Sequence[tuple[int, int]], data: bytes) -> bytes:
    """A sparse file in PAX format 0.0."""
    numbers = b"".join(
        record(b"GNU.sparse.offset", b"%d" % offset) + record(b"GNU.sparse.numbytes", b"%d" % length)
        for offset, length in pairs
    )
    body = record(b"GNU.sparse.size", b"%d" % real) + record(b"GNU.sparse.numblocks", b"%d" % len(pairs)) + numbers
    return pax(body=body) + member(name, data)


def sparse_01(name: bytes, real: int, pairs: Sequence[tuple[int, int]], data: bytes) -> bytes:
    """A sparse file in PAX format 0.1."""
    return pax(
        (b"GNU.sparse.size", b"%d" % real),
        (b"GNU.sparse.numblocks", b"%d" % len(pairs)),
        (b"GNU.sparse.map", map_text(pairs)),
        (b"GNU.sparse.name", name),
    ) + member(b"GNUSparseFile.0/x", data)
