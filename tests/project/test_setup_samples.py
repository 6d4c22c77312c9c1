"""The samples as OPS-001 and TECH-002 see them: the hardened one clean, the planned one with its own mitigations' faults."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mended import check_patches

from imgscan.model import Evidence, Finding, Severity
from imgscan.project.health.detect import detect as health
from imgscan.project.network.detect import detect as network
from imgscan.project.setup import Setup, read_setup

SAMPLES = Path(__file__).parents[2] / "sample_images"


def both(setup: Setup) -> Iterator[Finding]:
    yield from health(setup)
    yield from network(setup)


def ids(root: Path, least: Severity = Severity.INFO) -> set[str]:
    return {finding.rule_id for finding in both(read_setup(root)) if finding.severity.rank >= least.rank}


@pytest.fixture
def leaky(tmp_path: Path) -> Path:
    """The sample with what its team has lying about."""
    copy = tmp_path / "leaky"
    shutil.copytree(SAMPLES / "antone-leaky", copy, ignore=shutil.ignore_patterns("node_modules"))
    subprocess.run([sys.executable, SAMPLES / "plant.py", copy], check=True, capture_output=True)
    return copy


def test_the_hardened_sample_is_clean() -> None:
    assert not list(both(read_setup(SAMPLES / "antone")))


def test_the_planned_sample_shows_the_faults_of_its_own_mitigations() -> None:
    found = {finding.rule_id: finding for finding in both(read_setup(SAMPLES / "antone-as-planned"))}
    assert {
        "ops-health-localhost",
        "ops-health-over-socket",
        "ops-health-compose-variable",
        "ops-depends-on-started",
        "ops-restart-missing",
        "ops-stop-grace-short",
    } <= set(found)
    one = found["ops-health-localhost"]
    assert (one.severity, one.evidence) == (Severity.HIGH, Evidence.DERIVED)
    assert [place.path for place in one.places] == ["docker/docker-compose.yml", "backend/src/server.ts"]


def test_the_leaky_sample_fails_both(leaky: Path) -> None:
    grave = ids(leaky, Severity.HIGH)
    assert {"ops-health-tool-unavailable", "ops-health-wrong-target", "net-localhost"} <= grave
    assert {"ops-health-missing", "ops-health-always-green", "net-store-published"} <= ids(leaky, Severity.MEDIUM)


def test_patches_of_the_planned_sample_mend_it(tmp_path: Path) -> None:
    copy = tmp_path / "p"
    shutil.copytree(SAMPLES / "antone-as-planned", copy, ignore=shutil.ignore_patterns("node_modules"))
    mended = {finding.rule_id for finding in check_patches(copy, both)}
    assert {"ops-health-localhost", "ops-health-over-socket", "ops-depends-on-started"} <= mended


def test_patches_of_the_leaky_sample_mend_it(leaky: Path) -> None:
    mended = {finding.rule_id for finding in check_patches(leaky, both)}
    assert {"net-localhost", "net-store-published", "ops-health-always-green"} <= mended
