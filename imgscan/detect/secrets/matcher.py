"""Where in a block of bytes which pattern may match: all patterns at once, in one pass.

Two back ends, same answers after `confirm`: hyperscan (a gigabyte a second) and, where its wheel does not exist,
google-re2's `Filter`. Both give regions to confirm: (pattern index, from, to).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, cast

from imgscan.detect.secrets.patterntext import widest
from imgscan.lazyre import lazy_re

if TYPE_CHECKING:
    from hyperscan import Database

MATCHERS: Final = ("auto", "hyperscan", "re2")
"""What IMGSCAN_MATCHER and `load_matcher` may be told."""
DullEnd = Callable[[bytes, int], bool]
"""Whether what ends at an offset of a block can be left out."""
Region = tuple[int, int, int]
"""Pattern index, and the stretch of the block in which its match lies."""

_NONE_DULL: Final[Mapping[int, DullEnd]] = {}

# More raw hits than this in one block and the block is hostile or a dictionary: one callback each would cost more
# than asking RE2, whose cost does not depend on the number of matches.
_FLOOD: Final = 60_000
_SLACK: Final = 2
_OPTIONAL_TAIL: Final = lazy_re(rb"(?<!\\)(?:=|\[[^\[\]\\]+\])(?:\{0,[0-9]*\}|\?|\*)(\)*)$")
_TAIL_ENDS: Final = (b"}", b"?", b"*", b"+")
_OPEN_TAIL: Final = lazy_re(rb"(?<!\\)(?:\{([0-9]+),[0-9]*\}|(\+))(\)*)$")


class Matcher(Protocol):
    """Finds the regions of a block in which some pattern may match."""

    name: str

    def regions(self, data: bytes, dull: Mapping[int, DullEnd] = _NONE_DULL) -> list[Region]:
        """Regions to confirm, sorted, those of one pattern not overlapping. Hits that are `dull`, by the number of the
        pattern, need no region."""
        ...


def load_matcher(
    patterns: Sequence[bytes],
    lengths: Sequence[int],
    *,
    wholes: Sequence[Sequence[bytes]] = (),
    backend: str = "auto",
    cache: Path | None = None,
    for_few: bool = False,
) -> Matcher:
    """A matcher for `patterns`; `lengths[i]` bounds a match of pattern i. `wholes[i]`, if there are any, are patterns
    of which it has to find all matches, and finds each within it.

    `backend` is `hyperscan`, `re2`, or `auto`: hyperscan when it can be imported. `cache` is the directory for compiled
    databases, None for none. `for_few`: few files are searched with it, so it should be made fast rather than be fast.
    """
    if backend == "re2" or (backend == "auto" and not has_hyperscan()):
        return Re2Matcher(patterns)
    return HyperscanMatcher(patterns, lengths, cache, wholes=wholes, for_few=for_few)


def has_hyperscan() -> bool:
    """Whether hyperscan can be imported."""
    try:
        import hyperscan  # noqa: F401
    except ImportError:
        return False
    return True


class Re2Matcher:
    """RE2's filter: one pass finds the literals that each pattern needs, so it says which patterns may match, not
    where; a region is the whole block. (`re2.Set` would be exact, but patterns with counted repetitions blow up its
    automaton, and when it runs out of memory its answer looks like "nothing found".)"""

    name = "re2"

    def __init__(self, patterns: Sequence[bytes]) -> None:
        import re2

        options = re2_options()
        self._filter = re2.Filter()
        for pattern in patterns:
            self._filter.Add(pattern, options)
        self._empty = not patterns
        if not self._empty:
            self._filter.Compile()

    def regions(self, data: bytes, dull: Mapping[int, DullEnd] = _NONE_DULL) -> list[Region]:
        if self._empty:
            return []
        return [(index, 0, len(data)) for index in sorted(self._filter.Match(data, potential=True) or ())]


def re2_options() -> object:
    """RE2 on bytes, silent."""
    import re2

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    return cast(object, options)


class HyperscanMatcher:
    """One hyperscan database in block mode. Patterns that hyperscan refuses are left to a `Re2Matcher`: `refused` has
    their numbers."""

    name = "hyperscan"

    def __init__(
        self,
        patterns: Sequence[bytes],
        lengths: Sequence[int],
        cache: Path | None,
        *,
        wholes: Sequence[Sequence[bytes]] = (),
        for_few: bool = False,
    ) -> None:
        from imgscan.detect.secrets.database import OPEN_FROM, OPEN_FROM_FOR_FEW, load_database

        database, refused = load_database(patterns, cache, open_from=OPEN_FROM_FOR_FEW if for_few else OPEN_FROM)
        self._database = database
        self._patterns = tuple(patterns)
        self._reach = lru_cache(maxsize=None)(partial(_reach, self._patterns, tuple(lengths), tuple(wholes)))
        self.refused = tuple(refused)
        self._refused_set = Re2Matcher([patterns[i] for i in refused]) if refused else None
        self._flood_set: Re2Matcher | None = None
        self._local = _Local()

    def regions(self, data: bytes, dull: Mapping[int, DullEnd] = _NONE_DULL) -> list[Region]:
        raw: list[tuple[int, int]] = []
        if self._database is not None:
            collector = self._local.collector
            if collector is None:
                collector = self._local.collector = _Collector(self._database)
            raw = collector.raw
            if not collector.collect(data):
                return self._flooded(data)
        if dull:
            raw = [hit for hit in raw if hit[0] not in dull or not dull[hit[0]](data, hit[1])]
        found = merge_regions(raw, self._reach, len(data)) if raw else []
        if self._refused_set is not None:
            found += [(self.refused[i], low, high) for i, low, high in self._refused_set.regions(data)]
            found.sort()
        return found

    def _flooded(self, data: bytes) -> list[Region]:
        if self._flood_set is None:
            self._flood_set = Re2Matcher(self._patterns)
        return self._flood_set.regions(data)


class _Collector:
    """Scans block after block in one thread: hyperscan's working memory, and `raw`, the (pattern, end of match) of the
    block scanned last. That one is not scanned again: a document is first asked whether there is anything in it."""

    def __init__(self, database: Database) -> None:
        import hyperscan

        self.raw: list[tuple[int, int]] = []
        self._block: bytes | None = None
        self._scan = database.scan
        self._scratch = hyperscan.Scratch(database)
        self._terminated = hyperscan.ScanTerminated
        self._take = self._on_match

    def collect(self, data: bytes) -> bool:
        """Fill `raw`; False when there are too many."""
        if data is self._block:
            return len(self.raw) <= _FLOOD
        self.raw.clear()
        self._block = data
        try:
            # Arguments by their names would take twice the time of a call.
            self._scan(data, self._take, 0, None, self._scratch)
        except self._terminated:
            return False
        return len(self.raw) <= _FLOOD

    def _on_match(self, index: int, _start: int, end: int, _flags: int, _context: object) -> bool:
        self.raw.append((index, end))
        return len(self.raw) > _FLOOD


class _Local(threading.local):
    """Each thread's own."""

    collector: _Collector | None = None


def shortest(pattern: bytes) -> bytes:
    """The pattern without what its last repetition may take beyond the least it must: it matches wherever the pattern
    does, and reports that once instead of at every byte of the tail. Where a match ends is for `confirm` to say."""
    if pattern.rstrip(b")")[-1:] not in _TAIL_ENDS:
        return pattern
    while (tail := _OPTIONAL_TAIL.search(pattern)) is not None:
        pattern = pattern[: tail.start()] + tail[1]
    tail = _OPEN_TAIL.search(pattern)
    if tail is None:
        return pattern
    least, plus, groups = tail.groups()
    return pattern[: tail.start()] + (b"" if plus else b"{%s}" % least) + groups


def _reach(
    patterns: Sequence[bytes], lengths: Sequence[int], wholes: Sequence[Sequence[bytes]], index: int
) -> tuple[int, int]:
    """How far before and behind the end that is reported of a pattern there may be something of the match."""
    length, whole = lengths[index], wholes[index] if index < len(wholes) else ()
    widths = [widest(each) for each in whole]
    if not whole or None in widths:
        return length + _SLACK, length + _SLACK
    behind = min(length, max(width for width in widths if width is not None))
    before = widest(patterns[index]) if [shortest(each) for each in whole] == [patterns[index]] else None
    return (behind if before is None else min(before, length)) + _SLACK, behind + _SLACK


def merge_regions(raw: list[tuple[int, int]], reach: Callable[[int], tuple[int, int]], size: int) -> list[Region]:
    """Match ends as regions that hold the whole matches, overlapping ones of one pattern merged. `reach` says of a
    pattern how far its matches may lie before and behind such an end."""
    regions: list[Region] = []
    last, before, behind = -1, 0, 0
    for index, end in sorted(set(raw)):
        if index != last:
            last, (before, behind) = index, reach(index)
        low, high = max(end - before, 0), min(end + behind, size)
        if regions and regions[-1][0] == index and low <= regions[-1][2]:
            regions[-1] = (index, regions[-1][1], high)
        else:
            regions.append((index, low, high))
    return regions
