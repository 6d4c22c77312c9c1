"""A run over a fleet as JSON: the whole `FleetReport` as one document."""

from __future__ import annotations

from msgspec import to_builtins
from msgspec.json import encode, format

from imgscan.fleets import FLEET_SCHEMA, FleetReport
from imgscan.report import Style
from imgscan.report.fleet import Load


def render(report: FleetReport, load: Load, style: Style) -> str:
    """One document; the same report gives the same bytes."""
    document = {"schema_version": FLEET_SCHEMA, **to_builtins(report)}
    return format(encode(document), indent=2).decode() + "\n"
