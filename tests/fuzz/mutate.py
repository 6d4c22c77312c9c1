"""Mutations that know the formats: what is changed stays a tar with right checksums, a gzip with a right length.

Each takes the bytes, a source of chance and `mutate`, the fuzzer's own mutation of raw bytes.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import zlib
from collections.abc import Callable
from typing import Final

from tarmaker import BLOCK, END, base256, checksummed, hardlink, header, long_name, member, octal, pax, record, symlink

Mutate = Callable[[bytes], bytes]

MOST_BYTES: Final = 1 << 20
_FIELDS: Final = {
    "name": (0, 100),
    "mode": (100, 8),
    "uid": (108, 8),
    "gid": (116, 8),
    "size": (124, 12),
    "mtime": (136, 12),
    "flag": (156, 1),
    "link": (157, 100),
    "magic": (257, 8),
    "major": (329, 8),
    "minor": (337, 8),
    "prefix": (345, 155),
    "atime": (345, 12),
    "ctime": (357, 12),
    "map": (386, 96),
    "extended": (482, 1),
    "real": (483, 12),
    "star": (476, 24),
    "trailer": (508, 4),
}
_NUMBERS: Final = (0, 1, 511, 512, 513, 1000, 4096, 1 << 20, (1 << 20) + 1, 1 << 33, (1 << 63) - 1)
_TEXTS: Final = (
    b"",
    b"/",
    b".",
    b"..",
    b"a/",
    b"./a",
    b"/a",
    b"a//b",
    b"../../a",
    b".wh.a",
    b"d/.wh..wh..opq",
    b".wh.",
    b"a\0b",
    b"\0a",
    b"\xff\xfe",
    "ä".encode(),
    b"x" * 100,
    b"manifest.json",
    b"index.json",
    b"layer.tar",
    b" 7777",
    b"7777 \0",
    b"+1",
    b"-1",
    b"0_1",
    b"8",
    b"9" * 12,
)
_KEYS: Final = (
    b"path",
    b"linkpath",
    b"size",
    b"uid",
    b"gid",
    b"uname",
    b"mtime",
    b"atime",
    b"SCHILY.xattr.security.capability",
    b"GNU.sparse.major",
    b"GNU.sparse.minor",
    b"GNU.sparse.name",
    b"GNU.sparse.size",
    b"GNU.sparse.realsize",
    b"GNU.sparse.map",
    b"GNU.sparse.numblocks",
    b"GNU.sparse.offset",
    b"GNU.sparse.numbytes",
    b"",
    b"a=b",
)
_VALUES: Final = (
    b"",
    b"0",
    b"1",
    b"10",
    b"512",
    b"1000",
    b"-1",
    b"+5",
    b"1e3",
    b"9223372036854775807",
    b"9223372036854775808",
    b"99999999999999999999",
    b"0,512",
    b"0,1,2,3",
    b"1,0,2,0",
    b"manifest.json",
    b"a/b",
    b"a\0b",
    b"1.5",
    b"-1.",
    b"\xff",
)
MAGICS: Final = (b"ustar\x0000", b"ustar  \x00", bytes(8), b"ustar\x00  ", b"ustar 00")


def repair(data: bytes) -> bytes:
    """The archive with right checksums in all blocks that have a header's magic or whose checksum is a near miss."""
    blocks = [data[start : start + BLOCK] for start in range(0, len(data), BLOCK)]
    return b"".join(
        checksummed(block) if len(block) == BLOCK and block[257:262] == b"ustar" else block for block in blocks
    )


def tar(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    """A tar with one to four changes to its blocks."""
    for _ in range(chance.randint(1, 4)):
        data = chance.choice(_TAR_CHANGES)(data, chance, mutate)
    return data[:MOST_BYTES] if chance.random() < 0.15 else repair(data[:MOST_BYTES])


def _headers(data: bytes) -> list[int]:
    return [start for start in range(0, len(data) - BLOCK + 1, BLOCK) if any(data[start + 148 : start + 156])]


def _pick(data: bytes, chance: random.Random) -> int:
    found = _headers(data)
    likely = [start for start in found if data[start + 257 : start + 262] == b"ustar"]
    return chance.choice(likely or found or [0])


def _set_field(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    start = _pick(data, chance)
    block = bytearray(data[start : start + BLOCK].ljust(BLOCK, b"\0"))
    name = chance.choice(list(_FIELDS))
    at, width = _FIELDS[name]
    match chance.randrange(5):
        case 0:
            value = octal(chance.choice(_NUMBERS), width) if width >= 8 else bytes([chance.randrange(256)])
        case 1:
            value = base256(chance.choice((1, -1)) * chance.choice(_NUMBERS), width) if width >= 8 else b"x"
        case 2:
            value = chance.choice(_TEXTS).ljust(width, chance.choice((b"\0", b" ")))
        case 3:
            value = mutate(bytes(block[at : at + width])).ljust(width, b"\0")
        case _:
            value = chance.choice((chance.choice(MAGICS), b"tar\0", bytes([chance.choice(b"\x000123456789xgLKSDVN")])))
            at = {8: 257, 4: 508, 1: 156}[len(value)]
    block[at : at + min(width, len(value))] = value[:width]
    return data[:start] + checksummed(bytes(block), signed=chance.random() < 0.1) + data[start + BLOCK :]


def _insert(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    text = chance.choice(_TEXTS)
    records = [(chance.choice(_KEYS), chance.choice(_VALUES)) for _ in range(chance.randint(1, 6))]
    body = b"".join(record(*pair) for pair in records)
    form = chance.choice(("gnu", "ustar", "v7", "star"))
    new = chance.choice(
        (
            lambda: pax(*records),
            lambda: pax(*records, flag=b"g"),
            lambda: pax(body=mutate(body)),
            lambda: long_name(text * chance.randint(1, 50)),
            lambda: long_name(text, b"K"),
            lambda: member(text, mutate(b"content of a file"), form=form),
            lambda: header(
                text, size=chance.choice(_NUMBERS), flag=b"S", form="gnu", fields={386: mutate(octal(0, 12) * 8)}
            ),
            lambda: symlink(text, chance.choice(_TEXTS)),
            lambda: hardlink(text, chance.choice(_TEXTS)),
            lambda: END,
            lambda: bytes(BLOCK),
            lambda: mutate(text * 20).ljust(BLOCK, b"\0")[:BLOCK],
        )
    )()
    start = chance.randint(0, len(data) // BLOCK) * BLOCK
    return data[:start] + new + data[start:]


def _move(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    blocks = [data[start : start + BLOCK] for start in range(0, len(data), BLOCK)] or [b""]
    first = chance.randrange(len(blocks))
    piece = blocks[first : first + chance.choice((1, 1, 2, 3, 8))]
    if chance.random() < 0.5:
        del blocks[first : first + len(piece)]
    to = chance.randint(0, len(blocks))
    if chance.random() < 0.7:
        blocks[to:to] = piece
    return b"".join(blocks)


def _raw(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    if chance.random() < 0.3:
        return data[: chance.randint(0, len(data))]
    return mutate(data)


_TAR_CHANGES: Final = (_set_field, _set_field, _set_field, _insert, _insert, _move, _raw)


def blob(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    """A compressed tar: mutated outside, or inside and packed again in one to four frames of any format."""
    if chance.random() < 0.4:
        return mutate(data)
    inside = unpack(data)
    inside = tar(inside, chance, mutate) if chance.random() < 0.5 else mutate(inside)
    cuts = sorted(chance.randint(0, len(inside)) for _ in range(chance.randint(0, 3)))
    pieces = [inside[start:end] for start, end in zip([0, *cuts], [*cuts, len(inside)], strict=True)]
    packed = b"".join(chance.choice(PACKERS[chance.choice(list(PACKERS))])(piece) for piece in pieces[:1])
    kind = next((name for name, packs in PACKERS.items() if packed[:2] == packs[0](b"")[:2]), "none")
    packed += b"".join(chance.choice(PACKERS[kind])(piece) for piece in pieces[1:])
    if chance.random() < 0.2:
        packed += mutate(b"trailing")
    if chance.random() < 0.2:
        packed = packed[: chance.randint(0, len(packed))]
    return packed[:MOST_BYTES]


def _zstd(data: bytes) -> bytes:
    from backports import zstd

    return zstd.compress(data)


def _skippable(data: bytes) -> bytes:
    return b"\x5a\x2a\x4d\x18" + len(data[:100]).to_bytes(4, "little") + data[:100] + _zstd(data)


def _gzip_with_name(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    head = b"\x1f\x8b\x08\x18" + bytes(6) + b"name\0comment\0"
    tail = zlib.crc32(data).to_bytes(4, "little") + (len(data) & 0xFFFFFFFF).to_bytes(4, "little")
    return head + packer.compress(data) + packer.flush() + tail


PACKERS: Final[dict[str, tuple[Callable[[bytes], bytes], ...]]] = {
    "none": (bytes,),
    "gzip": (gzip.compress, _gzip_with_name, lambda data: gzip.compress(data, 0)),
    "bzip2": (bz2.compress,),
    "xz": (lambda data: lzma.compress(data, preset=0),),
    "zstd": (_zstd, _skippable),
}


def unpack(data: bytes) -> bytes:
    """What is inside, as far as it can be had; the data themselves if nothing is."""
    for start in (
        lambda: zlib.decompressobj(wbits=31),
        bz2.BZ2Decompressor,
        lzma.LZMADecompressor,
    ):
        try:
            return start().decompress(data, MOST_BYTES)
        except Exception:  # each library has its own
            continue
    return data


def archive(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    """An image archive: its blocks, or a piece of its JSON."""
    if chance.random() < 0.5:
        return tar(data, chance, mutate)
    starts = [at for at in _headers(data) if data[at + BLOCK : at + BLOCK + 1] in (b"{", b"[")]
    if not starts:
        return tar(data, chance, mutate)
    at = chance.choice(starts)
    digits = data[at + 124 : at + 135]
    size = int(digits, 8) if digits.isdigit() and max(digits) < 0x38 else 0
    text = data[at + BLOCK : at + BLOCK + size]
    changed = json(text, chance, mutate)
    after = at + BLOCK + size + (-size % BLOCK)
    block = bytearray(data[at : at + BLOCK])
    block[124:136] = octal(len(changed), 12)
    return data[:at] + checksummed(bytes(block)) + changed + bytes(-len(changed) % BLOCK) + data[after:]


_TOKENS: Final = (
    b"null",
    b"{}",
    b"[]",
    b"[null]",
    b'""',
    b"0",
    b"-1",
    b"1e999",
    b"NaN",
    b"true",
    b'"\\ud800"',
    b'"\\udc00\\ud800"',
    b'"\\u0000"',
    b'"a/../b"',
    b'"./manifest.json"',
    b'"index.json"',
    b'"sha256:"',
    b'"app:1"',
    b'{"a":1,"A":2}',
    b"9" * 400,
    b"[" * 50,
)
_NAMES: Final = (
    b"Config",
    b"RepoTags",
    b"Layers",
    b"manifests",
    b"digest",
    b"mediaType",
    b"platform",
    b"os",
    b"architecture",
    b"variant",
    b"annotations",
    b"io.containerd.image.name",
    b"vnd.docker.reference.type",
    b"vnd.docker.reference.digest",
    b"urls",
    b"layers",
    b"config",
    b"Env",
    b"Labels",
    b"Cmd",
    b"history",
    b"created_by",
    b"empty_layer",
    b"rootfs",
    b"diff_ids",
    b"Healthcheck",
    b"Test",
    b"build-arg:A",
)


def json(text: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    """A JSON text with a value put in another's place, a member added or copied, or raw changes."""
    if chance.random() < 0.25 or len(text) < 2:
        return mutate(text)
    marks = [at for at, byte in enumerate(text) if byte in b'{}[],:"']
    at = chance.choice(marks) if marks else 0
    end = min(len(text), chance.choice([mark for mark in marks if mark >= at] or [at]) + 1)
    match chance.randrange(5):
        case 0:
            return text[:at] + chance.choice(_TOKENS) + text[end:]
        case 1:
            return text[:at] + text[end:]
        case 2:
            return text[:end] + text[at:]
        case 3:
            objects = [at for at, byte in enumerate(text) if byte == 0x7B] or [0]
            at = chance.choice(objects) + 1
            name = chance.choice(_NAMES)
            name = name.swapcase() if chance.random() < 0.2 else name
            return text[:at] + b'"' + name + b'": ' + chance.choice(_TOKENS) + b"," + text[at:]
        case _:
            name, other = chance.choice(_NAMES), chance.choice(_NAMES)
            return text.replace(name, other, 1)


def manifest(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    """Some of the JSON parts."""
    parts = data.split(b"\n---\n")
    for _ in range(chance.randint(1, 3)):
        number = chance.randrange(len(parts))
        parts[number] = json(parts[number], chance, mutate)
    if chance.random() < 0.1:
        parts.insert(chance.randint(0, len(parts)), chance.choice(parts))
    return b"\n---\n".join(parts)


def raw(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    """What the fuzzer itself does."""
    return mutate(data)


def bytewise(chance: random.Random) -> Mutate:
    """A mutation of raw bytes for where no fuzzer is at hand: one to four bytes changed, put in or taken out."""

    def mutate(data: bytes) -> bytes:
        found = bytearray(data)
        for _ in range(chance.randint(1, 4)):
            at = chance.randint(0, len(found))
            match chance.randrange(4):
                case 0:
                    found[at : at + 1] = bytes([chance.randrange(256)])
                case 1:
                    found[at:at] = chance.choice(_PIECES)
                case 2:
                    del found[at : at + chance.choice((1, 1, 2, 8))]
                case _:
                    found[at : at + 1] = chance.choice(_PIECES)
        return bytes(found)

    return mutate


_PIECES: Final = (
    b"\0",
    b"0",
    b"8",
    b"9" * 20,
    b"-1",
    b"+",
    b" ",
    b"=",
    b"\n",
    b",",
    b".",
    b"/",
    b"\\",
    b'"',
    b"{",
    b"\xff",
)

MUTATORS: Final[dict[str, Callable[[bytes, random.Random, Mutate], bytes]]] = {
    "tar": tar,
    "blob": blob,
    "nested": raw,
    "archive": archive,
    "report": archive,
    "manifest": manifest,
    "created_by": raw,
    "dockerfile": raw,
    "ignore": raw,
}
