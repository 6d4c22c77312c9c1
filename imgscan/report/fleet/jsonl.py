"""A run over a fleet as JSON Lines, for programs that take one record at a time: a line each for the run, its images,
findings, shared layers and base images, for what could not be listed, and last the figures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TextIO

import msgspec

from imgscan.fleets import FleetReport
from imgscan.report import Style
from imgscan.report.fleet import Load

_ENCODER: Final = msgspec.json.Encoder()


def render(report: FleetReport, load: Load, style: Style) -> str:
    """All records, a line each."""
    return "".join(_lines(report))


def write(report: FleetReport, load: Load, stream: TextIO) -> None:
    """The same, a line at a time."""
    stream.writelines(_lines(report))


def _lines(report: FleetReport) -> Iterator[str]:
    return (_ENCODER.encode(record).decode() + "\n" for record in records(report))


def records(report: FleetReport) -> Iterator[dict[str, Any]]:
    """The records in their order: `type` says what a record is of, the rest are the fields of the dataclass of
    `fleets`. A file whose last record is no `summary` was cut off."""
    yield {
        "type": "run",
        "schema_version": report.schema_version,
        "run": report.run,
        "started_at": report.started_at,
        "finished_at": report.finished_at,
        "version": report.version,
        "rule_packs": report.rule_packs,
        "complete": report.complete,
        "notes": report.notes,
    }
    groups: tuple[tuple[str, tuple[object, ...]], ...] = (
        ("image", report.images),
        ("finding", report.findings),
        ("shared-layer", report.shared),
        ("base-image", report.bases),
        ("not-listed", report.not_listed),
        ("summary", (report.figures,)),
    )
    for kind, items in groups:
        yield from ({"type": kind, **msgspec.to_builtins(item)} for item in items)
