r"""Tokens that touch what stands beside them. The strings of a Go or Rust program lie behind each other without a sign
between, those of .class files behind a byte for their length, which may be a letter: a `\b` or a class that ends a
token is not met there, though the token is whole.

In: rules. Out: their patterns without such ends, to be looked for in binary documents, where what they match is less
sure (see `chance`), and a token of open length may have taken letters of its neighbour in; and behind escapes (`\n`,
`%3D`, `\u003d`, a terminal's colours), of which a `\b` takes the last character for a part of a word.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from imgscan.detect.secrets.rules import Scope, SecretRule
from imgscan.lazyre import lazy_re

_BEGIN: Final = lazy_re(rb"(?:\\b|\(\?:\^\|\[\^[^\]]+\]\))(?=\()")
_END: Final = lazy_re(rb"(?:\\b|\(\?:\[\^[^\]]+\]\|(?:[^()]|\([^()]*\))*\\z\))$")
_ESCAPE_SIGNS: Final = (b"\\", b"%", b"\x1b", b"=")
_LONGEST_ESCAPE: Final = 24
_ESCAPE: Final = lazy_re(
    rb"(?:\\(?:[abefnrtv0]|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[0-7]{3}|(?:u001[bB]|x1[bB]|033|e)\[[0-9;]{0,8}m)|"
    rb"%(?:25)?[0-9a-fA-F]{2}|\x1b\[[0-9;]{0,11}m|=[0-9A-F]{2})$"
)
"""Of strings in programs and JSON, of URLs, of terminals, of mail (quoted-printable)."""
_SNIFFED: Final = 8192


def is_binary(head: bytes) -> bool:
    """Whether a document that begins like this is no text, as git and grep tell: there is a NUL in its first 8 KiB."""
    return b"\0" in head[:_SNIFFED]


def may_touch(head: bytes) -> bool:
    """Whether strings may touch each other in a document that begins like this, or letters of a terminal's codes."""
    return is_binary(head) or b"\x1b[" in head[:_SNIFFED]


def may_escape(data: bytes, low: int, high: int) -> bool:
    """Whether there is anything in data[low:high] that an escape begins with."""
    low = max(low - _LONGEST_ESCAPE, 0)
    return any(data.find(sign, low, high) >= 0 for sign in _ESCAPE_SIGNS)


def is_behind_escape(data: bytes, start: int) -> bool:
    """Whether an escape ends where something starts."""
    return _ESCAPE.search(data[max(start - _LONGEST_ESCAPE, 0) : start]) is not None


def glued_patterns(rules: Iterable[SecretRule]) -> list[tuple[SecretRule, bytes]]:
    """The patterns that need nothing around them to be recognised: those of rules for all bytes whose tokens have a
    beginning of their own."""
    return [
        (rule, _END.sub(b"", pattern[begin.end() :]))
        for rule in rules
        if rule.prefixes and rule.scope is Scope.EVERYWHERE
        for pattern in rule.patterns
        if (begin := _BEGIN.match(pattern)) is not None
    ]
