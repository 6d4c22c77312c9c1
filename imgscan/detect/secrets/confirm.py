"""Regions that may hold a match, confirmed: the rule's own regular expression says where the secret is."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final, Protocol

import msgspec

from imgscan.detect.secrets.filters import is_named_digest
from imgscan.detect.secrets.loosened import Loosened, loosen
from imgscan.detect.secrets.matcher import re2_options
from imgscan.detect.secrets.rules import SecretRule, Weight
from imgscan.frozen import frozen

# Of one rule in one document; a dictionary of tokens is one finding's worth of news, not a million.
MOST_MATCHES: Final = 1000
# More than that, because most of what looks like a URI with a password or a key id is a specimen and does not count.
_MOST_IN_REGION: Final = 5 * MOST_MATCHES
_QUOTES: Final = b"\"'`"

Cut = Callable[[str], object]
"""Told, in words, what was not looked at because there was too much of it."""


# A msgspec Struct instead of a dataclass, which takes five times as long to make: most are judged to be nothing.
class Match(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A rule's match in a block: `start`..`end` is the secret, `match_start` where its context begins. `glued`: it was
    found by a pattern that asks for nothing around it (see `glued`)."""

    rule: SecretRule
    start: int
    end: int
    match_start: int
    match_end: int
    secret: bytes
    name: str = ""
    glued: bool = False

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Match({self.rule.id}, {self.match_start}, {self.start}, {self.end}, {self.match_end})"


def matches(
    rule: SecretRule, pattern: bytes, data: bytes, low: int, high: int, *, cut: Cut, glued: bool = False
) -> Iterator[Match]:
    """Matches of one pattern that lie in data[low:high]. The next one is looked for from the end of the secret, not of
    the match, so that two secrets may share the separator between them. `cut` is told of a limit that is reached."""
    shape = _shape(pattern)
    whole, found, at = shape.whole, 0, low
    following = shape.regex.finditer(data, low, high)
    while (hit := next(following, None)) is not None:
        if found >= _MOST_IN_REGION:
            cut(f"{rule.id}: more than {_MOST_IN_REGION} texts of its shape close together, the rest was not looked at")
            return
        # Each question to RE2's match costs a microsecond.
        core_start, core_end = hit.span()
        match_start, match_end = whole.start_of(data, core_start, at), whole.end_of(data, core_end, high)
        start, end = (match_start, match_end) if rule.whole else _group_span(shape, hit, match_start, core_end)
        end = match_end if end == core_end else end
        if rule.quoted:
            start, end = _unquoted(data, start, end)
        at = max(end, match_start + 1)
        if at > high:
            # Behind nothing at the end there would be nothing again and again.
            following = iter(())
        elif at != core_end:
            following = shape.regex.finditer(data, at, high)
        if match_end - match_start > rule.max_length or end <= start:
            continue
        found += 1
        if rule.weight is Weight.FOREIGN and is_named_digest(data, start, end):
            # Their patterns take the last text of a shape in a line: what they mean may stand before it.
            yield from matches(rule, pattern, data, match_start, start, cut=cut)
            continue
        name_start, name_end = hit.span(shape.name) if shape.name else (-1, -1)
        name_start = match_start if name_start == core_start else name_start
        name_end = match_end if name_end == core_end else name_end
        yield Match(
            rule=rule,
            start=start,
            end=end,
            match_start=match_start,
            match_end=match_end,
            secret=bytes(data[start:end]),
            name=data[name_start:name_end].decode("utf-8", "replace") if name_end > 0 else "",
            glued=glued,
        )


def spans(pattern: bytes, data: bytes, low: int, high: int, *, cut: Cut) -> list[tuple[int, int]]:
    """Where a pattern matches in data[low:high], whatever it captures. `cut` is told of a limit that is reached."""
    found = _shape(pattern).regex.finditer(data, low, high)
    places = [hit.span() for hit in itertools.islice(found, _MOST_IN_REGION + 1)]
    if len(places) > _MOST_IN_REGION:
        cut(f"more than {_MOST_IN_REGION} beginnings of tokens in base64 close together, the rest was not decoded")
    return places[:_MOST_IN_REGION]


class _Hit(Protocol):
    def span(self, group: int = 0) -> tuple[int, int]: ...


def _group_span(shape: _Shape, hit: _Hit, match_start: int, match_end: int) -> tuple[int, int]:
    """The first group that took part in the match, else all of it."""
    for group in shape.secrets:
        start, end = hit.span(group)
        if start >= 0:
            return start, end
    return match_start, match_end


def _unquoted(data: bytes, start: int, end: int) -> tuple[int, int]:
    """What stands between the quotes, where a match ends with one."""
    if end - start > 2 and data[end - 1] in _QUOTES:
        opened = max(data.rfind(quote, start, end - 1) for quote in (b'"', b"'", b"|"))
        return (opened + 1, end - 1) if opened >= start else (start, end)
    return start, end


@frozen
class _Shape:
    """A compiled pattern: what makes its matches whole, which groups may hold the secret (the one named `secret`, else
    all), which the name."""

    regex: Any
    whole: Loosened
    secrets: tuple[int, ...]
    name: int


@lru_cache(maxsize=2048)
def _shape(pattern: bytes) -> _Shape:
    import re2

    options = re2_options()
    whole = loosen(pattern, options)
    regex = re2.compile(whole.pattern, options)
    names = regex.groupindex
    secret = names.get(b"secret")
    groups = tuple(range(1, regex.groups + 1)) if secret is None else (secret,)
    return _Shape(regex=regex, whole=whole, secrets=groups, name=names.get(b"name", 0))
