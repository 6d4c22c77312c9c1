"""Scalars of compose files as booleans, durations, numbers and commands. Pure."""

from __future__ import annotations

import re
from typing import Final

from imgscan.project.compose.nodes import ListNode, Node, Scalar, integer, items_of, scalar
from imgscan.project.compose.records import Argv

_TRUE: Final = frozenset({"true", "y", "yes", "on"})
_FALSE: Final = frozenset({"false", "n", "no", "off"})
_UNITS: Final = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0,
    "w": 604800.0,
}  # fmt: skip
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h|d|w)")


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
    rest = text.strip()
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
    return sign * total if at == len(rest) and at else None


def seconds(node: Node | None) -> float | None:
    """A duration in seconds, None where there is none or it is not one."""
    found = scalar(node)
    return duration(found.value) if found else None


def argv(node: Node | None) -> Argv | None:
    """`command:` and `entrypoint:`; a string is split as a shell splits words, quotes that do not end are kept."""
    if isinstance(node, ListNode):
        words = tuple(item.value for item in node.items if isinstance(item, Scalar))
        return Argv(words=words, shell=False, at=node.at)
    found = scalar(node)
    return Argv(words=tuple(shell_words(found.value)), shell=False, at=found.at) if found else None


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


def shell_words(text: str) -> list[str]:
    """Words of a line by the rules of a POSIX shell, without expansions and comments."""
    words: list[str] = []
    current: list[str] | None = None
    quote = ""
    at = 0
    while at < len(text):
        letter = text[at]
        if quote == "'":
            if letter == "'":
                quote = ""
            else:
                current = current if current is not None else []
                current.append(letter)
        elif letter == "\\" and at + 1 < len(text):
            at += 1
            kept = "\\" if quote == '"' and text[at] not in '"\\$`\n' else ""
            current = current if current is not None else []
            current.append(kept + text[at])
        elif letter in "'\"" and letter != quote and not quote:
            quote = letter
            current = current if current is not None else []
        elif letter == quote:
            quote = ""
        elif letter in " \t\r\n" and not quote:
            if current is not None:
                words.append("".join(current))
            current = None
        else:
            current = current if current is not None else []
            current.append(letter)
        at += 1
    if current is not None:
        words.append("".join(current))
    return words
