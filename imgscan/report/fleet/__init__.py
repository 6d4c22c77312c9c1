"""A run over a fleet, said: one module a format, each a function from a `FleetReport` to text.

`FLEET_REPORTERS` is the whole list; the command line offers its keys, and `sarif`, which is a file an image.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Final

from imgscan.fleets import FleetImage, FleetReport
from imgscan.model import Report
from imgscan.report import Style

Load = Callable[[FleetImage], Report | None]
"""Gives an image's own report; None where it is not kept."""
FLEET_REPORTERS: Final[dict[str, str]] = {
    "json": "imgscan.report.fleet.json",
}


def render_fleet(report: FleetReport, name: str, load: Load, style: Style | None = None) -> str:
    """The report in the format `name` (a key of `FLEET_REPORTERS`), ending in a line end."""
    text: str = import_module(FLEET_REPORTERS[name]).render(report, load, style or Style())
    return text
