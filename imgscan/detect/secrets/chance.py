"""What comes about by chance: among enough letters there is every token's form, among enough signs every assignment.

In: a confirmed match and the block that it stands in. Out: whether what stands around it makes its form no sign of a
secret.
"""

from __future__ import annotations

from typing import Final

from imgscan.detect.secrets.confirm import Match
from imgscan.detect.secrets.filters import has_too_little_entropy, lacks_digits, lacks_mixed_case
from imgscan.detect.secrets.rarity import letters_per_piece
from imgscan.detect.secrets.validators import BASE62, Checked
from imgscan.lazyre import lazy_re
from imgscan.model import Validity

_LEAST_BITS: Final = 3.5
_RARE: Final = 2.3
_ALPHABET: Final = BASE62 + b"+/"
_RUN_BYTES: Final = 400
"""So long no two strings of a program are without a blank or a sign; a picture or a module in base64 is longer."""
_LINE_END: Final = lazy_re(rb"(?<=[A-Za-z0-9+/]{60})(?:&#xA;|(?:\\r)?\\n|\r?\n)")
_LOOKED_AT: Final = _RUN_BYTES + 50
_BASE64_BEFORE: Final = lazy_re(rb"(?:[A-Za-z0-9+/]*[+/])?$")
_BASE64_AFTER: Final = lazy_re(rb"(?:[+/][A-Za-z0-9+/]*)?")
_BASE64_BYTES: Final = 40
_NOISE_BYTES: Final = 60
_NOISE_SIGNS: Final = 5
"""Of so many characters one is a sign."""
_NOISE: Final = 1.5


def came_by_chance(match: Match, data: bytes, checked: Checked) -> bool:
    """Whether letters around it make a token's form no sign of one."""
    if match.glued and _is_glued_by_chance(match, checked, data):
        return True
    return not (checked.proven or match.name) and _is_inside_base64(match, data)


def is_in_noise(data: bytes, start: int) -> bool:
    """Whether what stands before a name is neither words nor a token: letters, digits and signs at random, among which
    anything comes about."""
    before = bytes(data[max(start - _NOISE_BYTES, 0) : start])
    signs = sum(not (chr(byte).isalnum() or byte == 0x20) for byte in before)
    return signs * _NOISE_SIGNS >= _NOISE_BYTES and not before.count(b"\n") and letters_per_piece(before) < _NOISE


def _is_inside_base64(match: Match, data: bytes) -> bool:
    """True for letters and digits in the middle of a long line of base64, where four of them come about by chance. What
    the line holds is looked at when it is decoded."""
    if not match.secret.isalnum():
        return False
    if _run_around(match, data) >= _RUN_BYTES:
        return True
    before = _BASE64_BEFORE.search(bytes(data[max(match.start - _BASE64_BYTES, 0) : match.start]))
    after = _BASE64_AFTER.match(bytes(data[match.end : match.end + _BASE64_BYTES]))
    around = (before[0] if before else b"") + (after[0] if after else b"")
    return len(around) >= _BASE64_BYTES and b"+" in around


def _is_glued_by_chance(match: Match, checked: Checked, data: bytes) -> bool:
    """Whether what was found with nothing around it only looks like a token: it does not begin as they do, is
    language, a part of something encoded, or its checksum does not fit."""
    if checked.proven:
        return False
    rule, secret = match.rule, match.secret
    if checked.validity is Validity.INVALID or not secret.startswith(tuple(map(str.encode, rule.prefixes))):
        return True
    if lacks_digits(secret) and lacks_mixed_case(secret):
        return True
    if has_too_little_entropy(secret, rule.entropy or _LEAST_BITS) or letters_per_piece(secret) > _RARE:
        return True
    return _run_around(match, data) >= _RUN_BYTES


def _run_around(match: Match, data: bytes) -> int:
    """How many letters of base64 stand around a match without a gap but for the ends of lines."""
    size = match.end - match.start
    inside = b"A" * size  # Of its own line, too.
    before = _LINE_END.sub(b"", bytes(data[max(match.start - _LOOKED_AT, 0) : match.start]) + inside)[:-size]
    behind = _LINE_END.sub(b"", inside + bytes(data[match.end : match.end + _LOOKED_AT]))[size:]
    return len(before) - len(before.rstrip(_ALPHABET)) + len(behind) - len(behind.lstrip(_ALPHABET))
