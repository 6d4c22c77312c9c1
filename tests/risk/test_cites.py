"""Rules and the checks of the catalogue that they make: well-formed, and none of these is left out."""

from __future__ import annotations

import re

import pytest

from imgscan.model import Rule
from imgscan.risk.catalog import load_catalog
from imgscan.rulebook import load_rules

RULES = list(load_rules().values())
# What the secret rules find (07: in package managers' files and URLs, 20 to 23: in images) cites nothing.
CHECKS = {
    "TECH-001": range(1, 14),
    "SEC-001": (1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 21, 22),
    "PERF-001": range(1, 11),
}


@pytest.mark.parametrize("rule", RULES, ids=[rule.id for rule in RULES])
def test_cites_name_a_check_of_a_risk(rule: Rule) -> None:
    for check in rule.cites:
        assert re.fullmatch(r"[A-Z]+-\d{3}-\d\d", check)
        assert check.rpartition("-")[0] in load_catalog()


@pytest.mark.parametrize("risk_id", CHECKS)
def test_every_check_is_made(risk_id: str) -> None:
    cited = {check for rule in RULES for check in rule.cites}
    assert {f"{risk_id}-{number:02}" for number in CHECKS[risk_id]} <= cited
