"""The register as people read it: whole, in order, safe with hostile names."""

from __future__ import annotations

import re

import pytest
from fakes import HOSTILE, finding, report, risk

from imgscan.escape import markdown_block
from imgscan.model import Evidence, Fix, Location, Place, Report, Severity, Verdict, Waiver
from imgscan.report import Style, render
from imgscan.risk.summary import summarise

PATCH = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-\ta\n+\tb\n"
DATA = finding(
    rule_id="data-managed-volume",
    severity=Severity.HIGH,
    evidence=Evidence.DERIVED,
    risk_id="DATA-001",
    message="the volume data is managed",
    fingerprint="2222222222222222",
    location=Location(place=Place.COMPOSE, path="docker/compose.yml", line=22),
    places=(),
    status=None,
    validity=None,
    excerpt=None,
    fix=Fix(text="Make it external.", patch=PATCH),
)
OPEN = risk(
    id="DATA-001",
    description="Irreversible data loss",
    category="Data",
    evidence=("2222222222222222",),
    because="the volume data is managed",
    steps=("Make it external.",),
    verify_by="docker compose down -v --dry-run",
    inherent_probability=3,
    inherent_score=9,
    inherent_priority="CRITICAL",
)
WAIVED = risk(waiver=Waiver(owner="Ada", reason="a demo", expires="2027-01-31"), inherent_priority="HIGH")
IDLE = [
    risk(id=name, applies=False, not_applicable="there is one service only", score=1, evidence=(), mitigation="")
    for name in ("TECH-002", "OPS-003")
]


def shown(*risks: object, **changes: object) -> Report:
    made = report(findings=(DATA,), risks=risks or (OPEN, WAIVED, *IDLE), **changes)
    return report(
        findings=made.findings, risks=made.risks, risk_summary=summarise(made.risks, Verdict.NO_GO), **changes
    )


def test_markdown_is_a_review() -> None:
    text = render(shown(), "markdown")
    part = text[text.index("### Risk register") : text.index("<details><summary>Image and project")]
    for wanted in (
        "Risks identified: 2",
        "- By the evidence (residual): 2 critical (9), 0 high",
        "**Recommendation:** NO-GO. The change cannot proceed until the mitigation of DATA-001",
        "waived by Ada until 2027-01-31",
        "not applicable: there is one service only",
        "**Evidence**",
        "**To do**",
        "1. Make it external.",
        "**In general:**",
        "```sh\ndocker compose down -v --dry-run\n```",
        "```diff\n" + PATCH + "```",
    ):
        assert wanted in part, wanted
    assert "| DATA-001 | Irreversible data loss | Data | 3 × 3 = 9 | **3 × 3 = 9** | CRITICAL |" in " ".join(
        part.split()
    )
    assert part.count("<details>") == part.count("</details>")


def test_the_table_has_figures_totals_and_reasons() -> None:
    text = render(shown(), "table", Style(width=140))
    part = " ".join(text[text.index("RISK REGISTER") :].split())
    assert "DATA-001 3 × 3 = 9 3 × 3 = 9 CRITICAL the volume data is managed" in part
    assert "not applicable: TECH-002, OPS-003: there is one service only" in part
    assert "By the catalogue" not in part
    assert "By the catalogue (inherent): 1 critical (9), 1 high (6)" in render(
        shown(), "table", Style(width=140, verbose=True)
    )
    assert "recommendation: NO-GO." in part
    assert "verify by" not in part
    assert "verify by: docker compose down -v --dry-run" in render(shown(), "table", Style(width=140, verbose=True))


HOSTILE_RISK = risk(
    description=HOSTILE,
    because=HOSTILE,
    mitigation=HOSTILE,
    evidence=("2222222222222222",),
    steps=(HOSTILE,),
    verify_by=f"x {HOSTILE} ```\n# y\n",
    waiver=Waiver(owner=HOSTILE, reason=HOSTILE, expires="2027-01-31"),
)


@pytest.mark.parametrize("name", ["table", "markdown"])
def test_names_are_hostile(name: str) -> None:
    idle = risk(applies=False, not_applicable=HOSTILE)
    text = render(shown(HOSTILE_RISK, idle), name, Style(verbose=True))
    assert "\x1b" not in text
    assert "\u202e" not in text
    if name == "markdown":
        outside = re.sub(r"^(`{3,})\w*\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
        assert "<img" not in outside
        assert "@org" not in outside
        assert "\n# y" not in outside


@pytest.mark.parametrize("text", ["a", "```", "a\n````\nb", "`" * 40, "\ta\r\x1b[0m\n\n"])
def test_a_block_ends_where_it_should(text: str) -> None:
    lines = markdown_block(text, "diff").split("\n")
    fence = lines[-1]
    assert lines[0] == f"{fence}diff"
    assert set(fence) == {"`"}
    assert all(fence not in line for line in lines[1:-1])
    assert "\x1b" not in "".join(lines)


def test_a_long_patch_is_left_to_json() -> None:
    long = Fix(text="Make it external.", patch=PATCH + "+x\n" * 200)
    made = report(findings=(finding(fingerprint="2222222222222222", fix=long),), risks=(OPEN,))
    text = render(made, "markdown")
    assert "1 more patch in the JSON report." in text
    assert "```diff" not in text
