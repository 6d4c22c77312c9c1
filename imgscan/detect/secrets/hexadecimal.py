r"""Secrets in hexadecimal: columns of bytes in dumps of databases (`\x6768…`, `0x6768…`, `X'6768…'`), keys of the
registry, traces of requests.

As with base64, what each known token begins with is a pattern in this form too, and only the text around such a hit is
decoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field
from typing import Final

from imgscan.detect.secrets.confirm import Cut
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re

_SHORTEST_PREFIX: Final = 4
_DIGITS: Final = b"0123456789abcdefABCDEF"
_NO_DIGIT: Final = lazy_re(rb"[^0-9a-fA-F]")
_BEFORE: Final = 8 * 1024
_LONGEST_RUN: Final = 48 * 1024
_MOST_RUNS: Final = 10_000


def hex_pattern(prefixes: Iterable[str]) -> bytes:
    """One pattern for all beginnings of tokens, in digits of either case; b"" when there are none."""
    digits = {prefix.encode().hex() for prefix in prefixes if len(prefix) >= _SHORTEST_PREFIX}
    return "|".join(sorted(digits | {each.upper() for each in digits})).encode()


@frozen
class HexRun:
    """What a run of digits holds, and where it begins."""

    data: bytes = field(repr=False)
    start: int

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where in the text the bytes `start` to `end` come from."""
        return self.start + 2 * start, self.start + 2 * end


def hex_runs(data: bytes, hits: Iterable[tuple[int, int]], *, cut: Cut) -> Iterator[HexRun]:
    """The runs around `hits`, sorted stretches that look like such a beginning, decoded: 24 KiB of each, 10,000 at
    most; `cut` is told of more."""
    covered = runs = 0
    for low, high in hits:
        if high <= covered:
            continue
        runs += 1
        if runs > _MOST_RUNS:
            cut(f"more than {_MOST_RUNS} stretches of hexadecimal close together, the rest was not decoded")
            return
        floor = max(low - _BEFORE, covered)
        start = floor + len(data[floor:low].rstrip(_DIGITS))
        # A hit begins with a whole byte; a digit that is left over before it belongs to something else.
        start += (low - start) % 2
        stop = _NO_DIGIT.search(data, low, low + _LONGEST_RUN)
        covered = stop.start() if stop is not None else min(low + _LONGEST_RUN, len(data))
        covered -= (covered - start) % 2
        yield HexRun(data=bytes.fromhex(data[start:covered].decode("ascii")), start=start)
