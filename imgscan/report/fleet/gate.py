"""Which findings of a run end it in exit code 1. In: the run and the threshold. Out: the findings, the worst first."""

from __future__ import annotations

from imgscan.fleets import FleetFinding, FleetReport
from imgscan.model import Severity


def blocking(report: FleetReport, severity: Severity | None, *, new_only: bool) -> tuple[FleetFinding, ...]:
    """Open findings of `severity` or above, in the order of the report; with `new_only` those that the run before did
    not have, and of images seen for the first time none. No severity: nothing blocks."""
    if severity is None:
        return ()
    return tuple(
        finding
        for finding in report.findings
        if finding.severity.rank >= severity.rank and (finding.is_news if new_only else finding.is_open)
    )
