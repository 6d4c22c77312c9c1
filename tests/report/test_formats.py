"""Every format: golden files, hostile names, the schema."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

import jsonschema_rs
import pytest
from fakes import HOSTILE, edit_costs, finding, image, layer, report, timing

from imgscan.errors import InputError
from imgscan.model import (
    Accepted,
    AcceptedBy,
    BuildFailure,
    BuildInfo,
    Coverage,
    Finding,
    Location,
    NotRead,
    Place,
    Report,
    Severity,
    Skipped,
    SourceLine,
    Target,
    Verdict,
    Waste,
    WasteCause,
)
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
    text = render(hostile(), "table", Style(verbose=True, width=200))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert not any(line.startswith("::") for line in text.splitlines())


def test_markdown_lets_no_markup_through() -> None:
    text = render(hostile(), "markdown")
    assert "<img" not in text
    assert "@org" not in text
    assert "[y](z)" not in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    widths = {row.count("|") for row in text.splitlines() if row.startswith("| 1 ")}
    assert len(widths) <= 1


@pytest.mark.parametrize("made", [report, failed, hostile], ids=["full", "failed", "hostile"])
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
