"""Lines of the project's own files that a report quotes, so that a reader sees what a finding speaks of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceExcerpt:
    """Lines of a file in a row, from `line` on (counting from 1), redacted; a very long line is cut."""

    file: str
    line: int
    lines: tuple[str, ...]
