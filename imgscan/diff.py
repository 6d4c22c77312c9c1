"""Edits of a text by range; texts before and after -> one unified diff that `git apply` and `patch -p1` take. Pure.

Line ends are kept as they are, a missing one at the end of a file is told, names with blanks or control characters are
written as both programs read them (git-diff(1), "core.quotePath"; GNU patch 2.7 and later).
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re

_QUOTED: Final = lazy_re(rb'[\x00-\x1f"\\\x7f-\xff]')
_SHORT: Final = {b"\t": b"\\t", b"\n": b"\\n", b"\r": b"\\r", b'"': b'\\"', b"\\": b"\\\\"}
_NO_END: Final = "\\ No newline at end of file\n"


@frozen
class Edit:
    """Characters `start` to `end` of a text become `text`."""

    start: int
    end: int
    text: str


@frozen
class FileChange:
    """A file before (None: it is new) and after; `path` is relative with slashes."""

    path: str
    before: str | None
    after: str


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


def unified_diff(changes: tuple[FileChange, ...], context: int = 3) -> str:
    """The diff of all files that changed, with so many unchanged lines around each change; empty when none did."""
    return "".join(part for change in changes if change.before != change.after for part in _one(change, context))


def diff_without(changes: tuple[FileChange, ...], is_secret: Callable[[str], bool]) -> str | None:
    """The diff with as many unchanged lines as it can have without showing a secret; None if the changed lines do."""
    # At least one: a hunk without any at its end would only apply to the end of a file.
    for context in (3, 2, 1):
        diff = unified_diff(changes, context)
        if not is_secret(diff):
            return diff
    return None


def _one(change: FileChange, context: int) -> Iterator[str]:
    old, new = _name("a", change.path), _name("b", change.path)
    yield f"diff --git {old} {new}\n"
    if change.before is None:
        yield "new file mode 100644\n"
    # A tab ends a name that has blanks in it: both programs would else look for a time of change.
    tab = "\t" if " " in change.path else ""
    before, after = _lines(change.before or ""), _lines(change.after)
    from_file = "/dev/null" if change.before is None else old + tab
    hunks = list(difflib.unified_diff(before, after, n=context))[2:]
    yield f"--- {from_file}\n+++ {new}{tab}\n"
    for line in hunks:
        yield line if line.endswith("\n") else f"{line}\n{_NO_END}"


def _lines(text: str) -> list[str]:
    """Lines end at line feeds alone; those of Python's `splitlines` are many more."""
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _name(side: str, path: str) -> str:
    data = f"{side}/".encode() + os.fsencode(path)
    if not _QUOTED.search(data):
        return data.decode("ascii")
    quoted = _QUOTED.sub(lambda m: _SHORT.get(m[0], b"\\%03o" % m[0][0]), data)
    return f'"{quoted.decode("ascii")}"'
