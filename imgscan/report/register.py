"""The risk register as people read it: rows, totals, what to do about each risk. In: a `Report`. Out: plain, unescaped
values; the formats escape them at their sink."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from imgscan.frozen import frozen
from imgscan.model import Finding, Report, Risk, RiskCounts
from imgscan.report.summary import ordered, where

_MOST_PLACES: Final = 8
_MOST_PATCHES: Final = 4
_LONGEST_PATCH: Final = 120
"""Lines of a patch that is shown; JSON has every patch whole."""


@frozen
class RiskSection:
    """What to do about one risk: the steps that its findings ask for and the advice for all, the places that are the
    evidence, patches that mend some of it, the command that shows it is done."""

    risk: Risk
    steps: tuple[str, ...]
    advice: str
    places: tuple[str, ...]
    more_places: int
    patches: tuple[str, ...]
    more_patches: int
    verify_by: str


def risk_row(risk: Risk) -> tuple[str, str, str, str, str]:
    """Id, the catalogue's figures, the evidence's figures, priority, why."""
    inherent = f"{risk.inherent_probability} × {risk.inherent_impact} = {risk.inherent_score}"
    if not risk.applies:
        return risk.id, inherent, "-", "-", f"not applicable: {risk.not_applicable}"
    residual = f"{risk.probability} × {risk.impact} = {risk.score}"
    return risk.id, inherent, residual, risk.priority, f"{risk.because}{_mark(risk)}"


def _mark(risk: Risk) -> str:
    if risk.waiver is not None:
        return f" (waived by {risk.waiver.owner} until {risk.waiver.expires}: {risk.waiver.reason})"
    return " (verified)" if risk.verified else ""


def total_lines(report: Report) -> list[str]:
    """The totals by the catalogue's figures and by the evidence's, how many do not apply or are waived."""
    summary = report.risk_summary
    if summary is None:
        return []
    lines = [
        f"Risks identified: {summary.residual.identified}",
        f"By the catalogue (inherent): {_counts(summary.inherent)}",
        f"By the evidence (residual): {_counts(summary.residual)}",
    ]
    if summary.not_applicable:
        lines.append(f"Not applicable: {summary.not_applicable}")
    if summary.waived:
        lines.append(f"Waived: {summary.waived}")
    return lines


def _counts(counts: RiskCounts) -> str:
    return f"{counts.critical} critical (9), {counts.high} high (6), {counts.medium} medium (4), {counts.low} low (1-3)"


def risk_sections(report: Report) -> list[RiskSection]:
    """The risks that apply and that something speaks for, or that are medium and above."""
    findings = {finding.fingerprint: finding for finding in report.findings}
    chosen = [risk for risk in report.risks if risk.applies and (risk.evidence or risk.priority not in ("", "LOW"))]
    return [_section(risk, findings) for risk in chosen]


def _section(risk: Risk, findings: Mapping[str, Finding]) -> RiskSection:
    evidence = ordered(findings[mark] for mark in risk.evidence if mark in findings)
    places = tuple(dict.fromkeys(f"{where(f.location)}: {f.message}" for f in evidence))
    patches = tuple(dict.fromkeys(f.fix.patch for f in evidence if f.fix.patch))
    shown = [patch for patch in patches if patch.count("\n") <= _LONGEST_PATCH][:_MOST_PATCHES]
    return RiskSection(
        risk=risk,
        steps=risk.steps,
        advice=risk.mitigation,
        places=places[:_MOST_PLACES],
        more_places=max(0, len(places) - _MOST_PLACES),
        patches=tuple(shown),
        more_patches=len(patches) - len(shown),
        verify_by=risk.verify_by,
    )


def not_applicable_lines(risks: Sequence[Risk]) -> list[str]:
    """`DATA-001, OPS-001: there is no compose file`, one line for each reason."""
    reasons: dict[str, list[str]] = {}
    for risk in risks:
        if not risk.applies:
            reasons.setdefault(risk.not_applicable or "", []).append(risk.id)
    return [f"{', '.join(ids)}: {why}" for why, ids in reasons.items()]
