"""Secrets inside base64: Kubernetes secrets, registry credentials, data URLs.

Decoding every run of base64 would cost more than the whole scan. Instead the three ways in which each known token
prefix can look in base64 are patterns too, and only the text around such a hit is decoded.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from typing import Final

from imgscan.detect.secrets.confirm import Cut

_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
_SHORTEST_FRAGMENT: Final = 4
_LONGEST_RUN: Final = 24 * 1024
_NOT_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/_-]")
_BEFORE: Final = 8 * 1024
_MOST_RUNS: Final = 2000


def fragments(prefix: bytes) -> tuple[bytes, ...]:
    """How `prefix` looks inside base64, at each of the three alignments; those too short to mean anything left out."""
    found = []
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + prefix)
        # Characters that also hold bits of the unknown bytes before and after are cut off.
        start = (8 * shift + 5) // 6
        end = (8 * (shift + len(prefix))) // 6
        found.append(text[start:end])
    return tuple(f for f in found if len(f) >= _SHORTEST_FRAGMENT)


def encoded_pattern(prefixes: Iterable[str]) -> bytes:
    """One pattern for all prefixes in all alignments; b"" when there are none."""
    pieces = sorted({piece for prefix in prefixes for piece in fragments(prefix.encode())})
    return b"|".join(re.escape(piece) for piece in pieces)


def decoded_runs(data: bytes, hits: Iterable[tuple[int, int]], *, cut: Cut) -> Iterator[tuple[int, int, bytes]]:
    """The base64 runs around `hits` (stretches of `data` that look like a prefix in base64, sorted), decoded: (start,
    end, decoded). At most 24 KiB of a run, at most 2,000 runs; `cut` is told of more."""
    covered, runs = 0, 0
    for low, high in hits:
        if high <= covered:
            continue
        start = _run_start(data, low)
        end = covered = _run_end(data, max(start, low))
        runs += 1
        if runs > _MOST_RUNS:
            cut(f"more than {_MOST_RUNS} stretches of base64 close together, the rest was not decoded")
            return
        yield from ((start, end, decoded) for decoded in _decoded(data[start:end]))


def _run_start(data: bytes, at: int) -> int:
    floor = max(at - _BEFORE, 0)
    return floor + len(data[floor:at].rstrip(_ALPHABET))


def _run_end(data: bytes, start: int) -> int:
    stop = _NOT_BASE64.search(data, start, start + _LONGEST_RUN)
    return stop.start() if stop is not None else min(start + _LONGEST_RUN, len(data))


def _decoded(run: bytes) -> Iterator[bytes]:
    """The run decoded from its start and, since a word or path before it may have been taken in, from the three
    characters after it."""
    plain = run.replace(b"-", b"+").replace(b"_", b"/")
    for shift in range(4):
        piece = plain[shift:]
        piece = piece[: len(piece) - (len(piece) % 4 == 1)]
        try:
            yield base64.b64decode(piece + b"=" * (-len(piece) % 4))
        except (binascii.Error, ValueError):
            continue
