"""The shell patterns of `${x#pattern}` and `${x/pattern/text}`: `*`, `?` and backslash, no brackets.

As convertShellPatternToRegex of moby/buildkit `frontend/dockerfile/shell/lex.go`. They run on RE2, the syntax and the
linear time of Go's regexp; it is imported at the first use.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from imgscan.lazyre import lazy_re

_SURROGATE: Final = lazy_re("[\ud800-\udfff]")
_TEMPLATE: Final = lazy_re(r"\$(?:\$|(\w+)|\{(\w+)\})")


class PatternError(ValueError):
    """A pattern that BuildKit refuses."""


def remove_prefix(value: str, pattern: str, *, longest: bool) -> str:
    """The value without the shortest (or longest) prefix that matches."""
    value = replace_surrogates(value)
    found = _compile(_regex(pattern, greedy=longest, anchored=True)).match(value)
    return value[found.end() :] if found else value


def remove_suffix(value: str, pattern: str, *, longest: bool) -> str:
    """The value without the shortest (or longest) suffix that matches: both turned round, since the shortest suffix is
    not what a leftmost search finds."""
    return remove_prefix(replace_surrogates(value)[::-1], _reversed(pattern), longest=longest)[::-1]


def replace(value: str, pattern: str, replacement: str, *, every: bool, limit: int) -> str:
    """The value with the first (or every) match replaced; longer than `limit` characters is a PatternError.

    Go's ReplaceAllString takes `$name` in the replacement for a group: `$0` is the match, any other name is empty.
    """
    value = replace_surrogates(value)
    regex = _compile(_regex(pattern, greedy=True, anchored=False))
    if not every:
        found = regex.search(value)
        return value[: found.start()] + replacement + value[found.end() :] if found else value
    out: list[str] = []
    size = last = 0
    previous_end = -1
    for found in regex.finditer(value):
        if found.start() == found.end() == previous_end:
            continue  # an empty match right behind a match does not count
        text = _fill(replacement, found.group())
        out += [value[last : found.start()], text]
        size += len(out[-2]) + len(text)
        if size > limit:
            raise PatternError(f"the result is longer than {limit} characters")
        last = previous_end = found.end()
    return "".join([*out, value[last:]])


def _fill(replacement: str, matched: str) -> str:
    def group(template: re.Match[str]) -> str:
        if template.group() == "$$":
            return "$"
        return matched if (template.group(1) or template.group(2)) == "0" else ""

    return _TEMPLATE.sub(group, replacement)


def replace_surrogates(value: str) -> str:
    """Text that RE2 takes: Go, too, sees a byte that is not UTF-8 as U+FFFD."""
    return value if value.isascii() else _SURROGATE.sub("\ufffd", value)


def _regex(pattern: str, *, greedy: bool, anchored: bool) -> str:
    out = ["^" if anchored else ""]
    chars = iter(replace_surrogates(pattern))
    for ch in chars:
        if ch == "*":
            out.append(".*" if greedy else ".*?")
        elif ch == "?":
            out.append(".")
        elif ch == "\\":
            following = next(chars, "")
            if following in tuple("}/"):
                out.append(following if following == "/" else r"\}")
            elif following in tuple("*?\\"):
                out.append("\\" + following)
            else:
                raise PatternError(f"invalid escape '\\{following}'")
        else:
            out.append(re.escape(ch) if ch in "[]{}.+()|^$" else ch)
    return "".join(out)


def _reversed(pattern: str) -> str:
    return "".join(reversed(re.findall(r"\\.|.", pattern, re.DOTALL)))


@lru_cache(maxsize=64)
def _compile(regex: str) -> Any:  # noqa: ANN401 - re2 has no types
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(regex, options)
    except re2.error as error:
        raise PatternError("it is too large") from error
