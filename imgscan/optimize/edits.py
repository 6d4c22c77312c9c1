"""Edits by range of the original text, and where instructions and their comments begin and end in it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from imgscan.dockerfile.tree import Command
from imgscan.optimize.records import Edit


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """The text with every edit made; several insertions at one place come in the order given.

    Raises ValueError for edits that overlap or lie outside of the text.
    """
    parts: list[str] = []
    at = 0
    for edit in sorted(edits, key=lambda one: (one.start, one.end)):
        if not at <= edit.start <= edit.end <= len(text):
            raise ValueError(f"the edit {edit.start}..{edit.end} overlaps another one or lies outside of the text")
        parts += (text[at : edit.start], edit.text)
        at = edit.end
    return "".join((*parts, text[at:]))


def line_end_of(text: str) -> str:
    """The line end that the text uses: that of its first line."""
    first = text.find("\n")
    return "\r\n" if first > 0 and text[first - 1] == "\r" else "\n"


def line_start(text: str, at: int) -> int:
    """Where the line of an offset begins."""
    return text.rfind("\n", 0, at) + 1


def after_line(text: str, at: int) -> int:
    """The offset behind the line end of the line of an offset."""
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def block_start(text: str, commands: Sequence[Command], at: int) -> int:
    """Where the block of a command begins: its line, or the first of the comment lines right above it."""
    floor = after_line(text, commands[at - 1].end) if at else 0
    start = line_start(text, commands[at].start)
    while start > floor:
        above = line_start(text, start - 1)
        if above < floor or not text[above:start].lstrip().startswith("#"):
            break
        start = above
    return start


def block_of(text: str, commands: Sequence[Command], at: int) -> Edit:
    """The block of a command with its line end, as the edit that removes it."""
    return Edit(start=block_start(text, commands, at), end=after_line(text, commands[at].end), text="")


def insert_after(text: str, command: Command, lines: str, eol: str) -> Edit:
    """Whole lines (ended by `eol`) behind a command, also one that the text ends with."""
    at = after_line(text, command.end)
    if at == len(text) and not text.endswith("\n"):
        return Edit(start=at, end=at, text=eol + lines.removesuffix(eol))
    return Edit(start=at, end=at, text=lines)


def with_line_end(piece: str, eol: str) -> str:
    """A piece of text as whole lines."""
    return piece if piece.endswith("\n") else piece + eol
