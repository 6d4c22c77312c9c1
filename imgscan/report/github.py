"""The report as workflow commands of GitHub Actions: annotations on the lines, for standard output of a step.

GitHub shows ten errors, ten warnings and ten notices of a step and drops the rest in silence: so the worst ten of each
are written, and how many there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from imgscan.acceptance import open_findings
from imgscan.escape import plain, workflow_data, workflow_property
from imgscan.model import Finding, Report, Severity
from imgscan.report import Style
from imgscan.report.anchors import anchor
from imgscan.report.summary import counts, incomplete_line, left_out_texts, ordered, place_text

_COMMANDS: Final = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "notice",
    Severity.INFO: "notice",
}
_EACH: Final = 10
_LEFT_OUT: Final = 10


def render(report: Report, style: Style | None = None) -> str:
    """The annotations, then a line of plain text with the verdict. No line of it is a command that a name made."""
    return "\n".join((*_annotations(report), _last(report), ""))


def _annotations(report: Report) -> Iterator[str]:
    written: dict[str, int] = {}
    for finding in ordered(open_findings(report.findings)):
        command = _COMMANDS[finding.severity]
        written[command] = written.get(command, 0) + 1
        if written[command] <= _EACH:
            yield _annotation(report, finding, command)
    if incomplete := incomplete_line(report):
        text = "\n".join(plain(line) for line in (incomplete, *left_out_texts(report)[:_LEFT_OUT]))
        yield f"::warning title=incomplete::{workflow_data(text)}"


def _annotation(report: Report, finding: Finding, command: str) -> str:
    spot = anchor(report, finding)
    place = plain(place_text(finding.location))
    message = plain(finding.message) + (f" ({place})" if place and place not in finding.message else "")
    file = "" if spot.in_image else f"file={workflow_property(spot.path)},line={spot.line},"
    text = f"{message}\n{plain(finding.fix.text)}\nimgscan explain {finding.rule_id}"
    return f"::{command} {file}title={workflow_property(finding.rule_id)}::{workflow_data(text)}"


def _last(report: Report) -> str:
    found = open_findings(report.findings)
    more = (*report.reasons, incomplete_line(report))
    reasons = "".join(f"; {plain(reason)}" for reason in more if reason)
    return f"imgscan: {report.verdict.value} for {plain(report.target.ref)}: {counts(found)}{reasons}"
