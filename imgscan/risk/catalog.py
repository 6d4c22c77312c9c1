"""The catalogue: `rules/risks.yml` as records. In: the file. Out: `RiskKind` by id, and the name of a score's band."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from imgscan.frozen import frozen
from imgscan.rulebook import load_yaml, rules_dir

NO_GO_SCORE: Final = 6
"""From here on a risk forbids the merge: the specification's critical and high bands, both mandatory."""


@frozen
class RiskKind:
    """A risk as the catalogue knows it, before any evidence. Probability and impact are 1..3."""

    id: str
    description: str
    category: str
    probability: int
    impact: int
    why: str
    mitigation: str
    verify_by: str


@cache
def default_names() -> Mapping[str, str]:
    """What stands for `<<name>>` in the catalogue's texts where the project has no name for it."""
    names: Mapping[str, str] = load_yaml(rules_dir() / "risks.yml")["names"]
    return names


@cache
def load_catalog() -> Mapping[str, RiskKind]:
    """Every risk of the catalogue by id, in the catalogue's order."""
    records: list[Mapping[str, Any]] = load_yaml(rules_dir() / "risks.yml")["risks"]
    return {
        record["id"]: RiskKind(
            id=record["id"],
            description=record["description"].strip(),
            category=record["category"],
            probability=record["probability"],
            impact=record["impact"],
            why=record["why"].strip(),
            mitigation=record["mitigation"].strip(),
            verify_by=record["verify_by"].strip(),
        )
        for record in records
    }


def priority(score: int) -> str:
    """The band of a score (probability x impact): 9 critical, 6-8 high, 4-5 medium, 1-3 low."""
    if score >= 9:
        return "CRITICAL"
    if score >= NO_GO_SCORE:
        return "HIGH"
    return "MEDIUM" if score >= 4 else "LOW"
