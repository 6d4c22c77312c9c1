"""Distinguished encoding (DER, X.690) as far as keys and certificates need it: bytes in, elements out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTETS: Final = 0x04
OBJECT_ID: Final = 0x06
SEQUENCE: Final = 0x30
_MOST_CHILDREN: Final = 1000


class Element(NamedTuple):
    """An element: its tag, and start and end of its content, which may lie beyond the bytes there are."""

    tag: int
    start: int
    end: int


def element(der: bytes, at: int) -> Element | None:
    """The element at `at`; None if its header is cut off or absurd."""
    found = _header(der, at)
    return Element(*found) if found is not None else None


def _header(der: bytes, at: int) -> tuple[int, int, int] | None:
    """The same as a tuple, of which there are many."""
    if at + 2 > len(der):
        return None
    tag, length, start = der[at], der[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        if not 1 <= size <= 4 or start + size > len(der):
            return None
        length, start = int.from_bytes(der[start : start + size], "big"), start + size
    return tag, start, start + length


def children(der: bytes, parent: Element) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element inside another one, up to the first that is not whole."""
    at, last = parent.start, min(parent.end, len(der))
    for _ in range(_MOST_CHILDREN):
        child = _header(der, at) if at < parent.end else None
        if child is None or child[2] > last:
            return
        tag, start, at = child
        yield tag, der[start:at]


def sequence(der: bytes) -> list[tuple[int, bytes]]:
    """The elements of a SEQUENCE; none if it is not one, or not whole."""
    outer = element(der, 0)
    if outer is None or outer.tag != SEQUENCE or outer.end > len(der):
        return []
    return list(children(der, outer))
