"""The risks of the image and its build: secrets, the build cache, a Dockerfile that cannot work. Pure.

Each assessor takes `Facts` and gives a `Weight`, or says why the risk does not apply.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from imgscan.model import Confidence, Finding, Place, Severity, Validity
from imgscan.risk.wastedtime import is_nuisance
from imgscan.risk.weights import (
    NOT_LOOKED_AT,
    Facts,
    NotApplicable,
    Weight,
    accepted_count,
    cites,
    counted,
    minor,
    number,
    proven,
    quiet,
    strong,
)

_IMAGE_PLACES: Final = frozenset(
    set(Place) - {Place.CONTEXT, Place.DOCKERFILE, Place.COMPOSE, Place.SCRIPT, Place.BUILD}
)
_BLOAT: Final = ("TECH-001-07", "TECH-001-12")
"""Checks of what makes a build stale or large, and does not keep it from working."""


def weigh_secrets(facts: Facts) -> Weight | NotApplicable:
    """SEC-001: a secret that was seen weighs 3; a name or a pattern weighs 2."""
    mine = counted(facts, "SEC-001")
    seen = [f for f in mine if f.rule_id.startswith("secret-") and f.confidence is not Confidence.LOW]
    live = [f for f in seen if f.severity.rank >= Severity.HIGH.rank and f.validity is not Validity.INVALID]
    if live:
        in_image = sum(1 for f in live if f.location.place in _IMAGE_PLACES)
        where = f"{in_image} in the image" if in_image else "in files that reach the build"
        because = f"{len(live)} live-looking {'secret' if len(live) == 1 else 'secrets'}, {where}"
        return Weight(probability=3, impact=3, evidence=mine, because=because)
    shown = proven(mine)
    if shown:
        return Weight(probability=3, impact=3, evidence=mine, because=shown[0].message.rstrip("."))
    derived = strong(mine)
    if derived:
        because = f"{number(derived, 'place')} where secrets can get in"
        return Weight(probability=2, impact=2, evidence=mine, because=because)
    if mine:
        return Weight(probability=2, impact=1, evidence=mine, because="names and patterns only, no secret seen")
    if facts.image_scanned and not accepted_count(facts, "SEC-001") and not minor(facts, "SEC-001"):
        because = "no secret in any layer, the configuration or the history"
        return Weight(probability=1, impact=3, because=because, verified=True)
    if not facts.secrets_sought:
        return NotApplicable(why="secrets were not looked for")
    return quiet(facts, "SEC-001", 3, "nothing found")


def weigh_cache(facts: Facts) -> Weight | NotApplicable:
    """PERF-001: a source edit that re-runs the install weighs 3; an unrelated edit that re-runs the build weighs 2."""
    mine = counted(facts, "PERF-001")
    if not facts.dockerfile and not mine and not minor(facts, "PERF-001"):
        return NotApplicable(why="no Dockerfile was looked at")
    taken = {f.location.line for f in facts.accepted if f.risk_id == "PERF-001" and f.location.line is not None}
    busts = [bust for bust in facts.cache.busts if bust.blamed.line not in taken] if facts.cache else []
    rebuild_s = _source_edit_s(facts)
    measured = rebuild_s is not None
    if busts or any(f.severity.rank >= Severity.HIGH.rank for f in strong(mine)):
        wasted = (facts.cache.wasted_seconds_per_source_edit or 0.0) if facts.cache else 0.0
        small = rebuild_s is not None and is_nuisance(wasted, rebuild_s)
        cost = f", {wasted:.1f} s each time" if measured else ""
        because = f"a source edit installs again{cost}"
        return Weight(probability=3, impact=1 if small else 2, evidence=mine, because=because)
    if mine:
        small = rebuild_s is not None and is_nuisance(0.0, rebuild_s)
        because = "edits re-run more than they need"
        return Weight(probability=2, impact=1 if small else 2, evidence=mine, because=because)
    because = "a source edit re-runs no install (measured)" if measured else "no instruction in the wrong order"
    weight = quiet(facts, "PERF-001", 2, because)
    return replace(weight, verified=measured and not accepted_count(facts, "PERF-001"))


def _source_edit_s(facts: Facts) -> float | None:
    """What a rebuild after a source edit took, in seconds; None if none was measured."""
    timings = facts.build.scenarios if facts.build is not None else facts.timings
    return next((timing.median_s for timing in timings if timing.name == "touch-source"), None)


def weigh_build(facts: Facts) -> Weight | NotApplicable:
    """TECH-001: a failed build, or files that contradict each other, weigh 3; patterns 2. Without a monorepo it is
    weighed only on such evidence."""
    mine = (*counted(facts, "TECH-001"), *_bloat(facts))
    if facts.build is not None and facts.build.failure is not None:
        return Weight(probability=3, impact=3, evidence=mine, because="the image does not build")
    broken = _breaking(mine)
    if broken:
        impact = 2 if _was_built(facts, broken) else 3
        first = min(broken, key=lambda f: (f.location.line or 0, f.rule_id)).message.rstrip(".")
        because = f"{number(broken, 'contradiction')} in the project's own files; the first: {first}"
        return Weight(probability=3, impact=impact, evidence=mine, because=because)
    if mine:
        first = next((f for f in mine if not cites(f, *_BLOAT)), mine[0]).message.rstrip(".")
        because = f"{number(mine, 'point')} that may break the build, or leave too much in the image: {first}"
        return Weight(probability=2, impact=2, evidence=mine, because=because)
    minors = minor(facts, "TECH-001")
    if not facts.dockerfile and not minors:
        return NotApplicable(why="no Dockerfile was looked at")
    if facts.stakes is None and not minors:
        return NotApplicable(why=NOT_LOOKED_AT)
    if facts.stakes is not None and not facts.stakes.workspaces and not minors:
        return NotApplicable(why="no monorepo: neither pnpm-workspace.yaml nor workspaces in a package.json")
    built = facts.build is not None
    because = "the image was built" if built else "every stage gets the manifests, modules and links it needs"
    weight = quiet(facts, "TECH-001", 3, because)
    verified = weight.verified or (built and not accepted_count(facts, "TECH-001"))
    return replace(weight, verified=verified)


def _bloat(facts: Facts) -> tuple[Finding, ...]:
    """What a monorepo's image was seen to have too much of; these findings belong to no risk by themselves."""
    if facts.stakes is None or not facts.stakes.workspaces:
        return ()
    medium = (f for f in facts.findings if f.severity.rank >= Severity.MEDIUM.rank)
    return tuple(f for f in medium if f.risk_id is None and cites(f, "TECH-001-12"))


def _breaking(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    grave = [f for f in strong(findings) if f.severity.rank >= Severity.HIGH.rank]
    return tuple(f for f in grave if not cites(f, *_BLOAT)) or proven(findings)


def _was_built(facts: Facts, broken: tuple[Finding, ...]) -> bool:
    """Whether a build went well all the same; what was seen in its image to be missing keeps it from starting."""
    return facts.build is not None and not any(f.location.place in _IMAGE_PLACES for f in broken)
