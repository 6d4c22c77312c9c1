"""New findings to a webhook: one JSON document posted, with a time limit and two more tries.

The address may hold a token, so it is in no message; it must be https, or of this machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from imgscan.errors import EngineError, InputError
from imgscan.fleets import FleetFinding, FleetReport
from imgscan.model import Report
from imgscan.pastruns import Recorded
from imgscan.report.fleet.overview import Told, groups, mend_text, told

_SECONDS: Final = 10
_TRIES: Final = 3
_MOST: Final = 100
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def post_new(
    url: str, target: str, report: Report, recorded: Recorded, *, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Post what is new. Raises InputError for an address that will not do, EngineError when it does not take it."""
    _post(url, _document(target, report, recorded), sleep)


def post_fleet(
    url: str, report: FleetReport, findings: Sequence[FleetFinding], *, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Post new `findings` of a run over a fleet, those of one layer once for all its images. Raises as `post_new`."""
    _post(url, _fleet_document(report, findings), sleep)


def check_webhook(url: str) -> None:
    """Raises InputError for an address that will not do: neither https nor of this machine."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme != "http" or parts.hostname not in _LOOPBACK:
        raise InputError("--webhook is an https:// address (http:// on this machine only)")


def _post(url: str, document: dict[str, Any], sleep: Callable[[float], None]) -> None:
    import requests

    check_webhook(url)
    host = urlsplit(url).hostname
    reason = ""
    for attempt in range(_TRIES):
        if attempt:
            sleep(2.0**attempt)
        try:
            answer = requests.post(url, json=document, timeout=_SECONDS, allow_redirects=False)
        except requests.RequestException as error:
            reason = type(error).__name__
            continue
        if answer.status_code < 300:
            return
        reason = f"HTTP {answer.status_code}"
        if answer.status_code < 500 and answer.status_code != 429:
            break
    raise EngineError(
        f"the webhook at {host} did not take the new findings", cause=reason, next_step="they are recorded all the same"
    )


def _document(target: str, report: Report, recorded: Recorded) -> dict[str, Any]:
    return {
        "tool": {"name": report.tool.name, "version": report.tool.version},
        "target": target,
        "verdict": report.verdict.value,
        "new": [
            {
                "rule_id": finding.rule_id,
                "severity": finding.severity.value,
                "message": finding.message,
                "fingerprint": finding.fingerprint,
                "risk_id": finding.risk_id,
            }
            for finding in sorted(recorded.new, key=lambda one: -one.severity.rank)[:_MOST]
        ],
        "new_total": len(recorded.new),
        "gone_total": len(recorded.gone),
        "standing_total": recorded.standing,
    }


def _fleet_document(report: FleetReport, findings: Sequence[FleetFinding]) -> dict[str, Any]:
    shared = {leak.layer: leak for leak in report.shared}
    found = groups(findings)
    return {
        "tool": {"name": "imgscan", "version": report.version},
        "run": report.run,
        "finished_at": report.finished_at,
        "complete": report.complete,
        "new": [
            {
                "rule_id": group.rule_id,
                "severity": group.severity.value,
                "message": group.message,
                "fingerprint": group.fingerprint,
                "layer": group.layer or None,
                "mend": mend_text(shared[group.layer], report) if group.layer in shared else None,
                "images": group.images[:_MOST],
                "images_total": len(group.images),
                "teams": group.teams[:_MOST],
            }
            for group in found[:_MOST]
        ],
        "new_total": len(findings),
        "new_groups_total": len(found),
        "standing_total": sum(told(finding) is Told.STANDING for finding in report.findings),
        "fixed_total": sum(told(finding) is Told.FIXED for finding in report.findings),
        "images_total": report.figures.images,
        "images_failed": report.figures.images_failed,
    }
