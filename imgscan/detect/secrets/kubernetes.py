"""Values of Kubernetes Secrets: a value in base64 under `data` of a manifest whose kind is Secret, in YAML or JSON."""

from __future__ import annotations

import re
from typing import Final

from imgscan.detect.secrets import filters, wording
from imgscan.detect.secrets.assignments import is_sensitive_name
from imgscan.detect.secrets.rarity import letters_per_piece
from imgscan.detect.secrets.redact import shannon_bits
from imgscan.detect.secrets.uris import find_uri, judge_uri
from imgscan.detect.secrets.validators import decode_base64
from imgscan.lazyre import lazy_re
from imgscan.model import Confidence, Severity

KUBERNETES_SECRET: Final = "secret-kubernetes-secret"  # noqa: S105 - a rule's name
_KIND: Final = lazy_re(
    rb"""\bkind["']?:[ \t]*["']?secret\b(?!-)["']?[ \t\r,]*(?:#[^\n]*)?$""", re.IGNORECASE | re.MULTILINE
)
_KEY: Final = lazy_re(rb"""^([ \t-]*)["']?([A-Za-z0-9_.-]+)["']?:[ \t]*(\S?)""")
_NEXT_DOCUMENT: Final = b"\n---"
_LINES: Final = 400
_REACH: Final = 32 << 10
"""So much of a manifest is looked at before and behind a value."""
_RANDOM_BITS: Final = 3.0
_LONG: Final = 12
_SHORTEST: Final = 4
_WORDS: Final = 2.4
"""Letters per piece of what is made of words: `eu-central-1`, the name of a host or a database."""
_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
_FILE_SIGNS: Final = frozenset(b'\n="')
_PRIVATE: Final = b"PRIVATE KEY-----"


def judge_kubernetes(name: str, value: bytes, data: bytes, start: int) -> tuple[Severity, Confidence] | None:
    """How bad a value at `start` of `data` is; None when it stands elsewhere or is no secret in itself."""
    first, last = max(start - _REACH, 0), min(start + _REACH, len(data))
    low = max(data.rfind(_NEXT_DOCUMENT, first, start) + 1, first)
    high = data.find(_NEXT_DOCUMENT, start, last)
    document = bytes(data[low : high if high >= 0 else last])
    if _KIND.search(document) is None or _parent(document, start - low) != b"data":
        return None
    decoded = decode_base64(value)
    if decoded is None or len(decoded) < _SHORTEST or (decoded.isascii() and _is_harmless(decoded.strip())):
        return None
    if _CERTIFICATE in decoded and _PRIVATE not in decoded:
        return None
    uri = find_uri(decoded)
    if uri is not None:
        return judge_uri(uri)
    random = len(decoded) >= _LONG and shannon_bits(decoded) >= _RANDOM_BITS and not filters.lacks_digits(decoded)
    named = is_sensitive_name(name)
    random = random and (named or _is_file(decoded) or letters_per_piece(decoded) < _WORDS)
    if random and not filters.is_path(decoded) and b"://" not in decoded[:16]:
        return Severity.HIGH, Confidence.MEDIUM
    return (Severity.MEDIUM, Confidence.LOW) if named else None


def _is_file(decoded: bytes) -> bool:
    """True for a whole file of settings, which may hold anything."""
    return not _FILE_SIGNS.isdisjoint(decoded.strip())


def _is_harmless(text: bytes) -> bool:
    return filters.is_placeholder(text) or wording.is_weak_password(text)


def _parent(document: bytes, at: int) -> bytes | None:
    """The key under which the entry at an offset stands: the nearest line above that is indented less."""
    lines = document[:at].split(b"\n")
    entry = _KEY.match(lines[-1]) or (_KEY.match(lines[-2]) if len(lines) > 1 else None)
    if entry is None:
        return None
    depth = _depth(entry[1])
    for line in reversed(lines[-_LINES:-1]):
        key = _KEY.match(line)
        if key is not None and _depth(key[1]) < depth:
            return key[2]
    return None


def _depth(indent: bytes) -> int:
    return len(indent.replace(b"\t", b"        "))
