"""What counts against a base: new findings, risks that are worse, and what is said of it."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest
from fakes import finding, report

from imgscan.model import Accepted, AcceptedBy, Risk, Severity
from imgscan.novelty import Known, known_of_report, news_notes, news_of
from imgscan.store.baseline import accept_findings, new_baseline

TODAY = datetime.date(2026, 6, 15)
OLD = finding(fingerprint="1" * 16, severity=Severity.HIGH)
NEW = finding(fingerprint="2" * 16, severity=Severity.HIGH)
LOW = finding(fingerprint="3" * 16, severity=Severity.LOW)


def risk(score: int, *evidence: str) -> Risk:
    """A risk that stands on these findings."""
    return replace(report().risks[0], id="DATA-001", applies=True, score=score, evidence=evidence)


def base(score: int = 6) -> Known:
    """A base report with one finding and one risk."""
    return known_of_report(
        replace(report(), findings=(OLD,), risks=(risk(score),), complete=True), "base.json", gates=True
    )


@pytest.mark.parametrize(
    ("found", "now", "stands"),
    [
        pytest.param((OLD,), risk(6, "1" * 16), True, id="as-before"),
        pytest.param((OLD, NEW), risk(6, "1" * 16, "2" * 16), False, id="new-evidence"),
        pytest.param((OLD, LOW), risk(6, "1" * 16, "3" * 16), True, id="new-evidence-that-does-not-count"),
        pytest.param((OLD,), risk(9, "1" * 16), False, id="higher-score"),
        pytest.param((), risk(3), True, id="lower-score"),
    ],
)
def test_a_risk_stands_as_before(found: tuple[object, ...], now: Risk, stands: bool) -> None:
    news = news_of(base(), found, [now], Severity.HIGH, TODAY)  # type: ignore[arg-type]
    assert (news.standing == {"DATA-001"}) is stands


def test_a_risk_that_the_base_did_not_have_does_not_stand() -> None:
    known = known_of_report(replace(report(), findings=(OLD,), risks=()), "base.json", gates=True)
    assert not news_of(known, [OLD], [risk(6, "1" * 16)], Severity.HIGH, TODAY).standing


def test_what_a_base_accepted_was_not_open_in_it() -> None:
    accepted = replace(OLD, accepted=Accepted(by=AcceptedBy.BASELINE, reason="known"))
    known = known_of_report(replace(report(), findings=(accepted,)), "base.json", gates=True)
    assert not known.has(OLD, TODAY)


@pytest.mark.parametrize(
    ("expires", "known"),
    [(None, True), (TODAY, True), (datetime.date(2026, 6, 14), False)],
    ids=["for-good", "last-day", "expired"],
)
def test_a_baseline_knows_until_its_last_day(expires: datetime.date | None, known: bool) -> None:
    baseline = accept_findings(new_baseline("b.json"), [OLD], reason="x", expires=expires)
    found = Known(name="b.json", gates=True, baseline=baseline)
    assert found.has(OLD, TODAY) is known
    assert not found.has(NEW, TODAY)
    assert news_of(found, [OLD], [risk(9, "1" * 16)], Severity.HIGH, TODAY).standing == (
        {"DATA-001"} if known else set()
    )


def test_what_is_said() -> None:
    known = base()
    news = news_of(known, [OLD, NEW], [], Severity.HIGH, TODAY)
    assert news_notes(known, [OLD, NEW], news) == [
        "1 finding is new since base.json; the other 1 does not count (--fail-on-new)"
    ]
    partial = replace(known, complete=False, gates=False)
    assert news_notes(partial, [OLD, NEW], news) == [
        "1 finding is new since base.json",
        "base.json is of a run that did not look at everything: what is new may have been there before",
    ]
