"""The verdict: findings, budgets, risks and the threshold in, GO or NO-GO with reasons out. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from imgscan.model import Budget, BuildFailure, Finding, Risk, Severity, Verdict
from imgscan.risk.catalog import NO_GO_SCORE


def judge(
    findings: Sequence[Finding],
    risks: Sequence[Risk],
    budgets: Sequence[Budget],
    *,
    fail_on: Severity | None,
    failure: BuildFailure | None = None,
    new: Collection[str] | None = None,
    standing: Collection[str] = (),
) -> tuple[Verdict, tuple[str, ...]]:
    """GO or NO-GO, and one sentence per reason. `fail_on` is inclusive; None switches the findings' threshold off.
    `new` are fingerprints: if given, other findings do not count; nor do the risks `standing`."""
    reasons: list[str] = []
    if failure is not None:
        reasons.append("the image does not build")
    if fail_on is not None:
        waived = {risk.id for risk in risks if risk.waiver is not None}
        over = [f for f in findings if f.severity.rank >= fail_on.rank and not _is_waived(f, waived)]
        over = [f for f in over if new is None or f.fingerprint in new]
        if over:
            noun = _plural(over, "finding" if new is None else "new finding")
            reasons.append(f"{len(over)} {noun} of severity {fail_on} or above")
    reasons.extend(_broken(budget) for budget in budgets if budget.broken)
    reasons.extend(f"{r.id} scores {r.score} ({r.priority}): {r.because}" for r in risks if forbids(r, standing))
    return (Verdict.NO_GO if reasons else Verdict.GO), tuple(reasons)


def _is_waived(finding: Finding, waived: Collection[str]) -> bool:
    """Whether somebody answers for the risk that a finding is evidence of. A secret that was found is no risk any more
    but a fact: each has to be accepted for itself."""
    return finding.risk_id in waived and not finding.rule_id.startswith("secret-")


def forbids(risk: Risk, standing: Collection[str] = ()) -> bool:
    """Whether a risk alone forbids the merge: critical or high, neither shown to be under control nor waived, nor one
    of those `standing` that are left out."""
    heavy = risk.applies and risk.score >= NO_GO_SCORE
    return heavy and not risk.verified and risk.waiver is None and risk.id not in standing


def _broken(budget: Budget) -> str:
    side = "under" if budget.at_least else "over"
    source = f" ({budget.source})" if budget.source else ""
    return f"budget {budget.key}: {budget.actual} is {side} {budget.limit}{source}"


def _plural(items: Sequence[object], noun: str) -> str:
    return noun if len(items) == 1 else f"{noun}s"
