"""The rule files as data: the catalogue says what the specification says, and every detector's rules are in the book."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from imgscan.cli.rules import all_rules
from imgscan.detect import DETECTORS, load_detector
from imgscan.detect.secretnames import context_tables
from imgscan.risk.catalog import load_catalog, priority
from imgscan.rulebook import load_rules, load_yaml, rules_dir

PACKAGE = Path(__file__).parents[2] / "imgscan"
SPECIFICATION = [
    ("DATA-001", "Data", 3, 3, 9, "CRITICAL"),
    ("OPS-001", "Operational", 3, 3, 9, "CRITICAL"),
    ("TECH-001", "Technical", 2, 3, 6, "HIGH"),
    ("SEC-001", "Security", 2, 3, 6, "HIGH"),
    ("PERF-001", "Performance", 3, 2, 6, "HIGH"),
    ("CONFIG-001", "Technical", 2, 2, 4, "MEDIUM"),
    ("TECH-002", "Technical", 2, 2, 4, "MEDIUM"),
    ("OPS-003", "Operational", 2, 2, 4, "MEDIUM"),
]


def test_catalogue_is_the_specifications_table() -> None:
    table = [
        (risk.id, risk.category, risk.probability, risk.impact, risk.probability * risk.impact)
        for risk in load_catalog().values()
    ]
    assert [(*row, priority(row[4])) for row in table] == SPECIFICATION


def test_bands_of_the_file_are_those_of_the_code() -> None:
    for band in load_yaml(rules_dir() / "risks.yml")["bands"]:
        for score in range(band["from"], band["to"] + 1):
            assert priority(score) == band["priority"]


@pytest.mark.parametrize("risk", load_catalog().values(), ids=lambda risk: risk.id)
def test_mitigations_do_not_repeat_the_specifications_faults(risk: object) -> None:
    text = repr(risk)
    assert "docker-compose -f" not in text, "the command of compose 1"
    assert "http://localhost" not in text
    assert not re.search(r"Ã|ðŸ", text), "double-encoded text"


def test_every_rule_id_in_the_code_is_in_the_book() -> None:
    book = load_rules()
    families = ("cache", "tech", "context", "config", "layer", "data", "ops", "env", "net", "backup")
    quoted = re.compile(rf'"((?:{"|".join(families)})(?:-[a-z0-9]+)+)"')
    used = {
        rule
        for folder in ("detect", "project", "verify")
        for path in (PACKAGE / folder).rglob("*.py")
        for rule in quoted.findall(path.read_text("utf-8"))
    }
    # An option of compose and a proof have the form of a rule's id.
    assert used - {"env-file", "data-volumes"} == set(book)


@pytest.mark.parametrize("name", DETECTORS)
def test_detectors_load(name: str) -> None:
    assert callable(load_detector(name))


def test_patterns_of_secret_names_are_globs() -> None:
    for row in context_tables()["secret_names"]:
        assert row["what"]
        assert row.get("name") or row.get("path")


POINTS = {
    "DATA-001": 10,
    "OPS-001": 12,
    "TECH-001": 13,
    "PERF-001": 10,
    "CONFIG-001": 12,
    "TECH-002": 12,
    "OPS-003": 14,
}


def test_every_point_of_the_catalogue_is_checked_by_a_rule() -> None:
    points = {f"{risk}-{number:02d}" for risk, count in POINTS.items() for number in range(1, count + 1)}
    points |= {f"SEC-001-{number:02d}" for number in (*range(1, 13), 20, 21, 22, 23)}
    assert {point for rule in all_rules().values() for point in rule.cites} == points
