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

MAX_PATHS: Final = 50
_MAX_GLOBS: Final = 200
_BUDGET: Final = 1_000_000
"""Pattern tests spent on the search for shadowed lines; a larger context is searched in part."""
_GENERIC: Final = frozenset({"*", "**", "**/*", ".", "*/**"})
_MAGIC: Final = re.compile(r"[*?\[\\]")
_SUSPECT: Final = (
    (re.compile(r"\s#"), "`#` starts a comment only in the first column"),
    (re.compile(r"\{[^}]*,[^}]*\}"), "there are no braces in a .dockerignore"),
    (re.compile(r"^\.\.(?:/|$)"), "nothing outside the context can be named"),
    (re.compile(r"^([\"']).*\1$"), "quotes are part of the name"),
    (re.compile(r"^~"), "`~` is not a home directory here"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A line and the paths (some of them) that it should keep out but does not; `files`: how many files those are."""

    pattern: IgnorePattern
    paths: tuple[str, ...]
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
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
    globs = 0
    for pattern in mine:
        if _MAGIC.search(pattern.text):
            globs += 1
            if globs > _MAX_GLOBS:
                return
            matches = _matcher(pattern)
            hits = [seen for name, seen in nested.items() if matches(name)]
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
    early = [at for at, p in enumerate(patterns[: max(last_negation, 0)]) if not p.negated and p.text not in _GENERIC]
    matchers = [_matcher(pattern) for pattern in patterns] if early else []
    found: dict[tuple[int, int], _Seen] = {}
    budget = _BUDGET if early else 0
    for path in paths:
        prefixes = _prefixes(path)
        budget -= len(prefixes) * len(patterns)
        if budget < 0:
            break
        for at in early:
            depth = _match_depth(matchers[at], prefixes)
            by = _last_negation(patterns, matchers, at, prefixes) if depth else None
            if by is not None and _match_depth(matchers[by], prefixes) < depth:
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
    """How many components the uppermost path that a pattern matches has; 0 if it matches none."""
    if not matches(prefixes[-1]):
        return 0
    return next(depth for depth, prefix in enumerate(prefixes, start=1) if matches(prefix))


def _last_negation(
    patterns: Sequence[IgnorePattern],
    matchers: Sequence[Callable[[str], bool]],
    after: int,
    prefixes: Sequence[str],
) -> int | None:
    for at in range(len(patterns) - 1, after, -1):
        if patterns[at].negated and matchers[at](prefixes[-1]):
            return at
    return None


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
