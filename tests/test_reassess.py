"""A report judged again with another baseline: what stays, what is weighed again, what is told."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

import pytest
from fakes import finding, image, report, risk

from imgscan.acceptance import Acceptance
from imgscan.assess import Gate
from imgscan.model import Accepted, AcceptedBy, Finding, Location, Place, Report, Severity, Verdict, Waiver
from imgscan.reassess import reassess
from imgscan.risk.budgets import parse_budgets
from imgscan.store.baseline import accept_findings, new_baseline

TODAY = datetime.date(2026, 6, 15)
SECRET = finding(fingerprint="1" * 16, risk_id="SEC-001")
BACKUP = finding(
    rule_id="backup-no-pipefail",
    risk_id="OPS-003",
    severity=Severity.HIGH,
    fingerprint="2" * 16,
    location=Location(place=Place.SCRIPT, path="backup.sh", line=3),
    places=(),
)
SEC = risk(id="SEC-001", evidence=(SECRET.fingerprint,))
OPS = risk(id="OPS-003", probability=3, impact=2, score=6, priority="HIGH", evidence=(BACKUP.fingerprint,))


def gate(*accepted: Finding, file: str = "b.json", expires: datetime.date | None = None, **changes: Any) -> Gate:
    """A gate with a baseline that accepts these findings."""
    baseline = accept_findings(new_baseline(file), accepted, reason="known", expires=expires)
    return Gate(fail_on=Severity.HIGH, acceptance=Acceptance(baseline=baseline, today=TODAY), **changes)


def before(**changes: Any) -> Report:
    """A complete report of two findings and their risks."""
    fields: dict[str, Any] = {"findings": (SECRET, BACKUP), "risks": (SEC, OPS), "complete": True, "skipped": ()}
    return report(**{**fields, "coverage": None, "notes": (), "budgets": (), "build": None, "cache": None, **changes})


def weights(shown: Report) -> dict[str, tuple[int, int]]:
    return {one.id: (one.probability, one.impact) for one in shown.risks}


@pytest.mark.parametrize(
    ("accepted", "verdict", "expected"),
    [
        pytest.param((), Verdict.NO_GO, {"SEC-001": (3, 3), "OPS-003": (3, 2)}, id="nothing"),
        pytest.param((SECRET,), Verdict.NO_GO, {"SEC-001": (1, 3), "OPS-003": (3, 2)}, id="one"),
        # A backup without a fault is still one that nobody restored.
        pytest.param((SECRET, BACKUP), Verdict.GO, {"SEC-001": (1, 3), "OPS-003": (2, 2)}, id="both"),
    ],
)
def test_risks_are_weighed_by_what_is_left(
    accepted: tuple[Finding, ...], verdict: Verdict, expected: dict[str, tuple[int, int]]
) -> None:
    again = reassess(before(), gate(*accepted))
    assert (again.verdict, weights(again)) == (verdict, expected)
    assert {f.fingerprint for f in again.findings if f.accepted} == {f.fingerprint for f in accepted}


def test_what_a_comment_accepted_stays_accepted_and_another_baseline_is_forgotten() -> None:
    inline = replace(SECRET, accepted=Accepted(by=AcceptedBy.INLINE, reason="why (Dockerfile:1)"))
    old = replace(BACKUP, accepted=Accepted(by=AcceptedBy.BASELINE, reason="old"))
    again = reassess(before(findings=(inline, old)), gate())
    assert [f.accepted and f.accepted.by for f in again.findings] == [AcceptedBy.INLINE, None]


def test_a_waiver_stays() -> None:
    waiver = Waiver(owner="Ada", reason="a demo", expires="2027-01-31")
    again = reassess(before(risks=(replace(SEC, waiver=waiver), OPS)), gate(SECRET))
    assert next(one for one in again.risks if one.id == "SEC-001").waiver == waiver


def test_an_expired_entry_does_not_count_and_is_told() -> None:
    again = reassess(before(), gate(SECRET, BACKUP, expires=datetime.date(2026, 6, 14)))
    assert all(f.accepted is None for f in again.findings)
    assert sum("expired on 2026-06-14 and does not count" in note for note in again.notes) == 2


def test_notes_of_another_baseline_go_and_others_stay() -> None:
    old = reassess(before(), gate(SECRET, finding(fingerprint="9" * 16), file="old.json"))
    assert any("old.json" in note for note in old.notes)
    again = reassess(replace(old, notes=(*old.notes, "something else")), gate(SECRET, file="new.json"))
    assert again.notes == ("something else",)


def test_budgets_stay_unless_others_are_given() -> None:
    broken = reassess(before(image=image()), gate(SECRET, BACKUP, limits=parse_budgets([("image-size", "1B")])))
    assert broken.verdict is Verdict.NO_GO
    assert reassess(broken, gate(SECRET, BACKUP)).budgets == broken.budgets
    wide = gate(SECRET, BACKUP, limits=parse_budgets([("image-size", "100GB")]))
    assert reassess(broken, wide).verdict is Verdict.GO
