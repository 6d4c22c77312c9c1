r"""A pattern in the form in which it is searched for: without the run of characters that it may begin with, and with
the least of the run that it ends with. In: a rule's pattern. Out: a `Loosened`, by which a match is made whole again.

`(?P<name>[a-z_]{0,50}(?:key|token))=(?P<secret>\S{4,512})` has a state of its automaton for nearly every count of
either run, and to build these takes RE2 ten times as long as to search, or a thousand times where it has to find out
what groups match. Where a match begins and ends follows from the runs alone: the leftmost match begins with the
leftmost core, and nothing comes after the last run, which may be of two classes. Of the first of them something is
always there: a group that ends where the core does is one that the run belongs to. And the run that a pattern begins
with is taken off only where a word follows: behind a class of characters the leftmost core may be another one.
"""

from __future__ import annotations

import re
from typing import Any, Final

from imgscan.detect.secrets.patterntext import CLASS, FLAGS, ends_in_choice, has_alternatives
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re

_HEAD: Final = lazy_re(rb"((?:\(\?[a-z]+\))?\(\?P<name>)(" + CLASS + rb")\{0,([0-9]+)\}(?![?+*{)\[.\\])")
_TAIL: Final = lazy_re(rb"(" + CLASS + rb")\{([1-9][0-9]*),([0-9]+)\}(?:(" + CLASS + rb")\{0,([0-9]+)\})?\)$")
_OTHERWISE: Final = lazy_re(rb"\(\?[a-zA-Z]*-?[a-zA-Z]*[:)]|\\Q")
"""What makes a pattern mean something else from there on; `(?:` does not."""
_SECRET: Final = b"(?P<secret>"
_ALL_BYTES: Final = bytes(range(256))


@frozen
class Loosened:
    """What to search for, and what a match of it lacks: up to `most_before` of the bytes `before` in front of it, which
    belong to the group `name`, and whatever `after` matches behind it, which belongs to the last group."""

    pattern: bytes
    before: bytes = b""
    most_before: int = 0
    after: re.Pattern[bytes] | None = None

    def start_of(self, data: bytes, start: int, low: int) -> int:
        """Where the match begins whose core begins at `start`, in what is searched from `low` on."""
        if not self.most_before:
            return start
        first = max(start - self.most_before, low)
        return first + len(data[first:start].rstrip(self.before))

    def end_of(self, data: bytes, end: int, high: int) -> int:
        """Where the match ends whose core ends at `end`, in what is searched as far as `high`."""
        if self.after is None:
            return end
        behind = self.after.match(data, end, high)
        return behind.end() if behind is not None else end


def loosen(pattern: bytes, options: Any) -> Loosened:  # noqa: ANN401 - RE2's options have no types
    """The pattern loosened at both ends, as far as it has such ends."""
    flags = _flags(pattern)
    if flags is None:
        return Loosened(pattern=pattern)
    before, most_before, after = b"", 0, None
    tail = _tail(pattern)
    if tail is not None:
        members, least, most, others, more = tail.groups()
        pattern = pattern[: tail.start()] + members + b"{%s})" % least
        runs = [(members, int(most) - int(least))] + ([(others, int(more))] if others is not None else [])
        after = re.compile(b"".join(_run(flags + of, count, options) for of, count in runs), re.DOTALL)
    head = _HEAD.match(pattern)
    if head is not None and not has_alternatives(pattern[head.end() :]):
        before, most_before = _members(flags + head[2], options), int(head[3])
        pattern = head[1] + pattern[head.end() :]
    return Loosened(pattern=pattern, before=before, most_before=most_before, after=after)


def last_run(pattern: bytes, options: Any) -> tuple[int, re.Pattern[bytes]] | None:  # noqa: ANN401 - as above
    """The run of one class of characters that a pattern ends with and that all of its group `secret` is: the least
    that there must be of it, and what matches as much of it as may be. None for a pattern without such an end."""
    flags, tail = _flags(pattern), _tail(pattern)
    if flags is None or tail is None or not pattern.endswith(_SECRET, 0, tail.start()) or tail[4] is not None:
        return None
    return int(tail[2]), re.compile(_run(flags + tail[1], int(tail[3]), options), re.DOTALL)


def _flags(pattern: bytes) -> bytes | None:
    """What a pattern begins with that says how to read it, None where it says so on its way, too."""
    begin = FLAGS.match(pattern)
    flags = begin[0] if begin is not None else b""
    return None if any(found != b"(?:" for found in _OTHERWISE.findall(pattern, len(flags))) else flags


def _tail(pattern: bytes) -> re.Match[bytes] | None:
    """The run that the last group of a pattern ends with, if there is no other way to its end."""
    tail = _TAIL.search(pattern)
    return None if tail is None or ends_in_choice(pattern[: tail.start()]) else tail


def _run(of: bytes, most: int, options: Any) -> bytes:  # noqa: ANN401 - as above
    """Up to so many of a class, for `re`."""
    known = re.escape(_members(of, options))
    return b"[%s]{0,%d}" % (known, most) if known else b""


def _members(of: bytes, options: Any) -> bytes:  # noqa: ANN401 - as above
    """The bytes that a class matches: RE2 itself says so, to which a blank is not what it is to others."""
    import re2

    return b"".join(re2.compile(of, options).findall(_ALL_BYTES))
