"""When to try again: failures in a row -> how long to wait, or that it is time to give up.

Exponential with jitter, so that many scans that failed together do not come back together; a server's Retry-After (RFC
9110, section 10.2.3) counts more, up to a limit.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from imgscan.frozen import frozen

MAX_TRIES: Final = 6
_FIRST_S: Final = 0.5
_LONGEST_S: Final = 20.0
MAX_RETRY_AFTER_S: Final = 90.0


class TransientError(Exception):
    """Something that may be over the next time: a cut connection, a busy server. The text says what it was."""

    def __init__(self, reason: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_s = retry_after_s


@frozen
class Effects:
    """The world as retries see it: waiting, a monotonic clock, the time of day, a random number from 0 to 1, and
    somebody to tell what is being waited for."""

    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    jitter: Callable[[], float] = random.random
    say: Callable[[str], None] = lambda _: None


class Backoff:
    """Counts the failures of one undertaking that came without progress in between."""

    def __init__(self, effects: Effects, tries: int = MAX_TRIES) -> None:
        self._effects = effects
        self._tries = tries
        self._failures = 0

    def progressed(self) -> None:
        """Something was achieved: what failed before does not count any more."""
        self._failures = 0

    def wait(self, error: TransientError) -> bool:
        """Wait before the next try; False, at once, when there should be none."""
        self._failures += 1
        asked = error.retry_after_s or 0.0
        if self._failures >= self._tries or asked > MAX_RETRY_AFTER_S:
            return False
        longest = min(_LONGEST_S, _FIRST_S * 2.0 ** (self._failures - 1))
        pause = max(asked, longest * (0.5 + self._effects.jitter() / 2))
        self._effects.say(f"{error.reason}; trying again in {pause:.1f} s")
        self._effects.sleep(pause)
        return True


def retry_after(value: str, now: float) -> float | None:
    """A Retry-After header as seconds from `now` (seconds since the epoch): a number of seconds or a date."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    try:
        return max(0.0, (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, OverflowError, OSError):
        return None
