"""Every rule is whole: id, title, why, fix, a bad and a good example."""

from __future__ import annotations

import pytest

from imgscan.cli.rules import all_rules, explanation
from imgscan.model import Evidence, Location, Place, Rule
from imgscan.risk.catalog import load_catalog
from imgscan.rulebook import fingerprint, load_rules, make_finding

FAMILIES = ("secret", "layer", "cache", "config", "context", "tech", "data", "ops", "env", "net", "backup")
RULES = list(all_rules().values())


@pytest.mark.parametrize("rule", RULES, ids=[rule.id for rule in RULES])
def test_rule_is_whole(rule: Rule) -> None:
    assert rule.id.split("-")[0] in FAMILIES
    for text in (rule.title, rule.why, rule.fix, rule.bad, rule.good):
        assert text.strip()
    assert len(rule.title) <= 90
    assert not rule.title.endswith(".")
    assert len(rule.why) >= 60, "says too little"
    assert len(rule.fix) >= 40, "says too little"
    assert rule.bad != rule.good
    assert rule.risk_id is None or rule.risk_id in load_catalog()
    assert explanation(rule).startswith(rule.id)


def test_fingerprint_depends_on_every_part_and_its_border() -> None:
    seen = {
        fingerprint("r", "ab", "c"),
        fingerprint("r", "a", "bc"),
        fingerprint("r", "abc"),
        fingerprint("s", "ab", "c"),
    }
    assert len(seen) == 4


def test_finding_takes_what_is_not_said_from_its_rule() -> None:
    rule = next(iter(load_rules().values()))
    location = Location(place=Place.DOCKERFILE, path="Dockerfile", line=1)
    found = make_finding(rule.id, message="m", location=location, evidence=Evidence.DERIVED, identity=("x",))
    assert (found.severity, found.confidence, found.risk_id) == (rule.severity, rule.confidence, rule.risk_id)
    assert found.fix.text == rule.fix
    assert found.places == (location,)
    assert found.fingerprint == fingerprint(rule.id, "x")
