"""Totals and recommendation, as whoever decides reads them."""

from __future__ import annotations

import pytest
from fakes import risk

from imgscan.model import Risk, RiskCounts, Verdict, Waiver
from imgscan.risk.summary import summarise

WAIVER = Waiver(owner="Ada", reason="a demo", expires="2027-01-31")
HIGH = risk(id="DATA-001", probability=2, score=6, priority="HIGH", inherent_priority="CRITICAL")
MEDIUM = risk(id="OPS-003", probability=2, impact=2, score=4, priority="MEDIUM", inherent_priority="MEDIUM")
LOW = risk(id="PERF-001", probability=1, impact=2, score=2, priority="LOW", inherent_priority="HIGH")
IDLE = risk(id="TECH-002", applies=False, not_applicable="there is one service only", score=1, priority="LOW")
WORST = risk(inherent_priority="HIGH")


def test_totals() -> None:
    summary = summarise((WORST, HIGH, MEDIUM, LOW, IDLE), Verdict.NO_GO)
    assert summary.inherent == RiskCounts(identified=4, critical=1, high=2, medium=1, low=0)
    assert summary.residual == RiskCounts(identified=4, critical=1, high=1, medium=1, low=1)
    assert (summary.not_applicable, summary.waived) == (1, 0)


@pytest.mark.parametrize(
    ("risks", "verdict", "begins", "holds"),
    [
        pytest.param(
            (WORST, HIGH), Verdict.NO_GO, "NO-GO. ", "mitigations of SEC-001 (critical), DATA-001 (high) are in"
        ),
        pytest.param((HIGH,), Verdict.NO_GO, "NO-GO. ", "mitigation of DATA-001 (high) is in"),
        pytest.param((LOW, MEDIUM), Verdict.GO, "GO. ", "Keep an eye on OPS-003."),
        pytest.param((LOW,), Verdict.NO_GO, "NO-GO for the other reasons given", "no risk"),
        pytest.param((risk(waiver=WAIVER),), Verdict.GO, "GO. ", "SEC-001 is waived by Ada until 2027-01-31."),
        pytest.param((risk(verified=True),), Verdict.GO, "GO. ", "without mitigation or waiver"),
    ],
)
def test_recommendation(risks: tuple[Risk, ...], verdict: Verdict, begins: str, holds: str) -> None:
    told = summarise(risks, verdict).recommendation
    assert told.startswith(begins)
    assert holds in told


@pytest.mark.parametrize("builds", [True, False])
def test_nobody_answers_for_an_image_that_does_not_build(builds: bool) -> None:
    told = summarise((HIGH,), Verdict.NO_GO, builds=builds).recommendation
    assert ("a waiver" in told) is builds
