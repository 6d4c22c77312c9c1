"""Which findings of a fleet end a run in exit 1."""

from __future__ import annotations

from imgscan.fleets import Change, FleetFinding, FleetReport
from imgscan.model import Severity


def blocking(report: FleetReport, severity: Severity | None, *, new_only: bool) -> tuple[FleetFinding, ...]:
    """The open findings of a severity or above (None: none are); `new_only`: of these the ones that the run before did
    not have, in images that it had."""
    if severity is None:
        return ()
    return tuple(
        finding
        for finding in report.findings
        if finding.change is not Change.FIXED
        and not finding.accepted
        and finding.severity.rank >= severity.rank
        and (not new_only or (finding.change is Change.NEW and not finding.first_run))
    )
