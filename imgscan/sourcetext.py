"""Lines of the project's own files that a report quotes, so that a reader sees what a finding speaks of."""

from __future__ import annotations

from imgscan.frozen import frozen


@frozen
class SourceExcerpt:
    """Lines of a file in a row, from `line` on (counting from 1), redacted; a very long line is cut."""

    file: str
    line: int
    lines: tuple[str, ...]
