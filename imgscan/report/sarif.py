"""The report as SARIF 2.1.0, for code scanning of GitHub and GitLab: one run, the rules that fired, their findings.

Bounded by what the forges take (25,000 results in a file, 1,000 locations and 20 tags each); what is left out is told
in the run's notifications. Accepted findings are there, suppressed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from imgscan.escape import plain
from imgscan.model import AcceptedBy, Confidence, Finding, Location, Report, Rule, Severity
from imgscan.report import Style
from imgscan.report.anchors import Anchor, anchor
from imgscan.report.summary import ordered, place_text, status_text

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_MOST_RESULTS: Final = 25_000
_MOST_PLACES: Final = 100
_MOST_NOTES: Final = 100
_LEVELS: Final = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "note",
}
_SECURITY_SEVERITY: Final = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "3.0",
    Severity.INFO: "0.0",
}
"""GitHub's bands: critical over 9.0, high from 7.0, medium from 4.0, low above 0."""
_PRECISION: Final = {Confidence.HIGH: "very-high", Confidence.MEDIUM: "high", Confidence.LOW: "medium"}


def render(report: Report, style: Style | None = None, *, category: str = "") -> str:
    """One run. The same report gives the same bytes. `category` is what a forge keeps its results under, quoted for a
    URL ("": by what the target is called)."""
    found = ordered(report.findings)
    shown = found[:_MOST_RESULTS]
    rules = _rules(shown)
    index = {rule["id"]: at for at, rule in enumerate(rules)}
    run = {
        "tool": {"driver": _driver(report, rules)},
        "automationDetails": {"id": f"imgscan/{category or quote(report.target.ref, safe='/:@')}/"},
        "invocations": [_invocation(report, len(found) - len(shown))],
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"SRCROOT": {"description": {"text": "The root of the repository."}}},
        "results": [_result(report, finding, index) for finding in shown],
        "properties": {"verdict": report.verdict.value, "reasons": [plain(reason) for reason in report.reasons]},
    }
    document = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _driver(report: Report, rules: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "name": report.tool.name,
        "semanticVersion": report.tool.version,
        "rules": list(rules),
    }


def _rules(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    from imgscan.detect.secrets.rules import default_rules
    from imgscan.rulebook import load_rules

    book = {**load_rules(), **default_rules()}
    first: dict[str, Finding] = {}
    for finding in findings:
        first.setdefault(finding.rule_id, finding)
    return [_rule(book.get(rule_id), first[rule_id]) for rule_id in sorted(first)]


def _rule(rule: Rule | None, finding: Finding) -> dict[str, Any]:
    """A rule's record; one of the user's own has none here and is described by what was found."""
    severity = rule.severity if rule else finding.severity
    tags = [finding.rule_id.split("-", maxsplit=1)[0], *([finding.risk_id] if finding.risk_id else [])]
    security = finding.risk_id == "SEC-001"
    properties: dict[str, Any] = {
        "precision": _PRECISION[rule.confidence if rule else finding.confidence],
        "problem.severity": {"error": "error", "warning": "warning"}.get(_LEVELS[severity], "recommendation"),
        "tags": [*tags, *(["security"] if security else [])],
    }
    if security:
        properties["security-severity"] = _SECURITY_SEVERITY[severity]
    title = rule.title if rule else plain(finding.rule_id)
    text = f"{rule.why}\n\n{rule.fix}" if rule else plain(finding.fix.text)
    return {
        "id": finding.rule_id,
        "name": "".join(part.capitalize() for part in finding.rule_id.split("-")),
        "shortDescription": {"text": title},
        "fullDescription": {"text": rule.why if rule else title},
        "help": {"text": text, "markdown": _help(rule) if rule else text},
        "defaultConfiguration": {"level": _LEVELS[severity]},
        "properties": properties,
        **({"helpUri": rule.source} if rule and rule.source and rule.source.startswith("https://") else {}),
    }


def _help(rule: Rule) -> str:
    return f"{rule.why}\n\n**Fix.** {rule.fix}\n\nBad:\n\n```\n{rule.bad}\n```\n\nGood:\n\n```\n{rule.good}\n```"


def _result(report: Report, finding: Finding, index: Mapping[str, int]) -> dict[str, Any]:
    spot = anchor(report, finding)
    words = status_text(finding)
    message = plain(finding.message) + (f" ({words})" if words else "")
    result: dict[str, Any] = {
        "ruleId": finding.rule_id,
        "ruleIndex": index[finding.rule_id],
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{message}\n{plain(finding.fix.text)}"},
        "locations": [_location(spot, finding.location)],
        "partialFingerprints": {
            "imgscan/v1": finding.fingerprint,
            "primaryLocationLineHash": f"{finding.fingerprint}:1",
        },
        "properties": {"evidence": finding.evidence.value, "confidence": finding.confidence.value},
    }
    related = [place for place in finding.places if place != finding.location][:_MOST_PLACES]
    if related:
        result["relatedLocations"] = [
            {"id": at, "message": {"text": plain(place_text(place))}, **_location(spot, place)}
            for at, place in enumerate(related, start=1)
        ]
    if finding.accepted is not None:
        kind = "inSource" if finding.accepted.by is AcceptedBy.INLINE else "external"
        reason = plain(finding.accepted.reason)
        result["suppressions"] = [{"kind": kind, "status": "accepted", "justification": reason}]
    return result


def _location(spot: Anchor, location: Location) -> dict[str, Any]:
    """A place of the repository, and in words where it is in the image."""
    line = location.dockerfile.line if location.dockerfile else spot.line
    where = plain(place_text(location))
    uri = {"uri": quote(spot.path, safe="/", errors="surrogateescape")}
    return {
        "physicalLocation": {
            "artifactLocation": uri if spot.in_image else {**uri, "uriBaseId": "SRCROOT"},
            "region": {"startLine": max(line, 1)},
        },
        **({"logicalLocations": [{"fullyQualifiedName": where}]} if where else {}),
    }


def _invocation(report: Report, left_out: int) -> dict[str, Any]:
    notes = [*_notes(report)]
    if left_out:
        notes.insert(0, f"{left_out} more findings are not listed here; the JSON report has all")
    return {
        "executionSuccessful": report.complete,
        "toolExecutionNotifications": [{"level": "warning", "message": {"text": text}} for text in notes[:_MOST_NOTES]],
    }


def _notes(report: Report) -> Iterator[str]:
    for skipped in report.skipped:
        yield plain(f"not looked at: {skipped.where}: {skipped.reason}")
    for unread in report.coverage.not_read if report.coverage else ():
        yield plain(f"not read: {unread.where}: {unread.reason}")
