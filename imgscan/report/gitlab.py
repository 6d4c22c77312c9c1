"""The report as GitLab's code quality report (CodeClimate's JSON as GitLab reads it): an array of issues.

Accepted findings are left out, since the format cannot say that something is accepted.
"""

from __future__ import annotations

import json
from typing import Final

from imgscan.acceptance import open_findings
from imgscan.escape import plain
from imgscan.model import Report, Severity
from imgscan.report import Style
from imgscan.report.anchors import anchor
from imgscan.report.summary import ordered, place_text

_SEVERITIES: Final = {
    Severity.CRITICAL: "blocker",
    Severity.HIGH: "critical",
    Severity.MEDIUM: "major",
    Severity.LOW: "minor",
    Severity.INFO: "info",
}


def render(report: Report, style: Style | None = None) -> str:
    """One issue a finding, the worst first; fingerprints are those of the findings, so they survive moved lines."""
    issues = []
    for finding in ordered(open_findings(report.findings)):
        spot = anchor(report, finding)
        where = plain(place_text(finding.location))
        text = plain(finding.message)
        issues.append(
            {
                "description": text if where in text or not where else f"{text} ({where})",
                "check_name": finding.rule_id,
                "fingerprint": finding.fingerprint,
                "severity": _SEVERITIES[finding.severity],
                "location": {"path": plain(spot.path), "lines": {"begin": spot.line}},
            }
        )
    return json.dumps(issues, indent=2, ensure_ascii=False) + "\n"
