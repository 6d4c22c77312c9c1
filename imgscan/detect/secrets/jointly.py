"""What is looked for of a rule: each of its patterns, and those that are seldom met several at a time.

Hyperscan looks for the words of a pattern's name and then follows, behind each that it finds, every pattern that has
such a name: thirty patterns for `password = …` in its thirty ways of writing are thirty times the work for each of the
words, in programs most of what a search takes. As one pattern with a choice behind the name they are little more work
than one; which of them it was is asked where it was any.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from imgscan.detect.secrets.matcher import shortest
from imgscan.detect.secrets.patterntext import (
    CLASS,
    FLAGS,
    REPEATS,
    end_of_group,
    has_alternatives,
    open_groups,
    tokens,
    with_open_counts,
)
from imgscan.detect.secrets.rules import SecretRule
from imgscan.lazyre import lazy_re

_AT_A_TIME: Final = 6
"""With more of them hyperscan takes longer, not shorter, and what is found is asked of more patterns."""
_NAME: Final = b"(?P<name>"
_RUN: Final = lazy_re(CLASS + rb"\{0,[0-9]+\}(?!\?)")
_GROUP: Final = b"(?P<"
_HARD: Final = lazy_re(rb"\(\?[a-z-]+[:)]|\(\?P<name>|\\Q")
"""What changes how the rest is read, and another name."""


class _Named(NamedTuple):
    """A pattern as its flags, what its name may be (without what that may begin with), and what follows. What stands
    before the name is left out: what then matches more is asked of the whole pattern."""

    flags: bytes
    name: bytes
    rest: bytes


class Searched(NamedTuple):
    """What the matcher looks for of a rule, the patterns that say what there is where it was found, and whether it is
    found within their matches: what a rule itself names as its trigger may stand anywhere beside them."""

    rule: SecretRule
    pattern: bytes
    confirming: tuple[bytes, ...]
    within: bool = True


def searched(rule: SecretRule) -> Iterator[Searched]:
    """All that is looked for of a rule."""
    for trigger in rule.triggers:
        own = trigger in rule.patterns
        yield Searched(rule, shortest(trigger), (trigger,) if own else rule.patterns, within=own)
    for pattern, patterns in jointly(rule.seldom):
        yield Searched(rule, pattern, patterns)


def jointly(patterns: Sequence[bytes]) -> list[tuple[bytes, tuple[bytes, ...]]]:
    """The patterns with the same names in groups of a few: a pattern that ends wherever one of them can, and they. A
    pattern without a name, or that has another way than through it, is a group for itself."""
    known: dict[bytes, bytes] = {}
    groups: dict[tuple[bytes, bytes], list[tuple[bytes, _Named]]] = {}
    found: list[tuple[bytes, tuple[bytes, ...]]] = []
    for pattern in patterns:
        named = _named(pattern, known)
        if named is None:
            found.append((shortest(pattern), (pattern,)))
        else:
            groups.setdefault((named.flags.replace(b"m", b""), named.name), []).append((pattern, named))
    for group in groups.values():
        for first in range(0, len(group), _AT_A_TIME):
            some = group[first : first + _AT_A_TIME]
            found.append((_joined([named for _, named in some]), tuple(pattern for pattern, _ in some)))
    return found


def _joined(some: Sequence[_Named]) -> bytes:
    flags = bytes(sorted({flag for named in some for flag in named.flags}))
    choice = b"|".join(shortest(named.rest) for named in some)
    # `^` and `$` are lines' in all of them if they are in one, and so match more.
    return (b"(?%s)" % flags if flags else b"") + with_open_counts(b"(?:%s)(?:%s)" % (some[0].name, choice), 1)


def _named(pattern: bytes, known: dict[bytes, bytes]) -> _Named | None:
    """A pattern taken apart, None where it has no name that is always there. `known` are names that were met, as they
    stand and as they are searched for: they are long, and most patterns have the same."""
    begin = FLAGS.match(pattern)
    flags, text = (begin[1], pattern[begin.end() :]) if begin is not None else (b"", pattern)
    before, _, behind = text.partition(_NAME)
    raw = next((each for each in known if behind.startswith(each + b")")), None) or behind[: end_of_group(behind)]
    rest = behind[len(raw) + 1 :]
    around = before + b"()" + rest
    if open_groups(before) or not rest or rest.startswith(REPEATS) or has_alternatives(around) or _HARD.search(around):
        return None
    if raw not in known:
        run = _RUN.match(raw)
        known[raw] = _unnamed(raw[run.end() :] if run is not None and not has_alternatives(raw) else raw)
    return _Named(flags, known[raw], _unnamed(rest))


def _unnamed(text: bytes) -> bytes:
    return b"".join(b"(?:" if token.startswith(_GROUP) else token for token in tokens(text))
