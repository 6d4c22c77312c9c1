"""The register: figures follow the evidence."""

from __future__ import annotations

import pytest
from fakes import finding, report, timing

from imgscan.model import (
    BuildFailure,
    BuildInfo,
    CacheMetrics,
    Confidence,
    Evidence,
    Finding,
    Location,
    Place,
    Severity,
    Validity,
)
from imgscan.risk.catalog import load_catalog, priority
from imgscan.risk.register import ASSESSORS, Facts, assess

MEASURED = BuildInfo(builder="buildkit", engine="28", store="overlay2", cpus=2, scenarios=(timing(),))
FAILED = BuildInfo(
    builder="buildkit",
    engine="28",
    store="overlay2",
    cpus=2,
    failure=BuildFailure(step="RUN", line=1, message="", log=()),
)


def cache(seconds: float | None, *, busts: bool = True) -> CacheMetrics:
    full = report().cache
    assert full is not None
    return CacheMetrics(
        source_hit_ratio=0.5,
        lockfile_hit_ratio=0.5,
        wasted_seconds_per_source_edit=seconds,
        busts=full.busts if busts else (),
    )


def of(risk_id: str, **changes: object) -> Finding:
    return finding(**{"rule_id": "context-x", "risk_id": risk_id, "evidence": Evidence.PATTERN, **changes})


@pytest.mark.parametrize(
    ("facts", "risk_id", "figures"),
    [
        pytest.param(((finding(),), None, None), "SEC-001", (3, 3, False), id="secret-in-image"),
        pytest.param(
            ((finding(validity=Validity.INVALID),), None, None), "SEC-001", (2, 2, False), id="checksum-wrong"
        ),
        pytest.param(
            ((finding(confidence=Confidence.LOW),), None, None), "SEC-001", (2, 2, False), id="low-confidence"
        ),
        pytest.param(
            ((finding(location=Location(place=Place.CONTEXT, path=".env")),), None, None),
            "SEC-001",
            (3, 3, False),
            id="secret-in-context",
        ),
        pytest.param(
            ((of("SEC-001", evidence=Evidence.DERIVED),), None, None), "SEC-001", (2, 2, False), id="can-get-in"
        ),
        pytest.param(((of("SEC-001"),), None, None), "SEC-001", (2, 1, False), id="names-only"),
        pytest.param(((of("SEC-001", severity=Severity.LOW),), None, None), "SEC-001", (1, 3, False), id="low-only"),
        pytest.param(((), MEASURED, cache(60.0)), "PERF-001", (3, 2, False), id="install-again-slow"),
        pytest.param(((), MEASURED, cache(2.0)), "PERF-001", (3, 1, False), id="install-again-quick"),
        pytest.param(((), MEASURED, cache(0.0, busts=False)), "PERF-001", (1, 2, True), id="well-ordered-measured"),
        pytest.param(((), None, None), "PERF-001", (1, 2, False), id="well-ordered-static"),
        pytest.param(
            ((of("PERF-001", severity=Severity.HIGH, evidence=Evidence.DERIVED),), None, None),
            "PERF-001",
            (3, 2, False),
            id="derived-unmeasured",
        ),
        pytest.param(((of("PERF-001", severity=Severity.MEDIUM),), None, None), "PERF-001", (2, 2, False), id="noise"),
        pytest.param(((), FAILED, None), "TECH-001", (3, 3, False), id="does-not-build"),
        pytest.param(
            ((of("TECH-001", severity=Severity.HIGH, evidence=Evidence.DERIVED),), None, None),
            "TECH-001",
            (3, 3, False),
            id="contradiction",
        ),
    ],
)
def test_weight(
    facts: tuple[tuple[Finding, ...], BuildInfo | None, CacheMetrics | None],
    risk_id: str,
    figures: tuple[int, int, bool],
) -> None:
    findings, build, metrics = facts
    risks = assess(Facts(findings=findings, build=build, cache=metrics, image_scanned=True))
    (risk,) = [risk for risk in risks if risk.id == risk_id]
    assert (risk.probability, risk.impact, risk.verified) == figures
    assert risk.score == risk.probability * risk.impact
    assert risk.priority == priority(risk.score)


def test_what_nobody_looked_at_does_not_apply() -> None:
    risks = assess(Facts(findings=(), build=MEASURED, cache=None, image_scanned=True))
    assert [risk.id for risk in risks if risk.applies] == ["SEC-001", "PERF-001"]
    assert {risk.not_applicable for risk in risks if not risk.applies} == {"the project's own files were not looked at"}
    assert {risk.score for risk in risks if not risk.applies} == {1}


def test_an_image_alone_has_the_risk_of_secrets() -> None:
    risks = assess(Facts(findings=(), build=None, cache=None, image_scanned=True, dockerfile=False))
    assert [risk.id for risk in risks if risk.applies] == ["SEC-001"]


def test_every_risk_has_an_assessor() -> None:
    assert list(ASSESSORS) == list(load_catalog())


def test_catalogue_is_the_specification() -> None:
    """The table of the specification document, as data."""
    expected = {
        "DATA-001": ("Data", 3, 3),
        "OPS-001": ("Operational", 3, 3),
        "TECH-001": ("Technical", 2, 3),
        "SEC-001": ("Security", 2, 3),
        "PERF-001": ("Performance", 3, 2),
        "CONFIG-001": ("Technical", 2, 2),
        "TECH-002": ("Technical", 2, 2),
        "OPS-003": ("Operational", 2, 2),
    }
    assert {k.id: (k.category, k.probability, k.impact) for k in load_catalog().values()} == expected


@pytest.mark.parametrize(("score", "band"), [(9, "CRITICAL"), (6, "HIGH"), (4, "MEDIUM"), (3, "LOW"), (1, "LOW")])
def test_priority(score: int, band: str) -> None:
    assert priority(score) == band


@pytest.mark.parametrize(
    ("line", "score"),
    [pytest.param(9, 2, id="the-line-to-blame"), pytest.param(4, 6, id="another-line")],
)
def test_what_is_accepted_makes_nothing_likelier_and_nothing_verified(line: int, score: int) -> None:
    place = Location(place=Place.DOCKERFILE, path="Dockerfile", line=line)
    accepted = (of("PERF-001", location=place), finding())
    facts = Facts(findings=(), build=MEASURED, cache=cache(60.0), image_scanned=True, accepted=accepted)
    risks = {risk.id: risk for risk in assess(facts)}
    assert (risks["PERF-001"].score, risks["PERF-001"].verified) == (score, False)
    assert (risks["SEC-001"].score, risks["SEC-001"].verified) == (3, False)
    assert risks["SEC-001"].because == "nothing but 1 accepted finding"
