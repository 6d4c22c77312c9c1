"""Manifests before sources: what the Dockerfile becomes, and where nothing is proposed and why."""

from __future__ import annotations

from pathlib import Path

import pytest
from mendings import MOVED, NODE, NPM, TRAPS
from plans import plan_of, reasons

from imgscan.optimize.records import Kind


@pytest.mark.parametrize("case", MOVED)
def test_what_the_dockerfile_becomes(case: str, tmp_path: Path) -> None:
    before, files, after = MOVED[case]
    plan = plan_of(tmp_path, before, files, (Kind.SPLIT,))
    assert plan.dockerfile_text == (after if after.endswith("\n") or not before.endswith("\n") else after + "\n")
    assert not plan.refusals


@pytest.mark.parametrize("case", TRAPS)
def test_no_unsafe_patch(case: str, tmp_path: Path) -> None:
    before, files, reason = TRAPS[case]
    plan = plan_of(tmp_path, before, files, (Kind.SPLIT,))
    assert plan.dockerfile_text == before
    assert not plan.changes
    assert reason in reasons(plan)


GOOD = {
    "manifests first": "FROM node:20\nWORKDIR /app\nCOPY package*.json ./\nRUN npm ci\nCOPY . .\n",
    "no install": "FROM nginx:1\nCOPY . /usr/share/nginx/html\n",
    "cache mount for a build": "FROM golang:1\nWORKDIR /s\nCOPY . .\nRUN --mount=type=cache,target=/go/pkg/mod go build\n",
}


@pytest.mark.parametrize("case", GOOD)
def test_well_ordered_files_are_left_alone(case: str, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, GOOD[case], {**NODE, "go.mod": "module x", "go.sum": "x"}, (Kind.SPLIT,))
    assert not plan.changes
    assert not plan.refusals


def test_what_the_install_makes_is_not_overwritten(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, NPM, NODE, (Kind.SPLIT,))
    assert plan.ignore_lines == ("**/node_modules",)
    again = plan_of(tmp_path / "b", NPM, {**NODE, ".dockerignore": "node_modules\n"}, (Kind.SPLIT,))
    assert again.ignore_lines == ()


def test_the_proof_is_asked_of_what_the_install_reads(tmp_path: Path) -> None:
    (change,) = plan_of(tmp_path, NPM, {**NODE, ".npmrc": "x"}, (Kind.SPLIT,)).changes
    (install,) = change.installs
    assert (install.manager, install.folder) == ("npm", "/app")
    assert install.reads == ("package-lock.json", "package.json", ".npmrc")
