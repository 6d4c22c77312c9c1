"""Patterns that users write, checked before they run on hostile bytes. In: a pattern's text. Out: the pattern for RE2,
or an error that names file, line, cause and cure."""

from __future__ import annotations

import re
from typing import Any, Final

from imgscan.detect.secrets.matcher import re2_options
from imgscan.errors import InputError

LONGEST_PATTERN: Final = 4096
MOST_STEPS: Final = 20_000
"""Of one pattern's compiled program; the largest of imgscan's own has 15,000. Time is the text's length times this, at
worst."""
_LINEAR: Final = "patterns are RE2, without look-around and back-references, so that they run in linear time"
_CURES: Final = (
    ("invalid perl operator", "write what stands before or after into the pattern, and the secret as (?P<secret>…)"),
    ("invalid escape sequence", "RE2 has no back-references and fewer escapes than other dialects"),
    ("invalid repetition size", "at most 1000 repetitions altogether; {20,} takes any number from 20 up"),
    ("pattern too large", "repeat less: {20,} costs a fraction of {20,500}"),
)


_TEXTS: Final = (b"", b"a", b" a\n")
"""Nothing, and what has a beginning and an end of a word and of a line: at which a pattern may match nothing, too."""


def checked_pattern(text: str, where: str) -> bytes:
    """The pattern for RE2; Python's `\\Z` is RE2's `\\z`. Raises InputError, `where` being file and line."""
    if len(text) > LONGEST_PATTERN:
        raise InputError(f"{where}: the pattern is longer than {LONGEST_PATTERN} characters")
    pattern = re.sub(r"(?<!\\)((?:\\\\)*)\\Z", r"\1\\z", text).encode("utf-8", "replace")
    regex = _compiled(pattern, where)
    steps = max(regex.programsize, regex.reverseprogramsize)
    if steps > MOST_STEPS:
        raise InputError(
            f"{where}: the pattern is too large: {steps} steps, at most {MOST_STEPS}",
            cause="each counted repetition is compiled as often as it may be repeated",
            next_step="repeat less, or nest less: {20,} costs a fraction of {20,500}",
        )
    if any(found.start() == found.end() for text in _TEXTS for found in regex.finditer(text)):
        raise InputError(
            f"{where}: bad pattern: it matches the empty text, so it would match everywhere",
            next_step="ask for something: + for *, and no alternative that may be empty",
        )
    return pattern


def steps_of(pattern: bytes) -> int:
    """The size of a checked pattern's program."""
    return int(_compiled(pattern, "").programsize)


def _compiled(pattern: bytes, where: str) -> Any:  # noqa: ANN401 - of a library without types
    import re2

    try:
        return re2.compile(pattern, re2_options())
    except re2.error as error:
        words = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error.args[0])
        cure = next((text for start, text in _CURES if words.startswith(start)), "")
        raise InputError(f"{where}: bad pattern: {words}", cause=_LINEAR, next_step=cure) from error
