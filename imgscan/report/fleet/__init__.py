"""Telling a run over a fleet: one module a format, each a pure function from a `FleetReport` to text.

`FLEET_REPORTERS` is the whole list but for SARIF, which is a file an image.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Final

from imgscan.fleets import FleetImage, FleetReport
from imgscan.model import Report
from imgscan.report import Style

Load = Callable[[FleetImage], Report | None]
"""Gives an image's own report when it is asked for; None where there is none (any more)."""
FleetReporter = Callable[[FleetReport, Load, Style], str]

FLEET_REPORTERS: Final[dict[str, str]] = {
    "table": "imgscan.report.fleet.table",
    "json": "imgscan.report.fleet.json",
    "jsonl": "imgscan.report.fleet.jsonl",
    "markdown": "imgscan.report.fleet.markdown",
    "prometheus": "imgscan.report.fleet.prometheus",
    "html": "imgscan.report.fleet.html",
}


def render_fleet(report: FleetReport, load: Load, name: str, style: Style | None = None) -> str:
    """The run in the format `name` (a key of `FLEET_REPORTERS`), ending in a line end."""
    reporter: FleetReporter = import_module(FLEET_REPORTERS[name]).render
    return reporter(report, load, style or Style())
