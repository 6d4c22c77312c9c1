"""How much of a file's inside is opened at most, and what is said of what is left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from imgscan.units import human_bytes

MOST_LEVELS: Final = 8
"""Containers in containers: a compressed tar counts twice, so a jar in a war in a tar.gz in a Debian package fits."""
MOST_HEAVY: Final = 3
"""Of those, xz and zstd: a decompressor of theirs may take 128 MiB."""
MOST_BYTES: Final = 2 << 30
MOST_ENTRIES: Final = 200_000
RATIO: Final = 200
RATIO_FREE_BYTES: Final = 64 << 20
"""A text that repeats itself may well be compressed to a hundredth; beyond this, nobody stores 200 bytes in one."""


class Budget:
    """What opening one outermost file may still cost. `spent` says which bound was reached; nothing more is given out
    then, and what was read up to there is searched."""

    __slots__ = ("_entries", "_inflated", "fed", "most_bytes", "most_entries", "spent")

    def __init__(self, most_bytes: int = MOST_BYTES, most_entries: int = MOST_ENTRIES) -> None:
        self.most_bytes = most_bytes
        self.most_entries = most_entries
        self.fed = 0
        """Bytes of the outermost file that were read."""
        self._inflated = 0
        self._entries = 0
        self.spent = ""

    def inflate(self, count: int) -> None:
        """Count bytes that came out of a decompressor, or out of a hole."""
        self._inflated += count
        if self._inflated > self.most_bytes:
            self.spent = f"what the archive unpacks to was searched up to {human_bytes(self.most_bytes)} only"
        elif self._inflated > RATIO_FREE_BYTES and self._inflated > RATIO * self.fed:
            self.spent = (
                f"the archive unpacks to more than {RATIO} times its size; "
                f"what lies beyond {human_bytes(self._inflated)} was not searched"
            )

    def enter(self) -> bool:
        """Count a member; False if it is one too many."""
        self._entries += 1
        if self._entries > self.most_entries:
            self.spent = f"the archive has more than {self.most_entries} members; the others were not searched"
        return not self.spent


class Notes:
    """What of a file's inside was not read: each reason is told once, with the first place and how many more."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}
        self._last: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def add(self, reason: str, where: str) -> None:
        """Something at `where` (inside the file; "" for the file itself) was not read. Said again, it is no news."""
        self._first.setdefault(reason, where)
        if self._last.get(reason) != where:
            self._last[reason] = where
            self._counts[reason] = self._counts.get(reason, 0) + 1

    def tell(self, note: Callable[[str], None]) -> None:
        """Hand all of them over."""
        for reason, where in self._first.items():
            count = self._counts[reason] - 1
            more = f"{where or 'and'}{' and' if where else ''} {count} more" if count else where
            note(f"{reason} ({more})" if more else reason)
