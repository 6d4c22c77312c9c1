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
_LINE_END: Final = lazy_re(
    rb"(?<=[A-Za-z0-9+/]{60})"
    rb"(?:&#xA;|(?:\\r)?\\n|[\"'`]?[ \t]{0,3}[+,\\]?[ \t]{0,3}\r?\n[ \t]{0,40}[\"'`]?)"
)
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
    if _is_in_long_run(match, data):
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
    return _is_in_long_run(match, data)


def _is_in_long_run(match: Match, data: bytes) -> bool:
    """True when letters of base64 stand around a match without a gap; or with none but the ends of long lines, as a
    module or a picture is written in a program, if signs are among them that a list of tokens has not."""
    inside = b"A" * (match.end - match.start)  # The match's own line is a long one, too.
    before = bytes(data[max(match.start - _LOOKED_AT, 0) : match.start]) + inside
    behind = inside + bytes(data[match.end : match.end + _LOOKED_AT])
    if len(_run(before, behind, len(inside))) >= _RUN_BYTES:
        return True
    run = _run(_LINE_END.sub(b"", before), _LINE_END.sub(b"", behind), len(inside))
    return len(run) >= _RUN_BYTES and not run.isalnum()


def _run(before: bytes, behind: bytes, inside: int) -> bytes:
    """The letters of base64 at the end of one text and at the beginning of another, without the `inside` in common."""
    left, right = before[: len(before) - inside], behind[inside:]
    return left[len(left.rstrip(_ALPHABET)) :] + right[: len(right) - len(right.lstrip(_ALPHABET))]
