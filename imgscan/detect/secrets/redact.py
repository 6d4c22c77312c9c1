"""What may be shown of a secret, and what may stand for it in a fingerprint.

Nothing here ever gives enough back to guess, or to confirm a guess of, a secret that a person could have chosen.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Final

from imgscan.lazyre import lazy_re
from imgscan.model import Place

if TYPE_CHECKING:
    from imgscan.detect.secrets.hits import SecretHit

_LONG: Final = 20
_SHOWN: Final = 4
_STRONG_BITS: Final = 80.0
_PEM_LABEL: Final = lazy_re(rb"-----BEGIN(?: |\+|%(?:25)?20)([A-Z0-9 +%]{1,40})-----")
_BLANK: Final = lazy_re(rb"\+|%(?:25)?20")
"""As addresses have it, and forms."""
# The name a value is assigned to, at the end of the text before it.
_ASSIGNED_NAME: Final = lazy_re(rb"([A-Za-z_][A-Za-z0-9_.-]{0,47})[\"']?[ \t]{0,4}(=|:|=>|:=)[ \t]{0,4}[\"']?$")
_MANY_DIGITS: Final = 5
_CONTEXT_BYTES: Final = 80


def redact(secret: bytes | str, *, reveal: bool = True) -> str:
    """A secret as a report may show it.

    A key in PEM form gives its type, 20 characters and more give the first and last four, shorter ones (and all with
    `reveal=False`) only how long they are, by class.
    """
    data = secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else secret
    label = _PEM_LABEL.search(data[:256])
    if label is not None:
        return f"-----BEGIN {_BLANK.sub(b' ', label.group(1)).decode('ascii')}-----…"
    if reveal and len(data) >= _LONG:
        head, tail = data[:_SHOWN].decode("latin-1"), data[-_SHOWN:].decode("latin-1")
        return f"{_shown(head)}…{_shown(tail)}"
    return f"••• ({_length_class(len(data))})"


def _shown(text: str) -> str:
    return "".join(ch if ch.isascii() and ch.isprintable() else "." for ch in text)


def _length_class(length: int) -> str:
    for limit, words in ((8, "under 8 characters"), (12, "8 to 11 characters"), (20, "12 to 19 characters")):
        if length < limit:
            return words
    return "20 characters or more"


def excerpt(before: bytes, secret: bytes, *, reveal: bool) -> str:
    """The secret redacted, with the name it is assigned to when the text `before` it ends in one.

    Nothing else of the line is shown: it may hold further secrets. A name with many digits may itself be one.
    """
    name = _ASSIGNED_NAME.search(before[-_CONTEXT_BYTES:].rpartition(b"\n")[2])
    shown = redact(secret, reveal=reveal)
    if name is None or sum(c in b"0123456789" for c in name.group(1)) >= _MANY_DIGITS:
        return shown
    return f"{name.group(1).decode('ascii')}{name.group(2).decode('ascii')}{shown}"


def assigned_name(before: bytes) -> str:
    """The name that a value is assigned to when the text before it ends in one; "" otherwise."""
    name = _ASSIGNED_NAME.search(before[-_CONTEXT_BYTES:].rpartition(b"\n")[2])
    return name.group(1).decode("ascii") if name is not None else ""


def shannon_bits(data: bytes) -> float:
    """Shannon entropy of the bytes of `data`, in bits per byte (0 for nothing)."""
    if not data:
        return 0.0
    total = len(data)
    return -sum(n / total * math.log2(n / total) for n in Counter(data).values())


def is_strong(secret: bytes) -> bool:
    """True when nobody can find the secret by trying: 20 bytes or more that carry an estimated 80 bits or more."""
    return len(secret) >= _LONG and shannon_bits(secret) * len(secret) >= _STRONG_BITS


def secret_fingerprint_parts(hit: SecretHit, place: Place, path: str) -> tuple[str, ...]:
    """What makes a secret finding itself, for `imgscan.rulebook.fingerprint`.

    A strong secret is the same finding wherever it lies: SHA-256 over rule and secret. A weak one is told apart by
    place and path and 8 bits of digest, so that a published report cannot confirm a guess.
    """
    if hit.is_strong:
        return ("strong", hit.identity)
    return ("weak", place.value, path, hit.identity[:2])
