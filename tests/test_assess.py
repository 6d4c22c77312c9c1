"""From facts to a report: what is told once, what a build that never began says, and what is told of scenarios that
were left out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes import report

from imgscan.assess import Gate, make_report, without_doubles
from imgscan.cli.output import exit_code
from imgscan.model import (
    BuildFailure,
    BuildInfo,
    Evidence,
    Finding,
    Location,
    Place,
    Report,
    Severity,
    SourceLine,
    Target,
    Verdict,
)
from imgscan.reassess import reassess
from imgscan.report import render
from imgscan.rulebook import make_finding

FAILURE = BuildFailure(step="# syntax=docker/dockerfile:1", line=1, message="dial tcp: no such host", log=())
BUILD = BuildInfo(builder="buildkit", engine="docker 20.10", store="overlay2", cpus=2)
GATE = Gate(fail_on=Severity.HIGH)


def built(build: BuildInfo) -> Report:
    target = Target(kind="build", ref="shop", dockerfile="Dockerfile")
    return make_report(target=target, findings=(), gate=GATE, rule_packs=(), build=build)


@pytest.mark.parametrize(
    ("unreachable", "code", "told", "weighed"),
    [
        pytest.param(False, 4, "the image does not build", True, id="the-build-failed"),
        pytest.param(
            True, 3, "nothing was built: the engine cannot get the image of `# syntax=docker/dockerfile:1`", False,
            id="no-registry-answers",
        ),
    ],
)  # fmt: skip
def test_a_registry_that_does_not_answer_is_no_fault_of_the_dockerfile(
    unreachable: bool, code: int, told: str, weighed: bool
) -> None:
    shown = built(replace(BUILD, failure=replace(FAILURE, unreachable=unreachable)))
    for each in (shown, reassess(shown, GATE)):
        assert each.verdict is Verdict.NO_GO
        assert each.reasons[0] == told
        assert exit_code(each, exit_zero=True, strict=False) == code
        scores = {risk.id: risk.score for risk in each.risks if risk.applies}
        assert (scores.get("TECH-001") == 9) is weighed
        assert len(each.reasons) == 1 + weighed


@pytest.mark.parametrize("name", ["table", "markdown", "html", "json"])
def test_every_format_says_why_a_scenario_was_left_out(name: str) -> None:
    warning = "build-arg was not measured: no ARG has a name that says so"
    measured = report().build
    assert measured is not None
    shown = built(replace(measured, warnings=(warning,)))
    assert shown.notes == (warning,)
    assert warning in render(shown, name).replace("\n  ", " ")


def of(rule_id: str, place: Place, path: str, line: int | None) -> Finding:
    dockerfile = SourceLine(file="Dockerfile", line=line) if line else None
    location = Location(place=place, path=path, dockerfile=dockerfile)
    return make_finding(rule_id, message="m", location=location, evidence=Evidence.DERIVED, identity=(path, str(line)))


HISTORY = of("context-git-directory", Place.CONTEXT, ".git", 7)
TABLE = [
    pytest.param([HISTORY, of("layer-left-behind-cache", Place.FILE, "/srv/.git", 7)], 1, id="came-with-that-copy"),
    pytest.param([HISTORY, of("layer-left-behind-cache", Place.FILE, "/srv/.git", 9)], 2, id="came-with-another-step"),
    pytest.param([HISTORY, of("layer-left-behind-cache", Place.FILE, "/root/.m2", 7)], 2, id="another-cache"),
    pytest.param([of("layer-left-behind-cache", Place.FILE, "/srv/.git", 7)], 1, id="of-an-image-alone"),
    pytest.param([HISTORY, HISTORY], 1, id="the-same"),
]


@pytest.mark.parametrize(("findings", "count"), TABLE)
def test_the_history_is_told_once(findings: list[Finding], count: int) -> None:
    assert len(without_doubles(findings)) == count
