"""Patches of a Dockerfile for what a monorepo's build lacks. In: the Dockerfile, an instruction, what to change. Out: a
unified diff, or None where the text is not of a form that is safe to edit."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from imgscan.diff import Edit, FileChange, apply_edits, line_end_of, unified_diff

if TYPE_CHECKING:
    from imgscan.dockerfile.parse import Command, Dockerfile


def widen_filter(dockerfile: Dockerfile | None, command: Command, pattern: str) -> str | None:
    """`--filter backend` becomes `--filter "backend..."` in a RUN."""
    if dockerfile is None or command.is_json:
        return None
    text = dockerfile.text[command.start : command.end]
    found = re.search(rf"(?:--filter|-F)[= ]\s*(?P<word>(?P<quote>[\"']?){re.escape(pattern)}(?P=quote))(?=\s|$)", text)
    if found is None:
        return None
    start = command.start + found.start("word")
    return _diff(dockerfile, [Edit(start=start, end=command.start + found.end("word"), text=f'"{pattern}..."')])


def add_source(dockerfile: Dockerfile | None, command: Command, beside: str, source: str) -> str | None:
    """A COPY that brings `beside` into a folder brings `source`, too."""
    if dockerfile is None or command.is_json or command.heredocs or re.search(r"\s", source):
        return None
    if not (command.words[-1].endswith("/") or posixpath.basename(command.words[-1]) in (".", "..")):
        return None
    text = dockerfile.text[command.start : command.end]
    found = re.search(rf"(?<=\s){re.escape(beside)}(?=\s)", text)
    if found is None:
        return None
    at = command.start + found.end()
    return _diff(dockerfile, [Edit(start=at, end=at, text=f" {source}")])


def add_lines(dockerfile: Dockerfile | None, command: Command, lines: Sequence[str]) -> str | None:
    """New instructions above one."""
    if dockerfile is None:
        return None
    text = dockerfile.text
    start = text.rfind("\n", 0, command.start) + 1
    if text[start : command.start].strip():
        return None
    end = line_end_of(text)
    return _diff(dockerfile, [Edit(start=start, end=start, text="".join(f"{line}{end}" for line in lines))])


def replace_word(dockerfile: Dockerfile | None, command: Command, old: str, new: str) -> str | None:
    """One word of an instruction for another, wherever it stands in it."""
    if dockerfile is None:
        return None
    text = dockerfile.text[command.start : command.end]
    edits = [
        Edit(start=command.start + found.start(), end=command.start + found.end(), text=new)
        for found in re.finditer(rf"(?<![\w@./-]){re.escape(old)}(?![\w@./+-])", text)
    ]
    # A name without a version may be a call of the program, too.
    return _diff(dockerfile, edits) if edits and ("@" in old or len(edits) == 1) else None


def _diff(dockerfile: Dockerfile, edits: list[Edit]) -> str | None:
    after = apply_edits(dockerfile.text, edits)
    return unified_diff((FileChange(path=dockerfile.file, before=dockerfile.text, after=after),)) or None
