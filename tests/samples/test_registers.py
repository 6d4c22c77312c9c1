"""The risk registers of the three samples of one project, without an engine: as reviewed, and as the specification's."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imgscan.cli.main import run
from imgscan.model import Report
from imgscan.report.json import decode
from imgscan.report.register import risk_row

SAMPLES = Path(__file__).parents[2] / "sample_images"
SPECIFICATION = {
    "DATA-001": ("Data", 3, 3, 9, "CRITICAL"),
    "OPS-001": ("Operational", 3, 3, 9, "CRITICAL"),
    "TECH-001": ("Technical", 2, 3, 6, "HIGH"),
    "SEC-001": ("Security", 2, 3, 6, "HIGH"),
    "PERF-001": ("Performance", 3, 2, 6, "HIGH"),
    "CONFIG-001": ("Technical", 2, 2, 4, "MEDIUM"),
    "TECH-002": ("Technical", 2, 2, 4, "MEDIUM"),
    "OPS-003": ("Operational", 2, 2, 4, "MEDIUM"),
}


def copied(name: str, folder: Path) -> Path:
    """A sample without what builds and people leave in it; the leaky one with its secrets planted."""
    made = folder / name
    leave = shutil.ignore_patterns("node_modules", "dist", "*.log", "*.tsbuildinfo")
    shutil.copytree(SAMPLES / name, made, symlinks=True, ignore=leave)
    if name == "antone-leaky":
        subprocess.run([sys.executable, str(SAMPLES / "plant.py"), str(made)], check=True, capture_output=True)
    return made


def linted(name: str, folder: Path) -> Report:
    path = folder / "report.json"
    run(["lint", str(copied(name, folder)), "-q", "--format", f"json={path}"])
    return decode(path.read_bytes())


@pytest.mark.parametrize("name", ["antone", "antone-as-planned", "antone-leaky"])
def test_register_is_as_reviewed(name: str, tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    report = linted(name, tmp_path)
    assert report.risk_summary is not None
    rows = [" | ".join(risk_row(risk)) for risk in report.risks]
    golden(f"register-{name}.txt", "\n".join((*rows, report.risk_summary.recommendation, "")))


def test_as_planned_the_priors_are_the_specifications_table(tmp_path: Path) -> None:
    report = linted("antone-as-planned", tmp_path)
    table = {
        risk.id: (
            risk.category,
            risk.inherent_probability,
            risk.inherent_impact,
            risk.inherent_score,
            risk.inherent_priority,
        )
        for risk in report.risks
    }
    assert table == SPECIFICATION
    assert all(risk.applies for risk in report.risks)
    assert report.verdict == "NO-GO"
    assert report.risk_summary is not None
    inherent = report.risk_summary.inherent
    assert (inherent.identified, inherent.critical, inherent.high, inherent.medium, inherent.low) == (8, 2, 3, 3, 0)
    assert report.risk_summary.recommendation.startswith("NO-GO. The change cannot proceed until")


def test_as_planned_all_five_faults_of_its_dockerfile_are_told_at_once(tmp_path: Path) -> None:
    """The build stops at the first of them."""
    found: dict[str, list[Any]] = {}
    for finding in linted("antone-as-planned", tmp_path).findings:
        found.setdefault(finding.rule_id, []).append(finding)
    (workspace,) = found["tech-workspace-file-missing"]
    assert workspace.location.line == 15
    (production,) = found["tech-prod-before-build"]
    assert "tsc of typescript" in production.message
    (alone,) = found["tech-filter-without-dependencies"]
    assert "@antone/database, @antone/shared" in alone.message
    at_build, at_start = found["tech-node-modules-not-copied"]
    assert "database/node_modules, shared/node_modules are left behind" in at_build.message
    assert "ERR_MODULE_NOT_FOUND" in at_start.message
    assert found["tech-host-files-over-build"]


def test_antone_may_be_merged(tmp_path: Path) -> None:
    report = linted("antone", tmp_path)
    assert report.verdict == "GO"
    assert max(risk.score for risk in report.risks) < 6


def test_the_leaky_one_fails_all_eight(tmp_path: Path) -> None:
    report = linted("antone-leaky", tmp_path)
    assert report.verdict == "NO-GO"
    assert {risk.id for risk in report.risks if risk.evidence} == set(SPECIFICATION)
    assert min(risk.score for risk in report.risks) >= 4
    assert json.loads((SAMPLES / "antone-leaky" / "expected.json").read_text())["verdict"] == "NO-GO"
