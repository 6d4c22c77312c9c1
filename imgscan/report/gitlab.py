"""The report as GitLab's code quality report (CodeClimate's JSON as GitLab reads it): an array of issues.

Accepted findings are left out, since the format cannot say that something is accepted; that a scan is incomplete can
only be said as one more issue.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from typing import Final

from imgscan.acceptance import open_findings
from imgscan.escape import plain
from imgscan.model import Report, Severity
from imgscan.report import Style
from imgscan.report.anchors import anchor, anchor_of_image
from imgscan.report.summary import incomplete_line, left_out_texts, ordered, place_text

_SEVERITIES: Final = {
    Severity.CRITICAL: "blocker",
    Severity.HIGH: "critical",
    Severity.MEDIUM: "major",
    Severity.LOW: "minor",
    Severity.INFO: "info",
}
_LEFT_OUT: Final = 10


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
    if incomplete := incomplete_line(report):
        issues.append(_incomplete(report, "\n".join((incomplete, *left_out_texts(report)))))
    return json.dumps(issues, indent=2, ensure_ascii=False) + "\n"


def _incomplete(report: Report, text: str) -> dict[str, Collection[str]]:
    lines = text.split("\n")
    return {
        "description": "; ".join(plain(line) for line in lines[:_LEFT_OUT]),
        "check_name": "incomplete",
        "fingerprint": hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16],
        "severity": "info",
        "location": {"path": plain(anchor_of_image(report).path), "lines": {"begin": 1}},
    }
