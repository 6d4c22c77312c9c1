"""What was read and what was not: the report's records, and what was left out collected without growing beyond bounds,
the first of it listed, all of it counted. `imgscan.model` gives the records on; import them from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from imgscan.frozen import frozen

MOST_LISTED: Final = 1000
"""So many are listed of one layer, and in a report; a hostile layer has a million of them."""
MOST_SKIPPED: Final = 100


@frozen
class Skipped:
    """Something that could not be looked at; makes a report incomplete. `count`: it stands for so many things that are
    not listed one by one."""

    where: str
    reason: str
    count: int = 1


@frozen
class NotRead:
    """An entry that was not scanned, or not wholly, and why. `bytes` are those that were not read: 0 where all were,
    but not for everything."""

    where: str
    bytes: int
    reason: str


@frozen
class Coverage:
    """How much was scanned for secrets, and what was not. `not_listed` counts what `not_read` has no room for, with
    its bytes."""

    bytes: int
    entries: int
    not_read: tuple[NotRead, ...] = ()
    not_listed: int = 0
    not_listed_bytes: int = 0


class LeftOut:
    """Collects what was not read; `items` are listed, `more` and `more_bytes` count the rest."""

    __slots__ = ("items", "more", "more_bytes")

    def __init__(self) -> None:
        self.items: list[NotRead] = []
        self.more = 0
        self.more_bytes = 0

    def extend(self, items: Iterable[NotRead]) -> None:
        """Take further ones."""
        for item in items:
            self.add(item)

    def add(self, item: NotRead) -> None:
        """Take one."""
        if len(self.items) < MOST_LISTED:
            self.items.append(item)
        else:
            self.more += 1
            self.more_bytes += item.bytes

    def coverage(self, *, size_bytes: int, entries: int) -> Coverage:
        """With what was read, as the report has it."""
        return Coverage(
            bytes=size_bytes,
            entries=entries,
            not_read=tuple(self.items),
            not_listed=self.more,
            not_listed_bytes=self.more_bytes,
        )


def join_coverage(parts: Iterable[Coverage]) -> Coverage:
    """Parts of one scan as one."""
    left_out = LeftOut()
    size = entries = 0
    for part in parts:
        size += part.bytes
        entries += part.entries
        left_out.extend(part.not_read)
        left_out.more += part.not_listed
        left_out.more_bytes += part.not_listed_bytes
    return left_out.coverage(size_bytes=size, entries=entries)


def is_whole(coverage: Coverage | None) -> bool:
    """Whether nothing was left out."""
    return coverage is None or not (coverage.not_read or coverage.not_listed)


def count_left_out(skipped: Iterable[Skipped], coverage: Coverage | None) -> int:
    """How many things could not be looked at, listed or not."""
    entries = len(coverage.not_read) + coverage.not_listed if coverage else 0
    return entries + sum(item.count for item in skipped)


def limit_skipped(skipped: Sequence[Skipped], most: int = MOST_LISTED) -> tuple[Skipped, ...]:
    """The first of them, and one that stands for the rest."""
    if len(skipped) <= most:
        return tuple(skipped)
    count = sum(item.count for item in skipped[most:])
    return (*skipped[:most], Skipped(where="further", reason=f"{count} more like these are not listed", count=count))
