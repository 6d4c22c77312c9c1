"""A run over a fleet as JSON, and the JSON Schema of it; both come from the dataclasses of `fleets`, by msgspec."""

from __future__ import annotations

from typing import Any

from imgscan.fleets import FleetReport
from imgscan.report import Style
from imgscan.report.fleet import Load
from imgscan.report.json import indented_json, schema_of


def render(report: FleetReport, load: Load, style: Style) -> str:
    """Two spaces of indent, keys in the order of the dataclasses: same input, same bytes."""
    return indented_json(report)


def fleet_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) that every run's JSON of this version satisfies."""
    return schema_of(FleetReport, "imgscan fleet")
