"""Services that a secret's surroundings name: `new Airtable({ apiKey: … })`, a provider of Terraform, a section.

A random value under a name that any secret has is a hint and no more; with the service beside it, it is one. What
counts: the line itself, the heads of the blocks that it stands in, and hosts in the lines between.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

from imgscan.detect.secrets import filters
from imgscan.detect.secrets.generic import is_service_secret
from imgscan.detect.secrets.rarity import letters_per_piece
from imgscan.detect.secrets.redact import shannon_bits
from imgscan.detect.secrets.wordlists import services
from imgscan.lazyre import lazy_re

_SHORTEST: Final = 16
_LEAST_BITS: Final = 3.0
_RARE: Final = 2.2
_JOINED: Final = lazy_re(rb"[A-Za-z]+(?:[_. -][A-Za-z]+)+[_. -]?[0-9]{0,4}")
"""Words, maybe with a number behind them: `tok_visa_debit_2`."""
_BEFORE_BYTES: Final = 240
_BEHIND_BYTES: Final = 120
_BLOCK_BYTES: Final = 1200
_BLOCK_LINES: Final = 16
_HEADS: Final = 3
_SECTION: Final = lazy_re(rb"^[ \t]*\[[^\]\n]{1,80}\][ \t]*$")
_INDENT: Final = lazy_re(rb"^[ \t]*(?:- )?")
_TOP_LEVEL: Final = rb"\.(?:com|io|cloud|net|dev|ai|app|co|org|eu|de|sh)\b"


def is_named_beside(name: str, secret: bytes, data: bytes, start: int, end: int) -> bool:
    """Whether a value at start..end of a block is random, and the service that it is for stands around it."""
    if len(secret) < _SHORTEST or shannon_bits(secret) < _LEAST_BITS or filters.is_number(secret):
        return False
    if not is_service_secret(name, secret) or letters_per_piece(secret) >= _RARE or _JOINED.fullmatch(secret):
        return False
    line_start, line_end = data.rfind(b"\n", 0, start) + 1, data.find(b"\n", end)
    line_end = len(data) if line_end < 0 else line_end
    before = bytes(data[max(line_start, start - _BEFORE_BYTES) : start])
    behind = bytes(data[end : min(line_end, end + _BEHIND_BYTES)])
    if _service().search(before) is not None or _host().search(behind) is not None:
        return True
    block = bytes(data[max(line_start - _BLOCK_BYTES, 0) : line_start])
    return _is_in_block(block.split(b"\n")[:-1][-_BLOCK_LINES:], bytes(data[line_start:line_end]))


def _is_in_block(lines: list[bytes], line: bytes) -> bool:
    """Whether a head of the blocks in which a line stands names a service, or a line between one's host."""
    heads = 0
    for above, is_head in _above(lines, line):
        if (_service() if is_head else _host()).search(above) is not None:
            return True
        heads += is_head
        if heads >= _HEADS:
            return False
    return False


def _above(lines: list[bytes], line: bytes) -> Iterator[tuple[bytes, bool]]:
    """The lines above one, upwards, each with whether it is the head of a block that the line is in."""
    depth = _depth(line)
    for above in reversed(lines):
        if not above.strip():
            continue
        if _SECTION.match(above) is not None:
            yield above, True
            return
        is_head = _depth(above) < depth
        depth = _depth(above) if is_head else depth
        if is_head or _depth(above) == depth:
            yield above, is_head


def _depth(line: bytes) -> int:
    indent = _INDENT.match(line)
    return len(indent[0].replace(b"\t", b"    ")) if indent is not None else 0


@cache
def _service() -> re.Pattern[bytes]:
    """A service's name as a word of its own, what makes or configures its client, a provider, a login of Passport."""
    names, called = _alternatives("names"), _alternatives("called")
    whole = rb"(?i:(?<![a-z])(?:" + names + rb"))(?:(?![a-z])|(?=[A-Z]))"
    made = rb"\bnew[ \t]+(?i:" + called + rb")\b"
    set_up = rb"\b(?i:" + called + rb")(?:\.(?:configure|config|init|create_?client)|[ \t]*\{|:$)"
    others = rb"\bprovider[ \t]+\"[a-z][a-z0-9_-]{1,40}\"|\b[A-Z][A-Za-z0-9]{2,30}Strategy\(|\bsasl\.password\b"
    return re.compile(b"|".join((whole, made, set_up, others, b"(?i:" + _hosts() + b")")))


@cache
def _host() -> re.Pattern[bytes]:
    return re.compile(_hosts(), re.IGNORECASE)


def _hosts() -> bytes:
    return rb"\b(?:" + _alternatives("names") + rb"|" + _alternatives("called") + rb")" + _TOP_LEVEL


def _alternatives(kind: str) -> bytes:
    return "|".join(sorted(services(kind), key=len, reverse=True)).encode()
