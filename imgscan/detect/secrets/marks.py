"""Comments that ask to ignore a secret: `imgscan:ignore`, `imgscan: ignore[rule] reason` and those of other scanners.

In: a text and where in it a secret lies. Out: the name of the mark beside it. Whether a mark counts is not decided
here: whoever makes an image writes its comments, too.
"""

from __future__ import annotations

import fnmatch
import re
from typing import Final

from imgscan.lazyre import lazy_re

REACH: Final = 1024
"""So many bytes before and after a secret are looked at: what a "line" of a minified file says elsewhere is not about
it, and a mark must be found wherever a window of the scan begins."""

_NAMES: Final = (
    rb"(?P<own>imgscan:ignore(?:=(?P<rules>[a-z0-9*?-]+(?:,[a-z0-9*?-]+)*))?)(?![ \t]{0,8}\[)"
    rb"|(?P<listed>imgscan:[ \t]{0,8}ignore\[(?P<named>[a-z0-9, -]{1,400})\](?=[ \t:-]{0,8}[a-z0-9\x80-\xff]))"
    rb"|(?P<foreign>gitleaks:allow|betterleaks:allow|trufflehog:ignore|kingfisher:ignore)"
    rb"|pragma: ?(?:allow|white)list(?P<next>[ -]nextline)?[ -]secret"
)
_MARK: Final = lazy_re(rb"(?<![\w:/.=-])(?:" + _NAMES + rb")(?:(?<=\])|(?![\w:/=-]))", re.IGNORECASE)
# The comments of the languages that turn up in images; the mark is the first thing in it.
_COMMENT: Final = lazy_re(rb"[ \t]*(?:#+|//+|/\*+|\*|<!--|--|;+|%+|'|\{-|\(\*|@?rem[ \t])[ \t]*", re.IGNORECASE)


def mark_beside(data: bytes, start: int, end: int, rule_id: str) -> str:
    """The mark for the secret data[start:end] of rule `rule_id`; "" if there is none.

    It stands on the secret's first line before it, on its last one behind it, or begins a comment that has the line
    above to itself. `pragma: allowlist nextline secret` counts only there, `imgscan:ignore=RULE,…` only for those rules
    (`*` and `?` as in file names), `imgscan: ignore[RULE, …] reason` only for those and with a reason.
    """
    low, high = max(start - REACH, 0), min(end + REACH, len(data))
    line_end = data.find(b"\n", end, high)
    line_start = data.rfind(b"\n", low, start) + 1
    behind = data[end : line_end if line_end >= 0 else high]
    before = data[max(line_start, low) : start]
    mark = _mark_in(behind, rule_id) or _mark_in(before, rule_id)
    if mark or not line_start:
        return mark
    above_start = data.rfind(b"\n", low, line_start - 1) + 1
    # Without a line end in reach it is the end of a long line, not a line of its own.
    return _mark_above(data[above_start : line_start - 1], rule_id) if above_start or not low else ""


def mark_at_line(text: str, line: int, rule_id: str) -> str:
    """The mark for a secret of rule `rule_id` that lies somewhere on a line (counted from 1) of a text."""
    lines = text.split("\n")[max(line - 2, 0) : line]
    here, above = lines[-1:], lines[:-1]
    mark = _mark_in(_bytes(here[0]), rule_id) if here else ""
    return mark or (_mark_above(_bytes(above[0]), rule_id) if above else "")


def _bytes(line: str) -> bytes:
    return line[:REACH].encode("utf-8", "surrogatepass")


def _mark_in(text: bytes, rule_id: str) -> str:
    """The first mark of a text that is for the rule."""
    marks = (found for found in _MARK.finditer(text) if not found["next"])
    return next((_name(found) for found in marks if _is_for(found, rule_id)), "")


def _mark_above(line: bytes, rule_id: str) -> str:
    """The mark that a comment begins with, if it is for the rule."""
    comment = _COMMENT.match(line)
    found = _MARK.match(line, comment.end()) if comment is not None else None
    return _name(found) if found is not None and _is_for(found, rule_id) else ""


def _is_for(found: re.Match[bytes], rule_id: str) -> bool:
    if found["named"]:
        return rule_id in {name.strip() for name in found["named"].decode("ascii").split(",")}
    rules = (found["rules"] or b"").decode("ascii").lower()
    return not rules or any(fnmatch.fnmatchcase(rule_id, pattern) for pattern in rules.split(","))


def _name(found: re.Match[bytes]) -> str:
    if found["own"] or found["listed"]:
        return "imgscan:ignore"
    return found["foreign"].decode("ascii").lower() if found["foreign"] else "pragma: allowlist secret"
