"""How every report for a terminal is drawn: colours, headings, wrapped text, tables, and where lists are cut."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

from imgscan.escape import plain
from imgscan.model import Severity
from imgscan.report import Style

_COLORS: Final = {
    Severity.CRITICAL: "1;31",
    Severity.HIGH: "31",
    Severity.MEDIUM: "33",
    Severity.LOW: "36",
    Severity.INFO: "2",
}
_ROWS: Final = 16
"""Rows of a section before they are cut; `--verbose` and JSON have all."""


class Pen:
    """Knows the terminal: colours on or off, how wide, how much to show."""

    def __init__(self, style: Style) -> None:
        self.style = style
        self.width = max(60, style.width)

    def paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.style.color else text

    def severity(self, severity: Severity) -> str:
        return self.paint(severity.value, _COLORS[severity])

    def heading(self, text: str) -> str:
        return "\n" + self.paint(text.upper(), "1")

    def wrap(self, text: str, indent: str) -> list[str]:
        return textwrap.wrap(
            plain(" ".join(text.split())),
            self.width,
            initial_indent=indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )

    def cell(self, text: str, width: int, most: int = 3) -> str:
        """A text of a table on at most that many lines, the rest left out."""
        lines = textwrap.wrap(plain(text), width, max_lines=most, placeholder=" …", break_on_hyphens=False)
        return "\n".join(lines)

    def rows(self, items: Sequence[object]) -> int:
        return len(items) if self.style.verbose else _ROWS

    def table(self, rows: Sequence[Sequence[str]], headers: Sequence[str], right: Sequence[int] = ()) -> str:
        # Takes a twentieth of a scan that finds everything kept: not for who only reads JSON.
        from tabulate import tabulate

        align = ["right" if index in right else "left" for index in range(len(headers))]
        text: str = tabulate(rows, headers, tablefmt="simple", colalign=align, disable_numparse=True)
        return textwrap.indent(text, "  ")
