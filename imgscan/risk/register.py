"""The risk register: findings, build, timings and what is at stake in, one `Risk` per risk of the catalogue out. Pure.

Probability follows the evidence: 3 when a run or a simulation of the project's own files shows the failure, 2 for a
pattern whose effect depends on circumstances, 1 when nothing contradicts the controls. Impact follows what is at stake.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from imgscan.model import Risk, Waiver
from imgscan.risk.build import weigh_build, weigh_cache, weigh_secrets
from imgscan.risk.catalog import RiskKind, load_catalog, priority
from imgscan.risk.mitigation import names_of, steps_of, with_names
from imgscan.risk.setup import weigh_backup, weigh_configuration, weigh_data, weigh_network, weigh_operation
from imgscan.risk.weights import Assessor, Facts, NotApplicable, Weight

__all__ = ["ASSESSORS", "Facts", "assess"]

ASSESSORS: Final[dict[str, Assessor]] = {
    "DATA-001": weigh_data,
    "OPS-001": weigh_operation,
    "TECH-001": weigh_build,
    "SEC-001": weigh_secrets,
    "PERF-001": weigh_cache,
    "CONFIG-001": weigh_configuration,
    "TECH-002": weigh_network,
    "OPS-003": lambda facts: weigh_backup(facts, weigh_data(facts)),
}


def assess(facts: Facts, waivers: Mapping[str, Waiver] | None = None) -> tuple[Risk, ...]:
    """Every risk of the catalogue, the highest score first, those that do not apply last. `waivers` by risk count only
    for risks that apply."""
    catalog = load_catalog()
    names = names_of(facts.stakes)
    risks = []
    for risk_id, assessor in ASSESSORS.items():
        weight = assessor(facts)
        waiver = (waivers or {}).get(risk_id)
        kind = catalog[risk_id]
        if isinstance(weight, NotApplicable):
            risks.append(_not_applicable(kind, weight))
        else:
            risks.append(_risk(kind, weight, names, waiver))
    order = list(ASSESSORS)
    return tuple(sorted(risks, key=lambda risk: (not risk.applies, -risk.score, order.index(risk.id))))


def _risk(kind: RiskKind, weight: Weight, names: Mapping[str, str], waiver: Waiver | None) -> Risk:
    score, inherent = weight.probability * weight.impact, kind.probability * kind.impact
    return Risk(
        id=kind.id,
        description=kind.description,
        category=kind.category,
        probability=weight.probability,
        impact=weight.impact,
        score=score,
        priority=priority(score),
        evidence=tuple(sorted({finding.fingerprint for finding in weight.evidence})),
        mitigation=with_names(kind.mitigation, names),
        verified=weight.verified,
        because=weight.because,
        inherent_probability=kind.probability,
        inherent_impact=kind.impact,
        inherent_score=inherent,
        inherent_priority=priority(inherent),
        steps=steps_of(weight.evidence),
        verify_by=with_names(kind.verify_by, names),
        waiver=waiver,
    )


def _not_applicable(kind: RiskKind, weight: NotApplicable) -> Risk:
    inherent = kind.probability * kind.impact
    return Risk(
        id=kind.id,
        description=kind.description,
        category=kind.category,
        probability=1,
        impact=1,
        score=1,
        priority=priority(1),
        evidence=(),
        mitigation="",
        verified=False,
        because=weight.why,
        inherent_probability=kind.probability,
        inherent_impact=kind.impact,
        inherent_score=inherent,
        inherent_priority=priority(inherent),
        applies=False,
        not_applicable=weight.why,
    )
