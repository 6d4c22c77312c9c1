"""GO or NO-GO, and why."""

from __future__ import annotations

import pytest
from fakes import finding, risk

from imgscan.model import Budget, BuildFailure, Finding, Risk, Severity, Verdict, Waiver
from imgscan.risk.verdict import judge

BROKEN = Budget(key="image-size", limit="100 MB", actual="110 MB", broken=True)
KEPT = Budget(key="image-size", limit="100 MB", actual="90 MB", broken=False)
WAIVER = Waiver(owner="Ada", reason="a demo", expires="2027-01-31")
LOW_RISK = risk(score=3, probability=1, priority="LOW")


@pytest.mark.parametrize(
    ("findings", "risks", "budgets", "fail_on", "verdict"),
    [
        pytest.param((), (), (), Severity.HIGH, Verdict.GO, id="nothing"),
        pytest.param((finding(severity=Severity.HIGH),), (), (), Severity.HIGH, Verdict.NO_GO, id="inclusive"),
        pytest.param((finding(severity=Severity.MEDIUM),), (), (), Severity.HIGH, Verdict.GO, id="below"),
        pytest.param((finding(severity=Severity.CRITICAL),), (), (), None, Verdict.GO, id="threshold-off"),
        pytest.param((), (risk(),), (), None, Verdict.NO_GO, id="risk"),
        pytest.param((), (risk(score=6, impact=2),), (), None, Verdict.NO_GO, id="risk-high"),
        pytest.param((), (risk(verified=True),), (), None, Verdict.GO, id="risk-mitigated"),
        pytest.param((), (LOW_RISK,), (), None, Verdict.GO, id="risk-low"),
        pytest.param((), (risk(waiver=WAIVER),), (), None, Verdict.GO, id="risk-waived"),
        pytest.param(
            (finding(rule_id="context-secret-file"),),
            (risk(waiver=WAIVER),),
            (),
            Severity.HIGH,
            Verdict.GO,
            id="finding-of-a-waived-risk",
        ),
        pytest.param(
            (finding(),), (risk(waiver=WAIVER),), (), Severity.HIGH, Verdict.NO_GO, id="secret-of-a-waived-risk"
        ),
        pytest.param(
            (finding(rule_id="ops-x", risk_id="OPS-001"),),
            (risk(waiver=WAIVER),),
            (),
            Severity.HIGH,
            Verdict.NO_GO,
            id="finding-of-another-risk",
        ),
        pytest.param((), (risk(applies=False),), (), None, Verdict.GO, id="risk-that-does-not-apply"),
        pytest.param((), (), (BROKEN,), None, Verdict.NO_GO, id="budget-broken"),
        pytest.param((), (), (KEPT,), None, Verdict.GO, id="budget-kept"),
    ],
)
def test_verdict(
    findings: tuple[Finding, ...],
    risks: tuple[Risk, ...],
    budgets: tuple[Budget, ...],
    fail_on: Severity | None,
    verdict: Verdict,
) -> None:
    told, reasons = judge(findings, risks, budgets, fail_on=fail_on)
    assert told is verdict
    assert bool(reasons) == (verdict is Verdict.NO_GO)


def test_failed_build_is_no_go() -> None:
    failure = BuildFailure(step="RUN x", line=3, message="exit code 1", log=())
    assert judge((), (), (), fail_on=None, failure=failure) == (Verdict.NO_GO, ("the image does not build",))


HIGH = finding(severity=Severity.HIGH, fingerprint="1" * 16)


@pytest.mark.parametrize(
    ("new", "standing", "verdict"),
    [
        pytest.param(None, (), Verdict.NO_GO, id="everything-counts"),
        pytest.param((), (), Verdict.NO_GO, id="the-risk-is-worse"),
        pytest.param(("1" * 16,), ("SEC-001",), Verdict.NO_GO, id="the-finding-is-new"),
        pytest.param((), ("SEC-001",), Verdict.GO, id="nothing-is-new"),
    ],
)
def test_only_what_is_new(new: tuple[str, ...] | None, standing: tuple[str, ...], verdict: Verdict) -> None:
    told, reasons = judge((HIGH,), (risk(id="SEC-001"),), (), fail_on=Severity.HIGH, new=new, standing=standing)
    assert told is verdict
    assert any("1 new finding of" in reason for reason in reasons) is bool(new)
    broken, _ = judge((), (), (BROKEN,), fail_on=None, new=(), standing=())
    assert broken is Verdict.NO_GO
