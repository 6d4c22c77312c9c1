"""Patches of the ignore file for what must not reach the build: they apply, and the finding is gone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from projects import make_project, read_project

from imgscan.model import Finding, Severity
from imgscan.project.contextfiles import detect

DOCKERFILE = "FROM node:24\nCOPY . .\n"


def found(root: Path) -> list[Finding]:
    project = read_project(root)
    return list(detect(project.context, project.dockerfile))


@pytest.mark.parametrize(
    ("files", "rule_id"),
    [
        pytest.param({".env": "A=1\n", ".dockerignore": "x\n"}, "context-secret-file", id="root"),
        pytest.param({"api/.env": "A=1\n", ".dockerignore": "x\r\ny"}, "context-secret-file", id="nested-crlf"),
        pytest.param(
            {"api/.env": "A=1\n", ".dockerignore": "**/.env\n!api/.env\n"}, "context-secret-file", id="taken-back"
        ),
        pytest.param({".env": "A=1\n"}, "context-secret-file", id="no-ignore-file"),
        pytest.param({".git/HEAD": "ref: x\n", ".dockerignore": ""}, "context-git-directory", id="history"),
        pytest.param(
            {".env": "A=1\n", "Dockerfile.dockerignore": "x\n", ".dockerignore": "y\n"},
            "context-secret-file",
            id="beside",
        ),
    ],
)
def test_it_mends(tmp_path: Path, files: dict[str, str | int], rule_id: str) -> None:
    make_project(tmp_path, DOCKERFILE, files)
    before = found(tmp_path)
    (finding,) = [f for f in before if f.rule_id == rule_id]
    assert finding.fix.patch is not None
    done = subprocess.run(["git", "apply"], input=finding.fix.patch.encode(), cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    left = found(tmp_path)
    assert rule_id not in {f.rule_id for f in left}
    assert {f.rule_id for f in left if f.severity.rank >= Severity.MEDIUM.rank} <= {f.rule_id for f in before}


def test_a_name_that_is_a_pattern_gets_no_patch(tmp_path: Path) -> None:
    make_project(tmp_path, DOCKERFILE, {"a[b].env": "A=1\n"})
    assert [f.fix.patch for f in found(tmp_path) if f.rule_id == "context-secret-file"] == [None]
