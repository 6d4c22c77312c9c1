"""One 512-byte tar header block, or the body of one PAX header, as numbers and names; no input or output.

The rules are those of Go's archive/tar (format.go, strconv.go, reader.go), because every engine unpacks layers with it:
what it rejects is rejected here, what it reads is read the same way. A reader with other rules sees other files than
the engine does, and that is a way to hide one.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final, NamedTuple
from zlib import adler32

from imgscan.lazyre import lazy_re

BLOCK_BYTES: Final = 512
MAX_META_BYTES: Final = 1 << 20
"""Largest PAX or GNU long-name body, Go's maxSpecialFileSize."""

FORMAT_V7: Final = 0
FORMAT_USTAR: Final = 1
FORMAT_STAR: Final = 2
FORMAT_GNU: Final = 3

_INT64_MAX: Final = (1 << 63) - 1
_DECIMAL: Final = lazy_re(rb"[+-]?[0-9]{1,4000}")
_FIELD_CACHE_LIMIT: Final = 4096
_STRING_KEYS: Final = frozenset((b"path", b"linkpath", b"uname", b"gname"))
_TAIL_AT: Final = 256
_TAIL_CACHE_LIMIT: Final = 1 << 10
_CHECKSUM_CACHE_LIMIT: Final = 1 << 14
_split: Final = struct.Struct("100s24s11sc12s8sB99s256s").unpack
"""Name; mode, owner and group; size, its last byte apart; time; checksum; type; link but for its last byte; and, from
`_TAIL_AT` on, that byte with all that follows, which is equal in most headers of a layer."""
_TIME_KEYS: Final = frozenset((b"atime", b"mtime", b"ctime"))


class TarFormatError(Exception):
    """The bytes are no tar archive that an engine would accept; the message says why, without content."""


class Header(NamedTuple):
    """What one header block says. `size` is the header's own figure, which for links and devices is not a length."""

    name: bytes
    link: bytes
    size: int
    mode: int
    uid: int
    gid: int
    flag: int
    format: int


HeaderFields = tuple[bytes, bytes, int, int, int, int, int, int]


def parse_header(block: bytes) -> Header:
    """Read one block of 512 bytes. Raises TarFormatError as `header_fields` does."""
    return Header(*header_fields(block))


def header_fields(block: bytes) -> HeaderFields:
    """What `Header` names, for whoever takes it apart at once; a million times it is worth the name.

    Raises TarFormatError on a wrong checksum or a number field that is not octal or base-256.
    """
    name, owners, digits, end, time, checksum, flag, link, tail = _split(block)
    # It mostly is that of the header before, and to compare is quicker than to hash.
    latest, known = _latest_tail[0]
    if tail != latest:
        known = _tail_cache.get(tail)
        _latest_tail[0] = tail, known
    # What fields add to the checksum is remembered with them: half of the block is left to be summed up.
    if known is None or (adler32(block[:_TAIL_AT]) & 0xFFFF) + known[0] != _checksum_cache.get(checksum):
        _verify_checksum(block)
    mode, uid, gid = _owner_cache.get(owners) or _owner_fields(owners)
    try:
        # The usual form; int() is exact on it once isdigit has spoken.
        size = int(digits, 8) if end == b"\0" and digits.isdigit() else parse_number(digits + end)
    except ValueError as error:
        raise TarFormatError("a number field is not octal") from error
    if time not in _number_cache:
        _check_number(time)
    _, kind, prefix = known or _tail_fields(block, tail)
    name = name.partition(b"\0")[0]
    if prefix:
        name = prefix + b"/" + name
    link = (link + tail[:1]).partition(b"\0")[0] if link[0] else b""
    return name, link, size, mode, uid, gid, flag, kind


def is_header(block: bytes) -> bool:
    """Whether the bytes begin like a tar archive: a whole block with a right checksum, or the zero block of an empty
    one."""
    if len(block) < BLOCK_BYTES:
        return False
    try:
        _verify_checksum(block[:BLOCK_BYTES])
    except TarFormatError:
        return not any(block[:BLOCK_BYTES])
    return True


def parse_pax(body: bytes) -> dict[bytes, bytes]:
    """The records of a PAX header, later ones over earlier ones; sparse format 0.0 comes out as format 0.1.

    Raises TarFormatError on any record that Go rejects: bad length, no newline, no key, NUL where it is not allowed.
    """
    records: dict[bytes, bytes] = {}
    sparse_map: list[bytes] = []
    position = 0
    while position < len(body):
        key, value, position = _pax_record(body, position)
        if key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
            expected = b"GNU.sparse.numbytes" if len(sparse_map) % 2 else b"GNU.sparse.offset"
            if key != expected or b"," in value:
                raise TarFormatError("a sparse map in the PAX header is out of order")
            sparse_map.append(value)
        else:
            records[key] = value
    if sparse_map:
        records[b"GNU.sparse.map"] = b",".join(sparse_map)
    return records


def merge_pax(header: Header, records: Mapping[bytes, bytes]) -> Header:
    """The header with what its PAX records replace. Empty values keep the header's own.

    Raises TarFormatError on a number or a time that is none.
    """
    name, link, size, uid, gid = header.name, header.link, header.size, header.uid, header.gid
    for key, value in records.items():
        if not value:
            continue
        match key:
            case b"path":
                name = value
            case b"linkpath":
                link = value
            case b"size":
                size = parse_decimal(value)
            case b"uid":
                uid = parse_decimal(value)
            case b"gid":
                gid = parse_decimal(value)
            case _ if key in _TIME_KEYS:
                _check_time(value)
            case _:
                pass
    return Header(name, link, size, header.mode, uid, gid, header.flag, header.format)


def parse_decimal(text: bytes) -> int:
    """A signed 64-bit decimal number, as Go's strconv.ParseInt takes it. Raises TarFormatError."""
    if not _DECIMAL.fullmatch(text):
        raise TarFormatError("a PAX number is not a number")
    value = int(text)
    if not -_INT64_MAX - 1 <= value <= _INT64_MAX:
        raise TarFormatError("a PAX number does not fit 64 bits")
    return value


def parse_number(field: bytes) -> int:
    """A number field: octal, or base-256 (two's complement) when the first bit is set. Raises TarFormatError."""
    if not field[0] & 0x80:
        return _octal(field)
    width = 8 * len(field) - 1
    value = int.from_bytes(field) & ((1 << width) - 1)
    if field[0] & 0x40:
        value -= 1 << width
    if not -_INT64_MAX - 1 <= value <= _INT64_MAX:
        raise TarFormatError("a base-256 number does not fit 64 bits")
    return value


def _octal(field: bytes) -> int:
    digits = field.strip(b" \0").partition(b"\0")[0]
    # bytes.isdigit is ASCII only; int() alone would take signs, spaces and underscores. ValueError is left for 8 and 9.
    if not digits:
        return 0
    if not digits.isdigit():
        raise TarFormatError("a number field is not octal")
    try:
        return int(digits, 8)
    except ValueError as error:
        raise TarFormatError("a number field is not octal") from error


def _number(field: bytes) -> int:
    # The usual form is eleven digits and a NUL; int() is exact on it once isdigit has spoken.
    digits = field[:-1]
    if digits.isdigit() and field[-1] in (0, 32):
        try:
            return int(digits, 8)
        except ValueError as error:
            raise TarFormatError("a number field is not octal") from error
    return parse_number(field)


_owner_cache: dict[bytes, tuple[int, int, int]] = {}
_number_cache: set[bytes] = set()
_tail_cache: dict[bytes, tuple[int, int, bytes]] = {}
_latest_tail: list[tuple[bytes, tuple[int, int, bytes] | None]] = [(b"", None)]
_checksum_cache: dict[bytes, int] = {}
"""By the field, what the lower half of Adler-32 of the bytes before the tail and the sum of those in it must add up to:
1 and all bytes, of which eight are the field's instead of spaces."""


def _owner_fields(fields: bytes) -> tuple[int, int, int]:
    # Mode, owner and group take a handful of values in a layer: parsing each combination once halves the time a header
    # takes. The bound keeps hostile archives from growing it.
    owner = (parse_number(fields[:8]), parse_number(fields[8:16]), parse_number(fields[16:24]))
    if len(_owner_cache) < _FIELD_CACHE_LIMIT:
        _owner_cache[fields] = owner
    return owner


def _check_number(field: bytes) -> None:
    # Of times and device numbers only the form matters; they repeat as owners do.
    _number(field)
    if len(_number_cache) < _FIELD_CACHE_LIMIT:
        _number_cache.add(field)


def _tail_fields(block: bytes, tail: bytes) -> tuple[int, int, bytes]:
    # The sum of its bytes, the format, and what the name begins with. A layer has few: the format's sign, the owner's
    # names, and zeros; only the prefix of a long name changes from folder to folder.
    magic = block[257:265]
    kind = FORMAT_V7
    if magic[:6] == b"ustar\0":
        kind = FORMAT_STAR if block[508:512] == b"tar\0" else FORMAT_USTAR
    elif magic == b"ustar  \0":
        kind = FORMAT_GNU
    prefix = b""
    if kind != FORMAT_V7:
        for devices in (block[329:337], block[337:345]):
            if devices not in _number_cache:
                _check_number(devices)
        # Nearly every header has nothing here, in any format but star's.
        if block[345] or block[357] or kind == FORMAT_STAR:
            prefix = _prefix(block, kind)
    if len(_tail_cache) >= _TAIL_CACHE_LIMIT:
        _tail_cache.clear()
    fields = _tail_cache[tail] = sum(tail), kind, prefix
    _latest_tail[0] = tail, fields
    return fields


def _verify_checksum(block: bytes) -> None:
    # The low half of Adler-32 is 1 plus the sum of the bytes modulo 65521, which 256 bytes cannot reach: two calls in C
    # instead of a loop over 512 numbers. The checksum field itself counts as eight spaces.
    field = block[148:156]
    own = (adler32(field) & 0xFFFF) - 1
    total = (adler32(block[:256]) & 0xFFFF) + (adler32(block[256:]) & 0xFFFF) - own + 254
    try:
        stated = _octal(field)
    except TarFormatError:
        raise TarFormatError("there is no header: the checksum is no number") from None
    if stated == total:
        if len(_checksum_cache) >= _CHECKSUM_CACHE_LIMIT:
            _checksum_cache.clear()
        _checksum_cache[field] = stated + own - 255
        return
    # Sun's tar summed signed bytes: each byte above 127 counts 256 less there.
    high = sum(byte > 127 for byte in block) - sum(byte > 127 for byte in field)
    if stated != total - 256 * high:
        raise TarFormatError("the header's checksum is wrong")


def _prefix(block: bytes, kind: int) -> bytes:
    if kind == FORMAT_STAR:
        parse_number(block[476:488])
        parse_number(block[488:500])
        return block[345:476].partition(b"\0")[0]
    if not block[345] and kind == FORMAT_USTAR:
        return b""
    prefix = block[345:500].partition(b"\0")[0]
    if kind == FORMAT_USTAR:
        return prefix
    # GNU has times here, but Go's writer before 1.8 put a prefix there (golang.org/issue/12594): fields that are no
    # numbers are taken for that prefix if they are ASCII.
    if _is_gnu_time(block[345:357]) and _is_gnu_time(block[357:369]):
        return b""
    return prefix if prefix.isascii() else b""


def _is_gnu_time(field: bytes) -> bool:
    if not field[0]:
        return True
    try:
        parse_number(field)
    except TarFormatError:
        return False
    return True


def _pax_record(body: bytes, start: int) -> tuple[bytes, bytes, int]:
    space = body.find(b" ", start)
    if space < 0 or not _DECIMAL.fullmatch(body, start, space):
        raise TarFormatError("a PAX record has no length")
    length = int(body[start:space])
    end = start + length
    if length < 5 or end > len(body) or end - 1 <= space or body[end - 1] != 0x0A:
        raise TarFormatError("a PAX record has a wrong length")
    key, equals, value = body[space + 1 : end - 1].partition(b"=")
    if not key or not equals:
        raise TarFormatError("a PAX record has no key")
    if b"\0" in (value if key in _STRING_KEYS else key):
        raise TarFormatError("a PAX record holds a NUL")
    return key, value, end


def _check_time(value: bytes) -> None:
    seconds, _, fraction = value.partition(b".")
    parse_decimal(seconds)
    if fraction and not fraction.isdigit():
        raise TarFormatError("a PAX time is not a number")
