"""A bound on what is read in a second: counts of bytes as they are read -> waiting until the next may be.

A token bucket that starts empty but for a moment's worth: over any stretch of time no more is read than the rate allows
for it and that moment.
"""

from __future__ import annotations

import threading
from typing import Final

from imgscan.source.backoff import Effects

_MOMENT_S: Final = 0.25
"""What is read at once, and what may be caught up with after a pause, in seconds of the rate."""
_LEAST_BYTES: Final = 1 << 10


class Throttle:
    """For one connection or several; threads may share it."""

    def __init__(self, bytes_per_s: int, effects: Effects) -> None:
        self._rate = bytes_per_s
        self._effects = effects
        self._free = 0.0
        self._counted_at = effects.clock()
        self._lock = threading.Lock()

    @property
    def most(self) -> int:
        """How much to read at once."""
        return max(_LEAST_BYTES, int(self._rate * _MOMENT_S))

    def count(self, read_bytes: int) -> None:
        """So much was read: wait until more may be."""
        with self._lock:
            now = self._effects.clock()
            earned = (now - self._counted_at) * self._rate
            self._free = min(self._free + earned, self._rate * _MOMENT_S) - read_bytes
            self._counted_at = now
            owed_s = -self._free / self._rate
        if owed_s > 0:
            self._effects.sleep(owed_s)
