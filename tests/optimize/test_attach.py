"""Findings with patches: the text says what the patch does, and the patches of one report apply together."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from plans import inputs_of
from projects import make_project

from imgscan.assess import Project, project_findings
from imgscan.model import Finding
from imgscan.optimize.attach import with_patches

NODE = {"package.json": "{}", "package-lock.json": "{}", "src/a.js": "x", ".git/HEAD": "r"}
WHEELS = {"requirements.txt": "f\n", "wheels/f.whl": "x", "app/a.py": "x"}
MAVEN = {"pom.xml": "<project/>", "mvnw": "#!/bin/sh", "src/A.java": "x"}
GO = {"go.mod": "module m\n", "go.sum": "", "main.go": "package main\n"}


def found(root: Path, dockerfile: str, files: dict[str, str]) -> list[Finding]:
    made = make_project(root, f"{dockerfile}\n", files)
    project = Project(context=made.context, dockerfile=made.dockerfile, target=None, build_args={})
    return list(with_patches(project_findings(project), inputs_of(root)))


HOW = [
    pytest.param(
        "FROM python:3.11\nWORKDIR /s\nCOPY . .\nRUN pip install --no-index --find-links=./wheels -r requirements.txt",
        WHEELS,
        "Put `COPY requirements.txt ./`, `COPY wheels wheels/` above line 4 and move line 3 below it.",
        id="files-beside-the-manifest",
    ),
    pytest.param(
        "FROM debian:12\nWORKDIR /b\nCOPY mvnw pom.xml ./\nCOPY src ./src\nRUN ./mvnw -B package",
        MAVEN,
        "Put `RUN ./mvnw -B dependency:go-offline` above line 4; line 5 stays where it is.",
        id="a-build-stays-below-the-sources",
    ),
    pytest.param(
        "FROM golang:1.22\nWORKDIR /b\nCOPY . .\nRUN go mod download",
        GO,
        "Put `COPY go.mod go.sum ./` above line 4 and move line 3 below it.",
        id="an-install-moves-above",
    ),
    pytest.param(
        "FROM node:24\nWORKDIR /b\nCOPY . .\nRUN npm ci && npm run build",
        NODE,
        "above line 4 and move line 3 below it, and give what else it does a RUN of its own below them. "
        "Add `**/node_modules` to .dockerignore",
        id="a-run-is-cut-in-two",
    ),
]


@pytest.mark.parametrize(("dockerfile", "files", "text"), HOW)
def test_the_text_says_what_the_patch_does(dockerfile: str, files: dict[str, str], text: str, tmp_path: Path) -> None:
    (finding,) = [f for f in found(tmp_path, dockerfile, files) if f.rule_id == "cache-copy-before-install"]
    assert finding.fix.patch is not None
    assert text in finding.fix.text


TOGETHER = [
    pytest.param("FROM node:24\nWORKDIR /b\nCOPY . .\nRUN npm ci", {**NODE, ".env": "A=" + "b" * 9}, id="ignore-file"),
    pytest.param(
        "FROM node:24\nARG GIT_SHA\nENV GIT_SHA=$GIT_SHA\nWORKDIR /b\nCOPY . .\nRUN npm ci", NODE, id="same-lines"
    ),
    pytest.param("FROM python:3.11\nWORKDIR /s\nCOPY . .\nRUN pip install -r requirements.txt", WHEELS, id="mount"),
    pytest.param("FROM golang:1.22\nCOPY . /b\nWORKDIR /b\nRUN go mod download", {**GO, ".dockerignore": "x"}, id="go"),
]


@pytest.mark.parametrize(("dockerfile", "files"), TOGETHER)
def test_patches_apply_one_after_another(dockerfile: str, files: dict[str, str], tmp_path: Path) -> None:
    findings = found(tmp_path, dockerfile, files)
    patches = dict.fromkeys(finding.fix.patch for finding in findings if finding.fix.patch)
    assert sum(1 for finding in findings if finding.fix.patch) > 1
    for patch in patches:
        done = subprocess.run(["git", "apply", "-"], input=patch, text=True, cwd=tmp_path, capture_output=True)
        assert done.returncode == 0, done.stderr
    for finding in findings:
        if finding.rule_id == "context-git-directory" and finding.fix.patch:
            assert "**/.git\n" in (tmp_path / ".dockerignore").read_text()


def test_a_patch_of_a_context_in_a_folder_is_for_its_own_ignore_file(tmp_path: Path) -> None:
    made = make_project(tmp_path / "api", "FROM node:24\nCOPY . .\n", {"a.js": "x", ".git/HEAD": "r"})
    project = Project(context=made.context, dockerfile=made.dockerfile, target=None, build_args={}, folder="api")
    inputs = replace(inputs_of(tmp_path / "api"), folder="api")
    patches = {f.fix.patch for f in with_patches(project_findings(project), inputs) if f.fix.patch}
    assert patches
    for patch in patches:
        done = subprocess.run(["git", "apply", "-"], input=patch, text=True, cwd=tmp_path, capture_output=True)
        assert done.returncode == 0, done.stderr
    assert "**/.git\n" in (tmp_path / "api" / ".dockerignore").read_text()
    assert not (tmp_path / ".dockerignore").exists()
