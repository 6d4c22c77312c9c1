"""A file of variables -> its entries, by the grammar of compose-go's package `dotenv`. Pure.

`export` before a name, `NAME: value`, quotes over several lines, escapes and `${NAME}` in double quotes and bare
values, comments after a blank. A name alone is taken from the environment, which is never this machine's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.project.compose.interpolate import replace_variables
from imgscan.project.setup import EnvEntry

_BLANKS: Final = "\t\v\f\r \x85\xa0"
_EXPORT: Final = lazy_re(r"export[\t\n\f\r ]+")
_ESCAPE: Final = lazy_re(r'\\(?:[abcfnrtv$"\\]|0\d{0,3})')
_LETTERS: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}
_MARKS: Final = frozenset("_.-[]")
_MOST: Final = 20_000


@frozen
class Dotenv:
    """The entries in the order written, and the names without a value; `fault`: the line where compose stops, and
    why."""

    entries: tuple[EnvEntry, ...]
    inherited: tuple[tuple[str, int], ...] = ()
    fault: tuple[int, str] | None = None

    def values(self) -> dict[str, str]:
        """What the file gives each name: the last entry counts."""
        return {entry.name: entry.value for entry in self.entries}


class _FaultError(Exception):
    pass


@dataclass(slots=True, kw_only=True)
class _Reader:
    file: str
    text: str
    known: Mapping[str, str]
    values: dict[str, str]
    at: int = 0
    counted: tuple[int, int] = (0, 1)
    entries: list[EnvEntry] = field(default_factory=list)
    inherited: list[tuple[str, int]] = field(default_factory=list)

    def line(self) -> int:
        position, line = self.counted
        self.counted = (self.at, line + self.text.count("\n", position, self.at))
        return self.counted[1]

    def run(self) -> None:
        while self.skip_to_statement():
            if len(self.entries) >= _MOST:
                raise _FaultError(f"more than {_MOST:,} variables")
            line = self.line()
            name, is_inherited = self.name()
            if " " in name:
                raise _FaultError("key cannot contain a space")
            if is_inherited:
                self.inherited.append((name, line))
                continue
            value, raw = self.value()
            if not name:
                self.inherited.append((value, line))
                continue
            self.values[name] = value
            self.entries.append(EnvEntry(name=name, value=value, raw=raw, file=self.file, line=line))

    def skip_to_statement(self) -> bool:
        while self.at < len(self.text):
            if self.text[self.at].isspace():
                self.at += 1
            elif self.text[self.at] == "#":
                end = self.text.find("\n", self.at)
                self.at = end if end >= 0 else len(self.text)
            else:
                return True
        return False

    def name(self) -> tuple[str, bool]:
        """The name before `=`, `:` or the end of the line; whether it has no value."""
        export = _EXPORT.match(self.text, self.at)
        if export:
            self.at += len("export")
            self.skip_blanks()
            if self.at == len(self.text):
                raise _FaultError("zero length string")
        start = self.at
        for position in range(start, len(self.text)):
            letter = self.text[position]
            if letter in _BLANKS:
                continue
            if letter in "=:\n":
                self.at = position + 1
                self.skip_blanks()
                return self.text[start:position].rstrip(), letter == "\n"
            if letter not in _MARKS and not letter.isalpha() and not letter.isnumeric():
                raise _FaultError(f'unexpected character "{letter}" in variable name')
        # A name at the very end: compose-go takes it for an empty name and the text for its value.
        return "", False

    def skip_blanks(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in _BLANKS:
            self.at += 1

    def value(self) -> tuple[str, str]:
        quote = self.text[self.at : self.at + 1]
        if quote not in ("'", '"') or not quote:
            return self.bare_value()
        start = self.at
        letters: list[str] = []
        position = start + 1
        while position < len(self.text):
            letter = self.text[position]
            if letter == quote:
                break
            if letter == "\\" and position + 1 < len(self.text):
                following = self.text[position + 1]
                letters.append(following if following == quote else letter + following)
                position += 2
                continue
            letters.append(letter)
            position += 1
        else:
            raise _FaultError("unterminated quoted value")
        self.at = position + 1
        raw = self.text[start : self.at]
        value = "".join(letters)
        return (self.expanded(_unescaped(value)) if quote == '"' else value), raw

    def bare_value(self) -> tuple[str, str]:
        end = self.text.find("\n", self.at)
        end = end if end >= 0 else len(self.text)
        raw = self.text[self.at : end].partition(" #")[0].rstrip()
        self.at = min(end + 1, len(self.text))
        return self.expanded(raw), raw

    def expanded(self, value: str) -> str:
        replaced = replace_variables(value, lambda name: self.known.get(name, self.values.get(name)))
        if replaced.invalid:
            raise _FaultError("invalid template")
        if replaced.missing:
            name, why = replaced.missing[0]
            raise _FaultError(f"required variable {name} is missing a value" + (f": {why}" if why else ""))
        return replaced.value


def read_dotenv(
    text: str, file: str, known: Mapping[str, str] | None = None, earlier: Mapping[str, str] | None = None
) -> Dotenv:
    """The variables of the text. Where a value refers to another one, `known` goes before the file's own values, and
    `earlier` (what files before this one gave) comes after them."""
    reader = _Reader(file=file, text=text.removeprefix("\ufeff"), known=known or {}, values=dict(earlier or {}))
    fault: tuple[int, str] | None = None
    try:
        reader.run()
    except _FaultError as error:
        fault = (reader.line(), str(error))
    return Dotenv(entries=tuple(reader.entries), inherited=tuple(reader.inherited), fault=fault)


def _unescaped(value: str) -> str:
    return _ESCAPE.sub(_one_escape, value)


def _one_escape(match: re.Match[str]) -> str:
    letter = match[0][1]
    if letter == "$":
        return "$$"
    if letter == "0":
        digits = match[0][2:]
        octal = len(digits) == 3 and all(digit in "01234567" for digit in digits)
        return chr(int(digits, 8)) if octal and int(digits, 8) < 256 else "\\" + digits
    return _LETTERS.get(letter, match[0])
