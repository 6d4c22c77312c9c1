"""`.dockerignore`: the text -> rules, and whether a path is ignored.

Same results as moby/patternmatcher: `ignorefile.ReadAll` reads the lines, `MatchesOrParentMatches` decides. Patterns
are Go's (`*`, `?`, `[a-z]`, backslash) plus `**`, anchored at the root of the context; the last one that matches wins.
They run on RE2, in linear time whatever the pattern.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import field
from itertools import groupby
from posixpath import normpath
from typing import Any, Final

from imgscan.dockerfile.lexer import GO_SPACE
from imgscan.dockerfile.pattern import replace_surrogates
from imgscan.errors import InputError
from imgscan.frozen import frozen

_MAX_LINE_BYTES: Final = 65_535
# patternmatcher means to escape `|`, `{` and `}`, too, but its bit map overflows, and it forgets `^`: they stay
# operators of the expression.
_ESCAPED: Final = frozenset(".+()$")
_REGEX_MEMORY_BYTES: Final = 64 << 20
_SENTINEL: Final = "\x00/\x00"
"""No path: what a set of expressions is tried with."""
_BAD_PATTERN: Final = "syntax error in pattern"


@frozen
class IgnorePattern:
    """One pattern: `text` cleaned, without its `!`; `negated` re-includes; `line` is where it stands in the file.

    `kind` says how patternmatcher compares: `exact`, `prefix` (`dir/**`), `suffix` (`**/name`) or `regex`, with the
    expression it compares by.
    """

    text: str
    negated: bool
    line: int
    kind: str
    regex: str


@frozen
class PatternRun:
    """Patterns in a row that are all negated, or none of them: only whether any of them matches plays a part.

    `matches` looks at the path itself, not at the directories above it.
    """

    negated: bool
    matches: Callable[[str], bool]


@frozen
class IgnoreRules:
    """The patterns of an ignore file in order; `file` is its name for messages."""

    patterns: tuple[IgnorePattern, ...]
    file: str | None = None
    runs: tuple[PatternRun, ...] = field(repr=False, compare=False)


def parse_ignore(text: str, file: str | None = None) -> IgnoreRules:
    """The rules of an ignore file's text. Raises InputError naming file and line for a pattern the engine refuses."""
    patterns: list[IgnorePattern] = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        try:
            cleaned = _clean_line(line)
            if cleaned is not None:
                patterns.append(_make_pattern(cleaned, number))
        except ValueError as error:
            raise InputError(
                f"{file or '.dockerignore'}:{number}: {error}",
                cause="docker build refuses this ignore file, too",
                next_step="correct the pattern",
            ) from error
    runs = tuple(
        PatternRun(negated=negated, matches=_any_matcher(run))
        for negated, run in groupby(patterns, key=lambda pattern: pattern.negated)
    )
    return IgnoreRules(patterns=tuple(patterns), file=file, runs=runs)


def is_ignored(rules: IgnoreRules, path: str) -> bool:
    """Whether the rules keep that path (relative, with slashes) out of the build context.

    True if the last pattern that matches the path, or one of the directories above it, is not negated.
    """
    path = go_clean(path)
    if path == ".":
        return False  # the context itself cannot be ignored
    above = [path[:end] for end, ch in enumerate(path) if ch == "/" and end]
    ignored = False
    for run in rules.runs:
        # A run that could not change the answer is not asked.
        if run.negated == ignored and (run.matches(path) or any(map(run.matches, above))):
            ignored = not run.negated
    return ignored


def may_match_below(pattern: IgnorePattern, directory: str) -> bool:
    """Whether the pattern might match something inside the directory; False only where it surely cannot."""
    if pattern.kind == "suffix" or (pattern.kind == "regex" and any(ch in pattern.text for ch in "|{^\ufeff")):
        return True
    special = re.search(r"[*?\[\]\\]", pattern.text)
    literal = pattern.text[: special.start()] if special else pattern.text
    inside = f"{directory}/"
    if not literal.startswith(inside) and not (special and inside.startswith(literal)):
        return False
    # A class or an escape may stand for a slash and `**` for any number of them; else a pattern has its depth.
    open_ended = "**" in pattern.text or any(ch in pattern.text for ch in "[]\\")
    return open_ended or pattern.text.count("/") > directory.count("/")


def go_clean(path: str) -> str:
    """filepath.Clean of Go, which unlike normpath makes one slash of two leading ones."""
    cleaned = normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


def _clean_line(line: str) -> str | None:
    """The pattern of a line as ignorefile.ReadAll gives it; None for a comment or an empty line."""
    if len(line.encode("utf-8", "surrogateescape")) > _MAX_LINE_BYTES:
        raise ValueError(f"the line is longer than {_MAX_LINE_BYTES} bytes")
    if line.startswith("#"):
        return None
    pattern = line.strip(GO_SPACE)
    if not pattern:
        return None
    negated = pattern.startswith("!")
    if negated:
        pattern = pattern[1:].strip(GO_SPACE)
    if pattern:
        pattern = go_clean(pattern)
        if len(pattern) > 1 and pattern.startswith("/"):
            pattern = pattern[1:]
    return f"!{pattern}" if negated else pattern


def _make_pattern(line: str, number: int) -> IgnorePattern:
    pattern = go_clean(line.strip(GO_SPACE))
    negated = pattern.startswith("!")
    if negated:
        if pattern == "!":
            raise ValueError('illegal exclusion pattern: "!"')
        pattern = pattern[1:]
    check_glob(pattern)
    kind, regex = translate(pattern)
    if kind == "regex":
        _compile(regex)
    return IgnorePattern(text=pattern, negated=negated, line=number, kind=kind, regex=regex)


def _any_matcher(patterns: Iterable[IgnorePattern]) -> Callable[[str], bool]:
    """A function that says whether any of the patterns matches a path itself.

    patternmatcher compares strings where there are no wildcards or `**` stands at one end only. That is not only faster
    than its expressions, it differs from them (in names with line feeds), so it is done here, too.
    """
    exact: set[str] = set()
    starts: list[str] = []
    ends: list[str] = []
    regexes: list[str] = []
    for pattern in patterns:
        if pattern.kind == "exact":
            exact.add(pattern.text)
        elif pattern.kind == "prefix":
            starts.append(pattern.text[:-2])
        elif pattern.kind == "suffix":
            ends.append(pattern.text[2:])
            exact.update([pattern.text[3:]] if pattern.text.startswith("**/") else [])
        else:
            regexes.append(pattern.regex)
    prefixes, suffixes = tuple(starts), tuple(ends)
    search = _searcher(regexes)

    def matches(path: str) -> bool:
        return path in exact or path.startswith(prefixes) or path.endswith(suffixes) or search(path)

    return matches


def _searcher(regexes: list[str]) -> Callable[[str], bool]:
    if not regexes:
        return lambda _path: False
    matches = _search_set(regexes)
    if matches is None:
        single = [_compile(regex).search for regex in regexes]

        def matches(path: str) -> bool:
            return any(search(path) is not None for search in single)

    return lambda path: matches(path if path.isascii() else replace_surrogates(path))


def _search_set(regexes: list[str]) -> Callable[[str], bool] | None:
    """All expressions in one pass; None if RE2 has not memory enough for them.

    It says so by matching nothing, on the first use and from then on, so a text that must match is tried.
    """
    import re2

    found = re2.Set.SearchSet(_options())
    try:
        for regex in (*regexes, f"^{_SENTINEL}$"):
            found.Add(regex)
        found.Compile()
    except re2.error:
        return None
    return (lambda path: bool(found.Match(path))) if found.Match(_SENTINEL) else None


def translate(pattern: str) -> tuple[str, str]:
    """The kind of a cleaned pattern (see `IgnorePattern`) and its expression: `compile` of patternmatcher."""
    out = ["^"]
    kind = "exact"
    pos = 0
    text = replace_surrogates(pattern).removeprefix("\ufeff")  # text/scanner of Go drops a byte order mark
    while pos < len(text):
        ch, start = text[pos], pos
        pos += 1
        if ch == "*" and text.startswith("*", pos):
            pos += 2 if text.startswith("/", pos + 1) else 1
            at_end = pos == len(text)
            if not at_end:
                out.append("(.*/)?")
            elif kind != "exact":
                out.append(".*")
            kind = "suffix" if start == 0 else "prefix" if at_end and kind == "exact" else "regex"
        elif ch in "*?":
            out.append("[^/]*" if ch == "*" else "[^/]")
            kind = "regex"
        elif ch in _ESCAPED:
            out.append(f"\\{ch}")
        elif ch == "\\":
            out.append(text[start : pos + 1])
            kind = "regex" if pos < len(text) else kind
            pos += 1
        else:
            out.append(ch)
            kind = "regex" if ch in "[]" else kind
    return kind, "".join(out) + "$"


def _compile(regex: str) -> Any:  # noqa: ANN401 - re2 has no types
    import re2

    try:
        return re2.compile(regex, _options())
    except re2.error as error:
        raise ValueError(_BAD_PATTERN) from error


def _options() -> Any:  # noqa: ANN401 - re2 has no types
    import re2

    options = re2.Options()
    options.log_errors = False
    options.never_capture = True  # groups cost it its fast engine
    options.max_mem = _REGEX_MEMORY_BYTES
    return options


def check_glob(pattern: str) -> None:
    """Raise ValueError for what filepath.Match of Go finds wrong with a pattern when asked about the name `.`.

    That is how patternmatcher checks, and it does not see all: after the first stretch without a `*` that does not fit
    the name, the rest goes unread.
    """
    chunk, rest = _cut_chunk(pattern)
    if _check_chunk(chunk) and rest:
        _check_chunk(_cut_chunk(rest)[0])


def _cut_chunk(pattern: str) -> tuple[str, str]:
    """What stands between the leading `*`s and the next one outside a class, and the rest."""
    pattern = pattern.lstrip("*")
    in_class = False
    pos = 0
    while pos < len(pattern):
        ch = pattern[pos]
        if ch == "*" and not in_class:
            break
        in_class = ch == "[" or (in_class and ch != "]")
        pos += 2 if ch == "\\" else 1
    return pattern[:pos], pattern[pos:]


def _check_chunk(chunk: str) -> bool:
    """Check the syntax; whether the chunk is one element that stands for a dot."""
    pos = 0
    elements: list[bool] = []
    while pos < len(chunk):
        ch = chunk[pos]
        pos += 1
        if ch == "[":
            pos, fits = _check_class(chunk, pos)
        else:
            if ch == "\\":
                ch = chunk[pos : pos + 1]
                pos += 1
                if not ch:
                    raise ValueError(_BAD_PATTERN)
                fits = ch == "."
            else:
                fits = ch in ".?"
        elements.append(fits)
    return elements == [True]


def _check_class(chunk: str, pos: int) -> tuple[int, bool]:
    """Check the class whose `[` stands right before `pos`; the place behind its `]`, and whether it has a dot in it."""
    negated = chunk.startswith("^", pos)
    pos += negated
    ranges: list[tuple[str, str]] = []
    while not (ranges and chunk.startswith("]", pos)):
        pos, low = _class_char(chunk, pos)
        high = low
        if chunk.startswith("-", pos):
            pos, high = _class_char(chunk, pos + 1)
        ranges.append((low, high))
    return pos + 1, any(low <= "." <= high for low, high in ranges) != negated


def _class_char(chunk: str, pos: int) -> tuple[int, str]:
    escaped = chunk.startswith("\\", pos)
    end = pos + escaped + 1
    ch = chunk[end - 1 : end]
    # Go wants something behind every character of a class, and takes no byte that is not UTF-8.
    if not ch or (not escaped and ch in "-]") or "\udc80" <= ch <= "\udcff" or end >= len(chunk):
        raise ValueError(_BAD_PATTERN)
    return end, ch
