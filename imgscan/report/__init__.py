"""Saying it: one module a format, each a pure function from a `Report` to text.

`REPORTERS` is the whole list; the command line offers exactly its keys.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Final

from imgscan.frozen import frozen
from imgscan.model import Report


@frozen
class Style:
    """How a person wants to read it: terminal colours, the width in columns, every detail or the essentials."""

    color: bool = False
    width: int = 120
    verbose: bool = False


Reporter = Callable[[Report, Style], str]

# Module names, not functions: tabulate and msgspec load only when their format is asked for.
REPORTERS: Final[dict[str, str]] = {
    "table": "imgscan.report.table",
    "json": "imgscan.report.json",
    "markdown": "imgscan.report.markdown",
    "html": "imgscan.report.html",
    "sarif": "imgscan.report.sarif",
    "gitlab": "imgscan.report.gitlab",
    "junit": "imgscan.report.junit",
    "github": "imgscan.report.github",
}


def render(report: Report, name: str, style: Style | None = None) -> str:
    """The report in the format `name` (a key of `REPORTERS`), ending in a line end."""
    reporter: Reporter = import_module(REPORTERS[name]).render
    return reporter(report, style or Style())
