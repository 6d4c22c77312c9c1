"""Every format: golden files, hostile names, the schema."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from dataclasses import replace

import jsonschema_rs
import pytest
from fakes import HOSTILE, edit_costs, finding, image, layer, proof, report, timing
from hypothesis import given
from hypothesis import strategies as st
from markdownmodel import rendered

from imgscan.errors import InputError
from imgscan.model import (
    Accepted,
    AcceptedBy,
    BuildFailure,
    BuildInfo,
    Coverage,
    Evidence,
    Finding,
    Location,
    NotRead,
    Place,
    Report,
    Severity,
    Skipped,
    SourceLine,
    Step,
    Target,
    Verdict,
    Waste,
    WasteCause,
)
from imgscan.patches import ProofCheck, ProofOutcome
from imgscan.report import REPORTERS, Style, render
from imgscan.report.json import decode, schema


@pytest.mark.parametrize("name", REPORTERS)
def test_report_is_as_reviewed(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"report.{name}.txt", render(report(), name, Style(width=110)))


@pytest.mark.parametrize("name", REPORTERS)
def test_clean_report_is_as_reviewed(name: str, golden: Callable[[str, str], None]) -> None:
    clean = report(
        complete=True, verdict=Verdict.GO, reasons=(), skipped=(), findings=(), risks=(), budgets=(), cache=None
    )
    golden(f"clean.{name}.txt", render(clean, name, Style(width=110)))


@pytest.mark.parametrize("name", REPORTERS)
def test_costs_of_edits_are_as_reviewed(name: str, golden: Callable[[str, str], None]) -> None:
    shown = report(
        edits=edit_costs(), findings=(), risks=(), budgets=(), cache=None, build=None, image=None, coverage=None
    )
    golden(f"edits.{name}.txt", render(shown, name, Style(width=130)))


def proved() -> Report:
    """A report of `imgscan optimize`: a patch that is proved, and one that is not."""
    withdrawn = proof(
        title="npm ci gets a cache mount", outcome=ProofOutcome.NOT_PROVED, reason="the image's files are the same: 1 differ: /app/x (content)",
        scenarios=(), patch=None, checks=(ProofCheck(name="it builds", ok=True, detail="12.0 s cold"),),
    )  # fmt: skip
    build = replace(report().build or BuildInfo(builder="", engine="", store="", cpus=1), scenarios=())
    return report(
        complete=True, verdict=Verdict.GO, reasons=(), skipped=(), findings=(), risks=(), budgets=(), cache=None,
        image=None, coverage=None, build=build, proofs=(proof(), withdrawn),
    )  # fmt: skip


@pytest.mark.parametrize("name", REPORTERS)
def test_proofs_of_patches_are_as_reviewed(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"proofs.{name}.txt", render(proved(), name, Style(width=130, verbose=True)))


@pytest.mark.parametrize("name", ["table", "markdown", "html"])
def test_patches_alone_are_not_said_to_have_no_findings(name: str) -> None:
    assert "1 proved, 1 not proved" in render(proved(), name)
    assert "Nothing was found" not in render(proved(), name)
    assert "findings: none" not in render(proved(), name).lower()


def failed() -> Report:
    failure = BuildFailure(
        step="COPY --from=deps /app/backend/node_modules ./backend/node_modules",
        line=21,
        message='failed to compute cache key: "/app/backend/node_modules" not found',
        log=("line one", "line two"),
        cause="pnpm-workspace.yaml never reaches the install stage",
        rule_id="tech-workspace-file-missing",
    )
    build = BuildInfo(builder="buildkit", engine="20.10.24", store="overlay2", cpus=2, failure=failure)
    return report(
        build=build, cache=None, image=None, coverage=None, findings=(), reasons=("the image does not build",)
    )


@pytest.mark.parametrize("name", ["table", "markdown"])
def test_failed_build_is_as_reviewed(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"failed.{name}.txt", render(failed(), name, Style(width=110)))


@pytest.mark.parametrize("name", ["table", "markdown"])
def test_what_is_accepted_is_counted_and_listed_apart(name: str) -> None:
    accepted = Accepted(by=AcceptedBy.BASELINE, reason="known since May", expires="2027-01-01")
    shown = report(findings=(finding(), finding(fingerprint="1" * 16, severity=Severity.LOW, accepted=accepted)))
    text = render(shown, name, Style(verbose=True, width=160))
    assert "1 critical" in text
    assert "1 low" not in text
    assert "1 accepted finding does not count: 1 by the baseline" in text
    assert "known since May" in text
    assert "2027" in text
    assert "accepted (1)" in text.lower()


@pytest.mark.parametrize("evidence", [Evidence.DERIVED, Evidence.PROVEN])
def test_a_proven_install_is_not_denied(evidence: Evidence) -> None:
    """A build that installs by the way is no step of the cache's figures."""
    again = finding(rule_id="cache-copy-before-install", risk_id="PERF-001", evidence=evidence)
    before = report()
    assert before.cache is not None
    text = render(replace(before, findings=(again,), cache=replace(before.cache, busts=())), "table", Style(width=110))
    assert ("A source edit re-runs no dependency install." in text) is (evidence is Evidence.DERIVED)


def test_why_something_is_accepted_is_not_cut() -> None:
    reason = "known since May, and rotated every night by the job that builds the nightly images; see the runbook"
    accepted = Accepted(by=AcceptedBy.BASELINE, reason=reason, expires="2027-03-31")
    place = replace(finding().location, path="/srv/app/a/very/long/path/that/nobody/reads/to/its/end/settings.env")
    shown = report(findings=(finding(accepted=accepted, location=place),))
    table = render(shown, "table", Style(verbose=True, width=110)).partition("ACCEPTED (1)")[2].partition("\n\n")[0]
    said = " ".join(line[line.find("baseline") if "baseline" in line else 60 :].strip() for line in table.splitlines())
    assert [word for word in f"{reason} (until 2027-03-31)".split() if word not in said] == []
    assert all(len(line) <= 112 for line in table.splitlines())


@pytest.mark.parametrize("name", ["table", "markdown", "html"])
def test_a_cold_build_with_cached_steps_is_explained(name: str) -> None:
    kept = Step(stage="1", ordinal=2, instruction="WORKDIR /app", line=2, cached=True, seconds=0.0)
    cold = timing(name="cold", touched=None, steps=(kept,), steps_cached=1, steps_total=1)
    build = report().build
    assert build is not None
    text = html.unescape(render(report(build=replace(build, scenarios=(cold,))), name))
    assert "even in a build without one (WORKDIR /app)" in " ".join(text.split())


@pytest.mark.parametrize("name", ["table", "markdown"])
def test_status_and_evidence_have_columns_of_their_own(name: str) -> None:
    text = render(report(), name, Style(width=160))
    head = next(line for line in text.lower().splitlines() if "severity" in line and "rule" in line)
    assert head.index("status") != head.index("evidence")
    row = next(
        line for line in text.splitlines() if "secret-github-token" in line and "critical" in line and "layer" in line
    )
    assert "deleted" in row
    assert "observed" in row


@pytest.mark.parametrize("name", ["table", "markdown", "html"])
def test_what_is_hidden_again_has_one_name(name: str) -> None:
    text = render(report(), name, Style(verbose=True)).lower()
    assert "wasted" in text
    assert "in vain" not in text
    assert "reclaimable" not in text


def test_color_only_when_asked() -> None:
    assert "\x1b[" not in render(report(), "table", Style(color=False))
    assert "\x1b[" in render(report(), "table", Style(color=True))


def hostile() -> Report:
    place = Location(
        place=Place.FILE, layer=1, path=HOSTILE, dockerfile=SourceLine(file=HOSTILE, line=1), inside=(HOSTILE,)
    )
    bad: Finding = finding(message=HOSTILE, location=place, places=(place,), excerpt=HOSTILE)
    accepted = Accepted(by=AcceptedBy.INLINE, reason=HOSTILE, expires="2027-01-01")
    return report(
        target=Target(kind="image", ref=HOSTILE, dockerfile=HOSTILE),
        findings=(bad, replace(bad, fingerprint="1" * 16, accepted=accepted)),
        notes=(HOSTILE,),
        coverage=Coverage(bytes=1, entries=1, not_read=(NotRead(where=HOSTILE, bytes=1, reason=HOSTILE),)),
        reasons=(HOSTILE,),
        edits=edit_costs(path=HOSTILE, instruction=HOSTILE),
        proofs=(
            proof(HOSTILE, HOSTILE, patch=None),
            proof(HOSTILE, reason=HOSTILE, outcome=ProofOutcome.NOT_PROVED, patch=None),
        ),
        skipped=(Skipped(where=HOSTILE, reason=HOSTILE),),
        image=image(
            layers=(layer(1, instruction=HOSTILE, dockerfile=SourceLine(file=HOSTILE, line=2)),),
            waste=(Waste(path=HOSTILE, bytes=1, cause=WasteCause.DELETED, shipped_by=1, shadowed_by=2),),
        ),
        build=replace(
            report().build or BuildInfo(builder="", engine="", store="", cpus=1), scenarios=(timing(touched=HOSTILE),)
        ),
    )


def test_table_lets_no_control_character_through() -> None:
    shown = replace(hostile(), proofs=(*hostile().proofs, proof(HOSTILE)))
    text = render(shown, "table", Style(verbose=True, width=200))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert not any(line.lstrip().startswith("::") for line in text.splitlines())


def test_markdown_lets_no_markup_through() -> None:
    text = render(hostile(), "markdown")
    assert "<img" not in text
    assert "@org" not in text
    assert "[y](z)" not in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    widths = {row.count("|") for row in text.splitlines() if row.startswith("| 1 ")}
    assert len(widths) <= 1


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_patches_in_markdown_stay_text(text: str) -> None:
    """With any text in them the page has the structure that it has with harmless ones."""
    pages = []
    for one in (f"x{text}x", "x"):
        shown = proof(one, one, reason=one, outcome=ProofOutcome.NOT_PROVED)
        pages.append(rendered(render(replace(proved(), proofs=(shown,)), "markdown")))
    page, harmless = pages
    assert page.structure == harmless.structure
    assert page.live() == []
    assert page.links() == []


@pytest.mark.parametrize("made", [report, failed, hostile, proved], ids=["full", "failed", "hostile", "proved"])
def test_json_satisfies_its_schema_and_reads_back(made: Callable[[], Report]) -> None:
    text = render(made(), "json")
    jsonschema_rs.validator_for(schema()).validate(json.loads(text))
    assert decode(text.encode()) == made()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(b"{", "Input data was truncated", id="cut"),
        pytest.param(b"[]", "Expected `object`", id="no-object"),
        pytest.param(b"{}", "missing required field `schema_version`", id="empty"),
    ],
)
def test_broken_report_is_an_input_error(text: bytes, told: str) -> None:
    with pytest.raises(InputError, match=told):
        decode(text)


def test_schema_refuses_an_unknown_severity() -> None:
    data = json.loads(render(report(), "json"))
    data["findings"][0]["severity"] = "terrible"
    assert not jsonschema_rs.validator_for(schema()).is_valid(data)
