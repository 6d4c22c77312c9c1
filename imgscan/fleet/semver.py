"""Versions in tags: text -> `Version`, ordered as Semantic Versioning 2.0.0 has it (semver.org), and ranges. Pure.

A tag is read more leniently than the specification allows: a `v` before it, one or two numbers alone (`1.2` is 1.2.0),
zeros before a number (`22.04`), and `_` where a tag cannot have the `+` of build metadata.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import total_ordering
from typing import Final

from imgscan.errors import InputError
from imgscan.escape import plain, shorten
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re

_LONGEST: Final = 256
_VERSION: Final = lazy_re(
    r"[vV]?(?P<major>\d+)(?:\.(?P<minor>\d+)(?:\.(?P<patch>\d+))?)?"
    r"(?:-(?P<pre>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:[+_](?P<build>[0-9A-Za-z-]+(?:[._][0-9A-Za-z-]+)*))?",
    re.ASCII,
)
_COMPARATOR: Final = lazy_re(
    r"(?P<operator>>=|<=|==|!=|>|<|=|\^|~)?\s*[vV]?(?P<numbers>(?:\d+|[xX*])(?:\.(?:\d+|[xX*])){0,2})"
    r"(?:-(?P<pre>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?",
    re.ASCII,
)
_ANY: Final = frozenset("xX*")
_MAX_COMPARATORS: Final = 50

_Test = Callable[["Version"], bool]


@total_ordering
@frozen
class Version:
    """A version. Build metadata says nothing about precedence (item 10), so it is not kept."""

    major: int
    minor: int = 0
    patch: int = 0
    pre: tuple[str, ...] = ()

    @property
    def release(self) -> tuple[int, int, int]:
        """Without the pre-release."""
        return self.major, self.minor, self.patch

    @property
    def precedence(self) -> tuple[tuple[int, int, int], bool, tuple[tuple[int, int, str], ...]]:
        """Item 11: a pre-release is below its release; its identifiers are compared one by one, numbers as numbers and
        below words, words in ASCII order, and more identifiers are above fewer."""
        identifiers = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in self.pre)
        return self.release, not self.pre, identifiers

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self.precedence == other.precedence

    def __hash__(self) -> int:
        return hash(self.precedence)

    def __lt__(self, other: Version) -> bool:
        return self.precedence < other.precedence


def read_version(tag: str) -> Version | None:
    """The version that a tag is, None if it is none."""
    found = _VERSION.fullmatch(tag) if len(tag) <= _LONGEST else None
    if found is None:
        return None
    return Version(
        major=int(found["major"]),
        minor=int(found["minor"] or 0),
        patch=int(found["patch"] or 0),
        pre=tuple((found["pre"] or "").split(".")) if found["pre"] else (),
    )


def parse_range(text: str) -> Callable[[Version], bool]:
    """A test for versions: comparators (`>=1.2`, `<2`, `!=1.4.1`, `^1.2`, `~1.2.3`, `1.x`, `1.2`, `*`), all of which
    must hold, with blanks or commas between them; `||` between alternatives.

    A number that is not there stands for any: `1.2` is 1.2.x, `>1` begins with 2.0.0, `<=1` ends before 2.0.0. What
    ends before a version ends before its pre-releases too. Raises InputError.
    """
    if len(text) > _LONGEST:
        raise _refused(text, f"it is longer than {_LONGEST} characters")
    alternatives = [_all_of(part, text) for part in text.split("||")]
    return lambda version: any(fits(version) for fits in alternatives)


def _all_of(part: str, whole: str) -> _Test:
    tests: list[_Test] = []
    left = part.strip(" \t,")
    while left:
        found = _COMPARATOR.match(left)
        rest = left[found.end() :] if found else ""
        if found is None or (rest and rest[0] not in " \t,") or len(tests) >= _MAX_COMPARATORS:
            raise _refused(whole, f"`{plain(shorten(left, 60))}` is no comparator")
        tests.append(_comparator(found, whole))
        left = rest.lstrip(" \t,")
    if not tests:
        raise _refused(whole, "there is nothing in it")
    return lambda version: all(fits(version) for fits in tests)


def _comparator(found: re.Match[str], whole: str) -> _Test:
    numbers = _numbers(found["numbers"])
    pre = tuple(found["pre"].split(".")) if found["pre"] else ()
    if pre and len(numbers) < 3:
        raise _refused(whole, f"`{plain(shorten(found[0], 60))}` has a pre-release of an incomplete version")
    padded = (*numbers, 0, 0, 0)
    low = Version(major=padded[0], minor=padded[1], patch=padded[2], pre=pre)
    match found["operator"]:
        case ">=":
            return lambda version: version >= low
        case "<":
            return _before(low)
        case ">":
            return _negated(_before(_next(numbers))) if len(numbers) < 3 else lambda version: version > low
        case "<=":
            return _before(_next(numbers)) if len(numbers) < 3 else lambda version: version <= low
        case "^":
            return _between(low, _next(_caret(numbers)))
        case "~":
            return _between(low, _next(numbers[:2]))
        case "!=":
            return _negated(_same(low, numbers))
        case _:
            return _same(low, numbers)


def _numbers(text: str) -> tuple[int, ...]:
    """The numbers before the first that stands for any."""
    numbers: list[int] = []
    for part in text.split("."):
        if part in _ANY:
            break
        numbers.append(int(part))
    return tuple(numbers)


def _same(low: Version, numbers: tuple[int, ...]) -> _Test:
    return _between(low, _next(numbers)) if len(numbers) < 3 else lambda version: version == low


def _caret(numbers: tuple[int, ...]) -> tuple[int, ...]:
    """The numbers up to the first that is not zero: what may not change."""
    first = next((index for index, number in enumerate(numbers) if number), len(numbers) - 1)
    return numbers[: first + 1]


def _next(numbers: tuple[int, ...]) -> Version | None:
    """The first version that does not begin with these numbers; None where every version does."""
    if not numbers:
        return None
    raised = (*numbers[:-1], numbers[-1] + 1, 0, 0)
    return Version(major=raised[0], minor=raised[1], patch=raised[2])


def _between(low: Version, end: Version | None) -> _Test:
    before = _before(end)
    return lambda version: version >= low and before(version)


def _before(end: Version | None) -> _Test:
    if end is None:
        return lambda _: True
    if end.pre:
        return lambda version: version < end
    return lambda version: version < end and version.release != end.release


def _negated(test: _Test) -> _Test:
    return lambda version: not test(version)


def _refused(text: str, cause: str) -> InputError:
    return InputError(
        f"{plain(shorten(text, 100))!r} is no range of versions",
        cause=cause,
        next_step="such as '>=1.2 <2', '^1.4', '~1.2.3', '1.x || 2.x', or '*' for every version",
    )
