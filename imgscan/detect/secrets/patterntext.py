"""The text of a regular expression taken apart, as far as others have to know what stands where in it."""

from __future__ import annotations

import math
import re
from typing import Final, cast

from imgscan.lazyre import lazy_re

CLASS: Final = rb"\[\^?\]?(?:\[:\^?[a-z]+:\]|\\.|[^\]\\])*\]"
"""A class of characters: one that is not empty, since `]` is a member where it comes first."""
_TOKEN: Final = lazy_re(rb"\\.|" + CLASS + rb"|\(\?[a-z-]*:|\(\?P?<\w+>|.", re.DOTALL)
_WORDS: Final = lazy_re(rb"((?:\(\?[a-z]+\))?)\(\?:")
_COUNT: Final = lazy_re(rb"(\\.|" + CLASS + rb")|\{([0-9]+),([0-9]+)\}", re.DOTALL)
FLAGS: Final = lazy_re(rb"\(\?([ims]+)\)")
"""What a pattern may begin with that says how to read it."""
_HARD_TO_TELL: Final = lazy_re(rb"\\Q|\(\?[a-zA-Z-]+\)")
"""Quoted text, and what changes how the rest is read."""
_NO_BYTE: Final = frozenset((b"^", b"$", rb"\b", rb"\B", rb"\A", rb"\z"))
_REPEATED: Final = lazy_re(rb"(?:\?|([*+]|\{[0-9]+,\})|\{([0-9]+)(?:,([0-9]+))?\})?\??")
REPEATS: Final = (b"?", b"*", b"+", b"{")
"""What says of something how often it is there begins with one of these."""


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


def open_groups(text: bytes) -> int:
    """How many more groups are opened than closed in a stretch of a pattern."""
    return sum(token.startswith(b"(") - (token == b")") for token in tokens(text))


def end_of_group(text: bytes) -> int:
    """Where the group is closed that was opened before `text`, or the end of it."""
    level, at = 1, 0
    for token in tokens(text):
        level += token.startswith(b"(") - (token == b")")
        if not level:
            return at
        at += len(token)
    return at


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
    if depth or rest.startswith(REPEATS) or has_alternatives(rest) or len(choices) <= words:
        return [pattern]
    some = (b"|".join(choices[first : first + words]) for first in range(0, len(choices), words))
    return [begin[1] + b"(?:" + part + b")" + rest for part in some]


def with_open_counts(pattern: bytes, open_from: int) -> bytes:
    """A pattern without the upper bounds of what may be repeated `open_from` times more than it must: `[a-z]{4,512}` as
    `[a-z]{4,}`. Which of its matches are too long is for `confirm` to say; to follow each count takes hyperscan a third
    of the time that it compiles."""
    if b"\\Q" in pattern:
        return pattern

    def opened(found: re.Match[bytes]) -> bytes:
        is_open = found[1] is None and int(found[3]) - int(found[2]) >= open_from
        return b"{%s,}" % found[2] if is_open else found[0]

    return _COUNT.sub(opened, pattern)


def widest(pattern: bytes) -> int | None:
    """The most bytes that a match can have, None where there is no limit or it is not easily told."""
    flags = FLAGS.match(pattern)
    text = pattern[flags.end() :] if flags is not None else pattern
    if _HARD_TO_TELL.search(text):
        return None
    groups, at = [_Width()], 0
    while at < len(text):
        token = cast("re.Match[bytes]", _TOKEN.match(text, at))[0]
        at += len(token)
        if token.startswith(b"("):
            groups.append(_Width())
            continue
        if token == b"|":
            groups[-1].choose()
            continue
        if token == b")" and len(groups) == 1:
            return None
        width = groups.pop().choose() if token == b")" else token not in _NO_BYTE
        repeated = cast("re.Match[bytes]", _REPEATED.match(text, at))
        at = repeated.end()
        groups[-1].add(width, repeated)
    whole = groups[0].choose()
    return int(whole) if len(groups) == 1 and whole < math.inf else None


class _Width:
    """Of a group that is read: of the widest choice so far, and of the one that is read now."""

    def __init__(self) -> None:
        self._most = self._now = 0.0

    def add(self, width: float, repeated: re.Match[bytes]) -> None:
        if width:
            without_end, least, most = repeated.groups()
            self._now += width * (math.inf if without_end is not None else int(most or least or 1))

    def choose(self) -> float:
        self._most, self._now = max(self._most, self._now), 0.0
        return self._most
