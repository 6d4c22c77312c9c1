"""Scalars of compose files as booleans, durations, numbers and commands. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from imgscan.lazyre import lazy_re
from imgscan.project.compose.nodes import ListNode, Node, Scalar, integer, items_of, scalar
from imgscan.project.compose.records import Argv

_TRUE: Final = frozenset({"true", "y", "yes", "on"})
_FALSE: Final = frozenset({"false", "n", "no", "off"})
_UNITS: Final = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0,
    "w": 604800.0,
}  # fmt: skip
_LONGEST_S: Final = (1 << 63) / 1e9
_PART: Final = lazy_re(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h|d|w)")


def boolean(node: Node | None) -> bool | None:
    """True, false, or None where nothing of the kind is written."""
    found = scalar(node)
    if found is None:
        return None
    word = found.value.lower()
    return True if word in _TRUE else False if word in _FALSE else None


def number(node: Node | None) -> int | None:
    """A whole number, also as text."""
    found = scalar(node)
    try:
        return integer(found.value) if found and len(found.value) < 40 else None
    except ValueError:
        return None


def duration(text: str) -> float | None:
    """Seconds of `1m30s`, None for what is no duration. Units: those of Go's time.ParseDuration, days and weeks."""
    rest = text
    if rest.startswith(("+", "-")):
        sign, rest = (-1.0 if rest[0] == "-" else 1.0), rest[1:]
    else:
        sign = 1.0
    if rest == "0":
        return 0.0
    total, at = 0.0, 0
    for part in _PART.finditer(rest):
        if part.start() != at:
            return None
        total += float(part[1]) * _UNITS[part[2]]
        at = part.end()
    # More nanoseconds than 63 bits hold are none for Go.
    return sign * total if at == len(rest) and at and total < _LONGEST_S else None


def seconds(node: Node | None) -> float | None:
    """A duration in seconds, None where there is none or it is not one."""
    found = scalar(node)
    return duration(found.value) if found else None


def argv(node: Node | None) -> Argv | None:
    """`command:` and `entrypoint:`; a string is split as `shell_words` does it."""
    if isinstance(node, ListNode):
        words = tuple(item.value for item in node.items if isinstance(item, Scalar))
        return Argv(words=words, shell=False, at=node.at)
    found = scalar(node)
    return Argv(words=tuple(shell_words(found.value) or ()), shell=False, at=found.at) if found else None


def health_test(node: Node | None) -> tuple[Argv | None, bool]:
    """`healthcheck.test`, and whether it is `NONE`."""
    if isinstance(node, Scalar):
        if node.kind == "null":
            return None, False
        return Argv(words=(node.value,), shell=True, at=node.at), False  # noqa: S604 - read, never run
    words = [item.value for item in items_of(node) if isinstance(item, Scalar)]
    if node is None or not words:
        return None, False
    if words[0] == "NONE":
        return None, True
    shell = words[0] == "CMD-SHELL"
    return Argv(words=tuple(words[1:] if words[0] in ("CMD", "CMD-SHELL") else words), shell=shell, at=node.at), False


def shell_words(text: str) -> list[str] | None:
    """Words of a line as compose splits a command (the rules of go-shellwords), None for one that it refuses.

    No shell is there: the line ends at the first `;`, `&`, `|`, `<` or `>` outside of quotes, variables stay as they
    are, and `$(…)` and backquotes hold their text together.
    """
    splitter = _Splitter()
    for letter in text:
        if not splitter.take(letter):
            break
    return splitter.end()


@dataclass(slots=True, kw_only=True)
class _Splitter:
    """`opened`: the quotes that are open, `(` for `$(`; `has_word`: there is a word, be it an empty one in quotes."""

    words: list[str] = field(default_factory=list)
    current: str = ""
    opened: set[str] = field(default_factory=set)
    escaped: bool = False
    has_word: bool = False
    refused: bool = False

    def take(self, letter: str) -> bool:
        """One more letter; False where the line ends for compose."""
        if self.escaped:
            self.escaped = False
            return self._add(letter)
        if letter == "\\" and "'" not in self.opened:
            self.escaped = True
            return True
        if letter in " \t\r\n" and not self.opened:
            self._finish()
            return True
        if letter in _NOT_WITHIN and self.opened.isdisjoint(_NOT_WITHIN[letter]):
            return self._quote(letter)
        if letter in ";&|<>" and not self.opened:
            if letter == ">" and self.current[:1].isdigit():
                self.has_word = False  # a descriptor
            return False
        return self._add(letter)

    def end(self) -> list[str] | None:
        """The words, None for a line that is refused."""
        self._finish()
        return None if self.refused or self.opened or self.escaped else self.words

    def _add(self, letter: str) -> bool:
        self.current += letter
        self.has_word = True
        return True

    def _finish(self) -> None:
        if self.has_word:
            self.words.append(self.current)
        self.current, self.has_word = "", False

    def _quote(self, letter: str) -> bool:
        if letter in "'\"":
            self.has_word = self.has_word or letter in self.opened
            self.opened ^= {letter}
            return True
        if letter == "(" and ("(" in self.opened or not self.current.endswith("$")):
            self.refused = True
            return False
        self.opened ^= {"(" if letter == ")" else letter}
        return self._add(letter)


_NOT_WITHIN: Final = {"'": '"(', '"': "'(", "`": "'\"(", "(": "'\"`", ")": "'\"`"}
"""Quotes, and those within which each has no meaning."""
