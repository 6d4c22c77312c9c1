"""Comments that accept findings: `# imgscan: ignore[rule-id] reason`. In: the comments of a file and the lines of what
they may stand above. Out: `Ignore`s, and what is wrong with comments that look like one. Pure.

Where comments are in a file, its own parser says (`dockerfile.comments`, `project.comments`). A comment is about what
begins on the next line, one at the end of a line about that line. Before everything else in the file it is also about
what has no line there; with a blank line behind it, about the whole file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from imgscan.allowlist import LONGEST_REASON
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re

SPELLING: Final = "# imgscan: ignore[rule-id] reason"
_MISSPELT: Final = f"this comment is not spelled {SPELLING}"
_NAME: Final = "imgscan"
_MOST_CHARS: Final = 2_000
_MOST_RULES: Final = 50
_MOST_IN_A_FILE: Final = 1_000
_LONGEST_ID: Final = 100
_IGNORE: Final = lazy_re(r":[ \t]*ignore\[([^\[\]]*)\](.*)", re.IGNORECASE | re.DOTALL)
# The comment for secrets alone, which `detect.secrets.marks` reads; a bracket after it was meant to be the other one.
_SECRETS_ONLY: Final = lazy_re(r":ignore(?:=[a-z0-9*?,-]+)?(?![\w:/=\[-])(?![ \t]*[\[(])", re.IGNORECASE)
_NEAR: Final = lazy_re(r"[ \t]*(?:[:=_-][ \t]*ignor|ignored?[ \t]*[\[(:=])", re.IGNORECASE)
_BEFORE_REASON: Final = " \t:-–—"


@frozen
class Comment:
    """A comment: its text behind the `#` and its line. `first` to `last` are the lines it is about where the format
    itself says so (None: the next line does)."""

    text: str
    line: int
    first: int | None = None
    last: int | None = None


@frozen
class Ignore:
    """Findings of these rules do not count on the lines `first` to `last` of `file`, for the `reason` given on its own
    `line`. `head`: nor those that have no line in the file; `whole`: nor any other of the file. `sought`: all that
    could be found there was looked for."""

    rules: tuple[str, ...]
    reason: str
    file: str
    line: int
    first: int
    last: int
    head: bool = False
    whole: bool = False
    sought: bool = True

    def covers(self, line: int | None) -> bool:
        """Whether it is about that line of its file."""
        return self.whole or (self.head if line is None else self.first <= line <= self.last)

    @property
    def where(self) -> str:
        """File and line of the comment."""
        return f"{self.file}:{self.line}"


@frozen(slots=False)
class Ignores:
    """The comments of all files of a project. `faults` say which look like one and do not count; `dockerfile` is what
    makes the image, if it is one file: findings on the image that no line made are about it as a whole."""

    entries: tuple[Ignore, ...] = ()
    faults: tuple[str, ...] = ()
    dockerfile: str | None = None

    @cached_property
    def by_file(self) -> Mapping[str, Sequence[Ignore]]:
        """The entries of each file."""
        found: dict[str, list[Ignore]] = {}
        for entry in self.entries:
            found.setdefault(entry.file, []).append(entry)
        return found

    def find(self, rule: str, file: str | None, line: int | None) -> Ignore | None:
        """What accepts findings of a rule there, the nearest first."""
        fits = [e for e in self.by_file.get(file or "", ()) if rule in e.rules and e.covers(line)]
        return min(fits, key=lambda entry: (entry.whole, entry.last - entry.first), default=None)


NO_IGNORES: Final = Ignores()


def mentions(text: str) -> bool:
    """Whether a text may hold such a comment: a look that spares parsing the others."""
    return _NAME in text or _NAME in text.lower()


def is_meant(text: str) -> bool:
    """Whether the text behind a `#` is such a comment, or means to be one."""
    return _rest(text) is not None


def is_for_secrets(text: str) -> bool:
    """Whether the text behind a `#` is such a comment for rules about secrets alone: beside a secret it counts whatever
    the file's format is (see `detect.secrets.marks`)."""
    match = _IGNORE.match(_rest(text) or "")
    return match is not None and all(rule.startswith("secret-") for rule in _rules(match))


@dataclass(slots=True, kw_only=True)
class _Reader:
    file: str
    lines: Sequence[str]
    begins: Mapping[int, int]
    start: int
    entries: list[Ignore] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def read(self, comment: Comment) -> None:
        rest = _rest(comment.text)
        if rest is None:
            return
        match = _IGNORE.match(rest)
        fault = "" if match is None else _fault(match)
        if match is None or fault:
            self.faults.append(f"{self.file}:{comment.line}: {fault or _MISSPELT}; it does not count")
            return
        span = self.span(comment)
        head = comment.first is None and comment.line < self.start
        if span is None and not head:
            self.faults.append(
                f"{self.file}:{comment.line}: this comment stands above nothing; it belongs on the line right above"
            )
            return
        self.entries.append(
            Ignore(
                rules=_rules(match),
                reason=_reason(match),
                file=self.file,
                line=comment.line,
                first=span[0] if span else 0,
                last=span[1] if span else 0,
                head=head,
                whole=head and span is None,
            )
        )

    def span(self, comment: Comment) -> tuple[int, int] | None:
        """The lines that a comment is about; None where a blank line, or nothing, follows."""
        if comment.first is not None:
            return comment.first, comment.last or comment.first
        line = comment.line + 1
        while line <= len(self.lines) and self.lines[line - 1].lstrip().startswith("#"):
            line += 1
        if line > len(self.lines) or not self.lines[line - 1].strip():
            return None
        return line, self.begins.get(line, line)


def read_ignores(file: str, text: str, comments: Iterable[Comment], spans: Iterable[tuple[int, int]]) -> Ignores:
    """The ignores among a file's comments; `spans` are first and last line of everything that one may stand above."""
    begins: dict[int, int] = {}
    for first, last in spans:
        begins[first] = max(last, begins.get(first, last))
    reader = _Reader(file=file, lines=text.split("\n"), begins=begins, start=min(begins, default=1 << 60))
    for number, comment in enumerate(found for found in comments if is_meant(found.text)):
        if number >= _MOST_IN_A_FILE:
            reader.faults.append(f"{file}: more than {_MOST_IN_A_FILE} of these comments; the others do not count")
            break
        reader.read(comment)
    return Ignores(entries=tuple(reader.entries), faults=tuple(reader.faults))


def not_sought(found: Ignores) -> Ignores:
    """The same of a file in which not all was looked for: that one accepts nothing says nothing."""
    return replace(found, entries=tuple(replace(entry, sought=False) for entry in found.entries))


def join(parts: Iterable[Ignores], dockerfile: str | None = None) -> Ignores:
    """Those of several files as one."""
    found = tuple(parts)
    return Ignores(
        entries=tuple(entry for part in found for entry in part.entries),
        faults=tuple(fault for part in found for fault in part.faults),
        dockerfile=dockerfile,
    )


def _rest(text: str) -> str | None:
    """What follows `imgscan` where a comment, or one behind another `#`, begins with it and asks to ignore."""
    short = text[:_MOST_CHARS]
    for at in _starts(short):
        rest = short[at + len(_NAME) :]
        if _IGNORE.match(rest) or (_NEAR.match(rest) and not _SECRETS_ONLY.match(rest)):
            return rest
    return None


def _starts(text: str) -> Iterator[int]:
    lowered = text.lower()
    # Some letters are longer in lower case; then no place in one text is one in the other.
    if len(lowered) != len(text):
        lowered = text
    at = lowered.find(_NAME)
    while at >= 0:
        before = text[:at].rstrip(" \t")
        if not before or before.endswith("#"):
            yield at
        at = lowered.find(_NAME, at + 1)


def _rules(match: re.Match[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for item in match[1].split(",") if (name := item.strip())))


def _reason(match: re.Match[str]) -> str:
    return match[2].strip().lstrip(_BEFORE_REASON).strip()


def _fault(match: re.Match[str]) -> str:
    """What is wrong with a comment that is spelled as one, in words."""
    rules, reason = _rules(match), _reason(match)
    if not rules:
        return "this comment names no rule between its brackets"
    if len(rules) > _MOST_RULES or any(len(rule) > _LONGEST_ID for rule in rules):
        return f"this comment names more than {_MOST_RULES} rules, or what can be none"
    if {"*", "?"} & set(match[1]):
        return "this comment has to name each rule by its id, without * and ?"
    if not any(char.isalnum() for char in reason):
        return f"this comment needs a reason behind its brackets: {SPELLING}"
    if len(reason) > LONGEST_REASON:
        return f"the reason of this comment is longer than {LONGEST_REASON} characters"
    return ""
