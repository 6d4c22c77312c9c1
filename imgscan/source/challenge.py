"""WWW-Authenticate -> challenges, by the grammar of RFC 9110, section 11.6.1.

A header that does not follow the grammar gives nothing at all: a guess at a realm would send credentials on a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re

_MAX_HEADER: Final = 16_384
_TOKEN: Final = lazy_re(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TOKEN68: Final = lazy_re(r"[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))")
_QUOTED: Final = lazy_re(r'"((?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t\x20-\x7e\x80-\xff])*)"')
_EQUALS: Final = lazy_re(r"[ \t]*=[ \t]*")
_SPACE: Final = lazy_re(r"[ \t]*")
_COMMAS: Final = lazy_re(r"[ \t]*(?:,[ \t]*)+")


@frozen
class Challenge:
    """One way to authenticate: the scheme in small letters, its parameters with names in small letters."""

    scheme: str
    parameters: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str | None:
        """A parameter's value."""
        return dict(self.parameters).get(name)


class _SyntaxError(Exception):
    """The header does not follow the grammar."""


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """The challenges of all WWW-Authenticate lines of an answer, in their order, without those of a broken line."""
    found: list[Challenge] = []
    for line in headers:
        try:
            found += _Parser(line).challenges()
        except _SyntaxError:
            continue
    return tuple(found)


class _Parser:
    """Reads one line from left to right."""

    def __init__(self, line: str) -> None:
        if len(line) > _MAX_HEADER:
            raise _SyntaxError
        self._line = line
        self._at = 0

    def challenges(self) -> list[Challenge]:
        found: list[Challenge] = []
        if self._match(_COMMAS) is None:
            self._match(_SPACE)
        while self._at < len(self._line):
            scheme = self._require(_TOKEN)
            found.append(self._challenge(scheme.lower()))
        return found

    def _challenge(self, scheme: str) -> Challenge:
        parameters: dict[str, str] = {}
        if self._at < len(self._line) and self._line[self._at] in " \t":
            self._match(_SPACE)
            if self._match(_TOKEN68) is None:
                self._parameter(parameters)
        while self._separator() and self._parameter(parameters):
            pass
        return Challenge(scheme=scheme, parameters=tuple(parameters.items()))

    def _separator(self) -> bool:
        """Move over the commas before the next parameter or challenge; False at the end of the line."""
        if self._match(_COMMAS) is None and self._match(_SPACE) is not None and self._at < len(self._line):
            raise _SyntaxError
        return self._at < len(self._line)

    def _parameter(self, parameters: dict[str, str]) -> bool:
        """Take `name = value`; False, and nothing taken, where the next challenge begins."""
        start = self._at
        name = self._match(_TOKEN)
        if name is None or self._match(_EQUALS) is None:
            self._at = start
            return False
        quoted = self._match(_QUOTED)
        value = re.sub(r"\\(.)", r"\1", quoted[1:-1]) if quoted is not None else self._require(_TOKEN)
        if name.lower() in parameters:
            raise _SyntaxError
        parameters[name.lower()] = value
        return True

    def _match(self, pattern: re.Pattern[str]) -> str | None:
        match = pattern.match(self._line, self._at)
        if match is None:
            return None
        self._at = match.end()
        return match[0]

    def _require(self, pattern: re.Pattern[str]) -> str:
        found = self._match(pattern)
        if found is None:
            raise _SyntaxError
        return found
