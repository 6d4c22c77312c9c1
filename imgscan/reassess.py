"""A report judged again with another baseline. In: a decoded report and the gate. Out: the report as a run with that
baseline would have given it. Pure.

What is at stake in a project is not in its report. So a risk is weighed again only where its evidence changed, and
where it was weighed by what is at stake, it is not made lighter for that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from imgscan.acceptance import accept, accepted_findings, is_about_baseline, open_findings
from imgscan.assess import Gate, judge_report, sought_in, weighed_build
from imgscan.model import AcceptedBy, Finding, Report, Risk
from imgscan.risk.budgets import check_budgets
from imgscan.risk.catalog import priority
from imgscan.risk.register import Facts, assess
from imgscan.risk.weights import accepted_count
from imgscan.verification import passed_risks

_OF_EVIDENCE: Final = frozenset({"SEC-001", "PERF-001", "TECH-001"})
"""Risks whose impact follows the evidence, not what is at stake."""
_UNTRIED: Final = "OPS-003"
"""A backup without a fault is still one that nobody restored; its impact hangs on DATA-001 (see `risk.setup`)."""


def reassess(report: Report, gate: Gate) -> Report:
    """The report with the gate's baseline instead of any that it was made with. Its budgets stay, unless the gate has
    some."""
    bare = [_without_baseline(finding) for finding in report.findings]
    sought = sought_in(report.target, report.image, whole=report.complete, verified=bool(report.verifications))
    again, notes = accept(bare, gate.acceptance, sought=sought)
    kept = tuple(old if old.accepted is not None else new for old, new in zip(bare, again, strict=True))
    risks = _risks(report, kept)
    build = report.build
    budgets = check_budgets(gate.limits, report.image, build.scenarios if build else ()) or report.budgets
    judged = judge_report(gate, open_findings(kept), risks, budgets, build.failure if build else None)
    older = [note for note in report.notes if not is_about_baseline(note)]
    return replace(
        report,
        findings=kept,
        risks=risks,
        risk_summary=judged.summary,
        budgets=budgets,
        verdict=judged.verdict,
        reasons=judged.reasons,
        forbidding=judged.forbidding,
        notes=tuple(dict.fromkeys((*judged.notes, *notes, *older))),
    )


def _without_baseline(finding: Finding) -> Finding:
    by_baseline = finding.accepted is not None and finding.accepted.by is AcceptedBy.BASELINE
    return replace(finding, accepted=None) if by_baseline else finding


def _risks(report: Report, kept: tuple[Finding, ...]) -> tuple[Risk, ...]:
    pairs = zip(report.findings, kept, strict=True)
    touched = {new.risk_id for old, new in pairs if (old.accepted is None) is not (new.accepted is None)}
    if "DATA-001" in touched:
        touched.add(_UNTRIED)
    before = {risk.id: risk for risk in assess(_facts(report, report.findings))}
    facts = _facts(report, kept)
    after = {risk.id: risk for risk in assess(facts)}
    found = {
        risk.id: _again(risk, before[risk.id], after[risk.id], facts) if risk.id in touched & after.keys() else risk
        for risk in report.risks
    }
    data, backup = found.get("DATA-001"), found.get(_UNTRIED)
    if data is not None and backup is not None and backup.applies and _UNTRIED in touched:
        lost = data.applies and data.probability > 1 and data.impact == 3
        found[_UNTRIED] = _weighed(backup, backup.probability, 3 if lost else 2, backup)
    order = list(found)
    return tuple(sorted(found.values(), key=lambda risk: (not risk.applies, -risk.score, order.index(risk.id))))


def _facts(report: Report, findings: tuple[Finding, ...]) -> Facts:
    """What the report says of itself, with these findings; nothing of what is at stake."""
    return Facts(
        findings=open_findings(findings),
        build=weighed_build(report.build),
        cache=report.cache,
        image_scanned=report.image is not None and report.complete,
        accepted=accepted_findings(findings),
        dockerfile=report.target.dockerfile is not None,
        verified=passed_risks(report.verifications),
    )


def _again(risk: Risk, before: Risk, after: Risk, facts: Facts) -> Risk:
    """A risk by the evidence that is left; `before` and `after` are weighed without knowing what is at stake."""
    if not risk.applies:
        return after
    if risk.id in _OF_EVIDENCE and after.applies:
        return _weighed(risk, after.probability, after.impact, after)
    count = accepted_count(facts, risk.id)
    if after.applies and after.evidence:
        # What is at stake made it likelier than the evidence alone; nobody can say here that it no longer does.
        raised = before.applies and before.probability < risk.probability
        shown = replace(after, because=risk.because) if raised else after
        probability = risk.probability if raised else after.probability
        return _weighed(risk, probability, max(risk.impact, after.impact), shown)
    if not count:
        return risk
    because = f"nothing but {count} accepted {'finding' if count == 1 else 'findings'}"
    probability = 2 if risk.id == _UNTRIED and _UNTRIED not in facts.verified else 1
    quiet = replace(after, because=because, evidence=(), steps=(), verified=False)
    return _weighed(risk, probability, risk.impact, quiet)


def _weighed(risk: Risk, probability: int, impact: int, fresh: Risk) -> Risk:
    score = probability * impact
    return replace(
        risk,
        probability=probability,
        impact=impact,
        score=score,
        priority=priority(score),
        because=fresh.because,
        evidence=fresh.evidence,
        steps=fresh.steps,
        verified=fresh.verified,
    )
