"""What is said of the samples' data and backups: nothing, what the plan misses, and a lot."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from mended import check_patches
from wrapperscripts import ELEVEN

from imgscan.model import Finding, Severity
from imgscan.project.backup import detect as backup
from imgscan.project.data import detect as data
from imgscan.project.setup import Setup, read_setup

SAMPLES = Path(__file__).parents[3] / "sample_images"
AS_PLANNED = {
    "data-external-unnamed",
    "data-external-not-created",
    "data-volume-managed-elsewhere",
    "data-wrapper-bypass",
    "data-no-backup",
}


def both(setup: Setup) -> Iterator[Finding]:
    yield from data.detect(setup)
    yield from backup.detect(setup)


def test_the_hardened_one_is_clean() -> None:
    assert not list(both(read_setup(SAMPLES / "antone")))


def test_the_plan_has_its_faults() -> None:
    findings = {finding.rule_id: finding for finding in both(read_setup(SAMPLES / "antone-as-planned"))}
    assert set(findings) == AS_PLANNED
    bypass = findings["data-wrapper-bypass"]
    assert all(f"`{spelling}`" in bypass.message for spelling in ELEVEN)
    assert "11 other spellings" in bypass.message
    assert "antone_postgres_data" in findings["data-external-unnamed"].message


def test_the_leaky_one_fails_both() -> None:
    found = list(both(read_setup(SAMPLES / "antone-leaky")))
    for risk in ("DATA-001", "OPS-003"):
        assert any(finding.risk_id == risk and finding.severity is Severity.HIGH for finding in found)
    assert {"data-managed-volume", "data-destructive-command", "backup-no-pipefail", "backup-restore-errors"} <= {
        finding.rule_id for finding in found
    }


@pytest.mark.parametrize("name", ["antone-as-planned", "antone-leaky"])
def test_patches_mend_them(name: str, tmp_path: Path) -> None:
    copy = tmp_path / "project"
    shutil.copytree(SAMPLES / name, copy)
    assert check_patches(copy, both)
