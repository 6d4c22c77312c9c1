"""GitLab's code quality, JUnit and GitHub's annotations: what the other side reads, limits, hostile names."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from fakes import HOSTILE, finding, report
from hypothesis import given
from hypothesis import strategies as st

from imgscan.assess import Gate, judge_report
from imgscan.escape import workflow_data, workflow_property
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
    Target,
)
from imgscan.report import render

ACCEPTED = Accepted(by=AcceptedBy.BASELINE, reason="known")
TEXTS = st.text(st.characters(codec=None), max_size=60)


def of(*findings: Finding) -> Report:
    return report(findings=findings, skipped=(), coverage=None)


def several(severities: Sequence[Severity]) -> Report:
    return of(*(finding(fingerprint=f"{at:016x}", severity=severity) for at, severity in enumerate(severities)))


def hostile(text: str) -> Report:
    place = Location(place=Place.CONTEXT, path=text, line=1)
    return report(
        target=Target(kind="build", ref=text),
        findings=(finding(rule_id="secret-own", message=text, location=place, places=(place,)),),
        reasons=(text,),
        skipped=(),
        coverage=None,
    )


SEVERITIES = [
    pytest.param(Severity.CRITICAL, "blocker", id="critical"),
    pytest.param(Severity.HIGH, "critical", id="high"),
    pytest.param(Severity.MEDIUM, "major", id="medium"),
    pytest.param(Severity.LOW, "minor", id="low"),
    pytest.param(Severity.INFO, "info", id="info"),
]


@pytest.mark.parametrize(("severity", "word"), SEVERITIES)
def test_gitlab_severities(severity: Severity, word: str) -> None:
    (issue,) = json.loads(render(of(finding(severity=severity)), "gitlab"))
    assert issue["severity"] == word
    assert set(issue) == {"description", "check_name", "fingerprint", "severity", "location"}


def test_gitlab_shows_each_open_finding_once() -> None:
    issues = json.loads(render(of(finding(), finding(fingerprint="1" * 16), finding(accepted=ACCEPTED)), "gitlab"))
    assert [issue["fingerprint"] for issue in issues] == ["0123456789abcdef", "1" * 16]


@given(TEXTS)
def test_gitlab_stays_json(text: str) -> None:
    (issue,) = json.loads(render(hostile(text), "gitlab").encode().decode())
    assert not issue["location"]["path"].startswith(("/", "../"))


def test_junit_fails_what_is_open_and_skips_what_is_accepted() -> None:
    root = ElementTree.fromstring(render(of(finding(), finding(fingerprint="1" * 16, accepted=ACCEPTED)), "junit"))
    suite = root.find("testsuite[@name='findings']")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("2", "1", "1")
    assert len(suite.findall("testcase/failure")) == 1
    assert suite.find("testcase/skipped[@message='accepted: known']") is not None


@pytest.mark.parametrize(
    ("fail_on", "failed", "skipped"),
    [
        pytest.param(Severity.HIGH, ["critical", "high"], ["medium", "low", "info"], id="high"),
        pytest.param(Severity.MEDIUM, ["critical", "high", "medium"], ["low", "info"], id="medium"),
        pytest.param(None, [], ["critical", "high", "medium", "low", "info"], id="never"),
    ],
)
def test_junit_fails_what_the_gate_counts(fail_on: Severity | None, failed: list[str], skipped: list[str]) -> None:
    findings = several(list(Severity)).findings
    judged = judge_report(Gate(fail_on=fail_on), findings, (), (), None)
    root = ElementTree.fromstring(render(replace(of(*findings), forbidding=judged.forbidding), "junit"))
    suite = root.find("testsuite[@name='findings']")
    assert suite is not None
    assert [(case.get("message") or "").split(":")[0] for case in suite.iter("failure")] == failed
    assert [(case.get("message") or "").split(": ")[1] for case in suite.iter("skipped")] == skipped


def test_junit_fails_where_the_image_does_not_build() -> None:
    failure = BuildFailure(step="RUN make", line=3, message="exit code: 2", log=(), cause="no make")
    build = BuildInfo(builder="buildkit", engine="20.10.24", store="overlay2", cpus=2, failure=failure)
    root = ElementTree.fromstring(render(report(findings=(), build=build), "junit"))
    (told,) = root.findall("testsuite[@name='build']/testcase/failure")
    assert told.get("message") == "the image does not build"
    assert "line 3: RUN make" in (told.text or "")


def test_junit_of_nothing_is_a_pass() -> None:
    root = ElementTree.fromstring(render(report(findings=(), risks=(), budgets=(), skipped=(), coverage=None), "junit"))
    assert [case.get("name") for case in root.iter("testcase")] == ["no findings"]
    assert not list(root.iter("failure"))


def test_junit_fails_a_risk_that_forbids_the_merge() -> None:
    risk = replace(report().risks[0], score=9)
    told = report(risks=(risk,), reasons=(f"{risk.id} scores 9 (CRITICAL): a live token",))
    root = ElementTree.fromstring(render(told, "junit"))
    failure = root.find("testsuite[@name='risks']/testcase/failure")
    assert failure is not None
    assert failure.get("message") == f"{risk.id} scores 9 (CRITICAL): a live token"


@given(TEXTS)
def test_junit_stays_xml(text: str) -> None:
    root = ElementTree.fromstring(render(hostile(text), "junit").encode())
    assert len(list(root.iter("failure"))) == 1 + sum(b.broken for b in report().budgets)


def test_github_writes_ten_of_each_and_how_many_there_are() -> None:
    text = render(several([Severity.CRITICAL] * 12 + [Severity.MEDIUM] * 11 + [Severity.LOW] * 3), "github")
    lines = text.splitlines()
    assert [sum(line.startswith(f"::{word} ") for line in lines) for word in ("error", "warning", "notice")] == [
        10,
        10,
        3,
    ]
    assert "12 critical, 11 medium, 3 low" in lines[-1]


def test_github_shows_the_worst_first_and_nothing_accepted() -> None:
    low, high = finding(fingerprint="2" * 16, severity=Severity.LOW), finding(severity=Severity.HIGH)
    lines = render(of(low, high, finding(fingerprint="3" * 16, accepted=ACCEPTED)), "github").splitlines()
    assert [line.split(" ")[0] for line in lines] == ["::error", "::notice", "imgscan:"]


def decoded(text: str) -> str:
    for code, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, char)
    return text


@given(TEXTS)
def test_workflow_data_comes_back_as_it_was(text: str) -> None:
    coded = workflow_data(text)
    assert "\n" not in coded
    assert "\r" not in coded
    assert decoded(coded) == text


@given(st.one_of(TEXTS, st.just(HOSTILE), st.just("::error::x"), st.just("a\n::stop-commands::x")))
def test_github_obeys_no_name(text: str) -> None:
    lines = re.split(r"[\r\n]", render(hostile(text), "github").removesuffix("\n"))
    assert [line.split(" ")[0] for line in lines] == ["::error", "imgscan:"]
    properties = lines[0].removeprefix("::error ").partition("::")[0]
    shown = ["file", "line", "title"] if text else ["title"]
    assert [part.split("=")[0] for part in properties.split(",")] == shown


def test_workflow_properties_end_nowhere_else() -> None:
    assert workflow_property("a:b,c%\nd") == "a%3Ab%2Cc%25\\nd"


INCOMPLETE = report(
    complete=False,
    skipped=(Skipped(where="layer 1", reason="it is no tar archive"), Skipped(where="x", reason="y", count=3)),
    coverage=Coverage(bytes=0, entries=1, not_read=(NotRead(where="/a", bytes=7, reason="encrypted"),)),
)


@pytest.mark.parametrize("name", ["github", "gitlab", "junit", "markdown", "table"])
def test_an_incomplete_scan_is_told_in_every_format(name: str) -> None:
    text = render(INCOMPLETE, name)
    assert "5 things could not be looked at" in text
    assert "layer 1: it is no tar archive" in text
    assert "nothing left out" not in text


def test_an_incomplete_scan_is_an_issue_of_gitlabs_with_a_steady_fingerprint() -> None:
    whole = [
        each["fingerprint"] for each in json.loads(render(replace(INCOMPLETE, skipped=(), coverage=None), "gitlab"))
    ]
    (more,) = [each for each in json.loads(render(INCOMPLETE, "gitlab")) if each["fingerprint"] not in whole]
    assert (more["check_name"], more["severity"]) == ("incomplete", "info")
    assert json.loads(render(INCOMPLETE, "gitlab"))[-1] == more


def test_an_incomplete_scan_is_no_pass_and_no_failure_in_junit() -> None:
    cases = ElementTree.fromstring(render(INCOMPLETE, "junit")).iter("testcase")
    (case,) = [each for each in cases if each.get("classname") == "imgscan.coverage"]
    assert [child.tag for child in case] == ["skipped"]


def test_an_incomplete_scan_is_a_warning_of_githubs() -> None:
    text = render(INCOMPLETE, "github")
    assert "::warning title=incomplete::incomplete: 5 things could not be looked at%0Askipped: layer 1" in text
    assert text.endswith("incomplete: 5 things could not be looked at\n")
