"""The risk register: findings, build and timings in, one weighed `Risk` per assessed risk out. Pure.

Probability follows the evidence: 3 when a run or a simulation of the project's own files shows the failure, 2 for a
pattern whose effect depends on circumstances, 1 when nothing contradicts the controls. Impact follows what is at stake.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from imgscan.model import BuildInfo, CacheMetrics, Confidence, Evidence, Finding, Place, Risk, Severity, Validity
from imgscan.risk.catalog import RiskKind, load_catalog, priority

SMALL_REBUILD_S: Final = 10.0
"""A source edit that wastes less than this is a nuisance (impact 1), not a reason to stop using the build."""

_STRONG: Final = frozenset({Evidence.DERIVED, Evidence.OBSERVED, Evidence.PROVEN})
_IMAGE_PLACES: Final = frozenset(
    set(Place) - {Place.CONTEXT, Place.DOCKERFILE, Place.COMPOSE, Place.SCRIPT, Place.BUILD}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the register weighs. `image_scanned`: an image was looked at, and completely. `accepted` findings make
    nothing likelier, but keep the controls from being called verified."""

    findings: Sequence[Finding]
    build: BuildInfo | None
    cache: CacheMetrics | None
    image_scanned: bool
    accepted: Sequence[Finding] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """Probability and impact (1..3) with the sentence that explains them and the findings behind them."""

    probability: int
    impact: int
    because: str
    evidence: tuple[Finding, ...] = ()
    verified: bool = False


def assess(facts: Facts) -> tuple[Risk, ...]:
    """Every risk that the facts allow to weigh, the highest score first."""
    catalog = load_catalog()
    weighed = ((catalog[risk_id], assessor(facts)) for risk_id, assessor in ASSESSORS.items())
    risks = [_risk(kind, weight) for kind, weight in weighed if weight is not None]
    return tuple(sorted(risks, key=lambda risk: (-risk.score, risk.id)))


def weigh_secrets(facts: Facts) -> Weight | None:
    """SEC-001: a secret that was seen weighs 3; a name or a pattern weighs 2."""
    mine = [f for f in facts.findings if f.risk_id == "SEC-001" and f.severity.rank >= Severity.MEDIUM.rank]
    seen = [f for f in mine if f.rule_id.startswith("secret-") and f.confidence is not Confidence.LOW]
    live = [f for f in seen if f.severity.rank >= Severity.HIGH.rank and f.validity is not Validity.INVALID]
    if live:
        in_image = sum(1 for f in live if f.location.place in _IMAGE_PLACES)
        where = f"{in_image} in the image" if in_image else "in files that reach the build"
        because = f"{len(live)} live-looking {'secret' if len(live) == 1 else 'secrets'}, {where}"
        return Weight(probability=3, impact=3, evidence=tuple(mine), because=because)
    strong = [f for f in mine if f.evidence in _STRONG]
    if strong:
        because = f"{len(strong)} {'place' if len(strong) == 1 else 'places'} where secrets can get in"
        return Weight(probability=2, impact=2, evidence=tuple(mine), because=because)
    if mine:
        return Weight(probability=2, impact=1, evidence=tuple(mine), because="names and patterns only, no secret seen")
    accepted = sum(1 for f in facts.accepted if f.risk_id == "SEC-001" and f.severity.rank >= Severity.MEDIUM.rank)
    if accepted:
        which = "finding" if accepted == 1 else "findings"
        return Weight(probability=1, impact=3, because=f"nothing but {accepted} accepted {which}")
    because = "no secret in any layer, the configuration or the history" if facts.image_scanned else "nothing found"
    return Weight(probability=1, impact=3, because=because, verified=facts.image_scanned)


def weigh_cache(facts: Facts) -> Weight | None:
    """PERF-001: a source edit that re-runs the install weighs 3; an unrelated edit that re-runs the build weighs 2."""
    mine = tuple(f for f in facts.findings if f.risk_id == "PERF-001" and f.severity.rank >= Severity.MEDIUM.rank)
    taken = {f.location.line for f in facts.accepted if f.risk_id == "PERF-001" and f.location.line is not None}
    busts = [bust for bust in facts.cache.busts if bust.blamed.line not in taken] if facts.cache else []
    measured = facts.build is not None and any(t.name == "touch-source" for t in facts.build.scenarios)
    if busts or any(f.evidence in _STRONG and f.severity.rank >= Severity.HIGH.rank for f in mine):
        wasted = (facts.cache.wasted_seconds_per_source_edit or 0.0) if facts.cache else 0.0
        small = measured and wasted < SMALL_REBUILD_S
        cost = f", {wasted:.1f} s each time" if measured else ""
        because = f"a source edit installs again{cost}"
        return Weight(probability=3, impact=1 if small else 2, evidence=mine, because=because)
    if mine:
        because = "edits re-run more than they need"
        return Weight(probability=2, impact=1 if measured else 2, evidence=mine, because=because)
    if any(f.risk_id == "PERF-001" and f.severity.rank >= Severity.MEDIUM.rank for f in facts.accepted):
        return Weight(probability=1, impact=2, because="nothing but what is accepted")
    because = "a source edit re-runs no install (measured)" if measured else "no instruction in the wrong order"
    return Weight(probability=1, impact=2, because=because, verified=measured)


def weigh_build(facts: Facts) -> Weight | None:
    """TECH-001: weighed only on evidence; a failed build proves it."""
    mine = tuple(f for f in facts.findings if f.risk_id == "TECH-001" and f.severity.rank >= Severity.MEDIUM.rank)
    if facts.build is not None and facts.build.failure is not None:
        return Weight(probability=3, impact=3, evidence=mine, because="the image does not build")
    if any(f.evidence in _STRONG and f.severity.rank >= Severity.HIGH.rank for f in mine):
        impact = 2 if facts.build is not None else 3
        return Weight(
            probability=3, impact=impact, evidence=mine, because="the project's own files contradict each other"
        )
    if mine:
        return Weight(probability=2, impact=2, evidence=mine, because="patterns known to break builds")
    return None


Assessor = Callable[[Facts], Weight | None]
ASSESSORS: Final[dict[str, Assessor]] = {
    "TECH-001": weigh_build,
    "SEC-001": weigh_secrets,
    "PERF-001": weigh_cache,
}


def _risk(kind: RiskKind, weight: Weight) -> Risk:
    score = weight.probability * weight.impact
    return Risk(
        id=kind.id,
        description=kind.description,
        category=kind.category,
        probability=weight.probability,
        impact=weight.impact,
        score=score,
        priority=priority(score),
        evidence=tuple(sorted({finding.fingerprint for finding in weight.evidence})),
        mitigation=kind.mitigation,
        verified=weight.verified,
        because=weight.because,
        inherent_probability=kind.probability,
        inherent_impact=kind.impact,
        inherent_score=kind.probability * kind.impact,
    )
