"""Where an ignore file and the context disagree: root-anchored patterns that miss nested files, lines without effect.

In: `IgnoreRules` and the paths that reach the engine. Out: `Gap`s. Pure. Patterns of a .dockerignore are anchored at
the root and the last match wins, both unlike what people expect from a .gitignore.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from imgscan.dockerfile.ignore import IgnorePattern, IgnoreRules, is_ignored, parse_ignore
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re

MAX_PATHS: Final = 50
_MAX_GLOBS: Final = 200
_BUDGET: Final = 100_000
"""Pattern tests spent on one question; a larger context is searched in part."""
_GENERIC: Final = frozenset({"*", "**", "**/*", ".", "*/**"})
_MAGIC: Final = lazy_re(r"[*?\[\\]")
_SUSPECT: Final = (
    (re.compile(r"\s#"), "`#` starts a comment only in the first column"),
    (re.compile(r"\{[^}]*,[^}]*\}"), "there are no braces in a .dockerignore"),
    (re.compile(r"^\.\.(?:/|$)"), "nothing outside the context can be named"),
    (re.compile(r"^([\"']).*\1$"), "quotes are part of the name"),
    (re.compile(r"^~"), "`~` is not a home directory here"),
)


@frozen
class Gap:
    """A line and the paths (some of them) that it should keep out but does not; `files`: how many files those are."""

    pattern: IgnorePattern
    paths: tuple[str, ...]
    files: int


@frozen
class Shadow:
    """An exclusion whose paths a later `!` line, which names a folder above them, lets in again."""

    pattern: IgnorePattern
    by: IgnorePattern
    paths: tuple[str, ...]
    files: int


@dataclass(slots=True)
class _Seen:
    paths: dict[str, None] = field(default_factory=dict)
    files: int = 0


def root_anchored(rules: IgnoreRules, paths: Iterable[str]) -> Iterator[Gap]:
    """Patterns of one component that protect the root only while deeper files or folders have that name."""
    mine = [p for p in rules.patterns if not p.negated and "/" not in p.text and p.text not in _GENERIC]
    mine = [p for p in mine if not p.text.startswith("**")]
    if not mine:
        return
    nested = _nested_names(paths)
    globs = [pattern for pattern in mine if _MAGIC.search(pattern.text)][:_MAX_GLOBS]
    any_glob = parse_ignore("\n".join(pattern.text for pattern in globs))
    likely = [name for name in nested if is_ignored(any_glob, name)] if globs else []
    for pattern in mine:
        if _MAGIC.search(pattern.text):
            matches = _matcher(pattern)
            hits = [nested[name] for name in likely[: _BUDGET // len(globs)] if matches(name)]
        else:
            hits = [nested[pattern.text]] if pattern.text in nested else []
        if hits:
            found = sorted(path for seen in hits for path in seen.paths)[:MAX_PATHS]
            yield Gap(pattern=pattern, paths=tuple(found), files=sum(seen.files for seen in hits))


def _nested_names(paths: Iterable[str]) -> dict[str, _Seen]:
    """Every name that occurs below the root -> where, and how many files lie there."""
    nested: dict[str, _Seen] = {}
    for path in paths:
        parts = path.split("/")
        for depth in range(1, len(parts)):
            seen = nested.get(parts[depth])
            if seen is None:
                seen = nested[parts[depth]] = _Seen()
            seen.files += 1
            if len(seen.paths) < MAX_PATHS:
                seen.paths.setdefault("/".join(parts[: depth + 1]))
    return nested


def shadowed(rules: IgnoreRules, paths: Sequence[str]) -> Iterator[Shadow]:
    """Exclusions undone by a later `!` line that names a folder above what they exclude."""
    patterns = rules.patterns
    last_negation = max((at for at, p in enumerate(patterns) if p.negated), default=-1)
    early = {at for at, p in enumerate(patterns[: max(last_negation, 0)]) if not p.negated and p.text not in _GENERIC}
    matchers = [_matcher(pattern) for pattern in patterns] if early else []
    found: dict[tuple[int, int], _Seen] = {}
    budget = _BUDGET if early else 0
    for path in paths:
        budget -= len(patterns)
        if budget < 0:
            break
        matching = [at for at, matches in enumerate(matchers) if matches(path)]
        by = next((at for at in reversed(matching) if patterns[at].negated), None)
        if by is None:
            continue
        prefixes = _prefixes(path)
        above = _match_depth(matchers[by], prefixes)
        for at in (at for at in matching if at in early and at < by):
            depth = _match_depth(matchers[at], prefixes)
            if above < depth:
                seen = found.setdefault((at, by), _Seen())
                seen.files += 1
                if len(seen.paths) < MAX_PATHS:
                    seen.paths.setdefault(prefixes[depth - 1])
    for (at, by), seen in sorted(found.items()):
        yield Shadow(pattern=patterns[at], by=patterns[by], paths=tuple(seen.paths), files=seen.files)


def _prefixes(path: str) -> list[str]:
    return [path[:at] for at, char in enumerate(path) if char == "/" and at] + [path]


def _matcher(pattern: IgnorePattern) -> Callable[[str], bool]:
    """Whether the pattern alone, `!` aside, matches a path or a folder above it."""
    alone = parse_ignore(pattern.text)
    return lambda path: is_ignored(alone, path)


def _match_depth(matches: Callable[[str], bool], prefixes: Sequence[str]) -> int:
    """How many components the uppermost path that a pattern, which matches the last of them, matches has."""
    return next(depth for depth, prefix in enumerate(prefixes, start=1) if matches(prefix))


def misspelt(rules: IgnoreRules) -> Iterator[tuple[IgnorePattern, str]]:
    """Lines that can match nothing because they are written in another language than a .dockerignore's, and why."""
    for pattern in rules.patterns:
        for regex, why in _SUSPECT:
            if regex.search(pattern.text):
                yield pattern, why
                break


def void_negations(rules: IgnoreRules, ignored: Iterable[str]) -> Iterator[tuple[IgnorePattern, IgnorePattern]]:
    """`!` lines whose path is excluded again by a later line, with that line."""
    gone = frozenset(ignored)
    for at, pattern in enumerate(rules.patterns):
        if not pattern.negated or pattern.text not in gone:
            continue
        later = (p for p in rules.patterns[at + 1 :] if not p.negated and _matcher(p)(pattern.text))
        by = next(later, None)
        if by is not None:
            yield pattern, by
