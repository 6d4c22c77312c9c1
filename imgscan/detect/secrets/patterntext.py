"""The text of a regular expression taken apart, as far as others have to know what stands where in it."""

from __future__ import annotations

import re
from typing import Final

from imgscan.lazyre import lazy_re

CLASS: Final = rb"\[\^?\]?(?:\[:\^?[a-z]+:\]|\\.|[^\]\\])*\]"
"""A class of characters: one that is not empty, since `]` is a member where it comes first."""
_TOKEN: Final = lazy_re(rb"\\.|" + CLASS + rb"|\(\?[a-z-]*:|\(\?P?<\w+>|.", re.DOTALL)
_WORDS: Final = lazy_re(rb"((?:\(\?[a-z]+\))?)\(\?:")
_REPEATS: Final = (b"?", b"*", b"+", b"{")


def tokens(pattern: bytes) -> list[bytes]:
    """Its escapes, classes, openings of groups and other bytes, in their order."""
    return _TOKEN.findall(pattern)


def has_alternatives(rest: bytes) -> bool:
    """Whether a pattern that goes on with `rest`, perhaps inside a group, has another way than through what stands
    before it."""
    depth = outside = 0
    for token in tokens(rest):
        depth += token.startswith(b"(") - (token == b")")
        outside = min(outside, depth)
        if token == b"|" and depth == outside:
            return True
    return False


def ends_in_choice(before: bytes) -> bool:
    """Whether a pattern that begins with `before`, and is in an open group there, has another way to that group's end:
    around it, or through another choice of it."""
    choices = [False]
    for token in tokens(before):
        if token == b"|":
            choices[-1] = True
        elif token == b")":
            choices.pop()
        elif token.startswith(b"("):
            choices.append(False)
    return any(choices)


def in_parts(pattern: bytes, words: int) -> list[bytes]:
    """Patterns that together match what one does that begins with a choice of many words, each with a few of them."""
    begin = _WORDS.match(pattern)
    if begin is None:
        return [pattern]
    choices, depth, at = [b""], 1, begin.end()
    for token in tokens(pattern[at:]):
        at += len(token)
        depth += token.startswith(b"(") - (token == b")")
        if not depth:
            break
        if token == b"|" and depth == 1:
            choices.append(b"")
        else:
            choices[-1] += token
    rest = pattern[at:]
    if depth or rest.startswith(_REPEATS) or has_alternatives(rest) or len(choices) <= words:
        return [pattern]
    some = (b"|".join(choices[first : first + words]) for first in range(0, len(choices), words))
    return [begin[1] + b"(?:" + part + b")" + rest for part in some]
