"""Secrets inside base64: Kubernetes secrets, registry credentials, data URLs, mail and files of wrapped lines.

Decoding every run of base64 would cost more than the whole scan. Instead the three ways in which each known token
prefix can look in base64 are patterns too, and only the text around such a hit is decoded.
"""

from __future__ import annotations

import base64
import binascii
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import field
from typing import Final

from imgscan.detect.secrets.confirm import Cut
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re

_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
_SHORTEST_FRAGMENT: Final = 4
_LONGEST_RUN: Final = 24 * 1024
_NOT_BASE64: Final = lazy_re(rb"[^A-Za-z0-9+/_-]")
_BEFORE: Final = 8 * 1024
_MOST_RUNS: Final = 10_000
_LINE_BYTES: Final = range(60, 129, 4)
"""Lengths of the lines that encoders wrap at: 64 (PEM), 76 (MIME and coreutils), 60 and 72 of others."""
_LINE_END: Final = lazy_re(rb"\r?\n[ \t]{0,40}")


def fragments(prefix: bytes) -> tuple[bytes, ...]:
    """How `prefix` looks inside base64, at each of the three alignments; those too short to mean anything left out."""
    found = (fragment(prefix, shift) for shift in range(3))
    return tuple(f for f in found if len(f) >= _SHORTEST_FRAGMENT)


def fragment(prefix: bytes, shift: int) -> bytes:
    """How `prefix` looks inside base64 behind `shift` other bytes."""
    text = base64.b64encode(b"\0" * shift + prefix)
    # Characters that also hold bits of the unknown bytes before and after are cut off.
    return text[characters_before(shift) : (8 * (shift + len(prefix))) // 6]


def characters_before(shift: int) -> int:
    """How many characters hold any bits of the first `shift` bytes."""
    return (8 * shift + 5) // 6


def encoded_pattern(prefixes: Iterable[str]) -> bytes:
    """One pattern for all prefixes in all alignments; b"" when there are none."""
    pieces = sorted({piece for prefix in prefixes for piece in fragments(prefix.encode())})
    return b"|".join(re.escape(piece) for piece in pieces)


@frozen
class Decoded:
    """What a run of base64 holds. Its characters lie in `lines`: pairs of how many came before and where it starts."""

    data: bytes = field(repr=False)
    shift: int
    lines: tuple[tuple[int, int], ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where in the encoded text the bytes `start` to `end` come from, to the character."""
        return self._at(start * 8 // 6), self._at(max(end * 8 - 1, 0) // 6) + 1

    def _at(self, character: int) -> int:
        character += self.shift
        before, start = self.lines[bisect_right(self.lines, (character, 1 << 62)) - 1]
        return start + character - before


def decoded_runs(data: bytes, hits: Iterable[tuple[int, int]], *, cut: Cut) -> Iterator[Decoded]:
    """The base64 runs around `hits` (stretches of `data` that look like a prefix in base64, sorted), decoded. At most
    24 KiB of a run, at most 10,000 runs; `cut` is told of more."""
    covered, runs = 0, 0
    for low, high in hits:
        if high <= covered:
            continue
        pieces = _lines_around(data, low)
        covered = pieces[-1][1]
        runs += 1
        if runs > _MOST_RUNS:
            cut(f"more than {_MOST_RUNS} stretches of base64 close together, the rest was not decoded")
            return
        yield from _decoded(data, pieces)


def _lines_around(data: bytes, at: int) -> list[tuple[int, int]]:
    """The stretches of `data` that make up the run around an offset: the line it is in, and its neighbours where they
    are lines of one text that was wrapped."""
    pieces = lines_from(data, _run_start(data, at), at + _LONGEST_RUN)
    first = pieces[0]
    while first[0] > at - _BEFORE:
        newline = data.rfind(b"\n", max(first[0] - 42, 0), first[0])
        gap = _LINE_END.fullmatch(data, newline, first[0]) if newline >= 0 else None
        end = newline - 1 if newline > 0 and data[newline - 1] == 0x0D else newline
        start = _run_start(data, end, _LINE_BYTES.stop) if gap is not None else end
        if gap is None or end - start not in _LINE_BYTES:
            break
        first = (start, end)
        pieces.insert(0, first)
    return pieces


def lines_from(data: bytes, start: int, until: int) -> list[tuple[int, int]]:
    """The stretches of `data` that make up a run from its start on, no further than `until`: one line, and those behind
    it where they are lines of one text that was wrapped."""
    pieces = [(start, _run_end(data, start, until))]
    while (pieces[-1][1] - pieces[-1][0]) in _LINE_BYTES and pieces[-1][1] < until:
        gap = _LINE_END.match(data, pieces[-1][1], until)
        end = _run_end(data, gap.end(), until) if gap is not None else 0
        if gap is None or end == gap.end():
            break
        pieces.append((gap.end(), end))
    return pieces


def _run_start(data: bytes, at: int, reach: int = _BEFORE) -> int:
    floor = max(at - reach, 0)
    return floor + len(data[floor:at].rstrip(_ALPHABET))


def _run_end(data: bytes, start: int, until: int) -> int:
    stop = _NOT_BASE64.search(data, start, until)
    return stop.start() if stop is not None else min(until, len(data))


def decode(data: bytes, lines: Iterable[tuple[int, int]]) -> bytes:
    """What the base64 in these stretches of `data` holds."""
    text = _joined(data, lines)
    text = text[: len(text) - (len(text) % 4 == 1)]
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""


def _joined(data: bytes, lines: Iterable[tuple[int, int]]) -> bytes:
    return b"".join(data[start:end] for start, end in lines).replace(b"-", b"+").replace(b"_", b"/")


def _decoded(data: bytes, pieces: list[tuple[int, int]]) -> Iterator[Decoded]:
    """The run decoded from its start and, since a word or path before it may have been taken in, from the three
    characters after it."""
    lines, length = [], 0
    for start, end in pieces:
        lines.append((length, start))
        length += end - start
    plain = _joined(data, pieces)
    for shift in range(4):
        piece = plain[shift:]
        piece = piece[: len(piece) - (len(piece) % 4 == 1)]
        try:
            found = base64.b64decode(piece + b"=" * (-len(piece) % 4))
        except (binascii.Error, ValueError):
            continue
        yield Decoded(data=found, shift=shift, lines=tuple(lines))
