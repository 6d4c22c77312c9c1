"""How long tasks take: sizes and seconds of those that are done -> whether one takes far longer than it should."""

from __future__ import annotations

from typing import Final

_FIXED_BYTES: Final = 1 << 20
"""What a task costs besides its bytes, as if they were so many more."""
_TIMES: Final = 3.0
_LEAST_KNOWN: Final = 5


class Pace:
    """Learns from tasks that are done. `patience_s` is waited for in any case."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._slowest = 0.0
        self._known = 0

    def learn(self, size_bytes: int, seconds: float) -> None:
        """A task of that size took so long."""
        self._known += 1
        self._slowest = max(self._slowest, seconds / (size_bytes + _FIXED_BYTES))

    def is_straggling(self, size_bytes: int, seconds: float) -> bool:
        """Whether a task that has been under way for so long is several times slower than the slowest of all others."""
        expected_s = self._slowest * (size_bytes + _FIXED_BYTES)
        return self._known >= _LEAST_KNOWN and seconds > max(self._patience_s, _TIMES * expected_s)
