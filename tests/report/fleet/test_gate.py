"""Which findings end a run in exit code 1."""

from __future__ import annotations

from typing import Any

import pytest
from fleetreports import finding, image, run_of

from imgscan.fleets import Change
from imgscan.model import Severity
from imgscan.report.fleet.gate import blocking

HIGH = Severity.HIGH
CASES = [
    pytest.param({}, HIGH, False, True, id="standing"),
    pytest.param({}, HIGH, True, False, id="standing-is-not-new"),
    pytest.param({"change": Change.NEW}, HIGH, False, True, id="new"),
    pytest.param({"change": Change.NEW}, HIGH, True, True, id="new-counts-as-new"),
    pytest.param({"change": Change.NEW, "first_run": True}, HIGH, False, True, id="first-run"),
    pytest.param({"change": Change.NEW, "first_run": True}, HIGH, True, False, id="first-run-is-not-new"),
    pytest.param({"change": Change.FIXED}, HIGH, False, False, id="fixed"),
    pytest.param({"change": Change.FIXED}, HIGH, True, False, id="fixed-is-not-new"),
    pytest.param({"accepted": True}, HIGH, False, False, id="accepted"),
    pytest.param({"accepted": True, "change": Change.NEW}, HIGH, True, False, id="new-and-accepted"),
    pytest.param({"severity": Severity.CRITICAL}, HIGH, False, True, id="above"),
    pytest.param({"severity": Severity.MEDIUM}, HIGH, False, False, id="below"),
    pytest.param({"severity": Severity.INFO}, Severity.INFO, False, True, id="the-least"),
    pytest.param({"severity": Severity.CRITICAL}, None, False, False, id="never"),
]


@pytest.mark.parametrize(("changes", "severity", "new_only", "blocks"), CASES)
def test_what_blocks(changes: dict[str, Any], severity: Severity | None, new_only: bool, blocks: bool) -> None:
    report = run_of((image("a"),), (finding("a", **changes),))
    assert blocking(report, severity, new_only=new_only) == (report.findings if blocks else ())


def test_the_order_is_that_of_the_report() -> None:
    found = [finding("b"), finding("a"), finding("a", severity=Severity.CRITICAL), finding("a", severity=Severity.LOW)]
    report = run_of((image("a"), image("b")), tuple(found))
    assert [(one.severity.value, one.image) for one in blocking(report, HIGH, new_only=False)] == [
        ("critical", "a"), ("high", "a"), ("high", "b"),
    ]  # fmt: skip
