"""Tokens in UTF-16 among other bytes: strings of a program, of a registry, of an old document.

In: a block with NULs of which no stretch is UTF-16 as a whole (those are read without their NULs, see `windows`). Out:
the runs of UTF-16 around what tokens begin with, as the ASCII in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from imgscan.detect.secrets.confirm import Cut
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re

_LONGEST_RUN: Final = 16 << 10
_BEFORE: Final = 4096
_MOST_RUNS: Final = 2000
_CHARACTER: Final = rb"[\t\n\r -~]"
_RUN: Final = lazy_re(rb"(?:%b\0){0,%d}%b" % (_CHARACTER, _LONGEST_RUN // 2, _CHARACTER), re.DOTALL)
_BACKWARDS: Final = lazy_re(rb"(?:\0%b){0,%d}" % (_CHARACTER, _BEFORE // 2), re.DOTALL)


@frozen
class WideRun:
    """A run of UTF-16 and where it begins."""

    data: bytes
    start: int

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where in the block its characters `start` to `end` lie."""
        return self.start + 2 * start, self.start + 2 * end - 1


def wide_pattern(prefixes: Iterable[str]) -> bytes:
    """One pattern for all beginnings of tokens in UTF-16 of either byte order; b"" when there are none."""
    wide = {rb"\x00".join(re.escape(c.encode()) for c in prefix) for prefix in prefixes}
    return b"|".join(sorted(wide))


def wide_runs(data: bytes, hits: Iterable[tuple[int, int]], *, cut: Cut) -> Iterator[WideRun]:
    """The runs around `hits`, sorted stretches that look like such a beginning: 2,000 runs at most, 16 KiB of each;
    `cut` is told of more."""
    covered = runs = 0
    for low, _ in hits:
        if low < covered:
            continue
        runs += 1
        if runs > _MOST_RUNS:
            cut(f"more than {_MOST_RUNS} beginnings of tokens in UTF-16 close together, the rest was not read")
            return
        reversed_before = _BACKWARDS.match(data[max(low - _BEFORE, covered) : low][::-1])
        start = low - (reversed_before.end() if reversed_before is not None else 0)
        run = _RUN.match(data, start, start + _LONGEST_RUN)
        if run is not None:
            covered = run.end()
            yield from _strings(data, run, start)


def _strings(data: bytes, run: re.Match[bytes], start: int) -> Iterator[WideRun]:
    """What the run's characters are as text. Without a NUL behind it, the last one is no part of little-endian text,
    and without one before it, the first is none of big-endian text: a string often has another byte beside it.
    """
    text = run[0][::2]
    if data[run.end() : run.end() + 1] == b"\0":
        yield WideRun(data=text, start=start)
        return
    yield WideRun(data=text[:-1], start=start)
    first = 0 if data[start - 1 : start] == b"\0" else 1
    yield WideRun(data=text[first:], start=start + 2 * first)
