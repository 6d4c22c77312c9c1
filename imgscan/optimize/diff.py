"""Texts before and after -> one unified diff that `git apply` and `patch -p1` take. Pure.

Line ends are kept as they are, a missing one at the end of a file is told, names with blanks or control characters are
written as both programs read them (git-diff(1), "core.quotePath"; GNU patch 2.7 and later).
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

_QUOTED = re.compile(rb'[\x00-\x1f"\\\x7f-\xff]')
_SHORT = {b"\t": b"\\t", b"\n": b"\\n", b"\r": b"\\r", b'"': b'\\"', b"\\": b"\\\\"}
_NO_END = "\\ No newline at end of file\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """A file before (None: it is new) and after; `path` is relative with slashes."""

    path: str
    before: str | None
    after: str


def unified_diff(changes: tuple[FileChange, ...]) -> str:
    """The diff of all files that changed; empty when none did."""
    return "".join(part for change in changes if change.before != change.after for part in _one(change))


def _one(change: FileChange) -> Iterator[str]:
    old, new = _name("a", change.path), _name("b", change.path)
    yield f"diff --git {old} {new}\n"
    if change.before is None:
        yield "new file mode 100644\n"
    # A tab ends a name that has blanks in it: both programs would else look for a time of change.
    tab = "\t" if " " in change.path else ""
    before, after = _lines(change.before or ""), _lines(change.after)
    from_file = "/dev/null" if change.before is None else old + tab
    hunks = list(difflib.unified_diff(before, after, n=3))[2:]
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
