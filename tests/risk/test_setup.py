"""The risks of what stands around the image: figures follow the evidence and what is at stake."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

import pytest
from fakes import finding

from imgscan.model import Evidence, Finding, Location, Place, Risk, Severity, Waiver
from imgscan.project.stakes import Stakes, Store
from imgscan.risk.register import Facts, assess
from imgscan.rulebook import load_rules

POSTGRES = Store(service="db", image="postgres:17", lasting=True, volume="shop_data", port=5432)
REDIS = Store(service="cache", image="redis:7", lasting=False, port=6379)
SHOP: dict[str, Any] = {
    "compose_files": (("compose.yml",),),
    "services": ("db", "api"),
    "stores": (POSTGRES,),
    "built": (("api", "api/Dockerfile"),),
    "needed": frozenset({"db", "api"}),
    "alone": False,
    "variables": True,
    "workspaces": ("pnpm-workspace.yaml",),
}


def shop(**changes: Any) -> Stakes:
    return Stakes(**{**SHOP, **changes})


def of(check: str, **changes: Any) -> Finding:
    """A finding of a rule that makes this check of the catalogue."""
    rule = next(rule for rule in load_rules().values() if check in rule.cites)
    fields: dict[str, Any] = {
        "rule_id": rule.id,
        "risk_id": check.rpartition("-")[0],
        "severity": Severity.HIGH,
        "evidence": Evidence.DERIVED,
        "message": f"{check} of db is wrong.",
        "fingerprint": f"{check}{changes}"[:40],
        "location": Location(place=Place.COMPOSE, path="compose.yml", line=3),
    }
    return finding(**{**fields, **changes})


def weigh(risk_id: str, *findings: Finding, stakes: Stakes | None = None, **changes: Any) -> Risk:
    facts = Facts(findings=findings, build=None, cache=None, image_scanned=False, stakes=stakes or shop(), **changes)
    return next(risk for risk in assess(facts) if risk.id == risk_id)


PATTERN = {"evidence": Evidence.PATTERN, "severity": Severity.MEDIUM}
ABSENT = {"evidence": Evidence.ABSENT, "severity": Severity.MEDIUM}
LOW = {"evidence": Evidence.ABSENT, "severity": Severity.LOW}
PROVEN = {"evidence": Evidence.PROVEN}
CACHES = shop(stores=(REDIS,))


@pytest.mark.parametrize(
    ("risk_id", "findings", "stakes", "figures"),
    [
        pytest.param("DATA-001", (), None, (1, 3), id="data-nothing"),
        pytest.param("DATA-001", (of("DATA-001-01"),), None, (3, 3), id="data-managed"),
        pytest.param("DATA-001", (of("DATA-001-02"),), None, (3, 3), id="data-no-volume"),
        pytest.param("DATA-001", (of("DATA-001-08"),), None, (2, 3), id="data-wrapper-derived"),
        pytest.param("DATA-001", (of("DATA-001-08", **PROVEN),), None, (3, 3), id="data-wrapper-proven"),
        pytest.param("DATA-001", (of("DATA-001-04"),), None, (2, 3), id="data-external-not-created"),
        pytest.param("DATA-001", (of("DATA-001-01"),), CACHES, (3, 2), id="data-caches"),
        pytest.param("DATA-001", (of("DATA-001-10", severity=Severity.LOW),), None, (1, 3), id="data-low-only"),
        pytest.param("OPS-001", (), None, (1, 3), id="ops-nothing"),
        pytest.param("OPS-001", (of("OPS-001-03"),), None, (3, 3), id="ops-localhost"),
        pytest.param("OPS-001", (of("OPS-001-03", **PATTERN),), None, (2, 3), id="ops-localhost-pattern"),
        pytest.param("OPS-001", (of("OPS-001-05", **PATTERN),), None, (2, 3), id="ops-socket"),
        pytest.param("OPS-001", (of("OPS-001-01", **ABSENT),), None, (2, 3), id="ops-one-without-a-check"),
        pytest.param(
            "OPS-001",
            (of("OPS-001-01", **ABSENT), of("OPS-001-01", evidence=Evidence.ABSENT, severity=Severity.LOW)),
            None,
            (3, 3),
            id="ops-no-check-at-all",
        ),
        pytest.param(
            "OPS-001",
            tuple(of("OPS-001-01", **LOW, fingerprint=name) for name in "ab"),
            None,
            (2, 3),
            id="ops-no-check-that-is-known",
        ),
        pytest.param("OPS-001", (of("OPS-001-01", **LOW),), None, (1, 3), id="ops-low-only"),
        pytest.param("CONFIG-001", (of("CONFIG-001-01", **ABSENT),), None, (2, 2), id="config-no-example"),
        pytest.param("CONFIG-001", (of("CONFIG-001-10", **ABSENT),), None, (2, 3), id="config-disagreeing-passwords"),
        pytest.param("OPS-001", (of("OPS-001-10"),), shop(needed=frozenset()), (3, 2), id="ops-nobody-needs-it"),
        pytest.param("CONFIG-001", (), None, (1, 2), id="config-nothing"),
        pytest.param("TECH-002", (), None, (1, 2), id="net-nothing"),
        pytest.param("TECH-002", (of("TECH-002-01", message="api asks localhost."),), None, (3, 2), id="net-broken"),
        pytest.param(
            "TECH-002", (of("TECH-002-01", message="api asks localhost:5432."),), None, (3, 3), id="net-store"
        ),
        pytest.param("TECH-002", (of("TECH-002-02", message="no dbx.", **PATTERN),), None, (2, 2), id="net-unresolved"),
        pytest.param("OPS-003", (), None, (2, 2), id="backup-never-drilled"),
        pytest.param("OPS-003", (of("OPS-003-06", **PATTERN),), None, (2, 2), id="backup-pattern"),
        pytest.param("OPS-003", (of("OPS-003-01"),), None, (3, 2), id="backup-no-pipefail"),
        pytest.param("OPS-003", (of("DATA-001-01"),), None, (2, 3), id="backup-matters-more-if-data-can-go"),
        pytest.param("TECH-001", (), None, (1, 3), id="build-nothing"),
        pytest.param("TECH-001", (of("TECH-001-01"),), None, (3, 3), id="build-broken"),
        pytest.param("TECH-001", (of("TECH-001-10", **PATTERN),), None, (2, 2), id="build-pattern"),
    ],
)
def test_weight(risk_id: str, findings: tuple[Finding, ...], stakes: Stakes | None, figures: tuple[int, int]) -> None:
    risk = weigh(risk_id, *findings, stakes=stakes)
    assert (risk.probability, risk.impact) == figures, risk.because
    assert risk.score == risk.probability * risk.impact
    assert risk.applies


@pytest.mark.parametrize(
    ("risk_id", "stakes", "why"),
    [
        pytest.param("DATA-001", Stakes(), "there is no compose file", id="data-no-compose"),
        pytest.param("DATA-001", shop(stores=()), "no service is known to keep data", id="data-no-store"),
        pytest.param(
            "DATA-001",
            shop(stores=(), volumes=("blobs",)),
            "no service is known to keep data; what is in blobs is not known",
            id="data-unknown-volume",
        ),
        pytest.param("OPS-001", Stakes(), "there is no compose file", id="ops-no-compose"),
        pytest.param("TECH-001", shop(workspaces=()), "no monorepo: ", id="no-monorepo"),
        pytest.param("CONFIG-001", Stakes(), "there is no compose file", id="config-no-compose"),
        pytest.param(
            "CONFIG-001", shop(variables=False), "the compose files use no variables", id="config-no-variables"
        ),
        pytest.param("TECH-002", shop(alone=True), "there is one service only", id="net-alone"),
        pytest.param("OPS-003", CACHES, "no service is known to keep data", id="backup-of-caches"),
        pytest.param("OPS-003", Stakes(), "there is no compose file", id="backup-no-compose"),
    ],
)
def test_what_does_not_apply_says_why(risk_id: str, stakes: Stakes, why: str) -> None:
    risk = weigh(risk_id, stakes=stakes)
    assert not risk.applies
    assert risk.not_applicable is not None
    assert risk.not_applicable.startswith(why)
    assert (risk.score, risk.evidence) == (1, ())


@pytest.mark.parametrize(
    ("risk_id", "check"),
    [
        ("DATA-001", "DATA-001-07"),
        ("OPS-001", "OPS-001-05"),
        ("TECH-001", "TECH-001-13"),
        ("SEC-001", "SEC-001-10"),
        ("PERF-001", "PERF-001-03"),
        ("CONFIG-001", "CONFIG-001-02"),
        ("TECH-002", "TECH-002-08"),
    ],
)
@pytest.mark.parametrize("severity", [Severity.LOW, Severity.INFO])
@pytest.mark.parametrize("stakes", [shop(), shop(stores=(), alone=True, variables=False, workspaces=())])
@pytest.mark.parametrize("scanned", [True, False])
def test_nothing_is_said_of_all_while_there_is_a_finding(
    risk_id: str, check: str, severity: Severity, stakes: Stakes, scanned: bool
) -> None:
    facts = Facts(
        findings=(of(check, severity=severity),), build=None, cache=None, image_scanned=scanned, stakes=stakes
    )
    risk = next(risk for risk in assess(facts) if risk.id == risk_id)
    assert risk.because == f"a minor point only: {check} of db is wrong"
    assert (risk.applies, risk.probability, len(risk.evidence)) == (True, 1, 1)


def test_nobody_who_did_not_look_for_secrets_found_none() -> None:
    risk = weigh("SEC-001", secrets_sought=False)
    assert (risk.applies, risk.not_applicable) == (False, "secrets were not looked for")
    assert weigh("SEC-001", of("SEC-001-10"), secrets_sought=False).applies


def test_what_is_accepted_forbids_it_too() -> None:
    assert weigh("OPS-001", accepted=(of("OPS-001-05", severity=Severity.LOW),)).because == (
        "nothing but 1 accepted finding"
    )


@pytest.mark.parametrize(
    ("stores", "because"),
    [
        pytest.param((POSTGRES,), "the data of db outlive `down -v`, and nothing unguarded deletes them", id="held"),
        pytest.param(
            (replace(REDIS, held=False),),
            "no volume with a name holds what cache keeps: it goes with the containers",
            id="loose",
        ),
        pytest.param(
            (REDIS, replace(REDIS, service="queue", held=False)),
            "the data of cache outlive `down -v`, and nothing unguarded deletes them; no volume with a name holds what "
            "queue keeps: it goes with the containers",
            id="both",
        ),
    ],
)
def test_data_outlive_only_in_a_volume(stores: tuple[Store, ...], because: str) -> None:
    assert weigh("DATA-001", stakes=shop(stores=stores)).because == because


@pytest.mark.parametrize(
    ("backups", "because"),
    [((), "nothing backs up the data of db"), (("save.sh",), "no restore was rehearsed: --verify does")],
)
def test_a_backup_that_nobody_makes_is_said(backups: tuple[str, ...], because: str) -> None:
    assert weigh("OPS-003", stakes=shop(backups=backups)).because == because


def test_a_finding_makes_it_apply() -> None:
    risk = weigh("OPS-003", of("OPS-003-01"), stakes=Stakes())
    assert risk.applies


@pytest.mark.parametrize("risk_id", ["DATA-001", "OPS-001", "TECH-001", "CONFIG-001", "TECH-002", "OPS-003"])
def test_a_run_that_went_well_verifies(risk_id: str) -> None:
    risk = weigh(risk_id, verified=frozenset({risk_id}))
    assert (risk.verified, risk.probability) == (True, 1)
    assert not weigh(risk_id).verified


def test_what_is_accepted_is_not_called_verified() -> None:
    risk = weigh("DATA-001", accepted=(of("DATA-001-01"),), verified=frozenset({"DATA-001"}))
    assert (risk.probability, risk.verified) == (1, False)
    assert risk.because == "nothing but 1 accepted finding"


def test_a_verified_risk_with_a_finding_is_not_verified() -> None:
    assert not weigh("DATA-001", of("DATA-001-01"), verified=frozenset({"DATA-001"})).verified


def test_a_waiver_is_for_its_risk_alone() -> None:
    waiver = Waiver(owner="Ada", reason="moves to a managed database", expires="2027-01-31")
    facts = Facts(findings=(of("DATA-001-01"),), build=None, cache=None, image_scanned=False, stakes=shop())
    risks = {risk.id: risk for risk in assess(facts, {"DATA-001": waiver})}
    assert risks["DATA-001"].waiver == waiver
    assert [risk.id for risk in risks.values() if risk.waiver] == ["DATA-001"]


def test_commands_use_the_projects_names() -> None:
    facts = Facts(
        findings=(),
        build=None,
        cache=None,
        image_scanned=False,
        stakes=shop(compose_files=(("docker/docker-compose.yml", "docker/dev.yml"),), backups=("tools/save.sh",)),
    )
    commands = {risk.id: risk.verify_by for risk in assess(facts)}
    compose = "docker compose -f docker/docker-compose.yml -f docker/dev.yml"
    assert commands["DATA-001"] == f"{compose} down -v --dry-run   # must not list the volume shop_data"
    assert commands["TECH-002"].startswith(f"{compose} exec api node -e \"require('net').connect(5432,'db')")
    assert commands["TECH-001"].startswith("imgscan build-report . -f api/Dockerfile")
    assert commands["OPS-003"].startswith("tools/save.sh && ")
    assert "<<" not in "".join((*commands.values(), *(risk.mitigation for risk in assess(facts))))


def test_names_that_would_be_commands_are_quoted_or_left_out() -> None:
    evil = "$(touch x);'\""
    stakes = shop(
        compose_files=((f"{evil}.yml",),),
        stores=(Store(service=evil, image=None, lasting=True, volume=evil, port=None),),
        built=((evil, f"{evil}/Dockerfile"),),
        backups=(f"{evil}.sh",),
        restores=(f"verify{evil}.sh",),
        examples=(f"{evil}.env",),
    )
    facts = Facts(findings=(), build=None, cache=None, image_scanned=False, stakes=stakes)
    whole = {f"{evil}.yml", f"{evil}/Dockerfile", f"{evil}.sh", f"verify{evil}.sh", f"{evil}.env"}
    for risk in assess(facts):
        assert {word for word in shlex.split(risk.verify_by) if "touch x" in word} <= whole, risk.verify_by


def test_steps_are_what_the_findings_ask_for_the_worst_first() -> None:
    from imgscan.model import Fix

    low = of("OPS-001-05", severity=Severity.MEDIUM, fix=Fix(text="Second."))
    high = of("OPS-001-03", fix=Fix(text="First\n thing."))
    assert weigh("OPS-001", low, high, low).steps == ("First thing.", "Second.")
