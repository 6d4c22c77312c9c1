"""gzip inside base64: cloud-init's `gz+b64`, ConfigMaps, Helm's releases, for which that is base64 once more.

In: a block, and where the mark of gzip stands in it, in base64 of one or two levels. Out: what unpacks from there, and
the stretch that holds it. Unlike of other base64, the beginning is known, so all of it is decoded that is at hand, and
only what begins to unpack is looked at further.

Formats: RFC 1952, 2.3; cloud-init's "Cloud config examples", write_files; Helm's pkg/storage/driver/util.go.
"""

from __future__ import annotations

import contextlib
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import field
from typing import Final

from imgscan.detect.secrets.confirm import Cut
from imgscan.detect.secrets.encoded import characters_before, decode, fragment, lines_from
from imgscan.frozen import frozen
from imgscan.units import human_bytes

_MARK: Final = b"H4sI"
"""The first three bytes, with deflate for the method; the fourth has five flags."""
_FLAGS: Final = (b"A", b"C")
"""Of what is encoded once more: without flags, and with a name."""
_TWICE: Final = {fragment(_MARK + flag, shift): shift for flag in _FLAGS for shift in range(3)}
"""How the mark looks in base64, behind so many other bytes."""
PACKED_PATTERN: Final = b"|".join([_MARK + b"[A-H]", *sorted(re.escape(text) for text in _TWICE)])
PACKED_BYTES: Final = 16
_GZIP_BITS: Final = 31
_PROOF_BYTES: Final = 256
_STEP_BYTES: Final = 16 << 10
_MOST_BYTES: Final = 4 << 20
_MOST_OF_ALL_BYTES: Final = 16 << 20


class Allowance:
    """How much may yet come out of all that is packed in a window, in bytes."""

    __slots__ = ("left",)

    def __init__(self, left: int = _MOST_OF_ALL_BYTES) -> None:
        self.left = left


@frozen
class Unpacked:
    """What a run of base64 unpacks to, and where that run stands."""

    data: bytes = field(repr=False)
    start: int
    end: int


def unpacked_runs(
    data: bytes, hits: Iterable[tuple[int, int]], allowance: Allowance, *, ended: bool, cut: Cut
) -> Iterator[Unpacked]:
    """What is packed at `hits`, sorted stretches that look like the mark. At most 4 MiB each, and as much as
    `allowance` has; `cut` is told of more, and of what goes on behind the block unless the document `ended` there."""
    covered = 0
    for low, high in hits:
        shift = _TWICE.get(bytes(data[low:high]))
        start = low - (characters_before(shift) if shift is not None else 0)
        if low < covered or start < 0:
            continue
        text, _ = _text(data, start, shift, start + _PROOF_BYTES)
        if not _inflated(text, 1):
            continue
        if not allowance.left:
            cut(f"more than {human_bytes(_MOST_OF_ALL_BYTES)} unpack from gzip in base64 close together")
            return
        text, covered = _text(data, start, shift, len(data))
        most = min(_MOST_BYTES, allowance.left)
        found = _inflated(text, most)
        allowance.left -= len(found)
        if len(found) == most:
            cut(f"gzip in base64 unpacks to more than {human_bytes(most)}, the rest was not searched")
        elif covered == len(data) and not ended:
            cut("gzip in base64 goes on for too long, the end of it was not unpacked")
        yield Unpacked(data=found, start=start, end=covered)


def _text(data: bytes, start: int, shift: int | None, until: int) -> tuple[bytes, int]:
    """What base64 from an offset on holds, and where that ends; with a `shift`, what the base64 in it holds, so many
    bytes behind its beginning."""
    lines = lines_from(data, start, until)
    text = decode(data, lines)
    if shift is not None:
        text = decode(text, lines_from(text, shift, len(text)))
    return text, lines[-1][1]


def _inflated(text: bytes, most: int) -> bytes:
    """What unpacks, `most` bytes of it, as far as it is sound."""
    inflater, found = zlib.decompressobj(_GZIP_BITS), bytearray()
    # In pieces: what comes before a damaged one is good.
    with contextlib.suppress(zlib.error):
        for at in range(0, len(text), _STEP_BYTES):
            found += inflater.decompress(text[at : at + _STEP_BYTES], most - len(found))
            if inflater.eof or len(found) >= most:
                break
    return bytes(found)
