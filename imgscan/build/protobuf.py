"""A reader for the protocol buffers wire format, enough for BuildKit's status messages; no schema compiler needed.

Format: https://protobuf.dev/programming-guides/encoding/ . Unknown fields are given like any other, so that callers
skip them; groups (wire types 3 and 4, dead since 2008) count as broken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_MAX_VARINT_BYTES: Final = 10
_FIXED_BYTES: Final = {1: 8, 5: 4}


class WireError(ValueError):
    """The bytes are not a whole message."""


def read_fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field in order: int for varints, bytes for everything else.

    Raises WireError where the message is cut short or makes no sense; the fields before that have been given.
    """
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        number, wire_type = key >> 3, key & 7
        if wire_type == 0:
            value, at = _read_varint(data, at)
            yield number, value
            continue
        if wire_type == 2:
            size, at = _read_varint(data, at)
        elif wire_type in _FIXED_BYTES:
            size = _FIXED_BYTES[wire_type]
        else:
            raise WireError(f"wire type {wire_type} at byte {at}")
        if at + size > len(data):
            raise WireError(f"field {number} is cut short at byte {len(data)}")
        yield number, data[at : at + size]
        at += size


def signed(value: int | bytes) -> int:
    """A varint as the signed 64 bit number it stands for."""
    if not isinstance(value, int):
        return 0
    return value - (1 << 64) if value >= 1 << 63 else value


def text(value: int | bytes) -> str:
    """A string field; what is not UTF-8 is replaced."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(_MAX_VARINT_BYTES):
        if at + shift >= len(data):
            raise WireError(f"number cut short at byte {len(data)}")
        byte = data[at + shift]
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value & ((1 << 64) - 1), at + shift + 1
    raise WireError(f"number without end at byte {at}")
