"""What to do first: the gravest, each section in its turn, and what is left out counted."""

from __future__ import annotations

import html

import pytest
from fakes import finding, report

from imgscan.model import Severity
from imgscan.report import render
from imgscan.report.todos import todos

C, H, M = Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM
Found = list[tuple[str, Severity]]
SECRETS: Found = [(f"secret-{letter}", C) for letter in "abcdef"]


@pytest.mark.parametrize(
    ("found", "limit", "shown", "more"),
    [
        pytest.param(SECRETS, 8, [rule for rule, _ in SECRETS], "", id="no-critical-is-dropped"),
        pytest.param(
            [("secret-a", H), ("secret-b", H), ("context-c", H), ("secret-d", H), ("context-e", H), ("layer-m", M)],
            5, ["context-c", "context-e", "secret-a", "secret-b", "secret-d"], "and 1 more thing to do: 1 medium",
            id="no-high-is-dropped-for-a-medium",
        ),
        pytest.param(
            [*((rule, H) for rule, _ in SECRETS), ("cache-x", H), ("config-y", M)], 4,
            ["cache-x", "secret-a", "secret-b", "secret-c"], "and 4 more things to do: 3 high, 1 medium",
            id="a-section-does-not-fill-the-list-alone",
        ),
        pytest.param([("layer-z", M), ("secret-a", Severity.LOW)], 8, ["layer-z"], "", id="only-medium-and-above"),
        pytest.param([], 8, [], "", id="nothing"),
    ],
)  # fmt: skip
def test_what_to_do_first(found: Found, limit: int, shown: list[str], more: str) -> None:
    findings = tuple(
        finding(rule_id=rule, severity=severity, fingerprint=f"{number:016x}")
        for number, (rule, severity) in enumerate(found)
    )
    things = todos(report(findings=findings), limit)
    assert [todo.rule_id for todo in things.shown] == shown
    assert things.more == more


@pytest.mark.parametrize(
    ("rule", "headline"),
    [
        pytest.param("secret-github-token", "3 different secrets, the first of them: found it", id="secrets"),
        pytest.param("layer-deleted-files", "found it (and 2 more)", id="others"),
    ],
)
def test_findings_of_one_rule_are_one_thing(rule: str, headline: str) -> None:
    findings = tuple(finding(rule_id=rule, message="found it", fingerprint=str(number) * 16) for number in range(3))
    assert [todo.headline for todo in todos(report(findings=findings)).shown] == [headline]


@pytest.mark.parametrize("name", ["table", "markdown", "html"])
def test_every_format_says_how_many_more_there_are(name: str) -> None:
    findings = tuple(finding(rule_id=f"secret-{number}", fingerprint=f"{number:016x}") for number in range(11))
    text = html.unescape(render(report(findings=findings), name))
    assert "and 3 more things to do: 3 critical" in text
    assert text.count("secret-3") > 1
