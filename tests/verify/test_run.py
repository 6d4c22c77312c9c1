"""What is said where proofs cannot be carried out, and how proofs are recorded. Without an engine."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from proofstacks import GOOD_RESTORE, ROOT, database_stack, good_backup, web_stack
from setups import write_files

from imgscan.errors import EngineError
from imgscan.model import Evidence, Location, Outcome, Place, Report, Target, Tool, Verdict
from imgscan.progress import Progress
from imgscan.report import render
from imgscan.report.proofs import proof_counts
from imgscan.rulebook import make_finding
from imgscan.verification import risk_outcomes
from imgscan.verify.canary import mark_copy, with_marker
from imgscan.verify.proofs import PROOFS, Proofs, rule_citing, with_proofs
from imgscan.verify.run import Wanted, verify

QUIET = Progress(io.StringIO(), live=False, lines=False)


def no_engine() -> object:
    raise EngineError("no container engine answers", next_step="start an engine")


def test_without_an_engine_every_proof_that_needs_one_says_so(tmp_path: Path) -> None:
    write_files(tmp_path, database_stack(good_backup(), GOOD_RESTORE))
    found = verify(Wanted(root=tmp_path, connect=no_engine), QUIET)  # type: ignore[arg-type]
    names = {item.name for item in found.verifications}
    assert names == {"configuration", "data-volumes", "start", "bind", "restore-drill"}  # one service, not built
    assert {item.outcome for item in found.verifications} == {Outcome.NOT_VERIFIED}
    assert all("no engine: no container engine answers. start an engine" in i.evidence for i in found.verifications)
    assert found.faults == ()


def test_the_wrapper_needs_no_engine() -> None:
    root = ROOT / "sample_images" / "antone-as-planned"
    found = verify(Wanted(root=root, connect=no_engine), QUIET)  # type: ignore[arg-type]
    outcomes = {item.name: item.outcome for item in found.verifications}
    assert outcomes.pop("wrapper") is Outcome.FAILED
    assert set(outcomes.values()) == {Outcome.NOT_VERIFIED}


def test_a_project_without_compose_has_nothing_to_prove(tmp_path: Path) -> None:
    write_files(tmp_path, {"Dockerfile": "FROM scratch\n"})
    assert verify(Wanted(root=tmp_path, connect=no_engine), QUIET).verifications == ()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ((Outcome.PASSED, Outcome.PASSED), Outcome.PASSED),
        ((Outcome.PASSED, Outcome.NOT_VERIFIED), Outcome.NOT_VERIFIED),
        ((Outcome.FAILED, Outcome.NOT_VERIFIED), Outcome.FAILED),
    ],
)
def test_a_risk_is_as_good_as_its_worst_proof(outcomes: tuple[Outcome, ...], expected: Outcome) -> None:
    proofs = Proofs()
    record = {
        Outcome.PASSED: proofs.passed,
        Outcome.FAILED: proofs.failed,
        Outcome.NOT_VERIFIED: proofs.unverified,
    }
    for outcome in outcomes:
        record[outcome]("start", "seen")
    assert risk_outcomes(proofs.results) == {"OPS-001": expected}


def test_evidence_is_clean_short_and_of_the_project() -> None:
    secret = "hunter" + "2" * 20
    proofs = Proofs(clean=lambda text: text.replace(secret, "***"), folders=("/tmp/x/project",))
    proofs.unverified("start", f"/tmp/x/project/docker/.env {secret}\x1b[31m" + "y" * 5000)
    (record,) = proofs.results
    assert record.evidence.startswith("docker/.env ***\\x1b[31m")
    assert len(record.evidence) <= 1500


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        (".env", "A=1\n# c\nexport B = x y\nEMPTY=\n", "A=M\n# c\nexport B = M\nEMPTY=\n"),
        (".npmrc", "registry=https://r/\n//r/:_authToken=abc\n", "registry=https://r/\n//r/:_authToken=M\n"),
        ("id_rsa", "-----BEGIN\nabc\n", "M\n"),
    ],
)
def test_with_marker(path: str, text: str, expected: str) -> None:
    assert with_marker(path, text, "M") == expected


def test_markers_are_put_in_and_planted(tmp_path: Path) -> None:
    write_files(tmp_path, {**web_stack(), ".env": "TOKEN=abc\n", "api/package.json": "{}", "api/.env.example": "A=\n"})
    marked = mark_copy(tmp_path)
    assert sorted(marked.files.values()) == [".env", "api/.env"]
    assert marked.planted == {"api/.env"}
    assert "abc" not in (tmp_path / ".env").read_text()
    assert all(marker in (tmp_path / path).read_text() for marker, path in marked.files.items())


def test_a_fault_that_the_files_show_too_is_one_finding_and_proven() -> None:
    location = Location(place=Place.SCRIPT, path="ctl.sh", line=1)
    derived = make_finding(
        "data-wrapper-bypass",
        message="ctl.sh asks only for `down -v`.",
        location=location,
        evidence=Evidence.DERIVED,
        identity=("ctl.sh",),
    )
    proofs = Proofs()
    proofs.failed("wrapper", "11 of 18", "ctl.sh", file="ctl.sh", line=1)
    proofs.failed("wrapper", "12 of 18", "other.sh", file="other.sh", line=1)
    both, other = with_proofs([derived], proofs.faults)
    assert (both.evidence, both.fingerprint) == (Evidence.PROVEN, derived.fingerprint)
    assert both.message == "ctl.sh asks only for `down -v`. Proven by running it: ctl.sh: 11 of 18"
    assert (other.rule_id, other.evidence, other.location.path) == ("data-wrapper-bypass", Evidence.PROVEN, "other.sh")


@pytest.mark.parametrize("name", [name for name, kind in PROOFS.items() if kind.cites])
def test_every_fault_has_its_rule(name: str) -> None:
    rule = rule_citing(PROOFS[name].cites)
    assert rule is not None
    assert rule.risk_id == PROOFS[name].risk_id


def test_the_proofs_stand_in_the_report() -> None:
    proofs = Proofs()
    proofs.passed("peers", "all of them")
    proofs.failed("start", "it | fell", "web", cites=())
    report = Report(
        schema_version="1.0",
        tool=Tool(name="imgscan", version="0"),
        target=Target(kind="context", ref="."),
        complete=True,
        verdict=Verdict.GO,
        verifications=tuple(proofs.results),
    )
    assert proof_counts(report) == "1 passed, 0 not verified, 1 failed"
    table, text = render(report, "table"), render(report, "markdown")
    assert "PROOFS" in table
    assert "web: it | fell" in table
    assert "### Proofs" in text
    assert r"web: it \| fell" in text
